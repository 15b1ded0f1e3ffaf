"""The data of a factorial: the training part in two halves, and samples of the study's classes from each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from influaug.data.datasets import split

from .parameters import NETWORKS

if TYPE_CHECKING:
    from influaug.data.datasets import Dataset, Split

    from .parameters import Factorial


@dataclass(frozen=True)
class Problem:
    """Data of a factorial.

    Attributes
    ----------
    study : Factorial
    dataset : Dataset
    """

    study: Factorial
    dataset: Dataset

    @cached_property
    def halves(self) -> list[np.ndarray]:
        """Points of the training part, all classes, that belong to half 0 and to half 1."""
        return halves(self.dataset.labels_train, self.study.rng(0, "halves"))

    def half(self, h: int) -> Dataset:
        """The data set with one half as its training part."""
        points = self.halves[h]
        parts = {"images_train": self.dataset.images_train[points], "labels_train": self.dataset.labels_train[points]}
        return replace(self.dataset, **parts)

    @cached_property
    def samples(self) -> list[list[Split]]:
        """Sample of each replicate and half; `indices` are those of the whole training part."""
        s, data = self.study, [self.half(h) for h in NETWORKS]
        return [
            [self._sample(data[h], h, s.seed_of(2 * r + h, "sample")) for h in NETWORKS] for r in range(s.replicates)
        ]

    def _sample(self, half, h, seed):
        found = split(half, self.study.classes, self.study.n_train, "stratified", seed)
        return replace(found, indices=self.halves[h][found.indices])

    @cached_property
    def points(self) -> np.ndarray:
        """Points that any sample has, rising: int [u]."""
        return np.unique(np.concatenate([sample.indices for of_split in self.samples for sample in of_split]))

    @cached_property
    def images(self) -> np.ndarray:
        """Images of `points`, and then the test images of the classes: uint8 [u + t, height, width, channels]."""
        return np.concatenate([self.dataset.images_train[self.points], self.samples[0][0].images_test])

    def rows(self, sample: Split) -> np.ndarray:
        """Places of a sample's points among `images`."""
        return np.searchsorted(self.points, sample.indices)

    @property
    def test_rows(self) -> np.ndarray:
        """Places of the test images among `images`."""
        return np.arange(len(self.points), len(self.images))


def halves(labels: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Divide points into two halves at random, each class evenly to within one point: two rising int arrays."""
    half = np.zeros(len(labels), dtype=int)
    for place, label in enumerate(np.unique(labels)):
        points = rng.permutation(np.flatnonzero(labels == label))
        # Odd classes give their last point to one half and the other in turn.
        half[points[: (len(points) + place % 2) // 2]] = 1
    return [np.flatnonzero(half == h) for h in NETWORKS]
