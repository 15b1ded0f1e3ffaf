"""Labels in doubt, ranked: the entry point for a person's own points and labels, or another model's probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_is_fitted

from ..data.image_form import ImageForm
from ..errors import InputError
from ..solver.estimator import check_labels, refusing_what_does_not_converge
from . import doubts
from . import points as given
from .rows import is_frame, n_axes, taken

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike

UNEVEN = 0.01
"""How far from 1 the probabilities of a point may sum: those of networks in half precision do."""


@dataclass(frozen=True)
class LabelIssues:
    """How doubtful the label of every point is, see `label_issues`.

    Attributes
    ----------
    indices : int array [n]
        All points, the most doubtful first.
    scores : array [n]
        Quality of each point's label, 0 to 1, the lower the more doubtful: its probability by heads that were fitted
        without the point.
    mask : bool array [n]
        Which labels are issues by the rule in `influaug.selection.doubts`: another class is confident.
    suggested : array [n]
        For issues the label that the point should rather have, for others the most probable label.
    probabilities : array [n, n_classes]
        Of the classes, by heads fitted without the point.
    classes : array [n_classes]
        Labels of the columns.
    """

    indices: np.ndarray
    scores: np.ndarray
    mask: np.ndarray
    suggested: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray

    @property
    def issues(self) -> np.ndarray:
        """The points whose labels are issues, the most doubtful first: int array."""
        return self.indices[self.mask[self.indices]]


@dataclass(frozen=True)
class Doubt:
    """How labels are doubted; parameters and defaults are those of `label_issues`.

    Raises
    ------
    InputError
        A parameter has a wrong value.
    """

    method: str = "auto"
    folds: int = 5
    passes: int = 3
    C: float | None = None
    featurizer: Any = None

    def __post_init__(self) -> None:
        if self.method not in ("auto", *doubts.METHODS):
            raise InputError(f"method is {self.method!r}; it must be auto or one of {', '.join(doubts.METHODS)}.")
        for name, value, least in (("folds", self.folds, 2), ("passes", self.passes, 1)):
            if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
                raise InputError(f"{name} is {value!r}; it must be a whole number of at least {least}.")
        if self.C is not None:
            given.check_number("C", self.C)
        given.check_featurizer(self.featurizer)

    def probabilities(self, rows: Any, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Probabilities of the classes of each point, by heads fitted without it: [n, n_classes].

        Parameters
        ----------
        rows : array or sparse matrix [n, d], or standard images
            Checked, as `rows_of` gives them.
        labels : int array [n]
            0 .. n_classes - 1.
        rng : numpy.random.Generator
            Of the folds, and of networks that are trained.

        Raises
        ------
        InputError
            A class has fewer points than there are folds, or see `doubts.in_passes` and `doubts.chosen_C`.
        """
        seed = int(rng.integers(2**32))
        folds = doubts.stratified(labels, self.folds, seed)
        held = doubts.Held(self._features(rows, labels, folds, rng), labels, folds)
        with refusing_what_does_not_converge():
            C = doubts.chosen_C(held, seed) if self.C is None else float(self.C)
            return doubts.in_passes(held, C, self.method, self.passes)

    def _features(self, rows, labels, folds, rng):
        """Features of all points: of all folds, or of each where a featurizer is still to be fitted."""
        if not _is_to_be_fitted(self.featurizer):
            return [given.featurized(given.fitted(self.featurizer, rows, labels, rng), rows)]
        features = []
        for held in folds:
            others = np.setdiff1d(np.arange(len(labels)), held)
            fitted = given.fitted(self.featurizer, taken(rows, others), labels[others], rng)
            features.append(given.featurized(fitted, rows))
        return features


def _is_to_be_fitted(featurizer):
    """Whether a featurizer would learn of the labels of the points that it is fitted to, or might."""
    if featurizer is None or given.is_network(featurizer):
        return False
    try:
        check_is_fitted(featurizer)
    except (NotFittedError, TypeError):  # the latter for the name of a network
        return True
    return False


