"""Bounds of memory, types that features are kept in, and what is made in blocks."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import FunctionTransformer

from influaug import AugmentationSelector, copies_by_point
from influaug.errors import InputError
from influaug.selection import selector as module
from influaug.selection import size, store
from influaug.selection.store import FIRST, Copies
from own_data import D, N, features


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 * 2**29), ("64", 64), (10**6, 10**6), (2e3, 2000)],
)
def test_bounds_are_bytes_or_text(text, n_bytes):
    assert size.bytes_of(text) == n_bytes


@pytest.mark.parametrize("text", ["much", "", "-1", "GB", 0, -5, np.nan, np.inf, True, [], "0"])
def test_other_bounds_are_refused(text):
    with pytest.raises(InputError, match="a number of bytes, or text such as '2GB'"):
        size.bytes_of(text)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_single_precision_is_kept_where_it_loses_less_than_a_hundredth_of_the_spread(middle, wide):
    column = middle + wide * np.linspace(-1, 1, 9)[:, None]
    kept = size.kept_type("float32", column)
    lost = np.abs(column.astype("f4").astype(float) - column).max()
    assert kept == np.float64 or lost <= 0.02 * column.std()
    assert kept == np.float32 or np.abs(column).max() > 1e4 * column.std()


def test_half_precision_that_is_too_coarse_or_too_small_is_refused():
    X, y, C = features()
    same = FunctionTransformer()
    half = AugmentationSelector(budget=9, featurizer=same, dtype="float16", verbose=False)
    single = AugmentationSelector(budget=9, featurizer=same, verbose=False).fit(X, y, copies=C)
    assert single.estimate_.n_bytes - half.fit(X, y, copies=C).estimate_.n_bytes == 2 * C.size
    for moved in (X * 1e5, X + 1e4):
        with pytest.raises(InputError, match="'float16', which is too coarse for the feature 0"):
            half.fit(moved, y, copies=moved[:, None] + 0.1)
    with pytest.raises(InputError, match="a copy has features beyond 65504"):
        half.fit(X, y, copies=C[:, :2] * [[[1.0], [1e9]]])


def test_what_needs_more_than_the_bound_is_refused_before_copies_are_made():
    X, y, _ = features()
    made = []

    def change(rows):
        made.append(len(rows))
        return rows * 1.1

    selector = AugmentationSelector(budget=9, verbose=False)
    n_bytes = selector.fit(X, y, transformation=change).estimate_.n_bytes
    assert n_bytes > N * D * 4
    looked_at = sum(made)
    selector.set_params(max_memory=n_bytes).fit(X, y, transformation=change)
    made.clear()
    with pytest.raises(InputError, match=r"among 60 copies with 5 features would take .*, where max_memory allows"):
        selector.set_params(max_memory=n_bytes - 1).fit(X, y, transformation=change)
    assert sum(made) == looked_at - N


@pytest.mark.parametrize("policy", ["greedy_influence", "one_shot", "random_copies", "influence"])
def test_a_bound_that_no_choice_keeps_is_refused_for_few_copies_too(policy):
    X, y, C = features()
    with pytest.raises(InputError, match="where max_memory allows 1"):
        AugmentationSelector(policy, budget=9, max_memory="1KB", verbose=False).fit(X, y, copies=C)


def test_the_estimate_covers_the_rows_of_the_head():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(4000, 100)), np.arange(4000) % 2
    selector = AugmentationSelector("random_copies", budget=4000, verbose=False)
    tracemalloc.start()
    selector.fit(X, y, copies=X[:, None] + 0.1)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most / 3 < selector.estimate_.n_bytes < 3 * most


def test_the_bar_says_what_is_expected(capfd, monkeypatch):
    X, y, _ = features()
    monkeypatch.setattr(store, "LATE", 0)
    AugmentationSelector(budget=9).fit(X, y, transformation=lambda rows: rows * 1.1)
    assert "features of copies (with the choice about 1 s, " in capfd.readouterr().err


def test_a_long_choice_is_warned_of_in_minutes(monkeypatch):
    X, y, C = features()
    slow = module.Cost(600.0, 0.0)
    monkeypatch.setattr(module, "iterative_cost", lambda *args: slow)
    with pytest.warns(UserWarning, match="Making and choosing among 180 copies will take about 10 minutes"):
        ours = AugmentationSelector(budget=9, verbose=False).fit(X, y, copies=C)
    assert ours.estimate_.seconds >= 600 and "10 min" in str(ours.estimate_)


def test_copies_are_made_in_blocks_once_and_timed_by_the_first_few():
    asked = []

    def make(places):
        asked.append(len(places))
        return places[:, None].astype(float)

    copies = Copies(np.arange(3000), make)
    assert copies.seconds(np.arange(3000)) >= 0 and asked == [FIRST]
    np.testing.assert_array_equal(copies.features(np.arange(3000))[:, 0], np.arange(3000))
    assert sum(asked) == 3000 and max(asked) <= 1000 and copies.features(np.arange(5)).dtype == np.float32
    assert copies.n_seen == 3000 and sum(asked) == 3000


def test_an_array_of_features_is_used_as_it_is(tmp_path):
    X, y, C = features()
    np.save(tmp_path / "c.npy", C.astype("f4"))
    on_disk = np.load(tmp_path / "c.npy", mmap_mode="r")
    seen = []

    class Watched(AugmentationSelector):
        def _choose(self, chooser, budget, points, copies, rng):
            seen.append(copies.features(np.arange(len(copies.source))))
            super()._choose(chooser, budget, points, copies, rng)

    Watched(budget=9, verbose=False).fit(X, y, copies=on_disk)
    assert np.shares_memory(seen[0], on_disk)


def test_a_function_of_copies_is_asked_for_blocks():
    X, y, _ = features()
    asked = []

    def some(places):
        asked.append(len(places))
        return X[places % N] + 0.1 * (places[:, None] // N)

    source = np.tile(np.arange(N), 50)
    AugmentationSelector(budget=3, verbose=False).fit(X, y, copies=copies_by_point(some, source, N))
    assert max(asked) <= 1000 and sum(asked) >= 3000


def test_progress_is_silent_on_request(capfd):
    X, y, C = features()
    AugmentationSelector(budget=9, verbose=False).fit(X, y, copies=C)
    assert capfd.readouterr().err == ""


def test_given_features_are_counted_where_only_some_are_taken():
    assert Copies(np.arange(8), ready=np.zeros((8, 3), np.float32)).n_bytes(8, 3) == 0
    assert Copies(np.arange(8), ready=np.zeros((8, 3), np.float32)).n_bytes(5, 3) == 5 * 3 * 4
