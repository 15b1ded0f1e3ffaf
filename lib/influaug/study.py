"""A study: one data set, one transformation and every choice of the experiment, validated before anything runs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from . import artifacts, paths
from .data import Split, load, split
from .errors import InputError
from .policies import POINT_POLICIES
from .scores import SCORES, ScoreOptions
from .sweep import REFINEMENTS, SweepSettings, scaled_budgets
from .transformations import APPENDIX_B, BUILDERS

if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import TypeVar

    from .data import Dataset
    from .transformations import Transformation
    from .types import PathLike

    Model = TypeVar("Model", bound=BaseModel, default="Study")

    EVEN_AND_ODD: Classes

EVEN_AND_ODD = [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
NOTEBOOKS = {
    "01_featurize": "Featurize",
    "02_score": "Scores",
    "03_policy_sweep": "Policy sweep",
    "04_refinements": "Refinements",
    "05_vsv": "Virtual support vectors",
}
"""Notebooks of a study's stages, and what they are called."""
PURPOSES = ["sample", "network", "policies", "vsv"]
NETWORKS = ("lenet", "released-cnn", "resnet20", "resnet56")
TRAINED = ".keras"
Classes = list[int | str | list[int | str]]
MOST_BYTES, MOST_BITS, MOST_SHOWN = 100_000, 63, 200
"""Of a file of parameters, of a whole number in it, and characters of a wrong value that a message repeats."""


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, without aliases, of which a few lines unfold without end, and without endless numbers."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise ComposerError(
                None, None, "aliases (*) are not taken, write the value again", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node: Any) -> int:
        value = super().construct_yaml_int(node)
        if value.bit_length() > MOST_BITS:
            raise ConstructorError(None, None, f"a whole number has more than {MOST_BITS} bits", node.start_mark)
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def numbers(*names: str) -> Any:
    """A model's validator: in these parameters, and in lists there, whole numbers are numbers too."""

    def as_numbers(value):
        if isinstance(value, list):
            return [float(v) if type(v) is int else v for v in value]
        return float(value) if type(value) is int else value

    return field_validator(*names, mode="before")(as_numbers)


