"""A study: parameters of an experiment on one data set with one transformation, validated before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import field_validator, model_validator

from influaug.data.datasets import Classes, Split, split
from influaug.data.transformations import APPENDIX_B, BUILDERS, COMPOSITIONS, named, strengths_of, words
from influaug.errors import InputError
from influaug.selection.point_policies import POINT_POLICIES
from influaug.selection.scores import SCORES, ScoreOptions

from ..parameters import NOTHING, Experiment, Number, Sides, name_parameter, parameter
from ..storage import paths
from .presets import PRESETS, giving_way, with_preset
from .sweep import REFINEMENTS, SweepSettings, scaled_budgets

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from influaug.data.datasets import Dataset
    from influaug.data.transformations import Transformation

    EVEN_AND_ODD: Classes

Chosen = str | dict[str, Any] | list[Any]
"""A transformation's name, names with their strengths, or a list of these: see `transformations.named`."""
EVEN_AND_ODD = [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
NOTEBOOKS = {
    "01_featurize": "Featurize",
    "02_score": "Scores",
    "03_policy_sweep": "Policy sweep",
    "04_refinements": "Refinements",
    "05_vsv": "Virtual support vectors",
}
"""Notebooks of a study's stages, with their titles."""
NETWORKS = ("lenet", "released-cnn", "resnet20", "resnet56")
TRAINED = ".keras"


class Study(Experiment):
    """Parameters of a study; the defaults describe the small embedded case, params/ has the full ones."""

    kind: ClassVar[str] = ""
    purposes: ClassVar[tuple[str, ...]] = ("sample", "network", "policies", "vsv")
    seed_bits: ClassVar[int] = 32

    study: str = name_parameter("digits-translate", "study")
    dataset: str = parameter(
        "digits", "digits, mnist, cifar10, cifar100, small-norb, an .npz or a folder of images", "sample"
    )
    data_folder: str | None = parameter(None, "where data files lie; else INFLUAUG_DATA, else a cache folder", NOTHING)
    image_size: Sides | None = parameter(
        None, "pixels, or height and width, to resize a folder's pictures to; null: as they are", "sample", later=True
    )
    channels: int | None = parameter(
        None, "1 or 3: make a folder's pictures grey or colour; null: as they are", "sample", later=True
    )
    skip_bad: bool = parameter(
        False, "leave out those of a folder's files that cannot be used; false: refuse it", "sample", later=True
    )
    classes: Classes | None = parameter(EVEN_AND_ODD, "what becomes label 0, 1, ...; a list merges classes", "sample")
    n_train: int | None = parameter(1000, "training points sampled; null for all", "sample", ge=2)
    sample: Literal["stratified", "first"] = parameter("stratified", "a seeded random sample, or the first", "sample")
    transformation: Chosen = parameter("translate", "how points are augmented; see params/README.md", "copies")
    magnitudes: list[Number] | None = parameter(None, "strengths; null: the paper's, or the defaults", "copies")
    directions: Literal["cardinal", "diagonal"] = parameter("cardinal", "of translations", "copies")
    network: str = parameter("lenet", f"{', '.join(NETWORKS)}, or the path of a trained network (.keras)", "network")
    preprocessing: Literal["right", "uncentred"] = parameter(
        "right",
        "uncentred: networks are fed pixels without the centring they trained with",
        "preprocessing",
        later=True,
    )
    featurizer: Literal["frozen", "retrained"] = parameter("frozen", "retrained: anew at each budget", "sweep")
    epochs: int = parameter(45, "epochs that the network trains", "network", ge=1)
    batch_size: int = parameter(512, "minibatch of the network's training", "network", ge=1)
    learning_rate: Number = parameter(1e-3, "Adam's step size", "network", gt=0)
    C: Number = parameter(10.0, "inverse regularisation strength of the logistic regression", "head", gt=0)
    hessian: Literal["objective", "loss"] = parameter(
        "objective", "Hessian behind influence; loss: without L2", "scores"
    )
    damping: Number = parameter(0.0, "added to the Hessian's diagonal", "scores", ge=0)
    margin: Literal["hardest", "easiest"] = parameter("hardest", "which points the margin score prefers", "scores")
    scores: list[str] = parameter(["loss", "influence"], "loss, influence, margin", "scores", min_length=1)
    policies: list[str] = parameter(
        [
            "baseline",
            "random_proportional",
            "random_inverse_proportional",
            "deterministic_proportional",
            "deterministic_inverse_proportional",
        ],
        "policies of the sweep",
        "sweep",
        min_length=1,
    )
    refinements: list[str] = parameter(list(REFINEMENTS), "plain, update, downweight, both", "sweep", min_length=1)
    budgets: list[int] | None = parameter(None, "augmented points; null for the paper's, scaled to n_train", "sweep")
    rounds: int = parameter(5, "draws of each random policy", "sweep", ge=1)
    replicates: int = parameter(3, "repetitions of everything with a sample and a network of their own", NOTHING, ge=1)
    update_every: int | None = parameter(None, "points between score updates; null: at the budgets", "sweep", ge=1)
    patience: Number = parameter(1.0, "seconds for each competitor in the benchmark", NOTHING, gt=0)
    largest: int = parameter(400, "points of the largest case on the page about selection at size", NOTHING, ge=100)
    made_up: list[list[Number]] = parameter(
        [[500.0, 20.0, 64.0, 0.05]],
        "made-up cases there: points, classes, features, share of copies",
        NOTHING,
        min_length=1,
    )
    seed: int = parameter(0, "the one seed that all others come from", "sample", ge=0)
    preset: Literal[PRESETS] | None = parameter(  # type: ignore[valid-type]
        None, "released: what the paper's released code did, see studies.points.presets", NOTHING, later=True
    )

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, given):
        return with_preset(given, cls.model_fields["dataset"].default) if isinstance(given, dict) else given

    @field_validator("scores", "policies", "refinements")
    @classmethod
    def _known(cls, names, info):
        known = {"scores": SCORES, "policies": POINT_POLICIES, "refinements": REFINEMENTS}[info.field_name]
        unknown = [name for name in names if name not in known]  # type: ignore[operator]
        if unknown:
            raise ValueError(f"unknown {', '.join(unknown)}; known are {', '.join(known)}")  # type: ignore[arg-type]
        if len(set(names)) < len(names):
            raise ValueError("must name each once")
        return names

    @field_validator("made_up")
    @classmethod
    def _sizes(cls, cases):
        for case in cases:
            whole = len(case) == 4 and all(size == int(size) for size in case[:3])
            if not whole or not (case[0] >= case[1] >= 2 and case[2] >= 1 and 0 < case[3] <= 1):
                raise ValueError(f"{case} must be points, classes (2 to the points), features, and a share of copies")
        return cases

    @field_validator("transformation")
    @classmethod
    def _transformation(cls, chosen):
        if not isinstance(chosen, str):
            named(chosen)
        elif chosen not in BUILDERS or chosen in COMPOSITIONS:
            names = [name for name in BUILDERS if name not in COMPOSITIONS]
            raise ValueError(f"must be one of {', '.join(names)}, or be made of these")
        return chosen

    @field_validator("network")
    @classmethod
    def _network(cls, network):
        if network not in NETWORKS and not network.endswith(TRAINED):
            raise ValueError(f"must be {', '.join(NETWORKS)}, or the path of a trained network (*{TRAINED})")
        return network

    @field_validator("featurizer")
    @classmethod
    def _featurizer(cls, featurizer, info):
        if featurizer == "retrained" and info.data.get("network", "").endswith(TRAINED):
            raise ValueError("retrained takes the name of a network, not a network that is trained already")
        return featurizer

    @field_validator("magnitudes")
    @classmethod
    def _magnitudes(cls, magnitudes, info):
        transformation = info.data.get("transformation")
        if magnitudes is not None and transformation is not None:
            if not isinstance(transformation, str):
                raise ValueError("must be null, as this transformation has its strengths with it")
            named({transformation: _strengths(transformation, magnitudes)})
        return magnitudes

    @field_validator("budgets")
    @classmethod
    def _budgets(cls, budgets, info):
        n = info.data.get("n_train")
        if budgets is not None and (budgets != sorted(set(budgets)) or not budgets or budgets[0] < 1):
            raise ValueError("must rise from at least 1")
        if budgets is not None and n is not None and budgets[-1] > n:
            raise ValueError(f"{budgets[-1]} is more than the {n} training points")
        return budgets

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> Self:
        """Validate the parameters in a mapping, in which none may contradict the preset; see `Experiment.of`."""
        # Here too, because what the validator says would name no parameter.
        return super().of(with_preset(parameters, cls.model_fields["dataset"].default))

    @classmethod
    def of_cells(cls, parameters: dict[str, Any]) -> Self:
        """Validate the parameters of a notebook's cells, in which defaults give way to the preset."""
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        return cls.of(giving_way(parameters, defaults["dataset"], defaults))

    @property
    def transformation_words(self) -> str:
        """The transformation's name, or those that it is made of: 'rotate, then translate'."""
        return words(self.transformation)

    @property
    def trained_network(self) -> Path | None:
        """Path of the trained network that all replicates share; None if each replicate trains its own.

        Raises
        ------
        InputError
            The file does not exist.
        """
        if not self.network.endswith(TRAINED):
            return None
        path = paths.found(self.network)
        if not path.is_file():
            raise InputError(f"There is no trained network {self.network}; notebooks/09_train_featurizer trains one.")
        return path

    @property
    def feature_files(self) -> list[str]:
        """Paths of the feature files, relative to the study's folder."""
        names = ["shared"] if self.trained_network else [f"replicate-{r:02d}" for r in range(self.replicates)]
        return [f"features/{name}.npz" for name in names]

    def split(self, replicate: int) -> Split:
        """Training sample of a replicate, and the test set."""
        return self.split_of(self.load_data(), replicate)

    def split_of(self, dataset: Dataset, replicate: int) -> Split:
        """Training sample of a replicate, and the test set, from a data set that is already loaded."""
        sample: Split = split(dataset, self.classes, self.n_train, self.sample, self.seed_of(replicate, "sample"))
        if self.budgets and self.budgets[-1] > len(sample.labels):
            n = len(sample.labels)
            raise InputError(f"budgets go up to {self.budgets[-1]}, which is more than the {n} training points.")
        return sample

    def augmentation(self) -> Transformation:
        """The transformation that makes the copies."""
        if self.transformation != "translate":
            given = None if self.magnitudes is None else _strengths(self.transformation, self.magnitudes)
            return named(self.transformation if given is None else {self.transformation: given}, self.dataset)
        options = APPENDIX_B.get(self.dataset, APPENDIX_B["mnist"])["translate"]
        if self.magnitudes is not None:
            options = {"pixels": strengths_of("translate", _strengths("translate", self.magnitudes))}
        return named({"translate": options | {"directions": self.directions}})

    def sweep_settings(self, n: int) -> SweepSettings:
        """Settings of the sweep for n training points."""
        return SweepSettings(
            scores=tuple(self.scores),
            policies=tuple(self.policies),
            refinements=tuple(self.refinements),
            budgets=tuple(self.budgets or scaled_budgets(n)),
            rounds=self.rounds,
            update_every=self.update_every,
            options=ScoreOptions(self.C, self.hessian, self.damping, self.margin),
        )


def _strengths(transformation, magnitudes):
    """Magnitudes, which YAML's whole numbers became floats of, as the transformation takes them."""
    if transformation not in ("translate", "crop"):
        return magnitudes
    return [int(m) if m.is_integer() else m for m in magnitudes]
