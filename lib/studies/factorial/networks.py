"""The two networks of a factorial, each trained on one half of the training part, all classes."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from influaug.data.datasets import split
from influaug.files import writing

from ..storage import artifacts
from ..storage.keys import Stage
from .parameters import Factorial
from .problem import halves

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from influaug._types import Shape
    from influaug.data.datasets import Dataset
    from influaug.networks.featurizer import KerasFeaturizer

    from .problem import Problem


def network_file(study: Factorial, network: int) -> Path:
    """Path of a trained network."""
    return study.folder / f"network-{network}" / f"network-{network}.keras"


def network_key(study: Factorial, dataset: Dataset, network: int) -> str:
    """Key of a trained network: its data, its training and its seeds."""
    return NETWORKS_OF_HALVES.key(study, network=network, data=dataset.provenance["sha256"])


def file_hash(path: Path) -> str:
    """Hash of a file's content, which says which network features are of."""
    return sha256(path.read_bytes()).hexdigest()


def record_of(problem: Problem, network: int) -> dict[str, Any]:
    """The record of a network's training, after training the network if its file is missing or of another training.

    An interrupted training goes on from its checkpoint.
    """
    from influaug.networks.compact import read_record

    path, key = network_file(problem.study, network), network_key(problem.study, problem.dataset, network)
    record = read_record(path) if path.exists() else None
    if record is None or record["key"] != key:
        train_half(problem, network, path, key)
        record = read_record(path)
    return record  # type: ignore[return-value]


def featurizer_of(problem: Problem, network: int, preprocessing: str) -> KerasFeaturizer:
    """A trained network as it is fed: right, or without the mean image of its half, which it was trained with."""
    from influaug.networks.featurizer import KerasFeaturizer
    from influaug.networks.uncentred import mean_image, uncentred_featurizer

    path = network_file(problem.study, network)
    writing.check_whole(path)
    found = KerasFeaturizer.load(path)
    if preprocessing == "right":
        return found
    return uncentred_featurizer(found, mean_image(problem.dataset.images_train[problem.halves[network]]))


def train_half(problem: Problem, network: int, path: Path, key: str) -> None:
    """Train a network on its half, and write it with its record."""
    from influaug.networks.compact import save_featurizer
    from influaug.networks.featurizer import KerasFeaturizer
    from influaug.networks.training import train

    study, points = problem.study, split(problem.half(network))
    model = new_network(study, points.images.shape[1:], len(points.class_names), study.seed_of(network, "network"))
    history = train(model, points.images, points.labels, study.training(network), path.parent)
    accuracy = KerasFeaturizer(model).fit(points.images).score(points.images_test, points.labels_test)
    record = artifacts.manifest(
        key,
        parameters=study.model_dump(exclude={"data_folder"}),
        network=model.name,
        n_train=len(points.images),
        training_accuracy=history["accuracy"][-1],
        test_accuracy=accuracy,
        data=points.provenance,
    )
    save_featurizer(model, path, points.images_test, history, record)


def new_network(study: Factorial, shape: Shape, n_classes: int, seed: int) -> Any:
    """The study's network with initial weights: a keras.Model."""
    from influaug.networks.featurizer import lenet
    from influaug.networks.residual import resnet

    if study.network == "lenet":
        return lenet(shape, n_classes, seed)
    return resnet(shape, n_classes, seed, study.depth)


NETWORKS_OF_HALVES = Stage(
    "networks of halves",
    1,
    ("data", "network"),
    (train_half, new_network, halves, Factorial.training, Factorial.seed_of, Factorial.rng),
)
