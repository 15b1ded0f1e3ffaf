"""The benchmark: a whole policy sweep, and influence scores, against the usual ways to compute them.

A sweep here is what the paper runs for one data set and transformation: 11 policies (random points; loss and influence,
each with five) x 5 rounds x 8 budgets, 440 logistic regressions. All times of a comparison are taken in one run.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from importlib.metadata import version
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from influaug.data.datasets import split
from influaug.errors import InputError
from influaug.influence import inverse
from influaug.influence import leave_one_out as influence
from influaug.selection.point_policies import order
from influaug.selection.scores import ScoreOptions, compute
from influaug.solver import heads, logistic
from influaug.solver.heads import Head

from ..pages.escaping import styled, title_and_note
from ..points import stages
from ..points.feature_set import FeatureSet, accuracies, row_weights
from ..points.sweep import alike, first_points, scaled_budgets
from ..storage import provenance
from . import competitors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from pandas.io.formats.style import Styler

    from ..points.study import Study

    COMPETITORS: dict[str, dict[str, Any]]

POLICIES = (
    "random_proportional",
    "random_inverse_proportional",
    "random_softmax",
    "deterministic_proportional",
    "deterministic_inverse_proportional",
)
COMPETITORS = {
    "scikit-learn lbfgs": {"solver": "lbfgs"},
    "scikit-learn newton-cholesky, warm": {"solver": "newton-cholesky", "warm_start": True},
}
CORES = provenance.cores()
MOST_TESTED = 2000
LARGEST_HESSIAN = 2000
"""Parameters of a head beyond which newton-cholesky is not run: a model would take minutes."""


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

    features: object
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
    prepared, fits = _solver(sweep, engine, threads, merge_equal), []
    for weights in sweep.weights:
        fits.append(prepared.fit(weights, sweep.C, theta, groups=sweep.groups))
        theta = fits[-1].theta
    seconds = clock() - started
    objective = np.array([fit.objective for fit in fits])
    accuracy = np.array([accuracies(features, fit.theta)[0] for fit in fits])  # type: ignore[arg-type]
    return Run(np.full(objective.shape, seconds / objective.size), objective, accuracy)


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


def compare(
    sweep: Sweep,
    limit: float,
    repeats: int = 3,
    threads: Sequence[int] = (1, CORES),
    engine: str = "numpy",
) -> pd.DataFrame:
    """A sweep by our solver and by each competitor, on one thread and on all cores.

    Parameters
    ----------
    sweep : Sweep
    limit : float
        Seconds a competitor, after which its total is extrapolated from the curves that it has fitted.
    repeats : int
        Runs of ours after a first that does not count; the median counts. With 0 the first counts.
    threads : sequence of int
    engine : {'numpy', 'keras'}
        Of our solver.

    Returns
    -------
    DataFrame
        A row a competitor and number of threads: models (in the sweep), fitted (by the competitor); theirs, seconds for
        every model; ours, as it is used, equal models once; their ratio; the ratios where both fit every model (NaN for
        heads above `LARGEST_HESSIAN`, for which ours fits equal models once only), and where both fit equal models
        once; worst_gap, the largest of (our J - theirs) / max(J, 1);
        accuracy_difference, the largest.
    """
    rows = []
    wide = sweep.start.size > LARGEST_HESSIAN
    for cores in sorted(set(threads)):
        once = _median(sweep, engine, cores, True, repeats)
        every = None if wide else _median(sweep, engine, cores, False, repeats)
        for name, options in COMPETITORS.items():
            if options["solver"] == "lbfgs" or not wide:
                theirs = one_by_one(sweep, options, limit, cores)
                rows.append({"competitor": name, "threads": cores, **_row(sweep, every, once, theirs)})
    return pd.DataFrame(rows)


def solver_results(study: Study, cases: Iterable[Case]) -> pd.DataFrame:
    """`compare` for every case, as one table with the columns case and C in front.

    C is the study's and a tenth of it. Softmax heads are costly to the competitors and to us: ours runs once then, and
    the widest on one thread and with the study's C alone.
    Where there is a GPU, further rows have our solver on it.
    """
    tables = []
    for case in cases:
        wide = heads.n_rows(case.n_classes) * (case.columns + 1) > LARGEST_HESSIAN
        repeats, threads = 3 if case.n_classes == 2 else 0, (1,) if wide else (1, CORES)
        for C in (study.C,) if wide else (study.C, study.C / 10):
            sweep = sweep_of(case.features, C, study.rounds)
            table = pd.concat([compare(sweep, study.patience, repeats, threads), _on_gpu(sweep, study.patience)])
            name = f"{case.n_classes} classes, {case.columns} columns"
            tables.append(table.assign(case=name, C=C).set_index(["case", "C"]))
    return pd.concat(tables).reset_index()


def _on_gpu(sweep, patience):
    """As `compare` with our solver on the GPU, and its ratio to ours on one thread of the CPU; nothing without one."""
    # It imports Keras and its backend, which take many seconds.
    from influaug.backend import has_gpu

    if not has_gpu():
        return pd.DataFrame()
    table = compare(sweep, patience, 1, (1,), "keras")
    cpu = _median(sweep, "numpy", 1, True, 1).seconds.sum()
    return table.assign(threads="GPU", ratio_to_cpu=cpu / table["ours"])


def _median(sweep, engine, threads, merge_equal, repeats):
    runs = [batched(sweep, engine, threads, merge_equal) for _ in range(repeats + 1)][min(repeats, 1) :]
    return sorted(runs, key=lambda run: run.seconds.sum())[repeats // 2]


def _row(sweep, every, once, theirs):
    fitted = ~np.isnan(theirs.objective)
    scale = fitted.shape[1] / fitted[0].sum()
    all_of_theirs = np.nansum(theirs.seconds) * scale
    ours_every = np.nan if every is None else every.seconds.sum()
    theirs_once = np.nansum(theirs.seconds / multiplicity(sweep)) * scale
    gap = (once.objective - theirs.objective) / np.maximum(theirs.objective, 1)
    return {
        "models": fitted.size,
        "fitted": int(fitted.sum()),
        "theirs": all_of_theirs,
        "ours": once.seconds.sum(),
        "ratio": all_of_theirs / once.seconds.sum(),
        "ours, every model": ours_every,
        "ratio, every model": all_of_theirs / ours_every,
        "theirs, equal once": theirs_once,
        "ratio, equal once": theirs_once / once.seconds.sum(),
        "worst_gap": float(np.nanmax(gap)),
        "accuracy_difference": float(np.nanmax(np.abs(once.accuracy - theirs.accuracy))),
    }


def growth(sweep: Sweep, limit: float, shares: Sequence[float] = (0.25, 0.5, 1.0)) -> pd.DataFrame:
    """Seconds of the batched sweep as models, columns and training points grow; one thread.

    Returns
    -------
    DataFrame
        Columns varied (``models``, ``columns`` or ``points``), models, columns, points, ours, and theirs: by
        scikit-learn's newton-cholesky with warm starts, extrapolated from the curves of ``limit`` / 4 seconds.
    """
    rows = []
    for varied in ("models", "columns", "points"):
        for share in shares:
            part = _part(sweep, **{varied: share})
            theirs = one_by_one(part, COMPETITORS["scikit-learn newton-cholesky, warm"], limit / 4)
            sizes = {"models": theirs.seconds.size, "columns": part.features.train.shape[1], "points": part.features.n}
            total = np.nansum(theirs.seconds) * theirs.seconds.size / np.isfinite(theirs.seconds).sum()
            ours = _median(part, "numpy", 1, True, 3).seconds.sum()
            rows.append({"varied": varied, **sizes, "ours": ours, "theirs": total})
    return pd.DataFrame(rows)


def _part(sweep, models=1.0, columns=1.0, points=1.0):
    """A sweep of a share of the curves, the columns or the training points of another."""
    f = sweep.features
    n, d = round(points * f.n), round(columns * f.train.shape[1])
    rows = np.concatenate([np.arange(n), f.n + np.arange(n * f.k)])
    features = FeatureSet(f.train[rows, :d], f.labels[rows], n, f.test[:, :d], f.test_labels, f.n_test)
    part = sweep_of(features, sweep.C)
    chosen = np.random.default_rng(0).permutation(len(part.groups))[: round(models * len(part.groups))]
    return replace(part, weights=[weights[chosen] for weights in part.weights], groups=part.groups[chosen])


def product_rate(size: int = 2048, repeats: int = 5) -> float:
    """The machine's rate of float32 matrix products on one thread, in floating-point operations a second."""
    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    with threadpool_limits(1):
        seconds = []
        for _ in range(repeats):
            started = thread_time()
            a @ a
            seconds.append(thread_time() - started)
    return 2 * size**3 / min(seconds)


