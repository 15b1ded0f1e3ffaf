import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from influaug.errors import InputError
from influaug.selection.clusters import clusters, k_sweep, round_robin

CENTRES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
TRUTH = np.repeat([0, 1, 2], [5, 7, 9])
BLOBS = CENTRES[TRUTH] + np.random.default_rng(0).uniform(-1, 1, (len(TRUTH), 2))


def test_clusters_far_apart_are_found():
    labels = clusters(BLOBS, 3, 0)
    assert labels.dtype == int and set(labels) == {0, 1, 2}
    assert len(set(zip(TRUTH, labels, strict=True))) == 3


def test_a_seed_gives_one_clustering():
    x = np.random.default_rng(1).normal(size=(60, 3))
    np.testing.assert_array_equal(clusters(x, 8, 5), clusters(x, 8, 5))
    assert any((clusters(x, 8, 5) != clusters(x, 8, seed)).any() for seed in range(6, 9))


def test_as_many_clusters_as_distinct_rows_are_the_rows():
    labels = clusters(np.array([[0.0], [5.0], [0.0], [9.0], [5.0]]), 3, 0)
    assert labels[0] == labels[2] and labels[1] == labels[4] and len(set(labels)) == 3


@pytest.mark.parametrize("k", [0, -1, 4, 6])
def test_no_more_clusters_than_distinct_rows(k):
    x = np.array([[0.0], [5.0], [0.0], [9.0], [5.0]])
    with pytest.raises(InputError, match=rf"must be 1 \.\. 3, the number of distinct rows, not {k}\."):
        clusters(x, k, 0)
    with pytest.raises(InputError, match=rf"must be 1 \.\. 3, the number of distinct rows, not {k}\."):
        k_sweep(x, [2, k], 0)


def test_features_must_be_finite_rows():
    with pytest.raises(InputError, match=r"points 1, 2 are not"):
        clusters(np.array([[0.0], [np.nan], [np.inf]]), 1, 0)
    for bad in (np.zeros(3), np.zeros((0, 2)), np.zeros((2, 0))):
        with pytest.raises(InputError, match=r"must be \[n, d\]"):
            clusters(bad, 1, 0)


def turns(order, labels, first):
    """Round robin by hand: queues of points, asked in turn."""
    queues = {c: [i for i in order if labels[i] == c] for c in first}
    taken = []
    while any(queues.values()):
        taken += [queues[c].pop(0) for c in first if queues[c]]
    return taken


@given(st.lists(st.integers(-2, 4), max_size=25), st.integers(0, 1000))
@settings(max_examples=80, deadline=None)
def test_clusters_take_turns_in_an_order_drawn_once(labels, seed):
    order = np.random.default_rng(seed).permutation(len(labels))
    taken = round_robin(order, labels, np.random.default_rng(seed))
    first = list(dict.fromkeys(labels[i] for i in taken))
    assert first == [labels[i] for i in taken[: len(set(labels))]]
    assert taken.tolist() == turns(order, labels, first)
    np.testing.assert_array_equal(taken, round_robin(order, labels, np.random.default_rng(seed)))


def test_an_exhausted_cluster_is_skipped():
    taken = round_robin([4, 3, 2, 1, 0], [7, 7, 7, 7, 5], np.random.default_rng(0)).tolist()
    assert taken in ([4, 3, 2, 1, 0], [3, 4, 2, 1, 0])


def test_every_cluster_may_have_the_first_turn():
    """A right draw fails this for one seed in a thousand."""
    rng = np.random.default_rng(3)
    first = [round_robin([0, 1, 2, 3], [0, 1, 1, 2], rng)[0] for _ in range(600)]
    assert chisquare([first.count(i) for i in (0, 1, 3)]).pvalue > 1e-3 and 2 not in first


@pytest.mark.parametrize("order", [[0, 1], [0, 1, 1], [1, 2, 3], [0, 1, 2, 3]])
def test_an_order_must_be_a_permutation(order):
    with pytest.raises(InputError, match="permutation of the 3 points"):
        round_robin(order, [0, 0, 1], np.random.default_rng(0))


def test_a_sweep_measures_every_k():
    n = len(BLOBS)
    sweep = pd.DataFrame(k_sweep(BLOBS, [1, 2, 3, 4, n], 0))
    assert list(sweep.columns) == ["k", "inertia", "silhouette"] and sweep.k.tolist() == [1, 2, 3, 4, n]
    assert sweep.inertia.is_monotonic_decreasing and sweep.silhouette.idxmax() == 2
    assert sweep.silhouette.isna().tolist() == [True, False, False, False, True]
    np.testing.assert_allclose(sweep.inertia[0], ((BLOBS - BLOBS.mean(0)) ** 2).sum())
    np.testing.assert_allclose(sweep.inertia[4], 0, atol=1e-12)


def test_a_sweep_has_the_silhouette_of_its_definition():
    x = np.array([[0.0], [1.0], [10.0], [12.0]])
    a, b = np.array([1, 1, 2, 2]), np.array([11, 10, 9.5, 11.5])
    np.testing.assert_allclose(k_sweep(x, [2], 0)["silhouette"][0], np.mean((b - a) / np.maximum(a, b)))
