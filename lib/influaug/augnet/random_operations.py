"""Random warps followed by a few random operations, with nothing learned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from .models import check_number, check_whole_number
from .operations import changed, displacement, fields, operations_for, references
from .ranges import Family, GlobalRanges
from .warp import warp

if TYPE_CHECKING:
    from typing import Any

    from .._types import Shape, Tensor

ops = keras.ops

SHIFT, RANGE = 1, 0.7
"""The recipe's largest base shift and the range of every group of its warps, in pixels in images of 28 a side."""


@keras.saving.register_keras_serializable("influaug")
class RandomOperations(GlobalRanges):
    """Copies by random warps, all groups as strong as one another, and by some of `operations` or none of them.

    Each of `count` times an operation is drawn evenly from the identity and those that the images' channels allow, at
    an even random strength up to its reference. The displacements of warps, base shift and operations are added and
    made in one interpolation.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
    family : ranges.Family
        Its `start` is the range of every group, in pixels.
    seed : int
        Of the draws.
    count : int
        How many operations are drawn for each copy.
    scale : float
        What all reference strengths are multiplied with.
    """

    def __init__(
        self,
        image_shape: Shape,
        family: Family | None = None,
        seed: int = 0,
        count: int = 2,
        scale: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, family, seed, **kwargs)
        check_number("scale", scale, strictly=False)
        self.count, self.scale = check_whole_number("count", count, 0), float(scale)
        self.trainable = False
        self.names = operations_for(self.image_shape[2])
        self._strengths = scale * references(self.image_shape, self.names)[None]
        self._operation_fields = fields(*self.image_shape[:2])

    @property
    def n_uniforms(self) -> int:
        """Random numbers that a copy takes: the warps', and four for each operation (which, strength and place)."""
        return self.n_warp_uniforms + 4 * self.count

    def call(
        self,
        images: Tensor,
        uniforms: Tensor | None = None,
        seed: int | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Copies of images, 0 to 255, one of each; see `ranges.RandomWarps`."""
        images = self.taken(images)
        if training is False:
            return images
        uniforms = self.draw(ops.shape(images)[0], seed) if uniforms is None else uniforms
        first = self.n_warp_uniforms
        drawn = [uniforms[:, first + 4 * k : first + 4 * k + 4] for k in range(self.count)]
        field = self.displacement(self.sigma(), uniforms[:, :first])
        for each in drawn:
            field = field + displacement(self._gates(each), self._strengths, each[:, 1:2], self._operation_fields)
        copies = warp(self.flipped(images, uniforms), field)
        for each in drawn:
            strength = ops.broadcast_to(each[:, 1:2], ops.shape(self._gates(each)))
            copies = changed(copies, self.names, self._gates(each), self._strengths, strength, each[:, 2:])
        return copies

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        return {**super().get_config(), "count": self.count, "scale": self.scale}

    def _gates(self, drawn):
        """One where the operation was drawn, [n, K]; the last draw is the identity, which no operation has."""
        n = len(self.names)
        which = ops.minimum(ops.floor((n + 1) * (drawn[:, 0] + 1) / 2), n)
        return ops.cast(ops.equal(which[:, None], np.arange(n, dtype="float32")), self.compute_dtype)


def recipe(image_shape: Shape, family: Family | None = None, seed: int = 0) -> RandomOperations:
    """The recipe: random warps, shifts by up to `SHIFT`, and two random operations for each copy.

    Parameters
    ----------
    image_shape, family
        As of `guessed`.
    seed : int
        Of the draws.
    """
    return RandomOperations(image_shape, guessed(image_shape, family), seed)


def guessed(image_shape: Shape, family: Family | None = None) -> Family:
    """The recipe's family in images of a shape: `SHIFT` and `RANGE`, with flips, bands and cap of another family.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
    family : ranges.Family
        Its cap is in pixels in images of 28 a side (default: `ranges.Family()`).
    """
    return replace(family or Family(), base_shift=SHIFT, start=RANGE).scaled(image_shape)
