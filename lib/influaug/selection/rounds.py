r"""Choice of copies in rounds: choose a part, train the network on it, make the features anew, choose on.

A choice on the features of a network that saw the originals alone repairs what *that* network gets wrong. A network
trained anew on the chosen copies makes other mistakes. In round r of R the network is trained on the originals and the
copies chosen so far; features of all originals and copies are made with it; and copies are chosen until

.. math:: b_r = \mathrm{budget} \cdot 2^{r - R} \quad \text{(anew)} \qquad \text{or} \qquad
    b_r = \mathrm{budget} \cdot r / R \quad \text{(warm)}, \qquad r = 1, \dots, R,

are chosen in all. *Anew*, each round's network starts from the weights that the network was given with, and a round
costs a training. *Warm*, the network trains on from round to round, for a few epochs each.

The policy sees the chosen copies as points, so that its head is fitted to originals and chosen copies, and chooses
among the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from ..errors import InputError
from ..files import sealed
from .candidates import Candidates

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._types import PathLike
    from ..networks.repeated import RepeatedTraining

    Choose = Callable[[Candidates, int, np.random.Generator], np.ndarray]

AT_ONCE = 1000
"""Copies that are made and featurized at once: it bounds the memory."""


class Cost(NamedTuple):
    """What a choice in rounds costs, known beforehand.

    Attributes
    ----------
    updates : int
        Training steps.
    passes : float
        Image passes, of trainings and features; see `influaug.networks.repeated`.
    """

    updates: int
    passes: float


@dataclass(frozen=True)
class Rounds:
    """How copies are chosen in rounds.

    Attributes
    ----------
    n : int
        Number of rounds.
    anew : bool
        Whether each round's network starts from the weights that the network was given with; else it trains on.
    updates : int
        Training steps of each round.
    batch_size : int
    learning_rate : float
        Of Adam.
    folder : path, optional
        Of the checkpoint, ``rounds.npz``, which is written after each round; called again with the same arguments, a
        choice goes on from it. None: no checkpoint.

    Raises
    ------
    InputError
        A number out of range.
    """

    n: int = 3
    anew: bool = True
    updates: int = 500
    batch_size: int = 128
    learning_rate: float = 1e-3
    folder: PathLike | None = None

    def __post_init__(self) -> None:
        for name in ("n", "updates", "batch_size"):
            value = getattr(self, name)
            if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name} of rounds is {value!r}; it must be a whole number of at least 1.")
        rate = self.learning_rate
        if not isinstance(rate, Real) or isinstance(rate, bool) or not 0 < rate < np.inf:
            raise InputError(f"learning_rate of rounds is {rate!r}; it must be a positive number.")
        if not isinstance(self.anew, bool):
            raise InputError(f"anew of rounds is {self.anew!r}; it must be True or False.")

    def parts(self, budget: int) -> list[int]:
        """Copies chosen in all after each round, rising: as many numbers as rounds, fewer for a tiny budget."""
        r = np.arange(1, self.n + 1)
        share = 2.0 ** (r - self.n) if self.anew else r / self.n
        return sorted(set(np.rint(budget * share).astype(int).tolist()) - {0})

    def cost(self, n_points: int, n_copies: int, budget: int) -> Cost:
        """Training steps and image passes that a choice of `budget` copies will take."""
        from ..networks.repeated import FORWARD  # with Keras, which takes seconds to import

        updates = len(self.parts(budget)) * self.updates
        looked_at = len(self.parts(budget)) * (n_points + n_copies)
        return Cost(updates, updates * self.batch_size + FORWARD * looked_at)


@dataclass(frozen=True)
class ImagePool:
    """Originals, and the copies that may be chosen, made when they are asked for.

    Attributes
    ----------
    images : array of uint8 [n, height, width, channels]
    labels : int array [n]
        0 .. n_classes - 1.
    source : int array [m]
        The point that each copy is made of.
    make : callable
        Indices of copies -> their images, the same each time.
    weights : array [n], optional
        Of the points in the policy's head (default: 1); a copy has its point's. The network is trained without them.
    """

    images: np.ndarray
    labels: np.ndarray
    source: np.ndarray
    make: Callable[[np.ndarray], np.ndarray]
    weights: np.ndarray | None = None


def choose_in_rounds(
    training: RepeatedTraining,
    pool: ImagePool,
    budget: int,
    rounds: Rounds,
    choose: Choose,
    seed: np.random.SeedSequence,
    about: str = "",
) -> np.ndarray:
    """Choose copies in rounds; the network ends as the last round's.

    Parameters
    ----------
    training : repeated.RepeatedTraining
        Its first weights are those of every round (anew), or of the first round (warm).
    pool : ImagePool
    budget : int
    rounds : Rounds
    choose : callable
        (`candidates.Candidates`, number, rng) -> indices of the chosen copies among the candidates', such as a policy
        of `policies.choose` gives.
    seed : numpy.random.SeedSequence
        Of the orders of the points and of policies that draw.
    about : str
        What `choose` is, such as the policy's name and options: a checkpoint of another is refused.

    Returns
    -------
    int array [budget]
        Chosen copies in the order of the rounds.

    Raises
    ------
    InputError
        The budget is out of range, or the checkpoint is of another choice.
    """
    m = len(pool.source)
    if not isinstance(budget, Integral) or not 0 <= budget <= m:
        raise InputError(f"budget is {budget!r}; it must be a whole number from 0 to the {m} copies.")
    parts = rounds.parts(int(budget))
    kept = _Checkpoint(training, pool, (int(budget), about, seed), rounds)
    chosen, done = kept.restored()
    cost = rounds.cost(len(pool.labels), m, int(budget))
    text = f"{len(parts)} rounds, {cost.updates} updates, {cost.passes:,.0f} image passes"
    with tqdm(total=len(parts), initial=done, desc=text, unit="round", leave=False) as bar:
        for r in range(done, len(parts)):
            of_order, of_policy = (np.random.default_rng(_child(seed, r, purpose)) for purpose in range(2))
            _train(training, pool, chosen, rounds, (r, of_order))
            chosen = np.append(chosen, _chosen(training, pool, chosen, parts[r], (choose, of_policy)))
            kept.write(chosen, r + 1)
            bar.update()
    return chosen


def _child(seed, *key):
    # Made by key, since `spawn` gives other children each time that it is called.
    return np.random.SeedSequence(seed.entropy, spawn_key=(*seed.spawn_key, *key))


def _train(training, pool, chosen, rounds, order):
    """Train on the originals and the chosen copies."""
    from ..networks.repeated import batched, shuffled  # with Keras, which takes seconds to import

    r, rng = order
    if rounds.anew or r == 0:
        training.restart()
    images = np.concatenate([pool.images, pool.make(chosen)]) if len(chosen) else pool.images
    labels = np.append(pool.labels, pool.labels[pool.source[chosen]])
    rows = batched(shuffled(len(labels), rng), rounds.updates, rounds.batch_size)
    training.train((images[batch], labels[batch]) for batch in rows)


def _chosen(training, pool, chosen, part, by):
    """The copies of this round, on features of the network as it is."""
    choose, rng = by
    m = len(pool.source)
    points = training.features(pool.images)
    blocks = (np.arange(start, min(start + AT_ONCE, m)) for start in range(0, m, AT_ONCE))
    copies = np.concatenate([training.features(pool.make(block)) for block in blocks])
    left = np.setdiff1d(np.arange(m), chosen)
    weights = None if pool.weights is None else np.append(pool.weights, pool.weights[pool.source[chosen]])
    labels = np.append(pool.labels, pool.labels[pool.source[chosen]])
    candidates = Candidates(np.vstack([points, copies[chosen]]), labels, copies[left], pool.source[left], weights)
    return left[choose(candidates, part - len(chosen), rng)]


class _Checkpoint:
    """The chosen copies after each round and, warm, the network that goes on; nothing without a folder."""

    def __init__(
        self,
        training: RepeatedTraining,
        pool: ImagePool,
        choice: tuple[int, str, np.random.SeedSequence],
        rounds: Rounds,
    ) -> None:
        self.training, self.key = training, ""
        self.path: Path | None = None
        if rounds.folder is not None:
            self.path, self.key = Path(rounds.folder) / "rounds.npz", _key(training, pool, choice, rounds)

    def restored(self) -> tuple[np.ndarray, int]:
        """Chosen copies, and the number of rounds done."""
        found = None if self.path is None else sealed.read_about(self.path)
        if self.path is None or found is None:
            return np.empty(0, int), 0
        arrays = sealed.read_arrays(self.path, self.key)
        if arrays is None:
            raise InputError(
                f"{self.path} is of another choice in rounds (other data, network, policy or settings); move it away "
                "or choose another folder."
            )
        self.training.restore([arrays[f"{i:04}"] for i in range(len(arrays) - 1)])
        return arrays["chosen"], found["done"]

    def write(self, chosen: np.ndarray, done: int) -> None:
        """Write the state after a round."""
        if self.path is not None:
            state = {f"{i:04}": value for i, value in enumerate(self.training.state())}
            sealed.write_arrays(self.path, {"key": self.key, "done": done}, chosen=chosen, **state)


def _key(training, pool, choice, rounds):
    """Key of a choice: everything that it depends on."""
    budget, about, seed = choice
    data = {"images": pool.images, "labels": pool.labels, "source": pool.source}
    return sealed.key(
        choice=[budget, about, seed.entropy, list(seed.spawn_key)],
        rounds={name: value for name, value in vars(rounds).items() if name != "folder"},
        data=sealed.content_hash(data if pool.weights is None else {**data, "weights": pool.weights}),
        network=sealed.content_hash({f"{i}": value for i, value in enumerate(training.first)}),
    )
