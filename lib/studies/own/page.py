"""Text, tables and figures of the page on your own data. As in `studies.points.figures`, plots take and return Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..pages import looks
from ..pages.escaping import markdown_text, title_and_note
from ..storage import paths
from .results import (
    BESIDE,
    CANNOT_TELL,
    ENOUGH,
    NOT_ENOUGH,
    accuracy_on_test,
    corrected_interval,
    enough,
    folds_to_tell,
    points_to_tell,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from influaug._types import PathLike

    from .parameters import OwnData
    from .results import Chosen

CHOSEN, OTHERS = "#009E73", "#999999"
COLOURS = {ENOUGH: CHOSEN, NOT_ENOUGH: "#D55E00", CANNOT_TELL: "#777777"}
MOST_POINTS = 1e7
"""Points beyond which no number of them is named: the difference is too close to the margin."""


def about(own: OwnData) -> str:
    """Which data a page has, in a sentence or two of Markdown."""
    points, (title, note) = own.points(), title_and_note(own.load_data().provenance)
    return (
        f"**{title}: {len(points.labels)} training points of {len(points.class_names)} classes, "
        f"{len(own.augmentation())} copies of each, {len(points.labels_test):,} test images.** {note}"
    )


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """`budgets` as text, accuracies in percent and differences in percentage points."""

    def text(mean, half, sign=""):
        return [_interval(*pair, sign) for pair in zip(found[mean], found[half], strict=True)]

    return pd.DataFrame(
        {
            "share of copies": [_percent(share) for share in found.index],
            "copies": found["copies"].round().astype(int).to_numpy(),
            "points": found["points"].round().astype(int).to_numpy(),
            "accuracy (%)": text("mean", "half_width"),
            "less no copies'": text("gain", "gain_half_width", "+"),
            "less all copies'": text("difference", "difference_half_width", "+"),
            "enough": found["enough"].to_numpy(),
        }
    )


def verdict(found: pd.DataFrame, own: OwnData, n: int) -> str:
    """Which budget is enough, that none is, or that it cannot be told; and whether copies harm: sentences of Markdown.

    Parameters
    ----------
    found : DataFrame
        Of `budgets`.
    own : OwnData
    n : int
        Training points.
    """
    budget = enough(found)
    if budget == 0:
        said = _not_needed(found, own)
    elif budget < 1:
        said = _enough(found.loc[budget], own)
    elif (found["enough"] == CANNOT_TELL).any():
        said = _cannot_tell(found, own, n)
    else:
        said = (
            f"**None of these shares is enough**: each costs more than the margin of {_points(own.margin)} against "
            "full augmentation. All copies are taken."
        )
    return " ".join(filter(None, [said, _smaller(found, budget), _harm(found)]))


def _not_needed(found, own):
    row = found.loc[0]
    better = _gains(found[found["gain"] - found["gain_half_width"] > 0])
    return (
        f"**No augmentation is needed**: without any copy the difference from full augmentation is {_difference(row)}, "
        f"within the margin of {_points(own.margin)}. Nothing was chosen."
        + (f" Yet accuracy is higher than without copies, in points, at these shares: {better}." if better else "")
    )


def _enough(row, own):
    return (
        f"**{_percent(row.name)} of the copies are enough**: in a fold {row['copies']:.0f} copies of "
        f"{row['points']:.0f} points; the difference from full augmentation is {_difference(row)}, within the margin "
        f"of {_points(own.margin)}."
    )


def _cannot_tell(found, own, n):
    rows = found[found["enough"] == CANNOT_TELL]
    return (
        f"**These points cannot tell** which budget is enough: {n:,} training points in {own.folds} folds leave "
        f"intervals that reach across the margin of {_points(own.margin)}. All copies are taken. "
        f"{_remedy(rows, own, n)}"
    )


def _remedy(rows, own, n):
    """How many points or folds would tell, for the share of which the fewest points would."""
    points = {share: points_to_tell(row, own.margin, n) for share, row in rows.iterrows()}
    share = min(points, key=points.__getitem__)
    if points[share] > MOST_POINTS:
        return "The differences are too close to the margin for any number of points to tell; take another margin."
    row = rows.loc[share]
    outcome = "is" if row["difference"] > -own.margin else "is not"
    folds = folds_to_tell(row, own.margin, own.folds)
    by_folds = f", or {folds} folds of these" if folds else "; more folds of these would not"
    return (
        f"If the differences stay as they are, about {_rounded_up(points[share]):,} points would tell that "
        f"{_percent(share)} {outcome} enough{by_folds} (half widths shrink with the square root of the points)."
    )


def _smaller(found, budget):
    """Which shares below one that is enough are not shown to be too small."""
    below = found[(found.index < budget) & (found["enough"] == CANNOT_TELL)]
    if budget == 1 or below.empty:
        return ""
    return f"Whether less is enough, these points cannot tell ({', '.join(map(_percent, below.index))})."


def _harm(found):
    worse = _gains(found[found["gain"] + found["gain_half_width"] < 0])
    if not worse:
        return ""
    return f"**Augmentation harms**: accuracy is lower than without copies, in points, at these shares: {worse}."


def _gains(rows):
    """Shares with their differences from no augmentation, as a list."""
    values = zip(rows.index, rows["gain"], rows["gain_half_width"], strict=True)
    return ", ".join(f"{_percent(share)} ({_interval(gain, half, '+')})" for share, gain, half in values)


def counted(found: Chosen) -> str:
    """What was chosen, in a sentence of Markdown."""
    selector, n = found.selector, found.selector.n_points_
    if found.nothing:
        return f"**Nothing was chosen: none of the {n:,} points is augmented.** There are no figures of chosen copies."
    changes = f"{len(selector.source_):,} of {n * selector.n_copies_:,} copies"
    return f"**{len(selector.points_):,} of {n:,} points are augmented, with {changes}.**"


def tested(own: OwnData, found: Chosen) -> str:
    """The accuracy on the test images, in a sentence of Markdown."""
    mean, half = accuracy_on_test(own, found)
    added = (
        "without any copy in the training set"
        if found.nothing
        else f"after adding the {len(found.selector.source_):,} chosen copies"
    )
    return (
        f"**{100 * mean:.2f} ± {100 * half:.2f}%** of the {len(found.points.labels_test):,} test images and all their "
        f"copies are classified rightly {added} (95% interval over test images)."
    )


def written(path: PathLike, source: np.ndarray, n: int) -> str:
    """What the file of the augmented training set holds and where it is, in a sentence of Markdown.

    Parameters
    ----------
    path : path
    source : int array [n + m]
        Of `AugmentationSelector.augment`: the n points, then the point that each copy was made of.
    n : int
    """
    copies = f"the {n:,} points and {len(source) - n:,} copies" if len(source) > n else f"the {n:,} points, no copy"
    return f"Written to {markdown_text(paths.shown(path))}: {copies}."


def _percent(share):
    return f"{100 * share:g}%"


def _points(accuracy):
    return f"{100 * accuracy:g} percentage point{'' if accuracy == 0.01 else 's'}"


def _interval(mean, half, sign=""):
    return f"{100 * mean:{sign}.2f} ± {100 * half:.2f}"


def _difference(row):
    return f"{_interval(row['difference'], row['difference_half_width'], '+')} percentage points"


def _rounded_up(points):
    """To two digits: a forecast from a few folds knows no more."""
    step = 10 ** max(0, int(np.log10(points)) - 1)
    return int(np.ceil(points / step) * step)


def curves(ax: Axes, table: pd.DataFrame, own: OwnData) -> Axes:
    """Accuracy against the share of copies, of the policy and of random copies, with 95% bands."""
    for policy, colour, marker in ((own.policy, CHOSEN, "D"), (BESIDE, "#000000", "o")):
        x, mean, half = _levels(table, policy)
        ax.plot(x, mean, color=colour, marker=marker, label=policy.replace("_", " "))
        ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
    for policy, style, label in (("none", ":", "no copies"), ("full", "--", "all copies")):
        ax.axhline(_levels(table, policy)[1].item(), color="0.35", linestyle=style, linewidth=1.2, label=label)
    ax.set(xscale="log", xlabel="added copies (% of all)", ylabel="held-out accuracy (%)")
    ax.set_xticks(100 * np.array(own.shares), [f"{100 * share:g}" for share in own.shares])
    ax.minorticks_off()
    return looks.outside_legend(ax)


def _levels(table, policy):
    """Shares, mean accuracies and half widths of a policy, in percent."""
    by_share = table[table["policy"] == policy].groupby("share")["accuracy"]
    return 100 * np.array([(share, *corrected_interval(accuracies)) for share, accuracies in by_share]).T


def differences(ax: Axes, found: pd.DataFrame, margin: float) -> Axes:
    """Each share's difference from full augmentation with its 95% interval, and the margin.

    Green is enough (filled: the smallest), red is not, grey cannot be told.
    """
    rows = found.drop(index=1.0)
    for place, (share, row) in enumerate(rows.iterrows()):
        colour = COLOURS[row["enough"]]
        values = {"y": 100 * row["difference"], "yerr": 100 * row["difference_half_width"]}
        face = colour if share == enough(found) else "white"
        ax.errorbar(place, **values, fmt="D", color=colour, markerfacecolor=face)
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
    names = found.transformation.labels, found.points.class_names
    for ax, picked, of in zip(axes, (selector.which_, labels), names, strict=True):
        ax.barh(of, np.bincount(picked, minlength=len(of)), color=CHOSEN)
        ax.invert_yaxis()
        ax.set(xlabel="chosen copies")
    return axes


def faces(axes: Sequence[Axes], found: Chosen, most: int = 12) -> Sequence[Axes]:
    """The first of the ranking, the points that they are of, and the last of all: three Axes."""
    first = found.selector.ranking_[:most]
    last = found.ranked.ranking_[::-1][:most]
    k = 1 if found.of == "points" else len(found.transformation)
    looks.image_row(axes[0], found.images(first), f"{found.of}, the first chosen")
    looks.image_row(axes[1], found.points.images[first // k], "the points of these")
    looks.image_row(axes[2], found.images(last), f"{found.of}, those that promise least")
    return axes
