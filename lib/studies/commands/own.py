"""Compute a page on your own data, with progress and the minutes to come: ``influaug own PARAMS.yaml``.

Data and parameters are looked at first, then the time is estimated; the cross-validation shows its progress; at last
the notebook makes the page and the file. A run that was killed goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from influaug.errors import InputError

from ..own import costs, cross_validation, material
from ..own.parameters import OwnData
from ..storage import paths
from . import run

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTEBOOK = paths.NOTEBOOKS / "15_your_own_data.ipynb"


def compute(own: OwnData) -> None:
    """Compute and store what the page needs, and write to standard error how long it will take.

    Raises
    ------
    InputError
        The data or the parameters are not what they must be; nothing costly has run.
    """
    brought = material.of(own)
    n = len(brought.points.labels)
    if cross_validation.kept(own, brought) is not None:
        _say(f"{own.name}: all {own.parts} parts are there")
        return
    _say(f"{own.name}: {n:,} points, {own.parts} parts; measuring how long this will take")
    expected = costs.seconds(own, brought)
    if expected:
        _say(f"{own.name}: networks and features will take about {costs.in_words(expected)}; the choice comes on top")
    cross_validation.cross_validated(own, brought)


def _say(text):
    sys.stderr.write(f"{run.MARK}{text}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(prog="influaug own", description=__doc__.splitlines()[0])
    parser.add_argument("parameters", help="a YAML file such as params/own/digits.yaml")
    path = parser.parse_args(arguments).parameters
    try:
        compute(OwnData.read(path))
    except (InputError, OSError, MemoryError) as error:
        _say(f"failed {path}; {str(error) or 'too little memory'}")
        return 1
    except KeyboardInterrupt:
        _say(f"{path} was interrupted; run it again and it goes on where it stopped")
        return 130
    return run.main([str(NOTEBOOK), "--", path])
