r"""Weighted, L2-regularised logistic regression, many models on one feature matrix at once.

Every model of a policy sweep minimises the objective J of `influaug.solver.heads` over the same rows, with weights of
its own, and this module solves all models together. Softmax heads are solved in `influaug.solver.newton`, except for
a small one that is alone.

With two classes the models of a group (the rounds of one policy, say) differ little. So the inverse of their mean
Hessian approximates the inverse Hessian of each, and a few L-BFGS pairs correct the difference for each model (Liu &
Nocedal, 1989, with that inverse as H0). A step costs two matrix products over the rows that the group uses, computed in
blocks that stay in the cache. J is convex, so gradients alone decide on a step: it is taken unless the slope along it
has turned and grown. Steps are taken in float32. At the end each model's Newton decrement is computed, with the
gradient in float64 and the model's own Hessian by conjugate gradients. A model that misses its tolerance takes the step
that these found, and is certified again; one that still misses it, or that is alone, continues in float64 with
truncated Newton steps. The widest softmax heads have an inverse with one block for each class and take truncated Newton
steps in float32 too.

This is the engine ``numpy``, on the CPU. The engine ``keras`` (`influaug.solver.accelerated`) minimises the same
objectives to the same certified gap on Keras's device, by truncated Newton steps of all models at once;
`influaug.solver.engines` selects one of the two. Two minimisers within one gap differ by about its square root: at the
default tolerance the engines' parameters agree to 1e-5 of their size or slightly worse, and at 1e-20 to 1e-8.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import lapack
from threadpoolctl import ThreadpoolController

from ..errors import InputError
from . import heads, newton
from .blas import single_thread
from .engines import MOST_PRODUCTS, MOST_STEPS, REFRESH, engine_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from numpy.typing import DTypeLike

ROWS = 4096
"""Rows in a block: the working memory of a step is this many numbers for each model and class."""
WORST_CONDITION = 1e5
"""Largest condition number of a Hessian whose products in float32 still measure a model's distance from its minimum."""
LARGEST_ALONE = 1200
"""Largest softmax head, in parameters, that descends with an inverse of its own, in float64, if it is solved alone."""
LARGEST_FULL = 6000
"""Largest softmax head, in parameters, of `newton`; beyond, inverses have one block for each class."""
MOST_CLASSES = 150
"""Most classes of `newton`, and with a full inverse, which has a block for each pair of them."""
_CERTIFIED = 0.3
# Share of the tolerance that the computed decrement must meet.


@dataclass(frozen=True)
class Fit:
    """Minimisers of m weighted objectives, and their accuracy.

    Attributes
    ----------
    theta : ndarray [m, K, d + 1]
        Parameters, float64, the intercept last. K is 1 for two classes. With more, J depends on the differences of the
        K intercepts only, and they sum to zero.
    objective : ndarray [m]
        J at ``theta``, a sum over points, in float64.
    decrement : ndarray [m]
        Half the squared Newton decrement, g' H^-1 g / 2, an estimate of J(theta) - min J, with the gradient in float64
        and the model's own Hessian.
    iterations : ndarray [m]
        Steps taken.
    """

    theta: np.ndarray
    objective: np.ndarray
    decrement: np.ndarray
    iterations: np.ndarray


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    C: float = 10.0,
    start: np.ndarray | None = None,
    tolerance: float = 1e-9,
    groups: np.ndarray | None = None,
    engine: str | None = None,
) -> Fit:
    """Minimise J for every row of weights, once; parameters, result and errors are those of `Solver`."""
    return Solver(features, labels, engine=engine).fit(weights, C, start, tolerance, groups)


