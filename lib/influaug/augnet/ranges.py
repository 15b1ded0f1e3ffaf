"""Learned ranges of random warps: not one warp an image is learned, but the distribution that warps are drawn from.

A copy's displacement is its base shift + the sum over groups m of sigma_m u_m Phi_m. The u are uniform with mean 0 and
variance 1, drawn anew for each copy. The groups are the two shifts, rotation, scale, aspect, shear and bands of smooth
elastic waves. sigma_m, in pixels, is the range of a group: the root mean square, over pixels and draws, of the length
of its displacement. Log sigma is what is learned, either for all images together or by an E for each image.

Rotation and the other linear groups are fields that are linear in position: the first order of the true rotation,
which at a corner of a 28 x 28 image differs from it by 0.4 px for 12 degrees.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..errors import InputError
from .models import Design, check_number, check_whole_number, checked_shape, encoder, seeds_from
from .warp import warp

if TYPE_CHECKING:
    from typing import Any, Self

    from numpy.typing import ArrayLike

    from .._types import Shape, Tensor, TensorShape

layers, ops = keras.layers, keras.ops

LINEAR_GROUPS = ("vertical shift", "horizontal shift", "rotation", "scale", "aspect", "shear")
SIDE = 28
"""Pixels a side of the images that `Family`'s defaults are for."""

_BASE = 3


@dataclass(frozen=True)
class Family:
    """A family of distributions of warps.

    Attributes
    ----------
    base_shift : int
        Pixels; whole-pixel shifts up to it either way are evenly drawn for each axis, and not learned.
    flips : bool
        Mirror half of the images left to right, before anything else.
    bands : tuple of float
        Highest frequency of each elastic band, rising. The waves are cos(pi k (i + 1/2) / height) cos(pi l (j + 1/2) /
        width), once for each axis that they displace along; their frequency is sqrt(k^2 + l^2), in half waves a side.
    start : float
        sigma of every group at first, in pixels.
    cap : float
        What sigma stays below, in pixels: sigma = cap tanh(s / cap), where log s is the weight.
    """

    base_shift: int = 2
    flips: bool = False
    bands: tuple[float, ...] = (1, 2, 3, 4)
    start: float = 0.5
    cap: float = 4.0

    def __post_init__(self) -> None:
        check_whole_number("base_shift", self.base_shift, 0)
        if not isinstance(self.flips, bool):
            raise InputError(f"flips is {self.flips!r}; it must be True or False.")
        check_number("cap", self.cap, strictly=True)
        check_number("start", self.start, strictly=True)
        if not self.start < self.cap:
            raise InputError(f"start is {self.start!r}; it must be below cap, {self.cap!r}.")
        if any(a >= b for a, b in pairwise((0, *self.bands))):
            raise InputError(f"bands are {self.bands!r}; they must be positive and rise.")

    def scaled(self, image_shape: Shape) -> Self:
        """The same distribution, if it was meant for images of 28 pixels a side, in images of this shape."""
        size = max(image_shape[:2]) / SIDE
        return replace(self, base_shift=round(self.base_shift * size), start=self.start * size, cap=self.cap * size)

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in the order of sigma: tuple of str."""
        return (*LINEAR_GROUPS, *(f"elastic {band}" for band in range(1, len(self.bands) + 1)))


def modes(height: int, width: int, bands: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The fields Phi of all groups.

    The linear groups have one field each, of root mean square length 1 px. An elastic band's waves are as strong as one
    another, and as strong together: the mean squares of their lengths sum to 1 px^2.

    Parameters
    ----------
    height, width : int
        Pixels, each more than the last band's frequency.
    bands : tuple of float
        As in `Family`.

    Returns
    -------
    fields : array of float32 [k, height, width, 2]
        In pixels, displacement down and to the right; see `warp`.
    groups : array of int [k]
        Which group each belongs to.
    """
    if bands and not min(height, width) > max(bands):
        raise InputError(f"images are {height} x {width}; elastic waves up to {max(bands)} need more pixels a side.")
    down, right = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (height, width)), indexing="ij")
    one, none = np.ones_like(down), np.zeros_like(down)
    linear = [(one, none), (none, one), (right, -down), (down, right), (down, -right), (right, down)]
    families = [np.stack(field, axis=-1)[None] for field in linear] + _elastic(height, width, bands)
    fields = [field / np.sqrt(np.mean(field**2, axis=(1, 2)).sum()) for field in families]
    groups = np.repeat(np.arange(len(fields)), [len(field) for field in fields])
    return np.concatenate(fields).astype("float32"), groups


