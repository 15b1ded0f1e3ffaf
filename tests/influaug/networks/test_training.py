"""Training against a loop written in NumPy, augmentation against NumPy and SciPy, and what interruptions leave."""

import threading
import zipfile
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from influaug.backend import keras
from influaug.errors import InputError
from influaug.networks import training
from influaug.networks.compact import read_record, save_featurizer
from influaug.networks.featurizer import KerasFeaturizer, lenet
from influaug.networks.training import Settings, augment, one_cycle, train

pytestmark = pytest.mark.slow

layers = keras.layers
SETTINGS = Settings(epochs=3, batch_size=10, peak_rate=0.05, augmentation="rotations+shifts+flips", seed=5)


def tiny(seed=0):
    first, second = (keras.initializers.HeNormal(seed=s) for s in (seed, seed + 100))
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, kernel_initializer=first, kernel_regularizer=keras.regularizers.L2(1e-3)),
            layers.BatchNormalization(momentum=0.8),
            layers.ReLU(),
            layers.Dropout(0.1, seed=7),
            layers.GlobalAveragePooling2D(name="features"),
            layers.Dense(2, kernel_initializer=second, name="logits"),
        ]
    )


@pytest.fixture(scope="module")
def points():
    labels = np.arange(54) % 2
    noise = np.random.default_rng(0).integers(0, 128, (54, 8, 8, 1))
    return (noise + 100 * labels[:, np.newaxis, np.newaxis, np.newaxis]).astype(np.uint8), labels


@pytest.fixture(scope="module")
def undisturbed(points, tmp_path_factory):
    """The trained network, its history, and its checkpoint."""
    model, folder = tiny(), tmp_path_factory.mktemp("undisturbed")
    history = train(model, *points, SETTINGS, folder)
    return model, history, (folder / "checkpoint.npz").read_bytes()


class KilledError(Exception):
    """Stands for the end of the process."""


def kill_after(monkeypatch, steps):
    """Let training stop, as a process that is killed does, when so many steps are taken."""
    real, taken = training._Run.train_on, []

    def train_on(run, images, labels):
        if len(taken) == steps:
            raise KilledError
        taken.append(real(run, images, labels))

    monkeypatch.setattr(training._Run, "train_on", train_on)


def same_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def without_seconds(history):
    return {name: values for name, values in history.items() if name != "seconds"}


# Five steps an epoch and a checkpoint every two: killed before the first, and in the middle of an epoch.
@pytest.mark.parametrize("steps", [1, 8])
def test_a_killed_training_continues_to_the_same_bits(points, undisturbed, tmp_path, monkeypatch, steps):
    model = tiny()
    with monkeypatch.context() as patched:
        kill_after(patched, steps)
        with pytest.raises(KilledError):
            train(model, *points, SETTINGS, tmp_path, save_every=2)
    assert same_weights(model, tiny())
    history = train(model, *points, SETTINGS, tmp_path, save_every=2)
    assert same_weights(model, undisturbed[0])
    assert without_seconds(history) == without_seconds(undisturbed[1])


def test_a_training_killed_again_and_again_takes_no_step_twice(points, undisturbed, tmp_path, monkeypatch):
    model = tiny()
    for _ in range(2):
        with monkeypatch.context() as patched, pytest.raises(KilledError):
            kill_after(patched, 5)
            train(model, *points, SETTINGS, tmp_path, save_every=1)
    kill_after(monkeypatch, 5)
    train(model, *points, SETTINGS, tmp_path, save_every=1)
    assert same_weights(model, undisturbed[0])


def test_a_finished_training_is_not_trained_again(points, undisturbed, tmp_path, monkeypatch):
    (tmp_path / "checkpoint.npz").write_bytes(undisturbed[2])
    kill_after(monkeypatch, 0)
    again = tiny()
    assert train(again, *points, SETTINGS, tmp_path) == undisturbed[1]
    assert same_weights(again, undisturbed[0])


