"""Whole policy sweeps, fitted by our batched solver and by scikit-learn one model after another.

A sweep here is what the paper runs for one data set and transformation: 11 policies (random points; loss and influence,
each with five) x 5 rounds x 8 budgets, 440 logistic regressions.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from influaug.data.datasets import split
from influaug.selection.point_policies import order
from influaug.selection.scores import ScoreOptions, compute
from influaug.solver import heads, logistic
from influaug.solver.heads import Head

from ..points import stages
from ..points.feature_set import FeatureSet, accuracies, row_weights
from ..points.sweep import alike, first_points, scaled_budgets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..points.study import Study
POLICIES = (
    "random_proportional",
    "random_inverse_proportional",
    "random_softmax",
    "deterministic_proportional",
    "deterministic_inverse_proportional",
)
MOST_TESTED = 2000


@dataclass(frozen=True, eq=False)
class Sweep:
    """All models of a sweep, as weights.

    Attributes
    ----------
    features : feature_set.FeatureSet
    C : float
    weights : list of array [m, N]
        One for each budget, rising; rows are curves.
    groups : int array [m]
        Curves of one policy share a number.
    start : array [K, d + 1]
        The model of no augmentation.
    """

    features: FeatureSet
    C: float
    weights: list
    groups: np.ndarray
    start: np.ndarray


@dataclass(frozen=True, eq=False)
class Run:
    """What one way of fitting a sweep took and reached.

    Attributes
    ----------
    seconds : array [B, m]
        For each model; NaN where it was not fitted. Of a batched run, equal shares.
    objective, accuracy : array [B, m]
        J, and accuracy on the test points.
    """

    seconds: np.ndarray
    objective: np.ndarray
    accuracy: np.ndarray


@dataclass(frozen=True, eq=False)
class Case:
    """Features to sweep over.

    Attributes
    ----------
    network : str
    columns : int
        Features, those that are zero on every row left out.
    n_classes : int
    features : feature_set.FeatureSet
    """

    network: str
    columns: int
    n_classes: int
    features: FeatureSet


def cases(study: Study) -> Iterator[Case]:
    """Real features of different widths: yields `Case`.

    Of a study's data set and classes, LeNet's features; if the study asks for the released network also half and all of
    its 512, and for all classes of the data set LeNet's and half of those (all of them would take hours, one by one).
    Each network is trained on the study's sample.
    """
    dataset = study.load_data()
    released = study.network == "released-cnn"
    networks = {"lenet": (None,)} | ({"released-cnn": (256, None)} if released else {})
    for classes in (study.classes, None) if released else (study.classes,):
        sample = split(dataset, classes, study.n_train, study.sample, study.seed_of(0, "sample"))
        tested = {name: getattr(sample, name)[:MOST_TESTED] for name in ("images_test", "labels_test")}
        sample = replace(sample, **tested)
        for network, widths in networks.items():
            widths = widths[:1] if len(sample.class_names) > 2 else widths
            trained = stages.new_featurizer(study.model_copy(update={"network": network}), 0)
            trained.fit(sample.images, sample.labels)
            features = stages.feature_set(trained, sample, study.augmentation())
            for width in widths:
                part = replace(features, train=features.train[:, :width], test=features.test[:, :width])
                live = int(part.train.any(axis=0).sum())
                yield Case(network, live, int(part.labels.max()) + 1, part)


def sweep_of(features: FeatureSet, C: float, rounds: int = 5, seed: int = 0) -> Sweep:
    """The sweep over 11 policies, a number of rounds and the paper's budgets.

    Parameters
    ----------
    features : feature_set.FeatureSet
    C : float
    rounds : int
        Deterministic policies repeat theirs, as in the paper's code.
    seed : int
    """
    n, k = features.n, features.k
    none = row_weights(np.zeros((1, n), bool), np.zeros(1, bool), k)
    start = logistic.fit(features.train, features.labels, none, C, engine="numpy").theta[0]
    used = none[0] > 0
    head = Head(heads.with_intercept(features.train[used]), features.labels[used], none[0, used], start)
    options = ScoreOptions(C, engine="numpy")
    by_score = {score: compute(score, head, n, options) for score in ("loss", "influence")}
    named = [("baseline", "loss"), *((policy, score) for score in by_score for policy in POLICIES)]
    seeds = np.random.SeedSequence(seed).spawn(rounds)
    orders = [order(policy, by_score[score], np.random.default_rng(s)) for policy, score in named for s in seeds]
    groups = np.repeat(alike([policy for policy, _ in named], [False] * len(named)), rounds)
    plain = np.zeros(len(orders), bool)
    weights = [row_weights(first_points(orders, budget), plain, k) for budget in scaled_budgets(n)]
    return Sweep(features, C, weights, groups, start)


def multiplicity(sweep: Sweep) -> np.ndarray:
    """How many models of the sweep are equal to each: [B, m]."""
    counts = []
    for weights in sweep.weights:
        _, inverse, count = np.unique(weights, axis=0, return_inverse=True, return_counts=True)
        counts.append(count[inverse])
    return np.array(counts)


def batched(sweep: Sweep, engine: str = "numpy", threads: int = 1, merge_equal: bool = True) -> Run:
    """Fit a sweep by the batched solver, budget after budget from the models before; `Run`."""
    clock, started = _clock(threads, engine)
    features, theta = sweep.features, np.repeat(sweep.start[None], len(sweep.groups), axis=0)
    prepared, fits = solver_of(sweep, engine, threads, merge_equal), []
    for weights in sweep.weights:
        fits.append(prepared.fit(weights, sweep.C, theta, groups=sweep.groups))
        theta = fits[-1].theta
    seconds = clock() - started
    objective = np.array([fit.objective for fit in fits])
    accuracy = np.array([accuracies(features, fit.theta)[0] for fit in fits])
    return Run(np.full(objective.shape, seconds / objective.size), objective, accuracy)


def solver_of(sweep: Sweep, engine: str, threads: int = 1, merge_equal: bool = True) -> logistic.Solver:
    """Our batched solver, prepared for a sweep's features."""
    return logistic.Solver(sweep.features.train, sweep.features.labels, threads, merge_equal, engine)


