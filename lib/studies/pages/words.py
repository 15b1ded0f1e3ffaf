"""Formats of numbers and tables that all pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from .escaping import styled

if TYPE_CHECKING:
    from typing import Any

    from pandas.io.formats.style import Styler


def percent(mean: float, half_width: float, digits: int = 2) -> str:
    """Format a share and its half width as percent: '97.91 ± 0.12'."""
    interval = "" if pd.isna(half_width) else f" ± {100 * half_width:.{digits}f}"
    return f"{100 * mean:.{digits}f}{interval}"


def signed(gain: pd.Series) -> str:
    """Format a gain (a row of `intervals.by_share`, say) in percentage points: '+0.85 ± 0.34'."""
    return f"{'+' if gain['mean'] >= 0 else ''}{percent(gain['mean'], gain['half_width'])}"


def sortable(table: pd.DataFrame, formats: dict[str, Any]) -> Styler:
    """Style a table so that readers can sort and filter its rows on a page; the index is hidden.

    Parameters
    ----------
    table : DataFrame
    formats : dict of str to str
        Formats by column; missing numbers are shown as empty cells.
    """
    return styled(table, formats).hide(axis="index").set_table_attributes('class="sortable"')
