"""Models of which a part is trained."""

import numpy as np
import pytest

from influaug.augnet.partial import Partial
from influaug.backend import keras

pytestmark = pytest.mark.slow


class _Pair(Partial):
    def __init__(self, first, second, trained):
        super().__init__()
        self.first, self.second = first, second
        self.trains(trained)

    def call(self, x, training=None):
        return self.second(self.first(x))


def parts():
    made = [keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(3)]) for _ in range(2)]
    return made


def test_each_half_trains_its_own_part_and_leaves_the_other():
    first, second = parts()
    x, y = np.random.default_rng(0).normal(size=(2, 16, 3)).astype("float32")
    halves = [_Pair(first, second, part) for part in (first, second)]
    for half in halves:
        half.compile(keras.optimizers.Adam(0.1), "mse")
    for half, (trained, kept) in zip(halves, ((first, second), (second, first)), strict=True):
        before = [w.copy() for w in trained.get_weights()], [w.copy() for w in kept.get_weights()]
        half.train_on_batch(x, y)
        assert all(not np.allclose(a, b) for a, b in zip(before[0], trained.get_weights(), strict=True))
        assert all(np.array_equal(a, b) for a, b in zip(before[1], kept.get_weights(), strict=True))
    assert first.trainable and second.trainable and len(first.trainable_variables) == 2


def test_the_lists_of_variables_are_disjoint_and_complete():
    first, second = parts()
    half = _Pair(first, second, second)
    half(np.zeros((1, 3), "float32"))
    mine = {id(v) for v in half.trainable_variables}
    others = {id(v) for v in half.non_trainable_variables}
    assert mine == {id(v) for v in second.variables} and not mine & others
    assert mine | others == {id(v) for v in half.variables}
    assert {id(v) for v in half.trainable_weights} == mine
    assert {id(v) for v in half.non_trainable_weights} == {id(v) for v in first.weights}
