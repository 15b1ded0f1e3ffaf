r"""Choice in training: each epoch draws some rows of a pool of originals and copies, by what the network gets wrong.

Nothing is chosen beforehand. Every few epochs the present network scores all N rows of the pool, e.g. by its error
e = 1 - p(true class); an epoch draws its rows without replacement with probability

.. math:: q_i = \frac{u}{N} + (1 - u) \frac{e_i}{\sum_j e_j},

so that a share u of the draws is even, and rows that the network has learned do not vanish (Katharopoulos & Fleuret,
2018, draw in proportion to such scores; the even share bounds how much they can distort).

`PoolSampler` draws row numbers and needs NumPy alone: it is what PyTorch's ``DataLoader`` takes as its ``sampler``.
`influaug.selection.in_training` makes batches of images of it, for Keras and tf.data.
"""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike

EVEN = 0.5
"""Default share of the draws that is even."""


class PoolSampler:
    """Rows of a pool, drawn anew in each epoch; iterating over it once is one epoch.

    For PyTorch::

        sampler = PoolSampler(len(pool), n, scores=lambda: errors_of(model, pool))
        loader = torch.utils.data.DataLoader(pool, batch_size=128, sampler=sampler)

    Parameters
    ----------
    n_rows : int
        Rows N of the pool.
    size : int
        Rows drawn in an epoch, at most N.
    scores : callable
        () -> array [N] of finite numbers of at least 0: errors of the present network, or influences. It is called
        before the epochs 0, `every`, 2 `every`, ...
    every : int
        Epochs between two calls.
    even : float
        Share u of the draws that is even, above 0 and at most 1.
    seed : int
        Epoch t draws from child t of its seed sequence; an interrupted training goes on by ``sampler.epoch = t``.

    Attributes
    ----------
    epoch : int
        The next epoch.
    probabilities : array [N]
        Of the rows, as they were last renewed; even before.

    Raises
    ------
    InputError
        A number out of range; on iteration, scores that are none.
    """

    n_rows: int
    size: int
    scores: Callable[[], ArrayLike]
    every: int
    even: float
    seed: int
    epoch: int
    probabilities: np.ndarray
    _stale: bool

    def __init__(
        self,
        n_rows: int,
        size: int,
        scores: Callable[[], ArrayLike],
        every: int = 5,
        even: float = EVEN,
        seed: int = 0,
    ) -> None:
        for name, value, least in (("n_rows", n_rows, 1), ("size", size, 1), ("every", every, 1), ("seed", seed, 0)):
            if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
                raise InputError(f"{name} is {value!r}; it must be a whole number of at least {least}.")
        if size > n_rows:
            raise InputError(f"size is {size}; an epoch can draw at most the {n_rows} rows of the pool.")
        if not isinstance(even, Real) or isinstance(even, bool) or not 0 < even <= 1:
            raise InputError(f"even is {even!r}; it must be a share above 0 and at most 1.")
        if not callable(scores):
            raise InputError(f"scores is a {type(scores).__name__}; it must be a function that gives one score a row.")
        self.n_rows = int(n_rows)
        self.size = int(size)
        self.every = int(every)
        self.even = float(even)
        self.seed = int(seed)
        self.scores = scores
        self.epoch = 0
        self.probabilities = np.full(self.n_rows, 1 / self.n_rows)
        self._stale = True

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        return iter(self.draw().tolist())

    def draw(self) -> np.ndarray:
        """The rows of the next epoch, in random order: int array [size]."""
        if self._stale or self.epoch % self.every == 0:
            self.probabilities, self._stale = drawn_by(self.scores(), self.n_rows, self.even), False
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self.epoch,)))
        self.epoch += 1
        # Drawn one by one, likely rows come first, so the rows of an epoch are shuffled.
        return rng.permutation(rng.choice(self.n_rows, self.size, replace=False, p=self.probabilities))

    def epochs(self) -> Iterator[np.ndarray]:
        """Endless epochs."""
        while True:
            yield self.draw()


def drawn_by(scores: ArrayLike, n_rows: int, even: float = EVEN) -> np.ndarray:
    """Probability of each row, from its score: [N]; even if all scores are 0.

    Raises
    ------
    InputError
        The scores are not N finite numbers of at least 0.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if scores.shape != (n_rows,) or not np.isfinite(scores).all() or scores.min() < 0:
        raise InputError(
            f"scores gave an array {list(scores.shape)}; it must give {n_rows} finite numbers of at least 0, one a row."
        )
    total = scores.sum()
    if total == 0:
        return np.full(n_rows, 1 / n_rows)
    q = even / n_rows + (1 - even) * scores / total
    return q / q.sum()
