"""The papers' own numbers, beside ours where both are of the same problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from influaug.data.sources import CIFAR10_CLASSES, NORB_CLASSES
from influaug.errors import InputError

from ..storage import paths
from .summary import CURVE, area_under_curve, curves_only, with_intervals

if TYPE_CHECKING:
    from influaug.data.datasets import Classes

    from .study import Study


class Problem(NamedTuple):
    """A problem that numbers were published for.

    Attributes
    ----------
    dataset : str
        Its name in the published tables.
    names : tuple of str
        All classes of the data set, in order.
    classes : tuple of str
        The two that are told apart; either may be label 0.
    networks : tuple of str
        Kinds of network that the numbers may be of: frozen, or retrained as points are augmented.
    """

    dataset: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    networks: tuple[str, ...]


DIGITS = tuple(map(str, range(10)))
PROBLEMS = {
    "mnist": Problem("mnist", DIGITS, ("3", "8"), ("frozen", "retrained")),
    "cifar10": Problem("cifar10", CIFAR10_CLASSES, ("airplane", "automobile"), ("frozen",)),
    "small-norb": Problem("norb", NORB_CLASSES, ("animal", "human"), ("frozen",)),
}
"""Problems of Kuchnik & Smith (2019) by our name of the data set.

The classes are from appendix B ("Datasets"), the networks from section 5 and appendix B ("Models"). Features of
CIFAR-10 and NORB are of frozen networks. Those of MNIST were generated once, and also anew as points were augmented;
the tables do not say which of the two they are of (the released code trains anew).
"""
TRANSFORMATIONS = ("translate", "rotate", "crop")
LEE_PROBLEMS = {
    "mnist": (DIGITS, 60_000),
    "cifar10": (CIFAR10_CLASSES, 50_000),
    "cifar100": (tuple(map(str, range(100))), 50_000),
}
"""Problems of Lee et al. (2020), tables 1 and 2 (sections 5.1 and 5.2): all classes, and a share of so many labels."""
LEE_NETWORKS = {
    "wrn-28-10": "Wide-ResNet-28-10",
    "shake-shake-26-2x96d": "Shake-Shake (26 2x96d)",
    "pyramidnet-272-shakedrop": "PyramidNet+ShakeDrop",
}
"""Networks of their table 2 by our name; everything else stands beside table 1."""

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


def table_1_of(study: Study) -> dict[tuple[str, int], float]:
    """Table 1 of Kuchnik & Smith (2019) for a study's own problem: accuracy in percent by (policy, percent_augmented).

    It is empty for other problems (see `departures`), and for other transformations than translate.
    """
    rows = _of_problem(table_1().assign(transformation="translate"), study)
    return dict(
        zip(zip(rows["policy"], rows["percent_augmented"], strict=True), rows["test_accuracy_percent"], strict=True)
    )


def groups_of(classes: Classes | None, names: tuple[str, ...]) -> frozenset[frozenset[str]]:
    """The classes of a problem by name, without an order: a set of sets, in which merged classes are together.

    Parameters
    ----------
    classes : list, optional
        As in `influaug.data.datasets.split`; None for all.
    names : tuple of str
        All classes of the data set, by number.
    """
    numbered = dict(enumerate(names))
    items = [item if isinstance(item, list) else [item] for item in (names if classes is None else classes)]
    return frozenset(frozenset(str(numbered.get(c, c)) for c in item) for item in items)  # type: ignore[arg-type]


def departures(study: Study) -> list[str]:
    """In what a study's problem is not the paper's, a few words each; nothing if the published numbers are of it."""
    problem = PROBLEMS.get(study.dataset)
    if problem is None:
        return ["data that the paper does not have"]
    found = []
    if groups_of(study.classes, problem.names) != groups_of(list(problem.classes), problem.names):
        found.append(f"{class_words(study)} in place of {' against '.join(problem.classes)}")
    if study.featurizer not in problem.networks:
        found.append(f"a {study.featurizer} network in place of a {' or '.join(problem.networks)} one")
    chosen = study.transformation_words
    if chosen not in TRANSFORMATIONS:
        return [*found, f"{chosen} in place of {', '.join(TRANSFORMATIONS[:-1])} or {TRANSFORMATIONS[-1]}"]
    default = study.model_copy(update={"transformation": chosen, "magnitudes": None})
    if study.augmentation().labels != default.augmentation().labels:
        found.append(f"magnitudes of {chosen} other than the paper's")
    return found


def class_words(study: Study) -> str:
    """Classes of a study in words."""
    if study.classes is None:
        return "all classes"
    return " against ".join("+".join(map(str, c)) if isinstance(c, list) else str(c) for c in study.classes)


def differences(studies: dict[str, Study]) -> str:
    """Why some studies have no published counterpart, in a sentence of plain text; empty if all have one."""
    found = {name: departures(study) for name, study in studies.items()}
    reasons = "; ".join(f"{name}: {', '.join(words)}" for name, words in found.items() if words)
    return f"Without a published counterpart, because the problem is another: {reasons}." if reasons else ""


def _of_problem(table, study):
    """Rows of a published table that are of a study's problem; none if the paper does not have it."""
    if departures(study):
        return table.iloc[:0]
    same = table["dataset"] == PROBLEMS[study.dataset].dataset
    return table[same & (table["transformation"] == study.transformation_words)]


