"""The sweep with a network retrained at every budget (Kuchnik & Smith, 2019, section 5: the MNIST study).

At each budget a new network is trained on the originals and the chosen points' copies, and originals, copies and test
points are featurized with it. So the effects of the policy and of changed features are not separated here. The result
of each trained model is stored in a small file, so that an interrupted run continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from influaug.data.datasets import Split
from influaug.data.transformations import Transformation, expand
from influaug.files import sealed
from influaug.selection.point_policies import order
from influaug.selection.scores import compute
from influaug.solver import heads, logistic
from influaug.solver.heads import Head

from .feature_set import FeatureSet
from .sweep import Curve, check_budgets, curves

if TYPE_CHECKING:
    from influaug.networks.featurizer import KerasFeaturizer

    from .sweep import SweepSettings


def as_trained(network: KerasFeaturizer) -> KerasFeaturizer:
    """The featurizer itself, fed as it was trained."""
    return network


@dataclass(frozen=True)
class Problem:
    """Data, network and folder of one replicate of a retrained sweep.

    Attributes
    ----------
    sample : Split
    transformation : Transformation
    initial : FeatureSet
        Features of the network trained on the originals; they give the scores.
    new_featurizer : callable
        Makes an unfitted `influaug.networks.featurizer.KerasFeaturizer`, always with the same seed.
    folder : Path
        Folder of the models' results.
    fed : callable
        Makes the fitted featurizer that is used of the one that was trained; see `stages.as_fed`.
    """

    sample: Split
    transformation: Transformation
    initial: FeatureSet
    new_featurizer: Callable
    folder: Path
    fed: Callable = as_trained


def sweep_retrained(problem: Problem, settings: SweepSettings, seed: np.random.SeedSequence, key: str) -> pd.DataFrame:
    """Sweep one replicate and train a network for every distinct set of augmented points.

    Parameters
    ----------
    problem : Problem
    settings : sweep.SweepSettings
        Its refinements must be plain.
    seed : numpy.random.SeedSequence
        Round r of every curve draws from child r.
    key : str
        Key of everything that the results depend on, apart from the chosen points.

    Returns
    -------
    DataFrame
        Table as in `sweep_points`.
    """
    n = len(problem.sample.labels)
    check_budgets(settings.budgets, n)
    jobs = list(_jobs(problem, settings, seed))
    rows = []
    for curve, points in tqdm(jobs, "retrain", leave=False):
        result = _cached_result(problem, points, settings.options.C, key)
        budget = len(points)
        rows.append({**vars(curve), "budget": budget, "rows": n + len(problem.transformation) * budget, **result})
    return pd.DataFrame(rows)


def _jobs(problem, settings, seed):
    n, initial = len(problem.sample.labels), _initial_scores(problem, settings)
    yield Curve("", "none", False, False, 0), np.arange(0)
    yield Curve("", "full", False, False, 0), np.arange(n)
    children = seed.spawn(settings.rounds)
    for curve in curves(settings):
        points = order(curve.policy, initial[curve.score], np.random.default_rng(children[curve.round]))
        for budget in settings.budgets:
            yield curve, np.sort(points[:budget])


def _initial_scores(problem, settings):
    f, C = problem.initial, settings.options.C
    labels, weights = f.labels[: f.n], np.ones(f.n)
    theta = logistic.fit(f.train[: f.n], labels, weights[None], C).theta[0]
    head = Head(heads.with_intercept(f.train[: f.n]), labels, weights, theta)
    return {name: compute(name, head, f.n, settings.options) for name in settings.scores}


def _cached_result(problem, points, C, key):
    path = problem.folder / f"{sealed.key(key=key, points=points.tolist())}.json"
    result = sealed.read_json(path)
    if result is None:
        result = _train_and_test(problem, points, C)
        sealed.write_json(path, result)
    return result


def _train_and_test(problem, points, C):
    sample, transformation = problem.sample, problem.transformation
    copies = expand(sample.images[points], sample.labels[points], transformation)
    images, labels = np.concatenate([sample.images, copies.images]), np.append(sample.labels, copies.labels)
    network = problem.fed(problem.new_featurizer().fit(images, labels))
    return head_tested(network, images, labels, sample, transformation, C)


def train_and_test(
    featurizer: KerasFeaturizer,
    images: np.ndarray,
    labels: np.ndarray,
    sample: Split,
    transformation: Transformation,
    C: float,
) -> dict[str, float]:
    """Train a network and a head on its features; test both on the test images and all their copies.

    Parameters
    ----------
    featurizer : influaug.networks.featurizer.KerasFeaturizer
        Not fitted.
    images : uint8 [n, height, width, channels]
    labels : int [n]
    sample : Split
        Its test images are used.
    transformation : Transformation
    C : float
        Inverse regularisation strength of the head.

    Returns
    -------
    dict
        accuracy (on all test rows) and accuracy_original.
    """
    return head_tested(featurizer.fit(images, labels), images, labels, sample, transformation, C)


def head_tested(
    network: KerasFeaturizer,
    images: np.ndarray,
    labels: np.ndarray,
    sample: Split,
    transformation: Transformation,
    C: float,
) -> dict[str, float]:
    """Train a head on the features of a fitted featurizer, and test it; parameters and result as `train_and_test`."""
    theta = logistic.fit(network.transform(images), labels, np.ones((1, len(labels))), C).theta
    tests = [sample.images_test, *transformation(sample.images_test)]
    hits = [_hits(network, theta, each, sample.labels_test) for each in tests]
    return {"accuracy": float(np.mean(hits)), "accuracy_original": float(np.mean(hits[0]))}


def _hits(network, theta, images, labels):
    return heads.predict(heads.with_intercept(network.transform(images)), theta)[0] == labels
