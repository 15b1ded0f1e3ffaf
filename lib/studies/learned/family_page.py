"""What a page shows of the family of operations: its claim, the response curve, its starts and its rounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import LogLocator, NullLocator
from scipy.stats import t as student

from influaug.augnet.operations import FIXED
from influaug.augnet.ranges import SIDE
from influaug.backend import keras

from ..intervals import FEWEST
from ..pages.escaping import markdown_text
from .arms import augmentation_of
from .results import file_for, has_layer, replicates_of, summary, trajectory
from .rivals import STARTS, STRENGTHS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.axes import Axes

    from .parameters import Comparison

AGAINST = ("learned-permuted", "strength")
"""What learning must beat before 'learned' is claimed: the same strengths elsewhere, and one strength for all."""
MOST = 10_000
SEEN = 200
"""Images over which ranges that differ from image to image are averaged."""


def claim(found: pd.DataFrame, arm: str = "learned", against: tuple[str, ...] = AGAINST) -> str:
    """Whether an arm's intervals allow the word 'learned', in words, as Markdown.

    Parameters
    ----------
    found : DataFrame
        Table from `studies.learned.results.results`.
    arm : str
    against : tuple of str
        Arms that it must be ahead of, each by an interval that excludes zero and has at least `FEWEST` pairs.
    """
    if arm not in set(found["arm"]):
        return f"The arm *{arm}* is not among the finished results."
    said, ahead = [], []
    for other in against:
        row = summary(found, other).loc[arm] if other in set(found["arm"]) else None
        if row is None or not row["pairs"]:
            said.append(f"less *{other}*: no pairs yet")
            ahead.append(False)
            continue
        mean, half, n = row["difference"], row["difference_half_width"], int(row["pairs"])
        enough = n >= FEWEST
        ahead.append(bool(enough and mean + half < 0))
        verdict = ", worse" if mean > half else ""
        verdict = verdict if enough else f"; too few for a verdict, which takes {FEWEST}"
        said.append(f"less *{other}*: {mean:.2f} ± {half:.2f} (n = {n}){verdict}{_needed(mean, half, n)}")
    opening = "May be said to have learned" if all(ahead) else "That anything was *learned* is not shown"
    return f"**{opening}.** *{arm}* {'; '.join(said)}."


def _needed(mean, half, n):
    """How many pairs would tell a lead of this mean and spread from zero, in words; empty if they do or it trails."""
    if not half > 0 or abs(mean) > half or mean >= 0:
        return ""
    spread = half * math.sqrt(n) / student.ppf(0.975, n - 1)
    sizes = range(n + 1, MOST)
    enough = next((m for m in sizes if student.ppf(0.975, m - 1) * spread / math.sqrt(m) < abs(mean)), None)
    if enough is None:
        return f"; more than {MOST:,} would be needed to tell so small a difference"
    return f"; about {enough:,} would tell a difference of this size"


def response(ax: Axes, found: pd.DataFrame, comparison: Comparison) -> Axes:
    """Test error against the range of every group of warps, and every other arm at the range that it amounts to.

    That is the root mean square of an arm's ranges over the groups, 0 for an arm without random warps; 95% intervals
    where there are several replicates.
    """
    means = summary(found, found["arm"].iloc[0])
    even = [(sigma, means.loc[f"sigma-{sigma}"]) for sigma in STRENGTHS if f"sigma-{sigma}" in means.index]
    x, rows = [sigma for sigma, _ in even], [row for _, row in even]
    ax.errorbar(
        x,
        [row["mean"] for row in rows],
        yerr=np.nan_to_num([row["half_width"] for row in rows]),
        fmt="o-",
        color="#0072B2",
        label=f"one range for all groups (n = {_counts(row['seeds'] for row in rows)})",
    )
    others = [arm for arm in means.index if not arm.startswith("sigma-") and arm != "none"]
    places = {arm: at for arm in others if np.isfinite(at := range_of(comparison, found, arm))}
    for k, (arm, at) in enumerate(places.items()):
        row, colour = means.loc[arm], f"C{k % 10}"
        marker = "sD^vP*X<>"[k % 9]
        half = np.nan_to_num(row["half_width"])
        ax.errorbar(
            at, row["mean"], yerr=half, fmt=marker, color=colour, alpha=0.85, label=f"{arm} (n = {row['seeds']:.0f})"
        )
    ax.set(
        xlabel=f"range of every group, root mean square over groups (px in images of {SIDE})", ylabel="test error (%)"
    )
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 2.5, 3, 4, 5, 7)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())
    ax.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def response_caption(found: pd.DataFrame, comparison: Comparison) -> str:
    """Caption of the response curve, or the reason for its absence, as Markdown."""
    if not found["arm"].str.startswith("sigma-").any():
        return "*Nothing is drawn: no arm with one range for all groups has a result here.*"
    return (
        f"*Test errors in percent (logarithmic) of {markdown_text(comparison.dataset)} against the range of warps, "
        "means over the replicates that the legend counts, 95% intervals where there are several. Arms without random "
        "warps stand at 0. Where counts differ, so do the labelled images: a distance in height is no paired "
        "difference.*"
    )


def _counts(numbers):
    """Fewest and most of some numbers, as text."""
    each = sorted({int(number) for number in numbers})
    return " to ".join(str(number) for number in dict.fromkeys(each[:1] + each[-1:]))


def range_of(comparison: Comparison, found: pd.DataFrame, arm: str) -> float:
    """Root mean square over groups of an arm's ranges of warps, mean over replicates, in pixels in images of `SIDE`.

    Ranges that differ by class or image are averaged over the classes, or over `SEEN` images. NaN if nothing that the
    arm learned is there.
    """
    images, values = comparison.split(0).images[:SEEN].astype("float32"), []
    shape = images.shape[1:]
    for replicate in found.loc[found["arm"] == arm, "replicate"]:
        if not has_layer(comparison, replicate, arm):
            continue
        layer = augmentation_of(comparison, replicate, arm, shape, file_for(comparison, replicate, arm))
        if not hasattr(layer, "sigma"):
            return 0.0
        values.append(float(np.sqrt(np.mean(keras.ops.convert_to_numpy(layer.sigma(images)) ** 2))))
    return float(np.mean(values)) * SIDE / max(shape[:2]) if values else np.nan


def starts(axes: list[Axes], comparison: Comparison) -> list[Axes]:
    """Total strength by step, and cross-fitted loss by round, of learning from each start: two Axes."""
    for k, form in enumerate(form for form in STARTS if form in comparison.arms):
        for number, replicate in enumerate(replicates_of(comparison, form)):
            run, _ = trajectory(comparison, replicate, form)
            label = "" if number else f"from {STARTS[form]:g}"
            axes[0].plot(np.arange(len(run)), run["total"], color=f"C{k}", alpha=0.8, label=label)
            loss = run.groupby("round")["crossfitted_loss"].first()
            axes[1].plot(loss.index, loss, "o-", color=f"C{k}", alpha=0.8, label=label)
    axes[0].set(xlabel="step", ylabel="total strength (references)", ylim=(0, None))
    axes[1].set(xlabel="rounds of learning", ylabel="cross-fitted loss (nats)")
    axes[1].locator_params(axis="x", integer=True)
    axes[0].legend()
    return axes


def starts_caption(comparison: Comparison) -> str:
    """Caption of the figure of `starts`, Markdown; that nothing is drawn where the family was not learned."""
    tried = [form for form in STARTS if form in comparison.arms and replicates_of(comparison, form)]
    if not tried:
        return "*The family of warps and operations was not learned here.*"
    lines = (
        "The total strength by step, and the cross-fitted loss before the first round and after each, one line a run"
    )
    several = (
        ", from each start (`learned-weak`, `learned-strong` and *learned*). The table below says for each replicate "
        "where its runs *led to*, and where they *ended* once the round with the lowest cross-fitted loss was kept; if "
        "they are apart, learning stops where it is rather than in an optimum"
    )
    jumps = "A round ends with the mean of its last weights, so that the strength jumps there"
    return f"{lines}{several if len(tried) > 1 else ''}. {jumps}. {refitted(comparison, tried)}"


def refitted(comparison: Comparison, forms: Iterable[str]) -> str:
    """In how many rounds of some forms the loss of the refitted layer, and the cross-fitted loss, went down."""
    fell = {"refit": 0, "crossfit": 0}
    rounds = 0
    for form in forms:
        for replicate in replicates_of(comparison, form):
            run, _ = trajectory(comparison, replicate, form)
            steps = run.dropna(subset=["validation_loss"]).groupby("round")["validation_loss"]
            fell["refit"] += int((steps.last() < steps.first()).sum())
            fell["crossfit"] += int((np.diff(run.groupby("round")["crossfitted_loss"].first()) < 0).sum())
            rounds += len(steps)
    return (
        f"The loss of the refitted layer was lower at the last step than at the first in {fell['refit']} of {rounds} "
        f"rounds, and the cross-fitted loss lower after the round than before it in {fell['crossfit']}."
    )


def kept(comparison: Comparison, forms: tuple[str, ...] = tuple(STARTS)) -> pd.DataFrame:
    """After which round learning ended, by the cross-fitted loss, and with what strength: text, a row for each run."""
    rows = {}
    for form in [form for form in forms if form in comparison.arms]:
        for replicate in replicates_of(comparison, form):
            run, _ = trajectory(comparison, replicate, form)
            losses = run.groupby("round")["crossfitted_loss"].first()
            best = int(np.argmin(losses))
            refits = run.dropna(subset=["validation_loss"]).groupby("round")["validation_loss"]
            rows[f"{form}, replicate {replicate}"] = {
                "cross-fitted loss before, and after each round (nats)": ", ".join(f"{loss:.4f}" for loss in losses),
                "loss of the refitted layer, first and last step of each round": "; ".join(
                    f"{first:.4f} to {last:.4f}" for first, last in zip(refits.first(), refits.last(), strict=True)
                ),
                "kept after round": str(best),
                "total strength": f"{kept_strength(comparison, replicate, form):.2f}",
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def kept_strength(comparison: Comparison, replicate: int, form: str) -> float:
    """Total strength that a form's learning ended with; rows of the trajectory have those after their steps."""
    shape = comparison.split(0).images.shape[1:]
    return augmentation_of(comparison, replicate, form, shape, file_for(comparison, replicate, form)).total()


