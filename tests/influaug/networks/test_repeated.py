from itertools import islice

import keras
import numpy as np
import pytest

from influaug.errors import InputError
from influaug.networks.featurizer import KerasFeaturizer
from influaug.networks.repeated import RepeatedTraining, batched, shuffled


def network(seed=0, activation=None, outputs=2):
    weights = keras.initializers.GlorotUniform(seed=seed)
    return keras.Sequential(
        [
            keras.layers.Input((4, 4, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="relu", kernel_initializer=weights, name="features"),
            keras.layers.Dense(outputs, activation=activation, kernel_initializer=weights, name="scores"),
        ]
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 4, 4, 1), dtype=np.uint8), rng.integers(0, 2, 12)


def test_a_training_anew_gives_what_keras_gives(data):
    images, labels = data
    plain = network(3)
    plain.compile(keras.optimizers.Adam(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    for _ in range(5):
        plain.train_on_batch(images, labels)
    training = RepeatedTraining(network(0), 0.01)
    training.train([(images, labels)] * 3)
    training.renew(network(3))
    training.train([(images, labels)] * 5)
    for ours, theirs in zip(training.model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert training.updates == 5


def test_restart_and_restore_give_the_same_weights_again(data):
    training = RepeatedTraining(network(1))
    training.train([data] * 2)
    state = training.state()
    training.train([data] * 2)
    later = training.model.get_weights()
    training.restore(state)
    training.train([data] * 2)
    assert all(np.array_equal(a, b) for a, b in zip(training.model.get_weights(), later, strict=True))
    training.restart()
    training.train([data] * 4)
    assert all(np.array_equal(a, b) for a, b in zip(training.model.get_weights(), later, strict=True))


def test_the_given_network_is_left_alone(data):
    given = network(1)
    before = given.get_weights()
    RepeatedTraining(given).train([data])
    assert all(np.array_equal(a, b) for a, b in zip(given.get_weights(), before, strict=True))


def test_features_errors_and_passes(data):
    images, labels = data
    training = RepeatedTraining(network(2))
    training.train([data])
    np.testing.assert_array_equal(
        training.features(images), KerasFeaturizer(training.model).fit(images).transform(images)
    )
    logits = training.model.predict_on_batch(images)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(training.errors(images, labels), 1 - p[np.arange(12), labels], atol=1e-6)
    assert training.passes == pytest.approx(12 + 12 / 3 + 12 / 3)


def test_a_softmax_is_not_taken_twice(data):
    training = RepeatedTraining(network(2, "softmax"))
    np.testing.assert_allclose(training.probabilities(data[0]).sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(training.probabilities(data[0]), training.model.predict_on_batch(data[0]))


@pytest.mark.parametrize("wrong", ["lenet", None])
def test_what_is_no_network_is_refused(wrong):
    with pytest.raises(InputError, match="must be a Keras model"):
        RepeatedTraining(wrong)


def test_one_score_for_two_classes_is_refused():
    with pytest.raises(InputError, match="two or more classes"):
        RepeatedTraining(network(outputs=1))


def test_batches_are_full_and_go_through_all_rows():
    asked = []

    def epochs():
        for epoch in shuffled(10, np.random.default_rng(0)):
            asked.append(len(asked))
            yield epoch

    batches = list(batched(epochs(), 5, 4))
    assert [len(batch) for batch in batches] == [4] * 5
    assert sorted(np.concatenate(batches)) == sorted([*range(10)] * 2)
    asked.clear()
    list(islice(batched(epochs(), 5, 4), 2))
    assert len(asked) == 1
