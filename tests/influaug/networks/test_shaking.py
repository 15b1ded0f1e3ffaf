"""Shake-Shake and ShakeDrop against their formulas: values, and derivatives by the backend's autodiff."""

import numpy as np
import pytest

from influaug.backend import keras
from influaug.backend.derivatives import gradient
from influaug.errors import InputError
from influaug.networks.shaking import ShakeDrop, ShakeShake, WidenedAdd, scaled_both_ways

ops, array = keras.ops, keras.ops.convert_to_numpy
RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 40, 3, 3, 2)).astype(np.float32)


def test_the_identity_has_one_factor_forward_and_another_backward():
    x, forward, backward = A, RNG.normal(size=(40, 1, 1, 1)), RNG.normal(size=(40, 1, 1, 1))
    forward, backward = forward.astype(np.float32), backward.astype(np.float32)
    np.testing.assert_allclose(
        array(scaled_both_ways(*map(ops.convert_to_tensor, (x, forward, backward)))), forward * x, atol=1e-5
    )
    # Of sum(B * f x) the gradient by x would be f B.
    found = gradient(lambda t: ops.sum(ops.multiply(B, scaled_both_ways(t[0], t[1], t[2]))), [x, forward, backward])
    np.testing.assert_allclose(array(found[0]), backward * B, atol=1e-5)
    assert not array(found[1]).any() and not array(found[2]).any()


def factors(images, parts):
    """The one factor of each image by which all its numbers were multiplied."""
    ratios = array(images) / parts
    np.testing.assert_allclose(ratios, np.broadcast_to(ratios[:, :1, :1, :1], ratios.shape), rtol=1e-3, atol=1e-3)
    return ratios[:, 0, 0, 0]


def shake_shake_factors(layer):
    """alpha of every image, and beta, of one call."""

    def loss(tensors):
        return ops.sum(layer(tensors, training=True))

    # With b = 0 the value is alpha a; the gradients by a and by b are beta and 1 - beta, in the same call.
    by_a, by_b = gradient(loss, [A, 0 * A])
    np.testing.assert_allclose(array(by_a) + array(by_b), 1, atol=1e-6)
    return array(by_a)[:, 0, 0, 0]


def test_shake_shake_draws_alpha_and_beta_for_each_image():
    layer, same = ShakeShake(7), ShakeShake(7)
    alpha = factors(layer([A, 0 * A], training=True), A)
    other = factors(same([0 * A, B], training=True), B)
    np.testing.assert_allclose(alpha + other, 1, atol=1e-3)  # alpha a + (1 - alpha) b, alpha from the seed
    assert len(np.unique(alpha)) == 40 and 0 <= alpha.min() < 0.2 and 0.8 < alpha.max() <= 1
    first, beta = ShakeShake(7), shake_shake_factors(ShakeShake(7))
    np.testing.assert_allclose(factors(first([A, 0 * A], training=True), A), alpha, atol=1e-6)
    assert abs(np.corrcoef(alpha, beta)[0, 1]) < 0.5 and not np.allclose(alpha, beta, atol=0.05)
    assert 0 <= beta.min() < 0.2 and 0.8 < beta.max() <= 1


def test_every_call_draws_anew_and_only_in_training():
    layer = ShakeShake(1)
    once, again = (array(layer([A, B], training=True)) for _ in range(2))
    assert not np.allclose(once, again)
    np.testing.assert_allclose(array(layer([A, B], training=False)), (A + B) / 2, rtol=1e-6)
    np.testing.assert_allclose(array(layer([A, B])), (A + B) / 2, rtol=1e-6)


@pytest.mark.parametrize("keep", [0.0, 0.3, 1.0])
def test_shake_drop_leaves_alone_or_multiplies_by_alpha(keep):
    x = np.ones((2000, 1, 1, 1), np.float32)
    layer, same = ShakeDrop(keep, seed=3), ShakeDrop(keep, seed=3)
    forward = factors(layer(x, training=True), x)
    backward = array(gradient(lambda t: ops.sum(same(t[0], training=True)), [x])[0])[:, 0, 0, 0]
    kept = np.isclose(forward, 1, atol=1e-6)
    assert kept.mean() == pytest.approx(keep, abs=0.04)
    np.testing.assert_allclose(backward[kept], 1, atol=1e-6)  # b is the same both ways
    alpha, beta = forward[~kept], backward[~kept]
    if keep < 1:
        assert (alpha.min(), alpha.max()) == pytest.approx((-1, 1), abs=0.02)
        assert (beta.min(), beta.max()) == pytest.approx((0, 1), abs=0.02)
        assert abs(np.corrcoef(alpha, beta)[0, 1]) < 0.1
    assert forward.mean() == pytest.approx(keep, abs=0.05)  # the expectation, which is the factor at test time
    np.testing.assert_allclose(array(layer(x, training=False)), keep * x, atol=1e-7)


def test_the_shortcut_lacks_channels():
    branch, shortcut = (
        RNG.normal(size=(2, 3, 3, 5)).astype(np.float32),
        RNG.normal(size=(2, 3, 3, 2)).astype(np.float32),
    )
    want = branch.copy()
    want[..., :2] += shortcut
    np.testing.assert_allclose(array(WidenedAdd()([shortcut, branch])), want, rtol=1e-6)


@pytest.mark.parametrize("layer", [ShakeShake(5), ShakeDrop(0.25, seed=5)])
def test_a_layer_made_of_its_description_draws_the_same(layer):
    again = type(layer).from_config(layer.get_config())
    parts = [A, B] if isinstance(layer, ShakeShake) else A
    fresh = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(array(again(parts, training=True)), array(fresh(parts, training=True)))


def test_the_backends_global_seed_does_not_matter():
    found = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        found.append(array(ShakeShake(9)([A, B], training=True)))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("keep", [-0.1, 1.5, None, True, float("nan")])
def test_a_probability_out_of_range_is_refused(keep):
    with pytest.raises(InputError, match="it must be a probability, from 0 to 1"):
        ShakeDrop(keep)
