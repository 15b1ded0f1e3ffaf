"""Images of PyTorch, tensors [n, channels, height, width] or a Dataset, as the arrays of this library, and back.

Only what is asked for by name imports this module: the rest of the library does without PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import InputError

if TYPE_CHECKING:
    from typing import Any

CHANNELS = (1, 3, 4)
READ_TWICE = 4
"""Items of a Dataset that are read again, to see whether they are the same."""


def as_arrays(images: Any, labels: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels as arrays, channels last.

    Parameters
    ----------
    images : torch.Tensor [n, channels, height, width] or [n, height, width], or torch.utils.data.Dataset
        uint8, floats 0 to 1 or floats 0 to 255; not normalised. A map-style Dataset gives pairs (image, label), its
        images as tensors [channels, height, width], pictures of PIL or arrays [height, width, channels], and always
        the same ones: without random transforms.
    labels : array or tensor [n], optional
        Of tensors; a Dataset has its own.

    Returns
    -------
    images : array [n, height, width, channels] or [n, height, width]
    labels : array [n]

    Raises
    ------
    InputError
        Something else, images of several shapes, or a Dataset that gives an item otherwise when it is read again.
    """
    if isinstance(images, Dataset):
        if labels is not None:
            raise InputError("A Dataset has its own labels; give it without labels.")
        return _read(images)
    if not isinstance(images, torch.Tensor):
        raise InputError(f"images are a {type(images).__name__}; they must be a tensor or a Dataset of PyTorch.")
    if labels is None:
        raise InputError("Tensors need labels: as_arrays(images, labels).")
    return channels_last(images), _array(labels)


def channels_last(images: torch.Tensor) -> np.ndarray:
    """A tensor [n, channels, height, width] or [n, height, width] as an array, channels last."""
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[1] not in CHANNELS):
        raise InputError(
            "A tensor of images must be [n, channels, height, width] with 1, 3 or 4 channels, or [n, height, width], "
            f"not {list(images.shape)}."
        )
    array = _array(images)
    return np.moveaxis(array, 1, 3) if array.ndim == 4 else array


def channels_first(images: np.ndarray) -> torch.Tensor:
    """An array [n, height, width, channels] or [n, height, width] as a tensor [n, channels, height, width]."""
    images = images[..., np.newaxis] if images.ndim == 3 else images
    return torch.from_numpy(np.moveaxis(images, 3, 1).copy())


def _array(values):
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


def _read(dataset):
    if not hasattr(dataset, "__len__") or not len(dataset):
        raise InputError("The Dataset has no length or no items; it must be map-style, with one item or more.")
    pairs = [_pair(dataset[i]) for i in range(len(dataset))]
    for i in np.unique(np.linspace(0, len(dataset) - 1, READ_TWICE).astype(int)):
        if not np.array_equal(_pair(dataset[int(i)])[0], pairs[i][0]):
            raise InputError(
                f"The Dataset gives another image each time that its item {i} is read; give it without its random "
                "transforms, which belong to the transformation or to the Dataset that is trained on."
            )
    shapes = {image.shape for image, _ in pairs}
    if len(shapes) > 1:
        raise InputError(f"The Dataset has images of {len(shapes)} shapes; resize them to one.")
    return np.stack([image for image, _ in pairs]), np.array([label for _, label in pairs])


def _pair(item):
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InputError("The Dataset's items must be pairs (image, label).")
    image, label = item
    if isinstance(image, torch.Tensor):
        image = channels_last(image[None])[0]
    return np.asarray(image), label.item() if hasattr(label, "item") else label
