"""Checks that a transformation makes the same copy of an image whenever it is asked, and another image of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from ..errors import InputError
from .adapters import is_seeded
from .transformations import Transformation

TESTED = 4
"""Images of which copies are made several times."""
REPEATS, OF_SEEDED = 16, 2
"""How often a function's copy of one image is made again, as chance that is rare shows late; and of what is seeded."""
SEARCHED = 256
"""Images of which one must be changed."""


def one_change(transformation: Transformation, which: int) -> Transformation:
    """The transformation with only one of its changes."""
    picked = slice(which, which + 1)
    return replace(transformation, labels=transformation.labels[picked], augmenters=transformation.augmenters[picked])


def check_repeatable(transformation: Transformation, images: np.ndarray) -> None:
    """Refuse a transformation whose copies depend on when, or beside which other images, they are made, or are none.

    Of a few images each copy is made in other batches and orders, and again and again alone.

    Parameters
    ----------
    transformation : Transformation
    images : array of uint8 [n, height, width, channels]

    Raises
    ------
    InputError
        Two copies of one image differ, or a change returns every image that is looked at, `SEARCHED` at most.
    """
    tested, searched = _tested(images)
    for which, label in enumerate(transformation.labels):
        change = one_change(transformation, which)
        copies = change(tested)[0]
        _check_same(change, tested, copies, label)
        if np.array_equal(copies, tested) and np.array_equal(change(searched)[0], searched):
            raise InputError(
                f"{label} returned each of {len(searched)} images as it was; a transformation must change images one "
                "by one, which layers that mix several, such as MixUp and CutMix, do not."
            )


def digests(images: np.ndarray) -> np.ndarray:
    """A number of 64 bits for the content of each image: [n]."""
    made = (hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.array([int.from_bytes(digest) for digest in made], dtype=np.uint64)


def _tested(images):
    """A few images, spread over all and rather not of one grey, and more of them."""
    searched = images[np.unique(np.linspace(0, len(images) - 1, SEARCHED).astype(int))]
    varied = np.ptp(searched.reshape(len(searched), -1), axis=1) > 0
    good = searched[varied] if varied.any() else searched
    return good[np.unique(np.linspace(0, len(good) - 1, TESTED).astype(int))], searched


def _check_same(change, images, copies, label):
    repeats = OF_SEEDED if is_seeded(change.augmenters[0]) else REPEATS
    once, again = change(images[:1])[0], (change(images[:1])[0] for _ in range(repeats))
    if any(not np.array_equal(copy, once) for copy in again):
        first = "makes another copy of an image each time that it is asked"
    elif not np.array_equal(change(images[::-1])[0][::-1], copies):
        first = "makes copies of an image that depend on its batch or its place in it"
    elif not all(np.array_equal(change(images[i : i + 1])[0][0], copies[i]) for i in range(len(images))):
        first = "makes copies of an image that depend on the other images in its batch"
    else:
        return
    raise InputError(
        f"{label} {first}, so that the copies that are scored would not be those that are delivered; give a function "
        "of each image alone that takes its randomness by a parameter rng, seed or random_state, or draws from the "
        "generators of random, NumPy or PyTorch."
    )
