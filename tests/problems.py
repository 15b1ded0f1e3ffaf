"""Small random problems that several tests share."""

import numpy as np


def problem(seed=0, n=60, d=4, n_classes=2, noise=1.0):
    """Features [n, d], labels [n] from a noisy linear model, every class present."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, d))
    scores = features @ rng.normal(size=(d, n_classes)) + noise * rng.gumbel(size=(n, n_classes))
    labels = scores.argmax(axis=1)
    labels[:n_classes] = np.arange(n_classes)
    return features, labels
