r"""Influence of training points in closed form, for linear (logistic or softmax) heads.

For such a head the gradient of a point's loss is the outer product of its residual and its features,
:math:`g_i = r_i \otimes x_i`, so that the leave-one-out influence of Kuchnik & Smith (2019, equation 1),

.. math:: |\mathcal I_{LOO}(z_i)| = g_i^\top H^{-1} g_i = r_i^2\, x_i^\top H^{-1} x_i \ge 0
    \quad\text{(two classes)},

needs one Cholesky factorisation and one triangular solve for all points. H is the Hessian of the regularised
objective that was minimised: a sum over points, not a mean.

Lee et al. (2020, equations 6 to 19) weigh points in a mean over N instead: :math:`\mathcal I_{up}` is the derivative by
epsilon at 0 of the minimiser, or of the mean loss of validation points there, of :math:`J / N + \epsilon\, \ell(z)`. So
their H is that of J divided by N, the sum of the weights (`influaug.hessian.HeadHessian`). To leave out a point of
weight 1 is epsilon = -1 / N, exactly; to replace z by a copy is -1 / N for z and 1 / N for the copy:

.. math:: \hat\theta(\mathbf z \setminus z_i) - \hat\theta \approx -\tfrac1N \mathcal I_{up,params}(z_i), \qquad
    L_{val}(\hat\theta(\mathbf z \cup \tilde z_i \setminus z_i)) - L_{val}(\hat\theta)
    \approx +\tfrac1N \mathcal I_{aug}(z_i, \tilde z_i).

A copy helps when its :math:`\mathcal I_{aug} = -S \cdot (\tilde g_i - g_i)` is negative: it is to be minimised. (With
the minus signs on both sides of their equation 15 they say the same; what they maximise is :math:`-\mathcal I_{aug}`.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, cholesky, lapack
from scipy.linalg.blas import dtrmm
from scipy.special import log_expit

from .errors import InputError
from .heads import blocks, gradient, hessian, residuals

if TYPE_CHECKING:
    from .hessian import HeadHessian


def point_gradients(x: np.ndarray, labels: np.ndarray, theta: np.ndarray) -> np.ndarray:
    """Gradient of each point's unweighted loss by the flattened parameters: [n, K (d + 1)]."""
    r = residuals(x, labels, theta)
    return (r[:, :, None] * x[:, None, :]).reshape(len(x), -1)


