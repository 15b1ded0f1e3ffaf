"""Inverse products: conjugate gradients and LiSSA, what they give and how they fail."""

import numpy as np
import pytest

from fitted_heads import fitted, head
from influaug.errors import InputError
from influaug.influence.inverse import Lissa, conjugate_gradients, factor, lissa
from influaug.solver import heads


def test_lissa_is_as_random_as_its_seed():
    H, _ = head()
    g = np.random.default_rng(6).normal(size=H.theta.size)

    def found(seed):
        return lissa(H.sampled, g, 0.1, Lissa(seed, scale=3.0, depth=200, repeats=2, tolerance=1.0))

    np.testing.assert_array_equal(found(0), found(0))
    assert np.abs(found(0) - found(1)).max() > 1e-3


def test_conjugate_gradients_that_fail_say_why():
    A = np.diag([1.0, 2.0, -0.5])
    with pytest.raises(InputError, match=r"not positive definite with damping = 0\.1; use a larger damping"):
        conjugate_gradients(lambda v: A @ v, np.ones(3), 0.1)
    np.testing.assert_allclose(conjugate_gradients(lambda v: A @ v, np.ones(3), 1.0), 1 / (np.diag(A) + 1), rtol=1e-6)
    spread = np.logspace(0, -8, 30)
    with pytest.raises(InputError, match="did not reach the tolerance 1e-06 in 5 steps"):
        conjugate_gradients(lambda v: spread * v, np.ones(30), most_steps=5)
    np.testing.assert_array_equal(conjugate_gradients(lambda v: A @ v, np.zeros(3), 1.0), 0)


def test_lissa_that_fails_says_why():
    A = np.diag([4.0, 1.0, 1e-4])

    def sampled(v, rng):
        del rng
        return A @ v

    with pytest.raises(InputError, match=r"LiSSA diverges \(step \d+\) with scale = 1\.5"):
        lissa(sampled, np.ones(3), 0.0, Lissa(seed=0, scale=1.5))
    with pytest.raises(InputError, match=r"has not settled: S still moves by 0\.\d+ of its norm after 1000 steps"):
        lissa(sampled, np.ones(3), 0.0, Lissa(seed=0, scale=5.0))
    with pytest.raises(InputError, match="LiSSA diverges"):
        lissa(lambda v, rng: np.nan * v, np.ones(3), 0.0, Lissa(seed=0, scale=5.0))
    np.testing.assert_array_equal(lissa(sampled, np.zeros(3), 0.0, Lissa(seed=0, scale=5.0)), 0)
    settled = lissa(sampled, np.ones(3), 0.1, Lissa(seed=0, scale=5.0, depth=3000, repeats=1))
    np.testing.assert_allclose(settled, 1 / (np.diag(A) + 0.1), rtol=1e-6)


@pytest.mark.parametrize("wrong", [{"scale": 0}, {"scale": np.nan}, {"depth": 1}, {"repeats": 0}, {"tolerance": 0}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(InputError, match=" must be "):
        Lissa(**{"seed": 0, "scale": 1.0, **wrong})


def test_a_singular_hessian_says_what_to_do():
    x, _, theta, weights = fitted(n=10, d=20)
    with pytest.raises(InputError, match="larger damping"):
        factor(heads.hessian(x, theta, 0 * weights, np.inf))
