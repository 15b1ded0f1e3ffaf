import json
import logging
import random
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from influaug.errors import InputError
from influaug.networks import featurizer as featurizers
from influaug.networks.featurizer import NETWORKS, KerasFeaturizer, lenet, released_cnn

pytestmark = pytest.mark.slow

SMALL = ["lenet", "released-cnn"]
"""Those of this module; test_residual has the others."""


@pytest.fixture(scope="module")
def digits():
    """Zeros against ones, 360 images [16, 16, 1] and labels."""
    images, labels = load_digits(n_class=2, return_X_y=True)
    images = (images.reshape(-1, 8, 8) * 255 / 16).round().astype(np.uint8)
    return images.repeat(2, axis=1).repeat(2, axis=2)[..., None], labels


@pytest.fixture(scope="module")
def trained(digits):
    images, labels = digits
    return KerasFeaturizer(epochs=4, batch_size=64, learning_rate=3e-3, seed=3).fit(images[:200], labels[:200])


def linear_network(name="features"):
    """Features are 2 pixels / 255, scores are (first, second): all known in advance."""
    return keras.Sequential([layers.Input((1, 2, 1)), layers.Rescaling(1 / 255), layers.Flatten(name=name)])


def variables(model):
    return [keras.ops.convert_to_numpy(v) for v in model.variables]


def test_lenet_is_lenet5():
    network = lenet((28, 28, 1), 10)
    assert network.count_params() == 61_706  # of LeNet-5 on 32 x 32 with full connections
    assert network.get_layer("features").units == 84
    assert network.output_shape == (None, 10)


def test_released_cnn_is_the_keras_cifar10_example():
    network = released_cnn((32, 32, 3), 10)
    assert network.count_params() == 1_250_858  # as the example's own summary says
    assert network.get_layer("features").units == 512
    assert released_cnn((28, 28, 1), 2).output_shape == (None, 2)
    kernel = keras.ops.convert_to_numpy(network.get_layer("features").kernel)
    np.testing.assert_allclose([kernel.mean(), kernel.std()], [0, 0.05], atol=1e-3)


@pytest.mark.parametrize("name", SMALL)
def test_networks_scale_raw_pixels_themselves(name, digits):
    network, images = NETWORKS[name]((16, 16, 1), 2), digits[0][:5]
    rest = keras.Sequential(network.layers[1:])
    np.testing.assert_allclose(network(images), rest(images.astype(np.float32) / 255), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("seed", [0, 2**70])
def test_weights_and_dropout_follow_the_seed(name, seed):
    first, same, other = (variables(NETWORKS[name]((12, 12, 1), 2, s)) for s in (seed, seed, seed + 1))
    drawn = [i for i, variable in enumerate(first) if variable.any()]
    assert len(drawn) == {"lenet": 5, "released-cnn": 6 + 3}[name]
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not any(np.array_equal(first[i], other[i]) for i in drawn)
    assert len({first[i].flat[0] for i in drawn}) == len(drawn)


def test_training_learns(trained, digits):
    images, labels = digits
    assert trained.score(images[200:], labels[200:]) > 0.95
    assert trained.history_["loss"][-1] < trained.history_["loss"][0] / 2
    assert [len(curve) for curve in trained.history_.values()] == [4, 4]


def test_features_are_the_named_layers_output(trained, digits):
    images = digits[0][:30]
    hidden = np.asarray(keras.Sequential(trained.model_.layers[:-1])(images))
    features = trained.transform(images)
    assert features.shape == (30, 84)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, hidden, rtol=1e-4, atol=1e-5)


def test_score_is_the_heads_accuracy(trained, digits):
    images, labels = digits
    kernel, bias = trained.model_.get_layer("logits").get_weights()
    predicted = (trained.transform(images) @ kernel + bias).argmax(axis=1)
    mixed = np.where(np.arange(len(labels)) % 3 == 0, 1 - labels, labels)
    assert trained.score(images, mixed) == pytest.approx(np.mean(predicted == mixed))


@pytest.mark.parametrize("name", SMALL)
def test_same_seed_same_network_other_seed_other_network(name, digits):
    images, labels = digits[0][:60], digits[1][:60]
    fit = {seed: KerasFeaturizer(name, epochs=2, batch_size=25, seed=seed).fit(images, labels) for seed in (0, 1)}
    again = KerasFeaturizer(name, epochs=2, batch_size=25, seed=0).fit(images, labels)
    np.testing.assert_array_equal(again.transform(images), fit[0].transform(images))
    assert again.history_ == fit[0].history_
    assert np.any(fit[1].transform(images) != fit[0].transform(images))


