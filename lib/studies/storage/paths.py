"""Paths of the project's folders; no other module knows them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from influaug._types import PathLike

PROJECT = Path(__file__).resolve().parents[3]
PARAMS = PROJECT / "params"
PUBLISHED = PARAMS / "published"
NOTEBOOKS = PROJECT / "notebooks"


def found(path: PathLike) -> Path:
    """Resolve a relative path from the current folder or, if it does not exist there, from the project's folder.

    `~` stands for the home folder. So a path in a file of params/ means the same in a batch, which runs in the
    project's folder, and in JupyterLab, where a notebook runs in its own folder.
    """
    path = Path(path)
    try:
        path = path.expanduser()
        return PROJECT / path if not path.exists() and (PROJECT / path).exists() else path
    except (OSError, RuntimeError, ValueError):  # too long, of a home that is none: who opens it says so
        return path


def outputs() -> Path:
    """The folder of all outputs: INFLUAUG_OUTPUTS if set, else outputs/ in the project."""
    return Path(os.environ.get("INFLUAUG_OUTPUTS") or PROJECT / "outputs")


def shown(path: PathLike) -> str:
    """A path as text for a person: from the project's folder if it lies in there, else whole."""
    path = Path(path).absolute()
    return (path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path).as_posix()
