"""Array augmentations: the base by whole pixels, then the function."""

import numpy as np
import pytest

from influaug.augnet.on_arrays import OnArrays
from influaug.augnet.ranges import Family
from influaug.errors import InputError

pytestmark = pytest.mark.slow


def same(image, rng):
    return image


def test_images_are_moved_by_whole_pixels_evenly_with_black_from_outside():
    image = np.zeros((8, 8, 1), "uint8")
    image[3:5, 3:5] = [[[1], [2]], [[3], [4]]]
    copies = OnArrays((8, 8, 1), Family(base_shift=2), same)(image[None].repeat(5000, 0))
    corners = np.array([np.argwhere(copy[..., 0] == 1)[0] - 3 for copy in copies])
    assert all(np.array_equal(c, np.roll(image, by, (0, 1))) for c, by in zip(copies, corners, strict=True))
    for axis in (0, 1):
        values, counts = np.unique(corners[:, axis], return_counts=True)
        assert values.tolist() == [-2, -1, 0, 1, 2]
        np.testing.assert_allclose(counts / 5000, 0.2, atol=0.03)


def test_half_are_mirrored_if_the_family_flips():
    image = np.arange(12, dtype="uint8").reshape(1, 3, 4, 1).repeat(2000, 0)
    flipped = OnArrays((3, 4, 1), Family(base_shift=0, flips=True), same)(image)
    mirrored = (flipped == image[:, :, ::-1]).all(axis=(1, 2, 3))
    assert mirrored.mean() == pytest.approx(0.5, abs=0.04) and ((flipped == image).all((1, 2, 3)) | mirrored).all()


def test_draws_go_on_unless_a_seed_is_given():
    images = np.random.default_rng(0).uniform(0, 255, (20, 6, 6, 1))
    layer = OnArrays((6, 6, 1), Family(base_shift=1), lambda image, rng: image // 2 + rng.integers(9, dtype="uint8"), 3)
    first, second = layer(images), layer(images)
    assert first.dtype == np.uint8 and not np.array_equal(first, second)
    np.testing.assert_array_equal(layer(images, seed=1), layer(images, seed=1))
    np.testing.assert_array_equal(OnArrays((6, 6, 1), Family(base_shift=1), layer.draw, 3)(images), first)
    with pytest.raises(InputError, match=r"they must be \[n, \*\(6, 6, 1\)\]"):
        layer(images[:, :5])
