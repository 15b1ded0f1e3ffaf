r"""Hessian of a whole Keras network's training objective, as products with vectors.

The objective is the *mean* over points plus the penalties on the network's weights, so that
:math:`H = \frac 1N \sum_i w_i \nabla^2 \ell(z_i)` plus the penalties' Hessian. Influence on the validation loss needs
:math:`S = (H + \lambda I)^{-1} \nabla L_{val}`: `inverse.conjugate_gradients` takes `NetworkHessian.product`, and
`inverse.lissa` takes `NetworkHessian.sampled`. Vectors are flat, float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..backend import compiled, keras
from ..backend.derivatives import directional_derivatives, gradient, hessian_vector_product, of_variables
from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._types import Tensor


ops = keras.ops


class NetworkHessian:
    """Hessian of a Keras network's training objective: the mean loss over points and the weights' own penalties.

    The network is called in prediction mode (``training=False``), with the values of its variables at the time of the
    call.

    Parameters
    ----------
    model : keras.Model
        A built model.
    loss : callable
        Labels [b], outputs [b, ...] -> losses [b], such as a keras.losses.Loss with ``reduction=None``.
    points : tuple of arrays [n, ...]
        Inputs and labels of the training points.
    batch_size : int
        Number of points that pass through the network at a time, and in a draw of `sampled`.
    variables : list of keras.Variable, optional
        Variables of the derivatives, p numbers in all (default: the trainable variables).
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
        # Fixed variables are passed as arguments too: on JAX a compiled function would keep their values as constants.
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
        """I_up,loss of each point (inputs, labels) on the validation loss, -S . g_i: [n].

        `influaug.influence.validation` states the formula and its sign.

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
        """Split a flat vector into tensors of the variables' shapes."""
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
