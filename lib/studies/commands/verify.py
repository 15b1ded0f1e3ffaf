"""Run a study again from scratch and report whether its table is reproduced: ``influaug verify STUDY``.

The table is reproduced if every mean accuracy (of a curve at a budget, over replicates) lies within the 95% interval of
the stored table's mean. With the same machine, versions and number of threads the numbers are identical to the last
digit. Elsewhere the networks are trained with other rounding errors and differ slightly.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from influaug.errors import InputError

from ..points.study import Study
from ..points.summary import CURVE, with_intervals
from ..storage import artifacts, paths, provenance

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import pandas as pd

NOTEBOOK = "03_policy_sweep.ipynb"
TABLE = "sweep.parquet"
ROW = ["replicate", *CURVE, "round", "budget"]
MEAN = [*CURVE, "budget"]


def compare(kept: pd.DataFrame, again: pd.DataFrame) -> dict[str, Any]:
    """Compare two tables of the same study's sweep.

    Parameters
    ----------
    kept, again : DataFrame
        Tables of `studies.points.sweep.sweep_points`, with all replicates.

    Returns
    -------
    dict
        Numbers of ``rows``, of ``identical`` rows (same accuracy), of ``means`` and of means ``within`` the module's
        tolerance; ``worst``, the largest difference of a mean accuracy; and ``reproduced``.

    Raises
    ------
    InputError
        The tables have different rows.
    """
    if set(map(tuple, kept[ROW].values)) != set(map(tuple, again[ROW].values)):
        raise InputError(
            "The table and the one made now have different curves, budgets or replicates: the parameters of the study "
            "have changed since it was run."
        )
    both = kept[[*ROW, "accuracy"]].merge(again[[*ROW, "accuracy"]], on=ROW, suffixes=("", "_again"))
    ours, theirs = (with_intervals(table, "accuracy", MEAN) for table in (kept, again))
    gap = (theirs["mean"] - ours["mean"]).abs()
    within = int((gap <= ours["half_width"].fillna(0)).sum())
    identical = int((both["accuracy"] == both["accuracy_again"]).sum())
    return {
        "rows": len(both),
        "identical": identical,
        "means": len(gap),
        "within": within,
        "worst": float(gap.max()),
        "reproduced": within == len(gap),
    }


def in_words(name: str, found: dict[str, Any], manifest: dict[str, Any]) -> str:
    """Describe the result of `compare` in two sentences."""
    verdict = "is reproduced" if found["reproduced"] else "is NOT reproduced"
    made = ", ".join(filter(None, [manifest["made"], provenance.in_words(manifest), manifest.get("device")]))
    return (
        f"{name} {verdict}: {found['identical']:,} of {found['rows']:,} rows are identical, and {found['within']:,} of "
        f"{found['means']:,} means are within the 95% intervals of the table; the largest difference of a mean is "
        f"{100 * found['worst']:.3g} percentage points. The table was made {made}."
    )


def verify(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a study from scratch, in a temporary folder, and compare its table with the one in outputs/.

    Parameters
    ----------
    name : str
        Name of a file in params/, without .yaml.

    Returns
    -------
    dict
        Result of `compare`.
    dict
        Manifest of the table in outputs/.

    Raises
    ------
    InputError
        The study or its table does not exist, or the study cannot be run.
    """
    parameters, path = paths.PARAMS / f"{name}.yaml", paths.outputs() / name / TABLE
    Study.read(parameters)
    kept = artifacts.read_table(path)
    if kept is None:
        raise InputError(f"There is no {path} to compare with: run the study first, make study NAME={name}.")
    with TemporaryDirectory(prefix="influaug-verify-") as folder:
        _run(parameters, folder)
        again = artifacts.read_table(next(Path(folder).rglob(TABLE)))
    return compare(kept, again), artifacts.read_manifest(path)  # type: ignore[arg-type, return-value]


def _run(parameters, folder):
    command = [sys.executable, "-m", "studies", "run", str(paths.NOTEBOOKS / NOTEBOOK), str(parameters)]
    ran = subprocess.run(command, env=os.environ | {"INFLUAUG_OUTPUTS": str(folder)}, capture_output=True, text=True)
    if ran.returncode:
        reason = ran.stderr.strip().rpartition("\n")[2]
        raise InputError(f"The study could not be run again: {reason}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status: 0 if the study is reproduced."""
    parser = argparse.ArgumentParser(prog="influaug verify", description=__doc__.splitlines()[0])
    parser.add_argument("study", help="name of a file in params/, without .yaml")
    name = parser.parse_args(arguments).study
    try:
        found, manifest = verify(name)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(in_words(name, found, manifest) + "\n")
    return 0 if found["reproduced"] else 1
