import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from influaug import heads, logistic
from influaug.errors import InputError
from problems import problem


def reference_objective(theta, x, labels, weights, C):
    """J written out plainly, for autograd."""
    eta = anp.dot(x, theta.T)
    if theta.shape[0] == 1:
        sign = 2.0 * labels - 1.0
        loss = anp.log1p(anp.exp(-sign * eta[:, 0]))
    else:
        loss = anp.log(anp.sum(anp.exp(eta), axis=1)) - eta[anp.arange(len(labels)), labels]
    return anp.sum(weights * loss) + 0.5 / C * anp.sum(theta[:, :-1] ** 2)


def some_model(n_classes, seed=3):
    features, labels = problem(seed, n_classes=n_classes)
    x = heads.with_intercept(features)
    rng = np.random.default_rng(seed)
    return x, labels, rng.normal(size=(heads.n_rows(n_classes), x.shape[1])), rng.uniform(0, 2, len(x))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_objective_gradient_and_hessian_agree_with_autograd(n_classes):
    x, labels, theta, weights = some_model(n_classes)
    arguments = (x, labels, weights, 0.7)

    assert heads.objective(x, labels, theta, weights, 0.7) == pytest.approx(
        reference_objective(theta, *arguments), rel=1e-12
    )
    np.testing.assert_allclose(
        heads.gradient(x, labels, theta, weights, 0.7),
        autograd.grad(reference_objective)(theta, *arguments),
        rtol=1e-10,
        atol=1e-10,
    )
    expected = autograd.hessian(reference_objective)(theta, *arguments).reshape(theta.size, theta.size)
    H = heads.hessian(x, theta, weights, 0.7)
    if n_classes > 2:
        common_shift = np.zeros(theta.shape)
        common_shift[:, -1] = 1 / np.sqrt(n_classes)
        H = H - np.outer(common_shift, common_shift)
    np.testing.assert_allclose(H, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_unit_curvature_of_the_common_shift_changes_no_solve_against_a_gradient(n_classes):
    x, labels, theta, weights = some_model(n_classes)
    theta[:, -1] -= theta[:, -1].mean()
    g = heads.gradient(x, labels, theta, weights, 0.7).ravel()
    exact = autograd.hessian(reference_objective)(theta, x, labels, weights, 0.7).reshape(theta.size, theta.size)
    np.testing.assert_allclose(
        np.linalg.solve(heads.hessian(x, theta, weights, 0.7), g), np.linalg.pinv(exact) @ g, rtol=1e-7, atol=1e-9
    )


@given(
    st.integers(0, 1000),
    st.sampled_from([2, 3]),
    st.floats(-4, 4),
    st.sampled_from(["plain", "separable", "constant", "duplicated", "wide", "zero weights", "uneven weights"]),
)
@settings(max_examples=60, deadline=None)
def test_the_minimum_is_scikit_learns(seed, n_classes, log_C, shape):
    C = 10.0**log_C
    features, labels = problem(seed, n=40, d=60 if shape == "wide" else 5, n_classes=n_classes)
    rng = np.random.default_rng(seed)
    weights = np.ones(len(labels))
    if shape == "separable":
        features = features + 10 * np.eye(5)[labels]
    if shape == "constant":
        features[:, 1] = 1.0
    if shape == "duplicated":
        features[:, 1] = features[:, 0]
    if shape == "zero weights":
        weights[n_classes:] = rng.integers(0, 2, len(weights) - n_classes)
    if shape == "uneven weights":
        weights = 10.0 ** rng.uniform(-2, 2, len(weights))
    reference = LogisticRegression(C=C, tol=1e-12, max_iter=100_000, solver="newton-cholesky")
    if n_classes > 2:
        reference.set_params(solver="lbfgs")
    reference.fit(features, labels, weights)
    theirs = np.hstack([reference.coef_, reference.intercept_[:, None]])
    ours = logistic.fit(features, labels, weights[None], C)
    x = heads.with_intercept(features)
    best = heads.objective(x, labels, theirs, weights, C)
    assert ours.objective[0] <= best + 1e-9 * max(best, 1.0)
    assert ours.objective[0] == pytest.approx(heads.objective(x, labels, ours.theta[0], weights, C), rel=1e-12)


def test_several_models_and_a_warm_start():
    features, labels = problem(1)
    weights = np.random.default_rng(0).integers(0, 2, (5, len(labels))).astype(float)
    weights[:, :2] = 1
    together = logistic.fit(features, labels, weights)
    for w, theta in zip(weights, together.theta, strict=True):
        np.testing.assert_allclose(logistic.fit(features, labels, w[None]).theta[0], theta, atol=1e-3)
    again = logistic.fit(features, labels, weights, start=together.theta)
    assert again.iterations.max() <= 1


def test_residuals_of_confident_points_keep_their_relative_accuracy():
    x = np.array([[40.0, 1.0]])
    assert heads.residuals(x, np.array([1]), np.array([[1.0, 0.0]]))[0, 0] == pytest.approx(-np.exp(-40), rel=1e-12)
    theta = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert heads.residuals(x, np.array([0]), theta)[0, 0] == pytest.approx(-2 * np.exp(-40), rel=1e-12)


def test_predictions_of_several_models():
    x = heads.with_intercept(np.array([[-1.0], [2.0]]))
    np.testing.assert_array_equal(heads.predict(x, np.array([[[1.0, 0.0]], [[-1.0, 0.0]]])), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(heads.predict(x, np.array([[[1.0, 0.0], [0.0, 0.5], [-1.0, 0.0]]])), [[2, 0]])


@pytest.mark.parametrize(
    ("weights", "C", "message"),
    [
        (np.ones((1, 3)), 1.0, "must be"),
        (-np.ones((1, 60)), 1.0, "at least 0"),
        (np.full((1, 60), np.nan), 1.0, "finite"),
        (np.ones((1, 60)), 0.0, "C must be a positive number"),
    ],
)
def test_wrong_input_is_refused(weights, C, message):
    with pytest.raises(InputError, match=message):
        logistic.fit(*problem(), weights, C)


def test_a_model_that_misses_its_tolerance_is_named():
    features, labels = problem()
    weights = np.ones((2, len(labels)))
    with pytest.raises(RuntimeError, match=r"models \[0, 1\] did not reach"):
        logistic.fit(features, labels, weights, tolerance=-1.0)
