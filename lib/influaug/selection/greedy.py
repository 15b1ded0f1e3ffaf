r"""Greedy selection of single copies, each scored given the copies that have already been added.

The papers score every point once, and the best points resemble each other. Here a copy's score is the predicted
reduction, if it is added, of a target: the mean loss of all M originals and copies,

.. math:: T(\theta) = \frac1M \sum_{i=1}^M \ell(z_i, \theta), \qquad
    s_c = \nabla T(\hat\theta)^\top H^{-1} \nabla \ell(z_c, \hat\theta) \approx T(\hat\theta) - T(\hat\theta_{+c}),

with H the Hessian of the objective J over the originals and the copies added so far (`influaug.solver.heads`), and
:math:`\hat\theta` its minimiser. The best copies are added; the inverse of H is updated by the matrix inversion lemma
and the parameters by Newton steps, or at intervals by an exact fit; then all copies are scored again, and so on. No
point is held out: beyond the fitted rows, the target measures the head's loss on copies that are not in the fit.

The softmax loss does not change when all intercepts move together, so its Hessian is singular in that direction, along
which every gradient is zero. `heads.hessian` has unit curvature there, which changes no solve against a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import softmax
from tqdm.auto import tqdm

from ..errors import InputError
from ..influence.leave_one_out import point_gradients
from ..solver import engines, heads, logistic
from .turns import in_turn

if TYPE_CHECKING:
    pass


SCORES = ("influence", "loss", "self_influence", "hybrid")
LEVELS = ("copy", "point")
GROWTH = 16
"""The default batch is one for every so many copies that have been added before."""
HYBRID = 0.02
"""Share of the copies that 'hybrid' chooses by influence; it chooses the others by loss."""
STEPS, LEFT = 3, 1e-3
"""Most Newton steps after each addition, and the share of the squared Newton decrement that may remain after them; if
more remains, the head is fitted exactly."""
TOLERANCE = 1e-10
"""Tolerance of the exact fits, see `logistic.Solver.fit`."""


@dataclass(frozen=True)
class Candidates:
    """Points, and the copies of them that may be added.

    Attributes
    ----------
    features : array [n, d]
        Features of the points.
    labels : int array [n]
        0 .. n_classes - 1.
    copies : array [m, d]
        Features of the copies.
    source : int array [m]
        The point that each copy was made from; the copy has its label.

    Raises
    ------
    InputError
        The shapes do not match, or a source is not the number of a point.
    """

    features: np.ndarray
    labels: np.ndarray
    copies: np.ndarray
    source: np.ndarray

    def __post_init__(self) -> None:
        n, d = np.shape(self.features)
        if np.shape(self.copies) != (len(self.source), d) or not len(self.source):
            raise InputError(
                f"copies must be [m, {d}] with one source each, m at least 1, not {np.shape(self.copies)} with "
                f"{len(self.source)} sources."
            )
        whole = np.issubdtype(np.asarray(self.source).dtype, np.integer)
        if not whole or min(self.source) < 0 or max(self.source) >= n:
            raise InputError(f"source must hold the numbers of points, whole and from 0 to {n - 1}.")

    def only(self, points: np.ndarray) -> tuple[Candidates, np.ndarray]:
        """The same points with the copies of only some of them: the candidates, and the indices of their copies."""
        kept = np.flatnonzero(np.isin(self.source, points))
        return Candidates(self.features, self.labels, self.copies[kept], self.source[kept]), kept

    @property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of points and copies, and their labels: [n + m, d], [n + m]."""
        return np.vstack([self.features, self.copies]), np.append(self.labels, self.labels[self.source])


@dataclass(frozen=True)
class Selection:
    """Copies or points in the order in which they were added; a smaller budget selects the first of them.

    Attributes
    ----------
    order : int array [budget]
        Copies, or points whose copies were added together.
    scores : array [budget]
        Score of each when it was added; for 'influence' the predicted reduction of the target, in nats.
    """

    order: np.ndarray
    scores: np.ndarray


