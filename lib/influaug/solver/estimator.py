"""The batched solver as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..errors import InputError
from . import single
from .standard import Standard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from numpy.typing import ArrayLike

LARGEST = 1e30
"""Features beyond it are refused: their squares, and products of these, would leave the range of floats."""


def draft_of(estimator: BaseEstimator) -> Any:
    """A new estimator with the same parameters, for a fit that `replace_fitted` makes the estimator's own."""
    return type(estimator)(**estimator.get_params(deep=False))


def replace_fitted(estimator: BaseEstimator, draft: BaseEstimator) -> None:
    """Replace all that an estimator has been fitted to by what a draft has, at once.

    A fit that fails or is interrupted on the way leaves the estimator as it was.
    """
    parameters = estimator.get_params(deep=False)
    of_draft = {name: value for name, value in vars(draft).items() if name not in parameters}
    kept = {name: value for name, value in vars(estimator).items() if not name.endswith("_") or name in parameters}
    estimator.__dict__ = {**kept, **of_draft}


@contextmanager
def refusing_what_does_not_converge() -> Iterator[None]:
    """Turn the solver's word that a fit did not reach its tolerance, or met a singular matrix, into an `InputError`."""
    try:
        yield
    except np.linalg.LinAlgError as error:
        raise InputError(
            f"The logistic regression's Hessian cannot be inverted ({error}); scale the features, or take a smaller C."
        ) from error
    except RuntimeError as error:
        if "did not reach the tolerance" not in str(error):
            raise
        raise InputError(
            f"The logistic regression did not reach its minimum ({error}); scale the features, or take a smaller C."
        ) from error


def weights_of(
    sample_weight: ArrayLike | None, class_weight: Any, classes: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    """Weights of the points by scikit-learn's two parameters: array of float64 [n].

    Parameters
    ----------
    sample_weight : array [n], optional
    class_weight : dict, 'balanced' or None
        By class; classes that a dict leaves out have 1. Balanced classes have equal sums of weights, n / n_classes.
    classes : array [n_classes]
    labels : int array [n]
        Numbers of the points' classes.

    Returns
    -------
    array

    Raises
    ------
    InputError
        Weights that are not [n], finite and at least 0, another class_weight, or a class whose points all have the
        weight 0.
    """
    try:
        weights = _check_sample_weight(sample_weight, labels, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"sample_weight must be {len(labels)} finite numbers of at least 0 ({error}).") from error
    if (weights < 0).any():
        raise InputError(f"sample_weight of the point {np.argmin(weights)} is {weights.min()}; it must be at least 0.")
    totals = np.bincount(labels, weights, len(classes))
    if (totals == 0).any():
        raise InputError(f"All points of the class {classes[totals == 0].tolist()[0]!r} have weight 0; one needs more.")
    if class_weight is None:
        return weights
    if isinstance(class_weight, str) and class_weight == "balanced":
        return weights * (totals.sum() / (len(classes) * totals))[labels]
    return weights * _by_class(class_weight, classes)[labels]


def _by_class(class_weight, classes):
    if not isinstance(class_weight, Mapping):
        raise InputError(f"class_weight is {class_weight!r}; it must be a dict, 'balanced' or None.")
    known = classes.tolist()
    for name, value in class_weight.items():
        if name not in known:
            raise InputError(f"class_weight has {name!r}, which is none of the classes {', '.join(map(repr, known))}.")
        if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < np.inf:
            raise InputError(f"class_weight of {name!r} is {value!r}; it must be a positive number.")
    return np.array([float(class_weight.get(name, 1.0)) for name in known])


def check_labels(y: Any) -> None:
    """Refuse labels [n] of which one is missing, and a list of texts and of others, for NumPy would make texts of all.

    Raises
    ------
    InputError
        A label is None, not a number, or pandas's NA or NaT; or see `of_several_types`.
    """
    listed = isinstance(y, list | tuple)
    values = y if listed else np.asarray(y)
    if not listed and (values.ndim != 1 or values.dtype.kind not in "fOMm"):
        return
    missing = next((k for k, value in enumerate(values) if _is_missing(value)), None)
    if missing is not None:
        raise InputError(f"y has no label for the point {missing}; every point needs one.")
    texts = [isinstance(value, str) for value in y] if listed else []
    if any(texts) and not all(texts):
        raise of_several_types(y)


def _is_missing(value):
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating | np.datetime64 | np.timedelta64) and bool(value != value)


