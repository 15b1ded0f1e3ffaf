"""Results in an outputs folder, as tables, and differences of their arms and policies, paired by replicate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from influaug.files.sealed import read_json

from ..intervals import FEWEST, Gap, paired
from ..storage import artifacts

if TYPE_CHECKING:
    from pathlib import Path

SHARE = 0.05
"""Share of the copies that the sentences speak of."""
RETRAINED = (
    ("random_copies", SHARE),
    ("influence", SHARE),
    ("greedy_influence", SHARE),
    ("rounds", SHARE),
    ("warm_rounds", SHARE),
    ("choice_in_training", None),
    ("on_the_fly", None),
)
"""Arms that are compared with all copies, and their shares."""


def retrained_table(outputs: Path, name: str = "mnist-translate") -> tuple[pd.DataFrame | None, str]:
    """Accuracies and image passes of networks trained anew, a row for each result, and the folder of their page."""
    folder = outputs / "retrained_sets" / name
    rows = []
    for path in sorted(folder.glob("replicate-*/*.json")):
        arm, _, share = path.stem.partition("-")
        number = int(path.parent.name.removeprefix("replicate-"))
        about = {"replicate": number, "arm": arm, "share": float(share or "nan")}
        rows.append(about | {name: value for name, value in read_json(path).items() if name in ("accuracy", "passes")})
    return (pd.DataFrame(rows) if rows else None), f"retrained_sets/{name}/pages"


def gap(
    table: pd.DataFrame, one: tuple[str, float | None], other: tuple[str, float | None], value: str = "accuracy"
) -> Gap | None:
    """One arm less another, paired by replicate; None with fewer than `FEWEST` pairs."""
    found = paired(_values(table, *one, value), _values(table, *other, value))
    return found if found.n >= FEWEST else None


def _values(table, arm, share, value):
    rows = table[table["arm"] == arm]
    if "share" in rows:
        rows = rows[rows["share"].isna() if share is None else rows["share"] == share]
    pair = ["replicate", "machine"] if "machine" in rows else ["replicate"]
    return rows.set_index(pair)[value]


def sets_table(outputs: Path, name: str) -> tuple[pd.DataFrame | None, str]:
    """Table of a study of sets, in percent, and the folder of its page; None for the table of fewer than `FEWEST`."""
    folder = f"sets/{name}"
    table = artifacts.read_table(outputs / folder / "sets.parquet")
    if table is None or table["replicate"].nunique() < FEWEST:
        return None, ""
    return table.assign(accuracy=100 * table["accuracy"]), f"{folder}/pages"


def of_policies(table: pd.DataFrame, one: str, other: str, share: float = SHARE) -> Gap:
    """One policy's accuracy at a share less another's, or less that of all copies."""
    rows = table[(table["share"] == share) | (table["policy"] == "full")]
    wide = rows.pivot_table(index="replicate", columns="policy", values="accuracy")
    return paired(wide[one], wide[other])


def arms_table(folder: Path) -> pd.DataFrame | None:
    """Errors and losses of a comparison's arms, by replicate and machine; None if there are none."""
    rows = []
    for path in sorted(folder.glob("replicate-*/*.json")):
        found = read_json(path)
        if "error" in found:  # other files tell how a form was learned
            number, machine = int(path.parent.name.removeprefix("replicate-")), found.get("machine", "")
            measured = {"error": found["error"], "loss": found.get("loss", np.nan)}
            rows.append({"replicate": number, "machine": machine, "arm": found["arm"], **measured})
    return pd.DataFrame(rows) if rows else None


def keeping_the_start(folder: Path) -> list[int]:
    """Replicates of a comparison in which learning ended with what it began with."""
    found = []
    for path in sorted(folder.glob("replicate-*/learned-learned.json")):
        kept = next(row for row in read_json(path)["trajectory"] if row["kept"])
        if kept["round"] == 0:
            found.append(int(path.parent.name.removeprefix("replicate-")))
    return found
