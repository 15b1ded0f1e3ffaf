"""Influence on validation points, against autograd and refits."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.stats import pearsonr
from sklearn.datasets import load_digits

from fitted_heads import point_loss, weighted
from influaug.errors import InputError
from influaug.influence.head_hessian import HeadHessian
from influaug.influence.inverse import factor
from influaug.influence.validation import ValidationInfluence, up_params, validation_influence
from influaug.solver import heads, logistic


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("damping", [0.0, 0.1])
def test_upweighting_agrees_with_autograd(n_classes, damping):
    H, labels, x_val, labels_val = weighted(n_classes)
    theta = H.theta

    def mean_objective(flat):
        t = flat.reshape(theta.shape)
        losses = sum(w * point_loss(t, *z) for w, *z in zip(H.weights, H.x, labels, strict=True))
        return (losses + 0.5 * anp.sum(t[:, :-1] ** 2)) / H.weights.sum()

    gradient = autograd.grad(point_loss)
    g, g_val = (
        np.array([gradient(theta, *z).ravel() for z in zip(*points, strict=True)])
        for points in ((H.x, labels), (x_val, labels_val))
    )
    exact = autograd.hessian(mean_objective)(theta.ravel())
    inverse = np.linalg.pinv(exact + damping * np.eye(theta.size), rcond=1e-10)
    moved = up_params(H.x, labels, theta, factor(H.dense(), damping))
    np.testing.assert_allclose(moved.reshape(50, -1), -g @ inverse, rtol=1e-6, atol=1e-9)
    found = validation_influence(H, x_val, labels_val, damping)
    np.testing.assert_allclose(found.S.ravel(), inverse @ g_val.mean(axis=0), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.up_loss(H.x, labels), -g @ inverse @ g_val.mean(axis=0), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_upweighting_is_the_derivative_of_a_refit(n_classes):
    """Of the minimiser of J / N + epsilon l(z), and of the validation loss there, N the sum of the weights."""
    H, labels, x_val, labels_val = weighted(n_classes)
    epsilon = 1e-4
    one = epsilon * H.weights.sum() * np.eye(50)
    up, down = (logistic.fit(H.x[:, :-1], labels, H.weights + step, H.C, tolerance=1e-14).theta for step in (one, -one))
    moved = up_params(H.x, labels, H.theta, factor(H.dense()))
    np.testing.assert_allclose((up - down) / (2 * epsilon), moved, rtol=1e-3, atol=1e-3)
    loss_up, loss_down = (np.array([heads.losses(x_val, labels_val, t).mean() for t in ts]) for ts in (up, down))
    found = validation_influence(H, x_val, labels_val).up_loss(H.x, labels)
    np.testing.assert_allclose((loss_up - loss_down) / (2 * epsilon), found, rtol=1e-3, atol=1e-4)


@given(st.integers(0, 1000), st.sampled_from([2, 3]), st.floats(0.1, 10.0))
@settings(max_examples=10, deadline=None)
def test_influence_is_of_a_mean(seed, n_classes, scale):
    """Weights and penalty multiplied by one number leave it as it is; to exchange point and copy changes the sign."""
    H, labels, x_val, labels_val = weighted(n_classes, seed=seed)
    scaled = HeadHessian(H.theta, H.x, scale * H.weights, H.C / scale)
    one, other = (validation_influence(each, x_val, labels_val, damping=0.01) for each in (H, scaled))
    up = one.up_loss(H.x, labels)
    np.testing.assert_allclose(other.up_loss(H.x, labels), up, rtol=1e-6, atol=1e-9)
    copies = H.x + 0.1
    np.testing.assert_array_equal(one.aug_loss(H.x, copies, labels), -one.aug_loss(copies, H.x, labels))
    np.testing.assert_array_equal(one.aug_loss(H.x, H.x, labels), 0)


def shifted_and_rotated(image, rng):
    moved = ndimage.shift(image, rng.uniform(-1, 1, 2), order=1)
    return ndimage.rotate(moved, rng.uniform(-20, 20), reshape=False, order=1)


class Digits:
    """A softmax head on the pixels of 400 digits; 60 of them, `chosen`, have ten copies each; the rest validate."""

    def __init__(self, seed, C=0.3, n=400):
        images, labels = load_digits(return_X_y=True)
        images, rng = images.reshape(-1, 8, 8) / 16, np.random.default_rng(seed)
        order = rng.permutation(len(labels))
        self.chosen, self.n = rng.choice(n, 60, replace=False), n
        training, held_out = order[:n], order[n:]
        self.copied = training[self.chosen]
        self.copies = np.array([[shifted_and_rotated(images[i], rng).ravel() for i in self.copied] for _ in range(10)])
        self.x = heads.with_intercept(images[training].reshape(n, -1))
        self.labels, self.copy_labels = labels[training], labels[self.copied]
        self.validation = heads.with_intercept(images[held_out].reshape(-1, 64)), labels[held_out]
        rows = np.concatenate([self.x[:, :-1], self.copies.reshape(-1, 64)])
        self.solver = logistic.Solver(rows, np.append(self.labels, np.tile(self.copy_labels, 10)))
        self.C, self.theta = C, None
        self.theta = self.refit(self.original())[0]
        H = HeadHessian(self.theta, self.x, np.ones(n), C)
        self.influence = validation_influence(H, *self.validation)
        self.rng = rng

    def original(self, m=1):
        return np.tile(np.append(np.ones(self.n), np.zeros(600)), (m, 1))

    def replaced(self, copies, together):
        """Weights where each chosen point has its copy instead: all in one model, or each in a model of its own."""
        weights = self.original(60)
        weights[np.arange(60), self.chosen] = 0
        weights[np.arange(60), self.n + 60 * copies + np.arange(60)] = 1
        if not together:
            return weights
        originals = self.original()
        return originals + (weights - originals).sum(axis=0)

    def refit(self, weights):
        start = None if self.theta is None else np.tile(self.theta, (len(weights), 1, 1))
        groups = np.zeros(len(weights), dtype=int)
        return self.solver.fit(weights, self.C, start, 1e-12, groups).theta

    def loss(self, weights):
        """Validation loss after a refit less that before."""
        losses = [heads.losses(*self.validation, theta).mean() for theta in [self.theta, *self.refit(weights)]]
        return np.array(losses[1:]) - losses[0]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_influence_predicts_what_removal_replacement_and_choice_of_copies_do(seed):
    digits = Digits(seed)
    points = digits.x[digits.chosen], digits.labels[digits.chosen]
    without = digits.original(60)
    without[np.arange(60), digits.chosen] = 0
    predicted = -digits.influence.up_loss(*points) / digits.n
    assert pearsonr(predicted, digits.loss(without)).statistic >= 0.95

    copies = heads.with_intercept(digits.copies[0])
    predicted = digits.influence.aug_loss(points[0], copies, points[1]) / digits.n
    measured = digits.loss(digits.replaced(np.zeros(60, dtype=int), together=False))
    assert pearsonr(predicted, measured).statistic >= 0.85
    assert 0.8 <= predicted @ measured / (predicted @ predicted) <= 1.2

    flat = heads.with_intercept(digits.copies.reshape(-1, 64))
    influence = digits.influence.up_loss(flat, np.tile(digits.copy_labels, 10)).reshape(10, 60)
    best, worst, *random = (
        digits.loss(digits.replaced(copies, together=True))[0]
        for copies in (influence.argmin(axis=0), influence.argmax(axis=0), *digits.rng.integers(0, 10, (5, 60)))
    )
    assert best < 0 < worst
    assert best < min(random) and max(random) < worst


def test_points_that_do_not_fit_the_head_say_so():
    H, labels, x_val, labels_val = weighted(3)
    influence = validation_influence(H, x_val, labels_val)
    assert isinstance(influence, ValidationInfluence) and influence.S.shape == H.theta.shape
    for x, y in ((H.x[:, :-1], labels), (H.x, labels[1:])):
        with pytest.raises(InputError, match=r"must be \[n, 5\], constant column included"):
            influence.up_loss(x, y)
    with pytest.raises(InputError, match="must be"):
        influence.aug_loss(H.x, H.x[1:], labels)
