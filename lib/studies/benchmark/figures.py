"""Figures of the benchmark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def ratios(ax: Axes, results: pd.DataFrame) -> Axes:
    """How many times as long as ours each competitor takes, a bar a case; open: if it, too, fits equal models once.

    Parameters
    ----------
    results : DataFrame
        Of `benchmark.solver_results`.
    """
    rows = results.iloc[::-1]
    y = np.arange(len(rows))
    lbfgs = rows["competitor"].str.contains("lbfgs")
    ax.barh(y, rows["ratio"], height=0.7, color=np.where(lbfgs, "#0072B2", "#D55E00"), alpha=0.75)
    ax.barh(y, rows["ratio, equal once"], height=0.35, facecolor="white", edgecolor="black", linewidth=0.8, alpha=0.85)
    for place, ratio in zip(y, rows["ratio"], strict=True):
        ax.annotate(f"{ratio:.0f}", (ratio, place), xytext=(3, 0), textcoords="offset points", va="center", fontsize=8)
    names = rows["competitor"].str.removeprefix("scikit-learn ")
    ax.set_yticks(y, [f"{row.case}, C = {row.C:g}, {name}" for row, name in zip(rows.itertuples(), names, strict=True)])
    ax.tick_params(axis="y", labelsize=8)
    ax.axvline(1, color="0.35", linestyle="--", linewidth=1.2)
    ax.set(xscale="log", xlabel="their time / ours")
    return ax


def growth(ax: Axes, table: pd.DataFrame, varied: str) -> Axes:
    """Seconds of a sweep against one of its sizes; a table of `benchmark.growth`."""
    rows = table[table["varied"] == varied]
    for column, colour, marker, label in (
        ("theirs", "#D55E00", "v", "newton-cholesky, warm"),
        ("ours", "#0072B2", "s", "ours"),
    ):
        ax.plot(rows[varied], rows[column], color=colour, marker=marker, label=label)
    ax.set(yscale="log", xlabel=varied if varied != "points" else "training points", ylim=(0.01, None))
    if ax.get_subplotspec().is_first_col():  # type: ignore[union-attr]
        ax.set_ylabel("seconds, one thread")
    return ax
