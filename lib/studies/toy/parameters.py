"""Parameters of the toy experiment."""

from __future__ import annotations

from typing import ClassVar, Literal

from ..parameters import NOTHING, Experiment, Number, name_parameter, parameter

SCENARIOS = ("matched", "moved")
MODES = ("as_published", "refreshed", "beside")


class Toy(Experiment):
    """Parameters of the toy experiment; the defaults are those of the page. See params/toy/."""

    kind: ClassVar[str] = "toy"
    purposes: ClassVar[tuple[str, ...]] = ("train", "validation", "test", "classifier", "translation")

    toy: str = name_parameter("half-circles", "toy")
    scenarios: list[Literal[SCENARIOS]] = parameter(list(SCENARIOS), "matched, moved", NOTHING, min_length=1)  # type: ignore[valid-type]
    modes: list[Literal[MODES]] = parameter(list(MODES), "as_published, refreshed, beside", NOTHING, min_length=1)  # type: ignore[valid-type]
    n: int = parameter(100, "training points, and as many for validation", NOTHING, ge=10)
    noise: Number = parameter(0.2, "standard deviation of the points about their half circle", NOTHING, ge=0)
    move: list[Number] = parameter([0.0, -0.5], "of validation and test points", NOTHING, min_length=2, max_length=2)
    width: int = parameter(16, "of both hidden layers of F, and of E's", NOTHING, ge=1)
    C: Number = parameter(1.0, "inverse regularisation strength of F", NOTHING, gt=0)
    bound: Number = parameter(1.0, "largest translation along an axis", NOTHING, gt=0)
    steps: int = parameter(100, "of E's training", NOTHING, ge=1)
    rate: Number = parameter(0.05, "Adam's step size", NOTHING, gt=0)
    seeds: int = parameter(10, "repetitions of everything", NOTHING, ge=2)
    seed: int = parameter(0, "the one seed that all others come from", NOTHING, ge=0)
