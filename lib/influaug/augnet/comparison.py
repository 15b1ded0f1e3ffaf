"""A comparison: classifiers trained from scratch on few labelled images, each arm with an augmentation of its own.

Every replicate draws its own labelled images; its arms share them, and the seed of the classifier's weights and order.
What an arm makes is written as soon as it is there, so that a comparison goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator
from tqdm.auto import tqdm

from .. import artifacts, paths
from ..data import load, split
from ..errors import InputError
from ..study import Classes, folder_of, numbers, read
from ..summary import mean_interval
from .ablations import ABLATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from ..data import Split

ARMS = (
    "none",
    "heuristic",
    "control",
    "untrained",
    "hand",
    "ranges",
    "permuted",
    "image-ranges",
    "pretrained",
    "network",
    "as_published",
    *ABLATIONS,
)
OF_NETWORKS = ("pretrained", "network", "as_published", *ABLATIONS)
LEARNED = ("ranges", "image-ranges", *OF_NETWORKS)
PURPOSES = (
    "sample",
    "classifier",
    "augmentation",
    "permutation",
    "ranges",
    "image-ranges",
    "pretrained",
    "network",
    "as_published",
)
"""What has a seed of its own; the position makes the seed. Ablations have those of 'pretrained' and 'network'."""


class Comparison(BaseModel):
    """Parameters of a comparison; the defaults are the small embedded case. See params/learned/.

    Its folder is ``outputs/learned/<comparison>`` if its parameters are those of ``params/learned/<comparison>.yaml``;
    with any other parameters it is in ``outputs/variations/``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    comparison: str = Field("digits-100", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="its name")
    dataset: str = Field("digits", description="digits, mnist, cifar10, small-norb, an .npz or a folder of images")
    data_folder: str | None = Field(None, description="where data files lie; else INFLUAUG_DATA, else a cache folder")
    classes: Classes | None = Field(None, description="what becomes label 0, 1, ...; null for all classes")
    n_train: int | None = Field(100, ge=2, description="labelled images, stratified; null for all")
    unlabelled: int | None = Field(None, ge=1, description="images to pretrain G with, without labels; null for all")
    arms: list[Literal[ARMS]] = Field(["control", "hand", "ranges"], min_length=1, description="what is compared")  # type: ignore[valid-type]
    classifier: str = Field("all-cnn", description="all-cnn, lenet, released-cnn, resnet20, resnet56, wrn-28-10, ...")
    base_shift: int = Field(2, ge=0, description="pixels; the base augmentation's random shifts")
    flips: bool = Field(False, description="whether the base augmentation mirrors left to right")
    steps: int = Field(150, ge=1, description="of the classifier's training")
    fold_steps: int = Field(60, ge=1, description="of the training of each fold's classifier")
    batch_size: int = Field(64, ge=1, description="points a step of a classifier's training")
    rate: float = Field(0.002, gt=0, description="Adam's first step size, for classifiers")
    folds: int = Field(3, ge=2, description="of the cross-fitting")
    rounds: int = Field(1, ge=1, description="outer rounds of the learning of ranges, each with new classifiers")
    learning_steps: int = Field(6, ge=1, description="of each round")
    pretraining_steps: int = Field(30, ge=1, description="of G in the game")
    network_steps: int = Field(6, ge=1, description="of the influence training of E and G")
    start: float = Field(0.5, gt=0, description="pixels; every range before it is learned")
    replicates: int = Field(2, ge=2, description="repetitions of everything, each with its own labelled images")
    seed: int = Field(0, ge=0, description="all randomness comes from here")

    _numbers = numbers("rate", "start")

    @field_validator("arms")
    @classmethod
    def _each_once(cls, arms):
        if len(set(arms)) < len(arms):
            raise ValueError("must name each arm once")
        return arms

    @property
    def folder(self) -> Path:
        """Where everything of this comparison is written; see the class's docstring."""
        published = paths.PARAMS / "learned" / f"{self.comparison}.yaml"
        return folder_of(self, published, paths.outputs() / "learned")

    def split(self, replicate: int) -> Split:
        """The labelled images of a replicate and the test set: `data.Split`."""
        seed = self.seed_of(replicate, "sample")
        return split(load(self.dataset, self.data_folder), self.classes, self.n_train, "stratified", seed)

    def seed_of(self, replicate: int, purpose: str) -> int:
        """A whole number below 2^31 for one purpose of one replicate."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(replicate, PURPOSES.index(purpose)))
        return int(sequence.generate_state(1)[0] >> 1)


def result(comparison: Comparison, replicate: int, arm: str) -> dict[str, Any]:
    """One arm of one replicate, from its file if that is of these parameters, data and code, else computed.

    Returns
    -------
    dict
        error (percent of the test images), loss (mean over the test images, nats), seconds (of everything that the arm
        needed and had to compute), and the manifest.
    """
    points = comparison.split(replicate)
    wanted, path = _key(comparison, replicate, arm, points), _folder(comparison, replicate) / f"{arm}.json"
    found = artifacts.read_json(path)
    if found is not None and found["key"] == wanted:
        return found
    # Imported with Keras, which takes many seconds.
    from .arms import accuracy_of

    started = perf_counter()
    error, loss = accuracy_of(comparison, replicate, arm, points, learned_file)
    measured = {"arm": arm, "error": error, "loss": loss, "seconds": perf_counter() - started}
    artifacts.write_json(path, artifacts.manifest(wanted, **_about(comparison, points), **measured))
    return artifacts.read_json(path)


def learned_file(comparison: Comparison, replicate: int, form: str) -> Path:
    """Path of what was learned; it is learned if there is no file of these parameters, data and code."""
    points = comparison.split(replicate)
    wanted, folder = _key(comparison, replicate, form, points), _folder(comparison, replicate)
    path, about = folder / f"learned-{form}.keras", folder / f"learned-{form}.json"
    found = artifacts.read_json(about)
    if found is None or found["key"] != wanted or not path.exists():
        from .arms import learn_form

        started = perf_counter()
        found = learn_form(comparison, replicate, form, points, path, learned_file)
        taken = perf_counter() - started
        made = artifacts.manifest(wanted, **_about(comparison, points), seconds=taken, trajectory=found)
        artifacts.write_json(about, made)
    artifacts.check_whole(path)
    return path


def results(comparison: Comparison) -> pd.DataFrame:
    """All arms of all replicates, computed where they are missing.

    Returns
    -------
    DataFrame
        Columns replicate, arm, error, loss, seconds.
    """
    rows = []
    for replicate in tqdm(range(comparison.replicates), "replicates"):
        for arm in comparison.arms:
            found = result(comparison, replicate, arm)
            rows.append({"replicate": replicate, **{name: found[name] for name in ("arm", "error", "loss", "seconds")}})
    return pd.DataFrame(rows)


def trajectory(comparison: Comparison, replicate: int, form: str) -> tuple[pd.DataFrame, float]:
    """What the learning of a form recorded, step by step: DataFrame, and its seconds."""
    learned_file(comparison, replicate, form)
    found = artifacts.read_json(_folder(comparison, replicate) / f"learned-{form}.json")
    return pd.DataFrame(found["trajectory"]), found["seconds"]


def summary(table: pd.DataFrame, against: str = "control", measure: str = "error") -> pd.DataFrame:
    """Means of the arms and their paired differences from one of them, each with a 95% interval (Student's t).

    Parameters
    ----------
    table : DataFrame
        Of `results`.
    against : str
        The arm that the others are compared with.
    measure : {'error', 'loss'}

    Returns
    -------
    DataFrame
        A row an arm, ablations last: mean, half_width, difference, difference_half_width, seeds.
    """
    arms = sorted(dict.fromkeys(table["arm"]), key=lambda arm: arm in ABLATIONS)
    wide = table.pivot(index="replicate", columns="arm", values=measure)[arms]
    if against not in wide:
        raise InputError(f"There is no arm {against!r} to compare with; there are {', '.join(wide)}.")  # type: ignore[arg-type]
    rows = {}
    for arm in wide:
        both = wide[[arm, against]].dropna() if arm != against else wide[[arm]].dropna()
        gap = both.iloc[:, 0] - wide.loc[both.index, against]
        rows[arm] = {
            "mean": both.iloc[:, 0].mean(),
            "half_width": mean_interval(both.iloc[:, 0])[1],
            "difference": gap.mean() if arm != against else np.nan,
            "difference_half_width": mean_interval(gap)[1] if arm != against else np.nan,
            "seeds": len(both),
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype({"seeds": int})


def _about(comparison, points):
    return {"parameters": comparison.model_dump(exclude={"data_folder"}), "data": points.provenance}


def _folder(comparison, replicate):
    return comparison.folder / f"replicate-{replicate:02d}"


def _key(comparison, replicate, arm, points):
    """Key of everything that an arm depends on; the games' code matters to the arms that have played one alone."""
    modules = ["learning", "guessed", *(["pretraining", "as_published"] if arm in OF_NETWORKS else [])]
    left_out, changes = {"comparison", "data_folder", "arms", "replicates"}, {}
    if arm in ABLATIONS:
        changes = {"changes": ABLATIONS[arm].changes}
        modules += ["series"] if ABLATIONS[arm].series else []
    if arm not in OF_NETWORKS:
        left_out |= {"pretraining_steps", "network_steps", "unlabelled"}
    return artifacts.key(
        arm=arm,
        parameters=comparison.model_dump(exclude=left_out),
        replicate=replicate,
        data=points.provenance["sha256"],
        code=artifacts.code_key(*(f"influaug.augnet.{module}" for module in modules)),
        **changes,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute some replicates of a comparison; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m influaug.augnet.comparison", description=__doc__.splitlines()[0])
    parser.add_argument("parameters", help="a comparison's YAML file")
    parser.add_argument("replicates", nargs="*", type=int, help="which ones (default: all)")
    given = parser.parse_args(arguments)
    try:
        comparison = read(given.parameters, Comparison)
        for replicate in given.replicates or range(comparison.replicates):
            for arm in comparison.arms:
                found = result(comparison, replicate, arm)
                sys.stderr.write(f"replicate {replicate}, {arm}: error {found['error']:.2f}%\n")
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
