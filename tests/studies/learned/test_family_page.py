"""What the page says of the family of operations, from tables and stored trajectories."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from influaug.augnet import learning
from influaug.augnet.classifiers import all_cnn
from influaug.augnet.network import AugmentationNetwork
from studies.learned import family_page as family
from studies.learned.parameters import Comparison
from studies.learned.results import learned_file
from studies.learned.rivals import STRENGTHS

pytestmark = pytest.mark.slow

GAPS = np.array([-0.3, -0.1, -0.2, -0.25, -0.15, -0.2])
QUICK = {"n_train": 60, "steps": 3, "fold_steps": 2, "folds": 2, "learning_steps": 2, "rounds": 1}


def table(**errors):
    """A table of results: arm -> errors by replicate."""
    rows = [(r, arm, e, "here") for arm, values in errors.items() for r, e in enumerate(values)]
    return pd.DataFrame(rows, columns=["replicate", "arm", "error", "machine"])


def test_learned_is_claimed_if_both_intervals_are_below_zero():
    found = table(learned=2 + GAPS, permuted=np.full(6, 2.0), strength=np.full(6, 1.99))
    found["arm"] = found["arm"].replace("permuted", "learned-permuted")
    said = family.claim(found)
    half = stats.sem(GAPS) * stats.t.ppf(0.975, 5)
    assert said.startswith("**May be said to have learned.**")
    assert f"less *learned-permuted*: -0.20 ± {half:.2f} (n = 6)" in said and "would tell" not in said


def test_otherwise_it_is_not_and_the_replicates_that_would_tell_are_named():
    errors = {"learned": 2 + GAPS, "learned-permuted": np.full(6, 2.0), "strength": 2 + GAPS + 0.02 * np.arange(-1, 5)}
    said = family.claim(table(**errors))
    assert said.startswith("**That anything was *learned* is not shown.**")
    gaps = -0.02 * np.arange(-1, 5)
    n = int(said.split("about ")[1].split()[0])
    halves = [stats.t.ppf(0.975, m - 1) * gaps.std(ddof=1) / np.sqrt(m) for m in (n - 1, n)]
    assert halves[0] >= abs(gaps.mean()) > halves[1]


def test_how_many_would_tell_is_said_of_a_lead_alone():
    errors = {"learned": 2 + GAPS, "learned-permuted": 2 + GAPS + 0.02 * np.arange(-4, 2), "strength": np.full(6, 1.5)}
    said = family.claim(table(**errors))
    assert "would tell" not in said
    assert f"less *strength*: {0.5 + GAPS.mean():.2f} ±" in said and "(n = 6), worse" in said


def test_in_how_many_rounds_a_loss_went_down_is_counted(monkeypatch):
    rounds = {"round": [0, 0, 1, 1, 2], "validation_loss": [0.3, 0.2, 0.2, 0.21, np.nan]}
    run = pd.DataFrame(rounds | {"crossfitted_loss": [0.5, 0.5, 0.4, 0.4, 0.45]})
    monkeypatch.setattr(family, "trajectory", lambda c, replicate, form: (run, 1.0))
    monkeypatch.setattr(family, "replicates_of", lambda c, form: [0, 1])
    said = family.refitted(Comparison(), ["learned"])
    assert "at the first in 2 of 4 rounds" in said and said.endswith("before it in 2.")


def test_four_pairs_are_too_few_and_missing_arms_are_said():
    said = family.claim(table(learned=2 + GAPS[:4], strength=np.full(4, 2.5)))
    assert "not shown" in said and "too few for a verdict, which takes 5" in said
    assert "less *learned-permuted*: no pairs yet" in said
    assert "not among the finished" in family.claim(table(hand=[1.0]))


def test_the_response_curve_has_every_arm_at_the_range_of_its_warps():
    comparison = Comparison(dataset="digits")
    arms = {f"sigma-{sigma}": [3 + sigma, 3.1 + sigma] for sigma in STRENGTHS[:3]}
    found = table(**arms, control=[4.0, 4.2], recipe=[2.0, 2.1], trivial=[2.2, 2.4])
    fig, ax = plt.subplots()
    family.response(ax, found, comparison)
    lines = {container.get_label(): container[0] for container in ax.containers}
    even = lines["one range for all groups (n = 2)"]
    assert even.get_xdata().tolist() == list(STRENGTHS[:3])
    np.testing.assert_allclose(even.get_ydata(orig=False), [3.05 + sigma for sigma in STRENGTHS[:3]])
    assert lines["recipe (n = 2)"].get_xdata()[0] == pytest.approx(0.7, rel=1e-3)
    assert lines["control (n = 2)"].get_xdata()[0] == pytest.approx(0, abs=1e-6)
    assert lines["trivial (n = 2)"].get_xdata()[0] == 0
    plt.close(fig)


def test_an_arm_whose_layer_is_not_there_has_no_place_on_the_curve(outputs):
    only = Comparison(dataset="digits", only_finished=True)
    found = table(**{"sigma-0.5": [3.0, 3.1]}, learned=[2.0, 2.1], control=[4.0, 4.2])
    assert np.isnan(family.range_of(only, found, "learned"))
    fig, ax = plt.subplots()
    family.response(ax, found, only)
    labels = [container.get_label() for container in ax.containers]
    assert labels == ["one range for all groups (n = 2)", "control (n = 2)"]
    plt.close(fig)


def test_the_caption_of_the_curve_says_when_nothing_is_drawn():
    comparison = Comparison(dataset="digits")
    drawn = family.response_caption(table(**{"sigma-0.5": [3.0]}, control=[4.0]), comparison)
    assert "of digits against the range" in drawn
    assert family.response_caption(table(control=[4.0]), comparison).startswith("*Nothing is drawn")


def test_starts_outcomes_and_the_grid_are_those_of_the_runs(outputs, monkeypatch):
    built = all_cnn((28, 28, 1), 10, 0, 4)
    monkeypatch.setattr(learning, "train_classifier", lambda *given: built)
    only = Comparison(**QUICK, arms=["learned", "learned-weak", "strength"], replicates=2, only_finished=True)
    for form in only.arms:
        learned_file(only, 0, form)
    fig, axes = plt.subplots(1, 2)
    family.starts(axes, only)
    weak, normal = sorted(line.get_ydata()[0] for line in axes[0].lines)
    assert 1.7 < normal / weak < 2.3 and len(axes[1].lines) == 2
    assert "from each start" in family.starts_caption(only)
    one = Comparison(**QUICK, arms=["learned", "strength"], replicates=2, only_finished=True)
    learned_file(one, 0, "learned")
    assert "one line a run. A round ends" in family.starts_caption(one)
    assert "from each start" not in family.starts_caption(one)
    assert "not learned here" in family.starts_caption(Comparison(**QUICK, arms=["control"]))
    kept = family.kept(only)
    assert list(kept.index) == ["learned, replicate 0", "learned-weak, replicate 0"]
    losses = [float(loss) for loss in kept.iloc[0, 0].split(", ")]
    assert kept["kept after round"].iloc[0] == str(int(np.argmin(losses)))
    family.outcomes(axes, only)
    layer = AugmentationNetwork.load(learned_file(only, 0, "learned")).layer_
    assert kept["total strength"].iloc[0] == f"{layer.total():.2f}"
    drawn = [line.get_xdata() for line in axes[1].lines if len(line.get_xdata()) == len(layer.names)]
    np.testing.assert_allclose(drawn[-1], layer.probabilities(), rtol=1e-5)
    grid = family.grid(only)
    tried = family.trajectory(only, 0, "strength")[0]
    cells = [f"{row['crossfitted_loss']:.4f}" + " (chosen)" * row["kept"] for _, row in tried.iterrows()]
    assert len(grid) == 1 and grid.iloc[0].tolist() == cells and sum("chosen" in cell for cell in cells) == 1
    plt.close(fig)
