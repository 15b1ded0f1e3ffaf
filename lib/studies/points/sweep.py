"""The policy sweep: policies x refinements x rounds x budgets -> one tidy table of test accuracies.

Every model of a sweep is a weighted logistic regression on one fixed matrix, the original points followed by all their
copies; policy, round and budget decide only the weights (0, 1 or 1 / (k + 1)). All curves advance together, budget by
budget, with a warm start at their previous budget's optimum. Kuchnik & Smith (2019), section 5 and appendices B-D.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from influaug.errors import InputError
from influaug.selection.point_policies import is_random, order
from influaug.selection.scores import ScoreOptions, compute
from influaug.solver import heads, logistic
from influaug.solver.heads import Head

from .feature_set import FeatureSet, accuracies, row_weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PAPER_BUDGETS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
REFINEMENTS = {
    "plain": (False, False),
    "update": (True, False),
    "downweight": (False, True),
    "both": (True, True),
}


@dataclass(frozen=True)
class SweepSettings:
    """Curves and budgets of a sweep.

    Attributes
    ----------
    scores, policies, refinements : sequence of str
        Keys of `scores.SCORES`, `point_policies.POINT_POLICIES` and `REFINEMENTS`; the curves are their product, except
        that the baseline uses no score and so has no updates.
    budgets : sequence of int
        Numbers of augmented points at which accuracy is measured, in rising order.
    rounds : int
        Number of draws of each random policy; a deterministic policy has one.
    update_every : int, optional
        Number of points between two score updates (default: scores are updated at the budgets only).
    options : ScoreOptions
        Its C and engine are also those of the fits.
    """

    scores: tuple = ("loss", "influence")
    policies: tuple = ("baseline", "random_proportional", "deterministic_proportional")
    refinements: tuple = ("plain",)
    budgets: tuple = ()
    rounds: int = 5
    update_every: int | None = None
    options: ScoreOptions = field(default_factory=ScoreOptions)


@dataclass(frozen=True)
class Curve:
    """One line of the sweep: a policy with its score, refinement and round."""

    score: str
    policy: str
    update: bool
    downweight: bool
    round: int


def scaled_budgets(n: int) -> tuple[int, ...]:
    """The paper's budgets 1, 10, 50, 100, 250, 500, 750, 1000 of 1000 points, scaled to n points."""
    return tuple(sorted({max(1, round(share * n)) for share in PAPER_BUDGETS}))


def curves(settings: SweepSettings) -> list[Curve]:
    """All curves of the settings, in order."""
    return [
        Curve(score, policy, *REFINEMENTS[refinement], r)
        for score in settings.scores
        for policy in settings.policies
        for refinement in settings.refinements
        if not (policy == "baseline" and REFINEMENTS[refinement][0])
        for r in range(settings.rounds if is_random(policy) else 1)
    ]


def alike(policies: Sequence[str], downweight: Iterable[bool]) -> np.ndarray:
    """Groups for `logistic.fit`: a number for each curve, shared by curves that tend to choose the same points."""
    kinds = [(_tendency(policy), bool(down)) for policy, down in zip(policies, downweight, strict=True)]
    return np.unique(kinds, axis=0, return_inverse=True)[1]


def _tendency(policy):
    # The softmax of small scores is nearly uniform, so these policies choose almost as the baseline does.
    if policy == "baseline" or "softmax" in policy:
        return "any"
    return "low" if "inverse" in policy else "high"


def first_points(orders: Sequence[np.ndarray], budget: int) -> np.ndarray:
    """Whether each of n points is among the first `budget` points of each of m orders: bool [m, n]."""
    chosen = np.zeros((len(orders), len(orders[0])), dtype=bool)
    for row, points in zip(chosen, orders, strict=True):
        row[points[:budget]] = True
    return chosen


def run(features: FeatureSet, settings: SweepSettings, seed: np.random.SeedSequence) -> pd.DataFrame:
    """Sweep one feature set.

    Parameters
    ----------
    features : FeatureSet
    settings : SweepSettings
    seed : numpy.random.SeedSequence
        Round r of every curve draws from child r, so that curves are paired round by round.

    Returns
    -------
    DataFrame
        Columns score, policy, update, downweight, round, budget, rows, accuracy, accuracy_original; policy ``none`` is
        no augmentation and ``full`` all points at weight 1.
    """
    return Sweep(features, settings, seed).run()


