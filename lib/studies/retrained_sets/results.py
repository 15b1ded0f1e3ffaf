"""Results of a study of retrained networks: one file for each replicate, arm and share, computed if it is missing.

A result is written as soon as it is computed, so that an interrupted study goes on where it stopped, and replicates can
be computed anywhere, side by side.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from influaug.errors import InputError
from influaug.files import sealed

from ..intervals import FEWEST, mean_interval, paired
from ..storage import artifacts
from ..storage.keys import Stage
from .arms import Replicate, chosen, whole
from .parameters import WHOLE, RetrainedSets

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MEASURED = ("added", "updates", "passes", "accuracy", "accuracy_original", "cpu_seconds")


def result(r: Replicate, arm: str, share: float | None) -> dict[str, Any]:
    """Result of one arm in one replicate, from its file if parameters, data and code are the same, else computed."""
    found = stored(r.study, r.number, arm, share)
    if found is None:
        measured = whole(r, arm) if share is None else chosen(r, arm, share)
        key = result_key(r.study, r.number, arm, share)
        about = {"parameters": r.study.model_dump(exclude={"data_folder"}), "data": r.study.load_data().provenance}
        made = artifacts.manifest(key, **about, replicate=r.number, arm=arm, share=share, **measured)
        sealed.write_json(_path(r.study, r.number, arm, share), made)
        found = stored(r.study, r.number, arm, share)
    return found  # type: ignore[return-value]


def stored(study: RetrainedSets, replicate: int, arm: str, share: float | None) -> dict[str, Any] | None:
    """The result that is stored, if it has the same parameters, data and code."""
    found = sealed.read_json(_path(study, replicate, arm, share))
    return found if found is not None and found["key"] == result_key(study, replicate, arm, share) else None


def results(study: RetrainedSets) -> pd.DataFrame:
    """Results of all arms in all replicates; missing ones are computed if the study's ``train`` says so.

    Returns
    -------
    DataFrame
        Columns replicate, arm, share (NaN for arms without a budget), added, updates, passes, accuracy,
        accuracy_original, cpu_seconds; see `arms.chosen`.

    Raises
    ------
    InputError
        No result is stored, and none is to be computed.
    """
    rows = []
    for number in tqdm(range(study.replicates), "replicates", leave=False):
        r = Replicate(study, number)
        for arm, share in study.jobs():
            found = result(r, arm, share) if study.train else stored(study, number, arm, share)
            if found is not None:
                of_share = np.nan if share is None else share
                measured = {name: found[name] for name in MEASURED}
                rows.append({"replicate": number, "arm": arm, "share": of_share, **measured})
    if not rows:
        raise InputError(f"The study {study.name} has no results yet; influaug retrain computes them.")
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Mean results of every arm and share, with 95% intervals of the accuracy (Student's t).

    Returns
    -------
    DataFrame
        Indexed by arm and share: added, updates, passes, cpu_seconds (means), accuracy, half_width, accuracy_original,
        replicates.
    """
    groups = table.groupby(["arm", "share"], sort=False, dropna=False)
    means = groups[["added", "updates", "passes", "cpu_seconds", "accuracy", "accuracy_original"]].mean()
    means["half_width"] = groups["accuracy"].agg(lambda values: mean_interval(values)[1])
    means["replicates"] = groups["accuracy"].count()
    return means


def difference(table: pd.DataFrame, one: tuple[str, float | None], other: tuple[str, float | None]) -> dict[str, float]:
    """Accuracy of one arm less that of another, paired by replicate.

    Parameters
    ----------
    table : DataFrame
        Of `results`.
    one, other : tuple
        Arm and share; the share of an arm without a budget is None.

    Returns
    -------
    dict
        mean and half_width (95%, Student's t), in percentage points, and the number of replicates that have both.
    """
    found = paired(_accuracies(table, *one), _accuracies(table, *other))
    return {"mean": found.mean, "half_width": found.half_width, "replicates": found.n}


def verdict(found: dict[str, float]) -> str:
    """Whether a `difference` is shown to be more or less than zero, for `FEWEST` replicates or more, in a word."""
    if found["replicates"] < FEWEST:
        return "too few replicates"
    if abs(found["mean"]) <= found["half_width"]:
        return "open"
    return "more" if found["mean"] > 0 else "less"


def _accuracies(table, arm, share):
    rows = table[(table["arm"] == arm) & (table["share"].isna() if share is None else table["share"] == share)]
    return rows.set_index("replicate")["accuracy"]


def _path(study, replicate, arm, share):
    name = arm if share is None else f"{arm}-{share:g}"
    return study.folder / f"replicate-{replicate:02d}" / f"{name}.json"


def result_key(study: RetrainedSets, replicate: int, arm: str, share: float | None) -> str:
    """Key of a result, made from everything that it depends on."""
    data = study.load_data().provenance["sha256"]
    stage = RETRAINED_WHOLE if arm in WHOLE else RETRAINED_CHOSEN
    return stage.key(study, arm=arm, share=share, replicate=replicate, data=data)


_METHODS = (RetrainedSets.split, RetrainedSets.augmentation, RetrainedSets.seed_of, RetrainedSets.rng)
RETRAINED_WHOLE = Stage("networks trained anew", 1, ("data", "training", "all", "draws"), (whole, *_METHODS))
RETRAINED_CHOSEN = Stage(
    "networks trained anew on chosen copies",
    1,
    ("data", "training", "choice"),
    (chosen, *_METHODS, RetrainedSets.in_rounds, RetrainedSets.seed_sequence),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute the results of a study that are missing, by share and then by replicate, and return the exit status."""
    parser = argparse.ArgumentParser(prog="influaug retrain", description=__doc__.splitlines()[0])
    parser.add_argument("parameters", help="a YAML file of params/retrained_sets/")
    parser.add_argument("replicates", nargs="*", type=int, help="which ones (default: all)")
    parser.add_argument("--arms", nargs="+", help="which arms (default: all)")
    given = parser.parse_args(arguments)
    try:
        study = RetrainedSets.read(given.parameters)
        for share in study.shares:
            for number in given.replicates or range(study.replicates):
                _compute(Replicate(study, number), share, given.arms or study.arms)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _compute(r, share, arms):
    """Compute what is missing of a replicate at a share, and of the arms without a budget, a line for each."""
    for arm, of_arm in r.study.jobs():
        if arm in arms and of_arm in (None, share) and stored(r.study, r.number, arm, of_arm) is None:
            found = result(r, arm, of_arm)
            text = f"replicate {r.number}, {arm}" + ("" if of_arm is None else f" {of_arm:g}")
            sys.stderr.write(f"{text}: {found['accuracy']:.2f}%, {found['cpu_seconds']:.1f} s\n")
