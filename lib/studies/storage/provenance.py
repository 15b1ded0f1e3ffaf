"""Provenance of an artifact: the project's commit, whether its code had uncommitted changes, and the device."""

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
"""Files and folders on which results can depend; outputs/ is left out, as it changes with every run."""


@cache
def commit() -> str | None:
    """Hash of the commit that is checked out, read once for the process; None without git or outside a checkout."""
    return _git("rev-parse", "HEAD")


@cache
def clean() -> bool | None:
    """Whether `CODE` has no uncommitted changes, read once for the process; None if unknown."""
    changes = _git("status", "--porcelain", "--", *CODE)
    return None if changes is None else not changes


def processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def machine() -> str:
    """Text with the system, the processor and its model, on which the last digits of what networks compute depend."""
    try:
        lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    except OSError:
        lines = []
    found = {name.strip(): value.strip() for name, _, value in reversed(lines)}
    model = " ".join(found[name] for name in ("cpu family", "model", "stepping") if name in found)
    return ", ".join(filter(None, [f"{platform.system()} {platform.machine()}", processor(), model]))


def cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()  # type: ignore[return-value]


def device() -> str:
    """Text with the processor, its cores and, if Keras has been imported, its accelerators."""
    keras = sys.modules.get("keras")
    found = keras.distribution.list_devices() if keras else []
    accelerators = [name for name in found if not name.startswith("cpu")]
    return ", ".join([processor(), f"{cores()} cores", *accelerators])


def record() -> dict[str, Any]:
    """Provenance for a manifest: dict of commit, clean, device."""
    return {"commit": commit(), "clean": clean(), "device": device()}


def in_words(manifest: dict[str, Any]) -> str:
    """Describe the commit of a manifest, as 'commit 1a2b3c4 and changes' (no changes if clean); empty if unknown."""
    if not manifest.get("commit"):
        return ""
    return f"commit {manifest['commit'][:7]}" + ("" if manifest["clean"] else " and changes")


def _git(*arguments):
    """Stripped output of git; None if git fails or the project is not a checkout of its own."""
    top = _said("rev-parse", "--show-toplevel")
    return _said(*arguments) if top is not None and Path(top) == paths.PROJECT else None


def _said(*arguments):
    command = ["git", "-C", str(paths.PROJECT), *arguments]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
