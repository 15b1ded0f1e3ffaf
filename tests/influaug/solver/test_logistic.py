import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread
from unittest import mock

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from influaug.errors import InputError
from influaug.selection import greedy
from influaug.selection.candidates import Candidates
from influaug.selection.policies import SetOptions
from influaug.selection.scores import ScoreOptions
from influaug.solver import heads, logistic, newton
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


SHAPES = ["plain", "separable", "constant", "duplicated", "wide", "zero weights", "uneven weights", "dead", "scaled"]


def shaped(shape, seed, n_classes):
    """Features, labels and weights of a problem that is hard in the way its name says."""
    features, labels = problem(seed, n=40, d=60 if shape == "wide" else 5, n_classes=n_classes)
    rng = np.random.default_rng(seed)
    weights = np.ones(len(labels))
    if shape == "separable":
        features = features + 10 * np.eye(5)[labels]
    if shape == "constant":
        features[:, 1] = 1.0
    if shape == "duplicated":
        features[:, 1] = features[:, 0]
    if shape == "dead":
        features[:, 1] = 0.0
    if shape == "scaled":
        features *= 10.0 ** np.arange(-2, 3)
    if shape == "zero weights":
        weights[n_classes:] = rng.integers(0, 2, len(weights) - n_classes)
    if shape == "uneven weights":
        weights = 10.0 ** rng.uniform(-2, 2, len(weights))
    return features, labels, weights


