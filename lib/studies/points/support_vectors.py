"""The virtual-support-vector baseline (Burges & Schoelkopf, 1997; Decoste & Schoelkopf, 2002).

The method follows Kuchnik & Smith (2019), section 5.1: a linear SVM is tuned on the features of the original points,
its support vectors are augmented, and the logistic regression is fitted on the originals and these copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import SVC

from influaug.solver import logistic

from .feature_set import accuracies, row_weights

if TYPE_CHECKING:
    from .feature_set import FeatureSet

GRID = (0.01, 0.1, 1.0, 10.0, 100.0)
FOLDS = 4


def support_vectors(features: np.ndarray, labels: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """Support vectors of a linear SVM whose C is chosen from `GRID` by 4-fold cross-validation.

    Parameters
    ----------
    features : array [n, d]
    labels : int array [n]
    seed : int
        Shuffles the folds.

    Returns
    -------
    indices : int array
        Indices of the support vectors, in rising order.
    C : float
        The chosen C.
    """
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    search = GridSearchCV(SVC(kernel="linear", cache_size=500), {"C": list(GRID)}, cv=folds)
    search.fit(features, labels)
    return np.sort(search.best_estimator_.support_), search.best_params_["C"]


def run(features: FeatureSet, C: float, seed: int) -> pd.DataFrame:
    """Fit and test with exactly the support vectors augmented: one row in the sweep's columns, plus ``svm_C``.

    Parameters
    ----------
    features : feature_set.FeatureSet
    C : float
        Inverse regularisation strength of the logistic regression.
    seed : int
    """
    n, k = features.n, features.k
    chosen, svm_C = support_vectors(features.train[:n], features.labels[:n], seed)
    selected = np.isin(np.arange(n), chosen)[None]
    weights = row_weights(selected, np.zeros(1, bool), k)
    theta = logistic.fit(features.train, features.labels, weights, C).theta
    (accuracy,), (original,) = accuracies(features, theta)
    row = {"policy": "vsv", "budget": len(chosen), "rows": n + k * len(chosen), "svm_C": svm_C}
    return pd.DataFrame([{**row, "accuracy": accuracy, "accuracy_original": original}])
