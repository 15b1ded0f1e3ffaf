"""A study of policies that choose copies, on the features of another study, with wrong labels and a rare class."""

from __future__ import annotations

import argparse
import sys
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from pydantic import field_validator
from tqdm.auto import tqdm

from influaug.errors import InputError
from influaug.files import sealed
from influaug.selection import kdpp
from influaug.selection.policies import SetOptions, policy_of
from influaug.solver import engines

from ..parameters import NOTHING, Experiment, Number, name_parameter, parameter
from ..points import stages
from ..points.study import Study
from ..storage import artifacts, paths
from ..storage.keys import Stage
from . import sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from influaug.data.datasets import Dataset

    from ..points.feature_set import FeatureSet


class SetStudy(Experiment):
    """Parameters of a study of sets of copies, on the features of another study; params/sets/ has examples."""

    kind: ClassVar[str] = "sets"
    purposes: ClassVar[tuple[str, ...]] = ("policies", "wrong labels", "rare class")

    sets: str = name_parameter("digits-translate", "study of sets")
    study: str = parameter(
        "digits-translate",
        "the study in params/ that it has its features from",
        NOTHING,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    )
    policies: list[str] = parameter(
        ["random_points", "random_copies", "influence", "one_shot", "greedy_influence", "greedy_loss"],
        "policies; see influaug.selection.policies",
        "table",
        min_length=1,
    )
    shares: list[Number] = parameter([0.01, 0.03, 0.05, 0.1, 0.25], "of all copies, rising", "table", min_length=1)
    C: Number = parameter(10.0, "inverse regularisation strength of the logistic regression", "choice", gt=0)
    wrong_labels: Number = parameter(0.0, "share of the training points that get a wrong label", "choice", ge=0, lt=1)
    rare_class: int | None = parameter(
        None, "label of a class that loses most of its points; null: none", "table", ge=0
    )
    rare_share: Number = parameter(0.1, "share of its points that the rare class keeps", "table", gt=0, le=1)
    pool: Number = parameter(0.25, "share of the points in the pools of the policies of pools", "choice", gt=0, le=1)
    clusters: int = parameter(50, "k of the clustered policies", "choice", ge=1)
    kernel: str = parameter("cosine", "linear, cosine or gaussian; of the k-DPP", "choice")
    refit_every: int = parameter(64, "added copies between two exact fits of the greedy policies", "choice", ge=1)
    retrained: list[str] = parameter([], "policies whose choices a network is trained anew on", NOTHING)
    retrained_share: Number = parameter(0.05, "of all copies, where that is done", NOTHING, gt=0, le=1)
    seed: int = parameter(0, "all randomness but that of the study comes from here", "choice", ge=0)

    @field_validator("policies", "retrained")
    @classmethod
    def _known(cls, names):
        for name in names:
            policy_of(name)
        if len(set(names)) < len(names):
            raise ValueError("must name each policy once")
        return names

    @field_validator("kernel")
    @classmethod
    def _known_kernel(cls, name):
        if name not in kdpp.KERNELS:
            raise ValueError(f"must be one of {', '.join(kdpp.KERNELS)}")
        return name

    def base(self) -> Study:
        """Parameters of the study whose features are used."""
        return Study.read(paths.PARAMS / f"{self.study}.yaml")

    def settings(self) -> sweep.SetSweepSettings:
        """Settings of the sweep."""
        names = ("C", "pool", "clusters", "kernel", "refit_every")
        # Studies are small, and the exact solver's choices depend on no schedule.
        options = SetOptions(**{name: getattr(self, name) for name in names}, solver="exact")
        return sweep.SetSweepSettings(tuple(self.policies), tuple(self.shares), options)


def problem(study: SetStudy, features: FeatureSet, replicate: int) -> tuple[FeatureSet, np.ndarray | None]:
    """Apply the study's rare class and wrong labels to one replicate's features.

    Parameters
    ----------
    study : SetStudy
    features : feature_set.FeatureSet
        Features of the base study.
    replicate : int

    Returns
    -------
    feature_set.FeatureSet
    bool array [n] or None
        Points with a wrong label.
    """
    if study.rare_class is not None:
        rng = study.rng(replicate, "rare class")
        features = sweep.with_rare_class(features, study.rare_class, study.rare_share, rng)
    if not study.wrong_labels:
        return features, None
    return sweep.mislabelled(features, study.wrong_labels, study.rng(replicate, "wrong labels"))


def sets_table(study: SetStudy) -> pd.DataFrame:
    """Load the study's table, computing missing replicates; written to ``sets.parquet``.

    The columns are sets, replicate and those of `studies.copies.sweep.sweep_copies`. Every replicate is stored in
    ``replicates/`` as soon as it is computed.
    """
    base = study.base()
    dataset = base.load_data()
    keys = [replicate_key(study, base, dataset, replicate) for replicate in range(base.replicates)]
    key, path = sealed.key(replicates=keys), study.folder / "sets.parquet"
    found = artifacts.read_table(path, key)
    if found is None:
        # Refuse an engine that the environment asks for and this machine lacks before any network is trained.
        engines.engine_of()
        features = cache(lambda: stages.features(base))
        parts = [_replicate(study, features, dataset, r, keys[r]) for r in tqdm(range(base.replicates), "replicates")]
        found = pd.concat(parts, ignore_index=True)
        artifacts.write_table(path, _about(study, dataset, key), found)
    return found


def replicate_key(study: SetStudy, base: Study, dataset: Dataset, replicate: int) -> str:
    """Key of one replicate's table."""
    return SETS.key(study, replicate=replicate, features=stages.features_key(base, dataset, replicate))


def _about(study, dataset, key, **more):
    return artifacts.manifest(key, parameters=study.model_dump(), data=dataset.provenance, **more)


def _replicate(study, features, dataset, replicate, key):
    path = study.folder / "replicates" / f"replicate-{replicate:02d}.parquet"
    found = artifacts.read_table(path, key)
    if found is None:
        started = perf_counter()
        found = _computed(study, features()[replicate].set, replicate)
        artifacts.write_table(path, _about(study, dataset, key, seconds=round(perf_counter() - started, 2)), found)
    return found


def _computed(study, features, replicate):
    points, wrong = problem(study, features, replicate)
    found = sweep.sweep_copies(points, study.settings(), study.seed_sequence(replicate, "policies"), wrong)
    found.insert(0, "sets", study.sets)
    found.insert(1, "replicate", replicate)
    return found


SETS = Stage("sets", 1, ("table", "choice"), (_computed, problem, SetStudy.settings, SetStudy.rng))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute the tables of some studies, and return the exit status."""
    parser = argparse.ArgumentParser(prog="influaug sets", description=__doc__)
    parser.add_argument("parameters", nargs="+", help="YAML files of params/sets/")
    given = parser.parse_args(arguments)
    try:
        for path in given.parameters:
            sets_table(SetStudy.read(path))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
