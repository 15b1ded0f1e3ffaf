"""Selection of what to augment, as a scikit-learn classifier: the way in for a person's own data and training loop."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral, Real
from sys import modules
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..data.adapters import as_transformation
from ..data.image_form import ImageForm
from ..data.lazy_copies import ChosenCopies, Training
from ..errors import InputError
from ..solver.estimator import LogisticHead
from .greedy import Candidates
from .policies import Chooser, Ranked, SetOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    import tensorflow as tf
    from numpy.typing import ArrayLike

AT_ONCE = 1000
"""Rows that are featurized at once: it bounds the memory."""


class _NameOfScore(str):
    """The parameter `score` of an estimator, which is a method too."""

    if TYPE_CHECKING:
        _estimator: AugmentationSelector

    def __new__(cls, name: str, estimator: AugmentationSelector) -> Self:
        made = super().__new__(cls, name)
        made._estimator = estimator
        return made

    def __call__(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        return ClassifierMixin.score(self._estimator, X, y, sample_weight)


class _Score:
    """An attribute that is both the parameter `score`, text, and the method that scikit-learn's searches call."""

    def __get__(self, estimator: AugmentationSelector | None, owner: type | None = None) -> Any:
        given = ClassifierMixin.score if estimator is None else vars(estimator)["score"]
        return _NameOfScore(given, estimator) if isinstance(given, str) else given  # type: ignore[arg-type]

    def __set__(self, estimator: AugmentationSelector, value: str) -> None:
        vars(estimator)["score"] = str(value) if isinstance(value, _NameOfScore) else value  # type: ignore[index]


