"""Words, tables and figure of the page on the released code: what is said follows from the intervals."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from factorials import made_up
from studies.factorial import page, summary
from studies.factorial.parameters import Factorial
from studies.intervals import Gap

CIFAR = {"dataset": "cifar10", "classes": ["automobile", "airplane"]}
NORB = {"dataset": "small-norb", "classes": ["animal", "human"]}


def cells(study, gain=lambda row, rng: 0.0, **options):
    return summary.responses(study, made_up(study, gain, **({"noise": 0.05} | options)))


def released(row, rng):
    return 0.1 + 0.3 * row["C"] + 0.6 * row["moves"]


@pytest.mark.parametrize(
    ("gap", "word"),
    [
        (Gap(1.0, 0.9, 5), "more"),
        (Gap(-1.0, 0.9, 5), "less"),
        (Gap(1.0, 1.0, 16), "cannot tell"),
        (Gap(5.0, 0.1, 4), "too few splits"),
        (Gap(5.0, np.nan, 1), "too few splits"),
    ],
)
def test_a_verdict_is_by_the_interval_and_takes_five(gap, word):
    assert page.verdict(gap) == word


@pytest.mark.parametrize(
    ("study", "transformation", "gain", "lead"),
    [
        (CIFAR, "translate", 1.0, 0.4),
        (NORB, "translate", 2.4, 1.9),
        (CIFAR, "rotate", None, None),
        ({**CIFAR, "classes": ["cat", "dog"]}, "translate", None, None),
        ({**CIFAR, "classes": None}, "translate", None, None),
        ({"dataset": "digits", "classes": [3, 8]}, "translate", None, None),
    ],
)
def test_published_numbers_stand_beside_their_own_problem_alone(study, transformation, gain, lead):
    study = Factorial(transformations=[transformation], **study)
    assert page.paper(study, transformation) == gain and page.paper(study, transformation, page.LEAD) == lead
    fig, ax = plt.subplots()
    page.by_cell([ax], study, cells(study))
    dotted = [line for line in ax.get_lines() if line.get_linestyle() == ":"]
    assert [line.get_xdata()[0] for line in dotted] == ([] if gain is None else [gain])
    assert "percentage points" in ax.get_xlabel() and len(ax.get_yticks()) == page.rows_of(study)[0]
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels[-1].startswith("C = 10") and labels[0].startswith("C = 1,") and "mean not subtracted" in labels[0]
    plt.close(fig)


def test_the_answer_says_which_difference_brings_which_part():
    study = Factorial(**CIFAR)
    said = page.answer(study, cells(study, released))
    assert "* **translate.** In the paper's setting full less none is" in said
    assert "The paper has +1.0, within the latter interval." in said
    assert "Of this, C (10 to 1) brings +0.28 ± 0.03 (above zero), moves (cardinal to diagonal) +0.60 ± 0.01" in said
    assert "mean image not subtracted +0.01 ± 0.02 (cannot tell)." in said and "part of the gain" not in said
    against = page.answer(study, cells(study, lambda row, rng: -1.0 * row["preprocessing"]))
    assert "mean image not subtracted -0.99 ± 0.02 (below zero)" in against and "+1.0, outside" in against


def test_memory_is_spoken_of_only_where_seen_points_are_shown_to_gain_more():
    study = Factorial()
    said = page.answer(study, cells(study, lambda row, rng: 0.5 * row["seen"]))
    assert "that they have seen them is part of the gain of these two networks." in said
    for slope in (0.0, -0.5):
        other = page.answer(study, cells(study, lambda row, rng, slope=slope: slope * row["seen"], seed=3))
        assert "part of the gain" not in other
    assert "part of the gain" not in page.answer(study, cells(study, lambda row, rng: 0.5 * row["seen"]), page.LEAD)
    few = cells(study, lambda row, rng: 0.5 * row["seen"], n=4)
    assert "4 splits are too few to conclude from" in page.answer(study, few) and "part of the gain" not in page.answer(
        study, few
    )


def test_influence_has_an_answer_of_its_own():
    study = Factorial(**CIFAR)
    said = page.answer(study, cells(study, lead=0.4), page.LEAD)
    assert "influence less random is +0.39 ± 0.05 (above zero)" in said
    assert "The paper's best policy, chosen on the test set, has +0.4, within the latter interval." in said


def test_tables_have_every_cell_effect_and_part():
    study = Factorial(transformations=["translate", "rotate"])
    found = cells(study, released)
    assert page.cells_table(study, found).shape == (12, 2)
    effects = page.effects_table(study, found)
    assert len(effects) == (4 + 6) + (3 + 3)
    assert effects.loc[("translate", "moves (cardinal to diagonal)"), "shown"] == "more"
    assert effects.loc[("translate", "moves × mean"), "shown"] in ("cannot tell", "more", "less")
    parts = page.parts_table(study, found)
    assert list(parts.loc["rotate"].index) == ["C (10 to 1)", "mean image not subtracted", "all together"]
    assert page.levels_table(study, found).shape == (4, 3)
    few = cells(study, released, n=2)
    assert set(page.effects_table(study, few)["shown"]) == {"too few splits"}
    one = page.effects_table(study, cells(study, released, n=1))
    assert not one["effect (points)"].str.contains("nan").any()


def test_what_still_differs_is_said():
    digits = page.remaining(Factorial())
    assert "data that the paper does not have" in digits and "ResNet-50" in digits and "half of the training" in digits
    assert digits.endswith(".") and "about" not in digits
    about = page.about(Factorial(), cells(Factorial()))
    assert "6 splits of two samples of 100 points" in about
