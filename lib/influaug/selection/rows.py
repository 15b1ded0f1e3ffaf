"""Rows of any kind, such as numbers, sparse matrices, frames, texts or objects: taken, joined and compared."""

from __future__ import annotations

import hashlib
from sys import modules
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _get_feature_names, _num_samples

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

AT_ONCE = 1000
"""Rows that are read, made or featurized at once: it bounds the memory."""


def n_rows(rows: Any) -> int:
    """How many rows there are."""
    return _num_samples(rows)


def blocks(n: int, size: int = AT_ONCE) -> Iterator[slice]:
    """Slices of at most `size` rows, one after the other."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def is_frame(rows: Any) -> bool:
    """Whether rows are a table with named columns, of pandas, polars or pyarrow."""
    return not sparse.issparse(rows) and hasattr(rows, "columns") and hasattr(rows, "shape")


def n_axes(rows: Any) -> int:
    """Axes of an array, or of what would become one; 2 for nested lists that are ragged."""
    if hasattr(rows, "ndim"):
        return rows.ndim
    if is_frame(rows):
        return 2
    if isinstance(rows, list | tuple) and rows and isinstance(rows[0], str | bytes | dict):
        # An array of text would take the room of the longest one for each.
        return 1
    try:
        return np.asarray(rows).ndim
    except ValueError:  # scikit-learn refuses it in its own words
        return 2


def taken(rows: Any, places: np.ndarray | slice) -> Any:
    """Some rows, in the type of all; of what only reads slices and rising indices (h5py, zarr), an array."""
    if isinstance(rows, np.ndarray) or sparse.issparse(rows):
        return np.asarray(rows[places]) if isinstance(rows, np.memmap) else rows[places]
    if is_frame(rows) or hasattr(rows, "iloc") or not hasattr(rows, "shape"):
        return _safe_indexing(rows, places)
    if isinstance(places, slice):
        return np.asarray(rows[places])
    rising, back = np.unique(places, return_inverse=True)
    return np.asarray(rows[rising])[back]


def joined(parts: Sequence[Any]) -> Any:
    """Rows of one type, one part after the other; frames and series are numbered anew."""
    first = parts[0]
    if hasattr(first, "iloc"):
        return modules["pandas"].concat(list(parts), ignore_index=True)
    if isinstance(first, list | tuple):
        return type(first)(row for part in parts for row in part)
    if any(map(sparse.issparse, parts)):
        return sparse.vstack(parts, format="csr", dtype=np.result_type(*(part.dtype for part in parts)))
    library = type(first).__module__.partition(".")[0]
    if library == "polars":
        return modules["polars"].concat(list(parts), how="vertical_relaxed")
    if library == "pyarrow":
        return modules["pyarrow"].concat_tables(list(parts), promote_options="permissive")
    return np.concatenate(parts)


def like(rows: Any, made: Any) -> Any:
    """Rows in the type of others: texts as a list, array or series, numbers under the columns of a frame.

    Parameters
    ----------
    rows : rows of any kind
    made : list, array, frame or sparse matrix
        Rows that could stand beside them.

    Returns
    -------
    object

    Raises
    ------
    InputError
        A frame of a library other than pandas cannot be made of an array.
    """
    if is_frame(rows):
        return made if is_frame(made) else _framed(rows, made)
    if hasattr(rows, "iloc"):
        return type(rows)(list(made), name=rows.name)
    if isinstance(rows, list | tuple):
        numbers = isinstance(made, np.ndarray) and made.dtype.kind != "O"
        return made if type(made) is type(rows) else type(rows)(made.tolist() if numbers else made)
    if sparse.issparse(rows):
        if sparse.issparse(made):
            return made.tocsr()
        # SciPy knows no half precision.
        return type(rows)(made.astype(np.float32) if made.dtype == np.float16 else made)
    if sparse.issparse(made):
        return made.toarray()
    if is_frame(made) or hasattr(made, "iloc"):
        return np.asarray(made)
    if n_axes(rows) > 1 or isinstance(made, np.ndarray):
        return made
    return np.asarray(made) if rows.dtype.kind in "US" else objects(made)


def _framed(rows, made):
    if not hasattr(rows, "iloc"):
        raise InputError(
            f"X is a {type(rows).__name__} of {type(rows).__module__.partition('.')[0]}, but its copies are a "
            f"{type(made).__name__}; give copies as frames with the columns of X."
        )
    if made.shape[1] != rows.shape[1]:
        raise InputError(f"copies have {made.shape[1]} features, but the points {rows.shape[1]}.")
    return type(rows)(made, columns=rows.columns)


def objects(values: Sequence[Any]) -> np.ndarray:
    """An array of objects [n], whatever they are."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def digests(rows: Any) -> np.ndarray:
    """A number of 64 bits for the content of each row: array of uint64 [n]."""
    n = n_rows(rows)
    found = [_digest(content) for block in blocks(n) for content in _contents(taken(rows, block))]
    return np.array(found, dtype=np.uint64)


def _contents(rows):
    """Bytes that tell rows apart."""
    if sparse.issparse(rows):
        # Rows that differ only in stored zeros, or in their order, are the same.
        rows = rows.tocsr().copy()
        rows.sum_duplicates()
        rows.eliminate_zeros()
        ends = zip(rows.indptr, rows.indptr[1:], strict=False)
        return [rows.indices[a:b].astype(np.int64).tobytes() + rows.data[a:b].tobytes() for a, b in ends]
    if is_frame(rows):
        columns = [_listed(rows[name]) for name in _get_feature_names(rows)] if _named(rows) else _columns(rows)
        return [repr(row).encode() for row in zip(*columns, strict=True)]
    if isinstance(rows, np.ndarray) and rows.dtype.kind not in "OUS":
        return [row.tobytes() for row in rows]
    return [_content(row) for row in rows]


def _named(rows):
    names = _get_feature_names(rows)
    return names is not None and len(set(names)) == len(names)


def _columns(rows):
    return [_listed(rows.iloc[:, at]) for at in range(rows.shape[1])]


def _listed(column):
    """Values of a column as objects of Python, which say the same in every process and whatever the column's type."""
    values = column.to_pylist() if hasattr(column, "to_pylist") else column.to_list()
    # A column of whole numbers becomes one of floats as soon as one of its values is missing.
    return [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]


def _content(row):
    if isinstance(row, str):
        return row.encode("utf-8", "surrogatepass")
    if isinstance(row, bytes):
        return row
    if hasattr(row, "__array__") or hasattr(row, "__array_interface__"):
        row = np.asarray(row)
        return row.tobytes() if row.dtype.kind != "O" else repr(row.tolist()).encode()
    return repr(row).encode()


def _digest(content):
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest())
