"""A second judge: a network that is trained anew on the points and each arm's copies, for as many steps in every arm.

A network given by name starts from new weights. One from a .keras file is the user's own: its layers are kept and
every weight that is trained is drawn anew, by the initialisers that its layers name; what a `Normalization` layer
adapted to data stays. All arms of a part start from the same weights.

An arm adds no copies, all copies by one transformation, or `retrained_share` of the copies by the chosen
transformation, as the policy chooses them or at random. In the arm on the fly each image of a batch is drawn anew by
TrivialAugment.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from influaug.augnet.classifiers import CLASSIFIERS, batches
from influaug.backend import keras
from influaug.data.lazy_copies import ChosenCopies
from influaug.data.trivial_augment import trivially_augmented
from influaug.errors import InputError
from influaug.files.networks import check_network
from influaug.networks.featurizer import JIT
from influaug.networks.precision import check_finite

from ..points.study import TRAINED
from ..storage import paths
from .split import NO_COPIES, ON_THE_FLY

if TYPE_CHECKING:
    from collections.abc import Callable

    from .material import Images
    from .parameters import OwnData
    from .split import Part

BATCH, RATE = 64, 1e-3
"""Points a step, and the step size of Adam."""
AT_ONCE = 1000


@dataclass(eq=False)
class Judge:
    """Trains networks and tests them.

    Attributes
    ----------
    own : OwnData
    material : Images
    fresh : callable
        Seed -> a network with new weights, uint8 images -> a score for each class.
    """

    own: OwnData
    material: Images
    fresh: Callable[[int], keras.Model]

    @classmethod
    def of(cls, own: OwnData, material: Images) -> Judge:
        """The judge that the parameters name.

        Raises
        ------
        InputError
            The network's file is missing, holds no network, or one that does not fit the images or the classes.
        """
        shape, n_classes = material.points.images.shape[1:], len(material.points.class_names)
        network = own.retrained or ""
        if not network.endswith(TRAINED):
            return cls(own, material, lambda seed: CLASSIFIERS[network](shape, n_classes, seed))
        path = paths.found(network)
        given = _loaded(path)
        _check_fits(path, given, shape, n_classes)
        return cls(own, material, lambda seed: reset(given, seed))

    def check(self) -> None:
        """Build the network once, which refuses images that are too small for it."""
        self.fresh(0)

    @cached_property
    def trainer(self) -> Trainer:
        """What trains the networks of all arms and parts, one after the other."""
        return Trainer(self.fresh(0))

    def steps(self, n: int) -> int:
        """Steps of every arm with n points: `retrained_epochs` passes over the points."""
        return self.own.retrained_epochs * -(-n // BATCH)

    def trained(self, arm: str, part: Part, chosen: np.ndarray | None) -> dict[str, Any]:
        """Train one network of a part and test it.

        Parameters
        ----------
        arm : str
        part : Part
        chosen : int array or None
            For the policy: numbers of the copies of the part's training points, point by point.

        Returns
        -------
        dict
            arm, added, steps, seconds, accuracy (of the held-out points) and on_copies (of all their copies by the
            chosen transformation).
        """
        started, points = perf_counter(), self.material.points
        images, labels = self._added(arm, part, chosen)
        seeds = self.own.seed_sequence(part.number + 1, "retrained").spawn(3)
        steps = self.steps(len(part.train))
        draw = np.random.default_rng(seeds[2]) if arm == ON_THE_FLY else None
        trainer = self.trainer
        trainer.begin(self.fresh(int(seeds[0].generate_state(1)[0] >> 1)))
        trainer.train(images, labels, steps, np.random.default_rng(seeds[1]), draw)
        held_out, of_held_out = points.images[part.held_out], points.labels[part.held_out]
        copies = self.material.transformations[self.own.chosen]
        on_copies = [trainer.accuracy(made, of_held_out) for made in copies(held_out)]
        return {
            "arm": arm,
            "added": len(images) - len(part.train),
            "steps": steps,
            "seconds": perf_counter() - started,
            "accuracy": trainer.accuracy(held_out, of_held_out),
            "on_copies": float(np.mean(on_copies)),
        }

    def _added(self, arm, part, chosen):
        """Images and labels of the training points and the arm's copies."""
        own, points = self.own, self.material.points
        images, labels = points.images[part.train], points.labels[part.train]
        if arm in (NO_COPIES, ON_THE_FLY):
            return images, labels
        name = arm if arm in self.material.transformations else own.chosen
        transformation = self.material.transformations[name]
        k = len(transformation)
        if arm == name:
            chosen = np.arange(len(images) * k)
        elif chosen is None:
            seed = own.seed_sequence(part.number + 1, "policies")
            m = len(images) * k
            chosen = np.random.default_rng(seed).permutation(m)[: max(1, round(own.retrained_share * m))]
        sources, which = np.divmod(chosen, k)
        made = ChosenCopies(images, transformation).of(sources, which)
        return np.concatenate([images, made]), np.append(labels, labels[sources])


