"""What a page on your own data will take, measured on a few steps and images before the work starts."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from .material import Images
from .split import retrained_arms

if TYPE_CHECKING:
    from collections.abc import Callable

    from .material import Material
    from .parameters import OwnData

SOME = 500
"""Images on which features and copies are timed."""
STEPS = 5


def seconds(own: OwnData, material: Material) -> float:
    """Seconds that training networks and making features will take in all parts; the choice of copies comes on top.

    Parameters
    ----------
    own : OwnData
    material : Material

    Returns
    -------
    float
        0 for features that were given: there is no network.
    """
    if not isinstance(material, Images):
        return 0.0
    anew = _of_judge(own, material) if own.retrained else 0.0
    return own.parts * (_of_features(own, material) + anew)


def in_words(seconds: float) -> str:
    """A duration as a person says it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def _of_features(own, material):
    """Of one part: the training of the network, and the copies and features of all points."""
    images, labels = material.points.images, material.points.labels
    n = len(images) - len(images) // own.folds
    # One of each class, so that the network has them all.
    some = np.unique(np.append(np.unique(labels, return_index=True)[1], np.arange(min(n, len(images)))))[:n]
    network = own.featurizer(0)
    trains = not own.trained_network
    if trains:
        network.set_params(epochs=1)
    network.fit(images[some], labels[some])
    training = _timed(lambda: network.fit(images[some], labels[some])) * own.epochs if trains else 0.0
    few = images[:SOME]
    network.transform(few)
    of_one = _timed(lambda: network.transform(few)) / len(few)
    k = sum(map(len, material.transformations.values()))
    # Most copies are made once and kept for all parts.
    copies = sum(_timed(lambda t=t: t(few)) for t in material.transformations.values()) / len(few) / own.parts
    return training + len(images) * ((1 + k) * of_one + copies)


def _of_judge(own, material):
    """Of one part: the networks trained anew."""
    from .retraining import Judge

    judge, points = Judge.of(own, material), material.points
    rng = np.random.default_rng(0)
    judge.trainer.train(points.images, points.labels, 2, rng)
    a_step = _timed(lambda: judge.trainer.train(points.images, points.labels, STEPS, rng)) / STEPS
    n = len(points.labels) - len(points.labels) // own.folds
    return len(retrained_arms(own)) * judge.steps(n) * a_step


def _timed(do: Callable) -> float:
    started = perf_counter()
    do()
    return perf_counter() - started
