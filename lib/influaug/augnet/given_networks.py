"""Networks that people give, looked at before anything costly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..errors import InputError
from .at_test import error_and_loss, probabilities

if TYPE_CHECKING:
    from .._types import Shape

LOOKED_AT = 300
"""Labelled images by which `check_scale` tells on what scale a classifier was trained."""


def check_trained(model: keras.Model, image_shape: Shape) -> None:
    """Refuse a classifier that does not take such images, or that has no layer 'features' [n, d]."""
    _check_takes(model, image_shape, "classifier")
    if "features" not in [layer.name for layer in model.layers]:
        raise InputError("classifier has no layer 'features'; its last layer but one must be called so.")
    shape = model.get_layer("features").output.shape
    if len(shape) != 2:
        raise InputError(f"the classifier's layer 'features' gives {tuple(shape)}; it must give [n, d].")


def check_scale(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> None:
    """Refuse a classifier that was trained on images from 0 to 1, for it is given images from 0 to 255.

    Such a one has less than half the loss there that it has from 0 to 255, and than guessing has.

    Parameters
    ----------
    model : keras.Model
    images : array of uint8 [n, height, width, channels]
    labels : int array [n]
    """
    shape = _output_shape(model)
    if shape is None or len(shape) != 2 or not shape[1] or shape[1] <= labels.max():
        return  # what is learned by needs the features alone
    places = np.linspace(0, len(images) - 1, min(len(images), LOOKED_AT)).astype(int)
    images, labels = images[places].astype("float32"), labels[places]
    given, other = (error_and_loss(probabilities(model, images * part), labels)[1] for part in (1, 1 / 255))
    if 2 * other < min(given, np.log(shape[1])):
        raise InputError(
            f"classifier has a loss of {other:.3g} on the images from 0 to 1, and {given:.3g} from 0 to 255, as they "
            "are given to it; put keras.layers.Rescaling(1 / 255) before it."
        )


def check_predicts(model: keras.Model, image_shape: Shape, n_classes: int | None) -> None:
    """Refuse a classifier that does not take such images, or whose outputs are not [n, K], one for each class."""
    _check_takes(model, image_shape, "model")
    shape = _output_shape(model)
    if shape is None:
        raise InputError("model gives several outputs, or one in a list or dict; it must give one array [n, K].")
    if len(shape) != 2 or not shape[1] or shape[1] < 2 or shape[1] != (n_classes or shape[1]):
        wanted = "two or more" if n_classes is None else n_classes
        raise InputError(f"model gives {shape}; it must give [n, K] with {wanted} classes, one output for each.")
    if _last_activation(model) == "sigmoid":
        raise InputError("model ends with a sigmoid for each class; it must end with a softmax, or give logits.")


def check_rescales(model: keras.Model) -> None:
    """Refuse, for images from 0 to 1, a model without any layer that could have made them so of 0 to 255."""
    kinds = ("Rescaling", "Normalization", "BatchNormalization", "LayerNormalization", "GroupNormalization", "Lambda")
    if not any(type(layer).__name__ in kinds for layer in _parts(model)):
        raise InputError(
            "images are from 0 to 1, and model, which is given 0 to 255, has no layer that rescales them; put "
            "keras.layers.Rescaling(1 / 255) before it, or give images from 0 to 255 if it was trained on these."
        )


def _output_shape(model):
    """Shape of what a model gives, a tuple; None if that is no single array."""
    output = getattr(model, "output", model.outputs[0])  # a Sequential that was never called has outputs alone
    return tuple(output.shape) if hasattr(output, "shape") else None


def _last_activation(model):
    """Name of the activation that a model ends with, such as 'sigmoid'; 'linear' if its last layer has none."""
    while isinstance(model, keras.Model):
        model = (getattr(model, "operations", None) or model.layers)[-1]
    return getattr(getattr(model, "activation", None), "__name__", "linear")


def _parts(model):
    """The layers of a model, those of models in it among them."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _parts(layer)


def _check_takes(model, image_shape, name):
    """Refuse a network of other images; sides that it leaves open fit any."""
    inputs = getattr(model, "inputs", None) or ()
    if len(inputs) != 1:
        raise InputError(
            f"{name} has {len(inputs)} inputs that are known; it must be a Sequential or functional model that is "
            "built, and takes images alone."
        )
    shape = tuple(model.inputs[0].shape)[1:]
    fits = len(shape) == len(image_shape) and all(a in (None, b) for a, b in zip(shape, image_shape, strict=True))
    if not fits:
        raise InputError(f"{name} takes images of shape {shape}; those given are {tuple(image_shape)}.")
