"""Orders of points or copies in which the classes take turns.

The policies of Kuchnik & Smith (2019) consider scores only, so that a rare class may get all of a small budget or
nothing.
"""

from __future__ import annotations

import numpy as np


def in_turn(order: np.ndarray, classes: np.ndarray, taken: np.ndarray | None = None) -> np.ndarray:
    """Reorder so that the classes take turns; the order within each class stays the same.

    Parameters
    ----------
    order : int array [b]
        Indices of some of n points or copies, the best first.
    classes : int array [n]
        Class of each, 0 .. n_classes - 1.
    taken : int array [n_classes], optional
        Number of each class already chosen; classes with fewer come first (default: none chosen).

    Returns
    -------
    int array [b]
        After any number of places, the class counts including `taken` differ by at most one, as long as no class runs
        out. If several classes are due, the one with the better point or copy comes first.
    """
    order = np.asarray(order)
    of = np.asarray(classes)[order]
    counts = np.zeros(int(np.max(classes)) + 1, dtype=int) if taken is None else np.asarray(taken)
    return order[np.argsort(counts[of] + places_within(of), kind="stable")]


def places_within(groups: np.ndarray) -> np.ndarray:
    """Position of each element within its group, from 0: int array [n]."""
    places = np.empty(len(groups), dtype=int)
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        places[members] = np.arange(len(members))
    return places
