"""Files that are written whole or not at all, and checked before they are believed."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import socket
import time
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._types import PathLike

LONGEST_SAVE = 3600
"""Seconds after which a folder in which a network was being saved belongs to a process that was killed."""


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends well, and vanishes otherwise.

    Every block has a path of its own, in threads of one process too; of two that end well the later one's file stays.
    What processes of this machine left beside it when they were killed vanishes too.

    Raises
    ------
    InputError
        The file cannot be written: the disk is full, or the folder read-only.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear(path)
        temporary = path.with_name(f"{_start(path)}{os.getpid()}.{secrets.token_hex(8)}{path.suffix}")
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: PathLike) -> Iterator[None]:
    """Turn the errors of a disk that is full or read-only into an InputError that names what cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise
        raise InputError(
            f"{path} cannot be written ({reason(error)}); make room there, or let INFLUAUG_OUTPUTS name a folder that "
            "can be written."
        ) from error


def reason(error: BaseException) -> str:
    """What an error says, in one line."""
    return getattr(error, "strerror", None) or next(iter(str(error).splitlines()), type(error).__name__)


def _start(path):
    # With the machine's name: on a file system that several share, a process of another one looks dead here.
    return f".{path.stem}.{socket.gethostname()}."


def _clear(path):
    start = _start(path)
    for left in path.parent.iterdir():
        if left.name.startswith(start) and left.suffix == path.suffix:
            process = left.name.removeprefix(start).removesuffix(path.suffix).partition(".")[0]
            if process.isdecimal() and not _alive(int(process)):
                left.unlink(missing_ok=True)


def _alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def clear_folders(path: PathLike) -> None:
    """Remove temporary folders of networks that were being saved at ``path`` by processes that were killed."""
    for left in Path(path).parent.glob(f".{Path(path).name}-*"):
        if left.is_dir() and time.time() - left.stat().st_mtime > LONGEST_SAVE:
            shutil.rmtree(left, ignore_errors=True)


def check_whole(path: PathLike) -> None:
    """Raise an InputError that names the file of a saved network if it is not the archive that was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(f"{path} is damaged ({reason(error)}); put a whole one there.") from error
    if wrong is not None:
        raise InputError(f"{path} is damaged (its {wrong} is not what was written); put a whole one there.")


@contextmanager
def damage_named(path: PathLike) -> Iterator[None]:
    """Turn whatever error reading a file raises into an InputError that names the file as damaged."""
    try:
        yield
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(f"{path} is damaged ({reason(error)}); move it away and it will be made again.") from error
