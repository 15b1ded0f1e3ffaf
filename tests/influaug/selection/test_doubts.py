"""Doubtful labels: probabilities against scikit-learn's, the rule against cleanlab's confident learning."""

import numpy as np
import pytest
from cleanlab.filter import find_label_issues
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from influaug.errors import InputError
from influaug.selection import doubts
from influaug.selection.doubts import Held
from problems import problem

C = 0.7


def held(n_classes=3, n=90, seed=0, folds=3):
    features, labels = problem(seed, n=n, n_classes=n_classes)
    return Held([features], labels, doubts.stratified(labels, folds, seed))


def of_fold(h):
    found = np.empty(len(h.labels), int)
    for fold, points in enumerate(h.folds):
        found[points] = fold
    return found


def by_scikit_learn(h, weights=None):
    model = LogisticRegression(C=C, tol=1e-10, max_iter=5000)
    params = {} if weights is None else {"sample_weight": weights}
    splits = PredefinedSplit(of_fold(h))
    return cross_val_predict(model, h.features[0], h.labels, cv=splits, method="predict_proba", params=params)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_out_of_fold_is_scikit_learns_cross_validation(n_classes):
    h = held(n_classes)
    ones = np.ones(len(h.labels))
    np.testing.assert_allclose(doubts.out_of_fold(h, ones, C), by_scikit_learn(h), atol=1e-3)
    weights = ones.copy()
    weights[::4] = 0
    np.testing.assert_allclose(doubts.out_of_fold(h, weights, C), by_scikit_learn(h, weights), atol=1e-3)


def test_a_fold_can_have_its_own_features():
    h = held()
    own = Held([h.features[0]] * 3, h.labels, h.folds)
    ones = np.ones(len(h.labels))
    np.testing.assert_allclose(doubts.out_of_fold(own, ones, C), doubts.out_of_fold(h, ones, C), atol=1e-4)
    other = Held([h.features[0], h.features[0], h.features[0] ** 2], h.labels, h.folds)
    found = doubts.out_of_fold(other, ones, C)
    same = np.concatenate(h.folds[:2])
    np.testing.assert_allclose(found[same], doubts.out_of_fold(own, ones, C)[same], atol=1e-6)
    assert not np.allclose(found[h.folds[2]], doubts.out_of_fold(own, ones, C)[h.folds[2]], atol=1e-2)


def test_folds_hold_all_points_once_and_all_classes():
    _, labels = problem(1, n=70, n_classes=4)
    folds = doubts.stratified(labels, 5, 1)
    np.testing.assert_array_equal(np.sort(np.concatenate(folds)), np.arange(70))
    counts = np.array([np.bincount(labels[points], minlength=4) for points in folds])
    assert np.ptp(counts, axis=0).max() <= 1
    with pytest.raises(InputError, match="One class has 2 points, fewer than the 3 folds"):
        doubts.stratified(np.array([0, 0, 0, 0, 1, 1]), 3, 0)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_the_rule_is_that_of_confident_learning(seed, n_classes):
    rng = np.random.default_rng(seed)
    labels = np.append(np.arange(n_classes), rng.integers(0, n_classes, 60))
    probabilities = rng.dirichlet(np.full(n_classes, 0.4), len(labels))
    probabilities = 0.7 * probabilities + 0.3 * np.eye(n_classes)[labels]
    mask, suggested = doubts.doubtful(probabilities, labels)
    theirs = find_label_issues(
        labels, probabilities, filter_by="confident_learning", n_jobs=1, min_examples_per_class=0
    )
    # cleanlab then takes back what it flags where the label is the most probable class; ours never is.
    overruled = probabilities.argmax(axis=1) == labels
    np.testing.assert_array_equal(mask & ~overruled, theirs & ~overruled)
    assert (suggested[mask] != labels[mask]).all()
    np.testing.assert_array_equal(suggested[~mask], probabilities[~mask].argmax(axis=1))


