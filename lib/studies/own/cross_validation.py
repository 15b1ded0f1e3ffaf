"""Cross-validated accuracies: by transformation, by share of copies, and of a network that is trained anew.

In each part of a repeated, stratified cross-validation the network that makes the features is trained on the part's
training points alone; copies are chosen among theirs; models are tested on the held-out points, and on all their
copies. The results of a part are written as soon as they are there. So an interrupted run goes on where it stopped, and
more repeats or another transformation to choose from leave what is there as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from influaug.data.trivial_augment import trivial_augment
from influaug.errors import InputError
from influaug.selection.policies import SetOptions, choose
from influaug.solver import heads, logistic

from ..copies.sweep import SetSweepSettings, sweep_copies
from ..points.feature_set import FeatureSet
from ..points.study import TRAINED, Study
from ..storage import artifacts, paths
from ..storage.keys import Stage
from .material import TRIVIAL, Features, Featurized, Images, Made, Standardised
from .parameters import OwnData
from .split import BESIDE, NO_COPIES, Part, parts, retrained_arms
from .verdicts import Design

if TYPE_CHECKING:
    from .material import Material
    from .retraining import Judge


@dataclass(frozen=True)
class Tables:
    """Results of all parts, one table for each question.

    Attributes
    ----------
    transformations : DataFrame
        Columns part, arm (none or a transformation), added, accuracy (of held-out points), on_copies (of their own
        copies by that transformation) and none_on_copies (of these without augmentation).
    shares : DataFrame
        As `studies.copies.sweep.sweep_copies`, after the column part; with the policy `TRIVIAL` for images.
    retrained : DataFrame or None
        Columns part, arm, added, steps, seconds, accuracy and on_copies.
    """

    transformations: pd.DataFrame
    shares: pd.DataFrame
    retrained: pd.DataFrame | None


def design(own: OwnData, n: int) -> Design:
    """The design of the cross-validation of n points."""
    return Design(own.folds, own.repeats, n)


def cross_validated(own: OwnData, material: Material) -> Tables:
    """All tables; what is missing of them is computed, part by part.

    Raises
    ------
    InputError
        A network, a policy or the solver cannot work with the data.
    """
    work = _Work(own, material)
    if own.retrained:
        work.judge.check()  # before anything is trained
    every = list(parts(own, material.points.labels))
    tables: dict[str, list[pd.DataFrame]] = {}
    for part in tqdm(every, "parts of the cross-validation", unit="part"):
        features = _Once(lambda part=part: material.featurized(part.number + 1, part.train))
        for name, table in work.of(part, features):
            tables.setdefault(name, []).append(table.assign(part=part.number))
    whole = {name: pd.concat(found, ignore_index=True) for name, found in tables.items()}
    for name, table in whole.items():
        key = work.key(name, parts=len(every))
        artifacts.write_table(own.folder / f"{name}.parquet", artifacts.manifest(key, **work.about), table)
    return Tables(whole["transformations"], whole["shares"], whole.get("retrained"))


def kept(own: OwnData, material: Material) -> Tables | None:
    """The tables, if all of them are there; None where a part is missing."""
    work = _Work(own, material)
    found: dict[str, Any] = {}
    for name in work.names:
        found[name] = artifacts.read_table(own.folder / f"{name}.parquet", work.key(name, parts=own.parts))
        if found[name] is None:
            return None
    return Tables(**{"retrained": None, **found})


def tables(own: OwnData, material: Material) -> Tables:
    """The tables, from the files where these have them all, else by `cross_validated`."""
    found = kept(own, material)
    return cross_validated(own, material) if found is None else found


class _Once:
    """What a function returns, computed when it is first asked for."""

    def __init__(self, make: Callable) -> None:
        self._make = make

    @cached_property
    def made(self) -> Featurized | Standardised:
        return self._make()


class _Work:
    """The tables of each part: read from files or computed and written."""

    def __init__(self, own: OwnData, material: Material) -> None:
        self.own, self.material = own, material
        self.about = {"parameters": own.model_dump(), "data": material.points.provenance}
        self.names = ["transformations", "shares", *(["retrained"] if own.retrained else [])]
        self._judge: Judge | None = None

    def key(self, name: str, arms: Sequence[str] = (), **more: Any) -> str:
        """Key of a table or, with ``part``, of some arms of a part of it."""
        own, material = self.own, self.material
        if name == "transformations":
            arms = arms or [NO_COPIES, *material.compared]
            made = [arm for arm in arms if arm != NO_COPIES]
        else:
            arms = arms or (retrained_arms(own) if name == "retrained" else ())
            made = [own.chosen]
        depends = {**material.key, "copies": {each: list(material.labels_of(each)) for each in made}}
        if name == "retrained":
            depends["judge"] = judge_key(own)
        return STAGES[name].key(own, arms=list(arms), **depends, **more)

    @property
    def judge(self) -> Judge:
        if self._judge is None:
            self._judge = _judge_of(self.own, self.material)
        return self._judge

    def of(self, part: Part, features: _Once) -> Iterator[tuple[str, pd.DataFrame]]:
        """Names and tables of one part."""
        for arm in tqdm([NO_COPIES, *self.material.compared], "transformations", leave=False):
            one = lambda arm=arm: compared(self.material, part, features.made, arm)  # noqa: E731
            yield "transformations", self._stored("transformations", part, one, arm)
        yield "shares", self._stored("shares", part, lambda: by_share(self.own, self.material, part, features.made))
        if self.own.retrained:
            for arm in tqdm(retrained_arms(self.own), "networks trained anew", leave=False):
                one = lambda arm=arm: self._trained(arm, part, features)  # noqa: E731
                yield "retrained", self._stored("retrained", part, one, arm)

    def _trained(self, arm: str, part: Part, features: _Once) -> pd.DataFrame:
        copies = chosen_copies(self.own, self.material, part, features.made) if arm == self.own.policy else None
        return pd.DataFrame([self.judge.trained(arm, part, copies)])

    def _stored(self, name: str, part: Part, compute: Callable[[], pd.DataFrame], *arms: str) -> pd.DataFrame:
        """A part of a table, kept in a file whose name has its key, so that other parameters do not replace it."""
        wanted = self.key(name, arms, part=part.number)
        path = self.own.folder / "parts" / f"{name}-{part.number:02d}-{wanted}.parquet"
        found = artifacts.read_table(path, wanted)
        if found is None:
            found = compute()
            artifacts.write_table(path, artifacts.manifest(wanted, **self.about), found)
        return found


def compared(material: Material, part: Part, features: Featurized | Standardised, arm: str) -> pd.DataFrame:
    """Accuracies of one part with all copies by one transformation, or without: one row, see `Tables`."""
    labels, C = material.points.labels, material.own.C
    x, y = features.points[part.train], labels[part.train]
    x_test, y_test = features.points[part.held_out], labels[part.held_out]
    none = _Head(x, y, C)
    if arm == NO_COPIES:
        nothing = {"on_copies": np.nan, "none_on_copies": np.nan}
        return pd.DataFrame([{"arm": arm, "added": 0, "accuracy": none.accuracy(x_test, y_test), **nothing}])
    copies = features.copies(arm)
    k, d = copies.shape[1:]
    made, tested, of_tested = (
        copies[part.train].reshape(-1, d),
        copies[part.held_out].reshape(-1, d),
        np.repeat(y_test, k),
    )
    head = _Head(np.vstack([x, made]), np.append(y, np.repeat(y, k)), C)
    row = {
        "arm": arm,
        "added": len(made),
        "accuracy": head.accuracy(x_test, y_test),
        "on_copies": head.accuracy(tested, of_tested),
        "none_on_copies": none.accuracy(tested, of_tested),
    }
    return pd.DataFrame([row])


class _Head:
    """A logistic regression on features."""

    def __init__(self, x: np.ndarray, labels: np.ndarray, C: float) -> None:
        self.theta = logistic.fit(x, labels, np.ones((1, len(x))), C).theta

    def accuracy(self, x: np.ndarray, labels: np.ndarray) -> float:
        return float(np.mean(heads.predict(heads.with_intercept(x), self.theta)[0] == labels))


def by_share(own: OwnData, material: Material, part: Part, features: Featurized | Standardised) -> pd.DataFrame:
    """Accuracies of one part by policy and share: the policy, random copies and, of images, `TRIVIAL`'s copies."""
    found = feature_set(material.points.labels, part, features, own.chosen)
    policies = tuple(dict.fromkeys([own.policy, BESIDE]))
    table = _swept(own, part, found, policies)
    if not isinstance(material, Images):
        return table
    # The same test points and copies, so that the rival is judged as the others are.
    rival = feature_set(material.points.labels, part, features, TRIVIAL)
    rival = FeatureSet(rival.train, rival.labels, rival.n, found.test, found.test_labels, found.n_test)
    trivial = _swept(own, part, rival, (BESIDE,))
    return pd.concat([table, trivial[trivial["policy"] == BESIDE].assign(policy=TRIVIAL)], ignore_index=True)


