"""Grey values as people have them, 0 to 255 or 0 to 1, as whole numbers from 0 to 255.

Floats carry no sign of their scale, and images that were resized reach beyond it: bicubic and Lanczos interpolation
overshoot at edges, by up to a third of the range, and single precision rounds 1 up. The highest value of all images
therefore decides, with room for overshooting; floats that fit neither scale are refused, never guessed at.
"""

from __future__ import annotations

import numpy as np

from ..errors import InputError

OVERSHOOT = 0.35
"""How far resizing may lead beyond the scale, as a part of the scale."""
HAIR = 1e-3
"""What rounding may add, as a part of the scale; any number of pixels may be that far outside."""
MOST_OUTSIDE = 1 / 3
"""Share of the pixels that may be further outside: of images with their mean subtracted more are."""
DARKEST = 32.0
"""The least maximum of floats from 0 to 255; lower ones would be nearly black, and are of another scale."""


def scale_of(*parts: np.ndarray) -> float:
    """The factor to the scale 0 to 255 of images that have one scale, such as those for training and for testing.

    Integers are from 0 to 255. Floats are from 0 to 1 if none is above 1 + `OVERSHOOT`, and from 0 to 255 if the
    highest is at least `DARKEST`; what resizing adds beyond the scale is for `grey_values` to clip.

    Parameters
    ----------
    *parts : array of int or float, any shape
        At least one, none empty.

    Returns
    -------
    float
        1.0 or 255.0.

    Raises
    ------
    InputError
        NaN, values outside of the scale, floats that fit neither scale, or parts of different scales.
    """
    highs = [float(part.max()) for part in parts]
    floats = [part.dtype.kind == "f" for part in parts]
    unit = [of_float and high <= 1 + OVERSHOOT for of_float, high in zip(floats, highs, strict=True)]
    scale = 255.0 if all(unit) else 1.0
    ambiguous = all(floats) and not all(unit) and max(highs) < DARKEST
    if any(unit) != all(unit) or ambiguous or not all(_fits(part, 255 / scale) for part in parts):
        raise _refusal(*parts)
    return scale


def check_range(images: np.ndarray, top: float) -> None:
    """Refuse images of a known scale, 0 to `top`, that reach further beyond it than resizing leads.

    Raises
    ------
    InputError
        NaN, or values outside of the scale.
    """
    if not _fits(images, top):
        raise _refusal(images)


def _refusal(*parts):
    found = " and ".join(f"{part.min():g} to {part.max():g}" for part in parts)
    return InputError(
        "grey values must be 0 to 255, or 0.0 to 1.0 in all parts, without NaN and without a mean subtracted, "
        f"not {found}: rescale them to one of the two."
    )


def grey_values(images: np.ndarray, scale: float) -> np.ndarray:
    """Images with a `scale_of` their own, rounded to uint8 and clipped to 0 to 255, in an array of the same shape."""
    if images.dtype == np.uint8:
        return images
    return np.rint(np.clip(images, 0, 255 / scale) * scale).astype(np.uint8)


def _fits(part, top):
    """Whether values are within 0 to `top`, save what resizing and rounding lead to in floats."""
    low, high = part.min(), part.max()
    if 0 <= low <= high <= top:
        return True
    if part.dtype.kind != "f" or not -OVERSHOOT * top <= low <= high <= (1 + OVERSHOOT) * top:
        return False
    return bool(np.mean((part < -HAIR * top) | (part > (1 + HAIR) * top)) <= MOST_OUTSIDE)
