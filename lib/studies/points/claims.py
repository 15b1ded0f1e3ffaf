"""Tests of the claims of Kuchnik & Smith (2019) on the sweep of one study.

A claim says that the mean over seeds of a paired difference lies within bounds. It *holds* if the whole 95% interval
lies within them, *fails* if no part of the interval does, and is *open* otherwise.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..intervals import mean_interval
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
        seeds, low and high (the claim's bounds), verdict ('holds', 'open', 'fails').
    """
    rows = []
    for claim in CLAIMS:
        for score in claim.scores:
            difference = claim.difference(table, score)
            if difference is not None:
                mean, half_width = mean_interval(difference)
                rows.append((claim.name, score, mean, half_width, len(difference), *claim.bounds))
    found = pd.DataFrame(rows, columns=["claim", "score", "mean", "half_width", "seeds", "low", "high"])
    return found.assign(verdict=[verdict(*row) for row in found[["mean", "half_width", "low", "high"]].to_numpy()])


def verdict(mean: float, half_width: float, low: float, high: float) -> str:
    """Compare an interval with bounds: 'holds' if it lies within them, 'fails' if it lies outside, else 'open'."""
    left, right = mean - half_width, mean + half_width
    if low < left and right < high:
        return "holds"
    return "fails" if right < low or left > high else "open"


def _over_the_curve(table, score, curve, than):
    """Area under one curve minus that under another, divided by the number of points: a difference in mean accuracy."""
    areas = area_under_curve(table)
    n = table["budget"].max()
    return _difference(areas.assign(value=100 * areas["auc"] / n), (score, *curve), (score, *than))


def _at(table, score, curve, than, share):
    """Accuracy of one curve minus that of another, at a share of the points."""
    rows = table[(table["budget"] == share * table["budget"].max()) | (table["policy"] == "full")]
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
    if policy != "full":
        wanted["score"] = score
    rows = rows[reduce(operator.and_, (rows[name] == value for name, value in wanted.items()))]
    return None if rows.empty else by_seed(rows, "value", [])


PROPORTIONAL = ("random_proportional", False, False)
RANDOM = ("baseline", False, False)
INVERSE = ("random_inverse_proportional", False, False)
FULL = ("full", False, False)
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
        partial(_at, curve=PROPORTIONAL, than=RANDOM, share=0.05),
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
        partial(_at, curve=PROPORTIONAL, than=FULL, share=0.1),
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


def shown(found: pd.DataFrame) -> Styler:
    """Table of verdicts for a page: one row for each study and score, one column for each claim."""
    cells = found.assign(
        cell=[
            f"{verdict}: {mean:+.2f}" + ("" if np.isnan(half) else f" ± {half:.2f}")
            for verdict, mean, half in found[["verdict", "mean", "half_width"]].itertuples(index=False)
        ]
    )
    table = cells.pivot(index=["study", "score"], columns="claim", values="cell").fillna("")
    order = [claim.name for claim in CLAIMS if claim.name in table.columns]
    colours = {"holds": "#d7efe3", "open": "#f3f3f3", "fails": "#f7dcd0"}
    return styled(table[order]).map(lambda cell: f"background: {colours.get(cell.partition(':')[0], 'none')}")
