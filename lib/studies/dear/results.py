"""Accuracy at equal clicks: a policy chooses copies, a person checks each, and the right ones are learned from."""

from __future__ import annotations

from functools import cache
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from influaug.errors import InputError
from influaug.files import sealed
from influaug.selection.policies import choose

from ..points import stages
from ..storage import artifacts
from ..storage.keys import Stage
from . import problems
from .learners import LEARNERS
from .parameters import DearCopies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from influaug.data.datasets import Dataset

    from ..points.feature_set import FeatureSet
    from ..points.study import Study
    from .problems import Problem

NONE, ALL = "none", "all"
"""References: no copies, and all copies that are right."""


def chosen(
    s: DearCopies, problem: Problem, seed: np.random.SeedSequence
) -> Iterator[tuple[str, int, np.ndarray, float]]:
    """What each policy has a person check: policy, clicks, the copies, and seconds of the processor for all clicks.

    A policy reads the features of all copies, spoilt ones too, and the labels of their points; it is not told what the
    checks find.
    """
    candidates = problem.features.candidates
    yield NONE, 0, np.arange(0), 0.0
    # One child for each position: a policy added at the end of the list does not change the draws of the others.
    for name, child in zip(s.policies, seed.spawn(len(s.policies)), strict=True):
        started = process_time()
        sets = choose(name, candidates, s.clicks, s.options(), np.random.default_rng(child))
        seconds = process_time() - started
        yield from ((name, clicks, copies, seconds) for clicks, copies in zip(s.clicks, sets, strict=True))
    yield ALL, len(problem.spoilt), np.arange(len(problem.spoilt)), 0.0


def learned(s: DearCopies, problem: Problem, copies: np.ndarray, seed: int) -> dict[str, float]:
    """Test accuracy of each learner, fitted to the originals and the given copies, by the learner's name."""
    n = problem.features.n
    rows = np.concatenate([np.arange(n), n + copies])
    labels, found = problem.features.labels[rows], {}
    for name in s.learners:
        learner = LEARNERS[name]
        x, x_test = problem.inputs[learner.inputs][rows], problem.tests[learner.inputs]
        found[name] = float(np.mean(learner.predict(x, labels, x_test, s, seed) == problem.test_labels))
    return found


def measured(s: DearCopies, problem: Problem, replicate: int) -> pd.DataFrame:
    """Let every policy choose from a problem's copies, check them, and fit the learners to those that are right.

    Returns
    -------
    DataFrame
        Columns policy, clicks, rows (copies that are right), wasted (share of the clicks on spoilt copies; NaN without
        clicks), seconds, and a column for each learner with its test accuracy.
    """
    seed, found = s.seed_of(replicate, "trees"), []
    for policy, clicks, copies, seconds in chosen(s, problem, s.seed_sequence(replicate, "policies")):
        right = copies[~problem.spoilt[copies]]
        wasted = 1 - len(right) / clicks if clicks else np.nan
        about = {"policy": policy, "clicks": clicks, "rows": len(right), "wasted": wasted, "seconds": seconds}
        found.append({**about, **learned(s, problem, right, seed)})
    return pd.DataFrame(found)


def results(s: DearCopies) -> pd.DataFrame:
    """Load the study's table, computing missing replicates; written to ``dear.parquet``.

    The columns are replicate, spoilt (share of all copies) and those of `measured`. Every replicate is stored in
    ``replicates/`` as soon as it is computed.

    Raises
    ------
    InputError
        The study has fewer copies than clicks, or fewer replicates than are asked for.
    """
    base = s.base()
    if (s.replicates or 0) > base.replicates:
        raise InputError(f"replicates must be at most the {base.replicates} of {s.study}, not {s.replicates}.")
    dataset = base.load_data()
    keys = [replicate_key(s, base, dataset, replicate) for replicate in range(s.replicates or base.replicates)]
    whole, path = sealed.key(replicates=keys), s.folder / "dear.parquet"
    found = artifacts.read_table(path, whole)
    if found is None:
        _check_clicks(s, base)
        features = cache(lambda: stages.features(base))
        parts = [_stored(s, base, features, r, key) for r, key in enumerate(tqdm(keys, "replicates", leave=False))]
        found = pd.concat(parts, ignore_index=True)
        artifacts.write_table(path, _about(s, whole, dataset), found)
    return found


def _check_clicks(s, base):
    m = len(base.split(0).labels) * len(base.augmentation())
    if s.clicks[-1] > m:
        raise InputError(f"Clicks go up to {s.clicks[-1]}; they must be at most the {m} copies of the study {s.study}.")


def replicate_key(s: DearCopies, base: Study, dataset: Dataset, replicate: int) -> str:
    """Key of one replicate's table."""
    return DEAR.key(s, replicate=replicate, features=stages.features_key(base, dataset, replicate))


def _about(s, key, dataset, **more):
    return artifacts.manifest(key, parameters=s.model_dump(), data=dataset.provenance, **more)


def _stored(s, base, features, replicate, key):
    path = s.folder / "replicates" / f"replicate-{replicate:02d}.parquet"
    found = artifacts.read_table(path, key)
    if found is None:
        started = perf_counter()
        found = _computed(s, base, features()[replicate].set, replicate)
        seconds = round(perf_counter() - started, 2)
        artifacts.write_table(path, _about(s, key, base.load_data(), seconds=seconds), found)
    return found


def _computed(s, base, features, replicate):
    parts, right = [], clean(s, base, features, replicate)
    for share in s.spoilt:
        found = measured(s, spoilt(s, base, right, replicate, share), replicate)
        found.insert(0, "replicate", replicate)
        found.insert(1, "spoilt", share)
        parts.append(found)
    return pd.concat(parts, ignore_index=True)


def clean(s: DearCopies, base: Study, features: FeatureSet, replicate: int) -> Problem:
    """The problem of a replicate, without spoilt copies."""
    return problems.clean(s, features, base.split(replicate), base.augmentation(), s.rng(replicate, "test"))


def spoilt(s: DearCopies, base: Study, right: Problem, replicate: int, share: float) -> Problem:
    """The problem of a replicate with a share of its copies spoilt."""
    if not share:
        return right
    sample, network, rng = base.split(replicate), _network(base, replicate), s.rng(replicate, "spoilt")
    return problems.spoil(right, share, network, sample, base.augmentation(), rng)


def _network(base, replicate):
    """The network that made the features of a replicate."""
    # Imported here because Keras takes many seconds to import, and a page that finds its table does not need it.
    from influaug.networks.featurizer import KerasFeaturizer

    own = base.folder / base.feature_files[0 if base.trained_network else replicate]
    network = KerasFeaturizer.load(base.trained_network or own.with_suffix(".keras"))
    images = base.load_data().images_train if base.trained_network else base.split(replicate).images
    return stages.as_fed(base, network, images)


DEAR = Stage("dear", 1, ("choice", "learners"), (_computed, DearCopies.options, DearCopies.seed_of, DearCopies.rng))
