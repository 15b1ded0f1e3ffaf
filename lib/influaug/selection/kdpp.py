r"""Exact samples of k diverse points: the k-determinantal point process.

With a kernel L over n points, positive semidefinite, a set of k points is drawn with probability

.. math:: P(S) = \frac{\det L_S}{e_k(\lambda_1, \dots, \lambda_n)}, \qquad |S| = k,

the squared volume that its feature vectors span; e_k is the k-th elementary symmetric polynomial of L's eigenvalues
(Kulesza & Taskar, 2011). A quality q of each point gives :math:`q_i L_{ij} q_j`, and P(S) the factor
:math:`\prod_{i \in S} q_i^2`: sets of points that are good and unlike (Kulesza & Taskar, 2012, section 3.1).

A sample takes two steps (2012, section 5.2). k eigenvectors are drawn, J with probability
:math:`\prod_{i \in J} \lambda_i / e_k`, by a table of the polynomials of the first i eigenvalues,

.. math:: e_j^{(i)} = e_j^{(i-1)} + \lambda_i\, e_{j-1}^{(i-1)},

here in logarithms. Then points are drawn one by one from the projection on the span of these eigenvectors: each with
probability proportional to the squared norm of its row, after which the basis is rotated so that only one of its
vectors is not zero at the point, and that one is dropped.

For L = B B' with fewer features than points, the eigenvectors are B v / sqrt(lambda) with the eigenpairs of the smaller
B' B, the dual (2012, section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import eigh, qr, svdvals
from scipy.linalg.blas import dger
from scipy.spatial.distance import pdist, squareform
from sklearn.preprocessing import normalize

from ..errors import InputError
from .clusters import as_points

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from numpy.typing import ArrayLike

TOLERANCE = 1e-8
"""Largest asymmetry and negative eigenvalues of a kernel that count as rounding, relative to its largest entry or
eigenvalue."""


def _linear(x, bandwidth):
    return x @ x.T


def _cosine(x, bandwidth):
    return _linear(normalize(x), bandwidth)


def _gaussian(x, bandwidth):
    distances = pdist(x)
    if bandwidth is None:
        bandwidth = np.median(distances) if distances.size else 1.0
    if not 0 < bandwidth < np.inf:
        raise InputError(f"The bandwidth must be positive and finite, not {bandwidth:g}.")
    L = squareform(np.exp(-0.5 * (distances / bandwidth) ** 2))
    np.fill_diagonal(L, 1.0)
    return L


KERNELS = {"linear": _linear, "cosine": _cosine, "gaussian": _gaussian}
FEATURES = {"linear": as_points, "cosine": normalize}
"""Of the kernels that are B B': the features B of given features [n, d], for `KDPP.from_features`."""


def kernel(features: ArrayLike, name: str, bandwidth: float | None = None) -> np.ndarray:
    """Similarity of every two points.

    Parameters
    ----------
    features : array [n, d]
    name : str
        ``linear``: phi_i . phi_j. ``cosine``: the same for features scaled to norm 1; a row of zeros has similarity 0
        even with itself and is never drawn. ``gaussian``: exp(-|phi_i - phi_j|^2 / (2 h^2)).
    bandwidth : float, optional
        h of the Gaussian kernel (default: the median distance over all pairs of points); other kernels ignore it.

    Returns
    -------
    array [n, n]

    Raises
    ------
    InputError
        The name is unknown; features are not a finite [n, d] array; or the bandwidth is not positive, as the median is
        where most pairs coincide.
    """
    if name not in KERNELS:
        raise InputError(f"Unknown kernel {name!r}; known are {', '.join(KERNELS)}.")
    return KERNELS[name](as_points(features), bandwidth)


def with_quality(L: np.ndarray, q: ArrayLike) -> np.ndarray:
    """The kernel weighted by the points' quality, q_i L_ij q_j: [n, n].

    Parameters
    ----------
    L : array [n, n]
    q : array [n]
        Finite and non-negative; a point of quality 0 is never drawn.

    Raises
    ------
    InputError
        The quality has another length, or is negative or not finite.
    """
    q = _quality(q, len(L))
    return q[:, None] * L * q


