"""The paper's numbers are all there, and stand beside the right ones of ours."""

import numpy as np
import pandas as pd
import pytest

from influaug.errors import InputError
from influaug.selection.point_policies import POINT_POLICIES
from studies.intervals import mean_interval
from studies.points import published
from studies.points.study import Study
from studies.points.summary import CURVE
from studies.points.sweep import REFINEMENTS
from studies.storage import paths

# policy, score, accuracies at 5, 10, 25, 50 and 100 points of 100, in each of two replicates
CURVES = [
    ("baseline", "loss", ([0.80, 0.82, 0.84, 0.86, 0.90], [0.82, 0.84, 0.86, 0.88, 0.92])),
    ("baseline", "influence", ([0.80, 0.82, 0.84, 0.86, 0.90], [0.82, 0.84, 0.86, 0.88, 0.92])),
    ("random_proportional", "loss", ([0.81, 0.87, 0.88, 0.89, 0.90], [0.83, 0.89, 0.90, 0.91, 0.92])),
    ("random_proportional", "influence", ([0.84, 0.85, 0.86, 0.88, 0.90], [0.88, 0.87, 0.88, 0.90, 0.92])),
    ("deterministic_proportional", "loss", ([0.70, 0.71, 0.89, 0.89, 0.90], [0.72, 0.73, 0.93, 0.93, 0.92])),
]
BUDGETS = [5, 10, 25, 50, 100]


def hand_made(dataset="mnist", transformation="translate", scores=("loss", "influence")):
    rows = []
    for r, (none, full) in enumerate([(0.70, 0.90), (0.74, 0.92)]):
        rows += [(r, "", "none", False, False, 0, 0, none), (r, "", "full", False, False, 0, 100, full)]
        for policy, score, accuracies in CURVES:
            points = zip(BUDGETS, accuracies[r], strict=True)
            rows += [(r, score, policy, False, False, 0, budget, a) for budget, a in points if score in scores]
            rows += [(r, score, policy, False, True, 0, budget, 0.99) for budget in BUDGETS if score in scores]
    table = pd.DataFrame(rows, columns=["replicate", *CURVE, "round", "budget", "accuracy"])
    return table.assign(dataset=dataset, transformation=transformation)


CLASSES = {"mnist": [3, 8], "cifar10": ["airplane", "automobile"], "small-norb": ["animal", "human"]}


def study_of(dataset="mnist", transformation="translate", **more):
    """A study of the paper's problem, or of another one."""
    return Study(**{"dataset": dataset, "classes": CLASSES.get(dataset), "transformation": transformation} | more)


def test_tables_3_to_20_are_complete():
    table = published.auc_table()
    assert len(table) == 198 and table["table"].value_counts().to_dict() == dict.fromkeys(range(3, 21), 11)
    whole = table.groupby("table")[["dataset", "transformation", "score"]].agg(lambda values: values.unique().tolist())
    assert all(len(cell) == 1 for row in whole.to_numpy() for cell in row)
    assert len({tuple(map(tuple, row)) for row in whole.to_numpy()}) == 18
    assert not table.duplicated(["dataset", "transformation", *CURVE]).any()
    curves = table.groupby("table")[["policy", "update", "downweight"]].apply(
        lambda t: frozenset(t.itertuples(index=False, name=None))
    )
    assert curves.nunique() == 1
    assert table["published"].between(880, 1000).all()
    deterministic = table["policy"].str.startswith("deterministic")
    assert table.loc[deterministic, "published_std"].isna().all()
    assert table.loc[~deterministic, "published_std"].notna().all()


