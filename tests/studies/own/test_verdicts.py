"""Statistics of your own data: intervals as published, three verdicts, and the numbers of points that would tell."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from own_tables import DESIGN, FAR, FOLDS, HALF, NEAR, WIDE, J, N, around, found_of, made_up
from studies.own import verdicts
from studies.own.verdicts import ALL, CANNOT_TELL, ENOUGH, NO, NONE, YES, Design, Verdict


def test_intervals_are_paired_and_corrected():
    found = found_of(FAR, WIDE, NEAR)
    for row, gap in zip(found.itertuples(), (FAR, WIDE, NEAR), strict=False):
        assert row.difference == pytest.approx(gap.mean())
        assert row.difference_half_width == pytest.approx(max(HALF * gap.std(ddof=1), 3 / N))
        if row.Index:
            assert row.gain == pytest.approx((gap - FAR).mean())
            wider = stats.t.ppf(1 - 0.025 / 2, J - 1) * np.sqrt(1 / J + 1 / 4) * (gap - FAR).std(ddof=1)
            assert row.simultaneous_half_width == pytest.approx(max(wider, 3 / N))
    assert found["enough"].tolist() == [NO, CANNOT_TELL, YES, YES]


@pytest.mark.parametrize(("n", "outcome"), [(200, CANNOT_TELL), (400, YES)])
def test_parts_that_agree_are_not_certain_where_few_points_were_held_out(n, outcome):
    found = found_of(np.zeros(J), design=Design(FOLDS, 2, n))
    assert found.loc[0, "difference_half_width"] == 3 / n and found.loc[0, "enough"] == outcome


@pytest.mark.parametrize(
    ("difference", "half", "outcome"),
    [(0.0, 0.01, YES), (0.05, 0.02, YES), (0.0, 0.0101, CANNOT_TELL), (-0.02, 0.01, CANNOT_TELL), (-0.02, 0.0099, NO)],
)
def test_a_budget_is_enough_only_where_its_whole_interval_lies_above_the_margin(difference, half, outcome):
    assert verdicts.judged(difference, half, 0.01, DESIGN) == outcome
    assert verdicts.judged(difference, half, 0.01, Design(4, 1, N)) == CANNOT_TELL


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([FAR, FAR, NEAR], Verdict(ENOUGH, 0.2)),
        ([FAR, NEAR, NEAR], Verdict(ENOUGH, 0.1)),
        ([FAR, WIDE, NEAR], Verdict(ENOUGH, 0.2)),
        # A small share below one that is not shown to be enough does not count: the sequence of tests has ended.
        ([FAR, NEAR, WIDE], Verdict(ALL, 1.0)),
        ([FAR, FAR], Verdict(ALL, 1.0)),
        ([FAR, WIDE], Verdict(ALL, 1.0)),
        ([NEAR, FAR], Verdict(NONE, 0.0)),
        ([around(0.1)], Verdict(NONE, 0.0)),
        ([NEAR, around(0.05)], Verdict(ENOUGH, 0.1)),
        # That a share is as good as all copies says nothing where it is unknown whether these help.
        ([WIDE, NEAR], Verdict(CANNOT_TELL, 0.0)),
        ([WIDE, FAR], Verdict(CANNOT_TELL, 0.0)),
    ],
)
def test_the_three_verdicts(gaps, expected):
    decided = verdicts.verdict(found_of(*gaps), DESIGN)
    assert decided == expected and decided.advises_copies == (expected.kind in (ENOUGH, ALL))


def test_nothing_is_said_from_fewer_than_five_parts():
    table = made_up({0.0: ("none", FAR), 0.1: ("p", FAR)})
    few = verdicts.budgets(table[table["part"] < 4], "p", 0.01, Design(4, 1, N), "accuracy")
    assert verdicts.verdict(few, Design(4, 1, N)) == Verdict(CANNOT_TELL, 0.0)
    five = verdicts.budgets(table[table["part"] < 5], "p", 0.01, Design(5, 1, N), "accuracy")
    assert verdicts.verdict(five, Design(5, 1, N)) == Verdict(ALL, 1.0)


def cross_validated(rng, n, gain):
    """Differences of ten parts, of points whose differences are independent with this mean."""
    points = rng.choice([-1.0, 0.0, 1.0], n, p=[0.1, 0.8 - gain, 0.1 + gain])
    folds = [np.array_split(rng.permutation(n), FOLDS) for _ in range(2)]
    return np.array([points[fold].mean() for repeat in folds for fold in repeat])


def test_wrong_claims_are_as_rare_as_the_intervals_promise():
    """With 0 as the true gain and differences whose spread over points is all there is."""
    rng = np.random.default_rng(0)
    design = Design(FOLDS, 2, 500)
    wrong = [
        abs(mean) > half
        for mean, half in (verdicts.paired_interval(cross_validated(rng, 500, 0.0), design) for _ in range(1000))
    ]
    assert 0.0 < np.mean(wrong) < 0.07


def test_the_number_of_points_that_is_named_tells_as_often_as_is_said():
    """The forecast from the true gain and spread; the correction makes intervals wider than independent points need."""
    rng = np.random.default_rng(1)
    n, gain = 500, 0.03
    design = Design(FOLDS, 2, n)
    halves = [verdicts.paired_interval(cross_validated(rng, n, gain), design)[1] for _ in range(300)]
    needed = int(verdicts.points_to_tell(gain, float(np.mean(halves)), design))
    more = Design(FOLDS, 2, needed)
    told = [
        mean - half > 0
        for mean, half in (verdicts.paired_interval(cross_validated(rng, needed, gain), more) for _ in range(300))
    ]
    assert needed > n and 0.7 < np.mean(told) <= 1
    assert verdicts.points_to_tell(0.0, 0.1, design) == np.inf


def test_repeats_help_only_down_to_what_folds_have_in_common():
    design = Design(5, 1, 2000)
    half = 0.02
    s = half / design.widening()
    repeats = verdicts.repeats_to_tell(0.02, half, design)
    assert Design(5, repeats, 2000).foretold() * s <= 0.02 < Design(5, repeats - 1, 2000).foretold() * s
    assert verdicts.repeats_to_tell(0.4 * s, half, design) is None
    assert verdicts.repeats_to_tell(3 / 2000, half, design) is None


def test_transformations_are_compared_with_none_by_intervals_that_hold_together():
    gaps = {"shift": around(0.05), "turn": WIDE, "blur": around(-0.05)}
    rows = [{"part": p, "arm": "none", "added": 0, "accuracy": 0.8, "on_copies": np.nan} for p in range(J)]
    rows += [
        {"part": p, "arm": arm, "added": 40, "accuracy": 0.8 + gap[p], "on_copies": 0.7, "none_on_copies": 0.5}
        for arm, gap in gaps.items()
        for p in range(J)
    ]
    found = verdicts.transformations(pd.DataFrame(rows), DESIGN)
    assert found["helps"].to_dict() == {"shift": YES, "turn": CANNOT_TELL, "blur": NO}
    for arm, gap in gaps.items():
        wider = stats.t.ppf(1 - 0.025 / 3, J - 1) * np.sqrt(1 / J + 1 / 4) * gap.std(ddof=1)
        assert found.loc[arm, ["gain", "gain_half_width"]].tolist() == pytest.approx([gap.mean(), max(wider, 3 / N)])
        assert found.loc[arm, "on_copies"] == pytest.approx(0.2)
    few = verdicts.transformations(pd.DataFrame(rows).query("part < 4"), Design(4, 1, N))
    assert set(few["helps"]) == {CANNOT_TELL}
