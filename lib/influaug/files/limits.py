"""What a file from outside may unpack to: one that claims more is refused before memory is taken for it.

A few kilobytes of a compressed file can claim terabytes, and the header of an array says how large it is before any of
it is there. Sizes are therefore looked at first: those that the archive states, those that the arrays in it state, and
whether they fit each other.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from .._types import PathLike

FREE = 2**28
"""Bytes that any file may unpack to."""
RATIO = 100
"""How many times its own size a larger file may unpack to; images compress to a tenth, rarely to a thirtieth."""
MOST = 2**34
"""Bytes that no file may exceed unpacked."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def check_size(path: PathLike, unpacked: int, packed: int | None = None) -> None:
    """Refuse a file that unpacks to too many bytes.

    Parameters
    ----------
    path : path
        Named in the message.
    unpacked : int
        Bytes.
    packed : int, optional
        Bytes; those of the file itself if it is not given.

    Raises
    ------
    InputError
        More than `FREE` and than `RATIO` times `packed`, or more than `MOST`.
    """
    most = min(max(RATIO * (Path(path).stat().st_size if packed is None else packed), FREE), MOST)
    if unpacked > most:
        raise InputError(
            f"{path} would unpack to {unpacked} bytes, where at most {most} are taken from a file of its size."
        )


def check_members(path: PathLike, archive: zipfile.ZipFile) -> None:
    """Refuse a zip archive of members with a path, of equal names, packed in unusual ways, or too large in all.

    Parameters
    ----------
    path : path
        Named in the message.
    archive : zipfile.ZipFile

    Raises
    ------
    InputError
        With the member's name.
    """
    seen = set()
    for member in archive.infolist():
        name = member.filename
        if name in seen or name in ("", ".", "..") or {"/", "\\", "\n", ":"} & set(name):
            raise InputError(f"{path} holds {name!r}, where every member needs a plain name of its own.")
        if member.compress_type not in _METHODS or member.flag_bits & 1:
            raise InputError(f"{path}: {name} must be stored or deflated, without a password.")
        seen.add(name)
    check_size(path, sum(member.file_size for member in archive.infolist()))


def check_arrays(path: PathLike) -> None:
    """Refuse an .npz file of which a member is no plain array, or not of the size that its header claims.

    Parameters
    ----------
    path : path

    Raises
    ------
    InputError
        See `check_members`.
    ValueError, OSError, zipfile.BadZipFile and others
        It is no .npz file of plain arrays; which error it is depends on what is wrong with it.
    """
    with Path(path).open("rb") as file:
        if file.read(2) != b"PK":  # NumPy goes by the first bytes, zipfile by the last
            raise zipfile.BadZipFile
        with zipfile.ZipFile(file) as archive:
            check_members(path, archive)
            for member in archive.infolist():
                with archive.open(member) as content:
                    _check_array(content, member.file_size)


def _check_array(content, size):
    """Refuse an .npy file whose header does not claim exactly what there is of it."""
    shape, _, dtype = _HEADERS[np.lib.format.read_magic(content)](content)
    claimed = math.prod(shape) * max(dtype.itemsize, 1)
    if dtype.hasobject or min(shape, default=0) < 0 or claimed > size - content.tell():
        raise ValueError("it is no plain array of the size that it claims")
