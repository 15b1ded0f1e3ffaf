"""What a person brings, images or features, in one form: points, and features of them and of their copies.

`of` reads the data and refuses, in a sentence and before anything costly, what the page cannot work with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from influaug.data.datasets import split
from influaug.data.trivial_augment import trivial_augment
from influaug.errors import InputError

from ..copies.sweep import SetSweepSettings
from ..storage import paths
from .given_features import holds_features
from .given_features import read as read_features
from .parameters import ALL_POINTS, TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from influaug.data.datasets import Dataset, Split
    from influaug.data.transformations import Transformation
    from influaug.networks.featurizer import KerasFeaturizer

    from .parameters import OwnData

AT_ONCE = 1000
"""Points whose copies are made at once, which bounds the memory."""
MOST_KEPT = 2**28
"""Bytes of the copies by one transformation that are kept."""
TRIVIAL = "trivial_augment"


class Featurized:
    """Features of all points of some images, and of their copies, by a network.

    Attributes
    ----------
    network : KerasFeaturizer
        Fitted.
    points : array [n, d]
    """

    def __init__(self, network: KerasFeaturizer, made: Made) -> None:
        self.network, self.points = network, network.transform(made.images)
        self._made = made
        self._features: dict[str, np.ndarray] = {}

    def copies(self, name: str) -> np.ndarray:
        """Features of all copies of all points by a transformation: [n, k, d]."""
        if name not in self._features:
            blocks = [self._block(made) for made in self._made.blocks(name)]
            self._features[name] = np.concatenate(blocks)
        return self._features[name]

    def _block(self, made):
        n, k, *shape = made.shape
        return self.network.transform(made.reshape(n * k, *shape)).reshape(n, k, -1)


class Made:
    """Copies of images, made block by block; those of a transformation are kept if they take at most `MOST_KEPT`.

    The parts of a cross-validation have the same copies, only their features differ.
    """

    def __init__(self, images: np.ndarray, transformations: dict[str, Transformation]) -> None:
        self.images, self._transformations = images, transformations
        self._kept: dict[str, list[np.ndarray]] = {}

    def blocks(self, name: str) -> Iterable[np.ndarray]:
        """Copies of up to `AT_ONCE` images at a time: uint8 arrays [n, k, height, width, channels]."""
        transformation, starts = self._transformations[name], range(0, len(self.images), AT_ONCE)
        made = (transformation(self.images[i : i + AT_ONCE]).swapaxes(0, 1) for i in starts)
        if len(transformation) * self.images.nbytes > MOST_KEPT:
            return made
        if name not in self._kept:
            self._kept[name] = list(made)
        return self._kept[name]


class Standardised:
    """Features that were given, as the mean and the deviation of the training points of one part standardise them.

    Attributes
    ----------
    network : StandardScaler
        Fitted to the training points; it takes the place of a network.
    points : array [n, d]
    """

    def __init__(self, network: StandardScaler, given: dict[str, np.ndarray], x: np.ndarray) -> None:
        self.network, self.points, self._given = network, network.transform(x), given

    def copies(self, name: str) -> np.ndarray:
        """As `Featurized.copies`."""
        copies = self._given[name]
        return self.network.transform(copies.reshape(-1, copies.shape[-1])).reshape(copies.shape)


@dataclass(frozen=True, eq=False)
class Images:
    """Images, their transformations by name, and networks that make features.

    Attributes
    ----------
    own : OwnData
    points : Split
    transformations : dict
        Those to compare, the one to choose from, and `TRIVIAL` with as many copies as the latter.
    """

    own: OwnData
    points: Split
    transformations: dict[str, Transformation]
    are_images = True

    @property
    def compared(self) -> list[str]:
        """Names of the transformations to compare, the rival last."""
        return [*(self.own.compared or [self.own.chosen]), TRIVIAL]

    def labels_of(self, name: str) -> tuple[str, ...]:
        """Names of a transformation's copies."""
        return self.transformations[name].labels

    def featurized(self, replicate: int, train: np.ndarray) -> Featurized:
        """Features by a network that is trained on some of the points."""
        network = self.own.featurizer(replicate).fit(self.points.images[train], self.points.labels[train])
        return Featurized(network, self.made)

    @cached_property
    def made(self) -> Made:
        """The copies of the training points."""
        return Made(self.points.images, self.transformations)

    def test_features(self, network: Any) -> np.ndarray:
        """Features of the test points: [T, d]."""
        return network.transform(self.points.images_test)

    @cached_property
    def key(self) -> dict[str, Any]:
        """What the features depend on beyond the parameters."""
        trained = self.own.trained_network
        return {
            "data": self.points.provenance["sha256"],
            "network": sha256(trained.read_bytes()).hexdigest() if trained else None,
        }

    def check(self) -> None:
        """Refuse images that cannot be told apart, that a transformation does not take, or the network does not."""
        images = self.points.images
        if (images == images[0]).all():
            raise InputError(f"All {len(images)} training images are equal, so they cannot tell the classes apart.")
        for transformation in self.transformations.values():
            transformation(images[:1])
        _check_network(self.own, images, len(self.points.class_names))


