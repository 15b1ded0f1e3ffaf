"""Statistics that all experiments share: means over independent seeds with intervals.

Every interval is a 95% Student-t interval of a mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t as student

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


def mean_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Mean of independent values, and the half width of its Student-t interval (NaN for a single value)."""
    values = np.asarray(values, dtype=np.float64)
    m = len(values)
    half = student.ppf(0.5 + level / 2, m - 1) * values.std(ddof=1) / np.sqrt(m) if m > 1 else np.nan
    return values.mean(), half


class Gap(NamedTuple):
    """Mean of a paired difference, its half width, and the number of pairs; as text '-0.16 ± 0.07'."""

    mean: float
    half_width: float
    n: int

    def __str__(self) -> str:
        # A rounded zero has no sign of its own.
        return f"{round(self.mean, 2) + 0.0:+.2f} ± {self.half_width:.2f}"


def paired(one: pd.Series, other: pd.Series) -> Gap:
    """One series less another where both have a value, paired by their index; NaN without a pair."""
    found = (one - other).dropna()
    return Gap(*mean_interval(found), len(found)) if len(found) else Gap(np.nan, np.nan, 0)


def by_share(table: pd.DataFrame, value: str = "accuracy", keys: Sequence[str] = ("policy", "share")) -> pd.DataFrame:
    """Mean of a column over replicates: DataFrame of mean, half_width, seeds, indexed by keys in the table's order."""
    groups = table.groupby(list(keys), sort=False)[value]
    return pd.DataFrame(
        {
            "mean": groups.mean(),
            "half_width": groups.agg(lambda values: mean_interval(values)[1]),
            "seeds": groups.count(),
        }
    )


class Enough(NamedTuple):
    """How many copies or points are enough, or why that is not said.

    Attributes
    ----------
    budget : float
        The smallest budget that is enough; NaN if none is, or nothing is shown.
    word : str
        One of `WORDS`.
    """

    budget: float
    word: str


REACHED, NOT_REACHED, OPEN = "enough", "not enough", "open"
NO_NEED, HARM, TOO_FEW = "no augmentation is enough", "augmentation harms here", "too few replicates"
WORDS = (REACHED, NOT_REACHED, OPEN, NO_NEED, HARM, TOO_FEW)
FEWEST = 5
"""Replicates, or other paired differences, below which there is no verdict."""


def enough(gaps: pd.DataFrame, gain: tuple[float, float, int], margin: float) -> Enough:
    """The smallest budget that is shown to be enough, by intervals of paired differences.

    A budget is enough if the interval of full augmentation's accuracy less its own ends at most a margin above zero;
    it is not, if the interval begins above the margin; else it is open.

    Parameters
    ----------
    gaps : DataFrame
        mean and half_width of full augmentation less a policy, indexed by budget.
    gain : tuple
        Mean and half width of full less no augmentation, and the number of replicates.
    margin : float

    Returns
    -------
    Enough
        `HARM` if full augmentation is shown to be worse than none, `NO_NEED` if it gains at most the margin; else the
        smallest budget that is enough; else `NOT_REACHED` if every budget is shown not to be, or `OPEN`.
    """
    mean, half_width, n = gain
    if n < FEWEST:
        return Enough(np.nan, TOO_FEW)
    if mean + half_width < 0:
        return Enough(np.nan, HARM)
    if mean + half_width <= margin:
        return Enough(np.nan, NO_NEED)
    reached = gaps.index[gaps["mean"] + gaps["half_width"] <= margin]
    if len(reached):
        return Enough(float(reached.min()), REACHED)
    missed = bool((gaps["mean"] - gaps["half_width"] > margin).all())
    return Enough(np.nan, NOT_REACHED if missed else OPEN)
