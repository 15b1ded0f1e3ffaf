"""Greedy selection at size: time, memory and quality of the iterative solver beside the exact one."""

from __future__ import annotations

from time import thread_time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from influaug.data.datasets import split
from influaug.selection.cost import iterative_cost
from influaug.selection.iterative_head import Schedule
from influaug.solver import logistic

from ..intervals import mean_interval
from ..points import stages
from ..points.feature_set import FeatureSet, accuracies, added_weights
from . import apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from influaug.data.datasets import Split

    from ..points.study import Study

SHARES = (0.01, 0.02, 0.03, 0.05, 0.1)
SLOW = Schedule(growth=16, smallest=1000, parts=16, every=1, confident=0.0, solve=0.02, step=0.05, left=0.01)
"""A schedule that follows the head far more closely, for comparison."""
WIDE = 256


def compared(sets: Iterable[FeatureSet], C: float, shares: Sequence[float] = SHARES) -> pd.DataFrame:
    """Both solvers on several feature sets, chosen to the largest share: time, and accuracy at every share.

    Parameters
    ----------
    sets : iterable of FeatureSet
    C : float
    shares : sequence of float
        Of all copies, rising.

    Returns
    -------
    DataFrame
        A row a feature set, solver and share: replicate, solver, share, seconds (CPU, one thread, of the whole
        selection), accuracy.
    """
    rows = []
    for replicate, f in enumerate(sets):
        budgets = [max(1, round(share * len(f.candidates.source))) for share in shares]
        for solver in ("exact", "iterative"):
            order, seconds = apart.timed(f.candidates, budgets[-1], C, solver)
            weights = np.vstack([added_weights(f, order[:budget]) for budget in budgets])
            right, _ = accuracies(f, logistic.fit(f.train, f.labels, weights, C, engine="numpy").theta)
            rows += [
                {"replicate": replicate, "solver": solver, "share": share, "seconds": seconds, "accuracy": accuracy}
                for share, accuracy in zip(shares, right, strict=True)
            ]
    return pd.DataFrame(rows, columns=["replicate", "solver", "share", "seconds", "accuracy"])


def comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Means of `compared`, and the paired difference of accuracy with its 95% interval, in points: a row a share."""
    accuracy = 100 * table.pivot_table(index="replicate", columns=["solver", "share"], values="accuracy")
    seconds = table.groupby("solver")["seconds"].mean()
    rows = []
    for share in table["share"].unique():
        exact, iterative = accuracy["exact"][share], accuracy["iterative"][share]
        difference, half = mean_interval(iterative - exact)
        rows.append((share, exact.mean(), iterative.mean(), difference, half, seconds["exact"] / seconds["iterative"]))
    names = ["share", "exact", "iterative", "difference", "+-", "ratio"]
    return pd.DataFrame(rows, columns=names).assign(n=len(accuracy))


def wide(study: Study) -> list[FeatureSet]:
    """`WIDE` of the released network's features on the study's first sample, if the study asks for that network."""
    if study.network != "released-cnn":
        return []
    f = _featurized(study.model_copy(update={"classes": None}), study.n_train)[0]
    return [FeatureSet(f.train[:, :WIDE], f.labels, f.n, f.test[:, :WIDE], f.test_labels, f.n_test)]


def own_sets(study: Study) -> list[FeatureSet]:
    """The study's replicates, each with a sample and a network of its own."""
    return [replicate.set for replicate in stages.features(_with_lenet(study))]


def _with_lenet(study):
    """The study of all classes of its data set, with LeNet's features."""
    return study.model_copy(update={"network": "lenet", "classes": None})


def _featurized(study: Study, n: int | None) -> tuple[FeatureSet, Split]:
    """Features of n points, by a network that is trained on the study's first sample."""
    dataset, seed = study.load_data(), study.seed_of(0, "sample")
    sample = split(dataset, study.classes, study.n_train, study.sample, seed)
    network = stages.new_featurizer(study, 0).fit(sample.images, sample.labels)
    points = sample if n == study.n_train else split(dataset, study.classes, n, study.sample, seed)
    return stages.feature_set(network, points, study.augmentation()), points


