"""Features of a factorial: every image, and every copy of it, passes each network once for each preprocessing.

They are made for all samples together, a file for each network, preprocessing and kind of copies, so that an
interrupted run goes on with the next file.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from influaug.files import sealed

from ..points.feature_set import FeatureSet
from ..storage import artifacts
from ..storage.keys import Stage
from .networks import featurizer_of, file_hash, network_file
from .parameters import NETWORKS, PREPROCESSING, Copies, Factorial

if TYPE_CHECKING:
    from influaug.data.datasets import Split
    from influaug.data.transformations import Transformation
    from influaug.networks.featurizer import KerasFeaturizer

    from .problem import Problem

BLOCK = 500
"""Images whose copies are made at once: it bounds the memory."""
ORIGINALS = None
"""In place of a kind of copies: the images themselves."""


def passes(problem: Problem) -> int:
    """Number of images, copies included, that pass a network in the whole factorial, without training."""
    k = sum(len(problem.study.augmentation(copies)) for copies in problem.study.copies())
    return len(NETWORKS) * len(PREPROCESSING) * len(problem.images) * (1 + k)


def part(problem: Problem, network: int, preprocessing: str, copies: Copies | None) -> np.ndarray:
    """Features of all images, or of all copies of a kind, point by point: [u + t, d] or [(u + t) k, d].

    They are read from their file, or made and written.
    """
    study, path = problem.study, _path(problem.study, network, preprocessing, copies)
    transformation = None if copies is ORIGINALS else study.augmentation(copies)
    key = part_key(problem, network, preprocessing, transformation)
    found = sealed.read_arrays(path, key)
    if found is None:
        started = perf_counter()
        featurizer = featurizer_of(problem, network, preprocessing)
        rows = featurized(featurizer, problem.images, transformation, path.stem)
        about = artifacts.manifest(key, seconds=round(perf_counter() - started, 2), rows=len(rows))
        sealed.write_arrays(path, about, rows=rows)
        return rows
    return found["rows"]


def part_key(problem: Problem, network: int, preprocessing: str, transformation: Transformation | None) -> str:
    """Key of a part: the network's file, what it is fed with, and which images it sees."""
    return FACTORIAL_FEATURES.key(
        problem.study,
        data=problem.dataset.provenance["sha256"],
        network=file_hash(network_file(problem.study, network)),
        half=network,
        preprocessing=preprocessing,
        points=problem.points.tolist(),
        copies=[] if transformation is None else list(transformation.labels),
    )


def featurized(
    featurizer: KerasFeaturizer, images: np.ndarray, transformation: Transformation | None, name: str
) -> np.ndarray:
    """Features of images, or of all their copies point by point, block by block, with a bar of progress."""
    blocks, k = [], 1 if transformation is None else len(transformation)
    with tqdm(total=len(images) * k, desc=name, unit="image", leave=False) as bar:
        for start in range(0, len(images), BLOCK):
            block = images[start : start + BLOCK]
            if transformation is not None:
                block = np.swapaxes(transformation(block), 0, 1).reshape(-1, *images.shape[1:])
            blocks.append(featurizer.transform(block))
            bar.update(len(block))
    return np.concatenate(blocks)


def feature_set(problem: Problem, sample: Split, originals: np.ndarray, copies: np.ndarray) -> FeatureSet:
    """The features of a sample and of the test images, from those of all images and of all copies of a kind."""
    k = len(copies) // len(originals)

    def taken(rows):
        of_copies = (rows[:, None] * k + np.arange(k)).ravel()
        return np.concatenate([originals[rows], copies[of_copies]])

    def labels(given):
        return np.append(given, np.repeat(given, k))

    return FeatureSet(
        taken(problem.rows(sample)),
        labels(sample.labels),
        len(sample.labels),
        taken(problem.test_rows),
        labels(sample.labels_test),
        len(sample.labels_test),
    )


def _path(study, network, preprocessing, copies):
    name = "originals" if copies is ORIGINALS else str(copies)
    return study.folder / "features" / f"network-{network}-{preprocessing}-{name}.npz"


FACTORIAL_FEATURES = Stage(
    "features of a factorial", 1, ("data", "sample"), (featurizer_of, featurized, Factorial.augmentation)
)
