r"""Influence of points and copies on the loss of validation points (Lee et al., 2020), for linear heads.

Lee et al. (2020, equations 6 to 19) weight points in a mean over N points, not in a sum: :math:`\mathcal I_{up}` is the
derivative by epsilon, at 0, of the minimiser of :math:`J / N + \epsilon\, \ell(z)`, or of the mean loss of validation
points at the minimiser. So their H is the Hessian of J divided by N, the sum of the weights
(`influaug.influence.head_hessian.HeadHessian`). Leaving out a point of weight 1 is exactly epsilon = -1 / N; replacing
z by a copy is -1 / N for z and 1 / N for the copy:

.. math:: \hat\theta(\mathbf z \setminus z_i) - \hat\theta \approx -\tfrac1N \mathcal I_{up,params}(z_i), \qquad
    L_{val}(\hat\theta(\mathbf z \cup \tilde z_i \setminus z_i)) - L_{val}(\hat\theta)
    \approx +\tfrac1N \mathcal I_{aug}(z_i, \tilde z_i).

A copy helps when its :math:`\mathcal I_{aug} = -S \cdot (\tilde g_i - g_i)` is negative, so selection minimises it.
(Their equation 15 has minus signs on both sides and agrees; they maximise :math:`-\mathcal I_{aug}`.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_solve

from ..errors import InputError
from ..solver.heads import gradient, residuals
from .leave_one_out import point_gradients

if TYPE_CHECKING:
    from .head_hessian import HeadHessian


def up_params(x: np.ndarray, labels: np.ndarray, theta: np.ndarray, L: np.ndarray) -> np.ndarray:
    """I_up,params of each point, -H^-1 g_i, the derivative of the parameters by its weight: [n, K, d + 1].

    Parameters
    ----------
    x : array [n, d + 1]
        Features with the constant column; training points, copies or any others.
    labels : int array [n]
    theta : array [K, d + 1]
        The head's parameters, at the minimiser of J.
    L : array [K (d + 1), K (d + 1)]
        Factor, by `inverse.factor`, of the *mean* Hessian: that of J divided by the sum of the weights.

    Notes
    -----
    Lee et al. (2020), equation 9. The moved intercepts of a softmax head keep their sum.
    """
    return -cho_solve((L, True), point_gradients(x, labels, theta).T).T.reshape(len(x), *theta.shape)


@dataclass(frozen=True)
class ValidationInfluence:
    """Influence of points on the mean loss of validation points; `validation_influence` computes it.

    S . g_i = r_i' (S x_i), with residual r_i and features x_i, so the gradients g_i are never formed.

    Attributes
    ----------
    theta : array [K, d + 1]
        The head's parameters, at the minimiser of J.
    S : array [K, d + 1]
        (H + damping I)^-1 grad L_val with the mean Hessian H.
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
            The shapes do not match.
        """
        if x.ndim != 2 or x.shape[1] != self.S.shape[1] or len(labels) != len(x):
            raise InputError(
                f"x and labels must be [n, {self.S.shape[1]}], constant column included, and [n], "
                f"not {list(x.shape)} and {list(np.shape(labels))}."
            )
        return -np.vecdot(residuals(x, labels, self.theta), x @ self.S.T)

    def aug_loss(self, x: np.ndarray, copies: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """I_aug,loss of replacing each point by its copy (Lee et al., 2020, equation 19): [n], smaller is better.

        Divided by N it predicts the change of the validation loss after a refit.

        Parameters
        ----------
        x, copies : array [n, d + 1]
            Features with the constant column; row i of copies takes the place of row i of x.
        labels : int array [n]
            Labels of the points, and so of the copies.

        Raises
        ------
        InputError
            The shapes do not match.
        """
        return self.up_loss(copies, labels) - self.up_loss(x, labels)


def validation_influence(
    H: HeadHessian, x: np.ndarray, labels: np.ndarray, damping: float = 0.0
) -> ValidationInfluence:
    """Solve for S; the cost is one inverse product, whatever the number of points to score.

    Parameters
    ----------
    H : influaug.influence.head_hessian.HeadHessian
        Hessian of the training points, at the head's parameters.
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
