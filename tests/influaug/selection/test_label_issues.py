"""Labels in doubt as people give them: any labels, frames, sparse matrices, images, another model's probabilities."""

import numpy as np
import pandas as pd
import pytest
from cleanlab.rank import get_label_quality_scores
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import influaug
from influaug.errors import InputError
from influaug.selection import doubts
from influaug.selection.label_issues import Doubt, LabelIssues, label_issues
from problems import problem

NAMES = np.array(["ant", "bee", "cat", "dog"])


def noisy(n=200, n_classes=3, share=0.1, seed=0, noise=0.3):
    """Features, labels of which a share is wrong, which those are, and the right labels."""
    x, right = problem(seed, n=n, d=5, n_classes=n_classes, noise=noise)
    rng = np.random.default_rng(seed)
    wrong = np.isin(np.arange(n), rng.choice(np.arange(n_classes, n), round(share * n), replace=False))
    return x, np.where(wrong, (right + rng.integers(1, n_classes, n)) % n_classes, right), wrong, right


def same(one, other, atol=1e-6):
    for name in ("indices", "scores", "mask", "probabilities"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=atol, err_msg=name)
    return True


def test_the_package_leads_to_it():
    assert influaug.label_issues is label_issues


@pytest.mark.parametrize("method", ["auto", *doubts.METHODS])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_wrong_labels_are_found_and_put_right(method, n_classes):
    x, y, wrong, right = noisy(300, n_classes)
    found = label_issues(x, y, method=method)
    assert isinstance(found, LabelIssues)
    assert roc_auc_score(wrong, -found.scores) > 0.97
    assert wrong[found.mask].mean() > 0.6 and found.mask[wrong].mean() > 0.6
    assert (found.suggested[wrong & found.mask] == right[wrong & found.mask]).mean() > 0.9
    np.testing.assert_array_equal(found.indices, np.argsort(found.scores, kind="stable"))
    np.testing.assert_array_equal(found.issues, [i for i in found.indices if found.mask[i]])
    np.testing.assert_array_equal(found.scores, found.probabilities[np.arange(300), y])
    assert (found.suggested[found.mask] != y[found.mask]).all()


def test_passes_pay_where_one_class_is_taken_for_another():
    x, right = problem(0, n=1200, d=10, n_classes=3, noise=0.3)
    rng = np.random.default_rng(0)
    wrong = np.isin(np.arange(1200), rng.choice(np.flatnonzero(right == 0)[1:], 120, replace=False))
    y = np.where(wrong, 1, right)
    one, three = (roc_auc_score(wrong, -label_issues(x, y, passes=passes).scores) for passes in (1, 3))
    assert three > one


def test_labels_of_any_type_give_the_same():
    x, y, *_ = noisy(n_classes=4)
    plain = label_issues(x, y)
    for labels in (NAMES[y], list(NAMES[y]), pd.Series(NAMES[y]), pd.Categorical(NAMES[y]), 10 * y, y[:, None]):
        other = label_issues(x, labels)
        assert same(plain, other)
        np.testing.assert_array_equal(other.suggested, other.classes[np.searchsorted(plain.classes, plain.suggested)])
    assert set(label_issues(x, NAMES[y]).suggested) <= set(NAMES)
    assert same(label_issues(x, y > 1), label_issues(x, (y > 1).astype(int)))


def test_frames_lists_and_sparse_matrices_give_the_same():
    x, y, *_ = noisy()
    plain = label_issues(x, y)
    for rows in (pd.DataFrame(x, columns=list("abcde")), x.tolist(), sparse.csr_matrix(x), sparse.coo_array(x)):
        assert same(plain, label_issues(rows, y))


def test_the_scale_of_all_features_does_not_matter():
    x, y, *_ = noisy()
    plain, other = label_issues(x, y), label_issues(1000 * x, y)
    np.testing.assert_allclose(plain.scores, other.scores, atol=1e-4)


