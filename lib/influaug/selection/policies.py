r"""The registry of policies that choose points or copies, and functions that run one of them.

A policy of points (Kuchnik & Smith, 2019) orders the points and adds all copies of one after the other; a policy of
copies adds them one by one. Generating a copy and its features has a cost too. Policies of points pay it for the chosen
points only, the others for all points or for a pool of points: `generated` counts the copies.

`POLICIES` holds every policy once, described by the fields of its `point_policies.Policy`. Policies whose score is
`point_policies.ANY` need a score to be named beside them. `names` lists the others, which fix their score; among them
"influence", "loss", "influence_random" and "random_points" are second names of policies of the first kind with a fixed
score. `ALIASES` are short names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from . import coverage, matching, rescored, rules
from .candidates import Candidates
from .point_policies import ANY, POINT_POLICIES, RELEASED_CODE, Policy
from .rules import SetOptions
from .scores import SCORES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

BALANCED = "_balanced"
"""Suffix of the names of variants in which the classes take turns."""


def _second_name(of, score, meaning):
    """Create a policy from one of `POINT_POLICIES` by fixing its score."""
    return replace(POINT_POLICIES[of], score=score, meaning=meaning)


def _clustered(by, score, meaning):
    rule = partial(rules.by_points, by=POINT_POLICIES[by], clustered=True)
    return Policy(meaning, "point", "chosen", rule, score, random=True, needs_clusters=True, source=RELEASED_CODE)


def _k_dpp(score, meaning):
    return Policy(
        meaning,
        "point",
        "chosen",
        rules.k_dpp,
        score,
        balances=False,
        random=True,
        draws_sets=True,
        source=RELEASED_CODE,
    )


def _pooled(meaning, pool, **more):
    return Policy(meaning, "copy", "pool", rules.greedily, "influence", pool=pool, **more)


def _of_all(meaning, rule, score, **more):
    return Policy(meaning, "copy", "all", rule, score, **more)


def _rival(meaning, rule, paper, cost, **more):
    return Policy(meaning, "copy", "all", rule, balances=False, paper=paper, cost=cost, **more)


_ROUNDS = "about 8 ln(b / 8) fits"
RIVALS = {
    "k_center": _rival(
        "copies farthest from what is in the training set",
        coverage.k_center,
        "Sener & Savarese, ICLR 2018",
        "features; b m d",
    ),
    "facility_location": _rival(
        "copies whose features cover all copies of their class",
        coverage.facility_location,
        "Wei, Iyer & Bilmes, ICML 2015",
        "features; m^2 d / classes",
    ),
    "craig": _rival(
        "copies whose gradients cover all copies of their class, scored again and again",
        coverage.craig,
        "CRAIG: Mirzasoleiman, Bilmes & Leskovec, ICML 2020",
        f"features, labels, {_ROUNDS}; m^2 d / classes in each",
    ),
    "gradmatch": _rival(
        "copies by matching pursuit to the gradient of all copies, again and again",
        matching.gradmatch,
        "GradMatch: Killamsetty et al., ICML 2021",
        f"features, labels, {_ROUNDS}; b m K d",
    ),
    "gradmatch_weighted": _rival(
        "the same with the pursuit's weights, at most 20",
        partial(matching.gradmatch, weighted=True),
        "GradMatch: Killamsetty et al., ICML 2021",
        f"features, labels, {_ROUNDS}; b m K d",
        weighs=True,
    ),
    "badge": _rival(
        "copies drawn by k-means++ on their gradients",
        rescored.badge,
        "BADGE: Ash et al., ICLR 2020",
        "features, labels, 1 fit; b m (K + d)",
        random=True,
    ),
    "margin_rescored": _rival(
        "copies nearest to the boundary, scored again and again",
        partial(rescored.by_score, score=rescored.margin),
        "margin sampling: Scheffer, Decomain & Wrobel, 2001",
        f"features, {_ROUNDS}; m K d in each",
    ),
    "entropy_rescored": _rival(
        "copies of highest predictive entropy, scored again and again",
        partial(rescored.by_score, score=rescored.entropy),
        "uncertainty sampling: Lewis & Gale, SIGIR 1994",
        f"features, {_ROUNDS}; m K d in each",
    ),
    "el2n": _rival(
        "copies of largest error norm, once",
        partial(rescored.by_score, score=rescored.error_norm, once=True),
        "EL2N: Paul, Ganguli & Dziugaite, NeurIPS 2021",
        "features, labels, 1 fit; m K d",
    ),
    "worst_copy": _rival(
        "copies of largest error, divided by one more than the point's chosen copies, again and again",
        partial(rescored.by_score, score=rescored.worst_copy),
        "after worst-of-k: Engstrom et al., ICML 2019",
        f"features, labels, {_ROUNDS}; m K d in each",
    ),
    "match_full": _rival(
        "copies that match the gradient at the head of all copies, with weight 1",
        matching.match_full,
        "after GradMatch, at the final head",
        "features, labels, 1 fit to all copies; b m K d",
    ),
    "match_full_weighted": _rival(
        "the same with weights, at most 1000; fewer copies where fewer are enough",
        matching.match_full_weighted,
        "after GradMatch, at the final head",
        "features, labels, 1 fit to all copies; b m K d",
        weighs=True,
    ),
}
"""Policies of copies that are the rivals of greedy influence, of others and after others."""
ALIASES = {"deterministic": "deterministic_proportional", "random": "random_proportional"}
"""Short names of policies that order points by a score of the caller's choice."""
POLICIES = {
    **POINT_POLICIES,
    "random_points": _second_name("baseline", None, "all copies of random points"),
    "random_copies": Policy("copies at random", "copy", "chosen", rules.random_copies, random=True),
    "loss": _second_name("deterministic_proportional", "loss", "points by falling loss"),
    "influence": _second_name("deterministic_proportional", "influence", "points by falling influence"),
    "influence_random": _second_name("random_proportional", "influence", "points drawn in proportion to influence"),
    "clustered": _clustered("baseline", None, "random points, k-means clusters in turn"),
    "clustered_influence": _clustered(
        "deterministic_proportional", "influence", "points by influence, k-means clusters in turn"
    ),
    "k_dpp": _k_dpp(None, "points drawn by a k-DPP"),
    "k_dpp_influence": _k_dpp("influence", "points drawn by a k-DPP weighted by influence"),
    "held_out_up": _of_all("copies by held-out influence, once", rules.held_out, "up_loss", random=True),
    "held_out_aug": _of_all(
        "copies by held-out influence less their originals', once", rules.held_out, "aug_loss", random=True
    ),
    "one_shot": _of_all("copies by in-sample influence, once", partial(rules.greedily, one_shot=True), "influence"),
    "greedy_influence": _of_all("copies by in-sample influence, scored again and again", rules.greedily, "influence"),
    "greedy_loss": _of_all("copies by loss, scored again and again", rules.greedily, "loss"),
    "greedy_self_influence": _of_all(
        "copies by leave-one-out influence, scored again and again", rules.greedily, "self_influence"
    ),
    "greedy_hybrid": _of_all("copies by in-sample influence up to 2%, then by loss", rules.greedily, "hybrid"),
    "greedy_points": Policy(
        "points by their copies' in-sample influence, again and again",
        "point",
        "all",
        rules.greedy_points,
        "influence",
    ),
    "pool_influence": _pooled("greedy influence in a pool of influential points", rules.pool_by_influence),
    "pool_clusters": _pooled(
        "greedy influence in a pool, a point a cluster", rules.pool_by_clusters, random=True, needs_clusters=True
    ),
    "pool_random": _pooled("greedy influence in a pool of random points", rules.pool_at_random, random=True),
    **RIVALS,
}


