r"""Rivals of greedy influence that match a gradient: GradMatch, and matching at the head of all copies.

GradMatch (Killamsetty et al., 2021) looks for copies whose gradients add up to that of all copies at the present head,

.. math:: \min_{w \ge 0} \Big\lVert \sum_c g_c - \sum_{j \in S} w_j\, g_j \Big\rVert^2 + \lambda \lVert w \rVert^2,

by orthogonal matching pursuit: the copy with the largest product with what remains is taken, and the weights of all
taken ones are solved for again.

Matching at the head of all copies starts from the end. At the minimiser :math:`\theta^*` for the originals and all
copies the gradient of the objective with all of them is zero; without the copies it is :math:`R = -\sum_c g_c`. Copies
are added that bring what remains nearest to zero in the metric of the inverse Hessian there, in which half its square
predicts how far the objective's minimiser is from :math:`\theta^*`. It needs one fit to all copies, and none after.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve
from scipy.optimize import lsq_linear

from ..influence.inverse import factor
from ..solver import heads
from .fitted_copies import FittedCopies, batches, products, squared_norms
from .rules import Picked, Task, cut

MOST_WEIGHT, MOST_AT_THE_END = 20.0, 1000.0
"""Largest weights of a copy: of GradMatch, and of matching at the head of all copies."""
RIDGE = 1e-6
"""Lambda of the pursuits, as a share of the mean squared norm of the taken gradients."""
REMAINS = 1e-6
"""Share of the squared gradient that may remain when weighted matching ends: more copies would have no weight."""


def gradmatch(task: Task, rng: np.random.Generator, weighted: bool = False) -> Picked:
    """Choose copies by GradMatch, at the head fitted anew after each batch.

    Parameters
    ----------
    task : Task
    rng : numpy.random.Generator
        Not used.
    weighted : bool
        Whether a copy keeps the weight that it had when its batch was taken, at most `MOST_WEIGHT`; else it has 1.

    Returns
    -------
    Picked
    """
    del rng
    fitted, order, weights = FittedCopies(task), np.arange(0), np.arange(0.0)
    for done, until in batches(task.budgets[-1]):
        if done:
            fitted.add(order, weights if weighted else 1.0)
        chosen, found = _pursued(fitted, order, until - done)
        order, weights = np.append(order, chosen), np.append(weights, found)
    return _cut(order, weights, task.budgets) if weighted else cut(order, task.budgets)


def _cut(order, weights, budgets):
    return Picked(cut(order, budgets).sets, weights=cut(weights, budgets).sets)


def _pursued(fitted, before, number):
    """The next copies by orthogonal matching pursuit, and their weights."""
    x, r = fitted.copies[0], fitted.residuals()[fitted.n :]
    target = remains = r.T @ x
    chosen, weights = [], np.arange(0.0)
    norms = np.sqrt(squared_norms(r, x)) + 1e-12
    for _ in range(number):
        gain = np.vecdot(r, x @ remains.T) / norms
        gain[before] = gain[chosen] = -np.inf
        chosen.append(int(np.argmax(gain)))
        some = np.array(chosen)
        weights = _weights(products(r[some], x[some], r[some], x[some]), np.vecdot(r[some], x[some] @ target.T))
        remains = target - (weights[:, None] * r[some]).T @ x[some]
    return np.array(chosen, dtype=int), weights


def _weights(gram, b, most=MOST_WEIGHT):
    """Minimiser of w' (gram + ridge) w / 2 - b'w with each weight from 0 to `most`."""
    # With gram + ridge = L L' this is the least-squares problem |L'w - L^-1 b|.
    scale = np.trace(gram) / len(gram)
    L = np.linalg.cholesky(gram + (RIDGE * scale + 1e-300) * np.eye(len(gram)))
    found = lsq_linear(L.T, np.linalg.solve(L, b), bounds=(0.0, most), method="bvls").x
    return np.clip(found, 0.0, most)


class _AtTheEnd:
    """Gradients of copies at the head of all copies, in the metric of the inverse Hessian there, class by class."""

    def __init__(self, task: Task) -> None:
        fitted = FittedCopies(task)
        fitted.add(np.arange(len(fitted.source)))
        self.x, r = fitted.copies[0], fitted.residuals()
        self.r = r[fitted.n :]
        blocks = heads.class_blocks(fitted.x, fitted.theta, fitted.weights, fitted.C)
        self.factors = [factor(H) for H in blocks]
        self.gradient = -self.r.T @ self.x
        self.own = sum(rk**2 * np.vecdot(self.x, y) for rk, y in zip(self.r.T, self._solved_rows(), strict=True))

    def _solved_rows(self):
        for L in self.factors:
            yield cho_solve((L, True), self.x.T).T

    def solved(self, g: np.ndarray) -> np.ndarray:
        """The inverse Hessian times a gradient: [K, d + 1]."""
        return np.stack([cho_solve((L, True), gk) for L, gk in zip(self.factors, g, strict=True)])

    def along(self, g: np.ndarray) -> np.ndarray:
        """Product of every copy's gradient with one that is solved for: [m]."""
        return np.vecdot(self.r, self.x @ g.T)

    def of(self, copy: int) -> np.ndarray:
        """Gradient of one copy: [K, d + 1]."""
        return np.outer(self.r[copy], self.x[copy])


