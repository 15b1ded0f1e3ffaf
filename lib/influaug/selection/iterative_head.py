"""The head of greedy selection at size: nothing has p x p numbers, and copies are read in blocks, from memory or disk.

One solve against the target's gradient scores all copies. It starts from the last one and ends early; between looks at
all copies, those that the head is confident of keep their share of the target's gradient and are not scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..solver.large import ROWS, LargeHead, Rows, doubts, losses, pulled_back, residuals, scores

if TYPE_CHECKING:
    from .candidates import Candidates

MOST_KEPT = 2**26
"""Most residuals that are kept between the two passes over the copies; beyond, they are computed in both."""


@dataclass(frozen=True)
class Schedule:
    """How closely the head is followed, and how many copies are added at a time.

    Attributes
    ----------
    growth : int
        A batch is one for every so many copies added before,
    smallest : int
        but at least this fraction of the budget.
    parts : int
        Steps in which a batch is chosen: after each, the logits of its shortlist move as the copies taken imply.
    shortlist : int
        Copies on the shortlist of a batch, for each of the batch.
    every : int
        Batches from one look at all copies to the next.
    confident : float
        Between these looks, copies whose wrong classes have at most this probability are left out.
    solve, step : float
        Shares of the preconditioned residual at which conjugate gradients end, for the scores and for Newton steps.
    left : float
        Share of the first Newton decrement after an addition that may remain.
    first : float
        Half the squared Newton decrement of the fit to the originals, as a share of max(J, 1).
    """

    growth: int = 8
    smallest: int = 1000
    parts: int = 16
    shortlist: int = 4
    every: int = 8
    confident: float = 1e-3
    solve: float = 0.15
    step: float = 0.3
    left: float = 0.1
    first: float = 1e-4

    def size(self, done: int, budget: int) -> int:
        """Copies in the batch after `done` of them, if there are so many left."""
        return max(1, budget // self.smallest, done // self.growth)


class IterativeHead:
    """The head fitted to the originals and the added copies, by truncated Newton steps.

    Parameters
    ----------
    candidates : Candidates
    C : float
    budget : int
        Most copies that will be added.
    schedule : Schedule
    rng : numpy.random.Generator
        Of the rows that precondition.
    """

    def __init__(
        self, candidates: Candidates, C: float, budget: int, schedule: Schedule, rng: np.random.Generator
    ) -> None:
        self.copies, self.schedule = candidates.copies, schedule
        self.labels = candidates.labels[candidates.source]
        self.weights = candidates.point_weights[candidates.source]
        self.total = float(candidates.point_weights.sum() + self.weights.sum())
        rows = Rows(in_float32(candidates.features), candidates.labels, candidates.point_weights)
        self.head = LargeHead(rows, int(candidates.labels.max()) + 1, C, budget, rng)
        self.head.minimise(schedule.step, 0.0, schedule.first)
        self.unused = np.ones(len(self.labels), dtype=bool)
        self.active, self.rest, self.looks = np.arange(0), np.zeros_like(self.head.theta), 0
        self.V = np.zeros_like(self.head.theta)

    def scores(self, name: str, wanted: int) -> np.ndarray:
        """Scores of all copies, each with its weight: [m]; 0 for those that are added, or not looked at.

        Parameters
        ----------
        name : {'influence', 'loss'}
        wanted : int
            The best this many have true scores.
        """
        last, self.looks = self.looks, self.looks + 1
        self.active = self.active[self.unused[self.active]]
        whole = last % self.schedule.every == 0 or len(self.active) < self.schedule.shortlist * wanted
        found = self._scores(name, whole, self.schedule.confident)
        if np.sum(found > 0) < min(wanted, int(self.unused.sum())):
            found = self._scores(name, True, -1.0)
        return found

    def add(self, copies: np.ndarray) -> None:
        """Add copies, given by their indices, to the fitted rows."""
        copies = np.sort(copies)
        self.unused[copies] = False
        self.head.append(np.asarray(self.copies[copies]), self.labels[copies], self.weights[copies])
        self.head.minimise(self.schedule.step, self.schedule.left)

    def trial(self, name: str, copies: np.ndarray) -> Trial:
        """Some copies, to be taken in parts before the head moves."""
        return Trial(self, name, np.sort(copies))

    def _scores(self, name, whole, confident):
        """Scores of copies [m], after a look at all that are unused or at those that were not confident."""
        rows = np.flatnonzero(self.unused) if whole else self.active
        found, active, kept = np.zeros(len(self.labels)), [rows[:0]], []
        g, left_out = self.head.data_gradient.copy(), np.zeros_like(self.rest)
        for part in _parts(rows):
            x, eta, r, doubt = self._look(part, confident)
            active.append(part[doubt])
            if name == "loss":
                found[part[doubt]] = losses(eta[:, doubt], self.labels[part[doubt]]) * self.weights[part[doubt]]
                continue
            g += pulled_back(r[:, doubt], x[doubt])
            left_out += pulled_back(r[:, ~doubt], x[~doubt])
            kept.append(r[:, doubt] if len(rows) * self.head.K <= MOST_KEPT else None)
        # What has become confident since the last look at all still counts; what was so then counts as it did.
        g += left_out if whole else left_out + self.rest
        if whole:
            self.active, self.rest = np.concatenate(active), left_out
        if name == "loss":
            return found
        self.V = self.head.solve(g / self.total, self.schedule.solve, self.V)
        for part, r in zip(active[1:], kept, strict=True):
            x = block(self.copies, part)
            r = r if r is not None else self._look(part, confident)[2]
            found[part] = np.einsum("kb,kb->b", r, scores(x, self.V))
        return found

    def _look(self, part, confident):
        """Of a block of copies: features, linear scores, weighted residuals, and which are not confident."""
        x, labels = block(self.copies, part), self.labels[part]
        eta = scores(x, self.head.theta)
        r = residuals(eta, labels)
        return x, eta, r * self.weights[part].astype(r.dtype), doubts(r, labels) > confident


def _parts(rows):
    return [rows[start : start + ROWS] for start in range(0, len(rows), ROWS)]


class Trial:
    """Copies on a shortlist, whose logits move as those that are taken imply, with the solve V as it is.

    Parameters
    ----------
    of : IterativeHead
    name : {'influence', 'loss'}
    copies : int array [s]
        Rising.
    """

    def __init__(self, of: IterativeHead, name: str, copies: np.ndarray) -> None:
        self.of, self.name, self.copies = of, name, copies
        self.x, self.labels = block(of.copies, copies), of.labels[copies]
        self.weights = of.weights[copies].astype(np.float32)
        self.eta, self.v = scores(self.x, of.head.theta), scores(self.x, of.V)

    def scores(self) -> np.ndarray:
        """Scores now: [s]."""
        if self.name == "loss":
            return self.weights * losses(self.eta, self.labels)
        return self.weights * np.einsum("ks,ks->s", residuals(self.eta, self.labels), self.v)

    def take(self, taken: np.ndarray) -> None:
        """Move the logits by the step that some copies imply; mask [s]."""
        r = residuals(self.eta[:, taken], self.labels[taken]) * self.weights[taken]
        step = self.of.head.preconditioned(pulled_back(r, self.x[taken]))
        self.eta = self.eta - scores(self.x, step)


def block(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rising rows of an array, in float32."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        # A slice of neighbours copies nothing.
        return np.asarray(x[rows[0] : rows[-1] + 1], dtype=np.float32)
    return np.asarray(x[rows], dtype=np.float32)


def in_float32(x: np.ndarray) -> np.ndarray:
    """Float64 in memory as float32; what is narrower, or on disk, as it is."""
    return x if isinstance(x, np.memmap) or x.dtype.itemsize <= 4 else x.astype(np.float32)
