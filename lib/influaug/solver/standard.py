r"""Columns far from zero for their spread, such as years, and features of extreme scale: moved and scaled before a fit.

The intercept is not penalised, so a head that is fitted to moved columns differs in its intercept alone; and features
times s, with C divided by the square of s, give the same minimum of J. So done, single precision tells values apart,
and the Hessian is as well conditioned as the columns' spreads allow. Ordinary features stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Self

FAR, LARGE = 30.0, 10.0
"""A column is moved if its mean is so many times its own standard deviation, and that of all columns together."""
EXTREME = 1e4
"""All are scaled if the standard deviation of all columns together is so large, or its inverse."""
ROWS = 4096
"""Rows that are read at once."""


@dataclass(frozen=True)
class Standard:
    """How features are moved and scaled: x becomes (x - offsets) * factor.

    Attributes
    ----------
    offsets : array of float64 [d]
    factor : float
        A power of two, so that scaling rounds nothing.
    """

    offsets: np.ndarray
    factor: float

    @classmethod
    def of(cls, x: np.ndarray) -> Self | None:
        """That of features [n, d], in memory or on disk; None if they can stay as they are."""
        mean, variance = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for rows in _blocks(len(x)):
            mean += np.sum(x[rows], axis=0, dtype=np.float64) / len(x)
        for rows in _blocks(len(x)):
            variance += np.sum((x[rows] - mean) ** 2, axis=0) / len(x)
        own, together = np.sqrt(variance), np.sqrt(variance.mean())
        far = (np.abs(mean) > FAR * own) & (np.abs(mean) > LARGE * together)
        extreme = together > 0 and not 1 / EXTREME <= together <= EXTREME
        if not far.any() and not extreme:
            return None
        return cls(np.where(far, mean, 0.0), 2.0 ** -np.round(np.log2(together)) if extreme else 1.0)

    def features(self, x: np.ndarray) -> np.ndarray:
        """Features so moved and scaled, in float64."""
        return (x - self.offsets) * self.factor

    def C(self, C: float) -> float:  # noqa: N802
        """The inverse regularisation strength for these, which gives the same minimum."""
        return C / self.factor**2

    def theta(self, theta: np.ndarray) -> np.ndarray:
        """Parameters [K, d + 1] fitted to these, as parameters for the features themselves."""
        coef = theta[:, :-1] * self.factor
        return np.column_stack([coef, theta[:, -1] - coef @ self.offsets])


def standardised(x: np.ndarray, C: float) -> tuple[np.ndarray, float]:
    """Features [n, d] and C that give the same probabilities, moved and scaled where that is needed."""
    by = Standard.of(x)
    return (x, C) if by is None else (by.features(x), by.C(C))


def _blocks(n):
    return [slice(start, start + ROWS) for start in range(0, n, ROWS)]


@dataclass(frozen=True)
class Standardised:
    """Features that are moved and scaled when they are read, in float32.

    Attributes
    ----------
    rows : array [n, d]
        In memory or on disk.
    by : Standard
    """

    rows: np.ndarray
    by: Standard
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the rows."""
        return self.rows.shape

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, places: slice | np.ndarray) -> np.ndarray:
        return self.by.features(self.rows[places]).astype(self.dtype)
