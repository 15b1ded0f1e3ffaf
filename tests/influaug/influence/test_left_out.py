"""Scores of points that are left out: against refits, and for two classes against Pregibon's formula."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_expit, softmax

from influaug.influence.leave_one_out import leave_one_out_loss_change
from influaug.influence.left_out import class_probabilities, left_out_scores
from influaug.solver import heads, logistic
from problems import problem

C = 0.5


def fitted(n_classes, n=40, seed=0, weights=None):
    features, labels = problem(seed, n=n, n_classes=n_classes)
    weights = np.ones(n) if weights is None else weights
    theta = logistic.fit(features, labels, weights[None], C, tolerance=1e-14).theta[0]
    return heads.with_intercept(features), labels, theta, weights


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_they_are_those_of_refits_without_each_point(n_classes):
    x, labels, theta, weights = fitted(n_classes, n=120)
    ours = left_out_scores(x, labels, theta, weights, C)
    refits = logistic.fit(x[:, :-1], labels, 1 - np.eye(len(x)), C, tolerance=1e-14).theta
    exact = np.einsum("nkp,np->nk", refits, x)
    moved = x @ theta.T - exact
    # One Newton step of a point that is a hundredth of the data.
    assert np.abs(ours - exact).max() < 0.15 * np.abs(moved).max()
    assert np.linalg.norm(ours - exact) < 0.1 * np.linalg.norm(moved)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.1, 3.0))
def test_two_classes_give_pregibons_change_of_the_loss(seed, weight):
    weights = np.full(30, weight)
    x, labels, theta, _ = fitted(2, 30, seed, weights)
    moved = left_out_scores(x, labels, theta, weights, C)[:, 0]
    sign = np.where(labels == 1, 1.0, -1.0)
    change = log_expit(sign * (x @ theta[0])) - log_expit(sign * moved)
    np.testing.assert_allclose(change, leave_one_out_loss_change(x, labels, theta, weights, C), rtol=1e-6, atol=1e-9)


def test_a_point_of_weight_zero_keeps_its_scores():
    weights = np.ones(40)
    weights[[3, 17]] = 0
    x, labels, theta, _ = fitted(3, 40, 1, weights)
    ours, plain = left_out_scores(x, labels, theta, weights, C), x @ theta.T
    np.testing.assert_array_equal(ours[[3, 17]], plain[[3, 17]])
    assert (np.abs(ours - plain).max(axis=1) > 0).sum() == 38


def test_slices_do_not_matter():
    x, labels, theta, weights = fitted(3, heads.ROWS + 3)
    whole = left_out_scores(x, labels, theta, weights, C)
    assert whole.shape == (heads.ROWS + 3, 3) and np.isfinite(whole).all()
    H = heads.hessian(x, theta, weights, C)
    last = x[-1]
    wide = np.kron(np.eye(3), last[:, None])
    G = wide.T @ np.linalg.solve(H, wide)
    r, D = (of(*given)[-1] for of, given in ((heads.residuals, (x, labels, theta)), (heads.curvature, (x, theta))))
    np.testing.assert_allclose(whole[-1], theta @ last + np.linalg.solve(np.eye(3) - G @ D, G @ r), rtol=1e-8)


def test_probabilities_are_of_all_classes():
    eta = np.random.default_rng(0).normal(size=(5, 3))
    np.testing.assert_allclose(class_probabilities(eta), softmax(eta, axis=1))
    two = class_probabilities(eta[:, :1])
    np.testing.assert_allclose(two, np.column_stack([1 - expit(eta[:, 0]), expit(eta[:, 0])]))
