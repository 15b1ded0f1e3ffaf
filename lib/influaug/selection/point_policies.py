r"""Augmentation policies that turn one score for each point into an order of points.

A budget of k augments the first k points of the order, so the sets of a policy are nested. The random policies sample
without replacement, one point after another, with the probabilities of Kuchnik & Smith (2019), Table 2, over the points
not yet drawn. Adding independent Gumbel noise to the logarithms of the probabilities and sorting draws all points in
one pass with exactly this distribution (Yellott, 1977).

`Policy` describes any policy, of points or of copies. The registry of all policies is
`influaug.selection.policies.POLICIES`. Policies that order points by any score are in `POINT_POLICIES` here, so that
the results of the sweep over points do not depend on the code of other policies.
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
"""Stands in place of a score's name: the policy orders points by the score that it is given."""
PAPER, RELEASED_CODE = "paper", "released code"
"""Sources of policies: Kuchnik & Smith (2019), or their released code, which has more policies than the paper."""


@dataclass(frozen=True)
class Policy:
    """A policy: its rule, its needs and its description.

    Attributes
    ----------
    meaning : str
        The points or copies that it adds, in words.
    unit : {'point', 'copy'}
        The unit of its order: points, each with all its copies, or single copies.
    generates : {'chosen', 'pool', 'all'}
        The copies that must exist before it can choose: none (only the chosen ones are generated, afterwards), those
        of the points in `pool`, or all.
    choose : callable, optional
        (rules.Task, numpy.random.Generator) -> rules.Picked. A policy without it chooses points in the order of its
        `key`.
    score : str, optional
        The score that it orders by: a name in `scores.SCORES` if it needs no copies, in `greedy.SCORES` if it chooses
        greedily, the name of a method of `influaug.influence.validation.ValidationInfluence` if it holds points out;
        `ANY`, or None without a score.
    balances : bool
        Whether the classes can take turns.
    random : bool
        Whether it draws at random, so that studies repeat it in several rounds.
    draws_sets : bool
        Whether it draws a new set for each budget; otherwise the sets of larger budgets contain those of smaller ones.
    needs_clusters : bool
        Whether it clusters the points by k-means.
    source : {'paper', 'released code', ''}
        `PAPER`, `RELEASED_CODE`, or neither.
    key : callable, optional
        Scores [n] -> logarithms of unnormalised probabilities if `random`, else sort keys, the largest first: [n].
    pool : callable, optional
        (Task, Generator) -> the points whose copies it considers, if it generates a pool.
    paper : str
        Whose rule it is, if it is neither of Kuchnik & Smith (2019) nor this project's own.
    cost : str
        What it reads of the copies, and the order of its time for b of m copies, in words.
    weighs : bool
        Whether it gives the chosen copies weights.
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
    paper: str = ""
    cost: str = ""
    weighs: bool = False

    @property
    def needs_no_copies(self) -> bool:
        """Whether it chooses whole points without their copies' features, so that the copies need not exist."""
        return self.unit == "point" and self.generates == "chosen"

    @property
    def reads_score(self) -> bool:
        """Whether its choice depends on a score; random points are drawn without, by whatever name."""
        return self.score is not None and self.key is not _uniform


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
    """Create a policy that orders points by any score; see `Policy` for the parameters."""
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
    """Whether one of `POINT_POLICIES` draws at random, so that studies repeat it in several rounds.

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
        Non-negative. Points with probability zero come last and infinite scores first (last for the inverse policies);
        random policies shuffle the points within each of these groups.
    rng : numpy.random.Generator
        Unused by the deterministic policies.

    Returns
    -------
    int array [n]
        A permutation of 0 .. n - 1.

    Raises
    ------
    InputError
        The policy is unknown, or scores are NaN or negative (the message names the points).
    """
    is_random(policy)
    return order_of(POINT_POLICIES[policy], scores, rng)


def order_of(policy: Policy, scores: ArrayLike, rng: np.random.Generator) -> np.ndarray:
    """Order the points as `order` does, by a `Policy` that has a key."""
    if policy.key is None:
        raise InputError(f"The policy that adds {policy.meaning} has no key to order points by; take one that has.")
    scores = np.asarray(scores, dtype=np.float64)
    _check(scores)
    key = policy.key(scores)
    if not policy.random:
        return np.argsort(-key, kind="stable")
    noise = rng.gumbel(size=len(scores))
    # Keys of +-inf absorb the noise and tie; the noise itself then breaks the ties at random.
    return np.lexsort((-noise, -(key + noise)))


def _check(scores):
    bad = np.flatnonzero(np.isnan(scores) | (scores < 0))
    if bad.size:
        shown = ", ".join(map(str, bad[:10])) + (", ..." if bad.size > 10 else "")
        raise InputError(f"Scores must be numbers of at least 0; those of the points {shown} are NaN or negative.")
