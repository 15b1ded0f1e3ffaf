"""The training set with the chosen copies: at once, in batches or as a ``tf.data.Dataset``."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..data.adapters import as_transformation
from ..data.image_form import ImageForm
from ..data.lazy_copies import Training
from ..data.repeatable import SEARCHED, check_repeatable, digests
from ..errors import InputError
from .points import AT_ONCE, check_length

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import tensorflow as tf
    from numpy.typing import ArrayLike


class Delivery:
    """Methods of `AugmentationSelector` that make the chosen copies."""

    if TYPE_CHECKING:
        points_: np.ndarray
        source_: np.ndarray
        which_: np.ndarray
        n_points_: int
        n_copies_: int
        of_points_: bool
        _content: tuple[np.ndarray, np.ndarray]

    def augment(
        self, images: ArrayLike, labels: ArrayLike, transformation: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The points of `fit` with the chosen copies, which are made of these images.

        Parameters
        ----------
        images : array [n, height, width] or [n, height, width, channels]
            In any type and scale that `fit` takes. Those of `fit`, in that order; if that had features, of these.
        labels : array [n]
        transformation : optional
            As in `fit`. For a policy of copies the one that made them: it must make as many of a point.

        Returns
        -------
        images_plus : array [n + m, ...]
            The originals and then the copies by rising point, in the originals' type and scale; copies of floats have
            256 levels of grey.
        labels_plus : array [n + m]
        weights : array of float32 [n + m]
            Ones.
        source : int array [n + m]
            The point that each is, or was made of.

        Raises
        ------
        InputError
            Other images, or another number of them or of copies, than in `fit`; copies that are not those which were
            scored; or images or a transformation that are none.
        """
        training = self._training(images, labels, transformation)
        return *training.batch(np.arange(training.n)), training.source

    def batches(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        transformation: Any,
        batch_size: int = 64,
        epochs: int = 1,
        seed: int | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What `augment` gives, in shuffled batches, of which each makes its own copies.

        Parameters
        ----------
        images, labels, transformation
            As in `augment`.
        batch_size : int
            The last batch of an epoch takes what remains.
        epochs : int
        seed : int, optional
            Of the order, which every epoch has anew.

        Returns
        -------
        generator
            Of (images, labels, weights).
        """
        training = self._training(images, labels, transformation)
        for name, value in (("batch_size", batch_size), ("epochs", epochs)):
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"{name} is {value!r}; it must be a whole number of at least 1.")
        return training.batches(batch_size, epochs, np.random.SeedSequence(seed))

    def dataset(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        transformation: Any,
        batch_size: int = 64,
        epochs: int = 1,
        seed: int | None = None,
    ) -> tf.data.Dataset:
        """The same as a ``tf.data.Dataset``; each further pass over it has a new order. Needs TensorFlow.

        Parameters
        ----------
        images, labels, transformation, batch_size, epochs, seed
            As in `batches`.

        Returns
        -------
        tf.data.Dataset
            Of (images, labels, weights); text labels are `tf.string`.
        """
        self.batches(images, labels, transformation, batch_size, epochs)
        import tensorflow as tf

        training, seeds = self._training(images, labels, transformation), np.random.SeedSequence(seed)
        if training.labels.dtype.kind in "OU":
            training = replace(training, labels=training.labels.astype(str))
        kind = training.labels.dtype
        signature = (
            tf.TensorSpec((None, *training.images.shape[1:]), training.images.dtype),
            tf.TensorSpec((None,), tf.string if kind.kind == "U" else kind),
            tf.TensorSpec((None,), tf.float32),
        )
        return tf.data.Dataset.from_generator(
            lambda: training.batches(batch_size, epochs, seeds), output_signature=signature
        )

    def _training(self, images, labels, transformation):
        """The training set that `augment` and `batches` give."""
        check_is_fitted(self)
        check_length("images", images, "labels", labels)
        if len(images) != self.n_points_:
            raise InputError(f"There are {len(images)} images, but the points of fit were {self.n_points_}.")
        form, transformation = ImageForm.of(images), as_transformation(transformation)
        images, k, expected = np.asarray(images), len(transformation), None
        if self.of_points_:
            source, which = np.repeat(self.points_, k), np.tile(np.arange(k), len(self.points_))
        elif k != self.n_copies_:
            raise InputError(f"The transformation makes {k} copies of a point, but that of fit made {self.n_copies_}.")
        else:
            source, which = self.source_, self.which_
        if hasattr(self, "_content"):
            self._check_images(images, form)
            expected = None if self.of_points_ else self._content[1]
        if expected is None:
            some = np.unique(np.linspace(0, len(images) - 1, SEARCHED).astype(int))
            check_repeatable(transformation, form.standard(images[some]))
        return Training(images, np.asarray(labels), form, transformation, source, which, expected)

    def _check_images(self, images, form):
        """Refuse images that are not those of `fit` in their order."""
        size = AT_ONCE
        own = [digests(form.standard(images[i : i + size])) for i in range(0, len(images), size)]
        other = np.flatnonzero(np.concatenate(own) != self._content[0])
        if other.size:
            raise InputError(
                f"images[{other[0]}] is not the image {other[0]} of fit; give the images of fit in their order."
            )
