"""What greedy selection will cost, before it starts: seconds of one core, measured on a block of rows, and memory.

An iterative selection makes passes over rows: linear scores, then sums of residuals times rows. One pass is timed on
this machine, and their number is that of a typical run: it depends on the data through conjugate gradients, so that
the estimate is good to a factor of about three.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import thread_time

import numpy as np

from ..solver import large
from ..solver.heads import n_rows
from .iterative_head import MOST_KEPT, Schedule

FIRST_FIT = 60
"""Passes over the originals in the first fit, of which most are products with the Hessian."""
PRODUCTS = {"dense": 10, "kronecker": 25}
"""Products with the Hessian in one batch, by preconditioner."""
EVALUATIONS = 2.5
"""Passes for gradients in one batch."""
ACTIVE = 0.6
"""Share of the unused copies that are not confident, of which a batch looks at all."""
LEAST_PASSES, MOST_PASSES, TIMED = 3, 20, 0.05
"""Passes over the block that are timed: so many, or until they took so many seconds."""
DENSE, KRONECKER = 4e-10, 8e-11
"""Seconds for a number of a preconditioner's inverse that a solve reads, and for a multiplication of its factors."""


@dataclass(frozen=True)
class Cost:
    """What a selection will take.

    Attributes
    ----------
    seconds : float
        Of one core.
    memory : float
        Bytes beyond those of the features that are given.
    """

    seconds: float
    memory: float


def iterative_cost(
    n: int, m: int, n_classes: int, d: int, budget: int, schedule: Schedule | None = None, on_disk: bool = False
) -> Cost:
    """Estimate what `greedy.select` takes with the iterative solver: `Cost`.

    Parameters
    ----------
    n, m : int
        Originals and copies.
    n_classes : int
    d : int
        Features.
    budget : int
        Copies that will be chosen.
    schedule : Schedule, optional
    on_disk : bool
        Whether the originals are read from disk; in memory they are held in float32.
    """
    schedule, K, most = schedule or Schedule(), n_rows(n_classes), n + budget
    p = K * (d + 1)
    curved = min(most, max(large.SAMPLED, large.PER_PARAMETER * p))
    batches = _batches(budget, schedule)
    shortlists = schedule.shortlist * schedule.parts * budget
    looked_at = 1.5 * m * len(batches) * (1 / schedule.every + ACTIVE * (1 - 1 / schedule.every))
    dense = p <= large.MOST_DENSE
    products = PRODUCTS["dense" if dense else "kronecker"]
    rows = FIRST_FIT * min(n, curved) + len(batches) * (products * curved + EVALUATIONS * most) + looked_at
    solves = 50 + len(batches) * (products + 3) + sum(min(size, schedule.parts) for size in batches)
    solve = DENSE * 2 * p**2 if dense else KRONECKER * 2 * K * (d + 1) * (K + d + 1)
    seconds = _seconds_of_a_row(K, d) * (rows + shortlists) + solves * solve
    own = 4 * K * most + 4 * budget * d + 4 * min(m * K, MOST_KEPT) + 17 * m
    sample = 4 * curved * d if most > 1.5 * curved else 0
    factors = 20 * p**2 if dense else 8 * (K**2 + d**2 + 3 * p)
    blocks = 40 * large.ROWS * (K + d) + 12 * min(most, large.SAMPLED) * (d + 1 + K)
    return Cost(seconds, own + sample + factors + blocks + 80 * p + (0 if on_disk else 4 * n * d))


def _batches(budget, schedule):
    """Copies in each batch."""
    sizes = []
    while sum(sizes) < budget:
        sizes.append(min(schedule.size(sum(sizes), budget), budget - sum(sizes)))
    return sizes


def _seconds_of_a_row(K, d):
    """Time of one pass for each row, the least of some over a made-up block, as others may compute meanwhile."""
    rng, taken = np.random.default_rng(0), []
    x, theta = rng.random((large.ROWS, d), dtype=np.float32), np.zeros((K, d + 1))
    while len(taken) < LEAST_PASSES or (sum(taken) < TIMED and len(taken) < MOST_PASSES):
        started = thread_time()
        p = large.probabilities(large.scores(x, theta))
        large.pulled_back(large.curved(p, p), x)
        taken.append(thread_time() - started)
    return min(taken) / large.ROWS
