"""Layers of augmentations in `.keras` files, with what is to be known of them beside Keras's own parts."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from ..backend import keras
from ..errors import InputError
from ..files.networks import check_network
from ..files.writing import replacing
from .chain import needs_labels

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any, TypeVar

    Found = TypeVar("Found")

_ABOUT = "influaug-augmentation.json"


def write(path: Path, layer: keras.layers.Layer, about: dict[str, Any]) -> None:
    """Write a layer and a description, of what JSON can hold, to a file, whole or not at all."""
    text = json.dumps(about)
    with replacing(path) as temporary:
        _model_of(layer).save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_ABOUT, text, zipfile.ZIP_DEFLATED)


def read(path: Path, around: Callable[[keras.layers.Layer, dict[str, Any]], Found]) -> Found:
    """What a function makes of the layer and the description in a file.

    Raises
    ------
    InputError
        The file is no augmentation that was saved here, or Keras's safe mode refuses it.
    """
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a saved augmentation; it must be a .keras file.")
    try:
        check_network(path)
        with zipfile.ZipFile(path) as archive:
            if _ABOUT not in archive.namelist():
                raise InputError(f"{path} holds no augmentation; AugmentationNetwork.save writes one.")
            about = json.loads(archive.read(_ABOUT))
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        return around(model.layers[-1], about)
    except InputError:
        raise
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(f"{path} holds no augmentation that Keras can load in its safe mode.") from error


def _model_of(layer):
    """A Keras model around a layer."""
    images = keras.layers.Input(layer.image_shape)
    if not needs_labels(layer):
        return keras.Sequential([images, layer])
    labels = keras.layers.Input((), dtype="int32")
    return keras.Model([images, labels], layer(images, labels=labels))
