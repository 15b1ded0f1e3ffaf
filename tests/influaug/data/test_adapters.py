"""Other libraries' transformations: the same copies in every batch and order, and nothing left changed behind."""

import random
import sys
from types import SimpleNamespace

import imgaug.augmenters as iaa
import numpy as np
import pytest

from influaug.backend import keras
from influaug.data.adapters import as_transformation
from influaug.data.transformations import appendix_b, crop, from_augmenter, rotate, translate
from influaug.errors import InputError


def images(n=6, size=10, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


class ByName:
    """What an albumentations transform is to its caller: images by name, one at a time, and a seed."""

    available_keys = frozenset({"image"})

    def __init__(self, keeps=True, axis=True):
        self.keeps, self.axis, self.rng = keeps, axis, np.random.default_rng(0)

    def set_random_seed(self, seed):
        self.rng = np.random.default_rng(seed)

    def __call__(self, *args, **data):
        if args:
            raise KeyError("You have to pass data to augmentations as named arguments.")
        made = np.roll(data["image"], self.rng.integers(1, 9), axis=1)
        made = made if self.axis else made[..., 0]
        return {"image": made if self.keeps else made[:-1]}


def noise():
    """A Keras layer that leaves grey values between the whole numbers and beyond their range."""
    from influaug.backend import keras

    class Noise(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.seed_generator = keras.random.SeedGenerator(1)

        def call(self, x, training=False):
            return x + 99 * keras.random.normal(x.shape, seed=self.seed_generator) if training else x

    return Noise()


def rotation():
    from influaug.backend import keras

    return keras.layers.RandomRotation(0.2, fill_mode="nearest")


def mirrored(batch):
    return batch[:, :, ::-1]


DRAWN = [
    pytest.param(lambda: iaa.Affine(rotate=(-30, 30)), id="imgaug"),
    pytest.param(ByName, id="albumentations"),
    pytest.param(noise, id="keras", marks=pytest.mark.slow),
    pytest.param(rotation, id="keras-rotation", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("augmenter", DRAWN)
def test_a_copy_depends_on_seed_number_and_content_alone(augmenter):
    x, make = images(), as_transformation(augmenter(), n_copies=2, seed=3)
    copies = make(x)
    assert copies.shape == (2, *x.shape) and copies.dtype == np.uint8
    np.testing.assert_array_equal(make(x[[4, 1]]), copies[:, [4, 1]])
    np.testing.assert_array_equal(as_transformation(augmenter(), 2, 3)(x[:2]), copies[:, :2])
    other = as_transformation(augmenter(), 1, 4)(x)
    assert not np.array_equal(copies[0], copies[1]) and not np.array_equal(copies[0], other[0])
    assert make(x[:0]).shape == (2, 0, 10, 10, 1)


def test_a_transformation_stays_what_it_is_and_an_augmenter_is_drawn_from():
    shift = translate(1)
    assert as_transformation(shift) is shift
    augmenter = iaa.Affine(rotate=(-30, 30), name="turn")
    np.testing.assert_array_equal(
        as_transformation(augmenter, 2, 5)(images()), from_augmenter(augmenter, 2, 5)(images())
    )


@pytest.mark.slow
def test_a_keras_layer_is_rounded_clipped_and_left_as_it_was():
    from influaug.backend import keras

    layer, x = noise(), images(4)
    before = np.array(layer.seed_generator.state)
    copies = as_transformation(layer)(x)
    np.testing.assert_array_equal(np.array(layer.seed_generator.state), before)
    assert {0, 255} <= set(copies.ravel().tolist())
    bright = as_transformation(keras.layers.Rescaling(1.3))(x)[0]
    np.testing.assert_array_equal(bright, np.minimum(np.rint(np.float32(1.3) * x), 255).astype(np.uint8))


def test_what_is_called_by_name_is_copied_and_may_drop_a_grey_channel():
    transform = ByName(axis=False)
    state = transform.rng.bit_generator.state
    copies = as_transformation(transform)(images())[0]
    assert transform.rng.bit_generator.state == state
    for copy, image in zip(copies, images(), strict=True):
        assert any(np.array_equal(copy, np.roll(image, shift, axis=1)) for shift in range(1, 9))


def test_the_copies_of_a_list_come_one_member_after_the_other():
    x, parts = images(), [translate(1), mirrored, rotate([10.0])]
    both = as_transformation(parts)
    np.testing.assert_array_equal(both(x), np.concatenate([as_transformation(part)(x) for part in parts]))
    assert both.labels == (*translate(1).labels, "mirrored", "rotate +10.0 deg") and len(both) == 6
    twice = as_transformation([ByName(), ByName()])(x)
    assert not np.array_equal(twice[0], twice[1])
    with pytest.raises(InputError, match="at least 2 pixels"):
        both(images(size=1))


def test_a_function_cannot_change_what_it_is_given():
    def blacken(batch):
        batch[:] = 0
        return batch

    x = images()
    assert not as_transformation(blacken)(x).any() and x.any()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("swirl", "is 'swirl'; by name it must be one of translate, rotate, crop"),
        (None, "is a NoneType; it must be"),
        ([], "must hold one or more"),
        ([translate(1), 3], "is a int; it must be"),
    ],
)
def test_what_makes_no_copies_is_refused(wrong, right):
    with pytest.raises(InputError, match=right):
        as_transformation(wrong)


@pytest.mark.parametrize("changing", [ByName(keeps=False), lambda x: x[:, :-1], lambda x: x / 255])
def test_another_shape_or_type_is_refused(changing):
    with pytest.raises(InputError, match="must keep both"):
        as_transformation(changing)(images())


@pytest.mark.parametrize("numbers", [{"n_copies": 0}, {"n_copies": True}, {"seed": -1}, {"seed": 0.5}])
def test_wrong_numbers_are_refused(numbers):
    with pytest.raises(InputError, match=f"{next(iter(numbers))} is .*; it must be a whole number"):
        as_transformation(mirrored, **numbers)


def by_numpy(batch):
    return (batch // 2 + np.random.randint(0, 90, batch.shape)).astype(np.uint8)  # noqa: NPY002


def by_python(batch):
    return np.roll(batch, random.randrange(1, 9), axis=1)  # noqa: S311


def seldom(batch):
    return batch[:, ::-1] if random.random() < 0.02 else batch[:, :, ::-1]  # noqa: S311


def from_a_held_one():
    held = np.random.default_rng(3)
    return lambda batch: (batch // 2 + held.integers(0, 90, batch.shape)).astype(np.uint8)


def by_rng(batch, rng):
    return (batch // 2 + rng.integers(0, 90, batch.shape)).astype(np.uint8)


def by_seed(batch, *, seed=None):
    return by_rng(batch, np.random.default_rng(seed))


SEEDED = {f.__name__: f for f in (by_numpy, by_python, seldom, by_rng, by_seed)} | {
    "held": from_a_held_one(),
    "layer in a function": (lambda layer: lambda x: np.asarray(layer(x, training=True)).astype("u1"))(
        keras.layers.RandomTranslation(0.3, 0.3, fill_mode="nearest")
    ),
    "AugMix": keras.layers.AugMix(num_chains=1, chain_depth=1),
}


@pytest.mark.parametrize("name", SEEDED)
def test_what_draws_is_seeded_by_the_image_and_leaves_the_generators_as_they_were(name):
    x, make = images(channels=3), as_transformation(SEEDED[name], n_copies=2, seed=3)
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    copies = make(x)
    np.testing.assert_array_equal(make(x[[4, 1]]), copies[:, [4, 1]])
    np.testing.assert_array_equal(make(x[3:4]), copies[:, 3:4])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    assert np.array_equal(copies[0], copies[1]) == (name == "seldom")


def test_a_generator_of_torch_is_seeded_like_others(monkeypatch):
    class Generator:
        def __init__(self):
            self.rng = np.random.RandomState(0)
            self.get_state, self.set_state = self.rng.get_state, self.rng.set_state
            self.manual_seed = self.rng.seed

    torch = SimpleNamespace(Generator=Generator, default_generator=Generator())
    monkeypatch.setitem(sys.modules, "torch", torch)
    make = as_transformation(lambda batch: np.roll(batch, torch.default_generator.rng.randint(1, 9), axis=1))
    x = images()
    np.testing.assert_array_equal(make(x)[:, [5, 2]], make(x[[5, 2]]))


@pytest.mark.parametrize(
    ("given_", "same"),
    [
        ("rotate", appendix_b("rotate", "mnist")),
        ("translate", appendix_b("translate", "mnist")),
        ({"translate": {"pixels": 3, "directions": "diagonal"}}, translate(3, "diagonal")),
        ({"translate": [3]}, translate(3)),
        ({"crop": [1, 2]}, crop([1, 2])),
        ({"crop": None}, appendix_b("crop", "mnist")),
    ],
)
def test_names_and_options_are_those_of_a_study(given_, same):
    made = as_transformation(given_)
    assert made.labels == same.labels
    np.testing.assert_array_equal(made(images(size=16)), same(images(size=16)))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({}, "must hold one or more"),
        ({"translate": {"px": 2}}, "translate takes pixels, directions"),
        ({"translate": [1, 2]}, "takes one magnitude"),
        ({"rotate": 3}, "must be a sequence"),
        (ByName, "is the class ByName"),
    ],
)
def test_wrong_options_and_classes_are_refused(wrong, right):
    with pytest.raises(InputError, match=right):
        as_transformation(wrong)
