r"""Augmentation policies: from one score a point to an order of points.

A budget of k augments the first k points of the order, so the sets of a policy are nested. The random policies sample
without replacement, one point after another, with the probabilities of Kuchnik & Smith (2019), Table 2, over the points
not yet drawn. Adding independent Gumbel noise to the logarithm of the probabilities and sorting draws exactly so
(Yellott, 1977), for all points in one pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def _uniform(s):
    return np.zeros_like(s)


def _log(s):
    with np.errstate(divide="ignore"):
        return np.log(s)


def _inverse_log(s):
    return -_log(s)


def _identity(s):
    return s


def _negative(s):
    return -s


# policy: (score -> logarithm of the unnormalised probability, or the key to sort by), random?
POLICIES = {
    "baseline": (_uniform, True),
    "random_proportional": (_log, True),
    "random_inverse_proportional": (_inverse_log, True),
    "random_softmax": (_identity, True),
    "random_inverse_softmax": (_negative, True),
    "deterministic_proportional": (_identity, False),
    "deterministic_inverse_proportional": (_negative, False),
}


def is_random(policy: str) -> bool:
    """Whether a policy draws at random (and so deserves several rounds).

    Raises
    ------
    InputError
        Unknown policy.
    """
    if policy not in POLICIES:
        raise InputError(f"Unknown policy {policy!r}; known are {', '.join(POLICIES)}.")
    return POLICIES[policy][1]


def order(policy: str, scores: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """Order the points as a policy would augment them.

    Parameters
    ----------
    policy : str
        ``baseline``: P = 1 / n. ``random_proportional``: P = s_i / sum s. ``random_inverse_proportional``: P is
        proportional to 1 / s_i. ``random_softmax``, ``random_inverse_softmax``: P is proportional to exp(+-s_i).
        ``deterministic_proportional``, ``deterministic_inverse_proportional``: by falling or rising score, ties in the
        points' own order.
    scores : array [n]
        Non-negative. Points with probability zero come last and infinite scores first (last for the inverse
        policies), each among themselves in random order where the policy is random.
    rng : numpy.random.Generator
        Unused by the deterministic policies.

    Returns
    -------
    int array [n]
        A permutation of 0 .. n - 1.

    Raises
    ------
    InputError
        Unknown policy; scores that are NaN or negative (the message names the points).
    """
    random = is_random(policy)
    key = POLICIES[policy][0]
    scores = np.asarray(scores, dtype=np.float64)
    _check(scores)
    if not random:
        return np.argsort(-key(scores), kind="stable")
    noise = rng.gumbel(size=len(scores))
    keys = key(scores) + noise
    return np.lexsort((-noise, -keys))


def _check(scores):
    bad = np.flatnonzero(np.isnan(scores) | (scores < 0))
    if bad.size:
        shown = ", ".join(map(str, bad[:10])) + (", ..." if bad.size > 10 else "")
        raise InputError(f"Scores must be numbers of at least 0; those of the points {shown} are NaN or negative.")