def names() -> list[str]:
    """Names of all policies that fix their score; the balanced variants come last."""
    alone = {name: policy for name, policy in POLICIES.items() if policy.score != ANY}
    return [*alone, *(f"{name}{BALANCED}" for name, policy in alone.items() if policy.balances)]


def policy_of(name: str) -> tuple[Policy, bool]:
    """The `point_policies.Policy` of one of `names`, and whether its classes take turns.

    Raises
    ------
    InputError
        The name is not one of `names`.
    """
    if name not in names():
        raise InputError(f"Unknown policy of copies {name!r}; known are {', '.join(names())}.")
    return POLICIES[name.removesuffix(BALANCED)], name.endswith(BALANCED)


def choose(
    name: str, candidates: Candidates, budgets: Sequence[int], options: SetOptions, rng: np.random.Generator
) -> list[np.ndarray]:
    """Choose the copies that a policy adds at each budget.

    Parameters
    ----------
    name : str
        One of `names`.
    candidates : candidates.Candidates
    budgets : sequence of int
        Numbers of copies, rising, from 0 to all.
    options : SetOptions
    rng : numpy.random.Generator

    Returns
    -------
    list of int array
        The chosen copies of each budget: as many as the budget, or fewer where a pool has no more.

    Raises
    ------
    InputError
        The policy is unknown, budgets are out of range, or the policy itself raises it.
    """
    return choose_with_weights(name, candidates, budgets, options, rng).sets


