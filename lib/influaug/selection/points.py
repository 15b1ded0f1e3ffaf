"""Parameters and points of `AugmentationSelector`: checked before anything costly, and made into features."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from numbers import Integral, Real
from sys import modules
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..errors import InputError
from ..solver.estimator import LARGEST, of_several_types
from .rows import AT_ONCE, blocks, n_rows, taken

if TYPE_CHECKING:
    from typing import Any

NUMBERS = (np.float64, np.float32)
"""Types that features are in; others become the first."""
MOST_DENSE = 2**31
"""Bytes that a sparse matrix may take as a dense one."""


class Points(NamedTuple):
    """The points as a policy sees them.

    Attributes
    ----------
    features : array [n, d]
    labels : int array [n]
        0, 1, ...
    weights : array [n], optional
        None if all are 1.
    """

    features: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None


def count(budget: float, most: int, what: str) -> int:
    """A budget, a share or a number, as a number.

    Raises
    ------
    InputError
        Neither, or out of range.
    """
    whole = isinstance(budget, Integral) and not isinstance(budget, bool)
    if whole and 0 <= budget <= most:
        return int(budget)
    if not whole and isinstance(budget, Real) and not isinstance(budget, bool) and 0 <= budget <= 1:
        return max(1, round(budget * most)) if budget else 0
    raise InputError(
        f"budget is {budget!r}; it must be a share from 0.0 to 1.0, or a whole number from 0 to the {most} {what}."
    )


def check_number(name: str, value: Any, most: float = np.inf) -> None:
    """Refuse what is no finite number above 0 and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) <= most or value == np.inf:
        right = "a share of the points, above 0 and at most 1" if most == 1 else "a positive number"
        raise InputError(f"{name} is {value!r}; it must be {right}.")


