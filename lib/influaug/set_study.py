"""A study of policies that choose copies, on the features of another study, with its errors and its imbalance."""

from __future__ import annotations

import argparse
import sys
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator
from tqdm.auto import tqdm

from . import artifacts, kdpp, logistic, paths, set_sweep, stages
from .data import load
from .errors import InputError
from .set_policies import SetOptions, policy_of
from .study import Study, folder_of, numbers, read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .sweep import FeatureSet

PURPOSES = ["policies", "wrong labels", "rare class"]
OF_RETRAINED = ("retrained", "retrained_share")


class SetStudy(BaseModel):
    """Parameters of a study of set policies; the defaults are the small embedded case. See params/sets/.

    Its folder is ``outputs/sets/<sets>`` if its parameters are those of ``params/sets/<sets>.yaml``; with any other
    parameters it is in ``outputs/variations/``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    sets: str = Field("digits-translate", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="its name")
    study: str = Field(
        "digits-translate",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        description="the study in params/ that it has its features from",
    )
    policies: list[str] = Field(
        ["random_points", "random_copies", "influence", "one_shot", "greedy_influence", "greedy_loss"],
        min_length=1,
        description="policies; see influaug.set_policies",
    )
    shares: list[float] = Field([0.01, 0.03, 0.05, 0.1, 0.25], min_length=1, description="of all copies, rising")
    C: float = Field(10.0, gt=0, description="inverse regularisation strength of the logistic regression")
    wrong_labels: float = Field(0.0, ge=0, lt=1, description="share of the training points that get a wrong label")
    rare_class: int | None = Field(None, ge=0, description="label of a class that loses most of its points; null: none")
    rare_share: float = Field(0.1, gt=0, le=1, description="share of its points that the rare class keeps")
    pool: float = Field(0.25, gt=0, le=1, description="share of the points in the pools of the policies of pools")
    clusters: int = Field(50, ge=1, description="k of the clustered policies")
    kernel: str = Field("cosine", description="linear, cosine or gaussian; of the k-DPP")
    refit_every: int = Field(64, ge=1, description="added copies between two exact fits of the greedy policies")
    retrained: list[str] = Field([], description="policies whose choices a network is trained anew on")
    retrained_share: float = Field(0.05, gt=0, le=1, description="of all copies, where that is done")
    seed: int = Field(0, ge=0, description="all randomness but that of the study comes from here")

    _numbers = numbers("shares", "C", "wrong_labels", "rare_share", "pool", "retrained_share")

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

    @property
    def folder(self) -> Path:
        """Where everything of this study is written; see the class's docstring."""
        return folder_of(self, paths.PARAMS / "sets" / f"{self.sets}.yaml", paths.outputs() / "sets")

    def base(self) -> Study:
        """The study whose features are used."""
        return read(paths.PARAMS / f"{self.study}.yaml", Study)

    def settings(self) -> set_sweep.SetSweepSettings:
        """What the sweep runs over: `set_sweep.SetSweepSettings`."""
        names = ("C", "pool", "clusters", "kernel", "refit_every")
        options = SetOptions(**{name: getattr(self, name) for name in names})
        return set_sweep.SetSweepSettings(tuple(self.policies), tuple(self.shares), options)

    def rng(self, replicate: int, purpose: str) -> np.random.Generator:
        """Randomness of one replicate for one of `PURPOSES`."""
        return np.random.default_rng(self.seed_sequence(replicate, purpose))

    def seed_sequence(self, replicate: int, purpose: str) -> np.random.SeedSequence:
        """As `rng`, its seeds."""
        return np.random.SeedSequence(self.seed, spawn_key=(replicate, PURPOSES.index(purpose)))


def problem(study: SetStudy, features: FeatureSet, replicate: int) -> tuple[FeatureSet, np.ndarray | None]:
    """One replicate's features with the study's imbalance and wrong labels, and which points have these.

    Parameters
    ----------
    study : SetStudy
    features : sweep.FeatureSet
        Of the base study.
    replicate : int

    Returns
    -------
    sweep.FeatureSet, bool array [n] or None
    """
    if study.rare_class is not None:
        rng = study.rng(replicate, "rare class")
        features = set_sweep.with_rare_class(features, study.rare_class, study.rare_share, rng)
    if not study.wrong_labels:
        return features, None
    return set_sweep.mislabelled(features, study.wrong_labels, study.rng(replicate, "wrong labels"))


def table(study: SetStudy) -> pd.DataFrame:
    """The study's table, computed where it is missing: see `set_sweep.run`, with the columns sets, replicate before.

    Every replicate is kept in ``replicates/`` as soon as it is there; all of them are in ``sets.parquet``.
    """
    base = study.base()
    dataset = load(base.dataset, base.data_folder)
    keys = [_key(study, base, dataset, replicate) for replicate in range(base.replicates)]
    key, path = artifacts.key(replicates=keys), study.folder / "sets.parquet"
    found = artifacts.read_table(path, key)
    if found is None:
        # An engine that the environment asks for in vain is refused before networks are trained.
        logistic.engine_of()
        features = cache(lambda: stages.features(base))
        parts = [_replicate(study, features, dataset, r, keys[r]) for r in tqdm(range(base.replicates), "replicates")]
        found = pd.concat(parts, ignore_index=True)
        artifacts.write_table(path, _about(study, dataset, key), found)
    return found


def _key(study, base, dataset, replicate):
    return artifacts.key(
        parameters=study.model_dump(exclude={"sets", *OF_RETRAINED}),
        replicate=replicate,
        features=stages.features_key(base, dataset, replicate),
        code=artifacts.code_key("influaug.set_sweep", functions=(problem, _computed, SetStudy.settings)),
    )


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
    found = set_sweep.run(points, study.settings(), study.seed_sequence(replicate, "policies"), wrong)
    found.insert(0, "sets", study.sets)
    found.insert(1, "replicate", replicate)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute the tables of some studies; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m influaug.set_study", description=__doc__)
    parser.add_argument("parameters", nargs="+", help="YAML files of params/sets/")
    given = parser.parse_args(arguments)
    try:
        for path in given.parameters:
            table(read(path, SetStudy))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
