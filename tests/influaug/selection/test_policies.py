import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from influaug.errors import InputError
from influaug.influence.inverse import factor
from influaug.influence.leave_one_out import self_influence
from influaug.influence.validation import ValidationInfluence
from influaug.selection import clusters, greedy
from influaug.selection import point_policies as policies
from influaug.selection import rules as set_rules
from influaug.selection.candidates import Candidates
from influaug.selection.greedy import select
from influaug.selection.point_policies import ANY
from influaug.selection.policies import (
    ALIASES,
    BALANCED,
    POLICIES,
    RIVALS,
    Chooser,
    SetOptions,
    choose,
    generated,
    names,
)
from influaug.selection.scores import SCORES
from influaug.solver.heads import with_intercept
from problems import problem

K = 3
OPTIONS = SetOptions(clusters=5, folds=3)
OF_POINTS = [
    "random_points",
    "loss",
    "influence",
    "influence_random",
    "clustered",
    "clustered_influence",
    "k_dpp",
    "k_dpp_influence",
    "greedy_points",
]
POOLED = ["pool_influence", "pool_clusters", "pool_random"]
DRAW_SETS = ["k_dpp", "k_dpp_influence"]
GREEDY = ["influence", "loss", "self_influence", "hybrid", "points"]
DETERMINISTIC = ["loss", "influence", "pool_influence", "one_shot", *(f"greedy_{name}" for name in GREEDY)]
DETERMINISTIC += [name for name, policy in RIVALS.items() if not policy.random]


def candidates(n=40, n_classes=2, seed=0):
    features, labels = problem(seed, n, n_classes=n_classes)
    labels[: 3 * n_classes] = np.tile(np.arange(n_classes), 3)
    rng, source = np.random.default_rng(seed), np.repeat(np.arange(n), K)
    moved = rng.normal(size=4) + 0.3 * rng.normal(size=(n * K, 4))
    return Candidates(features, labels, features[source] + moved, source)


def chosen(name, c, budgets=(0, 7, 30), seed=0, options=OPTIONS):
    return choose(name, c, budgets, options, np.random.default_rng(seed))


