"""Results of a factorial: one tidy table of accuracies, computed part by part, and served by a key without networks.

A cell is a split, a half, a network, a preprocessing, a kind of copies and a C. The sample of half h of a split is
featurized by both networks: by network h, which has seen its points in training, and by the other one, which has not.
"""

from __future__ import annotations

import argparse
import sys
from itertools import product
from typing import TYPE_CHECKING

import pandas as pd
from tqdm.auto import tqdm

from influaug.errors import InputError
from influaug.files import sealed

from ..points.sweep import sweep_points
from ..storage import artifacts
from ..storage.keys import Stage
from .features import FACTORIAL_FEATURES, ORIGINALS, feature_set, part, passes
from .networks import file_hash, network_file, network_key, record_of
from .parameters import NETWORKS, PREPROCESSING, Factorial
from .problem import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from influaug.data.datasets import Dataset

    from ..points.feature_set import FeatureSet
    from .parameters import Copies

POLICIES = {"baseline": "random", "influence": "influence", "loss": "loss"}
CELL = ("replicate", "half", "network", "transformation", "moves", "preprocessing", "C")
"""Columns of the table that name a cell."""


def results(study: Factorial) -> pd.DataFrame:
    """The table of a factorial, loaded, or computed where it is missing; written to ``factorial.parquet``.

    Returns
    -------
    DataFrame
        Columns *CELL, policy, accuracy (on test images and all their copies), accuracy_original (on test images).
        Policy ``none`` augments no point, ``full`` all, ``random``, ``influence`` and ``loss`` the study's share, with
        the mean over its rounds. ``moves`` is empty but for translations.

    Raises
    ------
    InputError
        A half has fewer points of the classes than a sample needs, or the images do not allow a transformation.
    """
    dataset, path = study.load_data(), study.folder / "factorial.parquet"
    key = table_key(study, dataset)
    found = artifacts.read_table(path, key)
    if found is None:
        problem = checked(study, dataset)
        records = [record_of(problem, network) for network in NETWORKS]
        parts = [cells(problem, *group) for group in tqdm(_groups(study), "cells", leave=False)]
        found = pd.concat([table for part in parts for table in part], ignore_index=True).sort_values(
            list(CELL), kind="stable", ignore_index=True
        )
        artifacts.write_table(path, _about(study, dataset, key, records), found)
    return found


def networks_in_words(study: Factorial) -> pd.DataFrame:
    """What is recorded of the two networks in the table's file: a row for each."""
    about = artifacts.read_manifest(study.folder / "factorial.parquet") or {"networks": []}
    return pd.DataFrame(
        {
            "training images": f"{each['n_train']:,}",
            "training accuracy, last epoch (%)": f"{100 * each['training_accuracy']:.2f}",
            "test accuracy, all classes (%)": f"{100 * each['test_accuracy']:.2f}",
        }
        for each in about["networks"]
    ).rename_axis("network")


def table_key(study: Factorial, dataset: Dataset) -> str:
    """Key of the whole table; it needs no network, so that a table is served where its networks are not."""
    return sealed.key(replicates=[split_key(study, dataset, r) for r in range(study.replicates)])


def split_key(study: Factorial, dataset: Dataset, replicate: int) -> str:
    """Key of all cells of a split: parameters, data and code, those of networks and features included."""
    data = dataset.provenance["sha256"]
    upstream = [network_key(study, dataset, network) for network in NETWORKS]
    upstream.append(FACTORIAL_FEATURES.key(study, data=data))
    return CELLS.key(study, replicate=replicate, data=data, upstream=upstream)


def checked(study: Factorial, dataset: Dataset) -> Problem:
    """The data of a factorial, after a look at whether they allow its samples and its transformations."""
    problem = Problem(study, dataset)
    for copies in study.copies():
        study.augmentation(copies).check(problem.samples[0][0].images)
    return problem


def _groups(study):
    return list(product(NETWORKS, PREPROCESSING, study.copies()))


