"""Other libraries' transformations, in the form that `influaug.data.transformations` works on.

A copy depends on the seed, its number and the content of its image alone wherever the library lets itself be seeded:
the copies that were scored are then those that come out when the chosen ones are made again, in any batch and order.
What cannot be seeded `repeatable.check_repeatable` finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from numbers import Integral
from sys import modules
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .randomness import Randomness, argument, parameter_of
from .transformation import content_of
from .transformations import Transformation, from_augmenter, named

if TYPE_CHECKING:
    from typing import Any


def as_transformation(given: Any, n_copies: int = 1, seed: int = 0) -> Transformation:
    """A `Transformation` from what makes copies in this library or another.

    Parameters
    ----------
    given : Transformation, str, dict, augmenter, callable, or a list of these
        An augmenter is one of imgaug, a transform of albumentations or a Keras layer. A `Transformation` stays what it
        is. Names of `transformations.BUILDERS` and dicts are read by `transformations.named`, as in a study: 'rotate',
        ``{"translate": {"pixels": 3}}``, ``{"rotate": [-10, 10]}``, ``{"compose": ["flip_left_right", "blur"]}``; the
        parts of a composition may be all that is taken here. A transform of albumentations, known by its module or by
        ``available_keys``, is called as ``t(image=image)["image"]``. A Keras layer gets float32 images 0 to 255 and
        ``training=True``; what it gives is rounded and clipped, and its seeds are as before afterwards. A transform of
        torchvision, or another `torch.nn.Module`, gets uint8 tensors [channels, height, width], one by one, each with a
        seed of its own for PyTorch's generator, and must keep shape and dtype. Any other callable takes uint8 images
        [n, height, width, channels] and gives as many, of the same shape and dtype. If it has a parameter ``rng`` (a
        `numpy.random.Generator`), ``random_state`` or ``seed`` (whole numbers), or draws from the generators of
        `random`, NumPy or PyTorch, or from one that it holds, it gets the images one by one, each with a seed of its
        own; the generators are as before afterwards. The copies of a list come one member after the other.
    n_copies : int
        Draws of all but a `Transformation`, a name and a dict, at least 1.
    seed : int
        At least 0.

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
    if isinstance(given, str | list | tuple | Mapping):
        return named(given, of=partial(_parts, n_copies=n_copies, seed=seed))
    if _is_of("imgaug", given):
        return from_augmenter(given, n_copies, seed, _name(given))
    return Transformation(_name(given), *_draws(given, n_copies, seed))


def _parts(given, n_copies, seed):
    """The parts of a list or a composition, each with a seed of its own."""
    seeds = np.random.SeedSequence(seed).generate_state(len(given))
    return [as_transformation(each, n_copies, int(own)) for each, own in zip(given, seeds, strict=True)]


def is_seeded(augmenter: Any) -> bool:
    """Whether one of a `Transformation`'s augmenters is of a library, or a function, that was given its seed here."""
    made_by = getattr(augmenter, "func", None)
    return made_by in (_by_parameter, _by_name, _by_layer, _by_tensor) or _is_of("imgaug", augmenter)


def _draws(given, n_copies, seed):
    """Labels and functions of n_copies draws."""
    _check_usable(given)
    if _is_of("albumentations", given) or hasattr(given, "available_keys"):
        own = deepcopy(given)
        draw = partial(_by_name, own, Randomness(own))
    elif _is_layer(given):
        draw = partial(_by_layer, given, Randomness(None))
    elif _is_of("torch", given) or _is_of("torchvision", given):
        draw = partial(_by_tensor, given, Randomness(given))
    elif parameter_of(given) is not None:
        draw = partial(_by_parameter, given, Randomness(given))
    else:
        draw = partial(_by_call, given, Randomness(given))
    labels = [_name(given)] if n_copies == 1 else [f"{_name(given)} draw {copy + 1}" for copy in range(n_copies)]
    return tuple(labels), tuple(partial(draw, (int(seed), copy)) for copy in range(n_copies))


def _check_usable(given):
    right = (
        "a Transformation, a name such as 'translate', an imgaug augmenter, an albumentations transform, a Keras "
        "layer, a torchvision transform, a function from images to images, or a list of these."
    )
    if isinstance(given, type):
        raise InputError(f"transformation is the class {given.__name__}; it must be {right}")
    if not (callable(given) or hasattr(given, "available_keys")):
        raise InputError(f"transformation is a {type(given).__name__}; it must be {right}")


def _is_of(library, given):
    return any(base.__module__.partition(".")[0] == library for base in type(given).__mro__)


def _is_layer(given):
    # A layer is there only if Keras has been imported, which takes many seconds.
    return "keras" in modules and isinstance(given, modules["keras"].layers.Layer)


def _name(given):
    # No attribute: a library counts its objects in their names, so that these differ from run to run.
    own = getattr(given, "__name__", None)
    return own if isinstance(own, str) else type(given).__name__


