r"""Influence of training points in closed form, for linear (logistic or softmax) heads.

The gradient of a point's loss by such a head's parameters is the outer product of its residual and its features,
:math:`g_i = r_i \otimes x_i`, so that the leave-one-out influence of Kuchnik & Smith (2019, equation 1),

.. math:: |\mathcal I_{LOO}(z_i)| = g_i^\top H^{-1} g_i = r_i^2\, x_i^\top H^{-1} x_i \ge 0
    \quad\text{(two classes)},

needs one Cholesky factorisation and one triangular solve for all points. H is the Hessian of the regularised
objective that was minimised: a sum over points, not a mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import lapack
from scipy.linalg.blas import dtrmm
from scipy.special import log_expit

from ..solver.heads import blocks, class_blocks, hessian, residuals
from .inverse import factor

if TYPE_CHECKING:
    from ..solver.heads import Head


def point_gradients(x: np.ndarray, labels: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Gradient of each point's unweighted loss by the flattened parameters: [n, K (d + 1)]."""
    r = residuals(x, labels, theta)
    return (r[:, :, None] * x[:, None, :]).reshape(len(x), -1)


def self_influence(x: np.ndarray, labels: np.ndarray, theta: np.ndarray, L: np.ndarray) -> np.ndarray:
    """Leave-one-out influence of each point on its own loss, sign dropped: g' H^-1 g >= 0, [n].

    Parameters
    ----------
    x : array [n, d + 1]
        Features with the constant column.
    labels : int array [n]
    theta : array [K, d + 1]
        The head's parameters, at the minimiser of the objective whose Hessian is L L'.
    L : array [K (d + 1), K (d + 1)]
        Lower Cholesky factor of the Hessian, from `factor`.

    Notes
    -----
    Kuchnik & Smith (2019), equation 1; the paper drops the sign as well. The cost is one triangular solve with n
    right-hand sides.
    """
    if len(theta) == 1:
        return residuals(x, labels, theta)[:, 0] ** 2 * _inverse_norms(x, L)
    return np.concatenate([_inverse_norms(point_gradients(x[b], labels[b], theta), L) for b in blocks(len(x))])


def self_influence_by_class(head: Head, n: int, C: float, damping: float = 0.0) -> np.ndarray:
    r"""Leave-one-out influence of the first n rows with the Hessian's blocks between classes left out: [n].

    .. math:: \sum_k r_{ik}^2\, x_i^\top H_{kk}^{-1} x_i, \qquad
        H_{kk} = \sum_j w_j\, p_{jk} (1 - p_{jk})\, x_j x_j^\top + \tfrac1C I_W.

    For softmax heads whose Hessian [K (d + 1), K (d + 1)] is too large: nothing larger than [d + 1, d + 1] and a block
    of rows is formed, in time K n d^2. Against `self_influence`, on ten classes of digits in 64 and 50 dimensions at C
    = 0.1 and 10, rank correlations were at least .9998, 96% to 100% of the highest twentieth were the same points, and
    scores were 12% to 20% larger, with a spread of 4% to 11%.

    Parameters
    ----------
    head : Head
        Of three classes or more.
    n : int
        Number of points to score.
    C : float
        As in `influaug.solver.heads.hessian`; infinite without the regulariser, which needs damping.
    damping : float

    Raises
    ------
    InputError
        A damped block is not positive definite.
    """
    r2, total = residuals(head.x[:n], head.labels[:n], head.theta) ** 2, np.zeros(n)
    for k, H in enumerate(class_blocks(head.x, head.theta, head.weights, C)):
        total += r2[:, k] * _inverse_norms(head.x[:n], factor(H, damping))
    return total


def _inverse_norms(g, L):
    """Squared norm g' (L L')^-1 g of every row of g: [n]."""
    # Inverting L once and multiplying takes half the time of a triangular solve with so many right-hand sides.
    inverse, _ = lapack.dtrtri(L, lower=1)
    solved = (dtrmm(1.0, inverse, g[rows].T, lower=1) for rows in blocks(len(g)))
    return np.concatenate([np.einsum("pn,pn->n", v, v) for v in solved])


def leave_one_out_loss_change(
    x: np.ndarray, labels: np.ndarray, theta: np.ndarray, weights: np.ndarray, C: float
) -> np.ndarray:
    """Predict the rise of each point's own loss when the point is left out of the fit: [n]. Two classes only.

    The prediction takes one Newton step on the objective without the point. Leaving a point out also removes its share
    w c x x' of the Hessian, which first-order influence ignores. By the Sherman-Morrison formula the point's linear
    score moves by w r h / (1 - w c h), with leverage h = x' H^-1 x and curvature c (Pregibon, 1981), and the loss is
    evaluated at the moved score.
    """
    L = factor(hessian(x, theta, weights, C))
    h = _inverse_norms(x, L)
    r = residuals(x, labels, theta)[:, 0]
    c = np.abs(r) * (1 - np.abs(r))
    eta = x @ theta[0]
    sign = np.where(labels == 1, 1.0, -1.0)
    moved = eta + weights * r * h / (1 - weights * c * h)
    return log_expit(sign * eta) - log_expit(sign * moved)
