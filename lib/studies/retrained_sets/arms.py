"""The arms: a network trained anew in each, from the same first weights and with the same number of updates.

Every tested network of a replicate starts from the weights that the replicate's seed gives and makes `updates` training
steps on full batches of `batch_size` images; what differs is where the images come from. Exceptions, both for
comparison, are 'all', whose batch is larger, and 'on_the_fly_longer', which makes more updates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from time import process_time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from influaug.augnet.classifiers import CLASSIFIERS
from influaug.data.transformations import expand
from influaug.networks.featurizer import without_tracing_warnings
from influaug.networks.repeated import FORWARD, RepeatedTraining, batched, shuffled
from influaug.selection import policies
from influaug.selection.candidates import Candidates
from influaug.selection.draws import PoolSampler
from influaug.selection.rounds import ImagePool, choose_in_rounds
from influaug.selection.rules import SetOptions

from .parameters import IN_ROUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from influaug.backend import keras

    from .parameters import RetrainedSets

IN_ROUNDS_BY = "greedy_influence"
"""Policy that chooses in rounds."""
BLIND = ("random_copies", "random_points")
"""Policies that need no features, and so no network before the tested one."""


@dataclass(frozen=True)
class Replicate:
    """One replicate: its pool of images, its test images, and its network.

    Attributes
    ----------
    study : parameters.RetrainedSets
    number : int
    """

    study: RetrainedSets
    number: int

    @cached_property
    def pool(self) -> ImagePool:
        """The originals, and all copies."""
        points = self.study.split(self.number)
        copies = expand(points.images, points.labels, self.study.augmentation())
        return ImagePool(points.images, points.labels, copies.source, lambda places: copies.images[places])

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels of the originals and then of all copies, point by point."""
        pool = self.pool
        images = np.concatenate([pool.images, pool.make(np.arange(len(pool.source)))])
        return images, np.append(pool.labels, pool.labels[pool.source])

    @cached_property
    def network(self) -> keras.Model:
        """The network with the replicate's first weights."""
        shape, n_classes = self.pool.images.shape[1:], int(self.pool.labels.max()) + 1
        return CLASSIFIERS[self.study.network](shape, n_classes, self.study.seed_of(self.number, "network"))

    @cached_property
    def tests(self) -> tuple[np.ndarray, np.ndarray]:
        """Test images and their labels: the originals and then, change by change, their copies."""
        points, copy = self.study.split(self.number), self.study.augmentation()
        images = np.concatenate([points.images_test, *copy(points.images_test)])
        return images, np.tile(points.labels_test, len(copy) + 1)

    @property
    def n(self) -> int:
        """Number of originals."""
        return len(self.pool.labels)

    @property
    def k(self) -> int:
        """Copies of a point."""
        return len(self.pool.source) // self.n

    def training(self) -> RepeatedTraining:
        """The network before its first step; one compiled network serves all trainings of the process."""
        network, shape, classes = self.network, self.pool.images.shape[1:], self.network.output_shape[-1]
        training = _compiled(self.study.network, shape, classes, self.study.learning_rate)
        training.renew(network)
        return training

    def train(self, training: RepeatedTraining, epochs: Iterator[np.ndarray], updates: int, size: int) -> None:
        """Train on rows, from epochs of their numbers."""
        images, labels = self.rows
        training.train((images[batch], labels[batch]) for batch in batched(epochs, updates, size))

    def train_on(self, training: RepeatedTraining, rows: np.ndarray) -> None:
        """Train on a fixed set of rows, as long as all arms do, in the order that the replicate's seed gives."""
        orders = (rows[order] for order in shuffled(len(rows), self.rng("order")))
        self.train(training, orders, self.study.updates, self.study.batch_size)

    def rng(self, purpose: str) -> np.random.Generator:
        """Random generator of the replicate for one purpose."""
        return self.study.rng(self.number, purpose)

    @cached_property
    def base(self) -> Base:
        """What policies see; computed once for all of them."""
        started, training = process_time(), self.training()
        self.train_on(training, np.arange(self.n))
        trained = training.passes
        points, copies = training.features(self.pool.images), training.features(self.rows[0][self.n :])
        return Base(points, copies, trained, process_time() - started)


class Base(NamedTuple):
    """Features from the network of the arm 'none'.

    Attributes
    ----------
    points, copies : array [n, d], [m, d]
    passes : float
        Image passes of the network's training.
    cpu_seconds : float
        Of the training and the features.
    """

    points: np.ndarray
    copies: np.ndarray
    passes: float
    cpu_seconds: float


@lru_cache(maxsize=2)
def _compiled(network, shape, n_classes, rate):
    return RepeatedTraining(CLASSIFIERS[network](shape, n_classes, 0), rate)


