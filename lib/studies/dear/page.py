"""Tables, figures and words of the page on dear copies, from `studies.dear.results`; plots take and return Axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from influaug.data.lazy_copies import ChosenCopies
from influaug.selection.policies import policy_of

from ..intervals import FEWEST, mean_interval
from ..pages import looks
from ..pages.escaping import title_and_note
from .learners import LEARNERS
from .problems import drawn, scrambled
from .results import ALL, NONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from .parameters import DearCopies

OURS = "greedy_influence"
ASKED = {
    "random_copies": "random copies",
    "margin_rescored": "uncertainty (margin)",
    "influence": "the paper's influence",
}
"""Policies that the page's answer speaks of."""
IN_THE_FIGURE = ("random_copies", "influence", "margin_rescored", "badge", OURS)
NAMES = {"probe": "linear probe", "svm": "RBF SVM", "trees": "boosted trees", "svm_pixels": "RBF SVM on pixels"}


def name(policy: str) -> str:
    """Name of a policy or of a reference in a table."""
    known = {NONE: "no copies", ALL: "all right copies", "k_center": "k-center"}
    known |= {"influence": "influence (paper)", "loss": "loss (paper)", "match_full": "matched at the final head"}
    look = looks.LOOK.get(policy)
    return known.get(policy) or (look.label.removeprefix("copies, ") if look else policy.replace("_", " "))


def case(share: float) -> str:
    """A share of spoilt copies in words."""
    return f"{share:.0%} spoilt" if share else "none spoilt"


def about(s: DearCopies, found: pd.DataFrame) -> str:
    """Which data a page has, in a sentence or two of Markdown."""
    base = s.base()
    data = base.load_data().provenance
    title, note = title_and_note(data)
    copies = int(found["clicks"].max())
    return (
        f"**{title}, {base.transformation_words}: {len(base.split(0).labels):,} points, {copies:,} copies, "
        f"{found['replicate'].nunique()} replicates, C = {s.C:g}.** {note}"
    )


def meanings(s: DearCopies) -> str:
    """What the policies choose and what the learners are, as two Markdown tables."""
    policies = [f"| {name(policy)} | {policy_of(policy)[0].meaning} |" for policy in s.policies]
    learners = [f"| {NAMES[learner]} | {LEARNERS[learner].meaning} |" for learner in s.learners]
    return "\n".join(["| policy | checks |", "|---|---|", *policies, "", "| learner | is |", "|---|---|", *learners])