def test_a_write_that_fails_leaves_the_checkpoint_before_it(points, undisturbed, tmp_path, monkeypatch):
    real, written = np.savez, []

    def savez(path, **arrays):
        written.append(path)
        real(path, **arrays)
        if len(written) == 2:
            path.write_bytes(path.read_bytes()[:100])
            raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", savez)
        with pytest.raises(InputError, match="full"):
            train(tiny(), *points, SETTINGS, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]
    model = tiny()
    train(model, *points, SETTINGS, tmp_path)
    assert same_weights(model, undisturbed[0])


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_named(points, undisturbed, tmp_path, part):
    content = undisturbed[2]
    (tmp_path / "checkpoint.npz").write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=r"checkpoint\.npz is damaged"):
        train(tiny(), *points, SETTINGS, tmp_path)


def test_a_checkpoint_with_another_byte_is_named(points, undisturbed, tmp_path):
    path, content = tmp_path / "checkpoint.npz", bytearray(undisturbed[2])
    with zipfile.ZipFile(BytesIO(content)) as archive:
        content[archive.getinfo("0003.npy").header_offset + 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"checkpoint\.npz is damaged"):
        train(tiny(), *points, SETTINGS, tmp_path)


def test_the_checkpoint_of_another_training_is_named(points, undisturbed, tmp_path):
    images, labels = points
    settings = SETTINGS
    (tmp_path / "checkpoint.npz").write_bytes(undisturbed[2])
    others = [
        (tiny(1), images, labels, settings),
        (tiny(), images[::-1], labels[::-1], settings),
        (tiny(), images, 1 - labels, settings),
        (tiny(), images, labels, replace(settings, seed=6)),
        (tiny(), images, labels, replace(settings, peak_rate=0.04)),
        (keras.models.clone_model(tiny(), clone_function=with_other_momentum), images, labels, settings),
    ]
    for arguments in others:
        with pytest.raises(InputError, match=r"checkpoint\.npz is of another training"):
            train(*arguments, tmp_path)


def with_other_momentum(layer):
    config = layer.get_config()
    return type(layer).from_config({**config, "momentum": 0.7} if "momentum" in config else config)


def test_a_file_that_is_no_checkpoint_is_named(points, tmp_path):
    np.savez(tmp_path / "checkpoint.npz", weights=np.zeros(3))
    with pytest.raises(InputError, match=r"checkpoint\.npz is damaged"):
        train(tiny(), *points, SETTINGS, tmp_path)


