"""Strengths and probabilities of warps and operations that differ from class to class, or from image to image.

Both are `learned_operations.LearnedOperations` with more rows of what is learned. A row has few points to be learned
from, so both are meant to go on from the rows that were learned for all images together (`begin_with`).
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..errors import InputError
from .learned_operations import LearnedOperations, Logits, RandomlyOperated, weights_like
from .models import Design, check_whole_number, encoder, seeds_from

if TYPE_CHECKING:
    from typing import Any, Self

    from .._types import Shape, Tensor
    from .ranges import Family

layers, ops = keras.layers, keras.ops

APART = 0.01
"""Standard deviation of what an encoder adds to logits before it has learned; larger, and all images would begin apart
from what they go on from, and in the same direction, as their encodings are much alike."""
UNTOLD = (
    "labels are missing; an augmentation of each class must be told them, as in layer(images, labels=numbers) or "
    "dataset.map(lambda x, y: (layer(x, labels=y), y)); it cannot be the first layer of a model, which sees no labels."
)


@keras.saving.register_keras_serializable("influaug")
class ClassOperations(RandomlyOperated):
    """Random warps and operations whose strengths and probabilities are learned for each class.

    It is called with ``labels=``, the numbers of the classes [n], from 0. In a compiled graph, where values cannot be
    looked at, a copy of an image with another label is not a number.

    Parameters
    ----------
    image_shape, family, seed, probability
        As of `learned_operations.RandomlyOperated`.
    n_classes : int
        C.

    Attributes
    ----------
    log_total, shares, gates : keras.Variable [C, 1], [C, N], [C, K]
        A row for each class of what `LearnedOperations` has for all images.
    """

    needs_labels = True

    def __init__(
        self,
        image_shape: Shape,
        family: Family | None = None,
        seed: int = 0,
        n_classes: int = 2,
        probability: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, family, seed, probability, **kwargs)
        self.n_classes = check_whole_number("n_classes", n_classes, 1)
        self.log_total, self.shares, self.gates = weights_like(self, self._of_all(self.at_first()))

    def __call__(
        self, images: Tensor, *args: Any, labels: Any = None, training: bool | None = None, **kwargs: Any
    ) -> Tensor:
        """As `call`; raises InputError without labels, and for labels that are none.

        It is here, before Keras looks at what it is called with, that one sentence can be said.
        """
        if labels is None and training is not False:
            raise InputError(UNTOLD)
        labels = None if labels is None else self._checked(labels, images)
        return super().__call__(images, *args, labels=labels, training=training, **kwargs)

    def call(
        self,
        images: Tensor,
        uniforms: Tensor | None = None,
        seed: int | None = None,
        training: bool | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        """Copies of images with labels [n], 0 to 255, one of each; see `ranges.RandomWarps`."""
        copies = super().call(images, uniforms, seed, training, labels)
        if training is False:
            return copies
        known = ops.reshape(ops.any(self._hot(labels) > 0, axis=1), (-1, 1, 1, 1))
        return ops.where(known, copies, np.float32(np.nan))

    def logits(self, images: Tensor | None = None, labels: Tensor | None = None) -> Logits:
        """What is learned, a row for each label [n], or for each class if there are no labels."""
        rows = (self.log_total, self.shares, self.gates)
        if labels is None:
            return Logits(*map(ops.convert_to_tensor, rows))
        hot = self._hot(labels)
        return Logits(*(ops.matmul(hot, row) for row in rows))

    def ranges(self) -> dict[str, float]:
        """Ranges of warps in pixels, strengths and probabilities of operations by name, means over the classes."""
        return {name: float(np.mean(each)) for name, each in self.named(self.logits()).items()}

    def total(self) -> float:
        """The total strength, geometric mean over the classes."""
        return float(np.exp(np.mean(ops.convert_to_numpy(self.log_total))))

    def take_over(self, start: keras.layers.Layer) -> None:
        """Set the weights to those of a layer that `begin_with` has checked, of every class if it has no classes."""
        if isinstance(start, LearnedOperations):
            self.set_weights(self._of_all(start.get_weights()))
        elif start.n_classes != self.n_classes:
            raise InputError(
                f"start has {start.n_classes} classes; it must have {self.n_classes}, as many as there are."
            )
        else:
            self.set_weights(start.get_weights())

    def compute_output_spec(self, images: Tensor, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        """The images' own shape."""
        return keras.KerasTensor(images.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        return {**super().get_config(), "n_classes": self.n_classes}

    def _of_all(self, values):
        return [np.tile(value, (self.n_classes, 1)) for value in values]

    def _hot(self, labels):
        """One where an image is of a class, [n, C]."""
        numbers = ops.cast(labels, self.compute_dtype)[:, None]
        return ops.cast(ops.equal(numbers, np.arange(self.n_classes, dtype="float32")), self.compute_dtype)

    def _checked(self, labels, images):
        """Labels, whose shape, type and, where they can be looked at, values are right."""
        labels = labels if hasattr(labels, "dtype") else np.asarray(labels)
        n, wanted = images.shape[0], f"numbers of classes, 0 to {self.n_classes - 1}"
        if not any(kind in str(labels.dtype) for kind in ("int", "float")):  # every backend has dtypes of its own
            raise InputError(f"labels are {labels.dtype}; the layer takes {wanted}.")
        if len(labels.shape) != 1 or (None not in (n, labels.shape[0]) and labels.shape[0] != n):
            raise InputError(f"labels have shape {tuple(labels.shape)}; {n} images need shape ({n},).")
        if isinstance(labels, np.ndarray) or hasattr(labels, "numpy"):
            found = np.unique(np.asarray(ops.convert_to_numpy(labels)))
            if not np.isin(found, np.arange(self.n_classes)).all():
                raise InputError(
                    f"labels are {found[:10]}; they must be numbers of classes, 0 to {self.n_classes - 1}."
                )
        return labels


@keras.saving.register_keras_serializable("influaug")
class ImageOperations(RandomlyOperated):
    """Random warps and operations whose strengths and probabilities an E predicts for each image.

    Its last layer starts with weights so small that what it gives is within about `APART` of its bias, and so with
    nearly the same for all images.

    Parameters
    ----------
    image_shape, family, seed, probability
        As of `learned_operations.RandomlyOperated`; the seed is of the initial weights too.
    design : models.Design
        Of E; nothing of tau is dropped, as the draws are what makes copies differ.

    Attributes
    ----------
    predictor : keras.Sequential
        Images -> what is learned [n, 1 + N + K], in the order of `learned_operations.Logits`.
    """

    def __init__(
        self,
        image_shape: Shape,
        family: Family | None = None,
        seed: int = 0,
        design: Design | None = None,
        probability: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_shape, family, seed, probability, **kwargs)
        self.design = design or Design()
        _, of_encoder, of_last = seeds_from(self.seed, 3)
        spread, first = APART / math.sqrt(self.design.tau), self.at_first()
        weights = keras.initializers.RandomNormal(0, spread, of_last)
        last = layers.Dense(sum(map(len, first)), kernel_initializer=weights, name="last")
        body = encoder(self.image_shape, self.design, of_encoder)
        self.predictor = keras.Sequential([layers.Input(self.image_shape), body, last], name="predictor")
        last.bias.assign(np.concatenate(first))

    def logits(self, images: Tensor | None = None, labels: Tensor | None = None) -> Logits:
        """What is learned, a row for each image."""
        if images is None:
            raise InputError("Strengths differ from image to image, so images must be given.")
        found, n = self.predictor(ops.cast(images, self.compute_dtype)), 1 + len(self.strong)
        return Logits(found[:, :1], found[:, 1:n], found[:, n:])

    def take_over(self, start: keras.layers.Layer) -> None:
        """Set the weights to those of a layer that `begin_with` has checked; of `LearnedOperations` the last bias."""
        if isinstance(start, LearnedOperations):
            self.predictor.layers[-1].bias.assign(np.concatenate(start.get_weights()))
        else:
            self.set_weights(start.get_weights())

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        return {**super().get_config(), "design": asdict(self.design)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer, its weights at their initial values."""
        return super().from_config({**config, "design": Design(**config["design"])})