def test_numbers_are_the_papers():
    """A few of them, read off the paper by eye."""
    table = published.auc_table().set_index(["dataset", "transformation", *CURVE])["published"]
    assert table["mnist", "translate", "influence", "random_proportional", False, False] == 995.358
    assert table["mnist", "translate", "loss", "baseline", False, False] == 993.599
    assert table["mnist", "crop", "influence", "deterministic_inverse_proportional", False, False] == 982.945
    assert table["norb", "rotate", "influence", "random_proportional", True, True] == 953.593
    assert table["cifar10", "crop", "influence", "deterministic_proportional", False, True] == 964.369


def test_table_1_is_complete():
    table = published.table_1()
    assert len(table) == 24 and set(table["dataset"]) == {"mnist", "cifar10", "norb"}
    columns = {("none", 0), ("full", 100), *((who, p) for who in ("random", "best_policy") for p in (5, 10, 25))}
    for _, rows in table.groupby("dataset"):
        assert set(rows[["policy", "percent_augmented"]].itertuples(index=False, name=None)) == columns
    assert table["test_accuracy_percent"].between(87, 100).all()


def test_names_are_ours():
    table = published.auc_table()
    assert set(table["policy"]) <= set(POINT_POLICIES)
    assert set(table["score"]) == {"loss", "influence"}
    assert set(table[["update", "downweight"]].itertuples(index=False, name=None)) <= set(REFINEMENTS.values())
    theirs = {problem.dataset for problem in published.PROBLEMS.values()}
    assert set(table["dataset"]) == theirs == set(published.table_1()["dataset"])
    assert set(table["transformation"]) == set(published.TRANSFORMATIONS)
    for dataset in published.PROBLEMS:
        for transformation in table["transformation"].unique():
            assert len(Study(dataset=dataset, transformation=transformation).augmentation()) > 0


def test_areas_stand_beside_the_papers_of_the_same_curve():
    comparison = published.compare_auc(hand_made(), study_of()).set_index(CURVE)
    assert len(comparison) == 2 * len(CURVES)
    row = comparison.loc[("influence", "random_proportional", False, False)]
    areas = [
        1000 / 100 * np.trapezoid([none, *accuracies], [0, *BUDGETS])
        for none, accuracies in zip((0.70, 0.74), CURVES[3][2], strict=True)
    ]
    assert (row["ours"], row["half_width"]) == pytest.approx(mean_interval(areas))
    assert (row["seeds"], row["published"], row["published_std"]) == (2, 995.358, 0.148)
    assert row["difference"] == pytest.approx(np.mean(areas) - 995.358)
    assert comparison.loc[("loss", "random_proportional", False, True), "published"] == 995.153
    assert comparison.loc[("loss", "baseline", False, False), "published"] == 993.599
    assert np.isnan(comparison.loc[("loss", "baseline", False, True), "published"])


@pytest.mark.parametrize(
    ("dataset", "transformation", "area"),
    [("mnist", "crop", 992.996), ("small-norb", "translate", 887.545), ("cifar10", "rotate", 973.011)],
)
def test_areas_are_of_the_same_data_and_transformation(dataset, transformation, area):
    comparison = published.compare_auc(hand_made(dataset, transformation), study_of(dataset, transformation)).set_index(
        CURVE
    )
    assert comparison.loc[("influence", "baseline", False, False), "published"] == area


@pytest.mark.parametrize("compare", [published.compare_auc, published.compare_table_1])
def test_digits_have_no_published_numbers(compare):
    comparison = compare(hand_made("digits"), Study())
    assert len(comparison) and comparison[["published", "difference"]].isna().all(axis=None)
    assert comparison["ours"].notna().all()


