"""Parameters of the page on your own data, and the training points, copies and networks that follow from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import ValidationError, field_validator

from influaug.data.datasets import Classes, Split, split
from influaug.selection.policies import policy_of

from ..parameters import NOTHING, Experiment, Number, Sides, name_parameter, parameter
from ..points.study import EVEN_AND_ODD, Chosen, Study
from ..storage import paths

if TYPE_CHECKING:
    from pathlib import Path

    from influaug.data.transformations import Transformation
    from influaug.networks.featurizer import KerasFeaturizer

ALL_POINTS = 0
"""Replicate, for seeds, of everything that is done on all training points; fold j is replicate j + 1."""


class OwnData(Experiment):
    """Parameters of the page on your own data; the defaults are the small embedded case. See params/own/."""

    kind: ClassVar[str] = "own"
    products: ClassVar[tuple[str, ...]] = ("augmented.npz",)
    purposes: ClassVar[tuple[str, ...]] = ("sample", "folds", "network", "policies")

    own: str = name_parameter("digits", "page on your own data")
    data: str = parameter("digits", "an .npz, a folder of images, or digits, mnist, cifar10, small-norb", "curve")
    data_folder: str | None = parameter(None, "where data files lie; else INFLUAUG_DATA, else a cache folder", NOTHING)
    image_size: Sides | None = parameter(None, "a folder's pictures are resized to it; null: not", "curve", later=True)
    channels: int | None = parameter(None, "1 (grey) or 3: what a folder's become; null: as is", "curve", later=True)
    skip_bad: bool = parameter(False, "leave out files of a folder that cannot be used", "curve", later=True)
    classes: Classes | None = parameter(EVEN_AND_ODD, "what becomes label 0, 1, ...; null for all classes", "curve")
    n_train: int | None = parameter(600, "training points, stratified; null for all", "curve", ge=2)
    transformation: Chosen = parameter("translate", "how copies are made; see params/README.md", "curve")
    magnitudes: list[Number] | None = parameter(None, "strengths; null: the paper's, or the defaults", "curve")
    network: str = parameter("lenet", "lenet, released-cnn, resnet20, resnet56, or a trained network (.keras)", "curve")
    epochs: int = parameter(45, "epochs that the network trains, in every fold", "curve", ge=1)
    policy: str = parameter("greedy_influence", "what chooses; see influaug.selection.policies", "curve")
    shares: list[Number] = parameter([0.01, 0.03, 0.05, 0.1, 0.25], "of all copies, rising", "curve", min_length=1)
    margin: Number = parameter(0.01, "accuracy that fewer copies may cost; 0.01 is one point", NOTHING, gt=0, lt=1)
    C: Number = parameter(10.0, "inverse regularisation strength of the logistic regression", "curve", gt=0)
    folds: int = parameter(5, "of the cross-validation on the training points", "curve", ge=3)
    seed: int = parameter(0, "all randomness comes from here", "curve", ge=0)

    @field_validator("transformation", "magnitudes", "network")
    @classmethod
    def _as_in_a_study(cls, value, info):
        given = {"transformation": info.data.get("transformation", "translate"), info.field_name: value}
        try:
            Study(**given)
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return value

    @field_validator("policy")
    @classmethod
    def _known(cls, name):
        policy_of(name)
        return name

    @field_validator("shares")
    @classmethod
    def _rising(cls, shares):
        if shares != sorted(set(shares)) or not 0 < shares[0] <= shares[-1] < 1:
            raise ValueError("must rise, above 0 and below 1")
        return shares

    @property
    def folder(self) -> Path:
        """``outputs/own/<name>``, wherever the YAML file lies.

        Only a variation of a file in params/own, under the same name, goes to ``outputs/variations``.
        """
        if (paths.PARAMS / self.kind / f"{self.name}.yaml").exists():
            return super().folder
        return paths.outputs() / self.kind / self.name

    @property
    def trained_network(self) -> Path | None:
        """Path of the trained network; None if each fold trains its own. Raises InputError if there is no such file."""
        return self._study().trained_network

    @property
    def dataset(self) -> str:
        """The data set's name or path."""
        return self.data

    def points(self) -> Split:
        """The training points and the test images: `data.Split`."""
        return split(
            self.load_data(),
            self.classes,
            self.n_train,
            "stratified",
            self.seed_of(ALL_POINTS, "sample"),
        )

    def augmentation(self) -> Transformation:
        """The `transformations.Transformation`."""
        return self._study().augmentation()

    def featurizer(self, replicate: int) -> KerasFeaturizer:
        """An unfitted featurizer with the seed of a replicate (see `ALL_POINTS`), or the trained network."""
        # Keras takes many seconds to import, and a page that finds its table on disk needs it only at the end.
        from influaug.networks.featurizer import KerasFeaturizer

        trained = self._study().trained_network
        if trained:
            return KerasFeaturizer.load(trained)
        return KerasFeaturizer(self.network, self.epochs, seed=self.seed_of(replicate, "network"))

    def _study(self):
        given = ("data_folder", "transformation", "magnitudes", "network", "epochs", "C", "seed")
        return Study(dataset=self.data, **{name: getattr(self, name) for name in given})
