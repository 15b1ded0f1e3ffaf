r"""Policies that choose copies: the papers' beside those that look at the whole set, at equal numbers of added copies.

A policy of points (Kuchnik & Smith, 2019) orders the points and adds all copies of one after the other; a policy of
copies adds them one by one. Generating a copy and its features is a cost too, which policies of points pay for the
chosen points alone, and the others for all points, or for a pool of them: `generated` says how many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedKFold

from . import clusters, greedy, heads, kdpp, logistic, policies
from .errors import InputError
from .hessian import HeadHessian
from .influence import validation_influence
from .quotas import in_turn
from .scores import Head, ScoreOptions, compute

if TYPE_CHECKING:
    from collections.abc import Sequence

BALANCED = "_balanced"


@dataclass(frozen=True)
class SetOptions:
    """What the policies need to know.

    Attributes
    ----------
    C : float
        Inverse regularisation strength of the head.
    pool : float
        Share of the points whose copies are generated for the policies of a pool.
    clusters : int
        k of k-means, fewer if there are not so many points.
    folds : int
        Of held-out influence.
    kernel : str
        Of the k-DPP, see `kdpp.kernel`.
    refit_every : int
        See `greedy.select`.
    engine : {'numpy', 'keras'}, optional
        Of fits and scores, see `logistic.engine_of`; greedy refits, one model at a time, are on a GPU only if asked.

    Raises
    ------
    InputError
        An unknown engine.
    """

    C: float = 10.0
    pool: float = 0.25
    clusters: int = 50
    folds: int = 5
    kernel: str = "cosine"
    refit_every: int = 64
    engine: str | None = None

    def __post_init__(self) -> None:
        logistic.check_engine(self.engine)


@dataclass(frozen=True)
class SetPolicy:
    """One policy.

    Attributes
    ----------
    choose : callable
        (candidates, budgets, options, rng) -> list of int array, copies for each budget; with ``balanced`` besides if
        `balances`.
    generates : {'chosen', 'pool', 'all'}
        Which copies have to be generated before it can choose: none but the chosen, those of a pool, or all.
    meaning : str
        In a sentence.
    paper : bool
        Whether it is one of Kuchnik & Smith's (2019), or of their released code.
    balances : bool
        Whether a variant with the name's ending `BALANCED` exists, in which the classes take turns.
    """

    choose: Callable
    generates: str
    meaning: str
    paper: bool = False
    balances: bool = True


def names() -> list[str]:
    """All policies' names, the balanced variants after the others."""
    return [*POLICIES, *(f"{name}{BALANCED}" for name, policy in POLICIES.items() if policy.balances)]


def policy_of(name: str) -> tuple[SetPolicy, bool]:
    """The `SetPolicy` of a name, and whether its classes take turns. Raises InputError if there is none."""
    if name not in names():
        raise InputError(f"Unknown policy of copies {name!r}; known are {', '.join(names())}.")
    return POLICIES[name.removesuffix(BALANCED)], name.endswith(BALANCED)


def choose(
    name: str, candidates: greedy.Candidates, budgets: Sequence[int], options: SetOptions, rng: np.random.Generator
) -> list[np.ndarray]:
    """The copies that a policy adds at each budget.

    Parameters
    ----------
    name : str
        One of `names`.
    candidates : greedy.Candidates
    budgets : sequence of int
        Numbers of copies, rising, from 0 to all.
    options : SetOptions
    rng : numpy.random.Generator

    Returns
    -------
    list of int array
        Of each budget the chosen copies; exactly as many, or fewer where a pool has no more.

    Raises
    ------
    InputError
        An unknown policy, budgets out of range, or what the policy itself refuses.
    """
    policy, balanced = policy_of(name)
    m = len(candidates.source)
    if not len(budgets) or list(budgets) != sorted(set(budgets)) or budgets[0] < 0 or budgets[-1] > m:
        raise InputError(f"budgets must rise from at least 0 to at most the {m} copies, not {list(budgets)}.")
    return policy.choose(candidates, budgets, options, rng, **({"balanced": balanced} if policy.balances else {}))


def generated(name: str, candidates: greedy.Candidates, chosen: np.ndarray, options: SetOptions) -> int:
    """How many copies had to be generated and featurized for a choice."""
    policy, _ = policy_of(name)
    if policy.generates == "chosen":
        return len(chosen)
    m, n = len(candidates.source), len(candidates.labels)
    return m if policy.generates == "all" else round(m * _pool_size(n, options) / n)


def _cut(order, budgets):
    return [order[:budget] for budget in budgets]


