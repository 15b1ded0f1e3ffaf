"""Single copies of images, and originals with single copies, made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .image_form import ImageForm
from .repeatable import digests, one_change
from .transformations import Transformation

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class ChosenCopies:
    """Single copies of standard images.

    Attributes
    ----------
    images : array of uint8 [n, height, width, channels]
    transformation : transformations.Transformation
    """

    images: np.ndarray
    transformation: Transformation

    def of(self, source: np.ndarray, which: np.ndarray) -> np.ndarray:
        """The copies that the changes `which` make of the points `source`: [m, height, width, channels]."""
        copies = np.empty((len(source), *self.images.shape[1:]), np.uint8)
        for change in np.unique(which):
            places = np.flatnonzero(which == change)
            copies[places] = one_change(self.transformation, change)(self.images[source[places]])[0]
        return copies


@dataclass(frozen=True)
class Training:
    """Originals, and copies that are made when they are asked for.

    Attributes
    ----------
    images : array [n, ...]
    labels : array [n]
    form : ImageForm
        Of the images.
    transformation : transformations.Transformation
    chosen, which : int array [m]
        Of each copy, its point and its change.
    expected : array of uint64 [m], optional
        `repeatable.digests` of the copies, which those that are made must have.
    copy_weights : array [m], optional
        Weights of the copies (default: 1).
    """

    images: np.ndarray
    labels: np.ndarray
    form: ImageForm
    transformation: Transformation
    chosen: np.ndarray
    which: np.ndarray
    expected: np.ndarray | None = None
    copy_weights: np.ndarray | None = None

    @property
    def source(self) -> np.ndarray:
        """Points of all: [n + m]."""
        return np.append(np.arange(len(self.images)), self.chosen)

    @property
    def n(self) -> int:
        """Originals and copies."""
        return len(self.images) + len(self.chosen)

    def batch(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images, labels and weights of some of the originals and copies."""
        points = self.source[places]
        images = self.images[points]
        copied = np.flatnonzero(places >= len(self.images))
        if len(copied):
            images[copied] = self.form.back(self._copies(points[copied], places[copied] - len(self.images)))
        weights = np.ones(len(places), np.float32)
        if self.copy_weights is not None:
            weights[copied] = self.copy_weights[places[copied] - len(self.images)]
        return images, self.labels[points], weights

    def _copies(self, points, numbers):
        """Some of the copies, by number, and their points."""
        touched, own = np.unique(points, return_inverse=True)
        making = ChosenCopies(self.form.standard(self.images[touched]), self.transformation)
        copies = making.of(own, self.which[numbers])
        if self.expected is not None:
            other = np.flatnonzero(digests(copies) != self.expected[numbers])
            if other.size:
                raise InputError(
                    f"The transformation makes another copy of the point {points[other[0]]} than it did in fit; give "
                    "the one of fit, which must make the same copies again."
                )
        return copies

    def batches(
        self, size: int, epochs: int, seeds: np.random.SeedSequence
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Shuffled batches."""
        for child in seeds.spawn(epochs):
            order = np.random.default_rng(child).permutation(self.n)
            for start in range(0, self.n, size):
                yield self.batch(order[start : start + size])
