"""Rivals of learned augmentation: arms that people use, or could use, instead of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from influaug.augnet.learned_operations import LearnedOperations
from influaug.augnet.on_arrays import OnArrays
from influaug.augnet.random_operations import recipe
from influaug.augnet.ranges import SIDE, GlobalRanges
from influaug.data.auto_augment import auto_augmented_and_cut_out, cut_out
from influaug.data.rand_augment import randomly_augmented
from influaug.data.trivial_augment import trivially_augmented

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from influaug._types import Shape
    from influaug.augnet.ranges import Family

STRENGTHS = (0.25, 0.5, 0.7, 1.0, 1.5, 2.0)
"""One range for all groups, in pixels in images of `SIDE` a side: the arms 'sigma-0.25' and so on."""


@dataclass(frozen=True)
class Rival:
    """An arm that learns nothing.

    Attributes
    ----------
    meaning : str
        A line for a table of arms.
    augmentation : callable (shape, family, seed) -> layer or `OnArrays`
    """

    meaning: str
    augmentation: Callable[[Shape, Family, int], Any]


def even_ranges(shape: Shape, family: Family, seed: int, sigma: float) -> GlobalRanges:
    """All groups at one range, in pixels in images of `SIDE` a side."""
    return GlobalRanges(shape, replace(family, start=sigma * max(shape[:2]) / SIDE), seed)


def _even(sigma):
    meaning = f"random warps, the range of every group {sigma} px"
    return Rival(meaning, lambda shape, family, seed: even_ranges(shape, family, seed, sigma))


RIVALS = {
    "recipe": Rival("random warps, shifts by up to 1 px, and two random operations at random strength", recipe),
    "trivial": Rival(
        "TrivialAugment: one random operation at random strength after the base augmentation",
        lambda shape, family, seed: OnArrays(shape, family, trivially_augmented, seed),
    ),
    "randaugment": Rival(
        "RandAugment: two random operations at half strength after the base augmentation",
        lambda shape, family, seed: OnArrays(shape, family, randomly_augmented, seed),
    ),
    "cutout": Rival(
        "Cutout: a square of half the side covered after the base augmentation",
        lambda shape, family, seed: OnArrays(shape, family, cut_out, seed),
    ),
    "autoaugment": Rival(
        "AutoAugment's policy for CIFAR-10, and Cutout, after the base augmentation",
        lambda shape, family, seed: OnArrays(shape, family, auto_augmented_and_cut_out, seed),
    ),
    **{f"sigma-{sigma}": _even(sigma) for sigma in STRENGTHS},
}
"""Rivals by the name of their arm."""
LEARNED_OPERATIONS = {
    "learned": "strengths and probabilities of warps and operations, learned by influence",
    "learned-untrained": "those that this learning starts from",
    "learned-permuted": "the learned ones, exchanged at random among warps and among operations",
    "learned-weak": "learned from half the strength",
    "learned-strong": "learned from twice the strength",
    "learned-per-class": "strengths and probabilities for each class, learned on from those of learned",
    "learned-per-image": "strengths and probabilities for each image, by an encoder, learned on from those of learned",
    "strength": "one strength for all, of a grid, by cross-fitted loss on the folds of learned",
    "augerino": "random warps with ranges by the training loss and a reward for width",
}
"""Arms of the family of operations, and Augerino's, with a line for a table."""
STARTS = {"learned": 1.0, "learned-weak": 0.5, "learned-strong": 2.0}
"""Total strength that learning starts from."""
VARIANTS = {"learned-per-class": "class-operations", "learned-per-image": "image-operations"}
"""Forms of `AugmentationNetwork` that go on from what 'learned' ended with, to measure what is gained over it."""
FORMS_OF_OPERATIONS = (*STARTS, *VARIANTS, "strength", "augerino")
"""Those of them that must be learned beforehand."""


def operations(shape: Shape, family: Family, seed: int) -> LearnedOperations:
    """Warps and operations as learning starts; shifts and, in colour images, flips are learned, so no base has them."""
    flips = family.flips and shape[2] != 3
    return LearnedOperations(shape, replace(family, base_shift=0, flips=flips), seed)
