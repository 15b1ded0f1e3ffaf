"""What was found, as sentences whose numbers are computed from the results in the outputs folder.

A finding whose results are not there is left out. Every number after a ± is the half width of a 95% Student-t interval
over replicates, and differences are paired by replicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..factorial import page as factorial
from ..factorial import summary
from ..factorial.parameters import Factorial
from ..intervals import FEWEST, mean_interval
from ..storage import artifacts
from .tables import (
    RETRAINED,
    SHARE,
    arms_table,
    gap,
    keeping_the_start,
    of_policies,
    retrained_table,
    sets_table,
)

if TYPE_CHECKING:
    from pathlib import Path

OTHERWISE = ("learned-permuted", "learned-untrained", "strength")
"""Without learning: the learned strengths in random order, those at first, and one for all by cross-fitted loss."""
DIFFERENCES = {"preprocessing": "a mean image that is not subtracted", "moves": "diagonal moves", "C": "C"}
"""In what the released code differs from the paper, in words."""
CHOSE = (0, 1)
"""Replicates of learned augmentation on whose test errors the two numbers of the recipe were chosen."""


class Finding(NamedTuple):
    """One finding.

    Attributes
    ----------
    title : str
    text : str
        What was measured, with numbers and intervals.
    data : str
        Which data and how many replicates, and what confirms it; the link follows.
    href : str
        The page, relative to the outputs folder.
    """

    title: str
    text: str
    data: str
    href: str


def findings(outputs: Path) -> list[Finding]:
    """All findings whose results are in an outputs folder."""
    found = (make(outputs) for make in (frozen, retrained, many_classes, doubtful, learned, released_code))
    return [finding for finding in found if finding is not None]


def frozen(outputs: Path) -> Finding | None:
    """A few percent of the copies, chosen one given the others, beside the paper's choice and today's rivals."""
    table, folder = sets_table(outputs, "mnist-translate-rivals")
    if table is None:
        return None
    less = {name: of_policies(table, name, "full") for name in ("greedy_influence", "influence")}
    rivals = {"badge": "BADGE", "gradmatch": "GradMatch", "craig": "CRAIG", "worst_copy": "worst of k"}
    ahead = [f"{of_policies(table, 'greedy_influence', name, 0.01)} over {word}" for name, word in rivals.items()]
    text = (
        f"5% of the copies, chosen by greedy influence, are {less['greedy_influence']} points from all copies; as many "
        f"by the paper's influence {less['influence']}. At 1% greedy influence gains {', '.join(ahead[:-1])} and "
        f"{ahead[-1]}."
    )
    data = f"MNIST, 3 against 8, translate, frozen LeNet features; {less['influence'].n} replicates"
    data += _confirmed(outputs)
    return Finding("For two digits a few copies come close to all", text, data, f"{folder}/13_set_policies.html")


UNTOUCHED = {"4 against 9": "mnist-49", "7 against 9": "mnist-79", "5 against 8, which shares the 8": "mnist-58"}
"""Pairs of digits on which nothing was chosen, and how the names of their studies begin."""


def _confirmed(outputs):
    """The same on `UNTOUCHED`, to go on the end of a sentence; empty without their results."""
    tables = {pair: sets_table(outputs, f"{name}-translate-rivals")[0] for pair, name in UNTOUCHED.items()}
    others = {"full": SHARE, "craig": 0.01, "worst_copy": 0.01}
    said = {
        pair: [of_policies(table, "greedy_influence", other, share) for other, share in others.items()]
        for pair, table in tables.items()
        if table is not None
    }
    if not said:
        return ""
    each = ", ".join(f"{less}, {craig} and {worst} ({pair})" for pair, (less, craig, worst) in said.items())
    return (
        ". Greedy influence was developed on these digits, in part on the same test images; on pairs that chose "
        f"nothing the distance of 5% to all copies and the leads over CRAIG and worst of k at 1% are {each}"
    )


def retrained(outputs: Path) -> Finding | None:
    """Networks trained anew for equally many updates, beside augmentation on the fly."""
    table, folder = retrained_table(outputs)
    if table is None:
        return None
    less = {name: gap(table, (name, share), ("all", None)) for name, share in RETRAINED}
    if any(found is None for found in less.values()):
        return None
    passes = table.groupby("arm")["passes"].mean()
    passes /= passes["on_the_fly"]
    text = (
        "Networks trained anew for equally many updates, less those trained with all copies (which takes "
        f"{passes['all']:.2g} times the image passes of copies on the fly, and choosing in rounds "
        f"{passes['rounds']:.2g} times): 5% of the copies chosen in three rounds "
        f"{less['rounds']} points, chosen once {less['greedy_influence']}; one fresh random copy of each point an "
        f"epoch, without any choice, {less['on_the_fly']}.{_of_ten_digits(outputs)}{_in_colour(outputs)} Where copies "
        "cost nothing, on the fly is the cheapest way."
    )
    data = f"MNIST, 3 against 8, translate, LeNet; {min(found.n for found in less.values())} replicates"  # type: ignore[union-attr]
    return Finding("Networks: choose in rounds, or choose nothing", text, data, f"{folder}/17_retrained_sets.html")


def _of_ten_digits(outputs):
    """The same for ten digits, as a sentence that begins with a space; empty without their results."""
    table, _ = retrained_table(outputs, "mnist-ten-translate")
    arms = {"in three rounds": ("rounds", SHARE), "on the fly": ("on_the_fly", None)}
    less = {word: None if table is None else gap(table, arm, ("all", None)) for word, arm in arms.items()}
    if None in less.values():
        return ""
    return f" With ten digits: {', '.join(f'{word} {found}' for word, found in less.items())}."


def _in_colour(outputs):
    """The same for colour images, as sentences that begin with a space; empty without their results."""
    table, _ = retrained_table(outputs, "cifar10-mixed")
    if table is None:
        return ""
    rounds, random, all_copies = ("rounds", 0.1), ("random_copies", 0.1), ("all", None)
    less = [gap(table, arm, all_copies) for arm in (rounds, random, ("on_the_fly", None))]
    gain, at_equal_passes = gap(table, rounds, random), gap(table, rounds, ("all_small_batch", None))
    if gain is None or at_equal_passes is None or None in less:
        return ""
    shown = "is shown" if gain.mean > gain.half_width else "is not shown"
    return (
        f" In colour (CIFAR-10 (JPEG), airplane against automobile, {gain.n} replicates) choosing {shown} to help: a "
        f"tenth of the copies is {less[0]} from all if chosen in three rounds, {less[1]} at random; on the fly "
        f"{less[2]}; with equally many passes in training, three rounds less all copies {at_equal_passes}."
    )


def many_classes(outputs: Path) -> Finding | None:
    """Where a small choice is not enough."""
    table, folder = sets_table(outputs, "mnist-ten-translate")
    if table is None:
        return None
    shares = (SHARE, 0.1)
    less = [f"{of_policies(table, 'greedy_influence', 'full', share)} at {share:.0%}" for share in shares]
    over = of_policies(table, "greedy_influence", "influence")
    text = (
        f"With ten digits greedy influence gains {over} points over the paper's influence at 5% of the copies, and is "
        f"still {less[0]} and {less[1]} from all copies."
    )
    data = f"MNIST, ten digits, translate, frozen LeNet features; {over.n} replicates"
    return Finding("Ten classes need more copies than two", text, data, f"{folder}/13_set_policies.html")


def doubtful(outputs: Path) -> Finding | None:
    """What wrong labels do to a choice."""
    table, folder = sets_table(outputs, "mnist-translate-wrong")
    if table is None:
        return None
    rows = table[table["share"] == SHARE]
    wrong = rows.groupby("policy")["wrong"].mean()
    less = {name: of_policies(table, name, "full") for name in ("greedy_influence", "influence")}
    text = (
        f"With one label in twenty wrong, {wrong['influence']:.0%} of the copies that the paper's influence chooses "
        f"have wrong labels, and they are {less['influence']} points from all copies; of greedy influence's copies "
        f"{wrong['greedy_influence']:.0%}, and they are {less['greedy_influence']} from all."
    )
    data = f"MNIST, 3 against 8, translate, frozen LeNet features; {less['influence'].n} replicates"
    return Finding("Wrong labels look influential", text, data, f"{folder}/13_set_policies.html")


def learned(outputs: Path) -> Finding | None:
    """Learned augmentation beside ranges guessed by hand, and what people use instead."""
    name = "mnist-1pct-rivals"
    table = arms_table(outputs / "learned" / name)
    if table is None:
        return None
    arms = {
        "trivial": "TrivialAugment",
        "ranges": "ranges learned by influence",
        "learned-untrained": "a family of warps and operations as learning starts",
        "learned": "as it ends",
        "strength": "with one strength for all, by cross-fitted loss",
        "recipe": "a recipe of warps and operations",
    }
    gaps = {word: gap(table, (arm, None), ("hand", None), "error") for arm, word in arms.items()}
    said = [f"{word} {found}" for word, found in gaps.items() if found is not None]
    errors = table.loc[table["arm"] == "hand", "error"]
    if not said or len(errors) < FEWEST:
        return None
    mean, half = mean_interval(errors)
    text = (
        f"Warps whose ranges were guessed by hand make {mean:.2f} ± {half:.2f}% errors; less these, {'; '.join(said)}"
        f"{_of_the_others(table)}.{_not_shown(table, keeping_the_start(outputs / 'learned' / name))}"
        f"{_on_cifar(outputs)}"
    )
    data = f"MNIST, 600 labelled images, networks trained from scratch; {len(errors)} replicates"
    return Finding(
        "Learning is not shown to beat good guesses",
        text,
        data,
        f"learned/{name}/pages/11_learned_augmentation.html",
    )


def _on_cifar(outputs):
    """The same arms on CIFAR-10, as a sentence that begins with a space; empty without their results."""
    table = arms_table(outputs / "learned" / "cifar10-1pct-rivals")
    if table is None:
        return ""
    arms = {"hand": "ranges by hand", "learned": "what is learned", "recipe": "the recipe"}
    arms |= {"trivial": "TrivialAugment", "randaugment": "RandAugment"}
    gaps = {word: gap(table, (arm, None), ("control", None), "error") for arm, word in arms.items()}
    said = [f"{word} {found}" for word, found in gaps.items() if found is not None]
    n = table.loc[table["arm"] == "control", "replicate"].nunique()
    if not said:
        return ""
    lowered = gap(table, ("learned", None), ("learned-untrained", None), "loss")
    loss = (
        ""
        if lowered is None or np.isnan(lowered.mean)
        else f"; in test loss what is learned is {lowered} nats from its start"
    )
    return f" On 500 images of CIFAR-10 (JPEG), {n} replicates, less shifts and flips alone: {', '.join(said)}{loss}."


def _of_the_others(table):
    """The recipe on replicates that chose nothing, to go on with the sentence; empty with too few of them."""
    found = gap(table[~table["replicate"].isin(CHOSE)], ("recipe", None), ("hand", None), "error")
    if found is None:
        return ""
    return f" ({found} without the two replicates whose test errors chose its two numbers)"


def _not_shown(table, same):
    """That a family's gain is not shown to be learned, as a sentence that begins with a space; empty if it is."""
    permuted, start, strength = (gap(table, ("learned", None), (other, None), "error") for other in OTHERWISE)
    better = [found is not None and found.mean + found.half_width < 0 for found in (permuted, strength)]
    if start is None or permuted is None or all(better):
        return ""
    n = (table["arm"] == "learned").sum()
    less_strength = f", less one strength {strength}" if strength is not None else ""
    return (
        f" That learning adds anything is not shown: the end less the start is {start}{less_strength}, and in "
        f"{len(same)} of {n} replicates learning ends where it started."
    )


