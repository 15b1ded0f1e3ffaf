"""Table 1: one row a study, differences paired by seed."""

from functools import partial

import pytest

from studies.intervals import mean_interval
from studies.points import published, table_one
from studies.points.study import Study
from sweep_tables import flat_sweep as sweep

with_shares = partial(sweep, budgets=(10, 20, 50, 200))


def test_gains_are_paired_means_with_intervals():
    table = with_shares(noise=0.01)
    found = table_one.gains({"a": table}).data.loc["a"]
    at = table[(table["budget"] == 10) & (table["score"] == "influence") & ~table["update"] & ~table["downweight"]]
    means = 100 * at.groupby(["policy", "replicate"])["accuracy"].mean().unstack("policy")
    mean, half = mean_interval(means["random_proportional"] - means["baseline"])
    assert found["influence less random, percentage points", "5%"] == f"{mean:+.2f} ± {half:.2f}"
    assert found["percentage points", "all less none"] == "+4.95 ± 0.00" and found["", "seeds"] == "5"
    levels = 100 * table.groupby("policy")["accuracy"].mean()
    assert found["test accuracy, %", "none"] == f"{levels['none']:.2f}"


def test_a_study_without_influence_is_told_by_its_own_score():
    table = with_shares()
    found = table_one.gains({"a": table[table["score"] != "influence"]}).data
    assert "loss less random, percentage points" in found.columns.get_level_values(0)


def test_a_study_without_random_points_has_empty_cells():
    table = with_shares()
    found = table_one.gains({"a": table[table["policy"] != "baseline"]}).data.loc["a"]
    assert found["influence less random, percentage points", "25%"] == ""


def test_the_papers_numbers_stand_beside_their_own_problem_only():
    studies = {
        "own": Study(study="own", dataset="mnist", classes=[3, 8]),
        "other": Study(study="other", dataset="mnist", classes=[4, 9]),
    }
    sweeps = dict.fromkeys(studies, with_shares())
    found = table_one.beside_the_papers(sweeps, studies).data
    assert list(found.columns) == [("own", "ours, %"), ("own", "paper, %")]
    paper = published.table_1().set_index(["dataset", "policy", "percent_augmented"])["test_accuracy_percent"]
    assert found.loc["5%, random", ("own", "paper, %")] == f"{paper['mnist', 'random', 5]:.1f}"
    ours = found.loc["all points", ("own", "ours, %")]
    assert float(ours.split(" ± ")[0]) == pytest.approx(
        100 * sweeps["own"].query("policy == 'full'")["accuracy"].mean(), abs=0.01
    )
    assert table_one.beside_the_papers({"other": sweeps["other"]}, studies) is None


def test_one_seed_has_no_interval():
    table = with_shares(replicates=1, rounds=1)
    assert "±" not in table_one.gains({"a": table}).data.loc["a", ("percentage points", "all less none")]
