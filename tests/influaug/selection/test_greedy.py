import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from influaug.errors import InputError
from influaug.selection import greedy
from influaug.selection.candidates import Candidates
from influaug.selection.greedy import SCORES, select
from influaug.selection.iterative_head import IterativeHead, Schedule
from influaug.solver.heads import with_intercept
from problems import problem

EACH_SOLVER = pytest.mark.parametrize("solver", ["exact", "iterative"])
# As the exact solver goes, but by conjugate gradients.
TIGHT = Schedule(growth=16, parts=1, every=1, confident=0.0, solve=1e-6, step=1e-4, left=1e-6, first=1e-8)


def candidates(n=30, k=3, n_classes=2, seed=0):
    """Copies are moved all in one direction, and a little at random."""
    features, labels = problem(seed, n, n_classes=n_classes)
    rng, source = np.random.default_rng(seed), np.repeat(np.arange(n), k)
    moved = rng.normal(size=features.shape[1]) + 0.3 * rng.normal(size=(n * k, features.shape[1]))
    return Candidates(features, labels, features[source] + moved, source)


def target(c, copies, C=0.05):
    """Mean loss of all originals and copies under scikit-learn's fit to the originals and some copies."""
    x, y = c.rows
    used = np.append(np.arange(len(c.labels)), len(c.labels) + np.asarray(copies, dtype=int))
    model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-8).fit(x[used], y[used])
    return log_loss(y, model.predict_proba(x), labels=model.classes_)


def greedily(c, budget):
    """Brute force: at each step every copy is tried by a refit of its own."""
    chosen = []
    for _ in range(budget):
        left = np.setdiff1d(np.arange(len(c.source)), chosen)
        chosen.append(left[np.argmin([target(c, [*chosen, copy]) for copy in left])])
    return chosen


@EACH_SOLVER
@pytest.mark.parametrize("n_classes", [2, 3])
def test_influence_is_what_a_refit_gains(n_classes, solver):
    c = candidates(n=150, k=1, n_classes=n_classes)
    found = select(c, C=0.05, batch=len(c.source), solver=solver)
    promised = np.empty(len(c.source))
    promised[found.order] = found.scores
    before = target(c, [])
    gained = np.array([before - target(c, [copy]) for copy in range(len(c.source))])
    assert np.corrcoef(promised, gained)[0, 1] > 0.98
    large = np.abs(gained) > np.median(np.abs(gained))
    assert (np.sign(promised[large]) == np.sign(gained[large])).all()


@EACH_SOLVER
@pytest.mark.parametrize("n_classes", [2, 3])
def test_greedy_influence_comes_as_far_as_brute_force(n_classes, solver):
    c, budget = candidates(n=30, k=2, n_classes=n_classes, seed=1), 5
    before = target(c, [])
    best = before - target(c, greedily(c, budget))
    ours = before - target(c, select(c, budget=budget, C=0.05, solver=solver).order)
    rng = np.random.default_rng(0)
    random = [before - target(c, rng.permutation(len(c.source))[:budget]) for _ in range(20)]
    assert ours > 0.9 * best > np.max(random)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_newton_steps_between_exact_fits_lose_next_to_nothing(n_classes):
    c = candidates(n=300, k=2, n_classes=n_classes, seed=2)
    before = target(c, [])
    exact, quick = (
        before - target(c, select(c, budget=60, C=0.05, refit_every=n, solver="exact").order) for n in (1, 1000)
    )
    assert quick > 0.97 * exact > 0


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("score", ["loss", "self_influence"])
def test_other_scores_follow_exact_fits_as_well(score, n_classes):
    c = candidates(n=300, k=2, n_classes=n_classes, seed=2)
    exact, quick = (select(c, score, budget=60, C=0.05, refit_every=n, solver="exact").order for n in (1, 1000))
    assert len(np.intersect1d(exact, quick)) >= 45  # 6 are to be expected of two random choices


def test_scores_are_those_of_the_papers_at_first():
    c = candidates()
    x, y = with_intercept(c.copies), c.labels[c.source]
    model = LogisticRegression(C=10, solver="newton-cholesky", tol=1e-10).fit(c.features, c.labels)
    p = model.predict_proba(c.copies)
    loss = -np.log(p[np.arange(len(y)), y])
    curved = with_intercept(c.features) * np.sqrt(model.predict_proba(c.features).prod(axis=1))[:, None]
    H = curved.T @ curved + np.diag([0.1] * 4 + [0])
    g = (p[:, 1] - y)[:, None] * x
    self_influence = np.einsum("np,pq,nq->n", g, np.linalg.inv(H), g)
    for name, expected in (("loss", loss), ("self_influence", self_influence)):
        found = select(c, name, batch=len(y))
        np.testing.assert_allclose(found.scores, np.sort(expected)[::-1], rtol=1e-4)