class Study(BaseModel):
    """Parameters of a study; the defaults are the small embedded case. See params/ for the full ones.

    A study's folder is ``outputs/<study>`` if its parameters are those of ``params/<study>.yaml``; with any other
    parameters it is ``outputs/variations/<study>-<hash>``, so that playing in a notebook overwrites nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    study: str = Field("digits-translate", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="name of the study")
    dataset: str = Field("digits", description="digits, mnist, cifar10, small-norb, an .npz or a folder of images")
    data_folder: str | None = Field(None, description="where data files lie; else INFLUAUG_DATA, else a cache folder")
    classes: Classes | None = Field(EVEN_AND_ODD, description="what becomes label 0, 1, ...; a list merges classes")
    n_train: int | None = Field(1000, ge=2, description="training points sampled; null for all")
    sample: Literal["stratified", "first"] = Field("stratified", description="a seeded random sample, or the first")
    transformation: str = Field("translate", description="translate, rotate or crop: how points are augmented")
    magnitudes: list[float] | None = Field(None, description="pixels or degrees; null for the paper's appendix B")
    directions: Literal["cardinal", "diagonal"] = Field("cardinal", description="of translations")
    network: str = Field("lenet", description=f"{', '.join(NETWORKS)}, or the path of a trained network (.keras)")
    featurizer: Literal["frozen", "retrained"] = Field("frozen", description="retrained: anew at each budget")
    epochs: int = Field(45, ge=1, description="epochs that the network trains")
    batch_size: int = Field(512, ge=1, description="minibatch of the network's training")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size")
    C: float = Field(10.0, gt=0, description="inverse regularisation strength of the logistic regression")
    hessian: Literal["objective", "loss"] = Field("objective", description="Hessian behind influence; loss: without L2")
    damping: float = Field(0.0, ge=0, description="added to the Hessian's diagonal")
    margin: Literal["hardest", "easiest"] = Field("hardest", description="which points the margin score prefers")
    scores: list[str] = Field(["loss", "influence"], min_length=1, description="loss, influence, margin")
    policies: list[str] = Field(
        [
            "baseline",
            "random_proportional",
            "random_inverse_proportional",
            "deterministic_proportional",
            "deterministic_inverse_proportional",
        ],
        min_length=1,
        description="policies of the sweep",
    )
    refinements: list[str] = Field(list(REFINEMENTS), min_length=1, description="plain, update, downweight, both")
    budgets: list[int] | None = Field(None, description="augmented points; null for the paper's, scaled to n_train")
    rounds: int = Field(5, ge=1, description="draws of each random policy")
    replicates: int = Field(3, ge=1, description="repetitions of everything with a sample and a network of their own")
    update_every: int | None = Field(None, ge=1, description="points between score updates; null: at the budgets")
    patience: float = Field(1.0, gt=0, description="seconds for each competitor in the benchmark")
    seed: int = Field(0, ge=0, description="the one seed that all others come from")

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

    @field_validator("transformation")
    @classmethod
    def _transformation(cls, name):
        if name not in BUILDERS:
            raise ValueError(f"must be one of {', '.join(BUILDERS)}")
        return name

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
            raise ValueError("retrained takes a network by name, not one that is trained already")
        return featurizer

    @field_validator("magnitudes")
    @classmethod
    def _magnitudes(cls, magnitudes, info):
        transformation = info.data.get("transformation")
        if magnitudes is not None and transformation is not None:
            if transformation == "translate" and len(magnitudes) != 1:
                raise ValueError("must be one number of pixels for translate")
            BUILDERS[transformation](**_options(transformation, magnitudes))
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

    _numbers = numbers("magnitudes", "learning_rate", "C", "damping", "patience")

    @property
    def folder(self) -> Path:
        """Where everything of this study is written; see the class's docstring."""
        return folder_of(self, paths.PARAMS / f"{self.study}.yaml", paths.outputs())

    @property
    def trained_network(self) -> Path | None:
        """Path of the trained network that all replicates share; None if each trains its own.

        Raises InputError if there is no such file.
        """
        if not self.network.endswith(TRAINED):
            return None
        path = paths.found(self.network)
        if not path.is_file():
            raise InputError(f"There is no trained network {self.network}; notebooks/09_train_featurizer trains one.")
        return path

    @property
    def feature_files(self) -> list[str]:
        """Paths of the files of features, within the study's folder."""
        names = ["shared"] if self.trained_network else [f"replicate-{r:02d}" for r in range(self.replicates)]
        return [f"features/{name}.npz" for name in names]

    def split(self, replicate: int) -> Split:
        """The training sample of a replicate and the test set: `data.Split`."""
        return self.split_of(load(self.dataset, self.data_folder), replicate)

    def split_of(self, dataset: Dataset, replicate: int) -> Split:
        """As `split`, of a data set that is already loaded."""
        sample: Split = split(dataset, self.classes, self.n_train, self.sample, self.seed_of(replicate, "sample"))
        if self.budgets and self.budgets[-1] > len(sample.labels):
            n = len(sample.labels)
            raise InputError(f"budgets go up to {self.budgets[-1]}, which is more than the {n} training points.")
        return sample

    def augmentation(self) -> Transformation:
        """The study's `transformations.Transformation`."""
        if self.magnitudes is None:
            options = dict(APPENDIX_B.get(self.dataset, APPENDIX_B["mnist"]).get(self.transformation, {}))
        else:
            options = _options(self.transformation, self.magnitudes)
        if self.transformation == "translate":
            options["directions"] = self.directions
        return BUILDERS[self.transformation](**options)

    def sweep_settings(self, n: int) -> SweepSettings:
        """What the sweep runs over, for n training points: `sweep.SweepSettings`."""
        return SweepSettings(
            scores=tuple(self.scores),
            policies=tuple(self.policies),
            refinements=tuple(self.refinements),
            budgets=tuple(self.budgets or scaled_budgets(n)),
            rounds=self.rounds,
            update_every=self.update_every,
            options=ScoreOptions(self.C, self.hessian, self.damping, self.margin),
        )

    def seed_sequence(self, replicate: int, purpose: str) -> np.random.SeedSequence:
        """Seeds of one replicate for one purpose: ``sample``, ``network``, ``policies`` or ``vsv``."""
        return np.random.SeedSequence(self.seed, spawn_key=(replicate, PURPOSES.index(purpose)))

    def seed_of(self, replicate: int, purpose: str) -> int:
        """As `seed_sequence`, as one whole number."""
        return int(self.seed_sequence(replicate, purpose).generate_state(1)[0])