def test_steps_are_those_of_nesterovs_method_in_numpy(points, tmp_path, monkeypatch):
    """Softmax regression with a penalty: gradients, momentum and the cycle of the rate are written out here."""
    images, labels = points
    penalty = keras.regularizers.L2(0.01)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(2, kernel_regularizer=penalty),
        ]
    )
    (w, b), batches, settings = model.get_weights(), [], Settings(epochs=2, batch_size=9, peak_rate=0.1)
    monkeypatch.setattr(training, "augment", lambda images, _, __: batches.append(images) or images)
    index = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    history = train(model, images, labels, settings, tmp_path)
    velocity, losses = [np.zeros_like(w), np.zeros_like(b)], []
    for step, batch in enumerate(batches):
        x, y = batch.reshape(9, 64) / 255, np.eye(2)[[index[image.tobytes()] for image in batch]]
        p = np.exp(x @ w + b) / np.exp(x @ w + b).sum(axis=1, keepdims=True)
        losses.append(-np.log(p[y == 1]).mean() + 0.01 * np.sum(w**2))
        gradients = [x.T @ (p - y) / 9 + 0.02 * w, (p - y).mean(axis=0)]
        rate = one_cycle(step, 12, 0.1)
        velocity = [0.9 * v - rate * g for v, g in zip(velocity, gradients, strict=True)]
        w, b = (value + 0.9 * v - rate * g for value, v, g in zip((w, b), velocity, gradients, strict=True))
    np.testing.assert_allclose(history["loss"], np.reshape(losses, (2, 6)).mean(axis=1), rtol=1e-5)
    for found, expected in zip(model.get_weights(), (w, b), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_each_epoch_takes_other_points_in_another_order(points, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(training, "augment", lambda images, _, __: seen.append(images) or images)
    images, labels = points
    train(tiny(), images, labels, replace(SETTINGS, held_out=0.25, epochs=2), tmp_path)
    index = {image.tobytes(): i for i, image in enumerate(images)}
    epochs = np.array([[index[image.tobytes()] for image in batch] for batch in seen]).reshape(2, 40)
    assert all(len(set(epoch)) == 40 for epoch in epochs)
    assert set(epochs[0]) == set(epochs[1])
    assert not np.array_equal(epochs[0], epochs[1])
    np.testing.assert_array_equal(np.bincount(labels[epochs[0]]), [20, 20])


def test_what_is_held_out_gives_an_accuracy(points, tmp_path):
    images, labels = points
    model, settings = tiny(), replace(SETTINGS, held_out=0.25, epochs=2, batch_size=8)
    history = train(model, images, labels, settings, tmp_path)
    fit, held_out = training._parts(labels, settings)
    np.testing.assert_array_equal(np.sort(np.concatenate([fit, held_out])), np.arange(54))
    expected = KerasFeaturizer(model).fit(images).score(images[held_out], labels[held_out])
    assert history["held_out_accuracy"][-1] == expected
    assert len(history["held_out_accuracy"]) == 2


def test_batches_depend_on_the_seed_the_epoch_and_the_step(points, tmp_path):
    found = set()
    for seed in (1, 2):
        run = training._Run(tiny(), *points, replace(SETTINGS, seed=seed), tmp_path)
        same_points = np.zeros((2, 10), int)
        for run.progress.epoch in (0, 1):
            found |= {run.order().tobytes(), *(run.batch(same_points, step)[0].tobytes() for step in (0, 1))}
            assert run.batch(same_points, 0)[0].tobytes() in found
    assert len(found) == 2 * 2 * 3


def test_training_learns_and_tells_how(undisturbed):
    history = undisturbed[1]
    assert set(history) == {"loss", "accuracy", "learning_rate", "seconds"}
    assert history["accuracy"][-1] > 0.9
    assert history["loss"][-1] < history["loss"][0]
    assert history["learning_rate"] == [one_cycle(step, 15, 0.05) for step in (4, 9, 14)]
    assert min(history["seconds"]) > 0


def test_mixed_precision_is_close_and_leaves_the_network_as_it_was(points, undisturbed, tmp_path):
    model = tiny()
    history = train(model, *points, replace(SETTINGS, mixed_precision=True), tmp_path)
    assert not same_weights(model, undisturbed[0])
    np.testing.assert_allclose(history["loss"], undisturbed[1]["loss"], rtol=0.05)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}


def test_mixed_precision_is_for_all_layers_but_the_last():
    trainer = training._trainer(tiny(), replace(SETTINGS, mixed_precision=True))
    assert [layer.compute_dtype for layer in trainer.layers] == ["bfloat16"] * 6 + ["float32"]
    assert {variable.dtype for variable in trainer.trainable_variables} == {"float32"}


def test_no_global_state_is_read_or_changed(points, undisturbed, tmp_path):
    np.random.seed(3)  # noqa: NPY002
    keras.utils.set_random_seed(4)
    before, policy = np.random.get_state()[1].copy(), keras.mixed_precision.dtype_policy()  # noqa: NPY002
    model = tiny()
    train(model, *points, SETTINGS, tmp_path)
    assert same_weights(model, undisturbed[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert keras.mixed_precision.dtype_policy() is policy


def test_what_fails_while_batches_are_prepared_is_raised(points, tmp_path, monkeypatch):
    def fail(*_):
        raise KilledError("in the background")

    threads = threading.active_count()
    monkeypatch.setattr(training, "augment", fail)
    with pytest.raises(KilledError, match="in the background"):
        train(tiny(), *points, SETTINGS, tmp_path)
    assert threading.active_count() <= threads


def test_batches_are_prepared_in_order_and_not_too_far_ahead():
    made, threads = [], set()

    def make(item):
        made.append(item)
        threads.add(threading.current_thread())
        return item * item

    for i, square in enumerate(training._ahead(make, range(40))):
        assert square == i * i
        assert len(made) <= i + 1 + training.AHEAD
    assert len(made) == 40
    assert threading.main_thread() not in threads


def test_batches_no_longer_wanted_are_not_prepared():
    made = []
    batches = training._ahead(made.append, range(1000))
    next(batches)
    batches.close()
    assert len(made) <= 1 + training.AHEAD


@given(steps=st.integers(2, 3000), peak=st.floats(1e-4, 10), part=st.floats(0, 1, exclude_max=True))
def test_the_rate_is_two_cosines(steps, peak, part):
    """Keras's own decay is the witness: forwards for the fall, and backwards for the rise."""
    step, rise = int(part * steps), 0.3 * steps
    decay, alpha, at = (steps - rise, 0.0, step - rise) if step >= rise else (rise, 1 / 25, rise - step)
    expected = keras.optimizers.schedules.CosineDecay(peak, decay, alpha)(at)
    assert one_cycle(step, steps, peak) == pytest.approx(float(expected), rel=1e-4, abs=1e-6 * peak)


def test_the_rate_rises_falls_and_ends_near_zero():
    rates = [one_cycle(step, 1000, 0.2) for step in range(1000)]
    assert rates[0] == 0.2 / 25
    assert np.argmax(rates) == 300
    assert rates[300] == 0.2
    assert np.all(np.diff(rates[:301]) > 0)
    assert np.all(np.diff(rates[300:]) < 0)
    assert 0 < rates[-1] < 1e-5


def pictures(n, side, channels=3):
    return np.random.default_rng(1).integers(0, 256, (n, side, side, channels), dtype=np.uint8)


def test_half_of_the_images_are_flipped():
    images = pictures(400, 8)
    found = augment(images, "flips", np.random.default_rng(0))
    flipped = np.array([np.array_equal(f, i[:, ::-1]) for f, i in zip(found, images, strict=True)])
    np.testing.assert_array_equal(found[~flipped], images[~flipped])
    assert 160 < flipped.sum() < 240


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_shifts_repeat_the_edge_and_are_all_equally_likely(channels):
    images = pictures(1500, 16, channels)
    found = augment(images, "shifts", np.random.default_rng(0))
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    counts = [
        np.sum(np.all(found == padded[:, down : down + 16, right : right + 16], axis=(1, 2, 3)))
        for down in range(5)
        for right in range(5)
    ]
    assert sum(counts) == 1500
    assert 30 < min(counts) <= max(counts) < 100


def test_shifts_are_up_to_an_eighth_of_each_side():
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8), (40, 64))
    images = np.stack([ramp, np.broadcast_to(np.arange(40, dtype=np.uint8)[:, np.newaxis], (40, 64))], axis=2)
    found = augment(np.repeat(images[np.newaxis], 2000, axis=0), "shifts", np.random.default_rng(0)).astype(int)
    right, down = 32 - found[:, 20, 32, 0], 20 - found[:, 20, 32, 1]
    assert set(right) == set(range(-8, 9))
    assert set(down) == set(range(-5, 6))


def smooth(side):
    noise = np.random.default_rng(2).uniform(0, 255, (side, side, 2))
    blurred = ndimage.gaussian_filter(noise, (3, 3, 0))
    return np.interp(blurred, (blurred.min(), blurred.max()), (20, 235)).astype(np.uint8)


@pytest.mark.parametrize("angle", [-15, -3.3, 0, 7, 15])
def test_rotation_is_scipys(angle):
    image = smooth(48)
    expected = ndimage.rotate(image.astype(float), angle, axes=(1, 0), reshape=False, order=1, mode="nearest")
    assert np.abs(training._moved(image, False, (0, 0), angle) - expected).max() < 3


def test_a_flip_comes_before_the_rotation_and_a_shift_after_it():
    image = pictures(1, 17)[0]
    turned = np.rot90(image[:, ::-1])
    expected = np.pad(turned, ((2, 0), (0, 3), (0, 0)), mode="edge")[:17, 3:]
    np.testing.assert_array_equal(training._moved(image, True, (-3, 2), 90), expected)


def test_rotations_are_even_within_their_bounds():
    ramp = np.broadcast_to(np.linspace(0, 255, 33).round().astype(np.uint8), (33, 33))[..., np.newaxis]
    found = augment(np.repeat(ramp[np.newaxis], 600, axis=0), "rotations", np.random.default_rng(0)).astype(float)
    inner = found[:, 10:23, 10:23, 0]
    down, right = (np.diff(inner, axis=axis).mean(axis=(1, 2)) for axis in (1, 2))
    angles = np.degrees(np.arctan2(down, right))
    assert np.abs(angles).max() < 15.5
    quarters = np.histogram(angles, bins=4, range=(-15.5, 15.5))[0]
    assert quarters.min() > 110


def test_each_image_moves_in_its_own_way_and_the_same_every_time():
    images = np.repeat(pictures(1, 16), 8, axis=0)
    first, again = (augment(images, "rotations+shifts+flips", np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.dtype == np.uint8
    assert len({image.tobytes() for image in first}) == 8


def test_no_augmentation_is_none():
    images = pictures(3, 8)
    np.testing.assert_array_equal(augment(images, "none", np.random.default_rng(0)), images)


@pytest.mark.parametrize("augmentation", ["", "flip", "flips+", "flips shifts", "none+flips", None])
def test_an_unknown_augmentation_is_named(augmentation):
    with pytest.raises(InputError, match="augmentation is"):
        Settings(augmentation=augmentation)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, value) for name in ("epochs", "batch_size") for value in (0, 1.0, True, "3")],
        ("seed", -1),
        *[("peak_rate", value) for value in (0, -1, float("inf"), float("nan"), "0.1")],
        *[("held_out", value) for value in (1, -0.1, float("nan"), None)],
        ("mixed_precision", "bfloat16"),
    ],
)
def test_an_unfit_setting_is_named(name, value):
    with pytest.raises(InputError, match=f"{name} is"):
        Settings(**{name: value})


