import numpy as np
import pytest

from feature_sets import feature_set
from influaug.selection.scores import ScoreOptions
from studies.points.controls import Choice, Explorer
from studies.points.sweep import SweepSettings, run

FEATURES = feature_set()
SETTINGS = SweepSettings(
    policies=("baseline", "random_proportional", "deterministic_proportional"),
    refinements=("plain", "both"),
    budgets=(1, 10, 40),
    rounds=2,
    options=ScoreOptions(C=3.0),
)


@pytest.fixture
def explorer():
    return Explorer(FEATURES, SETTINGS, np.random.SeedSequence(5, spawn_key=(0, 2)))


def drawn(figure):
    """The lines of a figure by label: points and percent."""
    return {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}


def test_the_first_figure_has_the_numbers_of_the_study_s_own_sweep(explorer):
    table = run(FEATURES, SETTINGS, np.random.SeedSequence(5, spawn_key=(0, 2)))
    rows = table[(table["score"] == "influence") & (table["policy"] == "random_proportional") & ~table["update"]]
    expected = 100 * rows.groupby("budget")["accuracy"].mean().reset_index().to_numpy() / [100, 1]
    np.testing.assert_allclose(drawn(explorer.figure())["random, proportional"], expected, rtol=1e-12)


def test_every_control_shows_the_figure_of_the_new_choice(explorer):
    shown = []
    controls = {part.description: part for part in explorer.controls(shown.append).children}
    assert list(controls) == ["score", "policy", "points", "C"]
    controls["score"].value = "loss"
    controls["policy"].value = "deterministic_proportional"
    controls["points"].value = 7
    controls["C"].value = 0.01
    choice = Choice("loss", "deterministic_proportional", 7, 0.01)
    expected = drawn(explorer.figure(choice))
    assert len(shown) == 4 and set(expected) >= {"highest score first", "random points"}
    for label, line in drawn(shown[-1]).items():
        np.testing.assert_array_equal(line, expected[label])
    assert shown[-1].axes[0].get_title().startswith("7 points by loss: ")
    assert 7 in drawn(shown[-1])["highest score first"][:, 0]
    assert 7 not in drawn(shown[1])["highest score first"][:, 0]


def test_a_choice_made_again_gives_the_same_curves(explorer):
    one, again = (explorer.figure() for _ in range(2))
    np.testing.assert_array_equal(drawn(one)["random, proportional"], drawn(again)["random, proportional"])


def test_a_study_of_random_points_alone_can_be_explored():
    alone = SweepSettings(policies=("baseline",), budgets=(1, 10, 40), rounds=2)
    assert "random points" in drawn(Explorer(FEATURES, alone, np.random.SeedSequence(0)).figure())
