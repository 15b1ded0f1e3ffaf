import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from feature_sets import K, feature_set
from influaug.errors import InputError
from influaug.selection.point_policies import POINT_POLICIES, order
from influaug.selection.scores import ScoreOptions
from studies.points.feature_set import row_weights
from studies.points.sweep import REFINEMENTS, SweepSettings, curves, run, scaled_budgets


def settings(**options):
    return SweepSettings(**{"budgets": (1, 10, 40), "rounds": 2, "scores": ("loss",), **options})


def table(features, s, seed=0):
    return run(features, s, np.random.SeedSequence(seed))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_model_is_scikit_learns(n_classes):
    """The tidy table, row by row, against one-by-one fits of the points that each policy's order gives."""
    f = feature_set(n_classes=n_classes)
    t = table(f, settings(policies=("baseline", "random_proportional"), refinements=("plain", "downweight")))
    none = LogisticRegression(C=10, tol=1e-10, max_iter=10_000).fit(f.train[:40], f.labels[:40])
    p = none.predict_proba(f.train[:40])[np.arange(40), f.labels[:40]]
    streams = np.random.SeedSequence(0).spawn(2)
    for row in t.itertuples():
        if row.policy in ("none", "full"):
            points = np.arange(row.budget)
        else:
            points = order(row.policy, -np.log(p), np.random.default_rng(streams[row.round]))[: row.budget]
        copies = (f.n + K * points[:, None] + np.arange(K)).ravel()
        rows = np.append(np.arange(f.n), copies)
        weights = np.ones(len(rows))
        if row.downweight:
            weights[np.isin(rows, points)] = weights[f.n :] = 1 / (K + 1)
        model = LogisticRegression(C=10, tol=1e-10, max_iter=10_000).fit(f.train[rows], f.labels[rows], weights)
        assert row.rows == len(rows)
        assert row.accuracy == pytest.approx(model.score(f.test, f.test_labels), abs=0.5 / len(f.test))
        original = model.score(f.test[: f.n_test], f.test_labels[: f.n_test])
        assert row.accuracy_original == pytest.approx(original, abs=0.5 / f.n_test)


def test_every_policy_and_refinement_runs_and_meets_at_the_full_budget():
    f = feature_set()
    t = table(
        f,
        settings(
            policies=tuple(POINT_POLICIES), refinements=tuple(REFINEMENTS), scores=("loss", "influence", "margin")
        ),
    )
    lines = t[~t["policy"].isin(["none", "full"])]
    assert set(lines["policy"]) == set(POINT_POLICIES)
    at_end = lines[(lines["budget"] == 40) & ~lines["downweight"]]
    full = t.loc[t["policy"] == "full", "accuracy"].item()
    np.testing.assert_allclose(at_end["accuracy"], full, atol=0.5 / len(f.test))


def test_a_sweep_is_reproducible_and_its_seed_matters():
    f, s = feature_set(), settings(policies=("random_proportional",))
    first = table(f, s)
    assert first.equals(table(f, s))
    assert not first.equals(table(f, s, seed=1))


def test_policies_are_paired_by_round():
    """Equal scores make proportional drawing the baseline itself: the same stream must then give the same points."""
    f = feature_set()
    noise = [np.random.default_rng(child) for child in np.random.SeedSequence(0).spawn(2)]
    again = [np.random.default_rng(child) for child in np.random.SeedSequence(0).spawn(2)]
    for a, b in zip(noise, again, strict=True):
        ones = np.ones(f.n)
        np.testing.assert_array_equal(order("baseline", ones, a), order("random_proportional", ones, b))


def test_updates_change_only_what_remains_of_the_order():
    f = feature_set()
    t = table(f, settings(policies=("deterministic_proportional",), refinements=("plain", "update"), budgets=(10, 20)))
    plain, updated = (t[t["update"] == u].set_index("budget")["accuracy"] for u in (False, True))
    assert plain[10] == updated[10]
    often = settings(policies=("deterministic_proportional",), refinements=("update",), budgets=(20,), update_every=5)
    assert set(table(f, often)["budget"]) == {0, 20, 40}


def test_the_baseline_has_no_updates_and_deterministic_policies_one_round():
    s = settings(policies=("baseline", "deterministic_proportional"), refinements=("plain", "update"), rounds=3)
    assert [(c.policy, c.update, c.round) for c in curves(s)] == [
        ("baseline", False, 0),
        ("baseline", False, 1),
        ("baseline", False, 2),
        ("deterministic_proportional", False, 0),
        ("deterministic_proportional", True, 0),
    ]


def test_downweighting_conserves_the_weight_of_every_point():
    selected = np.random.default_rng(0).random((3, 10)) < 0.5
    weights = row_weights(selected, np.array([True, True, True]), 4)
    totals = weights[:, :10] + weights[:, 10:].reshape(3, 10, 4).sum(axis=2)
    np.testing.assert_allclose(totals, 1.0)
    plain = row_weights(selected, np.zeros(3, bool), 4)
    np.testing.assert_array_equal(plain[:, 10:].reshape(3, 10, 4).all(axis=2), selected)
    np.testing.assert_array_equal(plain[:, :10], 1.0)


def test_budgets_scale_with_the_training_set():
    assert scaled_budgets(1000) == (1, 10, 50, 100, 250, 500, 750, 1000)
    assert scaled_budgets(200) == (1, 2, 10, 20, 50, 100, 150, 200)
    assert scaled_budgets(3)[-1] == 3


@pytest.mark.parametrize("budgets", [(), (0, 5), (5, 4), (5, 5), (10, 41)])
def test_wrong_budgets_are_refused(budgets):
    with pytest.raises(InputError, match="budgets must rise from at least 1 to at most the 40"):
        table(feature_set(), settings(budgets=budgets))


def test_score_options_reach_the_scores():
    f = feature_set()
    s = settings(policies=("deterministic_proportional",), scores=("margin",), budgets=(5,))
    easy = settings(
        policies=("deterministic_inverse_proportional",),
        scores=("margin",),
        budgets=(5,),
        options=ScoreOptions(margin="easiest"),
    )
    assert table(f, s)["accuracy"].tolist() == table(f, easy)["accuracy"].tolist()