def _copies_of(candidates, points):
    """The copies of points, one point after the other."""
    place = np.full(len(candidates.labels), len(points))
    place[points] = np.arange(len(points))
    copies = np.argsort(place[candidates.source], kind="stable")
    return copies[place[candidates.source[copies]] < len(points)]


def _head(candidates, options):
    """The head fitted to the points alone."""
    labels, weights = candidates.labels, np.ones(len(candidates.labels))
    theta = logistic.fit(candidates.features, labels, weights[None], options.C, engine=options.engine).theta[0]
    return Head(heads.with_intercept(candidates.features), labels, weights, theta)


def _scores(candidates, score, options):
    scoring = ScoreOptions(C=options.C, engine=options.engine)
    return compute(score, _head(candidates, options), len(candidates.labels), scoring)


def _by_points(candidates, budgets, options, rng, balanced, score, policy, clustered=False):
    """Kuchnik & Smith's policies: points in the order of a score that was computed once."""
    n = len(candidates.labels)
    of_point = np.zeros(n) if score is None else _scores(candidates, score, options)
    order = policies.order(policy, of_point, rng)
    if clustered:
        found = clusters.clusters(candidates.features, min(options.clusters, n), _seed(rng))
        order = clusters.round_robin(order, found, rng)
    if balanced:
        order = in_turn(order, candidates.labels)
    return _cut(_copies_of(candidates, order), budgets)


def _random_copies(candidates, budgets, options, rng, balanced):
    order = rng.permutation(len(candidates.source))
    return _cut(in_turn(order, candidates.labels[candidates.source]) if balanced else order, budgets)


def _greedy(candidates, budgets, options, rng, balanced, score="influence", one_shot=False):
    batch = max(budgets[-1], 1) if one_shot else None
    shared = {"C": options.C, "refit_every": options.refit_every, "engine": options.engine}
    found = greedy.select(candidates, score, budgets[-1], batch=batch, balanced=balanced, **shared)
    return _cut(found.order, budgets)