@pytest.mark.slow
@given(st.integers(0, 1000), st.sampled_from([2, 3]), st.floats(-4, 4), st.sampled_from(SHAPES), st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_minimum_is_scikit_learns(seed, n_classes, log_C, shape, single):
    C = 10.0**log_C
    features, labels, weights = shaped(shape, seed, n_classes)
    if single:
        features = features.astype(np.float32)
    reference = LogisticRegression(C=C, tol=1e-12, max_iter=100_000, solver="newton-cholesky")
    if n_classes > 2:
        reference.set_params(solver="lbfgs")
    reference.fit(features.astype(float), labels, weights)
    theirs = np.hstack([reference.coef_, reference.intercept_[:, None]])
    ours = logistic.fit(features, labels, weights[None], C)
    x = heads.with_intercept(features)
    best = heads.objective(x, labels, theirs, weights, C)
    assert ours.objective[0] <= best + 1e-9 * max(best, 1.0)
    assert ours.objective[0] == pytest.approx(heads.objective(x, labels, ours.theta[0], weights, C), rel=1e-12)


SIZES = {
    "complete": mock.patch.object(newton, "LEADING", 400),
    "leading": mock.patch.object(newton, "LEADING", 6),
    "in float64": mock.patch.object(newton, "WORST_CONDITION", 0.0),
    "blocks": mock.patch.object(logistic, "LARGEST_FULL", 0),
}


@pytest.mark.parametrize("size", SIZES)
@given(st.integers(0, 1000), st.sampled_from([2, 3, 10]), st.sampled_from(SHAPES))
@settings(max_examples=40, deadline=None)
def test_the_decrement_is_newtons(size, seed, n_classes, shape):
    features, labels, weights = (
        shaped(shape, seed, n_classes) if n_classes < 5 else (*problem(seed, n_classes=10), None)
    )
    weights = np.ones(len(labels)) if weights is None else weights
    with SIZES[size]:
        ours = logistic.fit(features, labels, weights[None], 10.0, tolerance=1e-4)
    x, theta = heads.with_intercept(features), ours.theta[0]
    g = heads.gradient(x, labels, theta, weights, 10.0).ravel()
    newton = 0.5 * g @ np.linalg.solve(heads.hessian(x, theta, weights, 10.0), g)
    assert ours.decrement[0] == pytest.approx(newton, rel=0.25, abs=1e-13)


@pytest.mark.parametrize("size", SIZES)
def test_several_softmax_heads_reach_scikit_learns_minima(size):
    features, labels = problem(4, n=200, d=12, n_classes=5)
    weights = np.random.default_rng(4).integers(0, 2, (6, 200)) + 0.5
    with SIZES[size]:
        ours = logistic.fit(features, labels, weights, 3.0, groups=np.arange(6) // 2)
    x = heads.with_intercept(features)
    for J, w in zip(ours.objective, weights, strict=True):
        reference = LogisticRegression(C=3.0, tol=1e-12, max_iter=100_000).fit(features, labels, w)
        theirs = np.hstack([reference.coef_, reference.intercept_[:, None]])
        assert pytest.approx(heads.objective(x, labels, theirs, w, 3.0), rel=1e-9) == J


def test_softmax_heads_are_solved_in_batches_that_change_no_minimum(monkeypatch):
    features, labels = problem(4, n=200, d=12, n_classes=5)
    weights = np.random.default_rng(4).integers(0, 2, (6, 200)) + 0.5
    solved = []
    solve = newton.solve
    monkeypatch.setattr(newton, "solve", lambda p, w, *rest: solved.append(len(w)) or solve(p, w, *rest))
    whole = logistic.fit(features, labels, weights, groups=np.arange(6) // 3)
    monkeypatch.setattr(newton, "ELEMENTS", 2 * 5 * 200)
    parts = logistic.fit(features, labels, weights, groups=np.arange(6) // 3)
    assert solved == [3, 3, 2, 2]  # one alone is small enough for an inverse of its own
    np.testing.assert_allclose(parts.objective, whole.objective, rtol=1e-9)


def test_a_common_shift_of_the_intercepts_does_not_grow():
    features, labels = problem(4, n=300, d=60, n_classes=5)
    solver = logistic.Solver(10 * features.astype(np.float32), labels)
    found = newton.solve(solver._points, np.ones((1, 300)), 100.0, np.zeros((1, 5, 61)), 1e-9)
    assert abs(found.theta[0, :, -1].mean()) < 1e-3 * np.abs(found.theta).max()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_points_of_a_single_class_are_fitted_as_well_as_any_can_be(n_classes):
    features, labels = problem(n_classes=n_classes)
    ours = logistic.fit(features, labels, (labels == 0)[None].astype(float))
    assert ours.objective[0] == pytest.approx(0, abs=2e-9)


def test_rows_in_blocks_give_what_all_rows_at_once_give(monkeypatch):
    features, labels = problem(5, n=300, d=6, n_classes=3)
    weights = np.random.default_rng(5).integers(0, 2, (4, 300)) + 0.25
    whole = logistic.fit(features, labels, weights)
    monkeypatch.setattr(logistic, "ROWS", 7)
    monkeypatch.setattr(newton, "ROWS", 7)
    np.testing.assert_allclose(logistic.fit(features, labels, weights).objective, whole.objective, rtol=1e-9)


def test_equal_models_are_solved_once(monkeypatch):
    features, labels = problem()
    weights = np.ones((4, 60))
    weights[1, 3] = weights[3, 3] = 0.5
    solved = []
    solve = logistic._solve
    monkeypatch.setattr(logistic, "_solve", lambda p, start, t: solved.append(len(start)) or solve(p, start, t))
    ours = logistic.fit(features, labels, weights, groups=np.zeros(4))
    assert solved == [2]
    np.testing.assert_array_equal(ours.theta[[0, 1]], ours.theta[[2, 3]])
    assert ours.objective[0] > ours.objective[1]
    logistic.Solver(features, labels, merge_equal=False).fit(weights, groups=np.zeros(4))
    assert solved == [2, 4]


@pytest.mark.parametrize("n", [41, 60, 5001])
def test_equal_rows_are_found_wherever_they_stand(n):
    weights = np.tile(np.random.default_rng(n).random(n), (450, 1))
    weights[7, -1] += 1
    first, inverse = logistic._distinct(weights)
    np.testing.assert_array_equal(first, [0, 7])
    np.testing.assert_array_equal(np.flatnonzero(inverse), [7])


def test_threads_change_no_result():
    features, labels = problem(n=200)
    weights = np.random.default_rng(0).integers(0, 2, (12, 200)) + 0.5
    one, three = (
        logistic.Solver(features, labels, threads).fit(weights, groups=np.arange(12) // 3) for threads in (1, 3)
    )
    np.testing.assert_array_equal(one.theta, three.theta)


def test_columns_of_zeros_get_no_weight_wherever_the_start_is():
    features, labels = problem()
    features[:, 2] = 0
    ours = logistic.fit(features, labels, np.ones((1, 60)), start=np.ones((1, 1, 5)))
    assert ours.theta[0, 0, 2] == 0


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
        (np.ones((1, 3)), 1.0, "one for each point"),
        (-np.ones((1, 60)), 1.0, "at least 0"),
        (np.full((1, 60), np.nan), 1.0, "finite"),
        (np.ones((1, 60)), 0.0, "C must be a positive number"),
        (np.ones(60), 1.0, "one for each point"),
    ],
)
def test_wrong_input_is_refused(weights, C, message):
    with pytest.raises(InputError, match=message):
        logistic.fit(*problem(), weights, C)


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (np.zeros(3), np.zeros(3, int), "must be"),
        (np.zeros((3, 1)), np.zeros(2, int), "must be"),
        (np.full((2, 1), np.inf), np.zeros(2, int), "finite"),
        (np.zeros((2, 1)), np.array([0.5, 1]), "whole numbers"),
        (np.zeros((2, 1)), np.array([-1, 1]), "whole numbers"),
    ],
)
def test_wrong_points_are_refused(features, labels, message):
    with pytest.raises(InputError, match=message):
        logistic.Solver(features, labels)


def test_a_wrong_start_is_refused():
    with pytest.raises(InputError, match=r"start must be \[1, 1, 5\]"):
        logistic.fit(*problem(), np.ones((1, 60)), start=np.zeros((1, 5)))


def test_a_model_that_misses_its_tolerance_is_named():
    features, labels = problem()
    weights = np.ones((2, len(labels)))
    with pytest.raises(RuntimeError, match=r"models \[0, 1\] did not reach"):
        logistic.fit(features, labels, weights, tolerance=-1.0)


@pytest.mark.slow
def test_memory_at_a_tenth_of_the_largest_size_stays_within_a_tenth_of_its_bound():
    n, d, m = 10_000, 512, 440
    rng = np.random.default_rng(0)
    tracemalloc.start()
    features = rng.normal(size=(n, d)).astype(np.float32)
    labels = (features[:, 0] + rng.normal(size=n) > 0).astype(int)
    weights = rng.integers(0, 2, (m, n)).astype(float)
    ours = logistic.fit(features, labels, weights, 0.001, tolerance=1e-3, groups=np.repeat(np.arange(11), 40))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ours.theta.shape == (m, 1, d + 1)
    assert peak < 4 * 2**30 / 10


@pytest.mark.parametrize("engine", ["torch", "Keras", "", 1])
def test_an_unknown_engine_is_refused_before_anything_starts(engine):
    with pytest.raises(InputError, match=f"engine is {engine!r}; it must be one of numpy, keras, or left out"):
        logistic.Solver(None, None, engine=engine)
    for options in (ScoreOptions, SetOptions):
        with pytest.raises(InputError, match="engine is"):
            options(engine=engine)
    with pytest.raises(InputError, match="engine is"):
        greedy.select(Candidates(*problem(), np.zeros((1, 4)), np.zeros(1, int)), engine=engine)


def test_an_unknown_engine_of_the_environment_is_refused(monkeypatch):
    monkeypatch.setenv("INFLUAUG_ENGINE", "gpu")
    with pytest.raises(InputError, match="INFLUAUG_ENGINE is 'gpu'; it must be one of numpy, keras"):
        logistic.fit(*problem(), np.ones((1, 60)))
    assert logistic.Solver(*problem(), engine="numpy").engine == "numpy"
    monkeypatch.setenv("INFLUAUG_ENGINE", "")
    assert logistic.Solver(*problem()).engine == "numpy"


@pytest.mark.slow
def test_a_fit_and_a_score_by_default_import_neither_keras_nor_a_backend():
    code = """
import sys
import numpy as np
import studies.points.sweep
from influaug.selection import scores
from influaug.solver import heads, logistic
x, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
theta = logistic.fit(x, y, np.ones((1, 30))).theta[0]
head = heads.Head(heads.with_intercept(x), y, np.ones(30), theta)
scores.compute("influence", head, 30, scores.ScoreOptions())
print({"keras", "tensorflow", "jax", "torch"} & set(sys.modules))
"""
    clean = {name: value for name, value in os.environ.items() if name != "INFLUAUG_ENGINE"}
    said = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


def blas_threads():
    """Threads of every BLAS library of the process, by its file: those that others have limited before stay limited."""
    return {info["filepath"]: info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"}


def test_fits_that_overlap_take_one_thread_each_and_leave_the_threads_that_they_found():
    """The first fit ends while the second, which began later, still solves."""
    features, labels = problem(3)
    solver, weights = logistic.Solver(features, labels), np.ones((1, len(labels)))
    alone, solve = solver.fit(weights).theta, logistic._solve
    events = {name: Event() for name in ("first solves", "second solves", "first ended")}
    seen = []

    def first(*problem):
        events["first solves"].set()
        assert events["second solves"].wait(60)
        return solve(*problem)

    def second(*problem):
        events["second solves"].set()
        assert events["first ended"].wait(60)
        seen.append(blas_threads())
        return solve(*problem)

    steps = {"first": first, "second": second}
    # A thread's name says whose fit it is.
    fake = mock.patch.object(logistic, "_solve", lambda *problem: steps[current_thread().name.split("_")[0]](*problem))
    with threadpool_limits(2, "blas"), fake:
        before = blas_threads()
        assert 2 in before.values()
        one, other = (ThreadPoolExecutor(1, thread_name_prefix=name) for name in ("first", "second"))
        with one, other:
            fits = [one.submit(solver.fit, weights)]
            assert events["first solves"].wait(60)
            fits.append(other.submit(logistic.Solver(features, labels).fit, weights))
            found = [fits[0].result()]
            events["first ended"].set()
            found.append(fits[1].result())
        assert set(seen[0].values()) == {1} and blas_threads() == before
    assert all(np.array_equal(fit.theta, alone) for fit in found)


def test_a_fit_that_fails_leaves_the_threads_that_it_found():
    features, labels = problem(3)
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with mock.patch.object(logistic, "_solve", side_effect=MemoryError), pytest.raises(MemoryError):
            logistic.fit(features, labels, np.ones((1, len(labels))))
        assert blas_threads() == before


def test_a_model_that_misses_from_a_start_is_fitted_without_it(monkeypatch):
    features, labels = problem(n_classes=3)
    weights = np.vstack([np.ones(60), np.arange(60) % 2])
    solver = logistic.Solver(features, labels)
    minimise, expected = solver._minimise, solver.fit(weights).theta

    def stuck(weights, C, start, tolerance, groups):
        theta, results = minimise(weights, C, start.copy(), tolerance, groups)
        results[1, start[:, 0, 0] == 7] = np.inf
        return theta, results

    start = np.zeros((2, 3, 5))
    start[1, 0, 0] = 7
    monkeypatch.setattr(solver, "_minimise", stuck)
    np.testing.assert_allclose(solver.fit(weights, start=start).theta, expected, atol=1e-5)
