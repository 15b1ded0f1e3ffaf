"""Figures. Every plot takes an Axes and returns it; captions and prose belong to the notebooks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import spearmanr

from .summary import CURVE, by_share, curves_only, with_intervals

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    import pandas as pd
    from matplotlib.axes import Axes

    LOOK: dict[Any, tuple[str, str, str]]
    SET_LOOK: dict[Any, tuple[str, str, str, str]]

STYLE = Path(__file__).parents[1] / "pages" / "style.mplstyle"
LOOK = {
    "baseline": ("#000000", "o", "random points"),
    "random_proportional": ("#0072B2", "s", "random, proportional"),
    "random_inverse_proportional": ("#D55E00", "v", "random, inverse"),
    "random_softmax": ("#56B4E9", "P", "random, softmax"),
    "random_inverse_softmax": ("#E69F00", "X", "random, inverse softmax"),
    "deterministic_proportional": ("#009E73", "D", "highest score first"),
    "deterministic_inverse_proportional": ("#CC79A7", "^", "lowest score first"),
    "vsv": ("#000000", "*", "support vectors"),
}
REFINEMENT_LOOK = {
    (False, False): ("#0072B2", "s", "plain"),
    (True, False): ("#D55E00", "v", "scores updated"),
    (False, True): ("#009E73", "D", "downweighted"),
    (True, True): ("#CC79A7", "^", "both"),
}


def use_style() -> None:
    """Apply the project's figure style in a notebook."""
    plt.style.use(STYLE)


def histogram(ax: Axes, scores: np.ndarray, name: str) -> Axes:
    """Counts of a score on a logarithmic score axis (Kuchnik & Smith, 2019, figures 1, 6 and 7)."""
    positive = scores[scores > 0]
    ax.hist(positive, bins=np.geomspace(positive.min(), positive.max(), 41), color="#0072B2")
    ax.set(xscale="log", xlabel=name, ylabel="points")
    return ax


def share_of_total(ax: Axes, scores: np.ndarray, name: str) -> Axes:
    """Share of the summed score held by the highest-scoring points, against their share of all points."""
    falling = np.sort(scores)[::-1]
    ax.plot(np.arange(1, len(falling) + 1) / len(falling) * 100, 100 * np.cumsum(falling) / falling.sum())
    ax.set(xscale="log", xlabel="highest-scoring points (%)", ylabel=f"share of all {name} (%)", ylim=(0, 103))
    return ax


def before_after(ax: Axes, initial: np.ndarray, final: np.ndarray, name: str) -> Axes:
    """Score before against after full augmentation, with Spearman's rank correlation (figures 2 and 8)."""
    ax.scatter(initial, final, s=6, alpha=0.35, color="#0072B2", linewidths=0)
    rho = spearmanr(initial, final).statistic
    low = max(min(initial[initial > 0].min(), final[final > 0].min()), 1e-16)
    high = max(initial.max(), final.max())
    ax.plot([low, high], [low, high], color="0.5", linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlabel=f"{name}, originals only", ylabel=f"{name}, all copies added")
    ax.set_title(f"Spearman's rank correlation {rho:.2f}")
    return ax


def image_row(ax: Axes, images: np.ndarray, title: str) -> Axes:
    """Images [n, h, w, c] side by side."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
    ax.imshow(np.concatenate(list(padded), axis=1).squeeze(), vmin=0, vmax=255)
    ax.set_title(title, fontsize=9, fontweight="normal")
    ax.set_axis_off()
    return ax


def policy_curves(
    ax: Axes,
    table: pd.DataFrame,
    score: str,
    policies: Iterable[str],
    refinement: tuple[bool, bool] = (False, False),
    value: str = "accuracy",
) -> Axes:
    """Accuracy against augmented points, one line a policy, with 95% bands and both references (figures 3, 9, 10)."""
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
    colour, marker, label = look
    summary = with_intervals(rows, value, ["budget"])
    mean, half = 100 * summary["mean"], 100 * summary["half_width"]
    ax.plot(mean.index, mean, color=colour, marker=marker, label=label)
    ax.fill_between(mean.index, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)


def _finish(ax, table, value):
    n = table["budget"].max()
    for policy, style, label in (("none", ":", "no augmentation"), ("full", "--", "all points")):
        level = 100 * table.loc[table["policy"] == policy, value].mean()
        ax.axhline(level, color="0.35", linestyle=style, linewidth=1.2, label=label)
    ticks = np.unique(curves_only(table)["budget"])
    ax.set_xscale("symlog", linthresh=10, linscale=0.5)
    crowded = np.append(ticks[1:] / ticks[:-1] < 1.4, False)
    ax.set_xticks(ticks, ["" if near else f"{b:g}" for b, near in zip(ticks, crowded, strict=True)], fontsize=8)
    ax.set(xlim=(0.9, n * 1.05), xlabel=f"augmented points (of {n})", ylabel="test accuracy (%)")
    return ax


def vsv_star(ax: Axes, table: pd.DataFrame, value: str = "accuracy") -> Axes:
    """Mark the virtual-support-vector baseline on the curves: its mean budget and accuracy, with 95% bars."""
    colour, marker, label = LOOK["vsv"]
    rows = table.assign(round=0, key=0)
    x, y = (with_intervals(rows, column, ["key"]).iloc[0] for column in ("budget", value))
    bars = {"xerr": x["half_width"], "yerr": 100 * y["half_width"]}
    ax.errorbar(x["mean"], 100 * y["mean"], **bars, color=colour, marker=marker, markersize=13, label=label, zorder=5)
    return ax


def outside_legend(ax: Axes) -> Axes:
    """A legend to the right of the Axes."""
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax


def published_against_ours(ax: Axes, comparison: pd.DataFrame) -> Axes:
    """Ours against the paper's, one row a published curve: the mean with its 95% interval, and the paper's value.

    Parameters
    ----------
    comparison : DataFrame
        Of `published.compare_auc`, for one study and score.
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
    """A curve's name in words."""
    parts = [LOOK[policy][2], "updated" if update else "", "downweighted" if downweight else ""]
    return ", ".join(part for part in parts if part)


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


