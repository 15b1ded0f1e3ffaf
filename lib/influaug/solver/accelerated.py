"""The engine ``keras`` of `influaug.solver.logistic`: the batched solver on the device of Keras's backend.

Launching many small kernels dominates the time on a GPU. So the models of all groups advance together: they form a
grid with one line for each group, and a single batched product preconditions every line with its inverse Hessian. All
steps are truncated Newton steps, those that `influaug.solver.logistic` takes for large softmax heads and in float64:
they need a few large products where L-BFGS needs many small ones. Steps are taken in float32; preconditioners and
Newton decrements are computed in float64, and models that miss their tolerance continue in float64.

Every fit uses all points, so that shapes do not change and each function is compiled once for each size of the grid.
Devices without float64, such as Apple's GPUs, are refused (`influaug.solver.engines.engine_of`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..backend import compiled, full_precision, keras
from . import heads
from .engines import MOST_PRODUCTS, MOST_STEPS, REFRESH

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._types import Tensor

ROWS = 8192
"""Rows in a block: a step holds a few arrays of this many numbers for each model and class."""
LARGEST_FULL = 300
"""Largest softmax head, in parameters, with full preconditioners; larger heads get one block for each class."""

_PRECISIONS = ("float32", "float64", "float64")
# The second pass in float64 preconditions each line with the mean Hessian of its few unconverged models only.
_SHARE = 0.1
# Steps stop once their own estimate of the decrement, which can be too low, is this share of the tolerance.

ops = keras.ops


class Engine:
    """Points placed on the device once for any number of fits; callers use `influaug.solver.logistic.Solver`.

    Parameters
    ----------
    x : array [n, d + 1]
        With the constant column; with two classes the rows of class 0 are negated.
    hot : array [K, n] or None
        One-hot labels; None with two classes.
    """

    def __init__(self, x: np.ndarray, hot: np.ndarray | None) -> None:
        x, hot = in_blocks(x), None if hot is None else in_blocks(hot.T)
        with full_precision():
            self._points = {
                dtype: (tensor(x, dtype), None if hot is None else tensor(hot, dtype))
                for dtype in ("float32", "float64")
            }

    def minimise(
        self, weights: np.ndarray, C: float, start: np.ndarray, tolerance: float, groups: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Minimise J for every row of weights [m, n], from start [m, K, d + 1]; see `logistic.Solver.fit`.

        Returns
        -------
        theta : array [m, K, d + 1]
        results : array [3, m]
            J, half the squared Newton decrement, and steps taken. The caller checks the decrement.
        """
        grid = _grid(groups)
        with full_precision():
            rows = self._rows(weights[grid.ravel()], start.shape[1:], C)
            found, *results = _solve(rows, start.reshape(len(start), -1)[grid], tolerance)
        _, places = np.unique(grid, return_index=True)
        return found[places].reshape(start.shape), np.array(results)[:, places]

    def _rows(self, weights, shape, C):
        """All points with weights [M, n], by precision; `shape` is the shape of one model's parameters."""
        weights, penalty = in_blocks(weights.T), heads.penalty(shape[1], shape[0], C)
        return {
            dtype: _Rows(*points, tensor(weights, dtype), tensor(penalty, dtype))
            for dtype, points in self._points.items()
        }


class _Rows(NamedTuple):
    """Points in blocks of B rows, with the weights of M models. Parameters of models are flat, [M, K (d + 1)].

    Attributes
    ----------
    x : tensor [blocks, B, d + 1]
        With two classes the rows of class 0 are negated, so that x theta' are margins.
    hot : tensor [blocks, B, K] or None
        One-hot labels; None with two classes.
    weights : tensor [blocks, B, M]
    penalty : tensor [K (d + 1)]
        Diagonal of the regulariser's Hessian.
    """

    x: Any
    hot: Any
    weights: Any
    penalty: Any

    def total(self, part: Callable[..., Tensor]) -> Tensor:
        """Sum of part(x, hot, weights), one tensor or several, over the blocks."""

        def block(i):
            return part(self.x[i], None if self.hot is None else self.hot[i], self.weights[i])

        def add(i, total):
            return keras.tree.map_structure(ops.add, total, block(i))

        return ops.fori_loop(1, ops.shape(self.x)[0], add, block(0))


