"""Transformations made of others: one after the other, or the copies of several side by side."""

from __future__ import annotations

from functools import partial, reduce
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .transformation import Transformation, changed, kept

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_COPIES = 10_000
"""Copies of a point that a composition may make."""


def in_sequence(parts: Sequence[Transformation]) -> Transformation:
    """Every change of the first, followed by every change of the second, and so on.

    Parameters
    ----------
    parts : sequence of Transformation

    Returns
    -------
    Transformation
        As many copies as the product of the parts' numbers; the changes of the last part vary fastest.

    Raises
    ------
    InputError
        There are no parts, or they make more than `MOST_COPIES` copies.
    """
    _check(parts, prod(map(len, parts)))
    return reduce(_followed, parts)


def side_by_side(parts: Sequence[Transformation]) -> Transformation:
    """The copies of the first, then those of the second, and so on.

    Parameters
    ----------
    parts : sequence of Transformation

    Returns
    -------
    Transformation
        As many copies as the sum of the parts' numbers.

    Raises
    ------
    InputError
        There are no parts, or they make more than `MOST_COPIES` copies.
    """
    _check(parts, sum(map(len, parts)))
    return Transformation(
        " + ".join(dict.fromkeys(part.name for part in parts)),
        tuple(label for part in parts for label in part.labels),
        tuple(augmenter for part in parts for augmenter in part.augmenters),
        max(part.smallest_side for part in parts),
        any(part.colour for part in parts),
    )


def _check(parts, copies):
    if not parts:
        raise InputError("The list of transformations is empty; it must hold one or more.")
    if copies > MOST_COPIES:
        raise InputError(
            f"These transformations make {copies:,} copies of a point together; give fewer strengths, for at most "
            f"{MOST_COPIES:,}."
        )


def _followed(first, second):
    pairs = [(a, b) for a in range(len(first)) for b in range(len(second))]
    return Transformation(
        f"{first.name}, then {second.name}",
        tuple(f"{first.labels[a]}, then {second.labels[b]}" for a, b in pairs),
        tuple(partial(_one_after_other, first.augmenters[a], second.augmenters[b], first.labels[a]) for a, b in pairs),
        max(first.smallest_side, second.smallest_side),
        first.colour or second.colour,
    )


def _one_after_other(first, second, label, images):
    between = kept(changed(first, images), images, label)
    # A flip is a view with a negative stride, which OpenCV does not take.
    return changed(second, np.ascontiguousarray(between))
