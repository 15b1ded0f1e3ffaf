"""The wide head on many rows against scikit-learn and against the Hessian as a matrix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from influaug.solver import heads, large
from influaug.solver.large import LargeHead, Rows
from problems import problem

C = 0.5


def rows_of(features, labels, weights=None):
    return Rows(features, labels, np.ones(len(labels)) if weights is None else weights)


def fitted(features, labels, weights=None, capacity=0, n_classes=None, seed=0):
    n_classes = n_classes or labels.max() + 1
    head = LargeHead(rows_of(features, labels, weights), n_classes, C, capacity, np.random.default_rng(seed))
    head.minimise(0.1, 0.0, 1e-7)
    return head


def hessian(features, theta, weights):
    return heads.hessian(heads.with_intercept(features), theta, weights, C)


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("dense", [0, 3000])
def test_the_minimum_is_scikit_learns(n_classes, dense, monkeypatch):
    monkeypatch.setattr(large, "MOST_DENSE", dense)
    features, labels = problem(n=400, d=6, n_classes=n_classes)
    weights = np.random.default_rng(0).uniform(0.5, 2, 400)
    head = fitted(features, labels, weights)
    theirs = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10).fit(features, labels, weights)
    np.testing.assert_allclose(head.theta[:, :-1], theirs.coef_, atol=2e-3)
    p = theirs.predict_proba(features)[np.arange(400), labels]
    assert head.objective == pytest.approx(-weights @ np.log(p) + 0.5 / C * np.sum(theirs.coef_**2), rel=1e-5)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("dense", [0, 3000])
def test_solves_are_those_of_the_hessian(n_classes, dense, monkeypatch):
    monkeypatch.setattr(large, "MOST_DENSE", dense)
    features, labels = problem(n=300, d=5, n_classes=n_classes)
    head = fitted(features, labels)
    # A gradient: of some of the points.
    g = heads.gradient(heads.with_intercept(features[:20]), labels[:20], head.theta, np.ones(20), np.inf)
    expected = np.linalg.solve(hessian(features, head.theta, np.ones(300)), g.ravel()).reshape(g.shape)
    for start in (None, expected + 0.1 * np.abs(expected).max()):
        np.testing.assert_allclose(head.solve(g, 1e-6, start), expected, atol=1e-4 * np.abs(expected).max())


def test_appended_rows_are_as_those_from_the_start():
    features, labels = problem(n=200, d=5, n_classes=3)
    weights = np.random.default_rng(1).uniform(0.5, 2, 200)
    whole = fitted(features, labels, weights)
    head = fitted(features[:150], labels[:150], weights[:150], capacity=50, n_classes=3)
    head.append(features[150:170], labels[150:170], weights[150:170])
    head.append(features[170:], labels[170:], weights[170:])
    head.minimise(0.1, 0.0, 1e-7)
    np.testing.assert_allclose(head.theta, whole.theta, atol=2e-3)
    np.testing.assert_allclose(head.data_gradient, whole.data_gradient, atol=0.05)


def test_a_sample_stands_for_many_rows(monkeypatch):
    monkeypatch.setattr(large, "PER_PARAMETER", 40)
    monkeypatch.setattr(large, "SAMPLED", 500)
    monkeypatch.setattr(large, "ROWS", 100)
    features, labels = problem(n=5000, d=4, n_classes=3)
    head = fitted(features, labels, capacity=10)
    head.append(features[:10] + 3, labels[:10], np.full(10, 50.0))
    x, theta = np.vstack([features, features[:10] + 3]), head.theta
    H = hessian(x, theta, np.append(np.ones(5000), np.full(10, 50.0)))
    v = np.random.default_rng(0).normal(size=theta.shape)
    v -= v.mean(axis=0)
    errors = []
    for _ in range(40):
        head.precondition()  # draws anew
        errors.append(head.product(v).ravel() - H @ v.ravel())
    spread = np.std(errors, axis=0, ddof=1)
    assert spread.min() > 0
    assert (np.abs(np.mean(errors, axis=0)) < 4 * spread / np.sqrt(40)).all()
    assert np.linalg.norm(spread) < 0.2 * np.linalg.norm(H @ v.ravel())
    # The minimum does not depend on the sample.
    theirs = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10).fit(features, labels)
    np.testing.assert_allclose(fitted(features, labels).theta[:, :-1], theirs.coef_, atol=2e-3)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from([1.0, 100.0, 1e4]), st.booleans())
def test_columns_of_any_scale_are_fitted(seed, n_classes, scale, repeated):
    features, labels = problem(seed=seed, n=80, d=4, n_classes=n_classes)
    features[:, 0] *= scale
    if repeated:
        features = np.hstack([features, features])
    head = fitted(features.astype(np.float32), labels)
    x = heads.with_intercept(features.astype(np.float32))
    g = heads.gradient(x, labels, head.theta, np.ones(80), C).ravel()
    left = 0.5 * g @ np.linalg.solve(heads.hessian(x, head.theta, np.ones(80), C), g)
    assert left < 1e-3 * max(head.objective, 1)


def test_residuals_and_losses_are_those_of_the_heads_even_where_it_is_confident():
    rng = np.random.default_rng(0)
    for K, n_classes in ((1, 2), (3, 3)):
        x, theta, labels = rng.normal(size=(50, 4)), 5 * rng.normal(size=(K, 5)), rng.integers(n_classes, size=50)
        eta = large.scores(x, theta)
        whole = heads.with_intercept(x)
        np.testing.assert_allclose(large.residuals(eta, labels).T, heads.residuals(whole, labels, theta), rtol=2e-4)
        np.testing.assert_allclose(large.losses(eta, labels), heads.losses(whole, labels, theta), rtol=2e-4, atol=1e-6)
        if K > 1:
            np.testing.assert_allclose(large.probabilities(eta).T, softmax(whole @ theta.T, axis=1), rtol=2e-4)


def test_a_fit_that_does_not_end_is_not_silent(monkeypatch):
    monkeypatch.setattr(large, "MOST_STEPS", 1)
    with pytest.raises(RuntimeError, match="did not reach the tolerance"):
        fitted(*problem(n=200))