def select(
    candidates: Candidates,
    score: str = "influence",
    budget: int | None = None,
    C: float = 10.0,
    batch: int | None = None,
    level: str = "copy",
    refit_every: int = 64,
    balanced: bool = False,
    engine: str | None = None,
) -> Selection:
    """Choose copies, or points with all their copies, greedily.

    Parameters
    ----------
    candidates : Candidates
    score : {'influence', 'loss', 'self_influence', 'hybrid'}
        The predicted reduction of the target; the copy's loss; its leave-one-out influence g' H^-1 g (Kuchnik & Smith,
        2019, equation 1); influence for the first 2% and then loss.
    budget : int, optional
        Number to choose (default: all).
    C : float
        Inverse regularisation strength of the head.
    batch : int, optional
        Number to add before all are scored again (default: a sixteenth of those added so far, at least one). Only one
        of several equal copies is chosen; the others follow when all different copies have been chosen.
    level : {'copy', 'point'}
        A point's score is the sum of its copies'.
    refit_every : int
        Largest number of added copies between exact fits of the head; Newton steps update it in between.
    balanced : bool
        Whether the classes take turns, so that their counts among the chosen differ by at most one.
    engine : {'numpy', 'keras'}, optional
        Engine of the exact fits, see `engines.engine_of`. Each fits one model, where a GPU saves little time, so the
        default is ``numpy`` on every device unless the environment names an engine.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        An unknown score or level; a budget, batch or refit_every that is not a whole number in range; or an engine
        that `engines.engine_of` refuses.
    """
    _check(score, level, batch, refit_every)
    engine = engines.engine_of(engine, gains=False)
    units = candidates.source if level == "point" else np.arange(len(candidates.source))
    left = np.unique(units)
    budget = _checked_budget(budget, len(left), level)
    equal, classes = _equal(candidates, units), _classes(candidates, units)
    head = _Head(candidates, C, refit_every, engine)
    order, scores = np.empty(budget, dtype=int), np.empty(budget)
    done = 0
    with tqdm(total=budget, desc=f"greedy {score}", leave=False) as progress:
        while done < budget:
            size = min(batch or max(1, done // GROWTH), budget - done)
            of_unit = np.bincount(units, head.scores(_present(score, done, len(left))), units.max() + 1)
            open_units = np.setdiff1d(left, order[:done], assume_unique=True)
            falling = open_units[np.argsort(-of_unit[open_units], kind="stable")]
            # A stable second sort moves duplicates of chosen units behind all others and keeps the order by score.
            falling = falling[np.argsort(np.isin(equal[falling], equal[order[:done]]), kind="stable")]
            if balanced:
                falling = in_turn(falling, classes, np.bincount(classes[order[:done]], minlength=classes.max() + 1))
            chosen = _first(falling, equal, size)
            order[done : done + len(chosen)], scores[done : done + len(chosen)] = chosen, of_unit[chosen]
            done += len(chosen)
            progress.update(len(chosen))
            if done < budget:
                head.add(np.flatnonzero(np.isin(units, chosen)))
    return Selection(order, scores)


class _Head:
    """The head fitted to the originals and the added copies, and the inverse of its Hessian."""

    if TYPE_CHECKING:
        fitted: np.ndarray | None

    def __init__(self, candidates: Candidates, C: float, refit_every: int, engine: str) -> None:
        features, self.labels = candidates.rows
        self.n, self.C, self.refit_every = len(candidates.labels), C, refit_every
        self.solver = logistic.Solver(np.asarray(features, dtype=np.float64), self.labels, engine=engine)
        # A column of zeros has the weight zero in every fit, so dropping it makes H smaller and changes nothing.
        self.x = np.ascontiguousarray(heads.with_intercept(features)[:, self.solver.live])
        self.used = np.arange(len(self.labels)) < self.n
        self.fitted = None
        self.refit()

    @property
    def copies(self) -> slice:
        """Rows of the candidate copies."""
        return slice(self.n, None)

    def refit(self) -> None:
        """Fit the head exactly and invert its Hessian."""
        # The warm start is the last exact fit: the parameters after later Newton steps may be far from the minimum.
        self.fitted = self.solver.fit(self.used[None].astype(float), self.C, self.fitted, TOLERANCE).theta
        self.theta, self.since = self.fitted[0][:, self.solver.live], 0
        H = heads.hessian(self.x[self.used], self.theta, np.ones(self.used.sum()), self.C)
        self.inverse = np.linalg.inv(H)

    def add(self, copies: np.ndarray) -> None:
        """Add copies, given by their indices, to the fitted rows."""
        rows = self.n + copies
        self.used[rows] = True
        self.since += len(rows)
        if self.since >= self.refit_every:
            self.refit()
            return
        # Matrix inversion lemma: (H + U U')^-1 = A - A U (I + U' A U)^-1 U' A with A = H^-1.
        U = _root_curvature(self.x[rows], self.theta)
        AU = self.inverse @ U
        self.inverse -= AU @ np.linalg.solve(np.eye(U.shape[1]) + U.T @ AU, AU.T)
        first, step = self.newton()
        for _ in range(STEPS):
            self.theta = self.theta - step
            decrement, step = self.newton()
            if decrement <= LEFT * first:
                return
        self.refit()

    def newton(self) -> tuple[float, np.ndarray]:
        """Half the squared Newton decrement, and the Newton step, [K, d + 1]."""
        x, labels = self.x[self.used], self.labels[self.used]
        g = heads.gradient(x, labels, self.theta, np.ones(len(x)), self.C)
        step = (self.inverse @ g.ravel()).reshape(g.shape)
        return 0.5 * np.sum(g * step), step

    def scores(self, name: str) -> np.ndarray:
        """Scores of all copies: [m]."""
        if name == "influence":
            return self.influence()
        x, labels = self.x[self.copies], self.labels[self.copies]
        if name == "loss":
            return heads.losses(x, labels, self.theta)
        gradients = (point_gradients(x[rows], labels[rows], self.theta) for rows in heads.blocks(len(x)))
        return np.concatenate([np.vecdot(g @ self.inverse, g) for g in gradients])

    def influence(self) -> np.ndarray:
        """Predicted reduction of the target by each copy: [m], nats."""
        r = heads.residuals(self.x, self.labels, self.theta)
        of_target = r.T @ self.x / len(r)
        v = (self.inverse @ of_target.ravel()).reshape(of_target.shape)
        return np.vecdot(r[self.copies], self.x[self.copies] @ v.T)


def _root_curvature(x, theta):
    """U with U U' the Hessian of the rows' summed loss: [K (d + 1), rows] with two classes, else [.., rows K].

    diag(p) - p p' = sum over classes j of p_j (e_j - p) (e_j - p)'.
    """
    D = heads.curvature(x, theta)
    if D.shape[1] == 1:
        return (np.sqrt(D[:, 0, 0])[:, None] * x).T
    p = softmax(x @ theta.T, axis=1)
    roots = np.sqrt(p)[:, :, None] * (np.eye(p.shape[1]) - p[:, None, :])
    return np.einsum("njk,nw->kwnj", roots, x).reshape(theta.size, -1)


def _first(falling, equal, size):
    """The first `size` different units of an order, with only the first of equal units; fewer if fewer remain."""
    _, first = np.unique(equal[falling], return_index=True)
    return falling[np.sort(first)[:size]]


def _classes(candidates, units):
    """The class of every unit."""
    classes = np.zeros(units.max() + 1, dtype=int)
    classes[units] = candidates.labels[candidates.source]
    return classes


def _equal(candidates, units):
    """A number for every unit; units whose copies have equal features and labels share it."""
    keys, seen = np.zeros(units.max() + 1, dtype=int), {}
    rows = np.column_stack([candidates.labels[candidates.source], candidates.copies])
    order = np.argsort(units, kind="stable")
    starts = np.flatnonzero(np.diff(units[order], prepend=-1))
    for group in np.split(order, starts[1:]):
        keys[units[group[0]]] = seen.setdefault(rows[group].tobytes(), len(seen))
    return keys


def _present(score, done, total):
    """The score to use now: 'hybrid' changes from influence to loss."""
    if score != "hybrid":
        return score
    return "influence" if done < HYBRID * total else "loss"


def _check(score, level, batch, refit_every):
    if score not in SCORES:
        raise InputError(f"Unknown greedy score {score!r}; known are {', '.join(SCORES)}.")
    if level not in LEVELS:
        raise InputError(f"level is {level!r}; it must be one of {', '.join(LEVELS)}.")
    for name, value in (("batch", 1 if batch is None else batch), ("refit_every", refit_every)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"{name} is {value!r}; it must be a whole number of at least 1.")


def _checked_budget(budget, most, level):
    if budget is None:
        return most
    if isinstance(budget, bool) or not isinstance(budget, int | np.integer) or not 0 <= budget <= most:
        what = "copies" if level == "copy" else "points with copies"
        raise InputError(f"budget is {budget!r}; it must be a whole number from 0 to the {most} {what}.")
    return int(budget)
