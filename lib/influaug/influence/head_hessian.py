r"""Hessian of a linear head's objective: the matrix, products with vectors and inverse products.

The objective is the *mean* over points, :math:`H = J'' / N`, as in Lee et al. (2020, equation 9). Needs NumPy and SciPy
only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.special import expit, softmax

from ..solver import heads
from .inverse import conjugate_gradients, factor

LARGEST_DENSE = 3000
"""Largest head, in parameters, whose Hessian is formed and factored."""


@dataclass(frozen=True)
class HeadHessian:
    """Hessian of a linear head's objective J (`influaug.solver.heads`) divided by N, the sum of the weights.

    Attributes
    ----------
    theta : array [K, d + 1]
        The head's parameters, at the minimiser of J.
    x : array [n, d + 1]
        Features with the constant column.
    weights : array [n]
    C : float
    batch_size : int
        Number of points in a draw of `sampled`.
    """

    theta: np.ndarray
    x: np.ndarray
    weights: np.ndarray
    C: float
    batch_size: int = 32

    @property
    def N(self) -> float:  # noqa: N802
        """The sum of the weights."""
        return float(self.weights.sum())

    def dense(self) -> np.ndarray:
        """H as a matrix: [K (d + 1), K (d + 1)]."""
        return heads.hessian(self.x, self.theta, self.weights, self.C) / self.N

    def product(self, v: np.ndarray) -> np.ndarray:
        """H v, without forming H: [K (d + 1)]."""
        return self._product(v, slice(None), self.weights / self.N)

    def sampled(self, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """H_j v for points drawn with replacement in proportion to their weights; its mean over draws is H v."""
        drawn = rng.choice(len(self.x), self.batch_size, p=self.weights / self.N)
        return self._product(v, drawn, np.full(self.batch_size, 1 / self.batch_size))

    def solve(self, g: np.ndarray, damping: float = 0.0) -> np.ndarray:
        """Solve (H + damping I) S = g, by Cholesky up to `LARGEST_DENSE` parameters, else by conjugate gradients.

        Conjugate gradients are preconditioned by the blocks of each class with itself, K of [d + 1, d + 1].

        Raises
        ------
        InputError
            The damped Hessian is not positive definite, or conjugate gradients do not converge.
        """
        if self.theta.size <= LARGEST_DENSE:
            return cho_solve((factor(self.dense(), damping), True), g)
        # In the norm of the preconditioner the Hessian is close to 1, so conjugate gradients take few steps: with
        # M = L L' they solve L^-1 (H + damping I) L^-T u = L^-1 g.
        L = self._by_class(damping)
        u = conjugate_gradients(lambda v: _each(L, self._damped(_each(L, v, 1), damping)), _each(L, g))
        return _each(L, u, 1)

    def _by_class(self, damping):
        """Lower Cholesky factors of the Hessian's blocks of each class with itself."""
        found = heads.class_blocks(self.x, self.theta, self.weights, self.C)
        return [factor(H / self.N, damping) for H in found]

    def _damped(self, v, damping):
        return self.product(v) + damping * v

    def _product(self, v, rows, shares):
        x, V = self.x[rows], v.reshape(self.theta.shape)
        Hv = V * heads.penalty(V.shape[1], len(V), self.C).reshape(V.shape) / self.N
        eta, s = x @ self.theta.T, x @ V.T
        if len(V) == 1:
            s *= expit(eta) * expit(-eta)
        else:
            p = softmax(eta, axis=1)
            s = p * (s - (p * s).sum(axis=1, keepdims=True))
            # `heads.hessian` has unit curvature along the common shift of all intercepts; the product must agree.
            Hv[:, -1] += V[:, -1].mean() / self.N
        return (Hv + (shares[:, None] * s).T @ x).ravel()


def _each(factors, v, transposed=0):
    """Solve L u = v, or L' u = v, class by class: [p]."""
    parts = zip(factors, v.reshape(len(factors), -1), strict=True)
    return np.concatenate([solve_triangular(L, of, trans=transposed, lower=True) for L, of in parts])
