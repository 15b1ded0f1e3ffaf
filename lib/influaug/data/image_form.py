"""Images as people have them, whole numbers or floats of either scale, as grey levels 0 to 255, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .pixels import OVERSHOOT, check_range, grey_values, scale_of

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike

CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class ImageForm:
    """How images came: their type, their scale, and whether they had a channel axis.

    Attributes
    ----------
    dtype : numpy.dtype
    unit : bool
        Floats from 0 to 1.
    grey : bool
        [n, height, width].
    """

    dtype: np.dtype
    unit: bool
    grey: bool

    @classmethod
    def of(cls, images: ArrayLike) -> Self:
        """The form of images, which are looked at as a whole, see `pixels.scale_of`.

        Raises
        ------
        InputError
            No images [n, height, width] or [n, height, width, 1, 3 or 4 channels], or no grey values.
        """
        images = _images(images)
        unit = scale_of(images) > 1
        return cls(images.dtype, unit, images.ndim == 3)

    def like(self, images: ArrayLike) -> ImageForm:
        """The form of more images, which have the scale of these if both are floats.

        Raises
        ------
        InputError
            As `of`; floats beyond 1 where these were 0 to 1, or fractions up to 1 alone where these were 0 to 255.
        """
        images = _images(images)
        if self.dtype.kind != "f" or images.dtype.kind != "f":
            return ImageForm.of(images)
        if self.unit and images.max() > 1 + OVERSHOOT:
            raise InputError(f"images were floats from 0 to 1 before, but now go up to {images.max()}.")
        if not self.unit and 0 < images.max() <= 1 and (images != np.rint(images)).any():
            raise InputError(
                f"images were floats from 0 to 255 before, but now go up to {images.max():g} alone, as from 0 to 1; "
                "multiply them by 255."
            )
        # The scale is known: dark images of 0 to 255 would be taken for another one by themselves.
        check_range(images, 1.0 if self.unit else 255.0)
        return replace(self, dtype=images.dtype, grey=images.ndim == 3)

    def standard(self, images: ArrayLike) -> np.ndarray:
        """Images of this form as uint8 [n, height, width, channels]."""
        images = np.asarray(images)
        images = images[..., np.newaxis] if self.grey else images
        return grey_values(images, 255.0 if self.unit else 1.0)

    def back(self, images: np.ndarray) -> np.ndarray:
        """The way back, for copies; floats keep 256 levels of grey."""
        images = images[..., 0] if self.grey else images
        if self.unit:
            return (images / 255.0).astype(self.dtype)
        if self.dtype.kind in "iu":
            images = np.minimum(images, min(255, np.iinfo(self.dtype).max))  # int8 ends at 127, where copies can go on
        return images.astype(self.dtype)


def _images(images):
    """An array of images, one or more."""
    images = np.asarray(images)
    if images.ndim not in (3, 4) or 0 in images.shape or images.shape[3:] not in ((), *((c,) for c in CHANNELS)):
        raise InputError(
            "images must be [n, height, width] or [n, height, width, channels] with 1, 3 or 4 channels, not "
            f"{list(images.shape)}."
        )
    if images.dtype.kind not in "uif":
        raise InputError(f"images must be whole numbers or floats, not {images.dtype}.")
    return images
