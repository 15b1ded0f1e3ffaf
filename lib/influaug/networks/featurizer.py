"""Featurizers: networks whose last hidden layer gives the features phi(x) of the logistic regression.

Everything goes through Keras 3, so any of its backends serves. A network takes uint8 images [n, height, width,
channels] and carries its own preprocessing as its first layer: what it was trained on is what it is given later.
"""

from __future__ import annotations

import json
import logging
import math
import tempfile
import zipfile
from contextlib import contextmanager
from functools import lru_cache, partial
from numbers import Integral, Real
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..backend import keras
from ..errors import InputError
from ..files.networks import check_network, network_path
from ..files.writing import writing
from .checks import as_array, check_seed, checked_images, checked_labels
from .large import imagenet_resnet, pyramid_shakedrop, shake_shake
from .precision import check_finite, surroundings
from .residual import resnet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from .._types import PathLike, Shape

    NETWORKS: dict[str, Callable[..., keras.Model]]

initializers, layers = keras.initializers, keras.layers

TRANSFORM_BATCH = 1000
"""Images that go through a network at once when features are computed: it bounds the memory."""

_ABOUT = "influaug.json"
_TRAINING = Lock()
# For networks that train in seconds XLA costs more than it saves, and its convolutions on a CPU take several times as
# long as TensorFlow's own (measured: 3.3 s against 0.6 s an epoch of `released_cnn`). JAX, though, is slow without it.
JIT = False if keras.config.backend() == "tensorflow" else "auto"


def lenet(input_shape: Shape, n_classes: int, seed: int = 0) -> keras.Model:
    """LeNet-5 (LeCun et al., 1998) with rectified linear units, 84 features; its subsampling layers average, as there.

    The first convolution pads, so that 28 x 28 images give the sizes 28, 14, 10, 5 of the original, which set its
    digits in 32 x 32. Kuchnik & Smith (2019), appendix B, use "a LeNet architecture with ReLu activations" for MNIST.

    Parameters
    ----------
    input_shape : tuple of int (height, width, channels)
        At least 12 pixels a side.
    n_classes : int
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Model
        uint8 images -> logits [n, n_classes]; not compiled; the layer named 'features' has 84 units.
    """
    seeds = layer_seeds(input_shape, 12, seed)

    def weights():
        return initializers.GlorotUniform(seed=next(seeds))

    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Rescaling(1 / 255),
            layers.Conv2D(6, 5, padding="same", activation="relu", kernel_initializer=weights()),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="relu", kernel_initializer=weights()),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="relu", kernel_initializer=weights()),
            layers.Dense(84, activation="relu", kernel_initializer=weights(), name="features"),
            layers.Dense(n_classes, kernel_initializer=weights(), name="logits"),
        ],
        name="lenet",
    )


def released_cnn(input_shape: Shape, n_classes: int, seed: int = 0) -> keras.Model:
    """The network that the released code of Kuchnik & Smith (2019) trains on MNIST, 512 features.

    It is the CIFAR-10 example of Keras: four convolutions, two poolings, dropout, one dense layer; initial weights are
    normal with standard deviation 0.05, as in that code (which fixes their seed at 42).

    Parameters
    ----------
    input_shape : tuple of int (height, width, channels)
        At least 10 pixels a side.
    n_classes : int
    seed : int
        Of the initial weights and the dropout.

    Returns
    -------
    keras.Model
        uint8 images -> logits [n, n_classes]; not compiled; the layer named 'features' has 512 units.
    """
    seeds = layer_seeds(input_shape, 10, seed)

    def weights():
        return initializers.RandomNormal(stddev=0.05, seed=next(seeds))

    def block(filters):
        return [
            layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer=weights()),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer=weights()),
            layers.MaxPooling2D(),
            layers.Dropout(0.25, seed=next(seeds)),
        ]

    return keras.Sequential(
        [
            layers.Input(input_shape),
            layers.Rescaling(1 / 255),
            *block(32),
            *block(64),
            layers.Flatten(),
            layers.Dense(512, activation="relu", kernel_initializer=weights(), name="features"),
            layers.Dropout(0.5, seed=next(seeds)),
            layers.Dense(n_classes, kernel_initializer=weights(), name="logits"),
        ],
        name="released_cnn",
    )


NETWORKS = {
    "lenet": lenet,
    "released-cnn": released_cnn,
    "resnet20": partial(resnet, depth=20),
    "resnet56": partial(resnet, depth=56),
    "shake-shake-26-2x96d": shake_shake,
    "pyramidnet-272-shakedrop": pyramid_shakedrop,
    "imagenet-resnet50": imagenet_resnet,
    "imagenet-resnet200": partial(imagenet_resnet, depth=200),
}
"""Networks by the name that a study gives: functions (input_shape, n_classes, seed) -> keras.Model."""


