r"""Labels in doubt: probabilities of each point's classes by heads that were fitted without it, and a rule.

The probabilities :math:`p_i(k)` come from one of two methods. ``out_of_fold`` fits a head for each fold, without the
points of that fold. ``leave_one_out`` fits one head and predicts, by a Newton step, the probabilities of each fit
without one point (`influaug.influence.left_out`). A point's quality is the probability of its label,
:math:`q_i = p_i(y_i)`; the lower, the more doubtful.

A label is *doubtful* if another class k is confident,

.. math:: p_i(k) \ge t_k, \qquad t_k = \text{mean of } q_j \text{ over the points } j \text{ of label } k,

and more probable than all other confident classes, the label's own among them: the off-diagonal part of the confident
joint of Northcutt, Jiang & Chuang (2021, section 3.1), which needs no share of wrong labels to be guessed.

Wrong labels lie in the other points' fits too. So the whole is repeated in passes: the points that are doubtful so far
have no weight in the next pass's fits, and are scored by them as all others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedKFold

from ..errors import InputError
from ..influence.left_out import class_probabilities, left_out_scores
from ..solver import logistic, single
from ..solver.heads import n_rows, with_intercept
from ..solver.standard import standardised

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

METHODS = ("leave_one_out", "out_of_fold")
LARGEST = 3000
"""Parameters of the largest head of which ``leave_one_out`` inverts the Hessian."""
GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""What C is chosen from, divided by the total variance of the features."""
MOST_CHOOSING = 5000
"""Points of the sample on which C is chosen."""
TOLERANCE = 1e-8
"""Tolerance of the fits, see `logistic.Solver.fit`."""
MOST_LEFT_OUT = 0.5
"""Share of a class's points that at most have no weight, so that no class is without points."""


@dataclass(frozen=True)
class Held:
    """Points, with features of which each fold may have its own.

    Attributes
    ----------
    features : sequence of array [n, d]
        One for all folds, or one for each, made by what was fitted without the points of that fold.
    labels : int array [n]
        0 .. n_classes - 1, every class with at least as many points as there are folds.
    folds : sequence of int array
        The points of each fold.
    """

    features: Sequence[np.ndarray]
    labels: np.ndarray
    folds: Sequence[np.ndarray]

    def of(self, fold: int) -> np.ndarray:
        """Features of all points in a fold: [n, d]."""
        return self.features[fold % len(self.features)]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.labels.max()) + 1


def stratified(labels: np.ndarray, folds: int, seed: int) -> list[np.ndarray]:
    """The points of each of some folds, whose classes have equal shares in all: list of int array.

    Raises
    ------
    InputError
        A class has fewer points than there are folds.
    """
    fewest = np.bincount(labels).min()
    if fewest < folds:
        points = "1 point" if fewest == 1 else f"{fewest} points"
        raise InputError(
            f"One class has {points}, fewer than the {folds} folds; take fewer folds (2 or more), or leave such "
            "classes out."
        )
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return [held for _, held in parts.split(np.zeros(len(labels)), labels)]


def out_of_fold(held: Held, weights: np.ndarray, C: float) -> np.ndarray:
    """Probabilities of the classes of every point, by the head that is fitted without its fold: [n, n_classes].

    Parameters
    ----------
    held : Held
    weights : array [n]
    C : float
    """
    of_folds = np.tile(weights, (len(held.folds), 1))
    for row, points in zip(of_folds, held.folds, strict=True):
        row[points] = 0.0
    moved = [standardised(features, C) for features in held.features]
    each = [moved[fold % len(moved)] for fold in range(len(held.folds))]
    if len(moved) == 1 and not single.is_wide(held.n_classes, held.of(0).shape[1]):
        together = np.zeros(len(held.folds), int)
        (x, C), *_ = moved
        thetas = logistic.fit(x, held.labels, of_folds, C, tolerance=TOLERANCE, groups=together).theta
    else:
        rows = zip(each, of_folds, strict=True)
        thetas = [single.fit(x, held.labels, row, own_C, TOLERANCE).theta for (x, own_C), row in rows]
    found = np.empty((len(held.labels), held.n_classes))
    for (x, _), points, theta in zip(each, held.folds, thetas, strict=True):
        found[points] = class_probabilities(with_intercept(x[points]) @ theta.T)
    return found


def leave_one_out(held: Held, weights: np.ndarray, C: float) -> np.ndarray:
    """Probabilities of the classes of every point, predicted for the head without it: [n, n_classes]."""
    x, C = standardised(held.of(0), C)
    theta = single.fit(x, held.labels, weights, C, TOLERANCE).theta
    return class_probabilities(left_out_scores(with_intercept(x), held.labels, theta, weights, C))