def _swept(own, part, features, policies):
    settings = SetSweepSettings(policies, tuple(own.shares), SetOptions(C=own.C))
    return sweep_copies(features, settings, own.seed_sequence(part.number + 1, "policies"))


def feature_set(labels: np.ndarray, part: Part, features: Featurized | Standardised, name: str) -> FeatureSet:
    """Features of the training and the held-out points of a part, each followed by all their copies."""
    (x, y, n), (x_test, y_test, n_test) = (_rows(labels, each, features, name) for each in (part.train, part.held_out))
    return FeatureSet(x, y, n, x_test, y_test, n_test)


def _rows(labels, points, features, name):
    copies = features.copies(name)[points]
    x = np.vstack([features.points[points], copies.reshape(-1, copies.shape[-1])])
    return x, np.append(labels[points], np.repeat(labels[points], copies.shape[1])), len(points)


def judge_key(own: OwnData) -> str:
    """What the network that is trained anew is: its name, or the hash of its file.

    Raises
    ------
    InputError
        There is no such file.
    """
    name = own.retrained or ""
    path = paths.found(name)
    if not name.endswith(TRAINED):
        return name
    if not path.is_file():
        raise InputError(f"There is no network {name} to train anew; retrained takes a .keras file or a name.")
    return sha256(path.read_bytes()).hexdigest()


