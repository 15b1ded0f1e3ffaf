"""Feature sets: the training and test features of the models of a sweep, and the weights of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from influaug.selection.candidates import Candidates
from influaug.solver import heads


@dataclass(frozen=True)
class FeatureSet:
    """Training and test features of the models of a sweep.

    Attributes
    ----------
    train : array [n + n k, d]
        Features of the n originals, then of their copies, point by point.
    labels : int array [n + n k]
    n : int
        Number of training points (originals).
    test : array [T + T k, d]
        Features of the test originals, then of all their copies.
    test_labels : int array [T + T k]
    n_test : int
        Number of test originals.
    """

    train: np.ndarray
    labels: np.ndarray
    n: int
    test: np.ndarray
    test_labels: np.ndarray
    n_test: int

    @property
    def k(self) -> int:
        """Number of copies of each point."""
        return len(self.train) // self.n - 1

    @cached_property
    def candidates(self) -> Candidates:
        """All points and copies, for policies of copies."""
        source = np.repeat(np.arange(self.n), self.k)
        return Candidates(self.train[: self.n], self.labels[: self.n], self.train[self.n :], source)

    @cached_property
    def x_test(self) -> np.ndarray:
        """Test features with the constant column: [T + T k, d + 1]."""
        return heads.with_intercept(self.test)


def row_weights(selected: np.ndarray, downweight: np.ndarray, k: int) -> np.ndarray:
    """Weights of all rows: 1 for originals and for the copies of selected points, 0 for other copies.

    With downweighting a selected point and its k copies get 1 / (k + 1) each (Kuchnik & Smith, 2019, section 4.2).

    Parameters
    ----------
    selected : bool array [m, n]
    downweight : bool array [m]
    k : int

    Returns
    -------
    array [m, n + n k]
    """
    share = np.where(downweight[:, None] & selected, 1.0 / (k + 1), 1.0)
    return np.hstack([share, np.repeat(share * selected, k, axis=1)])


def hits(features: FeatureSet, theta: np.ndarray) -> np.ndarray:
    """Whether each model [m, K, d + 1] predicts the label of each test row: bool [m, T + T k]."""
    return heads.predict(features.x_test, theta) == features.test_labels


def accuracies(features: FeatureSet, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Accuracy of every model on all test rows, and on the test originals only: [m], [m]."""
    return _shares(features, hits(features, theta))


def _shares(features, right):
    return right.mean(axis=1), right[:, : features.n_test].mean(axis=1)


def added_weights(features: FeatureSet, chosen: np.ndarray, of_chosen: np.ndarray | float = 1.0) -> np.ndarray:
    """Weights of all rows of a `FeatureSet`, 1 for originals, 1 or their own for chosen copies, else 0: [n + n k]."""
    weights = np.zeros(len(features.labels))
    weights[: features.n] = 1.0
    weights[features.n + chosen] = of_chosen
    return weights


def tested(features: FeatureSet, theta: np.ndarray) -> pd.DataFrame:
    """Accuracies on all test rows, on the originals and on each class, one row for each of the models [m, K, d + 1]."""
    right = hits(features, theta)
    found = dict(zip(("accuracy", "accuracy_original"), _shares(features, right), strict=True))
    for label in np.unique(features.test_labels):
        found[f"accuracy_{label}"] = right[:, features.test_labels == label].mean(axis=1)
    return pd.DataFrame(found)
