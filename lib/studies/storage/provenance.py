"""What an artifact says of where it was made: the project's commit, whether its code was as committed, the device."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from . import paths

if TYPE_CHECKING:
    from typing import Any

CODE = ("lib", "notebooks", "params", "Snakefile", "pyproject.toml", "uv.lock")
"""What a result can depend on; outputs change with every run."""


@cache
def commit() -> str | None:
    """The commit that is checked out, once a process: hexadecimal digits; None where there is no git or no checkout."""
    return _git("rev-parse", "HEAD")


@cache
def clean() -> bool | None:
    """Whether all of `CODE` is as committed, once a process; None where that is not known."""
    changes = _git("status", "--porcelain", "--", *CODE)
    return None if changes is None else not changes


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # type: ignore[return-value]


def device() -> str:
    """Processor and cores, and the accelerators that Keras computes on if it has been imported: text."""
    keras = sys.modules.get("keras")
    found = keras.distribution.list_devices() if keras else []
    accelerators = [name for name in found if not name.startswith("cpu")]
    return ", ".join([processor(), f"{cores()} cores", *accelerators])


def record() -> dict[str, Any]:
    """All of it, for a manifest: dict of commit, clean, device."""
    return {"commit": commit(), "clean": clean(), "device": device()}


def in_words(manifest: dict[str, Any]) -> str:
    """'commit 1a2b3c4' of a manifest, with 'and changes' unless clean; empty where that is not known."""
    if not manifest.get("commit"):
        return ""
    return f"commit {manifest['commit'][:7]}" + ("" if manifest["clean"] else " and changes")


def _git(*arguments):
    """What git says, stripped; None unless the project is a checkout of its own and git succeeds."""
    top = _said("rev-parse", "--show-toplevel")
    return _said(*arguments) if top is not None and Path(top) == paths.PROJECT else None


def _said(*arguments):
    command = ["git", "-C", str(paths.PROJECT), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
