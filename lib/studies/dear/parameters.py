"""Parameters of the page on dear copies."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import field_validator

from influaug.selection.policies import SetOptions, policy_of

from ..parameters import NOTHING, Experiment, Number, name_parameter, parameter
from ..points.study import Study
from ..storage import paths

LEARNERS = ("probe", "svm", "trees", "svm_pixels")
POLICIES = ["random_copies", "influence", "margin_rescored", "badge", "greedy_influence", "greedy_loss"]


class DearCopies(Experiment):
    """Parameters of the page on dear copies; the defaults are the small embedded case. See params/dear/."""

    kind: ClassVar[str] = "dear"
    purposes: ClassVar[tuple[str, ...]] = ("spoilt", "policies", "test", "trees")

    dear: str = name_parameter("digits", "study of dear copies")
    study: str = parameter(
        "digits-translate",
        "the study in params/ that it has its points, copies and features from",
        NOTHING,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    )
    policies: list[str] = parameter(POLICIES, "policies; see influaug.selection.policies", "choice", min_length=1)
    clicks: list[int] = parameter([10, 20, 50, 100], "numbers of copies that a person checks", "choice", min_length=1)
    spoilt: list[Number] = parameter([0.0, 0.1], "of the copies, half damaged, half mislabelled", "choice")
    C: Number = parameter(10.0, "inverse regularisation strength of policies, probe and SVMs", "choice", gt=0)
    learners: list[Literal[LEARNERS]] = parameter(  # type: ignore[valid-type]
        list(LEARNERS), "probe, svm, trees, svm_pixels", "learners", min_length=1
    )
    components: int = parameter(50, "principal components of the pixels, for svm_pixels", "learners", ge=1)
    trees: int = parameter(60, "boosting iterations of the trees", "learners", ge=1)
    n_test: int = parameter(4000, "most rows of test images and their copies", "learners", ge=10)
    replicates: int | None = parameter(None, "of the study's replicates, the first so many; null: all", NOTHING, ge=1)
    seed: int = parameter(0, "all randomness but that of the study comes from here", "choice", ge=0)

    @field_validator("policies")
    @classmethod
    def _known(cls, names):
        for name in names:
            policy_of(name)
        if len(set(names)) < len(names):
            raise ValueError("must name each policy once")
        return names

    @field_validator("clicks")
    @classmethod
    def _rising(cls, clicks):
        if clicks != sorted(set(clicks)) or clicks[0] < 1:
            raise ValueError("must rise from at least 1")
        return clicks

    @field_validator("spoilt")
    @classmethod
    def _shares(cls, shares):
        if not shares or not all(0 <= share < 1 for share in shares) or len(set(shares)) < len(shares):
            raise ValueError("must be shares from 0 to below 1, each once")
        return shares

    def base(self) -> Study:
        """Parameters of the study whose features are used."""
        return Study.read(paths.PARAMS / f"{self.study}.yaml")

    def options(self) -> SetOptions:
        """Options of the policies."""
        return SetOptions(C=self.C, solver="exact", verbose=False)
