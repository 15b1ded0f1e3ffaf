"""Tests of the claims of Kuchnik & Smith (2019) on the sweep of one study.

A claim says that the mean over seeds of a paired difference lies within bounds. It *holds* if the whole 95% interval
lies within them, *fails* if no part of the interval does, and is *open* otherwise; fewer than `intervals.FEWEST` seeds
get no verdict.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..intervals import FEWEST, TOO_FEW, mean_interval
from ..pages.escaping import styled
from .summary import area_under_curve, by_seed

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

MARGIN = 0.1
"""Percentage points of accuracy below which a difference counts as none: the paper's 'maintains 99.86% or more'."""
SCORES = ("influence", "loss")


@dataclass(frozen=True)
class Claim:
    """One claim about a paired difference.

    Attributes
    ----------
    name : str
    statement : str
        The claim in a sentence.
    difference : callable
        (sweep table, score) -> Series of one difference for each seed, in percentage points; None if the table lacks
        one of the curves.
    bounds : tuple of float
        Bounds of the mean difference, in percentage points.
    scores : tuple of str
        Scores for which the claim is made.
    """

    name: str
    statement: str
    difference: Callable
    bounds: tuple[float, float]
    scores: tuple[str, ...] = SCORES


def evaluate(table: pd.DataFrame) -> pd.DataFrame:
    """Test every claim on one study's sweep table.

    Returns
    -------
    DataFrame
        One row for each claim and score: claim, score, mean and half_width (of the 95% interval) in percentage points,
        seeds, low and high (the claim's bounds), verdict (one of `MARKS`).
    """
    rows = []
    for claim in CLAIMS:
        for score in claim.scores:
            difference = claim.difference(table, score)
            if difference is not None:
                mean, half_width = mean_interval(difference)
                rows.append((claim.name, score, mean, half_width, len(difference), *claim.bounds))
    found = pd.DataFrame(rows, columns=["claim", "score", "mean", "half_width", "seeds", "low", "high"])
    judged = ["mean", "half_width", "low", "high", "seeds"]
    return found.assign(verdict=[verdict(*row) for row in found[judged].to_numpy()])


def verdict(mean: float, half_width: float, low: float, high: float, seeds: float) -> str:
    """Compare an interval with bounds: 'holds' if it lies within them, 'fails' if it lies outside, else 'open'.

    Of too few seeds it is `intervals.TOO_FEW`, whatever the interval.
    """
    if seeds < FEWEST:
        return TOO_FEW
    left, right = mean - half_width, mean + half_width
    if low < left and right < high:
        return "holds"
    return "fails" if right < low or left > high else "open"


def _over_the_curve(table, score, curve, than):
    """Area under one curve minus that under another, divided by the number of points: a difference in mean accuracy."""
    areas = area_under_curve(table)
    n = table["budget"].max()
    return _difference(areas.assign(value=100 * areas["auc"] / n), (score, *curve), (score, *than))


def at_share(
    table: pd.DataFrame, score: str, curve: tuple[str, bool, bool], than: tuple[str, bool, bool], share: float
) -> pd.Series | None:
    """Accuracy of one curve less that of another, at a share of the points, by seed, in percentage points.

    Parameters
    ----------
    table : DataFrame
        One study's sweep table.
    score : str
    curve, than : tuple
        Policy, update, downweight, such as `PROPORTIONAL`, `FULL` and `NONE`.
    share : float

    Returns
    -------
    Series or None
        None if the table lacks one of the curves.
    """
    rows = table[(table["budget"] == share * table["budget"].max()) | table["policy"].isin([FULL[0], NONE[0]])]
    return _difference(rows.assign(value=100 * rows["accuracy"]), (score, *curve), (score, *than))


def _loss_less_influence(table, score):
    del score
    areas = area_under_curve(table)
    values = areas.assign(value=100 * areas["auc"] / table["budget"].max())
    return _difference(values, ("loss", *PROPORTIONAL), ("influence", *PROPORTIONAL))


