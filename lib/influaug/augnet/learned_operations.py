r"""A family worth learning: warps and operations, their strengths and probabilities, by influence.

A copy's displacement is :math:`\sum_m \sigma_m u_m \Phi_m + \sum_k z_k s_k u_k \Psi_k` over the groups of warps and the
geometric operations; the other operations follow (`operations.changed`). Shifts are ranges like any other: there is no
base shift but one that `family` asks for. What is learned:

* the logarithm of the total strength t and shares a: strength m is :math:`t \sqrt{N\, \mathrm{softmax}(a)_m}` times its
  reference, so that at first all N strengths are t times their references;
* the logit of each operation's probability. Its gate is :math:`z = \sigma((\mathrm{logit} + \log v - \log(1 - v)) / T)`
  with v uniform from 0 to 1 (the binary concrete distribution), in learning and in use alike: above one half with that
  probability, and mostly near 0 or 1.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..backend import keras
from ..errors import InputError
from .models import check_number
from .operations import FIXED, changed, displacement, fields, operations_for, references
from .ranges import Family, RandomWarps
from .warp import warp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from .._types import Shape, Tensor

ops = keras.ops

TEMPERATURE = 0.25
FURTHEST = 2.0
"""Strengths of operations stay below so many times their reference, softly: in the range of TrivialAugment's space."""
_EDGE = 1e-6


class Logits(NamedTuple):
    """What is learned, a row for each image, or one for all of them.

    Attributes
    ----------
    total : float tensor [n or 1, 1]
        Logarithm of the total strength.
    shares : float tensor [n or 1, N]
        Logits of the shares.
    gates : float tensor [n or 1, K]
        Logits of the probabilities.
    """

    total: Tensor
    shares: Tensor
    gates: Tensor


