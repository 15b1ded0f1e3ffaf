"""Measurements of greedy selection at size: their arithmetic, on tiny cases."""

import numpy as np
import pandas as pd
import pytest

from influaug.errors import InputError
from studies.benchmark import apart, at_size, size_page
from studies.points.feature_set import FeatureSet
from studies.points.study import Study


def feature_set(seed, n=60, n_classes=3, d=8):
    c, t = (apart.made_up(n, n_classes, d, number) for number in (seed, seed))
    labels = np.append(c.labels, c.labels[c.source])
    return FeatureSet(np.vstack([c.features, c.copies]), labels, n, np.vstack([t.features, t.copies]), labels, n)


def test_the_comparison_is_that_of_paired_means():
    table = at_size.compared([feature_set(0), feature_set(1)], 1.0, (0.05, 0.2))
    assert len(table) == 2 * 2 * 2 and (table["seconds"] > 0).all() and table["accuracy"].between(0.3, 1).all()
    small = at_size.comparison(table)
    wide = 100 * table.pivot_table(index="replicate", columns=["solver", "share"], values="accuracy")
    np.testing.assert_allclose(small["difference"], (wide["iterative"] - wide["exact"]).mean())
    assert (small["n"] == 2).all() and np.isfinite(small["+-"]).all()


def test_without_the_released_network_there_is_no_wider_case():
    table = at_size.compared(at_size.wide(Study()), 1.0)
    assert at_size.comparison(table).empty and "Not run here" in size_page.wide_caption(table)


def test_the_exponent_is_the_slope():
    table = pd.DataFrame({"points": [100, 200, 400], "seconds": [1.0, 1.7, 2.0]})
    assert at_size.exponent(table) == pytest.approx(0.5)


@pytest.mark.slow
def test_made_up_cases_run_in_a_process_whose_peak_is_theirs():
    table = at_size.made_up([[300, 5, 16, 0.02], [20_000, 5, 256, 0.0005]], 1.0)
    assert list(table["parameters"]) == [5 * 17, 5 * 257] and list(table["chosen"]) == [24, 40]
    # The second has 100 MB of features.
    assert 8e7 < table["memory"].iloc[1] - table["memory"].iloc[0] < 4e8


@pytest.mark.parametrize("case", [[500, 20, 64], [10, 20, 64, 0.1], [500, 20.5, 64, 0.1], [500, 20, 64, 0.0]])
def test_made_up_cases_are_checked(case):
    with pytest.raises(InputError, match="must be points, classes"):
        Study.from_namespace({"made_up": [case]})
