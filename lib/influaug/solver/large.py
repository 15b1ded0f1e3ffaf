r"""One wide head on many rows: truncated Newton steps, with nothing of p x p numbers beyond `MOST_DENSE` parameters.

With :math:`D_i` the second derivative of a row's loss by its K linear scores, the Hessian of J
(`influaug.solver.heads`) is :math:`\sum_i w_i D_i \otimes x_i x_i^\top + I / C`, and its product with a vector takes
two matrix products over blocks of rows; where rows abound, a weighted sample of them stands for the Hessian. Conjugate
gradients solve against it, preconditioned with M: up to `MOST_DENSE` parameters the Hessian of at most `SAMPLED` rows,
factored by Cholesky, and beyond them a Kronecker product (Martens & Grosse, 2015) that has the Hessian's two factors,
one over classes and one over columns.

.. math:: M = \frac{1}{\operatorname{tr} S}\, S \otimes A + \frac1C I, \qquad S = \sum_i w_i D_i, \quad
    A = \sum_i w_i \operatorname{tr}(D_i)\, x_i x_i^\top.

Gradients are those of all rows, so that the minimum does not depend on the sample. Rows stay in float32, whatever they
are given in; sums over blocks, vectors and factors are in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, cholesky, eigh, lapack
from scipy.special import expit, log_expit

from . import heads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

ROWS = 2048
"""Rows in a block."""
MOST_DENSE = 3000
"""Most parameters of a head whose Hessian is formed, of a sample of rows, to precondition with."""
SAMPLED = 8000
"""Most rows of which a preconditioner is made."""
PER_PARAMETER = 20
"""Rows for each parameter of which a sample stands for all in products with the Hessian."""
MOST_STEPS, MOST_PRODUCTS = 50, 1000
"""Most Newton steps of a fit, and most products with the Hessian in a solve."""


def scores(x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Linear scores of features without the constant column, in float32: [B, d], [K, d + 1] -> [K, B].

    Classes come first here: sums over few classes are then sums of long rows.
    """
    x = np.asarray(x, dtype=np.float32)
    return theta[:, :-1].astype(np.float32) @ x.T + theta[:, -1:].astype(np.float32)


def probabilities(eta: np.ndarray) -> np.ndarray:
    """Probability of each class, or of class 1 of two, from linear scores [K, B]."""
    if len(eta) == 1:
        return expit(eta)
    p = np.exp(eta - eta.max(axis=0))
    p /= p.sum(axis=0)
    return p


def residuals(eta: np.ndarray, labels: np.ndarray, p: np.ndarray | None = None) -> np.ndarray:
    """`heads.residuals` from linear scores, and from the probabilities p if they are known: [K, B]."""
    if len(eta) == 1:
        signs = _signs(eta, labels)
        return -signs * expit(-signs * eta)
    r = probabilities(eta) if p is None else p.copy()
    rows = np.arange(len(labels))
    r[labels, rows] = 0.0
    r[labels, rows] = -r.sum(axis=0)
    return r


