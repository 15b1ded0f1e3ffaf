"""Softmax heads: truncated Newton steps of many models on one feature matrix, in float32 until the last gradients.

Three things make a step cheap. Few rows have curvature once a model fits well, so the conjugate gradients that solve
for the step multiply with these alone, and probabilities are computed once a step. They are preconditioned with a
Hessian that is complete on the leading principal axes of the features and diagonal on the others. And the step size is
found on the scores, which are linear in it, so that no further product is needed. Then the gradient is formed in
float64, and conjugate gradients in float32 give both the certificate (half the squared Newton decrement, with
the model's own Hessian on all rows) and the step that improves a model which misses it: iterative refinement.

Arrays of parameters are [K, m, d + 1] and of points [K, m, R]: a product of all models is then one matrix product, and
sums over classes run over contiguous memory. The loss does not change when all intercepts move together; gradients and
products have no part along that shift, which rounding would otherwise feed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.linalg import lapack

from . import heads
from .engines import MOST_STEPS

if TYPE_CHECKING:
    from collections.abc import Callable

LEADING = 400
"""Parameters, of all classes together, on which the preconditioner is complete."""
REFRESH = 4
"""Steps after which it is computed anew."""
FAINT = 0.01
"""Share of the mean curvature below which a row is left out of the products that find a step."""
ROUGH = 1e-6
"""Decrement, as a share of J, at which float32 gives way to a gradient in float64."""
WORST_CONDITION = 1e8
"""Largest condition number of a Hessian whose float32 products certify a model.

Their error in the Hessian's norm is the precision times the condition's square root.
"""
ROWS = 1024
"""Rows in a block of what is computed in float64."""
ELEMENTS = 1_000_000
"""Most classes times models times rows of models solved together: their scores stay in the cache."""
_ROUNDS, _PRODUCTS, _SEARCHES = 6, 200, 20
_STEP, _CERTIFICATE, _LEFT, _DEEPEST = 0.1, 1e-4, 0.03, 1e-5
# Residuals, in the squared norm: of a step and a certificate as a share of what was reached, of a refinement as a share
# of the tolerance, and the smallest that float32 is asked for. A certificate's is small because the preconditioner,
# which measures it, can be far from a model's own inverse Hessian.


@dataclass(frozen=True)
class Points:
    """Rows that a group of models uses.

    Attributes
    ----------
    x : array [R, d + 1]
    turned : float32 array [R, d + 1]
        The same by the principal axes.
    axes : array [d + 1, d + 1]
        Orthogonal; the last axis is the constant column.
    hot : array [K, R]
        One-hot labels.
    """

    x: np.ndarray
    turned: np.ndarray
    axes: np.ndarray
    hot: np.ndarray

    def of(self, rows: np.ndarray) -> Points:
        """Some of the rows."""
        return Points(self.x[rows], self.turned[rows], self.axes, self.hot[:, rows])


class Solved(NamedTuple):
    """Minimisers [m, K, d + 1], J [m], half the squared Newton decrement [m] and steps [m]."""

    theta: np.ndarray
    objective: np.ndarray
    decrement: np.ndarray
    steps: np.ndarray


def prepared(x: np.ndarray, hot: np.ndarray) -> Points:
    """Points with their principal axes, most spread first, from x [n, d + 1] with the constant column."""
    width, blocks = x.shape[1], [slice(start, start + ROWS) for start in range(0, len(x), ROWS)]
    second = np.zeros((width - 1, width - 1))
    for rows in blocks:
        part = x[rows, :-1].astype(np.float64)
        second += part.T @ part
    axes = np.eye(width)
    axes[:-1, :-1] = np.linalg.eigh(second)[1][:, ::-1]
    turned = np.concatenate([(x[rows].astype(np.float64) @ axes).astype(np.float32) for rows in blocks])
    return Points(x, turned, axes, hot)


def solve(points: Points, weights: np.ndarray, C: float, start: np.ndarray, tolerance: float) -> Solved:
    """Minimise J for the rows of weights [m, R], from start [m, K, d + 1]; models may miss the tolerance."""
    begin = _times(np.ascontiguousarray(start.transpose(1, 0, 2)), points.axes)
    theta, H0, steps = _descend(points, weights.astype(np.float32), C, begin.astype(np.float32), tolerance)
    theta = _times(theta.astype(np.float64), points.axes.T)
    J, decrement = np.zeros(len(weights)), np.full(len(weights), np.inf)
    missed = np.arange(len(weights))
    for _ in range(_ROUNDS):
        J[missed], decrement[missed], d = _certify(points, weights[missed], C, theta[:, missed], H0, tolerance)
        short = ~(decrement[missed] <= 0.3 * tolerance * np.maximum(J[missed], 1.0))
        if not short.any():
            break
        missed = missed[short]
        theta[:, missed] -= d[:, short]
        steps[missed] += 1
    return Solved(theta.transpose(1, 0, 2), J, decrement, steps)


def _times(a, b):
    """Last axis of a [K, m, q] times b [q, r]."""
    return (a.reshape(-1, a.shape[2]) @ b).reshape(*a.shape[:2], -1)


def _dot(a, b):
    """Of every model: [m]."""
    return np.vecdot(a, b).sum(axis=0)


def _ratio(a, b):
    """A / b, and 0 where b is not positive."""
    return np.where(b > 0, a / np.where(b > 0, b, 1), 0).astype(a.dtype)


def _ridge(v, C):
    """Gradient of the regulariser."""
    ridge = v / v.dtype.type(C)
    ridge[..., -1] = 0
    return ridge


def _unshifted(g):
    """G without its part along the common shift of the intercepts, in place."""
    g[..., -1] -= g[..., -1].mean(axis=0)
    return g


def _probabilities(eta):
    p = eta - eta.max(axis=0)
    np.exp(p, out=p)
    p /= p.sum(axis=0)
    return p


def _residuals(p, hot, weights):
    """Weighted derivative of each point's loss by its scores."""
    r = p - hot[:, None]
    r *= weights
    return r


