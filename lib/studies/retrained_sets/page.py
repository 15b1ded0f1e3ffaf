"""Tables and figures of the page of a study of retrained networks, from `studies.retrained_sets.results`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from influaug.selection.policies import policy_of

from ..intervals import FEWEST
from ..pages.escaping import title_and_note
from .looks import COLOURS, OTHER, REFERENCE, name
from .parameters import IN_ROUNDS, WHOLE
from .results import difference, summary, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from .parameters import RetrainedSets

    Arm = tuple[str, float | None]


class Question(NamedTuple):
    """A comparison of two arms at one share."""

    text: str
    one: str
    other: str


QUESTIONS = (
    Question("Do rounds reach all copies?", "rounds", "all"),
    Question("Do warm rounds reach all copies?", "warm_rounds", "all"),
    Question("Are rounds better than one choice?", "rounds", "greedy_influence"),
    Question("Does one choice reach all copies?", "greedy_influence", "all"),
    Question("Is it better than random copies?", "greedy_influence", "random_copies"),
    Question("than the paper's influence?", "greedy_influence", "influence"),
    Question("than BADGE?", "greedy_influence", "badge"),
    Question("Are rounds better than on the fly?", "rounds", "on_the_fly"),
    Question("Does on the fly reach all copies?", "on_the_fly", "all"),
    Question("Choice in training or on the fly, equal updates?", "choice_in_training", "on_the_fly"),
    Question("the same, equal passes?", "choice_in_training", "on_the_fly_longer"),
)


def about(study: RetrainedSets, found: pd.DataFrame) -> str:
    """Title, sizes and note of the page's data, as Markdown; how many replicates there are of how many."""
    points, k = study.split(0), len(study.augmentation())
    title, note = title_and_note(study.load_data().provenance)
    counts = found.groupby(["arm", "share"], dropna=False)["replicate"].count()
    least, most = counts.min(), counts.max()
    have = f"{most}" if least == most else f"{least} to {most}"
    missing = "" if least >= study.replicates else f" of {study.replicates} planned"
    data = (
        f"{title}, {len(points.labels):,} training points of {len(points.class_names)} classes, {study.transformation}"
    )
    return f"**{data} (k = {k}), {study.network}, {study.updates} updates; {have}{missing} replicates.** {note}"


def meanings(study: RetrainedSets) -> str:
    """What each arm of the study trains on, in words, as a Markdown table."""
    words = {arm: (WHOLE | IN_ROUNDS).get(arm) or policy_of(arm)[0].meaning for arm in study.arms}
    rows = [f"| {name(arm)} | {text} |" for arm, text in words.items()]
    return "\n".join(["| arm | trains on |", "|:--|:--|", *rows])


