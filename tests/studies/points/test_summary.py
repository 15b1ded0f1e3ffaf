import numpy as np
import pytest
from scipy.stats import ttest_1samp

from studies.intervals import NOT_REACHED, OPEN, REACHED, TOO_FEW, mean_interval
from studies.points.summary import (
    CURVE,
    area_under_curve,
    enough_points,
    paired_gain,
    refinement_gain,
    with_intervals,
)
from sweep_tables import sweep_table


def test_the_interval_is_the_t_tests():
    values = np.random.default_rng(0).normal(size=7)
    mean, half_width = mean_interval(values)
    interval = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean - half_width, mean + half_width) == pytest.approx((interval.low, interval.high))
    assert np.isnan(mean_interval([1.0])[1])


def test_seeds_are_replicates_where_there_are_several_and_rounds_otherwise():
    t = sweep_table()
    row = with_intervals(t, "accuracy", [*CURVE, "budget"]).loc[("loss", "baseline", False, False, 10)]
    chosen = t[(t["policy"] == "baseline") & ~t["downweight"] & (t["budget"] == 10)]
    means = chosen.groupby("replicate")["accuracy"].mean()
    assert (row["mean"], row["half_width"]) == pytest.approx(mean_interval(means))
    assert row["seeds"] == 3
    single = sweep_table(replicates=1, rounds=4)
    assert (
        with_intervals(single, "accuracy", [*CURVE, "budget"]).loc[("loss", "baseline", False, False, 10), "seeds"] == 4
    )


def test_area_starts_at_no_augmentation_of_the_same_replicate():
    t = sweep_table()
    areas = area_under_curve(t)
    one = t[(t["replicate"] == 1) & (t["policy"] == "baseline") & ~t["downweight"] & (t["round"] == 1)]
    a, b, c = one.sort_values("budget")["accuracy"]
    expected = 10 * (0.51 + a) / 2 + 40 * (a + b) / 2 + 50 * (b + c) / 2
    found = areas[
        (areas["replicate"] == 1) & (areas["policy"] == "baseline") & ~areas["downweight"] & (areas["round"] == 1)
    ]
    assert found["auc"].item() == pytest.approx(expected)


def test_curves_that_stop_early_have_no_area():
    t = sweep_table()
    t = t[(t["budget"] < 100) | (t["policy"] == "full")]
    assert area_under_curve(t).empty


def test_gains_are_paired_by_replicate():
    t = sweep_table()
    means = t.groupby(["policy", "downweight", "budget", "replicate"])["accuracy"].mean()
    for policy in ("random_proportional", "deterministic_proportional"):
        row = paired_gain(t, [*CURVE, "budget"]).loc[("loss", policy, False, False, 50)]
        difference = means[policy, False, 50] - means["baseline", False, 50]
        assert (row["mean"], row["half_width"]) == pytest.approx(mean_interval(difference))


def test_gains_are_paired_by_round_within_one_replicate():
    t = sweep_table(replicates=1, rounds=4)
    plain = t[~t["downweight"] & (t["budget"] == 50)].set_index(["policy", "round"])["accuracy"]
    gains = paired_gain(t, [*CURVE, "budget"])
    row = gains.loc[("loss", "random_proportional", False, False, 50)]
    assert (row["mean"], row["half_width"]) == pytest.approx(
        mean_interval(plain["random_proportional"] - plain["baseline"])
    )
    row = gains.loc[("loss", "deterministic_proportional", False, False, 50)]
    difference = plain["deterministic_proportional", 0] - plain["baseline"]
    assert (row["mean"], row["half_width"], row["seeds"]) == pytest.approx((*mean_interval(difference), 4))


def test_refinements_are_paired_with_their_own_plain_curve():
    t = sweep_table()
    means = t.groupby(["policy", "downweight", "budget", "replicate"])["accuracy"].mean()
    gains = refinement_gain(t)
    assert gains.index.get_level_values("downweight").all()
    row = gains.loc[("loss", "deterministic_proportional", False, True, 10)]
    difference = means["deterministic_proportional", True, 10] - means["deterministic_proportional", False, 10]
    assert (row["mean"], row["half_width"]) == pytest.approx(mean_interval(difference))


def test_enough_is_the_first_budget_shown_within_the_margin():
    t = sweep_table(replicates=5)
    curve = t["policy"] == "random_proportional"
    t.loc[curve & (t["budget"] == 10), "accuracy"] = 0.8985
    t.loc[curve & (t["budget"] == 50), "accuracy"] = 0.8995
    t.loc[t["policy"] == "baseline", "accuracy"] = 0.8
    reached = enough_points(t)
    assert reached["loss", "random_proportional", False, False] == (50, REACHED)
    assert reached["loss", "baseline", False, False].word == NOT_REACHED
    # The same mean in replicates that differ shows nothing.
    t.loc[curve & (t["budget"] >= 50), "accuracy"] = 0.8995 + 0.01 * (t["replicate"] - 2)
    assert enough_points(t)["loss", "random_proportional", False, False].word == OPEN
    assert enough_points(t[t["replicate"] < 4])["loss", "random_proportional", False, False].word == TOO_FEW
