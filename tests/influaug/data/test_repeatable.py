"""Transformations that do not repeat themselves, look at other images, or change nothing."""

import time
from functools import partial

import imgaug.augmenters as iaa
import numpy as np
import pytest

from influaug.backend import keras
from influaug.data.adapters import as_transformation
from influaug.data.repeatable import check_repeatable, digests
from influaug.data.transformations import Transformation
from influaug.errors import InputError


def images(n=12, size=10, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


def fresh(batch):
    return (batch // 2 + np.random.default_rng().integers(0, 90, batch.shape)).astype(np.uint8)


def fresh_and_seldom(batch):
    return batch[:, ::-1] if np.random.default_rng().random() < 0.5 else batch[:, :, ::-1]


def by_the_clock(batch):
    return np.roll(batch, time.perf_counter_ns() % 7, axis=1)


class Counting:
    def __init__(self):
        self.calls = 0

    def __call__(self, batch):
        self.calls += 1
        return np.roll(batch, self.calls, axis=1)


def mixing(batch):
    return ((batch.astype(int) + np.roll(batch, 1, axis=0)) // 2).astype(np.uint8)


def by_the_mean(batch):
    return np.clip(batch - batch.mean() + 99, 0, 255).astype(np.uint8)


def by_the_place(batch):
    return np.stack([np.roll(image, 1 + place % 2, axis=0) for place, image in enumerate(batch)])


@pytest.mark.parametrize("random", [fresh, fresh_and_seldom, by_the_clock, Counting()])
def test_a_function_that_makes_another_copy_each_time_is_refused(random):
    with pytest.raises(InputError, match=r"makes another copy of an image each time .* rng, seed or random_state"):
        check_repeatable(as_transformation(random), images())


def test_raw_functions_in_a_transformation_are_looked_at_too():
    with pytest.raises(InputError, match="makes another copy"):
        check_repeatable(Transformation("mine", ("first",), (fresh,)), images())


def of_a_seed(batch, seed):
    return (batch // 2 + np.random.default_rng(seed).integers(0, 90, batch.shape)).astype(np.uint8)


@pytest.mark.parametrize("looking", [mixing, by_the_mean, by_the_place, partial(of_a_seed, seed=3)])
def test_a_function_that_looks_at_the_batch_is_refused(looking):
    with pytest.raises(InputError, match="depend on"):
        check_repeatable(as_transformation(looking), images())


@pytest.mark.parametrize("nothing", [lambda batch: batch, keras.layers.MixUp(), keras.layers.CutMix(), iaa.Identity()])
def test_what_returns_every_original_is_refused(nothing):
    with pytest.raises(InputError, match=r"returned each of 12 images as it was; .* MixUp and CutMix"):
        check_repeatable(as_transformation(["translate", nothing]), images())


def test_one_image_that_changes_is_enough():
    x = np.repeat(images(1, size=9), 40, axis=0)
    x = np.minimum(x, x[:, :, ::-1])
    x[17] = images(1, size=9, seed=1)
    check_repeatable(as_transformation(lambda batch: batch[:, :, ::-1]), x)
    check_repeatable(as_transformation("translate"), np.concatenate([np.zeros_like(x), x[:1]]))


@pytest.mark.parametrize("good", ["rotate", iaa.Sequential([iaa.Fliplr(0.5), iaa.AdditiveGaussianNoise(scale=9)])])
def test_what_repeats_itself_passes(good):
    check_repeatable(as_transformation(good), images())


def test_digests_are_of_the_content():
    x = images()
    assert len(np.unique(digests(x))) == 12 and digests(x[3:4])[0] == digests(np.asfortranarray(x))[3]