def in_blocks(array: np.ndarray) -> np.ndarray:
    """Split rows [n, ...] into equal blocks [blocks, B, ...] of at most `ROWS` rows, padded with zeros."""
    count = -(-len(array) // ROWS)
    fill = -len(array) % count
    if fill:
        array = np.concatenate([array, np.zeros((fill, *array.shape[1:]), array.dtype)])
    return array.reshape(count, -1, *array.shape[1:])


def _grid(groups):
    """Lay out the models by group: indices [lines, s] that contain every model at least once.

    A group takes as many lines as it needs, and its models are repeated to fill the last line; s is the largest length
    for which at most half of the places are repetitions.
    """
    numbers, sizes = np.unique(groups, return_counts=True)
    s = max(s for s in range(1, sizes.max() + 1) if s * np.ceil(sizes / s).sum() <= 2 * len(groups))
    of_groups = [np.flatnonzero(groups == number) for number in numbers]
    return np.concatenate([np.pad(models, (0, -len(models) % s), mode="wrap").reshape(-1, s) for models in of_groups])


def tensor(array: np.ndarray, dtype: str) -> Tensor:
    """Copy an array to the device."""
    return ops.convert_to_tensor(np.asarray(array, dtype=dtype), dtype=dtype)


def _scores(x, theta, K):
    """Scores of all models, [B, K, M]."""
    rows, width = ops.shape(x)
    columns = ops.transpose(ops.reshape(theta, (-1, K, width)), (2, 1, 0))
    return ops.reshape(x @ ops.reshape(columns, (width, -1)), (rows, K, -1))


def _collected(x, r):
    """Sum over rows of x [B, d + 1] times r [B, K, M], as flat parameters."""
    (rows, K, _), width = ops.shape(r), ops.shape(x)[1]
    columns = ops.reshape(ops.transpose(x) @ ops.reshape(r, (rows, -1)), (width, K, -1))
    return ops.reshape(ops.transpose(columns, (2, 1, 0)), (-1, K * width))


def _probabilities(eta, hot):
    """Probability of each class from scores [B, K, M]; with two classes (margins), that of the wrong class."""
    return 1.0 / (1.0 + ops.exp(eta)) if hot is None else ops.softmax(eta, axis=1)


def _residuals(eta, hot, weights):
    """Weighted derivative of each point's loss by its scores, [B, K, M]."""
    p = _probabilities(eta, hot)
    return (-p if hot is None else p - hot[:, :, None]) * weights[:, None]


def _losses(eta, hot):
    """Loss of each point: [B, M]."""
    if hot is None:
        return ops.log1p(ops.exp(-ops.abs(eta[:, 0]))) + ops.relu(-eta[:, 0])
    return ops.logsumexp(eta, axis=1) - ops.sum(eta * hot[:, :, None], axis=1)


def _gradient(rows, theta):
    """Gradient of every model's J."""

    def part(x, hot, weights):
        return _collected(x, _residuals(_scores(x, theta, _classes(rows)), hot, weights))

    return rows.total(part) + theta * rows.penalty


def _product(rows, theta, v):
    """Every model's Hessian at theta times its row of v."""

    def part(x, hot, weights):
        p, s = _probabilities(_scores(x, theta, _classes(rows)), hot), _scores(x, v, _classes(rows))
        s = s - (p * s if hot is None else ops.sum(p * s, axis=1, keepdims=True))
        return _collected(x, p * s * weights[:, None])

    Hv = rows.total(part) + v * rows.penalty
    return Hv if rows.hot is None else Hv + ops.sum(v * _shift(rows), axis=1, keepdims=True) * _shift(rows)


@compiled
def _evaluate(rows, theta):
    """J of every model, [M], and its gradient."""

    def part(x, hot, weights):
        eta = _scores(x, theta, _classes(rows))
        return ops.sum(weights * _losses(eta, hot), axis=0), _collected(x, _residuals(eta, hot, weights))

    J, g = rows.total(part)
    ridge = theta * rows.penalty
    return J + 0.5 * _dot(theta, ridge), g + ridge


@compiled
def _inverse_blocks(rows, theta, shares):
    """Inverse of the diagonal blocks, one a class, of each line's mean Hessian: [lines, K, d + 1, d + 1].

    Parameters
    ----------
    shares : tensor [lines, s]
        Weight of each model in the mean of its line.
    """
    K, width = _classes(rows), ops.shape(rows.x)[2]
    H = _curvature(rows, theta, shares, lambda p, weights: ops.sum(weights * p * (1.0 - p), axis=3))
    return ops.reshape(_inverses(H, rows.penalty[:width]), (-1, K, width, width))


@compiled
def _inverse_hessians(rows, theta, shares):
    """Inverse of each line's mean softmax Hessian, [lines, 1, p, p]; parameters as in `_inverse_blocks`."""
    K, width = _classes(rows), ops.shape(rows.x)[2]

    def second(p, weights):
        of_class = ops.sum(weights * p, axis=3)[..., None] * ops.eye(K, dtype=p.dtype)
        return of_class - (weights * p) @ ops.transpose(p, (0, 1, 3, 2))

    H = ops.reshape(_curvature(rows, theta, shares, second), (-1, K, K, width, width))
    H = ops.reshape(ops.transpose(H, (0, 1, 3, 2, 4)), (-1, K * width, K * width))
    return _inverses(H + _shift(rows)[:, None] * _shift(rows), rows.penalty)[:, None]


def _curvature(rows, theta, shares, second):
    """Sums over rows of D x x', [P, d + 1, d + 1], for each of the P columns of D.

    Parameters
    ----------
    second : callable
        Probabilities [B, lines, K, s] and weights [B, lines, 1, s] -> D [B, ...], summed over the models of a line.
    """
    lines, s = ops.shape(shares)

    def part(x, hot, weights):
        size, K = ops.shape(x)[0], _classes(rows)
        p = ops.reshape(_probabilities(_scores(x, theta, K), hot), (size, K, lines, s))
        D = second(ops.transpose(p, (0, 2, 1, 3)), ops.reshape(weights, (size, lines, 1, s)) * shares[:, None])
        return weighted_grams(x, ops.transpose(ops.reshape(D, (size, -1))))

    return rows.total(part)


@compiled
def weighted_grams(x: Tensor, D: Tensor) -> Tensor:
    """Sum over rows of x [B, d + 1] of d x x', [P, d + 1, d + 1], for each row d of D [P, B]."""
    return ops.map(lambda d: ops.transpose(x) @ (d[:, None] * x), D)


def _inverses(H, penalty):
    """Inverses of symmetric blocks [P, q, q] with the regulariser, by Cholesky."""
    width = ops.shape(H)[1]
    eye = ops.eye(width, dtype=H.dtype)
    # Larger than the rounding error of H, because some backends raise an error of their own where Cholesky fails.
    jitter = ops.cast(width, H.dtype) * np.finfo(np.float64).eps * (ops.trace(H, axis1=1, axis2=2) + 1.0)
    H = H + (penalty + jitter[:, None])[:, :, None] * eye
    # A model that has diverged must not spoil the batched factorisation of the others.
    H = ops.where(ops.all(ops.isfinite(H), axis=(1, 2), keepdims=True), H, eye)
    root = ops.solve_triangular(ops.cholesky(H), ops.zeros_like(H) + eye, lower=True)
    return ops.transpose(root, (0, 2, 1)) @ root


def _precondition(H0, g):
    """Block-diagonal H0 [lines, blocks, q, q] times the rows of g, line by line."""
    lines, blocks, q, _ = ops.shape(H0)
    by_block = ops.transpose(ops.reshape(g, (lines, -1, blocks, q)), (0, 2, 1, 3)) @ H0
    return ops.reshape(ops.transpose(by_block, (0, 2, 1, 3)), (-1, blocks * q))


def _conjugate_gradients(rows, H0, theta, g, wanted, share):
    """H^-1 g with every model's own Hessian H, and g' H^-1 g, of the wanted models, as in `influaug.solver.logistic`.

    g' H^-1 g is infinite where r'H0 r does not come near zero. It can be negative: steps round H0 to float32.
    """

    def proceed(d, r, v, rz, reached, settled):
        return ops.any(ops.logical_and(wanted, ops.logical_not(settled)))

    def improve(d, r, v, rz, reached, settled):
        Hv = _product(rows, theta, v)
        alpha = _ratio(rz, _dot(v, Hv))
        d, r, reached = d + alpha[:, None] * v, r - alpha[:, None] * Hv, reached + alpha * rz
        z = _precondition(H0, r)
        after = _dot(r, z)
        return d, r, z + _ratio(after, rz)[:, None] * v, after, reached, ops.abs(after) <= share * reached

    z = _precondition(H0, g)
    rz = _dot(g, z)
    begin = (ops.zeros_like(g), g, z, rz, ops.zeros_like(rz), ops.zeros_like(wanted))
    d, _, _, rz, reached, settled = ops.while_loop(proceed, improve, begin, maximum_iterations=MOST_PRODUCTS)
    return d, ops.where(settled, reached + rz, np.inf)


@compiled
def _direction(rows, H0, theta, g, wanted):
    """Newton's step for the wanted models, and the slope of J along it, [M]."""
    direction = -_conjugate_gradients(rows, H0, theta, g, wanted, 0.03)[0]
    return direction, _dot(direction, g)


@compiled
def _move(rows, theta, g, size, direction, slope, wanted):
    """Take one step of the wanted models, unless the slope has turned and grown: new theta, gradient, step size."""
    trial = theta + ops.where(wanted, size, 0.0)[:, None] * direction
    g_trial = _gradient(rows, trial)
    ahead = _dot(direction, g_trial)
    taken = ops.logical_and(wanted, ahead <= -0.9 * slope)
    shorter = ops.clip(_ratio(-slope, ahead - slope), 0.1, 0.5)
    size = ops.where(taken, ops.clip(3.0 * size, 0.0, 1.0), size * shorter)
    return ops.where(taken[:, None], trial, theta), ops.where(taken[:, None], g_trial, g), size


@compiled
def _certify(rows, H0, theta, wanted):
    """J of every model and, for the wanted ones, half the squared Newton decrement (infinite where CG fails)."""
    J, g = _evaluate(rows, theta)
    # H0 measures the residual and can be far from a model's own inverse Hessian, hence the small tolerance 1e-4.
    return J, 0.5 * _conjugate_gradients(rows, H0, theta, g, wanted, 1e-4)[1]


def _classes(rows):
    """K, the number of parameter rows of each model."""
    return 1 if rows.hot is None else ops.shape(rows.hot)[2]


def _shift(rows):
    """Direction in which all intercepts of a softmax head move together; it gets unit curvature (`heads.hessian`).

    Without that curvature, rounding errors of the gradient along the direction would be divided by zero.
    """
    intercepts = ops.cast(rows.penalty == 0, rows.penalty.dtype)
    return intercepts / ops.sqrt(ops.sum(intercepts))


def _dot(a, b):
    return ops.sum(a * b, axis=1)


def _ratio(a, b):
    """A / b, and 0 where b is not positive."""
    return ops.where(b > 0, a / ops.where(b > 0, b, 1.0), 0.0)


def _solve(rows, theta, tolerance):
    """Minimise J for the models of a grid, from theta [lines, s, p]: new theta [M, p], J, decrement and steps.

    Parameters
    ----------
    rows : dict of _Rows
        Keys are the precisions.
    """
    missed, theta = np.full(theta.shape[:2], True), tensor(theta.reshape(-1, theta.shape[2]), "float64")
    results = np.zeros((3, missed.size))
    for dtype in _PRECISIONS:
        wanted = tensor(missed.ravel(), "bool")
        found, H0, steps = _descend(rows, dtype, theta, missed, tolerance)
        theta = ops.where(wanted[:, None], found, theta)
        J, decrement = map(ops.convert_to_numpy, _certify(rows["float64"], H0, theta, wanted))
        results = np.where(missed.ravel(), [J, decrement, results[2] + steps], results)
        missed = missed & ~(decrement <= tolerance * np.maximum(J, 1.0)).reshape(missed.shape)
        if not missed.any():
            break
    return ops.convert_to_numpy(theta), *results


def _descend(rows, dtype, theta, wanted, tolerance):
    """Minimise J of the wanted models [lines, s] in lockstep: theta and the last H0 in float64, and steps taken [M]."""
    rows, exact, theta = rows[dtype], rows["float64"], ops.cast(theta, dtype)
    H0 = _preconditioners(exact, theta, wanted)
    J, g = _evaluate(rows, theta)
    least = _SHARE * tolerance * np.maximum(ops.convert_to_numpy(J), 1.0)
    steps, size, open_ = np.zeros(wanted.size), ops.ones_like(J), wanted.ravel()
    for step in range(MOST_STEPS):
        if step in REFRESH:
            H0 = _preconditioners(exact, theta, open_.reshape(wanted.shape))
        direction, slope = _direction(rows, ops.cast(H0, dtype), theta, g, tensor(open_, "bool"))
        open_ = open_ & (-0.5 * ops.convert_to_numpy(slope) > least)
        if not open_.any():
            break
        theta, g, size = _move(rows, theta, g, size, direction, slope, tensor(open_, "bool"))
        steps += open_
    return ops.cast(theta, "float64"), H0, steps


def _preconditioners(exact, theta, wanted):
    """Inverse mean Hessian of the wanted models of each line (of all its models if none is wanted), in float64."""
    shares = np.where(wanted.any(axis=1, keepdims=True), wanted, 1.0)
    shares = tensor(shares / shares.sum(axis=1, keepdims=True), "float64")
    full = exact.hot is not None and theta.shape[1] <= LARGEST_FULL
    inverse = _inverse_hessians if full else _inverse_blocks
    return inverse(exact, ops.cast(theta, "float64"), shares)
