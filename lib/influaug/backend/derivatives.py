"""Derivatives on Keras's backend, be it TensorFlow, JAX or PyTorch; nothing else needs to know which.

A function to differentiate takes tensors; `of_variables` makes one of what reads Keras variables. All derivatives come
from `gradient`, whose result can be differentiated again. The functions must leave no trace: on JAX, whatever they
write to a variable (statistics of a batch normalisation in training, say) would outlive the tracing that made it.
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
    """Gradient of a scalar function of a list of tensors: a list of tensors of their shapes, zero where unconnected.

    Parameters
    ----------
    function : callable
        List of tensors -> scalar tensor.
    tensors : list
        Tensors, Keras variables or arrays of a floating dtype.

    Raises
    ------
    InputError
        Keras's backend has no gradients.
    """
    backend = keras.config.backend()
    if backend not in _GRADIENTS:
        raise InputError(f"Keras's backend is {backend!r}; gradients need 'tensorflow', 'jax' or 'torch'.")
    return _GRADIENTS[backend](function, [_tensor(tensor) for tensor in tensors])


def hessian_vector_product(function: Function, tensors: Sequence[Tensor], vectors: Sequence[Tensor]) -> list[Tensor]:
    """Hessian of a scalar function times a vector, both given as lists of tensors of the same shapes.

    The gradient's product with the vector is differentiated (Pearlmutter, 1994, by two reverse passes): it takes the
    time of a few gradients.
    """
    return gradient(lambda values: _dot(gradient(function, values), vectors), tensors)


def directional_derivatives(function: Function, tensors: Sequence[Tensor], vectors: Sequence[Tensor]) -> Tensor:
    """Derivative of each of a function's n values along a direction: [n].

    Parameters
    ----------
    function : callable
        List of tensors -> tensor [n].
    tensors, vectors : list
        Where, and along what; the same shapes.

    Notes
    -----
    Weigh the values with u. The gradient's product with the direction is linear in u, and its gradient by u is what is
    wanted: n derivatives for the price of two gradients, with reverse passes alone.
    """

    def along(weights):
        return _dot(gradient(lambda values: ops.sum(weights[0] * function(values)), tensors), vectors)

    return gradient(along, [ops.zeros_like(function([_tensor(tensor) for tensor in tensors]))])[0]


def input_gradient(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Gradient by the inputs of a function's sum over its outputs: a tensor of the inputs' shape.

    For a network that treats points one by one, such as a critic without batch normalisation, row i is the gradient of
    output i by point i, as a gradient penalty asks for (Gulrajani et al., 2017, equation 3). It can be differentiated
    by the network's weights, and be called in ``compute_loss`` while `fit` trains on any of the backends.

    Parameters
    ----------
    function : callable
        Tensor [n, ...] -> tensor.
    inputs : tensor [n, ...]
    """
    return gradient(lambda values: ops.sum(function(values[0])), [inputs])[0]


def of_variables(function: Callable[[], Tensor], variables: Sequence[keras.Variable]) -> Function:
    """What reads Keras variables as a function of their values.

    Parameters
    ----------
    function : callable
        No arguments -> tensor. It must read no other variables where it is traced with values for those, as in
        ``compute_loss`` on JAX.
    variables : list of keras.Variable

    Returns
    -------
    callable
        List of tensors, one a variable -> tensor. The variables keep their own values.
    """

    def of_values(values):
        with keras.StatelessScope(list(zip(variables, values, strict=True))):
            return function()

    return of_values


def compiled(function: Callable) -> Callable:
    """A function of tensors as the backend runs it fastest when it is called often with the same shapes."""
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.config.backend() == "tensorflow":
        import tensorflow

        return tensorflow.function(function, autograph=False, reduce_retracing=True)
    return function


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
    # Of what was gathered from, TensorFlow gives the rows alone.
    return [tensorflow.convert_to_tensor(each) for each in found]


def _jax(function, tensors):
    import jax

    return jax.grad(function)(tensors)


def _torch(function, tensors):
    import torch

    # Keras evaluates without gradients.
    with torch.enable_grad():
        tensors = [t if t.requires_grad else t.detach().requires_grad_() for t in tensors]
        value = function(tensors)
        if not value.requires_grad:
            return [torch.zeros_like(t) for t in tensors]
        return list(torch.autograd.grad(value, tensors, create_graph=True, materialize_grads=True))


_GRADIENTS = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
