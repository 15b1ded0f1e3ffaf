"""Claims: differences are paired, verdicts follow the interval."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.intervals import mean_interval
from studies.points import claims
from sweep_tables import flat_sweep as sweep


def test_verdicts_are_those_of_the_heights():
    found = claims.evaluate(sweep(noise=0.0002)).set_index(["claim", "score"])
    assert (found["seeds"] == 5).all()
    holding = ["ahead of random", "ahead at 5%", "inverse behind", "a tenth is enough", "downweighting does not pay"]
    assert (found.loc[holding, "verdict"] == "holds").all()
    assert found.loc[("loss as good", "loss"), "mean"] == pytest.approx(0, abs=0.1)
    assert found.loc[("ahead at 5%", "loss"), "mean"] == pytest.approx(5, abs=0.2)
    assert found.loc[("a tenth is enough", "influence"), "mean"] == pytest.approx(0.05, abs=0.2)


def test_differences_are_paired_by_replicate():
    table = sweep(noise=0.0)
    found = claims.evaluate(table).set_index(["claim", "score"])
    assert found["half_width"].to_numpy() == pytest.approx(0, abs=1e-9)
    # Over the curve: the first of 200 points rises from no augmentation, 0.8 for all, by the trapezoidal rule.
    assert found.loc[("inverse behind", "loss"), "mean"] == pytest.approx(-5 * (200 - 5) / 200)


def test_means_and_intervals_are_the_summarys():
    table = sweep(noise=0.01)
    found = claims.evaluate(table).set_index(["claim", "score"])
    at = table[(table["budget"] == 10) & (table["score"] == "loss") & ~table["update"] & ~table["downweight"]]
    means = at.groupby(["policy", "replicate"])["accuracy"].mean().unstack("policy")
    expected = mean_interval(100 * (means["random_proportional"] - means["baseline"]))
    assert found.loc[("ahead at 5%", "loss"), ["mean", "half_width"]].tolist() == pytest.approx(expected)


def test_of_one_replicate_the_seeds_are_rounds():
    found = claims.evaluate(sweep(replicates=1, rounds=5))
    assert (found["seeds"] == 5).all()


def test_what_a_study_does_not_have_is_left_out():
    table = sweep()
    found = claims.evaluate(table[(table["score"] != "loss") & ~table["update"] & (table["budget"] != 20)])
    assert set(found["score"]) == {"influence"}
    assert set(found["claim"]) == {
        "ahead of random",
        "ahead at 5%",
        "inverse behind",
        "downweighting does not pay",
    }
    assert claims.evaluate(table[table["policy"].isin(["none", "full"])]).empty


@given(st.floats(-5, 5), st.floats(0, 3), st.floats(-1, 0), st.floats(0, 1))
def test_a_verdict_holds_inside_and_fails_outside(mean, half, low, high):
    found = claims.verdict(mean, half, low, high, 5)
    inside = low < mean - half and mean + half < high
    outside = mean + half < low or mean - half > high
    assert found == ("holds" if inside else "fails" if outside else "open")


@pytest.mark.parametrize("seeds", [1, 4])
def test_few_seeds_decide_nothing(seeds):
    assert claims.verdict(3.0, np.nan if seeds == 1 else 0.1, 0, np.inf, seeds) == claims.TOO_FEW


@pytest.mark.parametrize("score", ["influence", "loss"])
def test_the_shown_table_has_a_row_a_study_and_a_column_a_claim(score):
    found = claims.evaluate(sweep())
    few = claims.evaluate(sweep(replicates=2))
    table = claims.shown(pd.concat([found.assign(study="a"), few.assign(study="b")]), score).data
    assert table.columns.get_level_values(0).unique().tolist() == [claims.HEAD]
    expected = [claim.name for claim in claims.CLAIMS if score in claim.scores]
    assert table.columns.get_level_values(1).tolist() == expected
    assert list(table.index) == ["a", "b"]
    assert table.iloc[0, 0].startswith("✓\xa0+") and table.iloc[1, 0].startswith("–\xa0+")


def test_a_score_that_no_study_has_makes_an_empty_table():
    table = claims.shown(claims.evaluate(sweep()).assign(study="a"), "margin")
    assert table.data.empty and "<table" in table.to_html()