def _greedy_points(candidates, budgets, options, rng, balanced):
    per_point = np.bincount(candidates.source)
    points = min(-(-budgets[-1] // per_point[per_point > 0].min()), np.count_nonzero(per_point))
    shared = {"C": options.C, "refit_every": options.refit_every, "engine": options.engine}
    order = greedy.select(candidates, "influence", points, level="point", balanced=balanced, **shared).order
    return _cut(_copies_of(candidates, order), budgets)


def _greedy_in_pool(candidates, budgets, options, rng, balanced, pool):
    """Greedy influence among the copies of some points; the target is over what has been generated."""
    within, places = candidates.only(pool(candidates, options, rng))
    inner = [min(budget, len(places)) for budget in budgets]
    chosen = _greedy(within, inner, options, rng, balanced)
    return [places[copies] for copies in chosen]


def _pool_by_influence(candidates, options, rng):
    falling = policies.order("deterministic_proportional", _scores(candidates, "influence", options), rng)
    return falling[: _pool_size(len(falling), options)]


def _pool_at_random(candidates, options, rng):
    n = len(candidates.labels)
    return rng.permutation(n)[: _pool_size(n, options)]


def _pool_by_clusters(candidates, options, rng):
    """One random point of each of as many clusters as the pool has points."""
    n = len(candidates.labels)
    size = _pool_size(n, options)
    found = clusters.clusters(candidates.features, size, _seed(rng))
    return clusters.round_robin(rng.permutation(n), found, rng)[:size]


def _pool_size(n, options):
    return max(1, round(options.pool * n))


def _held_out(candidates, budgets, options, rng, balanced, augmentation):
    """Copies by influence on points that the head has not been fitted to, and on their copies; cross-fitted.

    Every fold of the points is for validation once; a copy's influence is the mean over the folds that its point is not
    in. Lee et al. (2020), equation 14, or equation 19 with `augmentation`.
    """
    features, labels = candidates.features, candidates.labels
    of_copies = labels[candidates.source]
    total = np.zeros(len(candidates.source))
    for train, held_out in _folds(labels, options.folds, rng):
        x, weights = heads.with_intercept(features[train]), np.ones(len(train))
        theta = logistic.fit(features[train], labels[train], weights[None], options.C, engine=options.engine).theta[0]
        judged = np.isin(candidates.source, held_out)
        validation = heads.with_intercept(np.vstack([features[held_out], candidates.copies[judged]]))
        of_validation = np.append(labels[held_out], of_copies[judged])
        H = HeadHessian(theta, x, weights, options.C)
        influence = validation_influence(H, validation, of_validation)
        copies = heads.with_intercept(candidates.copies[~judged])
        if augmentation:
            originals = heads.with_intercept(features[candidates.source[~judged]])
            total[~judged] += influence.aug_loss(originals, copies, of_copies[~judged])
        else:
            total[~judged] += influence.up_loss(copies, of_copies[~judged])
    order = np.argsort(total, kind="stable")
    return _cut(in_turn(order, of_copies) if balanced else order, budgets)


def _folds(labels, folds, rng):
    fewest = np.bincount(labels).min()
    if fewest < 2:
        raise InputError("Held-out influence needs at least two points of each class.")
    split = StratifiedKFold(min(folds, int(fewest)), shuffle=True, random_state=_seed(rng))
    return split.split(np.zeros(len(labels)), labels)


def _k_dpp(candidates, budgets, options, rng, quality):
    """An own draw of points for every budget, as in the released code; all copies of a point are added.

    With quality, the kernel's diagonal is the influence (the released code has its square). A budget that is no whole
    number of points takes a part of the last drawn point's copies.
    """
    n = len(candidates.labels)
    q = np.sqrt(_scores(candidates, "influence", options)) if quality else None
    ensemble = kdpp.KDPP.from_kernel(_kernel(candidates, q, options))
    per_point = len(candidates.source) / n
    chosen = []
    for budget in budgets:
        points = ensemble.sample(min(n, int(np.ceil(budget / per_point))), rng) if budget else np.arange(0)
        chosen.append(_copies_of(candidates, rng.permutation(points))[:budget])
    return chosen


RIDGE = 1e-6
"""Added to the diagonal of a k-DPP's kernel, whose largest entry is about 1: it then has full rank, and any k."""


def _kernel(candidates, q, options):
    L = kdpp.kernel(candidates.features, options.kernel)
    if q is not None:
        L = kdpp.with_quality(L, q)
    return L / np.abs(L).max() + RIDGE * np.eye(len(L))


def _seed(rng):
    return int(rng.integers(2**31))


def _points(score, policy, clustered=False):
    return partial(_by_points, score=score, policy=policy, clustered=clustered)


HIGHEST = "deterministic_proportional"
POLICIES = {
    "random_points": SetPolicy(_points(None, "baseline"), "chosen", "all copies of random points", True),
    "random_copies": SetPolicy(_random_copies, "chosen", "copies at random"),
    "loss": SetPolicy(_points("loss", HIGHEST), "chosen", "points by falling loss", True),
    "influence": SetPolicy(_points("influence", HIGHEST), "chosen", "points by falling influence", True),
    "influence_random": SetPolicy(
        _points("influence", "random_proportional"), "chosen", "points drawn in proportion to influence", True
    ),
    "clustered": SetPolicy(_points(None, "baseline", True), "chosen", "random points, k-means clusters in turn", True),
    "clustered_influence": SetPolicy(
        _points("influence", HIGHEST, True), "chosen", "points by influence, k-means clusters in turn", True
    ),
    "k_dpp": SetPolicy(partial(_k_dpp, quality=False), "chosen", "points drawn by a k-DPP", True, False),
    "k_dpp_influence": SetPolicy(
        partial(_k_dpp, quality=True), "chosen", "points drawn by a k-DPP weighted by influence", True, False
    ),
    "held_out_up": SetPolicy(partial(_held_out, augmentation=False), "all", "copies by held-out influence, once"),
    "held_out_aug": SetPolicy(
        partial(_held_out, augmentation=True), "all", "copies by held-out influence less their originals', once"
    ),
    "one_shot": SetPolicy(partial(_greedy, one_shot=True), "all", "copies by in-sample influence, once"),
    "greedy_influence": SetPolicy(_greedy, "all", "copies by in-sample influence, scored again and again"),
    "greedy_loss": SetPolicy(partial(_greedy, score="loss"), "all", "copies by loss, scored again and again"),
    "greedy_self_influence": SetPolicy(
        partial(_greedy, score="self_influence"), "all", "copies by leave-one-out influence, scored again and again"
    ),
    "greedy_hybrid": SetPolicy(
        partial(_greedy, score="hybrid"), "all", "copies by in-sample influence up to 2%, then by loss"
    ),
    "greedy_points": SetPolicy(_greedy_points, "all", "points by their copies' in-sample influence, again and again"),
    "pool_influence": SetPolicy(
        partial(_greedy_in_pool, pool=_pool_by_influence), "pool", "greedy influence in a pool of influential points"
    ),
    "pool_clusters": SetPolicy(
        partial(_greedy_in_pool, pool=_pool_by_clusters), "pool", "greedy influence in a pool, a point a cluster"
    ),
    "pool_random": SetPolicy(
        partial(_greedy_in_pool, pool=_pool_at_random), "pool", "greedy influence in a pool of random points"
    ),
}
