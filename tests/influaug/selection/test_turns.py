import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from influaug.selection.turns import in_turn


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
def test_classes_take_turns_and_keep_their_order(classes, seed):
    classes = np.array(classes)
    order = np.random.default_rng(seed).permutation(len(classes))
    found = in_turn(order, classes)
    assert sorted(found) == list(range(len(classes)))
    for label in np.unique(classes):
        np.testing.assert_array_equal(found[classes[found] == label], order[classes[order] == label])
    fewest = np.bincount(classes)[np.unique(classes)].min()
    for size in range(fewest * len(np.unique(classes)) + 1):
        counts = np.bincount(classes[found[:size]], minlength=4)[np.unique(classes)]
        assert counts.max() - counts.min() <= 1


def test_classes_that_have_less_catch_up_first():
    classes = np.array([0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(in_turn(np.arange(6), classes, taken=[2, 0]), [3, 4, 0, 5, 1, 2])
