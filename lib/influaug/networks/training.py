"""Training of residual networks that takes hours: it survives interruption, and continues to the very same weights.

`train` runs one cycle of the learning rate over a network and keeps a checkpoint; `compact.save_featurizer` makes one
small file of the trained network.
"""

from __future__ import annotations

import json
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from sklearn.model_selection import train_test_split
from tqdm.auto import tqdm

from ..backend import keras
from ..data.datasets import content_hash
from ..errors import InputError
from ..files.sealed import key, read_about, read_arrays, write_arrays
from .featurizer import checked_images, checked_labels
from .precision import check_finite, surroundings

if TYPE_CHECKING:
    from .._types import PathLike

AUGMENTATIONS = ("flips", "shifts", "rotations")
SHIFT = 1 / 8
"""Furthest shift, as a part of the side: 4 pixels of 32, 12 of 96."""
ROTATION = 15.0
"""Furthest rotation, in degrees."""
MOMENTUM = 0.9
WARM_UP = 0.3
"""Part of the steps in which the learning rate rises."""
START = 1 / 25
"""The first learning rate, as a part of the peak."""
AHEAD = 8
"""Batches that wait, prepared, for the network."""


@dataclass(frozen=True)
class Settings:
    """How a network is trained.

    Attributes
    ----------
    epochs : int
    batch_size : int
        Points a step; what remains of an epoch after its last whole batch is left out, other points in each epoch.
    peak_rate : float
        Highest learning rate, see `one_cycle`.
    augmentation : str
        'none', or some of `AUGMENTATIONS` joined by '+', such as 'flips+shifts'; see `augment`.
    held_out : float
        Part of the training set, 0 up to below 1, that is not trained on but gives an accuracy after each epoch.
    seed : int
        Of the orders, the augmentation and what is held out; the network has a seed of its own.
    mixed_precision : bool
        Compute in bfloat16, with weights in single precision; the last layer is computed in single precision.
    """

    epochs: int = 30
    batch_size: int = 128
    peak_rate: float = 0.2
    augmentation: str = "none"
    held_out: float = 0.0
    seed: int = 0
    mixed_precision: bool = False

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            _check_whole(name, getattr(self, name), least)
        if not _is_number(self.peak_rate) or not 0 < self.peak_rate < math.inf:
            raise InputError(f"peak_rate is {self.peak_rate!r}; it must be a positive number.")
        if not _is_number(self.held_out) or not 0 <= self.held_out < 1:
            raise InputError(f"held_out is {self.held_out!r}; it must be a part from 0 to below 1.")
        if not isinstance(self.mixed_precision, bool):
            raise InputError(f"mixed_precision is {self.mixed_precision!r}; it must be True or False.")
        _chosen(self.augmentation)


@dataclass
class _Progress:
    """Where a training is; `loss`, `accuracy` and `seconds` are sums over the steps of the present epoch."""

    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    accuracy: float = 0.0
    seconds: float = 0.0
    history: dict = field(default_factory=dict)


