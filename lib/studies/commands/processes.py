"""Find and end the processes of a batch, by a mark in their environment.

Kernels run in sessions of their own and continue if their parent is killed, so parents and sessions do not identify
them. They do keep their environment.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

    from influaug._types import PathLike

MARK = "INFLUAUG_BATCH"
"""Environment variable that marks the processes of a batch."""
PATIENCE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
MOST_ROUNDS = 10
"""Most rounds of killing; one is not enough if a process starts another in the meantime."""


def marked(mark: str) -> Iterator[psutil.Process]:
    """Yield the living processes, except this one, in whose environment `MARK` has the given value."""
    for process in psutil.process_iter():
        # Processes that have just ended or belong to another user cannot be read, and are not part of the batch.
        with suppress(psutil.Error, OSError):
            own = process.pid != os.getpid() and process.environ().get(MARK) == mark
            if own and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def end(mark: str, patience: float) -> None:
    """End every process that `marked` finds, with SIGTERM and, after some seconds, SIGKILL.

    Parameters
    ----------
    mark : str
        Value of the environment variable.
    patience : float
        Seconds between the two signals.
    """
    asked = list(marked(mark))
    for process in asked:
        with suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(asked, timeout=patience)
    for _ in range(MOST_ROUNDS):
        left = list(marked(mark))
        if not left:
            return
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1)


def opens(process: int, name: str) -> bool:
    """Whether a process has a file of some name open, in any folder; also True if this cannot be determined."""
    try:
        return any(Path(file.path).name == name for file in psutil.Process(process).open_files())
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        return True


def holders(path: PathLike) -> list[int]:
    """Ids of the processes, except this one, that visibly have a file open."""
    found, real = [], os.path.realpath(path)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and real in [file.path for file in process.open_files()]:
                found.append(process.pid)
    return found
