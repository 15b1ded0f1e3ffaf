"""Brightness, contrast, colour and blur by fixed amounts. Results are rounded and clipped to 0 to 255.

Brightness, contrast and saturation blend an image with black, with its mean grey and with its grey version, as in
Pillow's ``ImageEnhance`` and torchvision's ``functional``; a factor of 1 changes nothing. Grey is the luma of ITU-R
BT.601, .299 red + .587 green + .114 blue.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..errors import InputError
from .transformation import Transformation, strengths

if TYPE_CHECKING:
    from collections.abc import Iterable

LUMA = np.array([0.299, 0.587, 0.114])
STRONGEST = 10.0
"""Largest factor."""
SIGMAS = 0.3, 20.0
"""Pixels: a narrower blur changes no image of 8 bits, a wider one leaves hardly anything of small images."""
BLOCK = 256
"""Images of which floating-point values are held at a time."""


def brightness(factors: Iterable[float] = (0.7, 1.3)) -> Transformation:
    """Multiply grey values by each of `factors`.

    Parameters
    ----------
    factors : sequence of float
        From 0.05 to 10, not 1; below 1 the image gets darker.

    Returns
    -------
    Transformation
        One copy a factor, in the order given.
    """
    found = strengths(factors, "brightness takes factors", 0.05, STRONGEST, identity=1)
    return _in_blocks("brightness", [f"brightness x{f:g}" for f in found], _brightened, found)


def contrast(factors: Iterable[float] = (0.6, 1.5)) -> Transformation:
    """Multiply the difference of grey values from the image's mean grey by each of `factors`.

    Parameters
    ----------
    factors : sequence of float
        From 0.05 to 10, not 1; below 1 the image gets flatter.

    Returns
    -------
    Transformation
        One copy a factor, in the order given. Images of one or three channels.
    """
    found = strengths(factors, "contrast takes factors", 0.05, STRONGEST, identity=1)
    return _in_blocks("contrast", [f"contrast x{f:g}" for f in found], _contrasted, found)


def saturation(factors: Iterable[float] = (0.4, 1.8)) -> Transformation:
    """Multiply the difference of colours from grey by each of `factors`.

    Parameters
    ----------
    factors : sequence of float
        From 0 to 10, not 1; at 0 the image becomes grey.

    Returns
    -------
    Transformation
        One copy a factor, in the order given. It refuses images without three channels.
    """
    found = strengths(factors, "saturation takes factors", 0, STRONGEST, identity=1)
    return _in_blocks("saturation", [f"saturation x{f:g}" for f in found], _saturated, found, colour=True)


def hue(degrees: Iterable[float] = (-20.0, 20.0)) -> Transformation:
    """Turn the hue on the colour wheel (HSV) by each of `degrees`.

    Parameters
    ----------
    degrees : sequence of float
        From -180 to 180, not 0; 120 makes red green, green blue and blue red.

    Returns
    -------
    Transformation
        One copy an angle, in the order given. It refuses images without three channels.
    """
    angles = strengths(degrees, "hue takes degrees", -180, 180, identity=0)
    return _in_blocks("hue", [f"hue {angle:+.1f} deg" for angle in angles], _turned, angles, colour=True)


def blur(sigmas: Iterable[float] = (1.0,)) -> Transformation:
    """Blur by a Gaussian with each of `sigmas` as its standard deviation; the edge is repeated outside the image.

    Parameters
    ----------
    sigmas : sequence of float
        Pixels, from 0.3 to 20.

    Returns
    -------
    Transformation
        One copy a width, in the order given.
    """
    found = strengths(sigmas, "blur takes sigmas in pixels", *SIGMAS)
    return _in_blocks("blur", [f"blur {sigma:g} px" for sigma in found], _blurred, found)


def _in_blocks(name, labels, change, amounts, colour=False):
    augmenters = tuple(partial(_by_blocks, change, amount) for amount in amounts)
    return Transformation(name, tuple(labels), augmenters, colour=colour)


def _by_blocks(change, amount, images):
    """Images changed as floating-point numbers, a block at a time, and rounded."""
    made = np.empty_like(images)
    for start in range(0, len(images), BLOCK):
        block = slice(start, start + BLOCK)
        made[block] = np.clip(np.rint(change(images[block].astype(np.float32), amount)), 0, 255)
    return made


def _brightened(images, factor):
    return factor * images


def _contrasted(images, factor):
    mean = _grey(images).mean(axis=(1, 2, 3), keepdims=True)
    return mean + factor * (images - mean)


def _saturated(images, factor):
    grey = _grey(images)
    return grey + factor * (images - grey)


def _turned(images, degrees):
    import cv2

    # OpenCV's hue of floating-point images is in degrees, without the steps of two of its 8-bit images.
    pixels = images.reshape(len(images), -1, 3)
    hsv = cv2.cvtColor(pixels / 255, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + degrees) % 360
    return 255 * cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).reshape(images.shape)


def _blurred(images, sigma):
    return ndimage.gaussian_filter(images, (0, sigma, sigma, 0), mode="nearest")


def _grey(images):
    """Grey versions: [n, height, width, 1]."""
    if images.shape[3] not in (1, 3):
        raise InputError(f"These images have {images.shape[3]} channels; contrast takes one (grey) or three (colour).")
    return images if images.shape[3] == 1 else (images @ LUMA.astype(np.float32))[..., np.newaxis]