class Trainer:
    """One compiled network that trains from the weights of one fresh network after the other.

    TensorFlow never frees the graph of a training step; a network of its own for each arm would fill the memory.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not _gives_probabilities(model))
        model.compile(keras.optimizers.Adam(RATE), loss, jit_compile=JIT)
        model.optimizer.build(model.trainable_variables)
        self._first = [_value(variable) for variable in model.optimizer.variables]

    def begin(self, fresh: keras.Model) -> None:
        """Take over the weights of a network of the same layers, and begin the optimizer anew."""
        for mine, value in zip(self.model.optimizer.variables, self._first, strict=True):
            mine.assign(value)
        for mine, theirs in zip(self.model.variables, fresh.variables, strict=True):
            mine.assign(_value(theirs))

    def train(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        steps: int,
        rng: np.random.Generator,
        draw: np.random.Generator | None = None,
    ) -> None:
        """Take steps of Adam on the mean cross-entropy, in shuffled rounds of `BATCH` images.

        Parameters
        ----------
        images : uint8 array [n, height, width, channels]
        labels : int array [n]
        steps : int
        rng : numpy.random.Generator
            Of the order of the images.
        draw : numpy.random.Generator, optional
            Then each image of a batch is drawn anew by TrivialAugment.
        """
        last = 0.0
        for points in batches(len(images), steps, BATCH, rng):
            batch = images[points]
            if draw is not None:
                batch = np.stack([trivially_augmented(image, draw) for image in batch])
            last = self.model.train_on_batch(batch, labels[points])
        check_finite(float(last), f"of the network after {steps} steps")

    def accuracy(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Share of images whose class has the highest score."""
        starts = range(0, len(images), AT_ONCE)
        scores = np.concatenate([self.model.predict_on_batch(images[i : i + AT_ONCE]) for i in starts])
        return float(np.mean(scores.argmax(axis=1) == labels))


def _value(variable):
    # By way of NumPy: in JAX the two would share an array, which a step of training deletes.
    return keras.ops.convert_to_numpy(variable).copy()


def reset(model: keras.Model, seed: int) -> keras.Model:
    """A network of the same layers with new weights.

    Every initialiser and every random layer gets a seed of its own; the weights of `Normalization` layers are kept.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional.
    seed : int

    Returns
    -------
    keras.Model
    """
    numbers = np.random.default_rng(seed)

    def anew(layer):
        return type(layer).from_config(_reseeded(layer.get_config(), numbers))

    fresh = keras.models.clone_model(model, clone_function=anew)
    for old, new in zip(_flat(model), _flat(fresh), strict=True):
        if isinstance(old, keras.layers.Normalization):
            new.set_weights(old.get_weights())
            new.finalize_state()
    return fresh


def _reseeded(config, numbers):
    """A layer's configuration with a new number for each ``seed`` in it."""
    if isinstance(config, dict):
        given = {name: _reseeded(value, numbers) for name, value in config.items()}
        return {**given, "seed": int(numbers.integers(2**31))} if "seed" in config else given
    if isinstance(config, list | tuple):
        return type(config)(_reseeded(each, numbers) for each in config)
    return config


def _flat(model):
    for layer in model.layers:
        yield from _flat(layer) if isinstance(layer, keras.Model) else [layer]


def _gives_probabilities(model):
    last = model.layers[-1]
    return isinstance(last, keras.layers.Softmax) or getattr(last, "activation", None) is keras.activations.softmax


def _loaded(path):
    if not path.is_file():
        raise InputError(f"There is no network {path} to train anew; retrained takes a .keras file or a name.")
    try:
        check_network(path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except InputError:
        raise
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(f"{path} holds no network that Keras can load in its safe mode.") from error


def _check_fits(path, model, shape, n_classes):
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise InputError(f"The network {path} must have one input, images, and one output, a score for each class.")
    takes, gives = tuple(model.inputs[0].shape[1:]), tuple(model.outputs[0].shape[1:])
    if len(takes) != 3 or any(side not in (None, got) for side, got in zip(takes, shape, strict=True)):
        raise InputError(f"The network {path} takes images of shape {takes}, but these have {shape}.")
    if gives != (n_classes,):
        raise InputError(f"The network {path} gives {gives}; for {n_classes} classes it must give ({n_classes},).")
