"""The transformations by name: a point becomes k copies, exhaustively and deterministically.

Images go through imgaug, OpenCV and NumPy, and pixels that come in from outside the image repeat its edge. Images are
uint8 arrays [n, height, width, channels]; grey ones have one channel. Translations, rotations and crops are those of
Kuchnik & Smith (ICLR 2019, appendix B); the rest of `BUILDERS` is what image classification uses beside them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .appearance import blur, brightness, contrast, hue, saturation
from .compositions import in_sequence, side_by_side
from .erasing import erase
from .transformation import (
    Transformation,
    affine,
    checked,
    content_of,
    imgaug_augmenters,
    is_number,
    kept,
    sequence,
    whole_pixels,
)
from .warps import flip_left_right, flip_up_down, shear, zoom

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
    (pixels,) = whole_pixels([pixels], "translate")
    if directions not in DIRECTIONS:
        raise InputError(f"directions is {directions!r}; it must be one of {', '.join(map(repr, DIRECTIONS))}.")
    steps = DIRECTIONS[directions]
    augmenters = tuple(affine(translate_px={"x": pixels * x, "y": pixels * y}) for x, y in steps.values())
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
    angles = sequence(degrees, "degrees")
    if not all(is_number(angle, Real) and np.isfinite(angle) and angle % 360 for angle in angles):
        raise InputError(f"rotate takes finite angles in degrees, none of them a multiple of 360, but got {degrees!r}.")
    augmenters = tuple(affine(rotate=float(angle)) for angle in angles)
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
    widths = whole_pixels(sequence(pixels, "pixels"), "crop")
    augmenters = tuple(imgaug_augmenters().Crop(px=width, keep_size=True, seed=0) for width in widths)
    return Transformation("crop", tuple(f"crop {width} px" for width in widths), augmenters, 2 * max(widths) + 1)


def compose(parts: Iterable[Any]) -> Transformation:
    """Transformations one after the other; see `compositions.in_sequence`.

    Parameters
    ----------
    parts : sequence
        Of what `named` takes: ``compose(["flip_left_right", {"rotate": [-10, 10]}])``.

    Returns
    -------
    Transformation
        As many copies as the product of the parts' numbers.
    """
    return in_sequence([named(part) for part in _parts_of("compose", parts)])


def union(parts: Iterable[Any]) -> Transformation:
    """The copies of several transformations side by side; see `compositions.side_by_side`.

    Parameters
    ----------
    parts : sequence
        Of what `named` takes.

    Returns
    -------
    Transformation
        As many copies as the sum of the parts' numbers.
    """
    return side_by_side([named(part) for part in _parts_of("union", parts)])


BUILDERS = {
    "translate": translate,
    "rotate": rotate,
    "crop": crop,
    "flip_left_right": flip_left_right,
    "flip_up_down": flip_up_down,
    "shear": shear,
    "zoom": zoom,
    "brightness": brightness,
    "contrast": contrast,
    "saturation": saturation,
    "hue": hue,
    "blur": blur,
    "erase": erase,
    "compose": compose,
    "union": union,
}
"""What a study's ``transformation`` names: functions of keyword arguments; see `named`."""
COMPOSITIONS = ("compose", "union")
"""Names of `BUILDERS` that take other transformations."""
DEEPEST = 10
"""Compositions inside compositions."""


def named(
    given: Any, dataset: str = "mnist", of: Callable[[list], list[Transformation]] | None = None, depth: int = 0
) -> Transformation:
    """A transformation from its name, as studies, YAML files and `adapters.as_transformation` give it.

    Parameters
    ----------
    given : str, dict, list or Transformation
        A name of `BUILDERS` has the parameters of `APPENDIX_B` or else its function's defaults. In a dict each name
        has its own: a dict of keyword arguments, or the value of its first parameter, usually the list of strengths,
        or None. Several names in a dict or a list stand side by side.
    dataset : str
        Whose parameters of `APPENDIX_B` are taken.
    of : function, optional
        Makes all parts of a list or composition, in place of `named`.
    depth : int
        Compositions around this one.

    Returns
    -------
    Transformation

    Raises
    ------
    InputError
        A name or parameter is unknown, a strength is out of range, or there is nothing.
    """
    if depth > DEEPEST:
        raise InputError(f"Transformations are composed {depth} deep; write them at most {DEEPEST} deep.")
    of = of or (lambda parts: [named(part, dataset, depth=depth + 1) for part in parts])
    if isinstance(given, Transformation):
        return given
    if isinstance(given, str):
        return _built(given, None, dataset, of)
    if isinstance(given, Mapping):
        return side_by_side([_built(name, options, dataset, of) for name, options in given.items()])
    if isinstance(given, list | tuple):
        return side_by_side(of(list(given)))
    raise InputError(
        f"transformation is {given!r}; it must be a name such as 'translate', a dict such as {{'rotate': [-10, 10]}}, "
        "or a list of these."
    )


