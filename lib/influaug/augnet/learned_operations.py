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
from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..errors import InputError
from .models import check_number
from .operations import FIXED, changed, displacement, fields, operations_for, references
from .ranges import Family, RandomWarps
from .warp import warp

if TYPE_CHECKING:
    from typing import Any, Self

    from .._types import Shape, Tensor

ops = keras.ops

TEMPERATURE = 0.25
FURTHEST = 2.0
"""Strengths of operations stay below so many times their reference, softly: in the range of TrivialAugment's space."""
_EDGE = 1e-6


@keras.saving.register_keras_serializable("influaug")
class LearnedOperations(RandomWarps):
    """Random warps and operations whose strengths and probabilities are learned for all images together.

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
        super().__init__(image_shape, family or Family(base_shift=0), seed, **kwargs)
        check_number("probability", probability, strictly=True)
        if probability >= 1:
            raise InputError(f"probability is {probability!r}; it must be between 0 and 1.")
        self.names, self.probability = operations_for(self.image_shape[2]), float(probability)
        self._operation_fields = fields(*self.image_shape[:2])
        self._references = references(self.image_shape, self.names)
        self._smooth = np.array([name not in FIXED for name in self.names])
        self.log_total = self._weight(1, 0.0, "log_total")
        self.shares = self._weight(len(self.groups) + int(self._smooth.sum()), 0.0, "shares")
        self.gates = self._weight(len(self.names), math.log(probability / (1 - probability)), "gates")

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

    def relative(self) -> Tensor:
        """Strengths in units of their references: float tensor [N], the warps' first."""
        shares = ops.softmax(ops.convert_to_tensor(self.shares))
        return ops.exp(ops.convert_to_tensor(self.log_total)) * ops.sqrt(self.shares.shape[0] * shares)

    def sigma(self, images: Tensor | None = None) -> Tensor:
        """The ranges of the warps in pixels, float tensor [1, groups]: below the cap, softly."""
        cap, start = self.family.cap, self.family.start
        first = cap * math.atanh(start / cap)
        return cap * ops.tanh(self.relative()[None, : len(self.groups)] * (first / cap))

    def strengths(self) -> Tensor:
        """Strengths of the operations, float tensor [1, K]; those of `FIXED` are their references."""
        # Those of `FIXED` take any place, for what they find there is not used.
        places = len(self.groups) + np.where(self._smooth, np.cumsum(self._smooth) - 1, 0)
        learned = FURTHEST * ops.tanh(ops.take(self.relative(), places) * math.atanh(1 / FURTHEST))
        return (self._references * ops.where(self._smooth, learned, 1.0))[None]

    def probabilities(self) -> np.ndarray:
        """How often each operation's gate is above one half: array [K]."""
        return 1 / (1 + np.exp(-ops.convert_to_numpy(self.gates).astype(float)))

    def ranges(self) -> dict[str, float]:
        """Ranges of warps in pixels, then strengths and probabilities of operations, by name: dict of float."""
        warps, strengths = (ops.convert_to_numpy(values)[0].tolist() for values in (self.sigma(), self.strengths()))
        found = dict(zip(self.groups, warps, strict=True)) | dict(zip(self.names, strengths, strict=True))
        return found | {f"p({n})": p for n, p in zip(self.names, self.probabilities().tolist(), strict=True)}

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

    def call(
        self,
        images: Tensor,
        uniforms: Tensor | None = None,
        seed: int | None = None,
        training: bool | None = None,
    ) -> Tensor:
        """Copies of images, 0 to 255, one of each; see `ranges.RandomWarps`."""
        images = ops.cast(images, self.compute_dtype)
        if training is False:
            return images
        uniforms = self.draw(ops.shape(images)[0], seed) if uniforms is None else uniforms
        first, k = self.n_warp_uniforms, len(self.names)
        warps, u, v, places = (uniforms[:, a:b] for a, b in _parts(0, first, first + k, first + 2 * k, self.n_uniforms))
        z, s = self.gate(v), self.strengths()
        field = self.displacement(self.sigma(), warps) + displacement(z, s, u, self._operation_fields)
        return changed(warp(self.flipped(images, uniforms), field), self.names, z, s, u, places)

    def gate(self, uniforms: Tensor) -> Tensor:
        """Relaxed gates of operations, float tensor [n, K], of random numbers from -1 to 1."""
        v = ops.clip((uniforms + 1) / 2, _EDGE, 1 - _EDGE)
        return ops.sigmoid((ops.convert_to_tensor(self.gates)[None] + ops.log(v) - ops.log(1 - v)) / TEMPERATURE)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        return {**super().get_config(), "probability": self.probability}

    def _weight(self, n, value, name):
        return self.add_weight(shape=(n,), initializer=keras.initializers.Constant(value), name=name)


def _parts(*ends):
    return list(pairwise(ends))
