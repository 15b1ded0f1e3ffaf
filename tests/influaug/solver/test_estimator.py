import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from influaug.errors import InputError
from influaug.solver.estimator import LogisticHead, check_labels
from problems import problem


@pytest.mark.slow
def test_scikit_learns_own_checks_pass():
    results = check_estimator(LogisticHead(), on_fail=None)
    failed = {r["check_name"]: r["exception"] for r in results if r["status"] not in ("passed", "skipped")}
    assert len(results) > 40 and not failed


@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_predicts_what_scikit_learn_predicts(n_classes):
    features, labels = problem(7, n=200, n_classes=n_classes)
    names = np.array(["cat", "dog", "owl"])[labels]
    weights = np.random.default_rng(7).uniform(0, 2, 200)
    ours = LogisticHead(C=3.0).fit(features, names, weights)
    theirs = LogisticRegression(C=3.0, tol=1e-10, max_iter=10_000).fit(features, names, weights)
    np.testing.assert_allclose(ours.decision_function(features), theirs.decision_function(features), atol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(features), theirs.predict_proba(features), atol=1e-4)
    np.testing.assert_array_equal(ours.predict(features), theirs.predict(features))
    assert ours.score(features, names) == theirs.score(features, names)
    assert ours.decrement_ <= 1e-16 * ours.objective_ and ours.n_iter_ > 0


def test_it_goes_into_a_pipeline_and_a_grid_search():
    features, labels = problem(8, n=120)
    search = GridSearchCV(make_pipeline(StandardScaler(), LogisticHead()), {"logistichead__C": [1e-3, 1.0]}, cv=3)
    assert search.fit(features, labels).best_params_ == {"logistichead__C": 1.0}


def test_a_single_class_and_a_wrong_c_are_refused():
    with pytest.raises(InputError, match="one class"):
        LogisticHead().fit(np.ones((3, 1)), [1, 1, 1])
    with pytest.raises(InputError, match="types int, str"):
        LogisticHead().fit(np.ones((2, 1)), [0, "a"])
    with pytest.raises(InputError, match="C must be a positive number"):
        LogisticHead(C=0).fit(np.ones((2, 1)), [0, 1])


def test_class_weights_are_those_of_scikit_learn():
    features, labels = problem(9, n=150, n_classes=3)
    for class_weight in ("balanced", {0: 2.0, 2: 0.5}):
        ours = LogisticHead(C=3.0, class_weight=class_weight).fit(features, labels)
        theirs = LogisticRegression(C=3.0, class_weight=class_weight, tol=1e-10, max_iter=10_000).fit(features, labels)
        np.testing.assert_allclose(ours.decision_function(features), theirs.decision_function(features), atol=1e-4)


def test_a_fit_that_fails_leaves_the_head_as_it_was(monkeypatch):
    features, labels = problem(9, n=50)
    head = LogisticHead().fit(features, labels)
    before = dict(vars(head))

    def fail(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("influaug.solver.logistic.fit", fail)
    with pytest.raises(KeyboardInterrupt):
        head.fit(features[:, :2], np.where(labels == 1, "a", "b"))
    assert vars(head).keys() == before.keys() and all(vars(head)[name] is value for name, value in before.items())


@pytest.mark.parametrize(
    ("options", "scale", "right"),
    [
        ({"C": "1"}, 1, "C must be a positive number, not '1'"),
        ({"tolerance": -1}, 1, "tolerance must be"),
        ({}, 1e200, "at most 1e"),
        ({"class_weight": {0: 0}}, 1, "class_weight of 0 is 0"),
    ],
)
def test_wrong_values_are_refused(options, scale, right):
    features, labels = problem(9, n=50)
    with pytest.raises(InputError, match=right):
        LogisticHead(**options).fit(features * scale, labels)


def test_a_minimum_that_is_not_reached_is_said_in_a_sentence(monkeypatch):
    def fail(*args, **options):
        raise RuntimeError("models [0] did not reach the tolerance 1e-16")

    monkeypatch.setattr("influaug.solver.logistic.fit", fail)
    with pytest.raises(InputError, match=r"did not reach its minimum .*; scale the features, or take a smaller C"):
        LogisticHead().fit(*problem(9, n=50))


def test_many_classes_of_few_features_are_fitted():
    rng = np.random.default_rng(0)
    labels = np.arange(600) % 200
    X = rng.normal(size=(200, 3))[labels] + 0.5 * rng.normal(size=(600, 3))
    ours = LogisticHead(C=1.0, tolerance=1e-12).fit(X, labels)
    theirs = LogisticRegression(C=1.0, tol=1e-9, max_iter=10_000).fit(X, labels)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-4)


def test_wide_heads_are_fitted_in_single_precision_to_the_same_minimum(monkeypatch):
    X, y = problem(n=300, d=6, n_classes=4)
    weights = np.random.default_rng(0).uniform(0.5, 2, 300)
    certified = LogisticHead(C=2.0).fit(X, y, weights)
    monkeypatch.setattr("influaug.solver.single.LARGEST", 20)
    wide = LogisticHead(C=2.0).fit(X, y, weights)
    np.testing.assert_allclose(wide.predict_proba(X), certified.predict_proba(X), atol=1e-4)
    assert wide.intercept_.sum() == pytest.approx(0, abs=1e-9) and wide.n_iter_ > 1
    assert wide.objective_ == pytest.approx(certified.objective_, rel=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(("offset", "scale"), [(1e4, 1.0), (1e8, 1.0), (0.0, 1e-8), (0.0, 1e8)])
def test_columns_far_from_zero_and_extreme_scales_give_the_same_head(offset, scale, n_classes):
    features, labels = problem(9, n=100, n_classes=n_classes)
    plain = LogisticHead(C=3.0).fit(features, labels)
    moved = LogisticHead(C=3.0 / scale**2).fit(scale * (features + offset), labels)
    np.testing.assert_allclose(moved.coef_ * scale, plain.coef_, atol=1e-5)
    found = moved.decision_function(scale * (features + offset))
    np.testing.assert_allclose(found, plain.decision_function(features), atol=1e-4)


@pytest.mark.parametrize(
    "missing", [None, np.nan, float("nan"), np.float32("nan"), pd.NA, pd.NaT, np.datetime64("NaT")]
)
@pytest.mark.parametrize(
    "given", [list, tuple, lambda y: np.array(y, object), pd.Series, lambda y: pd.Series(y, dtype=object)]
)
def test_a_missing_label_is_named_in_whatever_the_labels_come(missing, given):
    """A list of texts and NaN would be an array of texts, of which one is 'nan'."""
    for y in (["a", missing, "b"], [0.0, missing, 1.0]):
        with pytest.raises(InputError, match="y has no label for the point 1; every point needs one"):
            check_labels(given(y))
    check_labels(given(["a", "nan", "b"]))


@pytest.mark.parametrize("y", [[0, "a", 1], [True, "a", False], ("a", 2.5, "b")])
def test_a_list_of_texts_and_of_others_is_refused(y):
    with pytest.raises(InputError, match=r"y has labels of the types .*; all must be of one type"):
        check_labels(y)


def test_a_head_names_a_missing_label():
    with pytest.raises(InputError, match="y has no label for the point 2"):
        LogisticHead().fit(np.arange(8.0).reshape(4, 2), ["a", "b", float("nan"), "a"])
