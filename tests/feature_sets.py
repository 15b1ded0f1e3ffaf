"""Small feature sets, every point with its copies."""

import numpy as np

from problems import problem
from studies.points.feature_set import FeatureSet

K = 2


def feature_set(n=40, n_test=30, n_classes=2, seed=0):
    features, labels = problem(seed, n=n + n_test, d=3, n_classes=n_classes)
    labels[n : n + n_classes] = np.arange(n_classes)
    rng = np.random.default_rng(seed)

    def with_copies(x):
        return np.vstack([x, (x[:, None] + 0.5 * rng.normal(size=(len(x), K, 3))).reshape(-1, 3)])

    def repeated(y):
        return np.append(y, np.repeat(y, K))

    return FeatureSet(
        with_copies(features[:n]), repeated(labels[:n]), n, with_copies(features[n:]), repeated(labels[n:]), n_test
    )
