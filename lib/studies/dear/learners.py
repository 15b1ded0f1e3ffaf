"""Learners that are fitted to a fixed set of rows: a linear probe, gradient-boosted trees and a kernel SVM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from influaug.solver import heads, logistic

if TYPE_CHECKING:
    from collections.abc import Callable

    from .parameters import DearCopies


@dataclass(frozen=True)
class Learner:
    """A learner.

    Attributes
    ----------
    meaning : str
    inputs : {'features', 'pixels'}
        What it is fitted to.
    predict : callable
        ``predict(x, y, x_test, s, seed)``, the labels of the test rows after a fit: int array [t].
    """

    meaning: str
    inputs: str
    predict: Callable[[np.ndarray, np.ndarray, np.ndarray, DearCopies, int], np.ndarray]


def _probe(x, y, x_test, s, seed):
    del seed
    theta = logistic.fit(x, y, np.ones((1, len(y))), s.C).theta
    return heads.predict(heads.with_intercept(x_test), theta)[0]


def _svm(x, y, x_test, s, seed):
    del seed
    return SVC(C=s.C).fit(x, y).predict(x_test)


def _trees(x, y, x_test, s, seed):
    # With a thousand rows several threads mostly wait for each other.
    with threadpool_limits(1, user_api="openmp"):
        model = HistGradientBoostingClassifier(
            max_iter=s.trees, max_leaf_nodes=15, early_stopping=False, random_state=seed
        )
        return model.fit(x, y).predict(x_test)


LEARNERS = {
    "probe": Learner("logistic regression on the frozen features", "features", _probe),
    "svm": Learner("RBF support vector machine on the frozen features", "features", _svm),
    "trees": Learner("gradient-boosted trees on the frozen features", "features", _trees),
    "svm_pixels": Learner("RBF support vector machine on the pixels", "pixels", _svm),
}
