"""The selector's guard: doubtful points get no copies and stay in the fit."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler

from influaug import AugmentationSelector, label_issues
from influaug.errors import InputError
from influaug.selection import policies
from influaug.selection.guard import check_guard, doubtful_points
from influaug.selection.points import generator
from problems import problem

N = 120
BY_POLICY = [name for name in policies.names() if "held_out" not in name]


def noisy(n=N, seed=0):
    """Features, labels of which a tenth is wrong, which, and two copies of each point."""
    x, right = problem(seed, n=n, n_classes=2, noise=0.2)
    rng = np.random.default_rng(seed)
    wrong = np.isin(np.arange(n), rng.choice(np.arange(2, n), n // 10, replace=False))
    return x, np.where(wrong, 1 - right, right), wrong, x[:, None] + 0.3 * rng.normal(size=(n, 2, x.shape[1]))


def test_true_leaves_out_the_issues_and_a_share_the_most_doubtful():
    x, y, wrong, _ = noisy()
    issues = label_issues(x, y, random_state=generator(0))
    np.testing.assert_array_equal(doubtful_points(True, x, y, None, generator(0)), np.flatnonzero(issues.mask))
    share = doubtful_points(0.1, x, y, None, generator(0))
    np.testing.assert_array_equal(share, np.sort(issues.indices[:12]))
    assert wrong[share].mean() > 0.6
    assert len(doubtful_points(False, x, y, None, None)) == len(doubtful_points(np.False_, x, y, None, None)) == 0


@pytest.mark.slow
@pytest.mark.parametrize("policy", BY_POLICY)
def test_no_policy_chooses_a_doubtful_point_or_its_copies(policy):
    x, y, _, copies = noisy()
    selector = AugmentationSelector(policy, 0.3, leave_out_doubtful=0.2, random_state=0).fit(x, y, copies=copies)
    assert len(selector.doubtful_) == 24 and len(selector.source_)
    assert not np.isin(selector.source_, selector.doubtful_).any()
    assert not np.isin(selector.points_, selector.doubtful_).any()
    if selector.of_points_:
        assert not np.isin(selector.ranking_, selector.doubtful_).any()
        np.testing.assert_array_equal(selector.support_, np.sort(selector.ranking_[: len(selector.support_)]))
        assert len(selector.support_) == 36 and len(selector.scores_) == N
    else:
        np.testing.assert_array_equal(selector.source_, selector.support_ // 2)


@pytest.mark.parametrize("policy", ["influence", "greedy_influence"])
def test_doubtful_points_stay_in_the_fit(policy):
    x, y, _, copies = noisy()
    guarded = AugmentationSelector(policy, 0.2, leave_out_doubtful=True, random_state=0).fit(x, y, copies=copies)
    rows = np.vstack([x, copies.reshape(-1, x.shape[1])[2 * guarded.source_ + guarded.which_]])
    theirs = type(guarded.head_)(C=10.0).fit(rows, np.append(y, y[guarded.source_]))
    np.testing.assert_allclose(guarded.head_.coef_, theirs.coef_, atol=1e-6)


def test_without_it_nothing_changes():
    x, y, _, copies = noisy()
    plain, off = (
        AugmentationSelector("influence", 0.2, random_state=0, **more).fit(x, y, copies=copies)
        for more in ({}, {"leave_out_doubtful": False})
    )
    np.testing.assert_array_equal(plain.support_, off.support_)
    assert len(plain.doubtful_) == 0
    # The paper's policy takes the wrong labels first, which is what the guard is for.
    guarded = AugmentationSelector("influence", 0.2, random_state=0, leave_out_doubtful=True).fit(x, y, copies=copies)
    _, _, wrong, _ = noisy()
    assert wrong[plain.points_].mean() > 0.4 > 3 * wrong[guarded.points_].mean()


def test_a_featurizer_is_used_as_in_the_ranking():
    x, y, _, copies = noisy()
    selector = AugmentationSelector("influence", 0.2, featurizer=StandardScaler(), leave_out_doubtful=0.1)
    found = selector.set_params(random_state=3).fit(x, y, copies=copies)
    issues = label_issues(x, y, featurizer=StandardScaler(), random_state=generator(3))
    np.testing.assert_array_equal(found.doubtful_, np.sort(issues.indices[:12]))


def test_labels_of_any_type_and_searches():
    x, y, *_ = noisy()
    names = np.array(["no", "yes"])[y]
    search = GridSearchCV(
        AugmentationSelector("influence", 0.2, random_state=0), {"leave_out_doubtful": [False, True, 0.1]}, cv=3
    )
    search.fit(x, names)
    assert set(search.predict(x)) <= {"no", "yes"}


@pytest.mark.parametrize("value", [0, 1, 1.0, 0.0, -0.1, "yes", None, np.nan, [True]])
def test_what_it_cannot_be_is_refused(value):
    with pytest.raises(InputError, match=r"leave_out_doubtful is .*; it must be True, False or a share"):
        check_guard(value)
    x, y, *_ = noisy()
    with pytest.raises(InputError, match="leave_out_doubtful is"):
        AugmentationSelector("influence", leave_out_doubtful=value).fit(x, y)


def test_too_few_points_of_a_class_are_refused():
    x, y, *_ = noisy(30)
    y = np.where(np.arange(30) == 5, 2, y)
    with pytest.raises(InputError, match="needs 2 points or more of each class, but one has 1"):
        AugmentationSelector("influence", leave_out_doubtful=True).fit(x, y)
    y[6] = 2
    found = AugmentationSelector("influence", leave_out_doubtful=0.1, random_state=0).fit(x, y)
    assert len(found.doubtful_) == 3


def test_copies_of_doubtful_points_alone_are_refused():
    x, y, *_ = noisy()
    worst = label_issues(x, y, random_state=generator(0)).indices[0]
    copies = [x[[0]][:0] if i != worst else x[[i]] for i in range(N)]
    with pytest.raises(InputError, match="Only points with doubtful labels have copies"):
        AugmentationSelector(leave_out_doubtful=0.1, random_state=0).fit(x, y, copies=copies)
