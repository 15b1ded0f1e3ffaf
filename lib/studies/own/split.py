"""Parts of the cross-validation, and the arms that are compared in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedKFold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .parameters import OwnData

BESIDE = "random_copies"
"""The policy that the chosen one is shown beside."""
NO_COPIES = "none"
ON_THE_FLY = "trivial_augment on the fly"


@dataclass(frozen=True)
class Part:
    """One split of the points.

    Attributes
    ----------
    number : int
        Through all repeats; it decides the seeds of networks and policies.
    train, held_out : int array
        Points.
    """

    number: int
    train: np.ndarray
    held_out: np.ndarray


def parts(own: OwnData, labels: np.ndarray) -> Iterator[Part]:
    """The parts of all repeats; each repeat has folds of its own, which hold out every point once."""
    for repeat in range(own.repeats):
        folds = StratifiedKFold(own.folds, shuffle=True, random_state=own.seed_of(repeat, "folds"))
        for fold, (train, held_out) in enumerate(folds.split(np.zeros(len(labels)), labels)):
            yield Part(repeat * own.folds + fold, train, held_out)


def retrained_arms(own: OwnData) -> list[str]:
    """Arms of the networks that are trained anew, each once; see `retraining`."""
    full = [*own.compared, own.chosen]
    return list(dict.fromkeys([NO_COPIES, *full, own.policy, BESIDE, ON_THE_FLY]))
