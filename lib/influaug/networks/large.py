"""The large networks of Lee et al. (2020), tables 2 and 3: Shake-Shake, PyramidNet with ShakeDrop, ResNet for ImageNet.

Each takes images from 0 to 255, scales them to -1..1 by its first layer and has a layer named 'features'. Convolutions
are He-normal, without biases, and decayed. Sizes that a paper leaves open are those of AutoAugment's released code,
with which Lee et al. compare "under the same setting" (Cubuk et al., 2019; tensorflow/models, research/autoaugment).
"""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

from ..backend import keras
from ..errors import InputError
from .residual import LayerMaker, check_residual
from .shaking import ShakeDrop, ShakeShake, WidenedAdd

if TYPE_CHECKING:
    from .._types import Shape, Tensor

layers = keras.layers

LAST_DROP = 0.5
"""Probability that ShakeDrop disturbs the last block; it rises linearly from the first (Yamada et al., 2018)."""
BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
"""Blocks in each stage of a ResNet for ImageNet: He et al. (2016a), table 1, and (2016b) for 200 layers."""


def shake_shake(
    input_shape: Shape, n_classes: int, seed: int = 0, depth: int = 26, width: int = 96, decay: float = 1e-3
) -> keras.Model:
    """Shake-Shake network (Gastaldi, 2017), 4 * width features: 26 2x96d by default, 26.2 million weights.

    Three stages of (depth - 2) / 6 blocks with width, 2 width and 4 width channels; a block adds to its shortcut two
    branches of two 3 x 3 convolutions, combined by `shaking.ShakeShake`. Where the width changes, the shortcut is two
    1 x 1 convolutions side by side, one of the map and one of the map shifted by a pixel, normalised.

    Parameters
    ----------
    input_shape : tuple of int (height, width, channels)
        At least 16 pixels a side.
    n_classes : int
    seed : int
        Of the initial weights and the draws.
    depth : int
        6n + 2: 8, 14, 20, 26, ...
    width : int
        Channels of the first stage, even.
    decay : float
        Weight decay: ``decay / 2 * sum(w ** 2)`` over the convolutions is added to the loss.

    Returns
    -------
    keras.Model
        Images from 0 to 255 -> logits [n, n_classes]; not compiled; the layer 'features' has 4 * width units.

    Raises
    ------
    InputError
        A depth or width that does not fit, or images too small.
    """
    if not _is_whole(depth) or depth < 8 or depth % 6 != 2:
        raise InputError(f"depth is {depth!r}; it must be 6n + 2: 8, 14, 20, 26, ...")
    _check_side(input_shape, 16)
    if not _is_whole(width) or width < 2 or width % 2:
        raise InputError(f"width is {width!r}; it must be an even whole number of at least 2.")
    blocks = (depth - 2) // 6
    make = _Maker(seed, 3 * (5 * blocks + 2) + 2, decay)
    inputs, x = make.entrance(input_shape, 16)
    for stage, filters in enumerate([width, 2 * width, 4 * width]):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            x = make.shaken(x, filters, strides, f"stage{stage}_block{block}")
    x = layers.ReLU(name="last_relu")(x)
    return make.exit(inputs, x, n_classes, f"shake_shake_{depth}_2x{width}d")


