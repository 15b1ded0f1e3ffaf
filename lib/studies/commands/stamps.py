"""Stamps of the batch: small files that record that a notebook ended well, with hashes of the files that it made.

Snakemake deletes a job's outputs before the job runs again and after it has failed. So only stamps and pages are
declared as outputs. The tables stay; they are served again if they have the right key, and reported if damaged.
"""

from __future__ import annotations

import os
import time
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING

from influaug.errors import InputError
from influaug.files.writing import replacing, writing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from influaug._types import PathLike

SKEW = 2.0
"""Seconds by which a file system's clock may be ahead; the shortest notebook takes longer."""


def in_future(path: PathLike) -> bool:
    """Whether a file's time of change is in the future, so that files made from it never count as newer."""
    return Path(path).stat().st_mtime > time.time() + SKEW


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
    """Remove an outdated stamp, so that the notebook runs again.

    A stamp is outdated if one of its files is missing or has another content, if it is damaged or cannot be read, or if
    its time is in the future, because it would count as newer than all changes until then.

    Raises
    ------
    InputError
        The stamp cannot be removed: the folder is read-only, or the stamp is a folder that is not empty.
    """
    stamp = Path(stamp)
    if os.path.lexists(stamp) and not _holds(stamp, files):
        with writing(stamp):
            if stamp.is_dir() and not stamp.is_symlink():
                if any(stamp.iterdir()):
                    raise InputError(f"{stamp} must be a file of the batch, but is a folder of others; remove it.")
                stamp.rmdir()
            else:
                stamp.unlink(missing_ok=True)


def _holds(stamp, files):
    try:
        return stamp.read_bytes() == _text(files).encode() and not in_future(stamp)
    except OSError:
        return False


def _text(files):
    return "".join(f"{_digest(Path(file))}  {Path(file).name}\n" for file in files)


def _digest(path):
    if not path.exists():
        return "missing"
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
