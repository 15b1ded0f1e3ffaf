"""A recipe: parameters of a featurizer's training on a whole data set, and the resulting file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from influaug.data.datasets import Classes, split
from influaug.files import sealed

from ..parameters import NOTHING, Experiment, Number, Sides, name_parameter, parameter
from ..storage import artifacts

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any

    from influaug.data.datasets import Split
    from influaug.data.transformations import Transformation
    from influaug.networks.featurizer import KerasFeaturizer
    from influaug.networks.training import Settings


class Recipe(Experiment):
    """Parameters of a featurizer's training; the defaults describe the small embedded case.

    The full recipes are in params/featurizers/.
    """

    kind: ClassVar[str] = "featurizers"

    recipe: str = name_parameter("digits-resnet11", "recipe")
    dataset: str = parameter(
        "digits", "digits, mnist, cifar10, cifar100, small-norb, an .npz or a folder of images", "network"
    )
    data_folder: str | None = parameter(None, "where data files lie; else INFLUAUG_DATA, else a cache folder", NOTHING)
    image_size: Sides | None = parameter(
        None, "pixels, or height and width, to resize a folder's pictures to; null: as they are", "network", later=True
    )
    channels: int | None = parameter(
        None, "1 or 3: make a folder's pictures grey or colour; null: as they are", "network", later=True
    )
    skip_bad: bool = parameter(
        False, "leave out those of a folder's files that cannot be used; false: refuse it", "network", later=True
    )
    classes: Classes | None = parameter(None, "what becomes label 0, 1, ...; null for all classes", "network")
    depth: int = parameter(11, "of the residual network: 9n + 2", "network")
    epochs: int = parameter(8, "passes over the training points", "network", ge=1)
    batch_size: int = parameter(64, "points a step", "network", ge=1)
    peak_rate: Number = parameter(0.1, "highest learning rate of the one cycle", "network", gt=0)
    augmentation: str = parameter("none", "none, or some of flips, shifts, rotations joined by +", "network")
    held_out: Number = parameter(0.0, "part of the points kept for an accuracy after each epoch", "network", ge=0, lt=1)
    mixed_precision: bool = parameter(False, "compute in bfloat16, with weights in single precision", "network")
    seed: int = parameter(0, "of weights, orders and augmentation", "network", ge=0)

    @property
    def file(self) -> Path:
        """Path of the trained featurizer."""
        return self.folder / f"{self.recipe}.keras"

    def split(self) -> Split:
        """All training and test points."""
        return split(self.load_data(), self.classes)

    def settings(self) -> Settings:
        """Settings of the training."""
        # Imported here because it imports Keras, which takes many seconds.
        from influaug.networks.training import Settings

        names = ("epochs", "batch_size", "peak_rate", "augmentation", "held_out", "seed", "mixed_precision")
        return Settings(**{name: getattr(self, name) for name in names})


def trained(recipe: Recipe) -> tuple[KerasFeaturizer, dict[str, Any]]:
    """The recipe's featurizer, loaded if its file has this recipe and data, else trained.

    Interrupted training continues from its checkpoint. The test set is used once, at the end.

    Returns
    -------
    influaug.networks.featurizer.KerasFeaturizer
        Its `history_` is that of the training.
    dict
        The record in the file: recipe, network, classes, n_train, n_test, test_accuracy, data (provenance), kernels,
        versions, time and backend.
    """
    from influaug.networks.compact import read_record
    from influaug.networks.featurizer import KerasFeaturizer

    points = recipe.split()
    record = read_record(recipe.file) if recipe.file.exists() else None
    if record is None or (record["recipe"], record["data"]["sha256"]) != (_shown(recipe), points.provenance["sha256"]):
        _train(recipe, points)
    return KerasFeaturizer.load(recipe.file), read_record(recipe.file)  # type: ignore[return-value]


def _train(recipe, points):
    from influaug.backend import keras
    from influaug.networks.compact import save_featurizer
    from influaug.networks.featurizer import KerasFeaturizer
    from influaug.networks.residual import resnet
    from influaug.networks.training import train

    model = resnet(points.images.shape[1:], len(points.class_names), recipe.seed, recipe.depth)
    history = train(model, points.images, points.labels, recipe.settings(), recipe.folder)
    test = points.images_test, points.labels_test
    record = artifacts.manifest(
        sealed.key(recipe=_shown(recipe), data=points.provenance["sha256"]),
        recipe=_shown(recipe),
        network=model.name,
        backend=keras.config.backend(),
        classes=points.class_names,
        n_train=len(points.images),
        n_test=len(points.images_test),
        test_accuracy=KerasFeaturizer(model).fit(points.images).score(*test),
        data=points.provenance,
    )
    save_featurizer(model, recipe.file, points.images_test, history, record)


def _shown(recipe):
    """The recipe's parameters without the folder of the data, which depends on the machine."""
    return recipe.model_dump(exclude={"data_folder"})


def in_words(featurizer: KerasFeaturizer, record: dict[str, Any]) -> pd.Series:
    """Describe the result of `trained` as a Series of text."""
    history = featurizer.history_
    rows = {
        "data": record["data"]["title"],
        "training images": f"{record['n_train']:,}",
        "test images": f"{record['n_test']:,}",
        "classes": len(record["classes"]),
        "parameters": f"{featurizer.model_.count_params():,}",
        "features": featurizer.model_.get_layer(featurizer.layer).output.shape[-1],
        "time": f"{sum(history['seconds']) / 60:.1f} minutes, {record['backend']}",
        "kernels stored as": record["kernels"],
        "training accuracy, last epoch (%)": f"{100 * history['accuracy'][-1]:.2f}",
        "test accuracy (%)": f"{100 * record['test_accuracy']:.2f}",
    }
    return pd.Series(rows, name=record["network"])


def accuracies_under(
    featurizer: KerasFeaturizer, images: np.ndarray, labels: np.ndarray, transformations: Iterable[Transformation]
) -> pd.DataFrame:
    """Accuracy of the featurizer's own head, in percent, on images and on all their copies by transformations.

    Parameters
    ----------
    featurizer : influaug.networks.featurizer.KerasFeaturizer
    images : array of uint8 [n, height, width, channels]
    labels : array of int [n]
    transformations : list of influaug.data.transformations.Transformation

    Returns
    -------
    DataFrame
        One row for each transformation; columns originals (%) and copies (%), the mean over all copies.
    """
    rows = {
        transformation.name: (
            featurizer.score(images, labels),
            np.mean([featurizer.score(copies, labels) for copies in transformation(images)]),
        )
        for transformation in transformations
    }
    return 100 * pd.DataFrame.from_dict(rows, orient="index", columns=["originals (%)", "copies (%)"])
