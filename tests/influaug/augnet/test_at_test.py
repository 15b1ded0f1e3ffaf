"""Augmentation at test time, against probabilities by hand."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import log_loss

from influaug.augnet import at_test
from influaug.augnet.at_test import SIGMA, error_and_loss, probabilities, small_warps
from influaug.augnet.classifiers import all_cnn
from influaug.augnet.classifiers import error_and_loss as of_logits
from influaug.backend import keras
from influaug.errors import InputError

pytestmark = pytest.mark.slow

SHAPE = (12, 12, 1)


@pytest.fixture(scope="module")
def model():
    return all_cnn(SHAPE, 3, seed=1)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (30, *SHAPE)).astype("uint8")


def test_without_draws_it_is_the_softmax_of_the_plain_images(model, images):
    expected = softmax(model.predict_on_batch(images).astype(float), axis=1)
    np.testing.assert_allclose(probabilities(model, images), expected, rtol=1e-6)
    labels = np.arange(30) % 3
    found, other = error_and_loss(expected, labels), of_logits(model, images, labels)
    assert found == pytest.approx(other) and found[1] == pytest.approx(log_loss(labels, expected))


def test_draws_count_as_much_together_as_the_plain_image(model, images):
    seen = []

    def double(batch, seed):
        seen.append(seed)
        return batch * len(seen) / 4

    found = probabilities(model, images, 3, double, seed=5)
    plain, *copies = (softmax(model.predict_on_batch(images * part).astype(float), 1) for part in (1, 0.25, 0.5, 0.75))
    np.testing.assert_allclose(found, plain / 2 + np.mean(copies, axis=0) / 2, rtol=1e-5)
    assert len(set(seen)) == 3
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_the_same_seed_gives_the_same_draws_of_small_warps(model, images):
    first, again, other = (probabilities(model, images, 2, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    warps = small_warps((28, 28, 1))
    field = keras.ops.convert_to_numpy(warps.learned_displacement(np.zeros((500, 28, 28, 1), "float32"), 0))
    assert np.sqrt((field**2).sum(-1).mean()) == pytest.approx(SIGMA * np.sqrt(10), rel=0.05)
    assert warps.family.base_shift == 0


def test_no_number_of_draws_is_refused(model, images):
    with pytest.raises(InputError, match="draws is -1; it must be a whole number of at least 0"):
        probabilities(model, images, -1)


def test_many_images_show_how_far_they_are(model, images, monkeypatch, capsys):
    monkeypatch.setattr(at_test, "_BATCH", 10)
    plain = probabilities(model, images)
    assert "images" not in capsys.readouterr().err
    monkeypatch.setattr(at_test, "_SHOWN", 3)
    np.testing.assert_array_equal(probabilities(model, images), plain)
    assert "images: " in capsys.readouterr().err
