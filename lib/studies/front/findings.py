"""What was found, as sentences whose numbers are computed from the results in the outputs folder.

A finding whose results are not there is left out. Every number after a ± is the half width of a 95% Student-t interval
over replicates, and differences are paired by replicate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from influaug.files.sealed import read_json

from ..factorial import page as factorial
from ..factorial import summary
from ..factorial.parameters import Factorial
from ..intervals import FEWEST, Gap, mean_interval, paired
from ..storage import artifacts

if TYPE_CHECKING:
    from pathlib import Path

SHARE = 0.05
"""Share of the copies that the sentences speak of."""


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
    table, folder = _sets(outputs, "mnist-translate-rivals")
    if table is None:
        return None
    less = {name: _of_policies(table, name, "full") for name in ("greedy_influence", "influence")}
    rivals = {"badge": "BADGE", "gradmatch": "GradMatch", "craig": "CRAIG", "worst_copy": "worst of k"}
    ahead = [f"{_of_policies(table, 'greedy_influence', name, 0.01)} over {word}" for name, word in rivals.items()]
    text = (
        f"5% of the copies, chosen by greedy influence, are {less['greedy_influence']} points from all copies; as many "
        f"by the paper's influence {less['influence']}. At 1% greedy influence gains {', '.join(ahead[:-1])} and "
        f"{ahead[-1]}."
    )
    data = f"MNIST, 3 against 8, translate, frozen LeNet features; {less['influence'].n} replicates"
    data += _confirmed(outputs)
    return Finding("A few copies do the work of all", text, data, f"{folder}/13_set_policies.html")


UNTOUCHED = {"4 against 9": "mnist-49", "7 against 9": "mnist-79", "5 against 8": "mnist-58"}
"""Pairs of digits on which nothing was chosen, and how the names of their studies begin."""


def _confirmed(outputs):
    """The same on `UNTOUCHED`, to go on the end of a sentence; empty without their results."""
    tables = {pair: _sets(outputs, f"{name}-translate-rivals")[0] for pair, name in UNTOUCHED.items()}
    others = {"full": SHARE, "craig": 0.01, "worst_copy": 0.01}
    said = {
        pair: [_of_policies(table, "greedy_influence", other, share) for other, share in others.items()]
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
    text = (
        "Less all copies, with networks trained anew for equally many updates: 5% of the copies chosen in three rounds "
        f"{less['rounds']} points, chosen once {less['greedy_influence']}; one fresh random copy of each point an "
        f"epoch, without any choice, {less['on_the_fly']}. Where copies cost nothing, augment on the fly."
        f"{_in_colour(outputs)}"
    )
    data = f"MNIST, 3 against 8, translate, LeNet; {min(found.n for found in less.values())} replicates"  # type: ignore[union-attr]
    return Finding("Networks need rounds, or no choice at all", text, data, f"{folder}/17_retrained_sets.html")


def _in_colour(outputs):
    """The same for colour images, as sentences that begin with a space; empty without their results."""
    table, _ = retrained_table(outputs, "cifar10-mixed")
    if table is None:
        return ""
    rounds, random, all_copies = ("rounds", 0.1), ("random_copies", 0.1), ("all", None)
    less = [gap(table, arm, all_copies) for arm in (rounds, random, ("on_the_fly", None))]
    gain = gap(table, rounds, random)
    if gain is None or None in less:
        return ""
    shown = "is shown" if gain.mean > gain.half_width else "is not shown"
    return (
        f" In colour (CIFAR-10 (JPEG), airplane against automobile, {gain.n} replicates) choosing {shown} to help: a "
        f"tenth of the copies is {less[0]} from all if chosen in three rounds, {less[1]} at random; on the fly "
        f"{less[2]}."
    )


def many_classes(outputs: Path) -> Finding | None:
    """Where a small choice is not enough."""
    table, folder = _sets(outputs, "mnist-ten-translate")
    if table is None:
        return None
    shares = (SHARE, 0.1)
    less = [f"{_of_policies(table, 'greedy_influence', 'full', share)} at {share:.0%}" for share in shares]
    over = _of_policies(table, "greedy_influence", "influence")
    text = (
        f"With ten digits greedy influence gains {over} points over the paper's influence at 5% of the copies, and is "
        f"still {less[0]} and {less[1]} from all copies."
    )
    data = f"MNIST, ten digits, translate, frozen LeNet features; {over.n} replicates"
    return Finding("More classes need more copies", text, data, f"{folder}/13_set_policies.html")


def doubtful(outputs: Path) -> Finding | None:
    """What wrong labels do to a choice."""
    table, folder = _sets(outputs, "mnist-translate-wrong")
    if table is None:
        return None
    rows = table[table["share"] == SHARE]
    wrong = rows.groupby("policy")["wrong"].mean()
    less = {name: _of_policies(table, name, "full") for name in ("greedy_influence", "influence")}
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
    table = _arms(outputs / "learned" / name)
    if table is None:
        return None
    arms = {"recipe": "a random recipe of warps and operations", "ranges": "ranges learned by influence"}
    arms |= {"learned": "a family of operations learned by influence", "trivial": "TrivialAugment"}
    gaps = {word: gap(table, (arm, None), ("hand", None), "error") for arm, word in arms.items()}
    said = [f"{word} {found}" for word, found in gaps.items() if found is not None]
    errors = table.loc[table["arm"] == "hand", "error"]
    if not said or len(errors) < FEWEST:
        return None
    mean, half = mean_interval(errors)
    text = (
        f"Warps whose ranges were guessed by hand make {mean:.2f} ± {half:.2f}% errors; less these, {'; '.join(said)}."
        f"{_not_shown(gap(table, ('learned', None), ('learned-permuted', None), 'error'))}"
    )
    data = f"MNIST, 600 labelled images, networks trained from scratch; {len(errors)} replicates"
    return Finding("A guessed recipe is hard to beat", text, data, f"learned/{name}/pages/11_learned_augmentation.html")


def _not_shown(less_permuted):
    """That a family's gain is not shown to be learned, as a sentence that begins with a space; empty if it is."""
    if less_permuted is None or less_permuted.mean + less_permuted.half_width < 0:
        return ""
    return f" That the family gains by learning is not shown: less its strengths in random order it is {less_permuted}."