def factor(H: np.ndarray, damping: float = 0.0) -> np.ndarray:
    """Lower Cholesky factor of H + damping I.

    Raises
    ------
    InputError
        The damped Hessian is not positive definite.
    """
    try:
        return cholesky(H + damping * np.eye(len(H)), lower=True)
    except LinAlgError as error:
        raise InputError(
            f"The Hessian is singular with damping = {damping:g}; use a larger damping or a smaller C."
        ) from error


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
        From `factor`. The cost is one triangular solve with n right-hand sides.

    Notes
    -----
    Kuchnik & Smith (2019), equation 1; the paper drops the sign as well.
    """
    if len(theta) == 1:
        return residuals(x, labels, theta)[:, 0] ** 2 * _inverse_norms(x, L)
    return np.concatenate([_inverse_norms(point_gradients(x[b], labels[b], theta), L) for b in blocks(len(x))])


def _inverse_norms(g, L):
    """Squared norm g' (L L')^-1 g of every row of g: [n]."""
    # Inverting L, once, and multiplying by it takes half the time of solving with as many right-hand sides.
    inverse, _ = lapack.dtrtri(L, lower=1)
    solved = (dtrmm(1.0, inverse, g[rows].T, lower=1) for rows in blocks(len(g)))
    return np.concatenate([np.einsum("pn,pn->n", v, v) for v in solved])


def leave_one_out_loss_change(
    x: np.ndarray, labels: np.ndarray, theta: np.ndarray, weights: np.ndarray, C: float
) -> np.ndarray:
    """Predicted rise of each point's own loss when the point is left out of the fit: [n]. Two classes only.

    One Newton step on the objective without the point. Leaving it out also removes its share w c x x' of the Hessian,
    which the first-order influence keeps; by Sherman and Morrison its linear score moves by w r h / (1 - w c h), with
    leverage h = x' H^-1 x and curvature c (Pregibon, 1981), and the loss is taken at the moved score.
    """
    L = factor(hessian(x, theta, weights, C))
    h = _inverse_norms(x, L)
    r = residuals(x, labels, theta)[:, 0]
    c = np.abs(r) * (1 - np.abs(r))
    eta = x @ theta[0]
    sign = np.where(labels == 1, 1.0, -1.0)
    moved = eta + weights * r * h / (1 - weights * c * h)
    return log_expit(sign * eta) - log_expit(sign * moved)


def up_params(x: np.ndarray, labels: np.ndarray, theta: np.ndarray, L: np.ndarray) -> np.ndarray:
    """I_up,params of each point, -H^-1 g_i: how upweighting it moves the parameters, [n, K, d + 1].

    Parameters
    ----------
    x : array [n, d + 1]
        Features with the constant column; training points, copies or any others.
    labels : int array [n]
    theta : array [K, d + 1]
        The head's parameters, at the minimiser of J.
    L : array [K (d + 1), K (d + 1)]
        From `factor`, of the *mean* Hessian, that of J divided by the sum of the weights.

    Notes
    -----
    Lee et al. (2020), equation 9. A softmax head's intercepts are moved so that their sum stays.
    """
    return -cho_solve((L, True), point_gradients(x, labels, theta).T).T.reshape(len(x), *theta.shape)


@dataclass(frozen=True)
class ValidationInfluence:
    """Influence of points on the mean loss of validation points, by `validation_influence`.

    No gradient of a point is formed: S . g_i = r_i' (S x_i), with r_i its residual and x_i its features.

    Attributes
    ----------
    theta : array [K, d + 1]
        The head's parameters, at the minimiser of J.
    S : array [K, d + 1]
        (H + damping I)^-1 grad L_val, H the mean Hessian.
    """

    theta: np.ndarray
    S: np.ndarray

    def up_loss(self, x: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """I_up,loss of each point, -S . g_i (Lee et al., 2020, equation 14): [n].

        Parameters
        ----------
        x : array [n, d + 1]
            Features with the constant column; training points, copies or any others.
        labels : int array [n]

        Raises
        ------
        InputError
            Shapes that do not fit.
        """
        if x.ndim != 2 or x.shape[1] != self.S.shape[1] or len(labels) != len(x):
            raise InputError(
                f"x and labels must be [n, {self.S.shape[1]}], constant column included, and [n], "
                f"not {list(x.shape)} and {list(np.shape(labels))}."
            )
        return -np.vecdot(residuals(x, labels, self.theta), x @ self.S.T)

    def aug_loss(self, x: np.ndarray, copies: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """I_aug,loss of replacing each point by its copy (Lee et al., 2020, equation 19): [n], to be minimised.

        Divided by N, the change of the validation loss to be expected of a refit.

        Parameters
        ----------
        x, copies : array [n, d + 1]
            Features with the constant column; row i of copies takes the place of row i of x.
        labels : int array [n]
            Of points and copies.

        Raises
        ------
        InputError
            Shapes that do not fit.
        """
        return self.up_loss(copies, labels) - self.up_loss(x, labels)


def validation_influence(
    H: HeadHessian, x: np.ndarray, labels: np.ndarray, damping: float = 0.0
) -> ValidationInfluence:
    """Solve for S, at the price of one inverse product, whatever the number of points to be judged.

    Parameters
    ----------
    H : influaug.hessian.HeadHessian
        Of the training points, at the head's parameters.
    x : array [m, d + 1]
        Features of the validation points, with the constant column.
    labels : int array [m]
    damping : float
        Added to the mean Hessian's diagonal.

    Returns
    -------
    ValidationInfluence

    Raises
    ------
    InputError
        The damped Hessian is not positive definite, or the solver does not converge.
    """
    theta = H.theta
    g = gradient(x, labels, theta, np.full(len(x), 1 / len(x)), np.inf)
    return ValidationInfluence(theta, H.solve(g.ravel(), damping).reshape(theta.shape))
