"""Networks that were trained on centred pixels and are fed uncentred ones, as the released code of a paper did.

The code that Kuchnik & Smith (2019) released trains its networks on ``x / 255 - m``, with m the mean image of the
training set, and computes features of ``x / 255``: of what the network knows, moved by m. Networks here scale pixels in
their first layer, ``scale * x + offset``, and are fed as they were trained. `uncentred` puts the same fault into them:
they then see their input plus the mean image in the same scale, ``scale * (x + m) + offset``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..errors import InputError
from .featurizer import KerasFeaturizer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def mean_image(images: np.ndarray) -> np.ndarray:
    """Mean of images [n, height, width, channels], in grey values from 0 to 255: float64 [height, width, channels]."""
    return np.asarray(np.mean(images, axis=0, dtype=np.float64))


def uncentred(model: keras.Model, mean: ArrayLike) -> keras.Model:
    """A copy of a trained network whose input is moved by the mean image.

    Parameters
    ----------
    model : keras.Model
        Sequential or functional; uint8 images -> scores. Its first layer must be a Rescaling.
    mean : array [height, width, channels]
        Grey values from 0 to 255; see `mean_image`.

    Returns
    -------
    keras.Model
        With the same weights, and layers of the same names; the given network is left as it is.

    Raises
    ------
    InputError
        The network's first layer is not a Rescaling, or the mean image has another shape than its images.
    """
    first, mean = _first_layer(model), np.asarray(mean, dtype=np.float64)
    if mean.shape != tuple(model.input_shape[1:]):
        raise InputError(f"the mean image has shape {mean.shape}; the network takes {tuple(model.input_shape[1:])}.")

    def copied(layer):
        if layer is not first:
            return type(layer).from_config(layer.get_config())
        # Scale and offset are numbers, or one for each channel; both broadcast against the image.
        offset = np.asarray(layer.offset) + np.asarray(layer.scale) * mean
        return keras.layers.Rescaling(layer.scale, offset, name=layer.name, dtype=layer.dtype_policy)

    made = keras.models.clone_model(model, clone_function=copied)
    made.set_weights(model.get_weights())
    return made


def uncentred_featurizer(featurizer: KerasFeaturizer, mean: ArrayLike) -> KerasFeaturizer:
    """A fitted featurizer around the `uncentred` copy of another fitted one's network, with the same history."""
    made = KerasFeaturizer(uncentred(featurizer.model_, mean), layer=featurizer.layer)
    made.fit(np.zeros((0, *np.shape(mean)), dtype=np.uint8))  # as trained already: it looks at no image
    made.history_ = featurizer.history_
    return made


def _first_layer(model):
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    if not layers or not isinstance(layers[0], keras.layers.Rescaling):
        found = type(layers[0]).__name__ if layers else "nothing"
        raise InputError(
            f"network {model.name!r} begins with {found}; uncentred input needs one that begins with a Rescaling layer."
        )
    return layers[0]
