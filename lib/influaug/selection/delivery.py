"""The training set with the chosen copies: at once, in batches or as a ``tf.data.Dataset``, or where they are."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted

from ..data.adapters import as_transformation
from ..data.image_form import ImageForm
from ..data.lazy_copies import Training
from ..data.repeatable import SEARCHED, check_repeatable
from ..errors import InputError
from .copies import flattened
from .points import NUMBERS, check_length
from .row_changes import RowChanges
from .rows import blocks, digests, is_frame, joined, like, n_axes, n_rows, taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    import tensorflow as tf
    from numpy.typing import ArrayLike


class Chosen(NamedTuple):
    """Where the chosen copies are, for copies that lie elsewhere.

    Attributes
    ----------
    source : int array [m]
        The point, a row of X, that each was made of, rising.
    which : int array [m]
        Which of that point's copies it is.
    places : int array [m]
        Its place among all copies, point by point: i k + t if every point has k.
    weights : array [m]
        The weight of its point in `fit`, 1 without weights.
    """

    source: np.ndarray
    which: np.ndarray
    places: np.ndarray
    weights: np.ndarray


class Delivery:
    """Methods of `AugmentationSelector` that find or make the chosen copies."""

    if TYPE_CHECKING:
        transformation: Any
        image_form_: ImageForm | None
        support_: np.ndarray
        points_: np.ndarray
        source_: np.ndarray
        which_: np.ndarray
        n_points_: int
        n_copies_: int
        n_candidates_: int
        of_points_: bool
        copy_weights_: np.ndarray
        _content: tuple[np.ndarray, np.ndarray]
        _places: np.ndarray
        _chosen_weights: np.ndarray
        _n_given: int
        _transformation_of: Callable[[Any, Any], Any]

    def indices(self, n_copies: int | None = None) -> Chosen:
        """Where the chosen copies are: their points, which of a point's copies they are, and their places among all.

        Parameters
        ----------
        n_copies : int, optional
            k, the copies of every point, where `fit` chose points and was given no copies.

        Returns
        -------
        Chosen

        Raises
        ------
        InputError
            n_copies is needed, or is not what it was in `fit`.

        Examples
        --------
        Embeddings chose, and the images that they were made of lie in a file of their own:

        >>> import numpy as np
        >>> from influaug import AugmentationSelector
        >>> rng = np.random.default_rng(0)
        >>> X, y = rng.normal(size=(40, 3)), np.arange(40) % 2
        >>> copies = X[:, None] + 0.3 * rng.normal(size=(40, 5, 3))
        >>> chosen = AugmentationSelector(budget=6).fit(X, y, copies=copies).indices()
        >>> bool(np.all(chosen.places == 5 * chosen.source + chosen.which))
        True
        >>> images = np.zeros((40, 5, 8, 8))  # the copies that the embeddings are of
        >>> images[chosen.source, chosen.which].shape, y[chosen.source].shape
        ((6, 8, 8), (6,))
        """
        check_is_fitted(self)
        if n_copies is not None and (isinstance(n_copies, bool) or not isinstance(n_copies, Integral) or n_copies < 1):
            raise InputError(f"n_copies is {n_copies!r}; it must be a whole number of at least 1.")
        if self.n_copies_:
            if n_copies not in (None, self.n_copies_):
                raise InputError(f"n_copies is {n_copies}, but the points of fit had up to {self.n_copies_} copies.")
            return Chosen(self.source_, self.which_, self._places, self._chosen_weights)
        if n_copies is None:
            raise InputError(
                "fit chose points and was given no copies of them; say how many each has, as in indices(n_copies=4)."
            )
        source, which = self._all_of_points(int(n_copies))
        weights = np.repeat(self._chosen_weights, n_copies)
        return Chosen(source, which, source * int(n_copies) + which, weights)

    def augment(
        self, X: Any, y: ArrayLike, transformation: Any = None, copies: Any = None
    ) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray]:
        """The points of `fit` with the chosen copies, which are made of these rows or images.

        Parameters
        ----------
        X : images, array, sparse matrix, frame, or list, array or series of texts or objects
            Of anything that `fit` takes, in any type and scale. That of `fit`, in that order; if that had features, of
            these.
        y : array [n]
        transformation : optional
            As in `fit`; that of the constructor if neither it nor copies are given. For a policy of copies the one that
            made them: it must make as many of a point.
        copies : optional
            As in `fit`, in place of a transformation: copies of these rows, as many of each as there were in `fit`.

        Returns
        -------
        X_plus : as X [n + m, ...]
            The originals and then the copies by rising point, in the originals' type and scale; copies of images of
            floats that a transformation makes have 256 levels of grey. The rows of frames are numbered anew.
        y_plus : array [n + m]
        weights : array of float32 [n + m]
            Ones; of copies, their `copy_weights_`.
        source : int array [n + m]
            The point that each is, or was made of.

        Raises
        ------
        InputError
            Other rows, or another number of them or of copies, than in `fit`; copies that are not those which were
            scored; or images or a transformation that are none.
        """
        check_is_fitted(self)
        transformation = self._transformation_of(transformation, copies)
        if copies is None and transformation is None:
            raise InputError("augment needs the transformation, or the copies, that fit was given.")
        if copies is None and self._changes_images(X, transformation):
            training = self._training(X, y, transformation)
            return *training.batch(np.arange(training.n)), training.source
        check_length("rows of X", X, "labels", y)
        if n_rows(X) != self.n_points_:
            raise InputError(f"There are {n_rows(X)} rows of X, but the points of fit were {self.n_points_}.")
        added, chosen = self._added(X, transformation, copies)
        source = np.append(np.arange(self.n_points_), chosen)
        weights = np.ones(len(source), np.float32)
        if not self.of_points_:
            weights[self.n_points_ :] = self.copy_weights_
        return _with(X, added), np.asarray(y)[source], weights, source

    def batches(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        transformation: Any = None,
        batch_size: int = 64,
        epochs: int = 1,
        seed: int | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What `augment` gives of images, in shuffled batches, of which each makes its own copies.

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
        training = self._training(images, labels, self._transformation_of(transformation, None))
        for name, value in (("batch_size", batch_size), ("epochs", epochs)):
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"{name} is {value!r}; it must be a whole number of at least 1.")
        return training.batches(batch_size, epochs, np.random.SeedSequence(seed))

    def dataset(
        self,
        images: ArrayLike,
        labels: ArrayLike,
        transformation: Any = None,
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

        training = self._training(images, labels, self._transformation_of(transformation, None))
        seeds = np.random.SeedSequence(seed)
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

    def _changes_images(self, X, transformation):
        """Whether X is images, or should be: `fit` saw images, or only images are changed so."""
        of_rows = callable(transformation) or isinstance(transformation, list | tuple)
        return n_axes(X) in (3, 4) or self.image_form_ is not None or (hasattr(X, "dtype") and not of_rows)

    def _training(self, images, labels, transformation):
        """The training set that `augment` and `batches` give of images."""
        check_is_fitted(self)
        check_length("images", images, "labels", labels)
        if len(images) != self.n_points_:
            raise InputError(f"There are {len(images)} images, but the points of fit were {self.n_points_}.")
        form, transformation = ImageForm.of(images), as_transformation(transformation)
        images, expected = np.asarray(images), None
        source, which = self._of_transformation(len(transformation))
        if hasattr(self, "_content"):
            self._check_content(np.concatenate([digests(form.standard(images[i])) for i in blocks(len(images))]))
            expected = None if self.of_points_ else self._content[1]
        if expected is None:
            some = np.unique(np.linspace(0, len(images) - 1, SEARCHED).astype(int))
            check_repeatable(transformation, form.standard(images[some]))
        weights = None if self.of_points_ else self.copy_weights_
        return Training(images, np.asarray(labels), form, transformation, source, which, expected, weights)

    def _added(self, X, transformation, copies):
        """The chosen copies of rows that are no images to be transformed, and the points of these."""
        if copies is not None:
            return self._added_of(X, flattened(copies, X, getattr(self, "feature_names_in_", None)))
        rows = _as_in_fit(X)
        changes = RowChanges.of_given(transformation, rows)
        source, which = self._of_transformation(len(changes))
        if hasattr(self, "_content"):
            self._check_content(digests(rows))
        if not len(source):
            return None, source
        made = changes.of(rows, source, which)
        if hasattr(self, "_content") and not self.of_points_:
            other = np.flatnonzero(digests(made) != self._content[1])
            if other.size:
                raise InputError(
                    f"The transformation makes another copy of the point {source[other[0]]} than it did in fit; give "
                    "the one of fit, which must make the same copies again."
                )
        return made, source

    def _added_of(self, X, flat):
        """Of copies that were given."""
        places = np.flatnonzero(np.isin(flat.source, self.points_)) if not self.n_copies_ else self._places
        if self.n_copies_ and (
            len(flat.source) != self._n_given or not np.array_equal(flat.source[places], self.source_)
        ):
            raise InputError(
                f"There are {len(flat.source)} copies, other numbers of some points than the {self._n_given} of fit; "
                "give copies with as many of each point as there were in fit."
            )
        return flat.at(places) if len(places) else None, flat.source[places]

    def _of_transformation(self, k):
        """The point and the number of every chosen copy, of a transformation that makes k of each."""
        if self.of_points_:
            return self._all_of_points(k)
        if k != self.n_copies_:
            raise InputError(f"The transformation makes {k} copies of a point, but that of fit made {self.n_copies_}.")
        return self.source_, self.which_

    def _all_of_points(self, k):
        return np.repeat(self.points_, k), np.tile(np.arange(k), len(self.points_))

    def _check_content(self, own):
        """Refuse rows that are not those of `fit` in their order."""
        other = np.flatnonzero(own != self._content[0])
        if other.size:
            what = "images" if self.image_form_ is not None else "X"
            one = "the image" if self.image_form_ is not None else "the row"
            raise InputError(
                f"{what}[{other[0]}] is not {one} {other[0]} of fit; give {what if what == 'X' else 'the images'} of "
                "fit in their order."
            )


def _as_in_fit(X):
    """Rows as `fit` hands them to a function of rows."""
    kind = getattr(getattr(X, "dtype", None), "kind", None)
    if n_axes(X) != 2 or is_frame(X) or kind in ("O", "U", "S"):
        return X
    return check_array(X, accept_sparse="csr", dtype=list(NUMBERS), ensure_all_finite=False)


def _with(X, added):
    """X and the copies, in the type of X."""
    if added is None:
        return joined([X, taken(X, np.arange(0))]) if not isinstance(X, np.ndarray) else np.array(X)
    of_floats = getattr(getattr(X, "dtype", None), "kind", None) == "f"
    added = like(X, added)
    return joined([X, added.astype(X.dtype) if of_floats and hasattr(added, "astype") else added])
