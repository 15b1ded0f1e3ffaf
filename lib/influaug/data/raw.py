"""What readers of data sets hand over: the arrays as they were found, and where from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Raw:
    """What a reader found, unchecked.

    The arrays are x_train, y_train, x_test, y_test; `source` names the files, without their folders; `title` and `note`
    say what the data set is where its content is not known; `names` are those of labels 0, 1, ..., where the reader has
    them; `skipped` has a line for each file that was left out.
    """

    arrays: tuple[np.ndarray, ...]
    source: str
    title: str
    note: str
    names: tuple[str, ...] | None = None
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A data set found: its name, its files (all of them there), and `reader(name, paths)`, which returns `Raw`."""

    name: str
    reader: Callable[[str, tuple[Path, ...]], Raw]
    paths: tuple[Path, ...] = ()


def draw(labels: NDArray[np.int64], quotas: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Ascending positions of a seeded random sample, without repeats, with quotas[k] points of label k."""
    rng = np.random.default_rng(np.random.SeedSequence(int(seed)))
    drawn = [rng.choice(np.flatnonzero(labels == k), quota, replace=False) for k, quota in enumerate(quotas)]
    return np.sort(np.concatenate(drawn))
