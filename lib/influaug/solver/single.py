"""One head: by the batched solver, with a certificate, or if it is wide by truncated Newton steps on blocks of rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import logistic
from .large import LargeHead, Rows

LARGEST = 6000
"""Most parameters of a softmax head that the batched solver fits."""
MOST_CLASSES = 150
"""Most classes of one."""
PRECISE = 1e-9
"""Smallest tolerance of wide heads, which are fitted in single precision."""


@dataclass(frozen=True)
class Single:
    """A fitted head.

    Attributes
    ----------
    theta : array [K, d + 1]
        Parameters as in `logistic.Fit`.
    objective : float
        J.
    decrement : float
        Half the squared Newton decrement; of a wide head an estimate, before its last step.
    steps : int
    """

    theta: np.ndarray
    objective: float
    decrement: float
    steps: int


def is_wide(n_classes: int, d: int) -> bool:
    """Whether a head of d features is too wide for the batched solver."""
    return n_classes > 2 and (n_classes * (d + 1) > LARGEST or n_classes > MOST_CLASSES)


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    C: float,
    tolerance: float = 1e-9,
    engine: str | None = None,
) -> Single:
    """Minimise J for one row of weights.

    Parameters
    ----------
    features : array [n, d]
    labels : int array [n]
        0 .. n_classes - 1.
    weights : array [n]
    C : float
    tolerance : float
        As in `logistic.Solver.fit`; wide heads come to `PRECISE` at best.
    engine : {'numpy', 'keras'}, optional
        Of heads that are not wide.

    Raises
    ------
    InputError
        See `logistic.Solver`.
    RuntimeError
        The tolerance is not reached.
    """
    n_classes = int(labels.max()) + 1
    if not is_wide(n_classes, features.shape[1]):
        found = logistic.fit(features, labels, weights[None], C, tolerance=tolerance, engine=engine)
        return Single(found.theta[0], float(found.objective[0]), float(found.decrement[0]), int(found.iterations[0]))
    head = LargeHead(Rows(features, labels, weights), n_classes, C, 0, np.random.default_rng(0))
    head.minimise(0.1, 0.0, max(tolerance, PRECISE))
    theta = head.theta.copy()
    # A common shift of the intercepts does not change J; fixing their sum makes the minimiser unique.
    theta[:, -1] -= theta[:, -1].mean()
    return Single(theta, float(head.objective), float(head.decrement), head.steps)
