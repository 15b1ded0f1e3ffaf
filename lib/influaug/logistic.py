r"""Weighted, L2-regularised logistic regression, many models on one feature matrix at once.

Every model of a policy sweep minimises, over the same rows, its own weighting of the objective J of `influaug.heads`.
They are solved together. The models of a group (the rounds of one policy, say) differ little, so the inverse of their
mean Hessian is a good first approximation of the inverse Hessian of each, and a few L-BFGS pairs repair what is
particular to a model. A step costs two matrix products over the rows that the group uses, taken in blocks that stay in
the cache. J is convex, so gradients alone judge a step: it is taken unless the slope along it has turned and grown.
Steps are taken in float32; the gradient at the end is formed in float64, and a model that misses its tolerance goes on
in float64.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from threadpoolctl import threadpool_limits

from . import heads
from .errors import InputError
from .heads import with_intercept

ROWS = 4096
MEMORY = 10
REFRESH = (4, 9, 15, 25, 40, 60, 90)
MOST_STEPS = {np.float32: 30, np.float64: 300}


@dataclass(frozen=True)
class Fit:
    """Minimisers of m weighted objectives and how well they were reached.

    Attributes
    ----------
    theta : ndarray [m, K, d + 1]
        Parameters, float64, the intercept last; K is 1 for two classes.
    objective : ndarray [m]
        J at ``theta``, a sum over points, in float64.
    decrement : ndarray [m]
        Half the squared Newton decrement, g' H^-1 g / 2, an estimate of J(theta) - min J: the gradient in float64, the
        Hessian that of the model's group.
    iterations : ndarray [m]
        Steps taken.
    """

    theta: np.ndarray
    objective: np.ndarray
    decrement: np.ndarray
    iterations: np.ndarray


def fit(features, labels, weights, C=10.0, start=None, tolerance=1e-9, groups=None):
    """Minimise J for every row of weights.

    Parameters
    ----------
    features : array [n, d]
    labels : int array [n]
        0 .. n_classes - 1.
    weights : array [m, n]
        Non-negative weight of each point in each of the m models. Equal rows are solved once.
    C : float
        Inverse regularisation strength, as in scikit-learn.
    start : array [m, K, d + 1], optional
        Where to start (default: zero).
    tolerance : float
        Half the squared Newton decrement is at most this share of the objective's scale, max(J, 1).
    groups : int array [m], optional
        Models with the same number share a Hessian; worth it where their weights are alike (default: none do).

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        Shapes that do not fit, features, weights or a C that are not finite or have the wrong sign.
    RuntimeError
        A model that does not reach the tolerance, in float64 either; the message names it.
    """
    x, labels = with_intercept(features), np.asarray(labels)
    weights = np.asarray(weights)
    _check(x, labels, weights, C)
    first, inverse = _distinct(weights)
    shape = (len(first), heads.n_rows(int(labels.max()) + 1), x.shape[1])
    theta = np.zeros(shape) if start is None else np.array(start[first], dtype=np.float64)
    groups = np.arange(len(first)) if groups is None else np.asarray(groups)[first]
    live = np.append(np.flatnonzero((x[:, :-1] != 0).any(axis=0)), shape[2] - 1)
    results = np.zeros((3, len(first)))
    with threadpool_limits(1, "blas"):
        for group in np.unique(groups):
            models = np.flatnonzero(groups == group)
            problem = _compact(x[:, live], labels, weights[first[models]], C, shape[1])
            part = np.ix_(models, range(shape[1]), live)
            theta[part], *results[:, models] = _solve(problem, theta[part], tolerance)
    theta[..., np.setdiff1d(np.arange(shape[2]), live)] = 0.0
    objective, decrement, iterations = results[:, inverse]
    missed = np.flatnonzero(~(decrement <= tolerance * np.maximum(objective, 1.0)))
    if missed.size:
        raise RuntimeError(f"models {missed.tolist()} did not reach the tolerance {tolerance:g}")
    return Fit(theta[inverse], objective, decrement, iterations.astype(int))


def _check(x, labels, weights, C):
    if weights.ndim != 2 or weights.shape[1] != len(x) or labels.shape != (len(x),):
        raise InputError(
            f"features, labels and weights must be [n, d], [n] and [m, n]; n is {len(x)}, {len(labels)} and "
            f"{weights.shape[-1]} here."
        )
    if not np.isfinite(x).all():
        raise InputError("features must be finite, without NaN.")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError("weights must be finite and at least 0.")
    if not 0 < C < np.inf:
        raise InputError(f"C must be a positive number, not {C}.")


def _distinct(weights):
    """Index of the first of each set of equal rows, and for every row the place of its set among them."""
    hashes = [hash(row.tobytes()) for row in np.ascontiguousarray(weights)]
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    return first, inverse


@dataclass(frozen=True)
class _Problem:
    """The rows that a group of models uses, in one precision.

    Attributes
    ----------
    x : array [R, d + 1]
        With two classes the rows of class 0 are negated, so that x theta' are margins.
    hot : array [R, K] or None
        One-hot labels; None with two classes.
    weights : array [R, m]
    C : float
    """

    x: np.ndarray
    hot: np.ndarray | None
    weights: np.ndarray
    C: float

    def astype(self, dtype):
        """The same rows in another precision."""
        hot = None if self.hot is None else self.hot.astype(dtype)
        return _Problem(self.x.astype(dtype), hot, self.weights.astype(dtype), self.C)

    def of(self, models):
        """The same rows for some of the models."""
        return _Problem(self.x, self.hot, self.weights[:, models], self.C)

    def blocks(self, theta):
        """Row blocks: x [B, d + 1], one-hot labels, weights [B, m], linear scores [B, m, K]."""
        m, K, width = theta.shape
        flat = np.ascontiguousarray(theta.reshape(m * K, width).T)
        for start in range(0, len(self.x), ROWS):
            rows = slice(start, start + ROWS)
            x = self.x[rows]
            hot = None if self.hot is None else self.hot[rows, None, :]
            yield x, hot, self.weights[rows], (x @ flat).reshape(len(x), m, K)

    def gradient(self, theta):
        """Gradient of every model's J: [m, K, d + 1]."""
        g = np.zeros((len(theta) * theta.shape[1], theta.shape[2]), dtype=theta.dtype)
        for x, hot, weights, eta in self.blocks(theta):
            r = -_opposite(eta) if hot is None else _softmax(eta) - hot
            r *= weights[:, :, None]
            g += r.reshape(len(x), -1).T @ x
        g = g.reshape(theta.shape)
        g[..., :-1] += theta[..., :-1] / theta.dtype.type(self.C)
        return g

    def objective(self, theta):
        """J of every model: [m]."""
        J = 0.5 / self.C * np.sum(theta[..., :-1] ** 2, axis=(1, 2))
        for _, hot, weights, eta in self.blocks(theta):
            if hot is None:
                eta = eta[..., 0]
                loss = np.log1p(np.exp(-np.abs(eta))) + np.maximum(-eta, 0)
            else:
                top = eta.max(axis=2)
                loss = np.log(np.exp(eta - top[..., None]).sum(axis=2)) + top - (eta * hot).sum(axis=2)
            J += np.einsum("bm,bm->m", weights, loss)
        return J

    def inverse_hessian(self, theta):
        """Inverse of the models' mean Hessian, by Cholesky in float64: [K (d + 1), K (d + 1)]."""
        _, K, width = theta.shape
        H = np.zeros((K, width, K, width))
        for x, hot, weights, eta in self.blocks(theta):
            if hot is None:
                p = _opposite(eta[..., 0])
                D = (weights * p * (1 - p)).mean(axis=1)[:, None, None]
            else:
                p = _softmax(eta)
                D = np.einsum("bm,bmk,bml->bkl", weights, -p, p) / len(theta)
                D[:, range(K), range(K)] += np.einsum("bm,bmk->bk", weights, p) / len(theta)
            for a in range(K):
                for b in range(a, K):
                    H[a, :, b, :] += x.T @ (D[:, a, b, None] * x)
        return _inverse(H, self.C)


