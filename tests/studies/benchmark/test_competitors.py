import itertools
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from influaug.errors import InputError
from influaug.influence.inverse import factor
from influaug.influence.leave_one_out import self_influence
from influaug.solver import heads, logistic
from problems import problem
from studies.benchmark import competitors
from studies.storage import paths

pytestmark = pytest.mark.slow


def fitted(seed=0, n=60, d=4, C=1.0, n_classes=2):
    features, labels = problem(seed=seed, n=n, d=d, n_classes=n_classes)
    weights = np.random.default_rng(seed).choice([0.0, 1 / 3, 0.5, 1.0], size=n, p=[0.1, 0.2, 0.2, 0.5])
    theta = logistic.fit(features, labels, weights[None], C, tolerance=1e-12).theta[0]
    return heads.with_intercept(features), labels, theta, weights, C


def closed_form(x, labels, theta, weights, C):
    return self_influence(x, labels, theta, factor(heads.hessian(x, theta, weights, C)))


def finished(returncode, stderr):
    return lambda command, **_: subprocess.CompletedProcess(command, returncode, stdout="", stderr=stderr)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.integers(20, 60), st.integers(1, 12), st.sampled_from([0.01, 1.0, 10.0]))
def test_autograd_agrees_with_the_closed_form(seed, n, d, C):
    head = fitted(seed, n, d, C)
    np.testing.assert_allclose(competitors.autograd_influence(*head), closed_form(*head), rtol=1e-8)


def test_pydvl_agrees_with_the_closed_form(monkeypatch):
    monkeypatch.setenv("UV_OFFLINE", "1")
    head = fitted(n=100, d=10, C=10.0)
    try:
        scores, seconds, versions = competitors.pydvl_influence(*head)
    except InputError as error:
        pytest.skip(str(error))
    np.testing.assert_allclose(scores, closed_form(*head), rtol=1e-8)
    assert spearmanr(scores, closed_form(*head)).statistic == pytest.approx(1.0, abs=1e-12)
    assert (seconds > 0).all() and (seconds < 10).all()
    assert list(versions) == ["python", "pydvl", "torch", "numpy"]
    pins = dict(package.split("==") for package in competitors.PYDVL)
    assert versions["pydvl"] == pins["pydvl[influence]"]
    assert versions["torch"].partition("+")[0] == pins["torch"]


def test_pydvl_is_given_the_problem_and_its_answer_is_read(monkeypatch, tmp_path):
    head = fitted()
    given_problem = {}

    def script(command, **options):
        source, target = command[-2:]
        with np.load(source, allow_pickle=False) as problem:
            given_problem.update(problem)
        np.savez(
            target, scores=[2.0, 1.0], seconds=[0.25, 0.5], packages=["python", "torch"], versions=["3.11.7", "2.8.0"]
        )
        assert options["env"]["OMP_NUM_THREADS"] == "1"
        return subprocess.CompletedProcess(command, 0, stdout="", stderr="")

    monkeypatch.setattr(competitors.subprocess, "run", script)
    monkeypatch.setattr(competitors.shutil, "which", lambda name: str(name))
    scores, seconds, versions = competitors.pydvl_influence(*head)
    assert scores.tolist() == [2.0, 1.0] and seconds.tolist() == [0.25, 0.5]
    assert versions == {"python": "3.11.7", "torch": "2.8.0"}
    for name, value in zip(("x", "labels", "theta", "weights", "C"), head, strict=True):
        np.testing.assert_array_equal(given_problem[name], value)


def test_the_command_runs_the_script_in_an_environment_of_its_own(monkeypatch):
    monkeypatch.setattr(competitors.shutil, "which", lambda name: f"/bin/{name}" if name == "uv" else None)
    command = competitors.pydvl_command()
    assert command[:2] == ["/bin/uv", "run"] and {"--isolated", "--no-project"} < set(command)
    assert [b for a, b in itertools.pairwise(command) if a == "--with"] == list(competitors.PYDVL)
    assert all("==" in package for package in competitors.PYDVL)
    script = paths.PROJECT / "lib" / "studies" / "benchmark" / "pydvl_influence.py"
    assert command[-3:] == ["python", "-P", str(script)] and script.is_file()


def test_the_projects_own_uv_does_where_there_is_no_other(monkeypatch):
    own = paths.PROJECT / ".uv" / "bin" / "uv"
    monkeypatch.setattr(competitors.shutil, "which", lambda name: str(own) if name == own else None)
    assert competitors.pydvl_command()[0] == str(own)


def test_without_uv_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(competitors.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="make setup"):
        competitors.pydvl_influence(*fitted())


def test_without_the_network_the_error_is_one_sentence(monkeypatch):
    monkeypatch.setattr(competitors.shutil, "which", lambda name: str(name))
    monkeypatch.setattr(competitors.subprocess, "run", finished(1, "error: Failed to fetch\n  Caused by: dns error.\n"))
    with pytest.raises(InputError, match=r"fetches the packages: error: Failed to fetch Caused by: dns error\.$"):
        competitors.pydvl_influence(*fitted())


def test_a_failure_of_the_script_is_no_input_error(monkeypatch):
    monkeypatch.setattr(competitors.shutil, "which", lambda name: str(name))
    stderr = "Traceback (most recent call last):\nImportError: pydvl"
    monkeypatch.setattr(competitors.subprocess, "run", finished(1, stderr))
    with pytest.raises(RuntimeError, match="ImportError: pydvl"):
        competitors.pydvl_influence(*fitted())


@pytest.mark.parametrize("compute", [competitors.autograd_influence, competitors.pydvl_influence])
def test_more_than_two_classes_are_refused(compute):
    with pytest.raises(InputError, match="two classes"):
        compute(*fitted(n_classes=3))
