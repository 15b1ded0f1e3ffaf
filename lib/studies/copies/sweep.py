"""Sweep of accuracy against the share of added copies, for policies of points and of copies.

As in `studies.points.sweep`, all models are weighted logistic regressions on one matrix and are solved together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import process_time

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from influaug.errors import InputError
from influaug.selection.policies import SetOptions, choose_with_weights, generated
from influaug.solver import engines, logistic

from ..points.feature_set import FeatureSet, added_weights, tested

REFERENCES = ("none", "full")


@dataclass(frozen=True)
class SetSweepSettings:
    """Policies and budgets of a sweep over sets of copies.

    Attributes
    ----------
    policies : sequence of str
        Names from `influaug.selection.policies.names`.
    shares : sequence of float
        Shares of all copies, rising, above 0 and at most 1.
    options : SetOptions
    """

    policies: tuple = ("random_points", "influence", "greedy_influence")
    shares: tuple = (0.01, 0.05, 0.1)
    options: SetOptions = field(default_factory=SetOptions)

    def budgets(self, m: int) -> list[int]:
        """Numbers of copies, out of m, for the shares.

        Raises
        ------
        InputError
            The shares do not rise from above 0 to at most 1, or two of them give the same number of copies.
        """
        if not self.shares or not 0 < min(self.shares) <= max(self.shares) <= 1:
            raise InputError(f"shares must rise from above 0 to at most 1, not {list(self.shares)}.")
        budgets = [max(1, round(share * m)) for share in self.shares]
        if budgets != sorted(set(budgets)):
            raise InputError(f"shares {list(self.shares)} of {m} copies must give rising numbers of copies.")
        return budgets


def sweep_copies(
    features: FeatureSet, settings: SetSweepSettings, seed: np.random.SeedSequence, wrong: np.ndarray | None = None
) -> pd.DataFrame:
    """Choose copies by every policy at every share, fit a head to each choice, and test it.

    Parameters
    ----------
    features : feature_set.FeatureSet
    settings : SetSweepSettings
    seed : numpy.random.SeedSequence
        Each policy draws from the child at its position in the settings.
    wrong : bool array [n], optional
        Points whose label is known to be wrong, to count them among the chosen.

    Returns
    -------
    DataFrame
        Columns policy, share, added (copies), touched (points with added copies), generated (copies that had to be
        generated), wrong (share of added copies with a wrong label, NaN if unknown), seconds (of the processor, to
        choose for all shares), accuracy (on all test rows), accuracy_original (on test originals), and accuracy_0,
        accuracy_1, ... for each class (on all test rows). Policy ``none`` means no augmentation and ``full`` all
        copies.

    Raises
    ------
    InputError
        Shares are out of range, or a policy or `engines.engine_of` raises it.
    """
    engine = engines.engine_of(settings.options.engine)
    candidates = features.candidates
    choices = [_Choice("none", 0.0, np.arange(0), 0.0), _Choice("full", 1.0, np.arange(len(candidates.source)), 0.0)]
    # One child for each position: a policy added at the end of the list does not change the draws of the others.
    children = seed.spawn(len(settings.policies))
    for name, child in zip(tqdm(settings.policies, "set policies", leave=False), children, strict=True):
        choices += _chosen(name, candidates, settings, np.random.default_rng(child))
    rows = pd.DataFrame([_about(choice, candidates, settings.options, wrong) for choice in choices])
    weights = np.stack([added_weights(features, choice.copies, choice.weights) for choice in choices])
    # The sets of one policy overlap, so its models are alike and can share a preconditioner.
    groups = np.unique(rows["policy"], return_inverse=True)[1]
    solver = logistic.Solver(features.train, features.labels, engine=engine)
    theta = solver.fit(weights, settings.options.C, groups=groups).theta
    return pd.concat([rows, tested(features, theta)], axis=1)


@dataclass(frozen=True)
class _Choice:
    policy: str
    share: float
    copies: np.ndarray
    seconds: float
    weights: np.ndarray | float = 1.0


def _chosen(name, candidates, settings, rng):
    budgets, started = settings.budgets(len(candidates.source)), process_time()
    found = choose_with_weights(name, candidates, budgets, settings.options, rng)
    seconds = process_time() - started
    weights = found.weights or [np.ones(len(copies)) for copies in found.sets]
    chosen = zip(settings.shares, found.sets, weights, strict=True)
    return [_Choice(name, share, copies, seconds, of_copies) for share, copies, of_copies in chosen]


def _about(choice, candidates, options, wrong):
    points, added = candidates.source[choice.copies], len(choice.copies)
    reference = choice.policy in REFERENCES
    return {
        "policy": choice.policy,
        "share": choice.share,
        "added": added,
        "touched": len(np.unique(points)),
        "generated": added if reference else generated(choice.policy, candidates, choice.copies, options),
        "wrong": np.nan if wrong is None or not added else wrong[points].mean(),
        "seconds": choice.seconds,
    }


def mislabelled(features: FeatureSet, share: float, rng: np.random.Generator) -> tuple[FeatureSet, np.ndarray]:
    """Give a share of the points and their copies another label: the feature set, and the changed points [n].

    The labels of test rows do not change.
    """
    n = features.n
    labels = features.labels[:n].copy()
    n_classes = int(labels.max()) + 1
    wrong = np.zeros(n, dtype=bool)
    wrong[rng.choice(n, round(share * n), replace=False)] = True
    # Adding 1 .. n_classes - 1 modulo n_classes draws each of the other labels with equal probability.
    labels[wrong] = (labels[wrong] + rng.integers(1, n_classes, wrong.sum())) % n_classes
    return _replaced(features, np.arange(n), labels), wrong


def with_rare_class(features: FeatureSet, label: int, share: float, rng: np.random.Generator) -> FeatureSet:
    """Keep only a share of the points of one class, drawn at random, and their copies."""
    labels = features.labels[: features.n]
    members = np.flatnonzero(labels == label)
    if not len(members):
        raise InputError(f"There is no class {label}; there are 0 to {labels.max()}.")
    kept = rng.choice(members, max(1, round(share * len(members))), replace=False)
    points = np.sort(np.append(np.flatnonzero(labels != label), kept))
    return _replaced(features, points, labels[points])


def _replaced(features, points, labels):
    """Feature set of some points with new labels, and their copies."""
    copies = features.n + (features.k * points[:, None] + np.arange(features.k)).ravel()
    return type(features)(
        features.train[np.append(points, copies)],
        np.append(labels, np.repeat(labels, features.k)),
        len(points),
        features.test,
        features.test_labels,
        features.n_test,
    )
