r"""Linear scores of each point under the head that is fitted without it, for all points at once.

Leaving a point out moves the parameters, by one Newton step, by
:math:`(H - w_i\,D_i \otimes x_i x_i^\top)^{-1} w_i g_i`, with :math:`g_i = r_i \otimes x_i` the gradient of its loss
and :math:`D_i` the curvature by its K scores. By the Woodbury formula its own scores then move by

.. math:: \eta_{-i} - \eta_i = (I - w_i G_i D_i)^{-1} w_i G_i r_i, \qquad
    G_i = (I \otimes x_i)^\top H^{-1} (I \otimes x_i) \in \mathbb R^{K \times K},

so that one inverse of H serves all points. For two classes this is Pregibon's formula (1981), of which
`influaug.influence.leave_one_out.leave_one_out_loss_change` takes the loss; for a smooth loss and a ridge penalty in
general it is the approximate leave-one-out of Rad & Maleki (2020).
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, softmax

from ..solver.heads import blocks, curvature, hessian, residuals
from .inverse import factor


def left_out_scores(x: np.ndarray, labels: np.ndarray, theta: np.ndarray, weights: np.ndarray, C: float) -> np.ndarray:
    """Linear scores of each point, predicted for a fit without it: [n, K].

    Parameters
    ----------
    x : array [n, d + 1]
        Features with the constant column.
    labels : int array [n]
    theta : array [K, d + 1]
        Minimiser of the weighted objective.
    weights : array [n]
        A point of weight 0 is in no fit, and keeps its scores.
    C : float
        Inverse regularisation strength.

    Raises
    ------
    InputError
        The Hessian is singular.

    Notes
    -----
    The cost is one inverse of K (d + 1) columns, and K^2 / 2 products of [n, d + 1] with [d + 1, d + 1].
    """
    r, D = residuals(x, labels, theta), curvature(x, theta)
    inverse = _inverse(hessian(x, theta, weights, C)).reshape(*theta.shape, *theta.shape)
    eta = x @ theta.T
    for rows in blocks(len(x)):
        G = weights[rows, None, None] * _own_blocks(x[rows], inverse)
        left = np.eye(len(theta)) - G @ D[rows]
        eta[rows] += np.linalg.solve(left, G @ r[rows, :, None])[:, :, 0]
    return eta


def _inverse(H):
    L = factor(H)
    half = np.linalg.inv(L)
    return half.T @ half


def _own_blocks(x, inverse):
    """G_i of each row, [n, K, K], from the inverse Hessian as [K, d + 1, K, d + 1]."""
    K = len(inverse)
    G = np.empty((len(x), K, K))
    for a in range(K):
        for b in range(a, K):
            G[:, a, b] = G[:, b, a] = np.vecdot(x @ inverse[a, :, b, :], x)
    return G


def class_probabilities(eta: np.ndarray) -> np.ndarray:
    """Probabilities of the classes from linear scores, [n, 1] of two classes or [n, K]: [n, n_classes]."""
    return np.concatenate([expit(-eta), expit(eta)], axis=1) if eta.shape[1] == 1 else softmax(eta, axis=1)
