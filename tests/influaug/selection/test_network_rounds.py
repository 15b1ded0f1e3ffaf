import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from influaug import AugmentationSelector
from influaug.data.transformations import expand, translate
from influaug.errors import InputError
from influaug.networks.featurizer import KerasFeaturizer
from influaug.networks.repeated import RepeatedTraining
from influaug.selection import policies
from influaug.selection.points import generator
from influaug.selection.rounds import ImagePool, Rounds, choose_in_rounds
from influaug.selection.rules import SetOptions

N = 24
QUICK = {"updates": 3, "batch_size": 8, "learning_rate": 0.01}


def network():
    weights = keras.initializers.GlorotUniform(seed=1)
    return keras.Sequential(
        [
            keras.layers.Input((6, 6, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(5, activation="relu", kernel_initializer=weights, name="features"),
            keras.layers.Dense(2, kernel_initializer=weights),
        ]
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 2
    return (rng.integers(0, 128, (N, 6, 6, 1)) + 100 * labels[:, None, None, None]).astype(np.uint8), labels


def selector(**more):
    return AugmentationSelector(**({"featurizer": network(), "budget": 12, "random_state": 3, "verbose": False} | more))


@pytest.mark.parametrize("anew", [True, False])
def test_the_selector_chooses_as_rounds_do(data, anew):
    images, labels = data
    rounds = Rounds(3, anew, **QUICK)
    found = selector(rounds=rounds).fit(images, labels, translate(1))
    copies, seed = expand(images, labels, translate(1)), generator(3).integers(2**31, size=2)[1]

    def choose(candidates, number, rng):
        return policies.choose("greedy_influence", candidates, [number], SetOptions(C=10.0), rng)[0]

    training = RepeatedTraining(network(), 0.01)
    pool = ImagePool(images, labels, copies.source, lambda places: copies.images[places])
    chosen = choose_in_rounds(training, pool, 12, rounds, choose, np.random.SeedSequence(int(seed)))
    assert found.ranking_.tolist() == chosen.tolist() and found.support_.tolist() == sorted(chosen)
    assert np.isnan(found.scores_).all() and found.n_generated_ == 4 * N
    # The head is fitted to the last network's features of originals and chosen copies.
    used = np.concatenate([images, copies.images[found.support_]])
    x, y = training.features(used), np.append(labels, labels[copies.source[found.support_]])
    head = LogisticRegression(C=10, solver="newton-cholesky", tol=1e-10).fit(x, y)
    np.testing.assert_allclose(
        found.predict_proba(images), head.predict_proba(training.features(images)), rtol=1e-3, atol=1e-3
    )
    more, labels_more, *_ = found.augment(images, labels, translate(1))
    np.testing.assert_array_equal(more, used)
    np.testing.assert_array_equal(labels_more, y)


def test_given_copies_and_a_featurizer_with_a_layer_do_too(data):
    images, labels = data
    by_point = expand(images, labels, translate(1)).images.reshape(N, 4, 6, 6, 1)
    rounds = Rounds(2, **QUICK)
    made = selector(rounds=rounds).fit(images, labels, translate(1))
    wrapped = KerasFeaturizer(network(), layer="features")
    given = selector(rounds=rounds, featurizer=wrapped).fit(images, labels, copies=by_point)
    assert given.support_.tolist() == made.support_.tolist()


def test_the_given_network_and_the_parameters_are_left_alone(data):
    net = network()
    before = net.get_weights()
    chosen = selector(rounds=Rounds(2, **QUICK), featurizer=net)
    chosen.fit(*data, translate(1))
    assert all(np.array_equal(a, b) for a, b in zip(net.get_weights(), before, strict=True))
    assert clone(selector(rounds=2, featurizer="lenet")).rounds == 2


def test_an_interrupted_fit_goes_on(data, tmp_path, monkeypatch):
    rounds = Rounds(3, folder=tmp_path, **QUICK)
    calls, choose = [], policies.Chooser.copies

    def stops(self, *given):
        calls.append(0)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return choose(self, *given)

    monkeypatch.setattr(policies.Chooser, "copies", stops)
    with pytest.raises(KeyboardInterrupt):
        selector(rounds=rounds).fit(*data, translate(1))
    found = selector(rounds=rounds).fit(*data, translate(1))
    assert len(calls) == 4
    monkeypatch.undo()
    assert found.ranking_.tolist() == selector(rounds=Rounds(3, **QUICK)).fit(*data, translate(1)).ranking_.tolist()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rounds": "three"}, "must be None, a number of rounds"),
        ({"rounds": True}, "must be None, a number of rounds"),
        ({"rounds": 0}, "n of rounds is 0"),
        ({"rounds": 2, "policy": "random_copies"}, "does not look at the features of all copies"),
        ({"rounds": 2, "policy": "influence"}, "does not look at the features of all copies"),
        ({"rounds": 2, "policy": "gradmatch_weighted"}, "policy without weights"),
        ({"rounds": 2, "policy": "pool_random"}, "does not look at the features of all copies"),
        ({"rounds": 2, "featurizer": None}, "featurizer must be the name of one"),
    ],
)
def test_what_cannot_be_chosen_in_rounds_is_refused(data, wrong, said):
    with pytest.raises(InputError, match=said):
        selector(**wrong).fit(*data, translate(1))


def test_features_are_refused(data):
    x = np.random.default_rng(0).normal(size=(N, 3))
    with pytest.raises(InputError, match="train a network on images"):
        selector(rounds=2).fit(x, data[1], copies=np.repeat(x[:, None], 2, axis=1))
