r"""Effects of the factors of a factorial, with intervals over paired splits.

Every factor has two levels, 0 and 1: C (the paper's, the released code's), moves (cardinal, diagonal), preprocessing
(right, mean image not subtracted) and seen (a network that has not seen the points, one that has). With y the response
of the :math:`2^k` cells of one split and :math:`s_f = \pm 1` the level of factor f, the effect of a set F of factors is

.. math:: \frac{2}{2^k} \sum_{\text{cells}} y \prod_{f \in F} s_f .

Of one factor it is the mean of y at level 1 less that at level 0; of two, half of what the second adds to the effect
of the first. The response is first averaged over the two networks of a split.
"""

from __future__ import annotations

from itertools import combinations, permutations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..intervals import Gap, mean_interval
from .parameters import MOVES, PREPROCESSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .parameters import Factorial

FACTORS = ("C", "moves", "preprocessing", "seen")
RESPONSES = {"full - none": ("full", "none"), "influence - random": ("influence", "random")}
"""Responses: accuracy under one policy less that under another, in percentage points."""


def responses(study: Factorial, table: pd.DataFrame) -> pd.DataFrame:
    """Responses of every cell, its factors coded 0 and 1.

    Parameters
    ----------
    study : Factorial
    table : DataFrame
        Of `results.results`.

    Returns
    -------
    DataFrame
        Columns transformation, replicate, network, half, *FACTORS, one for each of `RESPONSES`, in percentage points,
        and none and full, accuracies in percent; ``moves`` is NaN but for translations.
    """
    keys = ["transformation", "replicate", "network", "half", "C", "moves", "preprocessing"]
    wide = 100 * table.pivot(index=keys, columns="policy", values="accuracy")
    found = {name: wide[one] - wide[other] for name, (one, other) in RESPONSES.items()}
    found = pd.DataFrame(found | {name: wide[name] for name in RESPONSES["full - none"]}).reset_index()
    coded = {
        "C": found["C"].map({C: float(level) for level, C in enumerate(study.C)}),
        "moves": found["moves"].map({moves: float(level) for level, moves in enumerate(MOVES)}),
        "preprocessing": found["preprocessing"].map({name: float(level) for level, name in enumerate(PREPROCESSING)}),
        "seen": (found["half"] == found["network"]).astype(float),
    }
    return found.assign(**coded)


def factors_of(cells: pd.DataFrame) -> list[str]:
    """Factors that a transformation has: all, or all but moves."""
    return [name for name in FACTORS if cells[name].notna().all()]


def by_split(cells: pd.DataFrame, response: str, network: int | None = None) -> pd.DataFrame:
    """The response of one transformation's cells, a row for each split, a column for each cell.

    Parameters
    ----------
    cells : DataFrame
        Rows of `responses` of one transformation.
    response : str
    network : int, optional
        Only this network's; by default the mean over both.

    Returns
    -------
    DataFrame
        Indexed by replicate; its columns are the levels of `factors_of`, in rising order.
    """
    rows = cells if network is None else cells[cells["network"] == network]
    factors = factors_of(cells)
    means = rows.groupby(["replicate", *factors])[response].mean()
    return means.unstack(factors).sort_index(axis=1)


def contrast(levels: np.ndarray, which: Sequence[int]) -> np.ndarray:
    """Weights of the cells in the effect of some factors: levels [2^k, k] of 0 and 1 -> [2^k]."""
    signs = 2 * np.asarray(levels, dtype=float) - 1
    return 2 * signs[:, list(which)].prod(axis=1) / len(signs)


def effects(cells: pd.DataFrame, response: str, most: int = 4) -> pd.DataFrame:
    """All effects of one transformation's factors, alone and together.

    Parameters
    ----------
    cells : DataFrame
        Rows of `responses` of one transformation.
    response : str
    most : int
        Factors in one interaction.

    Returns
    -------
    DataFrame
        Indexed by the factors, joined by ' x ': gap (a `Gap` over splits), network 0 and network 1 (the same effect in
        the cells of one network alone).
    """
    factors = factors_of(cells)
    tables = [by_split(cells, response, network) for network in (None, 0, 1)]
    levels = np.array(tables[0].columns.to_list())
    rows = {}
    for size in range(1, min(most, len(factors)) + 1):
        for which in combinations(range(len(factors)), size):
            weights = contrast(levels, which)
            both, *each = (table.to_numpy() @ weights for table in tables)
            means = {f"network {network}": values.mean() for network, values in enumerate(each)}
            rows[" x ".join(factors[i] for i in which)] = {"gap": gap(both), **means}
    return pd.DataFrame.from_dict(rows, orient="index")


def gap(values: np.ndarray) -> Gap:
    """Mean, half width of 95% and number of differences of splits."""
    return Gap(*mean_interval(values), len(values))


def cell(cells: pd.DataFrame, response: str, **levels: int) -> np.ndarray:
    """Response of each split in one cell, averaged over networks, and over the levels of factors that are not given."""
    chosen = cells
    for name, level in levels.items():
        if name in factors_of(cells):
            chosen = chosen[chosen[name] == level]
    return chosen.groupby("replicate")[response].mean().to_numpy()


def cell_values(cells: pd.DataFrame, response: str) -> pd.DataFrame:
    """`Gap` of every cell: columns *FACTORS (NaN where a transformation has none), gap; sound cells first."""
    found = by_split(cells, response)
    rows = [
        {**dict(zip(found.columns.names, column, strict=True)), "gap": gap(found[column].to_numpy())}
        for column in found.columns
    ]
    return pd.DataFrame(rows).reindex(columns=[*FACTORS, "gap"])


def shares(cells: pd.DataFrame, response: str) -> dict[str, Gap]:
    """What each difference of the released code brings of the way from the sound cell to the released one.

    The differences (C, moves where there are any, preprocessing) are switched on one after the other; what a switch
    changes is averaged over all orders (the Shapley value), so that the parts sum to the whole. Networks have seen the
    points, as they have in the paper.

    Returns
    -------
    dict of str to Gap
        By factor, and their sum as ``all``.
    """
    factors = [name for name in factors_of(cells) if name != "seen"]
    orders = list(permutations(factors))
    parts = {name: np.zeros(cells["replicate"].nunique()) for name in factors}
    for order in orders:
        levels = dict.fromkeys(factors, 0)
        before = cell(cells, response, seen=1, **levels)
        for name in order:
            levels[name] = 1
            after = cell(cells, response, seen=1, **levels)
            parts[name] += (after - before) / len(orders)
            before = after
    return {name: gap(values) for name, values in parts.items()} | {"all": gap(sum(parts.values()))}  # type: ignore[arg-type]


def alone_and_undone(cells: pd.DataFrame, response: str) -> pd.DataFrame:
    """What each difference changes as the only one, and what the released setting loses without it.

    Returns
    -------
    DataFrame
        Indexed by factor: alone, undone (`Gap`; the latter is the released cell less that without the difference).
    """
    factors = [name for name in factors_of(cells) if name != "seen"]
    sound, released = dict.fromkeys(factors, 0), dict.fromkeys(factors, 1)

    def response_of(levels):
        return cell(cells, response, seen=1, **levels)

    rows = {
        name: {
            "alone": gap(response_of({**sound, name: 1}) - response_of(sound)),
            "undone": gap(response_of(released) - response_of({**released, name: 0})),
        }
        for name in factors
    }
    return pd.DataFrame.from_dict(rows, orient="index")
