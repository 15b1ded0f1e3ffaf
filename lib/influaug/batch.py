"""Run studies in batch: ``python -m influaug.batch STUDY [STUDY ...]``.

Snakemake decides what must run and papermill runs it; this only starts them, says in a line a notebook how far the
batch is, and ends with what failed and where to look. Everything that Snakemake and the kernels say goes to a log file.
One batch at a time works in an outputs folder; one that was killed leaves nothing that stands in the way of the next.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from . import paths, run
from .artifacts import writing
from .errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOTAL = re.compile(r"^total\s+(\d+)")
EVENT = re.compile(rf"^{re.escape(run.MARK)}(started|finished|failed) (.*)")
# Snakemake's own locks outlive a batch that was killed; `_alone` holds one that does not.
OPTIONS = ["--keep-going", "--rerun-incomplete", "--keep-incomplete", "--nolock"]
OPTIONS += ["--quiet", "rules", "host", "reason"]


class Progress:
    """How far a batch is, from the lines that it says."""

    def __init__(self) -> None:
        self.total, self.ended, self.failures, self.running = 0, 0, [], []

    def take(self, line: str) -> str | None:
        """Take in one line; what is to be shown of it, or None."""
        if found := TOTAL.match(line):
            self.total = int(found[1])
        if not (found := EVENT.match(line)):
            return None
        kind, text = found.groups()
        self.ended += kind != "started"
        self.running = [name for name in self.running if name != text.split(";")[0]]
        if kind == "started":
            self.running.append(text)
        if kind == "failed":
            self.failures.append(text)
        return f"[{self.total - self.ended:>3} to go] {kind:<8} {text}"

    def failed(self) -> list[str]:
        """What failed, a sentence a notebook, also of those that ended without one."""
        killed = "it was killed before it could say why, perhaps for lack of memory."
        return [*self.failures, *(f"{name}; {killed}" for name in self.running)]


def batch(studies: Sequence[str], cores: str, show: Callable[[str], object]) -> int:
    """Run every notebook of some studies, and the pages over all of them.

    Parameters
    ----------
    studies : list of str
        Names of files in params/.
    cores : str
        A number, or ``all``.
    show : callable
        Gets each line of progress.

    Returns
    -------
    int
        Snakemake's exit status: 0 if everything was made or up to date.

    Raises
    ------
    InputError
        Another batch is running in the outputs folder, or nothing can be written there.
    """
    log, progress = paths.outputs() / "batch.log", Progress()
    with _alone(paths.outputs()) as lock, _opened(log) as file, _snakemake(studies, cores, lock) as process:
        for line in process.stdout:
            # On a disk that has become full the batch goes on to say what failed for it.
            with suppress(OSError):
                file.write(line.encode())
            if (shown := progress.take(line)) is not None:
                show(shown)
    if process.returncode:
        show(f"The batch did not end well; all it said is in {log}.")
        for failure in progress.failed():
            show(f"failed: {failure}")
    return process.returncode


@contextmanager
def _alone(outputs):
    """Hold the lock of an outputs folder: its open file. The system drops it when the last process that has it ends."""
    path = outputs / ".batch.lock"
    with writing(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
        # Unbuffered, as on a full disk what waits to be written fails again when the file is closed.
        lock = path.open("a+b", buffering=0)
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            other = lock.read().decode()
            raise InputError(
                f"Another batch (process {other}) is running in {outputs}; wait until it has ended, or end it."
            ) from None
        with writing(outputs):
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
        yield lock


def _snakemake(studies, cores, lock):
    """Snakemake, started; it holds the lock with us, so that none is free while it outlives us."""
    command = [sys.executable, "-m", "snakemake", "--cores", cores, *OPTIONS, "--config"]
    return subprocess.Popen(
        [*command, f"studies={' '.join(studies)}"],
        cwd=paths.PROJECT,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[lock.fileno()],
    )


def _opened(log):
    with writing(log):
        return log.open("wb", buffering=0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m influaug.batch", description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="+", help="names of files in params/, without .yaml")
    parser.add_argument("--cores", default="all")
    given = parser.parse_args(arguments)
    try:
        status = batch(given.studies, given.cores, lambda line: sys.stdout.write(line + "\n"))
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("The batch was interrupted; the same command goes on where it was.\n")
        return 130
    if status == 0:
        sys.stdout.write(f"Open {paths.outputs() / 'index.html'}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