def _by_call(given, randomness, seeds, images):
    if not len(images):
        return images
    return _watched(lambda batch: given(batch.copy()), randomness, seeds, images)


def _watched(make, randomness, seeds, images):
    """All images at once, unless that draws at random: then one by one, each with its seeds."""
    before = randomness.states()
    try:
        made = make(images)
        drawn = randomness.drawn_since(before)
    finally:
        randomness.restore(before)
    if not drawn:
        return made
    return np.concatenate([_seeded(make, randomness, _content_seed(seeds, image), image) for image in images])


def _seeded(make, randomness, seed, image):
    """A batch of one."""
    with randomness.seeded(seed):
        return _of_one(make(image[np.newaxis]), image)


def _of_one(made, image):
    made = np.asarray(made)
    if made.shape != (1, *image.shape) or made.dtype != image.dtype:
        raise InputError(
            f"The transformation turned {image.dtype} {(1, *image.shape)} into {made.dtype} {made.shape}; it must keep "
            "both."
        )
    return made


def _by_parameter(given, randomness, seeds, images):
    name = parameter_of(given) or ""
    made = [
        _seeded(partial(given, **{name: argument(name, seed)}), randomness, seed, image.copy())
        for image, seed in ((image, _content_seed(seeds, image)) for image in images)
    ]
    return np.concatenate(made) if made else images


def _by_name(transform, randomness, seeds, images):
    copies = np.empty_like(images)
    for out, image in zip(copies, images, strict=True):
        seed = _content_seed(seeds, image)
        if hasattr(transform, "set_random_seed"):
            transform.set_random_seed(seed)
        # Versions before 1.4 draw from the global generators.
        with randomness.seeded(seed):
            made = np.asarray(transform(image=image.copy())["image"])
        made = made[..., np.newaxis] if made.ndim == 2 and image.shape[-1] == 1 else made
        if made.shape != image.shape or made.dtype != image.dtype:
            raise InputError(
                f"{_name(transform)} turned an image {image.dtype} {image.shape} into {made.dtype} {made.shape}; it "
                "must keep both."
            )
        out[...] = made
    return copies


def _by_tensor(transform, randomness, seeds, images):
    """Each image as a uint8 tensor [channels, height, width] through a module of PyTorch."""
    torch, copies = modules["torch"], np.empty_like(images)
    for out, image in zip(copies, images, strict=True):
        pixels = torch.from_numpy(np.moveaxis(image, 2, 0).copy())
        # This seeds PyTorch's generator and puts it back, as `torch.manual_seed` in `torch.random.fork_rng` would.
        with randomness.seeded(_content_seed(seeds, image)), torch.no_grad():
            made = _tensor_of(transform, pixels)
        out[...] = np.moveaxis(made.numpy(), 0, 2)
    return copies


def _tensor_of(transform, pixels):
    try:
        made = transform(pixels)
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise InputError(
            f"{_name(transform)} cannot change one uint8 tensor {list(pixels.shape)}: {reason}."
        ) from error
    shape, dtype = getattr(made, "shape", None), getattr(made, "dtype", type(made).__name__)
    if shape != pixels.shape or dtype != pixels.dtype:
        raise InputError(
            f"{_name(transform)} turned a tensor {pixels.dtype} {list(pixels.shape)} into {dtype} "
            f"{[] if shape is None else list(shape)}; it must keep both, so resize beforehand, and leave conversions "
            "to floats and Normalize to what comes after the choice."
        )
    return made


def _by_layer(layer, randomness, seeds, images):
    if not len(images):
        return images
    states = [variable for variable in layer.variables if variable.name == "seed_generator_state"]
    if not states:
        make = lambda batch: _whole(layer(batch.astype(np.float32), training=True))  # noqa: E731
        return _watched(make, randomness, seeds, images)
    before = [modules["keras"].ops.convert_to_numpy(state) for state in states]
    try:
        copies = [_seeded_layer(layer, randomness, states, _content_seed(seeds, image), image) for image in images]
    finally:
        for state, value in zip(states, before, strict=True):
            state.assign(value)
    return np.stack(copies)


def _seeded_layer(layer, randomness, states, seed, image):
    for state, value in zip(states, np.random.SeedSequence(seed).generate_state(len(states)) >> 1, strict=True):
        state.assign(np.array([value, 0], dtype=str(state.dtype)))
    # Some layers, AugMix for one, choose what they do by Python's generator.
    with randomness.seeded(seed):
        return _whole(layer(image[np.newaxis].astype(np.float32), training=True))[0]


def _whole(made):
    """What a layer made, in grey values."""
    return np.clip(np.rint(modules["keras"].ops.convert_to_numpy(made)), 0, 255).astype(np.uint8)


def _content_seed(seeds, image):
    """A number below 2^31 of the seeds and the image's content."""
    return int(np.random.SeedSequence([*seeds, content_of(image)]).generate_state(1)[0] >> 1)
