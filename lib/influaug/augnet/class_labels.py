"""Labels as people have them, of any type that can be put in order, as numbers of classes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..networks.checks import as_array
from ..selection.points import encoded
from ..solver.estimator import check_labels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def labels_of(labels: ArrayLike, n: int) -> np.ndarray:
    """Labels of n images as an array [n]; raises InputError for others."""
    labels = as_array("labels", labels)
    if labels.shape != (n,):
        raise InputError(f"labels have shape {labels.shape}; {n} images need shape ({n},).")
    return labels


def encoded_labels(labels: ArrayLike, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The classes in order [K], and the number of the class of each of n images, int32 [n]."""
    checked = labels_of(labels, n)
    check_labels(labels)  # as they were given: an array of a list of texts and of others has texts alone
    classes, numbers = encoded(checked)
    try:
        json.dumps(classes.tolist())
    except TypeError as error:
        raise InputError(
            f"labels are {type(classes.tolist()[0]).__name__}; they must be text, numbers or booleans, to be saved."
        ) from error
    return classes, numbers.astype(np.int32)


def numbers_of(labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Numbers of the classes of labels, int32 [n]: places in `classes`; raises InputError for an unknown label."""
    places = {label: k for k, label in enumerate(classes.tolist())}
    found = np.array([places.get(label, -1) for label in labels.tolist()], np.int32)
    if (found < 0).any():
        unknown = labels[found < 0].tolist()[0]
        raise InputError(f"labels have {unknown!r}, which is none of the classes {list(places)[:10]}.")
    return found
