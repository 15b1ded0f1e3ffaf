"""Tables and pictures of the page on greedy selection: chosen copies, predicted gains, and wrong labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from influaug.influence.inverse import factor
from influaug.influence.leave_one_out import point_gradients
from influaug.selection import clusters
from influaug.selection.greedy import select
from influaug.solver import heads, logistic

from ..intervals import mean_interval
from ..pages.escaping import markdown_text, title_and_note
from ..pages.pictures import write_png
from ..points import stages
from ..points.feature_set import added_weights, tested
from ..points.sweep import scaled_budgets
from .picks import Replicate, picked, replicates
from .study import SetStudy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure

BATCHES = (1, 16, 64, None)
"""Batch sizes that the page compares."""


def by_change(r: Replicate, policies: Iterable[str], number: int) -> pd.DataFrame:
    """Number of the first chosen copies made by each change of the transformation: one row for each change."""
    counts = {
        policy: np.bincount(picked(r, policy, number) % r.features.k, minlength=r.features.k) for policy in policies
    }
    return pd.DataFrame(counts, index=list(r.transformation.labels))


def target(r: Replicate, sets: Sequence[np.ndarray]) -> np.ndarray:
    """Target (mean loss of all originals and copies) after fits to the originals and each set of copies: [sets]."""
    weights = np.zeros((len(sets), len(r.features.labels)))
    weights[:, : r.features.n] = 1.0
    for row, copies in zip(weights, sets, strict=True):
        row[r.features.n + copies] = 1.0
    theta = logistic.fit(r.features.train, r.features.labels, weights, r.study.C).theta
    x = heads.with_intercept(r.features.train)
    return np.array([heads.losses(x, r.features.labels, each).mean() for each in theta])


def promised_and_real(r: Replicate, sizes: Sequence[int], one_shot: bool) -> pd.DataFrame:
    """Predicted reduction of the target, summed over the copies, and the real reduction after refits.

    Parameters
    ----------
    r : Replicate
    sizes : sequence of int
        Numbers of copies, in rising order.
    one_shot : bool
        Whether all copies are scored only once.

    Returns
    -------
    DataFrame
        Columns copies, promised (predicted) and real, in nats.
    """
    options = {"C": r.study.C, "batch": sizes[-1] if one_shot else None, "refit_every": r.study.refit_every}
    found = select(r.candidates, budget=sizes[-1], solver="exact", **options)  # type: ignore[arg-type]
    losses = target(r, [found.order[:size] for size in (0, *sizes)])
    promised = np.cumsum(found.scores)[np.array(sizes) - 1]
    return pd.DataFrame({"copies": sizes, "promised": promised, "real": losses[0] - losses[1:]})


def likeness(r: Replicate, copies: np.ndarray) -> float:
    """Mean cosine of the steps H^-1/2 g of pairs of copies, at the head of the originals; 1 if all are parallel."""
    n, labels = r.features.n, r.features.labels
    x, weights = heads.with_intercept(r.features.train), np.ones(r.features.n)
    theta = logistic.fit(r.features.train[:n], labels[:n], weights[None], r.study.C).theta[0]
    L = factor(heads.hessian(x[:n], theta, weights, r.study.C))
    steps = np.linalg.solve(L, point_gradients(x[n + copies], labels[n + copies], theta).T).T
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    total = np.sum(steps.sum(axis=0) ** 2)
    return (total - len(steps)) / (len(steps) * (len(steps) - 1))


def redundancy(study: SetStudy, policies: Sequence[str], number: int) -> pd.DataFrame:
    """Points touched and `likeness` of the first chosen copies, for every replicate and policy: DataFrame."""
    rows = []
    for r in replicates(study):
        for policy in policies:
            copies = picked(r, policy, number)
            touched = len(np.unique(r.candidates.source[copies]))
            rows.append({"replicate": r.number, "policy": policy, "points": touched, "likeness": likeness(r, copies)})
    return pd.DataFrame(rows)


def rescoring(study: SetStudy, batches: Sequence[int | None], shares: Sequence[float]) -> pd.DataFrame:
    """Test accuracy of greedy influence for several batch sizes, after which all copies are scored again.

    Parameters
    ----------
    study : SetStudy
    batches : sequence of int or None
        See `greedy.select`; None is its default.
    shares : sequence of float
        Shares of all copies.

    Returns
    -------
    DataFrame
        Columns replicate, policy (the batch size in words), share, accuracy (on all test rows).
    """
    rows = []
    for r in replicates(study):
        m, weights, about = len(r.candidates.source), [], []
        for batch in batches:
            budgets = [max(1, round(share * m)) for share in shares]
            options = {"C": study.C, "batch": batch, "refit_every": study.refit_every, "solver": "exact"}
            order = select(r.candidates, budget=budgets[-1], **options).order  # type: ignore[arg-type]
            weights += [added_weights(r.features, order[:budget]) for budget in budgets]
            name = "a sixteenth of what is added" if batch is None else str(batch)
            about += [{"replicate": r.number, "policy": name, "share": share} for share in shares]
        theta = logistic.fit(r.features.train, r.features.labels, np.stack(weights), study.C).theta
        accuracy = tested(r.features, theta)["accuracy"]
        rows += [{**each, "accuracy": value} for each, value in zip(about, accuracy, strict=True)]
    return pd.DataFrame(rows)


def first_scores(r: Replicate) -> pd.DataFrame:
    """In-sample influence of every copy before any copy is added, and whether its label is wrong: DataFrame."""
    m = len(r.candidates.source)
    found = select(r.candidates, C=r.study.C, batch=m, solver="exact")
    return pd.DataFrame({"influence": found.scores, "wrong": r.wrong[r.candidates.source[found.order]]})


def cluster_sweep(study: SetStudy) -> pd.DataFrame:
    """Inertia and silhouette of k-means on the first replicate's originals, for the released code's k: DataFrame."""
    f = stages.features(study.base())[0].set
    return pd.DataFrame(clusters.k_sweep(f.train[: f.n], scaled_budgets(f.n), study.seed))


def about(r: Replicate) -> str:
    """Title, sizes and note of the page's data, as Markdown."""
    base, (title, note) = r.study.base(), title_and_note(r.sample.provenance)
    against = " against ".join(r.sample.class_names) if len(r.sample.class_names) == 2 else "all classes"
    return (
        f"**{title}, {markdown_text(against)}, {r.transformation.name}: {r.features.n:,} points, "
        f"{len(r.candidates.source):,} copies, {base.replicates} replicates, C = {r.study.C:g}.** {note}"
    )


