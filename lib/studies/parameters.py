"""Parameters of experiments: one base class for every kind, one registry of kinds, and functions that read files.

An experiment is one YAML file in params/. The file is checked before anything runs, and its results are stored in the
folder of its name. Every field of a kind names the part of the computation that it decides; keys of results depend on
these parts.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
)
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from influaug.data.datasets import load
from influaug.data.pictures import PictureForm
from influaug.data.sources import READERS
from influaug.errors import InputError
from influaug.files import sealed

from .storage import paths

if TYPE_CHECKING:
    from typing import Self

    from influaug._types import PathLike
    from influaug.data.datasets import Dataset

KINDS = {
    "recipe": "studies.featurizers.recipe.Recipe",
    "toy": "studies.toy.parameters.Toy",
    "comparison": "studies.learned.parameters.Comparison",
    "retrained_sets": "studies.retrained_sets.parameters.RetrainedSets",
    "sets": "studies.copies.study.SetStudy",
    "own": "studies.own.parameters.OwnData",
    "dear": "studies.dear.parameters.DearCopies",
    "labels": "studies.labels.parameters.LabelStudy",
    "factorial": "studies.factorial.parameters.Factorial",
    "study": "studies.points.study.Study",
}
"""Classes of parameters by kind; a kind is named like its first parameter, which names the experiment.