@EACH_SOLVER
@pytest.mark.parametrize("batch", [None, 1, 10])
def test_of_equal_copies_one_is_at_the_top(batch, solver):
    c = candidates(n=40, k=1)
    twice = Candidates(c.features, c.labels, np.repeat(c.copies, 2, axis=0), np.repeat(c.source, 2))
    found = select(twice, budget=10, batch=batch, solver=solver).order
    assert len(np.unique(found // 2)) == 10


def test_equal_copies_of_other_labels_are_not_equal():
    features, labels = problem(n=20)
    c = Candidates(features, labels, np.ones((20, 4)), np.arange(20))
    found = select(c, budget=2, batch=2).order
    assert set(labels[found]) == {0, 1}


def test_hybrid_is_influence_and_then_loss():
    c = candidates(n=100, k=3)
    by_influence, hybrid = select(c, budget=6), select(c, "hybrid", budget=20)
    np.testing.assert_array_equal(hybrid.order[:6], by_influence.order)
    assert not np.array_equal(hybrid.order, select(c, budget=20).order)


@EACH_SOLVER
def test_a_points_score_is_its_copies_sum(solver):
    c = candidates(n=30, k=3)
    of_copies = select(c, batch=90, solver=solver)
    of_points = select(c, batch=30, level="point", solver=solver)
    single = np.empty(90)
    single[of_copies.order] = of_copies.scores
    np.testing.assert_allclose(of_points.scores, single.reshape(30, 3).sum(axis=1)[of_points.order], atol=1e-8)


def test_points_without_copies_are_not_chosen():
    within, places = candidates(n=30, k=3).only([4, 7])
    np.testing.assert_array_equal(places, [12, 13, 14, 21, 22, 23])
    assert sorted(select(within, level="point").order) == [4, 7]
    with pytest.raises(InputError, match="whole number from 0 to the 2 points with copies"):
        select(within, level="point", budget=3)


@EACH_SOLVER
def test_balanced_classes_take_turns(solver):
    c = candidates(n=60, n_classes=3)
    order = select(c, budget=30, balanced=True, solver=solver).order
    for size in range(1, 31):
        counts = np.bincount(c.labels[c.source[order[:size]]], minlength=3)
        assert counts.max() - counts.min() <= 1


@settings(max_examples=30, deadline=None)
@given(
    st.integers(2, 12),
    st.integers(1, 4),
    st.integers(2, 4),
    st.sampled_from(SCORES),
    st.sampled_from(["copy", "point"]),
    st.sampled_from(["auto", "exact"]),
    st.integers(0, 99),
)
def test_any_budget_is_a_prefix_of_a_permutation(n, k, n_classes, score, level, solver, seed):
    n = max(n, n_classes)
    c = candidates(n, k, n_classes, seed)
    c.copies[:, 0] = 0  # a column that is constant among the copies
    whole = select(c, score, level=level, solver=solver).order
    total = n if level == "point" else n * k
    assert sorted(whole) == list(range(total))
    budget = seed % (total + 1)
    np.testing.assert_array_equal(select(c, score, budget, level=level, solver=solver).order, whole[:budget])


def test_columns_of_zeros_change_nothing():
    c = candidates()
    padded = Candidates(*(np.insert(a, 2, 0, axis=1) if a is not None and a.ndim == 2 else a for a in vars(c).values()))
    np.testing.assert_array_equal(select(c, budget=20).order, select(padded, budget=20).order)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"score": "luck"}, "Unknown greedy score 'luck'; known are influence"),
        ({"level": "row"}, "level is 'row'; it must be one of copy, point"),
        ({"budget": -1}, "budget is -1; it must be a whole number from 0 to the 90 copies"),
        ({"budget": 91}, "budget is 91"),
        ({"budget": 0.5}, "budget is 0.5"),
        ({"batch": 0}, "batch is 0; it must be a whole number of at least 1"),
        ({"refit_every": 0}, "refit_every is 0"),
        ({"C": 0.0}, "C must be a positive number"),
        ({"solver": "quick"}, "solver is 'quick'; it must be one of auto, exact, iterative"),
        ({"score": "self_influence", "solver": "iterative"}, "The iterative solver has no score 'self_influence'"),
    ],
)
def test_wrong_options_are_refused_in_a_sentence(options, message):
    with pytest.raises(InputError, match=message):
        select(candidates(), **options)


def test_candidates_that_do_not_fit_are_refused():
    features, labels = problem(n=10)
    with pytest.raises(InputError, match=r"copies must be \[m, 4\] with one source each"):
        Candidates(features, labels, features[:, :3], np.arange(10))
    with pytest.raises(InputError, match="m at least 1"):
        Candidates(features, labels, features[:0], np.arange(0))
    for source in (np.arange(1, 11), np.arange(10) - 1, np.arange(10.0)):
        with pytest.raises(InputError, match="source must hold the numbers of points, whole and from 0 to 9"):
            Candidates(features, labels, features, source)


