"""Parameters of the page on your own data, and the training points, copies and networks that follow from them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import ValidationError, field_validator

from influaug.data.adapters import as_transformation
from influaug.data.datasets import Classes
from influaug.data.transformations import words
from influaug.errors import InputError
from influaug.selection.policies import policy_of

from ..parameters import NOTHING, Experiment, Number, Sides, name_parameter, parameter
from ..points.study import EVEN_AND_ODD, TRAINED, Chosen, Study
from ..storage import paths

if TYPE_CHECKING:
    from pathlib import Path

    from influaug.data.transformations import Transformation
    from influaug.networks.featurizer import KerasFeaturizer

ALL_POINTS = 0
"""Replicate, for seeds, of everything that is done on all training points; part j is replicate j + 1."""
TOGETHER = "all"
"""The `transformation` that stands for the copies of all `transformations` together."""
TRAINABLE = ("all-cnn", "wrn-16-2", "lenet", "released-cnn", "resnet20", "resnet56")
"""Names of networks that can be trained anew: of `influaug.augnet.classifiers.CLASSIFIERS`, without the largest."""


class OwnData(Experiment):
    """Parameters of the page on your own data; the defaults are the small embedded case. See params/own/."""

    kind: ClassVar[str] = "own"
    products: ClassVar[tuple[str, ...]] = ("augmented.npz",)
    purposes: ClassVar[tuple[str, ...]] = ("sample", "folds", "network", "policies", "trivial", "retrained")

    own: str = name_parameter("digits", "page on your own data")
    data: str = parameter(
        "digits",
        "an .npz, a folder of images, digits, mnist, cifar10, cifar100, small-norb, or a file of features",
        "points",
    )
    data_folder: str | None = parameter(None, "where data files lie; else INFLUAUG_DATA, else a cache folder", NOTHING)
    image_size: Sides | None = parameter(None, "a folder's pictures are resized to it; null: not", "points", later=True)
    channels: int | None = parameter(None, "1 (grey) or 3: what a folder's become; null: as is", "points", later=True)
    skip_bad: bool = parameter(False, "leave out files of a folder that cannot be used", "points", later=True)
    classes: Classes | None = parameter(EVEN_AND_ODD, "what becomes label 0, 1, ...; null for all classes", "points")
    n_train: int | None = parameter(600, "training points, stratified; null for all", "points", ge=2)
    transformations: list[Chosen] = parameter(
        ["translate", "rotate", "crop"], "compared, each alone, with no augmentation", NOTHING
    )
    transformation: Chosen = parameter(
        "translate", "the one whose copies are chosen; all: of all of them together", "curve"
    )
    magnitudes: list[Number] | None = parameter(None, "its strengths; null: the paper's, or the defaults", "curve")
    network: str = parameter(
        "lenet", "lenet, released-cnn, resnet20, resnet56, or a trained network (.keras)", "points"
    )
    epochs: int = parameter(45, "epochs that the network trains, in every fold", "points", ge=1)
    policy: str = parameter("greedy_influence", "what chooses; see influaug.selection.policies", "curve")
    shares: list[Number] = parameter([0.01, 0.03, 0.05, 0.1, 0.25], "of all copies, rising", "curve", min_length=1)
    margin: Number = parameter(0.01, "accuracy that fewer copies may cost; 0.01 is one point", NOTHING, gt=0, lt=1)
    judge: Literal["points", "copies"] = parameter(
        "points", "accuracy on held-out points as they are, or on these and all their copies", NOTHING
    )
    C: Number = parameter(10.0, "inverse regularisation strength of the logistic regression", "points", gt=0)
    folds: int = parameter(5, "of the cross-validation on the training points", "points", ge=3)
    repeats: int = parameter(
        2, "of the cross-validation, each with other folds; more make intervals smaller", NOTHING, ge=1
    )
    retrained: str | None = parameter(
        None,
        "network trained anew as a second judge: a name such as all-cnn, or a .keras file; null: none",
        "retrained",
    )
    retrained_epochs: int = parameter(
        40, "passes over the points that it trains; as many steps in all arms", "retrained", ge=1
    )
    retrained_share: Number = parameter(
        0.1, "of the copies, chosen or random, that it trains on", "retrained", gt=0, lt=1
    )
    seed: int = parameter(0, "all randomness comes from here", "points", ge=0)

    @field_validator("network")
    @classmethod
    def _as_in_a_study(cls, value):
        _checked_by_study(network=value)
        return value

    @field_validator("transformations")
    @classmethod
    def _each_once(cls, names):
        if any(one == other for place, one in enumerate(names) for other in names[:place]) or not all(names):
            raise ValueError("must name each once")
        if TOGETHER in names:
            raise ValueError(f"names single ones; {TOGETHER!r} is for transformation alone")
        return names

    @field_validator("retrained")
    @classmethod
    def _trainable(cls, network):
        if network is not None and network not in TRAINABLE and not network.endswith(TRAINED):
            raise ValueError(f"must be {', '.join(TRAINABLE)}, or the path of a network (*{TRAINED})")
        return network

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

    @property
    def parts(self) -> int:
        """Number of times that points are split into those that train and those that are held out."""
        return self.folds * self.repeats

    @property
    def named(self) -> dict[str, Any]:
        """The transformations that are compared and the one to choose from, as they are given, by name.

        The name is `transformations.words`; where two have the same words, their strengths follow.
        """
        given = [*self.transformations, *([] if self.transformation in self.transformations else [self.transformation])]
        said = [words(each) for each in given]
        return {
            one if said.count(one) == 1 else f"{one} {json.dumps(each)}": each
            for one, each in zip(said, given, strict=True)
        }

    @property
    def compared(self) -> list[str]:
        """Names of the transformations that are compared."""
        return [name for name, given in self.named.items() if given in self.transformations]

    @property
    def chosen(self) -> str:
        """Name of the transformation whose copies are chosen."""
        return next(name for name, given in self.named.items() if given == self.transformation)

    def augmentation(self, name: str) -> Transformation:
        """A transformation of images by its name in `named`; that of `transformation` has `magnitudes`.

        Raises
        ------
        InputError
            There is no such transformation, or the magnitudes are none of its.
        """
        if name == TOGETHER:
            return as_transformation([self.augmentation(each) for each in self.compared])
        magnitudes = self.magnitudes if name == self.chosen else None
        try:
            return Study(dataset=self.data, transformation=self.named[name], magnitudes=magnitudes).augmentation()
        except ValidationError as error:
            raise InputError(f"The transformation {name}: {said_by(error)}.") from None

    def featurizer(self, replicate: int) -> KerasFeaturizer:
        """An unfitted featurizer with the seed of a replicate (see `ALL_POINTS`), or the trained network."""
        # Keras takes many seconds to import, and a page that finds its table on disk needs it only at the end.
        from influaug.networks.featurizer import KerasFeaturizer

        trained = self._study().trained_network
        if trained:
            return KerasFeaturizer.load(trained)
        return KerasFeaturizer(self.network, self.epochs, seed=self.seed_of(replicate, "network"))

    def _study(self):
        given = ("data_folder", "network", "epochs", "C", "seed")
        return Study(dataset=self.data, **{name: getattr(self, name) for name in given})


def said_by(error: ValidationError) -> str:
    """What pydantic found wrong first."""
    return error.errors()[0]["msg"].removeprefix("Value error, ").rstrip(".")


def _checked_by_study(**given):
    try:
        Study(**given)
    except ValidationError as error:
        raise ValueError(said_by(error)) from None
