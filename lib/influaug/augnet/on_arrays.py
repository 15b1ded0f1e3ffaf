"""Augmentations that are no Keras layers: functions of one image as an array, such as Pillow's operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..networks.checks import check_seed
from .ranges import Family

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator

    from .._types import Shape


class OnArrays:
    """Base shifts and flips of a family, and then a random function of each image.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
    family : ranges.Family
        Its `base_shift` and `flips` are used.
    draw : callable (array of uint8 [height, width, channels], numpy.random.Generator) -> array of the same
    seed : int
        Of the draws.
    """

    def __init__(
        self, image_shape: Shape, family: Family, draw: Callable[[np.ndarray, Generator], np.ndarray], seed: int = 0
    ) -> None:
        self.image_shape, self.family, self.draw = image_shape, family, draw
        self._rng = np.random.default_rng(check_seed(seed))

    def __call__(self, images: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Copies of images, one of each: array of uint8 [n, height, width, channels].

        Parameters
        ----------
        images : array [n, height, width, channels]
            From 0 to 255; floats are rounded.
        seed : int or None
            None takes the next draws of its own.
        """
        if images.shape[1:] != tuple(self.image_shape):
            raise InputError(f"images have shape {images.shape}; they must be [n, *{tuple(self.image_shape)}].")
        rng = self._rng if seed is None else np.random.default_rng(check_seed(seed))
        moved = self._base(np.rint(images).astype(np.uint8), rng)
        return np.stack([self.draw(image, rng) for image in moved])

    def _base(self, images, rng):
        """The images moved by whole pixels, black from outside, and half of them mirrored if the family flips."""
        n, furthest = len(images), self.family.base_shift
        edges = (furthest, furthest)
        padded = np.pad(images, [(0, 0), edges, edges, (0, 0)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.image_shape[:2], axis=(1, 2))
        down, right = rng.integers(2 * furthest + 1, size=(2, n))
        moved = np.moveaxis(windows[np.arange(n), down, right], 1, -1)
        mirrored = rng.integers(2, size=n).astype(bool) & self.family.flips
        return np.where(mirrored[:, None, None, None], moved[:, :, ::-1], moved)