def claim(ax: Axes, found: pd.DataFrame, studies: list[str], low: float, high: float) -> Axes:
    """One claim's differences with their 95% intervals, a row a study, a marker a score; the claim's bounds shaded."""
    colours = {"holds": "#009E73", "open": "#777777", "fails": "#D55E00"}
    looks = {"influence": ("o", 0.17), "loss": ("s", -0.17)}
    for row in found.itertuples():
        marker, shift = looks.get(row.score, ("^", 0))
        y = len(studies) - 1 - studies.index(row.study) + shift
        error = None if np.isnan(row.half_width) else row.half_width
        ax.errorbar(row.mean, y, xerr=error, fmt=marker, markersize=4, color=colours[row.verdict], elinewidth=1.2)
    ax.set_yticks(range(len(studies)), studies[::-1])
    left, right = ax.get_xlim()
    ax.axvspan(max(low, left), min(high, right), color="#009E73", alpha=0.08, linewidth=0)
    ax.set(xlim=(left, right), ylim=(-0.6, len(studies) - 0.4), xlabel="percentage points")
    return ax


def training_curves(axes: Sequence[Axes], history: dict[str, Any]) -> Sequence[Axes]:
    """Mean loss, training accuracy and learning rate by epoch: three Axes."""
    epochs = np.arange(1, len(history["loss"]) + 1)
    curves = {"loss": "loss (nats)", "accuracy": "accuracy (%)", "learning_rate": "learning rate, end of the epoch"}
    for ax, (name, label) in zip(axes, curves.items(), strict=True):
        ax.plot(epochs, np.multiply(100 if name == "accuracy" else 1, history[name]), label="training")
        ax.set(xlabel="epoch", ylabel=label)
    if "held_out_accuracy" in history:
        axes[1].plot(epochs, np.multiply(100, history["held_out_accuracy"]), label="held out")
        axes[1].legend()
    return axes


SET_LOOK = {
    "random_points": ("#000000", "o", "-", "random points"),
    "random_copies": ("#777777", "o", ":", "random copies"),
    "loss": ("#56B4E9", "D", "-", "points of highest loss (paper)"),
    "influence": ("#009E73", "D", "-", "points of highest influence (paper)"),
    "one_shot": ("#E69F00", "X", ":", "copies, influence scored once"),
    "greedy_influence": ("#D55E00", "s", "-", "copies, greedy influence"),
    "pool_clusters": ("#D55E00", "^", "--", "the same, a quarter generated"),
    "greedy_loss": ("#CC79A7", "v", "-", "copies, greedy loss"),
    "greedy_points": ("#0072B2", "P", "-", "points, greedy influence"),
}
"""Of policies of copies: colour, marker, line, label. Those not named here are in tables alone."""


