"""Artifacts: stored results with a manifest, which are never served after something that they depend on has changed.

An artifact is an .npz, .parquet or .json file with a manifest inside: its key (`keys`), the parameters in words,
versions, commit, device and time.
"""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from pyarrow import parquet

from influaug.files.limits import check_size
from influaug.files.sealed import (
    check_content,
    content_hash,
    read_about,
    read_arrays,
    read_json,
    with_seal,
    without_seal,
    write_arrays,
    write_json,
)
from influaug.files.writing import damage_named, replacing

from . import provenance

if TYPE_CHECKING:
    from typing import Any

    from influaug._types import PathLike

PACKAGES = ("influaug", "numpy", "scipy", "scikit-learn", "pandas", "keras", "imaug")


def manifest(artifact_key: str, **about: Any) -> dict[str, Any]:
    """Create the manifest that is stored inside an artifact."""
    return {
        "key": artifact_key,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        **provenance.record(),
        **about,
    }


def write_table(path: PathLike, about: dict[str, Any], table: pd.DataFrame) -> None:
    """Write a data frame with its manifest to a .parquet file."""
    with replacing(path) as temporary:
        table = table.copy(deep=False)
        table.attrs["manifest"] = json.dumps(with_seal({**about, "content": content_hash(_columns(table))}))
        table.to_parquet(temporary, index=False)


def _columns(table):
    return {name: pd.util.hash_pandas_object(column, index=False) for name, column in table.items()}


def read_table(path: PathLike, wanted: str | None = None) -> pd.DataFrame | None:
    """Read the data frame of an artifact; None if the file is missing or has another key (None: any key).

    Raises
    ------
    InputError
        The file is damaged.
    """
    if not Path(path).exists():
        return None
    with damage_named(path):
        _check_table(path)
        table = pd.read_parquet(path)
        about = without_seal(json.loads(table.attrs.pop("manifest")))
        if wanted not in (None, about["key"]):
            return None
        check_content(about, _columns(table))
        return table


def read_manifest(path: PathLike) -> dict[str, Any] | None:
    """Read the manifest of an artifact; None if the file is missing. Raises InputError if it is damaged."""
    path = Path(path)
    if not path.exists():
        return None
    with damage_named(path):
        if path.suffix == ".parquet":
            return without_seal(json.loads(pd.read_parquet(path, columns=[]).attrs["manifest"]))
    return read_about(path)


def key_of(path: PathLike) -> str | None:
    """Read the key of an artifact; None if it has no key. Raises InputError if it is damaged."""
    found = read_json(path) if Path(path).suffix == ".json" else read_manifest(path)
    return found.get("key") if isinstance(found, dict) else None


def replace_key(path: PathLike, key: str) -> None:
    """Replace the key of an artifact and change nothing else; the manifest keeps the former key too.

    Raises
    ------
    InputError
        The artifact is damaged or cannot be written.
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


def _check_table(path):
    """Refuse a table with too many cells for its file size, because a constant column compresses without limit."""
    about = parquet.read_metadata(path)
    pages = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
    check_size(path, max(8 * about.num_rows * about.num_columns, pages))
