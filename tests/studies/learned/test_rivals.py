"""Rivals: what their arms' augmentations are."""

import numpy as np
import pytest

from influaug.augnet.on_arrays import OnArrays
from influaug.augnet.ranges import Family
from influaug.data.auto_augment import auto_augmented_and_cut_out, cut_out
from influaug.data.rand_augment import randomly_augmented
from influaug.data.trivial_augment import trivially_augmented
from studies.learned.rivals import RIVALS, STRENGTHS

pytestmark = pytest.mark.slow

FAMILY = Family(base_shift=2)


def test_every_rival_is_explained_in_a_line_and_makes_copies():
    images = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 1)).astype("float32")
    for rival in RIVALS.values():
        assert (
            0 < len(rival.meaning) <= 90
            and np.asarray(rival.augmentation((12, 12, 1), FAMILY, 0)(images)).shape == images.shape
        )


def test_the_recipe_has_its_sizes_at_28_pixels_and_grows_with_the_image():
    small, large = (RIVALS["recipe"].augmentation((side, side, 1), FAMILY, 0) for side in (28, 56))
    assert small.family.base_shift == 1 and set(np.round(list(small.ranges().values()), 4)) == {0.7}
    assert large.family.base_shift == 2 and set(np.round(list(large.ranges().values()), 4)) == {1.4}
    strengths = dict(zip(small.names, small._strengths[0].tolist(), strict=True))
    assert strengths["move down"] == pytest.approx(4.375) and strengths["erase"] == 7
    assert np.degrees(strengths["turn"]) == pytest.approx(15) and small.count == 2
    assert [strengths[name] for name in ("shear down", "shear right", "zoom")] == pytest.approx([0.15] * 3)
    assert [strengths[name] for name in ("contrast", "brightness")] == pytest.approx([0.45] * 2)


def test_policies_of_the_field_follow_the_base_augmentation():
    draws = {"trivial": trivially_augmented, "randaugment": randomly_augmented, "cutout": cut_out}
    for arm, draw in {**draws, "autoaugment": auto_augmented_and_cut_out}.items():
        layer = RIVALS[arm].augmentation((28, 28, 1), FAMILY, 0)
        assert isinstance(layer, OnArrays) and layer.draw is draw and layer.family.base_shift == 2


@pytest.mark.parametrize("sigma", STRENGTHS)
def test_even_ranges_are_what_their_arm_says(sigma):
    layer = RIVALS[f"sigma-{sigma}"].augmentation((28, 28, 1), FAMILY, 0)
    np.testing.assert_allclose(list(layer.ranges().values()), sigma, rtol=1e-5)
    assert layer.family.base_shift == 2
