r"""The toy experiment of learned augmentation: translations of points in the plane, learned by influence.

A network E moves every training point by :math:`\tau = E(x)`, along both axes, so that a classifier F fitted to the
copies :math:`\tilde x = x + \tau` does well on validation points (*Learning to augment influential data*, submitted to
ICLR 2019, section 5.1 and figure 3). In the scenario ``matched`` both are of one distribution; in ``moved`` the
validation points, and the test points with them, lie lower. F has three layers; influence sees the last one, whose
objective J is that of `influaug.solver.heads`. What E minimises is the mean influence of the copies,

.. math:: \frac1N \sum_i \mathcal I_{up}(\tilde z_i) = -\frac1N \sum_i S \cdot \nabla\ell(\tilde z_i, \hat\theta),
    \qquad S = H(\hat\theta)^{-1} \nabla L_{val}(\hat\theta).

``as_published`` (section 3.4 there) computes the last layer's parameters and S once, on the points as they are.
``refreshed`` refits that layer to the present copies before each step; then the gradient by E's weights is that of
:math:`L_{val}(\hat\theta(\tilde z))` itself, by the implicit function theorem (equations 4 and 5 there). In both,
copies take the places of the points; in ``beside``, refreshed too, F is fitted to points and copies together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from sklearn.datasets import make_moons
from tqdm.auto import tqdm

from influaug.errors import InputError

from .networks import Classifier, Points, Translation, identity, train
from .parameters import MODES, SCENARIOS, Toy

N_TEST = 2000


@dataclass(frozen=True)
class Task:
    """Training, validation and test points."""

    train: Points
    validation: Points
    test: Points


def task(toy: Toy, scenario: str, replicate: int) -> Task:
    """Points of a scenario: two interleaved half circles with noise; the same draws in both scenarios.

    Raises
    ------
    InputError
        An unknown scenario.
    """
    if scenario not in SCENARIOS:
        raise InputError(f"scenario must be {' or '.join(SCENARIOS)}, not {scenario!r}.")
    move = np.array(toy.move) * (scenario == "moved")

    def drawn(purpose, n, by):
        seed = int(toy.rng(replicate, purpose).integers(2**32))
        x, labels = make_moons(n, noise=toy.noise, random_state=seed)
        return Points(x + by, labels)

    return Task(drawn("train", toy.n, 0), drawn("validation", toy.n, move), drawn("test", N_TEST, move))


class _Adam:
    """Steps of Kingma & Ba (2015), with their constants."""

    if TYPE_CHECKING:
        m: np.ndarray | float
        v: np.ndarray | float

    def __init__(self, rate: float) -> None:
        self.rate, self.t, self.m, self.v = rate, 0, 0.0, 0.0

    def step(self, g: np.ndarray) -> np.ndarray:
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g**2
        return self.rate * (self.m / (1 - 0.9**self.t)) / (np.sqrt(self.v / (1 - 0.999**self.t)) + 1e-8)


@dataclass(frozen=True)
class Learned:
    """What came of E's training; entry t of a trajectory is before step t, the last one at the end.

    Attributes
    ----------
    points : Points
        What F is to be fitted to: the copies, after the training points themselves in mode ``beside``.
    translations : array [n, 2]
        Of the training points.
    mean : array [steps + 1, 2]
        Mean translation.
    predicted : array [steps + 1]
        Validation loss that the influence of the copies lets expect, by the first S.
    found : array [steps + 1]
        Validation loss of the head refitted to the points.
    """

    points: Points
    translations: np.ndarray
    mean: np.ndarray
    predicted: np.ndarray
    found: np.ndarray


def points_of(mode: str, train: Points, translations: np.ndarray) -> Points:
    """What F is fitted to where the training points have these translations: `Points`."""
    copies = train.at(train.x + translations)
    return train + copies if mode == "beside" else copies


def objective_gradient(
    classifier: Classifier, S: np.ndarray, translation: Translation, train: Points
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Gradient of the mean influence of the training points' copies by E's weights: a tuple of their shapes."""
    copies = train.at(train.x + translation(train.x))
    return translation.pull_back(train.x, classifier.up_gradient(S, copies) / len(train.x))


def learn(toy: Toy, mode: str, points: Task, classifier: Classifier, replicate: int) -> Learned:
    """Train E by influence.

    Parameters
    ----------
    toy : Toy
    mode : str
        One of `MODES`.
    points : Task
    classifier : Classifier
        Trained on the points as they are.
    replicate : int

    Returns
    -------
    Learned

    Raises
    ------
    InputError
        An unknown mode.
    """
    if mode not in MODES:
        raise InputError(f"mode must be one of {', '.join(MODES)}, not {mode!r}.")
    translation, train, validation = identity(toy, replicate), points.train, points.validation
    adams, trajectory = [_Adam(toy.rate) for _ in translation.weights], []
    start = points_of(mode, train, translation(train.x))
    fitted = first = classifier.refit(start)
    influence = first.influence(start, validation)
    for step in range(toy.steps + 1):
        translations = translation(train.x)
        present = points_of(mode, train, translations)
        fitted = fitted.refit(present)
        expected = influence.aug_loss(first.features(start.x), first.features(present.x), start.labels)
        trajectory.append((*translations.mean(axis=0), expected.mean(), fitted.loss(validation)))
        if step < toy.steps:
            used, S = first, influence.S
            if mode != "as_published":
                used, S = fitted, fitted.influence(present, validation).S
            gradients = objective_gradient(used, S, translation, train)
            weights = [w - adam.step(g) for w, adam, g in zip(translation.weights, adams, gradients, strict=True)]
            translation = replace(translation, weights=tuple(weights))
    trajectory = np.array(trajectory)
    predicted = first.loss(validation) + trajectory[:, 2]
    return Learned(present, translations, trajectory[:, :2], predicted, trajectory[:, 3])


@dataclass(frozen=True)
class Run:
    """One replicate of one scenario.

    Attributes
    ----------
    scenario : str
    replicate : int
    points : Task
    learned : dict of str to Learned
        By mode.
    heads : dict of str to Classifier
        By arm: F with its last layer alone refitted.
    classifiers : dict of str to Classifier
        By arm: F trained anew. Arms are ``none``, ``none, twice`` (the training points two times, the control of
        ``beside``, whose sum of losses has twice as many terms against the same penalty), and the modes.
    """

    scenario: str
    replicate: int
    points: Task
    learned: dict
    heads: dict
    classifiers: dict


def run(toy: Toy, scenario: str, replicate: int) -> Run:
    """Learn the translations in every mode, and train F on what comes of each: `Run`."""
    points = task(toy, scenario, replicate)
    classifier = train(points.train, toy, replicate)
    learned = {mode: learn(toy, mode, points, classifier, replicate) for mode in toy.modes}
    others = {"none, twice": points.train + points.train} | {mode: each.points for mode, each in learned.items()}
    refitted = {arm: classifier.refit(each) for arm, each in others.items()}
    trained = {arm: train(each, toy, replicate) for arm, each in others.items()}
    none = {"none": classifier}
    return Run(scenario, replicate, points, learned, none | refitted, none | trained)


def runs(toy: Toy) -> list[Run]:
    """`run` for every scenario and replicate: a list."""
    return [run(toy, *each) for each in tqdm(list(product(toy.scenarios, range(toy.seeds))), "toy")]