def redundancy_table(found: pd.DataFrame) -> pd.DataFrame:
    """Means of `redundancy` with 95% intervals, as text: one row for each policy."""
    rows = {}
    for policy, part in found.groupby("policy", sort=False):
        points, alike = mean_interval(part["points"]), mean_interval(part["likeness"])
        rows[policy] = {
            "points touched": f"{points[0]:.0f} ± {points[1]:.0f}",
            "mean cosine of steps": f"{alike[0]:.3f} ± {alike[1]:.3f}",
            "replicates": len(part),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def sizes(r: Replicate) -> list[int]:
    """Numbers of copies, evenly spaced on a logarithmic scale, up to a quarter of all copies."""
    return np.unique(np.geomspace(1, len(r.candidates.source) // 4, 16).round().astype(int)).tolist()


def wrong_picks(r: Replicate, policies: Iterable[str], numbers: Sequence[int]) -> pd.DataFrame:
    """Share of the first chosen copies with a wrong label: rows are numbers of copies, columns policies."""
    of_copies = r.wrong[r.candidates.source]
    chosen = {policy: picked(r, policy, numbers[-1]) for policy in policies}
    shares = {
        policy: np.cumsum(of_copies[copies])[np.array(numbers) - 1] / numbers for policy, copies in chosen.items()
    }
    return pd.DataFrame(shares, index=numbers)  # type: ignore[call-overload]


def keep(figure: Figure, study: SetStudy) -> None:
    """Write a figure atomically beside the study's tables, as ``curves.png``."""
    write_png(figure, study.folder / "curves.png")