class AugmentationSelector(ClassifierMixin, BaseEstimator):
    """Choose the training points, or the single copies, that are worth augmenting.

    Parameters
    ----------
    policy : str
        A policy of points: 'deterministic' (highest score first), 'random' (in proportion to the score) or another of
        `influaug.selection.point_policies`, by `score`; or 'influence', 'loss', 'clustered', 'k_dpp', ... of `influaug.selection.policies`.
        Or a policy of copies of `influaug.selection.policies`: 'greedy_influence', 'pool_influence', 'held_out_aug', ...
    budget : float or int
        A share, 0.0 to 1.0 (of any share above 0, at least one), or a number; of the points for a policy of points, of
        all copies for a policy of copies.
    score : {'influence', 'loss', 'margin'}
        Of the policies in `influaug.selection.point_policies`. Called, ``selector.score(X, y)``, it is the accuracy of `predict`.
    C : float
        Inverse regularisation strength of the logistic regression on the features.
    featurizer : str, keras.Model, or scikit-learn transformer, optional
        What makes features [n, d] of X. A name of `influaug.networks.featurizer.NETWORKS` is trained in `fit`; of a Keras
        network the layer named 'features' is taken (`KerasFeaturizer(network, layer=...)` for another). Transformers
        get images as uint8 [n, height, width, channels]. One that is fitted is used as it is, any other is cloned and
        fitted; note that scikit-learn's `clone`, and so its searches, unfit it (unless it is a `FrozenEstimator`).
    pool : float
        Share of the points whose copies a policy of a pool looks at.
    balanced : bool
        Whether the classes take turns, so that a rare one gets its part.
    random_state : int, RandomState, Generator or None
        Of the policies that draw, and of a network that is trained.

    Attributes
    ----------
    support_ : int array
        The chosen points (policies of points) or copies, rising. Copies are numbered as given, or, of images, point by
        point: that which transformation t makes of point i is i k + t.
    ranking_ : int array
        The same, best first; all points for policies of points that rank all.
    scores_ : array
        Policies of points: the score of every point [n]. Policies of copies: of each of `support_`, what it promised
        when it was added ('greedy_...', 'one_shot' and pools; of influence in nats, `influaug.selection.greedy`), else NaN.
    points_ : int array
        Points that are chosen, or of which a copy is, rising.
    source_, which_ : int array
        Of every chosen copy, its point, and which of that point's copies it is. Empty where `fit` was given no copies.
    n_generated_ : int
        Copies that `fit` had to look at: the number of those that were made and featurized, or were given for it.
    n_points_ : int
        n, the points of `fit`.
    n_copies_ : int
        k, the most copies of a point; 0 if `fit` was given none.
    of_points_ : bool
        Whether points were chosen, with all their copies.
    classes_ : array [n_classes]
    head_ : LogisticHead
        Fitted to the originals and the chosen copies, or to the originals alone if `fit` was given no copies.
    featurizer_ : object
        What was used, fitted; None without one.
    n_features_in_, feature_names_in_
        As ever in scikit-learn, if X is [n, d].
    """

    score = _Score()
    if TYPE_CHECKING:
        image_form_: ImageForm | None

    def __init__(
        self,
        policy: str = "greedy_influence",
        budget: float = 0.05,
        score: str = "influence",
        C: float = 10.0,
        featurizer: Any = None,
        pool: float = 0.25,
        balanced: bool = False,
        random_state: Any = None,
    ) -> None:
        self.policy = policy
        self.budget = budget
        self.score = score
        self.C = C
        self.featurizer = featurizer
        self.pool = pool
        self.balanced = balanced
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """As ever in scikit-learn."""
        # What was given, itself: `clone` looks whether the constructor has changed it.
        return {**super().get_params(deep), "score": vars(self)["score"]}

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        transformation: Any = None,
        copies: ArrayLike | None = None,
        source: ArrayLike | None = None,
    ) -> Self:
        """Choose, and fit the head.

        Parameters
        ----------
        X : array or frame [n, d], or images [n, height, width] or [n, height, width, channels]
            Images are uint8, floats 0 to 1 or floats 0 to 255, and need a `featurizer`.
        y : array [n]
            Labels of two classes or more, of any type.
        transformation : optional
            Of images: what `adapters.as_transformation` takes. Policies of copies need it or `copies`.
        copies : array [m, ...], optional
            Copies in the form of X. Steps of a Pipeline before this one do not see them: put those steps into
            `featurizer`, which does.
        source : int array [m], optional
            The point that each of `copies` was made of.

        Returns
        -------
        AugmentationSelector
            Itself.

        Raises
        ------
        InputError
            In a sentence, whatever of this is not as it should be.
        """
        options = SetOptions(C=self.C, pool=self.pool)
        chooser = Chooser.of(self.policy, self.score, self.balanced, options)
        rng = _generator(self.random_state)
        rows, labels = self._points(X, y)
        self.featurizer_ = _fitted(self.featurizer, rows, labels, rng)
        features = self._featurized(rows)
        if chooser.policy.needs_clusters:
            fewer = min(options.clusters, len(np.unique(features, axis=0)))
            chooser = replace(chooser, options=replace(options, clusters=fewer))
        self.of_points_ = chooser.policy.needs_no_copies
        made = self._copies(rows, transformation, copies, source)
        self._choose(chooser, Points(features, labels), made, rng)
        self._fit_head(features, labels, made)
        return self

    def _points(self, X, y):
        """X as finite features or standard images, and the labels' numbers; what is known of both is kept."""
        _same_length("X", X, "y", y)
        if _ndim(X) in (3, 4):
            if self.featurizer is None:
                raise InputError(
                    f"X is images {list(np.shape(X))}; they need a featurizer, such as featurizer='lenet', or give "
                    "features [n, d] instead."
                )
            self.image_form_ = ImageForm.of(X)
            rows, y = self.image_form_.standard(X), column_or_1d(y)
        else:
            self.image_form_ = None
            rows, y = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_all_finite=False)
            _finite(rows, "X")
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"The points are of one class, {self.classes_[0]!r}; a classifier needs two or more.")
        self.n_points_ = len(labels)
        return rows, labels

    def _copies(self, rows, transformation, copies, source):
        """The copies that were given, or can be made; without either, none."""
        n = self.n_points_
        if (copies is None) != (source is None):
            raise InputError("copies and source go together: give both, or neither.")
        if copies is not None and transformation is not None:
            raise InputError("Copies were given, and a transformation to make them; give one of the two.")
        if copies is not None:
            _same_length("copies", copies, "source", source)
            given = self._featurized(self._rows(copies, "copies"))
            return Copies(_sources(source, n), lambda places: given[places])
        if transformation is None:
            return Copies(np.arange(0), lambda places: places)
        if self.image_form_ is None:
            raise InputError(
                f"X is features {list(rows.shape)}, but a transformation makes copies of images: give images and a "
                "featurizer, or copies with their source."
            )
        images = ChosenCopies(rows, as_transformation(transformation))
        source = np.repeat(np.arange(n), len(images.transformation))
        return Copies(source, lambda places: self._featurized(images.of(*divmod(places, len(images.transformation)))))

    def _choose(self, chooser: Chooser, points: Points, copies: Copies, rng: np.random.Generator) -> None:
        if self.of_points_:
            found = chooser.points(*points, _count(self.budget, len(points.labels), "points"), rng)
            self.support_, self.ranking_, self.scores_ = np.sort(found.order), found.ranking, found.scores
            self.points_, chosen = self.support_, np.flatnonzero(np.isin(copies.source, self.support_))
        else:
            found, seen = self._choose_copies(chooser, points, copies, rng)
            rising = np.argsort(found.order)
            self.ranking_, self.scores_ = seen[found.order], found.scores[rising]
            self.support_ = chosen = self.ranking_[rising]
            self.points_ = np.unique(copies.source[chosen])
        self.source_, self.which_ = copies.source[chosen], copies.which[chosen]
        self.n_copies_ = int(copies.which.max(initial=-1)) + 1
        self._chosen = chosen

    def _choose_copies(
        self, chooser: Chooser, points: Points, copies: Copies, rng: np.random.Generator
    ) -> tuple[Ranked, np.ndarray]:
        """The choice, by place among the copies that were looked at, and the places of these."""
        if not len(copies.source):
            raise InputError(
                f"The policy {chooser.name} chooses among copies: give fit a transformation of images, or copies with "
                "their source; policies of points, such as 'influence', need neither."
            )
        budget = _count(self.budget, len(copies.source), "copies")
        pool = chooser.pool(*points, rng)
        seen = np.arange(len(copies.source)) if pool is None else np.flatnonzero(np.isin(copies.source, pool))
        # A policy that looks at no copy gets the points in their place, so that none is made in vain.
        unseen = chooser.policy.generates == "chosen"
        looked_at = points.features[copies.source] if unseen else copies.features(seen)
        candidates = Candidates(*points, looked_at, copies.source[seen])
        return chooser.copies(candidates, budget, rng), seen

    def _fit_head(self, features, labels, copies):
        if len(self._chosen):
            features = np.vstack([features, copies.features(self._chosen)])
            labels = np.append(labels, labels[self.source_])
        del self._chosen
        self.n_generated_ = copies.n_seen
        self.head_ = LogisticHead(C=self.C).fit(features, self.classes_[labels])

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable class of each row or image: [n]."""
        return self._head_on(X, "predict")

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of the classes: [n, n_classes]."""
        return self._head_on(X, "predict_proba")

    def _head_on(self, X, method):
        check_is_fitted(self)
        return getattr(self.head_, method)(self._featurized(self._rows(X, "X")))

    def _rows(self, X, what):
        """X, or copies, as finite features or standard images, in the form of the points of `fit`."""
        if self.image_form_ is not None:
            return self.image_form_.like(X).standard(X)
        if what == "X":
            X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False, ensure_all_finite=False)
        else:
            X = check_array(X, dtype=[np.float64, np.float32], ensure_all_finite=False, input_name=what)
            if X.shape[1] != self.n_features_in_:
                raise InputError(f"copies have {X.shape[1]} features, but the points {self.n_features_in_}.")
        return _finite(X, what)

    def _featurized(self, rows):
        if self.featurizer_ is None:
            return rows
        parts = [self.featurizer_.transform(rows[i : i + AT_ONCE]) for i in range(0, len(rows), AT_ONCE)]
        features = np.concatenate([np.asarray(part) for part in parts])
        if features.ndim != 2 or len(features) != len(rows) or features.dtype.kind not in "iuf":
            raise InputError(
                f"The featurizer gave {features.dtype} {list(features.shape)} for {len(rows)} rows; it must give "
                "numbers [n, d], a row for each."
            )
        return _finite(features, "the featurizer's output")

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
            Another number of points or copies than in `fit`, or images or a transformation that are none.
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
        _same_length("images", images, "labels", labels)
        if len(images) != self.n_points_:
            raise InputError(f"There are {len(images)} images, but the points of fit were {self.n_points_}.")
        form, transformation = ImageForm.of(images), as_transformation(transformation)
        k = len(transformation)
        if self.of_points_:
            source, which = np.repeat(self.points_, k), np.tile(np.arange(k), len(self.points_))
        elif k != self.n_copies_:
            raise InputError(f"The transformation makes {k} copies of a point, but that of fit made {self.n_copies_}.")
        else:
            source, which = self.source_, self.which_
            order = np.lexsort((which, source))
            source, which = source[order], which[order]
        return Training(np.asarray(images), np.asarray(labels), form, transformation, source, which)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = self.featurizer is not None
        return tags


