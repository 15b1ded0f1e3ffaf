"""The benchmark: a whole policy sweep, and influence scores, against the usual ways to compute them.

All times of a comparison are taken in one run.
"""

from __future__ import annotations

from dataclasses import replace
from time import thread_time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from influaug.errors import InputError
from influaug.influence import inverse
from influaug.influence import leave_one_out as influence
from influaug.solver import heads, logistic

from ..points.feature_set import FeatureSet
from ..storage import provenance
from . import competitors
from .sweeps import Case, Run, Sweep, batched, multiplicity, one_by_one, solver_of, sweep_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ..points.study import Study

    COMPETITORS: dict[str, dict[str, Any]]
COMPETITORS = {
    "scikit-learn lbfgs": {"solver": "lbfgs"},
    "scikit-learn newton-cholesky, warm": {"solver": "newton-cholesky", "warm_start": True},
}
CORES = provenance.cores()
LARGEST_HESSIAN = 2000
"""Parameters of a head beyond which newton-cholesky is not run: a model would take minutes."""


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
        once = median_run(sweep, engine, cores, True, repeats)
        every = None if wide else median_run(sweep, engine, cores, False, repeats)
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
    cpu = median_run(sweep, "numpy", 1, True, 1).seconds.sum()
    return table.assign(threads="GPU", ratio_to_cpu=cpu / table["ours"])


def median_run(sweep: Sweep, engine: str, threads: int, merge_equal: bool, repeats: int) -> Run:
    """The run of median time of `batched`, after a first one that does not count; with 0 repeats the first."""
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
            ours = median_run(part, "numpy", 1, True, 3).seconds.sum()
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
    solver, theta = solver_of(sweep, "numpy"), np.repeat(sweep.start[None], len(sweep.groups), axis=0)
    work = 0.0
    for weights, count in zip(sweep.weights, multiplicity(sweep), strict=True):
        fit = solver.fit(weights, sweep.C, theta, groups=sweep.groups)
        theta = fit.theta
        work += np.sum(fit.iterations / count * (weights > 0).sum(axis=1))
    return 4 * work * solver.K * len(solver.live)


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
