"""The front door: every policy against its own module, scikit-learn's conventions, and answers to bad input."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import influaug
from influaug import AugmentationSelector
from influaug.data.adapters import as_transformation
from influaug.data.repeatable import check_repeatable
from influaug.data.transformations import appendix_b, expand, translate
from influaug.errors import InputError
from influaug.networks.featurizer import KerasFeaturizer, lenet
from influaug.selection import greedy
from influaug.selection import point_policies as policies
from influaug.selection import policies as set_policies
from influaug.selection import turns as quotas
from influaug.selection.candidates import Candidates
from influaug.selection.copies import copies_by_point
from influaug.selection.points import generator
from influaug.selection.scores import ScoreOptions, compute
from influaug.solver.estimator import LogisticHead
from influaug.solver.heads import Head
from problems import problem

pytestmark = pytest.mark.slow

N, CLASSES = 40, 3
OF_POINTS, OF_COPIES = (
    [
        name
        for name, policy in set_policies.POLICIES.items()
        if policy.needs_no_copies == alike and policy.score != policies.ANY
    ]
    for alike in (True, False)
)


def flat(images):
    return images.reshape(len(images), -1) / 255.0


FLAT = FunctionTransformer(flat)


def images(n=N, seed=0, channels=1, size=6):
    """Small images of three classes, each brighter in a part of its own."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % CLASSES
    x = rng.integers(0, 120, (n, size, size, channels))
    for image, label in zip(x, labels, strict=True):
        image[2 * label : 2 * label + 2, 1:4] += 90
    return x.astype(np.uint8), labels


def copied(n=N, m=90, seed=1):
    """Features, labels, copies and their source; a few points have none."""
    features, labels = problem(seed, n=n, n_classes=CLASSES)
    rng = np.random.default_rng(seed)
    source = np.sort(rng.integers(0, n, m))
    return features, labels, features[source] + 0.4 * rng.normal(size=(m, 4)), source


def by_point(copies, source, n=N):
    return {"copies": copies_by_point(copies, source, n)}


def scores_of(name, features, labels, C=10.0):
    fitted = LogisticHead(C).fit(features, labels)
    theta = np.column_stack([fitted.coef_, fitted.intercept_])
    x = np.column_stack([features, np.ones(len(features))])
    return compute(name, Head(x, labels, np.ones(len(x)), theta), len(x), ScoreOptions(C=C))


@parametrize_with_checks([AugmentationSelector(policy="deterministic", budget=0.2, random_state=0)])
def test_scikit_learns_own_checks_pass(estimator, check):
    check(estimator)


def test_the_package_is_light_and_leads_to_it():
    code = "import sys, influaug; assert not {'sklearn', 'numpy', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert influaug.AugmentationSelector is AugmentationSelector
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        influaug.Nothing  # noqa: B018


@pytest.mark.parametrize("score", ["loss", "influence", "margin"])
@pytest.mark.parametrize("policy", list(policies.POINT_POLICIES))
def test_policies_of_points_are_those_of_policies(policy, score):
    features, labels, _, _ = copied()
    ours = AugmentationSelector(policy, 7, score, random_state=3).fit(features, labels)
    scores = scores_of(score, features, labels)
    order = policies.order(policy, scores, generator(3))
    expected = np.full(N, np.nan) if policy == "baseline" else scores
    np.testing.assert_allclose(ours.scores_, expected, rtol=1e-5, atol=1e-8)
    if policy == "baseline" or "deterministic" in policy:
        np.testing.assert_array_equal(ours.ranking_, order)
    np.testing.assert_array_equal(ours.support_, np.sort(ours.ranking_[:7]))
    np.testing.assert_array_equal(np.sort(ours.ranking_), np.arange(N))
    np.testing.assert_array_equal(ours.points_, ours.support_)
    assert ours.n_generated_ == ours.n_copies_ == len(ours.source_) == len(ours.which_) == 0


@pytest.mark.parametrize("name", OF_POINTS)
def test_set_policies_of_points_need_no_copies(name):
    features, labels, copies, source = copied()
    alone = AugmentationSelector(name, 0.2, random_state=0).fit(features, labels)
    with_copies = AugmentationSelector(name, 0.2, random_state=0).fit(
        features, labels, **by_point(copies, source, len(features))
    )
    np.testing.assert_array_equal(alone.support_, with_copies.support_)
    assert len(alone.support_) == 8 and alone.of_points_
    if name in ("influence", "loss"):
        order = policies.order("deterministic_proportional", scores_of(name, features, labels), None)
        np.testing.assert_array_equal(alone.ranking_, order)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("name", OF_COPIES)
