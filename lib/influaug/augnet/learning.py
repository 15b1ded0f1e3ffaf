r"""Learning an augmentation by influence: E and G, or the ranges of a distribution, against the validation loss.

What is made small is the mean influence of fresh copies on validation points,

.. math:: \mathcal I_{up}(\tilde z) = -S \cdot \nabla_\theta \ell(\tilde z, \hat\theta), \qquad
    S = (H + \lambda I)^{-1} \nabla L_{val}(\hat\theta)

(Lee et al., 2020, equation 14), through the features of a classifier that stays as it is, and through the copy. With
:math:`\hat\theta` and S refreshed at each step, by an exact fit of the last layer to present copies, its gradient is
the implicit gradient of equations 4 and 5 for that layer; kept from the beginning, as the paper words it, it is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..backend import keras
from ..errors import InputError
from ..networks.checks import check_seed
from ..networks.featurizer import JIT
from ..networks.precision import check_finite
from .chain import AfterBase, copies_of
from .classifiers import Schedule, error_and_loss, train_classifier
from .folds import Fold, splits
from .models import check_number, check_whole_number
from .partial import Partial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._types import Tensor

ops = keras.ops

TRAINED = ("all", "encoder")


@dataclass(frozen=True)
class Learning:
    """How an augmentation is learned.

    Attributes
    ----------
    schedule : Schedule
        Of F's trainings.
    folds : int
        K of the cross-fitting, 2 or more.
    all_folds : bool
        False takes the first fold alone: one split into training and validation points, as in the papers.
    rounds : int
        Outer rounds; in each, F of every fold is trained anew, on copies by the augmentation as it is by then.
    steps : int
        Of each round.
    batch_size : int
        Points whose fresh copies are judged in a step, over all folds; never more than there are.
    rate : float
        Adam's step size.
    averaged : int
        Last steps over which the weights are averaged in the end; logarithms of ranges, so that it is their geometric
        mean. 1 takes the last.
    draws : int
        Copies of each training point that the last layer is fitted to; at each step one draw is renewed.
    base_draws : int
        How many of them are by the base augmentation alone.
    penalty : float
        lambda of the last layer, mean loss + lambda / 2 |W|^2.
    refresh : bool
        Fit the last layer, and S, anew before each step; False keeps the first (Lee et al., 2020, section 3.4).
    squash : float or None
        Influence I becomes c tanh(I / c), c being so many of its first standard deviations.
    hinge : float
        Weight of what the classifier's loss of a copy exceeds `threshold` by.
    threshold : float
        In nats.
    trained : {'all', 'encoder'}
        'encoder' keeps G, as the ICLR 2019 submission does.
    keep_best : bool
        Measure the cross-fitted loss of classifiers trained with the augmentation as it is before the first round and
        after each, with the same seeds, and end with the augmentation whose loss was lowest. Not for a trained network,
        whose loss says nothing of what it would have learned from copies.
    """

    schedule: Schedule = field(default_factory=lambda: Schedule(steps=800))
    folds: int = 3
    all_folds: bool = True
    rounds: int = 2
    steps: int = 40
    batch_size: int = 1200
    rate: float = 0.03
    averaged: int = 20
    draws: int = 3
    base_draws: int = 0
    penalty: float = 1e-3
    refresh: bool = True
    squash: float | None = None
    hinge: float = 0.0
    threshold: float = 0.7
    trained: str = "all"
    keep_best: bool = False

    def __post_init__(self) -> None:
        least = {"folds": 2, "rounds": 1, "steps": 1, "batch_size": 1, "averaged": 1, "draws": 1, "base_draws": 0}
        for name, bound in least.items():
            check_whole_number(name, getattr(self, name), bound)
        for name in ("rate", "penalty"):
            check_number(name, getattr(self, name), strictly=True)
        for name in ("hinge", "threshold"):
            check_number(name, getattr(self, name), strictly=False)
        check_number("squash", self.squash, strictly=True, none=True)
        if self.base_draws > self.draws:
            raise InputError(f"base_draws is {self.base_draws}; it must be at most draws, {self.draws}.")
        if self.trained not in TRAINED:
            raise InputError(f"trained is {self.trained!r}; it must be one of {', '.join(TRAINED)}.")


DEFAULTS = {
    "operations": Learning(keep_best=True),
    "class-operations": Learning(keep_best=True),
    "image-operations": Learning(rate=1e-3, batch_size=600, keep_best=True),
    "ranges": Learning(),
    "image-ranges": Learning(rate=1e-3, batch_size=600),
    "network": Learning(rate=1e-3, steps=100, batch_size=192, base_draws=1, squash=2.0, hinge=5.0),
}
"""How each form of `network.AugmentationNetwork` is learned if nothing else is said."""


def influence_and_loss(features: Tensor, labels: Tensor, theta: Tensor, S: Tensor) -> tuple[Tensor, Tensor]:
    """I_up,loss and the loss of copies under a linear head, differentiable by the features, on Keras's backend.

    Parameters
    ----------
    features : tensor [n, d]
    labels : int tensor [n]
    theta, S : tensor [K, d + 1]
        As in `influence.ValidationInfluence`, the last column for the intercept; two classes have K = 1.

    Returns
    -------
    tuple of tensor [n]
    """
    eta, sensitivity = (ops.matmul(features, ops.transpose(m[:, :-1])) + m[:, -1] for m in (theta, S))
    if theta.shape[0] == 1:
        zero = ops.zeros_like(eta)
        eta, sensitivity = ops.concatenate([zero, eta], axis=1), ops.concatenate([zero, sensitivity], axis=1)
    log_p = ops.log_softmax(eta, axis=-1)
    hot = ops.one_hot(labels, eta.shape[-1], dtype=log_p.dtype)
    influence = -ops.sum((ops.exp(log_p) - hot) * sensitivity, axis=-1)
    return influence, -ops.sum(hot * log_p, axis=-1)


class InfluenceTraining(Partial):
    """A model whose weights are those of the augmentation, and whose loss is the mean influence of its copies.

    It is called with a dict: 'images' [k, b, height, width, channels] and 'labels' [k, b], b points of each of k folds;
    'theta' and 'S' [k, K, d + 1]; 'scale' [1], by which influence is divided. As theta and S come with the data, they
    may change from one step to the next on every backend, and `fit` serves as well where they do not.

    Parameters
    ----------
    augmentation : keras.layers.Layer
        Images -> copies.
    bodies : list of keras.Model
        Of each fold, images -> features; they are only read.
    settings : Learning
        Its `squash`, `hinge`, `threshold` and `trained` are used.
    """

    def __init__(
        self, augmentation: keras.layers.Layer, bodies: Sequence[keras.Model], settings: Learning, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.augmentation, self.bodies, self.settings = augmentation, list(bodies), settings
        self.trains(trained_part(augmentation, settings.trained))

    def call(self, x: dict[str, Any], training: bool | None = None) -> Tensor:
        """The objective of every copy, fold by fold: [k * b], or twice as many."""
        values = []
        for k, body in enumerate(self.bodies):
            copies, labels = self.copies(x["images"][k], x["labels"][k])
            features = body(copies, training=False)
            influence, loss = influence_and_loss(features, labels, x["theta"][k], x["S"][k])
            value = influence / x["scale"][0]
            if self.settings.squash is not None:
                value = self.settings.squash * ops.tanh(value / self.settings.squash)
            values.append(value + self.settings.hinge * ops.relu(loss - self.settings.threshold))
        return ops.concatenate(values)

    def copies(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Fresh copies with their labels; of random warps two of each image, with opposite draws."""
        if not hasattr(self.augmentation, "draw"):
            return self.augmentation(images, training=True), labels
        images, labels = ops.concatenate([images, images]), ops.concatenate([labels, labels])
        uniforms = self.augmentation.draw(ops.shape(images)[0], paired=True)
        return copies_of(self.augmentation, images, labels, uniforms=uniforms, training=True), labels

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Tensor = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """The mean objective."""
        return ops.mean(y_pred)


