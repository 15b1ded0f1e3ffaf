"""Classifiers behind an augmentation: their sizes, their training, and what they are trained on."""

import numpy as np
import pytest
from scipy.special import softmax
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
    train_on_batches,
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
    assert CLASSIFIERS["wrn-10-1"]((32, 32, 3), 10).count_params() == 78_938
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


def tiny():
    """A linear model with a bias, and its inputs and labels."""
    rng = np.random.default_rng(0)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    model.set_weights([rng.normal(size=(3, 2)), rng.normal(size=2)])
    return model, rng.normal(size=(6, 3)).astype("float32"), np.array([0, 1, 1, 0, 1, 0])


def slopes(weights, x, labels):
    """Gradients of the mean cross-entropy by the weights of `tiny`."""
    rest = softmax(x @ weights[0] + weights[1], axis=1) - np.eye(2)[labels]
    return [x.T @ rest / len(x), rest.mean(axis=0)]


@pytest.mark.parametrize("size", [1.0, 300.0])
def test_sgd_is_nesterovs_with_a_cosine_and_gradients_clipped_at_5(size):
    steps, rate = 6, 0.05
    model, x, labels = tiny()
    x = x * size
    weights, norms = model.get_weights(), []
    velocity = [np.zeros_like(w) for w in weights]
    train_on_batches(model, ((x, labels) for _ in range(steps)), Schedule(steps, 6, rate, "sgd"))
    for step in range(steps):
        found = slopes(weights, x, labels)
        norms.append(np.sqrt(sum(np.sum(g**2) for g in found)))
        found = [g * min(1, 5 / norms[-1]) for g in found]
        now = rate * (1 + np.cos(np.pi * step / steps)) / 2
        velocity = [0.9 * v - now * g for v, g in zip(velocity, found, strict=True)]
        weights = [w + 0.9 * v - now * g for w, v, g in zip(weights, velocity, found, strict=True)]
    assert (max(norms) > 5) == (size > 1)
    for mine, theirs in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_optimizer_that_is_asked_for_trains_the_classifier():
    first, other = (
        train_classifier("all-cnn", IMAGES[:200], LABELS[:200], None, Schedule(3, 64, 1e-2, name)).get_weights()
        for name in ("adam", "sgd")
    )
    assert not np.allclose(first[0], other[0], atol=1e-3)


@pytest.mark.parametrize("wrong", ["rmsprop", "SGD", None, 3])
def test_an_unknown_optimizer_is_refused_in_one_sentence(wrong):
    with pytest.raises(InputError, match=r"^optimizer is .*; it must be one of adam, sgd\.$"):
        Schedule(optimizer=wrong)


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