@without_tracing_warnings()
def whole(r: Replicate, arm: str) -> dict[str, Any]:
    """Result of an arm without a budget; see `chosen`."""
    started, study, training = process_time(), r.study, r.training()
    size = study.batch_of_all if arm == "all" else study.batch_size
    longer = round(_scoring_passes(r) / size) if arm == "on_the_fly_longer" else 0
    r.train(training, _EPOCHS[arm](r, training), study.updates + longer, size)
    return {
        "added": 0 if arm == "none" else len(r.pool.source),
        "updates": training.updates,
        "passes": training.passes,
        **_tested(r, training),
        "cpu_seconds": process_time() - started,
    }


@without_tracing_warnings()
def chosen(r: Replicate, arm: str, share: float) -> dict[str, Any]:
    """Result of an arm with a share of the copies.

    Returns
    -------
    dict
        added (copies that the network may train on), updates (of the tested network), passes (image passes of all that
        the arm needs, choosing included), accuracy (percent, of the test originals and their copies),
        accuracy_original, cpu_seconds (of training, choosing and testing).
    """
    choice = _in_rounds if arm in IN_ROUNDS else _at_once
    copies, passes, seconds = choice(r, arm, max(1, round(share * len(r.pool.source))))
    started, training = process_time(), r.training()
    r.train_on(training, np.append(np.arange(r.n), r.n + copies))
    return {
        "added": len(copies),
        "updates": training.updates,
        "passes": passes + training.passes,
        **_tested(r, training),
        "cpu_seconds": seconds + process_time() - started,
    }


def _in_rounds(r, arm, budget):
    """Chosen copies, and the image passes and the seconds that choosing took."""
    started, training, options = process_time(), r.training(), SetOptions(C=r.study.C)

    def choose(candidates, number, rng):
        return policies.choose(IN_ROUNDS_BY, candidates, [number], options, rng)[0]

    seed = r.study.seed_sequence(r.number, "rounds")
    copies = choose_in_rounds(training, r.pool, budget, r.study.in_rounds(arm), choose, seed)
    return copies, training.passes, process_time() - started


def _at_once(r, policy, budget):
    """The same for a policy that chooses once, on the features of the network of the arm 'none'."""
    n, m, options = r.n, len(r.pool.source), SetOptions(C=r.study.C)
    blind = policy in BLIND
    seen = Base(np.zeros((n, 1)), np.zeros((m, 1)), 0.0, 0.0) if blind else r.base
    started = process_time()
    candidates = Candidates(seen.points, r.pool.labels, seen.copies, r.pool.source)
    copies = policies.choose(policy, candidates, [budget], options, r.rng("policy"))[0]
    reads_points_alone = policies.policy_of(policy)[0].generates == "chosen"
    made = 0 if reads_points_alone else policies.generated(policy, candidates, copies, options)
    looked_at = 0 if blind else n + made
    return copies, seen.passes + FORWARD * looked_at, seen.cpu_seconds + process_time() - started


def _tested(r, training):
    images, labels = r.tests
    hits = training.probabilities(images).argmax(axis=1) == labels
    originals = len(labels) // (r.k + 1)
    return {"accuracy": 100 * float(hits.mean()), "accuracy_original": 100 * float(hits[:originals].mean())}


def _on_the_fly(r, _):
    """Epochs of one version of each point: the original or one of its copies, all with the same probability."""
    rng, points = r.rng("on the fly"), np.arange(r.n)
    while True:
        version = rng.integers(0, r.k + 1, r.n)
        yield rng.permutation(np.where(version == 0, points, r.n + r.k * points + version - 1))


def _in_training(r, training):
    """Epochs of n rows of the pool, drawn by the present network's error."""
    images, labels = r.rows
    seed = r.study.seed_of(r.number, "draws")
    scores = lambda: training.errors(images, labels)  # noqa: E731
    return PoolSampler(len(labels), r.n, scores, r.study.every, r.study.even, seed).epochs()


def _scoring_passes(r):
    """Image passes that choice in training takes to score its pool."""
    epochs = -(-r.study.updates * r.study.batch_size // r.n)
    return FORWARD * len(r.rows[1]) * -(-epochs // r.study.every)


_EPOCHS = {
    "none": lambda r, _: shuffled(r.n, r.rng("order")),
    "all": lambda r, _: shuffled(len(r.rows[1]), r.rng("order")),
    "all_small_batch": lambda r, _: shuffled(len(r.rows[1]), r.rng("order")),
    "on_the_fly": _on_the_fly,
    "on_the_fly_longer": _on_the_fly,
    "choice_in_training": _in_training,
}
"""Epochs of the arms without a budget."""
