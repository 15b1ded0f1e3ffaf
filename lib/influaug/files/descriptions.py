"""What the description of a saved network asks for: it is bounded before any of it is built.

A description of a kilobyte can ask for a layer of gigabytes. So its counts are bounded first; then Keras builds the
network without values, which takes no memory, and its weights are compared with those that the file holds.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..backend import keras
from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .._types import PathLike

MOST_LAYERS, MOST_NESTED = 5000, 100
"""Objects called layers or parts of them in a description, and lists and objects one within another."""
MOST_FACTOR = 1024
"""Of `FACTORS`: with pictures of any size these cannot be bounded by what comes out."""
FACTORS = (
    "size",
    "padding",
    "n",
    "pool_size",
    "strides",
    "kernel_size",
    "dilation_rate",
    "cropping",
    "depth_multiplier",
)
MOST_VALUES = 2**25
"""Numbers that a layer may make of one image; 512 x 512 pixels with 64 channels have half as many."""
SPARE_WEIGHTS = 10_000
"""Weights that no file holds, such as the states of random generators."""
AUDIO = ("MelSpectrogram", "STFTSpectrogram")
"""Layers that compute tables of any size as they are made."""


def check_description(path: PathLike, config: Any, held: int) -> None:
    """Refuse the description of a network that asks for more than the file has or an image needs.

    Parameters
    ----------
    path : path
        Named in the message.
    config : dict
        The content of config.json, whose objects have been found harmless.
    held : int
        Number of weights in the file.

    Raises
    ------
    InputError
        In one sentence.
    Exception
        Keras cannot build it; which type it is depends on what is wrong.
    """
    _check_counts(path, config)
    with _without_values() as weights:
        model = keras.saving.deserialize_keras_object(_uncompiled(config), safe_mode=True)
        asked = sum(math.prod(weight.shape) for weight in weights())
        largest = max(map(_values, _tensors(model)), default=0)
    if asked > 2 * held + SPARE_WEIGHTS:
        raise InputError(f"{path} describes a network of {asked} weights, but holds {held}.")
    if largest > MOST_VALUES:
        raise InputError(
            f"{path} has a layer that makes {largest} numbers of one image, where at most {MOST_VALUES} are taken."
        )


def _check_counts(path, config):
    """Bound what a description says of itself, without recursion."""
    waiting, layers = [(config, 0, "")], 0
    while waiting:
        part, depth, name = waiting.pop()
        if depth > MOST_NESTED:
            raise InputError(f"{path} describes a network with more than {MOST_NESTED} parts one within another.")
        if isinstance(part, dict):
            layers += "class_name" in part and "config" in part and "inbound_nodes" in part
            waiting += [(value, depth + 1, key) for key, value in part.items()]
        elif isinstance(part, list):
            waiting += [(value, depth + 1, name) for value in part]
        elif name in FACTORS and isinstance(part, int | float) and not part <= MOST_FACTOR:
            raise InputError(f"{path} describes a layer with {name} {part}, where at most {MOST_FACTOR} is taken.")
        if layers > MOST_LAYERS:
            raise InputError(f"{path} describes a network of more than {MOST_LAYERS} layers.")


def _uncompiled(part):
    """A description without optimizers, losses and metrics at any depth."""
    if isinstance(part, dict):
        return {name: _uncompiled(value) for name, value in part.items() if name != "compile_config"}
    return [_uncompiled(value) for value in part] if isinstance(part, list) else part


@contextmanager
def _without_values() -> Iterator[Any]:
    """Let variables be made without values while the block runs, and forget them; yields a function: those made."""
    # Keras keeps such variables in a list, to give them values later on; it has no public name.
    from keras.src.backend.common import global_state

    name = "uninitialized_variables"
    before = global_state.get_global_attribute(name)
    global_state.set_global_attribute(name, [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield lambda: global_state.get_global_attribute(name)
    finally:
        global_state.set_global_attribute(name, before)


def _tensors(model):
    """What every layer gives, at any depth."""
    waiting = [model]
    while waiting:
        layer = waiting.pop()
        waiting += getattr(layer, "layers", [])
        for node in getattr(layer, "_inbound_nodes", []):
            yield from node.output_tensors


def _values(tensor):
    """Numbers in a tensor, with one image and one pixel where their number is open."""
    return math.prod(side or 1 for side in tensor.shape)
