"""Rivals of greedy influence that score each copy by itself: uncertainty, errors, and diverse gradients.

Those that are scored again fit the head anew after every batch, by the schedule of `fitted_copies.batches`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import entr

from .fitted_copies import FittedCopies, batches, products, squared_norms
from .rules import Picked, Task, cut

if TYPE_CHECKING:
    from collections.abc import Callable


def margin(fitted: FittedCopies, taken: np.ndarray) -> np.ndarray:
    """The second highest probability less the highest: 0 at the boundary, [m]."""
    del taken
    p = np.partition(fitted.probabilities(), -2, axis=1)
    return p[:, -2] - p[:, -1]


def entropy(fitted: FittedCopies, taken: np.ndarray) -> np.ndarray:
    """Entropy of the predicted classes: [m], nats."""
    del taken
    return entr(fitted.probabilities()).sum(axis=1)


def error_norm(fitted: FittedCopies, taken: np.ndarray) -> np.ndarray:
    """EL2N, the norm of p - y: [m]."""
    del taken
    p = fitted.probabilities()
    p[np.arange(len(p)), fitted.copies[1]] -= 1
    return np.linalg.norm(p, axis=1)


def worst_copy(fitted: FittedCopies, taken: np.ndarray) -> np.ndarray:
    """The probability of the wrong classes, divided by one more than the copies of the point that are taken: [m]."""
    own = fitted.probabilities()[np.arange(len(taken)), fitted.copies[1]]
    of_point = np.bincount(fitted.source, taken, fitted.n)
    return (1 - own) / (1 + of_point[fitted.source])


def by_score(task: Task, rng: np.random.Generator, score: Callable, once: bool = False) -> Picked:
    """Choose the copies with the highest score, scored again after each batch, or with `once` only at first.

    Parameters
    ----------
    task : Task
    rng : numpy.random.Generator
        Not used.
    score : callable
        (FittedCopies, mask of the taken copies [m]) -> [m].
    once : bool
    """
    del rng
    fitted, order = FittedCopies(task), np.arange(0)
    taken = np.zeros(len(fitted.source), dtype=bool)
    for done, until in [(0, task.budgets[-1])] if once else batches(task.budgets[-1]):
        scores = np.where(taken, -np.inf, score(fitted, taken))
        chosen = np.argsort(-scores, kind="stable")[: until - done]
        order, taken[chosen] = np.append(order, chosen), True
        if until < task.budgets[-1]:
            fitted.add(chosen)
    return cut(order, task.budgets)


def badge(task: Task, rng: np.random.Generator) -> Picked:
    """Choose copies by k-means++ on their gradients at the head of the originals (Ash et al., 2020).

    The labels of copies are known, so the gradients are those of the true and not of the predicted class. The first
    copy has the largest gradient; each other one is drawn in proportion to its squared distance from the nearest copy
    that was drawn before. Distances come from factors, so memory holds one number a copy.
    """
    fitted, budget = FittedCopies(task), task.budgets[-1]
    (x, _), r = fitted.copies, fitted.residuals()[fitted.n :]
    norms = squared_norms(r, x)
    distance, order = norms.copy(), np.empty(budget, dtype=int)
    for place in range(budget):
        order[place] = last = np.argmax(norms) if not place else _drawn(distance, order[:place], rng)
        new = norms + norms[last] - 2 * products(r, x, r[[last]], x[[last]])[:, 0]
        distance = np.clip(new if not place else np.minimum(distance, new), 0.0, None)
        distance[order[: place + 1]] = 0.0
    return cut(order, task.budgets)


def _drawn(distance, before, rng):
    """One in proportion to the distances; of copies that equal others, one that is not taken."""
    total = distance.sum()
    if total > 0:
        return rng.choice(len(distance), p=distance / total)
    return rng.choice(np.setdiff1d(np.arange(len(distance)), before))
