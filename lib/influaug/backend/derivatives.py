"""Derivatives on Keras's backend (TensorFlow, JAX or PyTorch), with one interface for all three.

A function to differentiate takes tensors; `of_variables` turns a function that reads Keras variables into such a
function. All derivatives come from `gradient`, whose result can be differentiated again. The functions must have no
side effects: on JAX a value that they write to a variable (batch normalisation's statistics in training, say) would be
a tracer that outlives its trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InputError
from . import keras

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._types import Function, Tensor

ops = keras.ops


def gradient(function: Function, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Gradient of a scalar function of a list of tensors: a list of tensors of the same shapes.

    The gradient by a tensor that the function does not depend on is zero.

    Parameters
    ----------
    function : callable
        List of tensors -> scalar tensor.
    tensors : list
        Tensors, Keras variables or arrays of a floating dtype.

    Raises
    ------
    InputError
        Keras's backend is not one of TensorFlow, JAX and PyTorch.
    """
    backend = keras.config.backend()
    if backend not in _GRADIENTS:
        raise InputError(f"Keras's backend is {backend!r}; gradients need 'tensorflow', 'jax' or 'torch'.")
    return _GRADIENTS[backend](function, [_tensor(tensor) for tensor in tensors])


def hessian_vector_product(function: Function, tensors: Sequence[Tensor], vectors: Sequence[Tensor]) -> list[Tensor]:
    """Hessian of a scalar function times a vector; vector and result are lists of tensors shaped like `tensors`.

    It is the gradient of the gradient's product with the vector (Pearlmutter, 1994, by two reverse passes), and takes
    the time of a few gradients.
    """
    return gradient(lambda values: _dot(gradient(function, values), vectors), tensors)


def directional_derivatives(function: Function, tensors: Sequence[Tensor], vectors: Sequence[Tensor]) -> Tensor:
    """Derivative of each of a function's n values along a direction: [n].

    Parameters
    ----------
    function : callable
        List of tensors -> tensor [n].
    tensors, vectors : list
        The point and the direction, in the same shapes.

    Notes
    -----
    Weight the values with u. The gradient's product with the direction is linear in u, and its gradient by u is the
    vector of the n directional derivatives: they cost two gradients, by reverse passes only.
    """

    def along(weights):
        return _dot(gradient(lambda values: ops.sum(weights[0] * function(values)), tensors), vectors)

    return gradient(along, [ops.zeros_like(function([_tensor(tensor) for tensor in tensors]))])[0]


def input_gradient(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Gradient by the inputs of the sum of a function's outputs: a tensor of the inputs' shape.

    If the network treats points separately, as a critic without batch normalisation does, row i is the gradient of
    output i by point i, which a gradient penalty needs (Gulrajani et al., 2017, equation 3). The result can be
    differentiated by the network's weights, and the function can be called in ``compute_loss`` during `fit` on all
    backends.

    Parameters
    ----------
    function : callable
        Tensor [n, ...] -> tensor.
    inputs : tensor [n, ...]
    """
    return gradient(lambda values: ops.sum(function(values[0])), [inputs])[0]


def of_variables(function: Callable[[], Tensor], variables: Sequence[keras.Variable]) -> Function:
    """Turn a function that reads Keras variables into a function of their values.

    Parameters
    ----------
    function : callable
        No arguments -> tensor. Where the variables are traced, as in ``compute_loss`` on JAX, it must read no others.
    variables : list of keras.Variable

    Returns
    -------
    callable
        List of tensors, one for each variable -> tensor. The variables keep their own values.
    """

    def of_values(values):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function()

    return of_values


def _dot(tensors, others):
    products = [ops.sum(a * ops.cast(b, a.dtype)) for a, b in zip(tensors, others, strict=True)]
    return sum(products[1:], products[0])


def _tensor(array):
    return ops.convert_to_tensor(array.value if isinstance(array, keras.Variable) else array)


def _tensorflow(function, tensors):
    import tensorflow

    tensors = [tensorflow.convert_to_tensor(tensor) for tensor in tensors]
    with tensorflow.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(tensors)
        value = function(tensors)
    found = tape.gradient(value, tensors, unconnected_gradients=tensorflow.UnconnectedGradients.ZERO)
    # For tensors that `gather` reads, TensorFlow returns IndexedSlices; the conversion makes them dense.
    return [tensorflow.convert_to_tensor(each) for each in found]


def _jax(function, tensors):
    import jax

    return jax.grad(function)(tensors)


def _torch(function, tensors):
    import torch

    # Keras evaluates and predicts with gradients disabled on PyTorch.
    with torch.enable_grad():
        tensors = [t if t.requires_grad else t.detach().requires_grad_() for t in tensors]
        value = function(tensors)
        if not value.requires_grad:
            return [torch.zeros_like(t) for t in tensors]
        # With the graph of the derivative (create_graph) the result can be differentiated again.
        return list(torch.autograd.grad(value, tensors, create_graph=True, materialize_grads=True))


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