def test_order_of_the_points_follows_the_seed(digits, monkeypatch):
    images, labels = digits[0][:60], digits[1][:60]
    start = lenet((16, 16, 1), 2)
    monkeypatch.setitem(NETWORKS, "fixed start", lambda shape, k, seed=0: keras.models.clone_model(start))
    first, same, other = (
        KerasFeaturizer("fixed start", epochs=1, batch_size=20, seed=seed).fit(images, labels) for seed in (0, 0, 1)
    )
    assert first.history_ == same.history_
    assert first.history_ != other.history_


def test_training_leaves_the_global_random_states_alone(digits):
    images, labels = digits
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    KerasFeaturizer("released-cnn", epochs=1).fit(images[:20], labels[:20])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


@pytest.mark.parametrize("batch_size", [7, 512])
def test_history_counts_every_point_once_an_epoch(digits, batch_size):
    images, labels = digits[0][:50], digits[1][:50]
    start = np.asarray(lenet((16, 16, 1), 2, seed=5)(images))
    loss = -log_softmax(start, axis=1)[np.arange(50), labels].mean()
    accuracy = np.mean(start.argmax(axis=1) == labels)
    frozen = KerasFeaturizer(epochs=2, batch_size=batch_size, learning_rate=1e-12, seed=5).fit(images, labels)
    np.testing.assert_allclose(frozen.history_["loss"], [loss, loss], rtol=1e-5)
    np.testing.assert_allclose(frozen.history_["accuracy"], [accuracy, accuracy], rtol=1e-5)


@pytest.mark.parametrize("rate", [1e-2, 1e-4])
def test_every_training_begins_with_a_fresh_adam(digits, rate):
    # Adam's first step has length learning_rate in every coordinate with a gradient, whatever was trained before.
    images, labels = digits[0][:50], digits[1][:50]
    start = lenet((16, 16, 1), 2, seed=8).get_weights()
    trained = KerasFeaturizer(epochs=1, learning_rate=rate, seed=8).fit(images, labels).model_.get_weights()
    steps = np.concatenate([np.abs(a - b).ravel() for a, b in zip(trained, start, strict=True)])
    assert steps.max() <= rate * 1.01
    assert np.median(steps[steps > 0]) == pytest.approx(rate, rel=0.01)


def test_a_network_is_not_changed_by_later_training(trained, digits):
    images, labels = digits
    before = trained.transform(images[:20])
    KerasFeaturizer(epochs=1, seed=4).fit(images[:50], labels[:50])
    np.testing.assert_array_equal(trained.transform(images[:20]), before)


def test_transform_works_in_batches(trained, digits, monkeypatch):
    whole = trained.transform(digits[0][:50])
    monkeypatch.setattr(featurizers, "TRANSFORM_BATCH", 7)
    np.testing.assert_allclose(trained.transform(digits[0][:50]), whole, rtol=1e-4, atol=1e-5)
    assert trained.transform(digits[0][:0]).shape == (0, 84)


def test_colour_and_more_classes():
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (12, 12, 14, 3), dtype=np.uint8), np.arange(12) % 4
    fitted = KerasFeaturizer("released-cnn", epochs=1).fit(images, labels)
    assert fitted.transform(images).shape == (12, 512)
    assert fitted.model_.output_shape == (None, 4)


def test_fit_and_transform_are_silent(digits, capfd):
    KerasFeaturizer(epochs=2, batch_size=30).fit(digits[0][:40], digits[1][:40]).transform(digits[0][:5])
    assert capfd.readouterr() == ("", "")


def test_only_the_tracing_alarm_is_kept_out_of_the_log(trained, digits, caplog, monkeypatch):
    logger, real = logging.getLogger("tensorflow"), keras.Model.predict_on_batch

    def loud(model, batch):
        logger.warning("5 out of the last 5 calls to %s triggered tf.function retracing.", "f")
        logger.warning("another thing")
        return real(model, batch)

    monkeypatch.setattr(keras.Model, "predict_on_batch", loud)
    monkeypatch.setattr(logger, "handlers", [caplog.handler])
    monkeypatch.setattr(logger, "propagate", False)
    trained.transform(digits[0][:5])
    assert caplog.messages == ["another thing"]
    assert not logger.filters


