"""Rules by which policies choose copies: the functions behind the registry in `influaug.selection.policies`.

Each rule takes a `Task` and a random generator and returns a `Picked`. Kuchnik & Smith (2019) score every point once
and add all copies of one point after the other; other rules add single copies, or consider the whole set.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import StratifiedKFold

from ..errors import InputError
from ..influence.head_hessian import HeadHessian
from ..influence.validation import validation_influence
from ..solver import engines, heads, single
from ..solver.heads import Head
from . import clusters, greedy, kdpp, point_policies
from .scores import ScoreOptions, compute
from .turns import in_turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .candidates import Candidates

RIDGE = 1e-6
"""Added to the diagonal of a k-DPP's kernel, whose largest entry is about 1, so that it has full rank for any k."""
LARGEST_KERNEL = 3000
"""Most points whose k-DPP forms the kernel [n, n], and decomposes it in about half a minute; with more, the dual [d, d]
of the features' linear or cosine kernel is decomposed, which has no ridge and so a rank of at most d."""


@dataclass(frozen=True)
class SetOptions:
    """Options of the policies.

    Attributes
    ----------
    C : float
        Inverse regularisation strength of the head.
    pool : float
        Share of the points whose copies policies with a pool generate.
    clusters : int
        Number of k-means clusters, at most the number of points.
    folds : int
        Number of folds of held-out influence.
    kernel : str
        Kernel of the k-DPP, see `kdpp.kernel`.
    refit_every : int
        See `greedy.select`.
    solver : {'auto', 'exact', 'iterative'}
        See `greedy.select`.
    engine : {'numpy', 'keras'}, optional
        Engine of fits and scores, see `engines.engine_of`; greedy refits, one model at a time, use a GPU only if asked.
    verbose : bool
        Whether greedy selection shows its progress.

    Raises
    ------
    InputError
        The engine is unknown.
    """

    C: float = 10.0
    pool: float = 0.25
    clusters: int = 50
    folds: int = 5
    kernel: str = "cosine"
    refit_every: int = 64
    solver: str = "auto"
    engine: str | None = None
    verbose: bool = True

    def __post_init__(self) -> None:
        engines.check_engine(self.engine)


@dataclass(frozen=True)
class Task:
    """The input of a rule: candidates, budgets and options.

    Attributes
    ----------
    candidates : Candidates
    budgets : sequence of int
        Numbers of copies, rising, from 0 to all.
    options : SetOptions
    score : str or None
        Name of the score, see `point_policies.Policy`.
    balanced : bool
        Whether the classes take turns.
    """

    candidates: Candidates
    budgets: Sequence[int]
    options: SetOptions
    score: str | None = None
    balanced: bool = False

    @cached_property
    def point_scores(self) -> np.ndarray:
        """Score of every point, at the head fitted to the points without copies: [n]."""
        if self.score is None:
            raise InputError("This policy uses no score, so its points have none.")
        return point_scores(self.candidates, self.score, self.options)


@dataclass(frozen=True)
class Picked:
    """The copies that a policy chose.

    Attributes
    ----------
    sets : list of int array
        The chosen copies of each budget.
    promised : array, optional
        Score of each copy of the largest set at the time when it was added, see `greedy.Selection`.
    weights : list of array, optional
        Weight of each copy of each set, which multiplies its point's (default: 1).
    """

    sets: list[np.ndarray]
    promised: np.ndarray | None = None
    weights: list[np.ndarray] | None = None


def cut(order: np.ndarray, budgets: Iterable[int]) -> Picked:
    """The first copies of an order, for each budget."""
    return Picked([order[:budget] for budget in budgets])


def copies_of(candidates: Candidates, points: np.ndarray) -> np.ndarray:
    """The copies of some points, one point after the other: int array."""
    place = np.full(len(candidates.labels), len(points))
    place[points] = np.arange(len(points))
    copies = np.argsort(place[candidates.source], kind="stable")
    return copies[place[candidates.source[copies]] < len(points)]


def point_scores(candidates: Candidates, score: str, options: SetOptions) -> np.ndarray:
    """Scores of all points, each times its weight, at the head fitted to the points without copies: [n]."""
    labels, weights = candidates.labels, candidates.point_weights
    C, engine = options.C, options.engine
    theta = single.fit(candidates.features, labels, weights, C, engine=engine).theta
    head = Head(heads.with_intercept(candidates.features), labels, weights, theta)
    return weights * compute(score, head, len(labels), ScoreOptions(C=C, engine=engine))


