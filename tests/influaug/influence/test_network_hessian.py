"""Products and inverse products with the Hessian of a network, against dense Hessians by autograd."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from sklearn.datasets import load_digits

from influaug.backend import keras
from influaug.errors import InputError
from influaug.influence.head_hessian import HeadHessian
from influaug.influence.inverse import Lissa, conjugate_gradients, lissa
from influaug.influence.network_hessian import NetworkHessian
from influaug.influence.validation import validation_influence
from influaug.solver import heads, logistic
from problems import problem

pytestmark = pytest.mark.slow

PER_POINT = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=None, dtype="float64")
L2 = 1 / 32
# On the other backends some of Keras's functions compute in single precision, whatever they are given.
EXACT = {"rtol": 1e-8, "atol": 1e-11} if keras.config.backend() == "tensorflow" else {"rtol": 1e-4, "atol": 1e-6}


def network(dtype="float64"):
    """Five features, four hidden units, three classes; the first layer's weights are penalised."""
    model = keras.Sequential(
        [
            keras.Input((5,), dtype=dtype),
            keras.layers.Dense(4, "tanh", kernel_regularizer=keras.regularizers.L2(L2), dtype=dtype),
            keras.layers.Dense(3, dtype=dtype),
        ]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


def point_losses(flat, x, labels):
    """The network's losses in autograd's terms."""
    (a, b, c, d), k = anp.split(flat, [20, 24, 36]), np.arange(len(x))
    eta = anp.tanh(x @ a.reshape(5, 4) + b) @ c.reshape(4, 3) + d
    return anp.log(anp.sum(anp.exp(eta), axis=1)) - eta[k, labels]


@pytest.fixture
def small():
    x, labels = problem(3, n=40, d=5, n_classes=3)
    model = network()
    flat = np.concatenate([w.ravel() for w in model.get_weights()])

    def objective(flat):
        return anp.mean(point_losses(flat, x, labels)) + L2 * anp.sum(flat[:20] ** 2)

    H = NetworkHessian(model, PER_POINT, (x, labels), batch_size=16)
    return H, (x, labels), flat, autograd.hessian(objective)(flat)


def test_a_networks_products_are_with_its_dense_hessian(small):
    H, _, flat, exact = small
    found = np.stack([H.product(v) for v in np.eye(len(flat))])
    np.testing.assert_allclose(found, exact, **EXACT)


def test_a_networks_samples_have_the_product_as_their_mean(small):
    H, _, flat, exact = small
    rng = np.random.default_rng(4)
    v = rng.normal(size=len(flat))
    draws = np.array([H.sampled(v, rng) for _ in range(200)])
    errors = (draws.mean(axis=0) - exact @ v) / (draws.std(axis=0) / np.sqrt(len(draws)))
    assert np.abs(errors).max() < 4


def test_a_networks_inverse_products_and_influences(small):
    """At some point that is no minimum: the damping makes the Hessian positive definite there."""
    H, (x, labels), flat, exact = small
    damping = 0.3 - np.linalg.eigvalsh(exact).min()
    gradients = autograd.jacobian(lambda flat: point_losses(flat, x, labels))(flat)
    g = H.gradient((x[:10], labels[:10]))
    np.testing.assert_allclose(g, gradients[:10].mean(axis=0), **EXACT)
    S = np.linalg.solve(exact + damping * np.eye(len(g)), g)
    found = conjugate_gradients(H.product, g, damping)
    np.testing.assert_allclose(found, S, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(H.up_loss(S, (x, labels)), -gradients @ S, **EXACT)
    estimated = lissa(H.sampled, g, damping, Lissa(seed=1, scale=3.0, depth=100, repeats=2))
    assert np.linalg.norm(estimated - S) < 0.1 * np.linalg.norm(S)


def test_the_networks_present_weights_count(small):
    H, _, flat, exact = small
    v = np.ones(len(flat))
    before = H.product(v)
    H.model.set_weights([0.5 * w for w in H.model.get_weights()])
    assert np.abs(H.product(v) - before).max() > 0.01
    H.model.set_weights([2.0 * w for w in H.model.get_weights()])
    np.testing.assert_allclose(H.product(v), exact @ v, **EXACT)


def test_some_variables_alone(small):
    H, points, _, exact = small
    last = NetworkHessian(H.model, PER_POINT, points, variables=H.model.layers[-1].trainable_variables)
    np.testing.assert_allclose(np.stack([last.product(v) for v in np.eye(15)]), exact[24:, 24:], **EXACT)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="finite differences need double precision")
def test_a_convolutional_networks_product_is_that_of_finite_differences():
    layers = keras.layers
    images, labels = load_digits(return_X_y=True)
    points = (images[:12].reshape(-1, 8, 8, 1) / 16, labels[:12])
    stack = [layers.Conv2D(3, 3, activation="relu", dtype="float64"), layers.BatchNormalization(dtype="float64")]
    stack += [layers.MaxPooling2D(dtype="float64"), layers.Flatten(dtype="float64"), layers.Dense(10, dtype="float64")]
    model = keras.Sequential([keras.Input((8, 8, 1), dtype="float64"), *stack])
    rng = np.random.default_rng(5)
    signs = [rng.choice([-1, 1], w.shape) if len(w.shape) > 1 else 1 for w in model.weights]
    model.set_weights([sign * rng.uniform(0.2, 1.0, w.shape) for sign, w in zip(signs, model.weights, strict=True)])
    H, h = NetworkHessian(model, PER_POINT, points), 1e-6
    v = [rng.normal(size=w.shape) for w in model.trainable_variables]
    start = [keras.ops.convert_to_numpy(w) for w in model.trainable_variables]
    shifted = []
    for sign in (1, -1):
        for variable, w, part in zip(model.trainable_variables, start, v, strict=True):
            variable.assign(w + sign * h * part)
        shifted.append(H.gradient(points))
    for variable, w in zip(model.trainable_variables, start, strict=True):
        variable.assign(w)
    expected = (shifted[0] - shifted[1]) / (2 * h)
    found = H.product(np.concatenate([part.ravel() for part in v]))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


def test_a_network_of_one_layer_is_a_head():
    """The same influences by two ways, in single precision on the network's side."""
    images, labels = load_digits(return_X_y=True)
    x, C, n = images / 16, 0.3, 300
    theta = logistic.fit(x[:n], labels[:n], np.ones((1, n)), C, tolerance=1e-12).theta[0]
    H = HeadHessian(theta, heads.with_intercept(x[:n]), np.ones(n), C)
    expected = validation_influence(H, heads.with_intercept(x[n:]), labels[n:], damping=0.01)
    penalty = keras.regularizers.L2(1 / (2 * C * n))
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(10, kernel_regularizer=penalty)])
    model.set_weights([theta[:, :-1].T, theta[:, -1]])
    points = (x[:n].astype(np.float32), labels[:n])
    same = NetworkHessian(model, PER_POINT, points)
    S = conjugate_gradients(same.product, same.gradient((x[n:], labels[n:])), 0.01)
    found, wanted = same.up_loss(S, points), expected.up_loss(H.x, labels[:n])
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


def test_losses_and_points_that_do_not_fit(small):
    H, points, flat, _ = small
    mean = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.raises(InputError, match="one number a point"):
        NetworkHessian(H.model, mean, points).product(np.ones(len(flat)))
    with pytest.raises(InputError, match="one length, not 40 and 39"):
        NetworkHessian(H.model, PER_POINT, (points[0], points[1][1:]))
