"""What the precision of a training depends on beside its network, and the refusal of trainings that diverge."""

from __future__ import annotations

import math

from ..backend import keras
from ..errors import InputError


def surroundings() -> tuple[str, str, str, str]:
    """Keras's settings that a network made now has for good: a network is shared only among equal ones.

    Returns
    -------
    tuple of str
        Backend, data type policy, type of floats, and order of an image's axes.
    """
    policy = keras.config.dtype_policy().name
    return keras.config.backend(), policy, keras.config.floatx(), keras.config.image_data_format()


def check_plain_settings() -> None:
    """Refuse Keras's settings under which no augmentation is learned: another type of floats, or order of axes."""
    policy = keras.config.dtype_policy()
    if policy.compute_dtype != "float32":
        raise InputError(
            f"Keras's dtype policy is {policy.name!r}, and augmentations are learned in 'float32'; call "
            "keras.config.set_dtype_policy('float32') first."
        )
    if keras.config.image_data_format() != "channels_last":
        raise InputError(
            "Keras's image_data_format is 'channels_first', and images here are [n, height, width, channels]; call "
            "keras.config.set_image_data_format('channels_last') first."
        )


def check_finite(loss: float, when: str) -> None:
    """Refuse a training of which the loss is no number any more: its weights are none either.

    Parameters
    ----------
    loss : float
    when : str
        To follow 'the loss is ... ', such as 'in epoch 3'.

    Raises
    ------
    InputError
        With what helps.
    """
    if not math.isfinite(loss):
        policy = keras.config.dtype_policy().name
        wider = "" if policy == "float32" else f", or the policy 'float32' in place of {policy!r},"
        raise InputError(f"The training diverged: the loss is {loss} {when}; a smaller learning rate{wider} may help.")
