"""A learned transformation behind a base augmentation."""

import numpy as np
import pytest

from influaug.augnet.chain import AfterBase, base_augmentation
from influaug.augnet.ranges import Family, GlobalRanges
from influaug.backend import keras
from influaug.errors import InputError

pytestmark = pytest.mark.slow

SHAPE = (10, 8, 1)


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def random_images(n, seed=0):
    return np.random.default_rng(seed).uniform(1, 255, (n, *SHAPE)).astype("float32")


@keras.saving.register_keras_serializable("influaug_tests")
class Negative(keras.layers.Layer):
    def call(self, images, seed=None):
        return -images


def rolled(image, down, right):
    """An image shifted by whole pixels with zeros coming in."""
    padded = np.pad(image, [(4, 4), (4, 4), (0, 0)])
    return padded[4 + down : 4 + down + SHAPE[0], 4 + right : 4 + right + SHAPE[1]]


@pytest.mark.parametrize("flips", [False, True])
def test_the_base_shifts_by_whole_pixels_and_flips_half(flips):
    base, image = base_augmentation(SHAPE, Family(base_shift=2, flips=flips)), random_images(1)[0]
    copies = array(base(np.repeat(image[None], 400, axis=0), seed=3))
    kinds = {(f, i, j): rolled(image[:, ::-1] if f else image, i, j) for f in (0, 1) for i in R5 for j in R5}
    found = [next(kind for kind, each in kinds.items() if np.allclose(each, copy, atol=1e-3)) for copy in copies]
    assert {kind[1:] for kind in found} == {(i, j) for i in R5 for j in R5}
    assert (0.4 < np.mean([kind[0] for kind in found]) < 0.6) if flips else not any(kind[0] for kind in found)
    assert base.trainable_variables == []


R5 = range(-2, 3)


def test_a_share_of_the_copies_is_learned():
    images, base = random_images(600), base_augmentation(SHAPE, Family(base_shift=0))
    for share in (0.0, 0.3, 1.0):
        copies = array(AfterBase(base, Negative(), share, seed=1)(images))
        learned = copies.min(axis=(1, 2, 3)) < 0
        assert abs(learned.mean() - share) < 0.06
        np.testing.assert_allclose(np.abs(copies), images, rtol=1e-5)


def test_a_seed_decides_the_copies_and_none_draws_anew():
    layer = AfterBase(base_augmentation(SHAPE, Family()), GlobalRanges(SHAPE, Family(base_shift=0, start=1.0)), 0.5)
    images = random_images(20)
    np.testing.assert_array_equal(array(layer(images, seed=4)), array(layer(images, seed=4)))
    assert not np.array_equal(array(layer(images, seed=4)), array(layer(images, seed=5)))
    assert not np.array_equal(array(layer(images)), array(layer(images)))
    assert layer.image_shape == SHAPE


def test_it_is_saved_with_its_parts(tmp_path):
    layer = AfterBase(base_augmentation(SHAPE, Family(flips=True)), GlobalRanges(SHAPE, Family(start=0.7)), 0.4, seed=2)
    layer.learned.assign(np.linspace(0.1, 1, 10))
    model = keras.Sequential([keras.layers.Input(SHAPE), layer])
    model.save(tmp_path / "layer.keras")
    loaded = keras.saving.load_model(tmp_path / "layer.keras", safe_mode=True).layers[-1]
    images = random_images(30)
    np.testing.assert_allclose(array(loaded(images, seed=9)), array(layer(images, seed=9)), atol=1e-4)


def test_a_share_is_from_0_to_1():
    with pytest.raises(InputError, match=r"share is 1\.5; it must be from 0 to 1"):
        AfterBase(base_augmentation(SHAPE), Negative(), 1.5)
