"""What a comparison taught, in sentences that are computed from its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from influaug.augnet.network import AugmentationNetwork
from influaug.backend import keras

from ..intervals import FEWEST, Gap, mean_interval
from .family_page import SEEN, claim, kept_strength
from .results import learned_file, replicates_of, summary, trajectory
from .rivals import STARTS, VARIANTS

if TYPE_CHECKING:
    from .parameters import Comparison

WITHOUT_LEARNING = (("recipe", "hand"), ("recipe", "trivial"), ("recipe", "randaugment"), ("hand", "control"))
"""Arms that are compared, the first less the second, none of which learns."""
OF_EACH_IMAGE = (
    ("as_published", "control"),
    ("network", "control"),
    ("network", "as_published"),
    ("network", "pretrained"),
    ("image-ranges", "control"),
)
"""The same for arms in which a network augments each image in its own way, learned or as it was pretrained."""
OF_NUMBERS = (("strength", "learned-untrained"), ("augerino", "hand"), ("augerino", "control"))
"""The same for arms that set a few numbers in another way than by influence."""
APART = 1.1
"""Total strengths of different starts whose ratio is below are said to have ended in one place."""


def said(found: pd.DataFrame) -> str:
    """What the intervals of a table from `studies.learned.results` say, a Markdown list with n beside each claim."""
    arms = set(found["arm"])
    lines = [_line(found, *pair) for pair in WITHOUT_LEARNING if arms.issuperset(pair)]
    for arm in [arm for arm in ("hand", "recipe", "learned") if arm in arms]:
        gain = of_draws(found, arm)
        if gain.n:
            lines.append(f"*{arm}* with draws at test time, less without: {gain} (n = {gain.n}), {verdict(gain)}")
    if "learned" in arms:
        lines.append(claim(found).replace("**", ""))
    if {"ranges", "permuted"} <= arms:
        gap = _gap(found, "ranges", "permuted")
        lines.append(
            f"*ranges* less *permuted*, the same ranges in other groups: {gap} (n = {gap.n}), {verdict(gap)}: which "
            f"group has which range is {'shown' if verdict(gap) == 'better' else 'not shown'} to matter"
        )
    lines += [_line(found, *pair) for pair in OF_NUMBERS if arms.issuperset(pair)]
    lines += [_line(found, form, "learned") for form in VARIANTS if {form, "learned"} <= arms]
    lines += [_line(found, *pair) for pair in OF_EACH_IMAGE if arms.issuperset(pair)]
    return "\n".join(f"* {line}" for line in lines) or "The arms of this page have no claim that is tested."


def verdict(gap: Gap) -> str:
    """'better', 'worse' or 'open' for a difference of errors; of fewer than `FEWEST` pairs, that they are too few."""
    if gap.n < FEWEST:
        return "too few for a verdict"
    return "open" if abs(gap.mean) <= gap.half_width else ("better" if gap.mean < 0 else "worse")


def of_draws(found: pd.DataFrame, arm: str) -> Gap:
    """Error of an arm with draws at test time less without, paired by replicate, in percentage points."""
    chosen = found[found["arm"] == arm]
    gaps = (chosen["error_draws"] - chosen["error"]).dropna()
    return Gap(*mean_interval(gaps), len(gaps)) if len(gaps) else Gap(np.nan, np.nan, 0)


def ends(comparison: Comparison) -> pd.DataFrame:
    """Total strengths that learning from several starts led to, and ended with: text, a row a replicate.

    Only replicates in which learning began from two starts or more; empty if there are none.
    """
    forms, rows = [form for form in STARTS if form in comparison.arms], {}
    for replicate in range(comparison.replicates):
        runs = {f: trajectory(comparison, replicate, f)[0] for f in forms if replicate in replicates_of(comparison, f)}
        if len(runs) < 2:
            continue
        at_first, last = [STARTS[form] for form in runs], [run["total"].iloc[-1] for run in runs.values()]
        kept = [kept_strength(comparison, replicate, form) for form in runs]
        rows[f"replicate {replicate}"] = {
            "starts": ", ".join(f"{start:g}" for start in at_first),
            "led to": ", ".join(f"{total:.2f}" for total in last),
            "ended with": ", ".join(f"{total:.2f}" for total in kept),
            "starts: largest / smallest": f"{max(at_first) / min(at_first):.1f}",
            "led to: largest / smallest": f"{max(last) / min(last):.1f}",
            "ended with: largest / smallest": f"{max(kept) / min(kept):.1f}",
            f"in one place (within {100 * (APART - 1):.0f}%)": "yes" if max(last) < APART * min(last) else "no",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def moved(comparison: Comparison, found: pd.DataFrame) -> str:
    """In how many replicates learning ended where it began, and how it did in the others; empty without any."""
    replicates, same = replicates_of(comparison, "learned"), []
    if not replicates:
        return ""
    for replicate in replicates:
        run, _ = trajectory(comparison, replicate, "learned")
        if run.loc[run["kept"], "round"].iloc[0] == 0:
            same.append(replicate)
    others = found[~found["replicate"].isin(same)]
    said = "In all replicates learning lowered the cross-fitted loss."
    if same:
        said = (
            f"In {len(same)} of {len(replicates)} replicates the cross-fitted loss was lowest before any learning: "
            "there *learned* is *learned-untrained*, but for the seeds of its training, and *learned-permuted* has "
            "nothing to exchange."
        )
    against = {"learned-untrained", "learned-permuted"} & set(others["arm"])
    if not against or len(replicates) - len(same) < 2 or "learned" not in set(others["arm"]):
        return said
    lines = "; ".join(_line(others, "learned", other) for other in sorted(against))
    return f"{said} {'In the others' if same else 'In test error'}, {lines}."


def _gap(found, arm, other):
    """An arm's error less another's, paired within machines."""
    row = summary(found, other).loc[arm]
    return Gap(row["difference"], row["difference_half_width"], int(row["pairs"]))


def _line(found, arm, other):
    gap = _gap(found, arm, other)
    if not gap.n:
        return f"*{arm}* less *{other}*: no pairs yet"
    return f"*{arm}* less *{other}*: {gap} (n = {gap.n}), {verdict(gap)}"


def strengths_apart(comparison: Comparison) -> pd.DataFrame:
    """Total strengths of each class and of some images, in units of what they began with: text; empty without any.

    Means over replicates, of the classes with 95% intervals; of the images the fifth and the 95th percentile.
    """
    rows = {}
    for form in [form for form in VARIANTS if form in comparison.arms]:
        ratios = [_ratios(comparison, replicate, form) for replicate in replicates_of(comparison, form)]
        if ratios and form == "learned-per-class":
            for label, values in enumerate(np.transpose(ratios)):
                mean, half = mean_interval(values)
                spread = "" if np.isnan(half) else f" ± {half:.2f}"
                rows[f"{form}, class {label}"] = {"total strength": f"{mean:.2f}{spread}", "replicates": len(values)}
        elif ratios:
            low, high = np.mean([np.quantile(each, (0.05, 0.95)) for each in ratios], axis=0)
            rows[form] = {"total strength": f"{low:.2f} to {high:.2f}", "replicates": len(ratios)}
    return pd.DataFrame.from_dict(rows, orient="index")


def _ratios(comparison, replicate, form):
    """Total strengths by class, or of the first labelled images, over those of what learning went on from."""
    layer, before = (
        AugmentationNetwork.load(learned_file(comparison, replicate, each)).layer_ for each in (form, "learned")
    )
    images = comparison.split(replicate).images[:SEEN].astype("float32")
    return np.exp(keras.ops.convert_to_numpy(layer.logits(images).total)[:, 0]) / before.total()