def pyramid_shakedrop(
    input_shape: Shape, n_classes: int, seed: int = 0, depth: int = 272, widening: int = 200, decay: float = 5e-5
) -> keras.Model:
    """PyramidNet with bottleneck blocks and ShakeDrop: by default 272 layers, 864 features, 26.2 million weights.

    Han et al. (2017), "Deep Pyramidal Residual Networks" (table 4: 26.0 million for 272 layers and a widening of 200),
    with Yamada et al. (2018): (depth - 2) / 9 blocks in each of three stages; block k of N has 16 + k widening / N
    channels inside and four times as many outside, rounded; `shaking.ShakeDrop` disturbs it with the probability
    `LAST_DROP` k / N. A shortcut is averaged where the map is halved, and has zeros in the channels that it lacks.

    Parameters
    ----------
    input_shape : tuple of int (height, width, channels)
        At least 16 pixels a side.
    n_classes : int
    seed : int
        Of the initial weights and the draws.
    depth : int
        9n + 2: 11, 20, 29, ...
    widening : int
        Channels that the last block has inside beyond 16 ("alpha").
    decay : float
        Weight decay, as in `shake_shake`.

    Returns
    -------
    keras.Model
        Images from 0 to 255 -> logits [n, n_classes]; not compiled; the layer 'features' has 4 * (16 + widening) units.

    Raises
    ------
    InputError
        A depth or widening that does not fit, or images too small.
    """
    check_residual(input_shape, depth)
    if not _is_whole(widening) or widening < 1:
        raise InputError(f"widening is {widening!r}; it must be a whole number of at least 1.")
    blocks = (depth - 2) // 3
    make = _Maker(seed, 4 * blocks + 2, decay)
    inputs, x = make.entrance(input_shape, 16)
    for k in range(1, blocks + 1):
        filters = int(16 + k * widening / blocks + 0.5)
        strides = 2 if k in (blocks // 3 + 1, 2 * blocks // 3 + 1) else 1
        x = make.pyramidal(x, filters, strides, 1 - LAST_DROP * k / blocks, f"block{k - 1}")
    return make.exit(inputs, make.activation(x, "last"), n_classes, f"pyramidnet{depth}_shakedrop")


def imagenet_resnet(
    input_shape: Shape, n_classes: int, seed: int = 0, depth: int = 50, decay: float = 1e-4
) -> keras.Model:
    """Residual network for ImageNet (He et al., 2016a, "Deep Residual Learning for Image Recognition"), 2048 features.

    With 1000 classes ResNet-50 has 25,557,032 and ResNet-200 64,673,832 trained weights, as TensorFlow's and PyTorch's
    model zoos state. A 7 x 7 convolution and a pooling quarter the map; four stages of bottleneck blocks follow, as in
    `BLOCKS`, with 256 to 2048 channels. As in the paper, and in keras.applications, the first 1 x 1 convolution of a
    stage halves the map; torchvision halves it in the 3 x 3 convolution. keras.applications has no 200 layers, and
    draws its initial weights from a global seed. Lee et al. cite this paper for both depths.

    Parameters
    ----------
    input_shape : tuple of int (height, width, channels)
        At least 32 pixels a side; 224 on ImageNet.
    n_classes : int
    seed : int
        Of the initial weights.
    depth : {50, 101, 152, 200}
    decay : float
        Weight decay, as in `shake_shake`.

    Returns
    -------
    keras.Model
        Images from 0 to 255 -> logits [n, n_classes]; not compiled; the layer 'features' has 2048 units.

    Raises
    ------
    InputError
        Another depth, or images too small.
    """
    if not _is_whole(depth) or depth not in BLOCKS:
        raise InputError(f"depth is {depth!r}; it must be {', '.join(map(str, BLOCKS))}.")
    _check_side(input_shape, 32)
    make = _Maker(seed, 3 * sum(BLOCKS[depth]) + 6, decay)
    inputs = layers.Input(input_shape)
    x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)
    x = layers.ZeroPadding2D(3, name="stem_pad")(x)
    x = make.activation(make.convolution(x, 64, 7, 2, "stem", "valid"), "stem")
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(layers.ZeroPadding2D(1, name="pool_pad")(x))
    for stage, blocks in enumerate(BLOCKS[depth]):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            x = make.bottleneck(x, 64 * 2**stage, strides, block == 0, f"stage{stage}_block{block}")
    return make.exit(inputs, x, n_classes, f"imagenet_resnet{depth}")