def train(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    settings: Settings,
    folder: PathLike,
    save_every: int = 500,
) -> dict[str, list[float]]:
    """Train a network in place: SGD with Nesterov momentum on cross-entropy and the network's own penalties.

    The checkpoint, ``folder/checkpoint.npz``, is replaced every `save_every` steps and after each epoch. Calling the
    function again with the same arguments continues from it, and gives the weights that an undisturbed training gives:
    the same bits, on the same machine with the same number of threads. No global state is read or changed.

    Parameters
    ----------
    model : keras.Model
        uint8 images -> logits; Sequential or functional. With mixed precision, none of its layers may be a model.
    images : array of uint8 [n, height, width, channels]
    labels : array of int [n]
        Every class 0..K-1 present, K at least 2.
    settings : Settings
    folder : str or Path
        Of the checkpoint; it is made if missing.
    save_every : int
        Steps.

    Returns
    -------
    dict
        Lists with one float an epoch: 'loss' (mean over the epoch's points as they were trained on, penalties
        included), 'accuracy' (likewise), 'learning_rate' (of the last step), 'seconds' (wall-clock time, pauses
        included) and, where a part is held out, 'held_out_accuracy'.

    Raises
    ------
    InputError
        Unfit images or labels, fewer points than a batch, or a checkpoint that is damaged or of another training.
    """
    _check_whole("save_every", save_every, 1)
    run = _Run(model, images, labels, settings, Path(folder))
    run.restore()
    done = run.progress.epoch * run.steps + run.progress.step
    with tqdm(total=settings.epochs * run.steps, initial=done, desc="training", unit="step") as bar:
        while run.progress.epoch < settings.epochs:
            run.epoch(save_every, bar)
    _copy_variables(run.trainer, model)
    return run.progress.history


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate of a step, 0 to steps - 1: a cosine from `START` * peak to peak, and then one down to zero.

    Smith & Topin (2018), "Super-Convergence"; the cosines are those of fastai. The rise takes `WARM_UP` of the steps.
    """
    rise = WARM_UP * steps
    if step < rise:
        return peak * (START + (1 - START) * (1 - math.cos(math.pi * step / rise)) / 2)
    return peak * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2


def augment(images: np.ndarray, augmentation: str, rng: np.random.Generator) -> np.ndarray:
    """Flip, shift and rotate each image at random; pixels that come from outside repeat the nearest edge.

    Parameters
    ----------
    images : array of uint8 [n, height, width, channels]
    augmentation : str
        'none', or joined by '+': 'flips' (left to right, half of the images), 'shifts' (whole pixels, evenly up to
        `SHIFT` of the side each way), 'rotations' (about the centre, evenly up to `ROTATION` either way, bilinear).
    rng : numpy.random.Generator

    Returns
    -------
    array of uint8 [n, height, width, channels]
    """
    chosen, n = _chosen(augmentation), len(images)
    if not chosen:
        return images
    reach = [int(SHIFT * side) for side in images.shape[2:0:-1]]
    flips = (rng.random(n) < 0.5) & ("flips" in chosen)
    shifts = rng.integers(np.negative(reach), reach, (n, 2), endpoint=True) * ("shifts" in chosen)
    angles = rng.uniform(-ROTATION, ROTATION, n) * ("rotations" in chosen)
    return np.stack([_moved(*each) for each in zip(images, flips, shifts, angles, strict=True)])


class _Run:
    """One training: a copy of the network to train, the data, and the progress."""

    def __init__(
        self, model: keras.Model, images: np.ndarray, labels: np.ndarray, settings: Settings, folder: Path
    ) -> None:
        self.images = checked_images(images)
        self.labels = checked_labels(labels, len(self.images))
        self.settings, self.about = settings, json.loads(json.dumps(asdict(settings), default=np.generic.item))
        self.path, self.progress = folder / "checkpoint.npz", _Progress()
        self.training, self.held_out = _parts(self.labels, settings)
        self.steps = len(self.training) // settings.batch_size
        if not self.steps:
            raise InputError(f"batch_size is {settings.batch_size}; there are only {len(self.training)} points.")
        self.trainer = _trainer(model, settings)
        self.key = key(
            settings=self.about,
            layers=[_described(layer) for layer in model.layers],
            weights=content_hash(*map(keras.ops.convert_to_numpy, model.variables)),
            data=content_hash(self.images, self.labels),
            backend=keras.config.backend(),
            **_unusual(),
        )

    def epoch(self, save_every: int, bar: tqdm) -> None:
        """Train from the present step to the end of the epoch."""
        progress, order, start = self.progress, self.order(), time.monotonic()
        with closing(_ahead(lambda step: self.batch(order, step), range(progress.step, self.steps))) as batches:
            for images, labels in batches:
                self.train_on(images, labels)
                now = time.monotonic()
                progress.seconds, start = progress.seconds + now - start, now
                bar.set_postfix(epoch=progress.epoch + 1, accuracy=progress.accuracy / progress.step, refresh=False)
                bar.update()
                if progress.step % save_every == 0 and progress.step < self.steps:
                    self.save()
        self.finish_epoch()
        self.save()

    def order(self) -> np.ndarray:
        """Points of the present epoch's batches, [steps, batch_size]."""
        shuffled = self.rng().permutation(self.training)
        return shuffled[: self.steps * self.settings.batch_size].reshape(self.steps, -1)

    def rng(self, *step: int) -> np.random.Generator:
        seed = np.random.SeedSequence(self.settings.seed, spawn_key=(self.progress.epoch, *step))
        return np.random.default_rng(seed)

    def batch(self, order: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        points = order[step]
        return augment(self.images[points], self.settings.augmentation, self.rng(step)), self.labels[points]

    def rate(self, step: int) -> float:
        """Learning rate of a step of the present epoch."""
        done, total = self.progress.epoch * self.steps + step, self.settings.epochs * self.steps
        return one_cycle(done, total, self.settings.peak_rate)

    def train_on(self, images: np.ndarray, labels: np.ndarray) -> None:
        """Take one step."""
        self.trainer.optimizer.learning_rate = self.rate(self.progress.step)
        logs = self.trainer.train_on_batch(images, labels, return_dict=True)
        self.progress.loss += float(logs["loss"])
        self.progress.accuracy += float(logs["accuracy"])
        self.progress.step += 1

    def finish_epoch(self) -> None:
        """Write the epoch into the history, and go on to the next."""
        progress, steps = self.progress, self.steps
        check_finite(progress.loss, f"in epoch {progress.epoch + 1}")
        row = {
            "loss": progress.loss / steps,
            "accuracy": progress.accuracy / steps,
            "learning_rate": self.rate(steps - 1),
            "seconds": progress.seconds,
        }
        if len(self.held_out):
            row["held_out_accuracy"] = self.held_out_accuracy()
        history = {name: [*progress.history.get(name, []), value] for name, value in row.items()}
        self.progress = _Progress(epoch=progress.epoch + 1, history=history)

    def held_out_accuracy(self) -> float:
        points, size = self.held_out, self.settings.batch_size
        batches = (points[start : start + size] for start in range(0, len(points), size))
        right = [self.trainer.predict_on_batch(self.images[b]).argmax(axis=1) == self.labels[b] for b in batches]
        return float(np.mean(np.concatenate(right)))

    def variables(self) -> list[keras.Variable]:
        return [*self.trainer.variables, *self.trainer.optimizer.variables]

    def save(self) -> None:
        arrays = {f"{i:04}": keras.ops.convert_to_numpy(variable) for i, variable in enumerate(self.variables())}
        about = {"key": self.key, "settings": self.about, "progress": asdict(self.progress)}
        write_arrays(self.path, about, **arrays)

    def restore(self) -> None:
        """Continue from the checkpoint, if there is one."""
        about = read_about(self.path)
        if about is None:
            return
        if about.get("key") != self.key:
            raise InputError(
                f"{self.path} is of another training (other settings, network, initial weights, data or backend); "
                "move it away or choose another folder."
            )
        arrays = read_arrays(self.path, self.key)
        for i, variable in enumerate(self.variables()):
            variable.assign(arrays[f"{i:04}"])  # type: ignore[index]
        self.progress = _Progress(**about["progress"])


def _unusual():
    """What of Keras's settings is not as it comes; they decide the optimizer's variables too."""
    _, *found = surroundings()
    return {} if found == ["float32", "float32", "channels_last"] else {"surroundings": found}


def _trainer(model, settings):
    """A compiled copy of the network, so that the given one keeps its own precision and compilation."""

    def mixed(layer):
        policy = "float32" if layer is model.layers[-1] else "mixed_bfloat16"
        return type(layer).from_config({**layer.get_config(), "dtype": policy})

    trainer = keras.models.clone_model(model, clone_function=mixed if settings.mixed_precision else None)
    _copy_variables(model, trainer)
    optimizer = keras.optimizers.SGD(settings.peak_rate, momentum=MOMENTUM, nesterov=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer.compile(optimizer, loss, metrics=["accuracy"], jit_compile=_jit())
    trainer.optimizer.build(trainer.trainable_variables)  # which may be one around the optimizer, to scale losses
    return trainer


def _copy_variables(source, target):
    # By way of NumPy: in JAX the two would share an array, which a step of training deletes.
    for given, mine in zip(source.variables, target.variables, strict=True):
        mine.assign(keras.ops.convert_to_numpy(given).copy())


def _jit():
    """Whether XLA compiles: for TensorFlow on a CPU it takes longer (measured: 1.2 s against 0.9 s a step)."""
    tensorflow = keras.config.backend() == "tensorflow"
    return False if tensorflow and not keras.distribution.list_devices("gpu") else "auto"


def _described(layer):
    """A layer's configuration without its name, which Keras numbers through a process."""
    config = keras.saving.serialize_keras_object(layer)
    config["config"].pop("name")
    return [config["class_name"], config["config"]]


def _parts(labels, settings):
    """Positions of the points to train on, and of those held out, which are stratified by class."""
    points = np.arange(len(labels))
    if not settings.held_out:
        return points, points[:0]
    seed = int(np.random.SeedSequence(settings.seed).generate_state(1)[0])
    parts = train_test_split(points, test_size=settings.held_out, random_state=seed, stratify=labels)
    return [np.sort(part) for part in parts]


def _ahead(make, items):
    """Yield make(item) of each item in turn, made in a thread up to `AHEAD` items early; what it raises is raised."""
    with ThreadPoolExecutor(1) as pool:
        waiting = deque()
        try:
            for item in items:
                waiting.append(pool.submit(make, item))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _chosen(augmentation):
    """The parts of an augmentation; none for 'none'."""
    chosen = [] if augmentation == "none" else str(augmentation).split("+")
    if not set(chosen) <= set(AUGMENTATIONS):
        raise InputError(
            f"augmentation is {augmentation!r}; it must be 'none', or some of {', '.join(AUGMENTATIONS)} joined by '+'."
        )
    return frozenset(chosen)


def _moved(image, flip, shift, angle):
    """An image [height, width, channels] flipped left to right, rotated (degrees), then shifted (right, down)."""
    height, width = image.shape[:2]
    move = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1)
    if flip:
        move = move @ [[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]]
    move[:, 2] += shift
    moved = cv2.warpAffine(image, move, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved.reshape(image.shape)


def _check_whole(name, value, least):
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}; it must be a whole number of at least {least}.")


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool)
