"""Networks that people give, looked at before anything costly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from .._types import Shape
    from ..backend import keras


def check_trained(model: keras.Model, image_shape: Shape) -> None:
    """Refuse a classifier that does not take such images, or that has no layer 'features' [n, d]."""
    _check_takes(model, image_shape, "classifier")
    if "features" not in [layer.name for layer in model.layers]:
        raise InputError("classifier has no layer 'features'; its last layer but one must be called so.")
    shape = model.get_layer("features").output.shape
    if len(shape) != 2:
        raise InputError(f"the classifier's layer 'features' gives {tuple(shape)}; it must give [n, d].")


def check_predicts(model: keras.Model, image_shape: Shape, n_classes: int | None) -> None:
    """Refuse a classifier that does not take such images, or whose outputs are not [n, K], one for each class."""
    _check_takes(model, image_shape, "model")
    shape = tuple(model.output_shape)
    if len(shape) != 2 or shape[1] < 2 or shape[1] != (n_classes or shape[1]):
        wanted = "two or more" if n_classes is None else n_classes
        raise InputError(f"model gives {shape}; it must give [n, K] with {wanted} classes, one output for each.")


def _check_takes(model, image_shape, name):
    """Refuse a network of other images; sides that it leaves open fit any."""
    if len(model.inputs or ()) != 1:
        raise InputError(f"{name} has {len(model.inputs or ())} inputs that are known; it must take images alone.")
    shape = tuple(model.inputs[0].shape)[1:]
    fits = len(shape) == len(image_shape) and all(a in (None, b) for a, b in zip(shape, image_shape, strict=True))
    if not fits:
        raise InputError(f"{name} takes images of shape {shape}; those given are {tuple(image_shape)}.")
