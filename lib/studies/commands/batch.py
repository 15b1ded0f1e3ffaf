"""Run studies in batch: ``influaug batch STUDY [STUDY ...]``.

Snakemake decides which notebooks must run, and papermill runs them. This module starts them, reports progress in one
line for each notebook, and at the end reports failures and where to look. All output of Snakemake and the kernels goes
to a log file. Only one batch at a time works in an outputs folder. A batch that is ended, by a signal or because its
output cannot be written any more, ends all processes that it started. The next batch ends processes that a killed one
left running.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from influaug.errors import InputError
from influaug.files.writing import writing

from ..points.study import Study
from ..storage import paths
from . import processes, run, stamps

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOTAL = re.compile(r"^total\s+(\d+)")
EVENT = re.compile(rf"^{re.escape(run.MARK)}(started|finished|failed) (.*)")
# Snakemake's own locks remain after a batch is killed, so they are off; the system drops the lock that `_alone` holds.
OPTIONS = ["--keep-going", "--rerun-incomplete", "--keep-incomplete", "--nolock"]
OPTIONS += ["--quiet", "rules", "host", "reason"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
ERROR = re.compile(r"^\w*(Error|Exception)\b")
PLACE = re.compile(r'\s*File "')
"""Beginning of a traceback's lines about places in the code, which only the log shows."""
RECORD = re.compile(r"(\d+) (\S+) [0-9a-f]{16}")
"""Content of the lock's file: process and machine of the batch, and a random word."""
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """The batch was asked to end; the message gives the reason and says that nothing is lost.

    Attributes
    ----------
    status : int
        The exit status: 128 plus the number of the signal.
    """

    def __init__(self, why: str, number: int) -> None:
        super().__init__(f"{why}; the same command goes on where it was.")
        self.status = 128 + number


class Progress:
    """Progress of a batch, read from the lines of its output."""

    def __init__(self) -> None:
        self.total, self.ended, self.failures, self.running = 0, 0, [], []
        self.errors, self.inside = [], False

    def take(self, line: str) -> str | None:
        """Read one line of output, and return the text to show for it, or None."""
        if found := TOTAL.match(line):
            self.total = int(found[1])
        # Errors of Snakemake itself end with an empty line.
        self.inside = bool(ERROR.match(line)) or (self.inside and bool(line.strip()))
        self.errors += [line.strip()] if self.inside and not PLACE.match(line) else []
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
        """One sentence for each failed notebook, killed ones included; if there are none, Snakemake's errors."""
        killed = "it was killed before it could say why, perhaps for lack of memory."
        return [*self.failures, *(f"{name}; {killed}" for name in self.running)] or self.errors


def batch(studies: Sequence[str], cores: str, show: Callable[[str], object]) -> int:
    """Run every notebook of some studies, and the pages over all of them.

    Parameters
    ----------
    studies : list of str
        Names of files in params/.
    cores : str
        Number of cores, or ``all``.
    show : callable
        Called with each line of progress.

    Returns
    -------
    int
        Snakemake's exit status: 0 if everything was made or up to date, 128 + N if signal N ended it.

    Raises
    ------
    InputError
        `cores` is not a number of cores, a study does not exist or has wrong parameters, a file has a time of change in
        the future, or the outputs folder has a name that Snakemake cannot use, cannot be written, or has another batch
        running.
    Ended
        `show` or the handler of a signal raised it; all processes of the batch have ended.
    """
    outputs, progress = paths.outputs(), Progress()
    _check(studies, cores, outputs)
    log = outputs / "batch.log"
    with _alone(outputs, show) as lock, _opened(log) as file, _snakemake(studies, cores, lock) as process:
        try:
            _follow(process, file, progress, show)
        except Ended as ended:
            with suppress(OSError):
                file.write(f"{ended}\n".encode())
            raise
    status = process.returncode
    if status:
        show(f"The batch did not end well; its full output is in {log}.")
        for failure in progress.failed():
            show(f"failed: {failure}")
    return status if status >= 0 else 128 - status


def _check(studies, cores, outputs):
    """Raise an `InputError` for faults at which Snakemake would stop without a clear message."""
    if cores != "all" and not re.fullmatch("[1-9][0-9]*", cores):
        raise InputError(f"cores must be a whole number of at least 1, or all, not {cores!r}.")
    odd = [name for name in studies if not NAME.fullmatch(name)]
    if odd:
        raise InputError(f"No study is called {odd[0]!r}: names have letters, digits, _, . and - alone.")
    if not str(outputs).isprintable():
        raise InputError(f"INFLUAUG_OUTPUTS must name a folder without unprintable characters, not {str(outputs)!r}.")
    if {*"{}"} & {*str(paths.PROJECT)}:
        raise InputError(
            f"Snakemake reads braces as wildcards: move the project to a folder without, not {paths.PROJECT}."
        )
    parameters = [paths.PARAMS / f"{name}.yaml" for name in studies]
    networks = map(_network, parameters)
    files = [*paths.NOTEBOOKS.glob("*.ipynb"), *(paths.PROJECT / "lib").rglob("*.py"), *filter(None, networks)]
    for file in [*parameters, *files]:
        if stamps.in_future(file):
            changed = datetime.fromtimestamp(Path(file).stat().st_mtime).strftime("%Y-%m-%d %H:%M:%S")
            raise InputError(
                f"{file} was last changed in the future, at {changed}, so that nothing made from it would ever count "
                "as newer; set the clock right, or run touch on the file."
            )


