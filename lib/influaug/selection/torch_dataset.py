"""The training set with the chosen copies as a Dataset of PyTorch, which makes each copy when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.utils.data import Dataset

from ..data.tensors import as_arrays, channels_first

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ..data.lazy_copies import Training
    from .selector import AugmentationSelector


def chosen_dataset(
    selector: AugmentationSelector,
    images: Any,
    labels: Any = None,
    transformation: Any = None,
    transform: Callable[[torch.Tensor], Any] | None = None,
) -> ChosenDataset:
    """The points of a fitted selector with the copies that it chose, for a DataLoader.

    Parameters
    ----------
    selector : AugmentationSelector
        Fitted.
    images : array, torch.Tensor [n, channels, height, width] or Dataset
        Those of `fit`, in that order; see `tensors.as_arrays`.
    labels : array or tensor [n], optional
        Those of `fit`; a Dataset has its own.
    transformation : optional
        As in `fit`; see `AugmentationSelector.augment`.
    transform : callable, optional
        Of each image, such as torchvision's ``Normalize``, or ``ToDtype``. It may draw at random.

    Returns
    -------
    ChosenDataset

    Raises
    ------
    InputError
        See `AugmentationSelector.augment`.
    """
    if isinstance(images, torch.Tensor | Dataset):
        images, labels = as_arrays(images, labels)
    training = selector._training(images, labels, transformation)
    return ChosenDataset(training, selector.classes_, transform)


class ChosenDataset(Dataset):
    """Originals, and then the chosen copies by rising point, as pairs (image, target).

    An image is a tensor [channels, height, width] in the type and scale in which the originals came; a target is the
    place of its label in `classes`, as `torch.nn.CrossEntropyLoss` takes it. Workers of a DataLoader make the copies.

    Attributes
    ----------
    classes : array [n_classes]
        The labels, sorted.
    source : int array [n + m]
        The point that each item is, or was made of.
    """

    def __init__(self, training: Training, classes: np.ndarray, transform: Callable | None = None) -> None:
        self._training = training
        self._transform = transform
        self.classes = classes
        self.source = training.source

    def __len__(self) -> int:
        """Originals and copies."""
        return self._training.n

    def __getitem__(self, place: int) -> tuple[Any, int]:
        """One image, and its target."""
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> list[tuple[Any, int]]:
        """Several images, whose copies are made together: a DataLoader asks for its batches in this way."""
        numbers = np.array([self._number(place) for place in places])
        images, labels, _ = self._training.batch(numbers)
        targets = np.searchsorted(self.classes, labels)
        made = channels_first(images)
        return [
            (image if self._transform is None else self._transform(image), int(target))
            for image, target in zip(made, targets, strict=True)
        ]

    def _number(self, place):
        place = int(place)
        if not -len(self) <= place < len(self):
            raise IndexError(f"There are {len(self)} items, and no item {place}.")
        return place % len(self)