def set_curves(
    ax: Axes, table: pd.DataFrame, policies: Sequence[str], x: str = "share", value: str = "accuracy"
) -> Axes:
    """Accuracy against the share of copies added, or points touched, a line a policy, with 95% bands and references.

    Parameters
    ----------
    table : DataFrame
        Of `set_study.table`.
    policies : sequence of str
        Those of `SET_LOOK` are drawn.
    x : {'share', 'touched'}
    """
    scale = 100 if x == "share" else 1
    for policy in [name for name in SET_LOOK if name in policies]:
        colour, marker, line, label = SET_LOOK[policy]
        rows = table[table["policy"] == policy]
        means, at = by_share(rows, value), scale * rows.groupby("share")[x].mean()
        mean, half = 100 * means["mean"].to_numpy(), 100 * means["half_width"].to_numpy()
        ax.plot(at, mean, color=colour, marker=marker, linestyle=line, label=label)
        ax.fill_between(at, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
    for reference, style, label in (("none", ":", "no augmentation"), ("full", "--", "all copies")):
        level = 100 * table.loc[table["policy"] == reference, value].mean()
        ax.axhline(level, color="0.35", linestyle=style, linewidth=1.2, label=label)
    ticks = scale * np.unique(table.loc[table["policy"].isin(policies), x]) if x == "share" else None
    ax.set(xscale="log", ylabel="test accuracy (%)")
    ax.set_xlabel("copies added (% of all)" if x == "share" else "points whose copies are added")
    if ticks is not None:
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    return ax


def grouped_bars(ax: Axes, counts: pd.DataFrame, ylabel: str) -> Axes:
    """Counts of each policy of `SET_LOOK` (columns), side by side, for each row of a table."""
    width = 0.8 / counts.shape[1]
    for place, policy in enumerate(counts):
        colour, _, _, label = SET_LOOK[policy]
        at = np.arange(len(counts)) + (place - (counts.shape[1] - 1) / 2) * width
        ax.bar(at, counts[policy], width, color=colour, label=label, hatch="//" * place, edgecolor="white")
    turned = {"rotation": 45, "ha": "right"} if len(counts) > 6 else {}
    ax.set_xticks(np.arange(len(counts)), counts.index, fontsize=8, **turned)
    ax.set_ylabel(ylabel)
    ax.legend()
    return ax


def promised_and_real(ax: Axes, found: pd.DataFrame) -> Axes:
    """Promised and real reduction of the target against copies added; of `set_shown.promised_and_real`."""
    ax.plot(found["copies"], found["promised"], color="#E69F00", marker="X", linestyle=":", label="promised")
    ax.plot(found["copies"], found["real"], color="#D55E00", marker="s", label="real")
    ax.set(xscale="log", xlabel="copies added", ylabel="reduction of the target (nats)")
    ax.axhline(0, color="0.35", linewidth=0.8)
    ax.legend()
    return ax


def signed_histogram(ax: Axes, scores: pd.DataFrame) -> Axes:
    """Influence of copies with right and with wrong labels, on a symmetric logarithmic axis."""
    size = scores["influence"].abs().max()
    least = 1e-4 * size
    edges = np.geomspace(least, size, 21)
    bins = np.concatenate([-edges[::-1], edges])
    for wrong, colour, label in ((False, "#0072B2", "right label"), (True, "#D55E00", "wrong label")):
        values = scores.loc[scores["wrong"] == wrong, "influence"]
        weights = np.full(len(values), 100 / max(len(values), 1))
        ax.hist(values, bins=bins, weights=weights, color=colour, alpha=0.6, label=label)
    ax.set_xscale("symlog", linthresh=least)
    ax.set_xticks([-size, 0, size], [f"-{size:.1g}", "0", f"{size:.1g}"])
    ax.minorticks_off()
    ax.axvline(0, color="0.35", linewidth=0.8)
    ax.set(xlabel="in-sample influence (nats)", ylabel="copies (% of their kind)")
    ax.legend(loc="upper center")
    return ax


def wrong_picks(ax: Axes, shares: pd.DataFrame, among_all: float | None = None) -> Axes:
    """Share of picks with a wrong label against copies added; of `set_shown.wrong_picks`."""
    for policy in shares:
        colour, marker, line, label = SET_LOOK[policy]
        ax.plot(shares.index, 100 * shares[policy], color=colour, marker=marker, linestyle=line, label=label)
    if among_all is not None:
        ax.axhline(100 * among_all, color="0.35", linestyle=":", linewidth=1.2)
    ax.set(xscale="log", xlabel="copies added", ylabel="wrong labels among them (%)", ylim=(-3, 103))
    ax.legend()
    return ax


HEADLINE = ("random_points", "influence", "greedy_points", "greedy_influence")
"""Policies in the figure that lays studies of sets side by side."""


def sets_side_by_side(axes: Sequence[Axes], tables: dict[str, pd.DataFrame]) -> Sequence[Axes]:
    """Accuracy against the share of copies in several studies, an Axes each, with one legend.

    Parameters
    ----------
    axes : sequence of Axes
        As many as `tables`.
    tables : dict of str to DataFrame
        Of `set_study.table`; the names are titles.
    """
    for ax, (title, table) in zip(axes, tables.items(), strict=True):
        set_curves(ax, table, [name for name in HEADLINE if name in set(table["policy"])])
        ax.set_title(title)
        ax.tick_params(axis="x", labelsize=8)
    for ax in axes[1:]:
        ax.set_ylabel("")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return axes


def cluster_sweep(axes: Sequence[Axes], found: pd.DataFrame) -> Sequence[Axes]:
    """Inertia and mean silhouette against the number of clusters: two Axes; of `clusters.k_sweep`."""
    for ax, name, label in zip(axes, ("inertia", "silhouette"), ("inertia", "mean silhouette"), strict=True):
        ax.plot(found["k"], found[name], color="#0072B2", marker="o")
        ax.set(xscale="log", xlabel="clusters", ylabel=label)
    return axes
