"""Small files of trained networks: `save_featurizer` writes one, with the record of the training inside."""

from __future__ import annotations

import json
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from ..errors import InputError
from ..files.limits import check_members
from ..files.writing import check_whole, clear_folders, writing
from .featurizer import KerasFeaturizer, checked_images

if TYPE_CHECKING:
    from typing import Any

    from .._types import PathLike
    from ..backend import keras

_WEIGHTS, _RECORD = "model.weights.h5", "training.json"


def save_featurizer(
    model: keras.Model, path: PathLike, images: np.ndarray, history: dict[str, list[float]], record: dict[str, Any]
) -> KerasFeaturizer:
    """Save a trained network as a featurizer with the record of its training, all in one file.

    Kernels are stored in half precision if the network then gives every one of `images` the class it gave before, and
    in single precision otherwise; biases and normalisations are stored in single precision.

    Parameters
    ----------
    model : keras.Model
        uint8 images -> logits, with a layer named 'features'.
    path : str or Path
        Ends with '.keras'.
    images : array of uint8 [n, height, width, channels]
        One or more.
    history : dict
        What `train` returned; it becomes the featurizer's `history_`.
    record : dict
        Ready for JSON: settings, accuracy, provenance of the data. `read_record` gives it back, and beside it
        'kernels': 'float16' or 'float32'.

    Returns
    -------
    KerasFeaturizer
        What `KerasFeaturizer.load` reads from the file.
    """
    path, images = Path(path), checked_images(images)
    if path.suffix != ".keras" or not len(images):
        raise InputError(f"save_featurizer needs a file name that ends with .keras and some images, not {path.name!r}.")
    featurizer = KerasFeaturizer(model).fit(images)
    featurizer.history_ = history
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_folders(path)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            _smallest(featurizer, Path(folder), images, record).replace(path)
    return KerasFeaturizer.load(path)


def _smallest(featurizer, folder, images, record):
    """Path of the packed featurizer in a folder, its record inside; see `save_featurizer`."""
    whole, single, half = (folder / f"{name}.keras" for name in ("whole", "single", "half"))
    featurizer.save(whole)
    _pack(whole, single)
    _pack(whole, half, _halved)
    same = np.array_equal(_classes(featurizer, images), _classes(KerasFeaturizer.load(half), images))
    chosen, kernels = (half, "float16") if same else (single, "float32")
    with zipfile.ZipFile(chosen, "a") as archive:
        archive.writestr(_RECORD, json.dumps({**record, "kernels": kernels}))
    return chosen


def read_record(path: PathLike) -> dict[str, Any] | None:
    """The record that `save_featurizer` put into a file; None if there is none in it.

    Raises
    ------
    InputError
        The file is no saved network, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_members(path, archive)
            check_whole(path)
            return json.loads(archive.read(_RECORD)) if _RECORD in archive.namelist() else None
    except InputError:
        raise
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(f"{path} is not a saved network; it must be a .keras file.") from error


def _classes(featurizer, images):
    """The class with the highest score of each image."""
    return featurizer._outputs(images, 1).argmax(axis=1)


def _pack(source, target, change=lambda weights: weights):
    """Copy a .keras file, compressed, with its weights, the bytes of an HDF5 file, changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == _WEIGHTS else content)


def _halved(content):
    """All kernels, which are the arrays of two or more dimensions, in half precision."""
    halved = BytesIO()
    with h5py.File(BytesIO(content)) as old, h5py.File(halved, "w", libver="latest") as new:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                half = item.ndim > 1 and item.dtype == np.float32
                made = new.create_dataset(name, data=item[()].astype(np.float16) if half else item[()])
            else:
                made = new.require_group(name)
            made.attrs.update(item.attrs)

        old.visititems(copy)
        new.attrs.update(old.attrs)
    return halved.getvalue()
