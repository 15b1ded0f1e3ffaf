"""Made-up tables of the page on your own data, with given differences from full augmentation."""

import numpy as np
import pandas as pd
from scipy import stats

from studies.own import verdicts
from studies.own.verdicts import Design

J, FOLDS, N = 10, 5, 900
DESIGN = Design(FOLDS, 2, N)
HALF = stats.t.ppf(0.975, J - 1) * np.sqrt(1 / J + 1 / (FOLDS - 1))
"""Half width of an interval over ten parts, as a multiple of their standard deviation."""
WAVE = np.tile([-1.0, 1.0], J // 2)


def around(mean, spread=0.0005):
    return mean + spread * WAVE


FAR, NEAR, WIDE = around(-0.2), around(-0.001), around(-0.003, 0.03)


def made_up(gaps, full=0.9):
    """A table of ten parts with these differences from full augmentation, by share."""
    rows = [
        {"part": part, "policy": policy, "share": share, "added": 100 * share, "touched": 50 * share, "accuracy": a}
        for share, (policy, gap) in {**gaps, 1.0: ("full", np.zeros(J))}.items()
        for part, a in enumerate(full + 0.01 * np.arange(J) + gap)
    ]
    return pd.DataFrame(rows)


def found_of(*gaps, margin=0.01, design=DESIGN):
    """`budgets` of no copies and of 10%, 20%, ... with these differences from full augmentation."""
    shares = [round(0.1 * place, 1) for place in range(len(gaps))]
    table = {share: ("p" if share else "none", gap) for share, gap in zip(shares, gaps, strict=True)}
    return verdicts.budgets(made_up(table), "p", margin, design, "accuracy")
