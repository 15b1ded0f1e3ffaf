"""Transformation models against scipy and against equation 20 written out by hand."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from influaug.augnet.models import Design, TransformationModel, encoder, generator, in_series
from influaug.augnet.ranges import GlobalRanges, ImageRanges
from influaug.augnet.warp import warp
from influaug.backend import keras
from influaug.backend.derivatives import gradient
from influaug.errors import InputError

pytestmark = pytest.mark.slow

GREY, COLOUR = (12, 9, 1), (12, 9, 3)
SMALL = Design(tau=8, depth=3, width=4)
SAVED = ("model", "by_all", "by_image")


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def random_images(shape, n=3, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (n, *shape)).astype("float32")


def with_constant_output(model, output):
    """The model, its G giving the same numbers at every pixel and for every tau."""
    kernel, bias = model.generator.layers[-1 if model.generator.layers[-1].weights else -2].weights
    kernel.assign(np.zeros(kernel.shape))
    bias.assign(output)
    return model


def test_a_constant_matrix_and_bias_are_scipys_affine_transform():
    design = replace(SMALL, parts="spatial", smoothing=1)
    matrix, bias = np.array([[0.1, -0.2], [0.15, -0.05]]), np.array([0.2, -0.1])
    model = with_constant_output(TransformationModel(COLOUR, design), [*matrix.flat, *bias])
    images = random_images(COLOUR)
    # s = size (matrix (p - centre) / size + bias) + p, with size half an image: the model's -1 to 1 in pixels.
    size = centre = (np.array(COLOUR[:2]) - 1) / 2
    in_pixels = np.eye(2) + size[:, None] * matrix / size
    offset = centre - in_pixels @ centre + size * bias
    expected = np.empty(images.shape)
    for n, c in np.ndindex(len(images), COLOUR[2]):
        image = images[n, ..., c].astype(float)
        expected[n, ..., c] = ndimage.affine_transform(image, in_pixels, offset, order=1, mode="grid-constant")
    np.testing.assert_allclose(array(model(images)), expected, rtol=0, atol=1e-3)


def equation_20(output, shape, design):
    """The displacement [h, w, 2] that channels [h, w, 6] of G stand for."""
    height, width = shape[:2]
    field = np.empty((height, width, 2))
    for i, j in np.ndindex(height, width):
        position = np.array([2 * i / (height - 1) - 1, 2 * j / (width - 1) - 1])
        there = output[i, j, :4].reshape(2, 2) @ position + output[i, j, 4:] + position
        field[i, j] = (there - position) * [(height - 1) / 2, (width - 1) / 2]
    field = ndimage.uniform_filter(field, (design.smoothing, design.smoothing, 1), mode="reflect")
    return field if design.limit is None else design.limit * np.tanh(field / design.limit)


@pytest.mark.parametrize("limit", [None, 0.7])
def test_the_displacement_is_equation_20_less_the_coordinates(limit):
    design = replace(SMALL, parts="spatial", last_scale=1.0, limit=limit)
    model = TransformationModel(GREY, design, seed=2)
    tau = np.random.default_rng(0).normal(size=(2, 8)).astype("float32")
    expected = [equation_20(output, GREY, design) for output in array(model.generator(tau)).astype(float)]
    found = array(model.fields(tau)["displacement"])
    assert abs(found).max() > 0.5
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_a_grid_of_control_points_is_interpolated_before_equation_20():
    design = replace(SMALL, parts="spatial", last_scale=1.0, grid=4)
    model = TransformationModel(GREY, design, seed=2)
    tau = np.random.default_rng(0).normal(size=(1, 8)).astype("float32")
    control = array(model.generator(tau))[0].astype(float)
    assert control.shape == (4, 4, 6)
    zoomed = ndimage.zoom(control, (12 / 4, 9 / 4, 1), order=1)
    found = array(model.fields(tau)["displacement"])[0]
    np.testing.assert_allclose(found, equation_20(zoomed, GREY, design), rtol=0, atol=2e-6)


def test_the_appearance_model_adds_a_filter_of_the_colours_and_a_bias():
    model = TransformationModel(COLOUR, replace(SMALL, parts="appearance", last_scale=1.0), seed=1)
    images = random_images(COLOUR)
    tau = model.encode(images, drop=False)
    output = array(model.generator(tau)).astype(float).mean(axis=(1, 2))
    assert output.shape == (3, 3 * 3 + 3)
    changed = np.empty(images.shape)
    for at in np.ndindex(images.shape[:3]):
        weights, bias = output[at[0], :9].reshape(3, 3), output[at[0], 9:]
        changed[at] = images[at] + weights @ images[at] + 255 * bias
    np.testing.assert_allclose(array(model.transform(images, tau)), changed, rtol=1e-5, atol=1e-3)


def test_in_parallel_one_tau_gives_the_warp_and_then_the_colours():
    model = TransformationModel(COLOUR, replace(SMALL, last_scale=1.0), seed=1)
    assert model.design.parts == "both"
    images = random_images(COLOUR)
    tau = model.encode(images, drop=False)
    fields = {name: array(field) for name, field in model.fields(tau).items()}
    assert {name: field.shape for name, field in fields.items()} == {
        "displacement": (3, 12, 9, 2),
        "filter": (3, 3, 3),
        "bias": (3, 3),
    }
    warped = array(warp(images, fields["displacement"]))
    expected = warped + np.einsum("nhwc,ndc->nhwd", warped, fields["filter"]) + 255 * fields["bias"][:, None, None]
    np.testing.assert_allclose(array(model.transform(images, tau)), expected, rtol=1e-5, atol=1e-3)


def test_in_series_the_second_encoder_sees_the_warped_image():
    model = in_series(COLOUR, replace(SMALL, diverse=False), seed=1)
    spatial, appearance = model.layers
    assert (spatial.design.parts, appearance.design.parts) == ("spatial", "appearance")
    images = random_images(COLOUR)
    np.testing.assert_array_equal(array(model(images)), array(appearance(spatial(images))))
    kernels = [part.encoder.layers[1].kernel for part in model.layers]
    assert abs(array(kernels[0]) - array(kernels[1])).max() > 0.1


def test_grey_images_have_a_spatial_part_alone():
    model = TransformationModel(GREY, SMALL)
    assert model.design.parts == "spatial"
    assert list(model.fields(np.zeros((1, 8), "float32"))) == ["displacement"]


def test_with_a_last_scale_of_0_it_starts_as_the_identity():
    images = random_images(COLOUR)
    model = TransformationModel(COLOUR, replace(SMALL, last_scale=0))
    np.testing.assert_array_equal(array(model(images)), images)


def test_the_last_scale_scales_what_it_starts_with():
    tau = np.random.default_rng(0).normal(size=(4, 8)).astype("float32")
    small, large = (TransformationModel(COLOUR, replace(SMALL, last_scale=s), seed=4).fields(tau) for s in (0.1, 0.3))
    for name in ("displacement", "filter", "bias"):
        np.testing.assert_allclose(array(large[name]), 3 * array(small[name]), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("shape", "grid"), [((28, 28, 1), None), ((32, 32, 3), None), ((28, 28, 1), 4)])
def test_it_starts_near_the_identity_and_draws_differ(shape, grid):
    images, draws = random_images(shape), []
    for seed in range(3):
        model = TransformationModel(shape, Design(parts="spatial", grid=grid), seed)
        draws.append([array(model.fields(model.encode(images, seed=s))["displacement"]) for s in range(6)])
    assert 0.5 < np.sqrt(np.mean(np.square(draws).sum(axis=-1))) < 2.5
    assert np.std(draws, axis=1).mean() > 0.2


@pytest.mark.parametrize("grid", [None, 4, 2])
def test_a_last_scale_of_1_keeps_the_variance_of_tau(grid):
    design = Design(tau=64, width=16, last_scale=1.0, grid=grid, depth=4)
    tau = np.random.default_rng(0).normal(size=(50, 64)).astype("float32")
    outputs = np.stack([array(generator((28, 28, 1), design, seed, 6)(tau)) for seed in range(8)])
    middle = outputs.shape[2] // 2
    # Leaky units of slope 0.2 multiply the mean square by 1.04 in each of the three layers before.
    assert np.mean(outputs[:, :, middle, middle] ** 2) == pytest.approx(1.04**3, rel=0.35)


@pytest.mark.parametrize(("side", "depth", "expected"), [(28, None, 4), (32, None, 5), (8, None, 4), (28, 6, 6)])
def test_e_and_g_have_as_many_layers_as_in_the_paper(side, depth, expected):
    model = TransformationModel((side, side, 1), Design(tau=32, depth=depth, width=2))
    kinds = keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.Dense
    for network in (model.encoder, model.generator):
        assert sum(isinstance(layer, kinds) for layer in network.layers) == expected


@pytest.mark.parametrize("shape", [(4, 4, 1), (5, 16, 2), (28, 28, 1), (33, 31, 3)])
@pytest.mark.parametrize("grid", [None, 3, 6])
def test_images_of_every_size_keep_it(shape, grid):
    model = TransformationModel(shape, replace(SMALL, grid=grid))
    assert model.generator.output_shape[1:3] == tuple(min(side, grid or side) for side in shape[:2])
    assert array(model(random_images(shape, n=2))).shape == (2, *shape)


def test_tau_has_mean_0_and_variance_1_before_half_of_it_is_dropped():
    model = TransformationModel(GREY, replace(SMALL, tau=256), seed=0)
    images = random_images(GREY)
    tau = array(model.encode(images, drop=False))
    np.testing.assert_allclose(tau.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(tau.std(axis=1), 1, atol=2e-3)
    dropped = array(model.encode(images, drop=True, seed=3))
    kept = dropped != 0
    assert 0.4 < kept.mean() < 0.6
    np.testing.assert_allclose(dropped[kept], 2 * tau[kept], rtol=1e-6)


def test_draws_have_seeds():
    model, images = TransformationModel(GREY, SMALL, seed=5), random_images(GREY)
    again = TransformationModel(GREY, SMALL, seed=5)
    assert np.array_equal(array(model(images, seed=1)), array(again(images, seed=1)))
    assert not np.array_equal(array(model(images, seed=1)), array(model(images, seed=2)))
    first, second = array(model(images)), array(model(images))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(array(again(images)), first)


def test_dropout_outside_of_training_can_be_switched_off():
    model, images = TransformationModel(GREY, replace(SMALL, diverse=False)), random_images(GREY)
    np.testing.assert_array_equal(array(model(images)), array(model(images)))
    assert not np.array_equal(array(model(images, training=True)), array(model(images)))


def test_each_kernel_has_a_seed_of_its_own():
    model, same, other = (TransformationModel(COLOUR, SMALL, seed=s) for s in (0, 0, 1))
    kernels, again, others = ([w for w in m.get_weights() if w.ndim > 1] for m in (model, same, other))
    assert all(np.array_equal(a, b) for a, b in zip(kernels, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(kernels, others, strict=True))
    assert len({round(float(kernel.flat[0]) / kernel.std(), 4) for kernel in kernels}) == len(kernels) == 6


def test_images_of_whole_numbers_are_as_good():
    model, images = TransformationModel(GREY, SMALL), random_images(GREY).astype("uint8")
    np.testing.assert_array_equal(array(model(images, seed=1)), array(model(images.astype("float32"), seed=1)))


def test_images_of_0_to_1_give_the_same_on_their_scale():
    images = random_images(COLOUR)
    model, unit = (TransformationModel(COLOUR, replace(SMALL, white=white), seed=1) for white in (255.0, 1.0))
    np.testing.assert_allclose(255 * array(unit(images / 255, seed=1)), array(model(images, seed=1)), rtol=0, atol=2e-3)


def test_the_gradient_reaches_every_weight():
    model, images = TransformationModel(COLOUR, SMALL), random_images(COLOUR)
    weights = np.random.default_rng(1).normal(size=images.shape).astype("float32")

    def loss(values):
        state = zip(model.trainable_variables, values, strict=True)
        with keras.StatelessScope(state_mapping=state):
            return keras.ops.sum(keras.ops.multiply(weights, model(images, seed=1)))

    slopes = gradient(loss, [keras.ops.convert_to_tensor(v) for v in model.trainable_variables])
    assert [np.abs(array(slope)).max() > 0 for slope in slopes] == [True] * len(slopes)


@pytest.mark.parametrize("make", [TransformationModel, in_series])
def test_a_saved_model_comes_back_whole(make, tmp_path):
    design = replace(SMALL, diverse=False, grid=5, limit=2.0)
    model, images = make(COLOUR, design, seed=3), random_images(COLOUR)
    for weight in model.trainable_weights:
        weight.assign(weight + 0.1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(array(loaded(images)), array(model(images)))


def test_a_config_of_json_makes_the_same_model():
    model = TransformationModel(COLOUR, SMALL, seed=3)
    again = TransformationModel.from_config(json.loads(json.dumps(model.get_config())))
    assert (again.design, again.image_shape, again.seed) == (model.design, COLOUR, 3)
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), model.get_weights(), strict=True))


def test_it_is_a_layer_of_other_models():
    images = random_images(GREY)
    inputs = keras.layers.Input(GREY)
    model = TransformationModel(GREY, SMALL)
    whole = keras.Model(inputs, keras.layers.Flatten()(model(inputs)))
    draws = [whole.predict(images, verbose=0) for _ in range(2)]
    assert draws[0].shape == (3, np.prod(GREY))
    assert not np.array_equal(*draws)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"parts": "colour"}, "parts is 'colour'"),
        ({"tau": 0}, "tau is 0"),
        ({"depth": 1}, "depth is 1"),
        ({"grid": 1}, "grid is 1"),
        ({"dropout": 1}, "dropout is 1"),
        ({"limit": 0}, "limit is 0"),
        ({"last_scale": -1}, "last_scale is -1"),
        ({"white": float("inf")}, "white is inf"),
    ],
)
def test_an_unfit_design_is_named(wrong, message):
    with pytest.raises(InputError, match=message):
        Design(**wrong)


@pytest.mark.parametrize("parts", ["appearance", "both"])
def test_an_appearance_model_for_grey_images_is_refused(parts):
    with pytest.raises(InputError, match="grey images have no appearance model"):
        TransformationModel(GREY, replace(SMALL, parts=parts))


@pytest.mark.parametrize("shape", [(3, 28, 1), (28, 28), (8, 8, 0)])
def test_unfit_shapes_are_named(shape):
    with pytest.raises(InputError, match="images have shape"):
        TransformationModel(shape)


def test_the_encoder_has_the_paper_s_lengths_of_tau():
    for tau in (32, 64, 128, 256):
        assert encoder((28, 28, 1), Design(tau=tau, width=2), 0).output_shape == (None, tau)


def computed(folder):
    """What this process's backend makes of the saved models and the numbers in a folder: dict of arrays."""
    given = np.load(folder / "given.npz")
    model, by_all, by_image = (keras.saving.load_model(folder / f"{name}.keras", safe_mode=True) for name in SAVED)
    tau = model.encode(given["images"], drop=False)
    by_images, by_displacement = gradient(
        lambda x: keras.ops.sum(keras.ops.multiply(given["weights"], warp(*x))),
        [given["images"], given["displacement"]],
    )
    found = {
        "tau": tau,
        "transformed": model.transform(given["images"], tau),
        **model.fields(tau),
        "by_all": by_all.layers[-1](given["images"], given["uniforms"]),
        "by_image": by_image.layers[-1](given["images"], given["uniforms"]),
        "by_images": by_images,
        "by_displacement": by_displacement,
    }
    return {"backend": keras.config.backend(), **{name: array(values) for name, values in found.items()}}


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="compares TensorFlow with JAX")
def test_jax_gives_what_tensorflow_gives(tmp_path):
    images = random_images(COLOUR) / 255
    design = replace(SMALL, last_scale=0.5, white=1.0, grid=4, limit=3.0)
    layers = [TransformationModel(COLOUR, design), GlobalRanges(COLOUR), ImageRanges(COLOUR, design=design)]
    layers[1].assign(np.linspace(0.2, 2, 10))
    for name, layer in zip(SAVED, layers, strict=True):
        model = layer if name == "model" else keras.Sequential([keras.layers.Input(COLOUR), layer])
        model.save(tmp_path / f"{name}.keras")
    rng = np.random.default_rng(0)
    given = {
        "images": images,
        "weights": rng.normal(size=images.shape),
        "displacement": rng.normal(0, 3, (*images.shape[:3], 2)),
        "uniforms": rng.uniform(-1, 1, (3, layers[1].n_uniforms)),
    }
    np.savez(tmp_path / "given.npz", **{name: values.astype("float32") for name, values in given.items()})
    # Compiled without optimisation it takes half of the time.
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": flags}
    command = [sys.executable, __file__, str(tmp_path)]
    said = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    ours = computed(tmp_path)
    with np.load(tmp_path / "found.npz") as theirs:
        assert (ours.pop("backend"), theirs["backend"]) == ("tensorflow", "jax")
        for name, values in ours.items():
            np.testing.assert_allclose(theirs[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


if __name__ == "__main__":
    np.savez(Path(sys.argv[1], "found.npz"), **computed(Path(sys.argv[1])))
