"""Words, tables and the figure of the page about greedy selection at size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt

from ..pages import looks
from ..pages.escaping import styled
from .at_size import WIDE, comparison, exponent
from .page import data_words

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure
    from pandas.io.formats.style import Styler

    from ..points.study import Study


def compared_shown(table: pd.DataFrame) -> Styler:
    """`at_size.comparison` as a page shows it; without an interval if there is one replicate."""
    digits = {"share": "{:.0%}", "exact": "{:.2f}", "iterative": "{:.2f}", "difference": "{:+.2f}", "ratio": "{:.1f}"}
    shown = comparison(table)
    if (shown["n"] > 1).all():
        digits["+-"] = "{:.2f}"
    else:
        shown = shown.drop(columns="+-")
    return styled(shown, digits).hide(axis="index")


def compared_caption(study: Study, table: pd.DataFrame) -> str:
    """What the table of the small case shows."""
    return (
        f"*{data_words(study)}, all classes. Test accuracy in percent on originals and copies, after the share of all "
        "copies that each solver chose; the paired difference in points with its 95% interval over n = "
        f"{study.replicates} replicates. {_taken(table)}, means of the whole selection to the largest share; ratio is "
        "exact / iterative.*"
    )


def wide_caption(table: pd.DataFrame) -> str:
    """What the table of the wider case shows."""
    if table.empty:
        return "*Not run here: `network: released-cnn` asks for it.*"
    return f"*As above, {WIDE} columns, one sample, so no interval. {_taken(table)}.*"


def _taken(table):
    seconds = table.groupby("solver")["seconds"].mean()
    return f"Exact: {seconds['exact']:.2f} s, iterative: {seconds['iterative']:.2f} s"


def growth_figure(grown: pd.DataFrame) -> Figure:
    """Seconds and accuracy of both schedules against the number of points."""
    fig, axes = plt.subplots(1, 2, figsize=(8.2, 3.1))
    for prefix, label, marker in (("", "default schedule", "o"), ("slow ", "slow schedule", "s")):
        axes[0].plot(grown["points"], grown[f"{prefix}seconds"], marker=marker, label=label)
        axes[1].plot(grown["points"], 100 * grown[f"{prefix}accuracy"], marker=marker, label=label)
    axes[0].set(xscale="log", yscale="log", xlabel="points", ylabel="CPU seconds, one thread")
    axes[1].set(xscale="log", xlabel="points", ylabel="test accuracy, %")
    for ax in axes:
        ax.set_xticks(grown["points"], [f"{points:,}" for points in grown["points"]], rotation=30)
        ax.minorticks_off()
    looks.outside_legend(axes[1])
    return fig


def growth_caption(study: Study, grown: pd.DataFrame) -> str:
    """What figure and table of the growing case show."""
    first, last = grown["points"].iloc[[0, -1]]
    return (
        f"*{data_words(study)}, all classes. One network's features of more and more points, "
        f"{len(study.augmentation())} copies of each, a tenth of the copies chosen; one run a size, so no band. From "
        f"{first:,} to {last:,} points seconds grow with the power {exponent(grown):.2f}. Memory is the peak of a "
        "process that does nothing else, features included. The slow schedule follows the head closely "
        "(`at_size.SLOW`). All: the head is fitted to all copies, without a choice.*"
    )


def sized_shown(table: pd.DataFrame) -> Styler:
    """A table of `at_size.grown` or `at_size.made_up` as a page shows it, memory in GB."""
    names = [str(column) for column in table]
    memory = [name for name in names if "memory" in name]
    digits = {name: "{:.1f}" for name in names if "seconds" in name}
    digits |= {name: "{:.2%}" for name in names if "accuracy" in name}
    digits |= {name: "{:,}" for name in ("points", "copies", "parameters", "chosen") if name in names}
    shown = table.assign(**{name: table[name] / 1e9 for name in memory})
    return styled(shown, digits | dict.fromkeys(memory, "{:.2f} GB")).hide(axis="index")