class _Maker(LayerMaker):
    """Makes layers and blocks of large networks: convolutions without biases, and with a weight decay of their own."""

    def __init__(self, seed: int, count: int, decay: float) -> None:
        super().__init__(seed, count)
        self.decay = decay

    def convolution(self, x: Tensor, filters: int, size: int, strides: int, name: str, padding: str = "same") -> Tensor:
        """A convolution without biases, its weights decayed."""
        return layers.Conv2D(
            filters,
            size,
            strides,
            padding=padding,
            use_bias=False,
            kernel_initializer=self.weights(),
            kernel_regularizer=keras.regularizers.L2(self.decay / 2) if self.decay else None,
            name=f"{name}_conv",
        )(x)

    def seed_of_draws(self) -> int:
        """The next seed, of 31 bits: with PyTorch Keras's generators take no more."""
        return next(self._seeds) >> 1

    def normalised(self, x: Tensor, filters: int, size: int, strides: int, name: str) -> Tensor:
        """A convolution, and batch normalisation."""
        return layers.BatchNormalization(name=f"{name}_norm")(self.convolution(x, filters, size, strides, name))

    def entrance(self, input_shape: Shape, filters: int) -> tuple[Tensor, Tensor]:
        """The input, and a normalised 3 x 3 convolution of it, scaled to -1..1."""
        inputs = layers.Input(input_shape)
        x = layers.Rescaling(1 / 127.5, offset=-1, name="scale")(inputs)
        return inputs, self.normalised(x, filters, 3, 1, "stem")

    def exit(self, inputs: Tensor, x: Tensor, n_classes: int, name: str) -> keras.Model:
        """The model: features by an average over the map, and logits."""
        x = layers.GlobalAveragePooling2D(name="features")(x)
        outputs = layers.Dense(n_classes, kernel_initializer=self.weights(), name="logits")(x)
        return keras.Model(inputs, outputs, name=name)

    def shaken(self, x: Tensor, filters: int, strides: int, name: str) -> Tensor:
        """Two shaken branches beside a shortcut."""
        branches = [self._branch(x, filters, strides, f"{name}_{branch}") for branch in "ab"]
        shaken = ShakeShake(self.seed_of_draws(), name=f"{name}_shake")(branches)
        shortcut = x if x.shape[-1] == filters else self._two_paths(x, filters, strides, f"{name}_shortcut")
        return layers.Add(name=f"{name}_add")([shortcut, shaken])

    def _branch(self, x, filters, strides, name):
        x = self.normalised(layers.ReLU(name=f"{name}1_relu")(x), filters, 3, strides, f"{name}1")
        return self.normalised(layers.ReLU(name=f"{name}2_relu")(x), filters, 3, 1, f"{name}2")

    def _two_paths(self, x, filters, strides, name):
        # Where strides drop every other pixel, the second path sees those that the first one does not.
        shifted = layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_crop")(x)
        shifted = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(shifted)
        paths = [
            self.convolution(y, filters // 2, 1, strides, f"{name}_{path}")
            for path, y in zip("ab", (x, shifted), strict=True)
        ]
        return layers.BatchNormalization(name=f"{name}_norm")(layers.Concatenate(name=f"{name}_both")(paths))

    def pyramidal(self, x: Tensor, filters: int, strides: int, keep: float, name: str) -> Tensor:
        """A bottleneck with normalisations at both ends, disturbed, beside a shortcut without weights."""
        y = layers.BatchNormalization(name=f"{name}_first_norm")(x)
        y = layers.ReLU(name=f"{name}_a_relu")(self.normalised(y, filters, 1, 1, f"{name}_a"))
        y = layers.ReLU(name=f"{name}_b_relu")(self.normalised(y, filters, 3, strides, f"{name}_b"))
        y = self.normalised(y, 4 * filters, 1, 1, f"{name}_c")
        y = ShakeDrop(keep, self.seed_of_draws(), name=f"{name}_shake")(y)
        if strides > 1:
            x = layers.AveragePooling2D(strides, padding="same", name=f"{name}_pool")(x)
        return WidenedAdd(name=f"{name}_add")([x, y])

    def bottleneck(self, x: Tensor, inner: int, strides: int, first: bool, name: str) -> Tensor:
        """1 x 1, 3 x 3 and 1 x 1 convolution beside a shortcut, then a rectified linear unit."""
        y = layers.ReLU(name=f"{name}_a_relu")(self.normalised(x, inner, 1, strides, f"{name}_a"))
        y = layers.ReLU(name=f"{name}_b_relu")(self.normalised(y, inner, 3, 1, f"{name}_b"))
        y = self.normalised(y, 4 * inner, 1, 1, f"{name}_c")
        shortcut = self.normalised(x, 4 * inner, 1, strides, f"{name}_shortcut") if first else x
        return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([shortcut, y]))


def _check_side(input_shape, least):
    if len(input_shape) != 3 or min(input_shape[:2]) < least:
        raise InputError(
            f"images have shape {tuple(input_shape)}; this network needs (height, width, channels) "
            f"with at least {least} pixels a side."
        )


def _is_whole(value):
    return isinstance(value, Integral) and not isinstance(value, bool)
