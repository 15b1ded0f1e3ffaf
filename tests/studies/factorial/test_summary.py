"""Effects against least squares, intervals against scipy's, and parts that sum to the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from factorials import FACTORS, made_up
from studies.factorial import summary
from studies.factorial.parameters import Factorial

S = Factorial(transformations=["translate", "crop"])


def noisy(row, rng):
    return rng.normal()


def cells(transformation="translate", response=noisy, **options):
    found = summary.responses(S, made_up(S, response, **options))
    return found[found["transformation"] == transformation]


def test_responses_are_differences_in_points_and_levels_are_coded():
    table = made_up(S, noisy, n=2)
    found = summary.responses(S, table)
    row = found.iloc[5]
    same = table[(table["transformation"] == row["transformation"]) & (table["replicate"] == row["replicate"])]
    same = same[(same["half"] == row["half"]) & (same["network"] == row["network"])]
    same = same[same["C"] == S.C[int(row["C"])]]
    moves = "" if np.isnan(row["moves"]) else ["cardinal", "diagonal"][int(row["moves"])]
    same = same[(same["moves"] == moves) & (same["preprocessing"] == ["right", "uncentred"][int(row["preprocessing"])])]
    by = same.set_index("policy")["accuracy"]
    assert row["full - none"] == pytest.approx(100 * (by["full"] - by["none"]))
    assert row["influence - random"] == pytest.approx(100 * (by["influence"] - by["random"]))
    assert row["seen"] == float(row["half"] == row["network"])
    assert summary.factors_of(cells()) == list(FACTORS) and summary.factors_of(cells("crop")) == ["C", *FACTORS[2:]]


@pytest.mark.parametrize("transformation", ["translate", "crop"])
def test_effects_are_those_of_least_squares(transformation):
    chosen = cells(transformation)
    factors = summary.factors_of(chosen)
    found = summary.effects(chosen, "full - none")
    assert len(found) == 2 ** len(factors) - 1
    signs = {name: 2 * chosen[name].to_numpy() - 1 for name in factors}
    columns = {name: np.prod([signs[each] for each in name.split(" x ")], axis=0) for name in found.index}
    x = np.column_stack([np.ones(len(chosen)), *columns.values()])
    # The design is balanced and orthogonal, so that the mean over splits of the contrasts is the pooled regression's.
    theta = np.linalg.lstsq(x, chosen["full - none"], rcond=None)[0]
    np.testing.assert_allclose([gap.mean for gap in found["gap"]], 2 * theta[1:], atol=1e-9)
    np.testing.assert_allclose([gap.mean for gap in found["gap"]], found[["network 0", "network 1"]].mean(axis=1))


def test_intervals_are_those_of_splits():
    chosen = cells(n=6)
    for name, levels in (("C", ["C"]), ("moves x seen", ["moves", "seen"])):
        sign = (2 * chosen[levels] - 1).prod(axis=1)
        by_split = (sign * chosen["full - none"]).groupby(chosen["replicate"]).mean() * 2
        low, high = ttest_1samp(by_split, 0).confidence_interval()
        gap = summary.effects(chosen, "full - none").loc[name, "gap"]
        np.testing.assert_allclose([gap.mean - gap.half_width, gap.mean + gap.half_width], [low, high])
        assert gap.n == 6


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.floats(-3, 3))
def test_an_additive_response_has_its_own_effects_and_parts(effects, both):
    slopes = dict(zip(FACTORS, effects, strict=True))

    def response(row, rng):
        return sum(slopes[name] * row[name] for name in FACTORS) + both * row["C"] * row["moves"]

    chosen = cells(response=response, n=2)
    found = {name: gap.mean for name, gap in summary.effects(chosen, "full - none")["gap"].items()}
    assert found["preprocessing"] == pytest.approx(slopes["preprocessing"], abs=1e-9)
    assert found["C"] == pytest.approx(slopes["C"] + both / 2, abs=1e-9)
    assert found["C x moves"] == pytest.approx(both / 2, abs=1e-9)
    assert found["C x preprocessing"] == pytest.approx(0, abs=1e-9)
    parts = {name: gap.mean for name, gap in summary.shares(chosen, "full - none").items()}
    expected = {"C": slopes["C"] + both / 2, "moves": slopes["moves"] + both / 2}
    expected["preprocessing"] = slopes["preprocessing"]
    assert parts == pytest.approx(expected | {"all": sum(expected.values())}, abs=1e-9)
    alone = summary.alone_and_undone(chosen, "full - none")
    assert alone.loc["C", "alone"].mean == pytest.approx(slopes["C"], abs=1e-9)
    assert alone.loc["C", "undone"].mean == pytest.approx(slopes["C"] + both, abs=1e-9)


@pytest.mark.parametrize("transformation", ["translate", "crop"])
def test_parts_sum_to_the_difference_of_the_two_settings(transformation):
    chosen = cells(transformation)
    parts = summary.shares(chosen, "full - none")
    factors = [name for name in summary.factors_of(chosen) if name != "seen"]
    sound, released = (summary.cell(chosen, "full - none", seen=1, **dict.fromkeys(factors, level)) for level in (0, 1))
    assert parts["all"].mean == pytest.approx((released - sound).mean())
    assert sum(parts[name].mean for name in factors) == pytest.approx((released - sound).mean())
    low, high = ttest_1samp(released - sound, 0).confidence_interval()
    assert parts["all"].half_width == pytest.approx((high - low) / 2)


def test_a_cell_is_the_mean_over_both_networks():
    chosen = cells(n=3)
    found = summary.cell_values(chosen, "full - none")
    assert len(found) == 16 and found[["C", "moves", "preprocessing"]].iloc[0].tolist() == [0, 0, 0]
    first = chosen[(chosen[["C", "moves", "preprocessing", "seen"]] == 0).all(axis=1)]
    assert found["gap"].iloc[0].mean == pytest.approx(first["full - none"].mean()) and len(first) == 6
    assert found["gap"].iloc[0].n == 3
