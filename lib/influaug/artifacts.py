"""What a stage makes, on disk: written whole or not at all, and never served when what it depends on has changed.

An artifact is an .npz, .parquet or .json file that carries its own manifest: the key of everything that it depends on
(parameters, data, upstream artifacts, the code that made it), the parameters in words, versions, commit, device and
the time. A JSON file and a manifest end with a seal, the hash of all that stands before it; older ones, without a seal,
are read too.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import shutil
import socket
import time
import zipfile
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pyarrow import parquet

from . import provenance
from .errors import InputError
from .limits import check_arrays, check_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .types import PathLike

PACKAGES = ("influaug", "numpy", "scipy", "scikit-learn", "pandas", "keras", "imaug")


SEAL = "seal"
LONGEST_SAVE = 3600
"""Seconds after which a folder in which a network was being saved belongs to a process that was killed."""


@contextmanager
def replacing(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends well, and vanishes otherwise.

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
        temporary = path.with_name(f"{_start(path)}{os.getpid()}{path.suffix}")
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
            f"{path} cannot be written ({_reason(error)}); make room there, or let INFLUAUG_OUTPUTS name a folder that "
            "can be written."
        ) from error


def _reason(error):
    return getattr(error, "strerror", None) or next(iter(str(error).splitlines()), type(error).__name__)


def _start(path):
    # With the machine's name: on a file system that several share, a process of another one looks dead here.
    return f".{path.stem}.{socket.gethostname()}."


def _clear(path):
    start = _start(path)
    for left in path.parent.iterdir():
        if left.name.startswith(start) and left.suffix == path.suffix:
            process = left.name.removeprefix(start).removesuffix(path.suffix)
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


def key(**depends_on: Any) -> str:
    """Hash of everything an artifact depends on: JSON-able values, compared by content."""
    text = json.dumps(depends_on, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def manifest(artifact_key: str, **about: Any) -> dict[str, Any]:
    """The record kept inside an artifact."""
    return {
        "key": artifact_key,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        **provenance.record(),
        **about,
    }


def write_json(path: PathLike, content: Any, seal: bool = True) -> None:
    """Write JSON, whole or not at all; a dict gets a seal unless people are to use the file elsewhere."""
    content = sealed(content) if seal else content
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, default=_plain) + "\n")


def sealed(content: Any) -> Any:
    """JSON-able content as it is read again and, if it is a dict, with the hash of all of it as the last value."""
    content = json.loads(json.dumps(content, default=_plain))
    return {**content, SEAL: _seal(content)} if isinstance(content, dict) else content


def unsealed(content: Any) -> Any:
    """Content without the seal, if it has one. Raises ValueError if it is not what was sealed."""
    if not isinstance(content, dict) or not content:
        return content
    *items, (name, value) = content.items()
    if (name == SEAL or SEAL in content) != (value == _seal(dict(items))):
        raise ValueError("its content is not what was written")
    return dict(items) if name == SEAL else content


def _seal(content):
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _plain(value):
    return value.item() if isinstance(value, np.generic) else list(value)


def write_arrays(path: PathLike, about: dict[str, Any], **arrays: Any) -> None:
    """Write arrays and their manifest to an .npz file."""
    about = sealed({**about, "content": _content(arrays)})
    with replacing(path) as temporary:
        np.savez(temporary, manifest=np.array(json.dumps(about)), **arrays)


def write_table(path: PathLike, about: dict[str, Any], table: pd.DataFrame) -> None:
    """Write a data frame and its manifest to a .parquet file."""
    with replacing(path) as temporary:
        table = table.copy(deep=False)
        table.attrs["manifest"] = json.dumps(sealed({**about, "content": _content(_columns(table))}))
        table.to_parquet(temporary, index=False)


def _columns(table):
    return {name: pd.util.hash_pandas_object(column, index=False) for name, column in table.items()}


def _content(arrays):
    digest = hashlib.sha256()
    for name, array in arrays.items():
        array = np.asarray(array)
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array))  # type: ignore[arg-type]
    return digest.hexdigest()[:16]


def _check_content(about, arrays):
    if about["content"] != _content(arrays):
        raise ValueError("its content is not what was written")


def read_arrays(path: PathLike, wanted: str) -> dict[str, np.ndarray] | None:
    """Arrays of an artifact by name; None if there is none with the wanted key.

    Raises
    ------
    InputError
        The file is there but damaged.
    """
    if not Path(path).exists():
        return None
    with _damage_named(path), _opened(path) as file:
        about = unsealed(json.loads(str(file["manifest"])))
        if about["key"] != wanted:
            return None
        arrays = {name: file[name] for name in file.files if name != "manifest"}
        _check_content(about, arrays)
        return arrays


def read_table(path: PathLike, wanted: str | None = None) -> pd.DataFrame | None:
    """The data frame of an artifact; None if there is none, or none with the wanted key (None: any).

    Raises
    ------
    InputError
        The file is there but damaged.
    """
    if not Path(path).exists():
        return None
    with _damage_named(path):
        _check_table(path)
        table = pd.read_parquet(path)
        about = unsealed(json.loads(table.attrs.pop("manifest")))
        if wanted not in (None, about["key"]):
            return None
        _check_content(about, _columns(table))
        return table


def read_manifest(path: PathLike) -> dict[str, Any] | None:
    """The manifest of an artifact; None if there is none. Raises InputError if it is damaged."""
    path = Path(path)
    if not path.exists():
        return None
    with _damage_named(path):
        if path.suffix == ".parquet":
            return unsealed(json.loads(pd.read_parquet(path, columns=[]).attrs["manifest"]))
        with _opened(path) as file:
            return unsealed(json.loads(str(file["manifest"])))


def key_of(path: PathLike) -> str | None:
    """The key of an artifact, None if it has none. Raises InputError if it is damaged."""
    found = read_json(path) if Path(path).suffix == ".json" else read_manifest(path)
    return found.get("key") if isinstance(found, dict) else None


def replace_key(path: PathLike, key: str) -> None:
    """Give an artifact another key and leave everything else as it is; the former key is kept beside it.

    Raises
    ------
    InputError
        It is damaged, or cannot be written.
    """
    path = Path(path)
    if path.suffix == ".json":
        found = read_json(path)
        write_json(path, {**found, "key": key, "former_key": found["key"]})
        return
    about = read_manifest(path) or {}
    about |= {"key": key, "former_key": about["key"]}
    if path.suffix == ".parquet":
        write_table(path, about, read_table(path))  # type: ignore[arg-type]
    else:
        write_arrays(path, about, **read_arrays(path, about["former_key"]))  # type: ignore[arg-type]


def read_json(path: PathLike) -> Any:
    """The content of a JSON file; None if there is none. Raises InputError if it is damaged."""
    if not Path(path).exists():
        return None
    with _damage_named(path):
        return unsealed(json.loads(Path(path).read_text()))


def check_whole(path: PathLike) -> None:
    """Raise an InputError that names the file of a saved network if it is not the archive that was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(f"{path} is damaged ({_reason(error)}); put a whole one there.") from error
    if wrong is not None:
        raise InputError(f"{path} is damaged (its {wrong} is not what was written); put a whole one there.")


def _opened(path):
    check_arrays(path)
    return np.load(path, allow_pickle=False)


def _check_table(path):
    """Refuse a table of more cells than a file of its size can have: a column of one value packs without limit."""
    about = parquet.read_metadata(path)
    pages = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
    check_size(path, max(8 * about.num_rows * about.num_columns, pages))


@contextmanager
def _damage_named(path):
    try:
        yield
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(f"{path} is damaged ({_reason(error)}); move it away and it will be made again.") from error
