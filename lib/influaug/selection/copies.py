"""Copies given to `AugmentationSelector`, with an entry for each point, so that they stay with it in any fold."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils.validation import _get_feature_names

from ..errors import InputError
from .rows import is_frame, joined, like, n_axes, n_rows, objects, taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from numpy.typing import ArrayLike

RIGHT = (
    "copies must have an entry for each point of X, as [n, k, d] or as a list of n arrays [k_i, d] (of images "
    "[n, k, height, width] and so on, of texts n lists of texts), which scikit-learn slices together with X"
)


class CopiesByPoint:
    """Copies that are read, or made, when they are needed, with an entry for each point.

    It is sliced by points, as scikit-learn does for folds, without reading any: ``copies[3]`` are those of point 3,
    ``copies[[3, 5]]`` is another of its kind. `copies_by_point` makes it.

    Parameters
    ----------
    rows : rows of any kind, or callable
        All copies; or a function that gives those at some places: int array [b] -> [b, ...].
    places : int array [m]
        Of every copy, point by point, its place among the rows.
    starts : int array [n + 1]
        Copies of point i are those from starts[i] to starts[i + 1].
    """

    def __init__(self, rows: Any, places: np.ndarray, starts: np.ndarray) -> None:
        self.rows, self.places, self.starts = rows, places, starts
        self.shape = (len(starts) - 1,)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[point] for point in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        key = key[0] if isinstance(key, tuple) and key[1:] == (Ellipsis,) else key
        points = np.arange(len(self))[key]
        if np.ndim(points) == 0:
            return self.at(np.arange(*self.starts[points : points + 2]))
        numbers = np.diff(self.starts)[points]
        starts = np.concatenate([[0], np.cumsum(numbers)])
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], numbers)
        return CopiesByPoint(self.rows, self.places[np.repeat(self.starts[points], numbers) + within], starts)

    @property
    def source(self) -> np.ndarray:
        """The point of every copy: int array [m]."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def at(self, numbers: np.ndarray) -> Any:
        """Copies by their numbers, point by point."""
        places = self.places[numbers]
        if not callable(self.rows):
            return taken(self.rows, places)
        made = self.rows(places)
        if n_rows(made) != len(places):
            raise InputError(f"The function of copies gave {n_rows(made)} for {len(places)} places; it must give each.")
        return made


def copies_by_point(copies: Any, source: ArrayLike, n_points: int) -> Any:
    """Copies in any order, with the number of each one's point, in the form that `AugmentationSelector.fit` takes.

    Parameters
    ----------
    copies : array, sparse matrix, frame or list [m, ...], or callable
        Features [m, d], images, rows of a table, texts. A function gives the copies at some places, int array [b] of
        0 .. m - 1, as [b, ...]; it is called for blocks of them.
    source : int array [m]
        The point that each was made of, 0 to n_points - 1.
    n_points : int
        All points that `source` counts, also those without copies: the length of X.

    Returns
    -------
    array [n_points, k, ...], object array [n_points], or CopiesByPoint
        Of arrays and lists the first, or, if the points have different numbers of copies, the second, of arrays
        [k_i, ...]. Of sparse matrices, frames, memory maps, files and functions the third, which reads nothing until it
        must. A point's copies are in the order in which they were given.

    Raises
    ------
    InputError
        Lengths that differ, or a source that is no point.

    Examples
    --------
    >>> import numpy as np
    >>> from influaug import copies_by_point
    >>> copies_by_point(np.array([[5.0], [6.0], [7.0], [8.0]]), [1, 0, 1, 0], 2)[:, :, 0]
    array([[6., 8.],
           [5., 7.]])
    """
    if isinstance(n_points, bool) or not isinstance(n_points, Integral) or n_points < 0:
        raise InputError(f"n_points is {n_points!r}; it must be a whole number, the length of X.")
    source = np.asarray(source)
    m = len(source) if callable(copies) and source.ndim == 1 else n_rows(copies)
    if source.ndim != 1 or len(source) != m:
        raise InputError(f"There are {m} copies and {list(source.shape)} source; there must be as many of each.")
    if source.dtype.kind not in "iu" or (m and not 0 <= source.min() <= source.max() < n_points):
        raise InputError(f"source must hold the point of each copy, whole numbers from 0 to {n_points - 1}.")
    order = np.argsort(source, kind="stable")
    numbers = np.bincount(source, minlength=n_points)
    if sparse.issparse(copies):
        copies = copies.tocsr()
    plain = _plain(copies)
    if plain is None:
        return CopiesByPoint(copies, order, np.concatenate([[0], np.cumsum(numbers)]))
    if m and np.all(numbers == numbers[0]):
        return plain[order].reshape(n_points, numbers[0], *plain.shape[1:])
    return objects([plain[places] for places in np.split(order, np.cumsum(numbers)[:-1])])


def _plain(copies):
    """What lies in memory as an array, or can: else None."""
    if isinstance(copies, list | tuple) or hasattr(copies, "to_list"):
        return objects(list(copies)) if n_axes(copies) == 1 else np.asarray(copies)
    return copies if isinstance(copies, np.ndarray) and not isinstance(copies, np.memmap) else None


class FlatCopies(NamedTuple):
    """Copies, point by point.

    Attributes
    ----------
    source : int array [m]
        The point of each.
    at : callable
        Numbers of copies, int array [b] -> rows [b, ...] of the kind of X.
    array : array [m, d], optional
        All of them, if they lie in one array, in memory or in a file.
    checked : bool
        Whether all can be looked at in advance: they are not made by a function.
    """

    source: np.ndarray
    at: Callable[[np.ndarray], Any]
    array: np.ndarray | None = None
    checked: bool = True


