"""One way to choose for every policy, of points or of copies: what `influaug.selection` is built on.

Policies of points are those of Kuchnik & Smith (2019): those of `influaug.policies`, with a score, and of
`influaug.set_policies` the paper's and its code's. They need no copy. All others choose single copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import greedy, heads, logistic, policies, set_policies
from .errors import InputError
from .quotas import in_turn
from .scores import SCORES, Head, ScoreOptions, compute

if TYPE_CHECKING:
    from typing import Self

SHORT = {"deterministic": "deterministic_proportional", "random": "random_proportional"}
"""Short forms of policies' names."""
GREEDY = {
    "one_shot": "influence",
    "greedy_influence": "influence",
    "greedy_loss": "loss",
    "greedy_self_influence": "self_influence",
    "greedy_hybrid": "hybrid",
}
"""Scores, as in `greedy.select`, of the policies that go over all copies."""
OF_SETS = ("k_dpp", "k_dpp_influence")
"""Policies that draw a set for each budget and have no order beyond it."""


@dataclass(frozen=True)
class Rule:
    """How to choose.

    Attributes
    ----------
    name : str
        One of `policies.POLICIES` or of `set_policies.names`.
    score : str
        One of `scores.SCORES`, for `policies.POLICIES`.
    balanced : bool
        Whether the classes take turns.
    options : set_policies.SetOptions
    """

    name: str
    score: str
    balanced: bool
    options: set_policies.SetOptions

    @classmethod
    def of(cls, policy: str, score: str, balanced: bool, options: set_policies.SetOptions) -> Self:
        """A rule by any of the policies' names.

        Raises
        ------
        InputError
            An unknown policy or score, a pool beyond 0 to 1, or a policy that has no balanced variant.
        """
        name = SHORT.get(policy, policy) if isinstance(policy, str) else None
        known = [*SHORT, *policies.POLICIES, *set_policies.names()]
        if name not in known:
            raise InputError(f"Unknown policy {policy!r}; known are {', '.join(known)}.")
        if score not in SCORES:
            raise InputError(f"Unknown score {score!r}; known are {', '.join(SCORES)}.")
        if not 0 < options.pool <= 1:
            raise InputError(f"pool is {options.pool!r}; it must be a share of the points, above 0 and at most 1.")
        if name not in policies.POLICIES:
            policy, variant = set_policies.policy_of(name)
            if balanced and not policy.balances:
                raise InputError(f"The policy {name} has no balanced variant; take balanced=False or another policy.")
            name, balanced = name.removesuffix(set_policies.BALANCED), balanced or variant
        return cls(name, score, bool(balanced), options)

    @property
    def of_points(self) -> bool:
        """Whether points are chosen, with all their copies; else single copies are."""
        return self.name in policies.POLICIES or set_policies.POLICIES[self.name].paper

    @property
    def sees(self) -> str:
        """Whose copies it looks at: those of 'all' points, of a 'pool', or of the 'chosen' alone."""
        return "chosen" if self.of_points else set_policies.POLICIES[self.name].generates

    @property
    def full_name(self) -> str:
        """The name in `set_policies.names`."""
        return self.name + set_policies.BALANCED * self.balanced


@dataclass(frozen=True)
class Choice:
    """What was chosen.

    Attributes
    ----------
    order : int array [b]
        Points or copies, the best first.
    ranking : int array
        All of them where the policy ranks all, else `order`.
    scores : array
        Of every point [n], or of the chosen copies [b], in their order.
    """

    order: np.ndarray
    ranking: np.ndarray
    scores: np.ndarray


def points(rule: Rule, features: np.ndarray, labels: np.ndarray, budget: int, rng: np.random.Generator) -> Choice:
    """Choose points by a policy of points.

    Parameters
    ----------
    rule : Rule
    features : array [n, d]
    labels : int array [n]
    budget : int
        Points.
    rng : numpy.random.Generator

    Returns
    -------
    Choice
        With the score of every point: the rule's, or what the policy's name says.
    """
    score = rule.score
    if rule.name not in policies.POLICIES:
        score = {"loss": "loss"}.get(rule.name, "influence" if "influence" in rule.name else score)
    scores = _scores(score, features, labels, rule.options)
    if rule.name in policies.POLICIES:
        order = policies.order(rule.name, scores, rng)
        order = in_turn(order, labels) if rule.balanced else order
        return Choice(order[:budget], order, scores)
    # Every point stands for its copies.
    candidates = greedy.Candidates(features, labels, features, np.arange(len(labels)))
    budgets = [budget] if rule.name in OF_SETS else sorted({budget, len(labels)})
    chosen = set_policies.choose(rule.full_name, candidates, budgets, rule.options, rng)
    return Choice(chosen[0], chosen[-1], scores)


def _scores(score, features, labels, options):
    weights = np.ones(len(labels))
    theta = logistic.fit(features, labels, weights[None], options.C, engine=options.engine).theta[0]
    head = Head(heads.with_intercept(features), labels, weights, theta)
    return compute(score, head, len(labels), ScoreOptions(C=options.C, engine=options.engine))


def pool(rule: Rule, features: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The points of a policy's pool, in rising order."""
    candidates = greedy.Candidates(features, labels, features, np.arange(len(labels)))
    found = set_policies.POLICIES[rule.name].choose.keywords["pool"](candidates, rule.options, rng)  # type: ignore[attr-defined]
    return np.sort(found)


def copies(rule: Rule, candidates: greedy.Candidates, budget: int, rng: np.random.Generator) -> Choice:
    """Choose copies by a policy of copies.

    Parameters
    ----------
    rule : Rule
    candidates : greedy.Candidates
        With the copies that the policy looks at: those of the pool alone for a policy of a pool.
    budget : int
        Copies; fewer are chosen if there are no more.
    rng : numpy.random.Generator

    Returns
    -------
    Choice
        By their places among the candidates; the scores are what each promised when it was added, of greedy policies,
        and NaN of others.
    """
    budget = min(budget, len(candidates.source))
    if rule.name in GREEDY or rule.sees == "pool":
        batch = max(budget, 1) if rule.name == "one_shot" else None
        options = {name: getattr(rule.options, name) for name in ("C", "refit_every", "engine")}
        score = GREEDY.get(rule.name, "influence")
        found = greedy.select(candidates, score, budget, batch=batch, balanced=rule.balanced, **options)
        return Choice(found.order, found.order, found.scores)
    order = set_policies.choose(rule.full_name, candidates, [budget], rule.options, rng)[0]
    return Choice(order, order, np.full(len(order), np.nan))
