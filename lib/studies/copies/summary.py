"""Statistics of a table of `studies.copies.study`: accuracies, paired gains and smallest sufficient shares.

Every interval is a 95% Student-t interval over replicates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from influaug.selection.policies import RIVALS, policy_of

from ..intervals import REACHED, Enough, by_share, enough, mean_interval
from ..pages.escaping import markdown_text, styled, title_and_note
from ..pages.words import percent
from ..points.summary import REFERENCES
from ..storage import artifacts, paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pandas.io.formats.style import Styler

    from .study import SetStudy


def gains(table: pd.DataFrame, than: str = "influence", value: str = "accuracy") -> pd.DataFrame:
    """Gain of every policy over another at the same share, paired by replicate; columns are those of `by_share`."""
    pair = ["replicate", "share"]
    other = table.loc[table["policy"] == than, [*pair, value]].rename(columns={value: "other"})
    joined = of_policies(table).merge(other, on=pair)
    joined = joined[joined["policy"] != than]
    return by_share(joined.assign(gain=joined[value] - joined["other"]), "gain")


def below_full(table: pd.DataFrame, value: str = "accuracy") -> pd.DataFrame:
    """Full augmentation's accuracy minus every policy's, paired by replicate; columns are those of `by_share`."""
    full = table[table["policy"] == "full"].set_index("replicate")[value]
    rows = of_policies(table)
    return by_share(rows.assign(gap=rows["replicate"].map(full) - rows[value]), "gap")


def enough_share(table: pd.DataFrame, margin: float = 0.001) -> pd.Series:
    """The smallest share that is enough, or why that is not said: Series of `intervals.Enough` by policy."""
    wide = table[table["policy"].isin(REFERENCES)].pivot(index="replicate", columns="policy", values="accuracy")
    gain = *mean_interval(wide["full"] - wide["none"]), len(wide)
    policies = below_full(table).groupby("policy", sort=False)
    return pd.Series(
        {policy: enough(gaps.droplevel("policy"), gain, margin) for policy, gaps in policies}, dtype=object
    )


def share_text(found: Enough) -> str:
    """The share that is enough, or why that is not said."""
    return f"{100 * found.budget:g}%" if found.word == REACHED else found.word


def of_policies(table: pd.DataFrame) -> pd.DataFrame:
    """Remove the rows of the two reference models, no and full augmentation."""
    return table[~table["policy"].isin(REFERENCES)]


def in_percent(means: pd.DataFrame, digits: int = 2, signed: bool = False) -> pd.DataFrame:
    """Table of text with policies as rows and shares as columns; cells have the mean and half width in percent.

    Parameters
    ----------
    means : DataFrame
        Table from `by_share`, `gains` or `below_full`.
    """
    text = [_text(row, digits, signed) for _, row in means.iterrows()]
    wide = pd.Series(text, means.index).unstack("share", sort=False).fillna("")
    return wide.rename(columns=lambda share: f"{100 * share:g}%").rename_axis(columns="share of copies")


def costs(table: pd.DataFrame, share: float) -> pd.DataFrame:
    """Means at one share, by policy: accuracy, points touched, copies added and generated, seconds of choosing."""
    rows = table[(table["share"] == share) & ~table["policy"].isin(REFERENCES)]
    if rows.empty:
        return pd.DataFrame()
    means = rows.groupby("policy", sort=False)[["touched", "added", "generated", "seconds"]].mean()
    accuracy = in_percent(by_share(rows)).iloc[:, 0]
    means.insert(0, "accuracy (%)", accuracy)
    without = table.loc[table["policy"] == "none", "accuracy"].mean()
    gained = 100 * (rows.groupby("policy")["accuracy"].mean() - without)
    means["gain for 1,000 generated"] = 1000 * gained / means["generated"]
    means["gain for a second"] = gained / means["seconds"].where(means["seconds"] >= 0.005)
    shown = {"touched": "points touched", "added": "copies added", "generated": "copies generated"}
    return means.rename(columns=shown).round(2)


IN_THE_FIGURE = ("random_copies", "greedy_influence", "worst_copy", "craig", "gradmatch", "badge")
"""Policies in the figure of a study of rivals; of the others its table tells."""


def in_the_figure(policies: Sequence[str]) -> list[str]:
    """The policies that a figure shows: all, but of a study of rivals `IN_THE_FIGURE`."""
    return [name for name in policies if name in IN_THE_FIGURE or not set(policies) & set(RIVALS)]


def compared_with(policies: Sequence[str]) -> str:
    """The policy over which gains are shown: the paper's influence, in a study of rivals greedy influence."""
    wanted = ("greedy_influence",) if set(policies) & set(RIVALS) else ("influence",)
    return next((name for name in wanted if name in policies), policies[0])


def few_enough(table: pd.DataFrame, policy: str = "match_full_weighted") -> pd.DataFrame:
    """Copies that a policy with weights takes at each share, and its accuracy less that of all copies, as text."""
    rows = table[table["policy"] == policy]
    if rows.empty:
        return pd.DataFrame()
    gaps = below_full(rows_and_full(table, policy)).droplevel("policy")
    less = {share: _text({**gap, "mean": -gap["mean"]}, signed=True) for share, gap in gaps.iterrows()}
    found = pd.DataFrame({"copies taken": rows.groupby("share")["added"].mean().round(1), "less all copies": less})
    return found.rename(index=lambda share: f"{100 * share:g}%").rename_axis("share of copies")


def rows_and_full(table: pd.DataFrame, policy: str) -> pd.DataFrame:
    """The rows of one policy and of full augmentation."""
    return table[table["policy"].isin([policy, "full"])]


