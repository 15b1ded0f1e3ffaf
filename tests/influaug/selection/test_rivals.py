"""Rivals of greedy influence, against implementations that form all gradients and distances."""

import numpy as np
import pytest
from scipy.optimize import nnls
from scipy.spatial.distance import cdist
from sklearn.cluster import kmeans_plusplus
from sklearn.linear_model import LogisticRegression

from influaug.selection import fitted_copies, matching, rescored
from influaug.selection.fitted_copies import FittedCopies
from influaug.selection.greedy import Candidates
from influaug.selection.policies import POLICIES, RIVALS, SetOptions, choose, choose_with_weights
from influaug.selection.rules import Task
from influaug.solver import heads
from problems import problem

K, C = 3, 2.0
OPTIONS = SetOptions(C=C)


@pytest.fixture(autouse=True)
def exact_fits(monkeypatch):
    monkeypatch.setattr(fitted_copies, "TOLERANCE", 1e-12)


def candidates(n=30, n_classes=2, seed=0):
    features, labels = problem(seed, n, n_classes=n_classes)
    rng, source = np.random.default_rng(seed), np.repeat(np.arange(n), K)
    copies = features[source] + rng.normal(size=4) + 0.3 * rng.normal(size=(n * K, 4))
    return Candidates(features, labels, copies, source)


def chosen(name, c, budget=12, seed=0):
    return choose(name, c, [budget], OPTIONS, np.random.default_rng(seed))[0]


def probabilities(c, added=(), weights=None):
    """Of the copies' classes, by scikit-learn, fitted to the points and the added copies."""
    added = np.array(added, dtype=int)
    x, y = np.vstack([c.features, c.copies[added]]), np.append(c.labels, c.labels[c.source[added]])
    w = None if weights is None else np.append(np.ones(len(c.labels)), weights)
    return LogisticRegression(C=C, solver="newton-cg", tol=1e-10, max_iter=1000).fit(x, y, w).predict_proba(c.copies)


def gradients(c, p):
    """All gradients of the copies, one row of parameters a class: [m, n_classes (d + 1)]."""
    r = p - np.eye(p.shape[1])[c.labels[c.source]]
    r = r[:, 1:] if p.shape[1] == 2 else r
    x = heads.with_intercept(c.copies)
    return (r[:, :, None] * x[:, None, :]).reshape(len(x), -1)


SCORES = {
    "margin_rescored": lambda p, *_: np.sort(p, axis=1)[:, -2] - p.max(axis=1),
    "entropy_rescored": lambda p, *_: -(p * np.log(p)).sum(axis=1),
    "worst_copy": lambda p, c, added: (
        (1 - p[np.arange(len(p)), c.labels[c.source]]) / (1 + (c.source[:, None] == c.source[added]).sum(axis=1))
    ),
}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", SCORES)
def test_copies_are_scored_again_at_the_head_with_those_added(name, n_classes):
    c, added = candidates(n_classes=n_classes), []
    for _ in range(8):
        score = SCORES[name](probabilities(c, added), c, np.array(added, dtype=int))
        score[added] = -np.inf
        added.append(int(np.argmax(score)))
    np.testing.assert_array_equal(chosen(name, c, 8), added)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_el2n_is_the_norm_of_the_error(n_classes):
    c = candidates(n_classes=n_classes)
    p = probabilities(c)
    error = np.linalg.norm(p - np.eye(n_classes)[c.labels[c.source]], axis=1)
    np.testing.assert_array_equal(chosen("el2n", c), np.argsort(-error)[:12])


def test_k_center_adds_the_farthest_copy():
    c, added = candidates(), []
    for _ in range(12):
        added.append(int(cdist(c.copies, np.vstack([c.features, c.copies[added]])).min(axis=1).argmax()))
    np.testing.assert_array_equal(chosen("k_center", c), added)


def covers_most(copy, vectors, of_points, c, added):
    """Whether a copy reduces the sum of distances within the classes as much as any; there are ties."""
    labels, sums = c.labels[c.source], np.full(len(c.source), np.inf)
    for other in np.setdiff1d(np.arange(len(labels)), added):
        tried, sums[other] = np.append(added, other).astype(int), 0.0
        for label in np.unique(labels):
            of = np.vstack([of_points[c.labels == label], vectors[tried[labels[tried] == label]]])
            sums[other] += cdist(vectors[labels == label], of).min(axis=1).sum()
    return sums[copy] < sums.min() + 1e-6


@pytest.mark.parametrize("n_classes", [2, 3])
def test_facility_location_adds_the_copy_that_covers_most(n_classes):
    c = candidates(n_classes=n_classes)
    order = chosen("facility_location", c, 9)
    assert all(covers_most(copy, c.copies, c.features, c, order[:place]) for place, copy in enumerate(order))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_craig_covers_the_gradients_at_the_head_with_the_copies_added(n_classes):
    c = candidates(n=16, n_classes=n_classes)
    own = Candidates(c.features, c.labels, c.features, np.arange(len(c.labels)))
    order = chosen("craig", c, 6)
    for place, copy in enumerate(order):
        x = np.vstack([c.features, c.copies[order[:place]]])
        model = LogisticRegression(C=C, solver="newton-cg", tol=1e-10, max_iter=1000)
        model.fit(x, np.append(c.labels, c.labels[c.source[order[:place]]]))
        of_copies, of_points = (gradients(some, model.predict_proba(some.copies)) for some in (c, own))
        assert covers_most(copy, of_copies, of_points, c, order[:place])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_gradmatch_is_matching_pursuit_over_all_gradients(n_classes):
    c, added = candidates(n_classes=n_classes), []
    for _ in range(8):
        g = gradients(c, probabilities(c, added))
        gain = g @ g.sum(axis=0) / np.linalg.norm(g, axis=1)
        gain[added] = -np.inf
        added.append(int(gain.argmax()))
    np.testing.assert_array_equal(chosen("gradmatch", c, 8), added)


