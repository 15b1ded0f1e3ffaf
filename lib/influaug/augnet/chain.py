"""A learned transformation behind a base augmentation, as one layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..backend import keras
from ..errors import InputError
from .ranges import Family, GlobalRanges

if TYPE_CHECKING:
    from typing import Any, Self

    from .._types import Shape, Tensor, TensorShape

layers, ops = keras.layers, keras.ops


def base_augmentation(image_shape: Shape, family: Family | None = None, seed: int = 0) -> GlobalRanges:
    """The base augmentation of a family alone: whole-pixel shifts and flips, every range 0.

    Returns
    -------
    GlobalRanges
        Images -> copies; its weights are not trainable.
    """
    base = GlobalRanges(image_shape, family or Family(), seed)
    base.assign(np.zeros(len(base.groups)))
    base.trainable = False
    return base


def needs_labels(augmentation: Any) -> bool:
    """Whether an augmentation must be told the labels of the images that it is called with."""
    return getattr(augmentation, "needs_labels", False)


def copies_of(augmentation: keras.layers.Layer, images: Tensor, labels: Tensor | None = None, **options: Any) -> Tensor:
    """Copies of images by an augmentation, which is told the labels [n] if it needs them."""
    told = {"labels": labels} if needs_labels(augmentation) else {}
    return augmentation(images, **told, **options)


@keras.saving.register_keras_serializable("influaug")
class AfterBase(layers.Layer):  # type: ignore[name-defined]
    """Copies by a base augmentation and, of a share of them, a learned transformation of those.

    Lee et al. (2020), section 5.2, put the base augmentation before the augmentation network in the same way.

    Parameters
    ----------
    base, learned : keras.layers.Layer
        Images -> copies; both are called with ``seed=``.
    share : float
        Part of the copies, from 0 to 1, that go through `learned`; the others are the base's alone.
    seed : int
        Of the choice.
    """

    def __init__(
        self, base: keras.layers.Layer, learned: keras.layers.Layer, share: float = 1.0, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= share <= 1:
            raise InputError(f"share is {share!r}; it must be from 0 to 1.")
        self.base, self.learned, self.share, self.seed = base, learned, share, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    @property
    def image_shape(self) -> Shape:
        """(height, width, channels)."""
        return self.base.image_shape

    def call(self, images: Tensor, seed: int | None = None, training: bool | None = None) -> Tensor:
        """Copies [n, height, width, channels], floating-point; with a seed, always the same ones.

        Images pass unchanged with ``training=False``, as in a model's `predict`.
        """
        if training is False:
            return ops.cast(images, self.compute_dtype)
        of_base, of_learned, of_choice = (None,) * 3 if seed is None else _three(seed)
        base = self.base(images, seed=of_base)
        learned = self.learned(base, seed=of_learned)
        if self.share == 1:
            return learned
        drawn = keras.random.uniform((ops.shape(base)[0], 1, 1, 1), seed=of_choice or self.seed_generator)
        return ops.where(drawn < self.share, learned, base)

    def compute_output_shape(self, input_shape: TensorShape) -> TensorShape:
        """The images' own shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("base", "learned")}
        return {**super().get_config(), **parts, "share": self.share, "seed": self.seed}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A layer, its parts' weights at their initial values."""
        parts = {name: keras.saving.deserialize_keras_object(config[name]) for name in ("base", "learned")}
        return cls(**{**config, **parts})


def _three(seed):
    return (np.random.SeedSequence(seed).generate_state(3) >> 1).tolist()
