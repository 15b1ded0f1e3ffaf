"""RandAugment's draws against the operations that make them."""

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from influaug.data import rand_augment
from influaug.data.rand_augment import randomly_augmented
from influaug.errors import InputError


def image(channels=3):
    return np.random.default_rng(0).integers(0, 256, (16, 12, channels)).astype("uint8")


def test_two_operations_follow_one_another_at_one_strength(monkeypatch):
    seen = []
    names = dict.fromkeys(rand_augment.OPERATIONS)
    monkeypatch.setattr(
        rand_augment,
        "OPERATIONS",
        {name: lambda picture, u, sign, name=name: (seen.append((name, u, sign)), picture)[1] for name in names},
    )
    rng = np.random.default_rng(0)
    for _ in range(2000):
        randomly_augmented(image(1), rng)
    assert len(seen) == 4000 and {sign for *_, sign in seen} == {-1, 1}
    counts = [sum(name == each for each, *_ in seen) for name in names]
    np.testing.assert_allclose(np.array(counts) / 4000, 1 / len(names), atol=0.02)
    for name, u, sign in seen:
        assert u == ((1 + sign / 2) / 2 if name in rand_augment.EITHER_WAY else 0.5)


@pytest.mark.parametrize("sign", [-1, 1])
def test_at_half_strength_brightness_changes_by_45_percent_either_way(sign):
    picture = Image.fromarray(image())
    found = rand_augment.OPERATIONS["brightness"](picture, (1 + sign / 2) / 2, sign)
    expected = ImageEnhance.Brightness(picture).enhance(1 + sign * 0.45)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_copy_has_the_images_shape(channels):
    copy = randomly_augmented(image(channels), np.random.default_rng(1))
    assert copy.shape == (16, 12, channels) and copy.dtype == np.uint8


def test_other_channels_are_refused():
    with pytest.raises(InputError, match="1 or 3 channels, not 4"):
        randomly_augmented(image(4), np.random.default_rng(0))
