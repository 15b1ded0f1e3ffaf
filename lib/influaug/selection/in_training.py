"""Choice in training for Keras and tf.data: batches of originals and copies, drawn by what the network gets wrong.

`draws.PoolSampler` says what is drawn, and is PyTorch's form of it. Copies are made when they are drawn, and when the
pool is scored: a scoring makes all copies once and takes them through the network, forward alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..data.adapters import as_transformation
from ..data.image_form import ImageForm
from ..data.lazy_copies import Training
from ..data.repeatable import SEARCHED, check_repeatable
from ..errors import InputError
from ..networks.checks import checked_labels
from ..networks.featurizer import TRANSFORM_BATCH
from ..networks.repeated import class_probabilities
from ..solver import heads, logistic
from ..solver.heads import Head
from .draws import EVEN, PoolSampler
from .scores import ScoreOptions, compute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import tensorflow as tf
    from numpy.typing import ArrayLike

BY = ("error", "influence")


class BatchesInTraining(keras.utils.PyDataset):
    """Batches for ``network.fit``, of rows that each epoch draws anew from a pool of originals and copies.

    ::

        batches = BatchesInTraining(network, images, labels, "translate")
        network.fit(batches, epochs=60, shuffle=False)

    The rows of an epoch are in random order already; with ``shuffle=True`` Keras exchanges the batches too, by Python's
    global generator. The pool is scored by the network as it is when the object is made, and again before every `every`
    epochs.

    Parameters
    ----------
    network : keras.Model
        The network that is trained; images -> a score for each of two or more classes, logits unless its last layer is
        a softmax. It sees images in the form in which they are given here.
    images : array [n, height, width] or [n, height, width, channels]
        uint8, floats 0 to 1 or floats 0 to 255.
    labels : int array [n]
        0 .. n_classes - 1, every class present.
    transformation
        What `adapters.as_transformation` takes, such as 'translate'; it must make the same k copies each time.
    batch_size : int
        The last batch of an epoch takes what remains.
    size : int, optional
        Rows drawn in an epoch (default: n).
    every : int
        Epochs between two scorings.
    by : {'error', 'influence'}
        1 less the probability of the true class; or the leave-one-out influence (Kuchnik & Smith, 2019, equation 1) on
        a logistic regression that is fitted to the features of the whole pool.
    even, seed
        As in `draws.PoolSampler`.
    layer : str
        Layer of the features, for 'influence'.
    C : float
        Inverse regularisation strength of the logistic regression, for 'influence'.

    Attributes
    ----------
    sampler : draws.PoolSampler
    rows : int array [size]
        Drawn for the present epoch: originals 0 .. n - 1, then copies, point by point.

    Raises
    ------
    InputError
        Whatever of this is not as it should be, or the backend JAX, whose `fit` keeps the weights to itself within an
        epoch; with it, loop over `draws.PoolSampler` with ``train_on_batch``.
    """

    def __init__(
        self,
        network: keras.Model,
        images: ArrayLike,
        labels: ArrayLike,
        transformation: Any,
        batch_size: int = 128,
        size: int | None = None,
        every: int = 5,
        by: str = "error",
        even: float = EVEN,
        seed: int = 0,
        layer: str = "features",
        C: float = 10.0,
    ) -> None:
        super().__init__()
        _check(network, by, batch_size)
        self.pool = _pool(images, labels, transformation)
        self.network, self.batch_size = network, int(batch_size)
        scores = self._errors if by == "error" else self._influence
        self._layer, self._C = layer, C
        n = len(self.pool.labels)
        self.sampler = PoolSampler(self.pool.n, n if size is None else size, scores, every, even, seed)
        self.rows, self._drawn_at, self._passed = self.sampler.draw(), _steps(network), False

    def __len__(self) -> int:
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        start = index * self.batch_size
        return self.pool.batch(self.rows[start : start + self.batch_size])[:2]

    def on_epoch_begin(self) -> None:
        """Draw the rows of this epoch, unless the network has not trained on those that wait; Keras calls it."""
        # Keras also begins and ends epochs in order to look at a batch before it trains.
        if _steps(self.network) != self._drawn_at:
            self.rows, self._drawn_at = self.sampler.draw(), _steps(self.network)

    def dataset(self) -> tf.data.Dataset:
        """The same for tf.data, for a loop of one's own: each pass is one epoch, whose rows are drawn when it begins.

        Give the object itself to `fit`, which begins passes over a dataset ahead of the epochs.
        """
        import tensorflow as tf

        images, labels = self[0]
        signature = (
            tf.TensorSpec((None, *images.shape[1:]), images.dtype),
            tf.TensorSpec((None,), labels.dtype),
        )
        made = tf.data.Dataset.from_generator(self._epoch, output_signature=signature)
        return made.apply(tf.data.experimental.assert_cardinality(len(self)))

    def _epoch(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if self._passed:
            self.rows = self.sampler.draw()
        self._passed = True
        for index in range(len(self)):
            yield self[index]

    def _blocks(self):
        """Images and labels of the whole pool, in blocks."""
        for start in range(0, self.pool.n, TRANSFORM_BATCH):
            yield self.pool.batch(np.arange(start, min(start + TRANSFORM_BATCH, self.pool.n)))[:2]

    def _errors(self):
        return np.concatenate(
            [1 - class_probabilities(self.network, x)[np.arange(len(y)), y] for x, y in self._blocks()]
        )

    def _influence(self):
        # The network's own images may be floats, so the features are read by a model and not by a featurizer.
        probe = keras.Model(self.network.inputs[0], self.network.get_layer(self._layer).output)
        parts = [(probe.predict_on_batch(x).reshape(len(y), -1), y) for x, y in self._blocks()]
        features, labels = (np.concatenate(part) for part in zip(*parts, strict=True))
        weights = np.ones(len(labels))
        theta = logistic.fit(features, labels, weights[None], self._C).theta[0]
        head = Head(heads.with_intercept(features), labels, weights, theta)
        return compute("influence", head, len(labels), ScoreOptions(C=self._C))


def _steps(network):
    """Training steps of the network so far."""
    optimizer = getattr(network, "optimizer", None)
    return 0 if optimizer is None else int(optimizer.iterations)


def _check(network, by, batch_size):
    if keras.config.backend() == "jax":
        raise InputError(
            "BatchesInTraining needs Keras's backend TensorFlow or torch, since fit on JAX keeps the weights to "
            "itself; with JAX, loop over influaug.selection.draws.PoolSampler with train_on_batch."
        )
    if not isinstance(network, keras.Model) or len(network.output_shape) != 2 or network.output_shape[-1] < 2:
        raise InputError("network must be a Keras model with one output, a score for each of two or more classes.")
    if by not in BY:
        raise InputError(f"by is {by!r}; it must be one of {', '.join(BY)}.")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"batch_size is {batch_size!r}; it must be a whole number of at least 1.")


def _pool(images, labels, transformation):
    """Originals and all copies, which are made when they are asked for."""
    form, transformation = ImageForm.of(images), as_transformation(transformation)
    images = np.asarray(images)
    labels = checked_labels(labels, len(images))
    some = np.unique(np.linspace(0, len(images) - 1, SEARCHED).astype(int))
    check_repeatable(transformation, form.standard(images[some]))
    n, k = len(images), len(transformation)
    return Training(images, labels, form, transformation, np.repeat(np.arange(n), k), np.tile(np.arange(k), n))