def test_save_and_load_give_the_same_featurizer(trained, digits, tmp_path):
    path = tmp_path / "new" / "network.keras"
    trained.save(path)
    loaded = KerasFeaturizer.load(path)
    np.testing.assert_array_equal(loaded.transform(digits[0]), trained.transform(digits[0]))
    assert loaded.get_params() == trained.get_params()
    assert loaded.history_ == trained.history_
    assert loaded.score(*digits) == trained.score(*digits)
    assert [file.name for file in path.parent.iterdir()] == ["network.keras"]
    keras_own = keras.saving.load_model(path)
    np.testing.assert_array_equal(keras_own.predict(digits[0][:9], verbose=0).argmax(1), digits[1][:9])


def test_numpy_numbers_as_parameters_are_saved(digits, tmp_path):
    featurizer = KerasFeaturizer(epochs=np.int64(1), learning_rate=np.float32(0.5), seed=np.uint32(7))
    featurizer.fit(digits[0][:20], digits[1][:20]).save(tmp_path / "a.keras")
    assert KerasFeaturizer.load(tmp_path / "a.keras").get_params() == featurizer.get_params()


def test_a_failed_save_leaves_the_old_file_and_nothing_else(trained, tmp_path, monkeypatch):
    path = tmp_path / "network.keras"
    path.write_bytes(b"old")

    def fail(self, where):
        where.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(keras.Model, "save", fail)
    with pytest.raises(InputError, match=r"cannot be written \(disk full\)"):
        trained.save(path)
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".keras"] == ["network.keras"]
    assert not list(tmp_path.glob(".network*"))
    assert path.read_bytes() == b"old"


def test_a_trained_model_is_taken_as_it_is(tmp_path):
    network = linear_network("pixels")
    images = np.array([[[[10], [20]]], [[[200], [100]]]], np.uint8)
    featurizer = KerasFeaturizer(network, layer="pixels").fit(images)
    np.testing.assert_allclose(featurizer.transform(images), [[10 / 255, 20 / 255], [200 / 255, 100 / 255]], rtol=1e-6)
    assert featurizer.model_ is network
    assert featurizer.history_ == {}
    assert featurizer.score(images, [1, 1]) == 0.5
    featurizer.save(tmp_path / "own.keras")
    loaded = KerasFeaturizer.load(tmp_path / "own.keras")
    assert loaded.layer == "pixels"
    np.testing.assert_array_equal(loaded.transform(images), featurizer.transform(images))


def test_fit_does_not_train_a_trained_model(trained, digits):
    before = variables(trained.model_)
    taken = KerasFeaturizer(trained.model_, epochs=1).fit(*digits)
    assert all(np.array_equal(a, b) for a, b in zip(variables(trained.model_), before, strict=True))
    np.testing.assert_array_equal(taken.transform(digits[0]), trained.transform(digits[0]))


def test_a_feature_map_is_flattened():
    network = keras.Sequential(
        [layers.Input((4, 4, 1)), layers.MaxPooling2D(name="features"), layers.Flatten(), layers.Dense(2)]
    )
    images = np.arange(32, dtype=np.uint8).reshape(2, 4, 4, 1)
    want = images.reshape(2, 2, 2, 2, 2).max(axis=(2, 4)).reshape(2, 4)
    np.testing.assert_array_equal(KerasFeaturizer(network).fit(images).transform(images), want)


def test_a_file_that_keras_wrote_can_be_loaded(tmp_path):
    network = linear_network()
    network.save(tmp_path / "plain.keras")
    images = np.array([[[[0], [255]]]], np.uint8)
    np.testing.assert_allclose(KerasFeaturizer.load(tmp_path / "plain.keras").transform(images), [[0, 1]])


def test_scikit_learn_conventions(trained, digits):
    featurizer = KerasFeaturizer("released-cnn", epochs=3, seed=9)
    assert clone(featurizer).get_params() == featurizer.get_params()
    with pytest.raises(NotFittedError):
        clone(trained).transform(digits[0])
    for use in (lambda f: f.score(*digits), lambda f: f.save("never.keras")):
        with pytest.raises(NotFittedError):
            use(featurizer)
    copied = clone(KerasFeaturizer(trained.model_)).fit(digits[0])
    np.testing.assert_array_equal(copied.transform(digits[0]), trained.transform(digits[0]))


