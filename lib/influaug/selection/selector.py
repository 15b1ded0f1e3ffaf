"""Selection of what to augment, as a scikit-learn classifier: the way in for a person's own data and training loop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..data.adapters import as_transformation
from ..data.image_form import ImageForm
from ..data.lazy_copies import ChosenCopies
from ..data.repeatable import check_repeatable, digests
from ..errors import InputError
from ..solver.estimator import LogisticHead, draft_of, refusing_what_does_not_converge, replace_fitted, weights_of
from . import points as given
from .candidates import Candidates
from .copies import Copies, flattened
from .delivery import Delivery
from .guard import check_guard, doubtful_points
from .likeness import warn_of_unlike
from .policies import Chooser, Ranked, SetOptions
from .rules import held_out
from .score_parameter import ScoreParameter

if TYPE_CHECKING:
    from typing import Any, Self

    from numpy.typing import ArrayLike

NUMBERS = [np.float64, np.float32]


class AugmentationSelector(Delivery, ClassifierMixin, BaseEstimator):
    """Choose the training points, or the single copies, that are worth augmenting.

    Parameters
    ----------
    policy : str
        A policy of points: 'deterministic' (highest score first), 'random' (in proportion to the score) or another of
        `influaug.selection.point_policies`, by `score`; or 'influence', 'loss', 'clustered', 'k_dpp', ... of
        `influaug.selection.policies`. Or a policy of copies there: 'greedy_influence', 'held_out_aug', ...
    budget : float or int
        A share, 0.0 to 1.0 (of any share above 0, at least one), or a number; of the points for a policy of points, of
        all copies for a policy of copies.
    score : {'influence', 'loss', 'margin'}
        Of the policies in `influaug.selection.point_policies`. Called, ``selector.score(X, y)``, it is the accuracy of
        `predict`.
    C : float
        Inverse regularisation strength of the logistic regression on the features.
    featurizer : str, keras.Model, or scikit-learn transformer, optional
        Makes features [n, d] of X and of the copies. A name of `influaug.networks.featurizer.NETWORKS` is trained in
        `fit`; of a Keras network the layer named 'features' is taken (`KerasFeaturizer(network, layer=...)` for
        another). A transformer, such as a scaler or a Pipeline of transformers, gets images as uint8 [n, height, width,
        channels]. One that is fitted is used as it is, any other is cloned and fitted to X; note that scikit-learn's
        `clone`, and so its searches, unfit it (unless it is a `FrozenEstimator`).
    pool : float
        Share of the points whose copies a policy of a pool looks at.
    balanced : bool
        Whether the classes take turns, so that a rare one gets its part.
    random_state : int, RandomState, Generator or None
        Of the policies that draw, and of a network that is trained.
    class_weight : dict, 'balanced' or None
        Weights of the classes, as in scikit-learn; they multiply `sample_weight`.
    leave_out_doubtful : bool or float
        Whether points with doubtful labels get no copies: True for those that are issues of `influaug.label_issues`, a
        share for that share of the points, the most doubtful ones. They stay in all that is fitted. A featurizer that
        is not fitted is then fitted five times more, without the points of each fold.

    Attributes
    ----------
    support_ : int array
        The chosen points (policies of points) or copies, rising. Copies are numbered point by point: of images, that
        which transformation t makes of point i is i k + t.
    ranking_ : int array
        The same, best first; all points for policies of points that rank all.
    scores_ : array
        Policies of points: the score of every point, times its weight [n]; NaN where the policy uses no score.
        Policies of copies: of each of `support_`, what it promised when it was added ('greedy_...', 'one_shot' and
        pools; of influence in nats, `influaug.selection.greedy`), else NaN.
    points_ : int array
        Points that are chosen, or of which a copy is, rising.
    source_, which_ : int array
        Of every chosen copy, its point, and which of that point's copies it is. Empty where `fit` was given no copies.
    n_generated_ : int
        Copies that `fit` had to look at: the number of those that were made and featurized, or were given for it. The
        few that are made to see whether a transformation repeats itself are not counted.
    doubtful_ : int array
        Points that get no copies because their labels are doubtful, rising; empty without `leave_out_doubtful`.
    n_points_ : int
        n, the points of `fit`.
    n_copies_ : int
        k, the most copies of a point; 0 if `fit` was given none.
    n_candidates_ : int
        What was chosen from: the number of points, or of all copies.
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

    score = ScoreParameter()
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
        class_weight: Any = None,
        leave_out_doubtful: bool | float = False,
    ) -> None:
        self.policy = policy
        self.budget = budget
        self.score = score
        self.C = C
        self.featurizer = featurizer
        self.pool = pool
        self.balanced = balanced
        self.random_state = random_state
        self.class_weight = class_weight
        self.leave_out_doubtful = leave_out_doubtful

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """As ever in scikit-learn."""
        # What was given, itself: `clone` looks whether the constructor has changed it.
        return {**super().get_params(deep), "score": vars(self)["score"]}

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        transformation: Any = None,
        copies: Any = None,
        source: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Choose, and fit the head; an estimator whose fit fails stays as it was.

        Parameters
        ----------
        X : array, sparse matrix or frame [n, d], or images [n, height, width] or [n, height, width, channels]
            Images are uint8, floats 0 to 1 or floats 0 to 255, and need a `featurizer`. A sparse matrix goes to the
            featurizer as it is; features that are still sparse are made dense, up to `points.MOST_DENSE` bytes.
        y : array [n]
            Labels of two classes or more, of any type.
        transformation : optional
            Of images: what `adapters.as_transformation` takes, such as 'translate'. Policies of copies need it or
            `copies`.
        copies : array [n, k, ...], or list or object array of n arrays, sparse matrices or frames [k_i, ...], optional
            Copies in the form of X, those of X[i] in entry i, which may be empty. Searches and cross-validation slice
            them together with X, so that no copy comes to another point; `copies.copies_by_point` makes them of copies
            in any order. Steps of a Pipeline before this one do not see them: put those steps into `featurizer`, which
            does; there is a warning if the copies seem to have another scale than X, or to be of other points.
        source : None
            Refused: the numbers of points do not hold in a fold, where X has other rows; see `copies`.
        sample_weight : array [n], optional
            Weights of the points in all that is fitted and scored; copies have the weight of their point. Policies that
            hold points out, 'held_out_up' and 'held_out_aug', take none.

        Returns
        -------
        AugmentationSelector
            Itself.

        Raises
        ------
        InputError
            In a sentence, whatever of this is not as it should be, if possible before anything is trained.
        ValueError
            Scikit-learn's, if X or y has not the axes or the type that it wants.
        """
        draft = draft_of(self)
        draft._fit(X, y, (transformation, copies, source), sample_weight)
        replace_fitted(self, draft)
        return self

    def _fit(self, X, y, of_copies, sample_weight):
        chooser = self._chooser()
        self.of_points_ = chooser.policy.needs_no_copies
        rng = given.generator(self.random_state)
        rows, labels = self._points(X, y)
        weights = self._weights(sample_weight, labels, chooser)
        copies = self._copies(rows, *of_copies)
        budget = self._budget(chooser, copies)
        self.doubtful_ = doubtful_points(self.leave_out_doubtful, rows, labels, self.featurizer, rng)
        self.featurizer_ = given.fitted(self.featurizer, rows, labels, rng)
        points = given.Points(given.featurized(self.featurizer_, rows), labels, weights)
        if chooser.policy.needs_clusters:
            fewer = min(chooser.options.clusters, len(np.unique(points.features, axis=0)))
            chooser = replace(chooser, options=replace(chooser.options, clusters=fewer))
        with refusing_what_does_not_converge():
            self._choose(chooser, budget, points, copies, rng)
        self._fit_head(points, copies)

    def _chooser(self):
        """The policy, after a look at all parameters."""
        given.check_number("C", self.C)
        given.check_number("pool", self.pool, 1)
        given.check_featurizer(self.featurizer)
        check_guard(self.leave_out_doubtful)
        if not isinstance(self.balanced, bool | np.bool_):
            raise InputError(f"balanced is {self.balanced!r}; it must be True or False.")
        return Chooser.of(self.policy, self.score, self.balanced, SetOptions(C=self.C, pool=self.pool))

    def _points(self, X, y):
        """X as finite features or standard images, and the labels' numbers; what is known of both is kept."""
        given.check_length("X", X, "y", y)
        if given.n_axes(X) in (3, 4):
            if self.featurizer is None:
                raise InputError(
                    f"X is images {list(np.shape(X))}; they need a featurizer, such as featurizer='lenet', or give "
                    "features [n, d] instead."
                )
            self.image_form_ = ImageForm.of(X)
            rows, y = self.image_form_.standard(X), column_or_1d(y)
            self.image_shape_ = rows.shape[1:]
        else:
            self.image_form_ = None
            given.check_labels(y)
            rows, y = validate_data(self, X, y, accept_sparse="csr", dtype=NUMBERS, ensure_all_finite=False)
            given.finite(rows, "X")
        given.check_labels(y)
        self.classes_, labels = given.encoded(y)
        check_classification_targets(y)
        self.n_points_ = len(labels)
        return rows, labels

    def _weights(self, sample_weight, labels, chooser):
        """Weights of the points; None if all are 1."""
        if sample_weight is None and self.class_weight is None:
            return None
        if chooser.policy.choose is held_out:
            raise InputError(f"The policy {chooser.name} knows no weights of points; fit without them.")
        return weights_of(sample_weight, self.class_weight, self.classes_, labels)

    def _copies(self, rows, transformation, copies, source):
        """The copies that were given, or can be made; without either, none."""
        if source is not None:
            raise InputError(
                "source numbers the points of X, which has other rows in a fold: give copies with an entry for each "
                "point and no source, copies=influaug.copies_by_point(copies, source, len(X))."
            )
        if copies is not None and transformation is not None:
            raise InputError("Copies were given, and a transformation to make them; give one of the two.")
        if copies is not None:
            return self._given(rows, copies)
        if transformation is None:
            return Copies(np.arange(0), lambda places: places)
        if self.image_form_ is None:
            raise InputError(
                f"X is features {list(rows.shape)}, but a transformation makes copies of images: give images and a "
                "featurizer, or copies."
            )
        return self._made(rows, as_transformation(transformation))

    def _given(self, rows, copies):
        axes = 2 if self.image_form_ is None else 3 if self.image_form_.grey else 4
        flat, source = flattened(copies, self.n_points_, axes, getattr(self, "feature_names_in_", None))
        if flat is None:
            return Copies(np.arange(0), lambda places: places)
        flat = self._rows(flat, "copies")
        if self.image_form_ is None:
            warn_of_unlike(rows, flat, source)
        return Copies(source, lambda places: given.featurized(self.featurizer_, flat[places]))

    def _made(self, rows, transformation):
        check_repeatable(transformation, rows)
        images, k = ChosenCopies(rows, transformation), len(transformation)
        # Of the copies that are scored, so that those that `augment` makes can be compared with them.
        content = np.zeros(len(rows) * k, dtype=np.uint64)
        self._content = digests(rows), content

        def make(places):
            made = images.of(*divmod(places, k))
            content[places] = digests(made)
            return given.featurized(self.featurizer_, made)

        return Copies(np.repeat(np.arange(len(rows)), k), make)

    def _budget(self, chooser, copies):
        if self.of_points_:
            self.n_candidates_ = self.n_points_
            return given.count(self.budget, self.n_points_, "points")
        if not len(copies.source):
            raise InputError(
                f"The policy {chooser.name} chooses among copies: give fit a transformation of images, or copies; "
                "policies of points, such as 'influence', need neither."
            )
        self.n_candidates_ = len(copies.source)
        return given.count(self.budget, self.n_candidates_, "copies")

    def _choose(
        self, chooser: Chooser, budget: int, points: given.Points, copies: Copies, rng: np.random.Generator
    ) -> None:
        if self.of_points_:
            found = chooser.points(points.features, points.labels, budget, rng, points.weights, self._trusted())
            self.support_, self.ranking_, self.scores_ = np.sort(found.order), found.ranking, found.scores
            self.points_, chosen = self.support_, np.flatnonzero(np.isin(copies.source, self.support_))
        else:
            found, seen = self._choose_copies(chooser, budget, points, copies, rng)
            rising = np.argsort(found.order)
            self.ranking_, self.scores_ = seen[found.order], found.scores[rising]
            self.support_ = chosen = self.ranking_[rising]
            self.points_ = np.unique(copies.source[chosen])
        self.source_, self.which_ = copies.source[chosen], copies.which[chosen]
        self.n_copies_ = int(copies.which.max(initial=-1)) + 1
        self._chosen = chosen

    def _choose_copies(
        self, chooser: Chooser, budget: int, points: given.Points, copies: Copies, rng: np.random.Generator
    ) -> tuple[Ranked, np.ndarray]:
        """The choice, by place among the copies that were looked at, and the places of these."""
        pool = chooser.pool(points.features, points.labels, rng, points.weights)
        among = self._trusted() if pool is None else np.setdiff1d(pool, self.doubtful_)
        seen = np.flatnonzero(np.isin(copies.source, among))
        if not len(seen):
            raise InputError(
                f"No point in the pool of the policy {chooser.name} has a copy; take a larger pool."
                if pool is not None
                else "Only points with doubtful labels have copies; fit with leave_out_doubtful=False."
            )
        # A policy that looks at no copy gets the points in their place, so that none is made in vain.
        unseen = chooser.policy.generates == "chosen"
        looked_at = points.features[copies.source[seen]] if unseen else copies.features(seen)
        candidates = Candidates(points.features, points.labels, looked_at, copies.source[seen], points.weights)
        return chooser.copies(candidates, budget, rng), seen

    def _trusted(self):
        """The points whose labels are not in doubt."""
        return np.setdiff1d(np.arange(self.n_points_), self.doubtful_)

    def _fit_head(self, points, copies):
        features, labels, weights = points
        if len(self._chosen):
            features = np.vstack([features, copies.features(self._chosen)])
            labels = np.append(labels, labels[self.source_])
            weights = None if weights is None else np.append(weights, weights[self.source_])
        if hasattr(self, "_content"):
            self._content = self._content[0], self._content[1][self._chosen]
        del self._chosen
        self.n_generated_ = copies.n_seen
        self.head_ = LogisticHead(C=self.C).fit(features, self.classes_[labels], weights)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable class of each row or image: [n]."""
        return self._head_on(X, "predict")

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of the classes: [n, n_classes]."""
        return self._head_on(X, "predict_proba")

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Linear scores of the head: [n] with two classes, else [n, n_classes]."""
        return self._head_on(X, "decision_function")

    def get_support(self, indices: bool = False) -> np.ndarray:
        """What was chosen, as a mask [n_candidates_] over the points or over all copies, or as `support_`."""
        check_is_fitted(self)
        if indices:
            return self.support_
        mask = np.zeros(self.n_candidates_, dtype=bool)
        mask[self.support_] = True
        return mask

    def _head_on(self, X, method):
        check_is_fitted(self)
        return getattr(self.head_, method)(given.featurized(self.featurizer_, self._rows(X, "X")))

    def _rows(self, X, what):
        """X, or copies, as finite features or standard images, in the form of the points of `fit`."""
        if self.image_form_ is not None:
            images = self.image_form_.like(X).standard(X)
            if images.shape[1:] != self.image_shape_:
                raise InputError(
                    f"{what} has images {list(images.shape[1:])}, but those of fit are {list(self.image_shape_)}."
                )
            return images
        options = {"accept_sparse": "csr", "dtype": NUMBERS, "ensure_all_finite": False}
        if what == "X":
            return given.finite(validate_data(self, X, reset=False, **options), what)
        X = check_array(X, input_name=what, **options)
        if X.shape[1] != self.n_features_in_:
            raise InputError(f"copies have {X.shape[1]} features, but the points {self.n_features_in_}.")
        return given.finite(X, what, "; where points have fewer copies, give a list of n arrays [k_i, d]")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = self.featurizer is not None
        tags.input_tags.sparse = True
        return tags