def grown(study: Study, sizes: Sequence[int], share: float = 0.1) -> pd.DataFrame:
    """Real features of more and more points, chosen to a share by the default schedule and by `SLOW`.

    Returns
    -------
    DataFrame
        A row a size: points, copies, seconds (CPU, one thread), memory (peak of the whole process, bytes), accuracy,
        the same of `SLOW`, and seconds and accuracy of a head that is fitted to all copies without a choice.
    """
    whole, points = _featurized(_with_lenet(study), max(sizes))
    rng, rows = np.random.default_rng(study.seed), []
    for n in sizes:
        f = _subset(whole, np.sort(rng.permutation(len(points.labels))[:n]))
        budget = round(share * n * f.k)
        order, seconds, memory = apart.apart(f.candidates, budget, study.C)
        slow, slow_seconds, _ = apart.apart(f.candidates, budget, study.C, SLOW)
        (accuracy, _), (slow_accuracy, _), (all_accuracy, all_seconds) = (
            _fitted(f, added, study.C) for added in (order, slow, np.arange(n * f.k))
        )
        rows.append(
            {
                "points": n,
                "copies": n * f.k,
                "seconds": seconds,
                "memory": memory,
                "accuracy": accuracy,
                "slow seconds": slow_seconds,
                "slow accuracy": slow_accuracy,
                "all seconds": all_seconds,
                "all accuracy": all_accuracy,
            }
        )
    return pd.DataFrame(rows)


def _fitted(f, added, C):
    """Accuracy of a head that is fitted to the originals and some copies, and CPU seconds of the fit, one thread."""
    with threadpool_limits(1):
        started = thread_time()
        theta = logistic.fit(f.train, f.labels, added_weights(f, added)[None], C, tolerance=1e-6, engine="numpy").theta
        seconds = thread_time() - started
    return accuracies(f, theta)[0][0], seconds


def _subset(f, points):
    copies = f.train[f.n :].reshape(f.n, f.k, -1)[points]
    train = np.vstack([f.train[points], copies.reshape(-1, f.train.shape[1])])
    labels = np.append(f.labels[points], np.repeat(f.labels[points], f.k))
    return FeatureSet(train, labels, len(points), f.test, f.test_labels, f.n_test)


def exponent(table: pd.DataFrame) -> float:
    """Slope of log seconds by log points, from the smallest to the largest case of `grown`."""
    first, last = table.iloc[0], table.iloc[-1]
    return float(np.log(last["seconds"] / first["seconds"]) / np.log(last["points"] / first["points"]))


def made_up(cases: Sequence[Sequence[float]], C: float, seed: int = 0) -> pd.DataFrame:
    """Features that are made up by `apart.made_up`, of any size.

    Parameters
    ----------
    cases : sequence of [points, classes, features, share]
        Points, classes, features, and the share of the copies (four of each point) that is chosen.
    C : float
    seed : int

    Returns
    -------
    DataFrame
        A row a case: points, copies, classes, features, parameters, chosen, seconds (CPU, one thread), memory (peak of
        the whole process, its data included, bytes), and what `cost.iterative_cost` had said of seconds and memory
        (beyond the data).
    """
    rows = []
    for *sizes, share in cases:
        n, n_classes, d = map(int, sizes)
        m = n * apart.COPIES
        budget = max(1, round(share * m))
        seconds, memory = apart.made_up_apart(n, n_classes, d, budget, C, seed)
        expected = iterative_cost(n, m, n_classes, d, budget)
        rows.append(
            {
                "points": n,
                "copies": m,
                "classes": n_classes,
                "features": d,
                "parameters": (n_classes if n_classes > 2 else 1) * (d + 1),
                "chosen": budget,
                "seconds": seconds,
                "memory": memory,
                "estimated seconds": expected.seconds,
                "estimated memory": expected.memory,
            }
        )
    return pd.DataFrame(rows)