def test_settings_may_be_numpys_numbers(points, undisturbed, tmp_path):
    (tmp_path / "checkpoint.npz").write_bytes(undisturbed[2])
    settings = replace(SETTINGS, epochs=np.int64(3), seed=np.uint8(5), peak_rate=np.float64(0.05))
    assert train(tiny(), *points, settings, tmp_path) == undisturbed[1]


def test_points_too_few_for_a_batch_and_a_wrong_interval_are_named(points, tmp_path):
    with pytest.raises(InputError, match="batch_size is 55; there are only 54 points"):
        train(tiny(), *points, replace(SETTINGS, batch_size=55), tmp_path)
    with pytest.raises(InputError, match="save_every is 0"):
        train(tiny(), *points, SETTINGS, tmp_path, save_every=0)


def test_a_saved_featurizer_is_in_half_precision_and_has_its_record(points, undisturbed, tmp_path):
    images, labels = points
    model, history, _ = undisturbed
    path = tmp_path / "new" / "tiny.keras"
    record = {"accuracy": 0.75, "data": {"title": "points", "classes": ["a", "b"]}}
    featurizer = save_featurizer(model, path, images, history, record)
    plain = KerasFeaturizer(model).fit(images)
    assert read_record(path) == {**record, "kernels": "float16"}
    assert featurizer.history_ == history
    assert featurizer.score(images, labels) == plain.score(images, labels)
    features = plain.transform(images)
    np.testing.assert_allclose(featurizer.transform(images), features, rtol=0, atol=1e-3 * features.max())
    for found, given_ in zip(featurizer.model_.get_weights(), model.get_weights(), strict=True):
        rounded = given_.astype(np.float16).astype(np.float32) if given_.ndim > 1 else given_
        np.testing.assert_array_equal(found, rounded)
    again = KerasFeaturizer.load(path)
    np.testing.assert_array_equal(again.transform(images), featurizer.transform(images))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_half_precision_halves_a_larger_file(tmp_path):
    model = keras.Sequential(
        [layers.Input((32, 32, 3)), layers.Flatten(name="features"), layers.Dense(20, name="logits")]
    )
    images = np.full((2, 32, 32, 3), 7, np.uint8)
    KerasFeaturizer(model).fit(images).save(tmp_path / "single.keras")
    save_featurizer(model, tmp_path / "half.keras", images, {}, {})
    sizes = [(tmp_path / name).stat().st_size for name in ("single.keras", "half.keras")]
    assert sizes[1] < 0.6 * sizes[0]


