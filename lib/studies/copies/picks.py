"""The replicates of a study of sets, and which copies policies pick in one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from influaug.data.datasets import Split
from influaug.data.lazy_copies import ChosenCopies
from influaug.data.transformations import Transformation
from influaug.errors import InputError
from influaug.selection.candidates import Candidates
from influaug.selection.policies import choose

from ..points import stages
from ..points.feature_set import FeatureSet
from .study import SetStudy, problem

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Replicate:
    """One replicate of a study of sets, with its images.

    Attributes
    ----------
    study : SetStudy
    number : int
    features : FeatureSet
        With the study's wrong labels.
    candidates : Candidates
    wrong : bool array [n]
        Points whose label is wrong.
    sample : Split
        Images, with the labels of the data set.
    transformation : Transformation
    """

    study: SetStudy
    number: int
    features: FeatureSet
    candidates: Candidates
    wrong: np.ndarray
    sample: Split
    transformation: Transformation


def replicates(study: SetStudy) -> Iterator[Replicate]:
    """Iterate over the replicates of a study.

    Raises
    ------
    InputError
        The study has a rare class. Removing its points changes the indices, so images could not be found.
    """
    if study.rare_class is not None:
        raise InputError("Chosen copies can be shown for studies without a rare class only; rare_class must be null.")
    base = study.base()
    for number, found in enumerate(stages.features(base)):
        yield _replicate(study, base, number, found.set)


def _replicate(study, base, number, found):
    features, wrong = problem(study, found, number)
    wrong = np.zeros(features.n, bool) if wrong is None else wrong
    sample, transformation = base.split(number), base.augmentation()
    return Replicate(study, number, features, features.candidates, wrong, sample, transformation)


def picked(r: Replicate, policy: str, number: int) -> np.ndarray:
    """Indices of the first copies that a policy adds: int [number]."""
    seed = r.study.seed_sequence(r.number, "policies").spawn(1)[0]
    return choose(policy, r.candidates, [number], r.study.settings().options, np.random.default_rng(seed))[0]


def images(r: Replicate, copies: np.ndarray) -> np.ndarray:
    """Images of copies, given by their indices: uint8 [b, height, width, channels]."""
    chosen = ChosenCopies(r.sample.images, r.transformation)
    return chosen.of(r.candidates.source[copies], np.asarray(copies) % r.features.k)
