"""Tables, figure and words of the page on the released code, from `studies.factorial.summary`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from ..intervals import FEWEST, Gap
from ..pages.escaping import markdown_text, title_and_note
from ..points import published
from ..points.study import Study
from . import summary
from .parameters import MOVES
from .summary import FACTORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from .parameters import Factorial

GAIN, LEAD = summary.RESPONSES
MORE, LESS, UNKNOWN, FEW = "more", "less", "cannot tell", "too few splits"
SEEN = {1: ("has seen the points", "#0072B2", "o", 0.14), 0: ("has not seen them", "#D55E00", "s", -0.14)}
"""Label, colour, marker and offset of the two kinds of networks in the figure."""
IN_WORDS = {MORE: "above zero", LESS: "below zero", UNKNOWN: "cannot tell", FEW: FEW}
PREPROCESSING_WORDS = ("right", "mean not subtracted")


def verdict(gap: Gap) -> str:
    """Whether a difference is shown to be above or below zero, in a word; none from fewer than `FEWEST` splits."""
    if gap.n < FEWEST:
        return FEW
    return UNKNOWN if abs(gap.mean) <= gap.half_width else MORE if gap.mean > 0 else LESS


def with_verdict(gap: Gap) -> str:
    """A difference with its interval and its verdict in brackets."""
    return f"{shown(gap)} ({verdict(gap)})"


def shown(gap: Gap) -> str:
    """A difference with its interval, or without one if there is a single split."""
    return str(gap) if gap.n > 1 else f"{round(gap.mean, 2) + 0.0:+.2f}"


def level(study: Factorial, factor: str, value: float) -> str:
    """A level of a factor in words; empty for a factor that a transformation does not have."""
    if pd.isna(value):
        return ""
    words = {"C": [f"C = {C:g}" for C in study.C], "moves": MOVES, "preprocessing": PREPROCESSING_WORDS}
    words["seen"] = ("not seen", "seen")
    return words[factor][int(value)]


def factor(study: Factorial, name: str) -> str:
    """A factor as the change from its level 0 to its level 1, or several, joined by ' x ', in short."""
    words = {
        "C": f"C ({study.C[0]:g} to {study.C[1]:g})",
        "moves": "moves (cardinal to diagonal)",
        "preprocessing": "mean image not subtracted",
        "seen": "points seen in training",
    }
    if " x " in name:
        words = {"C": "C", "moves": "moves", "preprocessing": "mean", "seen": "seen"}
    return " × ".join(words[each] for each in name.split(" x "))


def setting(study: Factorial, levels: pd.Series) -> str:
    """A cell's C, moves and preprocessing in words."""
    return ", ".join(filter(None, (level(study, name, levels[name]) for name in FACTORS[:-1])))


def of(cells: pd.DataFrame, transformation: str) -> pd.DataFrame:
    """Rows of `summary.responses` of one transformation."""
    return cells[cells["transformation"] == transformation]


def about(study: Factorial, cells: pd.DataFrame) -> str:
    """Which data and networks a page has, in a few sentences of Markdown."""
    title, note = title_and_note(study.load_data().provenance)
    classes = published.class_words(_study(study, study.transformations[0]))
    splits = cells["replicate"].nunique()
    return (
        f"**{title}, {markdown_text(classes)}: {splits} splits of two samples of {study.n_train:,} points; two "
        f"networks ({network_words(study)}), {study.epochs} epochs on one half of the training part each.** {note}"
    )


def network_words(study: Factorial) -> str:
    """Name of the study's network."""
    return "LeNet" if study.network == "lenet" else f"ResNet-{study.depth}"


def paper(study: Factorial, transformation: str, response: str = GAIN) -> float | None:
    """The paper's value of a response in table 1, in points; None where it has no such problem or transformation.

    For `LEAD` it is the best policy at 5%, chosen on the test set, less random points.
    """
    found = published.table_1_of(_study(study, transformation))
    if not found:
        return None
    pairs = {GAIN: (("full", 100), ("none", 0)), LEAD: (("best_policy", 5), ("random", 5))}
    one, other = pairs[response]
    return round(found[one] - found[other], 6)