The order matters: a file belongs to the first kind whose name parameter it has. Sets of copies also name the study of
their features, so they come before studies.
"""
NOTHING = "nothing"
"""The value of `decides` for parameters on which no result depends."""
MOST_BYTES, MOST_BITS, MOST_SHOWN = 100_000, 63, 200
"""Limits: bytes of a file of parameters, bits of a whole number in it, characters of a wrong value in a message."""


def parameter(default: Any, description: str, decides: str, later: bool = False, **constraints: Any) -> Any:
    """Create a field of an `Experiment`.

    Parameters
    ----------
    default : object
    description : str
        Description in one line.
    decides : str
        Name of the part of the computation that depends on it; stages list such parts. `NOTHING` if no result depends
        on it.
    later : bool
        Whether results were made before there was this parameter, and as its default makes them. While it has its
        default it is then left out of keys, of the names of folders and of what is written down.
    **constraints
        Constraints of `pydantic.Field`.
    """
    marks: dict[str, Any] = {"decides": decides, "later": later}
    return Field(default, description=description, json_schema_extra=marks, **constraints)


def name_parameter(default: str, what: str) -> Any:
    """Create the first field of a kind, the experiment's name."""
    return parameter(default, f"name of the {what}", NOTHING, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")


def _as_number(value):
    return float(value) if type(value) is int else value


Number = Annotated[float, BeforeValidator(_as_number)]
"""A float; whole numbers, which YAML reads as int, are accepted too."""
Sides = int | list[int]
"""Pixels of both sides, or height and width."""


class Experiment(BaseModel):
    """Base class of all kinds of parameters.

    The first field names the experiment; the defaults describe the small embedded case. Results are stored in
    ``outputs/<kind>/<name>`` if the parameters equal those in ``params/<kind>/<name>.yaml`` (studies have no folder for
    their kind), and in ``outputs/variations/<name>-<hash>`` otherwise, so that trying parameters in a notebook
    overwrites nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    kind: ClassVar[str]
    """Folder of this kind in params/ and outputs/; empty for studies."""
    products: ClassVar[tuple[str, ...]] = ()
    """Files in the experiment's folder, beside its page, that a person takes away."""
    purposes: ClassVar[tuple[str, ...]] = ()
    """Purposes with random numbers of their own. The position decides the seed, so new purposes go to the end."""
    seed_bits: ClassVar[int] = 31
    """Number of bits of the seeds from `seed_of`."""

    @property
    def name(self) -> str:
        """The experiment's name."""
        return getattr(self, next(iter(type(self).model_fields)))

    @property
    def folder(self) -> Path:
        """Folder of all results of this experiment; the class's docstring describes it."""
        published = paths.PARAMS / self.kind / f"{self.name}.yaml"
        if published.exists() and type(self).read(published) == self:
            return paths.outputs() / self.kind / self.name
        return paths.outputs() / "variations" / f"{self.name}-{sealed.key(**self.model_dump())[:8]}"

    @field_validator("image_size", "channels", check_fields=False)
    @classmethod
    def _as_pictures_take_it(cls, value: Any, info: Any) -> Any:
        try:
            PictureForm.of(**{info.field_name: value})
        except InputError as error:
            raise ValueError(str(error)) from None
        return value

    @model_serializer(mode="wrap")
    def _without_later(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """All parameters but those of `parameter(..., later=True)` that have their default."""
        return {name: value for name, value in plain(self).items() if name not in self._unsaid()}

    def _unsaid(self) -> set[str]:
        fields = type(self).model_fields.items()
        return {name for name, field in fields if _later(field) and getattr(self, name) == field.default}

    def load_data(self) -> Dataset:
        """Load the data set that the parameters ``dataset`` and ``data_folder`` name.

        Raises
        ------
        InputError
            See `influaug.data.datasets.load`.
        """
        named = self.dataset  # type: ignore[attr-defined]
        form = {name: getattr(self, name) for name in ("image_size", "channels", "skip_bad")}
        return load(named if named in READERS else str(paths.found(named)), self.data_folder, **form)  # type: ignore[attr-defined]

    def deciding(self, *parts: str) -> dict[str, Any]:
        """The parameters that decide some parts of the computation, by name."""
        decided = [name for name, decides in self.decisions().items() if decides in parts]
        return {name: getattr(self, name) for name in decided if name not in self._unsaid()}

    @classmethod
    def decisions(cls) -> dict[str, str]:
        """The part of the computation that each parameter decides, by the parameter's name; see `parameter`."""
        silent = [name for name, field in cls.model_fields.items() if not field.json_schema_extra]
        if silent:
            raise TypeError(f"{cls.__name__}.{silent[0]} must say what it decides: make it by parameter(...).")
        return {name: field.json_schema_extra["decides"] for name, field in cls.model_fields.items()}  # type: ignore[index, misc]

    def seed_sequence(self, replicate: int, purpose: str) -> np.random.SeedSequence:
        """Seed sequence of one replicate for one of `purposes`."""
        return np.random.SeedSequence(self.seed, spawn_key=(replicate, self.purposes.index(purpose)))  # type: ignore[attr-defined]

    def seed_of(self, replicate: int, purpose: str) -> int:
        """Seed of one replicate for one of `purposes`, as one whole number."""
        return int(self.seed_sequence(replicate, purpose).generate_state(1)[0]) >> (32 - self.seed_bits)

    def rng(self, replicate: int, purpose: str) -> np.random.Generator:
        """Random generator of one replicate for one of `purposes`."""
        return np.random.default_rng(self.seed_sequence(replicate, purpose))

    @classmethod
    def of(cls, parameters: dict[str, Any]) -> Self:
        """Validate the parameters in a mapping.

        Raises
        ------
        InputError
            A parameter is unknown, has the wrong type or a wrong value; the message names it and the valid choices.
        """
        unknown = sorted(map(str, set(parameters) - set(cls.model_fields)))
        if unknown:
            names = _shortened(", ".join(unknown))
            raise InputError(f"Unknown parameter {names}; known are {', '.join(cls.model_fields)}.")
        try:
            return cls(**parameters)
        except ValidationError as error:
            raise InputError(_sentence(error)) from None

    @classmethod
    def read(cls, path: PathLike) -> Self:
        """Read and validate parameters from a YAML file; raises InputError if it is missing, not YAML, or wrong."""
        return cls.of(mapping(path))

    @classmethod
    def from_namespace(cls, namespace: dict[str, Any]) -> Self:
        """Validate the parameters in a notebook's globals, from its parameters cell and papermill's injected cell.

        A parameters cell assigns the first parameter, or only literals, so that variables of other cells may have any
        name. A misspelt parameter is refused until a later cell assigns the first one: correct it and run the cell
        again. If the kernel keeps no history, all globals that have a parameter's name are taken.
        """
        first = next(iter(cls.model_fields))
        cells = [_assigned(source, first) for source in namespace.get("In", [])]
        last = max((place for place, names in enumerate(cells) if first in names), default=0)
        names = set().union(*cells) & set(cls.model_fields) | set().union(*cells[last:])
        if not names:  # a kernel that keeps no history, as under nbval
            names = set(cls.model_fields)
        return cls.of_cells({name: namespace[name] for name in sorted(names) if name in namespace})

    @classmethod
    def of_cells(cls, parameters: dict[str, Any]) -> Self:
        """Validate parameters of notebook cells, which write out defaults too: as `of`, unless a kind differs."""
        return cls.of(parameters)


def _later(field):
    return bool((field.json_schema_extra or {}).get("later"))


def read(path: PathLike) -> Experiment:
    """Read and validate parameters from a YAML file; the names in the file decide their kind."""
    found = mapping(path)
    return kind_of(found).of(found)


def kind_of(parameters: dict[str, Any]) -> type[Experiment]:
    """The class of parameters for a mapping: the first of `KINDS` that is a name in it, else `Study`."""
    # Imported only when needed: some kinds import Keras, which takes many seconds.
    name = next((name for name in KINDS if name in parameters), "study")
    module, _, model = KINDS[name].rpartition(".")
    return getattr(import_module(module), model)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader without aliases, a few lines of which can expand without limit, and without huge numbers."""

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

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                # YAML's own loader silently takes the last value of a repeated key.
                raise ConstructorError(None, None, f"{key.value} stands there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def mapping(path: PathLike) -> dict[str, Any]:
    """Read parameters from a YAML file without validating them.

    Raises
    ------
    InputError
        The file is missing, larger than `MOST_BYTES`, or not YAML of plain values: tags of Python objects, aliases and
        repeated keys are refused.
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
        raise InputError(f"{path} must hold one parameter on each line, 'name: value'.")
    return parameters


def _sentence(error):
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    message = _shortened(first["msg"].removeprefix("Value error, ").rstrip("."), 1000)
    return f"Parameter {name}: {message[0].lower()}{message[1:]}; given was {_shortened(repr(first['input']))}."


def _shortened(text, most=MOST_SHOWN):
    """Text on one line for a sentence, cut after `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"


def _assigned(source, first):
    """Names that a cell assigns if it is a parameters cell, else an empty set."""
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
