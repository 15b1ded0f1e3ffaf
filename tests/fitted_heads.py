"""Heads fitted to small problems, and their losses in autograd's terms."""

import autograd.numpy as anp
import numpy as np

from influaug.influence.head_hessian import HeadHessian
from influaug.solver import heads, logistic
from problems import problem


def head(seed=0, n_classes=3, C=2.0, **options):
    features, labels = problem(seed, n_classes=n_classes, **options)
    weights = np.random.default_rng(seed).uniform(0.2, 2.0, len(labels))
    theta = logistic.fit(features, labels, weights[None], C, tolerance=1e-12).theta[0]
    return HeadHessian(theta, heads.with_intercept(features), weights, C), labels


def fitted(n_classes=2, C=1.0, **options):
    features, labels = problem(n_classes=n_classes, **options)
    weights = np.ones(len(labels))
    theta = logistic.fit(features, labels, weights[None], C, tolerance=1e-14).theta[0]
    return heads.with_intercept(features), labels, theta, weights


def point_loss(theta, x, label):
    eta = anp.dot(theta, x)
    if len(theta) == 1:
        return anp.log1p(anp.exp(-(2.0 * label - 1.0) * eta[0]))
    return anp.log(anp.sum(anp.exp(eta))) - eta[label]


def weighted(n_classes, C=1.0, seed=0):
    """A head fitted with uneven weights, its Hessian, labels, and validation points with labels."""
    features, labels = problem(seed, n=80, n_classes=n_classes)
    weights = np.random.default_rng(seed).uniform(0.5, 2.0, 50)
    theta = logistic.fit(features[:50], labels[:50], weights[None], C, tolerance=1e-14).theta[0]
    x = heads.with_intercept(features)
    return HeadHessian(theta, x[:50], weights, C), labels[:50], x[50:], labels[50:]
