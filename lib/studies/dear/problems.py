"""The problem of one replicate: points, copies of which some are spoilt, and what the learners are fitted to.

Copies are spoilt in two ways, half each: *damaged*, the sixteen blocks of the image exchanged at random, and
*mislabelled*, the image of a copy of another class. Policies see the features of all copies as they are; only a check
shows which are spoilt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.decomposition import PCA

from influaug.data.lazy_copies import ChosenCopies

from ..points.feature_set import FeatureSet

if TYPE_CHECKING:
    from influaug.data.datasets import Split
    from influaug.data.transformations import Transformation

    from .parameters import DearCopies

BLOCKS = 4
"""A damaged image is cut into as many blocks along each side."""


@dataclass(frozen=True)
class Problem:
    """A replicate's points and copies, and test rows.

    Attributes
    ----------
    features : FeatureSet
        As policies see it, with the features of spoilt copies.
    spoilt : bool array [n k]
        Copies that a check throws away.
    inputs : dict of str to array [n + n k, p]
        What learners are fitted to: ``features``, and ``pixels``, the principal components of the right images. Rows
        of spoilt copies are never used.
    tests : dict of str to array [t, p]
        The same of the test rows.
    test_labels : int array [t]
    """

    features: FeatureSet
    spoilt: np.ndarray
    inputs: dict[str, np.ndarray]
    tests: dict[str, np.ndarray]
    test_labels: np.ndarray


def clean(
    s: DearCopies, features: FeatureSet, sample: Split, transformation: Transformation, rng: np.random.Generator
) -> Problem:
    """The problem without spoilt copies; `rng` draws the test rows from the originals and copies of test images."""
    total = len(features.test_labels)
    rows = np.sort(rng.permutation(total)[: s.n_test])
    basis = PCA(min(s.components, features.n, sample.images[0].size), random_state=0).fit(_flat(sample.images))
    inputs = {"features": features.train, "pixels": basis.transform(_flat(_with_copies(sample.images, transformation)))}
    test_images = _with_copies(sample.images_test, transformation)[rows]
    tests = {"features": features.test[rows], "pixels": basis.transform(_flat(test_images))}
    return Problem(features, np.zeros(features.n * features.k, bool), inputs, tests, features.test_labels[rows])


def _flat(images):
    return images.reshape(len(images), -1) / 255.0


def _with_copies(images, transformation):
    copies = np.swapaxes(transformation(images), 0, 1).reshape(-1, *images.shape[1:])
    return np.concatenate([images, copies])


def with_spoilt(
    problem: Problem, damaged: np.ndarray, features: np.ndarray, mislabelled: np.ndarray, others: np.ndarray
) -> Problem:
    """Put spoilt copies into a problem.

    Parameters
    ----------
    problem : Problem
    damaged : int array [a]
        Copies whose images are damaged.
    features : array [a, d]
        Of the damaged images.
    mislabelled : int array [b]
        Copies that show another copy, of another class.
    others : int array [b]
        These other copies.
    """
    clean_features = problem.features
    train, spoilt = clean_features.train.copy(), problem.spoilt.copy()
    train[clean_features.n + damaged] = features
    train[clean_features.n + mislabelled] = clean_features.train[clean_features.n + others]
    spoilt[damaged] = spoilt[mislabelled] = True
    return replace(problem, features=replace(clean_features, train=train), spoilt=spoilt)


def drawn(labels: np.ndarray, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw which copies are damaged [a], which are mislabelled [b], and what the latter show [b].

    Parameters
    ----------
    labels : int array [m]
        Of the copies.
    share : float
        Of the copies that are spoilt; the first half of them, rounded up, is damaged.
    rng : numpy.random.Generator
    """
    spoilt = rng.permutation(len(labels))[: round(share * len(labels))]
    half = (len(spoilt) + 1) // 2
    damaged, mislabelled = spoilt[:half], spoilt[half:]
    others = np.array([rng.choice(np.flatnonzero(labels != labels[copy])) for copy in mislabelled], dtype=int)
    return damaged, mislabelled, others


def scrambled(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exchange the `BLOCKS` x `BLOCKS` blocks of each image, in an order of its own: as the images [b, h, w, c].

    Pixels at the right and at the bottom that make no whole block stay.
    """
    b, (h, w), c = len(images), np.array(images.shape[1:3]) // BLOCKS, images.shape[3]
    top = images[:, : BLOCKS * h, : BLOCKS * w].reshape(b, BLOCKS, h, BLOCKS, w, c)
    blocks = top.swapaxes(2, 3).reshape(b, BLOCKS**2, h, w, c)
    order = rng.permuted(np.tile(np.arange(BLOCKS**2), (b, 1)), axis=1)
    moved = blocks[np.arange(b)[:, None], order].reshape(b, BLOCKS, BLOCKS, h, w, c).swapaxes(2, 3)
    found = images.copy()
    found[:, : BLOCKS * h, : BLOCKS * w] = moved.reshape(b, BLOCKS * h, BLOCKS * w, c)
    return found


def spoil(
    problem: Problem,
    share: float,
    network: Any,
    sample: Split,
    transformation: Transformation,
    rng: np.random.Generator,
) -> Problem:
    """Spoil a share of a problem's copies, the damaged ones through the network that made the features."""
    f = problem.features
    damaged, mislabelled, others = drawn(f.labels[f.n :], share, rng)
    images = ChosenCopies(sample.images, transformation).of(damaged // f.k, damaged % f.k)
    seen = network.transform(scrambled(images, rng)) if len(damaged) else f.train[:0]
    return with_spoilt(problem, damaged, seen, mislabelled, others)
