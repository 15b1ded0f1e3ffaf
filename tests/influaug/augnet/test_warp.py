"""Warps against scipy.ndimage and finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from influaug.augnet.warp import bound, smooth, upsample, warp
from influaug.backend import keras
from influaug.backend.derivatives import gradient
from influaug.errors import InputError

pytestmark = pytest.mark.slow

ops = keras.ops
REACHES = (0, 0.3, 3, 40, 1e6, 1e20)

sides = st.integers(1, 9)
seeds = st.integers(0, 2**32 - 1)


def array(tensor):
    return ops.convert_to_numpy(tensor)


def interpolated(image, displacement):
    """One image [h, w, c], warped by scipy in double precision."""
    coordinates = np.indices(image.shape[:2]) + np.moveaxis(displacement.astype(float), -1, 0)
    channels = np.moveaxis(image.astype(float), -1, 0)
    warped = [ndimage.map_coordinates(one, coordinates, order=1, mode="grid-constant") for one in channels]
    return np.stack(warped, axis=-1)


@settings(deadline=None, max_examples=40)
@given(n=st.integers(1, 3), h=sides, w=sides, c=st.integers(1, 3), reach=st.sampled_from(REACHES), seed=seeds)
def test_a_warp_is_scipys_interpolation(n, h, w, c, reach, seed):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (n, h, w, c)).astype("float32")
    displacement = (reach * rng.normal(size=(n, h, w, 2))).astype("float32")
    whole = rng.random(displacement.shape) < 0.2
    displacement[whole] = np.rint(displacement[whole])
    expected = np.stack([interpolated(*pair) for pair in zip(images, displacement, strict=True)])
    np.testing.assert_allclose(array(warp(images, displacement)), expected, rtol=0, atol=1e-6)


def test_images_of_0_to_255_keep_their_relative_precision():
    rng = np.random.default_rng(0)
    images, displacement = rng.uniform(0, 255, (2, 28, 28, 3)), rng.normal(0, 3, (2, 28, 28, 2))
    images, displacement = images.astype("float32"), displacement.astype("float32")
    expected = np.stack([interpolated(*pair) for pair in zip(images, displacement, strict=True)])
    np.testing.assert_allclose(array(warp(images, displacement)), expected, rtol=0, atol=255e-6)


def test_no_displacement_returns_the_very_image_and_whole_ones_move_it():
    images = np.random.default_rng(0).random((2, 5, 6, 3), dtype="float32")
    still = np.zeros((2, 5, 6, 2), "float32")
    np.testing.assert_array_equal(array(warp(images, still)), images)
    moved = np.zeros_like(images)
    moved[:, 1:, :-2] = images[:, :-1, 2:]
    np.testing.assert_array_equal(array(warp(images, still + np.float32([-1, 2]))), moved)


@pytest.fixture
def smooth_problem():
    """Images, a displacement with no pixel near a kink of the interpolation, and weights of a sum over the output."""
    rng = np.random.default_rng(3)
    images, weights = rng.normal(size=(2, 2, 6, 7, 2))
    displacement = rng.integers(-4, 4, (2, 6, 7, 2)) + rng.uniform(0.1, 0.9, (2, 6, 7, 2))
    return images, displacement, weights


def finite_differences(function, point, step):
    slopes = np.empty_like(point)
    for at in np.ndindex(point.shape):
        moved = [point.copy(), point.copy()]
        moved[0][at] += step
        moved[1][at] -= step
        slopes[at] = (function(moved[0]) - function(moved[1])) / (2 * step)
    return slopes


def test_derivatives_are_those_of_finite_differences(smooth_problem):
    images, displacement, weights = smooth_problem

    def by_scipy(images, displacement):
        return sum(np.sum(w * interpolated(*pair)) for w, *pair in zip(weights, images, displacement, strict=True))

    tensors = [array.astype("float32") for array in smooth_problem]
    by_images, by_displacement = gradient(lambda x: ops.sum(ops.multiply(tensors[2], warp(*x))), tensors[:2])
    slopes = finite_differences(lambda x: by_scipy(x, displacement), images, 1e-3)
    np.testing.assert_allclose(array(by_images), slopes, rtol=0, atol=1e-5)
    slopes = finite_differences(lambda x: by_scipy(images, x), displacement, 1e-3)
    np.testing.assert_allclose(array(by_displacement), slopes, rtol=0, atol=1e-5)


def test_far_outside_there_is_nothing_to_follow():
    images = np.ones((1, 4, 4, 1), "float32")
    far = np.full((1, 4, 4, 2), 1e9, "float32")
    by_images, by_displacement = gradient(lambda x: ops.sum(warp(*x)), [images, far])
    assert not array(by_images).any()
    assert not array(by_displacement).any()


@pytest.mark.parametrize("shape", [(1, 4, 4, 2), (2, 4, 5, 2), (2, 4, 4, 3), (2, 4, 4)])
def test_shapes_that_do_not_fit_are_named(shape):
    with pytest.raises(InputError, match="images have shape"):
        warp(np.zeros((2, 4, 4, 1), "float32"), np.zeros(shape, "float32"))


def test_whole_numbers_are_refused():
    with pytest.raises(InputError, match="floating-point"):
        warp(np.zeros((1, 4, 4, 1), "uint8"), np.zeros((1, 4, 4, 2), "float32"))


@given(st.floats(-1e4, 1e4), st.floats(0.1, 30))
def test_a_bound_displacement_stays_below_its_limit_and_keeps_its_direction(displacement, limit):
    bounded = float(bound(ops.convert_to_tensor(displacement, "float32"), limit))
    assert bounded == pytest.approx(limit * np.tanh(displacement / limit), rel=1e-4, abs=1e-6)
    assert abs(bounded) <= limit * (1 + 1e-6)


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_a_limit_that_is_none_is_named(limit):
    with pytest.raises(InputError, match="positive number of pixels"):
        bound(np.zeros(2, "float32"), limit)


@settings(deadline=None, max_examples=25)
@given(h=sides, w=sides, size=sides, seed=seeds)
def test_smoothing_is_scipys_uniform_filter(h, w, size, seed):
    size = min(size, h, w)
    field = np.random.default_rng(seed).normal(size=(2, h, w, 2)).astype("float32")
    expected = ndimage.uniform_filter(field.astype(float), (1, size, size, 1), mode="reflect")
    np.testing.assert_allclose(array(smooth(field, size)), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_smoothing_moves_no_image_that_is_shifted_as_a_whole(size):
    field = np.zeros((1, 6, 7, 2), "float32") + np.float32([0, 1.5])
    np.testing.assert_allclose(array(smooth(field, size)), field, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [0, 6])
def test_a_window_that_does_not_fit_is_named(size):
    with pytest.raises(InputError, match=f"size is {size}; the window must have 1 to 5 pixels"):
        smooth(np.zeros((1, 5, 7, 2), "float32"), size)


@settings(deadline=None, max_examples=25)
@given(rows=st.integers(2, 6), columns=st.integers(2, 6), h=sides, w=sides, seed=seeds)
def test_upsampling_interpolates_between_the_corners(rows, columns, h, w, seed):
    control = np.random.default_rng(seed).normal(size=(1, rows, columns, 2)).astype("float32")
    at = np.meshgrid(np.linspace(0, rows - 1, h), np.linspace(0, columns - 1, w), indexing="ij")
    expected = [ndimage.map_coordinates(control[0, ..., k].astype(float), at, order=1) for k in range(2)]
    np.testing.assert_allclose(array(upsample(control, h, w))[0], np.stack(expected, -1), rtol=0, atol=2e-6)


def test_linear_fields_stay_linear_when_upsampled():
    def plane(rows, columns):
        down, right = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
        return (3 + 2 * down - right)[None, ..., None].astype("float32")

    np.testing.assert_allclose(array(upsample(plane(4, 3), 28, 20)), plane(28, 20), rtol=0, atol=2e-6)
