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
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import influaug
from influaug import AugmentationSelector
from influaug.data.adapters import as_transformation
from influaug.data.repeatable import check_repeatable
from influaug.data.transformations import expand, translate
from influaug.errors import InputError
from influaug.networks.featurizer import KerasFeaturizer, lenet
from influaug.selection import greedy
from influaug.selection import point_policies as policies
from influaug.selection import policies as set_policies
from influaug.selection import turns as quotas
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
    np.testing.assert_allclose(ours.scores_, scores, rtol=1e-5, atol=1e-8)
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
    features, labels, copies, source = copied()
    ours = AugmentationSelector(name, 9, balanced=balanced, random_state=2)
    ours.fit(features, labels, **by_point(copies, source, len(features)))
    candidates = greedy.Candidates(features, labels, copies, source)
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
    head = LogisticHead(10.0).fit(np.vstack([features, copies[theirs]]), np.append(labels, labels[source[theirs]]))
    np.testing.assert_allclose(ours.predict_proba(copies), head.predict_proba(copies), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", ["greedy_influence", "greedy_loss", "one_shot"])
def test_greedy_scores_are_the_promises_of_the_chosen(name):
    features, labels, copies, source = copied()
    ours = AugmentationSelector(name, 9).fit(features, labels, **by_point(copies, source, len(features)))
    candidates = greedy.Candidates(features, labels, copies, source)
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
    assert len(seen) - to_check * selector.of_points_ == 16
    assert set(seen) == {image.tobytes() for image in x[selector.points_]}


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
    "no images": (lambda: made()[0].fit(made()[1] - 3.0, made()[2]), "grey values must be 0 to 255"),
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
