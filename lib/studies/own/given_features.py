"""Features that a person brings, embeddings or a table, with those of the copies: .npz, .csv and .parquet files.

* .npz: ``X`` [n, d], ``y`` [n], ``copies`` [n, k, d]; optional are ``names`` [k], the transformation that made each
  copy, and ``X_test``, ``y_test``.
* .csv, .parquet: a row for each point and each copy, with the columns ``label``, ``source`` (empty in a point's row;
  in a copy's, the number of its point's row, from 0), optional ``transformation``, and features in all others.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from influaug.data.datasets import Dataset, content_hash
from influaug.errors import InputError
from influaug.files.limits import check_arrays
from influaug.files.writing import reason

if TYPE_CHECKING:
    from influaug._types import PathLike

TABLES = (".csv", ".parquet")
LABEL, SOURCE, TRANSFORMATION = "label", "source", "transformation"
ARRAYS = ("X", "y", "copies", "names", "X_test", "y_test")
UNNAMED = "copies"
"""Name of the transformation where the file names none."""


@dataclass(frozen=True, eq=False)
class GivenFeatures:
    """Features of points and of their copies.

    Attributes
    ----------
    dataset : Dataset
        Its images are the features, float64 [n, d]; its test part may be empty.
    copies : array of float64 [n, k, d]
        Of the training points.
    names : tuple of str
        The transformation that made each of a point's k copies.
    """

    dataset: Dataset
    copies: np.ndarray
    names: tuple[str, ...]


def holds_features(path: PathLike) -> bool:
    """Whether a path is that of a file of features: a table, or an .npz with ``X``."""
    path = Path(path)
    if path.suffix.lower() in TABLES:
        return True
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "X.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False  # the reader of images says what is wrong


def read(path: PathLike) -> GivenFeatures:
    """Read a file of features.

    Raises
    ------
    InputError
        The file is missing or damaged, or its parts do not belong together.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path} of features.")
    given = _of_table(path) if path.suffix.lower() in TABLES else _of_arrays(path)
    x, copies, names = given["X"], given["copies"], tuple(map(str, given["names"]))
    _check_rows(path, "X", x, given["y"])
    if copies.ndim != 3 or len(copies) != len(x) or copies.shape[2] != x.shape[1] or not copies.shape[1]:
        raise InputError(
            f"{path}: copies have shape {copies.shape}; they must be [{len(x)}, k, {x.shape[1]}], k of each row of X."
        )
    _check_numbers(path, "copies", copies)
    if len(names) != copies.shape[1]:
        raise InputError(f"{path}: there are {len(names)} names for {copies.shape[1]} copies of each point.")
    x_test, y_test = given.get("X_test", x[:0]), given.get("y_test", given["y"][:0])
    _check_rows(path, "X_test", x_test, y_test)
    if x_test.shape[1] != x.shape[1]:
        raise InputError(f"{path}: X has {x.shape[1]} features and X_test {x_test.shape[1]}.")
    return GivenFeatures(_dataset(path, x, given["y"], x_test, y_test, copies), copies.astype(np.float64), names)


def _dataset(path, x, y, x_test, y_test, copies):
    classes, codes = np.unique(y, return_inverse=True)
    unknown = sorted(set(y_test.tolist()) - set(classes.tolist()))
    if unknown:
        raise InputError(f"{path}: y_test has the label {unknown[0]!r}, which no training point has.")
    held = f", {len(x_test):,} test points" if len(x_test) else ", no test points"
    about = {
        "title": path.name,
        "note": f"Features that were given, {x.shape[1]} of each point{held}.",
        "sha256": content_hash(x, codes, copies, x_test, np.searchsorted(classes, y_test)),
        "source": path.name,
    }
    parts = x.astype(np.float64), codes.astype(np.int64), x_test.astype(np.float64)
    names = tuple(map(str, classes.tolist()))
    return Dataset(path.name, *parts, np.searchsorted(classes, y_test).astype(np.int64), names, about)


def _of_arrays(path):
    try:
        check_arrays(path)
        with np.load(path, allow_pickle=False) as arrays:
            found: dict[str, Any] = {name: arrays[name] for name in ARRAYS if name in arrays}
    except InputError:
        raise
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(
            f"{path} is not an .npz file of plain arrays ({reason(error)}); numbers, and text by astype(str), are."
        ) from None
    missing = [name for name in ("X", "y", "copies") if name not in found]
    if missing:
        raise InputError(f"{path} has no {missing[0]}; features are X [n, d], y [n] and copies [n, k, d].")
    if ("X_test" in found) != ("y_test" in found):
        raise InputError(f"{path} must have both X_test and y_test, or neither.")
    if found["copies"].ndim > 1:
        found.setdefault("names", [UNNAMED] * found["copies"].shape[1])
    return {"names": (), **found}


def _of_table(path):
    try:
        table = pd.read_csv(path) if path.suffix.lower() == ".csv" else pd.read_parquet(path)
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(f"{path} is not a table that pandas can read ({type(error).__name__}).") from None
    for column in (LABEL, SOURCE):
        if column not in table:
            raise InputError(
                f"{path} has no column {column}; it needs label, source (empty in a point's row, else the number of "
                "its point's row), and features."
            )
    features = table.drop(columns=[LABEL, SOURCE, TRANSFORMATION], errors="ignore")
    text = [name for name, column in features.items() if not pd.api.types.is_numeric_dtype(column)]
    if text or features.empty:
        raise InputError(f"{path}: column {text[0] if text else 'of features'} must be there and hold numbers alone.")
    return _by_point(path, table, features.to_numpy(dtype=np.float64))


def _by_point(path, table, x):
    """Points and their copies, these sorted by transformation: what the file of arrays would hold."""
    source = pd.to_numeric(table[SOURCE], errors="coerce").to_numpy(dtype=np.float64)
    is_point = table[SOURCE].isna().to_numpy()
    points = np.flatnonzero(is_point)
    wrong = np.flatnonzero(~is_point & ~np.isin(source, points))
    if len(wrong):
        raise InputError(
            f"{path}: row {wrong[0]} names the source {table[SOURCE].iloc[wrong[0]]!r}, which is no point's row number."
        )
    made = table[TRANSFORMATION].astype(str) if TRANSFORMATION in table else pd.Series(UNNAMED, table.index)
    copies = pd.DataFrame({"source": source, "made": made, "row": np.arange(len(table))})[~is_point]
    copies = copies.sort_values(["source", "made", "row"], kind="stable")
    names = copies.groupby("source")["made"].agg(tuple)
    if len(names) != len(points) or names.nunique() != 1:
        raise InputError(
            f"{path}: every point must have the same number of copies of each transformation, one or more."
        )
    by_point = x[copies["row"]].reshape(len(points), len(names.iloc[0]), -1)
    return {"X": x[points], "y": _labels(table[LABEL][is_point]), "copies": by_point, "names": names.iloc[0]}


def _labels(column):
    values = column.to_numpy()
    return values if values.dtype.kind in "iu" else column.astype(str).to_numpy(dtype=np.str_)


def _check_rows(path, name, x, y):
    if x.ndim != 2 or y.shape != (len(x),) or not x.shape[1]:
        raise InputError(f"{path}: {name} {x.shape} and its labels {y.shape} must be [n, d] and [n].")
    if y.dtype.kind not in "iuU":
        raise InputError(f"{path}: labels must be all whole numbers or all text, not {y.dtype}.")
    _check_numbers(path, name, x)


def _check_numbers(path, name, values):
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        raise InputError(f"{path}: {name} must hold finite numbers alone.")
