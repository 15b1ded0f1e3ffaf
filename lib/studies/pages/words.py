"""Numbers in words, and tables, as all pages have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from .escaping import styled

if TYPE_CHECKING:
    from typing import Any

    from pandas.io.formats.style import Styler


def percent(mean: float, half_width: float, digits: int = 2) -> str:
    """A share and its half width as percent: '97.91 ± 0.12'."""
    interval = "" if pd.isna(half_width) else f" ± {100 * half_width:.{digits}f}"
    return f"{100 * mean:.{digits}f}{interval}"


def signed(gain: pd.Series) -> str:
    """A gain (a row of `intervals.by_share`, say) in percentage points: '+0.85 ± 0.34'."""
    return f"{'+' if gain['mean'] >= 0 else ''}{percent(gain['mean'], gain['half_width'])}"


def sortable(table: pd.DataFrame, formats: dict[str, Any]) -> Styler:
    """A table whose rows a page sorts and filters: Styler, without the index.

    Parameters
    ----------
    table : DataFrame
    formats : dict of str to str
        A format by column; missing numbers are shown empty.
    """
    return styled(table, formats).hide(axis="index").set_table_attributes('class="sortable"')
