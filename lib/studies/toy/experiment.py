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

Points are arrays [n, 2], labels 0 and 1, and all numbers float64; nothing here needs Keras.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import pandas as pd
from scipy.linalg import cho_solve
from scipy.special import expit
from sklearn.datasets import make_moons
from sklearn.neural_network import MLPClassifier
from tqdm.auto import tqdm

from influaug.errors import InputError
from influaug.influence.inverse import factor
from influaug.influence.validation import ValidationInfluence
from influaug.solver import heads

from ..intervals import mean_interval
from ..parameters import NOTHING, Experiment, Number, name_parameter, parameter

if TYPE_CHECKING:
    from collections.abc import Iterable

SCENARIOS = ("matched", "moved")
MODES = ("as_published", "refreshed", "beside")
N_TEST = 2000
MOST_NEWTON_STEPS = 100


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


@dataclass(frozen=True)
class Points:
    """Labelled points of the plane.

    Attributes
    ----------
    x : array [n, 2]
    labels : int array [n]
    """

    x: np.ndarray
    labels: np.ndarray

    def at(self, x: np.ndarray) -> Points:
        """The same labels at other places."""
        return replace(self, x=x)

    def __add__(self, other: Points) -> Points:
        """These points and others."""
        return Points(np.vstack([self.x, other.x]), np.append(self.labels, other.labels))


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


