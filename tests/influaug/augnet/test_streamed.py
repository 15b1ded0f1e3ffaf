"""Training on a stream against training on the same pictures in memory."""

from dataclasses import replace

import numpy as np
import pytest

from image_files import write_image
from influaug.augnet.classifiers import Schedule, error_and_loss, train_classifier
from influaug.augnet.on_arrays import OnArrays
from influaug.augnet.ranges import Family
from influaug.augnet.streamed import stream_features, train_on_stream
from influaug.data.auto_augment import auto_augmented
from influaug.data.picture_stream import open_pictures
from influaug.errors import InputError
from influaug.networks.featurizer import KerasFeaturizer

pytestmark = pytest.mark.slow

QUICK = Schedule(steps=4, batch_size=5, rate=1e-3)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    for k in range(20):
        write_image(root / ("train", "test")[k > 13] / f"class {k % 2}" / f"{k:02}.png", (20 + k, 24), "RGB", seed=k)
    return open_pictures(root, 24)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_classifier_is_that_of_the_same_pictures_in_memory(pictures, optimizer):
    train, test = pictures
    schedule = replace(QUICK, optimizer=optimizer)
    streamed = train_on_stream("all-cnn", train, None, schedule, seed=3)
    whole = train_classifier("all-cnn", train[:], train.labels, None, schedule, seed=3)
    for mine, theirs in zip(streamed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    found = error_and_loss(streamed, test, test.labels, batch_size=4)
    assert found == pytest.approx(error_and_loss(streamed, test[:], test.labels))


def test_augmentations_are_applied_to_every_batch(pictures):
    train, _ = pictures
    family = Family(base_shift=2, flips=True)
    layers = [OnArrays((24, 24, 3), family, auto_augmented, seed=1) for _ in range(2)]
    one = train_on_stream("all-cnn", train, layers[0], QUICK)
    other = train_classifier("all-cnn", train[:], train.labels, layers[1], QUICK)
    np.testing.assert_allclose(one.get_weights()[0], other.get_weights()[0], rtol=1e-4, atol=1e-5)
    plain = train_on_stream("all-cnn", train, None, QUICK)
    assert not np.allclose(one.get_weights()[0], plain.get_weights()[0], atol=1e-5)


def test_features_are_those_of_the_pictures_in_memory(pictures):
    train, _ = pictures
    featurizer = KerasFeaturizer(train_on_stream("all-cnn", train, None, QUICK)).fit(train[:1])
    np.testing.assert_allclose(
        stream_features(featurizer, train, batch_size=4), featurizer.transform(train[:]), rtol=1e-4, atol=1e-5
    )


def test_an_unknown_network_is_refused(pictures):
    with pytest.raises(InputError, match="classifier is 'vgg'; it must be one of"):
        train_on_stream("vgg", pictures[0])
