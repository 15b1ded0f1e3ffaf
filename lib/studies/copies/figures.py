"""Figures of sets of copies. Every plot takes an Axes and returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..intervals import by_share
from ..pages.looks import LOOK, curve, reference_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes


def set_curves(
    ax: Axes, table: pd.DataFrame, policies: Sequence[str], x: str = "share", value: str = "accuracy"
) -> Axes:
    """Accuracy against copies added or points touched, one line for each policy, with 95% bands and references.

    Parameters
    ----------
    table : DataFrame
        Table from `studies.copies.study.sets_table`.
    policies : sequence of str
        Policies without an entry in `LOOK` are left out.
    x : {'share', 'touched'}
    """
    scale = 100 if x == "share" else 1
    for policy in [name for name in LOOK if name in policies]:
        rows = table[table["policy"] == policy]
        means, at = by_share(rows, value), scale * rows.groupby("share")[x].mean()
        curve(ax, at, 100 * means["mean"], 100 * means["half_width"], LOOK[policy])
    reference_lines(ax, table, value, "all copies")
    ticks = scale * np.unique(table.loc[table["policy"].isin(policies), x]) if x == "share" else None
    ax.set(xscale="log", ylabel="test accuracy (%)")
    ax.set_xlabel("copies added (% of all)" if x == "share" else "points whose copies are added")
    if ticks is not None:
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    return ax


def grouped_bars(ax: Axes, counts: pd.DataFrame, ylabel: str) -> Axes:
    """Bars of counts, side by side for the policies of `LOOK` (columns), for each row of a table."""
    width = 0.8 / counts.shape[1]
    for place, policy in enumerate(counts):
        look = LOOK[policy]
        at = np.arange(len(counts)) + (place - (counts.shape[1] - 1) / 2) * width
        ax.bar(at, counts[policy], width, color=look.colour, label=look.label, hatch="//" * place, edgecolor="white")
    turned = {"rotation": 45, "ha": "right"} if len(counts) > 6 else {}
    ax.set_xticks(np.arange(len(counts)), counts.index, fontsize=8, **turned)
    ax.set_ylabel(ylabel)
    ax.legend()
    return ax


def promised_and_real(ax: Axes, found: pd.DataFrame) -> Axes:
    """Predicted and real reduction of the target against copies added, from `studies.copies.page.promised_and_real`."""
    ax.plot(found["copies"], found["promised"], color="#E69F00", marker="X", linestyle=":", label="promised")
    ax.plot(found["copies"], found["real"], color="#D55E00", marker="s", label="real")
    ax.set(xscale="log", xlabel="copies added", ylabel="reduction of the target (nats)")
    ax.axhline(0, color="0.35", linewidth=0.8)
    ax.legend()
    return ax


def signed_histogram(ax: Axes, scores: pd.DataFrame) -> Axes:
    """Histograms of the influence of copies with right and with wrong labels, on a symmetric logarithmic axis."""
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
    """Share of chosen copies with a wrong label against copies added, from `studies.copies.page.wrong_picks`."""
    for policy in shares:
        look = LOOK[policy]
        style = {"color": look.colour, "marker": look.marker, "linestyle": look.line, "label": look.label}
        ax.plot(shares.index, 100 * shares[policy], **style)
    if among_all is not None:
        ax.axhline(100 * among_all, color="0.35", linestyle=":", linewidth=1.2)
    ax.set(xscale="log", xlabel="copies added", ylabel="wrong labels among them (%)", ylim=(-3, 103))
    ax.legend()
    return ax


HEADLINE = ("random_points", "influence", "greedy_points", "greedy_influence")
"""Policies in the figure that shows studies of sets side by side."""


def sets_side_by_side(axes: Sequence[Axes], tables: dict[str, pd.DataFrame]) -> Sequence[Axes]:
    """Accuracy against the share of copies in several studies, one Axes for each, with one legend.

    Parameters
    ----------
    axes : sequence of Axes
        As many as `tables`.
    tables : dict of str to DataFrame
        Tables from `studies.copies.study.sets_table`; the names are titles.
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
    """Inertia and mean silhouette against the number of clusters, from `clusters.k_sweep`: two Axes."""
    for ax, name, label in zip(axes, ("inertia", "silhouette"), ("inertia", "mean silhouette"), strict=True):
        ax.plot(found["k"], found[name], color="#0072B2", marker="o")
        ax.set(xscale="log", xlabel="clusters", ylabel=label)
    return axes
