import numpy as np
import pytest

from influaug.solver import heads
from problems import problem
from studies.benchmark import measure as benchmark
from studies.benchmark import page, sweeps
from studies.points.feature_set import FeatureSet
from studies.points.study import Study

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def features():
    """40 points with two copies each, and as many to test on."""
    x, labels = problem(0, n=120, d=6)
    rng = np.random.default_rng(0)
    x_test, y_test = rng.normal(size=(90, 6)), rng.integers(0, 2, 90)
    return FeatureSet(x, np.append(labels[:40], np.repeat(labels[:40], 2)), 40, x_test, y_test, 30)


@pytest.fixture(scope="module")
def sweep(features):
    return sweeps.sweep_of(features, 10.0, rounds=2)


def test_a_sweep_is_eleven_policies_at_all_budgets(sweep):
    assert len(sweep.groups) == 22 and len(set(sweep.groups)) == 3
    totals = np.array([weights.sum(axis=1) for weights in sweep.weights])
    np.testing.assert_array_equal(totals[:, 0], 40 + 2 * np.array([1, 2, 4, 10, 20, 30, 40]))
    assert (totals == totals[:, :1]).all()


def test_multiplicity_counts_equal_models(sweep):
    counts = sweeps.multiplicity(sweep)
    assert (counts[-1] == 22).all() and counts.min() == 1
    _, distinct = np.unique(np.vstack(sweep.weights), axis=0, return_counts=True)
    assert (1 / counts).sum() == pytest.approx(len(distinct))


def test_both_ways_fit_the_same_models(sweep):
    ours = sweeps.batched(sweep)
    for options in benchmark.COMPETITORS.values():
        theirs = sweeps.one_by_one(sweep, options)
        np.testing.assert_allclose(ours.objective, theirs.objective, rtol=1e-7)
        np.testing.assert_allclose(ours.accuracy, theirs.accuracy, atol=0.02)
        assert (theirs.seconds > 0).all()


def test_a_competitor_out_of_time_has_fitted_whole_curves(sweep):
    run = sweeps.one_by_one(sweep, {"solver": "lbfgs"}, limit=1e-9)
    fitted = np.isfinite(run.seconds)
    assert fitted.sum() == len(sweep.weights) and fitted.any(axis=0).sum() == 1
    np.testing.assert_array_equal(fitted, np.isfinite(run.objective))


def test_the_comparison_is_of_whole_sweeps(sweep):
    table = benchmark.compare(sweep, 1e-9, repeats=0, threads=[1])
    assert len(table) == 2 and (table["models"] == 154).all() and (table["fitted"] == 7).all()
    assert (table["worst_gap"] < 1e-6).all() and (table["accuracy_difference"] <= 0.02).all()
    np.testing.assert_allclose(table["ratio"], table["theirs"] / table["ours"])
    assert (table["theirs, equal once"] < table["theirs"]).all()


def test_growth_takes_shares_of_a_sweep(sweep):
    table = benchmark.growth(sweep, 1e-9, shares=(0.5, 1.0))
    assert table[["varied", "models", "columns", "points"]].to_numpy().tolist() == [
        ["models", 7 * 28, 6, 40],
        ["models", 7 * 55, 6, 40],
        ["columns", 7 * 55, 3, 40],
        ["columns", 7 * 55, 6, 40],
        ["points", 6 * 55, 6, 20],
        ["points", 7 * 55, 6, 40],
    ]


def test_the_work_of_the_gradients_is_that_of_the_steps(sweep):
    steps_times_rows = benchmark.gradient_work(sweep) / (4 * 7)
    assert 40 * 10 < steps_times_rows < 154 * 120 * 60


def test_scores_agree_with_autograds(monkeypatch):
    def absent(*_):
        raise benchmark.InputError("it is not here.")

    monkeypatch.setattr(benchmark.competitors, "pydvl_influence", absent)
    table = benchmark.scores(5, n=30, repeats=1)
    assert table["way"].tolist()[:2] == ["closed form", "autograd, a gradient a point"]
    assert "not run" in table["way"][2]
    assert table["largest relative difference"][1] < 1e-10
    assert np.isnan(table["seconds"][2])


def test_cases_have_the_copies_of_a_study():
    (case,) = sweeps.cases(Study(n_train=40, epochs=1))
    assert (case.network, case.n_classes, case.features.n, case.features.k) == ("lenet", 2, 40, 4)
    live = case.features.train.any(axis=0).sum()
    assert case.columns == live and len(case.features.train) == 200
    predicted = heads.predict(heads.with_intercept(case.features.test), np.zeros((1, 1, 85)))
    assert predicted.shape[1] == len(case.features.test_labels)


def test_the_page_says_what_was_measured(sweep):
    study = Study(patience=1e-9, rounds=2)
    results = benchmark.solver_results(study, [sweeps.Case("lenet", 6, 2, sweep.features)])
    assert set(results["case"]) == {"2 classes, 6 columns"} and set(results["C"]) == {10.0, 1.0}
    assert set(results["threads"]) == {1, benchmark.CORES}
    table = page.shown(results)
    assert len(table.data) == 4 and table.data.columns.nlevels == 2 and "154" not in table.to_html()
    one = results[(results["C"] == 1) & (results["threads"] == 1)].set_index("competitor")
    at = table.data.loc[("2 classes, 6 columns", "1", 1)]
    assert at[page.TIMES, "lbfgs"] == one.loc["scikit-learn lbfgs", "ratio"]
    assert at[page.SECONDS, "newton-cholesky"] == one.loc["scikit-learn newton-cholesky, warm", "theirs"]
    assert at["", "worst gap"] == one["worst_gap"].max()
    caption = page.caption(study, results)
    assert "digits" in caption and f"{len(results)} of the {len(results)} rows extrapolate" in caption
    assert "GFLOP/s" in page.roofline(sweep) and "cores" in page.machine()