@pytest.mark.parametrize("level", ["copy", "point"])
@pytest.mark.parametrize("score", ["influence", "loss"])
@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_iterative_solver_with_tight_settings_chooses_what_the_exact_one_chooses(n_classes, score, level):
    c = candidates(n=120, k=3, n_classes=n_classes)
    weights = np.random.default_rng(0).uniform(0.5, 2, 120)
    weighted = Candidates(c.features, c.labels, c.copies, c.source, weights)
    exact = select(weighted, score, budget=40, C=0.5, level=level, refit_every=1, solver="exact")
    iterative = select(weighted, score, budget=40, C=0.5, level=level, solver="iterative", schedule=TIGHT)
    np.testing.assert_array_equal(iterative.order, exact.order)
    np.testing.assert_allclose(iterative.scores, exact.scores, rtol=1e-3)


def test_the_default_schedule_gains_nearly_what_the_exact_solver_gains():
    c = candidates(n=400, k=3, n_classes=4, seed=3)
    before = target(c, [])
    exact, iterative = (
        before - target(c, select(c, budget=100, C=0.05, solver=s).order) for s in ("exact", "iterative")
    )
    random = before - target(c, np.random.default_rng(0).permutation(1200)[:100])
    assert iterative > 0.95 * exact > random


def test_copies_on_disk_are_chosen_as_those_in_memory(tmp_path):
    c = candidates(n=100, k=3, n_classes=3)
    np.save(tmp_path / "copies.npy", c.copies.astype(np.float32))
    on_disk = Candidates(c.features, c.labels, np.load(tmp_path / "copies.npy", mmap_mode="r"), c.source)
    in_memory = Candidates(c.features, c.labels, c.copies.astype(np.float32), c.source)
    chosen = [select(some, budget=50, solver="iterative").order for some in (on_disk, in_memory)]
    np.testing.assert_array_equal(*chosen)


def test_auto_is_exact_for_two_classes_of_few_rows_and_iterative_for_more(monkeypatch):
    two, four = candidates(), candidates(n_classes=4)
    for c, solver in ((two, "exact"), (four, "iterative")):
        np.testing.assert_array_equal(select(c, budget=30).order, select(c, budget=30, solver=solver).order)
    monkeypatch.setattr(greedy, "AUTO_EXACT_ROWS", 50)
    np.testing.assert_array_equal(select(two, budget=30).order, select(two, budget=30, solver="iterative").order)


def test_heads_too_wide_to_invert_are_refused_with_their_number(monkeypatch):
    monkeypatch.setattr(greedy, "MOST_EXACT", 10)
    c = candidates(n_classes=3)
    for options in ({"solver": "exact"}, {"score": "self_influence"}):
        with pytest.raises(InputError, match=r"The head has 15 parameters, and the exact solver .* at most 10 by 10"):
            select(c, **options)
    assert len(select(c, budget=5).order) == 5


@EACH_SOLVER
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize(("offset", "scale"), [(1e4, 1.0), (1e8, 1.0), (0.0, 1e-8), (0.0, 1e15)])
def test_columns_far_from_zero_and_extreme_scales_change_no_choice_much(offset, scale, n_classes, solver):
    c = candidates(n=150, k=2, n_classes=n_classes, seed=3)
    other = Candidates(scale * (c.features + offset), c.labels, scale * (c.copies + offset), c.source)
    before, options = target(c, []), {"budget": 30, "solver": solver}
    plain = before - target(c, select(c, C=0.05, **options).order)
    found = before - target(c, select(other, C=0.05 / scale**2, **options).order)
    assert found > 0.95 * plain > 0


def test_what_asks_for_more_than_single_precision_is_chosen_by_the_exact_solver():
    rng, labels = np.random.default_rng(0), np.arange(144) % 8
    features = 2 * rng.normal(size=(8, 12))[labels] + rng.normal(size=(144, 12))
    copies = np.repeat(features, 3, axis=0) + rng.normal(size=12) + 0.7 * rng.normal(size=(432, 12))
    c, options = Candidates(features, labels, copies, np.repeat(np.arange(144), 3)), {"budget": 30, "C": 4e5}
    with pytest.raises(RuntimeError, match="did not reach the tolerance"):
        select(c, solver="iterative", **options)
    np.testing.assert_array_equal(select(c, **options).order, select(c, solver="exact", **options).order)


def test_copies_that_became_confident_still_count_in_the_target():
    c = candidates(n=100, k=3, n_classes=3)
    head = IterativeHead(c, 1.0, 10, TIGHT, np.random.default_rng(0))
    whole, V = head._scores("influence", True, 0.3), head.V
    assert 0 < len(head.active) < 300
    # As though all had been doubtful at the last look at all, and none had been left out.
    head.active, head.rest = np.arange(300), np.zeros_like(head.rest)
    np.testing.assert_allclose(head._scores("influence", False, 0.3), whole, atol=1e-6)
    np.testing.assert_allclose(head.V, V, atol=1e-6)
