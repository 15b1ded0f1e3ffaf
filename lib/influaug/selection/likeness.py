"""Signs that copies do not belong to the points that they are given for: another scale, or other points.

A scaler in a Pipeline before the selector changes X and not the copies. Columns of the copies then follow those of
their points, as copies do, but at another scale or place, as copies rarely are. And copies of other points are as near
to the points that they are given for as to any.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from .rows import blocks, taken

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FOLLOWS = 0.7
"""Correlation from which on a column of the copies follows that of their points."""
RATIO, SHIFT = 2.5, 2.0
"""How many times as wide or narrow, and how many standard deviations away, a column of copies may be."""
OF_FOLLOWING, OF_ALL = 0.25, 0.05
"""Shares of the columns that follow, and of all that vary, which must be beyond that. Measured on tables, digits,
embeddings, one-hot and sparse columns: augmentations put at most 3% of all there, scalers that matter 5% and more."""
FEWEST, FEWEST_FOR_POINTS = 10, 100
"""Copies from which on the tests mean something."""
MOST, MOST_NUMBERS = 2000, 10**7
"""Copies, spread over all, that are looked at, and the most numbers that they may hold."""


def warn_of_unlike(rows: Any, copies: Callable[[np.ndarray], Any], source: np.ndarray) -> None:
    """Warn if copies have another scale than their points, or are as far from their own points as from others.

    Parameters
    ----------
    rows : array or sparse matrix [n, d]
    copies : callable
        Places, int array [b] -> array or sparse matrix [b, d].
    source : int array [m]
    """
    m, most = len(source), min(MOST, MOST_NUMBERS // rows.shape[1])
    if min(m, most) < FEWEST:
        return
    places = np.unique(np.linspace(0, m - 1, most).astype(int))
    own = _array(taken(rows, source[places]))
    made = np.vstack([_array(copies(places[block])) for block in blocks(len(places))])
    if _of_another_scale(own, made):
        warnings.warn(
            "The copies lie far outside the scale of their points, as if a step before this one had scaled X and not "
            "the copies; put such steps into the featurizer, as in featurizer=StandardScaler(), which sees both.",
            UserWarning,
            stacklevel=4,
        )
    elif len(places) >= FEWEST_FOR_POINTS and _as_near_to_others(own, made):
        warnings.warn(
            "The copies are no nearer to the points that they are given for than to others; check that entry i of "
            "copies holds those of X[i].",
            UserWarning,
            stacklevel=4,
        )


def _array(rows):
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, dtype=np.float64)


def _of_another_scale(own, made):
    wide, wide_made = own.std(axis=0), made.std(axis=0)
    away = made.mean(axis=0) - own.mean(axis=0)
    varies = wide > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.mean((own - own.mean(axis=0)) * (made - made.mean(axis=0)), axis=0) / (wide * wide_made)
        ratio, shift = wide_made / wide, np.abs(away) / np.maximum(wide, wide_made)
    follows = varies & (correlation > FOLLOWS)
    beyond = follows & ((ratio > RATIO) | (ratio < 1 / RATIO) | (shift > SHIFT))
    return np.sum(beyond) > max(OF_FOLLOWING * np.sum(follows), OF_ALL * np.sum(varies)) - 1e-9 and beyond.any()


def _as_near_to_others(own, made):
    """Whether the share of copies that are nearer to their own point is what chance would give."""
    wide = own.std(axis=0)
    own, made = own / np.where(wide > 0, wide, 1.0), made / np.where(wide > 0, wide, 1.0)
    others = np.roll(own, len(own) // 2, axis=0)
    differ = np.any(own != others, axis=1)
    if np.sum(differ) < FEWEST_FOR_POINTS:
        return False
    near, far = (np.sum((made[differ] - to[differ]) ** 2, axis=1) for to in (own, others))
    share = np.mean((near < far) + 0.5 * (near == far))
    return abs(share - 0.5) <= 1.0 / np.sqrt(np.sum(differ))