def test_weights_of_a_pursuit_are_those_of_non_negative_least_squares():
    rng = np.random.default_rng(0)
    g, target = rng.normal(size=(5, 12)), rng.normal(size=12)
    found = matching._weights(g @ g.T, g @ target)
    np.testing.assert_allclose(found, nnls(g.T, target)[0], atol=1e-4)
    assert matching._weights(g @ g.T, g @ (1e4 * target)).max() == matching.MOST_WEIGHT


def test_gradmatch_with_weights_fits_with_them():
    c = candidates()
    found = choose_with_weights("gradmatch_weighted", c, [1, 2], OPTIONS, None)
    g = gradients(c, probabilities(c))
    first = found.sets[0][0]
    best = min(g[first] @ g.sum(axis=0) / (g[first] @ g[first]), matching.MOST_WEIGHT)
    np.testing.assert_allclose(found.weights[0], best, rtol=1e-4)
    g = gradients(c, probabilities(c, [first], found.weights[0]))
    gain = g @ g.sum(axis=0) / np.linalg.norm(g, axis=1)
    gain[first] = -np.inf
    assert found.sets[1].tolist() == [first, gain.argmax()]


@pytest.mark.parametrize("n_classes", [2, 3])
def test_badge_draws_as_k_means_plus_plus_on_all_gradients(n_classes, monkeypatch):
    c = candidates(n_classes=n_classes)
    g = gradients(c, probabilities(c))
    monkeypatch.setattr(rescored, "_drawn", lambda distance, *_: int(np.argmax(distance)))
    added = [int(np.linalg.norm(g, axis=1).argmax())]
    for _ in range(7):
        added.append(int(cdist(g, g[added]).min(axis=1).argmax()))
    np.testing.assert_array_equal(chosen("badge", c, 8), added)
    monkeypatch.undo()
    potential = [cdist(g, g[chosen("badge", c, 8, seed)]).min(axis=1) ** 2 @ np.ones(len(g)) for seed in range(40)]
    theirs = [cdist(g, kmeans_plusplus(g, 8, random_state=s, n_local_trials=1)[0]).min(axis=1) for s in range(40)]
    assert 0.8 < np.mean(potential) / np.mean([d @ d for d in theirs]) < 1.25


def test_matching_at_the_end_adds_what_brings_the_gradient_nearest_to_zero():
    c = candidates()
    m = len(c.source)
    p = probabilities(c, np.arange(m))
    g, p1 = gradients(c, p), p[:, 1]
    x, rows = heads.with_intercept(c.features), heads.with_intercept(c.copies)
    y = np.append(c.labels, c.labels[c.source])
    model = LogisticRegression(C=C, solver="newton-cg", tol=1e-10, max_iter=1000)
    own = model.fit(np.vstack([c.features, c.copies]), y).predict_proba(c.features)[:, 1]
    H = (x.T * (own * (1 - own))) @ x + (rows.T * (p1 * (1 - p1))) @ rows + np.diag([1 / C] * 4 + [0])
    remains, added = -g.sum(axis=0), []
    for _ in range(12):
        after = remains + g
        size = np.sum(after * np.linalg.solve(H, after.T).T, axis=1)
        size[added] = np.inf
        added.append(int(size.argmin()))
        remains = remains + g[added[-1]]
    np.testing.assert_array_equal(chosen("match_full", c), added)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_few_weighted_copies_give_the_head_of_all_copies(n_classes):
    c = candidates(n=80, n_classes=n_classes)
    found = choose_with_weights("match_full_weighted", c, [1, 60, 240], OPTIONS, None)
    assert len(found.sets[0]) == 1 and len(found.sets[2]) <= 60
    all_ = probabilities(c, np.arange(240))
    few, enough = (probabilities(c, s, w) for s, w in zip(found.sets[::2], found.weights[::2], strict=True))
    assert np.abs(enough - all_).max() < 0.01 < np.abs(few - all_).max()


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_say_whose_they_are_and_what_they_cost(name):
    policy = POLICIES[name]
    assert policy.paper and policy.cost and policy.generates == "all" and policy.unit == "copy"
    found = choose_with_weights(name, candidates(), [3], OPTIONS, np.random.default_rng(0))
    assert (found.weights is not None) == policy.weighs


def test_batches_grow_and_end_at_the_budget():
    ends = [until for _, until in fitted_copies.batches(100)]
    assert ends[:8] == list(range(1, 9)) and ends[-1] == 100 and max(np.diff([0, *ends])) <= 12
    fitted = FittedCopies(Task(candidates(), [1], OPTIONS))
    np.testing.assert_allclose(fitted.probabilities(), probabilities(candidates()), atol=1e-3)
