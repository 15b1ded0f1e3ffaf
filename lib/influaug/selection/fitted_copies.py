r"""Copies at a head that is fitted anew as copies are added, with their gradients in factors.

The gradient of a copy's loss by the parameters of a linear head is the outer product of its residual and its features,
:math:`g_c = r_c \otimes x_c`, so that :math:`g_a \cdot g_b = (r_a \cdot r_b)(x_a \cdot x_b)`: nothing of size
[m, K (d + 1)] is formed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, softmax

from ..solver import engines, heads, logistic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .rules import Task

GROWTH = 8
"""The head is fitted anew after every batch of copies, one for every so many added before, at least one."""
TOLERANCE = 1e-6
"""Tolerance of the fits, see `logistic.Solver.fit`."""


class FittedCopies:
    """Copies that may be added, and the head fitted to the originals and those added so far.

    Parameters
    ----------
    task : rules.Task

    Attributes
    ----------
    x : array [n + m, d + 1]
        Points and copies with the constant column, without columns of zeros.
    labels : int array [n + m]
    weights : array [n + m]
        In the fit: of copies that are not added, 0.
    theta : array [K, d + 1]
    n : int
        Number of points; the copies follow.
    """

    def __init__(self, task: Task) -> None:
        c, self.C = task.candidates, task.options.C
        features, self.labels = c.rows
        engine = engines.engine_of(task.options.engine, gains=False)
        self.solver = logistic.Solver(np.asarray(features, dtype=np.float64), self.labels, engine=engine)
        self.x = np.ascontiguousarray(heads.with_intercept(features)[:, self.solver.live])
        self.n, self.source, self.own = len(c.labels), c.source, c.point_weights[c.source]
        self.weights = np.append(c.point_weights, np.zeros(len(c.source)))
        self._fitted: np.ndarray | None = None
        self.fit()

    @property
    def copies(self) -> tuple[np.ndarray, np.ndarray]:
        """Features and labels of the copies: [m, d + 1], [m]."""
        return self.x[self.n :], self.labels[self.n :]

    def fit(self) -> None:
        """Fit the head to the points and the added copies."""
        fitted = self.solver.fit(self.weights[None], self.C, self._fitted, TOLERANCE).theta
        self._fitted, self.theta = fitted, fitted[0][:, self.solver.live]

    def add(self, copies: np.ndarray, weights: np.ndarray | float = 1.0) -> None:
        """Add copies, each with its point's weight times its own, and fit the head."""
        self.weights[self.n + copies] = weights * self.own[copies]
        self.fit()

    def probabilities(self) -> np.ndarray:
        """Probability of each class of every copy, [m, n_classes]."""
        x, _ = self.copies
        if len(self.theta) > 1:
            return softmax(x @ self.theta.T, axis=1)
        p = expit(x @ self.theta[0])
        return np.column_stack([1 - p, p])

    def residuals(self) -> np.ndarray:
        """Residuals of points and copies, each times its weight if it is added: [n + m, K]."""
        return heads.residuals(self.x, self.labels, self.theta) * np.append(self.weights[: self.n], self.own)[:, None]


def batches(budget: int, growth: int = GROWTH) -> Iterator[tuple[int, int]]:
    """Numbers of copies to be added at once: from how many, to how many."""
    done = 0
    while done < budget:
        until = min(done + max(1, done // growth), budget)
        yield done, until
        done = until


def products(ra: np.ndarray, xa: np.ndarray, rb: np.ndarray, xb: np.ndarray) -> np.ndarray:
    """Products of the gradients r x x of two sets: [a, K], [a, d + 1], [b, K], [b, d + 1] -> [a, b]."""
    return (ra @ rb.T) * (xa @ xb.T)


def squared_norms(r: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Squared norms of the gradients r x x: [n]."""
    return np.vecdot(r, r) * np.vecdot(x, x)
