"""Images as people have them, whole numbers or floats of either scale, as grey levels 0 to 255, and back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike, DTypeLike

CHANNELS = (1, 3, 4)
HALF_A_LEVEL = 1 / 510
"""Half a grey level of floats 0 to 1: what lies beyond the range by less rounds to its end."""


def scale_of(low: float, high: float, dtype: DTypeLike, what: str = "images") -> float:
    """What grey values must be multiplied by to go from 0 to 255: 255 for floats 0 to 1, else 1.

    Resizing leaves floats a hair beyond their range. Up to half a grey level counts as inside, because it rounds to the
    end of the range; floats whose largest lies beyond that and below 2 are neither scale, and are refused.

    Parameters
    ----------
    low, high : float
        The smallest and the largest grey value.
    dtype : numpy.dtype
    what : str
        Named in the message.

    Returns
    -------
    float

    Raises
    ------
    InputError
        Neither scale, or NaN.
    """
    if np.dtype(dtype).kind not in "uif":
        raise InputError(f"{what} must be whole numbers or floats, not {dtype}.")
    floats = np.dtype(dtype).kind == "f"
    if floats and -HALF_A_LEVEL <= low <= high <= 1 + HALF_A_LEVEL:
        return 255.0
    if floats and -1 <= low <= high and 1 < high < 2:
        raise InputError(
            f"{what}: grey values from {low} to {high} are floats neither from 0 to 1 nor from 0 to 255; clip them to "
            "0 to 1, or give uint8."
        )
    beyond = 0.5 if floats else 0.0
    if not -beyond <= low <= high <= 255 + beyond:
        raise InputError(
            f"{what}: grey values must be 0 to 255, or floats from 0 to 1, without NaN; these go from {low} to {high}."
        )
    return 1.0


def grey_levels(*parts: np.ndarray, what: str = "images") -> tuple[np.ndarray, ...]:
    """Parts of one set of images, such as those for training and for testing, as uint8 0 to 255, by one scale.

    Parameters
    ----------
    *parts : array
        One or more, none empty; uint8 comes back as it is.
    what : str
        Named in the message.

    Returns
    -------
    tuple of array of uint8
        C-contiguous.

    Raises
    ------
    InputError
        Parts of different scales, or what `scale_of` refuses.
    """
    scales = [scale_of(part.min(), part.max(), part.dtype, what) for part in parts]
    if len(set(scales)) > 1:
        ranges = " and ".join(f"{part.min()} to {part.max()}" for part in parts)
        raise InputError(f"{what}: grey values must be 0 to 255, or 0.0 to 1.0, in all parts, not {ranges}.")
    return tuple(np.ascontiguousarray(_levels(part, scale)) for part, scale in zip(parts, scales, strict=True))


def _levels(images, scale):
    if images.dtype == np.uint8:
        return images
    return np.clip(np.rint(images * scale), 0, 255).astype(np.uint8)


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
        """The form of images, which are looked at as a whole, see `scale_of`.

        Raises
        ------
        InputError
            No images [n, height, width] or [n, height, width, 1, 3 or 4 channels], or no grey values.
        """
        images = _images(images)
        unit = scale_of(images.min(), images.max(), images.dtype) > 1
        return cls(images.dtype, unit, images.ndim == 3)

    def like(self, images: ArrayLike) -> ImageForm:
        """The form of more images, which have the scale of these if both are floats.

        Raises
        ------
        InputError
            As `of`; floats beyond 1 where these were 0 to 1.
        """
        images = _images(images)
        low, high = images.min(), images.max()
        if self.dtype.kind != "f" or images.dtype.kind != "f":
            return ImageForm.of(images)
        if self.unit and high > 1 + HALF_A_LEVEL:
            raise InputError(f"images were floats from 0 to 1 before, but now go up to {high}.")
        # Dark images of the scale 0 to 255 would be taken for another scale by themselves.
        scale_of(low, high if self.unit else max(high, 2.0), images.dtype)
        return replace(self, dtype=images.dtype, grey=images.ndim == 3)

    def standard(self, images: ArrayLike) -> np.ndarray:
        """Images of this form as uint8 [n, height, width, channels]."""
        images = np.asarray(images)
        images = images[..., np.newaxis] if self.grey else images
        return _levels(images, 255.0 if self.unit else 1.0)

    def back(self, images: np.ndarray) -> np.ndarray:
        """The way back, for copies; floats keep 256 levels of grey."""
        images = images[..., 0] if self.grey else images
        return (images / 255.0).astype(self.dtype) if self.unit else images.astype(self.dtype)


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
