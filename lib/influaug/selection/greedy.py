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

from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import ThreadpoolController
from tqdm.auto import tqdm

from ..errors import InputError
from ..solver import engines
from ..solver.blas import single_thread
from ..solver.heads import n_rows
from ..solver.standard import Standard, Standardised
from .candidates import Candidates
from .exact_head import ExactHead
from .greedy_order import GreedyOrder
from .iterative_head import IterativeHead, Schedule

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

SCORES = ("influence", "loss", "self_influence", "hybrid")
LEVELS = ("copy", "point")
SOLVERS = ("auto", "exact", "iterative")
GROWTH = 16
"""The default batch is one for every so many copies that have been added before."""
HYBRID = 0.02
"""Share of the copies that 'hybrid' chooses by influence; it chooses the others by loss."""
MOST_EXACT = 6000
"""Most parameters of a head whose inverse Hessian is kept as a matrix, if the exact solver is asked for."""
AUTO_EXACT, AUTO_EXACT_ROWS = 3000, 20_000
"""Most parameters, and rows of originals and copies, for which 'auto' is exact with two classes."""
ONE_THREAD = 1500
"""Most parameters of a head whose products are left to one thread."""


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
    solver: str = "auto",
    schedule: Schedule | None = None,
    verbose: bool = True,
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
        Number to add before all are scored again (default, exact: a sixteenth of those added so far, at least one;
        iterative: as the schedule says). Only one of several equal copies is chosen; the others follow when all
        different copies have been chosen.
    level : {'copy', 'point'}
        A point's score is the sum of its copies'.
    refit_every : int
        Exact solver: largest number of added copies between exact fits of the head; Newton steps update it in between.
    balanced : bool
        Whether the classes take turns, so that their counts among the chosen differ by at most one.
    engine : {'numpy', 'keras'}, optional
        Engine of the exact fits, see `engines.engine_of`. Each fits one model, where a GPU saves little time, so the
        default is ``numpy`` on every device unless the environment names an engine. The iterative solver uses none.
    solver : {'auto', 'exact', 'iterative'}
        Whether the inverse of H is kept as a matrix, of at most `MOST_EXACT` parameters, or all is solved by
        conjugate gradients (`iterative_head`), for the scores 'influence', 'loss' and 'hybrid'. 'auto' is exact with
        two classes, at most `AUTO_EXACT` parameters and `AUTO_EXACT_ROWS` rows, for 'self_influence', and with so few
        of these where the iterative solver does not reach its tolerance.
    schedule : Schedule, optional
        Of the iterative solver.
    verbose : bool
        Whether to show progress.

    Returns
    -------
    Selection

    Raises
    ------
    InputError
        An unknown score, level or solver; a budget, batch or refit_every that is not a whole number in range; an
        engine that `engines.engine_of` refuses; or a head too wide for the exact solver.
    """
    _check(score, level, C, batch, refit_every, solver)
    engine = engines.engine_of(engine, gains=False)
    exact = _is_exact(candidates, score, solver)
    units = candidates.source if level == "point" else np.arange(len(candidates.source))
    n_units = len(np.unique(units))
    budget = _checked_budget(budget, n_units, level)

    def present() -> str:
        progress.update(order.done - progress.n)
        return _present(score, order.done, n_units)

    bar = tqdm(total=budget, desc=f"greedy {score}", leave=False, disable=not verbose)
    with bar as progress, _threads(candidates):
        order = GreedyOrder(candidates, units, budget, balanced)
        if not exact:
            try:
                _iteratively(*_standardised(candidates, C, exact), order, present, batch, schedule or Schedule())
            except RuntimeError:
                # A large C with classes that are all but separable asks for more than single precision.
                if solver != "auto" or not _is_small(candidates):
                    raise
                order, exact = GreedyOrder(candidates, units, budget, balanced), True
        if exact:
            _exactly(ExactHead(*_standardised(candidates, C, exact), refit_every, engine), order, present, batch)
    return Selection(order.taken, order.scores)


def _threads(candidates):
    """One thread for the products of heads of few parameters, which several would slow down where others compute."""
    few = _n_parameters(candidates) <= ONE_THREAD
    return single_thread.during(ThreadpoolController()) if few else nullcontext()


def _n_parameters(candidates):
    return n_rows(int(candidates.labels.max()) + 1) * (candidates.features.shape[1] + 1)


def _standardised(candidates: Candidates, C: float, exact: bool) -> tuple[Candidates, float]:
    """Candidates and C that give every copy the same score, with features that single precision can work with."""
    by = Standard.of(candidates.features)
    if by is None:
        return candidates, C
    if exact:
        moved = replace(candidates, features=by.features(candidates.features), copies=by.features(candidates.copies))
    else:
        lazy: Any = Standardised(candidates.copies, by)
        moved = replace(candidates, features=Standardised(candidates.features, by)[:], copies=lazy)
    return moved, by.C(C)


def _exactly(head: ExactHead, order: GreedyOrder, present: Callable[[], str], batch: int | None) -> None:
    """Take copies by the exact solver until the budget is used; `present` says which score to use now."""
    while order.done < len(order.taken):
        copies = order.take(order.of_units(head.scores(present())), batch or max(1, order.done // GROWTH))
        if order.done < len(order.taken):
            head.add(copies)


def _iteratively(
    candidates: Candidates,
    C: float,
    order: GreedyOrder,
    present: Callable[[], str],
    batch: int | None,
    schedule: Schedule,
) -> None:
    """Take copies by the iterative solver until the budget is used."""
    budget, most = len(order.taken), int(np.bincount(order.units).max())
    if not budget:
        return
    head = IterativeHead(candidates, C, min(budget * most, len(candidates.source)), schedule, np.random.default_rng(0))
    while order.done < budget:
        name, size = present(), batch or schedule.size(order.done, budget)
        of_unit = order.of_units(head.scores(name, size * most))
        if batch or schedule.parts == 1:
            copies = order.take(of_unit, size)
        else:
            copies = _in_parts(head, name, order, of_unit, size, schedule)
        if order.done < budget:
            head.add(copies)


def _in_parts(
    head: IterativeHead, name: str, order: GreedyOrder, of_unit: np.ndarray, size: int, schedule: Schedule
) -> np.ndarray:
    """Take a batch from its shortlist part by part, each scored as though the parts before it had been added."""
    shortlist = order.falling(of_unit)[: schedule.shortlist * size]
    trial = head.trial(name, np.flatnonzero(np.isin(order.units, shortlist)))
    step, end, copies = max(1, size // schedule.parts), min(order.done + size, len(order.taken)), []
    while order.done < end:
        taken = order.take(of_unit, min(step, end - order.done), shortlist)
        if not len(taken):
            break
        copies.append(taken)
        if order.done < end:
            trial.take(np.isin(trial.copies, taken))
            of_unit[shortlist] = 0.0
            np.add.at(of_unit, order.units[trial.copies], trial.scores())
    return np.concatenate(copies)


def _is_exact(candidates, score, solver):
    """Whether the exact solver is to be used; refuses it for heads that are too wide."""
    parameters = _n_parameters(candidates)
    only_exact = score == "self_influence"
    if solver == "iterative" and only_exact:
        raise InputError(f"The iterative solver has no score {score!r}; take solver='exact', or 'influence' or 'loss'.")
    if solver == "exact" or only_exact:
        if parameters > MOST_EXACT:
            raise InputError(
                f"The head has {parameters:,} parameters, and the exact solver inverts a matrix of at most "
                f"{MOST_EXACT:,} by {MOST_EXACT:,}; take the scores 'influence' or 'loss' with solver='iterative', or "
                "fewer features."
            )
        return True
    return solver == "auto" and parameters == candidates.features.shape[1] + 1 and _is_small(candidates)


def _is_small(candidates):
    """Whether the exact solver takes little memory and time."""
    return (
        _n_parameters(candidates) <= AUTO_EXACT and len(candidates.labels) + len(candidates.source) <= AUTO_EXACT_ROWS
    )


def _present(score, done, total):
    """The score to use now: 'hybrid' changes from influence to loss."""
    if score != "hybrid":
        return score
    return "influence" if done < HYBRID * total else "loss"


def _check(score, level, C, batch, refit_every, solver):
    if score not in SCORES:
        raise InputError(f"Unknown greedy score {score!r}; known are {', '.join(SCORES)}.")
    if level not in LEVELS:
        raise InputError(f"level is {level!r}; it must be one of {', '.join(LEVELS)}.")
    if solver not in SOLVERS:
        raise InputError(f"solver is {solver!r}; it must be one of {', '.join(SOLVERS)}.")
    if not 0 < C < np.inf:
        raise InputError(f"C must be a positive number, not {C}.")
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
