"""The residual networks against sums and a forward pass written out by hand."""

import math

import numpy as np
import pytest

from influaug.backend import keras
from influaug.errors import InputError
from influaug.networks.residual import L2, resnet

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small():
    return resnet((32, 32, 3), 10, seed=3, depth=11)


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


def outputs(model, names, images):
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    probe.compile(jit_compile=False)
    return probe.predict_on_batch(images)


def n_weights(blocks, channels, n_classes):
    """Numbers in the network, from the shapes in the paper: (in all, those that are trained)."""
    linear, norms, entering = (9 * channels + 1) * 16 + (256 + 1) * n_classes, [16, 256], 16
    for stage, (inner, outer) in enumerate([(16, 64), (64, 128), (128, 256)]):
        for block in range(blocks):
            linear += (entering + 1) * inner + (9 * inner + 1) * inner + (inner + 1) * outer
            linear += (entering + 1) * outer if block == 0 else 0
            norms += [inner, inner] if (stage, block) == (0, 0) else [entering, inner, inner]
            entering = outer
    return linear + 4 * sum(norms), linear + 2 * sum(norms)


# The figures for depth 20 and 56 are those that the summary of Keras's example shows.
@pytest.mark.parametrize(("depth", "total"), [(20, 574_090), (56, 1_673_738)])
def test_the_numbers_of_weights_are_those_of_the_example(depth, total):
    model = resnet((32, 32, 3), 10, depth=depth)
    trained = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    assert (model.count_params(), trained) == n_weights((depth - 2) // 9, 3, 10)
    assert model.count_params() == total


@pytest.mark.parametrize("depth", [11, 20, 29])
def test_the_depth_is_the_number_of_layers_with_kernels_outside_of_shortcuts(depth):
    kinds = keras.layers.Conv2D, keras.layers.Dense
    model = resnet((32, 32, 1), 2, depth=depth)
    assert sum("shortcut" not in layer.name for layer in layers_of(model, kinds)) == depth
    assert len(layers_of(model, keras.layers.Add)) == (depth - 2) // 3


@pytest.mark.parametrize(
    ("shape", "side"), [((32, 32, 3), 8), ((63, 48, 1), 16), ((64, 64, 3), 8), ((96, 96, 1), 12), ((96, 96, 2), 12)]
)
def test_images_of_every_size_have_256_features(shape, side):
    model = resnet(shape, 4, depth=11)
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    maps, features, logits = outputs(model, ["last_relu", "features", "logits"], images)
    assert maps.shape[1] == side
    assert (features.shape, logits.shape) == ((3, 256), (3, 4))
    np.testing.assert_allclose(features, maps.mean(axis=(1, 2)), rtol=1e-5)


def test_pixels_become_minus_one_to_one(small):
    images = np.zeros((1, 32, 32, 3), np.uint8)
    images[0, 0, 0] = [0, 51, 255]
    scaled, _ = outputs(small, ["scale", "logits"], images)
    np.testing.assert_allclose(scaled[0, 0, 0], [-1, -0.6, 1], atol=1e-6)


def test_without_their_last_convolutions_the_blocks_pass_on_their_shortcuts():
    model = resnet((32, 32, 3), 2, depth=20)
    for layer in layers_of(model, keras.layers.Conv2D):
        if layer.name.endswith("_c_conv"):
            layer.set_weights([np.zeros_like(weight) for weight in layer.get_weights()])
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    x, features = outputs(model, ["stem_relu", "features"], images)
    for stage in range(3):
        kernel, bias = model.get_layer(f"stage{stage}_block0_shortcut_conv").get_weights()
        x = (x[:, ::2, ::2] if stage else x) @ kernel[0, 0] + bias
    # At first the last normalisation has mean 0 and variance 1; Keras adds 0.001.
    np.testing.assert_allclose(features, np.maximum(x / np.sqrt(1.001), 0).mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)


def test_each_kernel_has_a_seed_of_its_own(small):
    same, other = resnet((32, 32, 3), 10, 3, 11), resnet((32, 32, 3), 10, 4, 11)
    kernels, again, others = (
        [weight for weight in model.get_weights() if weight.ndim > 1] for model in (small, same, other)
    )
    assert all(np.array_equal(a, b) for a, b in zip(kernels, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(kernels, others, strict=True))
    assert len({round(float(kernel.flat[0]) / kernel.std(), 5) for kernel in kernels}) == len(kernels)


def test_kernels_have_the_spread_of_he(small):
    kernel = small.get_layer("stage2_block0_b_conv").get_weights()[0]
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 128)), rel=0.02)


def test_the_penalty_is_on_the_convolutions(small):
    kernels = [layer.get_weights()[0] for layer in layers_of(small, keras.layers.Conv2D)]
    assert float(sum(small.losses)) == pytest.approx(L2 * sum(np.sum(k.astype(float) ** 2) for k in kernels), rel=1e-5)


def test_layers_have_the_same_names_every_time(small):
    again = resnet((32, 32, 3), 10, depth=11)
    assert [layer.name for layer in small.layers[1:]] == [layer.name for layer in again.layers[1:]]


@pytest.mark.parametrize("depth", [2, 10, 18, 50, 20.0, True, "20", -7])
def test_a_depth_that_is_not_9n_plus_2_is_named(depth):
    with pytest.raises(InputError, match=r"depth is .* 9n \+ 2"):
        resnet((32, 32, 3), 2, depth=depth)


@pytest.mark.parametrize("shape", [(15, 32, 3), (32, 14, 1), (32, 32)])
def test_images_too_small_are_named(shape):
    with pytest.raises(InputError, match="at least 16 pixels"):
        resnet(shape, 2)