def _difference(rows, curve, than):
    ours, other = (_of(rows, *key) for key in (curve, than))
    if ours is None or other is None:
        return None
    # With a single replicate seeds are rounds, and the fully augmented model is fitted only once.
    return ours - (other.iloc[0] if len(other) == 1 else other)


def _of(rows, score, policy, update, downweight):
    """The value of one curve for each seed; None if the table lacks the curve."""
    wanted = {"policy": policy, "update": update, "downweight": downweight}
    if policy not in (FULL[0], NONE[0]):
        wanted["score"] = score
    rows = rows[reduce(operator.and_, (rows[name] == value for name, value in wanted.items()))]
    return None if rows.empty else by_seed(rows, "value", [])


PROPORTIONAL = ("random_proportional", False, False)
RANDOM = ("baseline", False, False)
INVERSE = ("random_inverse_proportional", False, False)
FULL, NONE = ("full", False, False), ("none", False, False)
UPDATED = ("random_proportional", True, False)
DOWNWEIGHTED = ("random_proportional", False, True)

CLAIMS = (
    Claim(
        "ahead of random",
        "Points drawn in proportion to their score beat points drawn at random, over the whole curve.",
        partial(_over_the_curve, curve=PROPORTIONAL, than=RANDOM),
        (0, np.inf),
    ),
    Claim(
        "ahead at 5%",
        "So they do where a twentieth of the points is augmented.",
        partial(at_share, curve=PROPORTIONAL, than=RANDOM, share=0.05),
        (0, np.inf),
    ),
    Claim(
        "loss as good",
        f"Loss and influence are equal to within {MARGIN} points, over the whole curve (loss less influence).",
        _loss_less_influence,
        (-MARGIN, MARGIN),
        ("loss",),
    ),
    Claim(
        "inverse behind",
        "Points drawn in inverse proportion are worse than random ones, over the whole curve.",
        partial(_over_the_curve, curve=INVERSE, than=RANDOM),
        (-np.inf, 0),
    ),
    Claim(
        "a tenth is enough",
        f"At a tenth of the points accuracy is at most {MARGIN} points below full augmentation's.",
        partial(at_share, curve=PROPORTIONAL, than=FULL, share=0.1),
        (-MARGIN, np.inf),
    ),
    Claim(
        "updating does not pay",
        f"Updating the scores gains less than {MARGIN} points, over the whole curve.",
        partial(_over_the_curve, curve=UPDATED, than=PROPORTIONAL),
        (-np.inf, MARGIN),
    ),
    Claim(
        "downweighting does not pay",
        f"Downweighting gains less than {MARGIN} points, over the whole curve.",
        partial(_over_the_curve, curve=DOWNWEIGHTED, than=PROPORTIONAL),
        (-np.inf, MARGIN),
    ),
)


MARKS = {"holds": "✓", "open": "?", "fails": "✗", TOO_FEW: "–"}
"""Signs of the verdicts in a table."""
COLOURS = {"✓": "#d7efe3", "?": "#f3f3f3", "✗": "#f7dcd0"}
HEAD = "difference in percentage points: ✓ holds, ✗ fails, ? open, – too few seeds"


def shown(found: pd.DataFrame, score: str) -> Styler:
    """Table of verdicts under one score for a page: one row for each study, one column for each claim."""
    rows = found[found["score"] == score]
    cells = [
        f"{MARKS[verdict]}\N{NO-BREAK SPACE}{mean:+.2f}" + ("" if np.isnan(half) else f" ± {half:.2f}")
        for verdict, mean, half in rows[["verdict", "mean", "half_width"]].itertuples(index=False)
    ]
    table = rows.assign(cell=cells).pivot(index="study", columns="claim", values="cell").fillna("")
    table = table[[claim.name for claim in CLAIMS if claim.name in table.columns]]
    table.columns = pd.MultiIndex.from_product([[HEAD], table.columns])
    return styled(table).map(lambda cell: f"background: {COLOURS.get(cell[:1], 'none')}")