@lru_cache(maxsize=4)
def _trainer(network, input_shape, n_classes, surroundings):
    """One compiled network an architecture, for all its trainings to borrow, and its optimizer's first values.

    TensorFlow never frees the graph that it traces for a training step, nor the variables in it: 25 MB a network for
    `released_cnn`, of which a study trains dozens. Sharing also saves the tracing, 1 to 2 s each time.
    """
    model = NETWORKS[network](input_shape, n_classes)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(), loss, metrics=["accuracy"], jit_compile=JIT)
    model.optimizer.build(model.trainable_variables)
    return model, [keras.ops.convert_to_numpy(variable).copy() for variable in model.optimizer.variables]


@contextmanager
def _borrowed_trainer(network, model, learning_rate):
    """A trainer that starts from `model`'s weights and dropout seeds; they are copied back at the end."""
    with _TRAINING:
        trainer, first = _trainer(network, model.input_shape[1:], model.output_shape[-1], surroundings())
        for variable, value in zip(trainer.optimizer.variables, first, strict=True):
            variable.assign(value)  # not zeros: the scale of losses in half precision must not be zero
        trainer.optimizer.learning_rate = learning_rate
        _copy_variables(model, trainer)
        yield trainer
        _copy_variables(trainer, model)


def _copy_variables(source, target):
    for theirs, mine in zip(source.variables, target.variables, strict=True):
        mine.assign(theirs)


@contextmanager
def without_tracing_warnings() -> Iterator[None]:
    """Keep one false alarm out of the log: TensorFlow takes new networks in a row for one that is traced ever again."""
    logger = logging.getLogger("tensorflow")

    def is_other(record):
        return "triggered tf.function retracing" not in record.getMessage()

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