def test_policies_of_copies_are_those_of_set_policies(name, balanced):
    if balanced and not set_policies.POLICIES[name].balances:
        pytest.skip("it has no balanced variant")
    features, labels, copies, source = copied()
    ours = AugmentationSelector(name, 9, balanced=balanced, random_state=2)
    ours.fit(features, labels, **by_point(copies, source, len(features)))
    candidates = Candidates(features, labels, copies, source)
    full = name + set_policies.BALANCED * balanced
    theirs = set_policies.choose(full, candidates, [9], set_policies.SetOptions(), generator(2))[0]
    np.testing.assert_array_equal(ours.ranking_, theirs)
    np.testing.assert_array_equal(ours.support_, np.sort(theirs))
    np.testing.assert_array_equal(ours.source_, source[ours.support_])
    np.testing.assert_array_equal(ours.points_, np.unique(ours.source_))
    for place, which in zip(ours.support_, ours.which_, strict=True):
        assert which == np.sum(source[:place] == source[place])
    assert ours.n_copies_ == np.bincount(source).max()
    expected = set_policies.generated(full, candidates, theirs, set_policies.SetOptions())
    if set_policies.POLICIES[name].generates != "pool":
        assert ours.n_generated_ == expected
    rows, of_rows = np.vstack([features, copies[ours.support_]]), np.append(labels, labels[ours.source_])
    head = LogisticHead(10.0).fit(rows, of_rows, np.append(np.ones(N), ours.copy_weights_))
    assert set_policies.POLICIES[name].weighs == bool(np.any(ours.copy_weights_ != 1))
    np.testing.assert_allclose(ours.predict_proba(copies), head.predict_proba(copies), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["greedy_influence", "greedy_loss", "one_shot"])
def test_greedy_scores_are_the_promises_of_the_chosen(name):
    features, labels, copies, source = copied()
    ours = AugmentationSelector(name, 9).fit(features, labels, **by_point(copies, source, len(features)))
    candidates = Candidates(features, labels, copies, source)
    found = greedy.select(candidates, set_policies.POLICIES[name].score, 9, batch=9 if name == "one_shot" else None)
    by_copy = dict(zip(found.order, found.scores, strict=True))
    np.testing.assert_allclose(ours.scores_, [by_copy[copy] for copy in ours.support_])


def test_short_forms_and_balance():
    features, labels, _, _ = copied()
    labels[:] = 0
    labels[:4], labels[4:6] = 1, 2
    full = AugmentationSelector("deterministic_proportional", 6).fit(features, labels)
    np.testing.assert_array_equal(
        AugmentationSelector("deterministic", 6).fit(features, labels).ranking_, full.ranking_
    )
    even = AugmentationSelector("deterministic", 6, balanced=True).fit(features, labels)
    np.testing.assert_array_equal(np.bincount(labels[even.support_]), [2, 2, 2])
    np.testing.assert_array_equal(even.ranking_, quotas.in_turn(full.ranking_, labels))


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 25), st.one_of(st.floats(0, 1), st.integers(0, 2)))
def test_a_budget_is_a_share_or_a_number(n, budget):
    features, labels = problem(0, n=n)
    expected = budget if isinstance(budget, int) else 0 if budget == 0 else max(1, round(budget * n))
    assert len(AugmentationSelector("random", budget).fit(features, labels).support_) == expected


def made(policy="greedy_influence", **options):
    x, labels = images()
    options = {"budget": 0.1, "featurizer": FLAT, "random_state": 0, **options}
    return AugmentationSelector(policy, **options), x, np.array(["ape", "bee", "cat"])[labels]


@pytest.mark.parametrize(
    "policy", ["greedy_influence", "pool_influence", "random_copies", "influence", "deterministic"]
)
def test_images_are_augmented_with_the_chosen_copies_in_their_own_form(policy):
    selector, x, labels = made(policy)
    shift = translate(1)
    copies = expand(x, labels, shift)
    given_ = (x[..., 0] / 255).astype("f4")
    selector.fit(given_, labels, transformation=shift)
    plus, labels_plus, weights, source = selector.augment(given_, labels, shift)
    places = 4 * selector.source_ + selector.which_
    if selector.of_points_:
        assert len(selector.support_) == 4 and len(places) == 16
    else:
        np.testing.assert_array_equal(places, selector.support_)
    np.testing.assert_array_equal(plus[:N], given_)
    np.testing.assert_allclose(plus[N:], copies.images[places][..., 0] / np.float32(255), rtol=1e-6)
    np.testing.assert_array_equal(labels_plus, np.append(labels, copies.labels[places]))
    np.testing.assert_array_equal(source, np.append(np.arange(N), copies.source[places]))
    assert plus.dtype == np.float32 and plus.shape[1:] == (6, 6) and np.all(weights == 1)
    head = LogisticHead(10.0).fit(flat(np.concatenate([x, copies.images[places]])), labels_plus)
    np.testing.assert_allclose(selector.predict_proba(given_), head.predict_proba(flat(x)), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("policy", "made_in_fit"),
    [("influence", 16), ("random_copies", 16), ("pool_random", 40), ("greedy_influence", 160)],
)
def test_copies_are_made_once_and_only_where_they_are_needed(policy, made_in_fit):
    seen = []

    def counted(batch):
        seen.extend(image.tobytes() for image in batch)
        return batch[:, ::-1].copy()

    selector, x, labels = made(policy)
    changes = [counted, counted, counted, counted]
    check_repeatable(as_transformation(changes), x)
    to_check = len(seen)
    seen.clear()
    selector.fit(x, labels, transformation=changes)
    assert len(seen) - to_check == selector.n_generated_ == made_in_fit
    seen.clear()
    selector.augment(x, labels, changes)
    # Of whole points the transformation may be another than in fit, and is looked at again.
    delivered = seen[to_check * selector.of_points_ :]
    assert len(delivered) == 16
    assert set(delivered) == {image.tobytes() for image in x[selector.points_]}


