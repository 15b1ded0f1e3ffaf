"""Transformation models of Lee et al. (2020), section 4: an encoder E, and generators G_s of warps and G_a of colours.

E looks at an image and gives a vector tau; G makes of tau how the image is changed. Both are convolutional and as small
as the paper's: 4 layers each for images like those of MNIST, 5 for CIFAR's. Half of tau is dropped at random, outside
of training too, so that one image has many copies. The paper's "Supplementary-B", which would give the layers' sizes,
is not public; sizes here are our own.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..errors import InputError
from ..networks.checks import check_seed
from .warp import bound, smooth, upsample, warp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from .._types import Shape, Tensor, TensorShape

layers, ops = keras.layers, keras.ops

PARTS = ("spatial", "appearance", "both")
LARGE_SIDE = 32
"""From this many pixels a side on, E and G have 5 layers rather than 4."""
SMALLEST_SIDE = 4

_KERNEL = 4
_SPATIAL = 6


@dataclass(frozen=True)
class Design:
    """How E and G are built.

    Attributes
    ----------
    parts : {'spatial', 'appearance', 'both'} or None
        What is learned; None is 'both' for colour images and 'spatial' for grey ones, which have no appearance model.
    tau : int
        Length of tau; the paper has 32, 64, 128 and 256.
    depth : int or None
        Layers of E and of G each, 2 or more; None is 5 from `LARGE_SIDE` pixels a side on, 4 below.
    width : int
        Channels of E's first layer, and of G's last but one; each layer further in has twice as many.
    normalise : bool
        Bring every tau to mean 0 and variance 1 (layer normalisation without gain and offset) before the dropout.
    last_scale : float
        Spread of the initial weights of G's last layer, as a part of what would keep variance; 0 gives the identity,
        and 0.1 displacements of about 1 px (root mean square) in images of 28 or 32 pixels, 2 px with a grid of 4.
    dropout : float
        Part of tau that is dropped, 0 up to below 1.
    diverse : bool
        Drop outside of training too, which is how the paper draws diverse copies.
    grid : int or None
        Control points a side, upsampled bilinearly; None, as the paper has it, is one point a pixel.
    smoothing : int
        Pixels a side of the window that the displacement is averaged over, cut to the image's size.
    limit : float or None
        Bound m, in pixels, of each component of the displacement, d = m tanh(d' / m); None is no bound.
    white : float
        What the images' scale ends at: 255 or 1. E sees images divided by it, and G_a's bias is in units of it.
    """

    parts: str | None = None
    tau: int = 128
    depth: int | None = None
    width: int = 16
    normalise: bool = True
    last_scale: float = 0.1
    dropout: float = 0.5
    diverse: bool = True
    grid: int | None = None
    smoothing: int = 4
    limit: float | None = None
    white: float = 255.0

    def __post_init__(self) -> None:
        if self.parts not in (None, *PARTS):
            raise InputError(f"parts is {self.parts!r}; it must be None or one of {', '.join(PARTS)}.")
        for name, least in (("tau", 1), ("depth", 2), ("width", 1), ("grid", 2), ("smoothing", 1)):
            check_whole_number(name, getattr(self, name), least, none=name in ("depth", "grid"))
        for name, least in (("last_scale", "least"), ("dropout", "least"), ("white", "above"), ("limit", "above")):
            check_number(name, getattr(self, name), strictly=least == "above", none=name == "limit")
        if not self.dropout < 1:
            raise InputError(f"dropout is {self.dropout!r}; it must be a part from 0 to below 1.")


def encoder(image_shape: Shape, design: Design, seed: int) -> keras.Sequential:
    """E: convolutions 4 x 4 that halve the map, then one layer over the whole map, to tau.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
    design : Design
    seed : int
        Of the initial weights.

    Returns
    -------
    keras.Sequential
        Images [n, height, width, channels] -> tau [n, design.tau], nothing dropped.
    """
    depth = _depth(image_shape, design)
    seeds = seeds_from(seed, depth)
    halving = [
        layers.Conv2D(
            design.width * 2**k,
            _KERNEL,
            strides=2,
            padding="same",
            activation="leaky_relu",
            kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
        )
        for k in range(depth - 1)
    ]
    whole = layers.Dense(design.tau, kernel_initializer=keras.initializers.GlorotUniform(seed=next(seeds)))
    norm = [layers.LayerNormalization(epsilon=1e-6, center=False, scale=False)] if design.normalise else []
    scale = layers.Rescaling(1 / design.white)
    return keras.Sequential(
        [layers.Input(image_shape), scale, *halving, layers.Flatten(), whole, *norm], name="encoder"
    )


def generator(image_shape: Shape, design: Design, seed: int, channels: int) -> keras.Sequential:
    """The body of G, E mirrored: one layer from tau to a small map, then transposed convolutions 4 x 4 that double it.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
    design : Design
    seed : int
        Of the initial weights.
    channels : int
        Of the last layer, which has no activation.

    Returns
    -------
    keras.Sequential
        tau [n, design.tau] -> map [n, height, width, channels], or [n, grid, grid, channels] of control points.
    """
    sizes = _sizes(image_shape, design)
    seeds, filters = seeds_from(seed, len(sizes)), design.width * 2 ** (len(sizes) - 2)
    first = keras.initializers.HeNormal(seed=next(seeds))
    body = [
        layers.Input((design.tau,)),
        layers.Dense(sizes[0][0] * sizes[0][1] * filters, "leaky_relu", kernel_initializer=first),
        layers.Reshape((*sizes[0], filters)),
    ]
    for k, (small, large) in enumerate(pairwise(sizes[:-1]), start=1):
        body += _doubling(small, large, filters // 2**k, 2, next(seeds), activation="leaky_relu")
    body += _doubling(*sizes[-2:], channels, design.last_scale**2, next(seeds))  # type: ignore[call-arg]
    return keras.Sequential(body, name="generator")


@keras.saving.register_keras_serializable("influaug")
class TransformationModel(keras.Model):
    """E and G together, with one tau: images to transformed images (Lee et al. 2020, section 4).

    Equation 20 reads ``s(i, j) = s_w(i, j) [i, j] + s_b(i, j) + [i, j]``: six channels, a 2 x 2 matrix and a bias at
    every pixel. How we read what it leaves open:

    * (i, j) is the output's pixel and s(i, j) where its value is fetched from. The paper calls (i, j) "the source
      coordinate", but it also interpolates "based on the coordinates in s".
    * In ``s_w [i, j]`` coordinates run from -1 to 1 with 0 at the centre, as in Jaderberg et al. (2015), and s_w and
      s_b are in half image sizes: a constant s_w scales, rotates and shears about the centre, and s_w = s_b = 0 is the
      identity. (The submission has no ``+ [i, j]``; there s_w = 1 is the identity.)
    * The 4 x 4 average pooling of s has stride 1, and pools the displacement s - [i, j]; see `warp.smooth`.
    * Global pooling of s_w and s_b, which makes the warp affine, is a remark there and not part of the model. c_w and
      c_b are pooled globally, as section 4.2 of the submission has it.
    * "In parallel" shares E, G and tau: G's last layer has 4 + 2 + 3 x 3 + 3 channels. The warp comes first and the
      colours then, the order of the rows of Figure 4; they commute but where pixels come from outside. "In series" is
      two models of one part each, see `in_series`.

    The appearance model gives ``x + c_w x + white c_b`` at each pixel. Nothing is clipped.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
        At least `SMALLEST_SIDE` pixels a side.
    design : Design
    seed : int
        Of the initial weights and the dropout.

    Attributes
    ----------
    design : Design
        With `parts` and `depth` as they came out for these images.
    encoder, generator : keras.Sequential
        E and the body of G.

    Raises
    ------
    InputError
        Unfit image_shape, or an appearance model for grey images.
    """

    def __init__(self, image_shape: Shape, design: Design | None = None, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.image_shape = checked_shape(image_shape)
        self.design = _completed(design or Design(), self.image_shape)
        self.seed = check_whole_number("seed", seed, 0)
        of_encoder, of_generator, of_dropout = seeds_from(seed, 3)
        self.encoder = encoder(self.image_shape, self.design, of_encoder)
        self.generator = generator(self.image_shape, self.design, of_generator, sum(self._channels()))
        self.seed_generator = keras.random.SeedGenerator(of_dropout)
        self.built = True

    def encode(self, images: Tensor, drop: bool | None = None, seed: int | None = None) -> Tensor:
        """Tau of images.

        Parameters
        ----------
        images : tensor [n, height, width, channels]
        drop : bool or None
            Whether part of tau is dropped; None is as the design's `diverse` says.
        seed : int or None
            Of this draw; None takes the next draw of the model's own.

        Returns
        -------
        float tensor [n, tau]
            What is kept is divided by 1 - dropout.
        """
        tau = self.encoder(ops.cast(images, self.compute_dtype))
        if not (self.design.diverse if drop is None else drop) or not self.design.dropout:
            return tau
        return keras.random.dropout(tau, self.design.dropout, seed=self.seed_generator if seed is None else seed)

    def fields(self, tau: Tensor) -> dict[str, Tensor]:
        """What G makes of tau.

        Parameters
        ----------
        tau : float tensor [n, tau]

        Returns
        -------
        dict
            'displacement' [n, height, width, 2] in pixels, if there is a spatial part; 'filter' [n, channels, channels]
            (from the second axis's colours come those of the first) and 'bias' [n, channels], in units of white, if
            there is an appearance part.
        """
        output = self.generator(tau)
        spatial, appearance = self._channels()
        fields = {"displacement": self._displacement(output[..., :spatial])} if spatial else {}
        if appearance:
            channels = self.image_shape[2]
            colours = ops.mean(output[..., spatial:], axis=(1, 2))
            fields["filter"] = ops.reshape(colours[:, : channels**2], (-1, channels, channels))
            fields["bias"] = colours[:, channels**2 :]
        return fields

    def transform(self, images: Tensor, tau: Tensor) -> Tensor:
        """Images as G transforms them, given tau.

        Parameters
        ----------
        images : tensor [n, height, width, channels]
            From 0 to `design.white`.
        tau : float tensor [n, tau]

        Returns
        -------
        float tensor [n, height, width, channels]
        """
        return self.apply(images, self.fields(tau))

    def apply(self, images: Tensor, fields: dict[str, Tensor]) -> Tensor:
        """Images transformed by what `fields` gave: float tensor [n, height, width, channels]."""
        images = ops.cast(images, self.compute_dtype)
        if "displacement" in fields:
            images = warp(images, fields["displacement"])
        if "filter" in fields:
            change = ops.einsum("nhwc,ndc->nhwd", images, fields["filter"])
            images = images + change + self.design.white * fields["bias"][:, None, None, :]
        return images

    def call(self, images: Tensor, training: bool | None = None, seed: int | None = None) -> Tensor:
        """Transform images, with part of tau dropped in training and, if the design is `diverse`, always."""
        return self.transform(images, self.encode(images, drop=bool(training) or self.design.diverse, seed=seed))

    def learned_displacement(self, images: Tensor, seed: int | None = None) -> Tensor:
        """Displacement of one copy of each image, part of tau dropped: float tensor [n, height, width, 2], in px."""
        fields = self.fields(self.encode(images, drop=True, seed=seed))
        return fields.get("displacement", ops.zeros((*images.shape[:3], 2)))

    def compute_output_shape(self, input_shape: TensorShape) -> TensorShape:
        """The images' own shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        about = {"image_shape": list(self.image_shape), "design": asdict(self.design), "seed": self.seed}
        return {**super().get_config(), **about}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A model, its weights at their initial values."""
        return cls(**{**config, "design": Design(**config["design"])})

    def _channels(self):
        """Channels of G's last layer: (of the spatial part, of the appearance part)."""
        colours = self.image_shape[2]
        spatial, appearance = self.design.parts != "appearance", self.design.parts != "spatial"
        return _SPATIAL * spatial, (colours * colours + colours) * appearance

    def _displacement(self, channels):
        """Equation 20 less the coordinates, in pixels, smoothed and bounded: [n, height, width, 2]."""
        height, width = self.image_shape[:2]
        if self.design.grid is not None:
            channels = upsample(channels, height, width)
        rows = ops.convert_to_tensor(_centred(height).reshape(-1, 1), channels.dtype)
        columns = ops.convert_to_tensor(_centred(width), channels.dtype)
        down = channels[..., 0] * rows + channels[..., 1] * columns + channels[..., 4]
        right = channels[..., 2] * rows + channels[..., 3] * columns + channels[..., 5]
        displacement = ops.stack([down * ((height - 1) / 2), right * ((width - 1) / 2)], axis=-1)
        displacement = smooth(displacement, min(self.design.smoothing, height, width))
        return displacement if self.design.limit is None else bound(displacement, self.design.limit)


def in_series(image_shape: Shape, design: Design | None = None, seed: int = 0) -> keras.Sequential:
    """A spatial model and then an appearance model, each with an E, a G and a tau of its own.

    The second E sees the warped image. This is our reading of "combined transform (in serial)" (section 5.2).

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
        Three channels, or whatever more than one.
    design : Design
        Of both, but for `parts`.
    seed : int

    Returns
    -------
    keras.Sequential
        Of two `TransformationModel`; images -> images.
    """
    design, shape = design or Design(), checked_shape(image_shape)
    models = [
        TransformationModel(shape, replace(design, parts=part), seed=own, name=part)
        for part, own in zip(PARTS[:2], seeds_from(seed, 2), strict=True)
    ]
    return keras.Sequential([layers.Input(shape), *models], name="in_series")


def _doubling(small, large, filters, gain, seed, activation=None):
    """A transposed convolution from one size of map to another: as large (kernel 1 x 1), twice, or twice less one.

    Its initial weights are normal and multiply variance by `gain`. Keras counts all of the kernel's pixels as inputs
    ('fan_out', as a transposed kernel's last axis is the input's), but every second one along each doubled axis, and
    fewer where the map is a single pixel, reaches any one output.
    """
    strides = [1 if a == b else 2 for a, b in zip(small, large, strict=True)]
    kernel = [1 if stride == 1 else _KERNEL for stride in strides]
    inputs = [min(size // stride, a) for size, stride, a in zip(kernel, strides, small, strict=True)]
    scale = gain * math.prod(kernel) / math.prod(inputs)
    weights = keras.initializers.VarianceScaling(scale, "fan_out", "untruncated_normal", seed) if gain else "zeros"
    grown = layers.Conv2DTranspose(
        filters, kernel, strides, padding="same", activation=activation, kernel_initializer=weights
    )
    beyond = [(0, a * stride - b) for a, stride, b in zip(small, strides, large, strict=True)]
    return [grown, layers.Cropping2D(beyond)] if any(map(any, beyond)) else [grown]


def _sizes(image_shape, design):
    """Sizes of G's maps (height, width), from the first to the last: each half the next, rounded up."""
    size = tuple(min(side, design.grid or side) for side in image_shape[:2])
    sizes = [size]
    for _ in range(_depth(image_shape, design) - 1):
        sizes.insert(0, tuple(-(-side // 2) for side in sizes[0]))
    return sizes


def _centred(side):
    """Coordinates of the pixels of one axis, from -1 to 1."""
    return np.linspace(-1, 1, side)


def _completed(design, image_shape):
    """The design with what it leaves open decided by the images."""
    grey = image_shape[2] == 1
    if grey and design.parts in ("appearance", "both"):
        raise InputError(f"parts is {design.parts!r}; grey images have no appearance model, only 'spatial'.")
    parts = design.parts or ("spatial" if grey else "both")
    return replace(design, parts=parts, depth=_depth(image_shape, design))


def _depth(image_shape, design):
    return design.depth or (5 if max(image_shape[:2]) >= LARGE_SIDE else 4)


def seeds_from(seed: int, count: int) -> Iterator[int]:
    """Seeds of random things, below 2^31, as Keras needs on PyTorch."""
    return iter((np.random.SeedSequence(check_seed(seed)).generate_state(count) >> 1).tolist())


def checked_shape(image_shape: Shape) -> Shape:
    """An image's height, width and channels; raises InputError if it is too small."""
    shape = tuple(int(side) for side in image_shape)
    if len(shape) != 3 or min(shape[:2]) < SMALLEST_SIDE or shape[2] < 1:
        raise InputError(
            f"images have shape {shape}; a transformation model needs (height, width, channels) "
            f"with at least {SMALLEST_SIDE} pixels a side."
        )
    return shape


def check_whole_number(name: str, value: Any, least: int, none: bool = False) -> Any:
    """A whole number of at least `least`, or None if that is allowed; raises InputError otherwise."""
    if value is None and none:
        return value
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} is {value!r}; it must be a whole number of at least {least}.")
    return int(value)


def check_number(name: str, value: float | None, strictly: bool, none: bool = False) -> None:
    """Refuse what is not a finite number, positive if `strictly` and else at least 0, or None if that is allowed."""
    if value is None and none:
        return
    right = isinstance(value, Real) and not isinstance(value, bool) and 0 <= value < math.inf
    if not right or (strictly and not value):
        raise InputError(f"{name} is {value!r}; it must be a {'positive' if strictly else 'non-negative'} number.")