def _options(transformation, magnitudes):
    if transformation == "rotate":
        return {"degrees": magnitudes}
    whole = [int(m) if m.is_integer() else m for m in magnitudes]
    return {"pixels": whole[0] if transformation == "translate" else whole}


def folder_of(parameters: BaseModel, published: Path, home: Path) -> Path:
    """``home/<name>`` for parameters that are those of a published YAML file, else a folder for these variations."""
    if published.exists() and read(published, type(parameters)) == parameters:
        return home / published.stem
    return paths.outputs() / "variations" / f"{published.stem}-{artifacts.key(**parameters.model_dump())[:8]}"


def from_parameters(parameters: dict[str, Any], model: type[Model] = Study) -> Model:  # type: ignore[assignment]
    """Validated parameters from a mapping: a study, or of another model.

    Raises
    ------
    InputError
        An unknown or ill-typed parameter or a wrong value; the sentence names it and says what is known or right.
    """
    unknown = sorted(map(str, set(parameters) - set(model.model_fields)))
    if unknown:
        names = _shortened(", ".join(unknown))
        raise InputError(f"Unknown parameter {names}; known are {', '.join(model.model_fields)}.")
    try:
        return model(**parameters)
    except ValidationError as error:
        raise InputError(_sentence(error)) from None


def _sentence(error):
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    message = _shortened(first["msg"].removeprefix("Value error, ").rstrip("."), 1000)
    return f"Parameter {name}: {message[0].lower()}{message[1:]}; given was {_shortened(repr(first['input']))}."


def _shortened(text, most=MOST_SHOWN):
    """Text for a sentence: on one line, and its beginning alone where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"


def from_namespace(namespace: dict[str, Any], model: type[Model] = Study) -> Model:  # type: ignore[assignment]
    """A validated study from a notebook's globals: its parameters cell, with papermill's injected one over it.

    A parameters cell is one that assigns the model's first parameter (``study``), or nothing but literals, so that the
    variables of the other cells may have any name. A misspelt parameter is refused for as long as no later cell assigns
    the first one: correct it and run the cell again. A kernel without history gives whatever has a parameter's name.
    """
    first = next(iter(model.model_fields))
    cells = [_parameters(source, first) for source in namespace.get("In", [])]
    last = max((place for place, names in enumerate(cells) if first in names), default=0)
    names = set().union(*cells) & set(model.model_fields) | set().union(*cells[last:])
    if not names:  # a kernel that keeps no history, as under nbval
        names = set(model.model_fields)
    return from_parameters({name: namespace[name] for name in sorted(names) if name in namespace}, model)


def _parameters(source, first):
    """Names that a cell assigns, if it is a parameters cell; else nothing."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # also of null bytes and of endless brackets
        return set()
    assignments = [node for node in body if isinstance(node, ast.Assign | ast.AnnAssign)]
    targets = [target for node in assignments for target in getattr(node, "targets", None) or [node.target]]  # type: ignore[union-attr]
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    only_literals = len(assignments) == len(body) and all(_is_literal(node.value) for node in assignments)
    return names if only_literals or first in names else set()


def _is_literal(node):
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def read(path: PathLike, model: type[Model] = Study) -> Model:  # type: ignore[assignment]
    """Validated parameters from a YAML file. Raises InputError if it is missing, not YAML, or wrong."""
    return from_parameters(mapping(path), model)


def mapping(path: PathLike) -> dict[str, Any]:
    """Parameters in a YAML file, not validated.

    Raises
    ------
    InputError
        It is missing, larger than `MOST_BYTES`, or not YAML of plain values: tags of Python objects and aliases are
        refused.
    """
    path = Path(path)
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in paths.PARAMS.glob("*.yaml")))
        raise InputError(f"There is no study {path}; those in params/ are {names}.")
    if path.stat().st_size > MOST_BYTES:
        raise InputError(f"{path} is larger than the {MOST_BYTES} bytes that a file of parameters may have.")
    try:
        parameters = _Loader(path.read_text(encoding="utf-8")).get_single_data()
    except Exception as error:  # PyYAML raises a different type for each value that is not what its tag says
        reason = f"{getattr(error, 'problem', error)}{getattr(error, 'problem_mark', '')}"
        raise InputError(f"{path} is not a YAML file: {_shortened(reason)}.") from None
    if not isinstance(parameters, dict):
        raise InputError(f"{path} must hold one parameter a line, 'name: value'.")
    return parameters
