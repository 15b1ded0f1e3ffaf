r"""Hessians of linear heads and of Keras networks as products with vectors, and inverse products.

Both are Hessians of a mean over points, :math:`H = \frac 1N \sum_i w_i \nabla^2 \ell(z_i)` and the regulariser's share,
as in Lee et al. (2020, equation 9). Influence on the validation loss needs
:math:`S = (H + \lambda I)^{-1} \nabla L_{val}`, by Cholesky where H fits into memory, by conjugate gradients, or by
LiSSA where even one product over all points is too much. Vectors are flat, float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_solve
from scipy.sparse.linalg import LinearOperator, cg
from scipy.special import expit, softmax

from . import heads
from .backend import keras
from .errors import InputError
from .gradients import compiled, directional_derivatives, gradient, hessian_vector_product, of_variables
from .influence import factor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .types import Tensor

LARGEST_DENSE = 6000
"""Parameters of a head up to which its Hessian is formed and factored."""

ops = keras.ops


def conjugate_gradients(
    product: Callable[[np.ndarray], np.ndarray],
    g: np.ndarray,
    damping: float = 0.0,
    tolerance: float = 1e-6,
    most_steps: int = 1000,
) -> np.ndarray:
    """(H + damping I)^-1 g by conjugate gradients: [p].

    Parameters
    ----------
    product : callable
        v [p] -> H v [p].
    g : array [p]
    damping : float
    tolerance : float
        Of the residual's norm, as a share of g's; products in float32 carry it to about 1e-6.
    most_steps : int
        One product each.

    Raises
    ------
    InputError
        Negative curvature, or the tolerance not reached.
    """

    def damped(v):
        Hv = product(v) + damping * v
        if not v @ Hv > 0:
            raise InputError(f"The Hessian is not positive definite with damping = {damping:g}; use a larger damping.")
        return Hv

    g = np.asarray(g, dtype=np.float64)
    S, missed = cg(LinearOperator((len(g),) * 2, damped, dtype=g.dtype), g, rtol=tolerance, maxiter=most_steps)
    if missed:
        raise InputError(
            f"Conjugate gradients did not reach the tolerance {tolerance:g} in {most_steps} steps with "
            f"damping = {damping:g}; allow more steps, or use a larger tolerance or damping."
        )
    return S


@dataclass(frozen=True)
class Lissa:
    """How `lissa` estimates.

    Attributes
    ----------
    seed : int
    scale : float
        Must exceed the largest eigenvalue of the damped Hessian, and of most batches' (of the former,
        ``scipy.sparse.linalg.eigsh`` finds it from a few products).
    depth : int
        Steps a repeat; S along an eigenvector of eigenvalue a is found when a * depth / scale is some times 1.
    repeats : int
        Estimates that are averaged.
    tolerance : float
        How far S, as the mean over the second half of the steps, may be from the mean over the second quarter, as a
        share of its norm.
    """

    seed: int
    scale: float
    depth: int = 1000
    repeats: int = 4
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        if not (0 < self.scale < np.inf and self.tolerance > 0):
            raise InputError(f"scale and tolerance must be positive, not {self.scale} and {self.tolerance}.")
        if self.depth < 2 or self.repeats < 1:
            raise InputError(f"depth must be 2 or more and repeats 1 or more, not {self.depth} and {self.repeats}.")


def lissa(
    sampled: Callable[[np.ndarray, np.random.Generator], np.ndarray], g: np.ndarray, damping: float, settings: Lissa
) -> np.ndarray:
    """(H + damping I)^-1 g by stochastic estimation: [p].

    S_j = g + (I - (H_j + damping I) / scale) S_{j-1}, with H_j the Hessian of a few points drawn anew, tends to scale
    times the solution (Agarwal et al., 2016, as in Koh & Liang, 2017, section 3). They take the last S_j; the mean over
    the second half of the steps, taken here, has far less of the draws' noise (Polyak & Juditsky, 1992).

    Parameters
    ----------
    sampled : callable
        v [p], numpy.random.Generator -> H_j v [p], whose mean over draws is H v.
    g : array [p]
    damping : float
    settings : Lissa

    Raises
    ------
    InputError
        The recursion diverges, or has not settled in the end.
    """
    g = np.asarray(g, dtype=np.float64)
    generators = map(np.random.default_rng, np.random.SeedSequence(settings.seed).spawn(settings.repeats))
    before, S = np.mean([_recursion(sampled, g, damping, settings, rng) for rng in generators], axis=0)
    moved, size = np.linalg.norm(S - before), np.linalg.norm(S)
    if moved > settings.tolerance * size:
        raise InputError(
            f"LiSSA has not settled: S still moves by {moved / size:.2g} of its norm after {settings.depth} steps; use "
            "more depth, more repeats, larger batches or a larger damping."
        )
    return S / settings.scale


def _recursion(sampled, g, damping, settings, rng):
    """Means of S_j over the second quarter and over the second half of the steps: [2, p]."""
    S, size, means = g, np.linalg.norm(g), np.zeros((2, len(g)))
    quarter, half, depth = settings.depth // 4, settings.depth // 2, settings.depth
    for step in range(1, depth + 1):
        S = g + S - (sampled(S, rng) + damping * S) / settings.scale
        # Where no factor lengthens a vector, each step adds at most the norm of g.
        if not np.linalg.norm(S) <= (step + 1) * size * (1 + 1e-9):
            raise InputError(
                f"LiSSA diverges (step {step}) with scale = {settings.scale:g} and damping = {damping:g}; use a larger "
                "scale, above the largest eigenvalue, or a larger damping where eigenvalues are negative."
            )
        if step > quarter:
            means[int(step > half)] += S
    return means / [[half - quarter], [depth - half]]


@dataclass(frozen=True)
class HeadHessian:
    """Hessian of a linear head's objective J (`influaug.heads`) divided by N, the sum of the weights.

    Attributes
    ----------
    theta : array [K, d + 1]
        The head's parameters, at the minimiser of J.
    x : array [n, d + 1]
        Features with the constant column.
    weights : array [n]
    C : float
    batch_size : int
        Points a draw of `sampled`.
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
        """The matrix: [K (d + 1), K (d + 1)]."""
        return heads.hessian(self.x, self.theta, self.weights, self.C) / self.N

    def product(self, v: np.ndarray) -> np.ndarray:
        """H v, without forming H: [K (d + 1)]."""
        return self._product(v, slice(None), self.weights / self.N)

    def sampled(self, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """H_j v for points drawn with replacement, as often as they weigh; its mean over draws is H v."""
        drawn = rng.choice(len(self.x), self.batch_size, p=self.weights / self.N)
        return self._product(v, drawn, np.full(self.batch_size, 1 / self.batch_size))

    def solve(self, g: np.ndarray, damping: float = 0.0) -> np.ndarray:
        """(H + damping I)^-1 g: by Cholesky up to `LARGEST_DENSE` parameters, else by conjugate gradients.

        Raises
        ------
        InputError
            The damped Hessian is not positive definite, or conjugate gradients do not converge.
        """
        if self.theta.size <= LARGEST_DENSE:
            return cho_solve((factor(self.dense(), damping), True), g)
        return conjugate_gradients(self.product, g, damping)

    def _product(self, v, rows, shares):
        x, V = self.x[rows], v.reshape(self.theta.shape)
        Hv = V * heads.penalty(V.shape[1], len(V), self.C).reshape(V.shape) / self.N
        eta, s = x @ self.theta.T, x @ V.T
        if len(V) == 1:
            s *= expit(eta) * expit(-eta)
        else:
            p = softmax(eta, axis=1)
            s = p * (s - (p * s).sum(axis=1, keepdims=True))
            # The unit curvature of `heads.hessian` where all intercepts move together.
            Hv[:, -1] += V[:, -1].mean() / self.N
        return (Hv + (shares[:, None] * s).T @ x).ravel()


class NetworkHessian:
    """Hessian of a Keras network's training objective: the mean loss over points and the weights' own penalties.

    The network is called as it predicts (``training=False``), with the values that its variables have at the time.

    Parameters
    ----------
    model : keras.Model
        Built.
    loss : callable
        Labels [b], outputs [b, ...] -> losses [b]: a keras.losses.Loss with ``reduction=None``, say.
    points : tuple of arrays [n, ...]
        Inputs and labels, those that were trained on.
    batch_size : int
        Points that pass through the network at a time, and points a draw of `sampled`.
    variables : list of keras.Variable, optional
        By which to differentiate, p numbers in all (default: the trainable ones).
    """

    def __init__(
        self,
        model: keras.Model,
        loss: Callable[[Tensor, Tensor], Tensor],
        points: tuple[np.ndarray, np.ndarray],
        batch_size: int = 128,
        variables: Sequence[keras.Variable] | None = None,
    ) -> None:
        self.model, self.loss, self.batch_size = model, loss, batch_size
        self.points = _checked(points)
        self.variables = list(model.trainable_variables if variables is None else variables)
        mine = {id(variable) for variable in self.variables}
        self._fixed = [variable for variable in model.variables if id(variable) not in mine]
        self._compiled = {
            part: compiled(part) for part in (self._batch_gradient, self._batch_product, self._batch_derivatives)
        }

    def gradient(self, points: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """Gradient of the mean loss over points (inputs, labels), penalties left out: [p]."""
        return self._mean(self._batch_gradient, _checked(points))

    def product(self, v: np.ndarray) -> np.ndarray:
        """H v, over all points: [p]."""
        return self._mean(self._batch_product, self.points, v)

    def sampled(self, v: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """H_j v for a batch of points drawn without replacement; its mean over draws is H v."""
        n = len(self.points[0])
        drawn = rng.choice(n, min(self.batch_size, n), replace=False)
        batch = [array[drawn] for array in self.points]
        return self._call(self._batch_product, batch, v)

    def up_loss(self, S: np.ndarray, points: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """I_up,loss of each point (inputs, labels) on the validation loss, -S . g_i, see `influaug.influence`: [n].

        Parameters
        ----------
        S : array [p]
            (H + damping I)^-1 times the `gradient` of the validation points.
        points : tuple of arrays [n, ...]
        """
        parts = [self._call(self._batch_derivatives, batch, S) for batch in self._batches(_checked(points))]
        return -np.concatenate(parts)

    def _mean(self, part, points, *vectors):
        parts = [len(batch[0]) * self._call(part, batch, *vectors) for batch in self._batches(points)]
        return np.sum(parts, axis=0) / len(points[0])

    def _batches(self, points):
        starts = range(0, len(points[0]), self.batch_size)
        return [[array[start : start + self.batch_size] for array in points] for start in starts]

    def _call(self, part, batch, *vectors):
        """Result of a compiled part, flat."""
        values, fixed = [[variable.value for variable in some] for some in (self.variables, self._fixed)]
        batch = [ops.convert_to_tensor(array) for array in batch]
        return _flat(self._compiled[part](values, fixed, batch, *[self._split(v) for v in vectors]))

    def _split(self, v):
        """A flat vector as tensors of the variables' shapes."""
        shapes = [tuple(variable.shape) for variable in self.variables]
        parts = np.split(v, np.cumsum([np.prod(shape, dtype=int) for shape in shapes])[:-1])
        return [
            ops.convert_to_tensor(part.reshape(shape), dtype=variable.dtype)
            for part, shape, variable in zip(parts, shapes, self.variables, strict=True)
        ]

    def _losses(self, fixed, batch):
        """Losses [b] as a function of the variables' values."""
        inputs, labels = batch

        def losses():
            found = self.loss(labels, self.model(inputs, training=False))
            if tuple(found.shape) != tuple(labels.shape[:1]):
                raise InputError("loss must give one number a point; a Keras loss does with reduction=None.")
            return found

        of_values = of_variables(losses, [*self.variables, *self._fixed])
        return lambda values: of_values([*values, *fixed])

    def _batch_gradient(self, values, fixed, batch):
        losses = self._losses(fixed, batch)
        return gradient(lambda values: ops.mean(losses(values)), values)

    def _batch_product(self, values, fixed, batch, v):
        losses = self._losses(fixed, batch)

        def objective(values):
            mean, parts = ops.mean(losses(values)), zip(self.variables, values, strict=True)
            penalties = [ops.sum(variable.regularizer(value)) for variable, value in parts if variable.regularizer]
            return mean + sum(ops.cast(penalty, mean.dtype) for penalty in penalties)

        return hessian_vector_product(objective, values, v)

    def _batch_derivatives(self, values, fixed, batch, v):
        return [directional_derivatives(self._losses(fixed, batch), values, v)]


def _flat(tensors):
    return np.concatenate([np.ravel(ops.convert_to_numpy(tensor)).astype(np.float64) for tensor in tensors])


def _checked(points):
    inputs, labels = points
    if len(inputs) != len(labels) or not len(labels):
        raise InputError(f"points must be inputs and labels of one length, not {len(inputs)} and {len(labels)}.")
    return np.asarray(inputs), np.asarray(labels)