def doubts(r: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probability of the wrong classes of each row, from its residuals [K, B]: [B]."""
    return np.abs(r[0] if len(r) == 1 else r[labels, np.arange(len(labels))])


def losses(eta: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Loss of each row from its linear scores [K, B]: [B]."""
    if len(eta) == 1:
        return -log_expit(_signs(eta, labels) * eta[0])
    top = eta.max(axis=0)
    return np.log(np.exp(eta - top).sum(axis=0)) + top - eta[labels, np.arange(len(labels))]


def _signs(eta, labels):
    return np.where(labels == 1, 1, -1).astype(eta.dtype)


def pulled_back(s: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Sum over rows of s_i (x) [x_i, 1]: [K, B], [B, d] -> [K, d + 1], float64."""
    return np.column_stack([s @ np.asarray(x, dtype=np.float32), s.sum(axis=1, dtype=np.float64)])


def curved(p: np.ndarray, s: np.ndarray) -> np.ndarray:
    """D s for each row, from its probabilities: [K, B], [K, B] -> [K, B]."""
    if len(p) == 1:
        return p * (1 - p) * s
    ps = p * s
    ps -= p * ps.sum(axis=0)
    return ps


@dataclass
class Rows:
    """Rows in memory or on disk, with labels and weights.

    Attributes
    ----------
    x : array [n, d]
        Any array of numbers that slices to NumPy arrays; only blocks of it are read, and made float32.
    labels : int array [n]
    weights : array [n]
    """

    x: np.ndarray
    labels: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


class LargeHead:
    """A head that is fitted to rows, and solves against its Hessian.

    Parameters
    ----------
    rows : Rows
        What it is fitted to; `append` adds more.
    n_classes : int
    C : float
        Inverse regularisation strength.
    capacity : int
        Rows that may be appended.
    rng : numpy.random.Generator
        Draws the rows of preconditioners.

    Attributes
    ----------
    theta : array [K, d + 1]
        Zero until `minimise`.
    data_gradient : array [K, d + 1]
        Gradient of the weighted sum of losses at theta, without the regulariser.
    objective : float
        J at theta, roughly.
    decrement : float
        Half the squared Newton decrement before the last step of `minimise`, and
    steps : int
        the Newton steps so far.
    """

    def __init__(self, rows: Rows, n_classes: int, C: float, capacity: int, rng: np.random.Generator) -> None:
        self.K, self.d, self.C, self.rng = heads.n_rows(n_classes), rows.x.shape[1], C, rng
        more = Rows(
            np.empty((capacity, self.d), np.float32), np.empty(capacity, dtype=int), np.empty(capacity, dtype=float)
        )
        self.parts, self.appended = (rows, more), 0
        # Probabilities at theta, of all rows in use, so that a product needs no pass to find the curvature.
        self._p = np.empty((self.K, len(rows) + capacity), np.float32)
        self.theta = np.zeros((self.K, self.d + 1))
        self.decrement, self.steps = np.inf, 0
        self._products, self._slow = 0, False
        self._M: _Dense | _Kronecker | None = None
        self._sample: _Sample | None = None
        self._evaluate(self.theta)

    @property
    def n(self) -> int:
        """Rows in use."""
        return len(self.parts[0]) + self.appended

    def append(self, x: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> None:
        """Add rows to those in use."""
        new, more = slice(self.appended, self.appended + len(labels)), self.parts[1]
        more.x[new], more.labels[new], more.weights[new] = x, labels, weights
        before, self.appended = self.n, self.appended + len(labels)
        self._add_losses(before)

    def minimise(self, share: float, most_left: float, relative: float = 0.0) -> None:
        """Newton steps until half the squared decrement of the last is small.

        Parameters
        ----------
        share : float
            Of the preconditioned residual, at which conjugate gradients end.
        most_left : float
            A step whose decrement is at most this share of the first step's is the last.
        relative : float
            So is one whose decrement is at most this share of max(J, 1).

        Raises
        ------
        RuntimeError
            The decrement does not become that small.
        """
        first = None
        for _ in range(MOST_STEPS):
            g = self._gradient()
            step = self.solve(g, share)
            decrement = 0.5 * np.sum(g * step)
            first = decrement if first is None else first
            moved = self._move(step, 2 * decrement)
            self.decrement, self.steps = decrement, self.steps + 1
            if decrement <= max(most_left * first, relative * max(self.objective, 1.0), RESOLVED * self.n):
                return
            if not moved or not decrement > 0:
                break
        raise RuntimeError(f"the head did not reach the tolerance {max(most_left, relative):g}")

    def solve(self, g: np.ndarray, share: float, start: np.ndarray | None = None) -> np.ndarray:
        """H^-1 g by preconditioned conjugate gradients: [K, d + 1].

        M is made anew before a solve once the products since the last time have cost as much as that would, if the
        last solve took more than `RENEWED` of them.

        Parameters
        ----------
        g : array [K, d + 1]
        share : float
            Norm of the residual, in the inverse of M, as a share of g's.
        start : array [K, d + 1], optional
            Where to begin.

        Raises
        ------
        RuntimeError
            `MOST_PRODUCTS` do not suffice.
        """
        M = self._M
        if M is None or (self._slow and self._products * self._product_work > M.work):
            M = self.precondition()
        v = np.zeros_like(g) if start is None else start
        r = g if start is None else g - self.product(v)
        z = M.solve(r)
        rz, end = np.sum(r * z), share**2 * np.sum(g * (z if start is None else M.solve(g)))
        direction, used = z, 0
        while rz > end:
            if used == MOST_PRODUCTS:
                raise RuntimeError(f"conjugate gradients did not reach the tolerance {share:g} in {used} steps")
            Hd = self.product(direction)
            curvature = np.sum(direction * Hd)
            if not curvature > 0:
                break
            v, r = v + rz / curvature * direction, r - rz / curvature * Hd
            z, before = M.solve(r), rz
            rz, used = np.sum(r * z), used + 1
            direction = z + rz / before * direction
        self._slow = used > RENEWED
        return v

    def product(self, v: np.ndarray) -> np.ndarray:
        """H v at theta, with the unit curvature of `heads.hessian` for softmax: [K, d + 1].

        Where there are many more than `SAMPLED` rows, and than `PER_PARAMETER` for each parameter, H is that of a
        weighted sample of them.
        """
        self._products += 1
        Hv = v / self.C
        # As in `heads.hessian`: no penalty, but unit curvature where all intercepts move together.
        Hv[:, -1] = v[:, -1].mean() if self.K > 1 else 0.0
        for x, weights, place in self._curved_blocks():
            s = curved(self._p[:, place], scores(x, v))
            s *= weights
            Hv += pulled_back(s, x)
        return Hv

    def precondition(self) -> _Dense | _Kronecker:
        """Make M anew, at theta."""
        self._products, self._slow, self._sample = 0, False, None
        drawn, weights = self._draw(SAMPLED)
        self._M = _preconditioner(self._gathered(drawn), self._p[:, drawn], weights, self.C)
        return self._M

    def preconditioned(self, g: np.ndarray) -> np.ndarray:
        """M^-1 g: [K, d + 1]."""
        return (self._M or self.precondition()).solve(g)

    def _blocks(self, first: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, slice]]:
        """Blocks of the rows in use, or of those from some place on: x, labels, weights, place among all in use."""
        for part, begin, n in zip(self.parts, (0, len(self.parts[0])), self._sizes, strict=True):
            for start in range(max(first - begin, 0), n, ROWS):
                rows = slice(start, min(start + ROWS, n))
                x, weights = np.asarray(part.x[rows], np.float32), part.weights[rows].astype(np.float32)
                yield x, part.labels[rows], weights, slice(begin + rows.start, begin + rows.stop)

    def _evaluate(self, theta):
        """Objective and data gradient at theta; the probabilities are kept."""
        self.theta, self.data_gradient = theta, np.zeros_like(theta)
        self.objective = 0.5 / self.C * np.sum(theta[:, :-1] ** 2)
        self._add_losses()

    def _add_losses(self, first=0):
        """Add the losses of the rows from some place on to the objective, and their gradient."""
        for x, labels, weights, place in self._blocks(first):
            eta = scores(x, self.theta)
            self._p[:, place] = p = probabilities(eta)
            r = residuals(eta, labels, p)
            self.objective -= float(weights @ np.log1p(-np.minimum(doubts(r, labels), NEARLY)))
            r *= weights
            self.data_gradient += pulled_back(r, x)

    def _gradient(self):
        g = self.data_gradient.copy()
        g[:, :-1] += self.theta[:, :-1] / self.C
        return g

    def _move(self, step, slope):
        """Step against `step`, shortened until the slope has not turned and grown; whether there was a step."""
        theta, size = self.theta, 1.0
        while size > SMALLEST:
            self._evaluate(theta - size * step)
            # J is convex: a slope at the trial point of at most 0.9 times the first one's size bounds the overshoot,
            # so J itself, which float32 does not resolve near the minimum, need not be compared.
            if -np.sum(step * self._gradient()) <= 0.9 * slope:
                return True
            size /= 3
        self._evaluate(theta)
        return False

    def _draw(self, most):
        """At most so many rows, in proportion to their curvature, weighted so that sums are right on average."""
        weights = np.concatenate([part.weights[:n] for part, n in zip(self.parts, self._sizes, strict=True)])
        if self.n <= most:
            return np.arange(self.n), weights
        p = self._p[:, : self.n]
        amount = weights * (p * (1 - p)).sum(axis=0)
        # Half of the rows are drawn alike, so that no weight is more than twice what it would be then.
        chance = 0.5 * amount / max(amount.sum(), np.finfo(float).tiny) + 0.5 / self.n
        chance /= chance.sum()
        drawn = np.sort(self.rng.choice(self.n, most, p=chance))
        return drawn, weights[drawn] / (chance[drawn] * most)

    def _gathered(self, rows):
        """Features of rows by their rising places among all in use: float32."""
        n = len(self.parts[0])
        own, more = rows[rows < n], rows[rows >= n] - n
        return np.concatenate([np.asarray(self.parts[0].x[own], np.float32), self.parts[1].x[more]])

    def _curved_blocks(self):
        """Blocks of the rows that stand for the Hessian: x, weights, places."""
        most = self._most_curved
        if self.n <= 1.5 * most:
            for x, _, weights, place in self._blocks():
                yield x, weights, place
            return
        if self._sample is None or self.n > 1.1 * self._sample.n:
            drawn, weights = self._draw(most)
            self._sample = _Sample(self.n, drawn, weights.astype(np.float32), self._gathered(drawn))
        for start in range(0, most, ROWS):
            rows = slice(start, start + ROWS)
            yield self._sample.x[rows], self._sample.weights[rows], self._sample.places[rows]
        for x, _, weights, place in self._blocks(self._sample.n):
            yield x, weights, place

    @property
    def _product_work(self):
        """Multiplications of one product."""
        return 2.0 * min(self.n, self._most_curved) * self.theta.size

    @property
    def _most_curved(self):
        """Rows of a sample that stands for the Hessian."""
        return max(SAMPLED, PER_PARAMETER * self.theta.size)

    @property
    def _sizes(self):
        return len(self.parts[0]), self.appended


RESOLVED = 1e-9
"""Half the squared Newton decrement for each row below which float32 does not tell steps from noise."""
JITTER = 1e-6
"""Added to a preconditioner's diagonal, as a share of its mean: sums over float32 rows are as uncertain."""
NEARLY = 1 - 1e-6
"""Largest probability of the wrong classes in the estimate of J, which is used as a scale."""
RENEWED = 12
"""Products in a solve beyond which M is made anew."""
SMALLEST = 1e-4
"""Shortest part of a Newton step that is tried."""


@dataclass(frozen=True)
class _Sample:
    """Rows drawn among the first n in use, by place, with the weights that they stand for."""

    n: int
    places: np.ndarray
    weights: np.ndarray
    x: np.ndarray


def _preconditioner(x, p, weights, C):
    if len(p) * (x.shape[1] + 1) <= MOST_DENSE:
        try:
            return _Dense.of(x, p, weights, C)
        except LinAlgError:
            # Columns of very different scales: the other one needs no factor of the whole.
            pass
    return _Kronecker.of(x, p, weights, C)


@dataclass(frozen=True)
class _Dense:
    """The inverse of a Hessian's Cholesky factor, in float32: its square is positive definite whatever is rounded."""

    inverse: np.ndarray
    work: float

    @classmethod
    def of(cls, x: np.ndarray, p: np.ndarray, weights: np.ndarray, C: float) -> Self:
        K, width = len(p), x.shape[1] + 1
        H, x = np.zeros((K, width, K, width)), np.column_stack([x, np.ones(len(x), np.float32)])
        for start in range(0, len(x), ROWS):
            rows = slice(start, start + ROWS)
            for a in range(K):
                for b in range(a + 1, K):
                    G = _gram(x[rows], weights[rows] * p[a, rows] * p[b, rows])
                    H[a, :, b] -= G
                    # D has zero row sums, so the diagonal blocks are sums of the others, and H is semidefinite.
                    H[a, :, a] += G
                    H[b, :, b] += G
            if K == 1:
                H[0, :, 0] += _gram(x[rows], weights[rows] * p[0, rows] * (1 - p[0, rows]))
        H = heads.completed(H, C)
        H[np.diag_indices_from(H)] += JITTER * np.trace(H) / len(H)
        inverse, _ = lapack.dtrtri(cholesky(H, lower=True, overwrite_a=True), lower=1, overwrite_c=True)
        return cls(inverse.astype(np.float32), 0.25 * len(x) * len(H) ** 2 + 0.5 * len(H) ** 3)

    def solve(self, g: np.ndarray) -> np.ndarray:
        v = self.inverse.T @ (self.inverse @ g.ravel().astype(np.float32))
        return v.astype(np.float64).reshape(g.shape)


def _gram(x, D):
    """Sum over rows of D x x', for D of at least 0: [d + 1, d + 1]."""
    root = np.sqrt(np.maximum(D, 0))[:, None].astype(np.float32) * x
    # BLAS computes a matrix times its own transpose at half the cost of a general product.
    return root.T @ root


@dataclass(frozen=True)
class _Kronecker:
    """Eigenvectors of both factors, and the eigenvalues of their product."""

    classes: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    work: float

    @classmethod
    def of(cls, x: np.ndarray, p: np.ndarray, weights: np.ndarray, C: float) -> Self:
        x = np.column_stack([x, np.ones(len(x), np.float32)])
        amount = (p * (1 - p)).sum(axis=0) * weights
        weighted = (np.sqrt(weights) * p).astype(np.float32)
        S = np.diag(p @ weights) - (weighted @ weighted.T).astype(np.float64)
        s, classes = eigh(S)
        a, columns = eigh(_gram(x, amount).astype(np.float64))
        values = np.outer(np.maximum(s, 0), np.maximum(a, 0)) / max(np.trace(S), np.finfo(float).tiny) + 1 / C
        return cls(classes, columns, values, len(x) * float(len(a)) ** 2 + 10.0 * (len(a) ** 3 + len(s) ** 3))

    def solve(self, g: np.ndarray) -> np.ndarray:
        return self.classes @ ((self.classes.T @ g @ self.columns) / self.values) @ self.columns.T
