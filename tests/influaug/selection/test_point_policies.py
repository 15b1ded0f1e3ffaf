from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from influaug.errors import InputError
from influaug.selection.point_policies import POINT_POLICIES, is_random, order

SCORES = np.array([0.5, 1.0, 2.0, 4.0])
TABLE_2 = {
    "baseline": np.ones(4),
    "random_proportional": SCORES,
    "random_inverse_proportional": 1 / SCORES,
    "random_softmax": np.exp(SCORES),
    "random_inverse_softmax": np.exp(-SCORES),
}


def sequential_probability(permutation, p):
    """P of a whole order when points are drawn one by one, without replacement, with probability proportional to p."""
    remaining, probability = p.sum(), 1.0
    for i in permutation:
        probability *= p[i] / remaining
        remaining -= p[i]
    return probability


@pytest.mark.parametrize("policy", TABLE_2)
def test_random_policies_draw_whole_orders_with_the_probabilities_of_table_2(policy):
    rng = np.random.default_rng(7)
    draws = [tuple(order(policy, SCORES, rng)) for _ in range(20_000)]
    orders = list(permutations(range(4)))
    expected = np.array([sequential_probability(o, TABLE_2[policy]) for o in orders])
    observed = np.array([draws.count(o) for o in orders])
    common = expected * len(draws) >= 5
    pooled = np.append(observed[common], observed[~common].sum()), np.append(expected[common], expected[~common].sum())
    keep = pooled[1] > 0
    assert chisquare(pooled[0][keep], pooled[1][keep] * len(draws)).pvalue > 1e-3


def test_the_random_policies_of_table_2_are_all_of_them():
    assert {p for p in POINT_POLICIES if is_random(p)} == set(TABLE_2)


@given(
    st.sampled_from(sorted(POINT_POLICIES)),
    arrays(np.float64, st.integers(1, 30), elements=st.floats(0, np.inf, allow_nan=False)),
    st.integers(0, 100),
)
@settings(max_examples=200, deadline=None)
def test_an_order_is_a_permutation_and_reproducible(policy, scores, seed):
    first = order(policy, scores, np.random.default_rng(seed))
    assert sorted(first) == list(range(len(scores)))
    np.testing.assert_array_equal(first, order(policy, scores, np.random.default_rng(seed)))


def test_deterministic_orders_sort_by_score_and_keep_ties_in_place():
    scores = np.array([1.0, 3.0, 1.0, 0.0, np.inf])
    rng = np.random.default_rng(0)
    assert order("deterministic_proportional", scores, rng).tolist() == [4, 1, 0, 2, 3]
    assert order("deterministic_inverse_proportional", scores, rng).tolist() == [3, 0, 2, 1, 4]


@pytest.mark.parametrize("seed", range(20))
def test_zero_scores_come_last_and_infinite_ones_first_in_random_order(seed):
    scores = np.array([0.0, np.inf, 1.0, 0.0, np.inf])
    proportional = order("random_proportional", scores, np.random.default_rng(seed))
    assert set(proportional[:2]) == {1, 4} and proportional[2] == 2 and set(proportional[3:]) == {0, 3}
    inverse = order("random_inverse_proportional", scores, np.random.default_rng(seed))
    assert set(inverse[:2]) == {0, 3} and inverse[2] == 2 and set(inverse[3:]) == {1, 4}


def test_points_of_probability_zero_are_shuffled_among_themselves():
    rng = np.random.default_rng(0)
    last = [order("random_proportional", np.array([1.0, 0.0, 0.0, 0.0]), rng)[-1] for _ in range(300)]
    assert chisquare(np.bincount(last, minlength=4)[1:]).pvalue > 1e-3


def test_all_scores_zero_is_uniform():
    rng = np.random.default_rng(1)
    first = [order("random_proportional", np.zeros(3), rng)[0] for _ in range(600)]
    assert chisquare(np.bincount(first, minlength=3)).pvalue > 1e-3


@pytest.mark.parametrize("bad", [np.nan, -1.0])
def test_bad_scores_are_named(bad):
    with pytest.raises(InputError, match=r"points 1, 3 are NaN or negative"):
        order("baseline", np.array([1.0, bad, 0.0, bad]), np.random.default_rng(0))


def test_unknown_policy_lists_the_known():
    with pytest.raises(InputError, match="random_softmax"):
        is_random("best")
    with pytest.raises(InputError, match="random_softmax"):
        order("best", SCORES, np.random.default_rng(0))
