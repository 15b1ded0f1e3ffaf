"""Other libraries' transformations and other people's images, in the form that `influaug.data.transformations` works on.

A copy depends on the seed, its number and the content of its image alone wherever the library lets itself be seeded:
the copies that were scored are then those that come out when the chosen ones are made again, in any batch and order.
"""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from sys import modules
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .transformations import Transformation, from_augmenter

if TYPE_CHECKING:
    from typing import Any, Self

    from numpy.typing import ArrayLike

CHANNELS = (1, 3, 4)


def as_transformation(given: Any, n_copies: int = 1, seed: int = 0) -> Transformation:
    """A `Transformation` from what makes copies in this library or another.

    Parameters
    ----------
    given : Transformation, imgaug augmenter, albumentations transform, Keras layer, callable, or a list of these
        A `Transformation` stays what it is. An albumentations transform, known by its module or by ``available_keys``,
        is called as ``t(image=image)["image"]``. A Keras layer gets float32 images 0 to 255 and ``training=True``; what
        it gives is rounded and clipped, and its seeds are as before afterwards. Any other callable takes uint8 images
        [n, height, width, channels] and gives as many, of the same shape and dtype; it should give equal images equal
        copies. The copies of a list come one member after the other.
    n_copies : int
        Draws of all but a `Transformation`, at least 1.
    seed : int
        At least 0. An albumentations transform without ``set_random_seed``, as in versions before 1.4, and a callable
        that draws by itself cannot be seeded.

    Returns
    -------
    Transformation
        It refuses copies of another shape or dtype.

    Raises
    ------
    InputError
        Something else was given, an empty list, or n_copies or a seed that is out of range.
    """
    for name, value, least in (("n_copies", n_copies, 1), ("seed", seed, 0)):
        if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
            raise InputError(f"{name} is {value!r}; it must be a whole number of at least {least}.")
    if isinstance(given, Transformation):
        return given
    if isinstance(given, list | tuple):
        return _one_after_the_other(given, n_copies, seed)
    if _is_of("imgaug", given):
        return from_augmenter(given, n_copies, seed, _name(given))
    return Transformation(_name(given), *_draws(given, n_copies, seed))


def _one_after_the_other(given, n_copies, seed):
    if not given:
        raise InputError("The list of transformations is empty; it must hold one or more.")
    seeds = np.random.SeedSequence(seed).generate_state(len(given))
    parts = [as_transformation(each, n_copies, int(own)) for each, own in zip(given, seeds, strict=True)]
    return Transformation(
        " + ".join(dict.fromkeys(part.name for part in parts)),
        tuple(label for part in parts for label in part.labels),
        tuple(augmenter for part in parts for augmenter in part.augmenters),
        max(part.smallest_side for part in parts),
    )


def _draws(given, n_copies, seed):
    """Labels and functions of n_copies draws."""
    if _is_of("albumentations", given) or hasattr(given, "available_keys"):
        draw = partial(_by_name, deepcopy(given))
    elif _is_layer(given):
        draw = partial(_by_layer, given)
    elif callable(given):
        draw = partial(_by_call, given)
    else:
        raise InputError(
            f"transformation is a {type(given).__name__}; it must be a Transformation, an imgaug augmenter, an "
            "albumentations transform, a Keras layer, a function from images to images, or a list of these."
        )
    labels = [_name(given)] if n_copies == 1 else [f"{_name(given)} draw {copy + 1}" for copy in range(n_copies)]
    return tuple(labels), tuple(partial(draw, (int(seed), copy)) for copy in range(n_copies))


def _is_of(library, given):
    return any(base.__module__.partition(".")[0] == library for base in type(given).__mro__)


def _is_layer(given):
    # A layer is there only if Keras has been imported, which takes many seconds.
    return "keras" in modules and isinstance(given, modules["keras"].layers.Layer)


def _name(given):
    # No attribute: a library counts its objects in their names, so that these differ from run to run.
    own = getattr(given, "__name__", None)
    return own if isinstance(own, str) else type(given).__name__


def _by_call(given, seeds, images):
    return given(images.copy()) if len(images) else images


