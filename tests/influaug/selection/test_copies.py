"""Copies by point: never another point's in a fold, a search or a Pipeline, and what cannot be sure is refused."""

import warnings
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from influaug import AugmentationSelector, copies_by_point
from influaug.errors import InputError
from problems import problem

N = 90
NAMES = list("abcd")


def points(seed=0):
    """Points at four scales; copies of the first thirty, each of which begins with its point's number."""
    x, y = problem(seed, n=N)
    x = x * [1, 10, 100, 0.1] + 5
    source = np.repeat(np.arange(30), 2)
    rng = np.random.default_rng(seed)
    return x, y, x[source] * (1 + 0.02 * rng.normal(size=(60, 4))), source


class Witness(ClassifierMixin, BaseEstimator):
    """Keeps what scikit-learn gives to a fit."""

    seen: ClassVar[list] = []

    def fit(self, X, y, copies=None):
        self.classes_ = np.unique(y)
        for x, own in zip(X, copies, strict=True):
            assert len(own) == 0 or np.allclose(own, x, rtol=0.2)
        Witness.seen.append(len(X))
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_scikit_learn_slices_copies_by_point_together_with_x():
    x, y, copies, source = points()
    given = {"copies": copies_by_point(copies, source, N)}
    Witness.seen.clear()
    cross_val_score(Witness(), x, y, cv=KFold(3, shuffle=True, random_state=0), params=given, error_score="raise")
    assert Witness.seen == [60, 60, 60]