def gradient_work(sweep: Sweep) -> float:
    """Floating-point operations of the gradients that the sweep's models need, equal ones once: what cannot be saved.

    Each step of each model multiplies the rows in use by its parameters, and its residuals by the rows.
    """
    solver, theta = _solver(sweep, "numpy"), np.repeat(sweep.start[None], len(sweep.groups), axis=0)
    work = 0.0
    for weights, count in zip(sweep.weights, multiplicity(sweep), strict=True):
        fit = solver.fit(weights, sweep.C, theta, groups=sweep.groups)
        theta = fit.theta
        work += np.sum(fit.iterations / count * (weights > 0).sum(axis=1))
    return 4 * work * solver.K * len(solver.live)


def _solver(sweep, engine, threads=1, merge_equal=True):
    return logistic.Solver(sweep.features.train, sweep.features.labels, threads, merge_equal, engine)


def scores(columns: int, n: int = 1000, C: float = 10.0, seed: int = 0, repeats: int = 20) -> pd.DataFrame:
    """Self influences of all points in closed form against the same by autograd, point by point, and by pyDVL.

    Parameters
    ----------
    columns : int
        Including the constant one.
    n : int
        Points, drawn from a noisy linear model.
    C : float
    seed : int
    repeats : int
        Of the closed form; the best counts, as it does for pyDVL. The loop by autograd runs twice.

    Returns
    -------
    DataFrame
        A row a way of computing them: seconds (one thread), ratio to the closed form, largest relative difference from
        it, versions.
    """
    x, labels, theta, weights = _scored_problem(columns, n, C, seed)
    arguments = (x, labels, theta, weights, C)
    with threadpool_limits(1):
        ours, seconds = _best(
            lambda: influence.self_influence(x, labels, theta, inverse.factor(_hessian(arguments))), repeats
        )
        loop, loop_seconds = _best(lambda: competitors.autograd_influence(*arguments), 2)
    rows = [("closed form", seconds, ours, ""), ("autograd, a gradient a point", loop_seconds, loop, "")]
    try:
        theirs, (kind, public), versions = competitors.pydvl_influence(*arguments)
        named = ", ".join(f"{name} {version}" for name, version in versions.items())
        rows.append(("pyDVL DirectInfluence, all pairs (its public call)", public, theirs, named))
        rows.append(("pyDVL DirectInfluence, the n wanted from its factors", kind, theirs, named))
    except InputError:
        rows.append(("pyDVL DirectInfluence: not run here, `make bench` fetches it", np.nan, np.full(n, np.nan), ""))
    return pd.DataFrame(
        {
            "way": way,
            "points": n,
            "columns": columns,
            "seconds": taken,
            "ratio": taken / seconds,
            "largest relative difference": np.max(np.abs(values / ours - 1)),
            "versions": named,
        }
        for way, taken, values, named in rows
    )


