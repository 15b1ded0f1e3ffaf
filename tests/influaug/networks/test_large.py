"""The large networks: their published sizes, their forms, and one step of training on every backend."""

import json
import math
import os
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from influaug.augnet.classifiers import CLASSIFIERS, wide_resnet
from influaug.backend import keras
from influaug.errors import InputError
from influaug.networks.featurizer import JIT, NETWORKS, KerasFeaturizer
from influaug.networks.large import imagenet_resnet, pyramid_shakedrop, shake_shake

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 1])
SMALL = {
    "shake_shake": lambda: shake_shake((32, 32, 3), 3, seed=1, depth=8, width=4),
    "pyramid_shakedrop": lambda: pyramid_shakedrop((32, 32, 3), 3, seed=1, depth=11, widening=9),
    "imagenet_resnet": lambda: imagenet_resnet((32, 32, 3), 3, seed=1, decay=0.0),
    "wide_resnet": lambda: wide_resnet((32, 32, 3), 3, seed=1, depth=10, widen=2),
}


def trained(model):
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def shake_shake_weights(width, blocks, n_classes):
    """Weights by the shapes in the paper: kernels, two numbers a normalised channel, and the last layer."""
    total, entering = 27 * 16 + 2 * 16, 16
    for filters in (width, 2 * width, 4 * width):
        total += entering * filters + 2 * filters  # the shortcut's two halves
        total += 2 * (9 * entering * filters + 9 * filters**2 + 4 * filters)
        total += 2 * (blocks - 1) * (18 * filters**2 + 4 * filters)
        entering = filters
    return total + (entering + 1) * n_classes


def pyramid_weights(depth, widening, n_classes):
    blocks = (depth - 2) // 3
    total, entering = 27 * 16 + 2 * 16, 16
    for k in range(1, blocks + 1):
        inner = math.floor(16 + widening * k / blocks + 0.5)
        total += entering * inner + 9 * inner**2 + 4 * inner**2 + 2 * (entering + inner + inner + 4 * inner)
        entering = 4 * inner
    return total + 2 * entering + (entering + 1) * n_classes


def imagenet_weights(blocks, n_classes):
    total, entering = 49 * 3 * 64 + 2 * 64, 64
    for stage, n in enumerate(blocks):
        inner, outer = 64 << stage, 256 << stage
        total += entering * outer + 2 * outer
        for block in range(n):
            total += (outer if block else entering) * inner + 9 * inner**2 + inner * outer + 4 * inner + 2 * outer
        entering = outer
    return total + (entering + 1) * n_classes


@pytest.mark.parametrize(
    ("name", "n_classes", "side", "counted", "published", "within"),
    [
        # Gastaldi (2017), table 3: 26.2 million; the count of pytorchcv for 26 2x32d is exact, see below.
        ("shake-shake-26-2x96d", 10, 32, shake_shake_weights(96, 4, 10), 26.2e6, 0.05e6),
        # The count that pytorchcv's tests state for pyramidnet272_a200_bn_cifar10; Han et al. (2017), table 4: 26.0.
        ("pyramidnet-272-shakedrop", 10, 32, pyramid_weights(272, 200, 10), 26_210_842, 0),
        # TensorFlow's (slim) and PyTorch's model zoos.
        ("imagenet-resnet50", 1000, 224, imagenet_weights((3, 4, 6, 3), 1000), 25_557_032, 0),
        ("imagenet-resnet200", 1000, 224, imagenet_weights((3, 24, 36, 3), 1000), 64_673_832, 0),
    ],
)
def test_the_networks_are_as_large_as_published_and_take_a_step(name, n_classes, side, counted, published, within):
    model = NETWORKS[name]((side, side, 3), n_classes)
    assert trained(model) == counted and abs(counted - published) <= within
    assert CLASSIFIERS[name] is NETWORKS[name]
    stepping = model if side == 32 else NETWORKS[name]((32, 32, 3), 3)
    takes_a_step(stepping, eagerly=True)  # tracing takes a minute


def test_shake_shake_26_2x32d_has_the_weights_that_others_count():
    assert trained(shake_shake((32, 32, 3), 10, width=32)) == shake_shake_weights(32, 4, 10) == 2_923_162


@pytest.mark.parametrize("name", ["wrn-28-10"])
def test_the_wide_network_has_its_published_size(name):
    # pytorchcv counts 36,479,194 without biases; here the 28 convolutions have them.
    biases = 16 + 9 * (160 + 320 + 640)
    assert trained(CLASSIFIERS[name]((32, 32, 3), 10)) == 36_479_194 + biases


def takes_a_step(model, eagerly=False):
    before = [value.copy() for value in model.get_weights()]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3), loss, jit_compile=JIT, run_eagerly=eagerly)
    reached = float(model.train_on_batch(IMAGES.astype(np.float32), LABELS))
    assert math.isfinite(reached)
    kernels = [i for i, value in enumerate(before) if value.ndim > 1]
    after = model.get_weights()
    changed = [not np.array_equal(before[i], after[i]) for i in kernels]
    assert np.mean(changed) > 0.99, changed
    return reached