def studies_found() -> dict[str, pd.DataFrame]:
    """Tables of all studies of set policies that have been run, by name."""
    found = sorted((paths.outputs() / "sets").glob("*/sets.parquet"))
    return {path.parent.name: artifacts.read_table(path) for path in found}  # type: ignore[misc]


def across(
    tables: dict[str, pd.DataFrame], policy: str = "greedy_influence", than: str = "influence", share: float = 0.05
) -> pd.DataFrame:
    """Compare two policies at one share of copies with no and full augmentation, one row for each study.

    Parameters
    ----------
    tables : dict of str to DataFrame
        Tables from `studies_found`.

    Returns
    -------
    DataFrame
        Text, in percent: accuracies of none, `than`, `policy`, full; the paired gain and the gap to full; the smallest
        shares within 0.1 of full; replicates.
    """
    rows = {
        name: _row(table, policy, than, share) for name, table in tables.items() if _has(table, policy, than, share)
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _has(table, policy, than, share):
    there = set(table.loc[table["share"] == share, "policy"])
    return {policy, than} <= there


def _row(table, policy, than, share):
    accuracy, gain, gap = by_share(table), gains(table, than), below_full(table)
    reached = enough_share(table)
    return {
        "none": _text(accuracy.loc[("none", 0.0)]),  # type: ignore[index]
        than: _text(accuracy.loc[(than, share)]),
        policy: _text(accuracy.loc[(policy, share)]),
        "full": _text(accuracy.loc[("full", 1.0)]),  # type: ignore[index]
        "gain": _text(gain.loc[(policy, share)], signed=True),
        "below full": _text(gap.loc[(policy, share)], signed=True),
        f"enough, {than}": share_text(reached[than]),
        f"enough, {policy}": share_text(reached[policy]),
        "replicates": int(accuracy.loc[("full", 1.0), "seeds"]),  # type: ignore[arg-type]
    }


def _text(row, digits=2, signed=False):
    text = percent(row["mean"], row["half_width"], digits)
    return f"+{text}" if signed and row["mean"] >= 0 else text


def about(study: SetStudy) -> str:
    """Title, classes and note of a page's data, as Markdown."""
    base = study.base()
    errors = f", {study.wrong_labels:.0%} of the training labels wrong" if study.wrong_labels else ""
    rare = "" if study.rare_class is None else f", class {study.rare_class} with {study.rare_share:.0%} of its points"
    dataset = base.load_data()
    names = base.split_of(dataset, 0).class_names
    classes = markdown_text(" against ".join(names)) if len(names) == 2 else f"{len(names)} classes"
    title, note = title_and_note(dataset.provenance)
    return f"**{title}, {classes}, {base.transformation_words}, frozen features{errors}{rare}.** {note}"


def caption(study: SetStudy, table: pd.DataFrame) -> str:
    """Caption of the figure of accuracies, as Markdown."""
    base, replicates = study.base(), table["replicate"].nunique()
    copies = int(table.loc[table["policy"] == "full", "added"].max())
    return (
        f"*Test accuracy, originals and copies together, against the share of the {copies:,} copies of the training "
        f"points that are added. Lines are means over {replicates} replicates, bands 95% intervals (Student's t); "
        f"logistic regression with C = {study.C:g} on the features of "
        f"{markdown_text(base.trained_network.stem if base.trained_network else base.network)}.*"
    )


def meanings(policies: Iterable[str]) -> Styler:
    """Table of the policies' meanings, one row for each policy, without columns that say nothing of any."""
    rows = pd.DataFrame.from_dict({name: _meaning(name) for name in policies}, orient="index")
    told = [column for column in rows if rows[column].ne("").any()]
    return styled(rows[told]).set_properties(**{"text-align": "left"})  # type: ignore[arg-type]


def _meaning(name):
    policy, balanced = policy_of(name)
    turns = ", the classes taking turns" if balanced else ""
    whose = "Kuchnik & Smith, 2019" if policy.source else policy.paper
    return {"adds": policy.meaning + turns, "of": whose, "reads; takes": policy.cost}


def retrained(table: pd.DataFrame) -> pd.DataFrame:
    """Retrained networks' accuracies and paired differences from the paper's influence and full augmentation, as text.

    Parameters
    ----------
    table : DataFrame
        Table from `studies.copies.retrained.retrained_table`.
    """
    wide = table.pivot(index="replicate", columns="policy", values="accuracy")
    rows = {}
    for policy in table["policy"].unique():
        rows[policy] = {"copies added": int(table.loc[table["policy"] == policy, "added"].mean())}
        rows[policy]["accuracy (%)"] = _text(_interval(wide[policy]))
        for other in [name for name in ("influence", "full") if name in wide]:
            gap = _text(_interval(wide[policy] - wide[other]), signed=True)
            rows[policy][f"less {other}"] = gap if policy != other else ""  # type: ignore[assignment]
        rows[policy]["replicates"] = len(wide)
    return pd.DataFrame.from_dict(rows, orient="index")


def _interval(values):
    mean, half_width = mean_interval(values)
    return {"mean": mean, "half_width": half_width}


def alike(study: SetStudy) -> dict[str, pd.DataFrame]:
    """Tables of the studies that differ from one only in the transformation, by transformation.

    Parameters
    ----------
    study : SetStudy

    Returns
    -------
    dict of str to DataFrame
    """
    found = {}
    for name, table in studies_found().items():
        path = paths.PARAMS / "sets" / f"{name}.yaml"
        other = type(study).read(path) if path.exists() else None
        if other is not None and _apart_from_transformation(other) == _apart_from_transformation(study):
            found[other.base().transformation_words] = table
    return found


def _apart_from_transformation(study):
    base = study.base()
    chosen = study.model_dump(include={"C", "wrong_labels", "rare_class"})
    return chosen, base.dataset, base.classes, base.network
