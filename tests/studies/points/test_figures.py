"""Every figure draws on the Axes it is given what its caption says."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from scipy.stats import spearmanr

from influaug.selection.point_policies import POINT_POLICIES
from influaug.selection.policies import names
from studies.copies import figures as set_figures
from studies.intervals import mean_interval
from studies.pages import looks
from studies.points import figures
from studies.points.sweep import REFINEMENTS
from sweep_tables import sweep_table


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    fig.canvas.draw()
    plt.close(fig)


def lines(ax):
    """Lines of an Axes by label."""
    return {line.get_label(): line for line in ax.lines}


def test_every_policy_and_refinement_looks_like_no_other():
    assert set(looks.LOOK) >= {*POINT_POLICIES, "vsv"} and set(looks.LOOK) <= {*POINT_POLICIES, *names(), "vsv"}
    assert set(figures.REFINEMENT_LOOK) == set(REFINEMENTS.values())
    policies = [looks.LOOK[policy] for policy in POINT_POLICIES]
    of_sets = [looks.LOOK[policy] for policy in looks.LOOK if policy in names()]
    for alike in (policies, of_sets, list(figures.REFINEMENT_LOOK.values())):
        assert len({(look.colour, look.marker) for look in alike}) == len({look.label for look in alike}) == len(alike)
    star = looks.LOOK["vsv"]
    assert star.marker not in [look.marker for look in policies] and star.label not in [look.label for look in policies]


def test_the_style_is_applied():
    with plt.rc_context():
        looks.use_style()
        assert not plt.rcParams["axes.spines.top"] and plt.rcParams["savefig.dpi"] == 150
        assert len(set(plt.rcParams["axes.prop_cycle"].by_key()["color"])) == 7


def test_a_histogram_counts_every_positive_score(ax):
    scores = np.append(np.random.default_rng(0).lognormal(size=200), [0.0, 0.0])
    assert figures.histogram(ax, scores, "influence") is ax
    assert sum(bar.get_height() for bar in ax.patches) == 200
    assert ax.get_xscale() == "log" and ax.get_xlabel() == "influence"


def test_the_share_of_the_total_is_that_of_the_highest(ax):
    assert figures.share_of_total(ax, np.array([1.0, 6.0, 0.0, 3.0]), "loss") is ax
    (line,) = ax.lines
    assert line.get_xdata() == pytest.approx([25, 50, 75, 100])
    assert line.get_ydata() == pytest.approx([60, 90, 100, 100])
    assert "loss" in ax.get_ylabel()


def test_before_and_after_are_points_with_their_rank_correlation(ax):
    rng = np.random.default_rng(0)
    before, after = rng.lognormal(size=(2, 50))
    before[0] = 0
    assert figures.before_after(ax, before, after, "loss") is ax
    assert np.array_equal(ax.collections[0].get_offsets(), np.column_stack([before, after]))
    assert f"{spearmanr(before, after).statistic:.2f}" in ax.get_title()
    (diagonal,) = ax.lines
    assert np.array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert "loss" in ax.get_xlabel() and "loss" in ax.get_ylabel() and ax.get_xlabel() != ax.get_ylabel()


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_side_by_side_in_their_order(ax, channels):
    images = np.random.default_rng(0).integers(0, 255, (3, 5, 4, channels), dtype=np.uint8)
    assert looks.image_row(ax, images, "three") is ax
    shown = np.asarray(ax.images[0].get_array()).reshape(7, 18, channels)
    for place, image in enumerate(images):
        assert np.array_equal(shown[1:-1, 6 * place + 1 : 6 * place + 5], image)
    assert ax.get_title(loc="left") + ax.get_title() == "three" and not ax.axison
    assert ax.images[0].get_clim() == (0, 255)


@pytest.mark.parametrize("value", ["accuracy", "accuracy_original"])
@pytest.mark.parametrize("replicates", [1, 3])
def test_policies_are_lines_with_bands_between_both_references(ax, value, replicates):
    table = sweep_table(replicates=replicates)
    table["accuracy_original"] = table["accuracy"] / 2
    policies = ["baseline", "random_proportional", "random_softmax"]
    assert figures.policy_curves(ax, table, "loss", policies, value=value) is ax
    drawn = lines(ax)
    assert list(drawn) == ["random points", "random, proportional", "no augmentation", "all points"]
    for policy in policies[:2]:
        colour, marker, label, _ = looks.LOOK[policy]
        line = drawn[label]
        assert same_color(line.get_color(), colour) and line.get_marker() == marker
        rows = table[(table["policy"] == policy) & ~table["downweight"]]
        means = rows.groupby("budget")[value].mean()
        assert line.get_xdata().tolist() == [10, 50, 100]
        assert line.get_ydata() == pytest.approx(100 * means.to_numpy())
    for policy, label in (("none", "no augmentation"), ("full", "all points")):
        level = 100 * table.loc[table["policy"] == policy, value].mean()
        assert drawn[label].get_ydata() == pytest.approx([level, level])
    rows = table[(table["policy"] == "baseline") & ~table["downweight"] & (table["budget"] == 50)]
    values = rows.groupby("replicate" if replicates > 1 else "round")[value].mean()
    mean, half_width = mean_interval(values)
    band = ax.collections[0].get_paths()[0].vertices
    assert sorted({round(y, 6) for x, y in band if x == 50}) == pytest.approx(
        [round(100 * (mean - half_width), 6), round(100 * (mean + half_width), 6)]
    )
    assert len(ax.collections) == 2
    assert "100" in ax.get_xlabel() and "%" in ax.get_ylabel()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["10", "50", "100"]


def test_a_refinement_is_drawn_where_it_is_asked_for(ax):
    table = sweep_table()
    figures.policy_curves(ax, table, "loss", ["random_proportional"], refinement=(False, True))
    means = table[(table["policy"] == "random_proportional") & table["downweight"]].groupby("budget")["accuracy"].mean()
    assert lines(ax)["random, proportional"].get_ydata() == pytest.approx(100 * means.to_numpy())


def test_other_scores_are_not_mixed_in(ax):
    table = sweep_table()
    figures.policy_curves(ax, table, "influence", ["random_proportional"])
    assert list(lines(ax)) == ["no augmentation", "all points"]


def test_refinements_are_a_line_each(ax):
    table = sweep_table()
    assert figures.refinement_curves(ax, table, "loss", "random_proportional") is ax
    drawn = lines(ax)
    assert list(drawn) == ["plain", "downweighted", "no augmentation", "all points"]
    for label, refined in (("plain", False), ("downweighted", True)):
        rows = table[(table["policy"] == "random_proportional") & (table["downweight"] == refined)]
        assert drawn[label].get_ydata() == pytest.approx(100 * rows.groupby("budget")["accuracy"].mean().to_numpy())


def test_support_vectors_are_a_star_at_their_own_budget(ax):
    vsv = pd.DataFrame({"replicate": [0, 1], "budget": [20, 30], "accuracy": [0.9, 0.92], "policy": "vsv"})
    assert figures.vsv_star(ax, vsv) is ax
    (bars,) = ax.containers
    star = bars.lines[0]
    assert (star.get_xdata(), star.get_ydata()) == (pytest.approx([25]), pytest.approx([91]))
    assert star.get_marker() == "*" and bars.get_label() == "support vectors"
    half_width = mean_interval([20, 30])[1]
    assert bars.lines[2][0].get_segments()[0][:, 0] == pytest.approx([25 - half_width, 25 + half_width])


def test_one_replicate_has_a_star_without_bars(ax):
    figures.vsv_star(ax, pd.DataFrame({"replicate": [0], "budget": [20], "accuracy": [0.9]}))
    assert ax.containers[0].lines[0].get_xdata() == pytest.approx([20])


def test_a_legend_names_every_line_outside_the_axes(ax):
    figures.policy_curves(ax, sweep_table(), "loss", ["baseline"])
    assert looks.outside_legend(ax) is ax
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["random points", "no augmentation", "all points"]
    ax.figure.canvas.draw()
    assert legend.get_window_extent().x0 > ax.get_window_extent().x1


def test_published_areas_stand_beside_ours_sorted_by_ours(ax):
    rows = [("random_proportional", False, False, 950.0, 999.0), ("baseline", False, True, 900.0, np.nan)]
    rows.append(("deterministic_proportional", True, True, 925.0, 998.0))
    comparison = pd.DataFrame(rows, columns=["policy", "update", "downweight", "ours", "published"])
    comparison = comparison.assign(score="loss", half_width=2.0, published_std=[1.0, np.nan, np.nan])
    assert figures.published_against_ours(ax, comparison) is ax
    ours, theirs = (bars.lines[0] for bars in ax.containers)
    assert ours.get_xdata().tolist() == [900, 925, 950] and theirs.get_xdata().tolist()[1:] == [998, 999]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        "random points, downweighted",
        "highest score first, updated, downweighted",
        "random, proportional",
    ]
    assert [bars.get_label() for bars in ax.containers] == ["ours, 95% interval", "paper, one std"]


def test_crowded_budgets_are_ticks_without_numbers(ax):
    table = sweep_table()
    table.loc[table["budget"] == 10, "budget"] = 45
    figures.policy_curves(ax, table, "loss", ["baseline"])
    assert ax.get_xticks().tolist() == [45, 50, 100]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["", "50", "100"]


def test_set_curves_have_a_line_a_policy_and_both_references():
    shares = [0.05, 0.25]
    rows = [
        {"replicate": r, "policy": p, "share": share, "touched": 10 * share, "accuracy": 0.9 + 0.01 * r}
        for r in range(3)
        for p, of in (("none", [0.0]), ("full", [1.0]), ("influence", shares), ("k_dpp", shares))
        for share in of
    ]
    table = pd.DataFrame(rows)
    fig, axes = plt.subplots(1, 2)
    for ax, x, at in ((axes[0], "share", [5, 25]), (axes[1], "touched", [0.5, 2.5])):
        set_figures.set_curves(ax, table, ["influence", "k_dpp"], x=x)
        assert len(ax.lines) == 3
        np.testing.assert_allclose(ax.lines[0].get_xdata(), at)
        np.testing.assert_allclose(ax.lines[0].get_ydata(), 91)
    plt.close(fig)
