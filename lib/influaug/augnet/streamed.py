"""Classifiers and features of pictures that stay on disk: memory holds a few batches, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from .chain import copies_of
from .classifiers import Schedule, batches, check_classifier, new_classifier, train_on_batches

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..data.picture_stream import PictureStream
    from ..networks.featurizer import KerasFeaturizer


def train_on_stream(
    network: str,
    pictures: PictureStream,
    augmentation: Callable[[np.ndarray], Any] | None = None,
    schedule: Schedule | None = None,
    seed: int = 0,
) -> keras.Model:
    """Train a classifier anew on pictures that are read batch by batch, as `classifiers.train_classifier` does.

    Weights, order of the points and steps are those of `train_classifier` on the same pictures as an array. The network
    learns the next batch while a thread reads those after it.

    Parameters
    ----------
    network : str
        One of `classifiers.CLASSIFIERS`, such as 'imagenet-resnet50'.
    pictures : influaug.data.picture_stream.PictureStream
    augmentation : callable, optional
        Images uint8 [n, height, width, channels] -> copies of the same shape: a Keras layer or `on_arrays.OnArrays`.
    schedule : classifiers.Schedule
    seed : int
        Of the initial weights and the order of the points.

    Returns
    -------
    keras.Model
        uint8 images -> logits.

    Raises
    ------
    InputError
        An unknown network, a picture that cannot be read, or a training that diverges.
    """
    check_classifier(network)
    schedule = schedule or Schedule()
    model, rng = new_classifier(network, pictures.shape[1:], len(pictures.class_names), seed)
    drawn = pictures.batches(batches(len(pictures), schedule.steps, schedule.batch_size, rng))
    given = ((_copies(augmentation, images, labels), labels) for images, labels in drawn)
    train_on_batches(model, given, schedule)
    return model


def stream_features(featurizer: KerasFeaturizer, pictures: PictureStream, batch_size: int = 64) -> np.ndarray:
    """Features of all pictures of a stream: array of float32 [n, d]; pictures are read by batches.

    Parameters
    ----------
    featurizer : influaug.networks.featurizer.KerasFeaturizer
        Fitted: ``KerasFeaturizer(train_on_stream(...)).fit(pictures[:1])`` is one.
    pictures : influaug.data.picture_stream.PictureStream
    batch_size : int
    """
    starts = range(0, len(pictures), batch_size)
    places = (np.arange(start, min(start + batch_size, len(pictures))) for start in starts)
    return np.concatenate([featurizer.transform(images) for images, _ in pictures.batches(places)])


def _copies(augmentation, images, labels):
    """Copies of a batch as an array, or the images themselves."""
    if augmentation is None:
        return images
    return keras.ops.convert_to_numpy(copies_of(augmentation, images.astype("float32"), labels))