def by_points(task: Task, rng: np.random.Generator, by: point_policies.Policy, clustered: bool = False) -> Picked:
    """Choose points in the order of a score that is computed once (Kuchnik & Smith, 2019).

    Parameters
    ----------
    task : Task
    rng : numpy.random.Generator
    by : point_policies.Policy
        Its key turns the scores into an order.
    clustered : bool
        Whether k-means clusters of the points take turns, as in the released code.

    Returns
    -------
    Picked
    """
    candidates, n = task.candidates, len(task.candidates.labels)
    order = point_policies.order_of(by, np.zeros(n) if task.score is None else task.point_scores, rng)
    if clustered:
        found = clusters.clusters(candidates.features, min(task.options.clusters, n), _seed(rng))
        order = clusters.round_robin(order, found, rng)
    if task.balanced:
        order = in_turn(order, candidates.labels)
    return cut(copies_of(candidates, order), task.budgets)


def random_copies(task: Task, rng: np.random.Generator) -> Picked:
    """Choose copies in random order."""
    order = rng.permutation(len(task.candidates.source))
    return cut(_in_turn_of_copies(task, order), task.budgets)


def _in_turn_of_copies(task, order):
    return in_turn(order, task.candidates.labels[task.candidates.source]) if task.balanced else order


def greedily(task: Task, rng: np.random.Generator, one_shot: bool = False) -> Picked:
    """Choose copies by `greedy.select`, with their scores; with `one_shot` all copies are scored only once."""
    del rng
    batch = max(task.budgets[-1], 1) if one_shot else None
    found = greedy.select(task.candidates, budget=task.budgets[-1], batch=batch, **_greedy_options(task))
    return Picked(cut(found.order, task.budgets).sets, found.scores)


