"""The arms of a comparison: their augmentations, and the classifiers trained with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from influaug.augnet.at_test import error_and_loss, probabilities
from influaug.augnet.classifiers import Schedule, train_classifier
from influaug.augnet.learning import DEFAULTS
from influaug.augnet.network import SAFE, AugmentationNetwork
from influaug.augnet.pretraining import Pretraining
from influaug.augnet.ranges import Family, GlobalRanges
from influaug.errors import InputError
from influaug.networks.featurizer import without_tracing_warnings

from .ablations import ABLATIONS
from .guessed import heuristic, ranges_by_hand
from .rivals import FORMS_OF_OPERATIONS, RIVALS, STARTS, VARIANTS, operations

if TYPE_CHECKING:
    from typing import Any

    from influaug._types import PathLike, Shape
    from influaug.backend import keras
    from influaug.data.datasets import Split

    from .parameters import Comparison

DRAWS = 8
"""Copies of each test image in the second column of errors."""


def accuracy_of(
    comparison: Comparison,
    replicate: int,
    arm: str,
    points: Split,
    learned: PathLike | None = None,
) -> dict[str, float]:
    """Error (percent) and mean loss (nats) of an arm's classifier on the test images.

    Parameters
    ----------
    As in `trained_classifier`.

    Returns
    -------
    dict of float
        error and loss of the plain images; error_draws and loss_draws with `DRAWS` draws at test time, the same for
        all arms of a replicate.
    """
    model = trained_classifier(comparison, replicate, arm, points, learned)
    seed, found = comparison.seed_of(replicate, "draws"), {}
    for name, draws in (("", 0), ("_draws", DRAWS)):
        p = probabilities(model, points.images_test, draws, seed=seed)
        found |= dict(zip((f"error{name}", f"loss{name}"), error_and_loss(p, points.labels_test), strict=True))
    return found


@without_tracing_warnings()
def trained_classifier(
    comparison: Comparison,
    replicate: int,
    arm: str,
    points: Split,
    learned: PathLike | None = None,
) -> keras.Model:
    """Train an arm's classifier from scratch.

    Parameters
    ----------
    comparison : parameters.Comparison
    replicate : int
    arm : str
        One of `parameters.ARMS`.
    points : influaug.data.datasets.Split
    learned : path, optional
        File of the augmentation that was learned for the arm, see `parameters.learned_for`.
    """
    layer = augmentation_of(comparison, replicate, arm, points.images.shape[1:], learned)
    schedule = schedule_of(comparison, comparison.steps)
    seed = comparison.seed_of(replicate, "classifier")
    return train_classifier(comparison.classifier, points.images, points.labels, layer, schedule, seed)


def augmentation_of(
    comparison: Comparison, replicate: int, arm: str, shape: Shape, learned: PathLike | None = None
) -> Any:
    """Augmentation of an arm, as a layer with new random draws; None for the arm 'none'."""
    seed, family = comparison.seed_of(replicate, "augmentation"), family_of(comparison)
    if arm == "none":
        return None
    if arm == "heuristic":
        return heuristic(shape, family, seed)
    if arm == "learned-untrained":
        return operations(shape, family, seed)
    if arm == "learned-permuted":
        learned_layer = AugmentationNetwork.load(learned).layer_  # type: ignore[arg-type]
        return learned_layer.permuted(np.random.default_rng(comparison.seed_of(replicate, "permutation")))
    if arm in RIVALS:
        return RIVALS[arm].augmentation(shape, family, seed)
    if arm in ("control", "untrained", "hand"):
        return ranges_by_hand(shape, family, arm, seed)
    if arm in ("ranges", "permuted"):
        ranges = AugmentationNetwork.load(learned).layer_  # type: ignore[arg-type]
        sigma = np.array(list(ranges.ranges().values()))
        if arm == "permuted":
            sigma = np.random.default_rng(comparison.seed_of(replicate, "permutation")).permutation(sigma)
        layer = GlobalRanges(shape, family, seed)
        layer.assign(sigma)
        return layer
    return AugmentationNetwork.load(learned).layer_  # type: ignore[arg-type]


def learn_form(
    comparison: Comparison,
    replicate: int,
    form: str,
    points: Split,
    path: PathLike,
    start_file: PathLike | None = None,
) -> list[dict[str, Any]]:
    """Learn one of `parameters.LEARNED`, save it at a path, and return its trajectory.

    With a `start_file`, that of `parameters.start_of`, learning starts from the augmentation in that file.

    Raises
    ------
    InputError
        The form is an ablation for colour images, and the images are grey.
    """
    ablation = ABLATIONS.get(form)
    if ablation is not None and ablation.colours and points.images.shape[-1] == 1:
        raise InputError(f"The arm {form!r} needs colour images, and those of {comparison.dataset} are grey.")
    pool = comparison.load_data().images_train[: comparison.unlabelled]
    given = points.images, points.labels, comparison.classifier, pool
    options, start = {"family": family_of(comparison), **_options(comparison, form)}, None
    if form in STARTS:
        start = operations(points.images.shape[1:], family_of(comparison), 0).scaled(STARTS[form])
    if ablation is not None and ablation.anew:
        first = AugmentationNetwork(
            **{**options, "mode": "pretrained"}, seed=_seed(comparison, replicate, "pretrained")
        )
        start = first.fit(*given).layer_.learned
    elif start_file is not None:
        before = AugmentationNetwork.load(start_file).layer_
        start = before if form in VARIANTS else before.learned
    network = AugmentationNetwork(**options, seed=_seed(comparison, replicate, form)).fit(*given, start)
    if form in FORMS_OF_OPERATIONS:
        network.trajectory_ = [_short(row) for row in network.trajectory_]
    network.save(path)
    return network.trajectory_


def _short(row):
    """A row of a trajectory with six significant digits, which is enough for a figure and a third of the bytes."""
    short = {name: float(f"{value:.6g}") for name, value in row.items() if isinstance(value, float)}
    return row | short | ({"sigma": [float(f"{value:.6g}") for value in row["sigma"]]} if "sigma" in row else {})


def _seed(comparison, replicate, form):
    """Seed of the learning of a form; an ablation has the seed of the form that it is compared with."""
    of_others = {**dict.fromkeys(ABLATIONS, "network"), **dict.fromkeys([*STARTS, *VARIANTS, "strength"], "learned")}
    return comparison.seed_of(replicate, of_others.get(form, form))


def _options(c, form):
    """Parameters of `AugmentationNetwork` for one form of a comparison."""
    if form in ABLATIONS:
        return _changed(_options(c, "network"), ABLATIONS[form])
    schedule = schedule_of(c, c.fold_steps)
    pretraining = Pretraining(steps=c.pretraining_steps)
    if form == "augerino":
        learning = replace(DEFAULTS["ranges"], schedule=schedule_of(c, c.steps))
        return {"form": "ranges", "mode": "training_loss", "learning": learning, "reward": c.reward}
    if form in (*STARTS, *VARIANTS, "strength"):
        steps, kind = {"rounds": c.rounds, "steps": c.learning_steps}, VARIANTS.get(form, "operations")
        learning = replace(DEFAULTS[kind], schedule=schedule, folds=c.folds, **steps)
        mode, family = "strength" if form == "strength" else "refreshed", family_of(c)
        family = replace(family, base_shift=0, flips=family.flips and c.load_data().images_train.shape[-1] != 3)
        return {"form": kind, "mode": mode, "learning": learning, "family": family}
    if form in ("ranges", "image-ranges"):
        steps = {"rounds": c.rounds, "steps": c.learning_steps}
        return {"form": form, "learning": replace(DEFAULTS[form], schedule=schedule, folds=c.folds, **steps)}
    mode = {"network": "refreshed"}.get(form, form)
    steps = {"rounds": c.rounds, "steps": c.network_steps}
    learning = replace(DEFAULTS["network"], schedule=schedule, folds=c.folds, **steps)
    return {"form": "network", "mode": mode, "learning": learning, "pretraining": pretraining}


def _changed(options, ablation):
    """Options of the arm 'network' with the changes of an ablation."""
    changed = {name: replace(options[name], **getattr(ablation, name)) for name in ("learning", "pretraining")}
    return {**options, **changed, "design": replace(SAFE, **ablation.design), "series": ablation.series}


def schedule_of(comparison: Comparison, steps: int) -> Schedule:
    """Schedule of so many steps for a classifier."""
    return Schedule(steps, comparison.batch_size, comparison.rate, comparison.optimizer)


def family_of(comparison: Comparison) -> Family:
    """Family of warps, with the base augmentation."""
    return Family(base_shift=comparison.base_shift, flips=comparison.flips, start=comparison.start)
