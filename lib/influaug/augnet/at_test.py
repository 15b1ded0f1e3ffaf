"""Augmentation at test time: the mean of a classifier's probabilities for an image and for small warps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax
from tqdm.auto import tqdm

from ..backend import keras
from ..errors import InputError
from ..networks.checks import check_seed
from .models import check_whole_number, seeds_from
from .ranges import Family, GlobalRanges

if TYPE_CHECKING:
    from .._types import Shape

SIGMA = 0.25
"""Range of every group of warps at test time, in pixels in images of 28 a side."""
_BATCH, _SHOWN = 1000, 20
"""Images that go through a model at once; with so many batches progress is shown."""


def small_warps(image_shape: Shape, bands: tuple[float, ...] = Family.bands, seed: int = 0) -> GlobalRanges:
    """Warps that hardly change what an image shows: every range `SIGMA`, and no base shifts."""
    sigma = SIGMA * max(image_shape[:2]) / 28
    return GlobalRanges(image_shape, Family(base_shift=0, bands=bands, start=sigma, cap=max(4.0, 4 * sigma)), seed)


def probabilities(
    model: keras.Model,
    images: np.ndarray,
    draws: int = 0,
    augmentation: keras.layers.Layer | None = None,
    seed: int = 0,
) -> np.ndarray:
    """Probabilities of the classes: half the plain image's softmax, half the mean softmax of draws.

    Parameters
    ----------
    model : keras.Model
        Images -> logits, or probabilities [n, K].
    images : array [n, height, width, channels]
        From 0 to 255.
    draws : int
        Copies of each image; 0 uses the plain images alone.
    augmentation : keras.layers.Layer, optional
        Images -> copies, called with ``seed=`` (default: `small_warps`).
    seed : int
        The same seed gives the same copies.

    Returns
    -------
    array of float64 [n, K]
    """
    check_whole_number("draws", draws, 0)
    check_seed(seed)
    found = _plain(model, images)
    if not draws:
        return found
    augmentation = small_warps(images.shape[1:]) if augmentation is None else augmentation
    copies = np.zeros_like(found)
    for each in tqdm(list(seeds_from(seed, draws)), "draws", leave=False):
        copies += _plain(model, images, augmentation, each)
    return (found + copies / draws) / 2


def error_and_loss(p: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Share of images classified wrongly, in percent, and mean cross-entropy in nats.

    Parameters
    ----------
    p : array [n, K]
        Probabilities.
    labels : int array [n]
    """
    loss = -np.log(np.maximum(p[np.arange(len(p)), labels], np.finfo(float).tiny))
    return 100 * float((p.argmax(axis=1) != labels).mean()), float(loss.mean())


def _plain(model, images, augmentation=None, seed=None):
    """Probabilities of the images, or of a copy of each: float64 [n, K]."""
    starts = range(0, len(images), _BATCH)
    seeds = [None] * len(starts) if augmentation is None else seeds_from(seed, len(starts))
    parts = []
    for start, each in tqdm(list(zip(starts, seeds, strict=True)), "images", leave=False, disable=len(starts) < _SHOWN):
        batch = images[start : start + _BATCH]
        copies = batch if augmentation is None else augmentation(batch.astype("float32"), seed=each)
        parts.append(model.predict_on_batch(keras.ops.convert_to_numpy(copies)))
    found = np.concatenate(parts).astype(np.float64)
    if np.isnan(found).any():
        raise InputError("model gives NaN for some of the images, so that they have no probabilities.")
    if found.min() >= 0 and np.allclose(found.sum(axis=1), 1, atol=0.01):
        # The model ends with a softmax of its own; in half precision it sums to 1 but for its last digits.
        return found / found.sum(axis=1, keepdims=True)
    return softmax(found, axis=1)
