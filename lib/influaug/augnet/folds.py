"""Cross-fitted influence: each labelled point is training point of some classifiers and validation point of another.

A fold has a classifier F, trained without the fold's own points. Its last layer is fitted anew, exactly, to copies of
its training points as often as these change; the fold's own points are its validation points.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedKFold

from ..backend import keras
from ..errors import InputError
from ..influence.head_hessian import HeadHessian
from ..influence.validation import validation_influence
from ..networks.featurizer import JIT
from ..solver import heads, logistic
from .chain import copies_of, needs_labels

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .._types import Tensor
    from ..influence.validation import ValidationInfluence


def splits(labels: np.ndarray, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Stratified folds: list of (training points, validation points), positions into labels.

    Parameters
    ----------
    labels : int array [n]
    folds : int
        2 or more; every class needs as many points.
    seed : int
    """
    fewest = np.bincount(labels).min()
    if fewest < folds:
        raise InputError(f"folds is {folds}; every class needs as many points, but one has {fewest}.")
    return list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels))


class _Features(keras.Model):
    """Images, or a dict of them and their labels, -> features of copies."""

    def __init__(self, augmentation: keras.layers.Layer, body: keras.Model, **kwargs: Any) -> None:
        super().__init__(name="features", **kwargs)
        self.augmentation, self.body = augmentation, body
        self.compile(jit_compile=JIT)

    def call(self, x: Tensor | dict[str, Tensor], training: bool | None = None) -> Tensor:
        images, labels = (x["images"], x["labels"]) if isinstance(x, dict) else (x, None)
        return self.body(copies_of(self.augmentation, images, labels, training=True), training=False)


class Fold:
    """The head of one fold's classifier, and the copies that it is fitted to.

    Parameters
    ----------
    classifier : keras.Model
        Images -> logits, with a layer 'features'; it is not changed.
    images : array of uint8 [n, height, width, channels]
    labels : int array [n]
    training, validation : int array
        Positions of the fold's points.
    augmentations : sequence of keras.layers.Layer
        One for each draw of copies that the head is fitted to.
    penalty : float
        lambda in mean loss + lambda / 2 |W|^2, which the head minimises.

    Attributes
    ----------
    body : keras.Model
        Images -> features [n, d].
    theta : array [K, d + 1]
        The head's parameters.
    """

    if TYPE_CHECKING:
        theta: np.ndarray

    def __init__(
        self,
        classifier: keras.Model,
        images: np.ndarray,
        labels: np.ndarray,
        training: np.ndarray,
        validation: np.ndarray,
        augmentations: Iterable[keras.layers.Layer],
        penalty: float,
    ) -> None:
        self.body = keras.Model(classifier.inputs[0], classifier.get_layer("features").output)
        self.images, self.labels = images[training].astype("float32"), labels[training]
        self.validation_labels = labels[validation]
        still = keras.Sequential([keras.layers.Input(images.shape[1:]), keras.layers.Identity()])
        self.x_validation = heads.with_intercept(_Features(still, self.body).predict_on_batch(images[validation]))
        self._features = deque(_Features(augmentation, self.body) for augmentation in augmentations)
        self._draws = deque(self._draw(features) for features in self._features)
        self.C = 1 / (penalty * len(self._labels()))
        self.theta = None  # type: ignore[assignment]
        self.refit()

    def renew(self) -> None:
        """Draw the oldest copies anew."""
        self._draws.popleft()
        self._features.rotate(-1)
        self._draws.append(self._draw(self._features[-1]))

    def refit(self) -> None:
        """Fit the head to the present copies, from where it was."""
        features, labels = np.concatenate(self._draws), self._labels()
        start = None if self.theta is None else self.theta[None]
        self.theta = logistic.fit(features, labels, np.ones((1, len(labels))), self.C, start).theta[0]

    def influence(self) -> ValidationInfluence:
        """S of the head on the fold's validation points: `influence.ValidationInfluence`."""
        x = heads.with_intercept(np.concatenate(self._draws))
        H = HeadHessian(self.theta, x, np.ones(len(x)), self.C)
        return validation_influence(H, self.x_validation, self.validation_labels)

    def validation_loss(self) -> float:
        """Mean loss of the head on the validation points, in nats."""
        return float(heads.losses(self.x_validation, self.validation_labels, self.theta).mean())

    def _draw(self, features):
        told = {"images": self.images, "labels": self.labels.astype("int32")}
        x = told if needs_labels(features.augmentation) else self.images
        return features.predict_on_batch(x).astype(np.float32)

    def _labels(self):
        return np.tile(self.labels, len(self._draws))