def test_single_precision_is_kept_where_half_changes_a_class(tmp_path):
    model = keras.Sequential(
        [layers.Input((1, 1, 1)), layers.Flatten(name="features"), layers.Dense(2, use_bias=False, name="logits")]
    )
    weights = np.array([[1, 1 + 2**-13]], np.float32)
    model.set_weights([weights])
    images, path = np.full((3, 1, 1, 1), 100, np.uint8), tmp_path / "close.keras"
    featurizer = save_featurizer(model, path, images, {}, {})
    assert read_record(path) == {"kernels": "float32"}
    np.testing.assert_array_equal(featurizer.model_.get_weights()[0], weights)
    assert featurizer.score(images, np.ones(3, int)) == 1


def test_a_network_without_a_record_has_none(undisturbed, points, tmp_path):
    KerasFeaturizer(undisturbed[0]).fit(points[0]).save(tmp_path / "plain.keras")
    assert read_record(tmp_path / "plain.keras") is None


def test_what_cannot_be_saved_or_read_is_named(undisturbed, points, tmp_path):
    with pytest.raises(InputError, match=r"ends with \.keras"):
        save_featurizer(undisturbed[0], tmp_path / "tiny.h5", points[0], {}, {})
    with pytest.raises(InputError, match="some images"):
        save_featurizer(undisturbed[0], tmp_path / "tiny.keras", points[0][:0], {}, {})
    (tmp_path / "text.keras").write_text("no network")
    with pytest.raises(InputError, match="not a saved network"):
        read_record(tmp_path / "text.keras")
    with pytest.raises(InputError, match="not a saved network"):
        read_record(tmp_path / "missing.keras")


