"""The two networks of the toy experiment: the classifier F and the translation E, with their gradients.

Points are arrays [n, 2], labels 0 and 1, and all numbers float64; nothing here needs Keras.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_solve
from scipy.special import expit
from sklearn.neural_network import MLPClassifier

from influaug.errors import InputError
from influaug.influence.head_hessian import HeadHessian
from influaug.influence.inverse import factor
from influaug.influence.validation import validation_influence
from influaug.solver import heads

if TYPE_CHECKING:
    from influaug.influence.validation import ValidationInfluence

    from .parameters import Toy
MOST_NEWTON_STEPS = 100


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
        H = HeadHessian(self.theta, self.features(train.x), np.ones(len(train.x)), self.C)
        return validation_influence(H, self.features(validation.x), validation.labels)

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
