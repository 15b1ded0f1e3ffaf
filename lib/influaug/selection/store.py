"""Features of copies, made in blocks when they are asked for, and kept."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..errors import InputError
from .rows import AT_ONCE, blocks

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FIRST = 64
"""Copies of the first block, whose time says how long the others will take."""
LATE = 2
"""Seconds after which progress is shown."""


class Copies:
    """Copies of the points, by place; the features of each are made once, when they are asked for.

    Parameters
    ----------
    source : int array [m]
        Point by point.
    make : callable, optional
        Places -> features [b, d].
    ready : array [m, d], optional
        All features, used as they are, in memory or in a file, in place of `make`.
    rows : callable, optional
        Places -> the copies themselves, as the featurizer takes them.
    """

    def __init__(
        self,
        source: np.ndarray,
        make: Callable[[np.ndarray], np.ndarray] | None = None,
        ready: np.ndarray | None = None,
        rows: Callable[[np.ndarray], Any] | None = None,
    ) -> None:
        self.source, self.ready, self.rows = source, ready, rows
        self._make: Any = make
        self.dtype = np.dtype(np.float32 if ready is None else ready.dtype)
        self.verbose, self.expected = False, None
        self._seen = np.zeros(len(source), dtype=bool)
        self._features: Any = ready

    def kept(self, dtype: np.dtype, verbose: bool) -> None:
        """Say in which type features are kept, before any is asked for, and whether progress is shown."""
        self.verbose = verbose
        if self.ready is None:
            self.dtype = dtype

    @property
    def which(self) -> np.ndarray:
        """Which of its point's copies each is: int array [m]."""
        return np.arange(len(self.source)) - np.searchsorted(self.source, self.source)

    @property
    def n_seen(self) -> int:
        """How many have been asked for."""
        return int(self._seen.sum())

    def n_bytes(self, n: int, d: int) -> int:
        """Memory that the features of n copies take: none of all that were given, which are not copied."""
        return 0 if self.ready is not None and n == len(self.source) else n * d * self.dtype.itemsize

    def seconds(self, places: np.ndarray) -> float:
        """How long the features of some will take, by the time of the first few, which are kept."""
        new = places[~self._seen[places]]
        if self.ready is not None or len(new) <= FIRST:
            return 0.0
        start = perf_counter()
        self._fill(new[:FIRST])
        return (perf_counter() - start) * (len(new) - FIRST) / FIRST

    def features(self, places: np.ndarray) -> np.ndarray:
        """Features of some, one or more: [b, d]; of all, in rising order, without a copy."""
        new = places[~self._seen[places]]
        if self.ready is not None:
            self._seen[new] = True
        elif len(new):
            with self._progress(len(new)) as progress:
                for block in blocks(len(new), AT_ONCE):
                    self._fill(new[block])
                    progress.update(block.stop - block.start)
        whole = len(places) == len(self.source) and np.array_equal(places, np.arange(len(places)))
        return self._features if whole else self._features[places]

    def _progress(self, n):
        text = "features of copies" + (f" (with the choice {self.expected})" if self.expected else "")
        return tqdm(total=n, desc=text, leave=False, disable=not self.verbose, delay=LATE)

    def _fill(self, places):
        made = self._make(places)
        if self._features is None:
            self._features = np.empty((len(self.source), made.shape[1]), self.dtype)
        if made.shape[1] != self._features.shape[1]:
            raise InputError(
                "The featurizer gave different numbers of features for different rows; it must give as many."
            )
        with np.errstate(over="ignore"):
            self._features[places] = made
        if self.dtype == np.float16 and not np.isfinite(self._features[places]).all():
            raise InputError("dtype is 'float16', but a copy has features beyond 65504; scale them, or take 'float32'.")
        self._seen[places] = True
