"""Augmentation scores: one non-negative number a training point, larger where augmentation promises more.

Kuchnik & Smith (2019), section 4.1, for loss and influence; the margin score is the released code's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.svm import LinearSVC

from ..errors import InputError
from ..influence.inverse import factor
from ..influence.leave_one_out import self_influence
from ..solver.engines import check_engine, engine_of
from ..solver.heads import Head, hessian, losses

GAINS = 1e10
"""Multiplications of an influence from which on a GPU is taken for it by default: one to three seconds of a core."""


@dataclass(frozen=True)
class ScoreOptions:
    """How scores are computed.

    Attributes
    ----------
    C : float
        Inverse regularisation strength of the fitted objective (and of the margin's SVM).
    hessian : str
        ``"objective"``: the Hessian of the regularised objective that was minimised. ``"loss"``: without the L2 term,
        as the released code has it; it then needs ``damping``.
    damping : float
        Added to the Hessian's diagonal.
    margin : str
        ``"hardest"``: points nearest to the boundary score highest. ``"easiest"``: |margin|, the released code's.
    engine : {'numpy', 'keras'}, optional
        Of influence, and of the fits of a sweep with these options, see `engines.engine_of`; by default influence is
        computed on a GPU only from `GAINS` on.

    Raises
    ------
    InputError
        An unknown engine.
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
    """Leave-one-out influence g' H^-1 g of each of the first n rows, sign dropped: [n]; see `influaug.influence.leave_one_out`."""
    C = options.C if options.hessian == "objective" else np.inf
    work = float(len(head.x) + n) * head.theta.size**2
    if engine_of(options.engine, gains=work >= GAINS) == "keras":
        # It imports Keras and its backend, which take many seconds.
        from ..influence import on_device

        return on_device.self_influence(head, n, C, options.damping)
    L = factor(hessian(head.x, head.theta, head.weights, C), options.damping)
    return self_influence(head.x[:n], head.labels[:n], head.theta, L)


def margin(head: Head, n: int, options: ScoreOptions) -> np.ndarray:
    """Nearness to a linear SVM's boundary of each of the first n rows: max |m| - |m|, [n].

    The order is that of -|m|; the shift makes the scores non-negative, as proportional sampling needs. With more than
    two classes m is the lead of the true class's decision value over the best other one.
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
        Points to score, the first n rows.
    options : ScoreOptions

    Returns
    -------
    array [n]

    Raises
    ------
    InputError
        Unknown score.
    """
    if name not in SCORES:
        raise InputError(f"Unknown score {name!r}; known are {', '.join(SCORES)}.")
    return SCORES[name](head, n, options)
