"""Classifiers behind an augmentation: their sizes, their training, and what they are trained on."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from influaug.augnet.classifiers import (
    CLASSIFIERS,
    Schedule,
    all_cnn,
    batches,
    error_and_loss,
    train_classifier,
    wide_resnet,
)
from influaug.backend import keras
from influaug.errors import InputError

pytestmark = pytest.mark.slow

DIGITS = load_digits()
IMAGES = (DIGITS.images[..., None] * 15.9).astype("uint8")
LABELS = DIGITS.target
QUICK = Schedule(steps=60, batch_size=64, rate=5e-3)


def test_all_cnn_has_four_convolutions_and_one_dense_layer():
    model = all_cnn((28, 28, 1), 10)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds.count("Conv2D") == 4 and kinds.count("Dense") == 1 and "Flatten" not in kinds
    assert model.get_layer("features").output.shape == (None, 64) and model.output_shape == (None, 10)


def test_wide_resnet_28_10_is_as_large_as_its_paper_says():
    # Zagoruyko & Komodakis (2016), table 4: 36.5 million parameters.
    assert wide_resnet((32, 32, 3), 10).count_params() == pytest.approx(36.5e6, rel=0.005)
    small = wide_resnet((32, 32, 3), 10, depth=16, widen=2)
    convolutions = [layer for layer in small.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len([layer for layer in convolutions if layer.kernel_size == (3, 3)]) == 13
    assert small.get_layer("features").output.shape == (None, 128)
    assert {layer.filters for layer in convolutions} == {16, 32, 64, 128}


@pytest.mark.parametrize("depth", [27, 9, 28.0])
def test_a_depth_that_is_not_6n_plus_4_is_refused(depth):
    with pytest.raises(InputError, match="6n \\+ 4"):
        wide_resnet((32, 32, 3), 10, depth=depth)


def test_every_classifier_has_features():
    for name, build in CLASSIFIERS.items():
        if not name.startswith(("wrn-28", "shake", "pyramid", "imagenet")):  # large: see test_large.py
            assert len(build((32, 32, 1), 3, 0).get_layer("features").output.shape) == 2, name


@pytest.mark.parametrize(("n", "steps", "size"), [(10, 7, 3), (5, 4, 12), (1, 3, 2)])
def test_batches_go_through_all_points_in_rounds(n, steps, size):
    drawn = np.concatenate(list(batches(n, steps, size, np.random.default_rng(0))))
    assert len(drawn) == steps * size
    for start in range(0, len(drawn) - n + 1, n):
        assert sorted(drawn[start : start + n]) == list(range(n))


def test_it_learns_digits_nearly_as_well_as_logistic_regression():
    train, test = slice(0, 1000), slice(1000, None)
    model = train_classifier("all-cnn", IMAGES[train], LABELS[train], None, Schedule(200, 64, 5e-3))
    error, loss = error_and_loss(model, IMAGES[test], LABELS[test])
    flat = IMAGES.reshape(len(IMAGES), -1) / 255
    witness = LogisticRegression(max_iter=500).fit(flat[train], LABELS[train])
    assert error < 100 * (1 - witness.score(flat[test], LABELS[test])) + 3
    logits = model.predict(IMAGES[test], verbose=0).astype(float)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert loss == pytest.approx(log_loss(LABELS[test], p), rel=1e-4)
    assert error == pytest.approx(100 * np.mean(p.argmax(axis=1) != LABELS[test]))


def test_it_sees_what_the_augmentation_makes_and_not_the_images():
    blank = keras.layers.Lambda(lambda images: 0 * images)
    model = train_classifier("all-cnn", IMAGES[:300], LABELS[:300], blank, QUICK)
    error, _ = error_and_loss(model, IMAGES[:300], LABELS[:300])
    assert error > 60


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_same_seed_gives_the_same_classifier_and_another_does_not():
    first, again, other = (train_classifier("all-cnn", IMAGES[:200], LABELS[:200], None, QUICK, s) for s in (1, 1, 2))
    for mine, same in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, same)
    assert not np.allclose(first.get_weights()[0], other.get_weights()[0])


def test_an_unknown_classifier_is_refused():
    with pytest.raises(InputError, match="classifier is 'vgg'; it must be one of all-cnn"):
        train_classifier("vgg", IMAGES, LABELS)


@pytest.mark.parametrize(("wrong", "name"), [({"steps": 0}, "steps"), ({"rate": -1.0}, "rate")])
def test_a_wrong_schedule_is_refused(wrong, name):
    with pytest.raises(InputError, match=f"{name} is"):
        Schedule(**wrong)


def test_a_classifier_that_diverges_is_refused():
    labels = np.arange(12) % 2
    images = np.random.default_rng(0).integers(0, 256, (12, 12, 12, 1)).astype(np.uint8)
    with pytest.raises(
        InputError, match=r"The training diverged: the loss is (nan|inf) of the classifier after 20 steps"
    ):
        train_classifier("lenet", images, labels, None, Schedule(steps=20, batch_size=12, rate=1e30))
