"""Augmentations with ranges set by hand, to compare with learned ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from influaug.augnet.chain import base_augmentation
from influaug.augnet.models import seeds_from
from influaug.augnet.ranges import GlobalRanges
from influaug.backend import keras

if TYPE_CHECKING:
    from influaug._types import Shape
    from influaug.augnet.ranges import Family

BY_HAND = {"vertical shift": 0.3, "horizontal shift": 0.3, "rotation": 1.5, "scale": 0.8, "aspect": 0.4, "shear": 0.8}
ELASTIC_BY_HAND = 0.4
"""Ranges guessed by hand for images of 28 x 28 pixels, in pixels (rotation 7.5 degrees, scale 7%), and the range of
each elastic band."""
HEURISTIC = {"rotation": 15 / 360, "shift": 0.1, "zoom": 0.1, "shear": 0.1}
"""Ranges of Keras's own layers: fractions of a full turn, of the side and of the size; shear as a slope."""


def ranges_by_hand(shape: Shape, family: Family, arm: str, seed: int) -> GlobalRanges:
    """Random warps with ranges 0 ('control'), the initial ranges of learning ('untrained') or guessed ones ('hand')."""
    if arm == "control":
        return base_augmentation(shape, family, seed)
    layer = GlobalRanges(shape, family, seed)
    if arm == "hand":
        in_28 = [BY_HAND.get(group, ELASTIC_BY_HAND) for group in layer.groups]
        layer.assign(np.array(in_28) * max(shape[:2]) / 28)
    return layer


def heuristic(shape: Shape, family: Family, seed: int) -> keras.Sequential:
    """Random compositions of transformations by Keras's preprocessing layers; pixels outside the image are zero."""
    seeds, zero = seeds_from(seed, 5), {"fill_mode": "constant", "fill_value": 0.0}
    flips = [keras.layers.RandomFlip("horizontal", seed=next(seeds))] if family.flips else []
    shift, slope = HEURISTIC["shift"], HEURISTIC["shear"]
    return keras.Sequential(
        [
            keras.layers.Input(shape),
            *flips,
            keras.layers.RandomRotation(HEURISTIC["rotation"], seed=next(seeds), **zero),
            keras.layers.RandomShear(slope, slope, seed=next(seeds), **zero),
            keras.layers.RandomZoom(HEURISTIC["zoom"], seed=next(seeds), **zero),
            keras.layers.RandomTranslation(shift, shift, seed=next(seeds), **zero),
        ]
    )
