"""Ranges of random warps against scipy's transforms, sums over pixels and finite differences."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, ndimage

from influaug.augnet.conditional_operations import ImageOperations
from influaug.augnet.learned_operations import LearnedOperations
from influaug.augnet.models import Design
from influaug.augnet.random_operations import RandomOperations
from influaug.augnet.ranges import LINEAR_GROUPS, Family, GlobalRanges, ImageRanges, modes
from influaug.backend import keras
from influaug.backend.derivatives import gradient
from influaug.errors import InputError

pytestmark = pytest.mark.slow

SHAPE = (12, 9, 2)
SMALL = Design(tau=8, depth=3, width=4)
STILL = Family(base_shift=0)
N_GROUPS = 10


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def random_images(n=3, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (n, *shape)).astype("float32")


def random_uniforms(layer, n, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, layer.n_uniforms)).astype("float32")


@settings(deadline=None, max_examples=25)
@given(h=st.integers(6, 40), w=st.integers(6, 40), bands=st.sampled_from([(1, 2, 3, 4), (1.5, 5), ()]))
def test_every_group_is_1_px_rms(h, w, bands):
    fields, groups = modes(h, w, bands)
    lengths = np.sum(fields.astype(float) ** 2, axis=-1).mean(axis=(1, 2))
    np.testing.assert_allclose(np.bincount(groups, weights=lengths), np.ones(6 + len(bands)), rtol=1e-5)


def test_draws_of_each_group_are_sigma_px_rms():
    layer = GlobalRanges(SHAPE, STILL)
    for group in range(N_GROUPS):
        sigma = 1.7 * np.eye(N_GROUPS, dtype="float32")[[group]]
        drawn = array(layer.displacement(sigma, layer.draw(4000, seed=group)))
        assert np.sqrt(np.mean(np.sum(drawn**2, axis=-1))) == pytest.approx(1.7, rel=0.03)
        assert abs(drawn.mean()) < 0.05


def test_elastic_bands_hold_their_frequencies_alone():
    fields, groups = modes(16, 11, (1, 2, 3, 4))
    frequency = np.hypot(*np.indices((16, 11)))
    for band, (low, high) in enumerate([(0, 1), (1, 2), (2, 3), (3, 4)]):
        within = (frequency > low) & (frequency <= high)
        waves = fields[groups == len(LINEAR_GROUPS) + band].astype(float)
        assert len(waves) == 2 * within.sum()
        spectrum = fft.dctn(waves, axes=(1, 2), norm="ortho")
        np.testing.assert_allclose(spectrum[:, ~within], 0, atol=1e-5)
        assert np.all(np.sum(spectrum[:, within] ** 2, axis=0) > 0.1)
        # Waves are orthogonal, so that each draws independently of the others.
        flat = waves.reshape(len(waves), -1)
        np.testing.assert_allclose(flat @ flat.T, np.eye(len(waves)) * 16 * 11 / len(waves), atol=1e-3)


# Matrices that output positions, less the centre, are multiplied with to give where they come from, less themselves.
LINEAR_MAPS = {
    "rotation": [[0, 1], [-1, 0]],
    "scale": [[1, 0], [0, 1]],
    "aspect": [[1, 0], [0, -1]],
    "shear": [[0, 1], [1, 0]],
}


@pytest.mark.parametrize("group", LINEAR_GROUPS)
def test_linear_groups_are_scipys_affine_transforms(group):
    layer, images = GlobalRanges(SHAPE, STILL), random_images(1)
    at, centre = LINEAR_GROUPS.index(group), (np.array(SHAPE[:2]) - 1) / 2
    positions = np.stack(np.indices(SHAPE[:2]), axis=-1) - centre
    matrix, shift = np.eye(2), np.zeros(2)
    if group in LINEAR_MAPS:
        change = np.array(LINEAR_MAPS[group], dtype=float)
        matrix += 2 * 0.5 * change / np.sqrt(np.mean(np.sum((positions @ change.T) ** 2, axis=-1)))
    else:
        shift[at] = 2 * 0.5
    uniforms = np.zeros((1, layer.n_uniforms), "float32")
    uniforms[0, 3 + at] = 0.5 / np.sqrt(3)
    layer.assign(2 * np.eye(N_GROUPS)[at])
    found = array(layer(images, uniforms))[0]
    offset = shift + centre - matrix @ centre
    for channel in range(SHAPE[2]):
        image = images[0, ..., channel].astype(float)
        expected = ndimage.affine_transform(image, matrix, offset, order=1, mode="grid-constant")
        np.testing.assert_allclose(found[..., channel], expected, rtol=0, atol=1e-3)


def test_the_displacement_is_the_sum_over_groups():
    layer = GlobalRanges(SHAPE, Family(base_shift=1))
    uniforms, sigma = random_uniforms(layer, 4), np.random.default_rng(1).uniform(0, 2, (4, N_GROUPS))
    uniforms[:, :2] = [[-1, -0.34], [-0.33, 0.33], [0.34, 0.99], [1, 0]]
    fields, groups = modes(*SHAPE[:2], (1, 2, 3, 4))
    expected = np.zeros((4, *SHAPE[:2], 2))
    expected += np.array([[-1, -1], [0, 0], [1, 1], [1, 0]])[:, None, None]
    for copy, mode in np.ndindex(4, len(fields)):
        expected[copy] += sigma[copy, groups[mode]] * np.sqrt(3) * uniforms[copy, 3 + mode] * fields[mode]
    found = array(layer.displacement(sigma.astype("float32"), uniforms))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_ranges_of_0_leave_the_base_shifts_by_whole_pixels():
    layer = GlobalRanges((8, 8, 1))
    layer.assign(np.zeros(N_GROUPS))
    images = np.pad(random_images(2000, (3, 3, 1)) + 1, [(0, 0), (2, 3), (2, 3), (0, 0)])
    copies = array(layer(images, seed=4))
    corners = np.array([np.argwhere(copy[..., 0] > 0).min(axis=0) - 2 for copy in copies])
    for image, copy, corner in zip(images, copies, corners, strict=True):
        np.testing.assert_array_equal(copy, np.roll(image, corner, axis=(0, 1)))
    # Each of 25 shifts is expected 80 times, with a standard deviation of 9.
    shifts, counts = np.unique(corners, axis=0, return_counts=True)
    assert sorted(map(tuple, shifts.tolist())) == [(i, j) for i in range(-2, 3) for j in range(-2, 3)]
    assert counts.min() > 45
    assert counts.max() < 120


def test_without_ranges_and_base_shifts_it_is_the_identity():
    layer, images = GlobalRanges(SHAPE, STILL), random_images()
    layer.assign(np.zeros(N_GROUPS))
    np.testing.assert_array_equal(array(layer(images)), images)


def test_it_starts_with_the_same_small_range_for_each_of_ten_groups():
    layer = GlobalRanges(SHAPE)
    bands = [f"elastic {band}" for band in (1, 2, 3, 4)]
    assert list(layer.ranges()) == list(layer.groups) == [*LINEAR_GROUPS, *bands]
    np.testing.assert_allclose(list(layer.ranges().values()), 0.5, rtol=1e-6)
    assert [weight.shape for weight in layer.trainable_weights] == [(N_GROUPS,)]


@given(st.lists(st.floats(0, 3.9), min_size=N_GROUPS, max_size=N_GROUPS))
@settings(deadline=None, max_examples=20)
def test_ranges_are_what_was_assigned(sigma):
    layer = GlobalRanges(SHAPE)
    layer.assign(sigma)
    np.testing.assert_allclose(list(layer.ranges().values()), sigma, rtol=1e-4, atol=1e-30)


def test_ranges_stay_below_the_cap_however_large_the_weights():
    layer = GlobalRanges(SHAPE)
    layer.log_sigma.assign(np.linspace(-9, 20, N_GROUPS))
    sigma = array(layer.sigma())[0]
    np.testing.assert_allclose(sigma, 4 * np.tanh(np.exp(np.linspace(-9, 20, N_GROUPS)) / 4), rtol=1e-5)
    assert sigma.max() <= 4


@pytest.mark.parametrize("sigma", [[0.1] * 9, [4.0] * 10, [-0.1] * 10, [np.nan] * 10])
def test_ranges_that_cannot_be_are_named(sigma):
    with pytest.raises(InputError, match="sigma must be 10 numbers from 0 to below 4"):
        GlobalRanges(SHAPE).assign(sigma)


def test_derivatives_by_the_ranges_are_those_of_finite_differences():
    layer, images = GlobalRanges(SHAPE), random_images() / 255
    uniforms = random_uniforms(layer, 3)
    log_sigma = np.log(np.linspace(0.1, 3, N_GROUPS)).astype("float32")
    weights = np.random.default_rng(2).normal(size=images.shape).astype("float32")

    def loss(values):
        with keras.StatelessScope(state_mapping=[(layer.log_sigma, values[0])]):
            return keras.ops.sum(keras.ops.multiply(weights, layer(images, uniforms)))

    fields, groups = modes(*SHAPE[:2], (1, 2, 3, 4))
    base = array(layer.displacement(np.zeros((1, N_GROUPS), "float32"), uniforms)).astype(float)

    def by_scipy(log_sigma):
        sigma = 4 * np.tanh(np.exp(log_sigma) / 4)
        strengths = np.sqrt(3) * uniforms[:, 3:].astype(float) * sigma[groups]
        fetched = np.indices(SHAPE[:2]) + np.moveaxis(base + np.einsum("nk,khwd->nhwd", strengths, fields), -1, 1)
        total = 0.0
        for n, c in np.ndindex(3, SHAPE[2]):
            image = images[n, ..., c].astype(float)
            warped = ndimage.map_coordinates(image, fetched[n], order=1, mode="grid-constant")
            total += np.sum(weights[n, ..., c] * warped)
        return total

    # So short a step that no pixel crosses a kink of the interpolation.
    step, point = 1e-6, log_sigma.astype(float)
    slopes = [(by_scipy(point + e) - by_scipy(point - e)) / (2 * step) for e in step * np.eye(N_GROUPS)]
    assert np.abs(slopes).min() > 1e-3
    found = array(gradient(loss, [keras.ops.convert_to_tensor(log_sigma)])[0])
    np.testing.assert_allclose(found, slopes, rtol=1e-3, atol=1e-3)


def test_draws_have_seeds():
    layer, again, images = GlobalRanges(SHAPE, seed=7), GlobalRanges(SHAPE, seed=7), random_images()
    assert np.array_equal(array(layer(images, seed=1)), array(again(images, seed=1)))
    assert not np.array_equal(array(layer(images, seed=1)), array(layer(images, seed=2)))
    first, second = array(layer(images)), array(layer(images))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(array(again(images)), first)
    uniforms = array(layer.draw(3, seed=1))
    np.testing.assert_array_equal(array(layer(images, uniforms)), array(layer(images, seed=1)))


def test_copies_of_one_image_differ_and_whole_numbers_are_as_good():
    layer = GlobalRanges(SHAPE)
    images = np.repeat(random_images(1).astype("uint8"), 3, axis=0)
    copies = array(layer(images, seed=3))
    assert len(np.unique(copies.reshape(3, -1), axis=0)) == 3
    np.testing.assert_array_equal(copies, array(layer(images.astype("float32"), seed=3)))


def test_each_image_has_ranges_of_its_own():
    layer, images = ImageRanges(SHAPE, STILL, design=SMALL), random_images()
    sigma, uniforms = array(layer.sigma(images)), random_uniforms(layer, 3)
    assert sigma.shape == (3, N_GROUPS)
    assert np.all(sigma.std(axis=0) > 1e-4)
    np.testing.assert_allclose(np.log(sigma), np.log(0.5), atol=1)
    one = GlobalRanges(SHAPE, STILL)
    for n in range(3):
        one.assign(sigma[n])
        alone = array(one(images[n : n + 1], uniforms[n : n + 1]))
        np.testing.assert_allclose(array(layer(images, uniforms))[n : n + 1], alone, rtol=0, atol=2e-3)


def test_with_a_last_scale_of_0_images_start_with_the_common_ranges():
    layer = ImageRanges(SHAPE, design=Design(tau=8, depth=3, width=4, last_scale=0))
    np.testing.assert_allclose(array(layer.sigma(random_images())), 0.5, rtol=1e-6)


def test_the_gradient_reaches_every_weight_of_e():
    layer, images = ImageRanges(SHAPE, design=SMALL), random_images() / 255
    weights = np.random.default_rng(1).normal(size=images.shape).astype("float32")
    variables = layer.trainable_variables

    def loss(values):
        with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
            return keras.ops.sum(keras.ops.multiply(weights, layer(images, seed=1)))

    slopes = gradient(loss, [keras.ops.convert_to_tensor(variable) for variable in variables])
    assert len(slopes) == 2 * 3 + 2
    assert all(np.abs(array(slope)).max() > 0 for slope in slopes)


@pytest.mark.parametrize("make", [GlobalRanges, lambda *given: ImageRanges(*given, design=SMALL)])
def test_a_saved_layer_comes_back_whole(make, tmp_path):
    layer, images = make(SHAPE, Family(base_shift=1, bands=(2, 3), start=0.3, cap=3.0), 5), random_images()
    for weight in layer.trainable_weights:
        weight.assign(weight + 0.2)
    keras.Sequential([keras.layers.Input(SHAPE), layer]).save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True).layers[-1]
    assert (type(loaded), loaded.family, loaded.seed) == (type(layer), layer.family, 5)
    uniforms = random_uniforms(layer, 3)
    np.testing.assert_array_equal(array(loaded(images, uniforms)), array(layer(images, uniforms)))


@pytest.mark.parametrize("layer", [GlobalRanges(SHAPE, seed=3), ImageRanges(SHAPE, seed=3, design=SMALL)])
def test_a_config_of_json_makes_the_same_layer(layer):
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert (again.family, again.image_shape, again.seed) == (layer.family, SHAPE, 3)
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), layer.get_weights(), strict=True))


def test_it_is_a_layer_of_models_whose_batches_vary():
    model = keras.Sequential([keras.layers.Input(SHAPE), GlobalRanges(SHAPE), keras.layers.Flatten()])
    assert model.predict(random_images(5), batch_size=3, verbose=0).shape == (5, np.prod(SHAPE))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"base_shift": -1}, "base_shift is -1"),
        ({"start": 0}, "start is 0"),
        ({"start": 4}, "start is 4; it must be below cap"),
        ({"cap": -1}, "cap is -1"),
        ({"bands": (2, 1)}, r"bands are \(2, 1\)"),
        ({"bands": (0, 1)}, r"bands are \(0, 1\)"),
    ],
)
def test_an_unfit_family_is_named(wrong, message):
    with pytest.raises(InputError, match=message):
        Family(**wrong)


def test_bands_that_fit_no_wave_or_image_are_named():
    with pytest.raises(InputError, match="no wave with a frequency above 0"):
        modes(8, 8, (0.5, 1))
    with pytest.raises(InputError, match="images are 4 x 8; elastic waves up to 4 need more pixels"):
        GlobalRanges((4, 8, 1))


@pytest.mark.parametrize("shape", [(3, 5), (3, 44)])
def test_uniforms_of_another_number_are_named(shape):
    with pytest.raises(InputError, match="uniforms"):
        GlobalRanges(SHAPE)(random_images(), np.zeros(shape, "float32"))


def test_paired_draws_have_the_same_base_and_opposite_warps():
    layer = GlobalRanges(SHAPE, Family(base_shift=2, flips=True))
    first, second = np.split(array(layer.draw(10, seed=3, paired=True)), 2)
    np.testing.assert_array_equal(first[:, :3], second[:, :3])
    np.testing.assert_array_equal(first[:, 3:], -second[:, 3:])
    assert len(np.unique(first)) == first.size


@pytest.mark.parametrize("make", [GlobalRanges, ImageRanges, LearnedOperations, ImageOperations, RandomOperations])
def test_images_of_another_shape_are_refused_by_every_layer(make):
    layer = make((16, 16, 1), Family(base_shift=0, bands=(2,)))
    for shape in ((2, 16, 16, 3), (2, 16, 20, 1), (2, 16, 16)):
        with pytest.raises(InputError, match=r"this augmentation is of \[n, \*\(16, 16, 1\)\]"):
            layer(np.zeros(shape, "float32"))
    assert layer(np.zeros((2, 16, 16, 1), "float32")).shape == (2, 16, 16, 1)
