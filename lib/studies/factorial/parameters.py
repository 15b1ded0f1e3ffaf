"""Parameters of a factorial of the differences between a paper's setting and that of its released code."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from pydantic import field_validator

from influaug.data.datasets import Classes
from influaug.data.transformations import APPENDIX_B, named
from influaug.selection.scores import ScoreOptions

from ..parameters import NOTHING, Experiment, Number, Sides, name_parameter, parameter
from ..points.study import EVEN_AND_ODD
from ..points.sweep import SweepSettings

if TYPE_CHECKING:
    from influaug.data.transformations import Transformation
    from influaug.networks.training import Settings

TRANSFORMATIONS = ("translate", "rotate", "crop")
MOVES = ("cardinal", "diagonal")
PREPROCESSING = ("right", "uncentred")
NETWORKS = (0, 1)
"""Networks, and the halves of the training part that they are trained on."""


class Copies(NamedTuple):
    """A kind of copies: a transformation, and for translations their directions (else empty)."""

    transformation: str
    moves: str

    def __str__(self) -> str:
        return "-".join(filter(None, self))


class Factorial(Experiment):
    """Parameters of a factorial; the defaults are the small embedded case, params/factorial/ has the full ones."""

    kind: ClassVar[str] = "factorial"
    purposes: ClassVar[tuple[str, ...]] = ("halves", "network", "sample", "policies")

    factorial: str = name_parameter("digits", "factorial")
    dataset: str = parameter(
        "digits", "digits, mnist, cifar10, cifar100, small-norb, an .npz or a folder of images", "data"
    )
    data_folder: str | None = parameter(None, "where data files lie; else INFLUAUG_DATA, else a cache folder", NOTHING)
    image_size: Sides | None = parameter(
        None, "pixels, or height and width, to resize a folder's pictures to; null: as they are", "data", later=True
    )
    channels: int | None = parameter(
        None, "1 or 3: make a folder's pictures grey or colour; null: as they are", "data", later=True
    )
    skip_bad: bool = parameter(
        False, "leave out those of a folder's files that cannot be used; false: refuse it", "data", later=True
    )
    classes: Classes | None = parameter(EVEN_AND_ODD, "what becomes label 0, 1, ...; a list merges classes", "sample")
    n_train: int = parameter(100, "points of each sample of each half", "sample", ge=2)
    transformations: list[Literal[TRANSFORMATIONS]] = parameter(  # type: ignore[valid-type]
        ["translate"], "translate, rotate, crop, as in the paper's appendix B", "cells", min_length=1
    )
    C: list[Number] = parameter(
        [10.0, 1.0], "inverse regularisation strengths: the paper's, the released code's", "cells"
    )
    share: Number = parameter(0.05, "of the points that are augmented, where some are chosen", "cells", gt=0, lt=1)
    rounds: int = parameter(3, "draws of each random policy", "cells", ge=1)
    network: Literal["lenet", "resnet"] = parameter("lenet", "lenet, or resnet of a depth", "network")
    depth: int = parameter(11, "of the residual network: 9n + 2", "network")
    epochs: int = parameter(8, "passes over half of the training part", "network", ge=1)
    batch_size: int = parameter(16, "points a step", "network", ge=1)
    peak_rate: Number = parameter(0.01, "highest learning rate of the one cycle", "network", gt=0)
    mixed_precision: bool = parameter(False, "train in bfloat16, with weights in single precision", "network")
    replicates: int = parameter(5, "splits: samples of both halves", NOTHING, ge=1)
    seed: int = parameter(0, "all randomness comes from here", "data", ge=0)

    @field_validator("transformations")
    @classmethod
    def _each_once(cls, names):
        if len(set(names)) < len(names):
            raise ValueError("must name each once")
        return names

    @field_validator("C")
    @classmethod
    def _two(cls, C):
        if len(C) != 2 or not all(c > 0 for c in C) or C[0] == C[1]:
            raise ValueError("must be two different positive numbers, the paper's and the released code's")
        return C

    def copies(self) -> list[Copies]:
        """All kinds of copies, translations in both sets of directions."""
        return [
            Copies(name, moves) for name in self.transformations for moves in (MOVES if name == "translate" else ("",))
        ]

    def augmentation(self, copies: Copies) -> Transformation:
        """The transformation that makes a kind of copies."""
        options = APPENDIX_B.get(self.dataset, APPENDIX_B["mnist"])[copies.transformation]
        return named({copies.transformation: options | ({"directions": copies.moves} if copies.moves else {})})

    def training(self, network: int) -> Settings:
        """Settings of the training of a network."""
        # Imported here because it imports Keras, which takes many seconds.
        from influaug.networks.training import Settings

        names = ("epochs", "batch_size", "peak_rate", "mixed_precision")
        return Settings(seed=self.seed_of(network, "network"), **{name: getattr(self, name) for name in names})

    def sweep_settings(self, C: float) -> SweepSettings:
        """Settings of a cell: the paper's policies that choose a share of the points."""
        return SweepSettings(
            scores=("influence", "loss"),
            policies=("baseline", "random_proportional"),
            budgets=(max(1, round(self.share * self.n_train)),),
            rounds=self.rounds,
            options=ScoreOptions(C),
        )