def log_elementary(eigenvalues: ArrayLike, k: int) -> np.ndarray:
    """Logarithms of the elementary symmetric polynomials e_j of the first i eigenvalues: [n + 1, k + 1].

    No entry overflows or underflows; logarithms of 0 (j > i, or more factors than positive eigenvalues) are -inf.

    Parameters
    ----------
    eigenvalues : array [n]
        Finite and non-negative.
    k : int
        Largest degree.

    Raises
    ------
    InputError
        An eigenvalue is negative or not finite.
    """
    eigenvalues = np.asarray(eigenvalues, dtype=np.float64)
    if not np.all((eigenvalues >= 0) & (eigenvalues < np.inf)):
        raise InputError("Eigenvalues must be finite and at least 0.")
    with np.errstate(divide="ignore"):
        logs = np.log(eigenvalues)
    table = np.full((len(logs) + 1, k + 1), -np.inf)
    table[:, 0] = 0.0
    for i, log in enumerate(logs):
        table[i + 1, 1:] = np.logaddexp(table[i, 1:], log + table[i, :-1])
    return table


@dataclass(frozen=True)
class KDPP:
    """A determinantal point process over n points, conditioned in each call on the number of points.

    Attributes
    ----------
    eigenvalues : array [r]
        Eigenvalues of L above rounding, the largest first.
    vectors : array [n, r]
        Their eigenvectors, orthonormal columns.
    """

    eigenvalues: np.ndarray
    vectors: np.ndarray

    @classmethod
    def from_kernel(cls, L: np.ndarray) -> Self:
        """Decompose a kernel, once for all samples.

        Parameters
        ----------
        L : array [n, n]
            Symmetric and positive semidefinite up to rounding (`TOLERANCE`).

        Raises
        ------
        InputError
            L is not square, finite, symmetric and positive semidefinite.
        """
        return cls(*_spectrum(_symmetric(L), len(L)))

    @classmethod
    def from_features(cls, B: ArrayLike, quality: ArrayLike | None = None) -> Self:
        """Decompose the linear kernel B B', or q_i (B B')_ij q_j, by its dual where features are fewer than points.

        Parameters
        ----------
        B : array [n, d]
            Features; scaled to norm 1 (`sklearn.preprocessing.normalize`), they give the cosine kernel.
        quality : array [n], optional
            As in `with_quality`; the dual is that of the weighted features.

        Raises
        ------
        InputError
            Features or quality are not finite, or the quality is negative or has another length.
        """
        B = as_points(B)
        if quality is not None:
            B = B * _quality(quality, len(B))[:, None]
        if B.shape[1] >= len(B):
            return cls.from_kernel(B @ B.T)
        values, small = _spectrum(_symmetric(B.T @ B), len(B))
        # The columns B v lose orthogonality as eigenvalues fall. QR restores it, and because the largest come first it
        # leaves the accurate ones as they are.
        return cls(values, qr(B @ (small / np.sqrt(values)), mode="economic")[0])

    @property
    def rank(self) -> int:
        """Rank of the kernel: the largest number of points that can be drawn."""
        return len(self.eigenvalues)

    def sample(self, k: int, rng: np.random.Generator) -> np.ndarray:
        """Draw a set of k points, in time O(n k^2).

        Parameters
        ----------
        k : int
        rng : numpy.random.Generator

        Returns
        -------
        int array [k]
            Indices of different points, in rising order.

        Raises
        ------
        InputError
            k is negative or above the rank.
        """
        self._check(k)
        chosen = _draw_eigenvectors(self.eigenvalues, k, rng)
        return np.sort(_draw_points(self.vectors.T[chosen], rng))

    def log_probability(self, subset: Sequence[int]) -> float:
        """Logarithm of the probability with which `sample` draws a set, among all sets of its size.

        Parameters
        ----------
        subset : sequence of int [k]
            Indices of different points, in any order.

        Returns
        -------
        float
            -inf for a set whose kernel is singular, up to rounding.

        Raises
        ------
        InputError
            Indices repeat or are out of range, or are more than the rank.
        """
        n, subset = len(self.vectors), np.asarray(subset, dtype=int)
        if len(np.unique(subset)) < len(subset) or not np.all((subset >= 0) & (subset < n)):
            raise InputError(f"A subset must hold different indices of 0 .. {n - 1}.")
        self._check(len(subset))
        scales = np.sqrt(self.eigenvalues)
        log_determinant = _log_gram_determinant(self.vectors[subset] * scales, scales.max(initial=0))
        return float(log_determinant - log_elementary(self.eigenvalues, len(subset))[-1, -1])

    def _check(self, k):
        if not 0 <= k <= self.rank:
            raise InputError(f"The kernel has rank {self.rank}, so that k must be 0 .. {self.rank}, not {k}.")