@pytest.mark.parametrize("name", SMALL)
def test_a_saved_network_is_loaded_as_it_was(name, tmp_path):
    model = SMALL[name]()
    takes_a_step(model)
    saved = KerasFeaturizer(model).fit(IMAGES)
    saved.save(tmp_path / "network.keras")
    loaded = KerasFeaturizer.load(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded.transform(IMAGES), saved.transform(IMAGES))
    np.testing.assert_array_equal(loaded.model_.predict_on_batch(IMAGES), model.predict_on_batch(IMAGES))
    takes_a_step(loaded.model_)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="started from the default backend alone")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_take_a_step(backend):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    said = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr[-2000:]
    found = json.loads(said.stdout.splitlines()[-1])
    assert found.pop("backend") == backend and set(found) == set(SMALL)
    assert all(math.isfinite(loss) and loss > 0 for loss in found.values())


def test_imagenet_resnet_50_computes_what_keras_applications_does():
    mine = imagenet_resnet((64, 64, 3), 5, seed=2)
    theirs = keras.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=5, classifier_activation="linear", name="theirs"
    )
    for layer in theirs.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = 1e-3  # Keras's own, as in mine
        name = renamed(layer.name)
        if layer.get_weights():
            kernels = mine.get_layer(name).get_weights()
            layer.set_weights(
                kernels if len(kernels) == len(layer.get_weights()) else [*kernels, 0 * kernels[0][0, 0, 0]]
            )
    images = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    want = theirs.predict_on_batch(images.astype(np.float32) / 127.5 - 1)
    np.testing.assert_allclose(mine.predict_on_batch(images), want, rtol=1e-3, atol=1e-3 * np.abs(want).max())


def renamed(name):
    """The name here of a layer of keras.applications, such as conv3_block2_1_bn."""
    parts = name.split("_")
    if parts[0] == "predictions":
        return "logits"
    kind = {"conv": "conv", "bn": "norm"}.get(parts[-1], "")
    if parts[0] == "conv1":
        return f"stem_{kind}"
    if len(parts) != 4:
        return ""
    place = {"0": "shortcut", "1": "a", "2": "b", "3": "c"}[parts[2]]
    return f"stage{int(parts[0][4]) - 2}_block{int(parts[1][5:]) - 1}_{place}_{kind}"


def test_the_later_a_block_the_more_often_it_is_disturbed():
    model = pyramid_shakedrop((16, 16, 1), 2, depth=20, widening=6)
    keep = [layer.keep for layer in model.layers if type(layer).__name__ == "ShakeDrop"]
    np.testing.assert_allclose(keep, 1 - 0.5 * np.arange(1, 7) / 6)
    widths = [model.get_layer(f"block{k}_a_conv").filters for k in range(6)]
    assert widths == [17, 18, 19, 20, 21, 22]
    assert [model.get_layer(f"block{k}_b_conv").strides[0] for k in range(6)] == [1, 1, 2, 1, 2, 1]


def test_the_second_path_of_a_shortcut_sees_the_pixels_that_the_first_one_drops():
    model = shake_shake((16, 16, 1), 2, depth=8, width=4)
    probe = keras.Model(
        model.inputs,
        [model.get_layer("stage0_block0_add").output, model.get_layer("stage1_block0_shortcut_both").output],
    )
    for path in "ab":
        layer = model.get_layer(f"stage1_block0_shortcut_{path}_conv")
        kernel = np.zeros(layer.get_weights()[0].shape, np.float32)
        kernel[0, 0, 0] = 1
        layer.set_weights([kernel])
    entering, both = probe.predict_on_batch(IMAGES[:1, :16, :16, :1])
    np.testing.assert_allclose(both[0, :, :, 0], entering[0, ::2, ::2, 0], rtol=1e-5)
    np.testing.assert_allclose(both[0, :, :, -1], entering[0, 1::2, 1::2, 0], rtol=1e-5)


def test_the_decay_is_half_the_sum_of_squares_of_the_convolutions():
    model = shake_shake((16, 16, 1), 2, depth=8, width=4, decay=0.5)
    kernels = [layer.get_weights()[0] for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert float(sum(model.losses)) == pytest.approx(
        0.25 * sum(np.sum(k.astype(float) ** 2) for k in kernels), rel=1e-5
    )


@pytest.mark.parametrize("name", SMALL)
def test_weights_and_draws_follow_the_seed(name):
    first, again = SMALL[name](), SMALL[name]()
    for mine, same in zip(first.variables, again.variables, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(mine), keras.ops.convert_to_numpy(same))
    seeds = [layer.seed for layer in first.layers if hasattr(layer, "seed_generator")]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (shake_shake, {"depth": 27}, r"depth is 27; it must be 6n \+ 2"),
        (shake_shake, {"width": 5}, "width is 5; it must be an even"),
        (shake_shake, {"input_shape": (15, 32, 3)}, "at least 16 pixels"),
        (pyramid_shakedrop, {"depth": 271}, r"depth is 271; it must be 9n \+ 2"),
        (pyramid_shakedrop, {"widening": 0}, "widening is 0; it must be"),
        (imagenet_resnet, {"depth": 51}, "depth is 51; it must be 50, 101, 152, 200"),
        (imagenet_resnet, {"input_shape": (31, 64, 3)}, "at least 32 pixels"),
    ],
)
def test_what_does_not_fit_is_refused(build, options, message):
    with pytest.raises(InputError, match=message):
        build(**{"input_shape": (32, 32, 3), "n_classes": 2, **options})


if __name__ == "__main__":
    steps = {name: takes_a_step(build()) for name, build in SMALL.items()}
    sys.stdout.write(json.dumps({"backend": keras.config.backend(), **steps}))
