"""Erasing: squares at random places are covered, each image's own, the same whenever the copy is made.

Cutout (DeVries & Taylor 2017, arXiv:1708.04552) covers a square of fixed size; random erasing (Zhong et al. 2020,
arXiv:1708.04896) covers a rectangle inside the image. Here it is a square of fixed size inside the image.
"""

from __future__ import annotations

from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .transformation import Transformation, content_of, is_number, strengths

if TYPE_CHECKING:
    from collections.abc import Iterable

SHARES = 0.02, 0.9
MOST_PLACES = 100


def erase(
    shares: Iterable[float] = (0.3, 0.5), places: int = 1, fill: int | str = "mean", seed: int = 0
) -> Transformation:
    """Cover a square at a random place, for each of `shares` and each of `places`.

    The place depends on the seed, the number of the copy and the content of the image alone, so a point gets the same
    copies in whichever batch and order it comes. All places inside the image are equally likely.

    Parameters
    ----------
    shares : sequence of float
        Side of the square as a share of the image's shorter side, from 0.02 to 0.9; at least one pixel.
    places : int
        Copies of each share, each with a place of its own, from 1 to 100.
    fill : int or 'mean'
        Grey value of the square, 0 to 255, or the image's mean in each channel.
    seed : int
        At least 0.

    Returns
    -------
    Transformation
        One copy for each share and place, the places of the first share first.
    """
    found = strengths(shares, "erase takes shares of the shorter side", *SHARES)
    _check_whole("places", places, 1, MOST_PLACES)
    _check_whole("seed", seed, 0, 2**63 - 1)
    if fill != "mean":
        _check_whole("fill", fill, 0, 255, " or 'mean'")
    drawn = [(share, place) for share in found for place in range(places)]
    augmenters = tuple(partial(_erased, s, fill, (int(seed), number)) for number, (s, _) in enumerate(drawn))
    marks = [f"erase {share:.0%}" + (f" place {place + 1}" if places > 1 else "") for share, place in drawn]
    return Transformation("erase", tuple(marks), augmenters, smallest_side=2)


def _check_whole(name, value, least, most, also=""):
    if not is_number(value, Integral) or not least <= value <= most:
        raise InputError(f"{name} is {value!r}; erase takes a whole number from {least} to {most}{also}.")


def _erased(share, fill, seeds, images):
    height, width = images.shape[1:3]
    side = max(1, round(share * min(height, width)))
    made = images.copy()
    for image in made:
        rng = np.random.default_rng([*seeds, content_of(image)])
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        value = np.rint(image.mean(axis=(0, 1))) if fill == "mean" else fill
        image[top : top + side, left : left + side] = value
    return made
