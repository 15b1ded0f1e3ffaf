import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from feature_sets import K, feature_set
from influaug.errors import InputError
from influaug.selection.policies import choose
from studies.copies.sweep import SetSweepSettings, mislabelled, run, with_rare_class

SETTINGS = SetSweepSettings(policies=("random_copies", "influence", "greedy_influence"), shares=(0.05, 0.25, 1.0))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_every_row_is_scikit_learns(n_classes):
    f = feature_set(n_classes=n_classes)
    table = run(f, SETTINGS, np.random.SeedSequence(0))
    streams = np.random.SeedSequence(0).spawn(3)
    candidates = f.candidates
    assert list(table["policy"][:2]) == ["none", "full"]
    for place, name in enumerate(SETTINGS.policies):
        sets = choose(name, candidates, (4, 20, 80), SETTINGS.options, np.random.default_rng(streams[place]))
        rows = table[table["policy"] == name]
        for copies, row in zip(sets, rows.itertuples(), strict=True):
            used = np.append(np.arange(f.n), f.n + copies)
            model = LogisticRegression(C=10, solver="newton-cholesky", tol=1e-8).fit(f.train[used], f.labels[used])
            assert (row.added, row.touched) == (len(copies), len(np.unique(copies // K)))
            assert row.generated == (80 if name == "greedy_influence" else len(copies))
            assert row.accuracy == pytest.approx(model.score(f.test, f.test_labels), abs=0.5 / len(f.test))
            hits = model.predict(f.test) == f.test_labels
            assert row.accuracy_original == pytest.approx(hits[: f.n_test].mean(), abs=0.5 / f.n_test)
            for label in range(n_classes):
                of_class = hits[f.test_labels == label].mean()
                assert getattr(row, f"accuracy_{label}") == pytest.approx(of_class, abs=0.02)
    full = table[table["share"] == 1.0]["accuracy"]
    assert full.nunique() == 1 and len(full) == 4


def test_wrong_labels_are_counted_where_they_are_picked():
    f = feature_set()
    noisy, wrong = mislabelled(f, 0.2, np.random.default_rng(0))
    assert wrong.sum() == 8
    np.testing.assert_array_equal(noisy.labels[:40] != f.labels[:40], wrong)
    np.testing.assert_array_equal(noisy.labels[40:], np.repeat(noisy.labels[:40], K))
    np.testing.assert_array_equal(noisy.test_labels, f.test_labels)
    table = run(noisy, SETTINGS, np.random.SeedSequence(0), wrong).set_index(["policy", "share"])
    assert table.loc[("random_copies", 1.0), "wrong"] == 0.2
    assert table.loc[("influence", 0.05), "wrong"] > 0.2
    assert table.loc[("none", 0.0)].isna()["wrong"]


def test_wrong_labels_are_other_classes():
    f = feature_set(n_classes=3)
    noisy, wrong = mislabelled(f, 1.0, np.random.default_rng(0))
    assert wrong.all() and (noisy.labels != f.labels).all()
    assert set(noisy.labels) == {0, 1, 2}


def test_a_rare_class_keeps_a_share_of_its_points_and_their_copies():
    f = feature_set(n_classes=3)
    members = np.flatnonzero(f.labels[:40] == 1)
    rare = with_rare_class(f, 1, 0.25, np.random.default_rng(0))
    kept = max(1, round(0.25 * len(members)))
    assert rare.n == 40 - len(members) + kept and rare.k == K
    assert np.bincount(rare.labels[: rare.n])[1] == kept
    for place in range(rare.n):
        original = np.flatnonzero((f.train[:40] == rare.train[place]).all(axis=1))[0]
        np.testing.assert_array_equal(
            rare.train[rare.n + K * place : rare.n + K * place + K], f.train[40 + K * original : 40 + K * original + K]
        )
    with pytest.raises(InputError, match="There is no class 7; there are 0 to 2"):
        with_rare_class(f, 7, 0.1, np.random.default_rng(0))


@pytest.mark.parametrize("shares", [(), (0.0, 0.5), (0.5, 1.1), (0.5, 0.25), (0.001, 0.002)])
def test_shares_that_do_not_rise_are_refused(shares):
    with pytest.raises(InputError, match="shares"):
        SetSweepSettings(shares=shares).budgets(80)
