"""The paper's own numbers, beside ours."""

from __future__ import annotations

import pandas as pd

from influaug.errors import InputError

from ..storage import paths
from .summary import CURVE, area_under_curve, curves_only, with_intervals

DATASETS = {"mnist": "mnist", "cifar10": "cifar10", "small-norb": "norb"}

AUC = {"table": int, **dict.fromkeys(("dataset", "transformation", "score", "policy"), str)}
AUC |= {"update": int, "downweight": int, "auc_mean": float, "auc_std": float}
TABLE_1 = {"dataset": str, "policy": str, "percent_augmented": int, "test_accuracy_percent": float}
LEE = {"table": str, "dataset": str, "percent_labels": int, "model": str, "method": str, "metric": str, "value": float}
"""Columns of the files of published numbers, and what is in them."""


def _read(name, columns):
    """A file of published numbers. Raises InputError if it is damaged or has other columns."""
    path = paths.PUBLISHED / name
    try:
        table = pd.read_csv(path, dtype=columns)
        if list(table.columns) != list(columns):
            raise ValueError(f"its columns are {', '.join(table.columns)}, not {', '.join(columns)}")
    except Exception as error:  # pandas raises a different type for each way of not being a table
        raise InputError(f"{path} is not a table of published numbers: {' '.join(str(error).split())}.") from None
    return table


def auc_table() -> pd.DataFrame:
    """Kuchnik & Smith (2019), tables 3 to 20: columns table, dataset, transformation, CURVE, published and its std."""
    table = _read("kuchnik_smith_2019_auc.csv", AUC)
    table = table.rename(columns={"auc_mean": "published", "auc_std": "published_std"})
    return table.astype({"update": bool, "downweight": bool})


def table_1() -> pd.DataFrame:
    """Kuchnik & Smith (2019), table 1, translate: columns dataset, policy, percent_augmented, test_accuracy_percent."""
    return _read("kuchnik_smith_2019_table1.csv", TABLE_1)


def compare_auc(sweep: pd.DataFrame) -> pd.DataFrame:
    """A study's areas under the curve beside the published ones, scaled to the paper's 1000 points.

    Parameters
    ----------
    sweep : DataFrame
        One study's sweep table.

    Returns
    -------
    DataFrame
        Columns *CURVE, ours, half_width, seeds, published, published_std, difference. The paper's columns are NaN for
        curves, and for data sets, that it does not have.
    """
    to_paper = 1000 / sweep["budget"].max()
    areas = area_under_curve(sweep)
    ours = with_intervals(areas.assign(auc=areas["auc"] * to_paper), "auc", CURVE).reset_index()
    ours = ours.rename(columns={"mean": "ours"})[[*CURVE, "ours", "half_width", "seeds"]]
    dataset, transformation = sweep[["dataset", "transformation"]].iloc[0]
    theirs = auc_table()
    theirs = theirs[(theirs["dataset"] == DATASETS.get(dataset)) & (theirs["transformation"] == transformation)]
    joined = ours.merge(theirs[[*CURVE, "published", "published_std"]], on=CURVE, how="left")
    return joined.assign(difference=joined["ours"] - joined["published"])


def compare_table_1(sweep: pd.DataFrame) -> pd.DataFrame:
    """A study's row of table 1, beside the paper's: accuracy in percent at 0, 5, 10, 25 and 100% of the points.

    ``best_policy`` is, as in the paper, the policy that is best at that budget on the test set, which flatters it;
    ``influence, random, proportional`` is one policy fixed beforehand (of another score if the study has no influence).
    The paper's table is of translations only; beside other transformations its columns are NaN.

    Returns
    -------
    DataFrame
        Columns policy, percent_augmented, ours, half_width, seeds, published, difference.
    """
    n = sweep["budget"].max()
    plain = sweep[~sweep["update"] & ~sweep["downweight"]]
    means = with_intervals(plain.assign(accuracy=100 * plain["accuracy"]), "accuracy", ["score", "policy", "budget"])
    means = means.reset_index().rename(columns={"mean": "ours"})
    means["percent_augmented"] = (100 * means["budget"] / n).round().astype(int)
    shown = means[means["percent_augmented"].isin([5, 10, 25])]
    candidates = curves_only(shown)
    scored = candidates[candidates["policy"] != "baseline"]
    score = min(scored["score"], default="")
    best = scored.loc[scored.groupby("percent_augmented")["ours"].idxmax()]
    fixed = scored[(scored["score"] == score) & (scored["policy"] == "random_proportional")]
    baseline = candidates[candidates["policy"] == "baseline"].drop_duplicates("percent_augmented")
    named = {"random": baseline, f"{score}, random, proportional": fixed, "best_policy": best}
    references = means[means["policy"].isin(["none", "full"])]
    table = pd.concat([references, *(rows.assign(policy=name) for name, rows in named.items())])
    dataset, transformation = sweep[["dataset", "transformation"]].iloc[0]
    theirs = table_1().assign(transformation="translate")
    theirs = theirs[(theirs["dataset"] == DATASETS.get(dataset)) & (theirs["transformation"] == transformation)]
    theirs = theirs.drop(columns=["dataset", "transformation"])
    joined = table.merge(theirs, on=["policy", "percent_augmented"], how="left")
    joined = joined.rename(columns={"test_accuracy_percent": "published"})
    columns = ["policy", "percent_augmented", "ours", "half_width", "seeds", "published"]
    joined = joined.assign(difference=joined["ours"] - joined["published"])[[*columns, "difference"]]
    return joined.sort_values(["percent_augmented", "policy"], ignore_index=True)


def lee_tables() -> pd.DataFrame:
    """Lee et al. (2020), tables 1 to 4 and ablations: table, dataset, percent_labels, model, method, metric, value."""
    return _read("lee_2020_tables.csv", LEE)


def lee_table_1(dataset: str, n_train: int | None, n_all: int) -> dict[str, float]:
    """Their test errors, in percent, by method, for so many of all labels; empty if they have no such row."""
    table = lee_tables()
    percent = round(100 * (n_train or n_all) / n_all)
    rows = table[(table["table"] == "1") & (table["dataset"] == dataset) & (table["percent_labels"] == percent)]
    return dict(zip(rows["method"], rows["value"], strict=True))


def lee_costs() -> dict[tuple[str, str], float]:
    """Their table 4: GPU hours (Titan X Pascal) by (dataset, method)."""
    rows = lee_tables().query("table == '4'")
    return dict(zip(zip(rows["dataset"], rows["method"], strict=True), rows["value"], strict=True))
