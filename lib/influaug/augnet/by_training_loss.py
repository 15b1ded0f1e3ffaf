r"""Ranges by the training loss and a reward for width (Augerino: Benton et al., 2020), to be compared with.

A classifier and the ranges of its augmentation are trained together to minimise, over fresh copies,

.. math:: \ell(f(\tilde x), y) - \lambda \lVert \sigma \rVert ,

so that ranges grow until the training loss pays for it. No validation points are used; lambda has to be chosen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..backend import keras
from ..networks.featurizer import JIT
from ..networks.precision import check_finite
from .classifiers import batches, new_classifier, optimizer_of

if TYPE_CHECKING:
    from typing import Any

    from .._types import Tensor
    from .classifiers import Schedule
    from .ranges import RandomWarps

ops = keras.ops

LOOKS = 80
"""Rows of the trajectory."""


class _Together(keras.Model):
    """A classifier behind an augmentation, both trained."""

    def __init__(self, classifier: keras.Model, augmentation: RandomWarps, reward: float, **kwargs: Any) -> None:
        super().__init__(name="together", **kwargs)
        self.classifier, self.augmentation, self.reward = classifier, augmentation, reward

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        return self.classifier(self.augmentation(images, training=True), training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Tensor = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        losses = keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True)
        return ops.mean(losses) - self.reward * ops.sqrt(ops.sum(self.augmentation.sigma() ** 2))


def learn_by_training_loss(
    augmentation: RandomWarps,
    images: np.ndarray,
    labels: np.ndarray,
    classifier: str,
    schedule: Schedule,
    reward: float,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Train ranges in place, together with a classifier that is then thrown away.

    Parameters
    ----------
    augmentation : ranges.RandomWarps
        Its trainable weights are learned.
    images : array of uint8 [n, height, width, channels]
    labels : int array [n]
    classifier : str
        One of `classifiers.CLASSIFIERS`.
    schedule : Schedule
        Of both.
    reward : float
        lambda, for each pixel of the length of sigma.
    seed : int

    Returns
    -------
    list of dict
        Of about `LOOKS` steps: round (0), step, loss (with the reward), sigma (a list).
    """
    network, rng = new_classifier(classifier, images.shape[1:], int(labels.max()) + 1, seed)
    model = _Together(network, augmentation, reward)
    model.compile(optimizer_of(schedule), jit_compile=JIT)
    order = batches(len(images), schedule.steps, schedule.batch_size, rng)
    trajectory, apart = [], max(1, schedule.steps // LOOKS)
    for step, points in enumerate(tqdm(order, "ranges by training loss", schedule.steps, leave=False)):
        loss = float(model.train_on_batch(images[points].astype("float32"), labels[points]))
        if step % apart == 0:
            sigma = list(augmentation.ranges().values())
            trajectory.append({"round": 0, "step": step, "loss": loss, "sigma": sigma})
    check_finite(loss, f"of the classifier after {schedule.steps} steps")
    return trajectory
