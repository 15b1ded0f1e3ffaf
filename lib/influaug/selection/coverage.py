r"""Rivals of greedy influence that cover the copies: k-centre, facility location and CRAIG.

The originals are in the training set from the start, so they cover what is near to them. Facility location adds the
copy with the largest gain of coverage of the copies of its class,

.. math:: f(S) = -\sum_i \min_{j \in S} d_{ij}, \qquad f(S + c) - f(S) = \sum_i \max(0, \min_{j \in S} d_{ij} - d_{ic}),

which never grows with S, so that gains of earlier rounds bound those of later ones: only the copies with the highest
bounds are evaluated again (Minoux, 1978). Distances are formed for a block of copies at a time.
"""

from __future__ import annotations

import numpy as np

from ..solver.heads import with_intercept
from .fitted_copies import FittedCopies, batches, products, squared_norms
from .rules import Picked, Task, cut

BLOCK = 64
"""Copies whose distances to all others of their class are formed at a time."""


def k_center(task: Task, rng: np.random.Generator) -> Picked:
    """Choose the copy that is farthest from the originals and the chosen copies, again and again (Sener & Savarese)."""
    del rng
    c, budget = task.candidates, task.budgets[-1]
    x, order = np.asarray(c.copies, dtype=np.float64), np.empty(budget, dtype=int)
    nearest = np.full(len(x), np.inf)
    for start in range(0, len(c.features), BLOCK):
        nearest = np.minimum(nearest, _plain(x, np.asarray(c.features[start : start + BLOCK], np.float64)).min(axis=1))
    for place in range(budget):
        order[place] = farthest = np.argmax(nearest)
        nearest = np.minimum(nearest, _plain(x, x[[farthest]])[:, 0])
        nearest[farthest] = -np.inf
    return cut(order, task.budgets)


def facility_location(task: Task, rng: np.random.Generator) -> Picked:
    """Choose copies whose features cover those of all copies of their class best (Wei et al., 2015)."""
    del rng
    c = task.candidates
    x = with_intercept(c.rows[0])
    cover = _Cover(task, np.ones((len(x), 1)), x)
    return cut(cover.extended(task.budgets[-1]), task.budgets)


def craig(task: Task, rng: np.random.Generator) -> Picked:
    """Choose copies whose gradients cover those of all copies of their class (CRAIG; Mirzasoleiman et al., 2020).

    The gradients are taken at the head fitted anew after each batch. The chosen copies have weight 1, where CRAIG
    gives them the number of those that they cover.
    """
    del rng
    fitted, order = FittedCopies(task), np.arange(0)
    for done, until in batches(task.budgets[-1]):
        if done:
            fitted.add(order)
        cover = _Cover(task, fitted.residuals(), fitted.x, order)
        order = np.append(order, cover.extended(until - done))
    return cut(order, task.budgets)


class _Cover:
    """How near the originals and the chosen copies are to every copy of their class; x of two points are in factors."""

    def __init__(self, task: Task, r: np.ndarray, x: np.ndarray, chosen: np.ndarray | None = None) -> None:
        c, n = task.candidates, len(task.candidates.labels)
        chosen = np.arange(0) if chosen is None else chosen
        self.r, self.x, self.norms, self.n = r, x, squared_norms(r, x), n
        labels = c.labels[c.source]
        self.members = [np.flatnonzero(labels == label) for label in range(c.labels.max() + 1)]
        self.label, self.nearest = labels, np.full(len(labels), np.inf)
        self.gains, self.taken = np.full(len(labels), -np.inf), np.zeros(len(labels), dtype=bool)
        self.taken[chosen] = True
        for label, members in enumerate(self.members):
            used = np.append(np.flatnonzero(c.labels == label), n + chosen[labels[chosen] == label])
            for start in range(0, len(used), BLOCK):
                near = self.distances(used[start : start + BLOCK], members).min(axis=0, initial=np.inf)
                self.nearest[members] = np.minimum(self.nearest[members], near)
            for start in range(0, len(members), BLOCK):
                some = members[start : start + BLOCK]
                self.gains[some] = self.gains_of(some, label)
        self.gains[self.taken] = -np.inf

    def distances(self, rows: np.ndarray, members: np.ndarray) -> np.ndarray:
        """Distances of some rows, points or copies, from some copies: [rows, members]."""
        of = self.n + members
        product = products(self.r[rows], self.x[rows], self.r[of], self.x[of])
        return np.sqrt(np.maximum(self.norms[rows, None] + self.norms[of] - 2 * product, 0.0))

    def gains_of(self, copies: np.ndarray, label: int) -> np.ndarray:
        """What each of some copies of one class would add to the coverage of their class."""
        members = self.members[label]
        return np.maximum(self.nearest[members] - self.distances(self.n + copies, members), 0.0).sum(axis=1)

    def extended(self, number: int) -> np.ndarray:
        """The next copies to be taken, one after the other, by gains that are up to date where they may be the best."""
        order = np.empty(number, dtype=int)
        for place in range(number):
            order[place] = best = self.best()
            members = self.members[self.label[best]]
            near = self.distances(np.array([self.n + best]), members)[0]
            self.nearest[members] = np.minimum(self.nearest[members], near)
            self.taken[best], self.gains[best] = True, -np.inf
        return order

    def best(self) -> int:
        """The copy with the largest gain; only copies whose earlier gains reach that high are evaluated again."""
        fresh, size = np.zeros(len(self.gains), dtype=bool), 1
        while True:
            top = int(np.argmax(self.gains))
            if fresh[top]:
                return top
            label = int(self.label[top])
            members = self.members[label]
            stale = members[~fresh[members] & ~self.taken[members]]
            some = stale[np.argsort(-self.gains[stale], kind="stable")[:size]]
            self.gains[some], fresh[some] = self.gains_of(some, label), True
            size = min(2 * size, BLOCK)


def _plain(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances of every row of a from every row of b."""
    return np.maximum(np.vecdot(a, a)[:, None] + np.vecdot(b, b) - 2 * a @ b.T, 0.0)
