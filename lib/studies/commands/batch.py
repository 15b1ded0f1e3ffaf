"""Run studies in batch: ``influaug batch STUDY [STUDY ...]``.

Snakemake decides what must run and papermill runs it; this only starts them, says in a line a notebook how far the
batch is, and ends with what failed and where to look. Everything that Snakemake and the kernels say goes to a log file.
One batch at a time works in an outputs folder. A batch that is ended, by a signal or as nobody reads its output now,
ends all that it started; what a batch that was killed left running, the next one ends.
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
# Snakemake's own locks outlive a batch that was killed; `_alone` holds one that does not.
OPTIONS = ["--keep-going", "--rerun-incomplete", "--keep-incomplete", "--nolock"]
OPTIONS += ["--quiet", "rules", "host", "reason"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
ERROR = re.compile(r"^\w*(Error|Exception)\b")
PLACE = re.compile(r'\s*File "')
"""How the lines of a traceback begin that say where in the code an error was, which is for the log."""
RECORD = re.compile(r"(\d+) (\S+) [0-9a-f]{16}")
"""What the lock's file says of a batch: its process, its machine and a random word."""
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended(KeyboardInterrupt):
    """The batch was asked to end; the message says by what, and that nothing is lost.

    Attributes
    ----------
    status : int
        The exit status: 128 and the number of the signal.
    """

    def __init__(self, why: str, number: int) -> None:
        super().__init__(f"{why}; the same command goes on where it was.")
        self.status = 128 + number


class Progress:
    """How far a batch is, from the lines that it says."""

    def __init__(self) -> None:
        self.total, self.ended, self.failures, self.running = 0, 0, [], []
        self.errors, self.inside = [], False

    def take(self, line: str) -> str | None:
        """Take in one line; what is to be shown of it, or None."""
        if found := TOTAL.match(line):
            self.total = int(found[1])
        # Snakemake's own errors end with an empty line.
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
        """What failed, a sentence a notebook, also of those that ended without one; if none did, Snakemake's errors."""
        killed = "it was killed before it could say why, perhaps for lack of memory."
        return [*self.failures, *(f"{name}; {killed}" for name in self.running)] or self.errors


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
        Snakemake's exit status: 0 if everything was made or up to date, 128 + N if signal N ended it.

    Raises
    ------
    InputError
        No number of cores, a study that there is not or whose parameters are wrong, a file that was changed in the
        future, an outputs folder that Snakemake cannot take, that cannot be written or where another batch is running.
    Ended
        `show` has raised it, or the handler of a signal; all processes of the batch have ended.
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
        show(f"The batch did not end well; all it said is in {log}.")
        for failure in progress.failed():
            show(f"failed: {failure}")
    return status if status >= 0 else 128 - status


def _check(studies, cores, outputs):
    """Refuse, in a sentence, what Snakemake would stop at without one."""
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
    """The file of the trained network that a study names, if it names one; errors name the study's file."""
    try:
        return Study.read(path).trained_network
    except InputError as error:
        raise (error if str(path) in str(error) else InputError(f"{path}: {error}")) from None


@contextmanager
def _alone(outputs, show):
    """Hold the lock of an outputs folder: its open file. The system drops it when the last process that has it ends."""
    path = outputs / ".batch.lock"
    with writing(outputs):
        outputs.mkdir(parents=True, exist_ok=True)
        # Unbuffered, as on a full disk what waits to be written fails again when the file is closed.
        lock = path.open("a+b", buffering=0)
    with lock:
        _take(lock, path, show)
        with writing(outputs):
            lock.truncate(0)
            lock.write(f"{os.getpid()} {socket.gethostname()} {secrets.token_hex(8)}".encode())
        yield lock


def _take(lock, path, show):
    """Take the lock; what a batch left running that is dead is ended first."""
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
    """What the latest batch wrote about itself: `RECORD`."""
    lock.seek(0)
    return lock.read().decode(errors="replace")


def _dead(record, path):
    """Whether it is certain that the batch of a record is dead: none of its number has a file called as the lock's."""
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
    """Snakemake, started; it holds the lock with us, so that none is free while it outlives us.

    Whatever ends the block ends Snakemake, the runs and their kernels: they bear the record of the lock as a mark.
    """
    record = _record(lock)
    command = [sys.executable, "-m", "snakemake", "--cores", cores, *OPTIONS, "--config"]
    # Snakemake reads a value as YAML, where a study called 1e5 would be a number.
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
    """Ours, but for what depends on the current folder, as Snakemake works in the project's, and with this Python."""
    places = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return os.environ | places | {"INFLUAUG_OUTPUTS": str(paths.outputs().absolute())}


def _follow(process, file, progress, show):
    """Take in all that Snakemake says, until it has ended."""
    for line in process.stdout:
        # On a disk that has become full the batch goes on to say what failed for it.
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
    """Let signals raise `Ended`, the first of them alone; those that this process was started to ignore stay so."""

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
    """Print a line; whoever closes the terminal, or the pipe, ends the batch."""
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
    """Send what a stream still holds, and would fail to write once more when Python ends, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
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