def label_issues(
    X: Any,
    y: ArrayLike,
    *,
    pred_probs: ArrayLike | None = None,
    method: str = Doubt.method,
    folds: int = Doubt.folds,
    passes: int = Doubt.passes,
    C: float | None = None,
    featurizer: Any = None,
    random_state: Any = 0,
) -> LabelIssues:
    """Rank points by how doubtful their labels are, and say which are issues, with the label they should rather have.

    A label is judged by logistic regressions that were fitted without its point; `influaug.selection.doubts` has the
    formulas and the rule. The share of wrong labels need not be known.

    Parameters
    ----------
    X : array, sparse matrix or frame [n, d], or images [n, height, width] or [n, height, width, channels]
        Features, such as embeddings. Columns of very different scale need ``featurizer=StandardScaler()``. Images need
        a featurizer too, and so do texts and tables with text in them, which it gets as they are. May be None if
        `pred_probs` are given, and is not read then.
    y : array [n]
        Labels of two classes or more, of any type.
    pred_probs : array or frame [n, n_classes], optional
        Probabilities of the classes by a model of your own that was not fitted to the point: out of fold, as
        ``cross_val_predict(model, X, y, method="predict_proba")`` gives them. Columns are in the order of
        ``np.unique(y)``; those of a frame are found by name; where there are more columns than classes in y, labels
        must be the numbers of the columns, 0, 1, ...
    method : {'auto', 'leave_one_out', 'out_of_fold'}
        'leave_one_out' predicts the fit without each point from one fit to all, which is quick for up to
        `doubts.LARGEST` parameters (n_classes times d + 1); 'out_of_fold' fits a head for each fold. 'auto' takes the
        first where it can be taken.
    folds : int
        Folds of 'out_of_fold' and of the choice of C; each class needs as many points.
    passes : int
        Passes, each of which leaves out of its fits the points that are issues by the one before; 1 for none of this.
    C : float, optional
        Inverse regularisation strength; by default it is chosen by the loss out of fold (`doubts.chosen_C`).
    featurizer : str, keras.Model, or scikit-learn transformer, optional
        As in `AugmentationSelector`. One that is not fitted, or the name of a network, is fitted for each fold, without
        the fold's points: features that have learned a wrong label would hide it.
    random_state : int, RandomState, Generator or None
        Of the folds, and of networks that are trained.

    Returns
    -------
    LabelIssues

    Raises
    ------
    InputError
        In a sentence, whatever of this is not as it should be, before anything is fitted if possible.

    Examples
    --------
    >>> import numpy as np
    >>> from influaug import label_issues
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "cat", "dog")
    >>> y[7] = "dog" if y[7] == "cat" else "cat"
    >>> int(label_issues(X, y).indices[0])
    7
    """
    doubt = Doubt(method, folds, passes, C, featurizer)
    rng = given.generator(random_state)
    if X is not None:
        given.check_length("X", X, "y", y)
    classes, labels = _labels(y)
    if pred_probs is not None:
        classes, labels, found = _given(pred_probs, classes, labels)
    elif X is None:
        raise InputError("X is None; give features or images, or probabilities of the classes as pred_probs.")
    else:
        found = doubt.probabilities(rows_of(X, featurizer), labels, rng)
    mask, suggested = doubts.doubtful(found, labels)
    scores = doubts.quality(found, labels)
    return LabelIssues(np.argsort(scores, kind="stable"), scores, mask, classes[suggested], found, classes)


def rows_of(X: Any, featurizer: Any) -> Any:
    """X as finite features or, for a featurizer, as standard images, or as it is: texts, frames and objects.

    Raises
    ------
    InputError
        Images without a featurizer, or what is neither features nor images.
    """
    if n_axes(X) in (3, 4):
        if featurizer is None:
            raise InputError(
                f"X is images {list(np.shape(X))}; they need a featurizer, such as featurizer='lenet', or give "
                "features [n, d] instead."
            )
        return ImageForm.of(X).standard(X)
    if featurizer is not None and _is_raw(X):
        return X
    try:
        rows = check_array(X, accept_sparse="csr", dtype=[np.float64, np.float32], ensure_all_finite=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            "X must be numbers [n, d], a row for each point; texts and other tables need a featurizer "
            f"({str(error).splitlines()[0]})."
        ) from error
    return given.finite(rows, "X")


def _is_raw(X):
    """Whether rows are no numbers yet: texts, objects, and frames, whose columns a featurizer may ask for by name."""
    if sparse.issparse(X):
        return False
    return is_frame(X) or np.asarray(taken(X, np.arange(1))).dtype.kind in "OUS"


def _labels(y):
    """The classes, and the number of the class of each point."""
    try:
        check_labels(y)
        y = column_or_1d(y)
        classes, labels = given.encoded(y)
        check_classification_targets(y)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"y must be a list of labels, one for each point ({error}).") from error
    return classes, labels


def _given(pred_probs, classes, labels):
    """Probabilities of another model with their classes, and the points' labels by their columns."""
    names = getattr(pred_probs, "columns", None)
    try:
        found = np.array(pred_probs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("pred_probs must be numbers [n, n_classes].") from error
    if found.ndim != 2 or len(found) != len(labels):
        raise InputError(
            f"pred_probs must be [{len(labels)}, n_classes], a row for each label, not {list(found.shape)}."
        )
    if names is not None and set(classes.tolist()) <= set(names):
        names = list(names)
        order = [names.index(name) for name in classes.tolist()]
        order += [place for place in range(len(names)) if place not in order]
        found, classes = found[:, order], np.array([names[place] for place in order])
    elif found.shape[1] != len(classes):
        classes, labels = _numbered(found.shape[1], classes, labels)
    _check_probabilities(found)
    return classes, labels, found


def _numbered(columns, classes, labels):
    """Classes 0, 1, ... of more columns than there are classes of points, if the labels are such numbers."""
    whole = classes.dtype.kind in "iu"
    if not whole or columns < len(classes) or classes[0] < 0 or classes[-1] >= columns:
        raise InputError(
            f"pred_probs has {columns} columns and y {len(classes)} classes; there must be a column for each class, in "
            f"the order of np.unique(y), or labels that are the columns' numbers 0 to {columns - 1}."
        )
    return np.arange(columns), classes[labels]


def _check_probabilities(found):
    good = np.isfinite(found).all(axis=1) & (found >= 0).all(axis=1)
    good &= np.abs(np.where(good[:, None], found, 0).sum(axis=1) - 1) <= UNEVEN
    if not good.all():
        place = int(np.argmin(good))
        raise InputError(
            f"pred_probs must be probabilities, at least 0 and with the sum 1 in each row; the row {place} is not."
        )
