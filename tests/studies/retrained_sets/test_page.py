import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from influaug.selection.policies import names
from studies.retrained_sets import looks, page
from studies.retrained_sets.parameters import IN_ROUNDS, WHOLE, RetrainedSets

ARMS = [
    "none",
    "all",
    "on_the_fly",
    "on_the_fly_longer",
    "choice_in_training",
    "random_copies",
    "greedy_influence",
    "rounds",
]


def made_up(replicates=6, shares=(0.05, 0.1)):
    rng = np.random.default_rng(0)
    rows = []
    for replicate in range(replicates):
        for place, arm in enumerate(ARMS):
            for share in [np.nan] if arm in WHOLE else shares:
                accuracy = 95 + place / 4 + 0.05 * rng.normal()
                measured = {"added": 200, "updates": 500, "passes": 64000.0 + 1000 * place, "cpu_seconds": 3.0}
                both = {"accuracy": accuracy, "accuracy_original": accuracy + 1}
                rows.append({"replicate": replicate, "arm": arm, "share": share, **measured, **both})
    return pd.DataFrame(rows)


def test_every_arm_has_a_name_and_a_meaning():
    assert set(WHOLE) | set(IN_ROUNDS) <= set(looks.NAMES)
    text = page.meanings(RetrainedSets(arms=["none", "rounds", "greedy_loss"]))
    assert "| no copies | the originals alone |" in text and "| greedy_loss | copies by loss" in text
    assert {question.one for question in page.QUESTIONS} <= {*looks.NAMES}
    assert set(looks.NAMES) <= {*WHOLE, *IN_ROUNDS, *names(), "badge"}


def test_the_table_has_paired_differences_from_all_copies():
    found = made_up()
    shown = page.table(found)
    wide = found[found["share"].isna()].pivot(index="replicate", columns="arm", values="accuracy")
    gap = (wide["on_the_fly"] - wide["all"]).mean()
    assert shown.loc["on the fly", "less all copies"].startswith(f"{gap:+.2f} ±")
    assert shown.loc["all copies, large batch", "less all copies"] == ""
    assert shown.loc["greedy in rounds, anew, 10%", "replicates"] == "6"


def test_answers_ask_each_question_once_a_share():
    shown = page.answers(RetrainedSets(shares=[0.05, 0.1]), made_up()).reset_index()
    assert not shown.duplicated(["question", "share"]).any()
    assert list(shown.loc[shown["question"] == "Do rounds reach all copies?", "share"]) == ["5%", "10%"]
    assert list(shown.loc[shown["question"] == "Does on the fly reach all copies?", "share"]) == [""]
    assert set(shown[""]) <= {"more", "less", "open"}
    few = page.answers(RetrainedSets(), made_up(4))
    assert set(few[""]) == {"too few replicates"}


def test_figures_show_every_arm():
    found = made_up()
    _, axes = plt.subplots(3)
    labels = [tick.get_text() for tick in page.differences(axes[0], found, 0.05).get_yticklabels()]
    assert len(labels) == len(ARMS) - 1 and "greedy in rounds, anew" in labels
    _, names_shown = page.cost(axes[1], found, 0.05).get_legend_handles_labels()
    assert set(names_shown) == {looks.name(arm) for arm in ARMS if arm != "none"}
    few = found[(found["arm"] != "rounds") | (found["replicate"] < 4)]
    labels = [tick.get_text() for tick in page.differences(plt.figure().gca(), few, 0.05).get_yticklabels()]
    assert len(labels) == len(ARMS) - 2 and "greedy in rounds, anew" not in labels
    lines = [
        line
        for line in page.shares(axes[2], found).get_lines()
        if len(line.get_xdata()) == 2 and line.get_marker() == "o"
    ]
    assert len(lines) == 3
    plt.close("all")


def test_missing_replicates_are_said():
    study = RetrainedSets(replicates=8, n_train=40)
    assert "6 of 8 planned replicates" in page.about(study, made_up())
    found = made_up()
    partly = found[(found["arm"] != "rounds") | (found["replicate"] < 5)]
    assert "5 to 6 of 8 planned" in page.about(study, partly)


@pytest.mark.parametrize(("share", "text"), [(0.05, "5%"), (0.125, "12.5%"), (np.nan, None), (None, None)])
def test_names_have_shares(share, text):
    assert looks.name("rounds", share) == "greedy in rounds, anew" + (f", {text}" if text else "")
