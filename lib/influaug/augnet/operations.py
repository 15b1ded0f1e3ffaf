"""Operations on images, each with a gate and a strength by which what it makes can be differentiated.

The displacements of the geometric ones are added to those of the warps and made in one interpolation; the others follow
it, in the order of `GREY` and `COLOUR`. A gate is 0 or 1 where operations are chosen, and between the two where their
probabilities are learned (the binary concrete distribution: Maddison et al., 2017; Jang et al., 2017).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras

if TYPE_CHECKING:
    from .._types import Shape, Tensor

ops = keras.ops

GEOMETRIC = ("move down", "move right", "turn", "shear down", "shear right", "zoom")
GREY = ("contrast", "brightness", "erase")
COLOUR = ("saturation", "hue", "solarise", "posterise", "flip")
FIXED = ("solarise", "posterise", "flip")
"""Operations whose strength cannot be learned, for the copy is no smooth function of it; their gates can."""
SHIFT, SIDE = 5 / 32, 1 / 4
"""Half of TrivialAugment's furthest shift, and the side of the erased square, as parts of an image's side."""
ALIKE = {"turn": math.radians(15), "shear down": 0.15, "shear right": 0.15, "zoom": 0.15, "contrast": 0.45}
ALIKE |= {"brightness": 0.45, "saturation": 0.45, "hue": 0.1, "solarise": 0.5, "posterise": 0.5, "flip": 1.0}
"""Reference strengths in images of any size: radians, slopes, parts, and turns of the circle of hues."""
LUMINANCE = (0.299, 0.587, 0.114)
TO_YIQ = np.array([LUMINANCE, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)], "float32")


def operations_for(channels: int) -> tuple[str, ...]:
    """Names of the operations on images of so many channels; those of `COLOUR` need three."""
    return (*GEOMETRIC, *GREY, *(COLOUR if channels == 3 else ()))


def references(image_shape: Shape, names: tuple[str, ...]) -> np.ndarray:
    """Reference strengths, half of the ranges of TrivialAugment's space where it has the operation: float32 [K].

    Moves and the side of the erased square are in pixels.
    """
    height, width, _ = image_shape
    sized = {"move down": SHIFT * height, "move right": SHIFT * width, "erase": SIDE * max(height, width)}
    return np.array([(sized | ALIKE)[name] for name in names], "float32")


def fields(height: int, width: int) -> np.ndarray:
    """Displacement by each of `GEOMETRIC` at strength 1, in pixels: float32 [6, height, width, 2]; see `warp`.

    They are linear in position: of rotation the first order, as in `ranges.modes`.
    """
    down, right = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in (height, width)), indexing="ij")
    one, none = np.ones_like(down), np.zeros_like(down)
    found = [(one, none), (none, one), (right, -down), (right, none), (none, down), (down, right)]
    return np.stack([np.stack(field, axis=-1) for field in found]).astype("float32")


def displacement(gates: Tensor, strengths: Tensor, uniforms: Tensor, fields: np.ndarray) -> Tensor:
    """The sum of the displacements of the geometric operations, which come first.

    Parameters
    ----------
    gates, uniforms : float tensor [n, K]
        From 0 to 1, and from -1 to 1.
    strengths : float tensor [n or 1, K]
    fields : array [6, height, width, 2]

    Returns
    -------
    float tensor [n, height, width, 2]
        In pixels.
    """
    g = len(GEOMETRIC)
    amounts = (gates * strengths * uniforms)[:, :g]
    return ops.reshape(ops.matmul(amounts, fields.reshape(g, -1)), (-1, *fields.shape[1:]))


def changed(
    images: Tensor, names: tuple[str, ...], gates: Tensor, strengths: Tensor, uniforms: Tensor, places: Tensor
) -> Tensor:
    """Images after all operations that are not geometric.

    Parameters
    ----------
    images : float tensor [n, height, width, channels]
        From 0 to 255.
    names : tuple of str
        All operations, those of `GEOMETRIC` first.
    gates, uniforms : float tensor [n, K]
        From 0 to 1, and from -1 to 1.
    strengths : float tensor [n or 1, K]
    places : float tensor [n, 2]
        From -1 to 1: where the middle of the erased square is, down and to the right.

    Returns
    -------
    float tensor [n, height, width, channels]
        From 0 to 255.
    """
    for k, name in enumerate(names[len(GEOMETRIC) :], len(GEOMETRIC)):
        gate, strength, u = (ops.reshape(t[:, k], (-1, 1, 1, 1)) for t in (gates, strengths, uniforms))
        if name == "erase":
            images = images * (1 - gate * square(images, strength, places))
        elif name in FIXED:
            images = images + gate * (_FIXED[name](images, strength * ops.abs(u)) - images)
        else:
            images = images + _SMOOTH[name](images, gate * strength * u)
    return ops.clip(images, 0, 255)


def square(images: Tensor, side: Tensor, places: Tensor) -> Tensor:
    """How much of each pixel a square covers, from 0 to 1; its edges are pixels partly covered.

    Parameters
    ----------
    images : float tensor [n, height, width, channels]
        Their size is used.
    side : float tensor [n or 1, 1, 1, 1]
        In pixels.
    places : float tensor [n, 2]
        As in `changed`.

    Returns
    -------
    float tensor [n, height, width, 1]
    """
    rows, columns = (
        ops.clip((ops.reshape(side, (-1, 1)) + 1) / 2 - ops.abs(_from(places[:, axis], pixels)), 0, 1)
        for axis, pixels in enumerate(images.shape[1:3])
    )
    return rows[:, :, None, None] * columns[:, None, :, None]


def _from(place, pixels):
    """Distances [n, pixels] of the pixels of an axis from a place."""
    return np.arange(pixels, dtype="float32") - (place[:, None] + 1) * (pixels / 2) + 0.5


def _grey(images):
    """Luminance [n, height, width, 1]."""
    return images if images.shape[-1] != 3 else ops.sum(images * np.array(LUMINANCE, "float32"), -1, keepdims=True)


def _hue(images, amount):
    """What a turn of the circle of hues adds, from red towards blue; amount = 1 is the whole turn."""
    angle, yiq = 2 * math.pi * amount, ops.matmul(images, TO_YIQ.T)
    i, q = yiq[..., 1:2], yiq[..., 2:]
    turned = ops.concatenate(
        [yiq[..., :1], ops.cos(angle) * i - ops.sin(angle) * q, ops.sin(angle) * i + ops.cos(angle) * q], axis=-1
    )
    return ops.matmul(turned - yiq, np.linalg.inv(TO_YIQ).T.astype("float32"))


def _solarised(images, strength):
    return ops.where(images >= 256 * (1 - strength), 255 - images, images)


def _posterised(images, strength):
    step = 2.0 ** ops.round(4 * strength)
    return step * ops.floor(images / step)


_SMOOTH = {
    "contrast": lambda images, a: a * (images - ops.mean(_grey(images), axis=(1, 2), keepdims=True)),
    "brightness": lambda images, a: a * images,
    "saturation": lambda images, a: a * (images - _grey(images)),
    "hue": _hue,
}
_FIXED = {"solarise": _solarised, "posterise": _posterised, "flip": lambda images, strength: ops.flip(images, axis=2)}
