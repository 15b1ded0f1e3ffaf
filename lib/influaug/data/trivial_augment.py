"""TrivialAugment: one random operation of a fixed list at a random strength for each image, with nothing to tune.

Müller & Hutter (2021, *TrivialAugment: Tuning-free yet state-of-the-art data augmentation*), with the operations and
ranges of their space RA. The operations are Pillow's. Shifts of up to 10 pixels are theirs for 32 x 32 images, so here
they are 10 / 32 of the side. Pixels from outside are black, as there. Colour changes nothing in a grey image.
"""

from __future__ import annotations

import hashlib
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from ..errors import InputError
from .transformations import Transformation

if TYPE_CHECKING:
    from collections.abc import Callable

    OPERATIONS: dict[str, Callable[[Image.Image, float, int], Image.Image]]

STRENGTHS = 31
"""Strengths, evenly from 0 to 1, of which one is drawn."""
SHIFT, DEGREES, SHEAR = 10 / 32, 30.0, 0.3


def _affine(image, *matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR)


def _enhanced(kind):
    return lambda image, u, sign: kind(image).enhance(0.1 + 1.8 * u)


OPERATIONS = {
    "identity": lambda image, u, sign: image,
    "auto contrast": lambda image, u, sign: ImageOps.autocontrast(image),
    "equalize": lambda image, u, sign: ImageOps.equalize(image),
    "rotate": lambda image, u, sign: image.rotate(sign * DEGREES * u, Image.Resampling.BILINEAR),
    "solarize": lambda image, u, sign: ImageOps.solarize(image, round(256 * (1 - u))),
    "colour": _enhanced(ImageEnhance.Color),
    "posterize": lambda image, u, sign: ImageOps.posterize(image, 8 - round(4 * u)),
    "contrast": _enhanced(ImageEnhance.Contrast),
    "brightness": _enhanced(ImageEnhance.Brightness),
    "sharpness": _enhanced(ImageEnhance.Sharpness),
    "shear x": lambda image, u, sign: _affine(image, 1, sign * SHEAR * u, 0, 0, 1, 0),
    "shear y": lambda image, u, sign: _affine(image, 1, 0, 0, sign * SHEAR * u, 1, 0),
    "translate x": lambda image, u, sign: _affine(image, 1, 0, sign * SHIFT * u * image.width, 0, 1, 0),
    "translate y": lambda image, u, sign: _affine(image, 1, 0, 0, 0, 1, sign * SHIFT * u * image.height),
}
"""Operations (image, strength from 0 to 1, sign) -> image of the same size and mode, by name."""


def trivially_augmented(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One draw of one image.

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
        raise InputError(f"TrivialAugment takes images with 1 or 3 channels, not {image.shape[-1]}.")
    operation = tuple(OPERATIONS.values())[rng.integers(len(OPERATIONS))]
    strength, sign = rng.integers(STRENGTHS) / (STRENGTHS - 1), 2 * int(rng.integers(2)) - 1
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return np.asarray(operation(picture, strength, sign)).reshape(image.shape)


def trivial_augment(n_copies: int, seed: int = 0) -> Transformation:
    """Random copies of every point by TrivialAugment, reproducibly.

    A draw depends on `seed`, the number of the copy and the content of the image alone, as in
    `influaug.data.transformations.from_augmenter`.

    Parameters
    ----------
    n_copies : int
        k, at least 1.
    seed : int
        At least 0.

    Returns
    -------
    Transformation

    Raises
    ------
    InputError
        n_copies or seed is out of range.
    """
    for name, value, least in (("n_copies", n_copies, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise InputError(f"{name} is {value!r}; it must be a whole number of at least {least}.")
    labels = tuple(f"TrivialAugment draw {copy + 1}" for copy in range(n_copies))
    draws = tuple(partial(_drawn, (int(seed), copy)) for copy in range(n_copies))
    return Transformation("trivial_augment", labels, draws)


def _drawn(seeds, images):
    made = [trivially_augmented(image, np.random.default_rng([*seeds, _content(image)])) for image in images]
    return np.stack(made) if made else images


def _content(image):
    return int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=16).digest())
