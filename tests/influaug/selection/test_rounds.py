import keras
import numpy as np
import pytest

from influaug.errors import InputError
from influaug.networks.repeated import RepeatedTraining, batched, shuffled
from influaug.selection import policies
from influaug.selection.greedy import Candidates
from influaug.selection.rounds import ImagePool, Rounds, choose_in_rounds
from influaug.selection.rules import SetOptions

N, K = 30, 3
QUICK = {"updates": 4, "batch_size": 8, "learning_rate": 0.01}


def network():
    weights = keras.initializers.GlorotUniform(seed=1)
    return keras.Sequential(
        [
            keras.layers.Input((4, 4, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(5, activation="relu", kernel_initializer=weights, name="features"),
            keras.layers.Dense(2, kernel_initializer=weights),
        ]
    )


@pytest.fixture
def pool():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, N)
    images = (rng.integers(0, 128, (N, 4, 4, 1)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    source = np.repeat(np.arange(N), K)
    copies = np.roll(images[source], 1, axis=2)
    return ImagePool(images, labels, source, lambda places: copies[places])


def greedily(candidates, number, rng):
    return policies.choose("greedy_influence", candidates, [number], SetOptions(), rng)[0]


def chosen(pool, budget, rounds, choose=greedily, **more):
    return choose_in_rounds(RepeatedTraining(network(), 0.01), pool, budget, rounds, choose, seed(), **more)


def seed():
    return np.random.SeedSequence(5, spawn_key=(2,))


@pytest.mark.parametrize("anew", [True, False])
def test_rounds_are_what_they_say(pool, anew):
    """Against the loop written out: train, features, choose, with the chosen copies as points."""
    rounds = Rounds(3, anew, **QUICK)
    found = chosen(pool, 12, rounds)
    assert rounds.parts(12) == ([3, 6, 12] if anew else [4, 8, 12])
    training, taken = RepeatedTraining(network(), 0.01), []
    copies = pool.make(np.arange(N * K))
    for r, part in enumerate(rounds.parts(12)):
        if anew:
            training.restart()
        images = np.concatenate([pool.images, copies[taken]]) if taken else pool.images
        labels = np.append(pool.labels, pool.labels[pool.source[taken]]) if taken else pool.labels
        order = np.random.default_rng(np.random.SeedSequence(5, spawn_key=(2, r, 0)))
        training.train((images[b], labels[b]) for b in batched(shuffled(len(labels), order), 4, 8))
        f, f_copies = training.features(pool.images), training.features(copies)
        left = [c for c in range(N * K) if c not in taken]
        candidates = Candidates(
            np.vstack([f, f_copies[taken]]) if taken else f, labels, f_copies[left], pool.source[left]
        )
        taken += [left[c] for c in greedily(candidates, part - len(taken), None)]
    assert found.tolist() == taken
    assert len(set(taken)) == 12


def test_the_cost_said_beforehand_is_the_cost(pool):
    rounds, training = Rounds(3, **QUICK), RepeatedTraining(network())
    choose_in_rounds(training, pool, 12, rounds, greedily, seed())
    said = rounds.cost(N, N * K, 12)
    assert (said.updates, said.passes) == (training.updates, pytest.approx(training.passes))


@pytest.mark.parametrize("anew", [True, False])
def test_an_interrupted_choice_goes_on(pool, anew, tmp_path):
    rounds = Rounds(3, anew, folder=tmp_path, **QUICK)
    calls = []

    def stops(candidates, number, rng):
        calls.append(number)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return greedily(candidates, number, rng)

    with pytest.raises(KeyboardInterrupt):
        chosen(pool, 12, rounds, stops)
    again = []
    found = chosen(pool, 12, rounds, lambda *given: again.append(0) or greedily(*given))
    assert len(again) == 1
    assert np.array_equal(found, chosen(pool, 12, Rounds(3, anew, **QUICK)))
    assert np.array_equal(found, chosen(pool, 12, rounds, None))


def test_a_checkpoint_of_another_choice_is_refused(pool, tmp_path):
    chosen(pool, 6, Rounds(2, folder=tmp_path, **QUICK))
    with pytest.raises(InputError, match="another choice in rounds"):
        chosen(pool, 7, Rounds(2, folder=tmp_path, **QUICK))
    with pytest.raises(InputError, match="another choice in rounds"):
        chosen(pool, 6, Rounds(2, folder=tmp_path, **QUICK), about="greedy_loss")


def test_weights_come_to_the_policy_with_the_chosen_copies(pool):
    weighted, seen = ImagePool(pool.images, pool.labels, pool.source, pool.make, np.arange(1.0, N + 1)), []

    def first(candidates, number, rng):
        seen.append(candidates.weights)
        return np.arange(number)

    chosen(weighted, 4, Rounds(2, **QUICK), first)
    assert seen[1].tolist() == [*range(1, N + 1), 1, 1]


def test_small_budgets_have_fewer_rounds(pool):
    assert Rounds(5).parts(2) == [1, 2] and Rounds(3).parts(0) == []
    assert chosen(pool, 0, Rounds(3, **QUICK)).tolist() == []
    with pytest.raises(InputError, match="from 0 to the 90 copies"):
        chosen(pool, 91, Rounds(3, **QUICK))


@pytest.mark.parametrize(
    "wrong", [{"n": 0}, {"updates": 1.0}, {"batch_size": True}, {"learning_rate": 0}, {"anew": "warm"}]
)
def test_numbers_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(InputError, match=f"{name} of rounds is"):
        Rounds(**wrong)
