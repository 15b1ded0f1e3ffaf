"""TrivialAugment: the published operations and ranges, repeatable draws, grey and colour images."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage

from influaug.data.trivial_augment import DEGREES, OPERATIONS, SHEAR, trivial_augment, trivially_augmented
from influaug.errors import InputError


@pytest.fixture(scope="module")
def images():
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(6, 24, 20, 3)), (0, 3, 3, 0))
    return np.rint(127 + 120 * smooth / np.abs(smooth).max()).astype(np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_draws_depend_on_the_image_and_the_seed_alone(images, channels):
    images = images[..., :channels]
    copies = trivial_augment(3, seed=5)(images)
    assert copies.shape == (3, *images.shape) and copies.dtype == np.uint8
    np.testing.assert_array_equal(trivial_augment(3, seed=5)(images[::-1])[:, ::-1], copies)
    np.testing.assert_array_equal(trivial_augment(2, seed=5)(images[2:3])[:, 0], copies[:2, 2])
    assert (trivial_augment(3, seed=6)(images) != copies).any()
    assert trivial_augment(1)(images[:0]).shape == (1, 0, *images.shape[1:])


def test_every_operation_is_drawn_equally_often(monkeypatch, images):
    counts = dict.fromkeys(OPERATIONS, 0)

    def counting(name):
        def operation(image, strength, sign):
            counts[name] += 1
            assert 0 <= strength <= 1 and sign in (-1, 1)
            return image

        return operation

    for name in OPERATIONS:
        monkeypatch.setitem(OPERATIONS, name, counting(name))
    rng = np.random.default_rng(0)
    for _ in range(2800):
        trivially_augmented(images[0], rng)
    assert len(counts) == 14 and min(counts.values()) > 140 and max(counts.values()) < 260


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_operations_are_those_of_the_paper(images, mode, channels):
    picture = Image.fromarray(images[0, :, :, 0] if mode == "L" else images[0])
    make = {name: np.asarray(operation(picture, 1.0, 1)) for name, operation in OPERATIONS.items()}
    for name, kind in (("contrast", "Contrast"), ("brightness", "Brightness"), ("sharpness", "Sharpness")):
        np.testing.assert_array_equal(make[name], np.asarray(getattr(ImageEnhance, kind)(picture).enhance(1.9)))
    np.testing.assert_array_equal(make["posterize"], np.asarray(picture) & 0b11110000)
    np.testing.assert_array_equal(make["solarize"], 255 - np.asarray(picture))
    np.testing.assert_array_equal(make["equalize"], np.asarray(ImageOps.equalize(picture)))
    if mode == "L":
        np.testing.assert_array_equal(make["colour"], np.asarray(picture))
    at_rest = [np.asarray(OPERATIONS[name](picture, 0.0, -1)) for name in OPERATIONS if name[-2:] in (" x", " y")]
    assert all(np.array_equal(made, np.asarray(picture)) for made in at_rest) and len(at_rest) == 4
    moved = np.asarray(OPERATIONS["translate x"](picture, 0.8, 1))  # a quarter of 20 pixels
    np.testing.assert_array_equal(moved[:, :14], np.asarray(picture)[:, 5:19])
    grey = images[0, :, :, 0].astype(float)
    if mode == "L":
        turned = ndimage.rotate(grey, -DEGREES, reshape=False, order=1)[6:-6, 6:-6]
        other = ndimage.rotate(grey, DEGREES, reshape=False, order=1)[6:-6, 6:-6]
        found = make["rotate"][6:-6, 6:-6]
        assert min(np.abs(found - turned).max(), np.abs(found - other).max()) < 6
        rows, columns = np.indices(grey.shape)
        sheared = ndimage.map_coordinates(grey, [rows, columns + SHEAR * (rows + 0.5)], order=1)
        assert np.abs(make["shear x"][:, :10] - sheared[:, :10]).max() < 3


@pytest.mark.parametrize("wrong", [{"n_copies": 0}, {"n_copies": True}, {"n_copies": 1, "seed": -1}])
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(InputError, match="must be a whole number"):
        trivial_augment(**wrong)


def test_other_channels_are_refused():
    with pytest.raises(InputError, match="1 or 3 channels, not 2"):
        trivially_augmented(np.zeros((4, 4, 2), np.uint8), np.random.default_rng(0))
