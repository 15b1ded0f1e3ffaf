"""Products and inverse products with the Hessian of a head, against its dense one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitted_heads import head
from influaug.influence import head_hessian
from influaug.influence.head_hessian import HeadHessian
from influaug.influence.inverse import Lissa, lissa


@given(st.integers(0, 1000), st.sampled_from([2, 3, 5]), st.floats(-2, 2))
@settings(max_examples=15, deadline=None)
def test_a_heads_product_is_with_its_dense_hessian(seed, n_classes, log_C):
    H, _ = head(seed, n_classes, 10.0**log_C)
    V = np.random.default_rng(seed).normal(size=(H.theta.size, 3))
    found = np.stack([H.product(v) for v in V.T], axis=1)
    np.testing.assert_allclose(found, H.dense() @ V, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_heads_samples_have_the_product_as_their_mean(n_classes):
    H, _ = head(n_classes=n_classes)
    rng = np.random.default_rng(1)
    v = rng.normal(size=H.theta.size)
    draws = np.array([H.sampled(v, rng) for _ in range(2000)])
    errors = (draws.mean(axis=0) - H.product(v)) / (draws.std(axis=0) / np.sqrt(len(draws)))
    assert np.abs(errors).max() < 4
    assert (draws.std(axis=0) > 0).all()


@pytest.mark.parametrize("n_classes", [2, 3])
def test_all_solvers_of_a_head_agree(n_classes, monkeypatch):
    H, _ = head(n_classes=n_classes, n=200)
    g = np.random.default_rng(2).normal(size=H.theta.size)
    if n_classes > 2:
        g.reshape(n_classes, -1)[:, -1] -= g.reshape(n_classes, -1)[:, -1].mean()
    exact = np.linalg.solve(H.dense() + 0.05 * np.eye(len(g)), g)
    np.testing.assert_allclose(H.solve(g, 0.05), exact, rtol=1e-9)
    monkeypatch.setattr(head_hessian, "LARGEST_DENSE", 0)
    monkeypatch.setattr(HeadHessian, "dense", None)
    np.testing.assert_allclose(H.solve(g, 0.05), exact, rtol=1e-4, atol=1e-5 * np.abs(exact).max())
    estimated = lissa(H.sampled, g, 0.05, Lissa(seed=0, scale=3.0, depth=600, repeats=16))
    assert np.linalg.norm(estimated - exact) < 0.1 * np.linalg.norm(exact)
