"""Figures of scores, of the policy sweep and of claims. Every plot takes an Axes and returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import spearmanr

from ..pages.looks import LOOK, Look, curve, reference_lines
from .summary import CURVE, curves_only, with_intervals

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from matplotlib.axes import Axes


REFINEMENT_LOOK = {
    (False, False): Look("#0072B2", "s", "plain"),
    (True, False): Look("#D55E00", "v", "scores updated"),
    (False, True): Look("#009E73", "D", "downweighted"),
    (True, True): Look("#CC79A7", "^", "both"),
}


def histogram(ax: Axes, scores: np.ndarray, name: str) -> Axes:
    """Histogram of a score on a logarithmic axis (Kuchnik & Smith, 2019, figures 1, 6 and 7)."""
    positive = scores[scores > 0]
    ax.hist(positive, bins=np.geomspace(positive.min(), positive.max(), 41), color="#0072B2")
    ax.set(xscale="log", xlabel=name, ylabel="points")
    return ax


def share_of_total(ax: Axes, scores: np.ndarray, name: str) -> Axes:
    """Share of the summed score that the highest-scoring points hold, against their share of all points."""
    falling = np.sort(scores)[::-1]
    ax.plot(np.arange(1, len(falling) + 1) / len(falling) * 100, 100 * np.cumsum(falling) / falling.sum())
    ax.set(xscale="log", xlabel="highest-scoring points (%)", ylabel=f"share of all {name} (%)", ylim=(0, 103))
    return ax


def before_after(ax: Axes, initial: np.ndarray, final: np.ndarray, name: str) -> Axes:
    """Scores after full augmentation against scores before, with Spearman's rank correlation (figures 2 and 8)."""
    ax.scatter(initial, final, s=6, alpha=0.35, color="#0072B2", linewidths=0)
    rho = spearmanr(initial, final).statistic
    low = max(min(initial[initial > 0].min(), final[final > 0].min()), 1e-16)
    high = max(initial.max(), final.max())
    ax.plot([low, high], [low, high], color="0.5", linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlabel=f"{name}, originals only", ylabel=f"{name}, all copies added")
    ax.set_title(f"Spearman's rank correlation {rho:.2f}")
    return ax


def policy_curves(
    ax: Axes,
    table: pd.DataFrame,
    score: str,
    policies: Iterable[str],
    refinement: tuple[bool, bool] = (False, False),
    value: str = "accuracy",
) -> Axes:
    """Accuracy against augmented points, one line for each policy, with 95% bands and references (figures 3, 9, 10)."""
    chosen = table[(table["score"] == score) & (table["update"] == refinement[0])]
    chosen = chosen[chosen["downweight"] == refinement[1]]
    for policy in policies:
        _line(ax, chosen[chosen["policy"] == policy], LOOK[policy], value)
    return _finish(ax, table, value)


def refinement_curves(ax: Axes, table: pd.DataFrame, score: str, policy: str, value: str = "accuracy") -> Axes:
    """One policy with each refinement (figure 4)."""
    chosen = table[(table["score"] == score) & (table["policy"] == policy)]
    for refinement, look in REFINEMENT_LOOK.items():
        rows = chosen[(chosen["update"] == refinement[0]) & (chosen["downweight"] == refinement[1])]
        _line(ax, rows, look, value)
    return _finish(ax, table, value)


def _line(ax, rows, look, value):
    if rows.empty:
        return
    summary = with_intervals(rows, value, ["budget"])
    curve(ax, summary.index, 100 * summary["mean"], 100 * summary["half_width"], look)


def _finish(ax, table, value):
    n = table["budget"].max()
    reference_lines(ax, table, value, "all points")
    ticks = np.unique(curves_only(table)["budget"])
    ax.set_xscale("symlog", linthresh=10, linscale=0.5)
    crowded = np.append(ticks[1:] / ticks[:-1] < 1.4, False)
    ax.set_xticks(ticks, ["" if near else f"{b:g}" for b, near in zip(ticks, crowded, strict=True)], fontsize=8)
    ax.set(xlim=(0.9, n * 1.05), xlabel=f"augmented points (of {n})", ylabel="test accuracy (%)")
    return ax


def vsv_star(ax: Axes, table: pd.DataFrame, value: str = "accuracy") -> Axes:
    """Mark the virtual-support-vector baseline on the curves: its mean budget and accuracy, with 95% bars."""
    look = LOOK["vsv"]
    rows = table.assign(round=0, key=0)
    x, y = (with_intervals(rows, column, ["key"]).iloc[0] for column in ("budget", value))
    bars = {"xerr": x["half_width"], "yerr": 100 * y["half_width"]}
    ax.errorbar(
        x["mean"],
        100 * y["mean"],
        **bars,
        color=look.colour,
        marker=look.marker,
        markersize=13,
        label=look.label,
        zorder=5,
    )
    return ax


def published_against_ours(ax: Axes, comparison: pd.DataFrame) -> Axes:
    """Our mean area under each published curve with its 95% interval, and the paper's value, one row for each curve.

    Parameters
    ----------
    comparison : DataFrame
        Table from `published.compare_auc`, for one study and score.
    """
    rows = comparison.sort_values("ours")
    labels = [curve_label(*key) for key in rows[CURVE[1:]].itertuples(index=False)]
    y = np.arange(len(rows))
    ax.errorbar(rows["ours"], y, xerr=rows["half_width"], fmt="o", color="#0072B2", label="ours, 95% interval")
    ax.errorbar(rows["published"], y, xerr=rows["published_std"], fmt="D", color="#D55E00", label="paper, one std")
    ax.set_yticks(y, labels, fontsize=8)
    ax.set_xlabel("area under the curve (accuracy x points)")
    return ax


def curve_label(policy: str, update: bool, downweight: bool) -> str:
    """Name of a curve in words."""
    parts = [LOOK[policy].label, "updated" if update else "", "downweighted" if downweight else ""]
    return ", ".join(part for part in parts if part)


def claim(ax: Axes, found: pd.DataFrame, studies: list[str], low: float, high: float) -> Axes:
    """Differences of one claim with 95% intervals, one row for each study, one marker for each score; bounds shaded."""
    colours = {"holds": "#009E73", "fails": "#D55E00"}
    looks = {"influence": ("o", 0.17), "loss": ("s", -0.17)}
    for row in found.itertuples():
        marker, shift = looks.get(row.score, ("^", 0))
        y = len(studies) - 1 - studies.index(row.study) + shift
        error = None if np.isnan(row.half_width) else row.half_width
        ax.errorbar(
            row.mean, y, xerr=error, fmt=marker, markersize=4, color=colours.get(row.verdict, "#777777"), elinewidth=1.2
        )
    ax.set_yticks(range(len(studies)), studies[::-1])
    left, right = ax.get_xlim()
    ax.axvspan(max(low, left), min(high, right), color="#009E73", alpha=0.08, linewidth=0)
    ax.set(xlim=(left, right), ylim=(-0.6, len(studies) - 0.4), xlabel="percentage points")
    return ax