def words(given: Any) -> str:
    """What `named` takes, in words: 'rotate, then translate'."""
    if isinstance(given, Mapping):
        return " + ".join(_in_words(name, options) for name, options in given.items())
    return given if isinstance(given, str) else " + ".join(map(words, given))


def _in_words(name, options):
    if name not in COMPOSITIONS:
        return name
    parts = options["parts"] if isinstance(options, Mapping) else options
    return (", then " if name == "compose" else " + ").join(map(words, parts))


def _built(name, options, dataset, of):
    """One of `BUILDERS`; see `named`."""
    if name not in BUILDERS:
        raise InputError(f"transformation is {name!r}; by name it must be one of {', '.join(BUILDERS)}.")
    build = BUILDERS[name]
    known = inspect.signature(build).parameters
    if options is None:
        options = APPENDIX_B.get(dataset, APPENDIX_B["mnist"]).get(name, {})
    elif not isinstance(options, Mapping):
        if not known:
            raise InputError(f"The transformation {name} takes no parameters, but was given {options!r}.")
        options = {next(iter(known)): strengths_of(name, options)}
    try:
        inspect.signature(build).bind(**options)
    except TypeError as error:
        takes = ", ".join(known) or "no parameters"
        raise InputError(f"The transformation {name} takes {takes}, but was given {dict(options)}.") from error
    if name in COMPOSITIONS:
        return build(of(_parts_of(name, options["parts"])))
    return build(**options)


def _parts_of(name, parts):
    if isinstance(parts, str | Mapping) or not isinstance(parts, Iterable):
        raise InputError(f"{name} takes a list of transformations, such as [flip_left_right, blur], not {parts!r}.")
    return list(parts)


def strengths_of(name: str, given: Any) -> Any:
    """A list of strengths as the first parameter of one of `BUILDERS` takes it; of 'translate' its only number."""
    if name != "translate" or isinstance(given, str) or not hasattr(given, "__len__"):
        return given
    if len(given) != 1:
        raise InputError(f"The transformation translate takes one magnitude, one number of pixels, not {given!r}.")
    return given[0]


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
    if not isinstance(augmenter, imgaug_augmenters().Augmenter):
        raise InputError(f"augmenter is a {type(augmenter).__name__}; it must be an imgaug augmenter.")
    if not is_number(n_copies, Integral) or n_copies < 1:
        raise InputError(f"n_copies is {n_copies!r}; it must be a whole number of at least 1.")
    if not is_number(seed, Integral) or seed < 0:
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
    images, labels = checked(images), np.asarray(labels)
    if labels.shape != images.shape[:1]:
        raise InputError(f"labels have shape {labels.shape}; {len(images)} images need shape ({len(images)},).")
    n, k = len(images), len(transformation)
    return Copies(
        images=transformation(images).swapaxes(0, 1).reshape(n * k, *images.shape[1:]),
        labels=np.repeat(labels, k),
        source=np.repeat(np.arange(n), k),
        which=np.tile(np.arange(k), n),
    )


def _seeded_draw(augmenter, seeds, images):
    """Each image through `augmenter`, reseeded from `seeds` and the image's content."""
    copies = np.empty_like(images)
    for out, image in zip(copies, images, strict=True):
        augmenter.seed_(np.random.SeedSequence([*seeds, content_of(image)]), deterministic_too=True)
        out[...] = kept(augmenter.augment_image(image), image, augmenter.name)
    return copies
