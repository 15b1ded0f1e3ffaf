import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from influaug.errors import InputError
from influaug.influence.inverse import factor
from influaug.influence.leave_one_out import self_influence
from influaug.selection import scores
from influaug.selection.scores import SCORES, ScoreOptions, compute
from influaug.solver import heads, logistic
from influaug.solver.heads import Head
from problems import problem


def head(n_classes=2, n=80):
    features, labels = problem(n=n, n_classes=n_classes)
    weights = np.ones(n)
    theta = logistic.fit(features, labels, weights[None], 10.0).theta[0]
    return Head(heads.with_intercept(features), labels, weights, theta)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", SCORES)
def test_every_score_is_one_non_negative_number_a_point(name, n_classes):
    found = compute(name, head(n_classes), 30, ScoreOptions())
    assert found.shape == (30,) and (found >= 0).all() and np.unique(found).size > 1


def test_loss_is_the_negative_log_probability():
    h = head()
    p = 1 / (1 + np.exp(-(h.x @ h.theta[0])))
    expected = -np.log(np.where(h.labels == 1, p, 1 - p))
    np.testing.assert_allclose(compute("loss", h, 80, ScoreOptions()), expected, rtol=1e-9)


def test_the_hessian_option_drops_the_regulariser():
    h = head()
    L = factor(heads.hessian(h.x, h.theta, h.weights, np.inf), 1e-10)
    expected = self_influence(h.x, h.labels, h.theta, L)
    np.testing.assert_allclose(compute("influence", h, 80, ScoreOptions(hessian="loss", damping=1e-10)), expected)
    assert (expected >= compute("influence", h, 80, ScoreOptions())).all()


def test_margin_prefers_points_near_the_boundary_and_the_released_polarity_the_easy_ones():
    h = head()
    hardest = compute("margin", h, 80, ScoreOptions(C=1.0))
    easiest = compute("margin", h, 80, ScoreOptions(C=1.0, margin="easiest"))
    np.testing.assert_allclose(hardest + easiest, easiest.max())
    svm = SVC(kernel="linear", C=1.0).fit(h.x[:, :-1], h.labels)
    assert np.corrcoef(easiest, np.abs(svm.decision_function(h.x[:, :-1])))[0, 1] > 0.98


@pytest.mark.parametrize("C", [0.1, 10.0])
def test_influence_of_a_large_head_orders_points_as_that_with_the_whole_hessian(C, monkeypatch):
    features, labels = load_digits(return_X_y=True)
    weights = np.random.default_rng(0).uniform(0.5, 2, len(labels))
    theta = logistic.fit(features / 16, labels, weights[None], C).theta[0]
    h = Head(heads.with_intercept(features / 16), labels, weights, theta)
    whole = compute("influence", h, 1000, ScoreOptions(C=C))
    monkeypatch.setattr(scores, "LARGEST_HESSIAN", 600)
    by_class = compute("influence", h, 1000, ScoreOptions(C=C))
    assert not np.array_equal(whole, by_class) and spearmanr(whole, by_class).statistic > 0.999
    assert np.isin(np.argsort(-whole)[:50], np.argsort(-by_class)[:50]).mean() > 0.9
    assert np.all((by_class > 0.8 * whole) & (by_class < 2 * whole))


def test_influence_of_a_large_head_is_the_sum_over_its_classes(monkeypatch):
    monkeypatch.setattr(scores, "LARGEST_HESSIAN", 0)
    h = head(3)
    p = np.exp(h.x @ h.theta.T)
    p /= p.sum(axis=1, keepdims=True)
    expected = np.zeros(80)
    for k in range(3):
        H = (h.x.T * (p[:, k] * (1 - p[:, k]))) @ h.x + np.diag([0.1] * 4 + [0])
        expected += (p[:, k] - (h.labels == k)) ** 2 * np.sum(h.x * np.linalg.solve(H, h.x.T).T, axis=1)
    np.testing.assert_allclose(compute("influence", h, 80, ScoreOptions()), expected, rtol=1e-8)
    two = compute("influence", head(2), 80, ScoreOptions())
    monkeypatch.undo()
    np.testing.assert_array_equal(two, compute("influence", head(2), 80, ScoreOptions()))


def test_unknown_score_lists_the_known():
    with pytest.raises(InputError, match="loss, influence, margin"):
        compute("entropy", head(), 5, ScoreOptions())
