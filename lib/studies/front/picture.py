"""The picture of the front page: frozen features and networks trained anew, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np

from ..copies.figures import set_curves
from ..copies.summary import IN_THE_FIGURE
from ..pages.looks import STYLE
from ..pages.pictures import write_png
from ..retrained_sets.looks import COLOURS, name
from ..storage import artifacts
from .tables import RETRAINED, gap, retrained_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.axes import Axes

    from ..intervals import Gap

FILE = "front.png"


def draw(outputs: Path) -> dict[str, str] | None:
    """Draw the picture into an outputs folder: its file, caption and alternative text; None without its results."""
    table = artifacts.read_table(outputs / "sets" / "mnist-translate-rivals" / "sets.parquet")
    trained, _ = retrained_table(outputs)
    if table is None or trained is None:
        return None
    gaps = {arm: found for arm, share in RETRAINED if (found := gap(trained, (arm, share), ("all", None)))}
    if not gaps:
        return None
    with plt.style.context(STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.2), width_ratios=(1.15, 1), layout="constrained")
        set_curves(left, table, IN_THE_FIGURE)
        left.set_title("Frozen features: what to add", loc="left")
        left.legend(loc="lower right", fontsize=8)
        differences(right, gaps)
        right.set_title("Networks trained anew, 5% of the copies", loc="left")
        write_png(figure, outputs / FILE)
        plt.close(figure)
    return {"file": FILE, "caption": _caption(table, gaps), "alt": _alt(gaps)}


def differences(ax: Axes, gaps: dict[str, Gap]) -> Axes:
    """Mean differences from all copies with their intervals, one row for each arm."""
    at = np.arange(len(gaps))[::-1]
    for y, (arm, found) in zip(at, gaps.items(), strict=True):
        colour = COLOURS.get(arm, "#777777")
        ax.errorbar(found.mean, y, xerr=found.half_width, color=colour, marker="o", markersize=6, capsize=3)
    ax.axvline(0, color="0.35", linestyle="--", linewidth=1.2)
    ax.set_yticks(at, [name(arm) for arm in gaps])
    ax.set_xlabel("test accuracy less that of all copies (points)")
    return ax


def _caption(table: pd.DataFrame, gaps: dict[str, Gap]) -> str:
    numbers = sorted({found.n for found in gaps.values()})
    trained = f"{numbers[0]}" if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return (
        "MNIST, 3 against 8, translate (four copies of each of 1000 points). Left: accuracy of a logistic regression "
        "on frozen LeNet features against the share of the copies that is added; means over "
        f"{table['replicate'].nunique()} replicates, bands are 95% intervals. Right: LeNets trained anew with the "
        "chosen copies, or with copies on the fly, for equally many updates; paired differences with 95% intervals "
        f"over {trained} replicates."
    )


def _alt(gaps: dict[str, Gap]) -> str:
    rows = "; ".join(f"{name(arm)} {found}" for arm, found in gaps.items())
    return f"Accuracy against the share of added copies, and differences from all copies in points: {rows}."
