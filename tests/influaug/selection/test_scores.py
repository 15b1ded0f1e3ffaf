import numpy as np
import pytest
from sklearn.svm import SVC

from influaug.errors import InputError
from influaug.influence.inverse import factor
from influaug.influence.leave_one_out import self_influence
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
    scores = compute(name, head(n_classes), 30, ScoreOptions())
    assert scores.shape == (30,) and (scores >= 0).all() and np.unique(scores).size > 1


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


def test_unknown_score_lists_the_known():
    with pytest.raises(InputError, match="loss, influence, margin"):
        compute("entropy", head(), 5, ScoreOptions())
