"""Augmentation scores: one non-negative number for each training point, larger for points more worth augmenting.

Loss and influence are from Kuchnik & Smith (2019), section 4.1; the margin score is from their released code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.svm import LinearSVC

from ..errors import InputError
from ..influence.inverse import factor
from ..influence.leave_one_out import self_influence, self_influence_by_class
from ..solver.engines import check_engine, engine_of
from ..solver.heads import Head, hessian, losses

LARGEST_HESSIAN = 3000
"""Largest head, in parameters, whose Hessian is formed and factored for influence; that of a larger one is taken class
by class, see `influaug.influence.leave_one_out.self_influence_by_class`."""
GAINS = 1e10
"""Smallest number of multiplications for which influence uses a GPU by default: one to three seconds of one core."""


@dataclass(frozen=True)
class ScoreOptions:
    """Options of the scores.

    Attributes
    ----------
    C : float
        Inverse regularisation strength of the fitted objective (and of the margin's SVM).
    hessian : str
        ``"objective"``: the Hessian of the regularised objective that was minimised. ``"loss"``: without the L2 term,
        as in the released code; this needs ``damping``.
    damping : float
        Added to the Hessian's diagonal.
    margin : str
        ``"hardest"``: points nearest to the boundary score highest. ``"easiest"``: |margin|, as in the released code.
    engine : {'numpy', 'keras'}, optional
        Engine of influence, and of the fits of a sweep with these options, see `engines.engine_of`; by default
        influence uses a GPU only for at least `GAINS` multiplications.

    Raises
    ------
    InputError
        The engine is unknown.
    """

    C: float = 10.0
    hessian: str = "objective"
    damping: float = 0.0
    margin: str = "hardest"
    engine: str | None = None

    def __post_init__(self) -> None:
        check_engine(self.engine)


def loss(head: Head, n: int, options: ScoreOptions) -> np.ndarray:
    """Training loss of each of the first n rows, unweighted: [n]."""
    del options
    return losses(head.x[:n], head.labels[:n], head.theta)


def influence(head: Head, n: int, options: ScoreOptions) -> np.ndarray:
    """Leave-one-out influence g' H^-1 g of each of the first n rows, sign dropped: [n].

    `influaug.influence.leave_one_out` states the formula. Above `LARGEST_HESSIAN` parameters, as ten classes have with
    512 features, the Hessian's blocks between classes are left out.
    """
    C = options.C if options.hessian == "objective" else np.inf
    if head.theta.size > LARGEST_HESSIAN and len(head.theta) > 1:
        return self_influence_by_class(head, n, C, options.damping)
    work = float(len(head.x) + n) * head.theta.size**2
    if engine_of(options.engine, gains=work >= GAINS) == "keras":
        # Imported here because Keras and its backend take many seconds to import.
        from ..influence import on_device

        return on_device.self_influence(head, n, C, options.damping)
    L = factor(hessian(head.x, head.theta, head.weights, C), options.damping)
    return self_influence(head.x[:n], head.labels[:n], head.theta, L)


def margin(head: Head, n: int, options: ScoreOptions) -> np.ndarray:
    """Closeness of each of the first n rows to a linear SVM's boundary: max |m| - |m|, [n].

    The order is that of -|m|; the shift makes the scores non-negative, as proportional sampling needs. With more than
    two classes m is the true class's decision value minus the largest one of the other classes.
    """
    svm = LinearSVC(C=options.C, random_state=0, max_iter=10_000)
    svm.fit(head.x[:, :-1], head.labels, sample_weight=head.weights)
    distance = np.abs(_decision(svm, head.x[:n, :-1], head.labels[:n]))
    return distance if options.margin == "easiest" else distance.max() - distance


def _decision(svm, features, labels):
    m = svm.decision_function(features)
    if m.ndim == 1:
        return m
    rows = np.arange(len(m))
    own = m[rows, labels]
    m[rows, labels] = -np.inf
    return own - m.max(axis=1)


SCORES = {
    "loss": loss,
    "influence": influence,
    "margin": margin,
}


def compute(name: str, head: Head, n: int, options: ScoreOptions) -> np.ndarray:
    """Score the first n rows of a fitted head.

    Parameters
    ----------
    name : str
        A key of `SCORES`.
    head : Head
    n : int
        Number of points to score: the first n rows.
    options : ScoreOptions

    Returns
    -------
    array [n]

    Raises
    ------
    InputError
        The score is unknown.
    """
    if name not in SCORES:
        raise InputError(f"Unknown score {name!r}; known are {', '.join(SCORES)}.")
    return SCORES[name](head, n, options)
