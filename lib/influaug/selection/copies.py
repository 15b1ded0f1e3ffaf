"""Copies given to `AugmentationSelector`, with an entry for each point, so that they stay with it in any fold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _get_feature_names, _num_samples

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import ArrayLike

RIGHT = (
    "copies must have an entry for each point of X, as [n, k, d] or as a list of n arrays [k_i, d] (of images "
    "[n, k, height, width] and so on), which scikit-learn slices together with X"
)


def copies_by_point(copies: Any, source: ArrayLike, n_points: int) -> np.ndarray:
    """Copies in any order, with the number of each one's point, in the form that `AugmentationSelector.fit` takes.

    Parameters
    ----------
    copies : array, sparse matrix or frame [m, ...]
        Features [m, d], or images.
    source : int array [m]
        The point that each was made of, 0 to n_points - 1.
    n_points : int
        All points that `source` counts, also those without copies: the length of X.

    Returns
    -------
    array [n_points, k, ...], or object array [n_points]
        The latter, of arrays [k_i, ...], if the points have different numbers of copies. A point's copies are in the
        order in which they were given.

    Raises
    ------
    InputError
        Lengths that differ, or a source that is no point.
    """
    m, source = _num_samples(copies), np.asarray(source)
    if source.ndim != 1 or len(source) != m:
        raise InputError(f"There are {m} copies and {list(source.shape)} source; there must be as many of each.")
    if source.dtype.kind not in "iu" or (m and not 0 <= source.min() <= source.max() < n_points):
        raise InputError(f"source must hold the point of each copy, whole numbers from 0 to {n_points - 1}.")
    order = np.argsort(source, kind="stable")
    numbers = np.bincount(source, minlength=n_points)
    plain = copies.tocsr() if sparse.issparse(copies) else copies
    plain = plain if hasattr(plain, "shape") else np.asarray(plain)
    if isinstance(plain, np.ndarray) and m and np.all(numbers == numbers[0]):
        return plain[order].reshape(n_points, numbers[0], *plain.shape[1:])
    entries = np.empty(n_points, dtype=object)
    for point, places in enumerate(np.split(order, np.cumsum(numbers)[:-1])):
        entries[point] = _safe_indexing(plain, places)
    return entries


def flattened(copies: Any, n: int, n_dim: int, names: np.ndarray | None = None) -> tuple[Any, np.ndarray]:
    """Copies with an entry for each point as rows, point by point, and the point of each.

    Parameters
    ----------
    copies : array [n, k, ...], or list or object array of n arrays, sparse matrices or frames [k_i, ...]
    n : int
        Points.
    n_dim : int
        Axes of X.
    names : array of str, optional
        Columns of X, which those of frames must be.

    Returns
    -------
    rows : array or sparse matrix [m, ...], or None without any copy
    source : int array [m]

    Raises
    ------
    InputError
        Another form, another number of entries, or other columns.
    """
    axes = _axes(copies)
    if axes is not None and axes != n_dim + 1:
        raise InputError(
            f"copies have {axes} axes and X has {n_dim}; {RIGHT}, and "
            "influaug.copies_by_point(copies, source, len(X)) makes that of flat ones."
        )
    if _num_samples(copies) != n:
        raise InputError(f"There are {_num_samples(copies)} entries of copies for {n} points; {RIGHT}.")
    if axes is not None:
        rows = np.asarray(copies)
        k = rows.shape[1]
        return rows.reshape(n * k, *rows.shape[2:]) if k else None, np.repeat(np.arange(n), k)
    entries = [_entry(entry, point, n_dim, names) for point, entry in enumerate(copies)]
    source = np.repeat(np.arange(n), [0 if entry is None else entry.shape[0] for entry in entries])
    return _stacked([entry for entry in entries if entry is not None]), source


def _axes(copies):
    """Axes of an array or of one matrix or frame; None for a sequence of entries."""
    shape = getattr(copies, "shape", None)
    if isinstance(copies, str | bytes) or (shape is None and not hasattr(copies, "__len__")):
        raise InputError(f"copies is a {type(copies).__name__}; {RIGHT}.")
    if shape is None or (len(shape) == 1 and getattr(copies, "dtype", None) == np.dtype(object)):
        return None
    return len(shape)


def _entry(entry, point, n_dim, names):
    """One point's copies, as an array or a sparse matrix with rows; None if it has none."""
    if not sparse.issparse(entry):
        check_names(entry, names)
        try:
            entry = np.asarray(entry)
        except ValueError as error:
            raise InputError(f"copies[{point}] is ragged itself; {RIGHT}.") from error
        if entry.size == 0:
            return None
    if entry.ndim != n_dim:
        raise InputError(f"copies[{point}] has the shape {list(entry.shape)}; {RIGHT}.")
    return entry if entry.shape[0] else None


def check_names(frame: Any, names: np.ndarray | None) -> None:
    """Refuse a frame whose columns are not those of X in the same order, if X had names of columns.

    Raises
    ------
    InputError
        With the first column that differs.
    """
    own = _get_feature_names(frame)
    if own is None or names is None or np.array_equal(own, names):
        return
    if len(own) != len(names):
        raise InputError(f"copies have {len(own)} features, but the points {len(names)}.")
    place = int(np.flatnonzero(own != names)[0])
    raise InputError(
        f"copies have the column {own[place]!r} where X has {names[place]!r}; they must have X's columns in X's order."
    )


def _stacked(entries):
    """Entries as one matrix or array."""
    if not entries:
        return None
    shapes = {entry.shape[1:] for entry in entries}
    if len(shapes) > 1:
        raise InputError(f"The points' copies have the shapes {sorted(map(list, shapes))}; all must be of one shape.")
    kinds = {entry.dtype.kind in "f" for entry in entries}
    if len(kinds) > 1 and entries[0].ndim > 2:
        raise InputError("Some points' copies are whole numbers and others floats; images must be of one type.")
    if any(sparse.issparse(entry) for entry in entries):
        return sparse.vstack([sparse.csr_matrix(entry) for entry in entries], format="csr")
    return np.concatenate(entries)


class Copies:
    """Copies of the points, by place; the features of each are made once, when they are asked for.

    Parameters
    ----------
    source : int array [m]
        Point by point.
    make : callable
        Places -> features.
    """

    def __init__(self, source: np.ndarray, make: Callable[[np.ndarray], np.ndarray]) -> None:
        self.source, self._make = source, make
        self._seen = np.zeros(len(source), dtype=bool)
        self._features: Any = None

    @property
    def which(self) -> np.ndarray:
        """Which of its point's copies each is: int array [m]."""
        return np.arange(len(self.source)) - np.searchsorted(self.source, self.source)

    def features(self, places: np.ndarray) -> np.ndarray:
        """Features of some, one or more."""
        new = places[~self._seen[places]]
        if len(new):
            made = self._make(new)
            if self._features is None:
                self._features = np.empty((len(self.source), made.shape[1]), made.dtype)
            self._features[new], self._seen[new] = made, True
        return self._features[places]

    @property
    def n_seen(self) -> int:
        """How many have been asked for."""
        return int(self._seen.sum())
