"""A transformation: a fixed list of label-keeping changes, all of which are applied to every image.

It is the map f_T: z -> {z_1, ..., z_k} of Kuchnik & Smith (ICLR 2019, section 5). Here are the class and the checks of
strengths that all transformations share; `transformations.BUILDERS` has the transformations by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from typing import Any

MOST_STRENGTHS = 1000
"""Changes that one transformation may have."""


@dataclass(frozen=True)
class Transformation:
    """A fixed list of k changes, applied to every image.

    Attributes
    ----------
    name : str
        For example 'translate'.
    labels : tuple of str
        One a copy: 'left 2 px', 'rotate +30.0 deg', 'crop 3 px'.
    augmenters : tuple
        k deterministic imgaug augmenters, or functions from a batch of images to a batch of the same shape and dtype.
    smallest_side : int
        Pixels; images with a shorter side are refused.
    colour : bool
        Whether images without three channels are refused.
    """

    name: str
    labels: tuple[str, ...]
    augmenters: tuple
    smallest_side: int = 1
    colour: bool = False

    def __post_init__(self) -> None:
        if not self.augmenters or len(self.labels) != len(self.augmenters):
            raise InputError(
                f"transformation {self.name!r} has {len(self.augmenters)} augmenters and {len(self.labels)} labels; "
                "it needs one or more augmenters and one label for each."
            )

    def __len__(self) -> int:
        """k, the number of copies of a point."""
        return len(self.augmenters)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """All copies of all images.

        Parameters
        ----------
        images : array of uint8 [n, height, width, channels]

        Returns
        -------
        array of uint8 [k, n, height, width, channels]

        Raises
        ------
        InputError
            See `check`; or an augmenter changes the shape or dtype.
        """
        images = self.check(images)
        copies = np.empty((len(self), *images.shape), dtype=np.uint8)
        for out, label, augmenter in zip(copies, self.labels, self.augmenters, strict=True):
            out[...] = kept(changed(augmenter, images), images, label)
        return copies

    def check(self, images: np.ndarray) -> np.ndarray:
        """The images, as an array, refused if this transformation cannot change them.

        Raises
        ------
        InputError
            `images` is not an array of uint8 [n, height, width, channels], is smaller than the transformation can
            change, or is grey where it changes colours.
        """
        images = checked(images)
        if len(images) and min(images.shape[1:3]) < self.smallest_side:
            raise InputError(
                f"this {self.name} needs images of at least {self.smallest_side} pixels a side, "
                f"but these are {images.shape[1]} x {images.shape[2]}."
            )
        if self.colour and images.shape[3] != 3:
            kind = "are grey" if images.shape[3] == 1 else f"have {images.shape[3]} channels"
            raise InputError(
                f"{self.name} changes colours and needs images of three channels (red, green, blue), but these {kind}."
            )
        return images


def imgaug_augmenters() -> Any:
    """The module ``imgaug.augmenters``."""
    # Imported here because it takes seconds, and a stage that finds its features on disk does without.
    import imgaug.augmenters

    return imgaug.augmenters


def affine(**change: Any) -> Any:
    """Imgaug's affine augmenter about the centre: bilinear, pixels from outside repeat the edge."""
    # The seed changes nothing in the result: without one, imgaug would draw it from its global generator.
    return imgaug_augmenters().Affine(**change, order=1, mode="edge", seed=0)


def changed(augmenter: Any, images: np.ndarray) -> np.ndarray:
    """Images through an imgaug augmenter or a function."""
    return augmenter.augment_images(images) if hasattr(augmenter, "augment_images") else augmenter(images)


def kept(out: np.ndarray, images: np.ndarray, what: str) -> np.ndarray:
    """`out`, refused unless it has the shape and dtype of `images`."""
    out = np.asarray(out)
    if out.shape != images.shape or out.dtype != images.dtype:
        raise InputError(
            f"{what} turned {images.dtype} {images.shape} into {out.dtype} {out.shape}; it must keep both."
        )
    return out


def checked(images: np.ndarray) -> np.ndarray:
    """`images` as an array, refused unless uint8 [n, height, width, channels]."""
    images = np.asarray(images)
    if images.ndim != 4 or images.dtype != np.uint8 or 0 in images.shape[1:]:
        raise InputError(
            f"images are {images.dtype} of shape {images.shape}; they must be uint8 [n, height, width, channels]."
        )
    return images


def content_of(image: np.ndarray) -> int:
    """A number of 128 bits for the content of an image, which seeds what is drawn for it."""
    return int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=16).digest())


def sequence(values: Any, what: str) -> list:
    """`values` as a list, refused unless a sequence that is not empty."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{what} is {values!r}; it must be a sequence of numbers.")
    values = list(values)
    if not values:
        raise InputError(f"{what} is empty; it must hold at least one number.")
    return values


def whole_pixels(values: list, what: str) -> list[int]:
    """Whole numbers of at least 1."""
    if not all(is_number(value, Integral) and value >= 1 for value in values):
        raise InputError(f"{what} takes whole numbers of pixels, at least 1, but got {values!r}.")
    return [int(value) for value in values]


def strengths(values: Any, what: str, least: float, most: float, identity: float | None = None) -> list[float]:
    """Numbers from `least` to `most`, each once and none of them the `identity`, at which an image stays what it is.

    Parameters
    ----------
    values : sequence of float
    what : str
        Transformation and parameter, for example 'zoom takes factors'.
    least, most : float
    identity : float, optional
    """
    numbers = sequence(values, what)
    right = all(is_number(v, Real) and least <= v <= most and v != identity for v in numbers)
    if not right or len(set(numbers)) < len(numbers) or len(numbers) > MOST_STRENGTHS:
        but = "" if identity is None else f", not {identity:g}"
        raise InputError(f"{what} from {least:g} to {most:g}{but}, each once, but got {values!r}.")
    return [float(v) for v in numbers]


def is_number(value: Any, kind: type) -> bool:
    """Whether `value` is a number of a kind of `numbers`; truth values are not."""
    return isinstance(value, kind) and not isinstance(value, bool)