def learn(
    augmentation: keras.layers.Layer,
    base: keras.layers.Layer,
    images: np.ndarray,
    labels: np.ndarray,
    classifier: str | keras.Model = "all-cnn",
    settings: Learning | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Train an augmentation in place by influence, cross-fitted.

    Parameters
    ----------
    augmentation : keras.layers.Layer
        Images -> copies, with trainable weights: `ranges.GlobalRanges`, `ranges.ImageRanges`, or `chain.AfterBase`
        around a `models.TransformationModel`.
    base : keras.layers.Layer
        The base augmentation alone, see `chain.base_augmentation`.
    images : array of uint8 [n, height, width, channels]
    labels : int array [n]
        Every class 0..K-1 present.
    classifier : str or keras.Model
        F: one of `classifiers.CLASSIFIERS`, trained for each fold and round; or a trained network with a layer
        'features', of which only the last layer is then fitted to the folds.
    settings : Learning
    seed : int

    Returns
    -------
    list of dict
        Of each step: round, step, influence (mean of the fresh copies, as scaled), validation_loss (mean over the folds
        of the refitted last layer, nats) and, for global ranges, sigma (a list) and total, if it has one. With
        `keep_best` also crossfitted_loss (of the classifiers that the round began with) and kept (whether learning
        ended there), and a last row for the augmentation after the last round, without influence and validation_loss.
    """
    settings = settings or Learning()
    of_split, of_order, *of_rounds = np.random.SeedSequence(check_seed(seed)).spawn(2 + settings.rounds)
    parts = splits(labels, settings.folds, _whole(of_split))[: None if settings.all_folds else 1]
    rng, kinds = np.random.default_rng(of_order), [base] * settings.base_draws
    kinds = kinds + [augmentation] * (settings.draws - settings.base_draws)
    train = crossfitter(classifier, images, labels, parts, settings)
    if settings.keep_best and not isinstance(classifier, keras.Model):
        return _keeping_the_best(augmentation, kinds, train, settings, rng, of_rounds[0].spawn(len(parts)))
    trajectory = []
    for number, of_round in enumerate(of_rounds):
        folds = _folds(train(augmentation, of_round.spawn(len(parts))), kinds, settings)
        trajectory += learning_round(augmentation, folds, settings, rng, number)
    return trajectory


@dataclass(frozen=True)
class CrossFitted:
    """A classifier trained without one fold, and the points that it was and was not trained with."""

    model: keras.Model
    images: np.ndarray
    labels: np.ndarray
    training: np.ndarray
    validation: np.ndarray

    @property
    def loss(self) -> float:
        """Mean cross-entropy of the validation points, nats."""
        return error_and_loss(self.model, self.images[self.validation], self.labels[self.validation])[1]


def crossfitter(
    classifier: str | keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    settings: Learning,
) -> Callable[[keras.layers.Layer, Sequence[np.random.SeedSequence]], list[CrossFitted]]:
    """Function (augmentation, a seed for each fold) -> the folds' classifiers, trained with that augmentation."""

    def fitted(augmentation, training, seed):
        if isinstance(classifier, keras.Model):
            return classifier
        points = images[training], labels[training]
        return train_classifier(classifier, *points, augmentation, settings.schedule, _whole(seed))

    def train(augmentation, seeds):
        return [
            CrossFitted(fitted(augmentation, training, seed), images, labels, training, validation)
            for (training, validation), seed in tqdm(
                list(zip(parts, seeds, strict=True)), "classifiers of folds", leave=False
            )
        ]

    return train


def best_strength(
    scaled: Callable[[float], keras.layers.Layer],
    factors: Sequence[float],
    images: np.ndarray,
    labels: np.ndarray,
    classifier: str = "all-cnn",
    settings: Learning | None = None,
    seed: int = 0,
    beyond: tuple[Sequence[float], Sequence[float]] = ((), ()),
) -> dict[float, float]:
    """Cross-fitted losses of an augmentation at several strengths: the grid that learning must beat.

    Folds and seeds are those of `learn` with the same seed. A grid whose best is at its end says only that better ones
    may lie beyond it, so there it goes on.

    Parameters
    ----------
    scaled : callable
        A factor -> the augmentation, every strength multiplied with it.
    factors : sequence of float
    images, labels, classifier, settings, seed
        As of `learn`.
    beyond : pair of sequences of float
        Factors below all of `factors`, falling, and above them, rising. They are tried one after the other as long as
        the one at that end is the best.

    Returns
    -------
    dict of float to float
        For each factor that was tried, in rising order, the mean loss of the points that the classifiers were not
        trained with, nats.
    """
    settings = settings or Learning()
    of_split, _, of_round, *_ = np.random.SeedSequence(check_seed(seed)).spawn(2 + settings.rounds)
    parts = splits(labels, settings.folds, _whole(of_split))[: None if settings.all_folds else 1]
    train, seeds = crossfitter(classifier, images, labels, parts, settings), of_round.spawn(len(parts))

    def loss(factor):
        return mean_loss(train(scaled(factor), seeds))

    losses = {factor: loss(factor) for factor in tqdm(list(factors), "strengths", leave=False)}
    for end, more in zip((min, max), beyond, strict=True):
        for factor in tqdm(list(more), "further strengths", leave=False):
            if end(losses) != min(losses, key=losses.__getitem__):
                break
            losses[factor] = loss(factor)
    return dict(sorted(losses.items()))


def mean_loss(fitted: Sequence[CrossFitted]) -> float:
    """Mean over the folds of the loss of their validation points, nats."""
    return float(np.mean([each.loss for each in fitted]))


def _keeping_the_best(augmentation, kinds, train, settings, rng, seeds):
    """Rounds of learning, and a measurement after the last; the augmentation ends as it was where the loss was lowest.

    All rounds have the same seeds, so that losses differ by the augmentation alone.
    """
    trajectory, losses, weights = [], [], []
    for number in range(settings.rounds + 1):
        fitted = train(augmentation, seeds)
        losses, weights = [*losses, mean_loss(fitted)], [*weights, augmentation.get_weights()]
        about = {"round": number, "step": 0, **_present(augmentation)}
        rows = [about] if number == settings.rounds else []
        rows = rows or learning_round(augmentation, _folds(fitted, kinds, settings), settings, rng, number)
        trajectory += [{**row, "crossfitted_loss": losses[-1]} for row in rows]
    best = int(np.argmin(losses))
    augmentation.set_weights(weights[best])
    return [{**row, "kept": row["round"] == best} for row in trajectory]


def _present(augmentation):
    """The ranges and the total strength of an augmentation, if it has any, for a row of the trajectory."""
    total = {"total": augmentation.total()} if hasattr(augmentation, "total") else {}
    ranges = {"sigma": list(augmentation.ranges().values())} if hasattr(augmentation, "ranges") else {}
    return ranges | total


def _folds(fitted, kinds, settings):
    return [
        Fold(each.model, each.images, each.labels, each.training, each.validation, kinds, settings.penalty)
        for each in fitted
    ]


def learning_round(
    augmentation: keras.layers.Layer, folds: list[Fold], settings: Learning, rng: np.random.Generator, number: int
) -> list[dict[str, Any]]:
    """The steps of one round; the augmentation ends with averaged weights."""
    model = InfluenceTraining(augmentation, [fold.body for fold in folds], settings)
    model.compile(keras.optimizers.Adam(settings.rate), jit_compile=JIT)
    trajectory, last = [], []
    states = [fold.influence() for fold in folds]
    scale = _spread(model, _batch(folds, states, np.ones(1, "float32"), settings, rng))
    for step in tqdm(range(settings.steps), f"learning, round {number + 1}", leave=False):
        if settings.refresh and step:
            for fold in folds:
                fold.renew()
                fold.refit()
            states = [fold.influence() for fold in folds]
        mean = model.train_on_batch(_batch(folds, states, scale, settings, rng))
        check_finite(mean, f"of the augmentation in step {step + 1}")
        loss = float(np.mean([fold.validation_loss() for fold in folds]))
        measured = {"influence": float(mean), "validation_loss": loss}
        trajectory.append({"round": number, "step": step, **measured, **_present(augmentation)})
        last = [*last, [ops.convert_to_numpy(v) for v in model.trainable_variables]][-settings.averaged :]
    for variable, *values in zip(model.trainable_variables, *last, strict=True):
        variable.assign(np.mean(values, axis=0))
    return trajectory


def _batch(folds, states, scale, settings, rng):
    """Data of one step for `InfluenceTraining`."""
    size = min(max(1, settings.batch_size // len(folds)), min(len(fold.labels) for fold in folds))
    chosen = [rng.permutation(len(fold.labels))[:size] for fold in folds]
    return {
        "images": np.stack([fold.images[points] for fold, points in zip(folds, chosen, strict=True)]),
        "labels": np.stack([fold.labels[points] for fold, points in zip(folds, chosen, strict=True)]).astype("int32"),
        "theta": np.stack([state.theta for state in states]).astype("float32"),
        "S": np.stack([state.S for state in states]).astype("float32"),
        "scale": scale,
    }


def _spread(model, batch):
    """Standard deviation of the influence of some copies, [1]: the unit that it is measured in from then on."""
    plain = InfluenceTraining(model.augmentation, model.bodies, Learning())
    plain.compile(jit_compile=JIT)
    return np.array([max(float(np.std(plain.predict_on_batch(batch))), 1e-12)], "float32")


def trained_part(augmentation: keras.layers.Layer, trained: str) -> keras.layers.Layer:
    """What of an augmentation is trained: all that learns, or its encoder; refuses one that has none."""
    learned = augmentation.learned if isinstance(augmentation, AfterBase) else augmentation
    if trained == "all":
        return learned
    if not hasattr(learned, "encoder"):
        raise InputError("trained is 'encoder', but this augmentation has none; it must be 'all'.")
    return learned.encoder


def _whole(seed):
    """A whole number below 2^31 from a SeedSequence."""
    return int(seed.generate_state(1)[0] >> 1)