def examples(axes: Sequence[Axes], s: DearCopies, share: float, number: int = 8) -> Sequence[Axes]:
    """Some right, damaged and mislabelled copies of the first replicate: three Axes."""
    base, rng = s.base(), s.rng(0, "spoilt")
    sample, transformation = base.split(0), base.augmentation()
    k, n = len(transformation), len(sample.labels)
    damaged, mislabelled, others = drawn(np.repeat(sample.labels, k), share, rng)
    chosen = ChosenCopies(sample.images, transformation)
    rest = np.setdiff1d(np.arange(n * k), np.append(damaged, mislabelled))[:: max(1, n * k // number)][:number]
    spoilt = scrambled(chosen.of(damaged // k, damaged % k), rng)[:number]
    shown = others[:number]
    looks.image_row(axes[0], chosen.of(rest // k, rest % k), "right")
    looks.image_row(axes[1], spoilt, "damaged")
    looks.image_row(axes[2], chosen.of(shown // k, shown % k), "mislabelled, each with the label of another class")
    return axes


def curves(axes: Sequence[Axes], found: pd.DataFrame, learners: Sequence[str], share: float) -> Sequence[Axes]:
    """Accuracy against clicks where a share is spoilt, with 95% bands and references: an Axes for each learner."""
    rows = found[found["spoilt"] == share]
    for ax, learner in zip(axes, learners, strict=True):
        for policy in [policy for policy in IN_THE_FIGURE if policy in set(rows["policy"])]:
            of_policy = rows[rows["policy"] == policy].groupby("clicks")[learner]
            mean, half = np.array([mean_interval(values) for _, values in of_policy]).T
            looks.curve(ax, np.array(list(of_policy.groups), float), 100 * mean, 100 * half, looks.LOOK[policy])
        references = rows.replace({"policy": {ALL: "full"}})
        looks.reference_lines(ax, references, learner, "all right copies")
        ticks = sorted(set(rows["clicks"]) - {0, rows["clicks"].max()})
        ax.set(title=NAMES[learner], xlabel="clicks", xscale="log")
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    return axes


def accuracies(found: pd.DataFrame, learners: Sequence[str], clicks: int) -> pd.DataFrame:
    """Accuracy in percent with 95% intervals at a number of clicks, and of the references, as text."""
    at = found[_at(found, clicks)]
    rows = {
        (case(share), name(policy)): {
            NAMES[learner]: _interval(100 * at.loc[(at["spoilt"] == share) & (at["policy"] == policy), learner])
            for learner in learners
        }
        for share in at["spoilt"].unique()
        for policy in at["policy"].unique()
    }
    return _wide(rows)


def wasted(found: pd.DataFrame) -> pd.DataFrame:
    """Share of the clicks on spoilt copies, in percent with 95% intervals, by policy and clicks, as text."""
    rows: dict[str, dict] = {}
    spoilt = found[(found["spoilt"] > 0) & ~found["policy"].isin([NONE, ALL])]
    for share in spoilt["spoilt"].unique():
        groups = spoilt[spoilt["spoilt"] == share].groupby(["policy", "clicks"], sort=False)
        for (policy, clicks), part in groups:
            rows.setdefault(name(str(policy)), {})[case(share), f"{clicks} clicks"] = _interval(100 * part["wasted"], 1)
    return _wide(rows)


def gap(found: pd.DataFrame, other: str, learner: str, share: float, clicks: int) -> tuple[float, float, int]:
    """Accuracy of greedy influence less another policy's, in points, paired: mean, half width of 95%, replicates."""
    rows = found[(found["spoilt"] == share) & (found["clicks"] == clicks)]
    by = rows.pivot(index="replicate", columns="policy", values=learner)
    mean, half = mean_interval(100 * (by[OURS] - by[other]))
    return mean, half, len(by)


def differences(found: pd.DataFrame, learners: Sequence[str]) -> pd.DataFrame:
    """`gap` for each learner and other policy (rows), share of spoilt copies and clicks (columns), as text."""
    clicks, rows = _clicks(found), {}
    for learner in learners:
        for other in _others(found):
            rows[NAMES[learner], name(other)] = {
                (case(share), f"{each} clicks"): _signed(*gap(found, other, learner, share, each)[:2])
                for share in found["spoilt"].unique()
                for each in clicks
            }
    return _wide(rows)


def verdict(mean: float, half: float, replicates: int) -> str:
    """What a paired difference shows: ahead, behind, or open; nothing where there are fewer than five replicates."""
    if replicates < FEWEST:
        return "too few replicates"
    return "ahead" if mean > half else "behind" if mean < -half else "cannot tell"


def answers(found: pd.DataFrame, learners: Sequence[str]) -> str:
    """Is greedy influence ahead of `ASKED` at equal clicks? A Markdown table of words from the intervals."""
    asked = [other for other in ASKED if other in _others(found)]
    lines = [
        "| greedy influence, against | learner | " + " | ".join(map(case, found["spoilt"].unique())) + " |",
        "|---" * (2 + found["spoilt"].nunique()) + "|",
    ]
    for other in asked:
        for learner in learners:
            cells = [_in_words(found, other, learner, share) for share in found["spoilt"].unique()]
            lines.append(f"| {ASKED[other]} | {NAMES[learner]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _in_words(found, other, learner, share):
    said: dict[str, list[str]] = {}
    for clicks in _clicks(found):
        said.setdefault(verdict(*gap(found, other, learner, share, clicks)), []).append(str(clicks))
    if len(said) == 1:
        return f"{next(iter(said))} at all"
    return "; ".join(f"{word} at {', '.join(at)}" for word, at in said.items())


def counted(found: pd.DataFrame, learners: Sequence[str]) -> str:
    """In how many cases greedy influence is ahead, behind or open against each of all others, as a Markdown table."""
    words, n = ("ahead", "cannot tell", "behind"), found["replicate"].nunique()
    if n < FEWEST:
        return f"**{n} replicates are too few to conclude from; five are the fewest.**"
    lines = ["| against | " + " | ".join(NAMES[learner] for learner in learners) + " |"]
    lines.append("|---" * (1 + len(learners)) + "|")
    for other in _others(found):
        cells = []
        for learner in learners:
            said = [
                verdict(*gap(found, other, learner, share, clicks))
                for share in found["spoilt"].unique()
                for clicks in _clicks(found)
            ]
            cells.append(" / ".join(str(said.count(word)) for word in words))
        lines.append(f"| {name(other)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _clicks(found):
    return sorted(found.loc[~found["policy"].isin([NONE, ALL]), "clicks"].unique())


def _others(found):
    return [policy for policy in found["policy"].unique() if policy not in (NONE, ALL, OURS)]


def _at(found, clicks):
    return (found["clicks"] == clicks) | found["policy"].isin([NONE, ALL])


def _wide(rows):
    table = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    for axis in ("index", "columns"):
        if len(getattr(table, axis)) and isinstance(getattr(table, axis)[0], tuple):
            setattr(table, axis, pd.MultiIndex.from_tuples(getattr(table, axis)))
    return table


def _interval(values, digits=2):
    mean, half = mean_interval(values)
    return f"{mean:.{digits}f}" if np.isnan(half) else f"{mean:.{digits}f} ± {half:.{digits}f}"


def _signed(mean, half):
    return f"{mean:+.2f}" if np.isnan(half) else f"{mean:+.2f} ± {half:.2f}"