@pytest.mark.parametrize("form", ["ragged", "list", "even", "sparse", "frames"])
def test_a_search_is_what_fits_to_the_folds_by_hand_are(form):
    x, y, copies, source = points()
    if form == "even":
        source = np.repeat(np.arange(N), 2)
        copies = x[source] * (1 + 0.02 * np.random.default_rng(1).normal(size=(180, 4)))
    flat = {"sparse": sparse.csr_matrix, "frames": lambda c: pd.DataFrame(c, columns=NAMES)}.get(form, lambda c: c)
    by_point = copies_by_point(flat(copies), source, N)
    by_point = list(by_point) if form == "list" else by_point
    points_ = pd.DataFrame(x, columns=NAMES) if form == "frames" else x
    folds = KFold(3, shuffle=True, random_state=0)
    selector = AugmentationSelector("greedy_influence", 0.2, featurizer=StandardScaler(with_mean=form != "sparse"))
    search = GridSearchCV(selector, {"budget": [0.1, 0.2]}, cv=folds, error_score="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.fit(points_, y, copies=by_point)
    for at, budget in enumerate((0.1, 0.2)):
        for fold, (train, test) in enumerate(folds.split(x)):
            own = np.flatnonzero(np.isin(source, train))
            rank = np.searchsorted(train, source[own])
            one = clone(selector).set_params(budget=budget)
            one.fit(x[train], y[train], copies=copies_by_point(copies[own], rank, len(train)))
            assert search.cv_results_[f"split{fold}_test_score"][at] == one.score(x[test], y[test])
    assert search.best_estimator_.n_candidates_ == len(source)


def test_copies_keep_their_points_labels_whatever_the_order():
    x, y, copies, source = points()
    order = np.random.default_rng(3).permutation(N)
    by_point = copies_by_point(copies, source, N)
    straight = AugmentationSelector(budget=12, featurizer=StandardScaler()).fit(x, y, copies=by_point)
    turned = clone(straight).fit(x[order], y[order], copies=by_point[order])
    np.testing.assert_array_equal(np.sort(order[turned.source_]), straight.source_)
    np.testing.assert_allclose(turned.head_.coef_, straight.head_.coef_, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("run", [partial(cross_val_score, error_score="raise"), cross_val_predict])
@pytest.mark.parametrize("form", ["flat with source", "flat", "one each, with source"])
def test_flat_copies_are_refused_in_a_sentence_that_says_how(run, form):
    x, y, copies, source = points()
    given = {"copies": copies, "source": source}
    if form == "flat":
        del given["source"]
    if form.startswith("one each"):
        given = {"copies": x[::-1], "source": np.arange(N)[::-1]}
    chain = make_pipeline(AugmentationSelector())
    # Where all folds fail, scikit-learn raises an error of its own that quotes theirs.
    with pytest.raises(
        ValueError, match=r"(?s)entry for each point.*influaug.copies_by_point\(copies, source, len\(X\)\)"
    ):
        run(chain, x, y, params={f"augmentationselector__{name}": value for name, value in given.items()})
    with pytest.raises(InputError, match=r"influaug\.copies_by_point"):
        AugmentationSelector().fit(x, y, **given)


def test_too_few_entries_are_refused_and_where_a_fold_has_as_many_there_is_a_warning():
    x, y, _, _ = points()
    few = np.repeat(x[:60, None], 2, axis=1) * 1.01
    with pytest.raises(InputError, match="60 entries of copies for 90 points; copies must have an entry for each"):
        AugmentationSelector().fit(x, y, copies=few)
    folds = KFold(3, shuffle=True, random_state=0)
    with pytest.warns(UserWarning, match="no nearer to the points that they are given for than to others"):
        cross_val_score(AugmentationSelector(), x, y, cv=folds, params={"copies": few}, error_score="raise")


@pytest.mark.parametrize("n_points", [5.0, "5", None, True, -1, [5]])
def test_the_number_of_points_is_a_whole_number(n_points):
    with pytest.raises(InputError, match=r"n_points is .*the length of X"):
        copies_by_point(np.ones((2, 2)), [0, 1], n_points)


def test_copies_by_point_are_in_order_and_keep_empty_entries():
    made = copies_by_point(np.arange(10).reshape(5, 2), [3, 1, 3, 0, 1], 5)
    assert [entry.tolist() for entry in made] == [[[6, 7]], [[2, 3], [8, 9]], [], [[0, 1], [4, 5]], []]
    even = copies_by_point(np.arange(8).reshape(4, 2), [1, 0, 1, 0], 2)
    np.testing.assert_array_equal(even, [[[2, 3], [6, 7]], [[0, 1], [4, 5]]])
    for source, right in (
        ([0, 1], r"5 copies and \[2\] source"),
        ([0, 1, 2, 3, 5], "from 0 to 4"),
        ([0.5] * 5, "whole"),
    ):
        with pytest.raises(InputError, match=right):
            copies_by_point(np.zeros((5, 2)), source, 5)


WRONG = {
    "text": ("abc", "copies is a str"),
    "number": (3, "copies is a int"),
    "flat in an entry": ([np.zeros(4)] * N, r"copies\[0\] has the shape \[4\]"),
    "ragged entry": ([[[1, 2], [3]]] * N, r"copies\[0\] is ragged itself"),
    "several widths": ([np.zeros((1, 4))] * 89 + [np.zeros((1, 3))], r"the shapes \[\[3\], \[4\]\]"),
    "NaN rows": (np.full((N, 2, 4), np.nan), r"where points have fewer copies, give a list of n arrays \[k_i, d\]"),
    "none at all": ([[]] * N, "chooses among copies: give fit a transformation, or copies"),
}


@pytest.mark.parametrize("case", WRONG)
def test_other_forms_are_refused(case):
    copies, right = WRONG[case]
    with pytest.raises(InputError, match=right):
        AugmentationSelector().fit(*points()[:2], copies=copies)


@pytest.mark.parametrize("frame", [lambda d: d, pa.table], ids=["pandas", "pyarrow"])
@pytest.mark.parametrize("columns", [NAMES, NAMES[::-1], ["a", "b", "c", "x"]])
def test_columns_of_copies_are_those_of_x_in_their_order(frame, columns):
    x, y, copies, source = points()
    own = copies_by_point(frame(pd.DataFrame(copies, columns=NAMES)[NAMES].set_axis(columns, axis=1)), source, N)
    selector = AugmentationSelector(budget=9, featurizer=StandardScaler())
    if columns == NAMES:
        fitted = selector.fit(frame(pd.DataFrame(x, columns=NAMES)), y, copies=own)
        plain = clone(selector).fit(x, y, copies=copies_by_point(copies, source, N))
        np.testing.assert_array_equal(fitted.support_, plain.support_)
    else:
        with pytest.raises(InputError, match="they must have X's columns in X's order"):
            selector.fit(frame(pd.DataFrame(x, columns=NAMES)), y, copies=own)


def test_a_scaler_before_the_selector_is_warned_of_and_one_in_the_featurizer_sees_the_copies():
    x, y, copies, source = points()
    by_point = copies_by_point(copies, source, N)
    with pytest.warns(UserWarning, match=r"far outside the scale .* featurizer=StandardScaler\(\)"):
        make_pipeline(StandardScaler(), AugmentationSelector()).fit(x, y, augmentationselector__copies=by_point)
    steps = make_pipeline(StandardScaler(), PCA(3, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = AugmentationSelector(budget=12, featurizer=steps).fit(x, y, copies=by_point)
        fitted = clone(steps).fit(x, y)
        own = copies_by_point(fitted.transform(copies), source, N)
        by_hand = AugmentationSelector(budget=12).fit(fitted.transform(x), y, copies=own)
    np.testing.assert_array_equal(ours.ranking_, by_hand.ranking_)
    np.testing.assert_array_equal(ours.predict(x), by_hand.predict(fitted.transform(x)))


def real(name):
    if name in ("pixels", "embedding", "sparse embedding"):
        x, y = load_digits(return_X_y=True)
        x, y = x[:400] / 16, y[:400]
        shifted = np.roll(x.reshape(-1, 8, 8), 1, axis=2).reshape(-1, 64)
        if name == "pixels":
            return x, shifted, y
        W = np.random.default_rng(0).normal(size=(64, 50))
        return *(np.maximum(a @ W - (name != "embedding"), 0) for a in (x, shifted)), y
    rng = np.random.default_rng(0)
    if name == "one-hot":
        hot = np.eye(12)[rng.integers(0, 12, 300)]
        return hot, np.where(rng.random((300, 1)) < 0.8, hot, np.eye(12)[rng.integers(0, 12, 300)]), hot.argmax(1) % 2
    x, y = {"iris": load_iris, "wine": load_wine, "cancer": load_breast_cancer}[name](return_X_y=True)
    x = np.column_stack([x, np.full(len(x), 7.0)])
    return x, x + 0.3 * x.std(axis=0) * rng.normal(size=x.shape), y


SCALERS = [StandardScaler(), MinMaxScaler(), RobustScaler(), MaxAbsScaler()]


@pytest.mark.parametrize("name", ["iris", "wine", "cancer", "one-hot", "pixels", "embedding", "sparse embedding"])
def test_real_copies_raise_no_alarm_and_scaled_points_do(name):
    x, copies, y = real(name)
    quick = AugmentationSelector("influence", 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quick.fit(x, y, copies=copies[:, None])
        quick.fit(sparse.csr_matrix(x), y, copies=[sparse.csr_matrix(row[None]) for row in copies])
    for scaler in SCALERS if name in ("iris", "wine", "cancer") else SCALERS[: name == "one-hot"]:
        with pytest.warns(UserWarning, match="far outside the scale"):
            quick.fit(scaler.fit_transform(x), y, copies=copies[:, None])


def test_sparse_points_and_copies_choose_as_dense_ones_and_go_through_a_featurizer_as_they_are():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.3, (N, 40)).astype(float)
    y, source = (counts[:, 0] > 0).astype(int), np.repeat(np.arange(N), 2)
    copies = counts[source] * (rng.random((180, 40)) < 0.9)
    both = [copies_by_point(form(copies), source, N) for form in (sparse.csr_matrix, np.asarray)]
    for featurizer in (None, TfidfTransformer(), make_pipeline(TfidfTransformer(), TruncatedSVD(6, random_state=0))):
        selector = AugmentationSelector(budget=12, featurizer=featurizer)
        thin = selector.fit(sparse.csc_array(counts), y, copies=both[0])
        thick = clone(selector).fit(counts, y, copies=both[1])
        np.testing.assert_array_equal(thin.ranking_, thick.ranking_)
        np.testing.assert_allclose(thin.predict_proba(sparse.csr_matrix(counts)), thick.predict_proba(counts))


def test_what_would_be_too_large_as_a_dense_matrix_is_refused_with_its_size():
    wide = sparse.csr_matrix((np.ones(9), (np.arange(9), np.arange(9))), shape=(9, 10**8))
    with pytest.raises(InputError, match=r"would take 7200000000 bytes .* at most 2147483648 .*TruncatedSVD"):
        AugmentationSelector("influence").fit(wide, np.arange(9) % 2)
