"""Table 1 of Kuchnik & Smith (2019) as it is read: what augmentation gains, one row for each study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..intervals import mean_interval
from ..pages.escaping import styled
from .claims import FULL, NONE, PROPORTIONAL, RANDOM, at_share
from .published import compare_table_1

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandas.io.formats.style import Styler

    from .study import Study

SHARES = (0.05, 0.1, 0.25)
"""Shares of the points that the paper's table has."""
POINTS, PERCENT = "percentage points", "test accuracy, %"


def gains(sweeps: Mapping[str, pd.DataFrame]) -> Styler:
    """What full augmentation gains over none, and points drawn by score over random ones, in each study.

    Parameters
    ----------
    sweeps : mapping of str to DataFrame
        Sweep tables by study.

    Returns
    -------
    Styler
        One row for each study; differences are paired by seed, with 95% intervals. Points are drawn in proportion to
        influence, or to another score where a study has no influence.
    """
    return styled(pd.DataFrame.from_dict({name: _gains(sweep) for name, sweep in sweeps.items()}, orient="index"))


def _gains(sweep):
    scores = set(sweep["score"]) - {""}
    score = "influence" if "influence" in scores else max(scores, default="")
    of_policy = sweep.groupby("policy")["accuracy"].mean()
    row = {(PERCENT, "none"): f"{100 * of_policy['none']:.2f}", (PERCENT, "all"): f"{100 * of_policy['full']:.2f}"}
    gain = at_share(sweep, score, FULL, NONE, 1.0)
    row[POINTS, "all less none"] = _signed(gain)
    for share in SHARES:
        row[f"{score} less random, {POINTS}", f"{share:.0%}"] = _signed(
            at_share(sweep, score, PROPORTIONAL, RANDOM, share)
        )
    return row | {("", "seeds"): str(0 if gain is None else len(gain))}


def _signed(difference):
    """A paired difference as text; empty where a study lacks one of its curves."""
    if difference is None:
        return ""
    mean, half = mean_interval(difference)
    return f"{mean:+.2f}" if np.isnan(half) else f"{mean:+.2f} ± {half:.2f}"


def beside_the_papers(sweeps: Mapping[str, pd.DataFrame], studies: Mapping[str, Study]) -> Styler | None:
    """Test accuracy in percent, ours and the paper's, of the studies whose problem is one of the paper's.

    Parameters
    ----------
    sweeps : mapping of str to DataFrame
    studies : mapping of str to Study
        Parameters of the sweeps.

    Returns
    -------
    Styler or None
        Two columns for each study, ours with 95% intervals; None if there is no such study.
    """
    columns = {}
    for name, sweep in sweeps.items():
        found = compare_table_1(sweep, studies[name]).dropna(subset="published")
        if len(found):
            index = [_words(row) for row in found.itertuples()]
            columns[name, "ours, %"] = pd.Series([_ours(row) for row in found.itertuples()], index)
            columns[name, "paper, %"] = pd.Series(found["published"].map("{:.1f}".format).to_numpy(), index)
    return styled(pd.DataFrame(columns)) if columns else None


def _ours(row):
    return f"{row.ours:.2f}" if np.isnan(row.half_width) else f"{row.ours:.2f} ± {row.half_width:.2f}"


def _words(row):
    policy = {"none": "no augmentation", "full": "all points", "best_policy": "best policy"}.get(row.policy, row.policy)
    return policy if row.policy in ("none", "full") else f"{row.percent_augmented}%, {policy}"