def table(found: pd.DataFrame) -> pd.DataFrame:
    """Table of text: accuracy of every arm with its interval, its paired difference from all copies, and its cost."""
    rows = {}
    for row in summary(found).reset_index().to_dict("records"):
        arm, share = row["arm"], row["share"]
        gap = difference(found, (arm, _share(share)), ("all", None))
        rows[name(arm, share)] = {
            "accuracy (%)": _interval(row["accuracy"], row["half_width"]),
            "less all copies": "" if arm == "all" else _interval(gap["mean"], gap["half_width"], signed=True),
            "originals alone (%)": f"{row['accuracy_original']:.2f}",
            "copies": f"{row['added']:,.0f}",
            "updates": f"{row['updates']:.0f}",
            "image passes (thousands)": f"{row['passes'] / 1000:.0f}",
            "CPU s": f"{row['cpu_seconds']:.1f}",
            "replicates": f"{row['replicates']:.0f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def answers(study: RetrainedSets, found: pd.DataFrame) -> pd.DataFrame:
    """Table of text: `QUESTIONS` at every share, paired differences with intervals, and what they show."""
    rows = []
    for share in study.shares:
        for question in QUESTIONS:
            one, other = _arm(question.one, share), _arm(question.other, share)
            gap = difference(found, one, other)
            once = one[1] is None and other[1] is None and share != study.shares[0]
            if gap["replicates"] and not once:
                rows.append(
                    {
                        "share": "" if one[1] is None and other[1] is None else f"{share:.0%}",
                        "question": question.text,
                        "arm": name(question.one),
                        "less": name(question.other),
                        "difference (points)": _interval(gap["mean"], gap["half_width"], signed=True),
                        "replicates": gap["replicates"],
                        "": verdict(gap),
                    }
                )
    return pd.DataFrame(rows).set_index("question") if rows else pd.DataFrame()


def differences(ax: Axes, found: pd.DataFrame, share: float) -> Axes:
    """Paired differences of every arm from all copies at one share, with 95% intervals; hollow if that contains 0."""
    gaps = _gaps(found, share)
    for y, (arm, gap) in enumerate(gaps.items()):
        colour = COLOURS.get(arm, OTHER)
        open_ = abs(gap["mean"]) <= gap["half_width"]
        face = "white" if open_ else colour
        ax.errorbar(gap["mean"], y, xerr=gap["half_width"], color=colour, fmt="o", markerfacecolor=face, capsize=0)
    ax.axvline(0, color="0.35", linewidth=1.2, linestyle="--")
    ax.set_yticks(range(len(gaps)), [name(arm) for arm in gaps])
    ax.set_xlabel("accuracy less that with all copies (percentage points)")
    return ax


def cost(ax: Axes, found: pd.DataFrame, share: float) -> Axes:
    """The same differences against the image passes that an arm takes, choosing included; without the arm 'none'."""
    of_share = found["share"].isna() | (found["share"] == share)
    passes = found[of_share].groupby("arm")["passes"].mean() / 1000
    for arm, gap in _gaps(found, share).items():
        if arm != "none":
            colour, marker = COLOURS.get(arm, OTHER), "s" if arm == "on_the_fly_longer" else "o"
            ax.errorbar(passes[arm], gap["mean"], gap["half_width"], color=colour, fmt=marker, label=name(arm))
    if "all" in passes:
        ax.plot(passes["all"], 0, "*", color=REFERENCE, markersize=9, label=name("all"))
    ax.axhline(0, color="0.35", linewidth=1.2, linestyle="--")
    ax.set(xlabel="image passes in all (thousands)", ylabel="less all copies (points)")
    return ax


def shares(ax: Axes, found: pd.DataFrame) -> Axes:
    """Paired differences from all copies of the arms with a share, against the share, with 95% bands."""
    of_share = found.dropna(subset="share")
    for arm in dict.fromkeys(of_share["arm"]):
        budgets = sorted(of_share.loc[of_share["arm"] == arm, "share"].unique())
        gaps = [difference(found, (arm, share), ("all", None)) for share in budgets]
        mean, half = (np.array([gap[key] for gap in gaps]) for key in ("mean", "half_width"))
        colour = COLOURS.get(arm, OTHER)
        x = 100 * np.array(budgets)
        ax.plot(x, mean, color=colour, marker="o", markersize=4, label=name(arm))
        ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
    ax.axhline(0, color="0.35", linewidth=1.2, linestyle="--")
    ax.set(xscale="log", xlabel="share of all copies (%)", ylabel="less all copies (points)")
    ticks = [100 * share for share in sorted(of_share["share"].unique())]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    return ax


def _gaps(found, share):
    """Differences of the arms from all copies, of arms with too few replicates only if no arm has enough; by mean."""
    arms = [arm for arm in dict.fromkeys(found["arm"]) if arm != "all"]
    gaps = {arm: difference(found, _arm(arm, share), ("all", None)) for arm in arms}
    fewest = min(FEWEST, max((gap["replicates"] for gap in gaps.values()), default=0))
    kept = ((arm, gap) for arm, gap in gaps.items() if gap["replicates"] >= max(fewest, 2))
    return dict(sorted(kept, key=lambda item: item[1]["mean"]))


def _arm(arm, share):
    return (arm, None) if arm in WHOLE else (arm, share)


def _share(share):
    return None if np.isnan(share) else share


def _interval(mean, half, signed=False):
    text = f"{mean:+.2f}" if signed else f"{mean:.2f}"
    return "" if np.isnan(mean) else text if np.isnan(half) else f"{text} ± {half:.2f}"
