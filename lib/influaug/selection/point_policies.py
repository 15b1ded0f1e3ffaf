r"""Augmentation policies: from one score a point to an order of points.

A budget of k augments the first k points of the order, so the sets of a policy are nested. The random policies sample
without replacement, one point after another, with the probabilities of Kuchnik & Smith (2019), Table 2, over the points
not yet drawn. Adding independent Gumbel noise to the logarithm of the probabilities and sorting draws exactly so
(Yellott, 1977), for all points in one pass.

`Policy` says of any policy, of points or of copies, what its callers need to know. The registry of all policies is
`set_policies.POLICIES`. The part of it that orders points by any score stands here, in `POINT_POLICIES`, so that the
results of the sweep over points depend on no other policy's code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

ANY = "any"
"""In place of a score's name: the policy orders points by whatever score it is given."""
PAPER, RELEASED_CODE = "paper", "released code"
"""Sources of policies: Kuchnik & Smith (2019), or the code that they released, which has more than the paper."""


@dataclass(frozen=True)
class Policy:
    """What a policy does, and what it needs.

    Attributes
    ----------
    meaning : str
        What it adds, in words.
    unit : {'point', 'copy'}
        What it puts in order: points, each with all its copies, or single copies.
    generates : {'chosen', 'pool', 'all'}
        The copies that must have been generated before it can choose: none (only the chosen ones are, afterwards),
        those of the points in `pool`, or all.
    choose : callable, optional
        (set_rules.Task, numpy.random.Generator) -> set_rules.Picked. A policy without it has a `key`, and chooses the
        points in the order that this gives.
    score : str, optional
        What it orders by: a name in `scores.SCORES` if it looks at no copy, in `greedy.SCORES` if it chooses greedily,
        the name of a method of `influence.ValidationInfluence` if it holds points out; `ANY`, or None without a score.
    balances : bool
        Whether the classes can take turns.
    random : bool
        Whether it draws at random, and so deserves several rounds.
    draws_sets : bool
        Whether it draws a set anew for each budget; otherwise larger budgets contain smaller ones.
    needs_clusters : bool
        Whether it clusters the points by k-means.
    source : {'paper', 'released code', ''}
        `PAPER`, `RELEASED_CODE`, or neither.
    key : callable, optional
        Scores [n] -> logarithms of unnormalised probabilities if `random`, else what to sort by, falling: [n].
    pool : callable, optional
        (Task, Generator) -> the points whose copies it looks at, where it generates a pool.
    """

    meaning: str
    unit: str
    generates: str
    choose: Callable | None = None
    score: str | None = None
    balances: bool = True
    random: bool = False
    draws_sets: bool = False
    needs_clusters: bool = False
    source: str = ""
    key: Callable | None = None
    pool: Callable | None = None

    @property
    def needs_no_copies(self) -> bool:
        """Whether it chooses whole points and looks at no copy, so that it can choose where there are no copies."""
        return self.unit == "point" and self.generates == "chosen"


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


def by_any_score(meaning: str, key: Callable, random: bool = False, source: str = "") -> Policy:
    """A policy that orders points by any score; see `Policy` for the parameters."""
    return Policy(meaning, "point", "chosen", score=ANY, random=random, source=source, key=key)


POINT_POLICIES = {
    "baseline": by_any_score("random points", _uniform, True, PAPER),
    "random_proportional": by_any_score("points drawn in proportion to the score", _log, True, PAPER),
    "random_inverse_proportional": by_any_score("points drawn in proportion to 1 / score", _inverse_log, True, PAPER),
    "random_softmax": by_any_score("points drawn in proportion to exp(score)", _identity, True, PAPER),
    "random_inverse_softmax": by_any_score("points drawn in proportion to exp(-score)", _negative, True, PAPER),
    "deterministic_proportional": by_any_score("points by falling score", _identity, source=PAPER),
    "deterministic_inverse_proportional": by_any_score("points by rising score", _negative, source=PAPER),
}


def is_random(policy: str) -> bool:
    """Whether one of `POINT_POLICIES` draws at random (and so deserves several rounds).

    Raises
    ------
    InputError
        Unknown policy.
    """
    if policy not in POINT_POLICIES:
        raise InputError(f"Unknown policy {policy!r}; known are {', '.join(POINT_POLICIES)}.")
    return POINT_POLICIES[policy].random


def order(policy: str, scores: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """Order the points as a policy would augment them.

    Parameters
    ----------
    policy : str
        One of `POINT_POLICIES`. ``baseline``: P = 1 / n. ``random_proportional``: P = s_i / sum s.
        ``random_inverse_proportional``: P is proportional to 1 / s_i. ``random_softmax``, ``random_inverse_softmax``: P
        is proportional to exp(+-s_i). ``deterministic_proportional``, ``deterministic_inverse_proportional``: by
        falling or rising score, ties in the points' own order.
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
    is_random(policy)
    return order_of(POINT_POLICIES[policy], scores, rng)


def order_of(policy: Policy, scores: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """As `order`, by a `Policy` that has a key."""
    if policy.key is None:
        raise InputError(f"The policy that adds {policy.meaning} has no key to order points by; take one that has.")
    scores = np.asarray(scores, dtype=np.float64)
    _check(scores)
    key = policy.key(scores)
    if not policy.random:
        return np.argsort(-key, kind="stable")
    noise = rng.gumbel(size=len(scores))
    return np.lexsort((-noise, -(key + noise)))


def _check(scores):
    bad = np.flatnonzero(np.isnan(scores) | (scores < 0))
    if bad.size:
        shown = ", ".join(map(str, bad[:10])) + (", ..." if bad.size > 10 else "")
        raise InputError(f"Scores must be numbers of at least 0; those of the points {shown} are NaN or negative.")
