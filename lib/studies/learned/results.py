"""A comparison: classifiers trained from scratch on few labelled images, each arm with its own augmentation.

Every replicate draws its own labelled images. Its arms share them, and the seed of the classifier's weights and order
of points. The result of an arm is written as soon as it is computed, so that an interrupted comparison continues where
it stopped.
"""

from __future__ import annotations

import argparse
import sys
from itertools import chain
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from influaug.errors import InputError
from influaug.files import sealed, writing

from ..intervals import mean_interval
from ..storage import artifacts, provenance
from ..storage.keys import Stage
from .ablations import ABLATIONS
from .arms import accuracy_of, learn_form
from .parameters import OF_NETWORKS, Comparison, learned_for, start_of
from .rivals import LEARNED_OPERATIONS, RIVALS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from influaug.data.datasets import Split

MEASURES = ("error", "loss", "error_draws", "loss_draws")
COLUMNS = ("arm", *MEASURES, "seconds", "machine")
UNRECORDED = "not recorded"
"""Machine of results that were made before it was written down; they were all made on one."""


def result(comparison: Comparison, replicate: int, arm: str) -> dict[str, Any]:
    """Result of one arm in one replicate, from its file if parameters, data and code are the same, else computed.

    Returns
    -------
    dict
        error (percent of the test images), loss (mean over the test images, nats), error_draws and loss_draws (the same
        with draws at test time; results made before there were any lack them), seconds (of all computations that the
        arm needed), machine, and the manifest.
    """
    before = finished(comparison, replicate, arm)
    if before is not None:
        return before
    points, started = comparison.split(replicate), perf_counter()
    wanted, path = arm_key(comparison, replicate, arm, points), _folder(comparison, replicate) / f"{arm}.json"
    found = accuracy_of(comparison, replicate, arm, points, file_for(comparison, replicate, arm))
    measured = {"arm": arm, **found, "seconds": perf_counter() - started}
    sealed.write_json(path, artifacts.manifest(wanted, **_about(comparison, points), **measured))
    return sealed.read_json(path)


def file_for(comparison: Comparison, replicate: int, arm: str) -> Path | None:
    """Path of the `learned_file` of an arm; None if the arm learns nothing."""
    form = learned_for(arm)
    return None if form is None else learned_file(comparison, replicate, form)


def learned_file(comparison: Comparison, replicate: int, form: str) -> Path:
    """Path of a learned form; it is learned first unless a file with the same parameters, data and code exists."""
    points = comparison.split(replicate)
    wanted, folder = arm_key(comparison, replicate, form, points), _folder(comparison, replicate)
    path, about = folder / f"learned-{form}.keras", folder / f"learned-{form}.json"
    found = sealed.read_json(about)
    if found is None or found["key"] != wanted or not path.exists():
        started, before = perf_counter(), start_of(form)
        start = None if before is None else learned_file(comparison, replicate, before)
        trajectory = learn_form(comparison, replicate, form, points, path, start)
        taken = perf_counter() - started
        made = artifacts.manifest(wanted, **_about(comparison, points), seconds=taken, trajectory=trajectory)
        sealed.write_json(about, made)
    writing.check_whole(path)
    return path


def results(comparison: Comparison) -> pd.DataFrame:
    """Results of all arms in all replicates; missing ones are computed, or left out if only finished ones are wanted.

    Returns
    -------
    DataFrame
        Columns replicate and `COLUMNS`; NaN for what a result lacks.

    Raises
    ------
    InputError
        Only finished results are wanted, and there are none.
    """
    rows = []
    for replicate in tqdm(range(comparison.replicates), "replicates"):
        for arm in comparison.arms:
            found = (finished if comparison.only_finished else result)(comparison, replicate, arm)
            if found is not None:
                about = {"error_draws": np.nan, "loss_draws": np.nan, "machine": UNRECORDED} | found
                rows.append({"replicate": replicate, **{name: about[name] for name in COLUMNS}})
    if not rows:
        raise InputError(f"No result of {comparison.comparison} is finished; only_finished must be false to make them.")
    return pd.DataFrame(rows)


def finished(comparison: Comparison, replicate: int, arm: str) -> dict[str, Any] | None:
    """`result` if it was computed before, with the same parameters, data and code; else None."""
    wanted = arm_key(comparison, replicate, arm, comparison.split(replicate))
    found = sealed.read_json(_folder(comparison, replicate) / f"{arm}.json")
    return found if found is not None and found["key"] == wanted else None


def replicates_of(comparison: Comparison, form: str) -> list[int]:
    """Replicates whose learned form and its record are there, or all if missing results are computed."""
    if not comparison.only_finished:
        return list(range(comparison.replicates))
    names = [_folder(comparison, replicate) / f"learned-{form}" for replicate in range(comparison.replicates)]
    both = [all(path.with_suffix(kind).exists() for kind in (".json", ".keras")) for path in names]
    return [replicate for replicate, there in enumerate(both) if there]