@pytest.mark.parametrize("method", ["leave_one_out", "out_of_fold"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_where_columns_lie_does_not_matter(method, n_classes):
    x, y, *_ = noisy(n_classes=n_classes)
    moved = x + 1e6 * (np.arange(x.shape[1]) % 2)
    np.testing.assert_allclose(
        label_issues(x, y, method=method, C=0.3).scores, label_issues(moved, y, method=method, C=0.3).scores, atol=1e-6
    )


def test_seeds_decide_the_folds():
    x, y, *_ = noisy()
    first, again = (label_issues(x, y, method="out_of_fold", random_state=3) for _ in range(2))
    other = label_issues(x, y, method="out_of_fold", random_state=np.random.default_rng(4))
    np.testing.assert_array_equal(first.scores, again.scores)
    assert not np.array_equal(first.scores, other.scores)
    more = label_issues(x, y, method="out_of_fold", random_state=3, folds=7)
    assert not np.array_equal(first.scores, more.scores)


def test_probabilities_of_another_model_are_ranked_as_cleanlab_ranks_them():
    x, y, *_ = noisy()
    probabilities = cross_val_predict(LogisticRegression(), x, y, method="predict_proba")
    found = label_issues(None, y, pred_probs=probabilities)
    np.testing.assert_allclose(found.scores, get_label_quality_scores(y, probabilities, method="self_confidence"))
    assert same(found, label_issues(x, NAMES[y], pred_probs=probabilities.tolist()))
    assert found.probabilities is not probabilities
    np.testing.assert_array_equal(found.probabilities, probabilities)


def test_the_columns_of_a_frame_are_found_by_name():
    x, y, *_ = noisy()
    probabilities = cross_val_predict(LogisticRegression(), x, y, method="predict_proba")
    plain = label_issues(None, NAMES[y], pred_probs=probabilities)
    frame = pd.DataFrame(probabilities, columns=NAMES[:3])[["cat", "ant", "bee"]]
    assert same(plain, label_issues(None, NAMES[y], pred_probs=frame))
    wider = frame.assign(dog=0.0)[["dog", "cat", "ant", "bee"]]
    found = label_issues(None, NAMES[y], pred_probs=wider)
    np.testing.assert_array_equal(found.scores, plain.scores)
    np.testing.assert_array_equal(found.classes, NAMES)
    assert same(plain, label_issues(None, NAMES[y], pred_probs=pd.DataFrame(probabilities)))


def test_more_columns_than_classes_are_numbers_of_labels():
    probabilities = np.array([[0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [0.6, 0.3, 0.1], [0.2, 0.75, 0.05]])
    found = label_issues(None, [0, 2, 0, 2], pred_probs=probabilities)
    np.testing.assert_array_equal(found.scores, [0.1, 0.1, 0.6, 0.05])
    np.testing.assert_array_equal(found.classes, [0, 1, 2])
    for y in (["a", "b", "a", "b"], [1, 3, 1, 3], [-1, 1, -1, 1]):
        with pytest.raises(InputError, match="pred_probs has 3 columns and y 2 classes"):
            label_issues(None, y, pred_probs=probabilities)


def test_digits_with_wrong_labels_are_found():
    images, right = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong = np.isin(np.arange(len(right)), rng.choice(len(right), 90, replace=False))
    y = np.where(wrong, (right + rng.integers(1, 10, len(right))) % 10, right)
    found = label_issues(images, y)
    assert roc_auc_score(wrong, -found.scores) > 0.99
    assert wrong[found.indices[:90]].mean() > 0.85


class Spy(TransformerMixin, BaseEstimator):
    """Adds nothing to the features, and keeps what it was fitted to."""

    fits: list = []  # noqa: RUF012

    def fit(self, X, y=None):
        self.fits.append((X, y))
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.asarray(X, dtype=float).reshape(len(X), -1)


def test_what_is_to_be_fitted_is_fitted_without_the_points_of_each_fold():
    x, y, *_ = noisy(60)
    Spy.fits.clear()
    found = label_issues(x, y, featurizer=Spy(), folds=4)
    assert len(Spy.fits) == 4
    held = [set(range(60)) - {int(np.flatnonzero((x == row).all(axis=1))[0]) for row in X} for X, _ in Spy.fits]
    assert sorted(point for points in held for point in points) == list(range(60))
    assert all(len(X) == len(labels) == 60 - len(points) for (X, labels), points in zip(Spy.fits, held, strict=True))
    together = label_issues(x, y, method="out_of_fold", folds=4)
    np.testing.assert_allclose(found.scores, together.scores, atol=1e-3)
    np.testing.assert_array_equal(found.mask, together.mask)


def test_what_is_fitted_is_used_as_it_is():
    x, y, *_ = noisy()
    scaler = StandardScaler().fit(x)
    assert same(label_issues(x, y, featurizer=scaler), label_issues(scaler.transform(x), y))


def test_images_need_a_featurizer():
    x, y, *_ = noisy()
    images = (255 * (x - x.min()) / np.ptp(x)).astype(np.uint8)[:, :4].reshape(-1, 2, 2)
    with pytest.raises(InputError, match=r"X is images .* need a featurizer"):
        label_issues(images, y)
    flat = make_pipeline(FunctionTransformer(lambda rows: rows.reshape(len(rows), -1) / 255.0), PCA(3))
    found = label_issues(images, y, featurizer=flat)
    assert found.probabilities.shape == (200, 3)


def test_texts_and_tables_go_to_the_featurizer_as_they_are():
    x, y, *_ = noisy()
    frame = pd.DataFrame(x, columns=list("abcde")).assign(town=np.array(["Bonn", "Ulm"])[y % 2])
    columns = make_column_transformer((StandardScaler(), list("abcde")), (OneHotEncoder(), ["town"]))
    assert label_issues(frame, y, featurizer=columns).probabilities.shape == (200, 3)
    texts = [f"{' '.join(['one', 'two', 'three'][: y[i] + 1])} id{i % 7}" for i in range(200)]
    embedding = make_pipeline(TfidfVectorizer(), TruncatedSVD(4))
    for rows in (texts, np.array(texts), pd.Series(texts)):
        assert label_issues(rows, y, featurizer=embedding).mask.sum() < 20
    with pytest.raises(InputError, match="texts and other tables need a featurizer"):
        label_issues(texts, y)


@pytest.mark.slow
def test_a_network_is_trained_for_each_fold():
    digits = load_digits()
    some = np.flatnonzero(np.isin(digits.target, [0, 1]))[:160]
    images, right = digits.images[some] / 16, digits.target[some]
    images = np.repeat(np.repeat(images, 2, axis=1), 2, axis=2)
    wrong = np.arange(len(right)) % 20 == 3
    found = label_issues(images, np.where(wrong, 1 - right, right), featurizer="lenet", folds=2)
    assert roc_auc_score(wrong, -found.scores) > 0.95


X, Y, *_ = noisy(30)
NAN = np.where(np.arange(5) == 2, np.nan, X)
P = np.full((30, 3), 1 / 3)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((X[:29], Y), "There are 29 X and 30 y"),
        ((NAN, Y), "X must be finite numbers"),
        ((X, np.zeros(30)), "The points are of one class, 0.0"),
        ((X, [None, *Y[1:]]), "y has no label for the point 0"),
        ((X, np.where(np.arange(30) == 4, np.nan, Y)), "y has no label for the point 4"),
        ((X, X[:, 0]), "y must be a list of labels, one for each point"),
        ((X, X), "y must be a list of labels, one for each point"),
        ((X, ["a", 1, *Y[2:].astype(object)]), "y has labels of the types"),
        ((X, np.append(Y[:29], 7)), "One class has 1 point, fewer than the 5 folds"),
        ((X[:, 0], Y), "X must be numbers"),
        ((X.astype(str).astype(object) + "a", Y), "X must be numbers"),
        ((np.ones((30, 2)), Y), "X is the same for all points"),
        ((None, Y), "X is None; give features or images, or probabilities"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(given, sentence):
    with pytest.raises(InputError, match=sentence):
        label_issues(*given)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"method": "loo"}, "method is 'loo'; it must be auto or one of leave_one_out, out_of_fold"),
        ({"folds": 1}, "folds is 1; it must be a whole number of at least 2"),
        ({"folds": 2.0}, "folds is 2.0"),
        ({"passes": 0}, "passes is 0"),
        ({"passes": True}, "passes is True"),
        ({"C": -1}, "C is -1"),
        ({"random_state": "a"}, "random_state is 'a'"),
        ({"featurizer": 3}, "featurizer is a int"),
        ({"method": "leave_one_out", "featurizer": Spy()}, "needs features that were made without these labels"),
        ({"pred_probs": P[:29]}, r"pred_probs must be \[30, n_classes\]"),
        ({"pred_probs": P[:, :2]}, "pred_probs has 2 columns and y 3 classes"),
        ({"pred_probs": 2 * P}, "the row 0 is not"),
        ({"pred_probs": np.where(np.arange(30)[:, None] == 5, np.nan, P)}, "the row 5 is not"),
        ({"pred_probs": P - [0.5, 0, -0.5]}, "the row 0 is not"),
        ({"pred_probs": P.astype(str) + np.array("a")}, "pred_probs must be numbers"),
    ],
)
def test_options_are_refused_in_a_sentence(options, sentence):
    with pytest.raises(InputError, match=sentence):
        label_issues(X, Y, **options)


def test_a_wrong_option_is_refused_before_anything_is_read():
    with pytest.raises(InputError, match="folds"):
        Doubt(folds=0)
    with pytest.raises(InputError, match="folds"):
        label_issues(None, None, folds=0)


def test_many_classes_of_few_points():
    x, y = problem(0, n=600, d=20, n_classes=40, noise=0.1)
    y = np.append(y, np.repeat(np.arange(40), 5))
    x = np.vstack([x, x[: len(y) - 600]])
    found = label_issues(x, y)
    assert found.probabilities.shape == (800, 40)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