def _study(study, transformation):
    return Study(dataset=study.dataset, classes=study.classes, transformation=transformation)


def by_cell(axes: Sequence[Axes], study: Factorial, cells: pd.DataFrame, response: str = GAIN) -> Sequence[Axes]:
    """A response in every cell, with 95% intervals, an Axes for each transformation; dotted: the paper's value."""
    for ax, transformation in zip(axes, study.transformations, strict=True):
        values = summary.cell_values(of(cells, transformation), response)
        names = list(dict.fromkeys(setting(study, row) for _, row in values.iterrows()))
        for seen, (label, colour, marker, offset) in SEEN.items():
            rows = values[values["seen"] == seen]
            places = [len(names) - 1 - names.index(setting(study, row)) + offset for _, row in rows.iterrows()]
            means, halves = [gap.mean for gap in rows["gap"]], [gap.half_width for gap in rows["gap"]]
            ax.errorbar(means, places, xerr=halves, fmt=marker, color=colour, label=f"the network {label}")
        ax.axvline(0, color="0.35", linewidth=1.2, linestyle="--")
        if (value := paper(study, transformation, response)) is not None:
            ax.axvline(value, color="black", linewidth=1.4, linestyle=":", label=f"the paper: {value:+.1f}")
        ax.set_yticks(range(len(names)), names[::-1])
        ax.set_title(transformation)
    one, other = summary.RESPONSES[response]
    axes[-1].set_xlabel(f"accuracy with {one} less {other} (percentage points)")
    return axes


def rows_of(study: Factorial) -> list[int]:
    """Number of settings of each transformation: heights of the figure's panels."""
    return [8 if name == "translate" else 4 for name in study.transformations]