def generator(random_state: Any) -> np.random.Generator:
    """A NumPy generator from what scikit-learn calls a random state, or from one itself.

    Raises
    ------
    InputError
        Anything else.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    try:
        state = check_random_state(random_state)
    except ValueError as error:
        raise InputError(
            f"random_state is {random_state!r}; it must be None, a whole number from 0 to 2**32 - 1, or a random state "
            "or generator of NumPy."
        ) from error
    return np.random.default_rng(state.randint(2**32, size=4, dtype=np.uint32))


def check_length(name: str, values: Any, other: str, others: Any) -> None:
    """Refuse two lists of different lengths; what has no length is left to others to refuse."""
    lengths = [_length(values), _length(others)]
    if None not in lengths and lengths[0] != lengths[1]:
        raise InputError(f"There are {lengths[0]} {name} and {lengths[1]} {other}; there must be as many of each.")


def _length(values):
    shape = getattr(values, "shape", None)
    if shape is None:
        return len(values) if hasattr(values, "__len__") else None
    return shape[0] if len(shape) else None


def finite(rows: Any, what: str, more: str = "", numbers: np.ndarray | None = None) -> Any:
    """The rows of a dense or sparse matrix, refused unless all are finite and none is beyond `LARGEST`.

    The message calls them by their `numbers`, or by their places.
    """
    values = rows.data if sparse.issparse(rows) else rows
    # Of a memory map no more than a block is in memory.
    wrong = [_beyond(values[block]) + block.start for block in blocks(len(values))]
    bad = np.concatenate(wrong) if wrong else np.arange(0)
    if not bad.size:
        return rows
    if sparse.issparse(rows):
        bad = np.unique(np.repeat(np.arange(rows.shape[0]), np.diff(rows.tocsr().indptr))[bad])
    bad = bad if numbers is None else numbers[bad]
    shown = ", ".join(map(str, bad[:10])) + (", ..." if bad.size > 10 else "")
    raise InputError(
        f"{what} must be finite numbers of at most {LARGEST:g}; the rows {shown} have NaN or larger ones{more}."
    )


def _beyond(numbers):
    """Rows of a block, or its numbers, that are not finite or too large."""
    bad = ~(np.abs(numbers) <= LARGEST)
    return np.flatnonzero(bad.any(axis=1) if bad.ndim == 2 else bad)


def dense(rows: Any, what: str, n: int | None = None) -> np.ndarray:
    """A sparse matrix as an array; an array as it is.

    Parameters
    ----------
    rows : array or sparse matrix [m, d]
    what : str
        Named in the message.
    n : int, optional
        Rows that there will be in all (default: m).

    Raises
    ------
    InputError
        All rows would take more than `MOST_DENSE` bytes.
    """
    if not sparse.issparse(rows):
        return rows
    size = (rows.shape[0] if n is None else n) * rows.shape[1] * rows.dtype.itemsize
    if size > MOST_DENSE:
        raise InputError(
            f"{what} would take {size} bytes as a dense matrix, where at most {MOST_DENSE} are taken; reduce the "
            f"{rows.shape[1]} columns by a featurizer, such as TruncatedSVD(100)."
        )
    return rows.toarray()


def check_featurizer(featurizer: Any) -> None:
    """Refuse what cannot make features, before anything is trained."""
    right = "a network's name, a Keras network or a scikit-learn transformer"
    if featurizer is None or is_network(featurizer):
        return
    if isinstance(featurizer, str):
        # Imported with Keras, which takes many seconds.
        from ..networks.featurizer import NETWORKS

        if featurizer not in NETWORKS:
            raise InputError(f"network is {featurizer!r}; it must be a keras.Model or one of {', '.join(NETWORKS)}.")
    elif isinstance(featurizer, type):
        raise InputError(
            f"featurizer is the class {featurizer.__name__}; it must be {right}, such as {featurizer.__name__}()."
        )
    elif not (hasattr(featurizer, "fit") and hasattr(featurizer, "transform")):
        raise InputError(f"featurizer is a {type(featurizer).__name__}; it must be {right}.")


def is_network(featurizer: Any) -> bool:
    """Whether it is a Keras model."""
    return "keras" in modules and isinstance(featurizer, modules["keras"].Model)


def fitted(featurizer: Any, rows: Any, labels: np.ndarray, rng: np.random.Generator) -> Any:
    """The featurizer, fitted to standard images or features; one that was given is left as it was."""
    if featurizer is None:
        return None
    if isinstance(featurizer, str) or is_network(featurizer):
        # Imported with Keras, which takes many seconds.
        from ..networks.featurizer import KerasFeaturizer

        featurizer = KerasFeaturizer(featurizer, seed=int(rng.integers(2**31)))
    elif not hasattr(featurizer, "get_params"):  # of no library that follows scikit-learn's conventions
        featurizer = deepcopy(featurizer)
    else:
        try:
            check_is_fitted(featurizer)
            return featurizer
        except NotFittedError:
            featurizer = clone(featurizer)
    featurizer.fit(rows, labels)
    return featurizer


def featurized(featurizer: Any, rows: Any) -> np.ndarray:
    """Dense features of standard images or of features; without a featurizer these themselves.

    Raises
    ------
    InputError
        The featurizer gives no numbers [n, d], a row for each, or `dense` refuses them.
    """
    if featurizer is None:
        return dense(rows, "X")
    n = n_rows(rows)
    parts = [_numbers(featurizer.transform(_part(rows, block, n)), block.stop - block.start, n) for block in blocks(n)]
    if len({part.shape[1] for part in parts}) > 1:
        raise InputError("The featurizer gave different numbers of features for different rows; it must give as many.")
    return finite(np.concatenate(parts), "the featurizer's output")


def _part(rows, block, n):
    """A block of the rows; all of them, not copied, where that is one."""
    return rows if n <= AT_ONCE else taken(rows, block)


def _numbers(made, n, total):
    """A block of features, as an array."""
    if made is None:
        raise InputError(f"The featurizer gave nothing for {n} rows; it must give numbers [n, d], a row for each.")
    try:
        block = dense(made, "The featurizer's output", total) if sparse.issparse(made) else np.asarray(made)
    except InputError:
        raise
    except ValueError as error:
        raise InputError("The featurizer gave rows of different lengths; it must give numbers [n, d].") from error
    if block.dtype == object:
        with suppress(TypeError, ValueError):  # refused below
            block = block.astype(np.float64)
    if block.ndim != 2 or len(block) != n or not block.shape[1] or block.dtype.kind not in "iufb":
        raise InputError(
            f"The featurizer gave {block.dtype} {list(block.shape)} for {n} rows; it must give numbers [n, d], a row "
            "for each."
        )
    return block if block.dtype.kind == "f" else block.astype(np.float64)


def encoded(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes, and the number of the class of each point, by labels [n] of any type that can be put in order.

    Raises
    ------
    InputError
        Labels of several types, or fewer than two classes.
    """
    try:
        classes, labels = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise of_several_types(y) from error
    if len(classes) < 2:
        raise InputError(f"The points are of one class, {classes.tolist()[0]!r}; a classifier needs two or more.")
    return classes, labels
