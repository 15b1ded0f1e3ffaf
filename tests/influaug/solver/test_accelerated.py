"""The engine on Keras's backend against the one in NumPy, against plain objectives, and on other backends."""

import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_sets import feature_set
from influaug import backend
from influaug.backend import keras
from influaug.errors import InputError
from influaug.influence import on_device
from influaug.selection import greedy
from influaug.selection.policies import SetOptions
from influaug.selection.scores import GAINS, ScoreOptions, compute
from influaug.solver import accelerated, engines, heads, logistic
from influaug.solver.heads import Head
from problems import problem
from studies.copies import sweep as set_sweep
from studies.points import sweep

pytestmark = pytest.mark.slow

ONE_GROUP, UNEVEN = np.zeros(6, int), np.array([4, 4, 1, 4, 4, 4])


@pytest.fixture
def minimised(monkeypatch):
    """How many models each fit on Keras's device was of; nothing in the environment asks for one."""
    monkeypatch.delenv("INFLUAUG_ENGINE", raising=False)
    models, minimise = [], accelerated.Engine.minimise

    def counted(self, weights, *others):
        models.append(len(weights))
        return minimise(self, weights, *others)

    monkeypatch.setattr(accelerated.Engine, "minimise", counted)
    return models


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
    if shape == "downweighted":
        weights = rng.choice([1.0, 1 / 3], weights.shape)
    if shape == "uneven weights":
        weights = 10.0 ** rng.uniform(-2, 2, weights.shape)
    return features, labels, weights


def by_keras(features, labels, **options):
    return logistic.Solver(features, labels, engine="keras", **options)


def assert_same_theta(ours, theirs):
    """Within 1e-8 of each model's own scale."""
    scale = np.abs(theirs.theta).max(axis=(1, 2), keepdims=True)
    assert (np.abs(ours.theta - theirs.theta) <= 1e-8 * scale).all()


def assert_parity(features, labels, weights, C=10.0, groups=None, tolerance=1e-9):
    """Objectives of both engines agree, and are those of the parameters; the results of both."""
    ours = by_keras(features, labels).fit(weights, C, None, tolerance, groups)
    theirs = logistic.fit(features, labels, weights, C, None, tolerance, groups, engine="numpy")
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


