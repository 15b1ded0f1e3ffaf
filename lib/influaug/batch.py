"""Run studies in batch: ``python -m influaug.batch STUDY [STUDY ...]``.

Snakemake decides what must run and papermill runs it; this only starts them, says in a line a notebook how far the
batch is, and ends with what failed and where to look. Everything that Snakemake and the kernels say goes to a log file.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import paths, run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TOTAL = re.compile(r"^total\s+(\d+)")
EVENT = re.compile(rf"^{re.escape(run.MARK)}(started|finished|failed) (.*)")
OPTIONS = ["--keep-going", "--rerun-incomplete", "--quiet", "rules", "host", "reason"]


class Progress:
    """How far a batch is, from the lines that it says."""

    def __init__(self) -> None:
        self.total, self.ended, self.failures = 0, 0, []

    def take(self, line: str) -> str | None:
        """Take in one line; what is to be shown of it, or None."""
        if found := TOTAL.match(line):
            self.total = int(found[1])
        if not (found := EVENT.match(line)):
            return None
        kind, text = found.groups()
        self.ended += kind != "started"
        if kind == "failed":
            self.failures.append(text)
        return f"[{self.total - self.ended:>3} to go] {kind:<8} {text}"


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
    """
    log = paths.outputs() / "batch.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        cores,
        *OPTIONS,
        "--config",
        f"studies={' '.join(studies)}",
    ]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    progress, streams = Progress(), {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with (
        log.open("w") as file,
        subprocess.Popen(  # type: ignore[call-overload]
            command, cwd=paths.PROJECT, env=environment, text=True, errors="replace", **streams
        ) as process,
    ):
        for line in process.stdout:
            file.write(line)
            if (shown := progress.take(line)) is not None:
                show(shown)
    if process.returncode:
        show(f"The batch did not end well; all it said is in {log}.")
        for failure in progress.failures:
            show(f"failed: {failure}")
    return process.returncode


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m influaug.batch", description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="+", help="names of files in params/, without .yaml")
    parser.add_argument("--cores", default="all")
    given = parser.parse_args(arguments)
    status = batch(given.studies, given.cores, lambda line: sys.stdout.write(line + "\n"))
    if status == 0:
        sys.stdout.write(f"Open {paths.outputs() / 'index.html'}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