class Points(NamedTuple):
    """Features [n, d] and labels 0, 1, ... [n] of the points."""

    features: np.ndarray
    labels: np.ndarray


class Copies:
    """Copies of the points, by place; the features of each are made once, when they are asked for.

    Parameters
    ----------
    source : int array [m]
    make : callable
        Places -> features.
    """

    if TYPE_CHECKING:
        _features: Any

    def __init__(self, source: np.ndarray, make: Callable[[np.ndarray], np.ndarray]) -> None:
        self.source, self._make = source, make
        self.which = pd.Series(source).groupby(source).cumcount().to_numpy(dtype=int)
        self._seen, self._features = np.zeros(len(source), dtype=bool), None

    def features(self, places: np.ndarray) -> np.ndarray:
        """Features of some, one or more."""
        new = places[~self._seen[places]]
        if len(new):
            made = self._make(new)
            if self._features is None:
                self._features = np.empty((len(self.source), made.shape[1]), made.dtype)
            self._features[new], self._seen[new] = made, True
        return self._features[places]

    @property
    def n_seen(self) -> int:
        """How many have been asked for."""
        return int(self._seen.sum())


def _generator(random_state):
    if isinstance(random_state, np.random.Generator):
        return random_state
    return np.random.default_rng(check_random_state(random_state).randint(2**32, size=4, dtype=np.uint32))