class KerasFeaturizer(TransformerMixin, BaseEstimator):
    """A scikit-learn transformer from images to the features of a network.

    A network given by name is trained by `fit`: Adam on the mean cross-entropy, a fresh order of the points each epoch
    (Kuchnik & Smith 2019, appendix B: 40 to 50 epochs, batches of 512). The same seed, data and machine give the same
    weights, bit for bit on a CPU; no global random state is read or changed.

    Parameters
    ----------
    network : str or keras.Model
        One of `NETWORKS`, such as 'lenet', 'released-cnn' or 'resnet20'. A model is taken as already trained: `fit`
        leaves its weights alone. It must be Sequential or functional, with one input, uint8 images, and one output, a
        score a class.
    epochs : int
    batch_size : int
        Points a training step; the last step of an epoch takes what remains.
    learning_rate : float
        Of Adam.
    seed : int
        Decides initial weights, orders and dropout.
    layer : str
        Name of the layer whose output, flattened, is the features.

    Attributes
    ----------
    model_ : keras.Model
        The trained network.
    history_ : dict
        'loss' and 'accuracy', a list of float each: means over the points of an epoch, taken while it trains, dropout
        included. Empty for a network that `fit` did not train.
    """

    if TYPE_CHECKING:
        model_: keras.Model

    def __init__(
        self,
        network: str | keras.Model = "lenet",
        epochs: int = 45,
        batch_size: int = 512,
        learning_rate: float = 1e-3,
        seed: int = 0,
        layer: str = "features",
    ) -> None:
        self.network = network
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.seed = seed
        self.layer = layer

    def fit(self, images: np.ndarray, labels: np.ndarray | None = None) -> Self:
        """Train the network anew, unless it was given as a trained model.

        Parameters
        ----------
        images : array of uint8 [n, height, width, channels]
        labels : array of int [n]
            Every class 0..K-1 present, K at least 2. Not needed for a trained model.

        Returns
        -------
        KerasFeaturizer
            Itself.
        """
        images, given = checked_images(images), isinstance(self.network, keras.Model)
        if not given:
            self._check_parameters()
            labels = checked_labels(labels, len(images))
        model = self.network if given else NETWORKS[self.network](images.shape[1:], int(labels.max()) + 1, self.seed)  # type: ignore[union-attr]
        probe = _probe(model, self.layer)
        self.history_ = {} if given else self._train(model, images, labels)
        self.model_, self._probe = model, probe
        return self

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Features of images.

        Parameters
        ----------
        images : array of uint8 [n, height, width, channels]

        Returns
        -------
        array of float32 [n, d]
        """
        check_is_fitted(self, "model_")
        return self._outputs(images, 0)

    def score(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Accuracy, between 0 and 1, of the network's own head.

        Parameters
        ----------
        images : array of uint8 [n, height, width, channels]
        labels : array of int [n]
        """
        check_is_fitted(self, "model_")
        labels, images = as_array("labels", labels), as_array("images", images)
        if labels.ndim != 1 or labels.shape != images.shape[:1] or not len(labels):
            raise InputError(f"labels have shape {labels.shape}; score needs one or more, one for each image.")
        scores = self._outputs(images, 1)
        if scores.shape[1] < 2:
            raise InputError("the network's head gives one number an image; score needs one for each class.")
        return float(np.mean(scores.argmax(axis=1) == labels))

    def save(self, path: PathLike) -> None:
        """Write the network, the parameters and the history to one `.keras` file, whole or not at all.

        Keras itself opens the file too (`keras.saving.load_model`).

        Parameters
        ----------
        path : str or Path
            Ends with '.keras'; missing folders are made.
        """
        check_is_fitted(self, "model_")
        path = network_path(path)
        if path.suffix != ".keras":
            raise InputError(f"a featurizer is saved to a file that ends with .keras, not to {path.name!r}.")
        params = self.get_params()
        if isinstance(self.network, keras.Model):
            del params["network"]
        about = json.dumps({"params": params, "history": self.history_}, default=np.generic.item)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
                whole = Path(folder, path.name)
                self.model_.save(whole)
                with zipfile.ZipFile(whole, "a") as archive:
                    archive.writestr(_ABOUT, about)
                whole.replace(path)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """The featurizer that `save` wrote, or one around any network that Keras saved.

        Keras's safe mode is on, and `saved.check_network` refuses what is more than layers and weights.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        KerasFeaturizer
            Fitted; it transforms exactly as the saved one did.
        """
        path = network_path(path)
        if path.suffix != ".keras" or not zipfile.is_zipfile(path):
            raise InputError(f"{path} is not a saved network; it must be a .keras file.")
        try:
            check_network(path)
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
            with zipfile.ZipFile(path) as archive:
                about = json.loads(archive.read(_ABOUT)) if _ABOUT in archive.namelist() else {}
            featurizer = cls(**{"network": model, **about.get("params", {})})
            featurizer.history_ = dict(about.get("history", {}))
        except InputError:
            raise
        except Exception as error:  # which type it is depends on which of the file's bytes are wrong
            raise InputError(f"{path} holds no network that Keras can load in its safe mode.") from error
        featurizer.model_, featurizer._probe = model, _probe(model, featurizer.layer)
        return featurizer

    def _check_parameters(self):
        if not isinstance(self.network, str) or self.network not in NETWORKS:
            raise InputError(f"network is {self.network!r}; it must be a keras.Model or one of {', '.join(NETWORKS)}.")
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise InputError(f"{name} is {value!r}; it must be a whole number of at least {least}.")
        rate = self.learning_rate
        if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 < rate < math.inf:
            raise InputError(f"learning_rate is {rate!r}; it must be a positive number.")

    def _train(self, model, images, labels):
        """Train `model` in place; the history.

        The loop is written out because Keras's own draws its orders from the backend's global state.
        """
        rng = np.random.default_rng(np.random.SeedSequence(self.seed).spawn(1)[0])
        history = {"loss": [], "accuracy": []}
        with _borrowed_trainer(self.network, model, self.learning_rate) as trainer:
            for epoch in range(self.epochs):
                order, totals = rng.permutation(len(images)), dict.fromkeys(history, 0.0)
                for batch in (order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)):
                    logs = trainer.train_on_batch(images[batch], labels[batch], return_dict=True)
                    totals = {name: total + len(batch) * float(logs[name]) for name, total in totals.items()}
                for name, total in totals.items():
                    history[name].append(total / len(order))
                check_finite(history["loss"][-1], f"in epoch {epoch + 1}")
        return history

    @without_tracing_warnings()
    def _outputs(self, images, which):
        """Features (which = 0) or scores of the classes (1), flattened, float32 [n, d]."""
        images = checked_images(images)
        takes = self._probe.input_shape[1:]
        if len(takes) != 3 or any(side not in (None, got) for side, got in zip(takes, images.shape[1:], strict=True)):
            raise InputError(f"images have shape {images.shape[1:]}; the network takes {takes}.")
        width = math.prod(self._probe.output_shape[which][1:])
        batches = (images[start : start + TRANSFORM_BATCH] for start in range(0, len(images), TRANSFORM_BATCH))
        outputs = [self._probe.predict_on_batch(batch)[which].reshape(len(batch), width) for batch in batches]
        return np.concatenate([np.empty((0, width)), *outputs], dtype=np.float32)


def _probe(model, layer):
    """The model from images to (features, scores of the classes), on `model`'s own layers."""
    try:
        probe = keras.Model(model.inputs[0], [model.get_layer(layer).output, model.outputs[0]])
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(
            f"network {model.name!r} must be a Sequential or functional model with a layer named {layer!r}."
        ) from error
    probe.compile(jit_compile=JIT)
    return probe


def layer_seeds(input_shape: Shape, smallest_side: int, seed: int) -> Iterator[int]:
    """A stream of seeds, one for each random thing in a network, after a look at the images' size."""
    if len(input_shape) != 3 or min(input_shape[:2]) < smallest_side:
        raise InputError(
            f"images have shape {tuple(input_shape)}; this network needs (height, width, channels) "
            f"with at least {smallest_side} pixels a side."
        )
    return iter(np.random.SeedSequence(check_seed(seed)).generate_state(16).tolist())
