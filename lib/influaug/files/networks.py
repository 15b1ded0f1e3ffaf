"""Saved networks from outside: what a `.keras` file may hold is looked at before Keras loads any of it.

Keras's safe mode refuses code in the file. Here everything else is refused that a trained network has no need of:
members other than Keras's and this package's own, objects that are not Keras's layers and their parts, weights that
lie in another file, weights that unpack to more than `influaug.files.limits` allows, and descriptions that ask for
more than that (`influaug.files.descriptions`). How a network was compiled is passed over, for it is loaded uncompiled.
"""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from ..backend import keras
from ..errors import InputError
from .descriptions import AUDIO, check_description
from .limits import check_members, check_size
from .writing import reason

if TYPE_CHECKING:
    from .._types import PathLike

MEMBERS = ("metadata.json", "config.json", "model.weights.h5")
OWN = ("influaug.json", "training.json", "influaug-augmentation.json")
MODULES = ("activations", "constraints", "dtype_policies", "initializers", "layers", "models", "ops", "random")
MODULES += ("regularizers", "src.models", "src.ops", "src.random", "src.layers", "src.dtype_policies")
COMPILED = ("losses", "metrics", "optimizers")
"""Modules of what a network within the network was compiled with."""
FILE_READERS = ("IntegerLookup", "StringLookup", "TextVectorization")
"""Layers that read a vocabulary from a file that their description names."""
CODE = ("FlaxLayer", "JaxLayer", "Lambda", "TFSMLayer", "TorchModuleWrapper", "__lambda__", "__typespec__")
"""What runs code that the file brings along."""


def network_path(path: PathLike) -> Path:
    """The path of a saved network; an InputError where it cannot be one of a file, whether there is one or not."""
    try:
        found = Path(path)
        found.is_file()
    except (OSError, TypeError, ValueError) as error:
        shown = repr(path)[:200]
        raise InputError(
            f"{shown} is not the path of a saved network ({reason(error)}); it must be a .keras file."
        ) from None
    if "\0" in str(found):
        raise InputError(f"{str(found)[:200]!r} is not the path of a saved network, for it has a null character.")
    return found


def check_network(path: PathLike) -> None:
    """Refuse a saved network that is more than layers and weights.

    Parameters
    ----------
    path : path
        A zip archive.

    Raises
    ------
    InputError
        With what is wrong.
    KeyError, ValueError, OSError, zipfile.BadZipFile and others
        It is damaged; which error it is depends on what is wrong with it.
    """
    with zipfile.ZipFile(path) as archive:
        check_members(path, archive)
        strange = sorted(set(archive.namelist()) - {*MEMBERS, *OWN})
        if strange:
            raise InputError(f"{path} holds {strange[0]!r}; a saved network holds {', '.join((*MEMBERS, *OWN))} alone.")
        config = {**json.loads(archive.read("config.json")), "compile_config": None}
        for described, modules in _objects(config):
            _check_object(path, described, modules)
        with h5py.File(BytesIO(archive.read("model.weights.h5"))) as weights:
            held = _check_weights(path, weights)
        check_description(path, config, held)


def _objects(config):
    """Every description of an object, at any depth, and the modules of Keras that it may be of."""
    waiting = [(config, MODULES)]
    while waiting:
        part, modules = waiting.pop()
        if isinstance(part, dict):
            waiting += [(value, modules + COMPILED * (name == "compile_config")) for name, value in part.items()]
            if "class_name" in part:
                yield part, modules
        elif isinstance(part, list):
            waiting += [(value, modules) for value in part]


def _check_object(path, described, modules):
    name, module = described["class_name"], described.get("module")
    registered = described.get("registered_name")
    if isinstance(registered, str) and keras.saving.get_registered_object(registered) is not None:
        return  # of this package, or registered by who loads the file
    known = module in (None, "builtins", "keras") or str(module).startswith(tuple(f"keras.{part}" for part in modules))
    if not known or name in (*FILE_READERS, *CODE, *AUDIO):
        shown = f"{module}.{name}"[:100]
        raise InputError(
            f"{path} asks for {shown!r}; in safe mode a network has Keras's layers, and no code of its own."
        )


def _check_weights(path, weights):
    """Refuse weights that lie elsewhere, or that unpack to too much; how many there are, the optimizer's left out."""
    arrays = []
    link = weights.visititems_links(lambda name, link: None if isinstance(link, h5py.HardLink) else name)
    weights.visititems(lambda _, item: arrays.append(item) if isinstance(item, h5py.Dataset) else None)
    if link is not None or any(array.external or array.is_virtual for array in arrays):
        raise InputError(f"{path} has weights that lie in another place; a saved network has its own.")
    if any(array.dtype.hasobject for array in arrays):
        raise InputError(f"{path} has weights that are no numbers.")
    check_size(path, sum(array.nbytes for array in arrays))
    return sum(array.size for array in arrays if not array.name.startswith("/optimizer/"))
