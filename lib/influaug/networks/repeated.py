"""One compiled network for many trainings, each from given weights or on from its present ones, and what they cost.

Compiling a training step takes a second or more, and TensorFlow never frees what it traced; studies and choices in
rounds train the same architecture dozens of times. The cost is counted in *image passes*: one image forward and
backward is a pass, an image that only goes forward a third of one, as the backward pass takes twice the forward pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from ..backend import keras
from ..errors import InputError
from .checks import checked_images
from .featurizer import JIT, TRANSFORM_BATCH, KerasFeaturizer
from .precision import check_finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Arrays = list[np.ndarray]

FORWARD = 1 / 3
"""Part of a pass that an image takes which goes forward alone."""


class RepeatedTraining:
    """A private copy of a network that trains again and again: Adam on the mean cross-entropy.

    Parameters
    ----------
    network : keras.Model
        Sequential or functional; images -> one score for each of two or more classes: logits, or probabilities where
        its last layer is a softmax. It is left as it is.
    learning_rate : float
        Of Adam.
    layer : str
        Name of the layer whose output, flattened, is the features.

    Attributes
    ----------
    model : keras.Model
        The copy, with its present weights.
    first : list of array
        Values of the network's variables as it was given; dropout's seeds are among them.
    updates : int
        Training steps so far, over all trainings.
    passes : float
        Image passes so far, over all trainings and all that was looked at.

    Raises
    ------
    InputError
        No such network, or one without the layer.
    """

    def __init__(self, network: keras.Model, learning_rate: float = 1e-3, layer: str = "features") -> None:
        if not isinstance(network, keras.Model) or len(network.output_shape) != 2 or network.output_shape[-1] < 2:
            raise InputError("network must be a Keras model with one output, a score for each of two or more classes.")
        try:
            self.model = keras.models.clone_model(network)
        except (ValueError, TypeError, NotImplementedError) as error:
            raise InputError(f"network {network.name!r} must be a Sequential or functional Keras model.") from error
        _copy(network.variables, self.model.variables)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not _ends_in_softmax(self.model))
        self.model.compile(keras.optimizers.Adam(learning_rate), loss, jit_compile=JIT)
        self.model.optimizer.build(self.model.trainable_variables)
        self._featurizer = KerasFeaturizer(self.model, layer=layer).fit(np.zeros((0, 1, 1, 1), np.uint8))
        self.first, self._optimizer_first = _values(self.model.variables), _values(self.model.optimizer.variables)
        self.updates, self.passes = 0, 0.0

    def renew(self, network: keras.Model) -> None:
        """Go over to another network of the same architecture: its weights become the first ones, counts are 0."""
        self.first, self.updates, self.passes = _values(network.variables), 0, 0.0
        self.restart()

    def restart(self) -> None:
        """Go back to the first weights, with a new optimizer."""
        _assign(self.model.variables, self.first)
        _assign(self.model.optimizer.variables, self._optimizer_first)

    def train(self, batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> None:
        """Take one training step on each batch of images and labels.

        Raises
        ------
        InputError
            The training diverged.
        """
        loss = 0.0
        for images, labels in batches:
            loss = self.model.train_on_batch(images, labels)
            self.updates += 1
            self.passes += len(labels)
        check_finite(float(loss), f"after {self.updates} steps")

    def features(self, images: np.ndarray) -> np.ndarray:
        """Features of images uint8 [n, height, width, channels]: float32 [n, d]."""
        self.passes += FORWARD * len(images)
        return self._featurizer.transform(images)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of the classes for images uint8 [n, height, width, channels]: float32 [n, n_classes]."""
        images = checked_images(images)
        self.passes += FORWARD * len(images)
        blocks = (images[start : start + TRANSFORM_BATCH] for start in range(0, len(images), TRANSFORM_BATCH))
        none = np.empty((0, self.model.output_shape[-1]), np.float32)
        return np.concatenate([none, *(class_probabilities(self.model, block) for block in blocks)])

    def errors(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """1 less the probability of the true class, of every image: [n]."""
        return 1 - self.probabilities(images)[np.arange(len(labels)), labels]

    def state(self) -> Arrays:
        """All that a training goes on from: values of the network's and the optimizer's variables."""
        return _values([*self.model.variables, *self.model.optimizer.variables])

    def restore(self, state: Arrays) -> None:
        """Go on from a `state`."""
        _assign([*self.model.variables, *self.model.optimizer.variables], state)


def batched(epochs: Iterable[np.ndarray], steps: int, size: int) -> Iterator[np.ndarray]:
    """Rows of each training step, from the rows of one epoch after the other: yields int arrays [size].

    A batch may take the last rows of one epoch and the first of the next, so that every batch is full and equal numbers
    of updates are equal numbers of images. An epoch is asked for no earlier than its first row is needed.

    Parameters
    ----------
    epochs : iterable of int array
        Enough rows for all steps.
    steps, size : int
    """
    source, waiting = iter(epochs), np.empty(0, int)
    for _ in range(steps):
        while len(waiting) < size:
            waiting = np.append(waiting, next(source))
        yield waiting[:size]
        waiting = waiting[size:]


def shuffled(n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless epochs of all n rows, each in a new order."""
    while True:
        yield rng.permutation(n)


def class_probabilities(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Probabilities of the classes for one block of images: float32 [n, n_classes]."""
    scores = network.predict_on_batch(images)
    return scores if _ends_in_softmax(network) else softmax(scores, axis=1)


def _ends_in_softmax(network):
    layer = network.layers[-1]
    return isinstance(layer, keras.layers.Softmax) or getattr(layer, "activation", None) is keras.activations.softmax


def _values(variables):
    # Copies, because JAX deletes the arrays of variables that a training step replaces.
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _copy(source, target):
    _assign(target, _values(source))
