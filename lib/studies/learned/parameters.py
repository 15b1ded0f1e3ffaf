"""Parameters of a comparison of augmentations, its arms, and the forms that arms must learn beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import field_validator

from influaug.data.datasets import Classes, split

from ..parameters import NOTHING, Experiment, Number, Sides, name_parameter, parameter
from .ablations import ABLATIONS
from .rivals import FORMS_OF_OPERATIONS, LEARNED_OPERATIONS, RIVALS, VARIANTS

if TYPE_CHECKING:
    from influaug.data.datasets import Split

ARMS = (
    "none",
    "heuristic",
    "control",
    "untrained",
    "hand",
    "ranges",
    "permuted",
    "image-ranges",
    "pretrained",
    "network",
    "as_published",
    *RIVALS,
    *LEARNED_OPERATIONS,
    *ABLATIONS,
)
OF_NETWORKS = ("pretrained", "network", "as_published", *ABLATIONS)
LEARNED = ("ranges", "image-ranges", *OF_NETWORKS, *FORMS_OF_OPERATIONS)


class Comparison(Experiment):
    """Parameters of a comparison; the defaults describe the small embedded case, params/learned/ has the full ones."""

    kind: ClassVar[str] = "learned"
    purposes: ClassVar[tuple[str, ...]] = (
        "sample",
        "classifier",
        "augmentation",
        "permutation",
        "ranges",
        "image-ranges",
        "pretrained",
        "network",
        "as_published",
        "draws",
        "learned",
        "augerino",
    )
    """Ablations share the seeds of 'pretrained' and 'network'."""

    comparison: str = name_parameter("digits-100", "comparison")
    dataset: str = parameter("digits", "digits, mnist, cifar10, cifar100, small-norb, an .npz or a folder", "arms")
    data_folder: str | None = parameter(None, "where data files lie; else INFLUAUG_DATA, else a cache folder", NOTHING)
    image_size: Sides | None = parameter(
        None, "pixels, or height and width, to resize a folder's pictures to; null: as they are", "arms", later=True
    )
    channels: int | None = parameter(
        None, "1 or 3: make a folder's pictures grey or colour; null: as they are", "arms", later=True
    )
    skip_bad: bool = parameter(
        False, "leave out those of a folder's files that cannot be used; false: refuse it", "arms", later=True
    )
    classes: Classes | None = parameter(None, "what becomes label 0, 1, ...; null for all classes", "arms")
    n_train: int | None = parameter(100, "labelled images, stratified; null for all", "arms", ge=2)
    unlabelled: int | None = parameter(
        None, "images to pretrain G with, without labels; null for all", "networks", ge=1
    )
    arms: list[Literal[ARMS]] = parameter(["control", "hand", "ranges"], "what is compared", NOTHING, min_length=1)  # type: ignore[valid-type]
    classifier: str = parameter("all-cnn", "all-cnn, lenet, released-cnn, resnet20, resnet56, wrn-28-10, ...", "arms")
    base_shift: int = parameter(2, "pixels; the base augmentation's random shifts", "arms", ge=0)
    flips: bool = parameter(False, "whether the base augmentation mirrors left to right", "arms")
    steps: int = parameter(150, "of the classifier's training", "arms", ge=1)
    fold_steps: int = parameter(60, "of the training of each fold's classifier", "arms", ge=1)
    batch_size: int = parameter(64, "points a step of a classifier's training", "arms", ge=1)
    rate: Number = parameter(0.002, "first step size of classifiers, which falls to zero on a cosine", "arms", gt=0)
    optimizer: Literal["adam", "sgd"] = parameter(
        "adam", "of classifiers; sgd: Nesterov momentum .9, gradients clipped at a norm of 5", "arms", later=True
    )
    folds: int = parameter(3, "of the cross-fitting", "arms", ge=2)
    rounds: int = parameter(1, "outer rounds of the learning of ranges, each with new classifiers", "arms", ge=1)
    learning_steps: int = parameter(6, "of each round", "arms", ge=1)
    pretraining_steps: int = parameter(30, "of G in the game", "networks", ge=1)
    network_steps: int = parameter(6, "of the influence training of E and G", "networks", ge=1)
    start: Number = parameter(0.5, "pixels; every range before it is learned", "arms", gt=0)
    reward: Number = parameter(
        0.01, "lambda of the arm 'augerino', for each pixel of range", "rivals", later=True, ge=0
    )
    only_finished: bool = parameter(
        False, "whether the page shows finished results alone, and computes none", NOTHING, later=True
    )
    replicates: int = parameter(2, "repetitions of everything, each with its own labelled images", NOTHING, ge=2)
    seed: int = parameter(0, "all randomness comes from here", "arms", ge=0)

    @field_validator("arms")
    @classmethod
    def _each_once(cls, arms):
        if len(set(arms)) < len(arms):
            raise ValueError("must name each arm once")
        return arms

    def split(self, replicate: int) -> Split:
        """Labelled images of a replicate, and the test set."""
        seed = self.seed_of(replicate, "sample")
        return split(self.load_data(), self.classes, self.n_train, "stratified", seed)


def learned_for(arm: str) -> str | None:
    """The form (one of `LEARNED`) that an arm needs; None if the arm learns nothing."""
    return {"permuted": "ranges", "learned-permuted": "learned"}.get(arm, arm if arm in LEARNED else None)


def start_of(form: str) -> str | None:
    """The form (one of `LEARNED`) from which learning another form starts; None if it starts from scratch."""
    if form in VARIANTS:
        return "learned"
    ablation = ABLATIONS.get(form)
    goes_on = form == "network" if ablation is None else not ablation.anew
    return "pretrained" if goes_on else None
