"""Residual networks of any depth 9n + 2, for images of 16 pixels a side and more."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..errors import InputError
from .checks import check_seed

if TYPE_CHECKING:
    from .._types import Shape, Tensor

layers = keras.layers

L2 = 1e-4
"""Penalty of the convolutions' weights, as in Keras's example: it adds ``L2 * sum(w ** 2)`` to the loss."""

SMALLEST_SIDE = 16
LARGE_SIDE = 64


def resnet(input_shape: Shape, n_classes: int, seed: int = 0, depth: int = 20) -> keras.Model:
    """Residual network with pre-activation bottleneck blocks ("ResNet-v2"), 256 features.

    He et al. (2016), "Identity Mappings in Deep Residual Networks", in the form of Keras's CIFAR-10 example, which the
    released code of Kuchnik & Smith (2019) uses with depth 56: three stages of (depth - 2) / 9 blocks with 64, 128 and
    256 channels, He-normal weights, `L2` on the convolutions. It differs from the example in three ways: pixels are
    scaled to -1..1 by its own first layer, where the example subtracts the mean of the training images outside of the
    network; it pools over whole maps, so that images of every size have 256 features (at 32 x 32 the example does the
    same); and images of 64 pixels a side or more are halved by stride 2 in the first convolution, which makes 96 x 96
    images four times as cheap.

    Parameters
    ----------
    input_shape : tuple of int (height, width, channels)
        At least 16 pixels a side.
    n_classes : int
    seed : int
        Of the initial weights.
    depth : int
        9n + 2: 20, 29, 38, 47, 56, ...

    Returns
    -------
    keras.Model
        uint8 images -> logits [n, n_classes]; not compiled; the layer named 'features' has 256 units.

    Raises
    ------
    InputError
        A depth that is not 9n + 2, or images too small.
    """
    check_residual(input_shape, depth)
    blocks = (depth - 2) // 9
    make = LayerMaker(seed, 9 * blocks + 5)
    inputs = layers.Input(input_shape)
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)
    x = make.convolution(x, 16, 3, 2 if min(input_shape[:2]) >= LARGE_SIDE else 1, "stem")
    x = make.activation(x, "stem")
    for stage, (inner, outer) in enumerate([(16, 64), (64, 128), (128, 256)]):
        for block in range(blocks):
            x = make.block(x, inner, outer, stage, block)
    x = make.activation(x, "last")
    x = layers.GlobalAveragePooling2D(name="features")(x)
    outputs = layers.Dense(n_classes, kernel_initializer=make.weights(), name="logits")(x)
    return keras.Model(inputs, outputs, name=f"resnet{depth}")


class LayerMaker:
    """Makes a network's layers, each with initial weights of its own seed."""

    def __init__(self, seed: int, count: int) -> None:
        self._seeds = iter(np.random.SeedSequence(check_seed(seed)).generate_state(count).tolist())

    def weights(self) -> keras.initializers.Initializer:
        """He-normal initial weights of the next seed (He et al., 2015)."""
        return keras.initializers.HeNormal(seed=next(self._seeds))

    def convolution(self, x: Tensor, filters: int, size: int, strides: int, name: str) -> Tensor:
        """A convolution, its weights decayed."""
        return layers.Conv2D(
            filters,
            size,
            strides,
            padding="same",
            kernel_initializer=self.weights(),
            kernel_regularizer=keras.regularizers.L2(L2),
            name=f"{name}_conv",
        )(x)

    def activation(self, x: Tensor, name: str) -> Tensor:
        """Batch normalisation and a rectified linear unit."""
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    def block(self, x: Tensor, inner: int, outer: int, stage: int, block: int) -> Tensor:
        """1 x 1, 3 x 3 and 1 x 1 convolution beside a shortcut; the stage's first block widens and may halve."""
        name, first = f"stage{stage}_block{block}", block == 0
        strides = 2 if first and stage else 1
        # The stem ends with the normalisation and activation that this block would begin with.
        y = x if first and not stage else self.activation(x, f"{name}_a")
        y = self.convolution(y, inner, 1, strides, f"{name}_a")
        y = self.convolution(self.activation(y, f"{name}_b"), inner, 3, 1, f"{name}_b")
        y = self.convolution(self.activation(y, f"{name}_c"), outer, 1, 1, f"{name}_c")
        shortcut = self.convolution(x, outer, 1, strides, f"{name}_shortcut") if first else x
        return layers.Add(name=f"{name}_add")([shortcut, y])


def check_residual(input_shape: Shape, depth: int) -> None:
    """Refuse a depth that is not 9n + 2, and images that are too small for a residual network."""
    if isinstance(depth, bool) or not isinstance(depth, Integral) or depth < 11 or depth % 9 != 2:
        raise InputError(f"depth is {depth!r}; it must be 9n + 2: 11, 20, 29, 38, 47, 56, ...")
    if len(input_shape) != 3 or min(input_shape[:2]) < SMALLEST_SIDE:
        raise InputError(
            f"images have shape {tuple(input_shape)}; this network needs (height, width, channels) "
            f"with at least {SMALLEST_SIDE} pixels a side."
        )