def outcomes(axes: list[Axes], comparison: Comparison, form: str = "learned") -> list[Axes]:
    """Learned strengths in units of those at first, and learned probabilities, a dot for each replicate: two Axes."""
    shape = comparison.split(0).images.shape[1:]
    for replicate in replicates_of(comparison, form):
        layer = augmentation_of(comparison, replicate, form, shape, file_for(comparison, replicate, form))
        smooth = [name for name in layer.names if name not in FIXED]
        values = {
            0: ([*layer.groups, *smooth], keras.ops.convert_to_numpy(layer.relative())),
            1: (layer.names, layer.probabilities()),
        }
        for ax, (names, found) in values.items():
            axes[ax].plot(found, range(len(names)), "o", color="#0072B2", alpha=0.6, markersize=4)
            axes[ax].set_yticks(range(len(names)), names)
    for ax, start, label in zip(axes, (1, 0.2), ("strength (references)", "probability"), strict=True):
        ax.axvline(start, color="0.5", linestyle="--", linewidth=0.8)
        ax.invert_yaxis()
        ax.set(xlabel=label, xlim=(0, None))
    return axes


def grid(comparison: Comparison) -> pd.DataFrame:
    """Cross-fitted losses of the strengths that the arm 'strength' tries, the chosen one marked: a row a replicate."""
    rows = {}
    for replicate in replicates_of(comparison, "strength"):
        run, _ = trajectory(comparison, replicate, "strength")
        rows[f"replicate {replicate}"] = {
            row["factor"]: f"{row['crossfitted_loss']:.4f}" + (" (chosen)" if row["kept"] else "")
            for _, row in run.iterrows()
        }
    # A replicate whose best is at an end of the grid has tried strengths that the others have not.
    found = pd.DataFrame.from_dict(rows, orient="index").sort_index(axis=1).fillna("")
    return found.rename(columns="strength {:g}".format)
