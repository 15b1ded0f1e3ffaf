"""Figures of the page on your own data. As in `studies.points.figures`, plots take and return Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..pages import looks
from . import verdicts
from .material import TRIVIAL
from .page import MEASURES
from .split import BESIDE
from .verdicts import CANNOT_TELL, NO, YES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from .parameters import OwnData
    from .results import Chosen
    from .verdicts import Design, Verdict

CHOSEN, OTHERS = "#009E73", "#999999"
COLOURS = {YES: CHOSEN, NO: "#D55E00", CANNOT_TELL: "#777777"}
CURVES = {BESIDE: ("#000000", "o", "random copies"), TRIVIAL: ("#0072B2", "^", "TrivialAugment")}


def gains(ax: Axes, table: pd.DataFrame) -> Axes:
    """Gain of each transformation alone over no copies, best on top, with simultaneous 95% intervals."""
    ordered = table.sort_values("gain")
    for place, (_, row) in enumerate(ordered.iterrows()):
        colour = COLOURS[row["helps"]]
        ax.errorbar(100 * row["gain"], place, xerr=100 * row["gain_half_width"], fmt="D", color=colour)
    ax.axvline(0, color="0.35", linestyle=":", linewidth=1.2)
    names = [name.replace(TRIVIAL, "TrivialAugment").replace("_", " ") for name in ordered.index]
    ax.set_yticks(range(len(ordered)), names, parse_math=False)
    ax.set(xlabel="gain in held-out accuracy (points)", ylim=(-0.6, len(ordered) - 0.4))
    return ax


def curves(ax: Axes, table: pd.DataFrame, own: OwnData, design: Design) -> Axes:
    """Accuracy against the share of copies, of the policy and of its rivals, with 95% bands."""
    styles = {own.policy: (CHOSEN, "D", own.policy.replace("_", " ")), **CURVES}
    for policy, (colour, marker, label) in styles.items():
        if policy not in set(table["policy"]):
            continue
        x, mean, half = _levels(table, policy, own, design)
        ax.plot(x, mean, color=colour, marker=marker, label=label)
        ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
    for policy, style, label in (("none", ":", "no copies"), ("full", "--", "all copies")):
        level = _levels(table, policy, own, design)[1].item()
        ax.axhline(level, color="0.35", linestyle=style, linewidth=1.2, label=label)
    ax.set(xscale="log", xlabel="added copies (% of all)", ylabel="held-out accuracy (%)")
    ax.set_xticks(100 * np.array(own.shares), [f"{100 * share:g}" for share in own.shares])
    ax.minorticks_off()
    return looks.outside_legend(ax)


def _levels(table, policy, own, design):
    """Shares, mean accuracies and half widths of a policy, in percent."""
    by_share = table[table["policy"] == policy].groupby("share")[MEASURES[own.judge]]
    return 100 * np.array([(share, *verdicts.interval(accuracies, design)) for share, accuracies in by_share]).T


def differences(ax: Axes, found: pd.DataFrame, decided: Verdict, margin: float) -> Axes:
    """Each share's difference from full augmentation with its 95% interval, and the margin.

    Green is enough (filled: the one that is chosen), red is not, grey cannot be told.
    """
    rows = found.drop(index=1.0)
    for place, (share, row) in enumerate(rows.iterrows()):
        colour = COLOURS[row["enough"]]
        values = {"y": 100 * row["difference"], "yerr": 100 * row["difference_half_width"]}
        filled = share == decided.share and decided.kind != CANNOT_TELL
        ax.errorbar(place, **values, fmt="D", color=colour, markerfacecolor=colour if filled else "white")
    for level, style in ((0, "--"), (-100 * margin, ":")):
        ax.axhline(level, color="0.35", linestyle=style, linewidth=1.2)
    ax.set_xticks(range(len(rows)), [f"{100 * share:g}" for share in rows.index])
    ax.set(xlabel="added copies (% of all)", ylabel="accuracy less full's (points)")
    return ax


def histogram(ax: Axes, found: Chosen) -> Axes:
    """Scores of all points, or all copies, as the first model sees them, and of those chosen."""
    scores, name = found.ranked.scores_, found.selector.score if found.of == "points" else "promised reduction (nats)"
    edges = np.histogram_bin_edges(scores, 60)
    ax.hist(scores, bins=edges, color=OTHERS, label=f"all {found.of}")  # type: ignore[arg-type]
    ax.hist(scores[found.selector.support_], bins=edges, color=CHOSEN, label=f"chosen {found.of}")  # type: ignore[arg-type]
    ax.set(yscale="log", xlabel=name, ylabel=found.of)
    ax.legend()
    return ax


def counts(axes: Sequence[Axes], found: Chosen) -> Sequence[Axes]:
    """How many were chosen of each change, and of each class: two Axes."""
    selector = found.selector
    labels = found.points.labels[selector.source_]
    names = found.material.labels_of(found.own.chosen), found.points.class_names
    for ax, picked, of in zip(axes, (selector.which_, labels), names, strict=True):
        ax.barh(range(len(of)), np.bincount(picked, minlength=len(of)), color=CHOSEN)
        ax.set_yticks(range(len(of)), of, parse_math=False)
        ax.invert_yaxis()
        ax.set(xlabel="chosen copies")
    return axes


def faces(axes: Sequence[Axes], found: Chosen, most: int = 12) -> Sequence[Axes]:
    """The first of the ranking, the points that they are of, and the last of all: three Axes."""
    first = found.selector.ranking_[:most]
    last = found.ranked.ranking_[::-1][:most]
    k = 1 if found.of == "points" else found.selector.n_copies_
    looks.image_row(axes[0], found.images(first), f"{found.of}, the first chosen")
    looks.image_row(axes[1], found.points.images[first // k], "the points of these")
    looks.image_row(axes[2], found.images(last), f"{found.of}, those that promise least")
    return axes
