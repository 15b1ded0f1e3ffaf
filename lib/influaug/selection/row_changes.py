"""Transformations that are functions of rows: of texts, of tables, of features, of objects of any kind.

Such a function takes several rows in the type in which they are given to the selector (a list of texts, a frame, an
array, a sparse matrix) and returns one copy of each, in that type; or, of each, the same number k of copies: a list of
n lists of texts or of n frames, an array [n, k, d]. Several functions, in a list, make a copy each.

A function that draws at random gets its rows one by one, with a seed that is made of the row's content: by its
parameter `rng`, `seed` or `random_state`, or by the generators that it draws from.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from ..data.randomness import Randomness, argument, parameter_of
from ..data.repeatable import OF_SEEDED, REPEATS, SEARCHED, TESTED
from ..data.transformations import Transformation
from ..errors import InputError
from .rows import digests, is_frame, joined, like, n_axes, n_rows, taken

if TYPE_CHECKING:
    from typing import Any, Self

OF_IMAGES = {"imgaug", "albumentations", "albucore", "keras", "keras_cv", "torchvision"}
"""Libraries whose objects change images alone."""
RIGHT = (
    "a function of rows takes those of X, in the type of X, and returns as many, one copy of each, or the same number "
    "k of copies of each"
)


class RowChange:
    """One function of rows, which makes k copies of each.

    Parameters
    ----------
    function : callable
        See the module.
    number : int
        Its place in the list of functions, of which its seeds are made.
    rows : rows of any kind
        A few, on which the function is tried.

    Attributes
    ----------
    name : str
    k : int

    Raises
    ------
    InputError
        It returns something else, or makes other copies of the same row when it is asked again.
    """

    def __init__(self, function: Any, number: int, rows: Any) -> None:
        self.function, self.number = function, number
        self.name = _name(function)
        self._randomness, self._parameter = Randomness(function), parameter_of(function)
        tested = taken(rows, _spread(n_rows(rows), TESTED))
        copies, self.k = self._tried(tested)
        self._check_same(tested, copies)
        self._check_changes(taken(rows, _spread(n_rows(rows), SEARCHED)))

    def __call__(self, rows: Any) -> Any:
        """All copies of some rows, those of a row together: rows [n k]."""
        copies, k = self._made(rows)
        if k != self.k:
            raise InputError(
                f"{self.name} made {k} copies of a row, but {self.k} of others; where these numbers differ, make all "
                "copies once and give them as copies, a list with an entry for each point."
            )
        return copies

    def _tried(self, rows):
        """The first call, of which an error most often says that the function takes something else."""
        try:
            return self._made(rows)
        except InputError:
            raise
        except (AttributeError, TypeError, KeyError, IndexError) as error:
            kind = f"{type(rows).__name__} of {n_rows(rows)} rows"
            raise InputError(f"{self.name} failed on a {kind} ({type(error).__name__}: {error}); {RIGHT}.") from error

    def _made(self, rows):
        """Copies of rows, and how many each has."""
        n = n_rows(rows)
        if self._parameter is not None:
            return self._one_by_one(rows)
        before = self._randomness.states()
        try:
            made = self.function(_own(rows))
            drawn = self._randomness.drawn_since(before)
        finally:
            self._randomness.restore(before)
        return self._one_by_one(rows) if drawn and n else self._checked(made, rows)

    def _one_by_one(self, rows):
        made, ks = [], set()
        for place, content in enumerate(digests(rows)):
            row = taken(rows, np.array([place]))
            seed = int(np.random.SeedSequence([self.number, int(content)]).generate_state(1)[0] >> 1)
            bound = {} if self._parameter is None else {self._parameter: argument(self._parameter, seed)}
            with self._randomness.seeded(seed):
                copies, k = self._checked(partial(self.function, **bound)(_own(row)), row)
            made.append(copies)
            ks.add(k)
        if len(ks) > 1:
            raise InputError(
                f"{self.name} made {min(ks)} copies of a row and {max(ks)} of another; where these numbers differ, "
                "make all copies once and give them as copies, a list with an entry for each point."
            )
        return joined(made), ks.pop()

    def _checked(self, made, rows):
        """What the function returned, as rows in the type of X, those of a row together."""
        n = n_rows(rows)
        try:
            copies, k = _flat(made, rows, n)
        except _UnfitError as error:
            raise InputError(f"{self.name} returned {error} for {n} rows; {RIGHT}.") from None
        if is_frame(rows) and list(copies.columns) != list(rows.columns):
            raise InputError(
                f"{self.name} returned the columns {_few(copies.columns)} for rows with {_few(rows.columns)}; copies "
                "must have the columns of X in their order."
            )
        return copies, k

    def _check_same(self, rows, copies):
        expected = digests(copies).reshape(-1, self.k)
        repeats = REPEATS if self._parameter is None else OF_SEEDED
        places = np.arange(len(expected))
        alone = np.array([digests(self(taken(rows, np.array([place])))) for place in places])
        turned = digests(self(taken(rows, places[::-1]))).reshape(-1, self.k)[::-1]
        if any(not np.array_equal(digests(self(taken(rows, places[:1]))), alone[0]) for _ in range(repeats)):
            first = "makes another copy of a row each time that it is asked"
        elif not (np.array_equal(alone, expected) and np.array_equal(turned, expected)):
            first = "makes copies of a row that depend on the other rows beside it, or on its place"
        else:
            return
        raise InputError(
            f"{self.name} {first}, so that the copies that are scored would not be those that are delivered; make it "
            "repeatable (a parameter rng, seed or random_state), or make the copies once and give them as copies, a "
            "list with an entry for each point."
        )

    def _check_changes(self, rows):
        own = np.repeat(digests(rows), self.k)
        if np.array_equal(digests(self(rows)), own):
            raise InputError(f"{self.name} returned each of {n_rows(rows)} rows as it was; copies must differ.")


class RowChanges:
    """Functions of rows as one transformation, which makes k copies of every row.

    Parameters
    ----------
    functions : list of callable
    rows : rows of any kind
        Those that copies are made of; a few are tried.
    """

    def __init__(self, functions: list, rows: Any) -> None:
        self.changes = [RowChange(function, number, rows) for number, function in enumerate(functions)]
        self._starts = np.cumsum([0, *(change.k for change in self.changes)])

    @classmethod
    def of_given(cls, given: Any, rows: Any) -> Self:
        """From what `AugmentationSelector.fit` takes for X that is no images.

        Parameters
        ----------
        given : callable, or list or tuple of these
        rows : rows of any kind

        Returns
        -------
        RowChanges

        Raises
        ------
        InputError
            Something that changes images, or no function, was given; or see `RowChange`.
        """
        functions = list(given) if isinstance(given, list | tuple) else [given]
        if not functions:
            raise InputError("The list of transformations is empty; it must hold one or more functions of rows.")
        for function in functions:
            _check_function(function, rows)
        return cls(functions, rows)

    def __len__(self) -> int:
        """k, the number of copies of a row."""
        return int(self._starts[-1])

    def of(self, rows: Any, source: np.ndarray, which: np.ndarray) -> Any:
        """The copies `which` of the points `source`, in that order and in the type of the rows."""
        of_change = np.searchsorted(self._starts, which, side="right") - 1
        made, places, done = [], np.empty(len(source), dtype=int), 0
        for number in np.unique(of_change):
            change, mask = self.changes[number], of_change == number
            points, own = np.unique(source[mask], return_inverse=True)
            copies = change(taken(rows, points))
            places[mask] = done + own * change.k + which[mask] - self._starts[number]
            done += n_rows(copies)
            made.append(copies)
        return taken(joined(made), places)


def _check_function(function, rows):
    library = next((base.__module__.partition(".")[0] for base in type(function).__mro__ if _is_of_images(base)), None)
    if isinstance(function, str | Mapping | Transformation) or library:
        shape = list(getattr(rows, "shape", (n_rows(rows),)))
        what = f"features {shape}" if n_axes(rows) == 2 else f"{type(rows).__name__} {shape}"
        raise InputError(
            f"X is {what}, but such a transformation makes copies of images: give images and a featurizer, a function "
            "of rows, or copies."
        )
    if isinstance(function, type) or not callable(function):
        what = f"the class {function.__name__}" if isinstance(function, type) else f"a {type(function).__name__}"
        raise InputError(f"transformation is {what}; for X that is no images it must be a function: {RIGHT}.")


def _is_of_images(base):
    return base.__module__.partition(".")[0] in OF_IMAGES


def _name(function):
    own = getattr(function, "__name__", None)
    return own if isinstance(own, str) else type(function).__name__


def _spread(n, most):
    return np.unique(np.linspace(0, n - 1, most).astype(int))


def _own(rows):
    """Rows that a function may change in place."""
    return rows.copy() if hasattr(rows, "copy") else rows


class _UnfitError(Exception):
    """What a function returned, in words."""


def _flat(made, rows, n):
    """What was made of rows as rows of the same type, and how many of each."""
    if made is None or isinstance(made, str | bytes) or not (hasattr(made, "__len__") or sparse.issparse(made)):
        raise _UnfitError("None" if made is None else f"a {type(made).__name__}")
    if n_rows(made) != n:
        raise _UnfitError(f"{n_rows(made)} of a {type(made).__name__}")
    if n_axes(rows) == 1:
        return _flat_objects(made, rows)
    if is_frame(made) or sparse.issparse(made):
        return _as_rows(made, rows), 1
    if isinstance(made, list | tuple) and made and (is_frame(made[0]) or sparse.issparse(made[0])):
        return _as_rows(joined(list(made)), rows), _same([n_rows(each) for each in made])
    return _flat_array(made, rows)


def _flat_array(made, rows):
    try:
        made = np.asarray(made)
    except ValueError:
        raise _UnfitError("rows of different lengths") from None
    d = rows.shape[1]
    if made.ndim not in (2, 3) or made.shape[-1] != d:
        raise _UnfitError(f"{made.dtype} {list(made.shape)}")
    k = made.shape[1] if made.ndim == 3 else 1
    return _as_rows(made.reshape(len(made) * k, d), rows), k


def _as_rows(made, rows):
    if sparse.issparse(rows) or is_frame(rows):
        return like(rows, made)
    return made.toarray() if sparse.issparse(made) else np.asarray(made)


def _flat_objects(made, rows):
    """Texts or other objects, one of each row or a sequence of each."""
    entries, inner = list(made), (list, tuple, np.ndarray)
    own = next(iter(rows), None)
    nested = [isinstance(entry, inner) for entry in entries]
    if isinstance(own, inner) or not any(nested):
        _check_text(entries, own)
        return like(rows, entries), 1
    if not all(nested):
        raise _UnfitError("both single copies and lists of them")
    flat = [copy for entry in entries for copy in entry]
    _check_text(flat, own)
    return like(rows, flat), _same([len(entry) for entry in entries])


def _check_text(copies, own):
    other = next((copy for copy in copies if not isinstance(copy, str)), None) if isinstance(own, str) else None
    if other is not None:
        raise _UnfitError(f"a {type(other).__name__} among the copies of texts")


def _same(numbers):
    if len(set(numbers)) > 1 or not numbers[0]:
        raise _UnfitError(f"from {min(numbers)} to {max(numbers)} copies of a row")
    return numbers[0]


def _few(names):
    names = list(map(str, names))
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