def released_code(outputs: Path) -> Finding | None:
    """What full augmentation gains in the paper's setting and in its released code's, and what brings the change."""
    problems = {"cifar10": "CIFAR-10 (JPEG)", "small-norb": "a rendered stand-in for small NORB"}
    found = {word: said for name, word in problems.items() if (said := _by_difference(outputs, name)) is not None}
    if not found:
        return None
    text = (
        "Full augmentation gains little or does harm in the setting that the first paper describes, and more than was "
        f"published in that of its released code: {'; '.join(f'{word} {said}' for word, (said, _) in found.items())}."
    )
    splits = min(n for _, n in found.values())
    data = "Airplane against automobile, animal against human, translate, frozen ResNet-20 that have seen the points"
    data += f"; {splits} splits"
    href = "factorial/cifar10/pages/20_released_code.html"
    return Finding("The released code's setting gains, the paper's hardly does", text, data, href)


def _by_difference(outputs, name):
    """The two gains, the published one and the parts of the change, in words, and the number of splits, if any."""
    path = outputs / "factorial" / name / "factorial.parquet"
    table = artifacts.read_table(path)
    if table is None:
        return None
    study = Factorial(**(artifacts.read_manifest(path) or {})["parameters"])
    cells = factorial.of(summary.responses(study, table), "translate")
    sound, released = (
        summary.gap(summary.cell(cells, factorial.GAIN, seen=1, C=level, moves=level, preprocessing=level))
        for level in (0, 1)
    )
    parts = summary.shares(cells, factorial.GAIN)
    brought = [f"{parts[name]} by {word}" for name, word in DIFFERENCES.items()]
    published = f"{factorial.paper(study, 'translate'):+.1f}"
    return f"{sound} and {released}, published {published}, the change {', '.join(brought)}", released.n