def has_layer(comparison: Comparison, replicate: int, arm: str) -> bool:
    """Whether an arm's augmentation can be had: it learns nothing, or what it learned is there or is to be computed."""
    form = learned_for(arm)
    return form is None or replicate in replicates_of(comparison, form)


def trajectory(comparison: Comparison, replicate: int, form: str) -> tuple[pd.DataFrame, float]:
    """Record of the learning of a form, one row for each step, and its seconds."""
    learned_file(comparison, replicate, form)
    found = sealed.read_json(_folder(comparison, replicate) / f"learned-{form}.json")
    return pd.DataFrame(found["trajectory"]), found["seconds"]


def seconds_of_learning(comparison: Comparison, form: str) -> list[float]:
    """Seconds that learning a form took in each replicate with a record, even where what was learned is gone."""
    if not comparison.only_finished:
        return [trajectory(comparison, replicate, form)[1] for replicate in range(comparison.replicates)]
    folders = (_folder(comparison, replicate) for replicate in range(comparison.replicates))
    records = [sealed.read_json(folder / f"learned-{form}.json") for folder in folders]
    return [record["seconds"] for record in records if record is not None]


def summary(table: pd.DataFrame, against: str = "control", measure: str = "error") -> pd.DataFrame:
    """Means of the arms and their paired differences from one of them, each with a 95% interval (Student's t).

    Parameters
    ----------
    table : DataFrame
        Table from `results`.
    against : str
        Arm to compare the others with.
    measure : {'error', 'loss', 'error_draws', 'loss_draws'}

    Returns
    -------
    DataFrame
        One row for each arm, ablations last: mean, half_width, difference, difference_half_width, seeds, pairs.

    Notes
    -----
    Pairs are formed within a machine: the same seeds give other weights on another processor.
    """
    arms = sorted(dict.fromkeys(table["arm"]), key=lambda arm: arm in ABLATIONS)
    wide = table.pivot(index=["replicate", "machine"], columns="arm", values=measure)[arms]
    if against not in wide:
        raise InputError(f"There is no arm {against!r} to compare with; there are {', '.join(wide)}.")  # type: ignore[arg-type]
    rows = {}
    for arm in wide:
        alone, gap = wide[arm].dropna(), (wide[arm] - wide[against]).dropna()
        found = (_interval(alone), _interval(gap) if arm != against else (np.nan, np.nan))
        rows[arm] = {
            **dict(zip(("mean", "half_width", "difference", "difference_half_width"), chain(*found), strict=True)),
            "seeds": len(alone),
            "pairs": len(gap),
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype({"seeds": int, "pairs": int})


def _interval(values):
    return mean_interval(values) if len(values) else (np.nan, np.nan)


def _about(comparison, points):
    parameters = comparison.model_dump(exclude={"data_folder"})
    return {"parameters": parameters, "data": points.provenance, "machine": provenance.machine()}


def _folder(comparison, replicate):
    return comparison.folder / f"replicate-{replicate:02d}"


def arm_key(comparison: Comparison, replicate: int, arm: str, points: Split) -> str:
    """Key of an arm's result, made from everything that it depends on."""
    changes = {"changes": ABLATIONS[arm].changes} if arm in ABLATIONS else {}
    rival = arm in RIVALS or arm in LEARNED_OPERATIONS
    stage = NETWORK_ARMS if arm in OF_NETWORKS else RIVAL_ARMS if rival else ARMS_WITHOUT_NETWORKS
    return stage.key(comparison, arm=arm, replicate=replicate, data=points.provenance["sha256"], **changes)


_SEEDS = (Comparison.split, Comparison.seed_of)
ARMS_WITHOUT_NETWORKS = Stage("learned ranges", 1, ("arms",), (accuracy_of, learn_form, *_SEEDS))
NETWORK_ARMS = Stage("learned networks", 1, ("arms", "networks"), (accuracy_of, learn_form, *_SEEDS))
RIVAL_ARMS = Stage("learned rivals", 1, ("arms", "rivals"), (accuracy_of, learn_form, *_SEEDS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute some replicates of a comparison, and return the exit status."""
    parser = argparse.ArgumentParser(prog="influaug compare", description=__doc__.splitlines()[0])
    parser.add_argument("parameters", help="a comparison's YAML file")
    parser.add_argument("replicates", nargs="*", type=int, help="which ones (default: all)")
    given = parser.parse_args(arguments)
    try:
        comparison = Comparison.read(given.parameters)
        for replicate in given.replicates or range(comparison.replicates):
            for arm in comparison.arms:
                found = result(comparison, replicate, arm)
                sys.stderr.write(f"replicate {replicate}, {arm}: error {found['error']:.2f}%\n")
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
