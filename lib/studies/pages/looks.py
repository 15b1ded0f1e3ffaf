"""Looks of figures: the style, the colours and labels of policies, and functions that all figures share.

Every plot takes an Axes and returns it; captions and prose belong to the notebooks.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import matplotlib.pyplot as plt
import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

STYLE = Path(__file__).with_name("style.mplstyle")


class Look(NamedTuple):
    """Colour, marker, label and line style of a curve."""

    colour: str
    marker: str
    label: str
    line: str = "-"


LOOK = {
    "baseline": Look("#000000", "o", "random points"),
    "random_proportional": Look("#0072B2", "s", "random, proportional"),
    "random_inverse_proportional": Look("#D55E00", "v", "random, inverse"),
    "random_softmax": Look("#56B4E9", "P", "random, softmax"),
    "random_inverse_softmax": Look("#E69F00", "X", "random, inverse softmax"),
    "deterministic_proportional": Look("#009E73", "D", "highest score first"),
    "deterministic_inverse_proportional": Look("#CC79A7", "^", "lowest score first"),
    "vsv": Look("#000000", "*", "support vectors"),
    "random_points": Look("#000000", "o", "random points"),
    "random_copies": Look("#777777", "o", "random copies", ":"),
    "loss": Look("#56B4E9", "D", "points of highest loss (paper)"),
    "influence": Look("#009E73", "D", "points of highest influence (paper)"),
    "one_shot": Look("#E69F00", "X", "copies, influence scored once", ":"),
    "greedy_influence": Look("#D55E00", "s", "copies, greedy influence"),
    "pool_clusters": Look("#D55E00", "^", "the same, a quarter generated", "--"),
    "greedy_loss": Look("#CC79A7", "v", "copies, greedy loss"),
    "greedy_points": Look("#0072B2", "P", "points, greedy influence"),
    "gradmatch": Look("#0072B2", "h", "GradMatch"),
    "craig": Look("#E69F00", "p", "CRAIG", ":"),
    "badge": Look("#56B4E9", "^", "BADGE", "--"),
    "worst_copy": Look("#009E73", "d", "worst of k", "-."),
    "margin_rescored": Look("#000000", "v", "margin", "-."),
    "match_full": Look("#999933", "<", "matched at the head of all copies"),
}
"""Looks of policies of points (by any score, then with a fixed score) and of copies. Figures leave out all others."""
REFERENCES = {"none": (":", "no augmentation"), "full": ("--", "full augmentation")}


def curve(ax: Axes, x: ArrayLike, mean: ArrayLike, half_width: ArrayLike, look: Look) -> Axes:
    """Draw a line of means with its 95% band."""
    mean, half_width = np.asarray(mean), np.asarray(half_width)
    ax.plot(x, mean, color=look.colour, marker=look.marker, linestyle=look.line, label=look.label)
    ax.fill_between(x, mean - half_width, mean + half_width, color=look.colour, alpha=0.15, linewidth=0)
    return ax


def reference_lines(ax: Axes, table: pd.DataFrame, value: str, full: str) -> Axes:
    """Draw mean accuracies without and with full augmentation, in percent; `full` is the label of the second line."""
    for policy, (line, label) in REFERENCES.items():
        level = 100 * table.loc[table["policy"] == policy, value].mean()
        ax.axhline(level, color="0.35", linestyle=line, linewidth=1.2, label=full if policy == "full" else label)
    return ax


def use_style() -> None:
    """Apply the project's figure style in a notebook."""
    plt.style.use(STYLE)


def image_row(ax: Axes, images: np.ndarray, title: str) -> Axes:
    """Draw images [n, h, w, c] side by side."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
    ax.imshow(np.concatenate(list(padded), axis=1).squeeze(), vmin=0, vmax=255)
    ax.set_title(title, fontsize=9, fontweight="normal")
    ax.set_axis_off()
    return ax


def outside_legend(ax: Axes) -> Axes:
    """Place a legend to the right of the Axes."""
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
    return ax