def _by_name(transform, seeds, images):
    copies = np.empty_like(images)
    for out, image in zip(copies, images, strict=True):
        if hasattr(transform, "set_random_seed"):
            transform.set_random_seed(_content_seed(seeds, image))
        made = np.asarray(transform(image=image.copy())["image"])
        made = made[..., np.newaxis] if made.ndim == 2 and image.shape[-1] == 1 else made
        if made.shape != image.shape or made.dtype != image.dtype:
            raise InputError(
                f"{_name(transform)} turned an image {image.dtype} {image.shape} into {made.dtype} {made.shape}; it "
                "must keep both."
            )
        out[...] = made
    return copies


def _by_layer(layer, seeds, images):
    states = [variable for variable in layer.variables if variable.name == "seed_generator_state"]
    if not states:
        return _whole(layer(images.astype(np.float32), training=True)) if len(images) else images
    before = [modules["keras"].ops.convert_to_numpy(state) for state in states]
    try:
        copies = [_seeded_layer(layer, states, _content_seed(seeds, image), image) for image in images]
    finally:
        for state, value in zip(states, before, strict=True):
            state.assign(value)
    return np.stack(copies) if copies else images


def _seeded_layer(layer, states, seed, image):
    for state, value in zip(states, np.random.SeedSequence(seed).generate_state(len(states)) >> 1, strict=True):
        state.assign(np.array([value, 0], dtype=str(state.dtype)))
    return _whole(layer(image[np.newaxis].astype(np.float32), training=True))[0]


def _whole(made):
    """What a layer made, in grey values."""
    return np.clip(np.rint(modules["keras"].ops.convert_to_numpy(made)), 0, 255).astype(np.uint8)


def _content_seed(seeds, image):
    """A number below 2^31 of the seeds and the image's content."""
    content = int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=16).digest())
    return int(np.random.SeedSequence([*seeds, content]).generate_state(1)[0] >> 1)


@dataclass(frozen=True)
class ImageForm:
    """How images came: their type, their scale, and whether they had a channel axis.

    Attributes
    ----------
    dtype : numpy.dtype
    unit : bool
        Floats from 0 to 1.
    grey : bool
        [n, height, width].
    """

    dtype: np.dtype
    unit: bool
    grey: bool

    @classmethod
    def of(cls, images: ArrayLike) -> Self:
        """The form of images, which are looked at as a whole: floats of which none is above 1 are taken for 0 to 1.

        Raises
        ------
        InputError
            No images [n, height, width] or [n, height, width, 1, 3 or 4 channels], or no grey values.
        """
        images = np.asarray(images)
        if images.ndim not in (3, 4) or 0 in images.shape or images.shape[3:] not in ((), *((c,) for c in CHANNELS)):
            raise InputError(
                "images must be [n, height, width] or [n, height, width, channels] with 1, 3 or 4 channels, not "
                f"{list(images.shape)}."
            )
        if images.dtype.kind not in "uif":
            raise InputError(f"images must be whole numbers or floats, not {images.dtype}.")
        low, high = images.min(), images.max()
        if not 0 <= low <= high <= 255:
            raise InputError(
                f"grey values must be 0 to 255, or floats from 0 to 1, without NaN; these go from {low} to {high}."
            )
        return cls(images.dtype, bool(images.dtype.kind == "f" and high <= 1), images.ndim == 3)

    def like(self, images: ArrayLike) -> ImageForm:
        """The form of more images, which have the scale of these if both are floats.

        Raises
        ------
        InputError
            As `of`; floats beyond 1 where these were 0 to 1.
        """
        other = ImageForm.of(images)
        if self.dtype.kind != "f" or other.dtype.kind != "f":
            return other
        if self.unit and not other.unit:
            raise InputError(f"images were floats from 0 to 1 before, but now go up to {np.max(images)}.")
        return replace(other, unit=self.unit)

    def standard(self, images: ArrayLike) -> np.ndarray:
        """Images of this form as uint8 [n, height, width, channels]."""
        images = np.asarray(images)
        images = images[..., np.newaxis] if self.grey else images
        if images.dtype == np.uint8:
            return images
        return np.rint(images * (255.0 if self.unit else 1.0)).astype(np.uint8)

    def back(self, images: np.ndarray) -> np.ndarray:
        """The way back, for copies; floats keep 256 levels of grey."""
        images = images[..., 0] if self.grey else images
        return (images / 255.0).astype(self.dtype) if self.unit else images.astype(self.dtype)
