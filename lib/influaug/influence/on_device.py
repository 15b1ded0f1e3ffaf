"""Leave-one-out influence on the device of Keras's backend, for heads so large that a GPU saves time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..backend import compiled, full_precision, keras
from ..solver import heads
from ..solver.accelerated import in_blocks, tensor, weighted_grams
from .inverse import factor

if TYPE_CHECKING:
    from ..solver.heads import Head

ops = keras.ops


def self_influence(head: Head, n: int, C: float, damping: float = 0.0) -> np.ndarray:
    """Leave-one-out influence g' H^-1 g of each of the first n rows of a fitted head, in float64: [n].

    The device computes the Hessian and the norms. The CPU factors the Hessian, so that `inverse.factor` refuses a
    singular one with its usual error.

    Parameters
    ----------
    head : influaug.solver.heads.Head
    n : int
    C : float
        Inverse regularisation strength of the Hessian, as in `heads.hessian`.
    damping : float
        Added to the Hessian's diagonal.

    Raises
    ------
    InputError
        The damped Hessian is not positive definite.
    """
    k, width = head.theta.shape
    a, b = np.triu_indices(k)
    D = head.weights[:, None, None] * heads.curvature(head.x, head.theta)
    H = np.zeros((k, width, k, width))
    with full_precision():
        grams = weighted_grams(tensor(head.x, "float64"), tensor(D[:, a, b].T, "float64"))
        H[a, :, b, :] = ops.convert_to_numpy(grams)
        L = tensor(factor(heads.completed(H, C), damping), "float64")
        r = heads.residuals(head.x[:n], head.labels[:n], head.theta)
        parts = zip(tensor(in_blocks(r), "float64"), tensor(in_blocks(head.x[:n]), "float64"), strict=True)
        norms = [ops.convert_to_numpy(_inverse_norms(L, *part)) for part in parts]
    return np.concatenate(norms)[:n]


@compiled
def _inverse_norms(L, r, x):
    """Squared norm g' (L L')^-1 g of every row's gradient g, the outer product of r [B, K] and x [B, d + 1]: [B]."""
    g = ops.reshape(r[:, :, None] * x[:, None, :], (ops.shape(x)[0], -1))
    return ops.sum(ops.square(ops.solve_triangular(L, ops.transpose(g), lower=True)), axis=0)
