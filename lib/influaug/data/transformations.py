"""Transformations: a point becomes k copies, exhaustively and deterministically.

A transformation is the map f_T: z -> {z_1, ..., z_k} of Kuchnik & Smith (ICLR 2019, section 5): the same k
label-keeping changes for every point, all of them applied. Images go through imgaug and pixels that come in from
outside the image repeat its edge. Images are uint8 arrays [n, height, width, channels]; grey ones have one channel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import imgaug.augmenters
    from numpy.typing import ArrayLike

    APPENDIX_B: dict[str, dict[str, Any]]
    BUILDERS: dict[str, Callable[..., Transformation]]

CARDINAL = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
DIAGONAL = {"right down": (1, 1), "left down": (-1, 1), "right up": (1, -1), "left up": (-1, -1)}
DIRECTIONS = {"cardinal": CARDINAL, "diagonal": DIAGONAL}
"""Unit steps (x to the right, y down) of the two sets of translations, by name."""

_ROTATIONS_30 = [float(angle) for angle in np.linspace(-30, 30, 15) if angle != 0]
_SMALL_ROTATIONS = [-5.0, -2.5, 2.5, 5.0]
_DIGITS = {
    "translate": {"pixels": 2},
    "rotate": {"degrees": _ROTATIONS_30},
    "crop": {"pixels": [1, 2, 3, 4, 5, 6]},
}
APPENDIX_B = {
    "mnist": _DIGITS,
    "digits": _DIGITS,
    "cifar10": {
        "translate": {"pixels": 3},
        "rotate": {"degrees": _SMALL_ROTATIONS},
        "crop": {"pixels": [2]},
    },
    "small-norb": {
        "translate": {"pixels": 6},
        "rotate": {"degrees": _SMALL_ROTATIONS},
        "crop": {"pixels": [2]},
    },
}
"""The parameters of Kuchnik & Smith (2019), appendix B: data set -> transformation -> keyword arguments.

