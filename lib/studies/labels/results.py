"""Known wrong labels: how well each method finds them, and how many copies of them each policy chooses.

Methods are measured by the ranking (area under the ROC curve, average precision, precision among the first k where k
labels are wrong) and by the labels that they call wrong (precision, recall). All see the same features.
"""

from __future__ import annotations

from importlib import metadata, util
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score
from tqdm.auto import tqdm

from influaug.files import sealed
from influaug.selection.label_issues import label_issues
from influaug.selection.scores import ScoreOptions, compute
from influaug.selection.selector import AugmentationSelector
from influaug.solver import logistic
from influaug.solver.heads import Head, with_intercept

from ..storage import artifacts
from ..storage.keys import Stage
from .parameters import LabelStudy, Points, points, wrong_labels

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = {
    "influence": "the paper's influence",
    "loss": "the paper's loss",
    "out_of_fold_once": "out of fold, one pass",
    "leave_one_out_once": "leave one out, one pass",
    "out_of_fold": "out of fold, three passes",
    "leave_one_out": "leave one out, three passes (label_issues)",
    "cleanlab": "cleanlab",
    "cleanlab_given": "cleanlab, our probabilities",
}
"""Methods with their names in words."""
OURS = "leave_one_out"
"""The default of `label_issues` for heads of this size."""
RECALLS = np.round(np.linspace(0.1, 1, 10), 1)
GUARD = "_guarded"
"""Suffix of a policy with `leave_out_doubtful`."""


def has_cleanlab() -> bool:
    """Whether cleanlab is installed; it comes with the tests' environment alone."""
    return util.find_spec("cleanlab") is not None


def found_by(x: np.ndarray, labels: np.ndarray, seed: int, C: float) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """Doubt of each point by each of `METHODS`, [n], and which labels it calls wrong, bool [n] or None.

    Parameters
    ----------
    x : array [n, d]
    labels : int array [n]
    seed : int
        Of folds.
    C : float
        Of the head that the paper's scores are of.
    """
    theta = logistic.fit(x, labels, np.ones((1, len(x))), C).theta[0]
    head = Head(with_intercept(x), labels, np.ones(len(x)), theta)
    papers = {name: compute(name, head, len(x), ScoreOptions(C=C)) for name in ("influence", "loss")}
    found: dict[str, tuple[np.ndarray, np.ndarray | None]] = {name: (score, None) for name, score in papers.items()}
    for name in ("out_of_fold_once", "leave_one_out_once", "out_of_fold", "leave_one_out"):
        method, passes = name.removesuffix("_once"), 1 if name.endswith("_once") else 3
        issues = label_issues(x, labels, method=method, passes=passes, random_state=seed)
        found[name] = -issues.scores, issues.mask
    if has_cleanlab():
        found["cleanlab"] = _cleanlab(x, labels, seed)
        found["cleanlab_given"] = _cleanlab_given(labels, issues.probabilities)
    return found


def _cleanlab(x, labels, seed):
    """As cleanlab does it by itself: logistic regressions of scikit-learn in five folds."""
    from cleanlab.classification import CleanLearning

    found = CleanLearning(seed=seed, verbose=False).find_label_issues(x, labels)
    return -found["label_quality"].to_numpy(), found["is_label_issue"].to_numpy()


def _cleanlab_given(labels, probabilities):
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    mask = find_label_issues(labels, probabilities, n_jobs=1)
    return -get_label_quality_scores(labels, probabilities), mask


def measured(doubt: np.ndarray, mask: np.ndarray | None, wrong: np.ndarray) -> dict[str, float]:
    """How well a method found the wrong labels: auc, average, at_k, precision, recall, and precision_0.1 and so on.

    The last are the best precision of any first part of the ranking with at least that recall.
    """
    k = int(wrong.sum())
    precision, recall, _ = precision_recall_curve(wrong, doubt)
    by_recall = {f"precision_{level}": precision[recall >= level - 1e-9].max() for level in RECALLS}
    called = np.nan if mask is None or not mask.any() else wrong[mask].mean()
    return {
        "auc": roc_auc_score(wrong, doubt),
        "average": average_precision_score(wrong, doubt),
        "at_k": wrong[np.argsort(-doubt, kind="stable")[:k]].mean(),
        "precision": called,
        "recall": np.nan if mask is None else mask[wrong].mean(),
        **by_recall,
    }


