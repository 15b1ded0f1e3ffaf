"""The order in which greedy selection adds copies, or points with all their copies."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from .turns import in_turn

if TYPE_CHECKING:
    from .candidates import Candidates

ROWS = 4096
"""Copies of which sums are formed at once."""


class GreedyOrder:
    """Units, each a copy or a point with all its copies, in the order in which they have been taken.

    Parameters
    ----------
    candidates : Candidates
    units : int array [m]
        Unit of each copy.
    budget : int
        Units that will be taken.
    balanced : bool
        Whether the classes take turns.

    Attributes
    ----------
    taken : int array [budget]
        The first `done` are valid.
    scores : array [budget]
        Score of each when it was taken.
    done : int
    """

    def __init__(self, candidates: Candidates, units: np.ndarray, budget: int, balanced: bool) -> None:
        self.units, self.balanced = units, balanced
        self.classes, self._equal = _classes(candidates, units), _equal(candidates, units)
        self._left = np.zeros(units.max() + 1, dtype=bool)
        self._left[units] = True
        self._seen = np.zeros(units.max() + 1, dtype=bool)
        self.taken, self.scores, self.done = np.empty(budget, dtype=int), np.empty(budget), 0

    def of_units(self, scores: np.ndarray) -> np.ndarray:
        """Sums of the copies' scores by unit: [m] -> [largest unit + 1]."""
        return np.bincount(self.units, scores, len(self._left))

    def falling(self, of_unit: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """Units that are left, of some or of all, the best first; those equal to a taken one come last."""
        left = np.flatnonzero(self._left) if among is None else among[self._left[among]]
        falling = left[np.argsort(-of_unit[left], kind="stable")]
        # A stable second sort moves duplicates of taken units behind all others and keeps the order by score.
        falling = falling[np.argsort(self._seen[self._equal[falling]], kind="stable")]
        if not self.balanced:
            return falling
        counts = np.bincount(self.classes[self.taken[: self.done]], minlength=self.classes.max() + 1)
        return in_turn(falling, self.classes, counts)

    def take(self, of_unit: np.ndarray, size: int, among: np.ndarray | None = None) -> np.ndarray:
        """Take the best units, only the first of equal ones, at most as many as the budget has left: the copies taken.

        Fewer than `size` are taken where there are no more different ones.
        """
        falling = self.falling(of_unit, among)
        _, first = np.unique(self._equal[falling], return_index=True)
        chosen = falling[np.sort(first)[: min(size, len(self.taken) - self.done)]]
        places = slice(self.done, self.done + len(chosen))
        self.taken[places], self.scores[places] = chosen, of_unit[chosen]
        self.done += len(chosen)
        self._left[chosen], self._seen[self._equal[chosen]] = False, True
        return np.flatnonzero(np.isin(self.units, chosen))


def _classes(candidates, units):
    """The class of every unit."""
    classes = np.zeros(units.max() + 1, dtype=int)
    classes[units] = candidates.labels[candidates.source]
    return classes


def _equal(candidates, units):
    """A number for every unit; units whose copies have equal features, labels and weights share it."""
    contents, numbers = _contents(candidates), np.zeros(units.max() + 1, dtype=int)
    if len(np.unique(units)) < len(units):
        of_units = groupby(np.argsort(units, kind="stable").tolist(), units.__getitem__)
        seen = {}
        for unit, copies in of_units:
            numbers[unit] = seen.setdefault(contents[list(copies)].tobytes(), len(seen))
        return numbers
    _, numbers[units] = np.unique(contents.view("V16")[:, 0], return_inverse=True)
    return numbers


def _contents(candidates):
    """Two random sums of 64 bits of each copy's features, label and weight: [m, 2]; rows that differ have others."""
    # The rows themselves, as keys, would take as much memory as the copies.
    rng, x, weights = np.random.default_rng(0), candidates.copies, candidates.point_weights[candidates.source]
    more = np.column_stack([candidates.labels[candidates.source], weights]).astype(np.float64).view(np.uint32)
    words = np.ascontiguousarray(x[:1]).view(np.uint16).size + more.shape[1]
    factors = rng.integers(2**63, size=(words, 2), dtype=np.uint64) * 2 + 1
    found = np.empty((len(x), 2), np.uint64)
    for start in range(0, len(x), ROWS):
        rows = slice(start, start + ROWS)
        # Halves of numbers, of 16 bits, fit whatever the features' type is.
        own = np.ascontiguousarray(x[rows]).view(np.uint16)
        found[rows] = np.hstack([own, more[rows]]).astype(np.uint64) @ factors
    return found
