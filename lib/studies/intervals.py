"""Statistics that all experiments share: means over independent seeds with intervals.

Every interval is a 95% Student-t interval of a mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def smallest_within(gap: pd.Series, margin: float) -> pd.Series:
    """Smallest budget at which the mean gap to full augmentation is within a margin, for every curve.

    Parameters
    ----------
    gap : Series
        Mean gap, indexed by the keys of a curve and, last, by the budget.
    margin : float

    Returns
    -------
    Series
        Budgets, indexed by the keys of a curve; NaN where no budget is within the margin.
    """
    *curve, budget = gap.index.names
    rows = gap.rename("gap").reset_index()
    reached = rows[rows["gap"] <= margin].groupby(curve, observed=True)[budget].min()  # type: ignore[call-overload]
    return reached.reindex(rows.set_index(curve).index.unique())
