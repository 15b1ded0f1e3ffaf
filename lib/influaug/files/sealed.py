"""JSON files and files of arrays that say what they are of, and tell whether they are what was written.

A JSON file ends with a seal, the hash of all that stands before it; a file of arrays holds a manifest with the hash of
its arrays, sealed itself. Files without a seal, of earlier versions, are read too.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .limits import check_arrays
from .writing import damage_named, replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .._types import PathLike

SEAL = "seal"


def key(**depends_on: Any) -> str:
    """Hash of everything an artifact depends on: JSON-able values, compared by content."""
    text = json.dumps(depends_on, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write_json(path: PathLike, content: Any, seal: bool = True) -> None:
    """Write JSON, whole or not at all; a dict gets a seal unless people are to use the file elsewhere."""
    content = with_seal(content) if seal else content
    with replacing(path) as temporary:
        temporary.write_text(_text(content) + "\n")


_PLAIN_LIST = re.compile(r"\[\n(?:[^\[\]{}\n]*\n)+? *\]")
_ROW = re.compile(r"^( +)\{\n(?:[^{}\n]*[^{}\[\n]\n)+?\1\}", re.MULTILINE)


def _text(content):
    """Indented JSON, each list of numbers or words and each row of a list on one line, else mostly white space."""
    text = json.dumps(content, indent=2, default=_plain)
    # A string holds no line break, so what spans lines is structure.
    text = _PLAIN_LIST.sub(lambda found: _on_one_line(found[0]), text)
    return _ROW.sub(lambda found: found[1] + _on_one_line(found[0].strip()), text)


def _on_one_line(part):
    lines = part[1:-1].strip().split("\n")
    return f"{part[0]}{' '.join(map(str.strip, lines))}{part[-1]}"


def with_seal(content: Any) -> Any:
    """JSON-able content as it is read again and, if it is a dict, with the hash of all of it as the last value."""
    content = json.loads(json.dumps(content, default=_plain))
    return {**content, SEAL: _seal(content)} if isinstance(content, dict) else content


def without_seal(content: Any) -> Any:
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
    about = with_seal({**about, "content": content_hash(arrays)})
    with replacing(path) as temporary:
        np.savez(temporary, manifest=np.array(json.dumps(about)), **arrays)


def content_hash(arrays: Mapping[str, Any]) -> str:
    """Hash of arrays, with their names, types and shapes."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        array = np.asarray(array)
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array))  # type: ignore[arg-type]
    return digest.hexdigest()[:16]


def check_content(about: dict[str, Any], arrays: Mapping[str, Any]) -> None:
    """Raise ValueError if arrays are not those that a manifest was written with."""
    if about["content"] != content_hash(arrays):
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
    with damage_named(path), opened(path) as file:
        about = without_seal(json.loads(str(file["manifest"])))
        if about["key"] != wanted:
            return None
        arrays = {name: file[name] for name in file.files if name != "manifest"}
        check_content(about, arrays)
        return arrays


def read_json(path: PathLike) -> Any:
    """The content of a JSON file; None if there is none. Raises InputError if it is damaged."""
    if not Path(path).exists():
        return None
    with damage_named(path):
        return without_seal(json.loads(Path(path).read_text()))


def opened(path: PathLike) -> Any:
    """An .npz file of plain arrays, opened; see `limits.check_arrays` for what is refused."""
    check_arrays(path)
    return np.load(path, allow_pickle=False)


def read_about(path: PathLike) -> dict[str, Any] | None:
    """The manifest of a file of arrays; None if there is none. Raises InputError if it is damaged."""
    if not Path(path).exists():
        return None
    with damage_named(path), opened(path) as file:
        return without_seal(json.loads(str(file["manifest"])))