def greedy_points(task: Task, rng: np.random.Generator) -> Picked:
    """Choose as many points as the largest budget needs by `greedy.select`, and add their copies point by point."""
    del rng
    per_point = np.bincount(task.candidates.source)
    # As many points as the budget needs if each had the fewest copies, rounded up, but not more than have copies.
    points = min(-(-task.budgets[-1] // per_point[per_point > 0].min()), np.count_nonzero(per_point))
    found = greedy.select(task.candidates, budget=points, level="point", **_greedy_options(task))
    return cut(copies_of(task.candidates, found.order), task.budgets)


def _greedy_options(task):
    return {
        "score": task.score,
        "C": task.options.C,
        "refit_every": task.options.refit_every,
        "solver": task.options.solver,
        "engine": task.options.engine,
        "balanced": task.balanced,
        "verbose": task.options.verbose,
    }


def pool_size(n: int, options: SetOptions) -> int:
    """Number of points in a pool, out of n."""
    return max(1, round(options.pool * n))


def pool_by_influence(task: Task, rng: np.random.Generator) -> np.ndarray:
    """Indices of the points with the largest influence: int array."""
    falling = point_policies.order("deterministic_proportional", task.point_scores, rng)
    return falling[: pool_size(len(falling), task.options)]


def pool_at_random(task: Task, rng: np.random.Generator) -> np.ndarray:
    """Indices of random points: int array."""
    n = len(task.candidates.labels)
    return rng.permutation(n)[: pool_size(n, task.options)]


def pool_by_clusters(task: Task, rng: np.random.Generator) -> np.ndarray:
    """Indices of one random point of each cluster, with as many clusters as the pool has points: int array."""
    n = len(task.candidates.labels)
    size = pool_size(n, task.options)
    found = clusters.clusters(task.candidates.features, size, _seed(rng))
    return clusters.round_robin(rng.permutation(n), found, rng)[:size]


def held_out(task: Task, rng: np.random.Generator) -> Picked:
    """Choose copies by their influence on held-out points and the copies of these, with cross-fitting.

    Every fold of the points is held out once. A copy's influence is the sum over the folds that do not contain its
    point; their number is the same for every copy. Lee et al. (2020), equation 14 for the score ``up_loss``, equation
    19 for ``aug_loss``.

    Parameters
    ----------
    task : Task
    rng : numpy.random.Generator
        Draws the folds.

    Returns
    -------
    Picked

    Raises
    ------
    InputError
        A class has fewer than two points.
    """
    total = np.zeros(len(task.candidates.source))
    for train, of_fold in _folds(task.candidates.labels, task.options.folds, rng):
        judged = np.isin(task.candidates.source, of_fold)
        total[~judged] += _influence_on_held_out(task, train, of_fold, judged)
    return cut(_in_turn_of_copies(task, np.argsort(total, kind="stable")), task.budgets)


def _influence_on_held_out(task, train, held_out, judged):
    """Influence of the training points' copies on the held-out points and their copies (mask `judged`)."""
    c, of_copies = task.candidates, task.candidates.labels[task.candidates.source]
    x, weights = heads.with_intercept(c.features[train]), np.ones(len(train))
    theta = single.fit(c.features[train], c.labels[train], weights, task.options.C, engine=task.options.engine).theta
    validation = heads.with_intercept(np.vstack([c.features[held_out], c.copies[judged]]))
    H = HeadHessian(theta, x, weights, task.options.C)
    influence = validation_influence(H, validation, np.append(c.labels[held_out], of_copies[judged]))
    copies = heads.with_intercept(c.copies[~judged])
    if task.score == "aug_loss":
        originals = heads.with_intercept(c.features[c.source[~judged]])
        return influence.aug_loss(originals, copies, of_copies[~judged])
    return influence.up_loss(copies, of_copies[~judged])


def _folds(labels, folds, rng):
    fewest = np.bincount(labels).min()
    if fewest < 2:
        raise InputError("Held-out influence needs at least two points of each class.")
    split = StratifiedKFold(min(folds, int(fewest)), shuffle=True, random_state=_seed(rng))
    return split.split(np.zeros(len(labels)), labels)


def k_dpp(task: Task, rng: np.random.Generator) -> Picked:
    """Draw the points of every budget separately by a k-DPP, as the released code does, and add all their copies.

    With a score, the kernel's diagonal is the score (the released code uses its square). If the budget is not a whole
    number of points, it takes only some copies of the last drawn point.

    More points than the kernel's rank, which a linear or cosine kernel bounds by the number of features, are drawn with
    the help of `RIDGE`. The eigenvectors of its many equal eigenvalues are whichever the processor's linear algebra
    finds, so that the same seed may draw other points on another machine, with the same probabilities.

    Parameters
    ----------
    task : Task
    rng : numpy.random.Generator

    Returns
    -------
    Picked

    Raises
    ------
    InputError
        There are more than `LARGEST_KERNEL` points, and their kernel is Gaussian or of a lower rank than the points to
        draw.
    """
    n = len(task.candidates.labels)
    per_point = len(task.candidates.source) / n
    sizes = [min(n, int(np.ceil(budget / per_point))) for budget in task.budgets]
    ensemble = _ensemble(task) if n <= LARGEST_KERNEL else _ensemble_by_dual(task, _drawn(sizes, n))
    chosen = []
    for budget, size in zip(task.budgets, sizes, strict=True):
        draws = budget and (size < n or n <= LARGEST_KERNEL)
        points = ensemble.sample(size, rng) if draws else np.arange(size)
        # `sample` returns rising indices; the shuffle makes the point whose copies are cut off a random one.
        chosen.append(copies_of(task.candidates, rng.permutation(points))[:budget])
    return Picked(chosen)


def _quality(task):
    return None if task.score is None else np.sqrt(task.point_scores)


def _ensemble(task):
    return kdpp.KDPP.from_kernel(_kernel(task.candidates, _quality(task), task.options))


def _drawn(sizes, n):
    """The most points to be drawn; a set of all points needs no drawing."""
    return max((size for size in sizes if size < n), default=0)


def _ensemble_by_dual(task, most):
    """The k-DPP of many points, by the dual of their features; refused before anything is computed."""
    (n, d), name = task.candidates.features.shape, task.options.kernel
    if name not in kdpp.FEATURES:
        raise InputError(
            f"The {name} kernel of {n:,} points would take {8 * n**2 / 1e9:.1f} GB; with more than {LARGEST_KERNEL:,} "
            f"points the kernel must be one of {', '.join(kdpp.FEATURES)}."
        )
    if most > min(n, d):
        raise InputError(
            f"A k-DPP of {n:,} points with {d:,} features draws at most {min(n, d):,} of them by their {name} kernel, "
            f"not {most:,}; take a smaller budget, or the policy clustered."
        )
    return kdpp.KDPP.from_features(kdpp.FEATURES[name](task.candidates.features), _quality(task))


def _kernel(candidates, q, options):
    L = kdpp.kernel(candidates.features, options.kernel)
    if q is not None:
        L = kdpp.with_quality(L, q)
    # A k-DPP does not depend on the scale of L; dividing by the largest entry makes `RIDGE` relative.
    return L / np.abs(L).max() + RIDGE * np.eye(len(L))


def _seed(rng):
    return int(rng.integers(2**31))