@dataclass(frozen=True)
class Classifier:
    """F: two hidden layers (tanh) and a logistic head.

    Attributes
    ----------
    hidden : tuple of (array [w, w'], array [w'])
        Weights and biases of the hidden layers.
    theta : array [1, w + 1]
        The head's parameters, the intercept last.
    C : float
        Inverse regularisation strength of the head.
    """

    hidden: tuple
    theta: np.ndarray
    C: float

    def features(self, x: np.ndarray) -> np.ndarray:
        """What the head sees, with the constant column: [n, 2] -> [n, w + 1]."""
        return heads.with_intercept(self._activations(x)[-1])

    def pull_back(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Gradient of sum_i u_i . features(x_i) by the points: [n, 2], [n, w + 1] -> [n, 2]."""
        back = u[:, :-1]
        for (weights, _), a in zip(reversed(self.hidden), reversed(self._activations(x)), strict=True):
            back = (back * (1 - a**2)) @ weights.T
        return back

    def probability(self, x: np.ndarray) -> np.ndarray:
        """Predicted probability of class 1: [n]."""
        return expit(self.features(x) @ self.theta[0])

    def accuracy(self, points: Points) -> float:
        """Part of points that are classified rightly."""
        return float(np.mean((self.probability(points.x) > 0.5) == points.labels))

    def loss(self, points: Points) -> float:
        """Mean cross-entropy, in nats."""
        return float(heads.losses(self.features(points.x), points.labels, self.theta).mean())

    def refit(self, points: Points) -> Classifier:
        """The classifier with the head that minimises J on points, by damped Newton steps from this one."""
        x, labels, theta = self.features(points.x), points.labels, self.theta
        weights = np.ones(len(x))

        def objective(theta):
            return heads.objective(x, labels, theta, weights, self.C)

        for _ in range(MOST_NEWTON_STEPS):
            g = heads.gradient(x, labels, theta, weights, self.C).ravel()
            try:
                step = cho_solve((factor(heads.hessian(x, theta, weights, self.C)), True), g)
            except InputError:
                # So far out that rounding leaves no curvature; at zero there is some.
                theta = np.zeros_like(theta)
                continue
            decrement, size = g @ step, 1.0
            if decrement < 1e-20:
                break
            # Rounding errors of J let no step that is worth taking look too long.
            while size > 1e-6 and objective(theta - size * step) > objective(
                theta
            ) - 0.1 * size * decrement + 1e-12 * len(x):
                size /= 2
            theta = theta - size * step
        return replace(self, theta=theta)

    def influence(self, train: Points, validation: Points) -> ValidationInfluence:
        """S of the head on the validation loss, where it is the minimiser of J on train: `ValidationInfluence`."""
        H = heads.hessian(self.features(train.x), self.theta, np.ones(len(train.x)), self.C) / len(train.x)
        share = np.full(len(validation.x), 1 / len(validation.x))
        g = heads.gradient(self.features(validation.x), validation.labels, self.theta, share, np.inf)
        return ValidationInfluence(self.theta, cho_solve((factor(H), True), g.ravel())[None])

    def up_gradient(self, S: np.ndarray, points: Points) -> np.ndarray:
        """Gradient of each point's I_up,loss, -S . g_i, by its place: [n, 2].

        Parameters
        ----------
        S : array [1, w + 1]
        points : Points
        """
        x = self.features(points.x)
        r = heads.residuals(x, points.labels, self.theta)
        curvature = np.abs(r) * (1 - np.abs(r))
        return self.pull_back(points.x, -curvature * (x @ S.T) * self.theta - r * S)

    def _activations(self, x):
        found = []
        for weights, bias in self.hidden:
            x = np.tanh(x @ weights + bias)
            found.append(x)
        return found


def train(points: Points, toy: Toy, replicate: int) -> Classifier:
    """F, trained on points until it settles (L-BFGS), its head exactly; a replicate's start is always the same."""
    network = MLPClassifier(
        (toy.width, toy.width),
        activation="tanh",
        solver="lbfgs",
        alpha=1 / toy.C,
        max_iter=5000,
        max_fun=10000,
        tol=1e-4,
        random_state=int(toy.rng(replicate, "classifier").integers(2**32)),
    ).fit(points.x, points.labels)
    *hidden, (weights, bias) = zip(network.coefs_, network.intercepts_, strict=True)
    return Classifier(tuple(hidden), np.append(weights[:, 0], bias)[None], toy.C).refit(points)


@dataclass(frozen=True)
class Translation:
    """E: the translation of every point, by a network with one hidden layer.

    Attributes
    ----------
    weights : tuple of array [2, w], [w], [w, 2], [2]
    bound : float
        Of a translation along an axis: bound tanh(d / bound).
    """

    weights: tuple
    bound: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Translations of points: [n, 2] -> [n, 2]."""
        return self.bound * np.tanh(self._raw(x)[1] / self.bound)

    def pull_back(self, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Gradient of sum_i u_i . E(x_i) by the weights: a tuple of their shapes."""
        hidden, raw = self._raw(x)
        u = u * (1 - np.tanh(raw / self.bound) ** 2)
        inner = (u @ self.weights[2].T) * (1 - hidden**2)
        return x.T @ inner, inner.sum(axis=0), hidden.T @ u, u.sum(axis=0)

    def _raw(self, x):
        first, bias, second, shift = self.weights
        hidden = np.tanh(x @ first + bias)
        return hidden, hidden @ second + shift


def identity(toy: Toy, replicate: int) -> Translation:
    """E before its training: it moves nothing."""
    first = toy.rng(replicate, "translation").normal(size=(2, toy.width))
    return Translation((first, np.zeros(toy.width), np.zeros((toy.width, 2)), np.zeros(2)), toy.bound)


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


def table(found: Iterable[Run]) -> pd.DataFrame:
    """All runs' results.

    Returns
    -------
    DataFrame
        A row a run and arm: scenario, replicate, arm, head and accuracy (of the test points, with the last layer
        refitted and with F trained anew), loss (of the test points, F trained anew), dx and dy (the mean translation).
    """
    rows = []
    for each in found:
        for arm, classifier in each.classifiers.items():
            by = each.learned[arm].mean[-1] if arm in each.learned else (0.0, 0.0)
            test, head = each.points.test, each.heads[arm]
            measured = head.accuracy(test), classifier.accuracy(test), classifier.loss(test)
            rows.append((each.scenario, each.replicate, arm, *measured, *by))
    return pd.DataFrame(rows, columns=["scenario", "replicate", "arm", "head", "accuracy", "loss", "dx", "dy"])


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Means over replicates with 95% intervals, and paired gains over F without augmentation.

    Parameters
    ----------
    results : DataFrame
        Of `table`.

    Returns
    -------
    DataFrame
        A row a scenario and arm; for each of head, accuracy, head gain and accuracy gain (in percentage points), loss,
        dx and dy the columns (name, "mean") and (name, "half_width"). Gains are over ``none``; of ``beside``, over
        ``none, twice``.
    """
    rows = {}
    for scenario, arm in results[["scenario", "arm"]].drop_duplicates().itertuples(index=False):
        than = "none, twice" if arm == "beside" else "none"
        mine, other = (_by_replicate(results, scenario, name) for name in (arm, than))
        gains = (mine - other)[["head", "accuracy"]].add_suffix(" gain")
        values = mine.join(gains)
        rows[scenario, arm] = {
            (name, part): value
            for name in values
            for part, value in zip(("mean", "half_width"), mean_interval(values[name]), strict=True)
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def shown(means: pd.DataFrame) -> pd.DataFrame:
    """What `summary` returned as text, mean ± half width, for a page."""
    names = list(dict.fromkeys(name for name, _ in means))  # type: ignore[has-type, misc]
    digits = {name: 1 if "head" in name or "accuracy" in name else 2 for name in names}
    text = {
        name: [
            f"{m:.{digits[name]}f} ± {h:.{digits[name]}f}" for m, h in means[name][["mean", "half_width"]].to_numpy()
        ]
        for name in names
    }
    return pd.DataFrame(text, index=means.index)


def at_mistakes(each: Run) -> tuple[float, ...]:
    """Mean of -I_up,loss of points put where the validation points lie, by F without augmentation.

    Returns
    -------
    tuple of float
        Over validation points that F gets wrong, and over the others (NaN for none): the higher, the more such a point
        would help.
    """
    F, validation = each.classifiers["none"], each.points.validation
    helps = -F.influence(each.points.train, validation).up_loss(F.features(validation.x), validation.labels)
    wrong = (F.probability(validation.x) > 0.5) != validation.labels
    return tuple(float(helps[chosen].mean()) if chosen.any() else np.nan for chosen in (wrong, ~wrong))


def _by_replicate(results, scenario, arm):
    """One row a replicate; head and accuracy in percent."""
    chosen = results[(results["scenario"] == scenario) & (results["arm"] == arm)].set_index("replicate")
    return chosen[["head", "accuracy", "loss", "dx", "dy"]] * [100, 100, 1, 1, 1]
