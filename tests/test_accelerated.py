"""The solver on Keras's backend against the one in NumPy, against plain objectives, and on other backends."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influaug import accelerated, heads, logistic
from influaug.backend import keras
from influaug.errors import InputError
from problems import problem

pytestmark = pytest.mark.slow

ONE_GROUP, UNEVEN = np.zeros(6, int), np.array([4, 4, 1, 4, 4, 4])


def shaped(shape, seed, n_classes):
    """Features [40, 5], labels and weights [6, 40] of a problem that is hard in the way its name says."""
    features, labels = problem(seed, n=40, d=5, n_classes=n_classes)
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 1.5, (6, 40))
    if shape == "separable":
        features = features + 10 * np.eye(5)[labels]
    if shape == "duplicated":
        features[:, 1] = features[:, 0]
    if shape == "scaled":
        features *= 10.0 ** np.arange(-2, 3)
    if shape == "single":
        features = features.astype(np.float32)
    if shape == "zero weights":
        weights[:, n_classes:] *= rng.integers(0, 2, (6, 40 - n_classes))
    if shape == "uneven weights":
        weights = 10.0 ** rng.uniform(-2, 2, weights.shape)
    return features, labels, weights


def assert_parity(features, labels, weights, C=10.0, groups=None, tolerance=1e-9):
    """Objectives of both solvers agree, and are those of the parameters; the result of the accelerated one."""
    ours = accelerated.Solver(features, labels).fit(weights, C, None, tolerance, groups)
    theirs = logistic.fit(features, labels, weights, C, None, tolerance, groups)
    scale, x = np.maximum(theirs.objective, 1), heads.with_intercept(features)
    assert (np.abs(ours.objective - theirs.objective) <= max(1e-8, 2 * tolerance) * scale).all()
    assert (ours.decrement <= tolerance * scale).all()
    plain = [heads.objective(x, labels, theta, w, C) for theta, w in zip(ours.theta, weights, strict=True)]
    np.testing.assert_allclose(ours.objective, plain, rtol=1e-12, atol=1e-12)
    return ours, theirs


@given(
    st.integers(0, 1000),
    st.sampled_from([2, 3]),
    st.floats(-4, 4),
    st.sampled_from(["plain", "separable", "duplicated", "scaled", "single", "zero weights", "uneven weights"]),
    st.sampled_from([ONE_GROUP, UNEVEN]),
)
@settings(max_examples=10, deadline=None)
def test_the_minimum_is_the_cpus(seed, n_classes, log_C, shape, groups):
    assert_parity(*shaped(shape, seed, n_classes), 10.0**log_C, groups)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_tolerance_beyond_single_precision_is_reached_in_double(n_classes):
    ours, theirs = assert_parity(*shaped("plain", 1, n_classes), groups=ONE_GROUP, tolerance=1e-15)
    np.testing.assert_allclose(ours.objective, theirs.objective, rtol=1e-13)
    np.testing.assert_allclose(ours.theta, theirs.theta, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_the_decrement_is_newtons(n_classes):
    features, labels = problem(7, n=40, d=5, n_classes=n_classes)
    weights = np.random.default_rng(7).uniform(0.5, 1.5, (6, 40))
    ours = accelerated.Solver(features, labels).fit(weights, tolerance=1e-4, groups=UNEVEN)
    x = heads.with_intercept(features)
    for decrement, theta, w in zip(ours.decrement, ours.theta, weights, strict=True):
        g = heads.gradient(x, labels, theta, w, 10.0).ravel()
        newton = 0.5 * g @ np.linalg.solve(heads.hessian(x, theta, w, 10.0), g)
        assert decrement == pytest.approx(newton, rel=0.25, abs=1e-13)


@pytest.mark.parametrize("groups", [None, UNEVEN, ONE_GROUP])
def test_groups_change_the_way_but_not_the_minimum(groups):
    assert_parity(*shaped("uneven weights", 2, 2), groups=groups)


def test_rows_in_blocks_give_what_all_rows_at_once_give(monkeypatch):
    features, labels, weights = shaped("plain", 3, 3)
    whole = accelerated.Solver(features, labels).fit(weights)
    monkeypatch.setattr(accelerated, "ROWS", 7)
    parts = accelerated.Solver(features, labels).fit(weights)
    np.testing.assert_allclose(parts.objective, whole.objective, rtol=1e-9)


def test_a_warm_start_is_where_a_fit_starts():
    features, labels, weights = shaped("plain", 4, 3)
    solver = accelerated.Solver(features, labels)
    cold = solver.fit(weights, tolerance=1e-12, groups=UNEVEN)
    warm = solver.fit(weights, start=cold.theta, groups=UNEVEN)
    assert cold.iterations.min() > 1
    np.testing.assert_array_equal(warm.iterations, 0)
    np.testing.assert_allclose(warm.theta, cold.theta, atol=1e-6)


def test_equal_models_are_equal_and_each_gets_what_is_its_own():
    features, labels, weights = shaped("plain", 5, 2)
    weights[4], weights[3] = weights[1], 0
    ours, _ = assert_parity(features, labels, weights, groups=UNEVEN)
    np.testing.assert_array_equal(ours.theta[4], ours.theta[1])
    np.testing.assert_array_equal(ours.theta[3], 0)
    apart = accelerated.Solver(features, labels, merge_equal=False).fit(weights, groups=UNEVEN)
    np.testing.assert_allclose(apart.objective, ours.objective, rtol=1e-8)


def test_points_of_a_single_class_and_columns_of_zeros():
    features, labels = problem(n_classes=3)
    features[:, 2] = 0
    ours = accelerated.Solver(features, labels).fit((labels == 0)[None].astype(float), start=np.ones((1, 3, 5)))
    assert ours.objective[0] == pytest.approx(0, abs=2e-9)
    np.testing.assert_array_equal(ours.theta[..., 2], 0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_a_line_of_the_grid_is_of_one_group_and_half_of_the_grid_is_needed(groups):
    groups = np.array(groups)
    grid = accelerated._grid(groups)
    assert set(grid.ravel()) == set(range(len(groups)))
    assert (groups[grid] == groups[grid[:, :1]]).all()
    assert grid.size <= 2 * len(groups)


def test_groups_of_one_size_have_a_line_each():
    np.testing.assert_array_equal(accelerated._grid(np.array([7, 3, 3, 7])), [[1, 2], [0, 3]])


@pytest.mark.parametrize(
    ("weights", "options"),
    [
        (np.ones((1, 3)), {}),
        (-np.ones((1, 60)), {}),
        (np.full((1, 60), np.nan), {}),
        (np.ones((1, 60)), {"C": 0.0}),
        (np.ones((1, 60)), {"start": np.zeros(5)}),
    ],
)
def test_wrong_input_is_refused_as_on_the_cpu(weights, options):
    with pytest.raises(InputError) as theirs:
        logistic.Solver(*problem()).fit(weights, **options)
    with pytest.raises(InputError) as ours:
        accelerated.Solver(*problem()).fit(weights, **options)
    assert str(ours.value) == str(theirs.value)


def test_wrong_points_are_refused():
    with pytest.raises(InputError, match="finite"):
        accelerated.Solver(np.full((2, 1), np.inf), np.array([0, 1]))


def test_models_that_miss_their_tolerance_are_named():
    features, labels, weights = shaped("plain", 6, 2)
    solver, start = accelerated.Solver(features, labels), np.zeros((6, 1, 6))
    start[[2, 5]] = np.nan
    with pytest.raises(RuntimeError, match=r"models \[2, 5\] did not reach the tolerance 1e-09"):
        solver.fit(weights, start=start)


def test_the_backends_precision_is_left_as_it_was():
    if keras.config.backend() != "tensorflow":
        pytest.skip("TensorFlow's setting; Keras runs on another backend")
    from tensorflow.config import experimental

    before = experimental.tensor_float_32_execution_enabled()
    for setting in (True, False):
        experimental.enable_tensor_float_32_execution(setting)
        with accelerated._full_precision():
            assert not experimental.tensor_float_32_execution_enabled()
        assert experimental.tensor_float_32_execution_enabled() == setting
    experimental.enable_tensor_float_32_execution(before)


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_jax_reaches_the_same_minimum():
    test = f"{__file__}::{test_a_tolerance_beyond_single_precision_is_reached_in_double.__name__}[3]"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test]
    said = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "1 passed" in said.stdout


@pytest.mark.gpu
@pytest.mark.parametrize("n_classes", [2, 10])
def test_parity_on_a_gpu(n_classes):
    device = str(keras.ops.ones(1).device).lower()
    if "gpu" not in device and "cuda" not in device:
        pytest.skip(f"Keras runs on {device}, which is no GPU")
    features, labels = problem(0, n=20_000, d=40, n_classes=n_classes)
    weights = np.random.default_rng(0).integers(0, 2, (40, len(labels))).astype(float)
    assert_parity(features.astype(np.float32), labels, weights, groups=np.arange(40) % 4)
