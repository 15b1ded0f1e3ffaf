"""Flips, shears and zooms by fixed amounts. Pixels that come in from outside the image repeat its edge."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .transformation import Transformation, affine, strengths

if TYPE_CHECKING:
    from collections.abc import Iterable

STEEPEST = 60.0
"""Degrees of the largest shear; at 60 a line leans by 1.7 times its height."""
ZOOMS = 0.1, 10.0
"""Smallest and largest factor of a zoom."""


def flip_left_right() -> Transformation:
    """Mirror left to right.

    Returns
    -------
    Transformation
        k = 1.
    """
    return Transformation("flip_left_right", ("flip left-right",), (partial(np.flip, axis=2),))


def flip_up_down() -> Transformation:
    """Mirror up to down.

    Returns
    -------
    Transformation
        k = 1.
    """
    return Transformation("flip_up_down", ("flip up-down",), (partial(np.flip, axis=1),))


def shear(degrees: Iterable[float] = (-15.0, 15.0), axis: str = "x") -> Transformation:
    """Shear about the centre by each of `degrees`, bilinear.

    Rows (axis 'x') or columns ('y') move along themselves, by the tangent of the angle times their distance from the
    centre, so that areas stay as they are.

    Parameters
    ----------
    degrees : sequence of float
        From -60 to 60, not 0. Along x a positive angle leans the top to the right, as in italics; along y it lifts the
        right side.
    axis : {'x', 'y'}

    Returns
    -------
    Transformation
        One copy an angle, in the order given.
    """
    if axis not in ("x", "y"):
        raise InputError(f"axis is {axis!r}; shear takes 'x' or 'y'.")
    angles = strengths(degrees, "shear takes degrees", -STEEPEST, STEEPEST, identity=0)
    augmenters = tuple(partial(_sheared, slope=float(np.tan(np.radians(angle))), axis=axis) for angle in angles)
    return Transformation("shear", tuple(f"shear {axis} {angle:+.1f} deg" for angle in angles), augmenters)


def zoom(factors: Iterable[float] = (0.8, 1.25)) -> Transformation:
    """Enlarge or shrink about the centre by each of `factors`, bilinear.

    Parameters
    ----------
    factors : sequence of float
        From 0.1 to 10, not 1. Above 1 the image grows and its border is lost; below 1 it shrinks and its edge is
        repeated around it. Strongly shrunk images are not smoothed first, as in Keras's and torchvision's zooms.

    Returns
    -------
    Transformation
        One copy a factor, in the order given.
    """
    found = strengths(factors, "zoom takes factors", *ZOOMS, identity=1)
    return Transformation("zoom", tuple(f"zoom x{f:g}" for f in found), tuple(affine(scale=f) for f in found))


def _sheared(images, slope, axis):
    """Images whose pixel (x, y) is that at (x + slope y, y), or at (x, y + slope x), from the centre."""
    # imgaug's own shear also shrinks along the other axis, by the cosine of the angle, and by 13% at 30 degrees.
    import cv2

    height, width = images.shape[1:3]
    x, y = (width - 1) / 2, (height - 1) / 2
    along_x, along_y = (slope, 0.0) if axis == "x" else (0.0, slope)
    # OpenCV takes the way from output pixels to input pixels: the linear part, and what keeps the centre in place.
    matrix = np.array([[1, along_x, -along_x * y], [along_y, 1, -along_y * x]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    made = (cv2.warpAffine(i, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE) for i in images)
    return np.stack([image.reshape(images.shape[1:]) for image in made]) if len(images) else images