GREY, TWO = np.zeros((4, 12, 12, 1), np.uint8), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KerasFeaturizer().fit(GREY[..., 0], TWO), "must be uint8"),
        (lambda: KerasFeaturizer().fit(GREY / 255, TWO), "float64"),
        (lambda: KerasFeaturizer().fit(GREY), r"need shape \(4,\)"),
        (lambda: KerasFeaturizer().fit(GREY, TWO[:3]), r"need shape \(4,\)"),
        (lambda: KerasFeaturizer().fit(GREY, TWO + 1), "0 to K-1"),
        (lambda: KerasFeaturizer().fit(GREY, 2 * TWO), "0 to K-1"),
        (lambda: KerasFeaturizer().fit(GREY, 0 * TWO), "K at least 2"),
        (lambda: KerasFeaturizer().fit(GREY, TWO.astype(float)), "whole numbers"),
        (lambda: KerasFeaturizer().fit(GREY[:, 1:], TWO), "at least 12 pixels"),
        (lambda: KerasFeaturizer("released-cnn").fit(GREY[:, :, 3:], TWO), "at least 10 pixels"),
        (lambda: KerasFeaturizer("resnet").fit(GREY, TWO), "lenet, released-cnn"),
        (lambda: KerasFeaturizer(lenet).fit(GREY, TWO), "keras.Model"),
        (lambda: KerasFeaturizer(epochs=0).fit(GREY, TWO), "epochs is 0"),
        (lambda: KerasFeaturizer(batch_size=2.5).fit(GREY, TWO), "batch_size is 2.5"),
        (lambda: KerasFeaturizer(seed=-1).fit(GREY, TWO), "seed is -1"),
        (lambda: KerasFeaturizer(learning_rate=0).fit(GREY, TWO), "learning_rate is 0"),
        (lambda: KerasFeaturizer(linear_network("other")).fit(GREY), "layer named 'features'"),
        (lambda: KerasFeaturizer(keras.Sequential([layers.Dense(2, name="features")])).fit(GREY), "functional"),
        (lambda: KerasFeaturizer(linear_network()).fit(GREY).transform(GREY), r"takes \(1, 2, 1\)"),
        (lambda: KerasFeaturizer(layer="hidden").fit(GREY, TWO), "layer named 'hidden'"),
        (lambda: KerasFeaturizer.load("missing.keras"), "missing.keras"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence(make, message):
    with pytest.raises(InputError, match=message) as error:
        make()
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_wrong_use_of_a_fitted_featurizer(trained, digits, tmp_path):
    images, labels = digits
    with pytest.raises(InputError, match="float64"):
        trained.transform(images / 255)
    with pytest.raises(InputError, match=r"takes \(16, 16, 1\)"):
        trained.transform(images[:, :14])
    with pytest.raises(InputError, match="one for each image"):
        trained.score(images, labels[:-1])
    with pytest.raises(InputError, match=r"ends with \.keras"):
        trained.save(tmp_path / "network.h5")
    one = keras.Sequential([layers.Input((16, 16, 1)), layers.Flatten(name="features"), layers.Dense(1)])
    with pytest.raises(InputError, match="one number"):
        KerasFeaturizer(one).fit(images).score(images, labels)


def test_files_that_are_no_networks_or_would_run_code_are_refused(tmp_path):
    (tmp_path / "text.keras").write_text("text")
    with pytest.raises(InputError, match=r"must be a \.keras file"):
        KerasFeaturizer.load(tmp_path / "text.keras")
    code = keras.Sequential([layers.Input((2, 2, 1)), layers.Lambda(lambda x: x + 1, name="features")])
    code.save(tmp_path / "code.keras")
    with pytest.raises(InputError, match="safe mode"):
        KerasFeaturizer.load(tmp_path / "code.keras")


# Precision: the policy is Keras's, and networks are shared only among equal ones.

POLICIES = ["float32", "mixed_float16", "float32", "mixed_bfloat16", "float32", "mixed_float16"]


@pytest.fixture
def set_policy():
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def two_brightnesses(n=24):
    rng, labels = np.random.default_rng(0), np.arange(n) % 2
    return (rng.integers(0, 100, (n, 12, 12, 1)) + 100 * labels[:, None, None, None]).astype(np.uint8), labels


def test_fits_under_each_policy_are_those_of_a_trainer_of_its_own(set_policy):
    def fitted(policy):
        set_policy(policy)
        found = KerasFeaturizer("lenet", epochs=1, batch_size=12).fit(*two_brightnesses())
        return found.history_["loss"], found.transform(two_brightnesses()[0])

    witness = {}
    for policy in set(POLICIES):
        featurizers._trainer.cache_clear()
        witness[policy] = fitted(policy)
    assert len({tuple(loss) for loss, _ in witness.values()}) == 3
    featurizers._trainer.cache_clear()
    for policy in POLICIES:
        loss, features = fitted(policy)
        assert loss == witness[policy][0] and np.isfinite(features).all() and features.dtype == np.float32
        np.testing.assert_array_equal(features, witness[policy][1])


FITS = """
import json, sys, tempfile
import keras, numpy as np
from influaug.augnet.classifiers import Schedule, error_and_loss, train_classifier
from influaug.networks.featurizer import KerasFeaturizer, lenet
from influaug.networks.training import Settings, train

labels = np.arange(24) % 2
noise = np.random.default_rng(0).integers(0, 100, (24, 12, 12, 1))
images = (noise + 100 * labels[:, None, None, None]).astype("uint8")
for policy in sys.argv[1:]:
    keras.config.set_dtype_policy(policy)
    fitted = KerasFeaturizer("lenet", epochs=1, batch_size=12).fit(images, labels)
    settings = Settings(epochs=1, batch_size=12, peak_rate=0.01)
    trained = train(lenet((12, 12, 1), 2), images, labels, settings, tempfile.mkdtemp())
    classifier = train_classifier("all-cnn", images, labels, None, Schedule(steps=2, batch_size=12))
    found = [fitted.history_["loss"], trained["loss"], error_and_loss(classifier, images, labels)]
    print("FOUND", json.dumps([policy, found]), flush=True)
"""


def found_in_a_process(*policies):
    done = subprocess.run([sys.executable, "-c", FITS, *policies], capture_output=True, text=True, check=True)
    return [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith("FOUND ")]


@pytest.mark.slow
def test_trainings_of_every_kind_under_any_order_of_policies_are_those_of_fresh_processes():
    alone = dict(row for policy in sorted(set(POLICIES)) for row in found_in_a_process(policy))
    in_turn = found_in_a_process(*POLICIES)
    assert [policy for policy, _ in in_turn] == POLICIES
    for policy, found in in_turn:
        assert found == alone[policy], policy
        assert np.isfinite(np.concatenate(found)).all()


def test_a_training_that_diverges_is_refused():
    with pytest.raises(InputError, match=r"^The training diverged: the loss is (nan|inf) in epoch \d; a smaller"):
        KerasFeaturizer("lenet", epochs=4, batch_size=12, learning_rate=1e8).fit(*two_brightnesses())


# Values of the wrong kind, and names that are no path.

PATHS = [None, 3, "a" * 5000 + ".keras", "a\0b.keras", "x" * 300 + ".keras", ["a.keras"], b"a.keras"]


@pytest.mark.parametrize("path", PATHS, ids=[repr(path)[:12] for path in PATHS])
def test_paths_that_are_none_are_one_sentence(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitted = KerasFeaturizer(lenet((12, 12, 1), 2)).fit(two_brightnesses()[0])
    for call in (KerasFeaturizer.load, fitted.save):
        with pytest.raises(InputError) as caught:
            call(path)
        assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("parameter", ["network", "epochs", "batch_size", "learning_rate", "seed", "layer"])
@pytest.mark.parametrize("value", [None, -1, [], 0.5j])
def test_parameters_of_the_wrong_kind_are_one_sentence(parameter, value):
    with pytest.raises(InputError):
        KerasFeaturizer(**{parameter: value}).fit(*two_brightnesses())


@pytest.mark.parametrize("wrong", [None, 3, "text", [[1], [1, 2]]])
def test_images_and_labels_of_the_wrong_kind_are_one_sentence(wrong):
    images, labels = two_brightnesses()
    fitted = KerasFeaturizer(lenet((12, 12, 1), 2)).fit(images)
    calls = [lambda: KerasFeaturizer().fit(wrong, labels), lambda: KerasFeaturizer().fit(images, wrong)]
    calls += [lambda: fitted.transform(wrong), lambda: fitted.score(images, wrong), lambda: fitted.score(wrong, labels)]
    for call in calls:
        with pytest.raises(InputError):
            call()


@pytest.mark.parametrize("seed", [-1, None, 1.5, "1", True])
def test_seeds_of_networks_are_whole_numbers(seed):
    for make in NETWORKS.values():
        with pytest.raises(InputError, match="seed is"):
            make((32, 32, 3), 2, seed)
