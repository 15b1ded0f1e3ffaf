"""What a stage makes, on disk: written whole or not at all, and never served when what it depends on has changed.

An artifact is an .npz, .parquet or .json file that carries its own manifest: the key of everything that it depends on
(parameters, data, upstream artifacts, the code that made it), the parameters in words, versions, and the time.
"""

import ast
import hashlib
import importlib.util
import inspect
import json
import os
import platform
import textwrap
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import parquet

from .errors import InputError
from .limits import check_arrays, check_size

PACKAGES = ("influaug", "numpy", "scipy", "scikit-learn", "pandas", "keras", "imaug")


@contextmanager
def replacing(path):
    """Yield a temporary path beside ``path`` that takes its place when the block ends well, and vanishes otherwise."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def key(**depends_on):
    """Hash of everything an artifact depends on: JSON-able values, compared by content."""
    text = json.dumps(depends_on, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def modules_of(*modules):
    """Source files of modules of this package and of those of this package that they import, directly or not."""
    files = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        spec = None if module in files else importlib.util.find_spec(module)
        if spec is not None:
            files[module] = Path(spec.origin)
            waiting += _imports(ast.parse(files[module].read_bytes()), module.rpartition(".")[0])
    return [files[module] for module in sorted(files)]


def _imports(tree, package):
    """Names in a package that a module of it imports; those that are no modules have no spec."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            absolute = "." * node.level + (node.module or "")
            source = importlib.util.resolve_name(absolute, package)
            names = [f"{source}.{name}" for name in names] if source == package else [source]
        yield from (name for name in names if name.startswith(f"{package}."))


def code_key(*modules, functions=()):
    """Hash of the code of `modules_of` the given modules and of functions; comments and docstrings do not count."""
    sources = [path.read_bytes() for path in modules_of(*modules)]
    sources += [textwrap.dedent(inspect.getsource(function)) for function in functions]
    trees = [ast.dump(_without_docstrings(ast.parse(source))) for source in sources]
    return hashlib.sha256("".join(trees).encode()).hexdigest()[:16]


def _without_docstrings(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree


def manifest(artifact_key, **about):
    """The record kept inside an artifact."""
    return {
        "key": artifact_key,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        **about,
    }


def write_json(path, content):
    """Write JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, default=_plain) + "\n")


def _plain(value):
    return value.item() if isinstance(value, np.generic) else list(value)


def write_arrays(path, about, **arrays):
    """Write arrays and their manifest to an .npz file."""
    about = {**about, "content": _content(arrays)}
    with replacing(path) as temporary:
        np.savez(temporary, manifest=np.array(json.dumps(about, default=_plain)), **arrays)


def write_table(path, about, table):
    """Write a data frame and its manifest to a .parquet file."""
    with replacing(path) as temporary:
        table = table.copy(deep=False)
        table.attrs["manifest"] = json.dumps({**about, "content": _content(_columns(table))}, default=_plain)
        table.to_parquet(temporary, index=False)


def _columns(table):
    return {name: pd.util.hash_pandas_object(column, index=False) for name, column in table.items()}


def _content(arrays):
    digest = hashlib.sha256()
    for name, array in arrays.items():
        array = np.asarray(array)
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()[:16]


def _check_content(about, arrays):
    if about["content"] != _content(arrays):
        raise ValueError("its content is not what was written")


def read_arrays(path, wanted):
    """Arrays of an artifact by name; None if there is none with the wanted key.

    Raises
    ------
    InputError
        The file is there but damaged.
    """
    if not Path(path).exists():
        return None
    with _damage_named(path), _opened(path) as file:
        about = json.loads(str(file["manifest"]))
        if about["key"] != wanted:
            return None
        arrays = {name: file[name] for name in file.files if name != "manifest"}
        _check_content(about, arrays)
        return arrays


def read_table(path, wanted=None):
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
        about = json.loads(table.attrs.pop("manifest"))
        if wanted not in (None, about["key"]):
            return None
        _check_content(about, _columns(table))
        return table


def read_manifest(path):
    """The manifest of an artifact; None if there is none. Raises InputError if it is damaged."""
    path = Path(path)
    if not path.exists():
        return None
    with _damage_named(path):
        if path.suffix == ".parquet":
            return json.loads(pd.read_parquet(path, columns=[]).attrs["manifest"])
        with _opened(path) as file:
            return json.loads(str(file["manifest"]))


def read_json(path):
    """The content of a JSON file; None if there is none. Raises InputError if it is damaged."""
    if not Path(path).exists():
        return None
    with _damage_named(path):
        return json.loads(Path(path).read_text())


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
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"{path} is damaged ({reason}); move it away and it will be made again.") from error