The embedded digits, which the paper does not have, are treated as MNIST.
"""


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
    """

    name: str
    labels: tuple[str, ...]
    augmenters: tuple
    smallest_side: int = 1

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
            If `images` is not such an array, is smaller than the transformation can change, or an augmenter changes
            the shape or dtype.
        """
        images = _checked(images)
        if len(images) and min(images.shape[1:3]) < self.smallest_side:
            raise InputError(
                f"this {self.name} needs images of at least {self.smallest_side} pixels a side, "
                f"but these are {images.shape[1]} x {images.shape[2]}."
            )
        copies = np.empty((len(self), *images.shape), dtype=np.uint8)
        for out, label, augmenter in zip(copies, self.labels, self.augmenters, strict=True):
            out[...] = _kept(_changed(augmenter, images), images, label)
        return copies


def translate(pixels: int, directions: str = "cardinal") -> Transformation:
    """Shift by `pixels` in four directions; the border that comes free repeats the edge.

    Parameters
    ----------
    pixels : int
        At least 1.
    directions : {'cardinal', 'diagonal'}
        'cardinal' is left, right, up, down (the paper's appendix B); 'diagonal' is (+-pixels, +-pixels), which the
        paper's released code does.

    Returns
    -------
    Transformation
        k = 4.
    """
    (pixels,) = _whole_pixels([pixels], "translate")
    if directions not in DIRECTIONS:
        raise InputError(f"directions is {directions!r}; it must be one of {', '.join(map(repr, DIRECTIONS))}.")
    steps = DIRECTIONS[directions]
    augmenters = tuple(_affine(translate_px={"x": pixels * x, "y": pixels * y}) for x, y in steps.values())
    return Transformation("translate", tuple(f"{way} {pixels} px" for way in steps), augmenters, pixels + 1)


def rotate(degrees: Iterable[float]) -> Transformation:
    """Rotate about the centre by each of `degrees`, bilinear.

    Parameters
    ----------
    degrees : sequence of float
        Positive is clockwise as the image is shown (imgaug's convention). Multiples of 360, the identity, are refused.

    Returns
    -------
    Transformation
        One copy an angle, in the order given.
    """
    angles = _sequence(degrees, "degrees")
    if not all(_is_number(angle, Real) and np.isfinite(angle) and angle % 360 for angle in angles):
        raise InputError(f"rotate takes finite angles in degrees, none of them a multiple of 360, but got {degrees!r}.")
    augmenters = tuple(_affine(rotate=float(angle)) for angle in angles)
    return Transformation("rotate", tuple(f"rotate {angle:+.1f} deg" for angle in angles), augmenters)


def crop(pixels: Iterable[int]) -> Transformation:
    """Remove the outer pixels on all four sides and zoom back to the original size.

    A pixel of the zoomed image is the mean of the area it covers: imgaug's choice for enlarging, so what the released
    code did. (At some sizes, 18 pixels less 2 for one, OpenCV's rounding takes a row or column from its neighbour; the
    paper's 28, 32 and 96 pixels are not among them.)

    Parameters
    ----------
    pixels : sequence of int
        Widths of the removed frames, each at least 1.

    Returns
    -------
    Transformation
        One copy a width, in the order given.
    """
    widths = _whole_pixels(_sequence(pixels, "pixels"), "crop")
    augmenters = tuple(_iaa().Crop(px=width, keep_size=True, seed=0) for width in widths)
    return Transformation("crop", tuple(f"crop {width} px" for width in widths), augmenters, 2 * max(widths) + 1)


BUILDERS = {
    "translate": translate,
    "rotate": rotate,
    "crop": crop,
}
"""What a study's ``transformation`` names: functions of the keyword arguments of `APPENDIX_B`, if it has any."""


def from_augmenter(
    augmenter: imgaug.augmenters.Augmenter, n_copies: int, seed: int, name: str = "augmenter"
) -> Transformation:
    """Random copies of every point from any imgaug augmenter, reproducibly.

    The draw depends on `seed`, the number of the copy and the content of the image alone, so a point gets the same
    copies in whichever batch and order it comes; equal images get equal copies.

    Parameters
    ----------
    augmenter : imgaug.augmenters.Augmenter
        Must keep the images' shape and dtype; a private copy of it is used.
    n_copies : int
        k, at least 1.
    seed : int
        At least 0.
    name : str

    Returns
    -------
    Transformation
    """
    if not isinstance(augmenter, _iaa().Augmenter):
        raise InputError(f"augmenter is a {type(augmenter).__name__}; it must be an imgaug augmenter.")
    if not _is_number(n_copies, Integral) or n_copies < 1:
        raise InputError(f"n_copies is {n_copies!r}; it must be a whole number of at least 1.")
    if not _is_number(seed, Integral) or seed < 0:
        raise InputError(f"seed is {seed!r}; it must be a whole number of at least 0.")
    own = augmenter.deepcopy()
    draws = tuple(partial(_seeded_draw, own, (int(seed), copy)) for copy in range(n_copies))
    return Transformation(name, tuple(f"{name} draw {copy + 1}" for copy in range(n_copies)), draws)


def appendix_b(transformation: str, dataset: str) -> Transformation:
    """The paper's own transformation for one of its data sets (Kuchnik & Smith 2019, appendix B).

    Parameters
    ----------
    transformation : {'translate', 'rotate', 'crop'}
    dataset : {'mnist', 'digits', 'cifar10', 'small-norb'}

    Returns
    -------
    Transformation
        With the parameters in `APPENDIX_B`; translations are cardinal.
    """
    if dataset not in APPENDIX_B:
        raise InputError(f"appendix B has no parameters for data set {dataset!r}; known are {', '.join(APPENDIX_B)}.")
    if transformation not in BUILDERS:
        raise InputError(f"transformation is {transformation!r}; it must be one of {', '.join(BUILDERS)}.")
    return BUILDERS[transformation](**APPENDIX_B[dataset].get(transformation, {}))


@dataclass(frozen=True)
class Copies:
    """The copies of n points, all k of a point together: point 0's copies first.

    Attributes
    ----------
    images : array of uint8 [n * k, height, width, channels]
    labels : array [n * k]
        Each copy has the label of its point.
    source : array of int [n * k]
        Index of the point that the copy came from.
    which : array of int [n * k]
        Index of the change within the transformation.
    """

    images: np.ndarray
    labels: np.ndarray
    source: np.ndarray
    which: np.ndarray


def expand(images: np.ndarray, labels: ArrayLike, transformation: Transformation) -> Copies:
    """All copies of all points, without the points themselves.

    Parameters
    ----------
    images : array of uint8 [n, height, width, channels]
    labels : array [n]
    transformation : Transformation

    Returns
    -------
    Copies
    """
    images, labels = _checked(images), np.asarray(labels)
    if labels.shape != images.shape[:1]:
        raise InputError(f"labels have shape {labels.shape}; {len(images)} images need shape ({len(images)},).")
    n, k = len(images), len(transformation)
    return Copies(
        images=transformation(images).swapaxes(0, 1).reshape(n * k, *images.shape[1:]),
        labels=np.repeat(labels, k),
        source=np.repeat(np.arange(n), k),
        which=np.tile(np.arange(k), n),
    )


def _iaa():
    # Imported here because it takes seconds, and a stage that finds its features on disk does without.
    import imgaug.augmenters

    return imgaug.augmenters


def _affine(**change):
    # The seed changes nothing in the result: without one, imgaug would draw it from its global generator.
    return _iaa().Affine(**change, order=1, mode="edge", seed=0)


def _changed(augmenter, images):
    return augmenter.augment_images(images) if isinstance(augmenter, _iaa().Augmenter) else augmenter(images)


def _kept(out, images, what):
    """`out`, refused unless it has the shape and dtype of `images`."""
    out = np.asarray(out)
    if out.shape != images.shape or out.dtype != images.dtype:
        raise InputError(
            f"{what} turned {images.dtype} {images.shape} into {out.dtype} {out.shape}; it must keep both."
        )
    return out


def _seeded_draw(augmenter, seeds, images):
    """Each image through `augmenter`, reseeded from `seeds` and the image's content."""
    copies = np.empty_like(images)
    for out, image in zip(copies, images, strict=True):
        content = int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=16).digest())
        augmenter.seed_(np.random.SeedSequence([*seeds, content]), deterministic_too=True)
        out[...] = _kept(augmenter.augment_image(image), image, augmenter.name)
    return copies


def _checked(images):
    images = np.asarray(images)
    if images.ndim != 4 or images.dtype != np.uint8 or 0 in images.shape[1:]:
        raise InputError(
            f"images are {images.dtype} of shape {images.shape}; they must be uint8 [n, height, width, channels]."
        )
    return images


def _sequence(values, what):
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputError(f"{what} is {values!r}; it must be a sequence of numbers.")
    values = list(values)
    if not values:
        raise InputError(f"{what} is empty; it must hold at least one number.")
    return values


def _whole_pixels(values, what):
    if not all(_is_number(value, Integral) and value >= 1 for value in values):
        raise InputError(f"{what} takes whole numbers of pixels, at least 1, but got {values!r}.")
    return [int(value) for value in values]


def _is_number(value, kind):
    return isinstance(value, kind) and not isinstance(value, bool)
