"""Sentences and tables of the page on your own data; `figures` has its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..intervals import FEWEST
from ..pages.escaping import markdown_text, title_and_note
from ..storage import paths
from . import verdicts
from .material import TRIVIAL
from .parameters import TOGETHER
from .split import NO_COPIES
from .verdicts import ALL, CANNOT_TELL, ENOUGH, NO, NONE, POWER, YES, Design, Verdict

if TYPE_CHECKING:
    from influaug._types import PathLike

    from .material import Material
    from .parameters import OwnData
    from .results import Chosen, OnTest

MOST_POINTS = 1e7
"""Points beyond which no number of them is named: the difference is too close to what it is to be told from."""
HELPS = {YES: "yes", NO: "no, it harms", CANNOT_TELL: "cannot tell"}
MEASURES = {"points": "accuracy_original", "copies": "accuracy"}
"""Column of the accuracies that each value of the parameter ``judge`` names."""


def about(own: OwnData, material: Material) -> str:
    """Which data a page has, how rare and how often repeated its points are: sentences of Markdown."""
    points, (title, note) = material.points, title_and_note(material.points.provenance)
    n, counts = len(points.labels), np.bincount(points.labels)
    k, what = len(material.labels_of(own.chosen)), "images" if material.are_images else "feature vectors"
    said = (
        f"**{title}: {n:,} training points of {len(points.class_names)} classes, {k} copies of each by "
        f"{named(own.chosen)}, {len(points.labels_test):,} test {what}.** {note}"
    )
    if counts.max() >= 2 * n / len(counts):
        often, share = points.class_names[int(counts.argmax())], counts.max() / n
        said += (
            f" Classes are unbalanced: whoever always says {markdown_text(often)} is right on {100 * share:.0f}% of "
            "the points, and accuracy says little about rare classes."
        )
    same = n - len({row.tobytes() for row in np.ascontiguousarray(points.images)})
    if same:
        said += (
            f" {same:,} of the points equal another one; where one trains and the other is held out, accuracies are "
            "too high."
        )
    return said


def named(transformation: str) -> str:
    """Name of a transformation or arm, as a person reads it, escaped for Markdown."""
    known = {TRIVIAL: "TrivialAugment", TOGETHER: "all transformations", NO_COPIES: "no copies"}
    words = known.get(transformation) or transformation.replace(TRIVIAL, "TrivialAugment").replace("_", " ")
    return markdown_text(words)


def how_many(design: Design) -> str:
    """Number of the parts and of the points behind every mean, to follow 'Means over'."""
    repeats = f" in each of {design.repeats} repeats" if design.repeats > 1 else ""
    return f"{design.parts} parts ({design.folds} folds{repeats}) of {design.n:,} points"


# By transformation


def shown_transformations(gains: pd.DataFrame) -> pd.DataFrame:
    """The table of `verdicts.transformations` as text, in percent and percentage points, best first."""
    ordered = gains.sort_values("gain", ascending=False)
    return pd.DataFrame(
        {
            "transformation, alone": [named(name) for name in ordered.index],
            "copies": ordered["copies"].round().astype(int).to_numpy(),
            "accuracy (%)": [f"{100 * mean:.2f}" for mean in ordered["mean"]],
            "gain over no copies": _pairs(ordered, "gain", "gain_half_width"),
            "gain on its own copies": _pairs(ordered, "on_copies", "on_copies_half_width"),
            "helps": [HELPS[value] for value in ordered["helps"]],
        }
    )


def which_help(gains: pd.DataFrame, design: Design) -> str:
    """Which transformations help, which harm, and how many points would tell for the others: Markdown."""
    if not design.tells:
        return f"**{_too_few(design)}**"
    groups = {value: gains[gains["helps"] == value].sort_values("gain", ascending=False) for value in HELPS}
    said = [
        f"**{verb}: {', '.join(_with_gain(name, row) for name, row in groups[value].iterrows())}.**"
        for value, verb in ((YES, "Helps"), (NO, "Harms"))
        if len(groups[value])
    ]
    if not said:
        said = ["**Of no transformation is it shown that it helps or harms.**"]
    unknown, level = groups[CANNOT_TELL], verdicts.simultaneous(len(gains))
    if len(unknown):
        names = ", ".join(map(named, unknown.index))
        said.append(f"Of {names} these points cannot tell. {_gain_remedy(unknown, design, level)}")
    there = gains[gains["on_copies"] - gains["on_copies_half_width"] > 0].sort_values("on_copies", ascending=False)
    if len(there):
        listed = ", ".join(_with_gain(name, row, "on_copies") for name, row in there.iterrows())
        said.append(f"**For points that are changed in the same way, helps: {listed}.**")
    return " ".join(said)


def _with_gain(name, row, gain="gain"):
    return f"{named(name)} ({_interval(row[gain], row[f'{gain}_half_width'], '+')} points)"


def _gain_remedy(unknown, design, level):
    """How many points would tell for the transformation for which the fewest would."""
    needed = {
        name: verdicts.points_to_tell(abs(row["gain"]), row["gain_half_width"], design, level)
        for name, row in unknown.iterrows()
    }
    name = min(needed, key=needed.__getitem__)
    if needed[name] > MOST_POINTS:
        return "Their gains are too close to zero for any number of points to tell."
    return (
        f"{_would(needed[name], None)} of {named(name)}, if its gain is {100 * unknown.at[name, 'gain']:+.2f} points."
    )


# By share


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """`verdicts.budgets` as text, accuracies in percent and differences in percentage points."""
    return pd.DataFrame(
        {
            "share of copies": [_percent(share) for share in found.index],
            "copies": found["copies"].round().astype(int).to_numpy(),
            "points": found["points"].round().astype(int).to_numpy(),
            "accuracy (%)": _pairs(found, "mean", "half_width", ""),
            "less no copies'": _pairs(found, "gain", "gain_half_width"),
            "less all copies'": _pairs(found, "difference", "difference_half_width"),
            "enough": found["enough"].to_numpy(),
        }
    )


def verdict(found: pd.DataFrame, decided: Verdict, own: OwnData, design: Design) -> str:
    """What `verdicts.verdict` decided and why, and how many points or repeats would tell more: Markdown."""
    say = {ENOUGH: _enough, ALL: _all, NONE: _none, CANNOT_TELL: _cannot_tell}[decided.kind]
    return f"{say(_Case(found, decided, own, design))} The margin is {_points(own.margin)}."


@dataclass(frozen=True)
class _Case:
    found: pd.DataFrame
    decided: Verdict
    own: OwnData
    design: Design


def _enough(case):
    found, share = case.found, case.decided.share
    row = found.loc[share]
    said = (
        f"**Enough: {_percent(share)} of the copies.** In a part these are {row['copies']:.0f} copies of "
        f"{row['points']:.0f} points; the difference from all copies is {_difference(row)}, the gain over none "
        f"{_interval(row['gain'], row['gain_half_width'], '+')}."
    )
    if found.at[0, "enough"] == YES:
        gain = _interval(row["gain"], row["simultaneous_half_width"], "+")
        return f"{said} All copies gain less than the margin over none, but these do gain ({gain}, of all shares)."
    below = found.index[(found.index < share) & (found["enough"] == CANNOT_TELL)]
    less = (
        f" Whether less is enough ({', '.join(map(_percent, below))}), these points cannot tell." if len(below) else ""
    )
    return said + less


def _all(case):
    full = case.found.loc[1]
    gain = _interval(full["gain"], full["gain_half_width"], "+")
    between = case.found[(case.found.index > 0) & (case.found.index < 1)]
    if (between["enough"] == NO).all():
        return (
            "**Not enough: none of these shares.** Each costs more than the margin against all copies, which gain "
            f"{gain} points over none. All copies are taken."
        )
    return (
        f"**All copies together help ({gain} points); these points cannot tell whether fewer are enough.** All copies "
        f"are taken. {_share_remedy(case)}"
    )


def _none(case):
    found = case.found
    row = found.loc[0]
    because = f"without any copy the difference from all copies is {_difference(row)}"
    if verdicts.harms_all(found):
        return f"**Augmentation harms: take no copies.** {_capital(because)}, and its interval lies above zero."
    gains = "gain less than the margin" if verdicts.helps_all(found) else "are not shown to help"
    return f"**No augmentation is needed.** All copies {gains}: {because}."


def _cannot_tell(case):
    if not case.design.tells:
        return f"**{_too_few(case.design)}** No copies are advised."
    full = case.found.loc[1]
    gain = _interval(full["gain"], full["gain_half_width"], "+")
    enough = [share for share in case.found.index if 0 < share < 1 and case.found.at[share, "enough"] == YES]
    as_well = (
        f" If you augment all the same, {_percent(min(enough))} of the copies are as good as all of them, to within "
        "the margin."
        if enough
        else ""
    )
    return (
        f"**These points cannot tell whether augmentation helps**: all copies gain {gain} points over none, from "
        f"{how_many(case.design)}. No copies are advised.{as_well} {_help_remedy(case)}"
    )


def _help_remedy(case):
    """How many points would tell that all copies help or harm, or that none are needed, whichever takes fewer."""
    full, design = case.found.loc[1], case.design
    gain, half = full["gain"], full["gain_half_width"]
    to_none = case.own.margin - gain
    if to_none >= abs(gain):
        return _remedy(to_none, half, design, "that none are needed")
    return _remedy(abs(gain), half, design, "that they help" if gain > 0 else "that they harm")


def _share_remedy(case):
    """How many points would tell of the share for which the fewest would."""
    found, margin, design = case.found, case.own.margin, case.design
    rows = found[(found["enough"] == CANNOT_TELL) & (found.index > 0)]
    distance = {share: abs(row["difference"] + margin) for share, row in rows.iterrows()}
    needed = {
        share: verdicts.points_to_tell(distance[share], row["difference_half_width"], design)
        for share, row in rows.iterrows()
    }
    share = min(needed, key=needed.__getitem__)
    row = rows.loc[share]
    outcome = "is" if row["difference"] > -margin else "is not"
    return _remedy(distance[share], row["difference_half_width"], design, f"that {_percent(share)} {outcome} enough")


def _remedy(distance, half_width, design, what):
    points = verdicts.points_to_tell(distance, half_width, design)
    if points > MOST_POINTS:
        return "The difference is too close to what it is to be told from for any number of points to tell."
    repeats = verdicts.repeats_to_tell(distance, half_width, design)
    return f"{_would(points, repeats)} {what}, if the differences are as they are estimated here."


def _would(points, repeats):
    or_repeats = f", or repeats: {repeats} of these," if repeats else ""
    return f"About {_rounded_up(points):,} points{or_repeats} would tell with a chance of {POWER:.0%}"


def _too_few(design):
    return (
        f"These points cannot tell: {design.parts} parts are fewer than the {FEWEST} that a verdict takes; raise folds "
        "or repeats."
    )


# The network trained anew


def shown_retrained(table: pd.DataFrame, design: Design) -> pd.DataFrame:
    """Accuracies of the networks trained anew, with paired, simultaneous intervals against no copies: text."""
    by_part = table.set_index("part")
    none = by_part[by_part["arm"] == NO_COPIES]
    arms = list(dict.fromkeys(table["arm"]))
    level = verdicts.simultaneous(len(arms) - 1)
    rows = []
    for arm in arms:
        part = by_part[by_part["arm"] == arm]
        gains = [
            "" if arm == NO_COPIES else _interval(*verdicts.paired_interval(part[m] - none[m], design, level), "+")
            for m in ("accuracy", "on_copies")
        ]
        rows.append([named(arm), round(part["added"].mean()), f"{100 * part['accuracy'].mean():.2f}", *gains])
    columns = ["trained on the points and", "copies", "accuracy (%)", "gain over no copies", "gain on the copies"]
    return pd.DataFrame(rows, columns=columns)


def retrained(table: pd.DataFrame | None, own: OwnData, design: Design) -> str:
    """How the networks were trained, in sentences of Markdown."""
    if table is None:
        return "No network was trained anew: the parameter `retrained` is null."
    steps = table["steps"].max()
    return (
        f"{markdown_text(own.retrained or '')}, trained anew {len(table)} times: {steps:,} steps of Adam in every arm, "
        f"in {how_many(design)}. Where copies are chosen, they are {_percent(own.retrained_share)} of those by "
        f"{named(own.chosen)}."
    )


# What was chosen


def counted(found: Chosen) -> str:
    """What was chosen, in a sentence of Markdown."""
    selector, n = found.selector, found.selector.n_points_
    if found.nothing:
        return f"**Nothing was chosen: none of the {n:,} points is augmented.** There are no figures of chosen copies."
    changes = f"{len(selector.source_):,} of {n * selector.n_copies_:,} copies"
    return f"**{len(selector.points_):,} of {n:,} points are augmented, with {changes}.**"


def tested(found: Chosen, on_test: OnTest | None) -> str:
    """The accuracy on the test points, with the chosen copies and without, in a sentence of Markdown."""
    if on_test is None:
        return "**There are no test points.** Accuracies above are those of the cross-validation."
    without = f"{_interval(*on_test.none)}%"
    if found.nothing:
        return (
            f"**{without}** of the {on_test.n:,} test points are classified rightly, without any copy in the training "
            "set (95% interval over test points)."
        )
    return (
        f"**{_interval(*on_test.chosen)}%** of the {on_test.n:,} test points are classified rightly after adding the "
        f"{len(found.selector.source_):,} chosen copies, {without} without any; the paired difference is "
        f"{_interval(*on_test.difference, '+')} percentage points (95% intervals over test points)."
    )


def written(path: PathLike, found: Chosen, there: bool) -> str:
    """What the file of the augmented training set holds and where it is, or that there is none: Markdown."""
    if not there:
        return "**No file was written**, because no augmentation is advised; your training points are as they were."
    n, m = len(found.points.labels), len(found.selector.source_)
    share = _percent(found.verdict.share)
    return f"Written to {markdown_text(paths.shown(path))}: the {n:,} points and {m:,} copies, {share} of all."


def _pairs(table, mean, half_width, sign="+"):
    return [_interval(*pair, sign) for pair in zip(table[mean], table[half_width], strict=True)]


def _percent(share):
    return f"{100 * share:g}%"


def _points(accuracy):
    return f"{100 * accuracy:g} percentage point{'' if accuracy == 0.01 else 's'}"


def _interval(mean, half, sign=""):
    return f"{100 * mean:{sign}.2f} ± {100 * half:.2f}"


def _difference(row):
    return f"{_interval(row['difference'], row['difference_half_width'], '+')} percentage points"


def _capital(text):
    return text[0].upper() + text[1:]


def _rounded_up(points):
    """To two digits: a forecast knows no more."""
    step = 10 ** max(0, int(np.log10(points)) - 1)
    return int(np.ceil(points / step) * step)
