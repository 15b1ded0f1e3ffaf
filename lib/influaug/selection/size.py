"""How much memory and time a choice takes: bounds that a person gives, and estimates before the work starts."""

from __future__ import annotations

import os
import re
import warnings
from numbers import Real
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from typing import Any

UNITS = {"": 1, "B": 1, **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)}}
UNITS |= {f"{letter}IB": 1024**power for power, letter in enumerate("KMGT", 1)}
LONG = 120
"""Seconds from which on an estimate is worth a warning."""
RESOLVED = 1e-2
"""Largest rounding error, as a share of a column's standard deviation, of a type that features are kept in."""
KEPT_IN = ("float16", "float32", "float64")


class Estimate(NamedTuple):
    """What a choice is expected to take.

    Attributes
    ----------
    seconds : float
    n_bytes : int
    """

    seconds: float
    n_bytes: int

    def __str__(self) -> str:
        return f"about {in_words(self.seconds)}, {as_text(self.n_bytes)}"


def bytes_of(max_memory: Any) -> int | None:
    """A bound of memory as a number of bytes; for None what this machine has, or None where it does not say.

    Parameters
    ----------
    max_memory : int, str or None
        Bytes, or text such as '2GB', '500 MB' or '1.5GiB'.

    Raises
    ------
    InputError
        Something else.
    """
    if max_memory is None:
        return _of_machine()
    if isinstance(max_memory, Real) and not isinstance(max_memory, bool) and 0 < float(max_memory) < np.inf:
        return int(float(max_memory))
    found = (
        re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?i?b?)\s*", max_memory, re.I)
        if isinstance(max_memory, str)
        else None
    )
    size = float(found[1]) * UNITS.get(found[2].upper(), 0) if found else 0
    if size < 1:
        raise InputError(f"max_memory is {max_memory!r}; it must be a number of bytes, or text such as '2GB'.")
    return int(size)


def _of_machine():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def as_text(n_bytes: float) -> str:
    """A number of bytes in words: '1.2 GB'."""
    unit = next((unit for unit in ("TB", "GB", "MB", "KB") if n_bytes >= 0.1 * UNITS[unit]), None)
    return f"{n_bytes / UNITS[unit]:.1f} {unit}" if unit else f"{n_bytes:.0f} bytes"


def in_words(seconds: float) -> str:
    """A time in words: '12 s', '3 min', '2.5 h'."""
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def bytes_of_head(features: np.ndarray, added: int) -> int:
    """Memory that a head's fit takes for its rows: the features, with those of the added copies, and in float64.

    Parameters
    ----------
    features : array [n, d]
        Of the points.
    added : int
        Copies.
    """
    n, d = features.shape
    return (n + added) * ((features.itemsize + 8) * d + 8)


def check_fits(n_bytes: float, bound: int | None, m: int, d: int) -> None:
    """Refuse a choice that would need more memory than the bound.

    Raises
    ------
    InputError
        With both numbers, and what would need less.
    """
    if bound is not None and n_bytes > bound:
        raise InputError(
            f"Choosing among {m} copies with {d} features would take {as_text(n_bytes)}, where max_memory allows "
            f"{as_text(bound)}; raise max_memory, keep features by dtype='float16', reduce them by a featurizer such "
            "as TruncatedSVD(100), or take a policy of a pool, such as 'pool_influence'."
        )


def warn_of_long(estimate: Estimate, doing: str) -> None:
    """Warn of an estimate of more than `LONG` seconds."""
    if estimate.seconds > LONG:
        warnings.warn(
            f"{doing} will take about {estimate.seconds / 60:.0f} minutes; fewer copies, fewer features or a smaller "
            "pool take less.",
            UserWarning,
            stacklevel=2,
        )


def check_dtype(dtype: Any) -> None:
    """Refuse a type that features of copies are not kept in."""
    if dtype not in KEPT_IN:
        raise InputError(f"dtype is {dtype!r}; it must be {', '.join(map(repr, KEPT_IN[:-1]))} or {KEPT_IN[-1]!r}.")


def kept_type(dtype: str, features: np.ndarray) -> np.dtype:
    """The type in which features of copies are kept: what was asked for, or float64 where float32 is too coarse.

    Parameters
    ----------
    dtype : {'float16', 'float32', 'float64'}
    features : array [n, d]
        Of the points.

    Raises
    ------
    InputError
        Half precision is too coarse for a column, or too small.
    """
    asked = np.dtype(dtype)
    if asked.itemsize >= features.dtype.itemsize:
        return asked
    rounding, largest = float(np.finfo(asked).eps) / 2, float(np.finfo(asked).max) / 4
    low, high = features.min(axis=0), features.max(axis=0)
    most, wide = np.maximum(np.abs(low), np.abs(high)).astype(float), features.std(axis=0, dtype=np.float64)
    coarse = (wide > 0) & ((most * rounding > RESOLVED * wide) | (most > largest))
    if not coarse.any():
        return asked
    if asked == np.float16:
        column = int(np.argmax(coarse))
        raise InputError(
            f"dtype is 'float16', which is too coarse for the feature {column} (values up to {most[column]:.3g}, "
            f"standard deviation {wide[column]:.3g}); scale the features, or take dtype='float32'."
        )
    return np.dtype(np.float64)