OTHER_PROBLEMS = [
    ({"classes": None}, "all classes in place of 3 against 8"),
    ({"classes": [4, 9]}, "4 against 9 in place of 3 against 8"),
    ({"classes": [3, 8, 9]}, "3 against 8 against 9"),
    ({"classes": [[3, 5], 8]}, "3+5 against 8"),
    ({"classes": [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]}, "0+2+4+6+8 against"),
    ({"classes": [[3, 8], 1]}, "3+8 against 1"),
    ({"magnitudes": [5.0]}, "magnitudes of translate"),
    ({"transformation": {"rotate": [5]}}, "magnitudes of rotate"),
    ({"transformation": ["rotate", "shear"]}, "rotate + shear in place of translate, rotate or crop"),
    ({"dataset": "cifar10", "classes": [3, 8]}, "3 against 8 in place of airplane against automobile"),
    ({"dataset": "cifar10", "classes": ["automobile", "truck"]}, "automobile against truck"),
    ({"dataset": "cifar10", "classes": [0, 1], "featurizer": "retrained"}, "a retrained network in place of a frozen"),
    ({"dataset": "small-norb", "classes": ["plane", "car"]}, "plane against car in place of animal against human"),
    ({"dataset": "mnist.npz"}, "data that the paper does not have"),
]


@pytest.mark.parametrize(("given", "said"), OTHER_PROBLEMS)
@pytest.mark.parametrize("compare", [published.compare_auc, published.compare_table_1])
def test_another_problem_has_no_published_numbers_and_the_page_says_why(compare, given, said):
    study = study_of(**given)
    comparison = compare(hand_made(study.dataset), study)
    assert len(comparison) and comparison[["published", "difference"]].isna().all(axis=None)
    assert f"mine: {said}" in published.differences({"theirs": study_of(), "mine": study})
    assert "theirs" not in published.differences({"theirs": study_of(), "mine": study})


@pytest.mark.parametrize(
    "given",
    [
        {"classes": [8, 3]},
        {"classes": ["3", "8"]},
        {"classes": [[3], [8]]},
        {"featurizer": "retrained", "directions": "diagonal"},
        {"magnitudes": [2.0]},
        {"dataset": "cifar10", "classes": [1, 0]},
        {"dataset": "cifar10", "classes": ["automobile", 0]},
        {"dataset": "small-norb", "classes": ["human", "animal"]},
    ],
)
def test_the_same_problem_in_other_words_has_the_papers_numbers(given):
    study = study_of(**given)
    assert published.differences({"mine": study}) == ""
    assert published.compare_auc(hand_made(study.dataset), study)["published"].notna().any()
    assert published.compare_table_1(hand_made(study.dataset), study)["published"].notna().any()


@pytest.mark.parametrize(
    ("dataset", "classes", "n_train", "n_all", "proposed"),
    [
        ("cifar100", None, None, 50_000, 29.6),
        ("cifar100", list(range(99)), None, 50_000, None),
        ("mnist", None, 600, 60_000, 3.1),
        ("mnist", list(range(9, -1, -1)), 6000, 60_000, 0.8),
        ("cifar10", None, 5000, 50_000, 17.7),
        ("cifar10", None, None, 50_000, 5.2),
        ("mnist", [3, 8], 600, 60_000, None),
        ("mnist", [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]], 600, 60_000, None),
        ("mnist", None, 620, 60_000, None),
        ("mnist", None, 10, 1000, None),
        ("mnist", None, None, 600, 3.1),
        ("digits", None, 100, 1000, None),
    ],
)
def test_errors_of_lee_et_al_are_of_all_classes_and_as_many_labels(dataset, classes, n_train, n_all, proposed):
    errors = published.lee_errors(dataset, classes, n_train, n_all, "all-cnn")
    assert errors.by_method.get("proposed") == proposed
    assert errors.table == ("1" if proposed else "") and bool(errors.network) == bool(proposed)


@pytest.mark.parametrize(
    ("dataset", "classifier", "errors"),
    [
        ("cifar10", "wrn-28-10", (3.9, 3.1, 2.6, 2.8)),
        ("cifar10", "pyramidnet-272-shakedrop", (2.7, 2.3, 1.5, 1.7)),
        ("cifar100", "shake-shake-26-2x96d", (17.1, 16.0, 14.3, 14.6)),
        ("mnist", "wrn-28-10", ()),
    ],
)
def test_the_networks_of_table_2_have_its_errors(dataset, classifier, errors):
    found = published.lee_errors(dataset, None, None, {"mnist": 60_000}.get(dataset, 50_000), classifier)
    assert tuple(found.by_method.values()) == errors
    assert list(found.by_method) == (["baseline", "cutout", "autoaugment", "proposed"] if errors else [])
    assert not published.lee_errors(dataset, None, 5000, 50_000, classifier).by_method