def released_code(outputs: Path) -> Finding | None:
    """What full augmentation gains in the paper's setting and in its released code's, and what brings the change."""
    path = outputs / "factorial" / "cifar10" / "factorial.parquet"
    table = artifacts.read_table(path)
    if table is None:
        return None
    study = Factorial(**(artifacts.read_manifest(path) or {})["parameters"])
    cells = factorial.of(summary.responses(study, table), "translate")
    sound, released = (
        summary.gap(summary.cell(cells, factorial.GAIN, seen=1, C=level, moves=level, preprocessing=level))
        for level in (0, 1)
    )
    words = {"C": f"C = {study.C[1]:g} in place of {study.C[0]:g}", "moves": "diagonal moves"}
    words["preprocessing"] = "a mean image that is not subtracted"
    parts = summary.shares(cells, factorial.GAIN)
    brought = [f"{parts[name]} is brought by {word}" for name, word in words.items()]
    published = f"{factorial.paper(study, 'translate'):+.1f}"
    text = (
        f"In the setting that the first paper describes full augmentation gains {sound} points; with three differences "
        f"of its released code {released}, where the paper has {published}. Of the change {'; '.join(brought)}."
    )
    data = f"CIFAR-10 (JPEG), airplane against automobile, translate, two frozen ResNet-20; {released.n} splits"
    href = "factorial/cifar10/pages/20_released_code.html"
    return Finding("The released code's setting gains, the paper's hardly does", text, data, href)


RETRAINED = (
    ("random_copies", SHARE),
    ("influence", SHARE),
    ("greedy_influence", SHARE),
    ("rounds", SHARE),
    ("warm_rounds", SHARE),
    ("choice_in_training", None),
    ("on_the_fly", None),
)
"""Arms that are compared with all copies, and their shares."""


def retrained_table(outputs: Path, name: str = "mnist-translate") -> tuple[pd.DataFrame | None, str]:
    """Accuracies of a study of networks trained anew, by replicate, arm and share, and the folder of its page."""
    folder = outputs / "retrained_sets" / name
    rows = []
    for path in sorted(folder.glob("replicate-*/*.json")):
        arm, _, share = path.stem.partition("-")
        number = int(path.parent.name.removeprefix("replicate-"))
        accuracy = read_json(path)["accuracy"]
        rows.append({"replicate": number, "arm": arm, "share": float(share or "nan"), "accuracy": accuracy})
    return (pd.DataFrame(rows) if rows else None), f"retrained_sets/{name}/pages"


def gap(
    table: pd.DataFrame, one: tuple[str, float | None], other: tuple[str, float | None], value: str = "accuracy"
) -> Gap | None:
    """One arm less another, paired by replicate; None with fewer than `FEWEST` pairs."""
    found = paired(_values(table, *one, value), _values(table, *other, value))
    return found if found.n >= FEWEST else None


def _values(table, arm, share, value):
    rows = table[table["arm"] == arm]
    if "share" in rows:
        rows = rows[rows["share"].isna() if share is None else rows["share"] == share]
    pair = ["replicate", "machine"] if "machine" in rows else ["replicate"]
    return rows.set_index(pair)[value]


def _sets(outputs, name):
    """Table of a study of sets, in percent, and the folder of its page; None for the table of fewer than `FEWEST`."""
    folder = f"sets/{name}"
    table = artifacts.read_table(outputs / folder / "sets.parquet")
    if table is None or table["replicate"].nunique() < FEWEST:
        return None, ""
    return table.assign(accuracy=100 * table["accuracy"]), f"{folder}/pages"


def _of_policies(table, one, other, share=SHARE):
    """One policy's accuracy at a share less another's, or less that of all copies."""
    rows = table[(table["share"] == share) | (table["policy"] == "full")]
    wide = rows.pivot_table(index="replicate", columns="policy", values="accuracy")
    return paired(wide[one], wide[other])


def _arms(folder):
    """Errors of a comparison's arms, by replicate and machine; None if there are none."""
    rows = []
    for path in sorted(folder.glob("replicate-*/*.json")):
        found = read_json(path)
        if "error" in found:  # other files tell how a form was learned
            number, machine = int(path.parent.name.removeprefix("replicate-")), found.get("machine", "")
            rows.append({"replicate": number, "machine": machine, "arm": found["arm"], "error": found["error"]})
    return pd.DataFrame(rows) if rows else None