def scores_shown(columns: Sequence[int] = (85, 257)) -> Styler:
    """The table of `scores` at each number of columns, as a page shows it."""
    table = pd.concat([scores(c) for c in columns], ignore_index=True)
    digits = {"seconds": "{:.2g}", "ratio": "{:.1f}", "largest relative difference": "{:.0e}"}
    return styled(table, digits).hide(axis="index")


def _scored_problem(columns, n, C, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, columns - 1))
    labels = (features @ rng.normal(size=columns - 1) / np.sqrt(columns) + rng.logistic(size=n) > 0).astype(int)
    weights = np.ones(n)
    theta = logistic.fit(features, labels, weights[None], C, tolerance=1e-14, engine="numpy").theta[0]
    return heads.with_intercept(features), labels, theta, weights


def _hessian(arguments):
    x, _, theta, weights, C = arguments
    return heads.hessian(x, theta, weights, C)


def _best(compute, repeats):
    taken = []
    for _ in range(repeats):
        started = thread_time()
        values = compute()
        taken.append(thread_time() - started)
    return values, min(taken)


def machine() -> str:
    """The processor, how many cores of it this process may use, and the versions of what does the arithmetic."""
    blas = ", ".join(
        sorted({f"{pool['internal_api']} {pool['version']}" for pool in threadpool_info() if pool["version"]})
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "scikit-learn"))
    return f"{provenance.processor()}, {CORES} cores; {packages}; {blas}"


def shown(results: pd.DataFrame) -> Styler:
    """The table of results as a page shows it."""
    digits = {column: "{:.3g}" for column in results.columns if column.startswith(("theirs", "ours"))}
    digits |= {column: "{:.1f}" for column in results.columns if column.startswith("ratio")}
    digits |= {"C": "{:g}", "worst_gap": "{:.0e}", "accuracy_difference": "{:.0e}"}
    return styled(results, digits).hide(axis="index")


def caption(study: Study, results: pd.DataFrame) -> str:
    """What the table of results shows, in a sentence or two."""
    title, _ = title_and_note(study.load_data().provenance)
    short = int((results["fitted"] < results["models"]).sum())
    return (
        f"*{title}, {study.transformation}, one sample of points, seed {study.seed}. Theirs and ours: "
        f"seconds for all models of a sweep; {short} of the {len(results)} rows extrapolate from the models that were "
        f"fitted within {study.patience:g} s. Worst gap: the largest (our J - theirs) / max(J, 1).*"
    )


def roofline(sweep: Sweep) -> str:
    """The measured time of a sweep beside the time that its gradients' matrix products alone would take: a sentence."""
    seconds, rate, work = (
        _median(sweep, "numpy", 1, True, 3).seconds.sum(),
        product_rate(),
        gradient_work(sweep),
    )
    return (
        f"Products of float32 matrices run at {rate / 1e9:.0f} GFLOP/s here, one thread. The steps' gradients are "
        f"{work / 1e9:.2f} GFLOP, {work / rate:.3f} s at that rate; the sweep takes {seconds:.3f} s, so "
        f"{work / rate / seconds:.0%} of it is the floor. The rest goes into Hessians, certificates and the overhead "
        f"of some hundred steps."
    )
