"""Points and the copies of them that may be added to a training set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError


@dataclass(frozen=True)
class Candidates:
    """Points, and the copies of them that may be added.

    Attributes
    ----------
    features : array [n, d]
        Features of the points.
    labels : int array [n]
        0 .. n_classes - 1.
    copies : array [m, d]
        Features of the copies.
    source : int array [m]
        The point that each copy was made from; the copy has its label and its weight.
    weights : array [n], optional
        Weights of the points in what is fitted and in the target (default: 1).

    Raises
    ------
    InputError
        The shapes do not match, or a source is not the number of a point.
    """

    features: np.ndarray
    labels: np.ndarray
    copies: np.ndarray
    source: np.ndarray
    weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        n, d = np.shape(self.features)
        if np.shape(self.copies) != (len(self.source), d) or not len(self.source):
            raise InputError(
                f"copies must be [m, {d}] with one source each, m at least 1, not {np.shape(self.copies)} with "
                f"{len(self.source)} sources."
            )
        whole = np.issubdtype(np.asarray(self.source).dtype, np.integer)
        if not whole or min(self.source) < 0 or max(self.source) >= n:
            raise InputError(f"source must hold the numbers of points, whole and from 0 to {n - 1}.")

    def only(self, points: np.ndarray) -> tuple[Candidates, np.ndarray]:
        """The same points with the copies of only some of them: the candidates, and the indices of their copies."""
        kept = np.flatnonzero(np.isin(self.source, points))
        return Candidates(self.features, self.labels, self.copies[kept], self.source[kept], self.weights), kept

    @property
    def point_weights(self) -> np.ndarray:
        """Weights of the points: [n]."""
        return np.ones(len(self.labels)) if self.weights is None else self.weights

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of points and copies, and their labels: [n + m, d], [n + m]."""
        return np.vstack([self.features, self.copies]), np.append(self.labels, self.labels[self.source])
