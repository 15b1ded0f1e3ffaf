"""Statistics of a sweep's table: areas under curves, intervals, paired gains, smallest sufficient budgets.

Every interval is a Student-t interval over independent seeds. If a table has several replicates (each with its own
sample and network), a seed is a replicate, and rounds are averaged within it. With one replicate a seed is a round, and
the interval covers only the randomness of the policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import auc as trapezoid

from ..intervals import enough, mean_interval

if TYPE_CHECKING:
    from collections.abc import Sequence


CURVE = ["score", "policy", "update", "downweight"]
REFERENCES = ["none", "full"]


def by_seed(table: pd.DataFrame, value: str, keys: Sequence[str]) -> pd.Series:
    """One value for each combination of keys and each seed (see the module): Series indexed by keys and ``seed``."""
    unit = "replicate" if table["replicate"].nunique() > 1 else "round"
    return table.groupby([*keys, unit], observed=True)[value].mean().rename_axis(index={unit: "seed"})


def with_intervals(table: pd.DataFrame, value: str, keys: list[str]) -> pd.DataFrame:
    """Mean, 95% half width, standard deviation and number of seeds of a value, for each combination of keys.

    Parameters
    ----------
    table : DataFrame
        A sweep's table with the columns ``replicate`` and ``round``.
    value : str
    keys : list of str

    Returns
    -------
    DataFrame
        Columns mean, half_width, std, seeds; indexed by keys.
    """
    groups = by_seed(table, value, keys).groupby(keys, observed=True)
    half_width = groups.agg(lambda values: mean_interval(values)[1])
    return pd.DataFrame({"mean": groups.mean(), "half_width": half_width, "std": groups.std(), "seeds": groups.size()})


def curves_only(table: pd.DataFrame) -> pd.DataFrame:
    """Remove the rows of the two reference models, no and full augmentation."""
    return table[~table["policy"].isin(REFERENCES)]


def area_under_curve(table: pd.DataFrame, value: str = "accuracy") -> pd.DataFrame:
    """Area under accuracy against the number of augmented points, for each curve, round and replicate.

    The trapezoidal rule is applied over 0 (no augmentation) and the sweep's budgets. The unit is accuracy times points:
    with 1000 points and accuracies near 1 the area is just below 1000, as in Kuchnik & Smith (2019), appendix D. Curves
    that end before all points are augmented are left out.
    """
    n = table["budget"].max()
    start = table[table["policy"] == "none"].set_index("replicate")[value]
    keys = ["replicate", *CURVE, "round"]
    rows = []
    for key, curve in curves_only(table).groupby(keys, observed=True):
        curve = curve.sort_values("budget")
        if curve["budget"].max() < n:
            continue
        area = trapezoid(np.append(0, curve["budget"]), np.append(start[key[0]], curve[value]))  # type: ignore[call-overload]
        rows.append((*key, area))
    return pd.DataFrame(rows, columns=[*keys, "auc"])


def paired(table: pd.DataFrame, than: str, value: str = "accuracy") -> pd.DataFrame:
    """Gain of every curve over a plain policy at the same score, budget, replicate and round: column ``gain``.

    A deterministic curve has one round; it is compared with every round of a random policy ``than``.
    """
    pair = ["replicate", "score", "budget"]
    other = table[(table["policy"] == than) & ~table["update"] & ~table["downweight"]]
    other = other[[*pair, "round", value]].rename(columns={"round": "other_round", value: "other"})
    joined = curves_only(table).merge(other, on=pair)
    # Rounds are paired unless one side has a single round; then it is compared with every round of the other.
    rounds = joined.groupby(["replicate", *CURVE], observed=True)["round"].transform("nunique")
    others = joined["other_round"].nunique()
    joined = joined[(joined["round"] == joined["other_round"]) | (rounds == 1) | (others == 1)]
    joined["round"] = joined[["round", "other_round"]].max(axis=1)
    return joined.assign(gain=joined[value] - joined["other"])


def paired_gain(table: pd.DataFrame, keys: list[str], than: str = "baseline", value: str = "accuracy") -> pd.DataFrame:
    """Mean paired gain over a policy with its interval; columns and index are those of `with_intervals`."""
    return with_intervals(paired(table, than, value), "gain", keys)


def enough_points(table: pd.DataFrame, margin: float = 0.001) -> pd.Series:
    """The smallest number of points that is enough, or why that is not said: Series of `intervals.Enough` by `CURVE`.

    Differences from full augmentation are paired by replicate; a table of one replicate gets no verdict.
    """
    replicates = table["replicate"].nunique()
    of_references = {name: by_seed(table[table["policy"] == name], "accuracy", []) for name in ("none", "full")}
    gain = *mean_interval(of_references["full"] - of_references["none"]), replicates
    full = table[table["policy"] == "full"].groupby("replicate")["accuracy"].mean()
    rows = curves_only(table)
    gaps = with_intervals(rows.assign(gap=rows["replicate"].map(full) - rows["accuracy"]), "gap", [*CURVE, "budget"])
    curves = gaps.groupby(CURVE, observed=True, sort=False)
    found = {key: enough(rows.droplevel([*CURVE]), gain, margin) for key, rows in curves}
    return pd.Series(found, dtype=object)


def refinement_gain(table: pd.DataFrame, value: str = "accuracy") -> pd.DataFrame:
    """Gain of every refined curve over the plain curve of its policy, paired by replicate, round and budget.

    Returns
    -------
    DataFrame
        Columns of `with_intervals`, indexed by `CURVE` and budget; refined curves only.
    """
    pair = ["replicate", "score", "policy", "round", "budget"]
    curves = curves_only(table)
    refined = curves["update"] | curves["downweight"]
    plain = curves[~refined][[*pair, value]].rename(columns={value: "plain"})
    joined = curves[refined].merge(plain, on=pair)
    return with_intervals(joined.assign(gain=joined[value] - joined["plain"]), "gain", [*CURVE, "budget"])
