"""Grey values of either scale: there and back, a hair beyond the range, and what is neither."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influaug.data.image_form import ImageForm
from influaug.errors import InputError


def images(n=6, size=10, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


@given(st.sampled_from([1, 3]), st.booleans(), st.sampled_from(["u1", "i8", "f4", "f8", "unit f4", "unit f8"]))
def test_images_go_there_and_back(channels, missing, kind):
    x = images(channels=1 if missing else channels)
    x[0, 0, 0] = 255
    given_ = x[..., 0] if missing else x
    given_ = (given_ / 255).astype(kind[5:]) if kind.startswith("unit") else given_.astype(kind)
    form = ImageForm.of(given_)
    np.testing.assert_array_equal(form.standard(given_), x)
    back = form.back(x)
    assert back.dtype == given_.dtype and back.shape == given_.shape
    np.testing.assert_allclose(back, given_, rtol=1e-6)


def test_images_of_another_scale_than_before_are_refused_either_way():
    unit, wide = (
        ImageForm.of(np.linspace(0, 1, 64).reshape(1, 8, 8)),
        ImageForm.of(np.linspace(0, 255, 64).reshape(1, 8, 8)),
    )
    with pytest.raises(InputError, match="from 0 to 255 before, but now go up to 1 alone"):
        wide.like(np.linspace(0, 1, 64).reshape(1, 8, 8))
    with pytest.raises(InputError, match="from 0 to 1 before"):
        unit.like(np.linspace(0, 255, 64).reshape(1, 8, 8))
    for black in (np.zeros((1, 8, 8)), np.eye(8)[None]):
        assert wide.like(black).standard(black).max() == black.max()


def test_copies_end_where_a_small_type_does():
    form = ImageForm.of(np.full((2, 8, 8), 120, np.int8))
    back = form.back(np.full((2, 8, 8, 1), 200, np.uint8))
    assert back.dtype == np.int8 and (back == 127).all()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (np.zeros((3, 4)), r"must be \[n, height, width\]"),
        (np.zeros((3, 3, 8, 8)), "with 1, 3 or 4 channels"),
        (np.zeros((0, 8, 8)), r"not \[0, 8, 8\]"),
        (np.full((2, 8, 8), -1), "not -1 to -1"),
        (np.full((2, 8, 8), 400.0), "0 to 255, or 0.0 to 1.0"),
        (np.full((2, 8, 8), np.nan), "without NaN"),
        (np.full((2, 8, 8), "a"), "whole numbers or floats"),
    ],
)
def test_what_are_no_images_is_refused(wrong, right):
    with pytest.raises(InputError, match=right):
        ImageForm.of(wrong)


def test_more_images_have_the_scale_of_the_first():
    unit, wide = ImageForm.of(np.linspace(0, 1, 64).reshape(1, 8, 8)), ImageForm.of(np.full((1, 8, 8), 200.0))
    dark = np.full((1, 8, 8), 1.0)
    assert wide.like(dark).standard(dark).max() == 1 and unit.like(dark).standard(dark).min() == 255
    assert unit.like(np.full((1, 8, 8), 200, np.uint8)).standard(np.full((1, 8, 8), 200, np.uint8)).max() == 200
    with pytest.raises(InputError, match="from 0 to 1 before"):
        unit.like(np.full((1, 8, 8), 200.0))


@pytest.mark.parametrize("beyond", [1e-7, 1e-4, 1.9e-3, 0.08])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_a_hair_beyond_their_range_keep_their_grey_levels(beyond, dtype):
    x = images()
    x[0, 0, :2] = [[0], [255]]
    for scale, hair in ((255, beyond), (1, 255 * beyond)):
        near = (x / scale).astype(dtype)
        near[0, 0, 0], near[0, 0, 1] = -hair, 255 / scale + hair
        form = ImageForm.of(near)
        assert form.unit == (scale == 255)
        np.testing.assert_array_equal(form.standard(near), x)
        np.testing.assert_array_equal(form.like(near).standard(near), x)


@pytest.mark.parametrize("high", [1.5, 1.99, 20.0])
def test_floats_between_the_scales_are_refused_unless_the_scale_is_known(high):
    x = np.linspace(0, high, 64).reshape(1, 8, 8)
    with pytest.raises(InputError, match="rescale them to one of the two"):
        ImageForm.of(x)
    wide = ImageForm.of(np.full((1, 8, 8), 200.0)).like(x)
    assert wide.standard(x).max() == round(high)