def test_batches_are_the_augmented_set_shuffled_and_lazy():
    selector, x, labels = made()
    selector.fit(x, labels, transformation=translate(1))
    plus, labels_plus, _, _ = selector.augment(x, labels, translate(1))
    rows = sorted(image.tobytes() + label.encode() for image, label in zip(plus, labels_plus, strict=True))
    epochs = list(selector.batches(x, labels, translate(1), batch_size=25, epochs=2, seed=5))
    assert [len(batch[0]) for batch in epochs] == [25, 25, 6] * 2
    for epoch in (epochs[:3], epochs[3:]):
        found = [i.tobytes() + c.encode() for im, lab, _ in epoch for i, c in zip(im, lab, strict=True)]
        assert sorted(found) == rows and found != rows
    assert not np.array_equal(epochs[0][0], epochs[3][0])
    again = next(selector.batches(x, labels, translate(1), batch_size=25, seed=5))
    np.testing.assert_array_equal(again[0], epochs[0][0])


@pytest.mark.parametrize("text", [False, True])
def test_a_dataset_gives_what_batches_give(text):
    selector, x, labels = made("influence")
    labels = labels if text else np.unique(labels, return_inverse=True)[1]
    selector.fit(x, labels)
    data = selector.dataset(x, labels, translate(1), batch_size=32, seed=4)
    batches = list(selector.batches(x, labels, translate(1), batch_size=32, seed=4))
    for ours, theirs in zip(data.as_numpy_iterator(), batches, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1].astype(str) if text else ours[1], theirs[1])
        np.testing.assert_array_equal(ours[2], theirs[2])
    second = next(data.as_numpy_iterator())
    assert not np.array_equal(second[0], batches[0][0])
    assert data.element_spec[0].dtype == x.dtype


def test_it_is_searched_over_budget_and_policy_with_images():
    selector, x, labels = made()
    grid, folds = {"budget": [0.0, 0.2], "policy": ["greedy_influence", "influence"]}, StratifiedKFold(2)
    search = GridSearchCV(selector, grid, cv=folds, error_score="raise").fit(x, labels, transformation=translate(1))
    train, test = next(folds.split(x, labels))
    for options, score in zip(search.cv_results_["params"], search.cv_results_["split0_test_score"], strict=True):
        one = clone(selector).set_params(**options).fit(x[train], labels[train], translate(1))
        assert score == accuracy_score(labels[test], one.predict(x[test]))
    assert search.best_estimator_.score(x, labels) == search.score(x, labels)


def test_it_ends_a_pipeline_and_its_featurizer_sees_the_copies():
    features, labels, copies, source = copied()
    frame = pd.DataFrame(features, columns=list("abcd"))
    chain = make_pipeline(StandardScaler(), AugmentationSelector("deterministic", 0.1)).fit(frame, labels)
    assert chain.score(frame, labels) == np.mean(chain.predict(frame) == labels)
    inside = AugmentationSelector(budget=9, featurizer=StandardScaler()).fit(
        frame, labels, **by_point(pd.DataFrame(copies, columns=list("abcd")), source)
    )
    scaler = StandardScaler().fit(features)
    outside = AugmentationSelector(budget=9).fit(
        scaler.transform(features), labels, **by_point(scaler.transform(copies), source)
    )
    np.testing.assert_array_equal(inside.support_, outside.support_)
    assert list(inside.feature_names_in_) == list("abcd") and inside.n_features_in_ == 4
    np.testing.assert_allclose(
        inside.predict_proba(frame), outside.predict_proba(scaler.transform(features)), atol=1e-6
    )


def test_a_fitted_featurizer_is_used_as_it_is_and_another_is_cloned():
    x, labels = images()
    chain = make_pipeline(FLAT, PCA(5))
    selector = AugmentationSelector("influence", featurizer=chain).fit(x, labels)
    assert selector.featurizer_ is not chain and not hasattr(chain[-1], "components_")
    chain.fit(x[::2])
    before = chain[-1].components_.copy()
    assert AugmentationSelector("influence", featurizer=chain).fit(x, labels).featurizer_ is chain
    frozen = clone(AugmentationSelector("influence", featurizer=FrozenEstimator(chain))).fit(x, labels)
    np.testing.assert_array_equal(chain[-1].components_, before)
    np.testing.assert_allclose(frozen.featurizer_.transform(x), chain.transform(x))


