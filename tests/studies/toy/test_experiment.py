"""The toy experiment: derivatives against finite differences of real refits, and what both scenarios come to."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, minimize
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from influaug.errors import InputError
from studies.storage import artifacts
from studies.toy import experiment as toy
from studies.toy import figures as toy_figures
from studies.toy import networks, tables
from studies.toy.parameters import MODES, SCENARIOS, Toy

pytestmark = pytest.mark.slow

SETTINGS = Toy(seeds=4)
SMALL = Toy(n=20, width=4, steps=3, seeds=2)


@pytest.fixture(scope="module")
def found():
    return toy.runs(SETTINGS)


@pytest.fixture(scope="module")
def results(found):
    return tables.table(found).set_index(["scenario", "arm"]).sort_index()


def started(replicate, scenario="moved"):
    """Points, F trained on them, and E at random weights."""
    points = toy.task(SMALL, scenario, replicate)
    rng = np.random.default_rng(replicate)
    translation = networks.identity(SMALL, replicate)
    weights = tuple(w + 0.3 * rng.normal(size=w.shape) for w in translation.weights)
    return points, networks.train(points.train, SMALL, replicate), replace(translation, weights=weights)


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


def with_weights(translation, vector):
    sizes = np.cumsum([w.size for w in translation.weights])[:-1]
    parts = zip(np.split(vector, sizes), translation.weights, strict=True)
    return replace(translation, weights=tuple(part.reshape(w.shape) for part, w in parts))


def test_scenarios_differ_by_the_move_alone():
    matched, moved = (toy.task(SETTINGS, scenario, 3) for scenario in SCENARIOS)
    np.testing.assert_array_equal(matched.train.x, moved.train.x)
    for name in ("validation", "test"):
        here, there = getattr(matched, name), getattr(moved, name)
        np.testing.assert_allclose(there.x - here.x, np.tile(SETTINGS.move, (len(here.x), 1)), atol=1e-12)
        np.testing.assert_array_equal(there.labels, here.labels)
    assert not np.array_equal(matched.train.x, matched.validation.x)
    assert not np.array_equal(matched.train.x, toy.task(SETTINGS, "matched", 4).train.x)


def test_the_classifier_is_the_network_that_was_trained():
    points = toy.task(SETTINGS, "matched", 0)
    ours = networks.train(points.train, SETTINGS, 0)
    theirs = MLPClassifier((16, 16), activation="tanh").partial_fit(points.train.x, points.train.labels, classes=[0, 1])
    theirs.coefs_ = [*(w for w, _ in ours.hidden), ours.theta[:, :-1].T]
    theirs.intercepts_ = [*(b for _, b in ours.hidden), ours.theta[0, -1:]]
    expected = theirs.predict_proba(points.test.x)[:, 1]
    np.testing.assert_allclose(ours.probability(points.test.x), expected, rtol=1e-10)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_a_refit_is_scikit_learns(seed):
    points, classifier, translation = started(seed)
    copies = points.train.at(points.train.x + translation(points.train.x))
    peer = LogisticRegression(C=SMALL.C, solver="newton-cholesky", tol=1e-10, max_iter=500)
    peer.fit(classifier.features(copies.x)[:, :-1], copies.labels)
    ours = replace(classifier, theta=np.full_like(classifier.theta, 8.0)).refit(copies)
    np.testing.assert_allclose(ours.theta[0], np.append(peer.coef_[0], peer.intercept_), atol=1e-6)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["refreshed", "beside"]))
def test_the_refreshed_gradient_is_that_of_the_validation_loss_after_refits(seed, mode):
    points, classifier, translation = started(seed)

    def fitted(vector):
        by = with_weights(translation, vector)(points.train.x)
        present = toy.points_of(mode, points.train, by)
        return classifier.refit(present), present

    at = flat(translation.weights)
    refitted, present = fitted(at)
    S = refitted.influence(present, points.validation).S
    share = len(points.train.x) / len(present.x)
    ours = share * flat(toy.objective_gradient(refitted, S, translation, points.train))
    differences = approx_fprime(at, lambda vector: fitted(vector)[0].loss(points.validation), 1e-6)
    np.testing.assert_allclose(ours, differences, rtol=1e-3, atol=2e-5 * np.abs(differences).max() + 1e-7)


def test_the_published_gradient_is_that_of_the_mean_influence():
    points, classifier, translation = started(1)
    influence = classifier.influence(points.train, points.validation)

    def mean(vector):
        copies = points.train.x + with_weights(translation, vector)(points.train.x)
        return influence.up_loss(classifier.features(copies), points.train.labels).mean()

    ours = flat(toy.objective_gradient(classifier, influence.S, translation, points.train))
    differences = approx_fprime(flat(translation.weights), mean, 1e-6)
    np.testing.assert_allclose(ours, differences, rtol=1e-4, atol=1e-5 * np.abs(differences).max())


def test_influence_has_the_sign_of_what_a_small_move_of_one_point_does():
    points, classifier, _ = started(2)
    influence = classifier.influence(points.train, points.validation)
    before = classifier.loss(points.validation)
    for i in range(10):
        copies = points.train.x.copy()
        copies[i] += [0.05, -0.05]
        features = classifier.features(points.train.x), classifier.features(copies)
        expected = influence.aug_loss(*features, points.train.labels)[i] / len(copies)
        after = classifier.refit(points.train.at(copies)).loss(points.validation)
        assert after - before == pytest.approx(expected, rel=0.15)


def test_steps_are_adams():
    rng = np.random.default_rng(0)
    target, w, adam = rng.normal(size=4), np.zeros(4), toy._Adam(0.1)
    first = w - adam.step(w - target)
    np.testing.assert_allclose(np.abs(first), 0.1, rtol=1e-6)
    w = first
    for _ in range(500):
        w = w - adam.step(w - target)
    np.testing.assert_allclose(w, minimize(lambda v: np.sum((v - target) ** 2), np.zeros(4)).x, atol=1e-3)


def test_where_validation_points_are_moved_the_translation_follows_with_refreshed_influence(found, results):
    for mode in ("refreshed", "beside"):
        rows = results.loc["moved", mode]
        assert (rows["dy"] < -0.3).all() and rows["dy"].mean() == pytest.approx(-0.5, abs=0.15)
        for kind in ("head", "accuracy"):
            gains = rows[kind].to_numpy() - results.loc[("moved", "none"), kind].to_numpy()
            assert gains.mean() > 0.05
    for each in found:
        for mode in ("refreshed", "beside"):
            assert each.learned[mode].found[-1] < each.learned[mode].found[0]


def test_with_influence_fixed_it_goes_to_the_bound_and_does_harm(found, results):
    none, published = (results.loc[("moved", arm)] for arm in ("none", "as_published"))
    for kind in ("head", "accuracy"):
        assert published[kind].mean() < none[kind].mean() - 0.05
    for each in found:
        if each.scenario == "moved":
            learned = each.learned["as_published"]
            assert np.median(np.abs(learned.translations[:, 1])) > 0.95 * SETTINGS.bound
            assert learned.predicted[-1] < 0 < learned.found[-1]


def test_where_nothing_is_moved_the_refreshed_mean_translation_is_small(found, results):
    for mode in ("refreshed", "beside"):
        rows = results.loc["matched", mode]
        assert np.abs(rows[["dx", "dy"]].mean()).max() < 0.15
    gains = results.loc[("matched", "refreshed"), "head"].to_numpy() - results.loc[("matched", "none"), "head"]
    assert abs(gains.mean()) < 0.02


def test_a_trajectory_starts_from_the_points_as_they_are_and_is_bounded(found):
    for each in found:
        for mode, learned in each.learned.items():
            assert learned.mean.shape == (SETTINGS.steps + 1, 2) and (learned.mean[0] == 0).all()
            assert learned.predicted[0] == learned.found[0]
            assert np.abs(learned.translations).max() <= SETTINGS.bound
            copies = learned.points.x[-SETTINGS.n :]
            np.testing.assert_array_equal(copies, each.points.train.x + learned.translations)
            assert len(learned.points.x) == SETTINGS.n * (1 + (mode == "beside"))


def test_the_table_is_of_the_test_points_and_gains_are_paired(found):
    table = tables.table(found)
    means = tables.summary(table)
    assert len(table) == len(found) * 5 and len(means) == 2 * 5
    last = table[(table["scenario"] == "moved") & (table["replicate"] == 3)].set_index("arm")
    test = found[-1].points.test
    assert last.loc["refreshed", "accuracy"] == found[-1].classifiers["refreshed"].accuracy(test)
    moved = table[table["scenario"] == "moved"].pivot(index="replicate", columns="arm", values="accuracy")
    gain = 100 * (moved["beside"] - moved["none, twice"])
    assert means.loc[("moved", "beside"), ("accuracy gain", "mean")] == pytest.approx(gain.mean())
    assert (means.loc[("moved", "none"), "head gain"] == 0).all()
    text = tables.shown(means)
    assert text.loc[("moved", "none"), "head gain"] == "0.0 ± 0.0" and list(text.index) == list(means.index)


def test_what_is_said_of_gains_follows_from_their_intervals(found):
    means = tables.summary(tables.table(found))
    few, said = tables.said(means, 4), tables.said(means, 5)
    assert few.count("too few seeds") == 6 and "too few" not in said
    for (scenario, arm), row in means.iterrows():
        mean, half = row["accuracy gain", "mean"], row["accuracy gain", "half_width"]
        (line,) = [line for line in said.splitlines() if line.startswith(f"* *{scenario}, {arm}*:")] or [""]
        assert (line == "") == arm.startswith("none")
        word = "open" if abs(mean) <= half else "better" if mean > 0 else "worse"
        assert line == "" or (f"{mean:+.1f} ± {half:.1f} points" in line and f"(n = 5), {word};" in line)


def test_the_same_seeds_give_the_same_numbers():
    first, again = (tables.table(toy.runs(SMALL)) for _ in range(2))
    assert first.equals(again)
    assert not first.equals(tables.table(toy.runs(SMALL.model_copy(update={"seed": 1}))))


def test_the_results_are_written_with_their_parameters(outputs):
    results = tables.table(toy.runs(SMALL))
    tables.write(SMALL, results)
    path = SMALL.folder / "toy.parquet"
    pd.testing.assert_frame_equal(artifacts.read_table(path), results)
    about = artifacts.read_manifest(path)
    assert outputs in path.parents and Toy(**about["parameters"]) == SMALL


def test_influence_at_mistakes_is_of_both_kinds_of_validation_points(found):
    each = next(each for each in found if each.scenario == "moved")
    wrong, right = tables.at_mistakes(each)
    F, validation = each.classifiers["none"], each.points.validation
    helps = -F.influence(each.points.train, validation).up_loss(F.features(validation.x), validation.labels)
    share = 1 - F.accuracy(validation)
    assert share * wrong + (1 - share) * right == pytest.approx(helps.mean())
    # The gradient of the validation loss in the metric of the inverse Hessian: positive.
    assert helps.mean() > 0 and wrong > right


def test_wrong_input_is_refused():
    points, classifier, _ = started(0)
    with pytest.raises(InputError, match="scenario must be matched or moved, not 'shifted'"):
        toy.task(SMALL, "shifted", 0)
    with pytest.raises(InputError, match="mode must be one of as_published, refreshed, beside, not 'fixed'"):
        toy.learn(SMALL, "fixed", points, classifier, 0)
    with pytest.raises(InputError, match="Unknown parameter scenario; known are toy, scenarios"):
        Toy.of({"scenario": "moved"})
    with pytest.raises(InputError, match=r"Parameter modes\.0: "):
        Toy.of({"modes": ["fixed"]})
    assert Toy.of({"move": [0, -1], "C": 2}) == Toy(move=[0.0, -1.0], C=2.0)


def test_figures_show_the_points_and_the_means(found):
    moved = [each for each in found if each.scenario == "moved"]
    limits = toy_figures.extent(moved)
    _, axes = plt.subplots(1, 4)
    toy_figures.four_columns(axes, moved[0], "refreshed", limits)
    drawn = [
        np.vstack([np.asarray(c.get_offsets()) for c in ax.collections if len(c.get_offsets()) > 1]) for ax in axes
    ]
    for shown, points in zip(drawn[::2], (moved[0].points.train, moved[0].learned["refreshed"].points), strict=True):
        np.testing.assert_allclose(sorted(shown.tolist()), sorted(points.x.tolist()))
    assert "% right" in axes[3].get_title() and axes[0].get_xlim() == limits[0]
    _, axes = plt.subplots(1, 3)
    lines = toy_figures.losses(axes[0], moved, "refreshed").get_lines()
    np.testing.assert_allclose(lines[1].get_ydata(), np.mean([each.learned["refreshed"].found for each in moved], 0))
    paths = toy_figures.mean_translations(axes[1], moved, MODES).get_lines()
    assert len(paths) == 2 * len(moved) * len(MODES)
    means = tables.summary(tables.table(found))
    assert len(toy_figures.gains(axes[2], means).get_yticks()) == 6
    plt.close("all")