def of_several_types(y: Any) -> InputError:
    """The error of labels of several types."""
    kinds = ", ".join(sorted({type(value).__name__ for value in y}))
    return InputError(f"y has labels of the types {kinds}; all must be of one type.")


class LogisticHead(ClassifierMixin, BaseEstimator):
    """L2-regularised logistic (two classes) or softmax regression, solved by `influaug.solver.logistic`.

    The objective is that of scikit-learn's LogisticRegression: a sum over points, the intercept not penalised. The fit
    ends with a certified bound on the distance of the objective from its minimum; wide
    softmax heads are fitted in single precision, with an estimate of it, see `influaug.solver.single`.

    Parameters
    ----------
    C : float
        Inverse regularisation strength.
    tolerance : float
        Largest half squared Newton decrement at the end, as a share of the objective's scale max(J, 1). Scores of
        points are then accurate to about its square root. Wide heads come to `single.PRECISE` at best.
    class_weight : dict, 'balanced' or None
        Weights of classes, see `weights_of`.

    Attributes
    ----------
    classes_ : array [n_classes]
    coef_ : array [K, d]
        K is 1 for two classes.
    intercept_ : array [K]
    objective_ : float
        J at the minimum.
    decrement_ : float
        Estimate of how far J is above its minimum.
    n_iter_ : int
        Steps taken.
    """

    def __init__(self, C: float = 1.0, tolerance: float = 1e-16, class_weight: Any = None) -> None:
        self.C = C
        self.tolerance = tolerance
        self.class_weight = class_weight

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the head.

        Parameters
        ----------
        X : array [n, d]
        y : array [n]
            At least two classes.
        sample_weight : array [n], optional
            Non-negative.

        Returns
        -------
        LogisticHead
            Itself.

        Raises
        ------
        InputError
            C is not positive, a weight is negative, a feature is beyond `LARGEST`, all points belong to one class, or
            the minimum is not reached.
        """
        draft = draft_of(self)
        draft._fit(X, y, sample_weight)
        replace_fitted(self, draft)
        return self

    def _fit(self, X, y, sample_weight):
        for name, value in (("C", self.C), ("tolerance", self.tolerance)):
            if isinstance(value, bool) or not isinstance(value, Real) or not 0 < value < np.inf:
                raise InputError(f"{name} must be a positive number, not {value!r}.")
        check_labels(y)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        if np.abs(X).max() > LARGEST:
            raise InputError(f"X goes up to {np.abs(X).max():g}; features must be at most {LARGEST:g}, so scale them.")
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            only = self.classes_.tolist()[0]
            raise InputError(f"The points are of one class, {only!r}; a classifier needs two or more.")
        weights = weights_of(sample_weight, self.class_weight, self.classes_, labels)
        by = Standard.of(X)
        X, C = (X, self.C) if by is None else (by.features(X), by.C(self.C))
        with refusing_what_does_not_converge():
            found = single.fit(X, labels, weights, C, self.tolerance)
        theta = found.theta if by is None else by.theta(found.theta)
        self.coef_, self.intercept_ = theta[:, :-1], theta[:, -1]
        self.objective_, self.decrement_, self.n_iter_ = found.objective, found.decrement, found.steps

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Linear scores: [n] with two classes, else [n, n_classes]."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        scores = X @ self.coef_.T + self.intercept_
        return scores[:, 0] if len(self.coef_) == 1 else scores

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Probabilities of the classes: [n, n_classes]."""
        scores = self.decision_function(X)
        return softmax(scores, axis=1) if scores.ndim == 2 else np.stack([expit(-scores), expit(scores)], axis=1)

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The most probable class of each row: [n]."""
        scores = self.decision_function(X)
        return self.classes_[(scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)]
