r"""Clusters of points, and orders of points in which the clusters take turns.

The released code of Kuchnik & Smith (2019) also selects points stratified by k-means clusters of their features: a
policy orders the points of each cluster, and the clusters give their next point turn by turn until all are exhausted.
It compares numbers of clusters k by two measures, the inertia that k-means minimises and the mean silhouette
(Rousseeuw, 1987),

.. math:: \sum_i \lVert \phi_i - \mu_{c(i)} \rVert^2, \qquad \frac1n \sum_i \frac{b_i - a_i}{\max(a_i, b_i)},

with a the mean distance to the other points of the same cluster, and b that to the points of the nearest other cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from ..errors import InputError
from .turns import places_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

STARTS = 10
"""Number of k-means starts; the best fit is kept (scikit-learn's default when the code was released)."""
ITERATIONS = 30
"""Iterations that a start typically takes, to estimate the work."""
MOST_WORK = 2e13
"""Most multiplications of a clustering: about a quarter of an hour of one core."""


def clusters(features: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Cluster the points by k-means on their features, the best of `STARTS` starts.

    Parameters
    ----------
    features : array [n, d]
    k : int
        Number of clusters.
    seed : int
        Seed of the k-means starts.

    Returns
    -------
    int array [n]
        Labels 0 .. k - 1. All occur, unless rows differ by rounding only.

    Raises
    ------
    InputError
        Features are not a finite [n, d] array, k is below 1 or above the number of distinct rows, or k-means would
        take more than `MOST_WORK` multiplications.
    """
    features = as_points(features)
    _check_work(k, features)
    _check_counts([k], features)
    return _fit(features, k, seed).labels_.astype(int)


def round_robin(order: ArrayLike, labels: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """Reorder the points so that the clusters take turns; each gives its next point in the given order.

    The released code draws an order from each cluster separately. A random order from
    `influaug.selection.point_policies.order` has the same distribution within each cluster.

    Parameters
    ----------
    order : int array [n]
        A permutation of 0 .. n - 1, best point first.
    labels : int array [n]
        Cluster of each point, in the points' own order.
    rng : numpy.random.Generator
        Draws the order in which clusters take turns, once (the released code uses rising labels). A cluster without
        remaining points is skipped.

    Returns
    -------
    int array [n]
        A permutation of 0 .. n - 1.

    Raises
    ------
    InputError
        ``order`` is not a permutation of the labelled points.
    """
    order, labels = np.asarray(order), np.asarray(labels)
    n = labels.size
    if labels.shape != (n,) or order.shape != (n,) or not np.array_equal(np.sort(order), np.arange(n)):
        raise InputError(f"order must be a permutation of the {n} points that have labels.")
    found, codes = np.unique(labels[order], return_inverse=True)
    return order[np.lexsort((rng.permutation(len(found))[codes], places_within(codes)))]


def k_sweep(features: np.ndarray, ks: Sequence[int], seed: int) -> dict[str, list]:
    """Inertia and silhouette of `clusters` for several k.

    Parameters
    ----------
    features : array [n, d]
    ks : sequence of int
    seed : int
        Seed of the k-means starts, the same for every k.

    Returns
    -------
    dict of str to list
        ``k``, ``inertia`` and ``silhouette``, in the order of ks. The silhouette is NaN where it is not defined: for
        one cluster, and for as many clusters as points.

    Raises
    ------
    InputError
        As in `clusters`, for any k.
    """
    features = as_points(features)
    _check_counts(ks, features)
    fits = [_fit(features, k, seed) for k in ks]
    return {
        "k": [int(k) for k in ks],
        "inertia": [float(fit.inertia_) for fit in fits],
        "silhouette": [_silhouette(features, fit.labels_) for fit in fits],
    }


def as_points(features: ArrayLike) -> np.ndarray:
    """Convert features to float64, one row for each point: [n, d].

    Raises
    ------
    InputError
        Features are not [n, d] with n and d at least 1, or not finite (the message names the points).
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or not features.size:
        raise InputError(f"Features must be [n, d], one row a point, not {list(features.shape)}.")
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if bad.size:
        shown = ", ".join(map(str, bad[:10])) + (", ..." if bad.size > 10 else "")
        raise InputError(f"Features must be finite numbers; those of the points {shown} are not.")
    return features


def _check_counts(ks, features):
    distinct = len(np.unique(features, axis=0))
    for k in ks:
        if not 1 <= k <= distinct:
            raise InputError(f"The number of clusters must be 1 .. {distinct}, the number of distinct rows, not {k}.")


def _check_work(k, features):
    work = STARTS * ITERATIONS * k * features.size
    if work > MOST_WORK:
        n, d = features.shape
        most = int(MOST_WORK / (STARTS * ITERATIONS * features.size))
        raise InputError(
            f"k-means with {k:,} clusters of {n:,} points with {d:,} features would take about {work:.0e} "
            f"multiplications, where at most {MOST_WORK:.0e} are made; ask for at most {most:,} clusters (of a pool: "
            "by a smaller share), or for a pool of influential or random points."
        )


def _fit(features, k, seed):
    return KMeans(k, n_init=STARTS, random_state=seed).fit(features)


def _silhouette(features, labels):
    if not 1 < len(np.unique(labels)) < len(labels):
        return np.nan
    return float(silhouette_score(features, labels))
