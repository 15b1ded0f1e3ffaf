"""Layers that multiply branches of a residual network by random factors, other ones going backward than forward.

Both use one identity: ``b * x + stop_gradient(f * x - b * x)`` has the value f x and the gradient b by x. Factors are
drawn anew for each image and call from a seeded generator that the layer owns; without training they are expectations.
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

from ..backend import keras
from ..errors import InputError
from .checks import check_seed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._types import Tensor, TensorShape

layers, ops = keras.layers, keras.ops


def scaled_both_ways(x: Tensor, forward: Tensor, backward: Tensor) -> Tensor:
    """Forward times x, with a gradient by x of backward times the gradient that comes in.

    Parameters
    ----------
    x : tensor [n, ...]
    forward, backward : tensor [n, 1, ...]
        Factors of each image, which get no gradient themselves.
    """
    through = ops.stop_gradient(backward) * x
    return through + ops.stop_gradient(forward * x - through)


class _Shaking(layers.Layer):  # type: ignore[name-defined]
    """A layer with draws of its own from a seed."""

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = check_seed(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def draws(self, x: Tensor, lowest: float = 0.0, highest: float = 1.0) -> Tensor:
        """Uniform numbers, one for each image of x [n, height, width, channels]: [n, 1, 1, 1]."""
        drawn = keras.random.uniform((ops.shape(x)[0], 1, 1, 1), lowest, highest, "float32", self.seed_generator)
        return ops.cast(drawn, x.dtype)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("influaug")
class ShakeShake(_Shaking):
    """Random convex combination of two branches (Gastaldi, 2017, "Shake-Shake regularization", arXiv:1705.07485).

    In training alpha a + (1 - alpha) b, and in the backward pass beta in the place of alpha; alpha and beta are uniform
    from 0 to 1, independent, and drawn for each image ("Shake-Shake-Image"). At test time (a + b) / 2.

    Parameters
    ----------
    seed : int
    """

    def call(self, branches: Sequence[Tensor], training: bool | None = None) -> Tensor:
        """Combine two tensors [n, height, width, channels] into one of the same shape."""
        a, b = branches
        if not training:
            return (a + b) / 2
        alpha, beta = self.draws(a), self.draws(a)
        return scaled_both_ways(a, alpha, beta) + scaled_both_ways(b, 1 - alpha, 1 - beta)

    def compute_output_shape(self, input_shape: Sequence[TensorShape]) -> TensorShape:
        """The shape of a branch."""
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable("influaug")
class ShakeDrop(_Shaking):
    """Random disturbance of one branch (Yamada et al., 2018, "ShakeDrop regularization", arXiv:1802.02375).

    In training (b + alpha - b alpha) x, and in the backward pass (b + beta - b beta) in the place of the factor: b is 1
    with probability `keep`, which leaves x as it is, and else 0; alpha is uniform from -1 to 1 and beta from 0 to 1,
    the ranges that the paper recommends; all are drawn for each image. At test time the expectation, keep x.

    Parameters
    ----------
    keep : float
        Probability, from 0 to 1, of leaving the branch of an image alone.
    seed : int
    """

    def __init__(self, keep: float = 0.5, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(seed, **kwargs)
        if not isinstance(keep, Real) or isinstance(keep, bool) or not 0 <= keep <= 1:
            raise InputError(f"keep is {keep!r}; it must be a probability, from 0 to 1.")
        self.keep: float = float(keep)

    def call(self, x: Tensor, training: bool | None = None) -> Tensor:
        """Disturb a tensor [n, height, width, channels]."""
        if not training:
            return self.keep * x  # alpha has the mean 0
        kept = ops.cast(self.draws(x) < self.keep, x.dtype)
        alpha, beta = self.draws(x, -1.0), self.draws(x)
        return scaled_both_ways(x, kept + alpha - kept * alpha, kept + beta - kept * beta)

    def compute_output_shape(self, input_shape: TensorShape) -> TensorShape:
        """The shape of the branch."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        return {**super().get_config(), "keep": self.keep}


@keras.saving.register_keras_serializable("influaug")
class WidenedAdd(layers.Layer):  # type: ignore[name-defined]
    """Sum of a shortcut and a wider branch; the channels that the shortcut lacks are zero (Han et al., 2017, 3.3)."""

    def call(self, parts: Sequence[Tensor]) -> Tensor:
        """Add tensors [n, height, width, c] and [n, height, width, d], d at least c."""
        shortcut, branch = parts
        lacking = branch.shape[-1] - shortcut.shape[-1]
        return branch + ops.pad(shortcut, [[0, 0], [0, 0], [0, 0], [0, lacking]])

    def compute_output_shape(self, input_shape: Sequence[TensorShape]) -> TensorShape:
        """The branch's shape."""
        return tuple(input_shape[1])
