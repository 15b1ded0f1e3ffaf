"""What the pages on learned augmentation show."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from influaug.augnet.models import Design, TransformationModel
from studies.learned import page as shown
from studies.learned.ablations import ABLATIONS
from studies.learned.parameters import Comparison
from studies.learned.results import UNRECORDED, summary

pytestmark = pytest.mark.slow


@pytest.fixture
def found():
    rng = np.random.default_rng(0)
    level = rng.normal(3, 0.5, 6)
    errors = {"control": level, "ranges": level - rng.normal(0.5, 0.1, 6), "none": level + rng.normal(7, 0.3, 6)}
    rows = [(r, arm, e, e / 30, 9.0) for arm, values in errors.items() for r, e in enumerate(values)]
    table = pd.DataFrame(rows, columns=["replicate", "arm", "error", "loss", "seconds"])
    return table.assign(machine="here", error_draws=np.nan)


def test_an_arm_is_paired_with_every_other(found):
    some = found.assign(error_draws=np.where(found["arm"] == "none", np.nan, found["error"] - 1))
    table = shown.against_others(some)
    assert list(table.index) == ["control", "none"] and table.index.name == "ranges, less"
    assert list(table) == ["test error (points)", "pairs", "with 8 draws", "loss (nats)"] and set(table["pairs"]) == {
        "6"
    }
    for measure, title, digits in (("error", "test error (points)", 2), ("loss", "loss (nats)", 3)):
        wide = found.pivot(index="replicate", columns="arm", values=measure)
        for other in table.index:
            low, high = stats.ttest_rel(wide["ranges"], wide[other]).confidence_interval()
            mean, half = (f"{value:.{digits}f}" for value in ((low + high) / 2, (high - low) / 2))
            assert table.loc[other, title] == f"{mean} ± {half}, better"
    assert table.loc["control", "with 8 draws"] == table.loc["control", "test error (points)"]
    assert table.loc["none", "with 8 draws"] == ""
    assert "with 8 draws" not in shown.against_others(found)


def test_published_errors_stand_beside_their_arms_and_the_others_alone(found, monkeypatch):
    whole = SimpleNamespace(labels_train=np.zeros(60_000))
    monkeypatch.setattr(Comparison, "load_data", lambda _: whole)
    table = shown.error_table(summary(found), Comparison(dataset="mnist", n_train=600))
    assert table["published (%)"]["none"] == "9.8" and table["published (%)"]["ranges"] == ""
    assert table["published (%)"]["(paper: proposed)"] == "3.1" and table["test error (%)"]["(paper: proposed)"] == ""
    assert table["difference from the control"]["ranges"].startswith("-0.")
    assert "table 1, 4-layer CNN" in shown.caption(Comparison(dataset="mnist", n_train=600), summary(found))
    other = Comparison(dataset="mnist", n_train=601 * 7)
    unpublished = shown.error_table(summary(found), other)
    assert "published (%)" not in unpublished and len(unpublished) == 3
    assert "Published" not in shown.caption(other, summary(found))


def test_the_networks_of_table_2_stand_beside_their_own_errors(found, monkeypatch):
    whole = SimpleNamespace(labels_train=np.zeros(50_000))
    monkeypatch.setattr(Comparison, "load_data", lambda _: whole)
    comparison = Comparison(dataset="cifar10", n_train=None, classifier="wrn-28-10")
    table = shown.error_table(summary(found), comparison)["published (%)"]
    assert table["control"] == "3.9" and table["none"] == "" and table["(paper: proposed)"] == "2.8"


def test_means_over_other_replicates_are_not_for_comparing(found):
    assert "paired differences." not in shown.caption(Comparison(), summary(found))
    fewer = found[(found["arm"] != "ranges") | (found["replicate"] < 3)]
    assert "over 3 to 6 replicates" in shown.caption(Comparison(), summary(fewer))
    assert "compare arms by paired differences" in shown.caption(Comparison(), summary(fewer))


def test_draws_have_a_column_where_there_are_any_and_machines_are_said(found):
    comparison = Comparison()
    plain = shown.error_table(summary(found), comparison, draws=summary(found, measure="error_draws"))
    assert not any("draws" in column for column in plain)
    some = found.assign(error_draws=np.where(found["arm"] == "ranges", found["error"] - 1, np.nan))
    table = shown.error_table(summary(some), comparison, draws=summary(some, measure="error_draws"))
    column = table["8 draws at test time"]
    assert column["control"] == "" and column["ranges"].startswith(f"{summary(found).loc['ranges', 'mean'] - 1:.2f} ±")
    assert shown.machines(found) == "*All results are of one machine (here).*"
    numbered = shown.machines(found.assign(machine="Linux, AMD EPYC, 26 2 1"))
    assert "(Linux, AMD EPYC, family 26, model 2, stepping 1)" in numbered
    assert "was not recorded" in shown.machines(found.assign(machine=UNRECORDED))
    two = found.assign(machine=np.where((found["replicate"] == 0) & (found["arm"] == "none"), "there", "here"))
    assert "2 machines: 17 on here; 1 on there" in shown.machines(two)
    assert shown.error_table(summary(two), comparison)["replicates"]["none"] == "6 (5 pairs)"


def test_filled_marks_are_of_intervals_that_exclude_zero(found):
    fig, ax = plt.subplots()
    shown.differences(ax, summary(found), "control")
    marks = {tick.get_text(): line for tick, line in zip(ax.get_yticklabels(), ax.containers, strict=True)}
    assert set(marks) == {"ranges", "none"}
    assert marks["ranges"][0].get_markerfacecolor() == shown.COLOURS["better"]
    assert marks["none"][0].get_markerfacecolor() == shown.COLOURS["worse"]
    plt.close(fig)


def with_ablations(found):
    """The same with 'no-grid' (worse than network), network and 'tau-32' (like it), the ablations not last."""
    control = found[found["arm"] == "control"]
    gaps = {"no-grid": [0.9, 1.0, 1.1] * 2, "network": [0.0] * 6, "tau-32": [0.1, -0.1] * 3}
    more = [control.assign(arm=arm, error=control["error"] - 0.3 + gap) for arm, gap in gaps.items()]
    return pd.concat([*more, found])


def test_ablations_say_what_is_changed_and_are_paired_with_network(found):
    table = shown.ablations(with_ablations(found))
    assert list(table.index) == ["tau-32", "no-grid"] and list(table[""]) == ["open", "worse"]
    assert table.loc["no-grid", "what is changed"] == ABLATIONS["no-grid"].meaning
    low, high = stats.t.interval(0.95, 5, 1, np.std([0.9, 1.0, 1.1] * 2, ddof=1) / np.sqrt(6))
    assert table.loc["no-grid", "difference from network"] == f"1.00 ± {(high - low) / 2:.2f}"
    alone = with_ablations(found).query("arm != 'network'")
    assert list(shown.ablations(alone).columns) == ["what is changed"]


def test_ablations_come_last_and_below_a_line(found):
    means = summary(with_ablations(found))
    assert list(means.index) == ["network", "control", "ranges", "none", "no-grid", "tau-32"]
    fig, (ax, plain) = plt.subplots(2)
    shown.differences(ax, means, "control")
    shown.differences(plain, summary(found), "control")
    assert [tick.get_text() for tick in ax.get_yticklabels()][:3] == ["tau-32", "no-grid", "none"]
    across = [[line.get_ydata() for line in axes.lines if list(line.get_xdata()) == [0, 1]] for axes in (ax, plain)]
    assert [list(y) for y in across[0]] == [[1.5, 1.5]] and across[1] == []
    plt.close(fig)


@pytest.mark.parametrize(
    ("channels", "rows"), [(1, ["displacement", "warped"]), (3, ["displacement", "warped", "appearance", "copies"])]
)
def test_a_walk_goes_from_one_draw_of_tau_to_another(channels, rows):
    model = TransformationModel((8, 8, channels), Design(tau=8, depth=2, width=4), seed=1)
    image = np.random.default_rng(0).integers(0, 256, (8, 8, channels)).astype("uint8")
    found = shown.walk(model, image, steps=5, seed=3)
    assert list(found) == rows and all(len(row) == 5 and row.dtype == np.uint8 for row in found.values())
    ends = [np.asarray(model.transform(image[None], model.encode(image[None], drop=True, seed=s)))[0] for s in (3, 4)]
    for end, copy in zip(ends, found[rows[-1]][[0, -1]], strict=True):
        np.testing.assert_allclose(copy, np.clip(end, 0, 255), atol=0.51)