def test_table_1_stands_beside_the_papers():
    """Best and fixed policies of the hand-made sweep, read off `CURVES`."""
    fixed = "influence, random, proportional"
    expected = {
        ("none", 0): (72, 93.2),
        ("random", 5): (81, 99.0),
        ("random", 10): (83, 99.3),
        ("random", 25): (85, 99.5),
        ("best_policy", 5): (86, 99.7),
        ("best_policy", 10): (88, 99.8),
        ("best_policy", 25): (91, 99.7),
        (fixed, 5): (86, np.nan),
        (fixed, 10): (86, np.nan),
        (fixed, 25): (87, np.nan),
        ("full", 100): (91, 99.6),
    }
    comparison = published.compare_table_1(hand_made(), study_of())
    found = comparison.set_index(["policy", "percent_augmented"])
    assert set(found.index) == set(expected) and len(found) == len(expected)
    for key, (ours, theirs) in expected.items():
        assert tuple(found.loc[key, ["ours", "published"]]) == pytest.approx((ours, theirs), nan_ok=True)
        assert found.loc[key, "difference"] == pytest.approx(ours - theirs, nan_ok=True)
    assert found.loc[("random", 5), "half_width"] == pytest.approx(mean_interval([80, 82])[1])
    assert set(found["seeds"]) == {2}
    assert comparison["percent_augmented"].is_monotonic_increasing


def test_table_1_is_of_translations_alone():
    comparison = published.compare_table_1(hand_made(transformation="rotate"), study_of(transformation="rotate"))
    assert comparison["published"].isna().all() and comparison["ours"].notna().all()


def test_table_1_without_influence_names_the_score_it_has():
    comparison = published.compare_table_1(hand_made(scores=["loss"]), study_of())
    fixed = comparison[comparison["policy"] == "loss, random, proportional"]
    assert fixed["ours"].tolist() == pytest.approx([82, 88, 89])


def test_table_1_of_a_study_of_random_points_alone():
    sweep = hand_made()
    comparison = published.compare_table_1(sweep[sweep["policy"].isin(["none", "full", "baseline"])], study_of())
    assert set(comparison["policy"]) == {"none", "full", "random"}


def test_curves_that_stop_early_have_no_area_but_a_place_in_table_1():
    sweep = hand_made()
    sweep = sweep[(sweep["budget"] <= 25) | (sweep["policy"] == "full")]
    comparison = published.compare_auc(sweep, study_of())
    assert comparison.empty and {"ours", "published", "difference"} <= set(comparison.columns)
    assert len(published.compare_table_1(sweep, study_of())) == 11


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace("auc_mean", "mean", 1), "its columns are table, dataset"),
        (lambda text: text.replace("995.442", "high", 1), "high"),
        (lambda text: text[: len(text) // 2], "column 5"),
        (lambda text: text + '"' + "x" * 1000, "EOF inside string"),
        (lambda text: "", "No columns"),
    ],
)
def test_a_damaged_table_of_published_numbers_is_named(tmp_path, monkeypatch, damage, said):
    name = "kuchnik_smith_2019_auc.csv"
    text = (paths.PUBLISHED / name).read_text("utf-8")
    (tmp_path / name).write_text(damage(text), "utf-8")
    monkeypatch.setattr(paths, "PUBLISHED", tmp_path)
    with pytest.raises(InputError, match=f"{name} is not a table of published numbers: .*({said})"):
        published.auc_table()
