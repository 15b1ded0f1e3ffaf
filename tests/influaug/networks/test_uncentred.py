"""Uncentred input: the same features as of floats that are moved by hand, and what is refused."""

import numpy as np
import pytest

from influaug.backend import keras
from influaug.errors import InputError
from influaug.networks.featurizer import KerasFeaturizer, lenet, released_cnn
from influaug.networks.residual import resnet
from influaug.networks.uncentred import mean_image, uncentred, uncentred_featurizer

SHAPE = (16, 18, 3)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, *SHAPE), dtype=np.uint8)


def settled(model):
    """The network with weights, and statistics of its normalisations, that are not those of a new one."""
    model.set_weights([np.abs(w + 0.05 * RNG.normal(size=w.shape)) for w in model.get_weights()])
    return model


def by_hand(model, moved):
    """Features of float images that are moved already: the layers one by one where there is one path, else a probe."""
    probe = keras.Model(model.inputs[0], model.get_layer("features").output)
    return np.asarray(probe(np.asarray(moved, dtype=np.float32), training=False))


@pytest.mark.parametrize("build", [lenet, released_cnn, lambda *args: resnet(*args, depth=11)])
def test_features_are_those_of_images_moved_by_hand(build):
    model = settled(build(SHAPE, 3, 1))
    mean = mean_image(IMAGES)
    np.testing.assert_allclose(mean, IMAGES.astype(float).mean(axis=0))
    found = uncentred_featurizer(KerasFeaturizer(model).fit(IMAGES), mean).transform(IMAGES)
    # The network's input is a float tensor all along, so that moved images can be given to the network as it was.
    expected = by_hand(model, IMAGES + mean)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    right = KerasFeaturizer(model).fit(IMAGES).transform(IMAGES)
    assert np.abs(found - right).max() > 1e-2
    np.testing.assert_allclose(right, by_hand(model, IMAGES), rtol=1e-4, atol=1e-4)


def test_without_a_mean_nothing_changes_and_the_network_is_left_alone():
    model = settled(resnet(SHAPE, 3, 1, depth=11))
    before = KerasFeaturizer(model).fit(IMAGES).transform(IMAGES)
    same = KerasFeaturizer(uncentred(model, np.zeros(SHAPE))).fit(IMAGES).transform(IMAGES)
    uncentred(model, mean_image(IMAGES))
    np.testing.assert_allclose(same, before, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(KerasFeaturizer(model).fit(IMAGES).transform(IMAGES), before)
    assert model.get_layer("scale").offset == -1


def test_a_scale_for_each_channel_scales_the_mean_image_too():
    layers = keras.layers
    scale = [1.0, 0.5, 2.0]
    model = keras.Sequential(
        [layers.Input(SHAPE), layers.Rescaling(scale, [1.0, 2.0, 3.0]), layers.Flatten(name="features")]
    )
    mean = mean_image(IMAGES)
    found = np.asarray(uncentred(model, mean)(IMAGES.astype(np.float32)))
    np.testing.assert_allclose(found, ((IMAGES + mean) * scale + [1, 2, 3]).reshape(12, -1), rtol=1e-5)


def test_a_loaded_network_can_be_fed_uncentred_images(tmp_path):
    trained = KerasFeaturizer("lenet", epochs=1, batch_size=6).fit(IMAGES, np.arange(12) % 2)
    trained.save(tmp_path / "net.keras")
    mean = mean_image(IMAGES)
    loaded = uncentred_featurizer(KerasFeaturizer.load(tmp_path / "net.keras"), mean)
    np.testing.assert_array_equal(loaded.transform(IMAGES), uncentred_featurizer(trained, mean).transform(IMAGES))
    assert loaded.history_ == trained.history_


def test_what_cannot_be_done_is_one_sentence():
    layers = keras.layers
    other = keras.Sequential([layers.Input(SHAPE), layers.Flatten(name="features")], name="other")
    with pytest.raises(
        InputError, match=r"^network 'other' begins with Flatten; uncentred input needs one that begins"
    ):
        uncentred(other, np.zeros(SHAPE))
    with pytest.raises(
        InputError, match=r"^the mean image has shape \(16, 18, 1\); the network takes \(16, 18, 3\)\.$"
    ):
        uncentred(lenet(SHAPE, 2), np.zeros((16, 18, 1)))
