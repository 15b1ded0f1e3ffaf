"""Claims: differences are paired, verdicts follow the interval."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies.intervals import mean_interval
from studies.points import claims
from studies.points.summary import CURVE

POLICIES = {
    ("baseline", False, False): 0.80,
    ("random_proportional", False, False): 0.85,
    ("random_inverse_proportional", False, False): 0.75,
    ("random_proportional", True, False): 0.851,
    ("random_proportional", False, True): 0.83,
}


def sweep(replicates=4, rounds=2, noise=0.001, seed=0):
    """A sweep of flat curves at known heights, of which every replicate has its own level, plus noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for r in range(replicates):
        level = 0.1 * rng.random()
        rows.append((r, "", "none", False, False, 0, 0, level + 0.8))
        rows.append((r, "", "full", False, False, 0, 200, level + 0.8495))
        for score in ("loss", "influence"):
            for (policy, update, downweight), height in POLICIES.items():
                for i in range(rounds):
                    for budget in (10, 20, 200):
                        accuracy = level + height + noise * rng.normal()
                        rows.append((r, score, policy, update, downweight, i, budget, accuracy))
    return pd.DataFrame(rows, columns=["replicate", *CURVE, "round", "budget", "accuracy"])


def test_verdicts_are_those_of_the_heights():
    found = claims.evaluate(sweep(noise=0.0002)).set_index(["claim", "score"])
    assert (found["seeds"] == 4).all()
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
    found = claims.verdict(mean, half, low, high)
    inside = low < mean - half and mean + half < high
    outside = mean + half < low or mean - half > high
    assert found == ("holds" if inside else "fails" if outside else "open")


def test_one_seed_decides_nothing():
    assert claims.verdict(3.0, np.nan, 0, np.inf) == "open"


def test_the_shown_table_has_a_column_a_claim():
    found = claims.evaluate(sweep())
    table = claims.shown(pd.concat([found.assign(study="a"), found.assign(study="b")])).data
    assert list(table.columns) == [claim.name for claim in claims.CLAIMS]
    assert list(table.index) == [(study, score) for study in "ab" for score in ("influence", "loss")]
    assert table.iloc[0, 0].startswith("holds: +") and table.loc[("a", "influence"), "loss as good"] == ""
