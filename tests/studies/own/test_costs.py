"""The time that a page will take: grows with parts and networks, and is said as a person says it."""

from types import SimpleNamespace

import numpy as np
import pytest

from studies.own import costs, material
from studies.own.parameters import OwnData


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (89, "89 s"), (120, "2 minutes"), (5000, "83 minutes"), (9000, "2.5 hours")]
)
def test_durations_are_said_in_fitting_units(seconds, words):
    assert costs.in_words(seconds) == words


def test_features_cost_no_network():
    points = SimpleNamespace(images=np.zeros((9, 2)), labels=np.zeros(9))
    assert costs.seconds(OwnData(), material.Features(OwnData(), points, {})) == 0


@pytest.mark.slow
def test_a_second_judge_costs_more_and_so_do_more_parts():
    small = {"n_train": 60, "epochs": 2, "transformations": ["crop"], "folds": 3}
    once = OwnData(**small, repeats=1)
    alone = costs.seconds(once, material.of(once))
    judged = OwnData(**small, repeats=1, retrained="lenet", retrained_epochs=500)
    assert 0 < alone < costs.seconds(judged, material.of(judged))
