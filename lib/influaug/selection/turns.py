"""Quotas: an order of points or copies in which every class has its turn.

The policies of Kuchnik & Smith (2019) look at scores alone, so that a rare class gets all of a small budget or nothing.
"""

from __future__ import annotations

import numpy as np


def in_turn(order: np.ndarray, classes: np.ndarray, taken: np.ndarray | None = None) -> np.ndarray:
    """An order with the classes in turn, each class's own order kept.

    Parameters
    ----------
    order : int array [b]
        Some of n points or copies, the best first.
    classes : int array [n]
        0 .. n_classes - 1.
    taken : int array [n_classes], optional
        How many of each class have been chosen already; classes with fewer come first (default: none).

    Returns
    -------
    int array [b]
        In every first part of it the classes' numbers, with what was taken, differ by at most one, as long as no class
        runs out. Of several classes whose turn it is, that of the better point or copy comes first.
    """
    order = np.asarray(order)
    of = np.asarray(classes)[order]
    counts = np.zeros(int(np.max(classes)) + 1, dtype=int) if taken is None else np.asarray(taken)
    return order[np.argsort(counts[of] + places_within(of), kind="stable")]


def places_within(groups: np.ndarray) -> np.ndarray:
    """Each one's place among those of its group, in their order: int array [n], from 0."""
    places = np.empty(len(groups), dtype=int)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        places[members] = np.arange(len(members))
    return places