def cells(problem: Problem, network: int, preprocessing: str, copies: Copies) -> list[pd.DataFrame]:
    """Tables of all splits for a network, preprocessing and kind of copies; missing ones are computed and written."""
    study, tables = problem.study, []
    of_network = file_hash(network_file(study, network))
    rows = _rows(problem, network, preprocessing, copies)
    for r in range(study.replicates):
        path = study.folder / "replicates" / f"network-{network}-{preprocessing}-{copies}-{r:02d}.parquet"
        # The network's file counts here: parts of two trainings must not come into one table.
        whole = split_key(study, problem.dataset, r)
        key = sealed.key(whole=whole, network=of_network, of=[network, preprocessing, *copies])
        table = artifacts.read_table(path, key)
        if table is None:
            table = _split(problem, r, rows, [network, *copies, preprocessing])
            artifacts.write_table(path, artifacts.manifest(key), table)
        tables.append(table)
    return tables


def _rows(problem, network, preprocessing, copies):
    """Features of the originals and of the copies, made when they are asked for, and then kept."""
    kept = []

    def rows():
        if not kept:
            kept.extend(part(problem, network, preprocessing, kind) for kind in (ORIGINALS, copies))
        return kept[0], kept[1]

    return rows


def _split(problem, replicate, rows, about):
    """Rows of one split: both halves and both C."""
    network, transformation, moves, preprocessing = about
    found = []
    for half in NETWORKS:
        features = feature_set(problem, problem.samples[replicate][half], *rows())
        for C in problem.study.C:
            cell = [replicate, half, network, transformation, moves, preprocessing, C]
            measured = measure(problem.study, features, C, replicate)
            found.append(measured.assign(**dict(zip(CELL, cell, strict=True))))
    return pd.concat(found, ignore_index=True)[[*CELL, "policy", "accuracy", "accuracy_original"]]


def measure(study: Factorial, features: FeatureSet, C: float, replicate: int) -> pd.DataFrame:
    """Accuracies of a cell by policy: columns policy, accuracy, accuracy_original.

    All cells of a split draw alike.
    """
    table = sweep_points(features, study.sweep_settings(C), study.seed_sequence(replicate, "policies"))
    # The random baseline stands there once for each score.
    table = table[(table["policy"] != "baseline") | (table["score"] == "influence")]
    named = table["policy"].where(table["policy"] != "random_proportional", table["score"]).replace(POLICIES)
    means = table.groupby(named.rename("policy"), sort=False)[["accuracy", "accuracy_original"]].mean()
    return means.reset_index()


def _about(study, dataset, key, records):
    kept = ("network", "n_train", "training_accuracy", "test_accuracy", "made")
    networks = [{name: record[name] for name in kept} for record in records]
    parameters = study.model_dump(exclude={"data_folder"})
    return artifacts.manifest(key, parameters=parameters, data=dataset.provenance, networks=networks)


CELLS = Stage(
    "cells of a factorial",
    1,
    ("data", "network", "sample", "cells"),
    (measure, _split, feature_set, Factorial.sweep_settings, Factorial.seed_sequence, Problem._sample, Problem.rows),
)


def cost(study: Factorial) -> str:
    """What a factorial takes, in a sentence, before anything is computed."""
    problem = checked(study, study.load_data())
    trained = len(problem.dataset.labels_train) * study.epochs
    fits = len(_groups(study)) * study.replicates * len(NETWORKS) * len(study.C)
    return (
        f"{trained:,} images to train two networks on, {passes(problem):,} images and copies to featurize, "
        f"{fits:,} cells of {2 + 3 * study.rounds} fits each."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Compute what is missing of a factorial, after saying what it takes, and return the exit status."""
    parser = argparse.ArgumentParser(prog="influaug factorial", description=__doc__.splitlines()[0])
    parser.add_argument("parameters", help="a YAML file of params/factorial/")
    given = parser.parse_args(arguments)
    try:
        study = Factorial.read(given.parameters)
        if artifacts.read_table(study.folder / "factorial.parquet", table_key(study, study.load_data())) is None:
            sys.stderr.write(f"{cost(study)}\n")
        results(study)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
