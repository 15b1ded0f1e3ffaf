"""AutoAugment's policy for CIFAR-10, and Cutout, as random functions of one image.

Cubuk et al. (2019, *AutoAugment: Learning Augmentation Policies from Data*), appendix: 25 sub-policies, of which one is
drawn for each image; each has two operations with a probability and a level from 0 to 9. What a level means is taken
from the authors' code (tensorflow/models, research/autoaugment, augmentation_transforms.py), as the paper's table of
ranges leaves it open: a tenth of the operation's range for each level. There Posterize keeps 4 bits at level 0 and 1 at
the most, where the table has 8 to 4. Shifts are whole pixels for 32 x 32 images, so here parts of the side. Pixels from
outside have the mean colour of CIFAR-10, as there; sampling is by the nearest pixel, as there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.random import Generator

    FILL: dict[str, Any]
    OPERATIONS: dict[str, Callable[[Image.Image, int, int], Image.Image]]

LEVELS = 10
FILL = {"L": 122, "RGB": (125, 122, 113)}
"""The mean of CIFAR-10, by the mode of the picture; pixels that come in from outside have it."""
CUTOUT = 1 / 2
"""Side of Cutout's square as a part of the shorter side: 16 of 32 pixels, as for CIFAR-10 in both papers."""


def _enhanced(kind):
    return lambda picture, level, sign: kind(picture).enhance(0.1 + 1.8 * level / LEVELS)


def _affine(picture, *matrix):
    fill = FILL[picture.mode]
    return picture.transform(picture.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=fill)


def _pixels(level, side):
    return round(level * side / 32)


OPERATIONS = {
    "ShearY": lambda picture, level, sign: _affine(picture, 1, 0, 0, sign * 0.3 * level / LEVELS, 1, 0),
    "TranslateX": lambda picture, level, sign: _affine(picture, 1, 0, sign * _pixels(level, picture.width), 0, 1, 0),
    "TranslateY": lambda picture, level, sign: _affine(picture, 1, 0, 0, 0, 1, sign * _pixels(level, picture.height)),
    "Rotate": lambda picture, level, sign: picture.rotate(sign * 3 * level, fillcolor=FILL[picture.mode]),
    "AutoContrast": lambda picture, level, sign: ImageOps.autocontrast(picture),
    "Invert": lambda picture, level, sign: ImageOps.invert(picture),
    "Equalize": lambda picture, level, sign: ImageOps.equalize(picture),
    "Solarize": lambda picture, level, sign: ImageOps.solarize(picture, 256 - int(256 * level / LEVELS)),
    "Posterize": lambda picture, level, sign: ImageOps.posterize(picture, 4 - int(4 * level / LEVELS)),
    "Contrast": _enhanced(ImageEnhance.Contrast),
    "Color": _enhanced(ImageEnhance.Color),
    "Brightness": _enhanced(ImageEnhance.Brightness),
    "Sharpness": _enhanced(ImageEnhance.Sharpness),
}
"""Operations (picture, level, sign) -> picture of the same size and mode, by the paper's names."""

CIFAR10_POLICY = (
    (("Invert", 0.1, 7), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, 8), ("Equalize", 0.9, 2)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, 5), ("Equalize", 0.5, 1)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, 7), ("AutoContrast", 0.4, 8)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, 3)),
    (("Equalize", 0.2, 0), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.2, 8), ("Equalize", 0.6, 4)),
    (("Color", 0.9, 9), ("Equalize", 0.6, 6)),
    (("AutoContrast", 0.8, 4), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, 3)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, 2), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, 8), ("Invert", 0.1, 3)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 1)),
)
"""The 25 sub-policies: name, probability and level of two operations; AutoContrast, Equalize, Invert use no level."""


def auto_augmented(image: np.ndarray, rng: Generator) -> np.ndarray:
    """One draw of one image by AutoAugment's policy for CIFAR-10.

    Parameters
    ----------
    image : array of uint8 [height, width, channels]
        Grey or colour: 1 or 3 channels.
    rng : numpy.random.Generator

    Returns
    -------
    array of uint8 [height, width, channels]

    Raises
    ------
    InputError
        The image has another number of channels.
    """
    if image.shape[-1] not in (1, 3):
        raise InputError(f"AutoAugment takes images with 1 or 3 channels, not {image.shape[-1]}.")
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    for name, probability, level in CIFAR10_POLICY[rng.integers(len(CIFAR10_POLICY))]:
        drawn, sign = rng.random() < probability, 2 * int(rng.integers(2)) - 1
        picture = OPERATIONS[name](picture, level, sign) if drawn else picture
    return np.asarray(picture).reshape(image.shape)


def cut_out(image: np.ndarray, rng: Generator, share: float = CUTOUT) -> np.ndarray:
    """One image with a square covered, by Cutout (DeVries & Taylor, 2017, arXiv:1708.04552).

    The square's centre is any pixel, all equally likely, so that it may reach beyond the image. It has the mean
    colour of CIFAR-10, which is what zero is in the papers' standardised images.

    Parameters
    ----------
    image : array of uint8 [height, width, channels]
    rng : numpy.random.Generator
    share : float
        Side of the square as a part of the image's shorter side.

    Returns
    -------
    array of uint8 [height, width, channels]
    """
    covered, half = image.copy(), round(share * min(image.shape[:2])) // 2
    down, right = (int(rng.integers(side)) for side in image.shape[:2])
    fill = FILL["RGB"] if image.shape[-1] == 3 else FILL["L"]
    covered[max(down - half, 0) : down + half, max(right - half, 0) : right + half] = fill
    return covered


def auto_augmented_and_cut_out(image: np.ndarray, rng: Generator) -> np.ndarray:
    """One draw of one image by AutoAugment's policy and then Cutout, as in that paper's experiments on CIFAR."""
    return cut_out(auto_augmented(image, rng), rng)