def test_networks_by_name_or_as_they_are():
    x, labels = images(size=14)
    network = lenet((14, 14, 1), CLASSES)
    weights = [w.copy() for w in network.get_weights()]
    ours = [
        AugmentationSelector("influence", featurizer=featurizer, random_state=0).fit(x, labels)
        for featurizer in (network, KerasFeaturizer(network), clone(KerasFeaturizer(network)))
    ]
    for one in ours[1:]:
        np.testing.assert_array_equal(one.ranking_, ours[0].ranking_)
    for w, before in zip(network.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(w, before)
    named = AugmentationSelector("influence", featurizer="lenet", random_state=0).fit(x / 255, labels)
    assert named.featurizer_.transform(x).shape == (N, 84) and named.predict(x[..., 0]).shape == (N,)
    with pytest.raises(InputError, match="network is 'alexnet'"):
        AugmentationSelector("influence", featurizer="alexnet").fit(x, labels)


def test_parameters_are_kept_cloned_and_called():
    selector = AugmentationSelector("deterministic", score="loss", random_state=1)
    copy = clone(selector)
    assert (
        copy.get_params() == selector.get_params() and copy.score == "loss" and type(copy.get_params()["score"]) is str
    )
    features, labels, _, _ = copied()
    copy.set_params(score="influence").fit(features, labels)
    assert copy.score(features, labels) == np.mean(copy.predict(features) == labels) and copy.score == "influence"


def test_the_state_decides():
    features, labels, _, _ = copied()

    def chosen(state):
        return AugmentationSelector("random", 8, random_state=state).fit(features, labels).ranking_.tolist()

    assert chosen(1) == chosen(1) == chosen(np.random.RandomState(1)) != chosen(2)
    assert chosen(np.random.default_rng(1)) == chosen(np.random.default_rng(1))
    assert len({tuple(chosen(None)) for _ in range(4)}) > 1


@pytest.mark.parametrize("use", ["predict", "predict_proba", "augment", "batches", "dataset"])
def test_nothing_goes_before_fit(use):
    x, labels = images()
    with pytest.raises(NotFittedError):
        method = getattr(AugmentationSelector(), use)
        method(x) if "predict" in use else method(x, labels, translate(1))


X, Y, COPIES, SOURCE = copied()
WRONG = {
    "one class": (lambda: AugmentationSelector("influence").fit(X, np.zeros(N)), "of one class, .*two or more"),
    "budget beyond n": (lambda: AugmentationSelector("influence", N + 1).fit(X, Y), f"0 to the {N} points"),
    "share beyond 1": (lambda: AugmentationSelector("influence", 1.5).fit(X, Y), "budget is 1.5; it must be a share"),
    "negative budget": (lambda: AugmentationSelector("influence", -1).fit(X, Y), "budget is -1"),
    "budget NaN": (lambda: AugmentationSelector("influence", np.nan).fit(X, Y), "budget is nan"),
    "budget true": (lambda: AugmentationSelector("influence", True).fit(X, Y), "budget is True"),
    "budget of copies": (
        lambda: AugmentationSelector(budget=91).fit(X, Y, **by_point(COPIES, SOURCE)),
        "0 to the 90 copies",
    ),
    "NaN": (lambda: AugmentationSelector("influence").fit(np.where(X > 2, np.nan, X), Y), "X must be finite .* NaN"),
    "infinite": (lambda: AugmentationSelector("influence").fit(np.where(X > 2, np.inf, X), Y), "X must be finite"),
    "NaN copies": (
        lambda: AugmentationSelector().fit(X, Y, **by_point(COPIES * np.nan, SOURCE)),
        "copies must be finite",
    ),
    "lengths": (lambda: AugmentationSelector("influence").fit(X, Y[1:]), "40 X and 39 y; there must be as many"),
    "copies' lengths": (
        lambda: AugmentationSelector().fit(X, Y, **by_point(COPIES, SOURCE[1:])),
        r"90 copies and \[89\] source",
    ),
    "copies' width": (
        lambda: AugmentationSelector().fit(X, Y, **by_point(COPIES[:, 1:], SOURCE)),
        "copies have 3 features, but the points 4",
    ),
    "source beyond": (lambda: AugmentationSelector().fit(X, Y, **by_point(COPIES, SOURCE + N)), "from 0 to 39"),
    "source of floats": (lambda: AugmentationSelector().fit(X, Y, **by_point(COPIES, SOURCE / 1)), "whole numbers"),
    "flat copies": (
        lambda: AugmentationSelector().fit(X, Y, copies=COPIES),
        "copies have 2 axes and X has 2; .*an entry",
    ),
    "flat copies with source": (
        lambda: AugmentationSelector().fit(X, Y, copies=COPIES, source=SOURCE),
        "source numbers the points of X, which has other rows in a fold: .*copies_by_point",
    ),
    "no copies": (lambda: AugmentationSelector().fit(X, Y), "chooses among copies: give fit a transformation"),
    "features and a transformation": (
        lambda: AugmentationSelector("influence").fit(X, Y, transformation=translate(1)),
        "a transformation makes copies of images: give images",
    ),
    "features for a network": (
        lambda: AugmentationSelector("influence", featurizer="lenet").fit(X, Y),
        "they must be uint8",
    ),
    "images without featurizer": (lambda: AugmentationSelector("influence").fit(*images()), "need a featurizer"),
    "shape changed": (
        lambda: made()[0].fit(*made()[1:], transformation=lambda x: x[:, :-1]),
        "it must keep both",
    ),
    "a mean subtracted": (lambda: made()[0].fit(made()[1] - 128.0, made()[2]), "grey values must be 0 to 255"),
    "policy": (lambda: AugmentationSelector("best").fit(X, Y), "Unknown policy 'best'; known are deterministic, "),
    "score": (lambda: AugmentationSelector("random", score="size").fit(X, Y), "Unknown score 'size'; known are loss"),
    "C": (lambda: AugmentationSelector("random", C=0).fit(X, Y), "C is 0; it must be a positive number"),
    "pool": (lambda: AugmentationSelector("pool_random", pool=0).fit(X, Y), "pool is 0; it must be a share"),
    "balanced": (lambda: AugmentationSelector("k_dpp", balanced=True).fit(X, Y), "k_dpp has no balanced variant"),
    "featurizer": (lambda: AugmentationSelector("random", featurizer=3).fit(X, Y), "featurizer is a int; it must be"),
    "featurizer's output": (
        lambda: AugmentationSelector("random", featurizer=FunctionTransformer()).fit(*images()),
        r"it must give numbers \[n, d\]",
    ),
    "C of text": (lambda: AugmentationSelector("random", C="10").fit(X, Y), "C is '10'; it must be a positive number"),
    "C infinite": (lambda: AugmentationSelector("random", C=np.inf).fit(X, Y), "C is inf"),
    "pool of text": (
        lambda: AugmentationSelector("pool_random", pool="a").fit(X, Y),
        "pool is 'a'; it must be a share",
    ),
    "random_state": (lambda: AugmentationSelector("random", random_state=-1).fit(X, Y), "random_state is -1"),
    "balanced of text": (lambda: AugmentationSelector("random", balanced="no").fit(X, Y), "balanced is 'no'"),
    "class_weight": (lambda: AugmentationSelector("random", class_weight="heavy").fit(X, Y), "class_weight is 'heavy'"),
    "class_weight of none": (
        lambda: AugmentationSelector("random", class_weight={9: 2.0}).fit(X, Y),
        "has 9, which is none of the classes 0, 1, 2",
    ),
    "negative weight": (
        lambda: AugmentationSelector("random").fit(X, Y, sample_weight=-np.ones(N)),
        "must be at least 0",
    ),
    "weights of text": (lambda: AugmentationSelector("random").fit(X, Y, sample_weight=["a"] * N), "finite numbers"),
    "weightless class": (
        lambda: AugmentationSelector("random").fit(X, Y, sample_weight=Y),
        "All points of the class 0 have weight 0",
    ),
    "weights and held-out points": (
        lambda: AugmentationSelector("held_out_up").fit(X, Y, copies=X[:, None], sample_weight=np.ones(N)),
        "held_out_up knows no weights",
    ),
    "class as featurizer": (
        lambda: AugmentationSelector("random", featurizer=PCA).fit(X, Y),
        r"featurizer is the class PCA; .*such as PCA\(\)",
    ),
    "None among labels": (
        lambda: AugmentationSelector("random").fit(X, ["a", None] + ["b"] * (N - 2)),
        "y has no label for the point 1",
    ),
    "NaN among texts": (
        lambda: AugmentationSelector("random").fit(X, ["a", np.nan] + ["b"] * (N - 2)),
        "y has no label for the point 1",
    ),
    "NaN among labels": (lambda: AugmentationSelector("random").fit(X, [np.nan, *Y[1:]]), "no label for the point 0"),
    "labels of two types": (
        lambda: AugmentationSelector("random").fit(X, np.array(["a", 1] * (N // 2), dtype=object)),
        "labels of the types int, str",
    ),
    "list of texts and numbers": (
        lambda: AugmentationSelector("random").fit(X, ["a", 1] * (N // 2)),
        "labels of the types int, str",
    ),
    "list of texts and numbers for images": (
        lambda: AugmentationSelector("random", featurizer=FLAT).fit(images()[0], ["a", 1] * (N // 2)),
        "labels of the types int, str",
    ),
    "None among labels of images": (
        lambda: AugmentationSelector("random", featurizer=FLAT).fit(images()[0], [None] * N),
        "y has no label for the point 0",
    ),
    "huge": (lambda: AugmentationSelector("random").fit(X * 1e200, Y), "X must be finite numbers of at most 1e"),
    "huge copies": (
        lambda: AugmentationSelector().fit(X, Y, copies=X[:, None] * 1e200),
        "copies must be finite numbers",
    ),
    **{
        f"featurizer of {what}": (
            lambda make=make: AugmentationSelector("random", featurizer=FunctionTransformer(make)).fit(X, Y),
            right,
        )
        for what, make, right in (
            ("None", lambda x: None, "gave nothing for 40 rows"),
            ("fewer rows", lambda x: x[1:], r"gave float64 \[39, 4\] for 40 rows"),
            ("text", lambda x: x.astype(str), r"gave <U\d+ \[40, 4\]"),
            ("ragged rows", lambda x: [[1], [2, 3]] * (N // 2), "rows of different lengths"),
            ("huge numbers", lambda x: x * 1e200, "the featurizer's output must be finite"),
            ("no columns", lambda x: x[:, :0], r"gave float64 \[40, 0\]"),
        )
    },
    "held-out with one point": (
        lambda: AugmentationSelector("held_out_up").fit(X[:3], [0, 1, 2], copies=X[:3, None]),
        "at least two points of each class",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_answered_in_a_sentence(case):
    call, right = WRONG[case]
    with pytest.raises(InputError, match=right) as caught:
        call()
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and not re.search(r"[a-z]\. [A-Z]", text)


class Costly(FunctionTransformer):
    """A featurizer that must not be reached."""

    def fit(self, X, y=None):
        raise AssertionError("it has been trained")


@pytest.mark.parametrize(
    ("options", "given_", "right"),
    [
        ({}, {"transformation": "swirl"}, "by name it must be one of translate, rotate, crop"),
        ({}, {"transformation": {"translate": {"px": 1}}}, "takes pixels, directions"),
        ({}, {"transformation": StandardScaler}, "is the class StandardScaler"),
        ({}, {"transformation": lambda batch: batch}, "returned each of 40 images"),
        ({}, {"transformation": lambda batch: batch[:, 1:]}, "must keep both"),
        ({}, {"transformation": "translate", "copies": []}, "give one of the two"),
        ({}, {"copies": np.zeros((N, 2, 9, 9, 1), np.uint8)}, "those of fit are"),
        ({}, {}, "chooses among copies"),
        ({"budget": 161}, {"transformation": "translate"}, "0 to the 160 copies"),
        ({"policy": "best"}, {}, "Unknown policy"),
        ({"C": 0}, {}, "C is 0"),
        ({"random_state": "a"}, {}, "random_state is 'a'"),
    ],
)
def test_all_arguments_are_looked_at_before_the_featurizer_is_trained(options, given_, right):
    selector, x, labels = made(featurizer=Costly(flat), **options)
    with pytest.raises(InputError, match=right):
        selector.fit(x, labels, **given_)


def test_a_transformation_by_name_is_that_of_a_study():
    x, labels = images(size=16)
    selector = AugmentationSelector(budget=9, featurizer=FLAT)
    ours, theirs = (clone(selector).fit(x, labels, transformation=t) for t in ("rotate", appendix_b("rotate", "mnist")))
    np.testing.assert_array_equal(ours.ranking_, theirs.ranking_)
    np.testing.assert_array_equal(ours.augment(x, labels, "rotate")[0], theirs.augment(x, labels, {"rotate": None})[0])


@pytest.mark.parametrize("policy", ["greedy_influence", "random_copies"])
def test_the_copies_that_were_scored_are_delivered_or_none(policy):
    selector, x, labels = made(policy)
    drawn = random_shift()
    selector.fit(x, labels, transformation=[drawn, drawn])
    plus = selector.augment(x, labels, [drawn, drawn])[0]
    scored = as_transformation([drawn, drawn])(x)
    np.testing.assert_array_equal(plus[N:], scored[selector.which_, selector.source_])
    for batch in selector.batches(x, labels, [drawn, drawn], batch_size=7, seed=0):
        assert {image.tobytes() for image in batch[0]} <= {image.tobytes() for image in plus}
    with pytest.raises(InputError, match=r"another copy of the point .* than it did in fit"):
        selector.augment(x, labels, [drawn, lambda batch: batch[:, ::-1]])
    with pytest.raises(InputError, match=r"images\[0\] is not the image 0 of fit"):
        selector.augment(x[::-1], labels, [drawn, drawn])


def random_shift():
    rng = np.random.default_rng(0)
    return lambda batch: np.roll(batch, rng.integers(1, 6), axis=1)


def test_what_cannot_be_repeated_is_refused_in_fit_and_in_augment():
    selector, x, labels = made("influence")

    def fresh(batch):
        return np.roll(batch, np.random.default_rng().integers(1, 6), axis=1)

    with pytest.raises(InputError, match="fresh makes another copy"):
        selector.fit(x, labels, transformation=fresh)
    with pytest.raises(InputError, match="fresh makes another copy"):
        selector.fit(x, labels).augment(x, labels, fresh)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
@pytest.mark.parametrize("step", ["featurizer", "transform", "choose", "head"])
@pytest.mark.parametrize("again", [False, True])
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(error, step, again, monkeypatch):
    x, labels = images()
    selector = AugmentationSelector("influence", 0.2, featurizer=make_pipeline(FLAT, StandardScaler()))
    if again:
        features = problem(3, n=30)
        selector.set_params(featurizer=StandardScaler()).fit(
            pd.DataFrame(features[0], columns=list("abcd")), features[1]
        )
        selector.set_params(featurizer=make_pipeline(FLAT, StandardScaler()))
    before = dict(vars(selector))

    def fail(*args, **options):
        raise error("stopped")

    places = {"featurizer": (StandardScaler, "fit_transform"), "transform": (FunctionTransformer, "transform")}
    places |= {"choose": (set_policies.Chooser, "points"), "head": (LogisticHead, "_fit")}
    with monkeypatch.context() as patch:
        patch.setattr(*places[step], fail)
        patch.setattr(StandardScaler, "fit", fail) if step == "featurizer" else None
        with pytest.raises(error, match="stopped"):
            selector.fit(x, labels)
    after = vars(selector)
    assert after.keys() == before.keys() and all(after[name] is value for name, value in before.items())
    selector.fit(x, labels)
    assert not hasattr(selector, "feature_names_in_") and selector.image_form_ is not None


def weighted(seed=1):
    features, labels, copies, source = copied()
    return features, labels, copies, source, np.random.default_rng(seed).integers(1, 4, N).astype(float)


@pytest.mark.parametrize("class_weight", [None, "balanced", {1: 3.0}])
def test_copies_have_the_weights_of_their_points(class_weight):
    features, labels, copies, source, weights = weighted()
    ours = AugmentationSelector(budget=30, class_weight=class_weight)
    ours.fit(features, labels, **by_point(copies, source), sample_weight=weights)
    rows = np.vstack([features, copies[ours.support_]])
    by_class = np.ones(CLASSES)
    if class_weight == "balanced":
        by_class = weights.sum() / CLASSES / np.bincount(labels, weights)
    elif class_weight:
        by_class[1] = 3
    own = np.append(weights * by_class[labels], (weights * by_class[labels])[ours.source_])
    theirs = LogisticRegression(C=10.0, tol=1e-12, max_iter=10**4).fit(
        rows, np.append(labels, labels[ours.source_]), own
    )
    np.testing.assert_allclose(ours.decision_function(features), theirs.decision_function(features), atol=2e-3)
    np.testing.assert_array_equal(ours.get_support(indices=True), ours.support_)
    np.testing.assert_array_equal(np.flatnonzero(ours.get_support()), ours.support_)
    assert ours.get_support().shape == (len(source),) == (ours.n_candidates_,)


def test_whole_weights_are_points_that_are_there_so_often():
    features, labels, _, _, weights = weighted()
    often = np.repeat(np.arange(N), weights.astype(int))
    ours = AugmentationSelector("influence", 5).fit(features, labels, sample_weight=weights)
    theirs = AugmentationSelector("influence", 5).fit(features[often], labels[often])
    first = np.searchsorted(often, np.arange(N))
    np.testing.assert_allclose(ours.scores_, weights * theirs.scores_[first], rtol=1e-4)
    assert ours.get_support().sum() == 5


def test_greedy_scores_with_weights_are_the_weighted_formula():
    features, labels, copies, source, weights = weighted()
    labels = np.minimum(labels, 1)
    m = len(source)
    ours = AugmentationSelector("one_shot", m, C=2.0)
    ours.fit(features, labels, **by_point(copies, source), sample_weight=weights)
    x = np.column_stack([np.vstack([features, copies]), np.ones(N + m)])
    y, w = np.append(labels, labels[source]), np.append(weights, weights[source])
    head = LogisticHead(2.0).fit(features, labels, weights)
    p = 1 / (1 + np.exp(-x @ np.append(head.coef_, head.intercept_)))
    H = (x[:N].T * (w * p * (1 - p))[:N]) @ x[:N] + np.diag([0.5] * 4 + [0])
    gradients = (w * (p - y))[:, None] * x
    expected = gradients[N:] @ np.linalg.solve(H, gradients.sum(axis=0) / w.sum())
    np.testing.assert_allclose(ours.scores_, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("images_too", [False, True])
def test_a_fit_on_features_imports_only_what_it_needs(images_too):
    """In a fresh process; pandas is what scikit-learn imports wherever it is installed."""
    code = """
import resource, sys
import sklearn.base, sklearn.cluster, sklearn.linear_model, sklearn.model_selection, sklearn.svm
used = resource.getrusage(resource.RUSAGE_SELF)
base, before = used.ru_utime + used.ru_stime, set(sys.modules)
from influaug import AugmentationSelector
import numpy as np
x = np.random.default_rng(0).normal(size=(60, 4))
AugmentationSelector(budget=6).fit(x, x[:, 0] > 0, copies=x[:, None] + 0.01)
used = resource.getrusage(resource.RUSAGE_SELF)
# Of the process's own memory: `ru_maxrss` begins with that of the process that started it.
peak = next((line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), 0)
print(base, used.ru_utime + used.ru_stime, int(peak) / 2**10, *{m.partition(".")[0] for m in set(sys.modules) - before})
"""
    if images_too:
        code = code.replace("x = np", "images = np.arange(2 * 36, dtype='u1').reshape(2, 6, 6)\nx = np")
        code = code.replace(
            "copies=x[:, None] + 0.01)",
            "copies=x[:, None] + 0.01)\nfrom influaug import transformations\n"
            "transformations.translate(1)(images[..., None])",
        )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    base, total, megabytes, *names = done.stdout.split()
    heavy = {
        "keras",
        "tensorflow",
        "jax",
        "torch",
        "matplotlib",
        "pandas",
        "pydantic",
        "papermill",
        "jupyter",
        "IPython",
    }
    assert not heavy & set(names) and bool({"imgaug", "cv2"} & set(names)) == images_too
    if not images_too:
        # A busy machine slows scikit-learn's own import, most of the time, by as much.
        assert float(total) < max(2.5, float(base) + 0.5) and float(megabytes) < 300


@pytest.mark.parametrize(
    ("use", "right"),
    [
        (lambda s, x, y: s.augment(x[1:], y[1:], translate(1)), "39 images, but the points of fit were 40"),
        (lambda s, x, y: s.augment(x, y[1:], translate(1)), "40 images and 39 labels"),
        (lambda s, x, y: s.augment(x, y, lambda z: z), "makes 1 copies of a point, but that of fit made 4"),
        (lambda s, x, y: s.augment(flat(x), y, translate(1)), r"images must be \[n, height, width\]"),
        (lambda s, x, y: s.batches(x, y, translate(1), batch_size=0), "batch_size is 0"),
        (lambda s, x, y: s.dataset(x, y, translate(1), epochs=0.5), "epochs is 0.5"),
        (lambda s, x, y: s.predict(flat(x)), r"images must be \[n, height, width\]"),
    ],
)
def test_bad_input_after_fit_is_answered_in_a_sentence(use, right):
    selector, x, labels = made()
    selector.fit(x, labels, transformation=translate(1))
    with pytest.raises(InputError, match=right):
        use(selector, x, labels)


KIND_OF_IMAGES = {
    "uint8": lambda x: x,
    "integers": lambda x: x.astype(int),
    "0 to 1": lambda x: x / 255,
    "0 to 255": lambda x: x.astype("f4"),
    "no channel": lambda x: x[..., 0],
}


@pytest.mark.parametrize("kind", KIND_OF_IMAGES)
def test_images_of_every_kind_are_chosen_from_alike(kind):
    selector, x, labels = made()
    theirs = clone(selector).fit(x, labels, transformation=translate(1))
    ours = selector.fit(KIND_OF_IMAGES[kind](x), labels, transformation=translate(1))
    np.testing.assert_array_equal(ours.ranking_, theirs.ranking_)
    np.testing.assert_array_equal(ours.predict(KIND_OF_IMAGES[kind](x)), theirs.predict(x))


def test_colours_are_chosen_from_too():
    selector = made()[0]
    x, labels = images(channels=3)
    plus = selector.fit(x, labels, transformation=translate(1)).augment(x, labels, translate(1))[0]
    assert plus.shape == (N + 16, 6, 6, 3)


@pytest.mark.parametrize("policy", ["influence", "deterministic", "random", "clustered", "greedy_influence", "k_dpp"])
@pytest.mark.parametrize("case", ["zero", "all", "constant", "duplicates", "one a class", "text", "unused category"])
def test_unusual_input_that_works(case, policy):
    features, labels, copies, source = copied(n=12, m=24)
    features, copies, budget, expected = features.copy(), copies.copy(), 0.25, 3
    if case in ("zero", "all"):
        budget, expected = (0, 0) if case == "zero" else (1.0, 12)
    if case == "constant":
        features[:, 1], copies[:, 1] = 3.0, 3.0
    if case == "duplicates":
        features, labels = features[[0, 1, 2] * 4], labels[[0, 1, 2] * 4]
        copies = features[source]
    if case == "one a class":
        labels = np.arange(12)
    if case == "text":
        labels = np.array(["ape", "bee", "cat"], dtype=object)[labels]
    if case == "unused category":
        labels = pd.Series(pd.Categorical.from_codes(labels, ["ape", "bee", "cat", "dog"]))
    selector = AugmentationSelector(policy, budget, random_state=0)
    selector.fit(features, labels, **by_point(copies, source, len(features)))
    of_all = 12 if selector.of_points_ else 24
    assert len(selector.support_) == (expected * of_all // 12)
    assert set(selector.predict(features)) <= set(np.asarray(labels))
    if case == "unused category":
        assert list(selector.classes_) == ["ape", "bee", "cat"]


def test_weights_of_copies_are_those_of_the_fit():
    features, labels, copies, source = copied()
    ours = AugmentationSelector("gradmatch_weighted", 9).fit(features, labels, **by_point(copies, source))
    assert ours.copy_weights_.shape == (9,) and ours.copy_weights_.max() > 1
    places = np.argsort(source, kind="stable")[ours.support_]
    rows, classes = np.vstack([features, copies[places]]), np.append(labels, labels[source[places]])
    theirs = LogisticHead(10.0).fit(rows, classes, np.append(np.ones(len(labels)), ours.copy_weights_))
    np.testing.assert_allclose(ours.head_.coef_, theirs.coef_, rtol=1e-3, atol=1e-4)
    *_, weights, _ = ours.augment(features, labels, **by_point(copies, source))
    np.testing.assert_allclose(weights, np.append(np.ones(len(labels)), ours.copy_weights_), rtol=1e-6)
    plain = AugmentationSelector("gradmatch", 9).fit(features, labels, **by_point(copies, source))
    np.testing.assert_array_equal(plain.copy_weights_, np.ones(9))