def choose_with_weights(
    name: str, candidates: Candidates, budgets: Sequence[int], options: SetOptions, rng: np.random.Generator
) -> rules.Picked:
    """Choose as `choose` does: `rules.Picked`, with the copies' weights if the policy gives them any."""
    policy, balanced = policy_of(name)
    m = len(candidates.source)
    if not len(budgets) or list(budgets) != sorted(set(budgets)) or budgets[0] < 0 or budgets[-1] > m:
        raise InputError(f"budgets must rise from at least 0 to at most the {m} copies, not {list(budgets)}.")
    task = rules.Task(candidates, budgets, options, policy.score, balanced)
    if policy.pool is None:
        return _picked(policy, task, rng)
    # Greedy influence reduces the mean loss over the generated copies, so the policy must see those of the pool only.
    within, places = candidates.only(policy.pool(task, rng))
    inner = [min(budget, len(places)) for budget in budgets]
    chosen = _picked(policy, replace(task, candidates=within, budgets=inner), rng).sets
    return rules.Picked([places[copies] for copies in chosen])


def _picked(policy, task, rng):
    rule = policy.choose or partial(rules.by_points, by=policy)
    return rule(task, rng)


def generated(name: str, candidates: Candidates, chosen: np.ndarray, options: SetOptions) -> int:
    """Number of copies that had to be generated and featurized for a choice."""
    policy, _ = policy_of(name)
    if policy.generates == "chosen":
        return len(chosen)
    m, n = len(candidates.source), len(candidates.labels)
    return m if policy.generates == "all" else round(m * rules.pool_size(n, options) / n)


@dataclass(frozen=True)
class Ranked:
    """Points or copies that a `Chooser` chose.

    Attributes
    ----------
    order : int array [b]
        The chosen points or copies, the best first.
    ranking : int array
        All points or copies if the policy ranks all, else `order`.
    scores : array
        Scores of all points [n], or of the chosen copies [b], in their order; NaN where the policy uses none.
    weights : array, optional
        Weight of each chosen copy, which multiplies its point's, in their order (default: 1).
    """

    order: np.ndarray
    ranking: np.ndarray
    scores: np.ndarray
    weights: np.ndarray | None = None