@pytest.mark.parametrize("shape", ["plain", "downweighted", "uneven weights", "single"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_engines_agree_on_the_parameters(n_classes, shape, minimised):
    """Far beyond single precision; steps go on in double there."""
    features, labels, weights = shaped(shape, 1, n_classes)
    weights[5] = weights[2]
    ours, theirs = assert_parity(features, labels, weights, groups=ONE_GROUP, tolerance=1e-20)
    assert minimised == [5]
    assert_same_theta(ours, theirs)
    np.testing.assert_allclose(ours.objective, theirs.objective, rtol=1e-13)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_engines_agree_from_a_warm_start(n_classes):
    features, labels, weights = shaped("plain", 4, n_classes)
    start = logistic.fit(features, labels, weights, engine="numpy").theta
    after = {"weights": 0.9 * weights, "start": start, "tolerance": 1e-20, "groups": UNEVEN}
    ours, theirs = (logistic.fit(features, labels, engine=engine, **after) for engine in ("keras", "numpy"))
    assert_same_theta(ours, theirs)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_engines_agree_on_a_sweep(n_classes, minimised):
    tables = {}
    for engine in ("numpy", "keras"):
        options = sweep.SweepSettings(
            scores=("loss", "influence"),
            policies=("random_proportional", "deterministic_proportional"),
            refinements=("plain", "both"),
            budgets=(10, 30),
            rounds=2,
            options=ScoreOptions(engine=engine),
        )
        assert engine == "keras" or minimised == []
        tables[engine] = sweep.sweep_points(feature_set(n_classes=n_classes), options, np.random.SeedSequence(0))
    assert len(minimised) == 3 and len(tables["keras"]) == 2 + 2 * 12
    pd.testing.assert_frame_equal(tables["keras"], tables["numpy"], check_exact=True)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_engines_agree_on_a_sweep_over_sets(n_classes, minimised):
    policies, tables = ("influence", "held_out_up", "greedy_influence"), {}
    for engine in ("numpy", "keras"):
        options = set_sweep.SetSweepSettings(policies, (0.1, 0.25), SetOptions(engine=engine, folds=2, solver="exact"))
        assert engine == "keras" or minimised == []
        found = set_sweep.sweep_copies(feature_set(n_classes=n_classes), options, np.random.SeedSequence(0))
        tables[engine] = found.drop(columns="seconds")
    # Of the points, of two folds, of greedy selection (at first and never again), and of all that was chosen.
    assert minimised[:3] == [1, 1, 1] and minimised[-1] == 8 and len(minimised) >= 5
    pd.testing.assert_frame_equal(tables["keras"], tables["numpy"], check_exact=True)


def head_of(n_classes, n=80):
    features, labels = problem(n=n, n_classes=n_classes)
    weights = np.random.default_rng(0).choice([1.0, 1 / 3], n)
    theta = logistic.fit(features, labels, weights[None], engine="numpy").theta[0]
    return Head(heads.with_intercept(features), labels, weights, theta)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("of_loss", [{}, {"hessian": "loss", "damping": 1e-3}])
def test_engines_agree_on_influence(n_classes, of_loss, monkeypatch):
    monkeypatch.setattr(accelerated, "ROWS", 13)
    theirs, ours = (
        compute("influence", head_of(n_classes), 50, ScoreOptions(engine=engine, **of_loss))
        for engine in ("numpy", "keras")
    )
    assert ours.shape == (50,)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10)


def test_a_singular_hessian_is_refused_by_both_engines():
    head = head_of(2)
    head.x[:, 1] = head.x[:, 0]
    for engine in ("numpy", "keras"):
        with pytest.raises(InputError, match="singular with damping = 0;"):
            compute("influence", head, 50, ScoreOptions(hessian="loss", engine=engine))


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_the_decrement_is_newtons(n_classes):
    features, labels = problem(7, n=40, d=5, n_classes=n_classes)
    weights = np.random.default_rng(7).uniform(0.5, 1.5, (6, 40))
    ours = by_keras(features, labels).fit(weights, tolerance=1e-4, groups=UNEVEN)
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
    whole = by_keras(features, labels).fit(weights)
    monkeypatch.setattr(accelerated, "ROWS", 7)
    parts = by_keras(features, labels).fit(weights)
    np.testing.assert_allclose(parts.objective, whole.objective, rtol=1e-9)


def test_a_warm_start_is_where_a_fit_starts():
    features, labels, weights = shaped("plain", 4, 3)
    solver = by_keras(features, labels)
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
    apart = by_keras(features, labels, merge_equal=False).fit(weights, groups=UNEVEN)
    np.testing.assert_allclose(apart.objective, ours.objective, rtol=1e-8)


def test_points_of_a_single_class_and_columns_of_zeros():
    features, labels = problem(n_classes=3)
    features[:, 2] = 0
    ours = by_keras(features, labels).fit((labels == 0)[None].astype(float), start=np.ones((1, 3, 5)))
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


def test_wrong_input_is_refused_as_by_numpys():
    with pytest.raises(InputError, match="weights must be finite"):
        by_keras(*problem()).fit(-np.ones((1, 60)))
    with pytest.raises(InputError, match="features must be finite"):
        by_keras(np.full((2, 1), np.inf), np.array([0, 1]))


def test_a_gpu_is_taken_by_default_where_there_is_something_to_gain(monkeypatch, minimised):
    monkeypatch.setattr(backend, "has_gpu", lambda: True)
    f = feature_set()
    assert engines.engine_of() == "keras" and engines.engine_of(gains=False) == "numpy"
    logistic.fit(f.train, f.labels, np.ones((1, 120)))
    assert minimised == [1]
    greedy.select(f.candidates, budget=2)
    assert minimised == [1]
    monkeypatch.setattr(on_device, "self_influence", lambda *_: "on the GPU")
    assert compute("influence", head_of(2), 80, ScoreOptions()).shape == (80,)
    points = head_of(2)
    many = int(GAINS / points.theta.size**2)
    assert compute("influence", points, many, ScoreOptions()) == "on the GPU"


def test_a_processor_fits_in_numpy_by_default(minimised):
    if backend.has_gpu():
        pytest.skip("Keras runs on a GPU")
    assert logistic.Solver(*problem()).engine == "numpy"
    logistic.fit(*problem(), np.ones((1, 60)))
    assert minimised == []


def test_a_device_without_float64_is_passed_over_by_default_and_refused_if_asked_for(monkeypatch):
    monkeypatch.setattr(backend, "has_gpu", lambda: True)
    monkeypatch.setattr(backend, "_device", lambda: "mps:0")
    assert engines.engine_of() == "numpy"
    with pytest.raises(InputError, match="device mps:0 has no float64"):
        logistic.Solver(*problem(), engine="keras")
    monkeypatch.setattr(backend.keras.config, "backend", lambda: "openvino")
    with pytest.raises(InputError, match="tensorflow, jax, torch, not openvino"):
        logistic.Solver(*problem(), engine="keras")


def test_the_environment_chooses_the_engine_where_nothing_else_does(monkeypatch, minimised):
    monkeypatch.setenv("INFLUAUG_ENGINE", "keras")
    logistic.fit(*problem(), np.ones((1, 60)))
    assert minimised == [1]
    logistic.fit(*problem(), np.ones((1, 60)), engine="numpy")
    assert minimised == [1]


def test_models_that_miss_their_tolerance_are_named():
    features, labels, weights = shaped("plain", 6, 2)
    solver, start = by_keras(features, labels), np.zeros((6, 1, 6))
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
        with backend.full_precision():
            assert not experimental.tensor_float_32_execution_enabled()
        assert experimental.tensor_float_32_execution_enabled() == setting
    experimental.enable_tensor_float_32_execution(before)


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
@pytest.mark.skipif(keras.config.backend() == "jax", reason="this is JAX")
def test_engines_are_the_same_on_jax():
    chosen = "engines_agree and (parameters or warm_start or influence or (a_sweep and 2))"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", __file__, "-k", chosen]
    said = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    assert " passed" in said.stdout and "skipped" not in said.stdout


@pytest.mark.gpu
@pytest.mark.parametrize("n_classes", [2, 10])
def test_parity_on_a_gpu(n_classes):
    if not backend.has_gpu():
        pytest.skip("Keras does not run on a GPU")
    features, labels = problem(0, n=20_000, d=40, n_classes=n_classes)
    weights = np.random.default_rng(0).integers(0, 2, (40, len(labels))).astype(float)
    assert logistic.Solver(features, labels).engine == "keras"
    assert_parity(features.astype(np.float32), labels, weights, groups=np.arange(40) % 4)