def test_a_class_without_points_is_never_suggested_by_the_rule():
    probabilities = np.array([[0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [0.6, 0.3, 0.1], [0.2, 0.75, 0.05]])
    mask, suggested = doubts.doubtful(probabilities, np.array([0, 1, 0, 1]))
    assert not mask.any()
    np.testing.assert_array_equal(suggested, [2, 1, 0, 1])


def test_c_is_the_first_minimum_of_the_loss_out_of_fold_at_any_scale():
    h = held(n=150)
    spread = h.features[0].var(axis=0).sum()
    ones = np.ones(150)
    losses = [
        -np.log(doubts.quality(doubts.out_of_fold(h, ones, value / spread), h.labels)).mean() for value in doubts.GRID
    ]
    first = next(i for i in range(len(losses)) if i + 1 == len(losses) or losses[i + 1] >= losses[i])
    assert doubts.chosen_C(h, 0) == pytest.approx(doubts.GRID[first] / spread)
    wide = Held([1000 * h.features[0]], h.labels, h.folds)
    assert doubts.chosen_C(wide, 0) * 1e6 == pytest.approx(doubts.chosen_C(h, 0))
    with pytest.raises(InputError, match="X is the same for all points"):
        doubts.chosen_C(Held([np.ones((150, 2))], h.labels, h.folds), 0)


def test_c_is_chosen_on_a_sample_of_many_points(monkeypatch):
    monkeypatch.setattr(doubts, "MOST_CHOOSING", 60)
    seen = []
    monkeypatch.setattr(doubts, "out_of_fold", lambda h, w, C: seen.append(h) or np.full((len(w), 3), 1 / 3))
    doubts.chosen_C(held(n=300), 0)
    assert {len(h.labels) for h in seen} <= set(range(55, 66))
    assert all(np.bincount(h.labels).min() >= 6 for h in seen)
    np.testing.assert_array_equal(np.sort(np.concatenate(seen[0].folds)), np.arange(len(seen[0].labels)))


def test_at_most_half_of_a_class_is_left_out_the_worst_first():
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    own = np.array([0.3, 0.1, 0.2, 0.9, 0.2, 0.8, 0.9])
    mask = np.array([True, True, True, False, True, False, False])
    np.testing.assert_array_equal(doubts.weights_without(mask, own, labels), [1, 0, 0, 1, 0, 1, 1])


def noisy(seed, n_classes=3, n=240):
    h = held(n_classes, n, seed)
    rng = np.random.default_rng(seed)
    wrong = rng.choice(n, n // 10, replace=False)
    labels = h.labels.copy()
    labels[wrong] = (labels[wrong] + 1) % n_classes
    return Held(h.features, labels, doubts.stratified(labels, 3, seed)), np.isin(np.arange(n), wrong)


@pytest.mark.parametrize("method", doubts.METHODS)
def test_a_pass_leaves_the_doubtful_points_out_of_the_fits(method):
    h, _ = noisy(0)
    first = doubts.in_passes(h, C, method, 1)
    mask, _ = doubts.doubtful(first, h.labels)
    weights = doubts.weights_without(mask, doubts.quality(first, h.labels), h.labels)
    assert 0 < (weights == 0).sum() < 60
    again = getattr(doubts, method)(h, weights, C)
    np.testing.assert_array_equal(doubts.in_passes(h, C, method, 2), again)
    assert not np.allclose(first, again)


def test_leave_one_out_is_what_many_folds_tend_to():
    h, _ = noisy(1, n=120)
    all_folds = Held(h.features, h.labels, list(np.arange(120)[:, None]))
    ones = np.ones(120)
    exact, ours = doubts.out_of_fold(all_folds, ones, C), doubts.leave_one_out(h, ones, C)
    few = doubts.out_of_fold(h, ones, C)
    assert np.abs(ours - exact).mean() < 0.1 * np.abs(few - exact).mean()


def test_leave_one_out_is_refused_where_it_cannot_be_right_and_auto_does_without(monkeypatch):
    h, _ = noisy(2)
    own = Held([h.features[0]] * 3, h.labels, h.folds)
    with pytest.raises(InputError, match="needs features that were made without these labels"):
        doubts.in_passes(own, C, "leave_one_out", 1)
    np.testing.assert_array_equal(doubts.in_passes(own, C, "auto", 1), doubts.in_passes(own, C, "out_of_fold", 1))
    np.testing.assert_array_equal(doubts.in_passes(h, C, "auto", 1), doubts.in_passes(h, C, "leave_one_out", 1))
    monkeypatch.setattr(doubts, "LARGEST", 14)
    with pytest.raises(InputError, match="of the head's 15 parameters, of which at most 14 are taken"):
        doubts.in_passes(h, C, "leave_one_out", 1)
    np.testing.assert_array_equal(doubts.in_passes(h, C, "auto", 1), doubts.in_passes(h, C, "out_of_fold", 1))
