"""Parameters of a study of networks trained anew with copies that are chosen beforehand, in rounds, or in training."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import field_validator

from influaug.data.datasets import Classes, split
from influaug.data.transformations import APPENDIX_B, Transformation, appendix_b, rotate, translate
from influaug.selection.policies import policy_of
from influaug.selection.rounds import Rounds

from ..parameters import NOTHING, Experiment, Number, Sides, name_parameter, parameter
from ..points.study import EVEN_AND_ODD

if TYPE_CHECKING:
    from influaug.data.datasets import Split

WHOLE = {
    "none": "the originals alone",
    "all": "all copies, with a larger batch",
    "all_small_batch": "all copies, with the batch of the other arms",
    "on_the_fly": "a random one of each point's original and copies in each epoch, no choice",
    "on_the_fly_longer": "the same, with as many image passes as choice in training",
    "choice_in_training": "originals and copies drawn by the present network's error",
}
"""Arms without a budget, and what they train on."""
IN_ROUNDS = {
    "rounds": "greedy influence in rounds, a network trained anew in each",
    "warm_rounds": "greedy influence in rounds of one network that trains on",
}
"""Arms that choose a share of the copies in rounds; all other arms with a share are policies, which choose once."""
COLOUR = "flip-shift-rotate"
"""Seven copies of a photograph: mirrored, shifted four ways, and rotated both ways."""
NETWORKS = ("lenet", "released-cnn", "all-cnn", "resnet20")


class RetrainedSets(Experiment):
    """Parameters of the study; the defaults are the small embedded case, params/retrained_sets/ has the full ones."""

    kind: ClassVar[str] = "retrained_sets"
    purposes: ClassVar[tuple[str, ...]] = ("sample", "network", "order", "policy", "rounds", "on the fly", "draws")

    retrained_sets: str = name_parameter("digits-translate", "study of retrained networks")
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
    classes: Classes | None = parameter(EVEN_AND_ODD, "what becomes label 0, 1, ...; a list merges classes", "data")
    n_train: int | None = parameter(200, "training points sampled; null for all", "data", ge=2)
    transformation: Literal["translate", "rotate", "crop", COLOUR] = parameter(  # type: ignore[valid-type]
        "translate", f"translate, rotate or crop of the paper's appendix B, or {COLOUR}", "data"
    )
    network: Literal[NETWORKS] = parameter("lenet", "lenet, released-cnn, all-cnn or resnet20", "training")  # type: ignore[valid-type]
    arms: list[str] = parameter(
        ["none", "random_copies", "greedy_influence", "warm_rounds", "all", "on_the_fly", "choice_in_training"],
        "what is compared: arms without a budget, rounds, warm_rounds, or policies of influaug.selection.policies",
        NOTHING,
        min_length=1,
    )
    shares: list[Number] = parameter([0.05], "of all copies, in the order of their computation", NOTHING, min_length=1)
    updates: int = parameter(60, "training steps of every tested network", "training", ge=1)
    batch_size: int = parameter(32, "images a training step", "training", ge=1)
    batch_of_all: int = parameter(128, "images a training step of the arm 'all'", "all", ge=1)
    learning_rate: Number = parameter(1e-3, "Adam's step size", "training", gt=0)
    C: Number = parameter(10.0, "inverse regularisation strength of the logistic regressions", "choice", gt=0)
    rounds: int = parameter(3, "of the arm 'rounds'; the share doubles in each", "choice", ge=1)
    warm_rounds: int = parameter(5, "of the arm 'warm_rounds', of equal parts", "choice", ge=1)
    warm_updates: int = parameter(20, "training steps of each warm round", "choice", ge=1)
    every: int = parameter(5, "epochs between two scorings of the pool in 'choice_in_training'", "draws", ge=1)
    even: Number = parameter(0.5, "share of its draws that is even", "draws", gt=0, le=1)
    replicates: int = parameter(2, "repetitions of everything, each with its own sample and weights", NOTHING, ge=1)
    train: bool = parameter(True, "whether the page trains what is missing; false: shows what there is", NOTHING)
    seed: int = parameter(0, "all randomness comes from here", "data", ge=0)

    @field_validator("arms")
    @classmethod
    def _known(cls, names):
        for name in names:
            if name not in WHOLE | IN_ROUNDS:
                policy_of(name)
        if len(set(names)) < len(names):
            raise ValueError("must name each arm once")
        return names

    @field_validator("shares")
    @classmethod
    def _in_range(cls, shares):
        if not all(0 < share <= 1 for share in shares) or len(set(shares)) < len(shares):
            raise ValueError("must be different shares above 0 and at most 1")
        return shares

    def split(self, replicate: int) -> Split:
        """Training sample of a replicate, and the test set."""
        return split(self.load_data(), self.classes, self.n_train, "stratified", self.seed_of(replicate, "sample"))

    def augmentation(self) -> Transformation:
        """The transformation that makes the copies."""
        if self.transformation == COLOUR:
            return flip_shift_rotate()
        return appendix_b(self.transformation, self.dataset if self.dataset in APPENDIX_B else "mnist")

    def in_rounds(self, arm: str) -> Rounds:
        """The rounds of an arm of `IN_ROUNDS`."""
        n, updates = (self.rounds, self.updates) if arm == "rounds" else (self.warm_rounds, self.warm_updates)
        return Rounds(n, arm == "rounds", updates, self.batch_size, self.learning_rate)

    def jobs(self) -> list[tuple[str, float | None]]:
        """Arm and share of every result of a replicate; arms without a budget come first, with the share None."""
        whole = [(arm, None) for arm in self.arms if arm in WHOLE]
        return whole + [(arm, share) for share in self.shares for arm in self.arms if arm not in WHOLE]


def flip_shift_rotate() -> Transformation:
    """Mirror left to right, shift by 3 pixels in four directions, rotate by 10 degrees both ways: k = 7."""
    import imgaug.augmenters as iaa  # takes seconds

    parts = [translate(3), rotate([-10.0, 10.0])]
    labels = ("mirror", *(label for part in parts for label in part.labels))
    augmenters = (iaa.Fliplr(1.0, seed=0), *(augmenter for part in parts for augmenter in part.augmenters))
    return Transformation(COLOUR, labels, augmenters, max(part.smallest_side for part in parts))
