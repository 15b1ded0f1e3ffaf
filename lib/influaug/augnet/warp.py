"""Warps of images by displacement fields, on whatever backend Keras computes.

A displacement field [n, height, width, 2] says in pixels where an output pixel comes from: output (i, j) is the input
at (i + d[i, j, 0], j + d[i, j, 1]), rows first, rows counted downwards. So zero is the identity, and a constant +1 in
the first channel moves the picture up. Everything here is differentiable and works on tensors and arrays alike.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..errors import InputError

if TYPE_CHECKING:
    from .._types import Tensor

ops = keras.ops

_BORDER = 2
"""Zeros around an image: as many as there are neighbours along an axis, so that both can lie outside."""


def warp(images: Tensor, displacement: Tensor) -> Tensor:
    """Bilinear interpolation of images at displaced pixels; what lies outside of an image is zero.

    Jaderberg et al. (2015), "Spatial Transformer Networks", equation 5; the same as `scipy.ndimage.map_coordinates`
    with ``order=1, mode='grid-constant'``. Four flat gathers from zero-padded images take the neighbours. It is the
    displacement, not the coordinate, that is split into whole and fractional part: the weights keep its precision.

    Parameters
    ----------
    images : float tensor [n, height, width, channels]
        On any scale.
    displacement : float tensor [n, height, width, 2]
        In pixels; any finite size.

    Returns
    -------
    float tensor [n, height, width, channels]
        Of the images' precision.

    Raises
    ------
    InputError
        Shapes that do not fit, or whole numbers.
    """
    images, displacement = ops.convert_to_tensor(images), ops.convert_to_tensor(displacement)
    _check(images, displacement)
    whole = ops.floor(displacement)
    down, right = ops.split(ops.cast(displacement - whole, images.dtype), 2, axis=-1)
    height, width, channels = images.shape[1:]
    edges = (_BORDER, _BORDER)
    pixels = ops.reshape(ops.pad(images, [(0, 0), edges, edges, (0, 0)]), (-1, channels))
    corner = _flat_index(whole, height, width)
    a, b, c, d = (ops.take(pixels, corner + step, axis=0) for step in _to_neighbours(width))
    above, below = a + right * (b - a), c + right * (d - c)
    return above + down * (below - above)


def bound(displacement: Tensor, limit: float) -> Tensor:
    """Keep every component of a displacement below a limit: d becomes m tanh(d / m), which hardly changes small ones.

    Parameters
    ----------
    displacement : float tensor
        Of any shape; in pixels.
    limit : float
        m, positive, in pixels.

    Returns
    -------
    float tensor
        Of the same shape.
    """
    if not limit > 0:
        raise InputError(f"limit is {limit!r}; it must be a positive number of pixels.")
    return limit * ops.tanh(displacement / limit)


def smooth(displacement: Tensor, size: int = 4) -> Tensor:
    """Average a displacement field over a window around each pixel; beyond its edges the field is its mirror image.

    Lee et al. (2020), section 4.1, smooth the flow field by average pooling with 4 x 4 windows. An even window has no
    middle and moves what it averages by half a pixel. The displacement is averaged here, and not the coordinates to
    fetch from, so that every constant field, the identity among them, stays as it is.

    Parameters
    ----------
    displacement : float tensor [n, height, width, 2]
    size : int
        Pixels a side of the window; 1 changes nothing. At most the height and width.

    Returns
    -------
    float tensor [n, height, width, 2]
    """
    if not 1 <= size <= min(displacement.shape[1:3]):
        raise InputError(f"size is {size!r}; the window must have 1 to {min(displacement.shape[1:3])} pixels a side.")
    height, width = displacement.shape[1:3]
    return _along_axes(_windows(height, size), _windows(width, size), displacement)


def upsample(control: Tensor, height: int, width: int) -> Tensor:
    """Bilinear interpolation between the points of a coarse grid that spans the image from corner to corner.

    The outermost control points lie on the outermost pixels, so that a linear field on the grid is the linear field on
    the pixels.

    Parameters
    ----------
    control : float tensor [n, rows, columns, channels]
    height, width : int
        Pixels of the result.

    Returns
    -------
    float tensor [n, height, width, channels]
    """
    rows, columns = control.shape[1:3]
    return _along_axes(_hats(height, rows), _hats(width, columns), control)


def _check(images, displacement):
    counts = {images.shape[0], displacement.shape[0]} - {None}
    if len(images.shape) != 4 or tuple(displacement.shape[1:]) != (*images.shape[1:3], 2) or len(counts) > 1:
        raise InputError(
            f"images have shape {tuple(images.shape)} and the displacement {tuple(displacement.shape)}; "
            "they must be [n, height, width, channels] and [n, height, width, 2]."
        )
    if not all(keras.backend.is_float_dtype(tensor.dtype) for tensor in (images, displacement)):
        raise InputError("images and displacement must be floating-point numbers, not whole ones.")


def _flat_index(whole, height, width):
    """Where in the padded images, flattened, the upper left neighbour of each output pixel is: int32 [n, h, w]."""
    top = _inside(whole[..., 0], np.arange(height).reshape(-1, 1), height)
    left = _inside(whole[..., 1], np.arange(width), width)
    row = width + 2 * _BORDER
    image = ops.arange(ops.shape(whole)[0], dtype="int32") * ((height + 2 * _BORDER) * row)
    return ops.reshape(image, (-1, 1, 1)) + top * row + left


def _inside(whole, positions, side):
    """Moved rows or columns as indices of the padded images; far outside, those of neighbours that are both zero."""
    # `ops.add` would not do: on TensorFlow, Keras 3.15 takes a column as wide as the image for a bias of its channels.
    moved = whole + ops.cast(positions, whole.dtype)
    # Clipped before it becomes an integer, which a huge displacement would overflow.
    return ops.cast(ops.clip(moved, -_BORDER, side), "int32") + _BORDER


def _to_neighbours(width):
    """Steps in the padded images, flattened, to a pixel, the next, the one below, and the next of that."""
    row = width + 2 * _BORDER
    return 0, 1, row, row + 1


def _along_axes(down, right, field):
    """Weighted sums [n, height, width, channels] of a field [n, rows, columns, channels], axis by axis."""
    across = ops.einsum("jc,nrck->nrjk", right, field)
    return ops.einsum("ir,nrjk->nijk", down, across)


@lru_cache(maxsize=32)
def _windows(pixels, size):
    """Weights of the pixels of one axis in the mean over a window around each, float32 [pixels, pixels]."""
    # Keras's own pooling and padding will not do: at the edges, "symmetric" on PyTorch repeats the outermost pixel.
    mirrored = np.pad(np.arange(pixels), (size // 2, (size - 1) // 2), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, size)
    return np.eye(pixels, dtype="float32")[windows].mean(axis=1)


@lru_cache(maxsize=32)
def _hats(pixels, points):
    """Weights of the control points at the pixels of one axis, float32 [pixels, points]; rows sum to one."""
    at = np.linspace(0, points - 1, pixels)[:, None]
    return np.maximum(0, 1 - np.abs(at - np.arange(points))).astype("float32")
