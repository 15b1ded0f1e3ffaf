"""Derivatives on Keras's backend against closed forms and autograd; on JAX as well, where it is installed."""

import os
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

from influaug.backend import compiled, keras
from influaug.backend.derivatives import (
    directional_derivatives,
    gradient,
    hessian_vector_product,
    input_gradient,
    of_variables,
)
from influaug.errors import InputError

pytestmark = pytest.mark.slow

ops = keras.ops
# On the other backends some of Keras's functions compute in single precision, whatever they are given.
EXACT = {"rtol": 1e-10} if keras.config.backend() == "tensorflow" else {"rtol": 1e-5, "atol": 1e-6}
rng = np.random.default_rng(0)
A, B, V, W = (rng.normal(size=shape) for shape in ((3, 4), (4,), (3, 4), (4,)))


def numpy(tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


def tensors(*arrays):
    return [ops.convert_to_tensor(array) for array in arrays]


def values(of):
    """A function of A and B with three values, in one of two modules' terms."""
    return lambda pair: of.matmul(pair[0], pair[1]) ** 4 / 6 + of.sum(pair[1] ** 3)


def test_gradient_and_hessian_product_agree_with_autograd():
    def total(flat):
        return anp.sum(values(anp)([flat[:12].reshape(3, 4), flat[12:]]))

    flat, direction = np.concatenate([A.ravel(), B]), np.concatenate([V.ravel(), W])

    def ours(pair):
        return ops.sum(values(ops)(pair))

    found = np.concatenate([g.ravel() for g in numpy(gradient(ours, tensors(A, B)))])
    np.testing.assert_allclose(found, autograd.grad(total)(flat), **EXACT)
    plain = partial(hessian_vector_product, ours)
    for product in (plain, compiled(plain)):
        found = np.concatenate([v.ravel() for v in numpy(product(tensors(A, B), tensors(V, W)))])
        np.testing.assert_allclose(found, autograd.hessian(total)(flat) @ direction, **EXACT)


def test_directional_derivatives_agree_with_autograds_jacobian():
    J_A = autograd.jacobian(lambda a: values(anp)([a, B]))(A)
    J_B = autograd.jacobian(lambda b: values(anp)([A, b]))(B)
    expected = np.einsum("nij,ij->n", J_A, V) + J_B @ W
    (found,) = numpy([directional_derivatives(values(ops), tensors(A, B), tensors(V, W))])
    np.testing.assert_allclose(found, expected, **EXACT)


def test_what_is_not_connected_has_gradient_zero():
    a, b = numpy(gradient(lambda pair: ops.sum(pair[0] ** 2), tensors(A, B)))
    np.testing.assert_allclose(a, 2 * A, **EXACT)
    np.testing.assert_array_equal(b, 0 * B)
    linear = hessian_vector_product(lambda pair: ops.sum(pair[0]) + ops.sum(pair[1]), tensors(A, B), tensors(V, W))
    np.testing.assert_array_equal(np.concatenate([v.ravel() for v in numpy(linear)]), np.zeros(16))


def test_gathered_rows_get_their_gradient_in_place():
    found = input_gradient(lambda x: ops.take(x, [2, 0, 2], axis=0) ** 2, tensors(A)[0])
    np.testing.assert_allclose(*numpy([found / 2.0]), A * np.array([[1], [0], [2]]), **EXACT)


def test_variables_are_differentiated_and_left_as_they_were():
    variable = keras.Variable(A, dtype="float64")
    before = ops.convert_to_numpy(variable).copy()
    function = of_variables(lambda: ops.sum(variable * variable * variable), [variable])
    (g,), (Hv,) = numpy(gradient(function, [variable])), numpy(hessian_vector_product(function, [variable], [V]))
    np.testing.assert_allclose(g, 3 * A**2, **EXACT)
    np.testing.assert_allclose(Hv, 6 * A * V, **EXACT)
    np.testing.assert_array_equal(ops.convert_to_numpy(variable), before)


def test_the_input_gradient_of_a_network_is_that_of_finite_differences():
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(5, "softplus"), keras.layers.Dense(1)])
    network.set_weights([rng.normal(size=weight.shape) for weight in network.weights])
    (found,) = numpy([input_gradient(network, tensors(A)[0])])
    h, steps = 1e-2, np.eye(4)
    outputs = [[ops.convert_to_numpy(network(A + s * h * e)) for s in (1, -1)] for e in steps]
    expected = np.stack([(up - down)[:, 0] / (2 * h) for up, down in outputs], axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


class Critic(keras.Model):
    """Trained by its gradient penalty alone."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def call(self, x):
        return self.network(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        norms = ops.sqrt(ops.sum(input_gradient(lambda z: self.network(z, training=training), x) ** 2, axis=1))
        return ops.mean((norms - 1) ** 2)


def compiled_critic(layers, optimizer):
    critic = Critic(keras.Sequential(layers))
    critic.compile(optimizer, jit_compile=keras.config.backend() == "jax")
    return critic


def test_fit_descends_a_gradient_penalty_exactly():
    """Of a linear critic w . x it is (|w| - 1)^2, with gradient 2 (|w| - 1) w / |w|."""
    critic = compiled_critic([keras.Input((4,)), keras.layers.Dense(1, use_bias=False)], keras.optimizers.SGD(0.1))
    w = np.array([[2.0], [-1.0], [0.5], [2.0]], dtype=np.float32)
    critic.network.set_weights([w])
    x = rng.normal(size=(8, 4)).astype(np.float32)
    assert critic.evaluate(x, verbose=0) == pytest.approx((np.linalg.norm(w) - 1) ** 2, rel=1e-5)
    critic.fit(x, batch_size=8, epochs=1, verbose=0)
    size = np.linalg.norm(w)
    np.testing.assert_allclose(critic.network.get_weights()[0], w - 0.1 * 2 * (size - 1) * w / size, rtol=1e-5)


def test_fit_brings_a_deep_critics_input_gradient_to_one():
    layers = [keras.layers.Dense(8, "tanh"), keras.layers.Dropout(0.1), keras.layers.Dense(1, use_bias=False)]
    critic = compiled_critic([keras.Input((4,)), *layers], keras.optimizers.Adam(0.03))
    x = 0.3 * np.random.default_rng(1).normal(size=(64, 4)).astype(np.float32)
    critic.network.set_weights([np.random.default_rng(2).normal(size=w.shape) for w in critic.network.weights])
    before = critic.evaluate(x, verbose=0)
    critic.fit(x, batch_size=8, epochs=5, verbose=0)
    assert before > 0.3 and critic.evaluate(x, verbose=0) < 0.1 * before


def test_a_backend_without_gradients_is_named(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "numpy")
    with pytest.raises(InputError, match="'numpy'; gradients need"):
        gradient(lambda pair: pair[0], [np.ones(())])


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="started from the default backend alone")
def test_jax_has_the_same_derivatives():
    files = [__file__, str(Path(__file__).parents[1] / "influence" / "test_network_hessian.py")]
    chosen = ["-k", "autograd or exactly or inverse_products"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *chosen, *files]
    said = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "jax"}, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "4 passed" in said.stdout