def _network(path):
    """File of the trained network that a study names, or None; errors name the study's file."""
    try:
        return Study.read(path).trained_network
    except InputError as error:
        raise (error if str(path) in str(error) else InputError(f"{path}: {error}")) from None


@contextmanager
def _alone(outputs, show):
    """Hold the lock of an outputs folder, an open file; the system drops it when its last process ends."""
    path = outputs / ".batch.lock"
    with writing(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
        # Unbuffered, because on a full disk buffered data would fail again when the file is closed.
        lock = path.open("a+b", buffering=0)
    with lock:
        _take(lock, path, show)
        with writing(outputs):
            lock.truncate(0)
            lock.write(f"{os.getpid()} {socket.gethostname()} {secrets.token_hex(8)}".encode())
        yield lock


def _take(lock, path, show):
    """Take the lock, after ending the processes that a dead batch left running."""
    free, record = _free(lock), _record(lock)
    if _dead(record, path) and any(processes.marked(record)):
        processes.end(record, processes.PATIENCE)
        show(f"Ended what an earlier batch (process {record.split()[0]}) had left running when it was killed.")
        waited = time.monotonic() + processes.PATIENCE
        while not free and time.monotonic() < waited:
            time.sleep(0.05)
            free = _free(lock)
    if not free:
        raise InputError(_refusal(record, path))


def _free(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _record(lock):
    """Read the latest batch's entry in the lock's file, see `RECORD`."""
    lock.seek(0)
    return lock.read().decode(errors="replace")


def _dead(record, path):
    """Whether the batch of a record is certainly dead: its process has no file open that is named like the lock."""
    found = RECORD.fullmatch(record)
    if found is None or found[2] != socket.gethostname():
        return False
    return not processes.opens(int(found[1]), path.name)


def _refusal(record, path):
    found = RECORD.fullmatch(record)
    process, machine = found.groups() if found else (record, socket.gethostname())
    here = machine == socket.gethostname()
    if here and (others := processes.holders(path)) and process not in map(str, others):
        process = str(others[0])
    where = "" if here else f" on {machine}"
    return (
        f"Another batch (process {process}{where}) is running in {path.parent}; wait until it has ended, or end it: "
        f"kill {process}{where}."
    )


@contextmanager
def _snakemake(studies, cores, lock):
    """Start Snakemake, which inherits the lock, so that the lock stays taken even if this process ends first.

    The end of the block, for any reason, ends Snakemake, the runs and their kernels: the record of the lock marks them.
    """
    record = _record(lock)
    command = [sys.executable, "-m", "snakemake", "--cores", cores, *OPTIONS, "--config"]
    # Snakemake reads the value as YAML; without quotes a study called 1e5 would become a number.
    process = subprocess.Popen(
        [*command, f"studies={json.dumps(' '.join(studies))}"],
        cwd=paths.PROJECT,
        env=_environment() | {processes.MARK: record},
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[lock.fileno()],
    )
    with process:
        try:
            yield process
        finally:
            processes.end(record, processes.PATIENCE)


def _environment():
    """Environment of the current process, with this Python first in PATH and INFLUAUG_OUTPUTS absolute.

    Snakemake works in the project's folder, where a relative path would mean another folder.
    """
    places = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return os.environ | places | {"INFLUAUG_OUTPUTS": str(paths.outputs().absolute())}


def _follow(process, file, progress, show):
    """Read all output of Snakemake until it ends."""
    for line in process.stdout:
        # If the disk becomes full, the batch still reports which notebooks failed because of it.
        with suppress(OSError):
            file.write(line.encode())
        if (shown := progress.take(line)) is not None:
            show(shown)
    process.wait()


def _opened(log):
    with writing(log):
        return log.open("wb", buffering=0)


@contextmanager
def _ended_by_signals():
    """Let the first signal raise `Ended` and ignore later ones; signals that this process ignores stay ignored."""

    def end(number, _):
        for each in found:
            signal.signal(each, signal.SIG_IGN)
        raise Ended(f"The batch was ended by {signal.Signals(number).name}", number)

    found = {each: signal.getsignal(each) for each in ENDING if signal.getsignal(each) != signal.SIG_IGN}
    for each in found:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each, handler in found.items():
            signal.signal(each, handler)


def _show(line):
    """Print a line; if the terminal or pipe is closed, end the batch."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout)
        why = f"The batch was ended as its output could not be written any more ({error.strerror})"
        raise Ended(why, signal.SIGPIPE) from error


def _complain(sentence):
    try:
        sys.stderr.write(f"{sentence}\n")
        sys.stderr.flush()
    except OSError:
        _silence(sys.stderr)


def _silence(stream):
    """Send a stream's remaining data, which would fail again when Python flushes it at its end, to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(prog="influaug batch", description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="+", help="names of files in params/, without .yaml")
    parser.add_argument("--cores", default="all")
    given = parser.parse_args(arguments)
    try:
        with _ended_by_signals():
            status = batch(given.studies, given.cores, _show)
            if status == 0:
                _show(f"Open {paths.outputs() / 'index.html'}")
    except InputError as error:
        _complain(error)
        return 1
    except Ended as ended:
        _complain(ended)
        return ended.status
    return status
