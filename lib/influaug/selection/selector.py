"""Selection of what to augment, as a scikit-learn classifier: the way in for a person's own data and training loop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from ..data.adapters import as_transformation
from ..data.lazy_copies import ChosenCopies
from ..data.repeatable import check_repeatable
from ..errors import InputError
from ..solver.estimator import LogisticHead, draft_of, refusing_what_does_not_converge, replace_fitted, weights_of
from . import points as given
from . import size
from .candidates import Candidates
from .copies import flattened
from .cost import Cost, iterative_cost
from .delivery import Delivery
from .guard import check_guard, doubtful_points
from .intake import Intake
from .likeness import warn_of_unlike
from .network_rounds import as_rounds, choose_with_network
from .policies import Chooser, Ranked, SetOptions
from .resampling import Resampling
from .rounds import ImagePool, Rounds
from .row_changes import RowChanges
from .rows import blocks, digests
from .rules import greedily, greedy_points, held_out
from .score_parameter import ScoreParameter
from .store import FIRST, Copies

if TYPE_CHECKING:
    from typing import Any, Self

    from numpy.typing import ArrayLike


class AugmentationSelector(Intake, Delivery, Resampling, ClassifierMixin, BaseEstimator):
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
    featurizer : str, keras.Model, or object with fit and transform, optional
        Makes features [n, d] of X and of the copies; texts and tables with text need one. A name of
        `influaug.networks.featurizer.NETWORKS` is trained in `fit`; of a Keras network the layer named 'features' is
        taken (`KerasFeaturizer(network, layer=...)` for another). A transformer, such as a scaler or a Pipeline of
        transformers, gets images as uint8 [n, height, width, channels], and texts, objects and frames as they are. One
        that is fitted is used as it is, any other is cloned and fitted to X; note that scikit-learn's `clone`, and so
        its searches, unfit it (unless it is a `FrozenEstimator`).
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
    transformation : optional
        What makes copies, for `fit`, `augment` and `fit_resample` when they are given neither one nor copies; so a
        search can compare several.
    dtype : {'float32', 'float16', 'float64'}
        Type in which the features of copies are kept that a featurizer or a transformation makes; float64 in place of
        float32 if the points' features would lose by it more than a hundredth of a standard deviation. An array of
        features, in memory or in a file, is used as it is.
    max_memory : int, str or None
        Most memory that features of copies and the choice among them may take, in bytes or as '2GB'; what would take
        more is refused before it begins. None: what the machine has.
    verbose : bool or int
        Whether progress is shown of what takes longer than two seconds, with the time to come; beside that of the
        features of copies stand the time and the memory that are expected for all.
    rounds : int, `influaug.selection.rounds.Rounds` or None
        Of images with a network as `featurizer`: choose a part of the copies, train the network on the originals and
        these, make the features anew, and choose on, instead of choosing once. A number is that of rounds that train
        anew, 500 updates each; ``Rounds(5, anew=False, updates=40, folder=...)`` trains one network on, and keeps a
        checkpoint after each round. ``Rounds.cost`` says beforehand what it takes, and the bar of progress too.

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
    copy_weights_ : array
        Weight of every chosen copy, which multiplies its point's; ones but for policies that weigh copies, such as
        'match_full_weighted'.
    points_ : int array
        Points that are chosen, or of which a copy is, rising.
    source_, which_ : int array
        Of every chosen copy, its point, and which of that point's copies it is. Empty where `fit` was given no copies.
    estimate_ : tuple (seconds, n_bytes)
        What the choice was expected to take, of policies of copies.
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

    Notes
    -----
    The defaults follow from measured tables of accuracy on MNIST, with LeNet features and 16 paired replicates; after
    +- stand 95% intervals, in percentage points.

    * policy: at 1 to 3% of the copies greedy influence is ahead of GradMatch, CRAIG and BADGE for 3 against 8 and,
      for pairs that chose nothing, 4 against 9, 7 against 9 and 5 against 8 (translate; ``outputs/sets/*-rivals``),
      for crop, and with ten classes, there by 1.7 +- .4 at the least. For rotate CRAIG cannot be told from it at 2 and
      3%, and is .05 +- .03 ahead at 5%. 'worst_copy' is behind by .30 +- .12 to .76 +- .38 at 1% (two digits,
      translate; crop: .26 +- .17), by 2.6 +- .5 with 5% wrong labels and by 3.4 +- .6 with ten classes; for rotate it
      cannot be told from greedy influence at 1 and 2%, and is .08 +- .06 and .06 +- .04 ahead at 3 and 5%. At 10% it
      is .05 to .08 ahead for these pairs with translate. Where all copies do harm, on small NORB, random copies are
      ahead of greedy influence at 1%.
    * budget: at 5% it is .05 +- .03 to .05 +- .04 short of all copies for 3 against 8, 4 against 9, 7 against 9 and 5
      against 8 (translate). With ten classes it is 3.2 +- .3 short: take more there.
    * C: at 5%, 3 against 8, it is .28 +- .10 short with C = 1, .05 +- .03 with 10, and .02 +- .04 with 100. The
      distances with 10 and 100 cannot be told apart; with 100 accuracy is .18 +- .10 higher. So choose C as for any
      head, by cross-validation.
    * rounds: once, for features that are given. For a network trained anew three rounds gain .16 +- .06 over one choice
      (``outputs/retrained_sets/mnist-translate``), and cost twice its image passes; where copies cost nothing, augment
      on the fly instead. With ten digits three rounds are 2.7 +- .7 short of all copies, and on colour images no gain
      of any choice over random copies is shown (eight and five replicates).
    """

    score = ScoreParameter()

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
        transformation: Any = None,
        dtype: str = "float32",
        max_memory: int | str | None = None,
        verbose: bool | int = True,
        rounds: int | Rounds | None = None,
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
        self.transformation = transformation
        self.dtype = dtype
        self.max_memory = max_memory
        self.verbose = verbose
        self.rounds = rounds

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """As ever in scikit-learn."""
        # What was given, itself: `clone` looks whether the constructor has changed it.
        return {**super().get_params(deep), "score": vars(self)["score"]}

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        transformation: Any = None,
        copies: Any = None,
        source: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Choose, and fit the head; an estimator whose fit fails stays as it was.

        Parameters
        ----------
        X : array, sparse matrix or frame [n, d], images, or texts or other objects [n]
            Features, a memory map too; a sparse matrix goes to the featurizer as it is, and features that are still
            sparse are made dense, up to `points.MOST_DENSE` bytes. Images [n, height, width] or [n, height, width,
            channels] are uint8, floats 0 to 1 or floats 0 to 255; they, and a list, array or series of texts or
            objects, need a `featurizer`. With one, frames may hold text, categories and missing values.
        y : array [n]
            Labels of two classes or more, of any type.
        transformation : optional
            Makes copies. Of images: what `adapters.as_transformation` takes, such as 'translate'. Of other X: a
            function of rows, or a list of these, see `row_changes`: it takes some rows in the type of X and returns as
            many, a copy of each, or the same number of copies of each. It must make the same copies again; one that
            draws at random does, if it draws from known generators or takes `rng`, `seed` or `random_state`.
        copies : array [n, k, ...], `CopiesByPoint`, or list or object array of n entries [k_i, ...], optional
            Copies in the form of X, those of X[i] in entry i, which may be empty. Searches and cross-validation slice
            them together with X, so that no copy comes to another point; `copies.copies_by_point` makes them of copies
            in any order, and of a function that gives blocks of them. Steps of a Pipeline before this one do not see
            them: put those steps into `featurizer`, which does; there is a warning if the copies seem to have another
            scale than X, or to be of other points.
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
        rounds = as_rounds(self.rounds, chooser, self.featurizer)
        self.of_points_ = chooser.policy.needs_no_copies
        rng = given.generator(self.random_state)
        rows, own, labels = self._points(X, y)
        weights = self._weights(sample_weight, labels, chooser)
        copies = self._copies(own, *of_copies)
        budget = self._budget(chooser, copies)
        self.doubtful_ = doubtful_points(self.leave_out_doubtful, rows, labels, self.featurizer, rng)
        if rounds is not None:
            self._choose_in_rounds(rounds, (chooser, budget), given.Points(rows, labels, weights), copies, rng)
            return
        self.featurizer_ = given.fitted(self.featurizer, rows, labels, rng)
        points = given.Points(given.featurized(self.featurizer_, rows), labels, weights)
        copies.kept(size.kept_type(self.dtype, points.features), bool(self.verbose))
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
        size.check_dtype(self.dtype)
        size.bytes_of(self.max_memory)
        if not isinstance(self.balanced, bool | np.bool_):
            raise InputError(f"balanced is {self.balanced!r}; it must be True or False.")
        if not isinstance(self.verbose, int | np.integer | np.bool_):
            raise InputError(f"verbose is {self.verbose!r}; it must be True, False or a whole number.")
        return Chooser.of(
            self.policy, self.score, self.balanced, SetOptions(C=self.C, pool=self.pool, verbose=bool(self.verbose))
        )

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
        transformation = self._transformation_of(transformation, copies)
        if copies is not None:
            return self._given(rows, copies)
        if transformation is None:
            return Copies(np.arange(0))
        if self.image_form_ is None:
            changes = RowChanges.of_given(transformation, rows)
            return self._made(rows, changes.of, len(changes))
        changes = as_transformation(transformation)
        check_repeatable(changes, rows)
        return self._made(rows, lambda rows, *places: ChosenCopies(rows, changes).of(*places), len(changes))

    def _transformation_of(self, transformation, copies):
        """That of a method, or else that of the constructor."""
        if self.transformation is not None and (transformation is not None or copies is not None):
            more = "another" if copies is None else "copies"
            raise InputError(f"The selector has a transformation, and was given {more}; give one of the two.")
        if copies is not None and transformation is not None:
            raise InputError("Copies were given, and a transformation to make them; give one of the two.")
        return self.transformation if transformation is None else transformation

    def _given(self, rows, copies):
        form = self.image_form_
        like = rows[..., 0] if form is not None and form.grey else rows
        flat = flattened(copies, like, getattr(self, "feature_names_in_", None))
        if not len(flat.source):
            return Copies(np.arange(0))
        checked = self._checked(flat)
        if form is None and not self._raw:
            warn_of_unlike(self._rows(rows, "X"), checked, flat.source)
        if self.featurizer is None and flat.array is not None and flat.array.dtype in given.NUMBERS:
            return Copies(flat.source, ready=flat.array)
        return Copies(flat.source, lambda places: given.featurized(self.featurizer_, checked(places)), rows=checked)

    def _checked(self, flat):
        """Places -> copies as the featurizer takes them; all that can be read is looked at before any is trained on."""
        m = len(flat.source)
        if self.image_form_ is not None and getattr(flat.array, "dtype", None) != np.uint8:
            # The scale of floats shows only in all of them.
            images = self._rows(flat.at(np.arange(m)), "copies")
            return lambda places: images[places]

        def checked(places):
            return self._rows(flat.at(places), "copies", places)

        # A function is asked for a first block alone.
        for block in blocks(m if flat.checked else min(m, FIRST)):
            checked(np.arange(block.start, block.stop))
        return checked

    def _made(self, rows, changed, k):
        """Copies that a transformation makes: k of every row."""
        n = self.n_points_
        # Of the copies that are scored, so that those that `augment` makes can be compared with them.
        content = np.zeros(n * k, dtype=np.uint64)
        self._content = digests(rows), content

        def make(places):
            made = changed(rows, *divmod(places, k))
            content[places] = digests(made)
            return self._rows(made, "copies", places) if self.image_form_ is None else made

        source = np.repeat(np.arange(n), k)
        return Copies(source, lambda places: given.featurized(self.featurizer_, make(places)), rows=make)

    def _budget(self, chooser, copies):
        if self.of_points_:
            self.n_candidates_ = self.n_points_
            return given.count(self.budget, self.n_points_, "points")
        if not len(copies.source):
            raise InputError(
                f"The policy {chooser.name} chooses among copies: give fit a transformation, or copies; "
                "policies of points, such as 'influence', need neither."
            )
        self.n_candidates_ = len(copies.source)
        return given.count(self.budget, self.n_candidates_, "copies")

    def _choose(
        self, chooser: Chooser, budget: int, points: given.Points, copies: Copies, rng: np.random.Generator
    ) -> None:
        if self.of_points_:
            added = min(budget * int(copies.which.max(initial=-1) + 1), len(copies.source))
            self._expected_bytes(points, copies, added, added, 0.0)
            found = chooser.points(points.features, points.labels, budget, rng, points.weights, self._trusted())
            self.support_, self.ranking_, self.scores_ = np.sort(found.order), found.ranking, found.scores
            self.points_, chosen, weights = self.support_, np.flatnonzero(np.isin(copies.source, self.support_)), None
        else:
            found, seen = self._choose_copies(chooser, budget, points, copies, rng)
            chosen = self._keep_ranked(seen[found.order], found.scores, copies)
            weights = None if found.weights is None else found.weights[np.argsort(found.order)]
        self._keep(chosen, copies, weights)

    def _keep_ranked(self, ranking, scores, copies):
        """Keep the chosen copies, by place, best first; the same rising."""
        rising = np.argsort(ranking)
        self.ranking_, self.scores_ = ranking, scores[rising]
        self.support_ = ranking[rising]
        self.points_ = np.unique(copies.source[self.support_])
        return self.support_

    def _keep(self, chosen, copies, weights=None):
        """Keep where the chosen copies are, rising, and their weights."""
        self.source_, self.which_ = copies.source[chosen], copies.which[chosen]
        self.n_copies_ = int(copies.which.max(initial=-1)) + 1
        self.copy_weights_ = np.ones(len(chosen)) if weights is None else weights
        self._places, self._n_given = chosen, len(copies.source)

    def _choose_in_rounds(
        self,
        rounds: Rounds,
        choice: tuple[Chooser, int],
        points: given.Points,
        copies: Copies,
        rng: np.random.Generator,
    ) -> None:
        """Choose by rounds of the network, and fit the head to the last one's features; the points are images."""
        chooser, budget = choice
        make, seen = copies.rows, np.flatnonzero(np.isin(copies.source, self._trusted()))
        if self.image_form_ is None or make is None:
            raise InputError("rounds train a network on images: give images, and a transformation or copies of images.")
        source = copies.source[seen]
        pool = ImagePool(points.features, points.labels, source, lambda places: make(seen[places]), points.weights)
        with refusing_what_does_not_converge():
            found = choose_with_network(rounds, self.featurizer, pool, min(budget, len(seen)), chooser, rng)
        self.featurizer_, ranking = found[0], seen[found[1]]
        self._keep(self._keep_ranked(ranking, np.full(len(ranking), np.nan), copies), copies)
        featurized = given.featurized(self.featurizer_, points.features)
        copies.kept(size.kept_type(self.dtype, featurized), bool(self.verbose))
        self._fit_head(given.Points(featurized, points.labels, points.weights), copies)
        self.n_generated_ = len(seen)

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
        self._expect(chooser, points, copies, budget, np.arange(0) if unseen else seen)
        some = np.broadcast_to(points.features[:1], (len(seen), points.features.shape[1]))
        looked_at = some if unseen else copies.features(seen)
        candidates = Candidates(points.features, points.labels, looked_at, copies.source[seen], points.weights)
        return chooser.copies(candidates, budget, rng), seen

    def _expect(self, chooser, points, copies, budget, seen):
        """Estimate memory and time, and refuse what does not fit, before copies are made."""
        d, choosing = points.features.shape[1], Cost(0.0, 0.0)
        if chooser.policy.choose in (greedily, greedy_points):
            choosing = iterative_cost(len(points.features), len(seen), len(self.classes_), d, min(budget, len(seen)))
        n_bytes = self._expected_bytes(points, copies, len(seen) or budget, budget, choosing.memory)
        self.estimate_ = size.Estimate(copies.seconds(seen) + choosing.seconds, n_bytes)
        copies.expected = self.estimate_
        size.warn_of_long(self.estimate_, f"Making and choosing among {len(seen)} copies")

    def _expected_bytes(self, points, copies, kept, added, choosing):
        """Memory of a choice, by the copies whose features are kept and those that are added; refused if too much."""
        d = points.features.shape[1]
        # The head is fitted when the choice has given its memory back.
        n_bytes = int(copies.n_bytes(kept, d) + max(choosing, size.bytes_of_head(points.features, added)))
        size.check_fits(n_bytes, size.bytes_of(self.max_memory), len(copies.source), d)
        return n_bytes

    def _trusted(self):
        """The points whose labels are not in doubt."""
        return np.setdiff1d(np.arange(self.n_points_), self.doubtful_)

    def _fit_head(self, points, copies):
        features, labels, weights = points
        if weights is None and np.any(self.copy_weights_ != 1):
            weights = np.ones(len(labels))
        of_chosen = np.ones(len(labels)) if weights is None else weights
        of_chosen = of_chosen[self.source_] * self.copy_weights_ if self.n_copies_ else of_chosen[self.points_]
        self._chosen_weights = of_chosen
        if len(self._places):
            features = np.vstack([features, copies.features(self._places)])
            labels = np.append(labels, labels[self.source_])
            weights = None if weights is None else np.append(weights, of_chosen)
        if hasattr(self, "_content"):
            self._content = self._content[0], self._content[1][self._places]
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = self.featurizer is not None
        tags.input_tags.sparse = True
        tags.input_tags.string = tags.input_tags.categorical = self.featurizer is not None
        return tags
