r"""Linear heads: losses, derivatives and predictions of weighted, L2-regularised logistic regression.

.. math:: J(\theta) = \sum_i w_i\, \ell(z_i, \theta) + \frac{1}{2C} \lVert W \rVert^2, \qquad \theta = [W, b],

with the intercept b not penalised (scikit-learn's convention). Two classes have one row of parameters and the
logistic loss; K > 2 classes have K rows and the softmax cross-entropy. A parameter row is [W, b] and acts on
x = [features, 1].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, log_expit, logsumexp, softmax

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 500
"""Rows in a slice of `blocks`."""


@dataclass(frozen=True)
class Head:
    """A fitted linear head and the rows it was fitted on.

    Attributes
    ----------
    x : array [N, d + 1]
        Features with the constant column: first the points to score, then the copies in use.
    labels : int array [N]
    weights : array [N]
    theta : array [K, d + 1]
        Minimiser of the weighted objective.
    """

    x: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    theta: np.ndarray


def with_intercept(features: np.ndarray) -> np.ndarray:
    """Append the constant column: [n, d] -> [n, d + 1], float64."""
    features = np.asarray(features, dtype=np.float64)
    return np.hstack([features, np.ones((len(features), 1))])


def blocks(n: int) -> list[slice]:
    """Slices of n rows, small enough that arrays computed from one slice stay in the cache."""
    return [slice(start, start + ROWS) for start in range(0, n, ROWS)]


def n_rows(n_classes: int) -> int:
    """Number of parameter rows of a head: 1 for two classes, else one for each class."""
    return 1 if n_classes == 2 else n_classes


def scores(x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Linear scores x theta' of every model: [n, d + 1], [m, K, d + 1] -> [m, n, K]."""
    m, k, width = theta.shape
    flat = x @ theta.reshape(m * k, width).T.astype(x.dtype)
    return np.moveaxis(flat.reshape(len(x), m, k), 0, 1)


def predict(x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Class indices predicted by every model: [n, d + 1], [m, K, d + 1] -> [m, n]."""
    eta = scores(x, theta)
    return (eta[..., 0] > 0).astype(int) if eta.shape[-1] == 1 else eta.argmax(axis=-1)


def losses(x: np.ndarray, labels: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Unweighted loss of each point under one model [K, d + 1]: [n]."""
    eta = x @ theta.T
    if eta.shape[1] == 1:
        return -log_expit(np.where(labels == 1, 1.0, -1.0) * eta[:, 0])
    return logsumexp(eta, axis=1) - eta[np.arange(len(eta)), labels]


def residuals(x: np.ndarray, labels: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Derivative of each point's loss by its linear scores: p - y, computed without cancellation, [n, K].

    Two classes: -s / (1 + exp(s eta)) with s = +-1. K classes: the entry of the true class is minus the sum of the
    other classes' probabilities, so that a confident point keeps its relative accuracy.
    """
    eta = x @ theta.T
    if eta.shape[1] == 1:
        sign = np.where(labels == 1, 1.0, -1.0)
        return (-sign * expit(-sign * eta[:, 0]))[:, None]
    p = softmax(eta, axis=1)
    rows = np.arange(len(p))
    p[rows, labels] = 0.0
    p[rows, labels] = -p.sum(axis=1)
    return p


def curvature(x: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Second derivative of each point's loss by its linear scores: [n, K, K]."""
    eta = x @ theta.T
    if eta.shape[1] == 1:
        return (expit(eta) * expit(-eta))[:, :, None]
    p = softmax(eta, axis=1)
    return p[:, :, None] * np.eye(p.shape[1]) - p[:, :, None] * p[:, None, :]


def penalty(width: int, n_outputs: int, C: float) -> np.ndarray:
    """Diagonal of the regulariser's Hessian: 1 / C for W, 0 for the intercept, [K (d + 1)]."""
    diagonal = np.full((n_outputs, width), 1.0 / C)
    diagonal[:, -1] = 0.0
    return diagonal.ravel()


def hessian(x: np.ndarray, theta: np.ndarray, weights: np.ndarray, C: float) -> np.ndarray:
    """Hessian of J by the flattened parameters [K (d + 1), K (d + 1)]; C = inf gives that of the loss alone.

    The softmax loss does not change when all intercepts move together, so its Hessian is singular in that direction.
    Every gradient is zero along it. Unit curvature there makes the factorisation exist and changes no solve against a
    gradient.
    """
    k, width = theta.shape
    D = weights[:, None, None] * curvature(x, theta)
    H = np.zeros((k, width, k, width))
    for rows in blocks(len(x)):
        for a in range(k):
            # BLAS computes a matrix times its own transpose at half the cost of a general product.
            root = np.sqrt(D[rows, a, a, None]) * x[rows]
            H[a, :, a, :] += root.T @ root
            for b in range(a + 1, k):
                H[a, :, b, :] += x[rows].T @ (D[rows, a, b, None] * x[rows])
    return completed(H, C)


def class_blocks(x: np.ndarray, theta: np.ndarray, weights: np.ndarray, C: float) -> Iterator[np.ndarray]:
    """Diagonal blocks of `hessian`, those of each class with itself, without its unit curvature: [d + 1, d + 1] each.

    One is formed at a time, for heads whose whole Hessian is too large.
    """
    eta = x @ theta.T
    p = expit(eta) if len(theta) == 1 else softmax(eta, axis=1)
    ridge = np.diag(penalty(x.shape[1], 1, C))
    for k in range(len(theta)):
        root = np.sqrt(weights * p[:, k] * (1 - p[:, k]))
        yield sum((_gram(x[rows], root[rows]) for rows in blocks(len(x))), start=ridge)


def _gram(x, root):
    # BLAS computes a matrix times its own transpose at half the cost of a general product.
    rooted = root[:, None] * x
    return rooted.T @ rooted


def completed(H: np.ndarray, C: float) -> np.ndarray:
    """Complete `hessian` in place from the loss's blocks [a, :, b, :] with a <= b: H is [K, d + 1, K, d + 1]."""
    k, width = H.shape[:2]
    for a in range(k):
        for b in range(a):
            H[a, :, b, :] = H[b, :, a, :].T
    if k > 1:
        H[:, -1, :, -1] += 1.0 / k
    H = H.reshape(k * width, k * width)
    H[np.diag_indices_from(H)] += penalty(width, k, C)
    return H


def objective(x: np.ndarray, labels: np.ndarray, theta: np.ndarray, weights: np.ndarray, C: float) -> float:
    """J of one model [K, d + 1]."""
    return weights @ losses(x, labels, theta) + 0.5 / C * np.sum(theta[:, :-1] ** 2)


def gradient(x: np.ndarray, labels: np.ndarray, theta: np.ndarray, weights: np.ndarray, C: float) -> np.ndarray:
    """Gradient of J by one model's parameters, [K, d + 1]."""
    g = (weights[:, None] * residuals(x, labels, theta)).T @ x
    g[:, :-1] += theta[:, :-1] / C
    return g