def compare_auc(sweep: pd.DataFrame, study: Study) -> pd.DataFrame:
    """A study's areas under the curve beside the published ones, scaled to the paper's 1000 points.

    Parameters
    ----------
    sweep : DataFrame
        One study's sweep table.
    study : Study
        Its parameters.

    Returns
    -------
    DataFrame
        Columns *CURVE, ours, half_width, seeds, published, published_std, difference. The paper's columns are NaN for
        curves, and for problems (see `departures`), that it does not have.
    """
    to_paper = 1000 / sweep["budget"].max()
    areas = area_under_curve(sweep)
    ours = with_intervals(areas.assign(auc=areas["auc"] * to_paper), "auc", CURVE).reset_index()
    ours = ours.rename(columns={"mean": "ours"})[[*CURVE, "ours", "half_width", "seeds"]]
    theirs = _of_problem(auc_table(), study)[[*CURVE, "published", "published_std"]]
    joined = ours.merge(theirs, on=CURVE, how="left")
    return joined.assign(difference=joined["ours"] - joined["published"])


def compare_table_1(sweep: pd.DataFrame, study: Study) -> pd.DataFrame:
    """A study's row of table 1, beside the paper's: accuracy in percent at 0, 5, 10, 25 and 100% of the points.

    ``best_policy`` is, as in the paper, the policy that is best at that budget on the test set, which flatters it;
    ``influence, random, proportional`` is one policy fixed beforehand (of another score if the study has no influence).
    The paper's table is of translations only; beside other transformations and problems (see `departures`) its columns
    are NaN.

    Parameters
    ----------
    sweep : DataFrame
        One study's sweep table.
    study : Study
        Its parameters.

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
    theirs = _of_problem(table_1().assign(transformation="translate"), study)
    theirs = theirs.drop(columns=["dataset", "transformation"])
    joined = table.merge(theirs, on=["policy", "percent_augmented"], how="left")
    joined = joined.rename(columns={"test_accuracy_percent": "published"})
    columns = ["policy", "percent_augmented", "ours", "half_width", "seeds", "published"]
    joined = joined.assign(difference=joined["ours"] - joined["published"])[[*columns, "difference"]]
    return joined.sort_values(["percent_augmented", "policy"], ignore_index=True)


def lee_tables() -> pd.DataFrame:
    """Lee et al. (2020), tables 1 to 4 and ablations: table, dataset, percent_labels, model, method, metric, value."""
    return _read("lee_2020_tables.csv", LEE)


class Errors(NamedTuple):
    """Test errors of one network on one problem.

    Attributes
    ----------
    table, network : str
        Of the table that they are from, and of the network that made them; empty without any.
    by_method : dict of str to float
        In percent.
    """

    table: str
    network: str
    by_method: dict[str, float]


def lee_errors(dataset: str, classes: Classes | None, n_train: int | None, n_all: int, classifier: str) -> Errors:
    """Test errors of Lee et al. (2020), tables 1 and 2, for the same classes and number of labels.

    Parameters
    ----------
    dataset : str
    classes : list, optional
        As in `influaug.data.datasets.split`; None for all.
    n_train : int, optional
        Labelled images; None for all.
    n_all : int
        Labelled images of the whole data set.
    classifier : str
        A network of `LEE_NETWORKS` has table 2, others table 1, of whatever network that is.

    Returns
    -------
    Errors
        Empty if they have no such row.
    """
    names, all_labels = LEE_PROBLEMS.get(dataset, ((), 0))
    if not names or groups_of(classes, names) != groups_of(None, names):
        return Errors("", "", {})
    rows = lee_tables()
    rows = rows[(rows["dataset"] == dataset) & (rows["percent_labels"] * all_labels == 100 * (n_train or n_all))]
    network = LEE_NETWORKS.get(classifier)
    rows = rows[rows["table"] == "1"] if network is None else rows[(rows["table"] == "2") & (rows["model"] == network)]
    if rows.empty:
        return Errors("", "", {})
    by_method = dict(zip(rows["method"], rows["value"], strict=True))
    return Errors(rows["table"].iloc[0], rows["model"].iloc[0], by_method)


def lee_costs() -> dict[tuple[str, str], float]:
    """Their table 4: GPU hours (Titan X Pascal) by (dataset, method)."""
    rows = lee_tables().query("table == '4'")
    return dict(zip(zip(rows["dataset"], rows["method"], strict=True), rows["value"], strict=True))