def match_full(task: Task, rng: np.random.Generator) -> Picked:
    """Choose copies with weight 1 that bring the gradient at the head of all copies nearest to zero, one by one."""
    del rng
    end, order = _AtTheEnd(task), np.empty(task.budgets[-1], dtype=int)
    solved = end.solved(end.gradient)
    taken = np.zeros(len(end.x), dtype=bool)
    for place in range(len(order)):
        # |R + g|^2 - |R|^2 in the metric: twice the product, and the copy's own.
        order[place] = best = int(np.argmin(np.where(taken, np.inf, 2 * end.along(solved) + end.own)))
        taken[best] = True
        solved = solved + end.solved(end.of(best))
    return cut(order, task.budgets)


def match_full_weighted(task: Task, rng: np.random.Generator) -> Picked:
    """Choose copies with weights of at most `MOST_AT_THE_END` that bring that gradient to zero, by matching pursuit.

    The weights of all taken copies are solved for again after each batch. There are fewer copies than a budget allows
    where fewer leave nothing to match; each budget has weights of its own.
    """
    del rng
    end = _AtTheEnd(task)
    sets = {0: (np.arange(0), np.arange(0.0))}
    chosen, weights = sets[0]
    wanted, first = _rounds(task.budgets), np.sum(end.gradient * end.solved(end.gradient))
    for done, until in wanted:
        remains = end.gradient + (weights[:, None] * end.r[chosen]).T @ end.x[chosen]
        solved = end.solved(remains)
        if np.sum(remains * solved) <= REMAINS * first:
            break
        gain = -end.along(solved) / np.sqrt(end.own + 1e-300)
        gain[chosen] = -np.inf
        chosen = np.append(chosen, np.argsort(-gain, kind="stable")[: until - done])
        weights = _at_the_end(end, chosen)
        sets[until] = chosen, weights
    found = [sets[max(size for size in sets if size <= budget)] for budget in task.budgets]
    return Picked([copies for copies, _ in found], weights=[of for _, of in found])


def _rounds(budgets):
    """Batches that end at every budget."""
    ends = sorted({until for _, until in batches(budgets[-1])} | {budget for budget in budgets if budget})
    return list(zip([0, *ends[:-1]], ends, strict=True))


def _at_the_end(end, chosen):
    """Weights of the chosen copies that bring the gradient nearest to zero in the metric."""
    r, x = end.r[chosen], end.x[chosen]
    solved = [cho_solve((L, True), x.T) for L in end.factors]
    gram = sum(np.outer(rk, rk) * (x @ y) for rk, y in zip(r.T, solved, strict=True))
    return _weights(gram, -np.vecdot(r, x @ end.solved(end.gradient).T), MOST_AT_THE_END)
