"""What images, labels and seeds must be, for every network."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike


def check_seed(seed: int) -> int:
    """The seed, if it is a whole number of at least 0, as NumPy's seeds are; else an InputError."""
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"seed is {seed!r}; it must be a whole number of at least 0.")
    return int(seed)


def as_array(name: str, values: Any) -> np.ndarray:
    """Values as an array; raises InputError, with their name, for parts of different shapes."""
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} are no array, for their parts are of different shapes.") from error


def checked_images(images: ArrayLike) -> np.ndarray:
    """Images as uint8 [n, height, width, channels]; raises InputError for others."""
    images = as_array("images", images)
    if images.ndim != 4 or images.dtype != np.uint8:
        raise InputError(
            f"images are {images.dtype} of shape {images.shape}; they must be uint8 [n, height, width, channels]."
        )
    return images


def checked_labels(labels: ArrayLike | None, n: int) -> np.ndarray:
    """Labels 0 to K - 1 of n images, every one present; raises InputError for others."""
    labels = as_array("labels", labels)
    if labels.shape != (n,):
        raise InputError(f"labels have shape {labels.shape}; {n} images need shape ({n},).")
    found = np.unique(labels)
    whole = np.issubdtype(labels.dtype, np.integer)
    if not whole or len(found) < 2 or not np.array_equal(found, np.arange(len(found))):
        raise InputError(
            f"labels must be the whole numbers 0 to K-1, K at least 2, every one present, but they are {found[:10]}."
        )
    return labels.astype(np.int32)