def flattened(copies: Any, rows: Any, names: np.ndarray | None = None) -> FlatCopies:
    """Copies with an entry for each point, point by point.

    Parameters
    ----------
    copies : array [n, k, ...], CopiesByPoint, or list or object array of n arrays, sparse matrices, frames or lists
    rows : rows of any kind [n, ...]
        X.
    names : array of str, optional
        Columns of X, which those of frames must be.

    Returns
    -------
    FlatCopies

    Raises
    ------
    InputError
        Another form, another number of entries, or other columns.
    """
    n, n_dim = n_rows(rows), n_axes(rows)
    axes = _axes(copies)
    if axes is not None and axes != n_dim + 1:
        raise InputError(
            f"copies have {axes} axes and X has {n_dim}; {RIGHT}, and "
            "influaug.copies_by_point(copies, source, len(X)) makes that of flat ones."
        )
    if n_rows(copies) != n:
        raise InputError(f"There are {n_rows(copies)} entries of copies for {n} points; {RIGHT}.")
    if axes is not None:
        return _of_array(copies, rows)
    if isinstance(copies, CopiesByPoint):
        return _of_lazy(copies, rows, names)
    entries = [_entry(entry, point, rows, names) for point, entry in enumerate(copies)]
    source = np.repeat(np.arange(n), [0 if entry is None else n_rows(entry) for entry in entries])
    stacked = _stacked([entry for entry in entries if entry is not None])
    plain = stacked if isinstance(stacked, np.ndarray) and not is_frame(rows) else None
    return FlatCopies(source, lambda numbers: like(rows, taken(stacked, numbers)), plain)


def _axes(copies):
    """Axes of an array or of one matrix or frame; None for a sequence of entries."""
    shape = getattr(copies, "shape", None)
    if isinstance(copies, str | bytes) or (shape is None and not hasattr(copies, "__len__")):
        raise InputError(f"copies is a {type(copies).__name__}; {RIGHT}.")
    one = shape is not None and len(shape) == 1
    if shape is None or isinstance(copies, CopiesByPoint) or (one and _holds_objects(copies)):
        return None
    return len(shape)


def _holds_objects(copies):
    return hasattr(copies, "iloc") or getattr(copies, "dtype", None) == np.dtype(object)


def _of_array(copies, rows):
    """Of [n, k, ...], in memory or not, nothing is read."""
    n, k = copies.shape[:2]
    source, rest = np.repeat(np.arange(n), k), copies.shape[2:]
    if isinstance(copies, np.ndarray) and copies.flags.c_contiguous:
        flat = np.asarray(copies).reshape(n * k, *rest)
        return FlatCopies(source, lambda numbers: like(rows, flat[numbers]), None if is_frame(rows) else flat)

    def at(numbers):
        points, own = np.unique(numbers // k, return_inverse=True)
        return like(rows, taken(copies, points)[own, numbers % k])

    return FlatCopies(source, at)


def _of_lazy(copies, rows, names):
    made = callable(copies.rows)
    if not made:
        check_names(copies.rows, names)

    def at(numbers):
        found = copies.at(numbers)
        check_names(found, names)
        return like(rows, found)

    return FlatCopies(copies.source, at, checked=not made)


def _entry(entry, point, rows, names):
    """One point's copies, as an array, a sparse matrix, a frame or a list; None if it has none."""
    n_dim = n_axes(rows)
    if n_dim == 1:
        return _objects(entry, point, rows)
    if is_frame(entry):
        check_names(entry, names)
        entry = entry if is_frame(rows) else np.asarray(entry)
    elif not sparse.issparse(entry):
        try:
            entry = np.asarray(entry)
        except ValueError as error:
            raise InputError(f"copies[{point}] is ragged itself; {RIGHT}.") from error
        if entry.size == 0:
            return None
    if len(entry.shape) != n_dim:
        raise InputError(f"copies[{point}] has the shape {list(entry.shape)}; {RIGHT}.")
    if not entry.shape[0]:
        return None
    return entry if is_frame(entry) or not is_frame(rows) else like(rows, entry)


def _objects(entry, point, rows):
    """Copies of a text, or of an object of another kind."""
    if isinstance(entry, str | bytes) or not hasattr(entry, "__len__"):
        raise InputError(f"copies[{point}] is a {type(entry).__name__}; {RIGHT}.")
    entry, own = list(entry), next(iter(rows), None)
    other = next((copy for copy in entry if not isinstance(copy, str)), None) if isinstance(own, str) else None
    if other is not None:
        raise InputError(f"copies[{point}] holds a {type(other).__name__}, but X is texts; {RIGHT}.")
    return entry or None


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
    """Entries as one matrix, array, frame or list."""
    if not entries:
        return None
    if isinstance(entries[0], list):
        return joined(entries)
    shapes = {tuple(entry.shape[1:]) for entry in entries}
    if len(shapes) > 1:
        raise InputError(f"The points' copies have the shapes {sorted(map(list, shapes))}; all must be of one shape.")
    if is_frame(entries[0]):
        return joined(entries)
    kinds = {entry.dtype.kind in "f" for entry in entries}
    if len(kinds) > 1 and entries[0].ndim > 2:
        raise InputError("Some points' copies are whole numbers and others floats; images must be of one type.")
    if any(sparse.issparse(entry) for entry in entries):
        return sparse.vstack([sparse.csr_matrix(entry) for entry in entries], format="csr")
    return np.concatenate(entries)
