"""Gradients and influences of points on their own losses, against autograd and refits."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from scipy.stats import pearsonr

from fitted_heads import fitted, point_loss
from influaug.influence.inverse import factor
from influaug.influence.leave_one_out import leave_one_out_loss_change, point_gradients, self_influence
from influaug.solver import heads, logistic


@pytest.mark.parametrize("n_classes", [2, 3])
def test_point_gradients_and_influence_agree_with_autograd(n_classes):
    x, labels, theta, weights = fitted(n_classes)
    gradient = autograd.grad(point_loss)
    expected = np.array([gradient(theta, *z).ravel() for z in zip(x, labels, strict=True)])
    np.testing.assert_allclose(point_gradients(x, labels, theta), expected, rtol=1e-9, atol=1e-12)

    def total(flat):
        t = flat.reshape(theta.shape)
        losses = sum(point_loss(t, *z) for z in zip(x, labels, strict=True))
        return losses + 0.5 * anp.sum(t[:, :-1] ** 2)

    H = autograd.hessian(total)(theta.ravel())
    exact = np.einsum("ni,ij,nj->n", expected, np.linalg.pinv(H), expected)
    ours = self_influence(x, labels, theta, factor(heads.hessian(x, theta, weights, 1.0)))
    np.testing.assert_allclose(ours, exact, rtol=1e-7)
    assert (ours >= 0).all()


def test_leaving_points_out_for_real():
    x, labels, theta, weights = fitted(n=100, d=10, noise=0.5)
    before = heads.losses(x, labels, theta)
    without = 1.0 - np.eye(100)
    refitted = logistic.fit(x[:, :-1], labels, without, 1.0, tolerance=1e-14).theta
    after = np.array([heads.losses(x[[i]], labels[[i]], t)[0] for i, t in enumerate(refitted)])
    predicted = leave_one_out_loss_change(x, labels, theta, weights, 1.0)
    assert pearsonr(predicted, after - before).statistic >= 0.99
    np.testing.assert_allclose(predicted, after - before, rtol=0.2, atol=5e-3)
    first_order = self_influence(x, labels, theta, factor(heads.hessian(x, theta, weights, 1.0)))
    assert pearsonr(first_order, after - before).statistic >= 0.9


def test_influence_without_regularisation_is_exp_loss_minus_one_for_independent_points():
    """With more features than points and no L2 term, x_i' H^-1 x_i = 1 / c_i: influence and loss rank identically."""
    rng = np.random.default_rng(0)
    x = np.hstack([rng.normal(size=(8, 30)), np.ones((8, 1))])
    labels = np.arange(8) % 2
    theta = 0.1 * rng.normal(size=(1, 31))
    H = heads.hessian(x, theta, np.ones(8), np.inf)
    limit = self_influence(x, labels, theta, factor(H, damping=1e-10))
    np.testing.assert_allclose(limit, np.exp(heads.losses(x, labels, theta)) - 1, rtol=1e-5)
