"""The transformation models in series, as one layer that is pretrained, learned and saved like the parallel one."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ..backend import keras
from ..errors import InputError
from .models import Design, TransformationModel, check_whole_number, in_series, seeds_from

if TYPE_CHECKING:
    from typing import Any, Self

    from .._types import Shape, Tensor, TensorShape

ops = keras.ops


@keras.saving.register_keras_serializable("influaug")
class Series(keras.Model):
    """A spatial model and then an appearance model, `models.in_series`, offering what a `TransformationModel` offers.

    Its tau is the first model's followed by the second's, whose E sees the warped image. So the two are pretrained
    together, as one generator in one game: what the critics see is the warped and recoloured copy, as in parallel. The
    game 'wgan-gp', which feeds one G with random tau, and training of E alone are not of it.

    Parameters
    ----------
    image_shape : tuple of int (height, width, channels)
        Of colour images.
    design : models.Design
        Of both models, but for `parts`; each has `tau` components of its own.
    seed : int
        Of the initial weights and the dropout.

    Attributes
    ----------
    spatial, appearance : models.TransformationModel
    design : models.Design
        As it came out for these images.

    Raises
    ------
    InputError
        Unfit image_shape, or grey images.
    """

    def __init__(self, image_shape: Shape, design: Design | None = None, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = check_whole_number("seed", seed, 0)
        self.spatial, self.appearance = in_series(image_shape, design, seed).layers
        self.image_shape = self.spatial.image_shape
        self.design = replace(self.spatial.design, parts="both")
        self.built = True

    def encode(self, images: Tensor, drop: bool | None = None, seed: int | None = None) -> Tensor:
        """Both models' tau of images, one after the other: float tensor [n, 2 tau]; see `TransformationModel`."""
        of_warps, of_colours = (None, None) if seed is None else seeds_from(seed, 2)
        first = self.spatial.encode(images, drop, of_warps)
        second = self.appearance.encode(self.spatial.transform(images, first), drop, of_colours)
        return ops.concatenate([first, second], axis=-1)

    def fields(self, tau: Tensor) -> dict[str, Tensor]:
        """What both G make of their parts of tau [n, 2 tau]: dict of 'displacement', 'filter' and 'bias'."""
        first, second = ops.split(tau, 2, axis=-1)
        return {**self.spatial.fields(first), **self.appearance.fields(second)}

    def transform(self, images: Tensor, tau: Tensor) -> Tensor:
        """Images as both transform them, given both tau: float tensor [n, height, width, channels]."""
        return self.apply(images, self.fields(tau))

    def apply(self, images: Tensor, fields: dict[str, Tensor]) -> Tensor:
        """Images transformed by what `fields` gave: float tensor [n, height, width, channels]."""
        return self.appearance.apply(images, fields)

    def call(self, images: Tensor, training: bool | None = None, seed: int | None = None) -> Tensor:
        """Transform images, with part of tau dropped in training and, if the design is `diverse`, always."""
        return self.transform(images, self.encode(images, drop=bool(training) or self.design.diverse, seed=seed))

    def learned_displacement(self, images: Tensor, seed: int | None = None) -> Tensor:
        """Displacement of one copy of each image, part of tau dropped: float tensor [n, height, width, 2], in px."""
        return self.fields(self.encode(images, drop=True, seed=seed))["displacement"]

    def compute_output_shape(self, input_shape: TensorShape) -> TensorShape:
        """The images' own shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """What `from_config` needs, ready for JSON."""
        about = {"image_shape": list(self.image_shape), "design": asdict(self.design), "seed": self.seed}
        return {**super().get_config(), **about}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A model, its weights at their initial values."""
        return cls(**{**config, "design": Design(**config["design"])})


def transformation_model(
    image_shape: Shape, design: Design | None, seed: int, series: bool = False
) -> TransformationModel | Series:
    """A `TransformationModel` or, in series, a `Series`."""
    return (Series if series else TransformationModel)(image_shape, design, seed)


def take_over(model: TransformationModel | Series, start: TransformationModel | Series) -> None:
    """Give a model the weights of another, which must be of the same type, images and design; raises InputError."""
    for name in ("image_shape", "design"):
        mine, theirs = getattr(model, name), getattr(start, name)
        if type(start) is not type(model) or mine != theirs:
            wanted = f"{type(model).__name__} with {mine}"
            raise InputError(f"start is a {type(start).__name__} with {name} {theirs}; it must be a {wanted}.")
    model.set_weights(start.get_weights())
