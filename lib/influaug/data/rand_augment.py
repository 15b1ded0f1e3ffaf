"""RandAugment: a few random operations of a fixed list, one after the other, all at one strength.

Cubuk et al. (2020, *RandAugment: Practical automated data augmentation with a reduced search space*), with the
operations and ranges of `trivial_augment`. Contrast, brightness, colour and sharpness go as far either way as the
strength says, as in torchvision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ..errors import InputError
from .trivial_augment import OPERATIONS

if TYPE_CHECKING:
    from numpy.random import Generator

EITHER_WAY = ("colour", "contrast", "brightness", "sharpness")
"""Operations that `trivial_augment` takes from one end of their range to the other, the identity in the middle."""


def randomly_augmented(image: np.ndarray, rng: Generator, count: int = 2, strength: float = 0.5) -> np.ndarray:
    """One draw of one image.

    Parameters
    ----------
    image : array of uint8 [height, width, channels]
        Grey or colour: 1 or 3 channels.
    rng : numpy.random.Generator
    count : int
        How many operations.
    strength : float
        From 0 to 1.

    Returns
    -------
    array of uint8 [height, width, channels]

    Raises
    ------
    InputError
        The image has another number of channels.
    """
    if image.shape[-1] not in (1, 3):
        raise InputError(f"RandAugment takes images with 1 or 3 channels, not {image.shape[-1]}.")
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    names = tuple(OPERATIONS)
    for k in rng.integers(len(names), size=count):
        sign = 2 * int(rng.integers(2)) - 1
        place = (1 + sign * strength) / 2 if names[k] in EITHER_WAY else strength
        picture = OPERATIONS[names[k]](picture, place, sign)
    return np.asarray(picture).reshape(image.shape)