class RandomWarps(layers.Layer):  # type: ignore[name-defined]
    """Draws copies; where log sigma comes from is for subclasses to say.

    Images pass unchanged where it is called with ``training=False``, as in a model's `predict`.
    """

    def __init__(self, image_shape: Shape, family: Family | None = None, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.image_shape, self.family = checked_shape(image_shape), family or Family()
        self.seed = check_whole_number("seed", seed, 0)
        fields, self._group_of = modes(*self.image_shape[:2], self.family.bands)
        self._fields = fields.reshape(len(fields), -1)
        self.seed_generator = keras.random.SeedGenerator(next(seeds_from(seed, 1)))
        self.built = True

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, in the order of sigma: tuple of str."""
        return self.family.groups

    @property
    def n_uniforms(self) -> int:
        """Random numbers that a copy takes: two for its base shift, one for its flip, one for each field of `modes`."""
        return self.n_warp_uniforms

    @property
    def n_warp_uniforms(self) -> int:
        """Those of its base shift, flip and warps, which come first."""
        return _BASE + len(self._fields)

    def draw(self, n: Tensor, seed: int | None = None, paired: bool = False) -> Tensor:
        """Random numbers for n copies.

        Parameters
        ----------
        n : int or scalar tensor
        seed : int or None
            None takes the next draw of the layer's own.
        paired : bool
            The second half, n being even, has the base shifts and flips of the first and the opposite of its learned
            warps. What is odd in the warps cancels then in a mean over copies of the same images, and with it most of
            the noise in the gradient of small ranges.

        Returns
        -------
        float tensor [n, n_uniforms]
            Uniform from -1 to below 1.
        """
        seed = self.seed_generator if seed is None else seed
        if not paired:
            return keras.random.uniform((n, self.n_uniforms), -1, 1, dtype=self.compute_dtype, seed=seed)
        first = keras.random.uniform((n // 2, self.n_uniforms), -1, 1, dtype=self.compute_dtype, seed=seed)
        return ops.concatenate([first, first * self.opposite()], axis=0)

    def opposite(self) -> np.ndarray:
        """What the random numbers of a copy are multiplied with in its opposite: float array [n_uniforms]."""
        return np.where(np.arange(self.n_uniforms) < _BASE, 1, -1).astype(self.compute_dtype)

    def displacement(self, sigma: Tensor, uniforms: Tensor) -> Tensor:
        """Displacement fields of copies.

        Parameters
        ----------
        sigma : float tensor [n or 1, groups]
            In pixels.
        uniforms : float tensor [n, n_warp_uniforms]
            From -1 to 1.

        Returns
        -------
        float tensor [n, height, width, 2]
            In pixels; see `warp`.
        """
        sigma, uniforms = ops.convert_to_tensor(sigma), ops.convert_to_tensor(uniforms, self.compute_dtype)
        if sigma.shape[-1] != len(self.groups) or uniforms.shape[-1] != self.n_warp_uniforms:
            raise InputError(
                f"sigma has shape {tuple(sigma.shape)} and uniforms {tuple(uniforms.shape)}; "
                f"they must be [n or 1, {len(self.groups)}] and [n, {self.n_warp_uniforms}]."
            )
        return self._learned(sigma, uniforms) + self._base_shift(uniforms[:, :2])[:, None, None, :]

    def learned_displacement(self, images: Tensor, seed: int | None = None) -> Tensor:
        """Displacement of one copy of each image, without its base shift: float tensor [n, height, width, 2], in px."""
        return self._learned(self.sigma(images), self.draw(len(images), seed)[:, : self.n_warp_uniforms])

    def sigma(self, images: Tensor | None = None) -> Tensor:
        """The ranges in pixels, float tensor [n or 1, groups]: below the cap, softly."""
        cap = self.family.cap
        return cap * ops.tanh(ops.exp(self.log_range(images)) / cap)

    def call(
        self,
        images: Tensor,
        uniforms: Tensor | None = None,
        seed: int | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Copies of images, one of each.

        Parameters
        ----------
        images : tensor [n, height, width, channels]
            On any scale.
        uniforms : float tensor [n, n_uniforms] or None
            The random numbers; None is `draw(n, seed)`.
        seed : int or None
        training : bool or None
            False gives the images themselves.

        Returns
        -------
        float tensor [n, height, width, channels]
        """
        images = self.taken(images)
        if training is False:
            return images
        uniforms = self.draw(ops.shape(images)[0], seed) if uniforms is None else uniforms
        images = self.flipped(images, uniforms)
        return warp(images, self.displacement(self.sigma(images), uniforms))

    def taken(self, images: Tensor) -> Tensor:
        """Images as floats; refuses those of another shape than the layer's, as far as it is known."""
        images = ops.cast(images, self.compute_dtype)
        if getattr(images.shape, "rank", 4) is None:  # of a tensor of TensorFlow that does not know even that
            return images
        shape = tuple(images.shape)[1:]
        if len(shape) != 3 or any(a not in (None, b) for a, b in zip(shape, self.image_shape, strict=True)):
            raise InputError(f"images have shape [n, *{shape}]; this augmentation is of [n, *{self.image_shape}].")
        return images

    def flipped(self, images: Tensor, uniforms: Tensor) -> Tensor:
        """Images, half of them mirrored left to right if the family flips: float tensor of their shape."""
        if not self.family.flips:
            return images
        return ops.where(uniforms[:, 2, None, None, None] < 0, ops.flip(images, axis=2), images)

    def compute_output_shape(self, input_shape: TensorShape) -> TensorShape:
        """The images' own shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        about = {"image_shape": list(self.image_shape), "family": asdict(self.family), "seed": self.seed}
        return {**super().get_config(), **about}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer, its weights at their initial values."""
        family = {**config["family"], "bands": tuple(config["family"]["bands"])}
        return cls(**{**config, "family": Family(**family)})

    def _learned(self, sigma, uniforms):
        strengths = math.sqrt(3) * uniforms[:, _BASE:] * ops.take(sigma, self._group_of, axis=-1)
        return ops.reshape(ops.matmul(strengths, self._fields), (-1, *self.image_shape[:2], 2))

    def _base_shift(self, uniforms):
        furthest = self.family.base_shift
        shift = ops.floor((2 * furthest + 1) * (uniforms + 1) / 2) - furthest
        return ops.minimum(shift, furthest)


@keras.saving.register_keras_serializable("influaug")
class GlobalRanges(RandomWarps):
    """Random warps whose ranges are learned for all images together.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
    family : Family
    seed : int
        Of the draws.

    Attributes
    ----------
    log_sigma : keras.Variable [groups]
        The trainable weights: log s, where sigma = cap tanh(s / cap).
    """

    def __init__(self, image_shape: Shape, family: Family | None = None, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(image_shape, family, seed, **kwargs)
        start = keras.initializers.Constant(_log_range(self.family.start, self.family.cap).item())
        self.log_sigma = self.add_weight(shape=(len(self.groups),), initializer=start, name="log_sigma")

    def log_range(self, images: Tensor | None = None) -> Tensor:
        """Log s, float tensor [1, groups]."""
        return ops.convert_to_tensor(self.log_sigma)[None]

    def ranges(self) -> dict[str, float]:
        """Sigma by the name of its group, in pixels: dict of float."""
        return dict(zip(self.groups, ops.convert_to_numpy(self.sigma())[0].tolist(), strict=True))

    def assign(self, sigma: ArrayLike) -> None:
        """Set the ranges, as for ranges guessed by hand or exchanged among the groups.

        Parameters
        ----------
        sigma : array of float [groups]
            In pixels, from 0 to below the cap; a range of 0 cannot be learned away from 0.
        """
        sigma, cap = np.asarray(sigma, dtype=float), self.family.cap
        if sigma.shape != (len(self.groups),) or not np.all((sigma >= 0) & (sigma < cap)):
            raise InputError(f"sigma must be {len(self.groups)} numbers from 0 to below {cap}, but it is {sigma}.")
        self.log_sigma.assign(_log_range(sigma, cap))


@keras.saving.register_keras_serializable("influaug")
class ImageRanges(RandomWarps):
    """Random warps whose ranges an E predicts for each image.

    Log s is linear in E's tau. The last layer starts with small weights of spread `design.last_scale`, and so with
    nearly the same ranges for every image.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
    family : Family
    seed : int
        Of the draws and the initial weights.
    design : Design
        Of E; nothing of tau is dropped, as the draws are what makes copies differ.

    Attributes
    ----------
    predictor : keras.Sequential
        Images -> log s [n, groups]; its weights are the trainable ones.
    """

    def __init__(
        self,
        image_shape: Shape,
        family: Family | None = None,
        seed: int = 0,
        design: Design | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, family, seed, **kwargs)
        self.design = design or Design()
        _, of_encoder, of_last = seeds_from(self.seed, 3)
        spread = self.design.last_scale / math.sqrt(self.design.tau)
        start = _log_range(self.family.start, self.family.cap).item()
        last = layers.Dense(
            len(self.groups),
            kernel_initializer=keras.initializers.RandomNormal(0, spread, of_last),
            bias_initializer=keras.initializers.Constant(start),
        )
        body = encoder(self.image_shape, self.design, of_encoder)
        self.predictor = keras.Sequential([layers.Input(self.image_shape), body, last], name="predictor")

    def log_range(self, images: Tensor) -> Tensor:
        """Log s, float tensor [n, groups]."""
        return self.predictor(images)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        return {**super().get_config(), "design": asdict(self.design)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer, its weights at their initial values."""
        return super().from_config({**config, "design": Design(**config["design"])})


def _elastic(height, width, bands):
    """The waves of each band, each of mean square 1: list of arrays [waves, height, width, 2]."""
    down, right = _waves(height, bands), _waves(width, bands)
    frequency = np.hypot(*np.indices((len(down), len(right))))
    found = []
    for low, high in pairwise((0, *bands)):
        rows, columns = np.nonzero((frequency > low) & (frequency <= high))
        if not len(rows):
            raise InputError(f"bands are {bands}; there is no wave with a frequency above {low} and up to {high}.")
        waves = down[rows, :, None] * right[columns, None, :]
        waves = waves / np.sqrt(np.mean(waves**2, axis=(1, 2), keepdims=True))
        found.append(np.concatenate([waves[..., None] * [1, 0], waves[..., None] * [0, 1]]))
    return found


def _waves(side, bands):
    """Cosines [frequencies, side] of 0, 1, 2, ... half waves a side."""
    frequencies = np.arange(math.floor(max(bands, default=0)) + 1)
    return np.cos(math.pi * np.outer(frequencies, np.arange(side) + 0.5) / side)


def _log_range(sigma, cap):
    """Log s of a range sigma: the inverse of sigma = cap tanh(s / cap)."""
    with np.errstate(divide="ignore"):
        return np.log(cap * np.arctanh(np.asarray(sigma) / cap))