def cases(s: LabelStudy) -> Iterator[tuple[int, str, float]]:
    """Number, noise and share of each case of wrong labels."""
    pairs = [(noise, share) for noise in s.noises for share in s.shares]
    yield from ((number, *pair) for number, pair in enumerate(pairs))


def _with_noise(s, right, replicate, number, noise, share):
    rng = np.random.default_rng([s.seed_of(replicate, "noise"), number])
    return wrong_labels(right, noise, share, rng)


def noisy(s: LabelStudy, found: Points, replicate: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and which are wrong, in the first of the `cases`."""
    return _with_noise(s, found.labels, replicate, *next(cases(s)))


def detection(s: LabelStudy, found: Points, replicate: int) -> pd.DataFrame:
    """`measured` for each case and method, a row each."""
    rows = []
    for number, noise, share in cases(s):
        labels, wrong = _with_noise(s, found.labels, replicate, number, noise, share)
        for method, result in found_by(found.x, labels, s.seed_of(replicate, "folds"), s.C).items():
            rows.append({"noise": noise, "share": share, "method": method, **measured(*result, wrong)})
    return pd.DataFrame(rows)


def choice(s: LabelStudy, found: Points, replicate: int) -> pd.DataFrame:
    """Share of wrong labels among the chosen copies, and test accuracy, of each case and policy; none and full too."""
    rows = []
    for number, noise, share in cases(s):
        labels, wrong = _with_noise(s, found.labels, replicate, number, noise, share)
        for policy in ("none", *(f"{name}{end}" for name in s.policies for end in ("", GUARD)), "full"):
            selector = _selector(s, policy, replicate).fit(found.x, labels, copies=found.copies)
            chosen = selector.source_
            rows.append(
                {
                    "noise": noise,
                    "share": share,
                    "policy": policy,
                    "left_out": len(selector.doubtful_),
                    "wrong": wrong[chosen].mean() if len(chosen) else np.nan,
                    "accuracy": selector.score(found.x_test, found.y_test),
                }
            )
    return pd.DataFrame(rows)


def _selector(s, policy, replicate):
    budget = {"none": 0, "full": 1.0}.get(policy, s.budget)
    name = "random_copies" if policy in ("none", "full") else policy.removesuffix(GUARD)
    guard, seed = policy.endswith(GUARD), s.seed_of(replicate, "policies")
    return AugmentationSelector(name, budget, C=s.C, random_state=seed, leave_out_doubtful=guard)


def _replicate(s, replicate):
    """Both tables of a replicate, one under the other."""
    found = points(s, replicate)
    parts = {"detection": detection(s, found, replicate), "choice": choice(s, found, replicate)}
    table = pd.concat([part.assign(table=name) for name, part in parts.items()], ignore_index=True)
    return table.assign(replicate=replicate)


LABELS = Stage("labels", 1, ("points", "table"), (_replicate, LabelStudy.augmentation, LabelStudy.seed_of))


def tables(s: LabelStudy) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `detection` and `choice` of all replicates, with the column replicate; computed if missing.

    They are kept in ``labels.parquet``, and every replicate in ``replicates/`` as soon as it is computed.
    """
    data = s.load_data().provenance
    version = metadata.version("cleanlab") if has_cleanlab() else None
    keys = [LABELS.key(s, replicate=r, data=data["sha256"], cleanlab=version) for r in range(s.replicates)]
    whole, path = sealed.key(replicates=keys), s.folder / "labels.parquet"
    both = artifacts.read_table(path, whole)
    if both is None:
        parts = [_stored(s, r, key, data) for r, key in enumerate(tqdm(keys, "replicates", leave=False))]
        both = pd.concat(parts, ignore_index=True)
        artifacts.write_table(path, artifacts.manifest(whole, parameters=s.model_dump(), data=data), both)
    return tuple(both[both["table"] == name].dropna(axis=1, how="all") for name in ("detection", "choice"))  # type: ignore[return-value]


def _stored(s, replicate, key, data):
    path = s.folder / "replicates" / f"replicate-{replicate:02d}.parquet"
    found = artifacts.read_table(path, key)
    if found is None:
        found = _replicate(s, replicate)
        artifacts.write_table(path, artifacts.manifest(key, parameters=s.model_dump(), data=data), found)
    return found
