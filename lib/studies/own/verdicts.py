r"""Statistics of cross-validated differences, what they show, and how many points would show more.

Every difference is paired: both models are fitted and tested on the same parts of the same points. Parts share
training points, so their differences are not independent. For J differences from folds in which n_1 points train and
n_2 are held out, the half width of an interval is that of Nadeau & Bengio (2003, *Inference for the generalization
error*), which Bouckaert & Frank (2004) recommend for repeated cross-validation too,

.. math:: t_{J-1} \, s \, \sqrt{\frac 1J + \frac{n_2}{n_1}}, \qquad \frac{n_2}{n_1} = \frac{1}{\text{folds} - 1},

with s the standard deviation of the differences. It is an approximation: no unbiased estimate of this variance exists
(Bengio & Grandvalet, 2004). Where few points are held out all differences may be equal, and s is 0; so the half width
is at least 3 / n, the 95% limit for what was seen in none of n points (the rule of three).

Several statements are made from one table, and a wrong one may not become likely by their number:

* *No augmentation is needed* and *augmentation helps* (or *harms*) follow from one interval, of no copies against all.
* Shares are tested from the largest to the smallest, up to the first that is not shown to be enough. In a sequence that
  was fixed beforehand each test may have the full level (Maurer, Hothorn & Lehmacher, 1995): the probability that a
  share is wrongly called enough is at most 2.5%, however many shares there are.
* Where the best of several is looked for (which transformation gains, which share gains), intervals are
  `simultaneous`.

No statement is made from fewer than `FEWEST` differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import norm
from scipy.stats import t as student

from ..intervals import FEWEST

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

YES, NO, CANNOT_TELL = "yes", "no", "cannot tell"
ENOUGH, ALL, NONE = "enough", "all", "none"
RULE_OF_THREE = 3
POWER = 0.8
"""Chance that the numbers of points and of repeats that are named would tell."""
MOST_REPEATS = 20
"""Repeats up to which it is tried whether more of them would tell."""


@dataclass(frozen=True)
class Design:
    """How differences came about.

    Attributes
    ----------
    folds : int
    repeats : int
        Of the cross-validation, each with folds of its own.
    n : int
        Points, each of which is held out once a repeat.
    """

    folds: int
    repeats: int
    n: int

    @property
    def parts(self) -> int:
        """J, the number of differences."""
        return self.folds * self.repeats

    @property
    def tells(self) -> bool:
        """Whether there are enough differences to say anything."""
        return self.parts >= FEWEST

    def widening(self, level: float = 0.95) -> float:
        """Half width of an interval, as a multiple of the standard deviation of the differences."""
        return self._quantile(level) * self._standard_error

    def foretold(self, level: float = 0.95) -> float:
        """Distance that an interval excludes with a chance of `POWER`, as a multiple of the standard deviation."""
        return (self._quantile(level) + norm.ppf(POWER)) * self._standard_error

    @property
    def _standard_error(self):
        return np.sqrt(1 / self.parts + 1 / (self.folds - 1))

    def _quantile(self, level):
        return student.ppf(0.5 + level / 2, self.parts - 1)


def interval(values: ArrayLike, design: Design, level: float = 0.95) -> tuple[float, float]:
    """Mean of the values of all parts, and the half width of its interval; see above."""
    values = np.asarray(values, dtype=np.float64)
    return float(values.mean()), float(design.widening(level) * values.std(ddof=1))


def paired_interval(differences: ArrayLike, design: Design, level: float = 0.95) -> tuple[float, float]:
    """As `interval`, with a half width of at least 3 / n; see above."""
    mean, half = interval(differences, design, level)
    return mean, max(half, RULE_OF_THREE / design.n)


def simultaneous(intervals: int) -> float:
    """Level of each of some intervals that all hold together with a probability of 95% (Bonferroni)."""
    return 1 - 0.05 / max(1, intervals)


def judged(difference: float, half_width: float, margin: float, design: Design) -> str:
    """Whether a budget is enough by the interval of its difference from full augmentation alone.

    Returns
    -------
    str
        `YES` if the whole interval lies above minus the margin, `NO` if it lies below, else `CANNOT_TELL`.
    """
    if not design.tells:
        return CANNOT_TELL
    if difference - half_width >= -margin:
        return YES
    return NO if difference + half_width < -margin else CANNOT_TELL


def budgets(table: pd.DataFrame, policy: str, margin: float, design: Design, measure: str) -> pd.DataFrame:
    """Accuracy at each share of copies, and its differences from full and from no augmentation.

    Parameters
    ----------
    table : DataFrame
        Columns part, policy (`policy`, none and full among them), share, added, touched and the measure.
    policy : str
    margin : float
        Accuracy that fewer copies may cost, above 0.
    design : Design
    measure : str
        The column that is compared.

    Returns
    -------
    DataFrame
        By share, with no augmentation at 0 and full at 1: copies, points (means over parts), mean, half_width;
        difference (from full), gain (over none) and their half widths (95%); simultaneous_half_width (of the gain, over
        the shares between); and enough, `YES`, `NO` or `CANNOT_TELL`. Of the shares between only those are `YES` that
        the sequence of tests from the largest on reaches.
    """
    by_part = table.set_index("part")
    full, none = (by_part.loc[by_part["policy"] == name, measure] for name in ("full", "none"))
    chosen = by_part[by_part["policy"].isin([policy, "none", "full"])].groupby("share")
    tests = len(chosen) - 2
    rows = {}
    for share, part in chosen:
        accuracy = part[measure]
        mean, half = interval(accuracy, design)
        difference, difference_half = (0.0, 0.0) if share == 1 else paired_interval(accuracy - full, design)
        gain, gain_half = (0.0, 0.0) if share == 0 else paired_interval(accuracy - none, design)
        gain_of_all = 0.0 if share == 0 else paired_interval(accuracy - none, design, simultaneous(tests))[1]
        rows[share] = {
            "copies": part["added"].mean(),
            "points": part["touched"].mean(),
            "mean": mean,
            "half_width": half,
            "difference": difference,
            "difference_half_width": difference_half,
            "gain": gain,
            "gain_half_width": gain_half,
            "simultaneous_half_width": gain_of_all,
            "enough": YES if share == 1 else judged(difference, difference_half, margin, design),
        }
    return _in_sequence(pd.DataFrame.from_dict(rows, orient="index").rename_axis("share"))


def _in_sequence(found):
    """Take back each `YES` below the first share, from the largest on, that is not one."""
    broken = False
    for share in found.index[(found.index > 0) & (found.index < 1)].sort_values(ascending=False):
        broken = broken or found.at[share, "enough"] != YES
        if broken and found.at[share, "enough"] == YES:
            found.at[share, "enough"] = CANNOT_TELL
    return found


@dataclass(frozen=True)
class Verdict:
    """What a table of budgets shows, and so what is chosen and written.

    Attributes
    ----------
    kind : str
        `ENOUGH`: some copies, `share` of all, are enough. `ALL`: all copies help, and no smaller share is shown to be
        enough. `NONE`: no copies are needed. `CANNOT_TELL`: none of these is shown.
    share : float
        Of the copies that are chosen: 0 for `NONE` and `CANNOT_TELL`, 1 for `ALL`.
    """

    kind: str
    share: float

    @property
    def advises_copies(self) -> bool:
        """Whether an augmented training set is advised."""
        return self.share > 0


def verdict(found: pd.DataFrame, design: Design) -> Verdict:
    """The verdict on the table that `budgets` made."""
    between = found[(found.index > 0) & (found.index < 1)]
    if not design.tells:
        return Verdict(CANNOT_TELL, 0.0)
    gaining = between.index[between["gain"] - between["simultaneous_half_width"] > 0]
    if found.at[0, "enough"] == YES:
        # What gains over no copies, which lose less than the margin against all, loses less than it too.
        return Verdict(ENOUGH, float(gaining.min())) if len(gaining) else Verdict(NONE, 0.0)
    helps = helps_all(found)
    enough = between.index[between["enough"] == YES]
    if len(enough) and (helps or len(gaining)):
        return Verdict(ENOUGH, float(enough.min()))
    return Verdict(ALL, 1.0) if helps else Verdict(CANNOT_TELL, 0.0)


def helps_all(found: pd.DataFrame) -> bool:
    """Whether all copies are shown to gain over none."""
    gain, half = found.loc[1, ["gain", "gain_half_width"]].to_numpy(dtype=float)
    return bool(gain - half > 0)


def harms_all(found: pd.DataFrame) -> bool:
    """Whether all copies are shown to lose against none."""
    gain, half = found.loc[1, ["gain", "gain_half_width"]].to_numpy(dtype=float)
    return bool(gain + half < 0)


def points_to_tell(distance: float, half_width: float, design: Design, level: float = 0.95) -> float:
    """Training points at which an interval would exclude a value, with a chance of `POWER`.

    Parameters
    ----------
    distance : float
        Of the estimated difference, which is taken for the true one, from the value.
    half_width : float
        Of the interval over ``design.n`` points; it shrinks with the square root of the number of points.
    design : Design
    level : float
        Of the interval.

    Returns
    -------
    float
        Infinite where the distance is 0.
    """
    needed = half_width / design.widening(level) * design.foretold(level)
    return design.n * (needed / distance) ** 2 if distance else np.inf


def repeats_to_tell(distance: float, half_width: float, design: Design) -> int | None:
    """As `points_to_tell`, by repeats of the cross-validation on the same points; None if `MOST_REPEATS` would not.

    Repeats make the mean over folds more certain, not the sample: the half width does not fall below what the term
    1 / (folds - 1) leaves, nor below 3 / n.
    """
    if distance <= RULE_OF_THREE / design.n:
        return None
    for repeats in range(design.repeats + 1, MOST_REPEATS + 1):
        more = Design(design.folds, repeats, design.n)
        if more.tells and half_width / design.widening() * more.foretold() <= distance:
            return repeats
    return None


def transformations(table: pd.DataFrame, design: Design) -> pd.DataFrame:
    """What each transformation gains over no copies.

    Parameters
    ----------
    table : DataFrame
        Columns part, arm (`none` among them), added, accuracy, on_copies and none_on_copies.
    design : Design

    Returns
    -------
    DataFrame
        By arm, in the table's order without none: copies (mean number added), mean, gain and gain_half_width
        (simultaneous, on held-out points), on_copies and on_copies_half_width (the gain on the held-out points' own
        copies), and helps: `YES`, `NO` (it harms) or `CANNOT_TELL`.
    """
    by_part = table.set_index("part")
    none = by_part.loc[by_part["arm"] == "none", "accuracy"]
    arms = [arm for arm in by_part["arm"].unique() if arm != "none"]
    level = simultaneous(len(arms))
    rows = {}
    for arm in arms:
        part = by_part[by_part["arm"] == arm]
        gain, half = paired_interval(part["accuracy"] - none, design, level)
        on_copies, copies_half = paired_interval(part["on_copies"] - part["none_on_copies"], design, level)
        helps = {(True, False): YES, (False, True): NO}.get((gain - half > 0, gain + half < 0), CANNOT_TELL)
        rows[arm] = {
            "copies": part["added"].mean(),
            "mean": part["accuracy"].mean(),
            "gain": gain,
            "gain_half_width": half,
            "on_copies": on_copies,
            "on_copies_half_width": copies_half,
            "helps": helps if design.tells else CANNOT_TELL,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("transformation")