def test_a_training_that_diverges_is_refused_and_keeps_its_last_good_checkpoint(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (24, 16, 16, 1), dtype=np.uint8), np.arange(24) % 2
    with pytest.raises(InputError, match=r"The training diverged: the loss is (nan|inf) in epoch \d; a smaller"):
        train(lenet((16, 16, 1), 2), images, labels, Settings(epochs=3, batch_size=4, peak_rate=1e30), tmp_path)


def test_losses_are_scaled_in_half_precision_and_the_training_resumes(tmp_path, monkeypatch):
    """Under mixed_float16 Keras wraps the optimizer; its scale is a variable like the others."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (24, 16, 16, 1), dtype=np.uint8), np.arange(24) % 2
    settings, before = Settings(epochs=2, batch_size=8, peak_rate=0.01), keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        whole = train(lenet((16, 16, 1), 2), images, labels, settings, tmp_path / "whole")
        run = training._Run(lenet((16, 16, 1), 2), images, labels, settings, tmp_path / "half")
        assert len(run.variables()) > len(run.trainer.variables) + len(run.trainer.trainable_variables)
        with training.tqdm(disable=True) as bar:
            run.epoch(100, bar)
        resumed = train(lenet((16, 16, 1), 2), images, labels, settings, tmp_path / "half")
        keras.config.set_dtype_policy("float32")
        with pytest.raises(InputError, match="is of another training"):
            train(lenet((16, 16, 1), 2), images, labels, settings, tmp_path / "whole")
    finally:
        keras.config.set_dtype_policy(before)
    assert resumed["loss"] == whole["loss"] and np.isfinite(whole["loss"]).all()