def one_by_one(sweep: Sweep, options: dict[str, Any], limit: float = np.inf, threads: int = 1, seed: int = 0) -> Run:
    """Fit a sweep model by model with scikit-learn as the paper configures it (tol 1e-7, max_iter 10000); `Run`.

    Parameters
    ----------
    sweep : Sweep
    options : dict
        Of LogisticRegression. With ``warm_start`` a curve's models start from the budget before.
    limit : float
        Seconds after which no further curve is begun; curves come in random order, one at least.
    threads : int
        Curves fitted at a time, each in a process of its own.
    seed : int
        Of the order.
    """
    shape = (len(sweep.weights), len(sweep.groups))
    run = Run(*np.full((3, *shape), np.nan))
    curves = np.random.default_rng(seed).permutation(shape[1]).tolist()
    if threads > 1:
        Parallel(threads)(delayed(_ready)() for _ in range(threads))
    started = perf_counter()
    while curves and (np.isnan(run.seconds).all() or perf_counter() - started < limit):
        batch = [curves.pop() for _ in range(min(threads, len(curves)))]
        begun = perf_counter()
        found = Parallel(threads)(delayed(_curve)(sweep, curve, options) for curve in batch)
        shared = (perf_counter() - begun) / sum(seconds.sum() for seconds, _, _ in found) if threads > 1 else 1
        for curve, (seconds, objective, accuracy) in zip(batch, found, strict=True):
            run.seconds[:, curve] = seconds * shared
            run.objective[:, curve], run.accuracy[:, curve] = objective, accuracy
    return run


def _ready():
    """Nothing: a process that has done it has started and imported what it needs."""


def _curve(sweep, curve, options):
    features, results = sweep.features, []
    x = features.train.astype(np.float64)
    model = LogisticRegression(C=sweep.C, tol=1e-7, max_iter=10_000, **options)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for weights in sweep.weights:
            used = weights[curve] > 0
            rows, labels, w = x[used], features.labels[used], weights[curve, used]
            started = thread_time()
            model.fit(rows, labels, w)
            seconds = thread_time() - started
            theta = np.hstack([model.coef_, model.intercept_[:, None]])
            J = heads.objective(heads.with_intercept(rows), labels, theta, w, sweep.C)
            results.append((seconds, J, accuracies(features, theta[None])[0][0]))
    return np.array(results).T


def _clock(threads, engine):
    """The thread's own processor time for one thread, which no other work lengthens; else time on the wall.

    Not the process's: OpenBLAS's threads spin for a while after a product that they shared.
    """
    clock = thread_time if threads == 1 and engine == "numpy" else perf_counter
    return clock, clock()