class Solver:
    """Points prepared once for any number of fits.

    Parameters
    ----------
    features : array [n, d]
        Kept in float32 if it is float32, else in float64.
    labels : int array [n]
        0 .. n_classes - 1.
    threads : int
        Groups of models that the engine ``numpy`` solves in parallel; results do not depend on it.
    merge_equal : bool
        Solve models with equal weights once.
    engine : {'numpy', 'keras'}, optional
        Engine of the fits, see `engines.engine_of`. ``keras`` places the points on its device once; its first fit is
        slow on backends that compile functions.

    Raises
    ------
    InputError
        Shapes that do not match, features that are not finite, or an engine that `engines.engine_of` refuses.
    """

    def __init__(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        threads: int = 1,
        merge_equal: bool = True,
        engine: str | None = None,
    ) -> None:
        self.engine = engine_of(engine)
        features, labels = np.asarray(features), np.asarray(labels)
        _check_points(features, labels)
        n_classes = max(int(labels.max()) + 1, 2)
        self.n, self.K, self.width = len(labels), heads.n_rows(n_classes), features.shape[1] + 1
        # Dropping columns of zeros saves time and changes nothing: their weight is exactly zero at the minimum.
        # Networks with rectified units have many.
        used = np.flatnonzero(features.any(axis=0))
        self.live = np.append(used, self.width - 1)
        self.x = np.ones((self.n, len(self.live)), features.dtype if features.dtype == np.float32 else np.float64)
        self.x[:, :-1] = features[:, used]
        self.hot = None if self.K == 1 else np.eye(self.K, dtype=np.float32)[:, labels]
        # With margins in place of scores, the logistic loss needs no labels.
        if self.K == 1:
            self.x *= np.where(labels == 1, 1, -1)[:, None].astype(self.x.dtype)
        self.threads, self.merge_equal = threads, merge_equal
        self._points: newton.Points | None = None
        self._minimise = self._minimiser()

    def _minimiser(self):
        """The engine's function: weights [m, n], C, start [m, K, live], tolerance, groups [m] -> theta, results [3, m].

        The rows of results are J, half the squared Newton decrement, and steps taken.
        """
        if self.engine == "numpy":
            self._blas = ThreadpoolController()
            if self.hot is not None and _is_full(self.K, self.x):
                self._points = newton.prepared(self.x, self.hot)
            return self._group_by_group
        # Imported here because Keras and its backend take many seconds to import.
        from .accelerated import Engine

        return Engine(self.x, self.hot).minimise

    def fit(
        self,
        weights: np.ndarray,
        C: float = 10.0,
        start: np.ndarray | None = None,
        tolerance: float = 1e-9,
        groups: np.ndarray | None = None,
    ) -> Fit:
        """Minimise J for every row of weights.

        Parameters
        ----------
        weights : array [m, n]
            Non-negative weight of each point in each of the m models.
        C : float
            Inverse regularisation strength, as in scikit-learn.
        start : array [m, K, d + 1], optional
            Warm start (default: zero).
        tolerance : float
            Largest half squared Newton decrement, as a share of the objective's scale max(J, 1).
        groups : int array [m], optional
            Models with the same number share a preconditioner, which saves time where their weights are alike (default:
            every model has its own). The engine ``keras`` splits a group that is much larger than most. It keeps one
            Hessian for each group on the device, and five copies while it inverts it.

        Returns
        -------
        Fit

        Raises
        ------
        InputError
            Weights or C are not finite or have the wrong sign, or shapes do not match.
        RuntimeError
            A model does not reach the tolerance, even in float64; the message names it.
        """
        weights = np.asarray(weights)
        self._check(weights, C, start)
        first, inverse = _distinct(weights) if self.merge_equal else (np.arange(len(weights)),) * 2
        groups = np.arange(len(first)) if groups is None else np.asarray(groups)[first]
        theta = np.zeros((len(first), self.K, self.width))
        begin = theta if start is None else np.array(start, dtype=float)[first]
        begin = np.ascontiguousarray(begin[..., self.live])
        theta[..., self.live], results = self._minimise(weights[first], C, begin, tolerance, groups)
        missed = np.arange(0) if start is None else _missed(results, tolerance)
        missed = missed[np.isfinite(np.asarray(start)[first][missed]).all(axis=(1, 2))] if missed.size else missed
        if missed.size:
            # Near the minimum of other weights the Hessian can be so uneven that steps from there get stuck.
            cold = np.zeros_like(begin[missed])
            found = self._minimise(weights[first][missed], C, cold, tolerance, groups[missed])
            theta[np.ix_(missed, np.arange(self.K), self.live)], results[:, missed] = found
        # A common shift of the intercepts does not change J; fixing their sum makes the minimiser unique.
        if self.K > 1:
            theta[..., -1] -= theta[..., -1].mean(axis=1, keepdims=True)
        objective, decrement, iterations = results[:, inverse]
        missed = _missed((objective, decrement), tolerance)
        if missed.size:
            raise RuntimeError(f"models {missed.tolist()} did not reach the tolerance {tolerance:g}")
        return Fit(theta[inverse], objective, decrement, iterations.astype(int))

    def _group_by_group(self, weights, C, theta, tolerance, groups):
        """Minimise by the engine ``numpy``; overwrites theta."""
        results = np.zeros((3, len(theta)))

        def solve(models):
            alone = len(models) == 1 and self.K * self.x.shape[1] <= LARGEST_ALONE
            points = None if alone else self._points
            minimise = self._by_descent if points is None else partial(self._by_newton, points)
            with np.errstate(over="ignore", invalid="ignore"):
                theta[models], *results[:, models] = minimise(weights[models], C, theta[models], tolerance)

        with single_thread.during(self._blas):
            if self.threads == 1:
                list(map(solve, self._batches(groups)))
            else:
                with ThreadPoolExecutor(self.threads) as pool:
                    list(pool.map(solve, self._batches(groups)))
        return theta, results

    def _batches(self, groups):
        """Models that are solved together: those of a group, of softmax heads not too many."""
        models = [np.flatnonzero(groups == group) for group in np.unique(groups)]
        if self._points is None:
            return models
        most = max(newton.ELEMENTS // (self.K * self.n), 1)
        return [part for group in models for part in np.array_split(group, -(-len(group) // most))]

    def _by_descent(self, weights, C, theta, tolerance):
        return _solve(self._problem(weights, C), theta, tolerance)

    def _by_newton(self, points, weights, C, theta, tolerance):
        """Models that miss their tolerance continue in float64."""
        used = np.flatnonzero((weights > 0).any(axis=0))
        own = np.ascontiguousarray(weights[:, used], dtype=np.float64)
        theta, J, decrement, steps = newton.solve(points.of(used), own, float(C), theta, tolerance)
        missed = _short(J, decrement, tolerance)
        if missed.size:
            flat = theta[missed].reshape(len(missed), -1)
            found, J[missed], decrement[missed], more = _descended(self._problem(weights[missed], C), flat, tolerance)
            theta[missed], steps[missed] = found.reshape(theta[missed].shape), steps[missed] + more
        return theta, J, decrement, steps

    def _check(self, weights, C, start):
        if weights.ndim != 2 or weights.shape[1] != self.n:
            raise InputError(f"weights must be [m, {self.n}], one for each point, not {list(weights.shape)}.")
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise InputError("weights must be finite and at least 0.")
        if not 0 < C < np.inf:
            raise InputError(f"C must be a positive number, not {C}.")
        shape = (len(weights), self.K, self.width)
        if start is not None and np.shape(start) != shape:
            raise InputError(f"start must be {list(shape)}, not {list(np.shape(start))}.")

    def _problem(self, weights, C):
        """The problem on the rows that at least one of the models uses; weights [m, n]."""
        used = np.flatnonzero((weights > 0).any(axis=0))
        hot = None if self.hot is None else self.hot[:, used]
        return _Problem(self.x[used], hot, np.ascontiguousarray(weights[:, used].T, dtype=np.float64), float(C))


def _missed(results, tolerance):
    """Models whose decrement, results[1], is too large beside their objective, results[0]."""
    return np.flatnonzero(~(results[1] <= tolerance * np.maximum(results[0], 1.0)))


def _check_points(features, labels):
    if features.ndim != 2 or labels.shape != features.shape[:1] or not len(labels):
        raise InputError(f"features and labels must be [n, d] and [n], not {features.shape} and {labels.shape}.")
    if not np.isfinite(features).all():
        raise InputError("features must be finite, without NaN.")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise InputError("labels must be the whole numbers 0 .. n_classes - 1.")


def _distinct(weights):
    """Index of the first of each set of equal rows, and for every row the number of its set."""
    # Equal random sums are necessary for equal rows, so only rows with equal sums are compared.
    sums = np.einsum("mn,n->m", weights, np.random.default_rng(0).random(weights.shape[1])).tolist()
    first, inverse, candidates = [], [], {}
    for row, total in enumerate(sums):
        same = candidates.setdefault(total, [])
        place = next((p for p in same if np.array_equal(weights[first[p]], weights[row])), len(first))
        if place == len(first):
            first.append(row)
            same.append(place)
        inverse.append(place)
    return np.array(first), np.array(inverse)


@dataclass(frozen=True)
class _Problem:
    """Objective of a group of m models on the rows that they use; parameters are flat, [m, K (d + 1)].

    Attributes
    ----------
    x : array [R, d + 1]
        With two classes the rows of class 0 are negated, so that x theta' are margins.
    hot : array [K, R] or None
        One-hot labels; None with two classes.
    weights : array [R, m]
    C : float
    """

    x: np.ndarray
    hot: np.ndarray | None
    weights: np.ndarray
    C: float

    @property
    def K(self) -> int:  # noqa: N802
        return 1 if self.hot is None else len(self.hot)

    def astype(self, dtype: DTypeLike) -> _Problem:
        """The same rows in another precision."""
        return _Problem(self.x.astype(dtype, copy=False), self.hot, self.weights.astype(dtype), self.C)

    def of(self, models: np.ndarray) -> _Problem:
        """The same rows for some of the models."""
        return _Problem(self.x, self.hot, np.ascontiguousarray(self.weights[:, models]), self.C)

    def blocks(self, *parameters: np.ndarray) -> Iterator[tuple[Any, ...]]:
        """Row blocks: x [B, d + 1], one-hot labels [K, B, 1], weights [B, m], scores [K, B, m] of each parameters."""
        dtype = parameters[0].dtype
        columns = [self.columns(theta) for theta in parameters]
        for start in range(0, len(self.x), ROWS):
            rows = slice(start, start + ROWS)
            x = self.x[rows].astype(dtype, copy=False)
            hot = None if self.hot is None else self.hot[:, rows, None]
            yield x, hot, self.weights[rows], *[x @ theta for theta in columns]

    def columns(self, theta: np.ndarray) -> np.ndarray:
        """Flat parameters as columns: [K, d + 1, m]."""
        return np.ascontiguousarray(theta.reshape(len(theta), self.K, -1).transpose(1, 2, 0))

    def collect(self, r: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Sum over a block's rows of r [K, B, m] times x [B, d + 1], as flat parameters."""
        if len(r) == 1 < r.shape[2]:
            # Several times as fast for few models as the transpose of it.
            return (x.T @ r[0]).T
        return (r.transpose(0, 2, 1) @ x).transpose(1, 0, 2).reshape(r.shape[2], -1)

    def ridge(self, theta: np.ndarray) -> np.ndarray:
        """Gradient of the regulariser."""
        ridge = theta.reshape(len(theta), self.K, -1) / theta.dtype.type(self.C)
        ridge[..., -1] = 0
        return ridge.reshape(theta.shape)

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """Gradient of every model's J."""
        g = self.ridge(theta)
        for x, hot, weights, eta in self.blocks(theta):
            g += self.collect(_residuals(eta, hot, weights), x)
        return g

    def product(self, theta: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Every model's Hessian at theta times its row of v, with the unit curvature of `heads.hessian` for softmax."""
        Hv = self.ridge(v)
        if self.K > 1:
            intercepts = slice(self.x.shape[1] - 1, None, self.x.shape[1])
            Hv[:, intercepts] += v[:, intercepts].mean(axis=1, keepdims=True)
        for x, hot, weights, eta, s in self.blocks(theta, v):
            p = _probabilities(eta, hot)
            s -= p * s if hot is None else (p * s).sum(axis=0)
            s *= p
            s *= weights
            Hv += self.collect(s, x)
        return Hv

    def evaluate(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """J of every model, [m], and its gradient."""
        g = self.ridge(theta)
        J = 0.5 * np.einsum("mp,mp->m", theta, g)
        for x, hot, weights, eta in self.blocks(theta):
            J += np.einsum("bm,bm->m", weights, _losses(eta, hot))
            g += self.collect(_residuals(eta, hot, weights), x)
        return J, g

    def inverse_hessian(self, theta: np.ndarray) -> _Inverse:
        """Inverse of the models' mean Hessian, for the widest heads of its diagonal blocks, one for each class."""
        K, width = self.K, self.x.shape[1]
        full = _is_full(K, self.x)
        double = not full or K == 1 or K * width <= LARGEST_ALONE
        pairs = [(a, b) for a in range(K) for b in range(a, K) if full or a == b]
        H = np.zeros((K, width, K, width) if full else (K, width, 1, width), np.float64 if double else np.float32)
        for x, hot, weights, eta in self.blocks(theta):
            p, x, weights = _curved(_probabilities(eta, hot), x, weights)
            for a, b in pairs:
                D = np.vecdot(weights, p[a] * ((a == b) - p[b])) / len(theta)
                H[a, :, b if full else 0] += _gram(x, D)
        if full and K > 1:
            for a, b in pairs:
                H[b, :, a] = H[a, :, b].T
            H[:, -1, :, -1] += 1 / K
        H = H.reshape((1, K * width, K * width) if full else (K, width, width))
        penalty = heads.penalty(width, K, self.C).reshape(len(H), -1).astype(H.dtype)
        largest = self.C * np.trace(H, axis1=1, axis2=2).sum()
        return _Inverse(np.stack([_inverse(*block) for block in zip(H, penalty, strict=True)]), largest)


def _curved(p, x, weights):
    """Leave out the rows with less than a hundredth of the mean curvature: most rows, once a model fits well."""
    curvature = np.vecdot(weights, (p * (1 - p)).sum(axis=0))
    kept = curvature >= 0.01 * curvature.mean()
    return p[:, kept], x[kept], weights[kept]


def _gram(x, D):
    """Sum over rows of D x x', [d + 1, d + 1]."""
    if (D < 0).any():
        return x.T @ (D[:, None] * x)
    # BLAS computes a matrix times its own transpose at half the cost of a general product.
    root = np.sqrt(D)[:, None] * x
    return root.T @ root


def _probabilities(eta, hot):
    """Probability of each class from scores [K, B, m], in place; from margins, that of the wrong class."""
    if hot is None:
        np.exp(eta, out=eta)
        eta += 1
        return np.reciprocal(eta, out=eta)
    eta -= eta.max(axis=0)
    np.exp(eta, out=eta)
    eta /= eta.sum(axis=0)
    return eta


def _residuals(eta, hot, weights):
    """Weighted derivative of each point's loss by its scores, [K, B, m]; overwrites the scores."""
    p = _probabilities(eta, hot)
    if hot is None:
        np.negative(p, out=p)
    else:
        p -= hot
    p *= weights
    return p


def _losses(eta, hot):
    """Loss of each point: [B, m]."""
    if hot is None:
        return np.log1p(np.exp(-np.abs(eta[0]))) + np.maximum(-eta[0], 0)
    top = eta.max(axis=0)
    return np.log(np.exp(eta - top).sum(axis=0)) + top - (eta * hot).sum(axis=0)


def _inverse(H, penalty):
    """Inverse of one symmetric block plus the regulariser by Cholesky, or of its diagonal if Cholesky fails."""
    H[np.diag_indices_from(H)] += penalty + np.finfo(H.dtype).eps * max(np.trace(H), 1)
    factorise, invert = lapack.get_lapack_funcs(("potrf", "potri"), (H,))
    factor, failed = factorise(H)
    if failed:
        return np.diag(1 / np.abs(np.diag(H)))
    inverse = np.triu(invert(factor, overwrite_c=True)[0])
    return inverse + np.triu(inverse, 1).T


@dataclass(frozen=True)
class _Inverse:
    """The inverse of a Hessian, by diagonal blocks.

    Attributes
    ----------
    blocks : array [G, p / G, p / G]
    condition : float
        An upper bound of the Hessian's condition number, apart from the intercepts.
    """

    blocks: np.ndarray
    condition: float

    def astype(self, dtype: DTypeLike) -> _Inverse:
        """The same in another precision."""
        return _Inverse(self.blocks.astype(dtype), self.condition)

    def times(self, g: np.ndarray) -> np.ndarray:
        """Its product with every row of g."""
        G = len(self.blocks)
        if G == 1:
            return g @ self.blocks[0]
        return (g.reshape(len(g), G, -1).transpose(1, 0, 2) @ self.blocks).transpose(1, 0, 2).reshape(g.shape)


def _solve(problem, start, tolerance):
    """Minimise J for the models of one group, from start [m, K, d + 1]: new theta, J, decrement and steps."""
    theta, fast = start.reshape(len(start), -1).astype(np.float64), problem.astype(np.float32)
    descent = _WIDEST if not _is_full(problem.K, problem.x) else _ALONE if len(theta) == 1 else _TOGETHER
    theta, H0, steps = _descend(fast, theta, tolerance, descent)
    objective, decrement, d = _certify(problem, fast, theta, H0)
    missed = _short(objective, decrement, tolerance)
    d = d[missed]
    for _ in range(descent.refinements):
        if not missed.size or H0.condition > WORST_CONDITION:
            break
        theta[missed] -= d
        part = problem.of(missed)
        objective[missed], decrement[missed], d = _certify(part, part.astype(np.float32), theta[missed], H0)
        steps[missed] += 1
        short = _short(objective[missed], decrement[missed], tolerance)
        missed, d = missed[short], d[short]
    if missed.size:
        known = H0 if H0.condition <= WORST_CONDITION else None
        found = _descended(problem.of(missed), theta[missed], tolerance, known)
        theta[missed], objective[missed], decrement[missed], more = found
        steps[missed] += more
    return theta.reshape(start.shape), objective, decrement, steps


def _descended(problem, theta, tolerance, H0=None):
    """Minimise J in float64, from flat theta: theta, J, decrement and steps."""
    theta, H0, steps = _descend(problem, theta, tolerance, _EXACT, H0)
    return theta, *_certify(problem, problem, theta, H0)[:2], steps


def _short(objective, decrement, tolerance):
    """Models whose decrement is too large for a certificate."""
    return np.flatnonzero(~(decrement <= _CERTIFIED * tolerance * np.maximum(objective, 1.0)))


def _certify(problem, fast, theta, H0):
    """J of every model, half its squared Newton decrement, infinite if it cannot be computed, and Newton's step.

    The gradient is formed in float64, the products with each model's own Hessian in float32 if its condition allows.
    """
    if H0.condition > WORST_CONDITION:
        fast, H0 = problem, problem.inverse_hessian(theta)
    dtype, share = fast.weights.dtype, 0.05 if len(H0.blocks) == 1 else 1e-4
    J, g = problem.evaluate(theta)
    size = np.maximum(np.abs(g).max(axis=1), np.finfo(float).tiny)
    # Near the minimum the gradient is tiny; scaled to 1 its squares do not underflow in float32.
    g = (g / size[:, None]).astype(dtype)
    d, squared = _conjugate_gradients(fast, theta.astype(dtype), g, H0.astype(dtype), share)
    return J, 0.5 * size**2 * squared, size[:, None] * d


def _conjugate_gradients(problem, theta, g, H0, share):
    """H^-1 g with every model's own Hessian H, preconditioned with H0, and g' H^-1 g, [m].

    With the current solution d and residual r, g'd + r'H0 r estimates g' H^-1 g. The estimate is accepted once its
    second term is at most `share` of the first; it is infinite for models where this does not happen.
    """
    d, r, z = np.zeros_like(g), g, H0.times(g)
    v, rz, reached = z, np.vecdot(g, z), np.zeros(len(g), g.dtype)
    for _ in range(MOST_PRODUCTS):
        Hv = problem.product(theta, v)
        alpha = _ratio(rz, np.vecdot(v, Hv))[:, None]
        d, r = d + alpha * v, r - alpha * Hv
        reached, before = reached + alpha[:, 0] * rz, rz
        z = H0.times(r)
        rz = np.vecdot(r, z)
        settled = np.abs(rz) <= share * reached
        if settled.all():
            break
        v = z + _ratio(rz, before)[:, None] * v
    return d, np.where(settled, reached + rz, np.inf)


def _ratio(a, b):
    """A / b, and 0 where b is not positive."""
    return np.where(b > 0, a / np.where(b > 0, b, 1), 0).astype(a.dtype)


def _descend(problem, theta, tolerance, descent, H0=None):
    """Minimise J of all models in lockstep, in the problem's precision: theta in float64, the last H0, and steps [m].

    H0 starts as the inverse of the models' mean Hessian unless one is given.
    """
    dtype = problem.weights.dtype.type
    theta = theta.astype(dtype)
    J, g = problem.evaluate(theta)
    end, steps, size = descent.share * tolerance * np.maximum(J, 1.0), np.zeros(len(theta)), np.ones(len(theta), dtype)
    H0 = H0 or problem.inverse_hessian(theta)
    directions = descent.rule(problem, H0)
    for step in range(descent.most_steps):
        direction = -directions.apply(theta, g)
        slope = np.vecdot(direction, g)
        open_ = -0.5 * slope > end
        if not open_.any():
            break
        if step in descent.refresh:
            H0 = problem.of(np.flatnonzero(open_)).inverse_hessian(theta[open_])
            directions = descent.rule(problem, H0)
            direction = -directions.apply(theta, g)
            slope = np.vecdot(direction, g)
        # J is convex: a slope at the trial point of at most 0.9 times the first one's size bounds the overshoot, so J
        # itself, which float32 could not resolve near the minimum, need not be evaluated.
        trial = theta + np.where(open_, size, 0)[:, None] * direction
        g_trial = problem.gradient(trial)
        ahead = np.vecdot(direction, g_trial)
        taken = open_ & (ahead <= -0.9 * slope)
        directions.add(taken, trial - theta, g_trial - g)
        shorter = np.clip(slope / np.minimum(slope - ahead, -np.finfo(dtype).tiny), 0.1, 0.5)
        size = np.where(taken, np.minimum(3 * size, 1), size * shorter).astype(dtype)
        theta, g = np.where(taken[:, None], trial, theta), np.where(taken[:, None], g_trial, g)
        steps += open_
    return theta.astype(np.float64), H0, steps


class _TruncatedNewton:
    """Newton steps with each model's own Hessian, by conjugate gradients."""

    def __init__(self, problem: _Problem, H0: _Inverse) -> None:
        self.problem, self.H0 = problem, H0.astype(problem.weights.dtype)

    def add(self, taken: np.ndarray, s: np.ndarray, y: np.ndarray) -> None:
        """Ignore the step: the directions use exact Hessians."""

    def apply(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Inverse Hessian times g: [m, p]."""
        return _conjugate_gradients(self.problem, theta, g, self.H0, 0.03)[0]


class _LBFGS:
    """An approximate inverse Hessian for each of m models: H0 and the latest L-BFGS pairs."""

    def __init__(self, problem: _Problem, H0: _Inverse, memory: int) -> None:
        self.H0, self.memory, self.pairs = H0.astype(problem.weights.dtype), memory, []

    def add(self, taken: np.ndarray, s: np.ndarray, y: np.ndarray) -> None:
        """Keep a pair for the models that took the step."""
        self.pairs = [
            *self.pairs[1 - self.memory :],
            (s, y, np.where(taken, _ratio(np.ones_like(s[:, 0]), np.vecdot(s, y)), 0)),
        ]

    def apply(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Its product with g, by the two-loop recursion: [m, p]."""
        del theta
        q, alphas = g.copy(), []
        for s, y, rho in reversed(self.pairs):
            alpha = rho * np.vecdot(s, q)
            q -= alpha[:, None] * y
            alphas.append(alpha)
        z = self.H0.times(q)
        for (s, y, rho), alpha in zip(self.pairs, reversed(alphas), strict=True):
            z += (alpha - rho * np.vecdot(y, z))[:, None] * s
        return z


@dataclass(frozen=True)
class _Descent:
    """Settings of `_descend`.

    Attributes
    ----------
    rule : callable
        (problem, H0) -> the directions of the steps.
    share : float
        Steps end when their own estimate of the decrement is this share of the tolerance; a poor H0 makes the estimate
        far too low.
    refresh : tuple of int
        Steps at which H0 is computed anew, as `engines.REFRESH`.
    most_steps : int
    refinements : int
        Newton steps from a gradient in float64, before a model that misses its tolerance descends in float64.
    """

    rule: object
    share: float
    refresh: tuple = REFRESH
    most_steps: int = MOST_STEPS
    refinements: int = 0


_EXACT = _Descent(_TruncatedNewton, 0.001)
_ALONE = _Descent(partial(_LBFGS, memory=10), 0.1)
_TOGETHER = _Descent(partial(_LBFGS, memory=10), 0.1, (9, 25), refinements=2)
_WIDEST = _Descent(_TruncatedNewton, 0.1)


def _is_full(K, x):
    """Whether an inverse Hessian is full."""
    return K == 1 or (K * x.shape[1] <= LARGEST_FULL and K <= MOST_CLASSES)