def _judge_of(own, material):
    from .retraining import Judge  # imports Keras

    return Judge.of(own, material)


def chosen_copies(own: OwnData, material: Material, part: Part, features: Featurized | Standardised) -> np.ndarray:
    """Numbers of the copies of training points that the policy chooses at ``retrained_share``."""
    candidates = feature_set(material.points.labels, part, features, own.chosen).candidates
    budget = max(1, round(own.retrained_share * len(candidates.source)))
    rng = np.random.default_rng(own.seed_sequence(part.number + 1, "retrained"))
    return choose(own.policy, candidates, [budget], SetOptions(C=own.C), rng)[0]


_SHARED = (
    parts,
    Images.featurized,
    Featurized.copies,
    Made.blocks,
    Features.featurized,
    Standardised.copies,
    OwnData.featurizer,
    OwnData.seed_of,
    OwnData.augmentation,
    Study.augmentation,
    trivial_augment,
)
STAGES = {
    "transformations": Stage("own data, transformations", 1, ("points",), (compared, *_SHARED)),
    "shares": Stage("own data", 2, ("points", "curve"), (by_share, *_SHARED)),
    "retrained": Stage(
        "own data, retrained", 1, ("points", "curve", "retrained"), (chosen_copies, _judge_of, *_SHARED)
    ),
}
"""Stages by the name of their table."""