def any_chosen(name, c, budgets=(7, 30), seed=0, score="margin"):
    """As `chosen`, by a policy with or without a score of one's own choice."""
    if POLICIES[name].score != ANY:
        return chosen(name, c, budgets, seed)
    chooser, points = Chooser.of(name, score, False, OPTIONS), (c.features, c.labels)
    orders = [chooser.points(*points, -(-budget // K), np.random.default_rng(seed)).order for budget in budgets]
    return [set_rules.copies_of(c, order)[:budget] for order, budget in zip(orders, budgets, strict=True)]


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", names())
def test_every_policy_adds_as_many_distinct_copies_as_it_may(name, n_classes):
    c = candidates(n_classes=n_classes)
    sets = chosen(name, c)
    for copies, budget in zip(sets, (0, 7, 30), strict=True):
        assert len(copies) == len(np.unique(copies)) == budget or name == "match_full_weighted"
        assert not budget or 0 <= copies.min() <= copies.max() < len(c.source)
    again, other = chosen(name, c), chosen(name, c, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(sets, again, strict=True))
    deterministic = name.removesuffix(BALANCED) in DETERMINISTIC
    assert np.array_equal(sets[2], other[2]) == deterministic


@pytest.mark.parametrize("name", [name for name in names() if name not in DRAW_SETS])
def test_larger_budgets_contain_smaller_ones(name):
    _, few, many = chosen(name, candidates())
    np.testing.assert_array_equal(many[:7], few)


@pytest.mark.parametrize("name", OF_POINTS)
def test_policies_of_points_add_all_copies_of_a_point_but_the_last(name):
    c = candidates()
    _, few, many = chosen(name, c)
    assert len(np.unique(c.source[many])) == 10
    assert sorted(np.unique(c.source[few], return_counts=True)[1]) == [1, 3, 3]


@pytest.mark.parametrize("name", [name for name in names() if name.endswith(BALANCED)])
def test_of_balanced_policies_the_classes_differ_by_a_point(name):
    c = candidates(n=120, n_classes=3)
    copies = chosen(name, c)[2]
    counts = np.bincount(c.labels[c.source[copies]], minlength=3)
    assert counts.max() - counts.min() <= (K if name.removesuffix(BALANCED) in OF_POINTS else 1)


def test_the_papers_policies_are_those_of_the_sweep():
    c = candidates()
    model = LogisticRegression(C=10, solver="newton-cholesky", tol=1e-10).fit(c.features, c.labels)
    p = model.predict_proba(c.features)
    curved = with_intercept(c.features) * np.sqrt(p.prod(axis=1))[:, None]
    L = factor(curved.T @ curved + np.diag([0.1] * 4 + [0]))
    theta = np.append(model.coef_, model.intercept_)[None]
    scores = {
        "influence": self_influence(with_intercept(c.features), c.labels, theta, L),
        "loss": -np.log(p[np.arange(40), c.labels]),
    }
    for name, score in scores.items():
        points = policies.order("deterministic_proportional", score, None)[:10]
        expected = (K * points[:, None] + np.arange(K)).ravel()
        np.testing.assert_array_equal(chosen(name, c)[2], expected)


def test_greedy_policies_are_those_of_the_module():
    c = candidates()
    for name, score in (("greedy_influence", "influence"), ("greedy_loss", "loss"), ("greedy_hybrid", "hybrid")):
        np.testing.assert_array_equal(chosen(name, c)[2], select(c, score, 30).order)
    one_shot = select(c, batch=len(c.source)).order
    np.testing.assert_array_equal(chosen("one_shot", c)[2], one_shot[:30])


@pytest.mark.parametrize("name", POOLED)
def test_policies_of_a_pool_stay_in_it(name):
    c, options = candidates(), SetOptions(pool=0.25)
    few, most = chosen(name, c, (7, 100), options=options)
    assert len(few) == 7 and len(most) == 30 == generated(name, c, most, options)
    assert len(np.unique(c.source[most])) == 10
    assert generated("influence", c, few, options) == 7
    assert generated("greedy_influence", c, few, options) == 120


def test_a_pool_of_influence_holds_the_most_influential_points():
    c = candidates()
    pooled = chosen("pool_influence", c, (30,))[0]
    np.testing.assert_array_equal(np.unique(c.source[pooled]), np.unique(c.source[chosen("influence", c)[2]]))


def test_a_pool_of_clusters_has_a_point_of_each():
    rng = np.random.default_rng(0)
    features = np.repeat(10 * np.eye(4), 10, axis=0) + 0.1 * rng.normal(size=(40, 4))
    c = Candidates(features, np.tile([0, 1], 20), np.repeat(features, K, axis=0), np.repeat(np.arange(40), K))
    pooled = chosen("pool_clusters", c, (12,), options=SetOptions(pool=0.1))[0]
    assert sorted(np.unique(c.source[pooled]) // 10) == [0, 1, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["held_out_up", "held_out_aug"])
def test_held_out_influence_is_what_refits_gain_on_held_out_points(name):
    """The best, the worst and all copies, each added (or put in its original's place) alone, by scikit-learn."""
    c = candidates(n=150, seed=3)
    order = chosen(name, c, (len(c.source),), options=SetOptions(C=0.05, folds=3))[0]
    held_out = np.random.default_rng(1).permutation(150)[:50]
    train = np.setdiff1d(np.arange(150), held_out)
    x = np.vstack([c.features[held_out], c.copies[np.isin(c.source, held_out)]])
    y = np.append(c.labels[held_out], c.labels[c.source[np.isin(c.source, held_out)]])

    def loss(copies):
        copies = copies[np.isin(c.source[copies], train)]
        kept = train if name == "held_out_up" else np.setdiff1d(train, c.source[copies])
        rows = np.vstack([c.features[kept], c.copies[copies]])
        labels = np.append(c.labels[kept], c.labels[c.source[copies]])
        model = LogisticRegression(C=0.05, solver="newton-cholesky").fit(rows, labels)
        return log_loss(y, model.predict_proba(x))

    best, worst, all_ = (
        np.mean([loss(np.array([copy])) for copy in copies]) for copies in (order[:20], order[-20:], order)
    )
    assert best < all_ < worst


@pytest.mark.parametrize(
    ("name", "budgets", "message"),
    [
        ("luck", (1,), "Unknown policy of copies 'luck'; known are random_points"),
        (f"k_dpp{BALANCED}", (1,), "Unknown policy of copies"),
        ("influence", (), "budgets must rise from at least 0 to at most the 120 copies"),
        ("influence", (5, 5), "budgets must rise"),
        ("influence", (121,), "budgets must rise"),
    ],
)
def test_wrong_choices_are_refused_in_a_sentence(name, budgets, message):
    with pytest.raises(InputError, match=message):
        chosen(name, candidates(), budgets)


def test_held_out_influence_needs_two_points_a_class():
    features, labels = problem(n=20)
    labels[:] = 0
    labels[0] = 1
    c = Candidates(features, labels, features, np.arange(20))
    with pytest.raises(InputError, match="at least two points of each class"):
        chosen("held_out_up", c, (5,))


def test_there_is_one_registry_and_every_second_name_leads_to_it():
    assert {**policies.POINT_POLICIES}.items() <= POLICIES.items() and not set(ALIASES) & set(POLICIES)
    for alias, name in ALIASES.items():
        assert Chooser.of(alias, "loss", False, OPTIONS) == Chooser.of(name, "loss", False, OPTIONS)
    c = candidates()
    second = {"influence": "deterministic_proportional", "loss": "deterministic_proportional"}
    for name, of in {**second, "influence_random": "random_proportional", "random_points": "baseline"}.items():
        score = POLICIES[name].score or "margin"
        for ours, theirs in zip(any_chosen(name, c), any_chosen(of, c, score=score), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_looks_at_the_copies_that_it_declares(name):
    c, generates = candidates(), POLICIES[name].generates
    shuffled = np.random.default_rng(9).permutation(c.copies)
    seen = {"chosen": [], "pool": np.flatnonzero(np.isin(c.source, pool_of(name, c))), "all": np.arange(len(c.source))}
    nowhere = np.full_like(c.copies, np.nan)
    nowhere[seen[generates]] = c.copies[seen[generates]]
    orders = [any_chosen(name, Candidates(c.features, c.labels, x, c.source)) for x in (c.copies, shuffled, nowhere)]
    assert np.array_equal(orders[0][1], orders[1][1]) == (generates == "chosen")
    for ours, theirs in zip(orders[0], orders[2], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (POLICIES[name].pool is not None) == (generates == "pool") == (name in POOLED)


def pool_of(name, c):
    pool = Chooser.of(name, "loss", False, OPTIONS).pool(c.features, c.labels, np.random.default_rng(0))
    return [] if pool is None else pool


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_orders_what_it_declares(name):
    counts = []
    for seed in range(3):  # single copies may be those of whole points by chance
        c = candidates(seed=seed)
        counts.append(sorted(np.unique(c.source[any_chosen(name, c)[0]], return_counts=True)[1]))
    assert (counts == 3 * [[1, 3, 3]]) == (POLICIES[name].unit == "point")
    assert POLICIES[name].needs_no_copies == (POLICIES[name].score == ANY or name in set(OF_POINTS) - {"greedy_points"})


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_draws_what_it_declares(name):
    c, policy = candidates(), POLICIES[name]
    several = [any_chosen(name, c, seed=seed) for seed in range(3)]
    assert policy.random == any(not np.array_equal(sets[1], several[0][1]) for sets in several)
    assert policy.draws_sets == any(not np.array_equal(few, many[:7]) for few, many in several) == (name in DRAW_SETS)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_balances_if_it_declares_so(name):
    c, policy = candidates(n=120, n_classes=3), POLICIES[name]
    assert (f"{name}{BALANCED}" in names()) == (policy.balances and policy.score != ANY)
    if not policy.balances:
        with pytest.raises(InputError, match=f"{name} has no balanced variant"):
            Chooser.of(name, "loss", True, OPTIONS)
    elif policy.needs_no_copies:
        rng = np.random.default_rng(0)
        points = Chooser.of(name, "loss", True, OPTIONS).points(c.features, c.labels, 10, rng).order
        assert np.ptp(np.bincount(c.labels[points], minlength=3)) <= 1


def recording(monkeypatch, owner, name, of, seen):
    """Let a function go on as it was, and write down something of each call."""
    original = getattr(owner, name)

    def recorded(*arguments, **options):
        seen.append(of(arguments, options))
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, recorded)


@pytest.mark.parametrize("name", POLICIES)
def test_a_policy_uses_the_score_and_the_clusters_that_it_declares(name, monkeypatch):
    scores, clustered, c, policy = [], [], candidates(), POLICIES[name]
    recording(monkeypatch, set_rules, "compute", lambda arguments, _: arguments[0], scores)
    recording(monkeypatch, greedy, "select", lambda _, options: options["score"], scores)
    for method in ("up_loss", "aug_loss"):
        recording(monkeypatch, ValidationInfluence, method, lambda *_, method=method: method, scores)
    recording(monkeypatch, clusters, "clusters", lambda *_: True, clustered)
    any_chosen(name, c)
    inner = {"up_loss"} if "aug_loss" in scores else set()  # the one is made of the other
    assert set(scores) - inner == (
        set() if not policy.reads_score else {"margin"} if policy.score == ANY else {policy.score}
    )
    assert any(clustered) == policy.needs_clusters
    known = SCORES if policy.needs_no_copies else [*greedy.SCORES, "up_loss", "aug_loss"]
    assert policy.score in (None, ANY, *known)


def test_a_policy_has_the_source_that_it_declares():
    code = {"clustered", "clustered_influence", "k_dpp", "k_dpp_influence"}
    paper = {*policies.POINT_POLICIES, "random_points", "loss", "influence", "influence_random"}
    assert {name for name, policy in POLICIES.items() if policy.source == policies.RELEASED_CODE} == code
    assert {name for name, policy in POLICIES.items() if policy.source == policies.PAPER} == paper
    assert len({policy.meaning for policy in POLICIES.values()}) == len(POLICIES)


def test_a_policy_without_a_score_or_a_key_is_refused_where_it_needs_one():
    with pytest.raises(InputError, match="uses no score"):
        set_rules.Task(candidates(), [7], OPTIONS).point_scores  # noqa: B018
    with pytest.raises(InputError, match="copies at random has no key to order points by"):
        policies.order_of(POLICIES["random_copies"], np.ones(3), np.random.default_rng(0))


def large(n, d, n_classes=2):
    """Points that are their own copies."""
    features, labels = problem(0, n, d, n_classes)
    return Candidates(features, labels, features, np.arange(n))


@pytest.mark.parametrize("name", ["clustered", "k_dpp", "random_points", "baseline"])
def test_policies_without_a_score_compute_none(name, monkeypatch):
    monkeypatch.setattr(set_rules, "point_scores", None)
    c = candidates()
    found = Chooser.of(name, "influence", False, OPTIONS).points(c.features, c.labels, 5, np.random.default_rng(0))
    assert len(found.order) == 5 and np.isnan(found.scores).all()


@pytest.mark.parametrize("name", ["influence", "loss", "clustered_influence", "k_dpp_influence", "pool_influence"])
def test_a_score_is_computed_once(name, monkeypatch):
    calls, compute = [], set_rules.compute
    monkeypatch.setattr(set_rules, "compute", lambda score, *rest: calls.append(score) or compute(score, *rest))
    c, chooser = candidates(), Chooser.of(name, "margin", False, OPTIONS)
    if chooser.policy.needs_no_copies:
        chooser.points(c.features, c.labels, 5, np.random.default_rng(0))
    else:
        chooser.pool(c.features, c.labels, np.random.default_rng(0))
    assert calls == ["loss" if name == "loss" else "influence"]


@pytest.mark.parametrize("name", ["k_dpp", "k_dpp_influence"])
@pytest.mark.parametrize("kernel", ["linear", "cosine"])
def test_a_k_dpp_of_many_points_draws_by_the_dual_what_the_kernel_draws(name, kernel, monkeypatch):
    c, options = large(60, 9), SetOptions(kernel=kernel)
    monkeypatch.setattr(set_rules, "RIDGE", 0.0)
    by_kernel = [chosen(name, c, (6,), seed, options)[0] for seed in range(10)]
    monkeypatch.setattr(set_rules, "LARGEST_KERNEL", 30)
    by_dual = [chosen(name, c, (6, 60), seed, options) for seed in range(10)]
    for few, (drawn, all_) in zip(by_kernel, by_dual, strict=True):
        np.testing.assert_array_equal(few, drawn)
        np.testing.assert_array_equal(np.sort(all_), np.arange(60))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (SetOptions(kernel="gaussian"), "The gaussian kernel of 3,001 points would take 0.1 GB; with more than 3,000"),
        (SetOptions(), "A k-DPP of 3,001 points with 5 features draws at most 5 of them by their cosine kernel, not 9"),
    ],
)
def test_a_k_dpp_that_is_too_large_is_refused_before_anything_is_computed(options, message, monkeypatch):
    monkeypatch.setattr(set_rules, "point_scores", None)
    with pytest.raises(InputError, match=message):
        chosen("k_dpp_influence", large(3001, 5), (9,), options=options)


def test_too_many_clusters_are_refused_with_their_number():
    with pytest.raises(InputError, match=r"k-means with 5,000 clusters of 20,000 points .* at most 3,333 clusters"):
        chosen("pool_clusters", large(20_000, 1000), (9,))
