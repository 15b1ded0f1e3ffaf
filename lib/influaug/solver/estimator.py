"""The batched solver as a scikit-learn classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from ..errors import InputError
from . import logistic

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import ArrayLike


class LogisticHead(ClassifierMixin, BaseEstimator):
    """L2-regularised logistic (two classes) or softmax regression, solved by `influaug.solver.logistic`.

    The objective is that of scikit-learn's LogisticRegression: a sum over points, the intercept not penalised. The fit
    ends with a certified bound on the distance of the objective from its minimum.

    Parameters
    ----------
    C : float
        Inverse regularisation strength.
    tolerance : float
        Largest half squared Newton decrement at the end, as a share of the objective's scale max(J, 1). Scores of
        points are then accurate to about its square root.

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

    def __init__(self, C: float = 1.0, tolerance: float = 1e-16) -> None:
        self.C = C
        self.tolerance = tolerance

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
            C is not positive, a weight is negative, or all points belong to one class.
        """
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        weights = _check_sample_weight(sample_weight, X, dtype=np.float64)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"The points are of one class, {self.classes_[0]!r}; a classifier needs two or more.")
        found = logistic.fit(X, labels, weights[None], self.C, tolerance=self.tolerance)
        self.coef_, self.intercept_ = found.theta[0, :, :-1], found.theta[0, :, -1]
        self.objective_, self.decrement_ = float(found.objective[0]), float(found.decrement[0])
        self.n_iter_ = int(found.iterations[0])
        return self

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