def _opposite(eta):
    """1 / (1 + exp(eta)); a margin of -infinity gives 1 and one of infinity 0."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(eta))


def _softmax(eta):
    p = np.exp(eta - eta.max(axis=2, keepdims=True))
    p /= p.sum(axis=2, keepdims=True)
    return p


def _inverse(H, C):
    """Inverse of the Hessian whose upper blocks are H, with the regulariser; see `heads.hessian` for the intercepts."""
    K, width = H.shape[:2]
    for a in range(K):
        for b in range(a):
            H[a, :, b, :] = H[b, :, a, :].T
    if K > 1:
        H[:, -1, :, -1] += 1.0 / K
    H = H.reshape(K * width, K * width)
    H[np.diag_indices_from(H)] += heads.penalty(width, K, C)
    tiny = np.finfo(H.dtype).eps * np.trace(H)
    H[np.diag_indices_from(H)] += tiny
    return cho_solve(cho_factor(H, overwrite_a=True), np.eye(len(H)))


def _compact(x, labels, weights, C, K):
    """The problem of one group: the rows that some model uses; weights [m, n]."""
    used = (weights > 0).any(axis=0)
    x, labels = x[used], labels[used]
    weights = np.ascontiguousarray(weights[:, used].T, dtype=np.float64)
    if K == 1:
        return _Problem(np.where(labels == 1, 1.0, -1.0)[:, None] * x, None, weights, C)
    return _Problem(x, np.eye(K)[labels], weights, C)


def _solve(problem, theta, tolerance):
    """Minimise J for the models of one group, from theta [m, K, d + 1]; its new value, J, decrement and steps."""
    fast = problem.astype(np.float32)
    theta, steps = _lbfgs(fast, theta, tolerance)
    objective, decrement = _certify(problem, fast, theta)
    missed = np.flatnonzero(~(decrement <= tolerance * np.maximum(objective, 1.0)))
    if missed.size:
        part = problem.of(missed)
        theta[missed], more = _lbfgs(part, theta[missed], tolerance)
        objective[missed], decrement[missed] = _certify(part, part, theta[missed])
        steps[missed] += more
    return theta, objective, decrement, steps


def _certify(problem, fast, theta):
    """J and the decrement of every model, gradients in float64, the Hessian anew at theta."""
    H0 = fast.inverse_hessian(theta.astype(fast.x.dtype))
    return problem.objective(theta), _decrement(problem.gradient(theta), H0)


def _decrement(g, H0):
    flat = g.reshape(len(g), -1).astype(np.float64)
    return 0.5 * np.einsum("mp,mp->m", flat @ H0, flat)


def _lbfgs(problem, theta, tolerance):
    """Lockstep L-BFGS in the problem's precision; theta in float64, and steps taken [m]."""
    dtype = problem.x.dtype.type
    theta = theta.astype(dtype)
    g = problem.gradient(theta)
    H0 = problem.inverse_hessian(theta)
    scale = np.maximum(problem.objective(theta), 1.0)
    state = _Curvature(g.reshape(len(g), -1).shape, dtype)
    steps, size = np.zeros(len(theta)), np.ones(len(theta), dtype)
    for step in range(MOST_STEPS[dtype]):
        open_ = _decrement(g, H0) > 0.3 * tolerance * scale
        if not open_.any():
            break
        if step in REFRESH:
            H0 = problem.of(np.flatnonzero(open_)).inverse_hessian(theta[open_])
            state.forget()
        flat = g.reshape(len(g), -1)
        direction = -state.apply(flat, H0.astype(dtype))
        slope = np.einsum("mp,mp->m", direction, flat)
        trial = theta + np.where(open_, size, 0)[:, None, None].astype(dtype) * direction.reshape(theta.shape)
        g_trial = problem.gradient(trial)
        ahead = np.einsum("mp,mp->m", direction, g_trial.reshape(flat.shape))
        taken = open_ & (ahead <= -0.9 * slope)
        shorter = np.clip(slope / np.minimum(slope - ahead, -np.finfo(dtype).tiny), 0.1, 0.5)
        state.add(taken, (trial - theta).reshape(flat.shape), (g_trial - g).reshape(flat.shape))
        size = np.where(taken | ~open_, 1, size * shorter).astype(dtype)
        theta, g = np.where(taken[:, None, None], trial, theta), np.where(taken[:, None, None], g_trial, g)
        steps += open_
    return theta.astype(np.float64), steps


class _Curvature:
    """The L-BFGS pairs of m models, the latest MEMORY of each."""

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype
        self.forget()

    def forget(self):
        """Start anew, with H0 alone."""
        self.pairs = []

    def add(self, taken, s, y):
        """Keep a pair for the models that took the step."""
        sy = np.einsum("mp,mp->m", s, y)
        good = taken & (sy > 0)
        rho = np.where(good, 1 / np.where(good, sy, 1), 0).astype(self.dtype)
        self.pairs = [*self.pairs[1 - MEMORY :], (s, y, rho)]

    def apply(self, g, H0):
        """Approximate inverse Hessian times g, by the two-loop recursion: [m, p]."""
        q, alphas = g.copy(), []
        for s, y, rho in reversed(self.pairs):
            alpha = rho * np.einsum("mp,mp->m", s, q)
            q -= alpha[:, None] * y
            alphas.append(alpha)
        z = q @ H0
        for (s, y, rho), alpha in zip(self.pairs, reversed(alphas), strict=True):
            beta = rho * np.einsum("mp,mp->m", y, z)
            z += (alpha - beta)[:, None] * s
        return z
