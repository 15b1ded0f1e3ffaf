"""Presets of a study: sets of parameters that together repeat what somebody else's code did.

`released` is what the code that Kuchnik & Smith (2019) released does where it differs from their paper: every fit has
C = 1, influence leaves the L2 term out of the Hessian (which is damped by 1e-10), translations go to the four
diagonals, networks are fed pixels without the subtraction of the mean image that they were trained with, the sample is
the first points of the file, and the margin score prefers easy points. On MNIST it trains a CNN anew in every fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from influaug.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

RELEASED = {
    "C": 1.0,
    "hessian": "loss",
    "damping": 1e-10,
    "directions": "diagonal",
    "preprocessing": "uncentred",
    "sample": "first",
    "margin": "easiest",
}
RELEASED_MNIST = {"network": "released-cnn", "featurizer": "retrained", "refinements": ["plain"]}
PRESETS = ("released",)


def values_of(preset: str | None, dataset: str) -> dict[str, Any]:
    """What a preset sets for a data set, by parameter; nothing without a preset."""
    if preset is None:
        return {}
    return RELEASED | (RELEASED_MNIST if dataset == "mnist" else {})


def with_preset(given: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """Parameters with those that their preset sets.

    Parameters
    ----------
    given : mapping
        Parameters as somebody wrote them down; ``preset`` may be among them.
    dataset : str
        The data set, if ``dataset`` is not among them.

    Raises
    ------
    InputError
        A given parameter contradicts the preset.
    """
    values = _values(given, dataset)
    wrong = next((name for name, value in values.items() if name in given and given[name] != value), None)
    if wrong is not None:
        raise InputError(
            f"preset: {given['preset']} sets {wrong} to {_shown(values[wrong])}, not {_shown(given[wrong])}: "
            f"leave out {wrong}, or the preset."
        )
    return {**values, **given}


def giving_way(given: Mapping[str, Any], dataset: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a notebook's cell, in which defaults are written out, without those defaults that a preset sets."""
    values = _values(given, dataset)
    return {name: value for name, value in given.items() if name not in values or value != defaults[name]}


def in_words(preset: str | None, dataset: str) -> str:
    """A sentence about what a preset sets; empty without a preset."""
    found = [f"{name}: {_shown(value)}" for name, value in values_of(preset, dataset).items()]
    return f"preset {preset} sets {', '.join(found)}." if found else ""


def _values(given, dataset):
    preset = given.get("preset")
    # Other values are refused, with the others of a wrong type, by the class of the parameters.
    return values_of(preset, given.get("dataset", dataset)) if isinstance(preset, str) and preset in PRESETS else {}


def _shown(value):
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)[:100]
