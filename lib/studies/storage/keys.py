"""Keys of results: a result is served only while everything that it depends on is unchanged.

A key contains the stage's name and version, the parameters that decide it, its data and its upstream results. The
version is a number that stands for the code; it is raised when the stage shall give other numbers. ``make canaries``
stores the results of every version in a tiny case (tests/canaries.json) and a fingerprint of its code (`ACCEPTED`).
While the code has that fingerprint, apart from entries added to registries, the version represents it. Code edited
since then adds its own fingerprint to its keys, so that results of other code are never served.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from influaug.files.sealed import key

from .fingerprints import LIB, Fingerprint, Place, fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ACCEPTED = Path(__file__).with_name("accepted.json")
"""File with the accepted version and code fingerprint of every stage, by the stage's name."""


class Parameters(Protocol):
    """Parameters that know which part of a computation they decide: `studies.parameters.Experiment`."""

    def deciding(self, *parts: str) -> dict[str, Any]:
        """The parameters that decide some parts of the computation, by name."""


@dataclass(frozen=True)
class Stage:
    """A computation whose results are stored.

    Attributes
    ----------
    name : str
    version : int
        Raised when the stage shall give other numbers for the same parameters.
    decided_by : tuple of str
        The parts of the computation (see `parameters.parameter`) whose parameters the stage depends on.
    code : tuple of callable
        The functions of the stage, and the methods that they call on their arguments.
    """

    name: str
    version: int
    decided_by: tuple[str, ...]
    code: tuple[Callable, ...]

    def key(self, experiment: Parameters, **depends_on: Any) -> str:
        """Key of a result of this stage; `depends_on` (data, seeds, upstream keys) must be serialisable as JSON."""
        parameters = experiment.deciding(*self.decided_by)
        return key(stage=self.name, version=self.version, parameters=parameters, **self.edits, **depends_on)

    @cached_property
    def edits(self) -> dict[str, Any]:
        """Empty if the code is the accepted one, else its fingerprint: the part of a key for unchecked edits."""
        found, accepted = self.fingerprint(), _accepted(ACCEPTED).get(self.name)
        if accepted is not None and accepted[0] == self.version and found.covers(accepted[1]):
            return {}
        return {"code": asdict(found)}

    def fingerprint(self, lib: Path = LIB) -> Fingerprint:
        """Fingerprint of the stage's code in a folder of packages."""
        return fingerprint([Place(function.__module__, function.__qualname__) for function in self.code], lib)


@cache
def _accepted(path):
    """Accepted version and fingerprint by stage, read once for the process."""
    content = json.loads(path.read_text()) if path.exists() else {}
    return {name: (kept["version"], Fingerprint(kept["code"], kept["entries"])) for name, kept in content.items()}