def _fitted(featurizer, rows, labels, rng):
    """The featurizer, fitted; one that was given is left as it was."""
    if featurizer is None:
        return None
    if isinstance(featurizer, str) or _is_network(featurizer):
        # Imported with Keras, which takes many seconds.
        from ..networks.featurizer import KerasFeaturizer

        featurizer = KerasFeaturizer(featurizer, seed=int(rng.integers(2**31)))
    elif not hasattr(featurizer, "transform"):
        raise InputError(
            f"featurizer is a {type(featurizer).__name__}; it must be a network's name, a Keras network or a "
            "scikit-learn transformer."
        )
    else:
        try:
            check_is_fitted(featurizer)
            return featurizer
        except NotFittedError:
            featurizer = clone(featurizer)
    return featurizer.fit(rows, labels)


def _is_network(featurizer):
    return "keras" in modules and isinstance(featurizer, modules["keras"].Model)


def _count(budget: float, most: int, what: str) -> int:
    """A budget as a number."""
    whole = isinstance(budget, Integral) and not isinstance(budget, bool)
    if whole and 0 <= budget <= most:
        return int(budget)
    if not whole and isinstance(budget, Real) and not isinstance(budget, bool) and 0 <= budget <= 1:
        return max(1, round(budget * most)) if budget else 0
    raise InputError(
        f"budget is {budget!r}; it must be a share from 0.0 to 1.0, or a whole number from 0 to the {most} {what}."
    )


def _same_length(name, values, other, others):
    """Refuse two lists of different lengths; what has no length is left to others to refuse."""
    lengths = [_length(values), _length(others)]
    if None not in lengths and lengths[0] != lengths[1]:
        raise InputError(f"There are {lengths[0]} {name} and {lengths[1]} {other}; there must be as many of each.")


def _length(values):
    shape = getattr(values, "shape", None)
    if shape is None:
        return len(values) if hasattr(values, "__len__") else None
    return shape[0] if len(shape) else None


def _ndim(values):
    return values.ndim if hasattr(values, "ndim") else np.asarray(values).ndim


def _finite(rows, what):
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        shown = ", ".join(map(str, bad[:10])) + (", ..." if bad.size > 10 else "")
        raise InputError(f"{what} must be finite numbers; the rows {shown} have NaN or infinite ones.")
    return rows


def _sources(source, n):
    source = np.asarray(source)
    if source.ndim != 1 or source.dtype.kind not in "iu" or not len(source) or source.min() < 0 or source.max() >= n:
        raise InputError(f"source must hold the point of each copy, whole numbers from 0 to {n - 1}, one or more.")
    return source.astype(int)
