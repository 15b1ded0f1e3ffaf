"""Influence training as the papers word it (Lee et al., 2020, sections 3.4 and 4.3), to be compared with.

One split into training and validation points; a classifier F trained on base-augmented images; S computed once; no
bound on what is promised, and no averaging.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from .classifiers import train_classifier
from .folds import Fold, splits
from .learning import learning_round
from .models import seeds_from

if TYPE_CHECKING:
    from typing import Any

    from .learning import Learning

PARTS = 5
"""One of so many parts of the labelled images is for validation."""


def learn_as_published(
    augmentation: keras.layers.Layer,
    base: keras.layers.Layer,
    images: np.ndarray,
    labels: np.ndarray,
    classifier: str | keras.Model,
    settings: Learning,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Train an augmentation in place; parameters and result as of `learning.learn`.

    Of the settings, `schedule`, `steps`, `batch_size`, `rate`, `penalty` and `trained` are used.
    """
    of_split, of_classifier, of_order = seeds_from(seed, 3)
    (training, validation), *_ = splits(labels, PARTS, of_split)
    points = images[training], labels[training]
    given = isinstance(classifier, keras.Model)
    F = classifier if given else train_classifier(classifier, *points, base, settings.schedule, of_classifier)
    fold = Fold(F, images, labels, training, validation, [base], settings.penalty)
    plain = replace(settings, refresh=False, squash=None, hinge=0.0, averaged=1)
    return learning_round(augmentation, [fold], plain, np.random.default_rng(of_order), 0)