def _losses(eta, hot):
    """Loss of each point: [m, R]."""
    top = eta.max(axis=0)
    return np.log(np.exp(eta - top).sum(axis=0)) + top - np.einsum("kmr,kr->mr", eta, hot)


class _Hessian(NamedTuple):
    """Every model's Hessian, on rows x [R, q] with probabilities p and weighted probabilities wp, [K, m, R]."""

    x: np.ndarray
    p: np.ndarray
    wp: np.ndarray
    C: float

    def product(self, v: np.ndarray) -> np.ndarray:
        """Every model's Hessian times its v."""
        s = _times(v, self.x.T)
        s -= np.einsum("kmr,kmr->mr", self.p, s)
        s *= self.wp
        Hv = _ridge(v, self.C)
        Hv += _times(s, self.x)
        return _unshifted(Hv)


def _curved(x, p, weights, C):
    """The Hessian on the rows that matter to a model: most have next to no curvature once it fits well."""
    curvature = weights * (1 - np.einsum("kmr,kmr->mr", p, p))
    kept = np.flatnonzero((curvature >= FAINT * curvature.mean(axis=1)[:, None]).any(axis=0))
    p = p[:, :, kept]
    return _Hessian(x[kept], p, p * weights[:, kept], C)


def _preconditioner(H: _Hessian) -> Callable[[np.ndarray], np.ndarray]:
    """Inverse of the models' mean Hessian, complete on the leading columns and the intercepts, else diagonal."""
    K, m, d = *H.p.shape[:2], H.x.shape[1] - 1
    r = min(d, max(LEADING // K - 1, 0))
    leading = np.append(np.arange(r), d)
    x, squares = np.ascontiguousarray(H.x[:, leading]), np.square(H.x[:, r:d])
    block, diagonal = np.zeros((K, r + 1, K, r + 1)), np.full((K, d - r), 1 / H.C, np.float32)
    for a in range(K):
        for b in range(a, K):
            D = np.einsum("mr,mr->r", H.wp[a], (a == b) - H.p[b]) / m
            block[a, :, b] = x.T @ (D[:, None] * x)
            block[b, :, a] = block[a, :, b].T
        diagonal[a] += np.einsum("mr,mr->r", H.wp[a], 1 - H.p[a]) / m @ squares
    block[:, -1, :, -1] += 1 / K
    inverse = _inverse(block.reshape(K * (r + 1), -1), heads.penalty(r + 1, K, H.C))

    def times(g):
        z = np.empty_like(g)
        z[..., leading] = (_by_model(g[..., leading]) @ inverse).reshape(-1, K, r + 1).transpose(1, 0, 2)
        z[..., r:d] = g[..., r:d] / diagonal[:, None]
        return _unshifted(z)

    return times


def _by_model(g):
    """[K, m, q] as [m, K q]."""
    return g.transpose(1, 0, 2).reshape(g.shape[1], -1)


def _inverse(H, penalty):
    """Inverse of a symmetric matrix plus the regulariser by Cholesky, or of its diagonal if that fails; float32."""
    H[np.diag_indices_from(H)] += penalty + np.finfo(np.float32).eps * max(np.trace(H), 1) / len(H)
    factor, failed = lapack.dpotrf(H)
    if failed:
        return np.diag(1 / np.abs(np.diag(H))).astype(np.float32)
    inverse = np.triu(lapack.dpotri(factor, overwrite_c=True)[0])
    return (inverse + np.triu(inverse, 1).T).astype(np.float32)


def _conjugate_gradients(H, g, H0, share, least=np.inf, certified=0.0):
    """H^-1 g with every model's own Hessian, and g' H^-1 g, [m], infinite where the solve fails.

    With the current solution d and residual r, g'd + r'H0 r estimates g' H^-1 g. A model is settled once the second
    term is at most `share` of the first, and also at most `least` unless the estimate is at most `certified`.
    """
    d, r, v = np.zeros_like(g), g, H0(g)
    rz = _dot(g, v)
    reached, settled = np.zeros_like(rz), rz == 0
    for _ in range(_PRODUCTS):
        if settled.all():
            break
        Hv = H.product(v)
        alpha = _ratio(rz, _dot(v, Hv))
        d, r, reached, before = d + alpha[:, None] * v, r - alpha[:, None] * Hv, reached + alpha * rz, rz
        z = H0(r)
        rz = _dot(r, z)
        near = np.abs(rz) <= np.maximum(least, _DEEPEST * reached)
        settled = (np.abs(rz) <= share * reached) & (near | (reached + rz <= certified))
        v = z + _ratio(rz, before)[:, None] * v
    return d, np.where(settled, reached + rz, np.inf)


def _certify(points, weights, C, theta, H0, tolerance):
    """J, half the squared Newton decrement (infinite if it cannot be computed), and H^-1 g; gradients in float64."""
    J, g, p = _evaluate(points, weights, C, theta)
    g = _times(_unshifted(g), points.axes)
    # Near the minimum the gradient is tiny; scaled to 1 its squares do not underflow in float32.
    size = np.maximum(np.abs(g).max(axis=(0, 2)), np.finfo(float).tiny)
    wanted = 2 * tolerance * np.maximum(J, 1.0) / size**2
    H = _Hessian(points.turned, p, p * weights.astype(np.float32), C)
    scaled = (g / size[:, None]).astype(np.float32)
    d, squared = _conjugate_gradients(H, scaled, H0, _CERTIFICATE, _LEFT * wanted, 0.3 * wanted)
    largest = C * np.vecdot((H.wp * (1 - p)).sum(axis=0), np.vecdot(H.x, H.x))
    decrement = np.where(largest <= WORST_CONDITION, 0.5 * size**2 * squared, np.inf)
    return J, decrement, _times(size[:, None] * d, points.axes.T)


def _evaluate(points, weights, C, theta):
    """J, its gradient, and probabilities in float32, block by block of rows in float64."""
    J, g = 0.5 / C * np.square(theta[..., :-1]).sum(axis=(0, 2)), _ridge(theta, C)
    p = np.empty((*theta.shape[:2], len(points.x)), np.float32)
    for start in range(0, len(points.x), ROWS):
        rows = slice(start, start + ROWS)
        x, hot, w = points.x[rows].astype(np.float64), points.hot[:, rows], weights[:, rows]
        eta = _times(theta, x.T)
        J += np.vecdot(w, _losses(eta, hot))
        exact = _probabilities(eta)
        p[..., rows] = exact
        g += _times(_residuals(exact, hot, w), x)
    return J, g, p


def _descend(points, weights, C, theta, tolerance):
    """Minimise J of all models in float32, by the principal axes: theta, the last preconditioner, and steps [m]."""
    x, hot, models, steps = points.turned, points.hot, np.arange(len(weights)), np.zeros(len(weights))
    found, eta = theta.copy(), _times(theta, x.T)
    J = np.vecdot(weights, _losses(eta, hot)) + 0.5 / C * np.square(theta[..., :-1]).sum(axis=(0, 2))
    end = max(ROUGH, 0.1 * tolerance) * np.maximum(J, 1.0)
    p = _probabilities(eta)
    r = _residuals(p, hot, weights)
    for step in range(MOST_STEPS):
        g, H = _unshifted(_times(r, x) + _ridge(theta, C)), _curved(x, p, weights, C)
        if step % REFRESH == 0:
            H0 = _preconditioner(H)
        d, squared = _conjugate_gradients(H, g, H0, _STEP)
        going = np.flatnonzero((0.5 * squared > end) & np.isfinite(d).all(axis=(0, 2)))
        if not len(going):
            break
        steps[models[going]] += 1
        if len(going) < len(models):
            models, weights, end = models[going], weights[going], end[going]
            theta, eta, d, g = (array[:, going] for array in (theta, eta, d, g))
        size, eta, p, r = _search(hot, weights, eta, -_times(d, x.T), -_dot(d, g), _ridge_slope(theta, d, C))
        theta = theta - size[:, None] * d
        found[:, models] = theta
    return found, H0, steps


def _ridge_slope(theta, d, C):
    """The regulariser's slope along -d, at theta and its change per unit: [2, m]."""
    ridge = _ridge(d, C)
    return np.array([-_dot(theta, ridge), _dot(d, ridge)])


def _search(hot, weights, eta, ahead, slope, ridge):
    """Step sizes of at most 1 at which the slope has not turned to more than half its size: [m].

    Scores are eta + size * ahead. Returns the sizes, and there the scores, probabilities and residuals.
    """
    size, low, high = np.ones_like(slope), np.zeros_like(slope), np.ones_like(slope)
    left, right, todo = slope.copy(), np.zeros_like(slope), np.arange(len(slope))
    found = np.empty_like(eta), np.empty_like(eta), np.empty_like(eta)
    for _ in range(_SEARCHES):
        at = eta[:, todo] + size[todo][:, None] * ahead[:, todo]
        p = _probabilities(at)
        r = _residuals(p, hot, weights[todo])
        now = _dot(r, ahead[:, todo]) + ridge[0, todo] + size[todo] * ridge[1, todo]
        for all_models, some in zip(found, (at, p, r), strict=True):
            all_models[:, todo] = some
        good = (now <= -0.5 * slope[todo]) & ((size[todo] == 1) | (now >= 0.5 * slope[todo]))
        over = ~(now <= 0)
        high[todo], right[todo] = np.where(over, (size[todo], now), (high[todo], right[todo]))
        low[todo], left[todo] = np.where(over, (low[todo], left[todo]), (size[todo], now))
        todo = todo[~good]
        if not len(todo):
            break
        share = np.clip(_ratio(-left[todo], right[todo] - left[todo]), 0.1, 0.5)
        size[todo] = low[todo] + share * (high[todo] - low[todo])
    return size, *found
