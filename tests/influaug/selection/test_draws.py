import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influaug.errors import InputError
from influaug.selection.draws import PoolSampler, drawn_by


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0.01, 1))
def test_probabilities_are_the_formula_s(scores, even):
    q, e = drawn_by(scores, len(scores), even), np.asarray(scores)
    expected = even / len(e) + (1 - even) * (e / e.sum()) if e.sum() else np.full(len(e), 1 / len(e))
    np.testing.assert_allclose(q, expected, atol=1e-12)
    assert q.sum() == pytest.approx(1)


def test_an_epoch_draws_different_rows_and_prefers_high_scores():
    scores = np.r_[np.zeros(900), np.ones(100)]
    sampler = PoolSampler(1000, 100, lambda: scores)
    epochs = [list(sampler) for _ in range(40)]
    assert all(len(epoch) == len(set(epoch)) == len(sampler) == 100 for epoch in epochs)
    # Drawn with replacement, .5 + .05 of the draws would be of the last 100 rows; without it they run short.
    share = np.mean(np.concatenate(epochs) >= 900)
    expected = np.random.default_rng(1)
    urns = [np.argsort(expected.exponential(size=1000) / drawn_by(scores, 1000))[:100] for _ in range(400)]
    assert share == pytest.approx(np.mean(np.concatenate(urns) >= 900), abs=0.02)


def test_rows_of_an_epoch_are_in_random_order():
    scores = np.r_[np.zeros(50), np.full(50, 1.0)]
    first = [PoolSampler(100, 50, lambda: scores, even=0.1, seed=seed).draw()[:25] for seed in range(60)]
    last = [PoolSampler(100, 50, lambda: scores, even=0.1, seed=seed).draw()[25:] for seed in range(60)]
    assert np.mean(np.concatenate(first) >= 50) == pytest.approx(np.mean(np.concatenate(last) >= 50), abs=0.03)


def test_scores_are_renewed_every_few_epochs_and_an_interrupted_training_goes_on():
    asked = []

    def scores():
        asked.append(len(asked))
        return np.arange(20) + asked[-1]

    sampler = PoolSampler(20, 5, scores, every=3, seed=4)
    epochs = [sampler.draw() for _ in range(7)]
    assert len(asked) == 3
    goes_on = PoolSampler(20, 5, lambda: np.arange(20) + 1, every=3, seed=4)
    goes_on.epoch = 4
    assert [*goes_on.draw()] == [*epochs[4]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"size": 21}, "at most the 20 rows"),
        ({"size": 0}, "size is 0"),
        ({"every": 1.5}, "every is 1.5"),
        ({"even": 0}, "even is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"scores": [1] * 20}, "must be a function"),
    ],
)
def test_what_cannot_be_drawn_is_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        PoolSampler(**({"n_rows": 20, "size": 5, "scores": lambda: np.ones(20)} | wrong))


@pytest.mark.parametrize("scores", [np.ones(19), np.full(20, -1.0), np.full(20, np.nan), np.ones((20, 1))])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(InputError, match="20 finite numbers of at least 0"):
        PoolSampler(20, 5, lambda: scores).draw()
