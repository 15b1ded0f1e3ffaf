"""The head of exact greedy selection: its inverse Hessian is kept as a matrix and updated by the inversion lemma."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax

from ..influence.leave_one_out import point_gradients
from ..solver import heads, logistic

if TYPE_CHECKING:
    from .candidates import Candidates

STEPS, LEFT = 3, 1e-3
"""Most Newton steps after each addition, and the share of the squared Newton decrement that may remain after them; if
more remains, the head is fitted exactly."""
TOLERANCE = 1e-10
"""Tolerance of the exact fits, see `logistic.Solver.fit`."""


class ExactHead:
    """The head fitted to the originals and the added copies, and the inverse of its Hessian."""

    if TYPE_CHECKING:
        fitted: np.ndarray | None

    def __init__(self, candidates: Candidates, C: float, refit_every: int, engine: str) -> None:
        features, self.labels = candidates.rows
        self.n, self.C, self.refit_every = len(candidates.labels), C, refit_every
        self.solver = logistic.Solver(np.asarray(features, dtype=np.float64), self.labels, engine=engine)
        # A column of zeros has the weight zero in every fit, so dropping it makes H smaller and changes nothing.
        self.x = np.ascontiguousarray(heads.with_intercept(features)[:, self.solver.live])
        self.used = np.arange(len(self.labels)) < self.n
        self.weights = np.append(candidates.point_weights, candidates.point_weights[candidates.source])
        self.fitted = None
        self.refit()

    @property
    def copies(self) -> slice:
        """Rows of the candidate copies."""
        return slice(self.n, None)

    def refit(self) -> None:
        """Fit the head exactly and invert its Hessian."""
        # The warm start is the last exact fit: the parameters after later Newton steps may be far from the minimum.
        self.fitted = self.solver.fit((self.used * self.weights)[None], self.C, self.fitted, TOLERANCE).theta
        self.theta, self.since = self.fitted[0][:, self.solver.live], 0
        H = heads.hessian(self.x[self.used], self.theta, self.weights[self.used], self.C)
        self.inverse = np.linalg.inv(H)

    def add(self, copies: np.ndarray) -> None:
        """Add copies, given by their indices, to the fitted rows."""
        rows = self.n + copies
        self.used[rows] = True
        self.since += len(rows)
        if self.since >= self.refit_every:
            self.refit()
            return
        # Matrix inversion lemma: (H + U U')^-1 = A - A U (I + U' A U)^-1 U' A with A = H^-1.
        U = _root_curvature(self.x[rows], self.theta)
        U *= np.repeat(np.sqrt(self.weights[rows]), U.shape[1] // len(rows))
        AU = self.inverse @ U
        self.inverse -= AU @ np.linalg.solve(np.eye(U.shape[1]) + U.T @ AU, AU.T)
        first, step = self.newton()
        for _ in range(STEPS):
            self.theta = self.theta - step
            decrement, step = self.newton()
            if decrement <= LEFT * first:
                return
        self.refit()

    def newton(self) -> tuple[float, np.ndarray]:
        """Half the squared Newton decrement, and the Newton step, [K, d + 1]."""
        x, labels = self.x[self.used], self.labels[self.used]
        g = heads.gradient(x, labels, self.theta, self.weights[self.used], self.C)
        step = (self.inverse @ g.ravel()).reshape(g.shape)
        return 0.5 * np.sum(g * step), step

    def scores(self, name: str) -> np.ndarray:
        """Scores of all copies, each with its weight: [m]."""
        weights = self.weights[self.copies]
        if name == "influence":
            return self.influence()
        x, labels = self.x[self.copies], self.labels[self.copies]
        if name == "loss":
            return weights * heads.losses(x, labels, self.theta)
        gradients = (point_gradients(x[rows], labels[rows], self.theta) for rows in heads.blocks(len(x)))
        return weights**2 * np.concatenate([np.vecdot(g @ self.inverse, g) for g in gradients])

    def influence(self) -> np.ndarray:
        """Predicted reduction of the target by each copy: [m], nats."""
        # With gradients r (x) x, one solve for the target's gradient serves all copies: s_c = r_c . V x_c.
        r = heads.residuals(self.x, self.labels, self.theta)
        of_target = (r * self.weights[:, None]).T @ self.x / self.weights.sum()
        v = (self.inverse @ of_target.ravel()).reshape(of_target.shape)
        return self.weights[self.copies] * np.vecdot(r[self.copies], self.x[self.copies] @ v.T)


def _root_curvature(x, theta):
    """U with U U' the Hessian of the rows' summed loss: [K (d + 1), rows] with two classes, else [.., rows K].

    diag(p) - p p' = sum over classes j of p_j (e_j - p) (e_j - p)'.
    """
    D = heads.curvature(x, theta)
    if D.shape[1] == 1:
        return (np.sqrt(D[:, 0, 0])[:, None] * x).T
    p = softmax(x @ theta.T, axis=1)
    roots = np.sqrt(p)[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])
    return np.einsum("njk,nw->kwnj", roots, x).reshape(theta.size, -1)