class RandomlyOperated(RandomWarps):
    """Random warps and operations; where the logits of strengths and probabilities come from is for subclasses to say.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
    family : ranges.Family
        Its `start` is the first range of every group of warps, in pixels (default: without base shift).
    seed : int
        Of the draws.
    probability : float
        Of every operation at first, between 0 and 1.

    Attributes
    ----------
    names : tuple of str
        The K operations.
    strong : tuple of str
        What has a learned strength: the groups of warps, and the operations that are not `FIXED`; N names.
    """

    def __init__(
        self,
        image_shape: Shape,
        family: Family | None = None,
        seed: int = 0,
        probability: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, family or Family(base_shift=0), seed, **kwargs)
        check_number("probability", probability, strictly=True)
        if probability >= 1:
            raise InputError(f"probability is {probability!r}; it must be between 0 and 1.")
        self.names, self.probability = operations_for(self.image_shape[2]), float(probability)
        self._operation_fields = fields(*self.image_shape[:2])
        self._references = references(self.image_shape, self.names)
        self._smooth = np.array([name not in FIXED for name in self.names])
        self.strong = (*self.groups, *(name for name in self.names if name not in FIXED))

    @property
    def n_uniforms(self) -> int:
        """Random numbers that a copy takes: the warps', two for each operation (strength and gate), two for a place."""
        return self.n_warp_uniforms + 2 * len(self.names) + 2

    def opposite(self) -> np.ndarray:
        """As of `ranges.RandomWarps`; the gates and the place of a copy's opposite are its own."""
        signs, k = np.ones(self.n_uniforms, self.compute_dtype), len(self.names)
        signs[: self.n_warp_uniforms + k] = -1
        signs[: self.n_warp_uniforms - len(self._fields)] = 1
        return signs

    def at_first(self) -> list[np.ndarray]:
        """Logarithm of the total strength [1], logits of shares [N] and of probabilities [K], before learning."""
        logit = math.log(self.probability / (1 - self.probability))
        return [np.zeros(1), np.zeros(len(self.strong)), np.full(len(self.names), logit)]

    def take_over(self, start: keras.layers.Layer) -> None:
        """Set the weights to those of a layer that `begin_with` has checked."""
        self.set_weights(start.get_weights())

    def logits(self, images: Tensor | None = None, labels: Tensor | None = None) -> Logits:
        """What is learned, a row for each image, or one for all of them."""
        raise NotImplementedError

    def relative_to(self, logits: Logits) -> Tensor:
        """Strengths in units of their references: float tensor [n or 1, N], the warps' first."""
        return ops.exp(logits.total) * ops.sqrt(logits.shares.shape[-1] * ops.softmax(logits.shares))

    def sigma_of(self, relative: Tensor) -> Tensor:
        """Ranges of the warps in pixels, float tensor [n or 1, groups]: below the cap, softly."""
        cap, start = self.family.cap, self.family.start
        first = cap * math.atanh(start / cap)
        return cap * ops.tanh(relative[:, : len(self.groups)] * (first / cap))

    def strengths_of(self, relative: Tensor) -> Tensor:
        """Strengths of the operations, float tensor [n or 1, K]; those of `FIXED` are their references."""
        # Those of `FIXED` take any place, for what they find there is not used.
        places = len(self.groups) + np.where(self._smooth, np.cumsum(self._smooth) - 1, 0)
        learned = FURTHEST * ops.tanh(ops.take(relative, places, axis=-1) * math.atanh(1 / FURTHEST))
        return self._references * ops.where(self._smooth, learned, 1.0)

    def sigma(self, images: Tensor | None = None, labels: Tensor | None = None) -> Tensor:
        """The ranges of the warps in pixels, float tensor [n or 1, groups]."""
        return self.sigma_of(self.relative_to(self.logits(images, labels)))

    def call(
        self,
        images: Tensor,
        uniforms: Tensor | None = None,
        seed: int | None = None,
        training: bool | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Copies of images, 0 to 255, one of each; see `ranges.RandomWarps`.

        Labels [n] are looked at by the layers that have `needs_labels`.
        """
        images = self.taken(images)
        if training is False:
            return images
        uniforms = self.draw(ops.shape(images)[0], seed) if uniforms is None else uniforms
        first, k = self.n_warp_uniforms, len(self.names)
        warps, u, v, places = (uniforms[:, a:b] for a, b in _parts(0, first, first + k, first + 2 * k, self.n_uniforms))
        logits = self.logits(images, labels)
        relative = self.relative_to(logits)
        z, s = relaxed(logits.gates, v), self.strengths_of(relative)
        field = self.displacement(self.sigma_of(relative), warps) + displacement(z, s, u, self._operation_fields)
        return changed(warp(self.flipped(images, uniforms), field), self.names, z, s, u, places)

    def named(self, logits: Logits) -> dict[str, np.ndarray]:
        """Ranges of warps in pixels, then strengths and probabilities of operations, by name: arrays [n or 1]."""
        relative = self.relative_to(logits)
        warps, strengths = (ops.convert_to_numpy(f(relative)).T for f in (self.sigma_of, self.strengths_of))
        p = (1 / (1 + np.exp(-ops.convert_to_numpy(logits.gates).astype(float)))).T
        found = dict(zip(self.groups, warps, strict=True)) | dict(zip(self.names, strengths, strict=True))
        return found | {f"p({name})": each for name, each in zip(self.names, p, strict=True)}

    def begin_with(self, start: keras.layers.Layer) -> None:
        """Take over what `LearnedOperations` have learned, or all weights of a layer of this type.

        Raises
        ------
        InputError
            Another type of layer, or one of other images, operations or family.
        """
        if not isinstance(start, (LearnedOperations, type(self))):
            raise InputError(
                f"start is {start!r}; for this form it must be {LearnedOperations.__name__} or {type(self).__name__}."
            )
        for name, mine, theirs in (
            ("images of shape", self.image_shape, start.image_shape),
            ("the family", self.family, start.family),
        ):
            if mine != theirs:
                raise InputError(f"start has {name} {theirs}; it must have those that it is to go on with, {mine}.")
        self.take_over(start)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        return {**super().get_config(), "probability": self.probability}


@keras.saving.register_keras_serializable("influaug")
class LearnedOperations(RandomlyOperated):
    """Random warps and operations whose strengths and probabilities are learned for all images together.

    Parameters
    ----------
    image_shape, family, seed, probability
        As of `RandomlyOperated`.

    Attributes
    ----------
    log_total : keras.Variable [1]
    shares : keras.Variable [N]
        Logits: of the groups of warps, and of the operations whose strength is learned.
    gates : keras.Variable [K]
        Logits of the probabilities.
    """

    def __init__(
        self,
        image_shape: Shape,
        family: Family | None = None,
        seed: int = 0,
        probability: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, family, seed, probability, **kwargs)
        self.log_total, self.shares, self.gates = weights_like(self, self.at_first())

    def logits(self, images: Tensor | None = None, labels: Tensor | None = None) -> Logits:
        """What is learned, one row for all images."""
        return Logits(*(ops.convert_to_tensor(w)[None] for w in (self.log_total, self.shares, self.gates)))

    def relative(self) -> Tensor:
        """Strengths in units of their references: float tensor [N], the warps' first."""
        return self.relative_to(self.logits())[0]

    def strengths(self) -> Tensor:
        """Strengths of the operations, float tensor [1, K]; those of `FIXED` are their references."""
        return self.strengths_of(self.relative_to(self.logits()))

    def probabilities(self) -> np.ndarray:
        """How often each operation's gate is above one half: array [K]."""
        return 1 / (1 + np.exp(-ops.convert_to_numpy(self.gates).astype(float)))

    def ranges(self) -> dict[str, float]:
        """Ranges of warps in pixels, then strengths and probabilities of operations, by name: dict of float."""
        return {name: float(each[0]) for name, each in self.named(self.logits()).items()}

    def total(self) -> float:
        """The total strength: the root mean square of all strengths in units of their references."""
        return float(np.exp(ops.convert_to_numpy(self.log_total))[0])

    def scaled(self, factor: float) -> Self:
        """A layer with the total strength multiplied with a factor and all else as here."""
        check_number("factor", factor, strictly=True)
        layer = type(self).from_config(self.get_config())
        layer.set_weights([self.get_weights()[0] + np.log(factor), *self.get_weights()[1:]])
        return layer

    def permuted(self, rng: np.random.Generator) -> Self:
        """A layer with strengths exchanged at random among warps and among operations, and probabilities too."""
        layer, groups = type(self).from_config(self.get_config()), len(self.groups)
        total, shares, gates = self.get_weights()
        warps, operations = rng.permutation(shares[:groups]), rng.permutation(shares[groups:])
        layer.set_weights([total, np.concatenate([warps, operations]), rng.permutation(gates)])
        return layer

    def gate(self, uniforms: Tensor) -> Tensor:
        """Relaxed gates of operations, float tensor [n, K], of random numbers from -1 to 1."""
        return relaxed(ops.convert_to_tensor(self.gates)[None], uniforms)


def relaxed(logits: Tensor, uniforms: Tensor) -> Tensor:
    """Gates by the binary concrete distribution, float tensor [n, K], of random numbers from -1 to 1."""
    v = ops.clip((uniforms + 1) / 2, _EDGE, 1 - _EDGE)
    return ops.sigmoid((logits + ops.log(v) - ops.log(1 - v)) / TEMPERATURE)


def weights_like(layer: keras.layers.Layer, values: Sequence[np.ndarray]) -> list[keras.Variable]:
    """Weights of a layer with these initial values: log_total, shares and gates."""
    return [
        layer.add_weight(shape=value.shape, initializer=keras.initializers.Constant(value), name=name)
        for name, value in zip(("log_total", "shares", "gates"), values, strict=True)
    ]


def _parts(*ends):
    return list(pairwise(ends))
