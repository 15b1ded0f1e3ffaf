import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from studies.copies import figures as set_figures
from studies.copies import summary as set_summary
from studies.copies.study import SetStudy
from studies.copies.summary import across, below_full, costs, enough_share, gains, in_percent, share_text, studies_found
from studies.intervals import NOT_REACHED, TOO_FEW, by_share
from studies.storage import artifacts, paths

ACCURACY = {
    ("none", 0.0): [0.80, 0.82, 0.81],
    ("full", 1.0): [0.95, 0.96, 0.97],
    ("influence", 0.05): [0.85, 0.86, 0.90],
    ("influence", 0.5): [0.95, 0.96, 0.97],
    ("greedy_influence", 0.05): [0.949, 0.96, 0.97],
    ("greedy_influence", 0.5): [0.95, 0.96, 0.97],
}


@pytest.fixture
def table():
    rows = [
        {
            "replicate": replicate,
            "policy": policy,
            "share": share,
            "added": 100 * share,
            "touched": 10 * share,
            "generated": 100.0,
            "seconds": 1.0,
            "accuracy": value,
        }
        for (policy, share), values in ACCURACY.items()
        for replicate, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_means_and_intervals_are_scipys(table):
    found = by_share(table)
    for key, values in ACCURACY.items():
        low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
        assert found.loc[key, "mean"] == pytest.approx(np.mean(values))
        assert found.loc[key, "half_width"] == pytest.approx((high - low) / 2)
        assert found.loc[key, "seeds"] == 3


def test_gains_are_paired_by_replicate(table):
    found = gains(table)
    assert set(found.index) == {("greedy_influence", 0.05), ("greedy_influence", 0.5)}
    differences = np.subtract(ACCURACY["greedy_influence", 0.05], ACCURACY["influence", 0.05])
    assert found.loc[("greedy_influence", 0.05), "mean"] == pytest.approx(differences.mean())
    half = stats.t.ppf(0.975, 2) * stats.sem(differences)
    assert found.loc[("greedy_influence", 0.05), "half_width"] == pytest.approx(half)
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(gains(shuffled).sort_index(), found.sort_index())


def test_what_is_enough_is_within_a_margin_of_full(table):
    gap = below_full(table)
    assert gap.loc[("influence", 0.05), "mean"] == pytest.approx(0.09)
    assert {found.word for found in enough_share(table)} == {TOO_FEW}
    twice = pd.concat([table, table.assign(replicate=table["replicate"] + 3)])
    found = {policy: found.budget for policy, found in enough_share(twice).items()}
    assert found == {"influence": 0.5, "greedy_influence": 0.05}
    missed = enough_share(twice[twice["share"] != 0.5])["influence"]
    assert missed.word == NOT_REACHED and share_text(missed) == "not enough"
    assert share_text(enough_share(twice)["influence"]) == "50%"


def test_numbers_are_told_in_percent(table):
    shown = in_percent(by_share(table))
    assert list(shown.columns) == ["0%", "100%", "5%", "50%"]
    assert shown.loc["influence", "5%"] == "87.00 ± 6.57" and shown.loc["influence", "0%"] == ""
    assert in_percent(gains(table), signed=True).loc["greedy_influence", "5%"].startswith("+8.97 ± ")
    single = by_share(table[table["replicate"] == 0])
    assert in_percent(single).loc["none", "0%"] == "80.00"


def test_costs_are_of_one_share(table):
    found = costs(table, 0.05)
    assert list(found.index) == ["influence", "greedy_influence"]
    assert found.loc["influence", "points touched"] == 0.5
    assert costs(table, 0.3).empty


def test_studies_are_laid_side_by_side(table):
    path = paths.outputs() / "sets" / "own" / "sets.parquet"
    artifacts.write_table(path, artifacts.manifest("key"), table)
    found = across({**studies_found(), "other": table[table["policy"] != "influence"]})
    assert list(found.index) == ["own"]
    row = found.loc["own"]
    assert row["gain"].startswith("+8.97") and row["below full"].startswith("+0.03")
    assert row["enough, influence"] == row["enough, greedy_influence"] == "too few replicates"
    assert row["replicates"] == 3


def test_meanings_are_told_of_every_policy():
    shown = set_summary.meanings(["influence", "greedy_influence_balanced"]).data
    assert shown.loc["influence", "of"] == "Kuchnik & Smith, 2019"
    assert shown.loc["greedy_influence_balanced", "adds"].endswith("the classes taking turns")


def test_studies_that_differ_in_the_transformation_alone_are_alike(table, tmp_path, monkeypatch):
    folder = tmp_path / "params"
    (folder / "sets").mkdir(parents=True)
    monkeypatch.setattr(paths, "PARAMS", folder)
    bases = {"a": "translate", "b": "rotate"}
    for name, transformation in bases.items():
        (folder / f"{name}.yaml").write_text(f"study: {name}\ntransformation: {transformation}\n")
    for name, more in {"a": "", "b": "", "noisy": "wrong_labels: 0.1\n"}.items():
        (folder / "sets" / f"{name}.yaml").write_text(f"sets: {name}\nstudy: {name[0].replace('n', 'a')}\n{more}")
        path = paths.outputs() / "sets" / name / "sets.parquet"
        artifacts.write_table(path, artifacts.manifest("key"), table)
    found = set_summary.alike(SetStudy.read(folder / "sets" / "a.yaml"))
    assert set(found) == {"translate", "rotate"}
    fig, axes = plt.subplots(1, 2)
    set_figures.sets_side_by_side(axes, found)
    assert [ax.get_title() for ax in axes] == list(found) and len(fig.legends) == 1
    plt.close(fig)
