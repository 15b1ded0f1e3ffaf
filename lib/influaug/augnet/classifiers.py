"""Classifiers F that learn from augmented images: the networks, and their training with augmentation in the pipeline.

Each step draws its own copies: the augmentation is a layer in front of the network, and nothing is written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..backend import keras
from ..errors import InputError
from ..networks.checks import check_seed, checked_images, checked_labels
from ..networks.featurizer import JIT, NETWORKS, layer_seeds
from ..networks.precision import check_finite
from ..networks.residual import LayerMaker, check_residual
from .chain import copies_of, needs_labels
from .models import check_number, check_whole_number
from .on_arrays import OnArrays
from .partial import Partial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from .._types import Shape, Tensor

    CLASSIFIERS: dict[str, Callable[..., keras.Model]]

layers, ops = keras.layers, keras.ops


def all_cnn(input_shape: Shape, n_classes: int, seed: int = 0, width: int = 16) -> keras.Model:
    """All-convolutional network of four layers, 4 * width features.

    Lee et al. (2020), section 5.1, and Ratner et al. (2017) name "a 4-layer all-convolutional" network for MNIST and
    leave its sizes open. Strides take the place of pooling (Springenberg et al., 2015); each convolution is followed by
    batch normalisation and a rectified linear unit; what the last gives is averaged over the map.

    Parameters
    ----------
    input_shape : tuple of int (height, width, channels)
        At least 8 pixels a side.
    n_classes : int
    seed : int
        Of the initial weights.
    width : int
        Channels of the first layer; the others have 2, 4 and 4 times as many.

    Returns
    -------
    keras.Model
        Images from 0 to 255 -> logits [n, n_classes]; not compiled; the layer 'features' has 4 * width units.
    """
    seeds = layer_seeds(input_shape, 8, seed)

    def block(filters, size, strides):
        weights = keras.initializers.HeNormal(seed=next(seeds))
        convolution = layers.Conv2D(filters, size, strides, "same", use_bias=False, kernel_initializer=weights)
        return [convolution, layers.BatchNormalization(momentum=0.9), layers.ReLU()]

    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Rescaling(1 / 255),
            *block(width, 5, 2),
            *block(2 * width, 3, 2),
            *block(4 * width, 3, 1),
            *block(4 * width, 3, 2),
            layers.GlobalAveragePooling2D(name="features"),
            layers.Dense(n_classes, kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)), name="logits"),
        ],
        name="all_cnn",
    )


def wide_resnet(input_shape: Shape, n_classes: int, seed: int = 0, depth: int = 28, widen: int = 10) -> keras.Model:
    """Wide residual network (Zagoruyko & Komodakis, 2016), 64 * widen features; WRN-28-10 by default.

    Pre-activation blocks of two 3 x 3 convolutions, (depth - 4) / 6 in each of three stages with 16, 32 and 64 times
    `widen` channels; He-normal weights; `residual.L2` on the convolutions; no dropout. Pixels are scaled to -1..1 by
    its first layer.

    Parameters
    ----------
    input_shape : tuple of int (height, width, channels)
        At least 16 pixels a side.
    n_classes : int
    seed : int
        Of the initial weights.
    depth : int
        6n + 4: 10, 16, 22, 28, ...
    widen : int

    Returns
    -------
    keras.Model
        Images from 0 to 255 -> logits [n, n_classes]; not compiled; the layer 'features' has 64 * widen units.
    """
    if not isinstance(depth, int) or depth < 10 or depth % 6 != 4:
        raise InputError(f"depth is {depth!r}; it must be 6n + 4: 10, 16, 22, 28, ...")
    check_residual(input_shape, 11)
    blocks = (depth - 4) // 6
    make = LayerMaker(seed, 6 * blocks + 5)
    inputs = layers.Input(input_shape)
    x = make.convolution(layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs), 16, 3, 1, "stem")
    for stage, filters in enumerate([16 * widen, 32 * widen, 64 * widen]):
        for block in range(blocks):
            name, strides = f"stage{stage}_block{block}", 2 if stage and not block else 1
            y = make.activation(x, f"{name}_a")
            shortcut = x if block else make.convolution(y, filters, 1, strides, f"{name}_shortcut")
            y = make.convolution(y, filters, 3, strides, f"{name}_a")
            y = make.convolution(make.activation(y, f"{name}_b"), filters, 3, 1, f"{name}_b")
            x = layers.Add(name=f"{name}_add")([shortcut, y])
    x = layers.GlobalAveragePooling2D(name="features")(make.activation(x, "last"))
    outputs = layers.Dense(n_classes, kernel_initializer=make.weights(), name="logits")(x)
    return keras.Model(inputs, outputs, name=f"wrn_{depth}_{widen}")


CLASSIFIERS = {
    "all-cnn": all_cnn,
    "wrn-28-10": wide_resnet,
    "wrn-16-2": partial(wide_resnet, depth=16, widen=2),
    "wrn-10-1": partial(wide_resnet, depth=10, widen=1),
    **NETWORKS,
}
"""Classifiers by name: functions (input_shape, n_classes, seed) -> keras.Model with a layer 'features'."""


OPTIMIZERS = ("adam", "sgd")
SILENT = 20
"""Seconds that a training takes before its progress is shown."""
MOMENTUM, LONGEST = 0.9, 5.0
"""Nesterov momentum of 'sgd', and the global norm to which it clips gradients."""


@dataclass(frozen=True)
class Schedule:
    """How a classifier is trained: the step size falls to zero on a cosine.

    Attributes
    ----------
    steps : int
    batch_size : int
        Points a step, drawn in shuffled rounds; each with a copy of its own.
    rate : float
        The first step size.
    optimizer : {'adam', 'sgd'}
        'sgd' has Nesterov momentum .9 and clips gradients, those of weight decay included, at a global norm of 5, as
        the code that was released with AutoAugment (Cubuk et al., 2019).
    """

    steps: int = 2400
    batch_size: int = 64
    rate: float = 2e-3
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        check_whole_number("steps", self.steps, 1)
        check_whole_number("batch_size", self.batch_size, 1)
        check_number("rate", self.rate, strictly=True)
        if self.optimizer not in OPTIMIZERS:
            raise InputError(f"optimizer is {self.optimizer!r}; it must be one of {', '.join(OPTIMIZERS)}.")


class _Augmented(Partial):
    """A classifier behind an augmentation; only the classifier is trained."""

    def __init__(self, classifier: keras.Model, augmentation: keras.layers.Layer | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classifier, self.augmentation = classifier, augmentation
        self.trains(classifier)

    def call(self, x: Tensor | dict[str, Tensor], training: bool | None = None) -> Tensor:
        """Logits of copies of images x, or of x['images'] with x['labels'] for an augmentation that needs labels."""
        images, labels = (x["images"], x["labels"]) if isinstance(x, dict) else (x, None)
        copies = images
        if self.augmentation is not None:
            copies = copies_of(self.augmentation, images, labels, training=True)
        return self.classifier(ops.stop_gradient(copies), training=training)


def train_classifier(
    network: str,
    images: np.ndarray,
    labels: np.ndarray,
    augmentation: keras.layers.Layer | OnArrays | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
) -> keras.Model:
    """Train a classifier anew on copies of images, drawn anew in each step.

    Parameters
    ----------
    network : str
        One of `CLASSIFIERS`.
    images : array of uint8 [n, height, width, channels]
    labels : array of int [n]
        Every class 0..K-1 present, K at least 2.
    augmentation : keras.layers.Layer, on_arrays.OnArrays or None
        Images -> copies of the same shape; None trains on the images themselves. A layer with `needs_labels` is called
        with ``labels=``, as `conditional_operations.ClassOperations` is.
    schedule : Schedule
    seed : int
        Of the initial weights and the order of the points; an augmentation draws from a seed of its own.

    Returns
    -------
    keras.Model
        uint8 images -> logits.

    Raises
    ------
    InputError
        An unknown network, or unfit images or labels.
    """
    check_classifier(network)
    schedule, images = schedule or Schedule(), checked_images(images)
    labels = checked_labels(labels, len(images))
    model, rng = new_classifier(network, images.shape[1:], int(labels.max()) + 1, seed)
    on_arrays = augmentation if isinstance(augmentation, OnArrays) else None
    trainer = _Augmented(model, None if on_arrays else augmentation)
    drawn = batches(len(images), schedule.steps, schedule.batch_size, rng)
    given = ((on_arrays(images[points]) if on_arrays else images[points], labels[points]) for points in drawn)
    train_on_batches(trainer, _told(given) if needs_labels(augmentation) else given, schedule)
    return model


def _told(given):
    """Batches whose images come with their labels."""
    for images, labels in given:
        yield {"images": images.astype("float32"), "labels": labels}, labels


def check_classifier(network: Any) -> None:
    """Refuse what is none of `CLASSIFIERS`."""
    if not isinstance(network, str) or network not in CLASSIFIERS:
        raise InputError(f"classifier is {network!r}; it must be one of {', '.join(CLASSIFIERS)}.")


def new_classifier(
    network: str, image_shape: Shape, n_classes: int, seed: int
) -> tuple[keras.Model, np.random.Generator]:
    """One of `CLASSIFIERS` with its initial weights, and the generator of the order of its points."""
    of_weights, of_order = np.random.SeedSequence(check_seed(seed)).spawn(2)
    model = CLASSIFIERS[network](image_shape, n_classes, int(of_weights.generate_state(1)[0] >> 1))
    return model, np.random.default_rng(of_order)


def optimizer_of(schedule: Schedule) -> keras.optimizers.Optimizer:
    """The optimizer of a schedule, new."""
    rates = keras.optimizers.schedules.CosineDecay(schedule.rate, schedule.steps)
    if schedule.optimizer == "adam":
        return keras.optimizers.Adam(rates)
    return keras.optimizers.SGD(rates, momentum=MOMENTUM, nesterov=True, global_clipnorm=LONGEST)


def train_on_batches(trainer: keras.Model, given: Iterable[tuple[np.ndarray, np.ndarray]], schedule: Schedule) -> None:
    """Train a model in place by cross-entropy, a step for each batch of images and labels.

    Raises
    ------
    InputError
        The training diverges.
    """
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer.compile(optimizer_of(schedule), loss, jit_compile=JIT)
    reached: Any = 0.0
    for images, labels in tqdm(given, "training", schedule.steps, unit="step", leave=False, delay=SILENT):
        x = images if isinstance(images, dict) else images.astype("float32")
        reached = trainer.train_on_batch(x, labels)
    check_finite(float(reached), f"of the classifier after {schedule.steps} steps")


def batches(n: int, steps: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Positions of the points of each step, in shuffled rounds through all n: yields int arrays [batch_size]."""
    waiting = np.empty(0, int)
    for _ in range(steps):
        while len(waiting) < batch_size:
            waiting = np.concatenate([waiting, rng.permutation(n)])
        yield waiting[:batch_size]
        waiting = waiting[batch_size:]


def error_and_loss(
    model: keras.Model, images: np.ndarray, labels: np.ndarray, batch_size: int = 1000
) -> tuple[float, float]:
    """Share of images classified wrongly, in percent, and mean cross-entropy in nats.

    Parameters
    ----------
    model : keras.Model
        Images -> logits.
    images : array of uint8 [n, height, width, channels]
    labels : array of int [n]

    Returns
    -------
    tuple of float
    """
    starts = range(0, len(images), batch_size)
    logits = np.concatenate([model.predict_on_batch(images[i : i + batch_size]) for i in starts]).astype(np.float64)
    log_p = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    wrong = logits.argmax(axis=1) != labels
    return 100 * float(wrong.mean()), -float(log_p[np.arange(len(labels)), labels].mean())