def cells_table(study: Factorial, cells: pd.DataFrame, response: str = GAIN) -> pd.DataFrame:
    """The numbers of the figure, as text: a row for each setting, columns seen and not seen."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for transformation in study.transformations:
        for _, row in summary.cell_values(of(cells, transformation), response).iterrows():
            key = (transformation, setting(study, row))
            rows.setdefault(key, {})[level(study, "seen", row["seen"])] = shown(row["gap"])
    return _table(rows)[["seen", "not seen"]]


def effects_table(study: Factorial, cells: pd.DataFrame, response: str = GAIN, most: int = 2) -> pd.DataFrame:
    """Effects of the factors, alone and by twos, in points, and of each network alone, as text."""
    rows = {}
    for transformation in study.transformations:
        for name, row in summary.effects(of(cells, transformation), response, most).iterrows():
            rows[transformation, factor(study, str(name))] = {
                "effect (points)": shown(row["gap"]),
                "shown": verdict(row["gap"]),
                **{network: f"{row[network]:+.2f}" for network in ("network 0", "network 1")},
            }
    return _table(rows)


def parts_table(study: Factorial, cells: pd.DataFrame, response: str = GAIN) -> pd.DataFrame:
    """What each difference of the released code brings, alone, last and on average over orders, in points, as text."""
    rows = {}
    for transformation in study.transformations:
        chosen = of(cells, transformation)
        alone, shares = summary.alone_and_undone(chosen, response), summary.shares(chosen, response)
        for name in alone.index:
            rows[transformation, factor(study, name)] = {
                "as the only one": shown(alone.loc[name, "alone"]),
                "as the last one": shown(alone.loc[name, "undone"]),
                "part (mean over orders)": with_verdict(shares[name]),
            }
        rows[transformation, "all together"] = {"part (mean over orders)": with_verdict(shares["all"])}
    return _table(rows)


def levels_table(study: Factorial, cells: pd.DataFrame) -> pd.DataFrame:
    """Accuracy without and with full augmentation in the paper's setting and in the released code's, in percent."""
    rows = {}
    for transformation in study.transformations:
        for policy, words in (("none", "no augmentation"), ("full", "full augmentation")):
            sound, released = (_whole(of(cells, transformation), policy, value) for value in (0, 1))
            rows[transformation, words] = {
                "the paper's setting (%)": f"{sound.mean():.2f}",
                "the released code's (%)": f"{released.mean():.2f}",
                "difference (points)": with_verdict(summary.gap(released - sound)),
            }
    return _table(rows)


def answer(study: Factorial, cells: pd.DataFrame, response: str = GAIN) -> str:
    """Which difference brings which part, transformation by transformation, from the intervals: a Markdown list."""
    return "\n".join(
        f"* **{transformation}.** {_answer(study, of(cells, transformation), transformation, response)}"
        for transformation in study.transformations
    )


def _answer(study, cells, transformation, response):
    sound, released = (summary.gap(_whole(cells, response, value)) for value in (0, 1))
    if released.n < FEWEST:
        return f"{released.n} splits are too few to conclude from; {FEWEST} are the fewest."
    words = [
        f"In the paper's setting {_response(response)} is {_against_zero(sound)}; with all differences of the released "
        f"code it is {_against_zero(released)}.",
        _against_paper(released, paper(study, transformation, response), response),
        _parts(study, summary.shares(cells, response)),
        _about_seen(cells, response),
    ]
    return " ".join(filter(None, words))


def _response(response):
    one, other = summary.RESPONSES[response]
    return f"{one} less {other}"


def _whole(cells, response, value, seen=1):
    return summary.cell(cells, response, seen=seen, **dict.fromkeys(FACTORS[:-1], value))


def _against_zero(gap):
    return f"{shown(gap)} ({IN_WORDS[verdict(gap)]})"


def _against_paper(released, value, response):
    if value is None:
        return ""
    within = abs(released.mean - value) <= released.half_width
    who = "The paper has" if response == GAIN else "The paper's best policy, chosen on the test set, has"
    return f"{who} {value:+.1f}, {'within' if within else 'outside'} the latter interval."


def _parts(study, shares):
    (first, gap), *others = [(factor(study, name), gap) for name, gap in shares.items() if name != "all"]
    said = [f"{first} brings {_against_zero(gap)}", *(f"{name} {_against_zero(gap)}" for name, gap in others)]
    return f"The change between the two is {_against_zero(shares['all'])}. Of this, {', '.join(said)}."


def _about_seen(cells, response):
    gap = summary.gap(_whole(cells, response, 1) - _whole(cells, response, 1, seen=0))
    words = f"There, networks that have seen the points differ by {_against_zero(gap)} from those that have not"
    if verdict(gap) == MORE and response == GAIN:
        return f"{words}: that they have seen them is part of the gain of these two networks."
    return f"{words}."


def remaining(study: Factorial) -> str:
    """In what a factorial still differs from the paper and from its code, as a Markdown list."""
    title = markdown_text(study.load_data().provenance["title"])
    departures = published.departures(_study(study, "translate"))
    items = [
        "the problem: " + markdown_text(", ".join(departures)) if departures else "",
        f"the data: {title}",
        f"the network: {network_words(study)}, where the paper has a ResNet-50 and its code a ResNet-56",
        "a network is trained on half of the training part, so that the other half is new to it",
        "each sample is drawn at random; the released code takes the first points of the file",
        "influence has the Hessian of the objective; the released code leaves out its L2 term",
        "intervals are over splits; the two networks, and the test images, are the same in all of them",
    ]
    if study.dataset == "small-norb":
        items[3:3] = [
            "the released code scales NORB's pixels twice",
            "for rotate and crop the paper has a network of its own, trained with augmentation",
        ]
    return "\n".join(f"* {item};" for item in items if item)[:-1] + "."


def _table(rows):
    table = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    table.index = pd.MultiIndex.from_tuples(table.index)
    return table
