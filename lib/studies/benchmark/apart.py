"""Selections that are timed, in this process or in one of their own, whose peak of memory is theirs alone.

Such a process imports this module, so it imports little.
"""

from __future__ import annotations

import resource
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import thread_time
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from influaug.selection.candidates import Candidates
from influaug.selection.greedy import select

if TYPE_CHECKING:
    from influaug.selection.iterative_head import Schedule

COPIES = 4
"""Copies of each made-up point."""


def timed(
    candidates: Candidates, budget: int, C: float, solver: str, schedule: Schedule | None = None
) -> tuple[np.ndarray, float]:
    """Copies in the order in which they are chosen, and CPU seconds of one thread."""
    with threadpool_limits(1):
        started = thread_time()
        found = select(candidates, budget=budget, C=C, solver=solver, schedule=schedule, verbose=False)
        return found.order, thread_time() - started


def apart(
    candidates: Candidates, budget: int, C: float, schedule: Schedule | None = None
) -> tuple[np.ndarray, float, int]:
    """`timed` by the iterative solver in a process of its own: order, seconds, and the process's peak of bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "candidates.npz"
        np.savez(path, **{name: value for name, value in vars(candidates).items() if value is not None})
        return _in_a_process(_of_file, path, budget, C, schedule)


def made_up_apart(n: int, n_classes: int, d: int, budget: int, C: float, seed: int) -> tuple[float, int]:
    """The same with `made_up` points and copies: seconds, and the process's peak of bytes, its data included."""
    return _in_a_process(_of_made_up, n, n_classes, d, budget, C, seed)


def made_up(n: int, n_classes: int, d: int, seed: int = 0) -> Candidates:
    """Rectified Gaussian features around a centre for each class, with copies moved in `COPIES` directions: float32."""
    rng, k = np.random.default_rng(seed), COPIES
    centres, labels = 0.15 * rng.standard_normal((n_classes, d), np.float32), rng.permutation(np.arange(n) % n_classes)
    x, copies = centres[labels] + rng.standard_normal((n, d), np.float32), np.empty((n * k, d), np.float32)
    np.maximum(x, 0, out=x)
    for copy, move in enumerate(0.7 * rng.standard_normal((k, d), np.float32)):
        copies[copy::k] = np.maximum(x + move + np.float32(0.3) * rng.standard_normal((n, d), np.float32), 0)
    return Candidates(x, labels, copies, np.repeat(np.arange(n), k))


def _of_made_up(n, n_classes, d, budget, C, seed):
    _, seconds = timed(made_up(n, n_classes, d, seed), budget, C, "iterative")
    return seconds, _peak()


def _of_file(path, budget, C, schedule):
    with np.load(path, allow_pickle=False) as arrays:
        candidates = Candidates(**arrays)
    order, seconds = timed(candidates, budget, C, "iterative", schedule)
    return order, seconds, _peak()


def _peak():
    """Peak of the process's memory so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # `getrusage` counts what the process was before it became another program, a copy of its parent.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _in_a_process(function, *arguments):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()
