"""Stamps of the batch: small files that say that a notebook ended well, and what is in the files that it made.

Snakemake deletes what it calls an output before the job runs again and after it has failed. So it is told of stamps and
pages alone; the tables stay where they are, to be served again if they are those wanted, and named if they are damaged.
"""

from __future__ import annotations

from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from .artifacts import replacing
from .errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .types import PathLike


def write(stamp: PathLike, files: Sequence[PathLike]) -> None:
    """Write a stamp of some files.

    Parameters
    ----------
    stamp : path
    files : sequence of path

    Raises
    ------
    InputError
        One of the files is missing, or the stamp cannot be written.
    """
    missing = [str(file) for file in files if not Path(file).exists()]
    if missing:
        raise InputError(f"The notebook ended well, but without {', '.join(missing)}, which it must write.")
    with replacing(stamp) as temporary:
        temporary.write_text(_text(files))


def drop_outdated(stamp: PathLike, files: Sequence[PathLike]) -> None:
    """Remove a stamp if one of its files is missing or has another content, so that the notebook runs again."""
    stamp = Path(stamp)
    if stamp.exists() and stamp.read_text() != _text(files):
        stamp.unlink(missing_ok=True)


def _text(files):
    return "".join(f"{_digest(Path(file))}  {Path(file).name}\n" for file in files)


def _digest(path):
    if not path.exists():
        return "missing"
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