class Sweep:
    """State of a sweep as its curves advance; callers use `sweep_points`."""

    def __init__(self, features: FeatureSet, settings: SweepSettings, seed: np.random.SeedSequence) -> None:
        self.features, self.settings = features, settings
        check_budgets(settings.budgets, features.n)
        self.curves = curves(settings)
        self.x = heads.with_intercept(features.train)
        children = seed.spawn(settings.rounds)
        self.rngs = [np.random.default_rng(children[c.round]) for c in self.curves]
        self.downweight = np.array([c.downweight for c in self.curves])
        self.solver = logistic.Solver(features.train, features.labels, engine=settings.options.engine)
        self.groups = alike([c.policy for c in self.curves], self.downweight)

    def run(self) -> pd.DataFrame:
        """Fit and test every model, and return the tidy table."""
        none, full = self.references()
        self.theta = np.repeat(none[None], len(self.curves), axis=0)
        initial = {s: self.score(s, self.reference_weights(0)[0], none) for s in self.settings.scores}
        self.orders = [order(c.policy, initial[c.score], g) for c, g in zip(self.curves, self.rngs, strict=True)]
        tables = [self.reference_table(none, full)]
        for budget in self.checkpoints():
            self.advance(budget)
            if budget in self.settings.budgets:
                tables.append(self.table(budget))
            self.update(budget)
        return pd.concat(tables, ignore_index=True)

    def checkpoints(self) -> list[int]:
        """Budgets at which models are fitted: the measured ones and those where scores are updated."""
        every = self.settings.update_every
        extra = range(every, max(self.settings.budgets), every) if every else ()
        return sorted({*self.settings.budgets, *extra})

    def reference_weights(self, budget: int) -> np.ndarray:
        """Weights of no augmentation (budget 0) or full augmentation (budget n): [1, n + n k]."""
        return row_weights(np.full((1, self.features.n), budget > 0), np.zeros(1, bool), self.features.k)

    def references(self) -> np.ndarray:
        """Parameters without and with full augmentation, [K, d + 1] each."""
        weights = np.vstack([self.reference_weights(0), self.reference_weights(self.features.n)])
        return self.solver.fit(weights, self.settings.options.C).theta

    def selected(self, budget: int) -> np.ndarray:
        """Which points each curve has augmented at a budget: [m, n]."""
        return first_points(self.orders, budget)

    def advance(self, budget: int) -> None:
        """Fit every curve's model at a budget."""
        self.weights = row_weights(self.selected(budget), self.downweight, self.features.k)
        self.theta = self.solver.fit(self.weights, self.settings.options.C, self.theta, groups=self.groups).theta

    def score(self, name: str, weights: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Score every point under one fitted model."""
        used = weights > 0
        head = Head(self.x[used], self.features.labels[used], weights[used], theta)
        return compute(name, head, self.features.n, self.settings.options)

    def update(self, budget: int) -> None:
        """Redraw the rest of the order of every updating curve, from scores under its current model."""
        for i, curve in enumerate(self.curves):
            if curve.update and budget < self.features.n:
                rest = self.orders[i][budget:]
                fresh = self.score(curve.score, self.weights[i], self.theta[i])[rest]
                self.orders[i] = np.append(self.orders[i][:budget], rest[order(curve.policy, fresh, self.rngs[i])])

    def table(self, budget: int) -> pd.DataFrame:
        """Rows of the tidy table at one budget."""
        accuracy, original = accuracies(self.features, self.theta)
        frame = pd.DataFrame(self.curves).assign(budget=budget, rows=self.features.n + self.features.k * budget)
        return frame.assign(accuracy=accuracy, accuracy_original=original)

    def reference_table(self, none: np.ndarray, full: np.ndarray) -> pd.DataFrame:
        """The two reference rows."""
        accuracy, original = accuracies(self.features, np.stack([none, full]))
        n, k = self.features.n, self.features.k
        references = [Curve("", "none", False, False, 0), Curve("", "full", False, False, 0)]
        frame = pd.DataFrame(references).assign(budget=[0, n], rows=[n, n + k * n])
        return frame.assign(accuracy=accuracy, accuracy_original=original)


def check_budgets(budgets: Sequence[int], n: int) -> None:
    """Raise an `InputError` unless budgets are rising whole numbers from 1 to n."""
    if not budgets or list(budgets) != sorted(set(budgets)) or budgets[0] < 1 or budgets[-1] > n:
        raise InputError(f"budgets must rise from at least 1 to at most the {n} training points, not {list(budgets)}.")