def chosen_C(held: Held, seed: int) -> float:  # noqa: N802
    """The C of `GRID`, divided by the features' total variance, with the least mean loss out of fold.

    The loss is that of the labels as they are, on at most `MOST_CHOOSING` of the points. The search starts at the
    smallest C and ends when the loss rises.

    Raises
    ------
    InputError
        The features are the same for all points.
    """
    spread = np.mean([features.var(axis=0, dtype=np.float64).sum() for features in held.features])
    if not spread > 0:
        raise InputError("X is the same for all points; labels can be doubted only by features that differ.")
    some, best = _sampled(held, seed), (np.inf, np.nan)
    ones = np.ones(len(some.labels))
    for value in GRID:
        C = value / spread
        loss = -np.log(np.maximum(quality(out_of_fold(some, ones, C), some.labels), 1e-12)).mean()
        if loss >= best[0]:
            break
        best = loss, C
    return float(best[1])


def _sampled(held, seed):
    """At most `MOST_CHOOSING` of the points, the same share of every fold and, nearly, class; every class keeps two."""
    n = len(held.labels)
    if n <= MOST_CHOOSING:
        return held
    rng, folds, kept = np.random.default_rng(seed), len(held.folds), []
    of_fold = np.empty(n, int)
    for fold, points in enumerate(held.folds):
        of_fold[points] = fold
    for label in range(held.n_classes):
        points = rng.permutation(np.flatnonzero(held.labels == label))
        kept.append(points[: max(2 * folds, round(MOST_CHOOSING * len(points) / n))])
    kept = np.sort(np.concatenate(kept))
    features = [features[kept] for features in held.features]
    return Held(features, held.labels[kept], [np.flatnonzero(of_fold[kept] == fold) for fold in range(folds)])


def quality(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Probability of each point's label: [n]."""
    return probabilities[np.arange(len(labels)), labels]


def doubtful(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which labels are doubtful by the rule above, and the label that each point should have: bool [n], int [n].

    Where a label is doubtful that is the most probable of the confident classes, elsewhere the most probable class.
    """
    own = quality(probabilities, labels)
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    sums = np.bincount(labels, own, minlength=probabilities.shape[1])
    # A class that no point has is confident nowhere: there is nothing to learn from what its probability is to be.
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    found = confident.argmax(axis=1)
    mask = (confident.max(axis=1) >= 0) & (found != labels)
    return mask, np.where(mask, found, probabilities.argmax(axis=1))


def weights_without(mask: np.ndarray, own: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weight 0 for doubtful points and 1 for others, where at most `MOST_LEFT_OUT` of a class, the worst, have 0: [n].

    Parameters
    ----------
    mask : bool array [n]
    own : array [n]
        Of `quality`.
    labels : int array [n]
    """
    weights = np.ones(len(labels))
    for label in np.unique(labels[mask]):
        members = np.flatnonzero(labels == label)
        points = members[mask[members]]
        most = int(MOST_LEFT_OUT * len(members))
        weights[points[np.argsort(own[points], kind="stable")[:most]]] = 0.0
    return weights


def in_passes(held: Held, C: float, method: str, passes: int) -> np.ndarray:
    """Probabilities of the classes after some passes: [n, n_classes].

    Parameters
    ----------
    held : Held
    C : float
    method : str
        One of `METHODS`, or ``auto`` for the first that can be taken.
    passes : int

    Raises
    ------
    InputError
        For ``leave_one_out``: the head is too large, or each fold has its own features.
    """
    reason = _why_not_leave_one_out(held)
    if method == "leave_one_out" and reason:
        raise InputError(f"method 'leave_one_out' {reason}, or take method 'out_of_fold'.")
    find: Callable = out_of_fold if method == "out_of_fold" or reason else leave_one_out
    found = find(held, np.ones(len(held.labels)), C)
    for _ in range(1, passes):
        mask, _ = doubtful(found, held.labels)
        found = find(held, weights_without(mask, quality(found, held.labels), held.labels), C)
    return found


def _why_not_leave_one_out(held):
    """What stands in the way of ``leave_one_out``, as the end of a sentence; an empty string if nothing does."""
    if len(held.features) > 1:
        return "needs features that were made without these labels: give features, or a featurizer that is fitted"
    parameters = n_rows(held.n_classes) * (held.of(0).shape[1] + 1)
    if parameters > LARGEST:
        return (
            f"inverts a matrix of the head's {parameters} parameters, of which at most {LARGEST} are taken: give fewer "
            "features, such as those of a PCA"
        )
    return ""
