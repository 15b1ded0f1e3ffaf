"""Augmentations that nobody learned: what learned ones are compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from influaug.augnet.chain import base_augmentation
from influaug.augnet.models import _seeds
from influaug.augnet.ranges import GlobalRanges
from influaug.backend import keras

if TYPE_CHECKING:
    from influaug._types import Shape
    from influaug.augnet.ranges import Family

BY_HAND = {"vertical shift": 0.3, "horizontal shift": 0.3, "rotation": 1.5, "scale": 0.8, "aspect": 0.4, "shear": 0.8}
ELASTIC_BY_HAND = 0.4
"""Ranges guessed by hand for images of 28 pixels a side, in px: 7.5 degrees, 7% of scale; of each elastic band."""
HEURISTIC = {"rotation": 15 / 360, "shift": 0.1, "zoom": 0.1, "shear": 0.1}
"""Of Keras's own layers: parts of a turn, of the side, of the size; shear as a slope."""


def ranges_by_hand(shape: Shape, family: Family, arm: str, seed: int) -> GlobalRanges:
    """Random warps with ranges of 0 ('control'), those that learning starts from ('untrained'), or guessed ('hand')."""
    if arm == "control":
        return base_augmentation(shape, family, seed)
    layer = GlobalRanges(shape, family, seed)
    if arm == "hand":
        in_28 = [BY_HAND.get(group, ELASTIC_BY_HAND) for group in layer.groups]
        layer.assign(np.array(in_28) * max(shape[:2]) / 28)
    return layer


def heuristic(shape: Shape, family: Family, seed: int) -> keras.Sequential:
    """Random compositions of predefined transformations by Keras's preprocessing layers, zero outside."""
    seeds, zero = _seeds(seed, 5), {"fill_mode": "constant", "fill_value": 0.0}
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