@dataclass(frozen=True, eq=False)
class Features:
    """Features that were given, of points and copies.

    Attributes
    ----------
    own : OwnData
    points : Split
        Its images are the features.
    copies : dict
        Features of the copies [n, k, d] by the name of the transformation that made them; `TOGETHER`, of all.
    """

    own: OwnData
    points: Split
    copies: dict[str, np.ndarray]
    are_images = False

    @property
    def compared(self) -> list[str]:
        """As of `Images`, without a rival; no names in the parameters are all in the file."""
        return self.own.compared or [name for name in self.copies if name != TOGETHER]

    def labels_of(self, name: str) -> tuple[str, ...]:
        """As of `Images`."""
        return tuple(f"{name} {copy + 1}" for copy in range(self.copies[name].shape[1]))

    def featurized(self, replicate: int, train: np.ndarray) -> Standardised:
        """Features standardised by some of the points."""
        del replicate
        x = self.points.images
        return Standardised(StandardScaler().fit(x[train]), self.copies, x)

    def test_features(self, network: Any) -> np.ndarray:
        """As of `Images`."""
        x = self.points.images_test
        return network.transform(x) if len(x) else x

    @property
    def key(self) -> dict[str, Any]:
        """As of `Images`."""
        return {"data": self.points.provenance["sha256"], "network": None}

    def check(self) -> None:
        """Refuse features that are constant, names that are not in the file, and a judge that needs images."""
        x, names = self.points.images, [*self.own.compared, self.own.chosen]
        if (x == x[0]).all():
            raise InputError(
                f"All {len(x)} training points have equal features, so they cannot tell the classes apart."
            )
        wrong = [name for name in names if name not in self.copies]
        if wrong:
            raise InputError(
                f"The file has copies by {', '.join(self.copies)}, but none by {wrong[0]!r}: name those of the file in "
                "transformations ([] for all of them) and one, or all, in transformation."
            )
        if self.own.retrained:
            raise InputError(
                "Parameter retrained needs images to train a network on; features were given: set it to null."
            )


Material = Images | Features


def of(own: OwnData) -> Material:
    """The data that the parameters name, looked at.

    Raises
    ------
    InputError
        The data, or parameters that depend on them, are not what they must be.
    """
    path = paths.found(own.data)
    material = _features(own, read_features(path)) if holds_features(path) else _images(own)
    _check_counts(own, material)
    material.check()
    return material


def _images(own):
    transformations = {name: own.augmentation(name) for name in dict.fromkeys([*own.compared, own.chosen])}
    k = len(transformations[own.chosen])
    transformations[TRIVIAL] = trivial_augment(k, own.seed_of(ALL_POINTS, "trivial"))
    return Images(own, _split(own, own.load_data()), transformations)


def _features(own, given):
    points, names = _split(own, given.dataset), np.array(given.names)
    copies = {str(name): given.copies[points.indices][:, names == name] for name in dict.fromkeys(given.names)}
    return Features(own, points, {**copies, TOGETHER: given.copies[points.indices]})


def _split(own: OwnData, dataset: Dataset) -> Split:
    try:
        return split(dataset, own.classes, own.n_train, "stratified", own.seed_of(ALL_POINTS, "sample"))
    except InputError as error:
        hint = " Parameters classes and n_train take null for all of them."
        raise InputError(f"{str(error).rstrip('.')}.{hint}") from None


def _check_counts(own, material):
    """Every class in every fold, and rising numbers of copies in the smallest training part."""
    labels, names = material.points.labels, material.points.class_names
    counts = np.bincount(labels, minlength=len(names))
    fewest = int(counts.argmin())
    if counts[fewest] < own.folds:
        raise InputError(
            f"Class {names[fewest]!r} has {counts[fewest]} training points, but each of the {own.folds} folds needs "
            "one of it: leave the class out (classes), merge it with another, or take fewer folds (3 or more)."
        )
    if own.chosen in _known(material):
        k = len(material.labels_of(own.chosen))
        m = (len(labels) - -(-len(labels) // own.folds)) * k
        SetSweepSettings(shares=tuple(own.shares)).budgets(m)


def _known(material: Material) -> Sequence[str]:
    return list(material.transformations if isinstance(material, Images) else material.copies)


def _check_network(own, images, n_classes):
    # Imports Keras, which takes seconds, where training on wrong images would take minutes.
    from influaug.networks.featurizer import NETWORKS, KerasFeaturizer

    trained = own.trained_network
    if trained:
        KerasFeaturizer.load(trained).transform(images[:1])
    else:
        NETWORKS[own.network](images.shape[1:], n_classes)
