"""Text, tables and figures of the page on doubtful labels; plots take and return Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..intervals import mean_interval
from ..pages import looks
from ..pages.escaping import title_and_note
from .results import GUARD, METHODS, OURS, RECALLS, has_cleanlab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from influaug.selection.label_issues import LabelIssues

    from .parameters import LabelStudy, Points

COLOURS = {
    "influence": "#56B4E9",
    "out_of_fold_once": "#000000",
    "leave_one_out": "#009E73",
    "cleanlab": "#D55E00",
}
"""Methods in the figure; the table has all."""
NOISES = {"uniform": "any other label", "one_way": "one way"}
SHOWN = {
    "auc": ("ROC area", 3),
    "average": ("average precision", 3),
    "at_k": ("precision at k", 3),
    "precision": ("precision of issues", 3),
    "recall": ("recall of issues", 3),
}


def about(s: LabelStudy, found: Points) -> str:
    """Which data a page has, in a sentence or two of Markdown."""
    title, note = title_and_note(s.load_data().provenance)
    return (
        f"**{title}: {len(found.labels)} points of {len(found.names)} classes, {found.x.shape[1]} features, "
        f"{s.replicates} replicates.** {note}"
    )


def without_cleanlab() -> str:
    """A sentence of Markdown if cleanlab is not installed, else nothing."""
    return "" if has_cleanlab() else "cleanlab is not installed here: its rows are missing (`pip install cleanlab`)."


def _case(noise, share):
    return f"{100 * share:g}%, {NOISES[noise]}"


def detection_table(found: pd.DataFrame) -> pd.DataFrame:
    """Means over replicates with 95% intervals, by case and method."""
    rows = {}
    for (noise, share, method), part in found.groupby(["noise", "share", "method"], sort=False):
        rows[_case(noise, share), METHODS[str(method)]] = {
            title: _interval(part[name], digits) for name, (title, digits) in SHOWN.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def differences(found: pd.DataFrame, value: str = "average") -> pd.DataFrame:
    """`label_issues` less each other method, paired by replicate, with 95% intervals: a column a case."""
    by = found.pivot_table(index=["noise", "share", "replicate"], columns="method", values=value, sort=False)
    rest = [name for name in METHODS if name in by and name not in (OURS, "cleanlab_given")]
    cells = {
        METHODS[name]: {
            _case(*case): _interval(part[OURS] - part[name], 3, "+")
            for case, part in by.groupby(level=["noise", "share"], sort=False)
        }
        for name in rest
    }
    return pd.DataFrame.from_dict(cells, orient="index")


def _interval(values, digits, sign=""):
    mean, half = mean_interval(values)
    return "" if np.isnan(mean) else f"{mean:{sign}.{digits}f} ± {half:.{digits}f}"


def curves(axes: Sequence[Axes], found: pd.DataFrame) -> Sequence[Axes]:
    """Precision against recall in each case, means over replicates with 95% bands: an Axes a case."""
    groups = found.groupby(["noise", "share"], sort=False)
    for ax, (case, part) in zip(axes, groups, strict=True):
        for method, colour in COLOURS.items():
            rows = part.loc[part["method"] == method, [f"precision_{level}" for level in RECALLS]].to_numpy()
            if len(rows):
                mean, half = np.array([mean_interval(column) for column in rows.T]).T
                ax.plot(RECALLS, mean, color=colour, label=METHODS[method])
                ax.fill_between(RECALLS, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
        ax.set(title=_case(*case), xlabel="recall", ylim=(0, 1.03))
    axes[0].set_ylabel("precision")
    looks.outside_legend(axes[-1])
    return axes


def faces(axes: np.ndarray, found: Points, given: np.ndarray, issues: LabelIssues, wrong: np.ndarray) -> np.ndarray:
    """The most doubtful images, one an Axes, with given and suggested labels; orange titles: known to be wrong."""
    for ax, point in zip(axes.ravel(), issues.indices, strict=False):
        ax.imshow(found.images[point].squeeze(), cmap="gray_r", vmin=0, vmax=255)
        title = f"{found.names[given[point]]} → {found.names[issues.suggested[point]]}"
        ax.set_title(title, fontsize=8, pad=2, color="#D55E00" if wrong[point] else "black", fontweight="normal")
    for ax in axes.ravel():
        ax.set_axis_off()
    return axes


def counted(issues: LabelIssues, wrong: np.ndarray, most: int) -> str:
    """How many of the first and of the issues are wrong, in a sentence of Markdown."""
    first, k = issues.indices[:most], int(wrong.sum())
    return (
        f"**{wrong[first].sum()} of the first {len(first)} labels are wrong.** The rule calls {issues.mask.sum()} "
        f"labels issues, of which {wrong[issues.mask].sum()} are wrong; {k} of {len(wrong)} were made wrong."
    )


def choice_table(found: pd.DataFrame) -> pd.DataFrame:
    """Share of wrong labels among chosen copies and test accuracy, in percent, by policy: two columns a case."""
    rows: dict[str, dict] = {}
    for (noise, share, policy), part in found.groupby(["noise", "share", "policy"], sort=False):
        row = rows.setdefault(_policy(policy), {})
        row[_case(noise, share), "wrong copies (%)"] = _interval(100 * part["wrong"], 1)
        row[_case(noise, share), "accuracy (%)"] = _interval(100 * part["accuracy"], 2)
    return pd.DataFrame.from_dict(rows, orient="index").fillna("")


def gains(found: pd.DataFrame) -> pd.DataFrame:
    """Gain in accuracy by the guard, in percentage points, paired by replicate with 95% intervals: a column a case."""
    by = found.pivot_table(index=["noise", "share", "replicate"], columns="policy", values="accuracy", sort=False)
    guarded = [name for name in map(str, by) if name.endswith(GUARD)]
    cells = {
        _policy(name.removesuffix(GUARD)): {
            _case(*case): _interval(100 * (part[name] - part[name.removesuffix(GUARD)]), 2, "+")
            for case, part in by.groupby(level=["noise", "share"], sort=False)
        }
        for name in guarded
    }
    return pd.DataFrame.from_dict(cells, orient="index")


def _policy(name):
    plain = name.removesuffix(GUARD)
    known = {"none": "no copies", "full": "all copies"} | {key: look.label for key, look in looks.LOOK.items()}
    return known.get(plain, plain.replace("_", " ")) + (", with the guard" if name.endswith(GUARD) else "")