@dataclass(frozen=True)
class Chooser:
    """A policy with its score, found by any of its names; `influaug.selection.selector` uses it.

    Attributes
    ----------
    name : str
        A key of `POLICIES`.
    policy : point_policies.Policy
    score : str
        One of `scores.SCORES`; policies whose score is `point_policies.ANY` order by it.
    balanced : bool
        Whether the classes take turns.
    options : SetOptions
    """

    name: str
    policy: Policy
    score: str
    balanced: bool
    options: SetOptions

    @classmethod
    def of(cls, policy: str, score: str, balanced: bool, options: SetOptions) -> Self:
        """Find a policy by a key of `ALIASES` or `POLICIES`, or by one of `names`.

        Raises
        ------
        InputError
            The policy or the score is unknown, the pool is not above 0 and at most 1, or the policy has no balanced
            variant.
        """
        name = ALIASES.get(policy, policy) if isinstance(policy, str) else None
        known = list(dict.fromkeys([*ALIASES, *POLICIES, *names()]))
        if name not in known:
            raise InputError(f"Unknown policy {policy!r}; known are {', '.join(known)}.")
        if score not in SCORES:
            raise InputError(f"Unknown score {score!r}; known are {', '.join(SCORES)}.")
        if not 0 < options.pool <= 1:
            raise InputError(f"pool is {options.pool!r}; it must be a share of the points, above 0 and at most 1.")
        found, variant = policy_of(name) if name in names() else (POLICIES[name], False)
        if balanced and not found.balances:
            raise InputError(f"The policy {name} has no balanced variant; take balanced=False or another policy.")
        return cls(name.removesuffix(BALANCED), found, score, bool(balanced or variant), options)

    def points(
        self,
        features: np.ndarray,
        labels: np.ndarray,
        budget: int,
        rng: np.random.Generator,
        weights: np.ndarray | None = None,
        among: np.ndarray | None = None,
    ) -> Ranked:
        """Choose points by a policy that needs no copies.

        Parameters
        ----------
        features : array [n, d]
        labels : int array [n]
        budget : int
            Number of points.
        rng : numpy.random.Generator
        weights : array [n], optional
            Of the points (default: 1).
        among : int array, optional
            The points that may be chosen, rising (default: all); the others are fitted and scored too.

        Returns
        -------
        Ranked
            With the policy's score of every point, which is computed once, and only if the policy uses one.
        """
        among = np.arange(len(labels)) if among is None else among
        budget = min(budget, len(among))
        budgets = [budget] if self.policy.draws_sets else sorted({budget, len(among)})
        task = self._task(Candidates(features, labels, features[among], among, weights), budgets)
        scores = np.full(len(labels), np.nan) if task.score is None else task.point_scores
        if self.policy.draws_sets and len(among) < len(labels):
            # A k-DPP that draws none of the others is that of these points alone.
            weights = None if weights is None else weights[among]
            task = self._task(_without_copies(features[among], labels[among], weights), budgets)
        chosen = [among[copies] for copies in _picked(self.policy, task, rng).sets]
        return Ranked(chosen[0], chosen[-1], scores)

    def pool(
        self, features: np.ndarray, labels: np.ndarray, rng: np.random.Generator, weights: np.ndarray | None = None
    ) -> np.ndarray | None:
        """The points whose copies the policy considers, in rising order; None if it has no pool.

        Parameters
        ----------
        features : array [n, d]
        labels : int array [n]
        rng : numpy.random.Generator
        weights : array [n], optional
            Of the points (default: 1).

        Returns
        -------
        int array or None
        """
        if self.policy.pool is None:
            return None
        return np.sort(self.policy.pool(self._task(_without_copies(features, labels, weights), [0]), rng))

    def copies(self, candidates: Candidates, budget: int, rng: np.random.Generator) -> Ranked:
        """Choose copies.

        Parameters
        ----------
        candidates : candidates.Candidates
            With the copies that the policy considers: only those of its pool, if it has one.
        budget : int
            Number of copies; fewer are chosen if there are no more.
        rng : numpy.random.Generator

        Returns
        -------
        Ranked
            Copies by their indices among the candidates. If the policy uses `greedy.select`, the scores are those at
            the time when each copy was added; for other policies they are NaN.
        """
        picked = _picked(self.policy, self._task(candidates, [min(budget, len(candidates.source))]), rng)
        order, promised = picked.sets[0], picked.promised
        scores = np.full(len(order), np.nan) if promised is None else promised
        return Ranked(order, order, scores, picked.weights and picked.weights[0])

    def _task(self, candidates, budgets):
        score = self.score if self.policy.score == ANY else self.policy.score
        score = score if self.policy.reads_score else None
        return rules.Task(candidates, budgets, self.options, score, self.balanced)


def _without_copies(features, labels, weights):
    """Candidates in which every point is its own copy."""
    return Candidates(features, labels, features, np.arange(len(labels)), weights)