def _quality(q, n):
    q = np.asarray(q, dtype=np.float64)
    if q.shape != (n,) or not np.all((q >= 0) & (q < np.inf)):
        raise InputError(f"The quality must be [{n}], one finite number of at least 0 for each point.")
    return q


def _symmetric(L):
    """Remove the asymmetry of a square and finite matrix that is due to rounding."""
    L = np.asarray(L, dtype=np.float64)
    if L.ndim != 2 or L.shape[0] != L.shape[1] or not L.size:
        raise InputError(f"A kernel must be [n, n], not {list(L.shape)}.")
    if not np.isfinite(L).all():
        raise InputError("A kernel must have finite entries; this one has NaN or infinite entries.")
    if np.abs(L - L.T).max() > TOLERANCE * np.abs(L).max():
        raise InputError("A kernel must be symmetric; this one is not.")
    return (L + L.T) / 2


def _spectrum(L, n):
    """Eigenvalues above the rounding error of n points, in falling order, and eigenvectors: [r], [len(L), r]."""
    values, vectors = eigh(L)
    values, vectors = values[::-1], vectors[:, ::-1]
    if values[-1] < -TOLERANCE * np.abs(values).max():
        raise InputError(f"A kernel must be positive semidefinite; this one has the eigenvalue {values[-1]:.3g}.")
    # Where rounding made eigenvalues negative, it can have made others positive by as much. The factor 10 allows for
    # the rounding of L itself when it was computed.
    kept = values > max(10 * n * np.finfo(float).eps * values[0], -values[-1])
    return values[kept], vectors[:, kept]


def _draw_eigenvectors(eigenvalues, k, rng):
    """Indices of k eigenvectors, with probability proportional to the product of their eigenvalues: [k]."""
    table = log_elementary(eigenvalues, k)
    logs = np.log(eigenvalues)
    with np.errstate(divide="ignore"):
        draws = np.log(rng.random(len(logs)))
    chosen = []
    for i in reversed(range(len(logs))):
        missing = k - len(chosen)
        if missing and draws[i] < logs[i] + table[i, missing - 1] - table[i + 1, missing]:
            chosen.append(i)
    return chosen


def _draw_points(basis, rng):
    """Draw from the projection process of an orthonormal basis [k, n], which may be overwritten: [k]."""
    left, drawn = np.ascontiguousarray(basis), []
    while len(left):
        weights = np.einsum("mn,mn->n", left, left)
        weights[drawn] = 0.0
        point = rng.choice(len(weights), p=weights / weights.sum())
        drawn.append(point)
        # A Householder reflection keeps the basis orthonormal, step after step, and moves the whole of the point into
        # the last vector.
        w = left[:, point].copy()
        w[-1] += np.copysign(np.linalg.norm(w), w[-1])
        left = dger(-2.0 / (w @ w), w @ left, w, a=left.T, overwrite_a=True).T[:-1]
    return np.array(drawn, dtype=int)


def _log_gram_determinant(rows, scale):
    """Logarithm of det(A A') for A [k, r]; -inf if rows are dependent, or 0 up to rounding relative to scale."""
    if not len(rows):
        return 0.0
    rounding = max(rows.shape) * np.finfo(float).eps
    norms = np.linalg.norm(rows, axis=1)
    if norms.min() <= rounding * scale:
        return -np.inf
    # With rows of norm 1 only their angles decide on dependence, not the points' quality. The rows carry rounding
    # errors of a few units relative to the largest eigenvalue, which differ between BLAS kernels; hence the factor 10.
    singular = svdvals(rows / norms[:, None])
    if singular[-1] <= 10 * rounding * singular[0] * max(1.0, scale / norms.min()):
        return -np.inf
    return 2 * (np.log(norms).sum() + np.log(singular).sum())
