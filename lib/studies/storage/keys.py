"""Keys of results: a result is served only while everything that it depends on is what it was.

A key is made of the stage's name and version, the parameters that decide it, its data and upstream results. Of code it
has the stage's version, a number that is raised when the stage is to give other numbers. ``make canaries`` keeps what
every version computes in a tiny case (tests/canaries.json) and a fingerprint of its code (`ACCEPTED`). As long as the
code has that fingerprint, or one to which registries have added entries, the version speaks for it; code that was
edited since has its own fingerprint in its keys, so that no result of other code is served in the meantime.
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
"""Fingerprints of the code of every stage, by its name, with the version that they are of."""


class Parameters(Protocol):
    """Parameters that know what they decide: `studies.parameters.Experiment`."""

    def deciding(self, *parts: str) -> dict[str, Any]:
        """Those that decide some parts of the computation, by name."""


@dataclass(frozen=True)
class Stage:
    """A computation whose results are kept.

    Attributes
    ----------
    name : str
    version : int
        Raised when it is to give other numbers for the same parameters.
    decided_by : tuple of str
        The parts of the parameters (`parameters.parameter`) that it depends on.
    code : tuple of callable
        The functions that compute it, and the methods that these call on their arguments.
    """

    name: str
    version: int
    decided_by: tuple[str, ...]
    code: tuple[Callable, ...]

    def key(self, experiment: Parameters, **depends_on: Any) -> str:
        """Key of a result of this stage; `depends_on` is JSON-able: data, seeds, keys of upstream results."""
        parameters = experiment.deciding(*self.decided_by)
        return key(stage=self.name, version=self.version, parameters=parameters, **self.edits, **depends_on)

    @cached_property
    def edits(self) -> dict[str, Any]:
        """Nothing while the code is the accepted one, else its own fingerprint."""
        found, accepted = self.fingerprint(), _accepted(ACCEPTED).get(self.name)
        if accepted is not None and accepted[0] == self.version and found.covers(accepted[1]):
            return {}
        return {"code": asdict(found)}

    def fingerprint(self, lib: Path = LIB) -> Fingerprint:
        """Fingerprint of its code as it is in a folder of packages."""
        return fingerprint([Place(function.__module__, function.__qualname__) for function in self.code], lib)


@cache
def _accepted(path):
    """Version and fingerprint by stage, once a process."""
    content = json.loads(path.read_text()) if path.exists() else {}
    return {name: (kept["version"], Fingerprint(kept["code"], kept["entries"])) for name, kept in content.items()}
