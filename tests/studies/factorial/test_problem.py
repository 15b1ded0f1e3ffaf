"""Halves and samples of a factorial."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influaug.errors import InputError
from studies.factorial.parameters import Factorial
from studies.factorial.problem import Problem, halves


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=80), st.integers(0, 9))
def test_halves_have_each_point_once_and_each_class_evenly(labels, seed):
    labels = np.array(labels)
    one, other = halves(labels, np.random.default_rng(seed))
    assert np.array_equal(np.sort(np.append(one, other)), np.arange(len(labels)))
    counts = [np.bincount(labels[half], minlength=5) for half in (one, other)]
    assert np.abs(counts[0] - counts[1]).max() <= 1
    assert np.all(np.diff(one) > 0) and np.all(np.diff(other) > 0)


def test_samples_lie_in_their_halves_and_rows_find_their_images():
    study = Factorial(n_train=30, replicates=3)
    problem = Problem(study, study.load_data())
    assert len({tuple(sample.indices) for of_split in problem.samples for sample in of_split}) == 6
    for of_split in problem.samples:
        for half, sample in enumerate(of_split):
            assert np.isin(sample.indices, problem.halves[half]).all() and len(sample.labels) == 30
            assert not np.isin(sample.indices, problem.halves[1 - half]).any()
            assert np.array_equal(problem.dataset.labels_train[sample.indices] % 2, sample.labels)
            assert np.array_equal(problem.images[problem.rows(sample)], sample.images)
    assert np.array_equal(problem.images[problem.test_rows], problem.samples[0][0].images_test)
    assert len(problem.images) == len(problem.points) + len(problem.test_rows)


def test_more_points_than_a_half_has_are_refused():
    study = Factorial(n_train=501)
    with pytest.raises(InputError, match=r"n_train must be from 2 to the \d+ training points"):
        _ = Problem(study, study.load_data()).samples


def test_more_splits_leave_the_first_ones_as_they_are():
    few, more = (Factorial(n_train=30, replicates=r) for r in (1, 3))
    one, other = (Problem(study, study.load_data()).samples[0] for study in (few, more))
    assert all(np.array_equal(a.indices, b.indices) for a, b in zip(one, other, strict=True))
