"""The processes of a batch: found by a mark in their environment, whatever their parents and sessions are, and ended.

Kernels run in sessions of their own, and outlive what started them if that is killed; the environment they keep.
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
"""The environment variable that marks the processes of a batch."""
PATIENCE = 5.0
"""Seconds that processes have to end after they were asked to, before they are killed."""
MOST_ROUNDS = 10
"""Rounds of killing; more than one is needed where a process has started another meanwhile."""


def marked(mark: str) -> Iterator[psutil.Process]:
    """Yield the living processes, but for this one, in whose environment `MARK` has a value."""
    for process in psutil.process_iter():
        # A process that has ended meanwhile, or is another person's, is none of ours.
        with suppress(psutil.Error, OSError):
            own = process.pid != os.getpid() and process.environ().get(MARK) == mark
            if own and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def end(mark: str, patience: float) -> None:
    """End every process that `marked` finds: ask with SIGTERM, and after some seconds kill with SIGKILL.

    Parameters
    ----------
    mark : str
        Value of the environment variable.
    patience : float
        Seconds between the two.
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
    """Whether a process has a file of some name open, in whatever folder; True too if this cannot be found out."""
    try:
        return any(Path(file.path).name == name for file in psutil.Process(process).open_files())
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        return True


def holders(path: PathLike) -> list[int]:
    """Ids of the processes, but for this one, that are seen to have a file open."""
    found, real = [], os.path.realpath(path)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and real in [file.path for file in process.open_files()]:
                found.append(process.pid)
    return found
