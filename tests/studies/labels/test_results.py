"""The page on doubtful labels: wrong labels as they are said to be, measures against scikit-learn's, and tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from influaug import label_issues
from influaug.errors import InputError
from studies.labels import page, results
from studies.labels.parameters import LabelStudy, wrong_labels
from studies.storage import paths

SMALL = {"labels": "small", "n_train": 120, "n_test": 40, "components": 6, "classes": [3, 8], "replicates": 2}


@pytest.fixture(scope="module")
def study():
    return LabelStudy(policies=["influence"], **SMALL)


@pytest.fixture(scope="module")
def tables(study, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFLUAUG_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        yield results.tables(study)


def test_the_committed_parameters_name_every_one():
    for name in ("digits", "mnist", "mnist-ten"):
        path = paths.PARAMS / "labels" / f"{name}.yaml"
        lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
        assert [line.split(":")[0] for line in lines] == list(LabelStudy.model_fields)
        assert all("  # " in line for line in lines)
        assert LabelStudy.read(path).folder == paths.outputs() / "labels" / name
    assert LabelStudy.read(paths.PARAMS / "labels" / "digits.yaml") == LabelStudy()


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"shares": [0.5]}, "shares: must be above 0 and at most 0.25"),
        ({"noises": ["pairs"]}, "uniform"),
        ({"policies": ["greedy"]}, "greedy_influence"),
        ({"features": "raw"}, "pixels"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(wrong, right):
    with pytest.raises(InputError, match=right):
        LabelStudy.of(wrong)


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_wrong_labels_are_as_many_and_of_the_kind_that_was_asked_for(n_classes):
    right = np.arange(400) % n_classes
    for share in (0.05, 0.1):
        made, wrong = wrong_labels(right, "uniform", share, np.random.default_rng(0))
        assert wrong.sum() == round(400 * share)
        np.testing.assert_array_equal(made != right, wrong)
        assert made.min() >= 0 and made.max() < n_classes
        made, wrong = wrong_labels(right, "one_way", share, np.random.default_rng(0))
        assert wrong.sum() == round(400 * share)
        assert (right[wrong] % 2 == 0).all() and (made[wrong] == right[wrong] + 1).all()
        np.testing.assert_array_equal(made != right, wrong)


def test_half_of_a_class_keeps_its_label():
    right = np.repeat([0, 1], [10, 390])
    _, wrong = wrong_labels(right, "one_way", 0.2, np.random.default_rng(0))
    assert wrong.sum() == 5


def test_measures_are_scikit_learns():
    rng = np.random.default_rng(0)
    wrong = rng.random(200) < 0.1
    doubt = wrong + rng.normal(size=200)
    found = results.measured(doubt, doubt > 1, wrong)
    assert found["auc"] == roc_auc_score(wrong, doubt)
    assert found["average"] == average_precision_score(wrong, doubt)
    k = wrong.sum()
    assert found["at_k"] == wrong[np.argsort(-doubt)[:k]].mean()
    assert found["precision"] == wrong[doubt > 1].mean() and found["recall"] == (doubt > 1)[wrong].mean()
    ranked = wrong[np.argsort(-doubt)]
    by_hand = max(ranked[:m].mean() for m in range(1, 201) if ranked[:m].sum() == k)
    assert found["precision_1.0"] == pytest.approx(by_hand)
    assert np.isnan(results.measured(doubt, None, wrong)["recall"])


def test_the_default_of_the_library_is_the_one_named(study):
    found = study.points(0)
    given, _ = results.noisy(study, found, 0)
    by = results.found_by(found.x, given, 3, 10.0)
    issues = label_issues(found.x, given, random_state=3)
    np.testing.assert_array_equal(by[results.OURS][0], -issues.scores)
    np.testing.assert_array_equal(by[results.OURS][1], issues.mask)
    assert set(by) == set(results.METHODS)


def test_the_tables_hold_every_case_and_are_kept(study, tables):
    detection, choice = tables
    assert len(detection) == 2 * 2 * len(results.METHODS) and len(choice) == 2 * 2 * 4
    assert set(choice["policy"]) == {"none", "influence", "influence_guarded", "full"}
    assert detection["auc"].between(0, 1).all()
    wrong = choice.groupby("policy")["wrong"].mean()
    assert wrong["influence_guarded"] < wrong["influence"]
    assert wrong["full"] == pytest.approx(0.1)


def test_pages_have_tables_and_figures(study, tables):
    detection, choice = tables
    rows = page.detection_table(detection)
    assert len(rows) == 2 * len(results.METHODS) and rows.loc[:, "ROC area"].str.contains("±").all()
    assert "label_issues" in " ".join(map(str, rows.index))
    assert page.differences(detection).shape == (len(results.METHODS) - 2, 2)
    assert list(page.gains(choice).index) == ["points of highest influence (paper)"]
    assert "no copies" in page.choice_table(choice).index
    _, axes = plt.subplots(1, 2)
    page.curves(axes, detection)
    assert {line.get_label() for line in axes[0].lines} == {results.METHODS[name] for name in page.COLOURS}
    found = study.points(0)
    given, wrong = results.noisy(study, found, 0)
    issues = label_issues(found.x, given)
    _, grid = plt.subplots(3, 10)
    page.faces(grid, found, given, issues, wrong)
    first = issues.indices[0]
    labels = [found.names[label] for label in (given[first], issues.suggested[first])]
    assert grid[0, 0].get_title() == " → ".join(labels)
    assert "labels are wrong" in page.counted(issues, wrong, 30)
    plt.close("all")


def test_paired_differences_are_of_replicates():
    rows = [
        {"noise": "uniform", "share": 0.1, "replicate": r, "method": m, "average": 0.5 + 0.1 * (m == results.OURS) + r}
        for r in (0, 1, 2)
        for m in (results.OURS, "loss")
    ]
    assert page.differences(pd.DataFrame(rows)).iloc[0, 0] == "+0.100 ± 0.000"


def test_without_cleanlab_its_rows_are_missing_and_the_page_says_so(monkeypatch, study):
    monkeypatch.setattr(results, "has_cleanlab", lambda: False)
    monkeypatch.setattr(page, "has_cleanlab", lambda: False)
    found = study.points(0)
    assert not any("cleanlab" in name for name in results.found_by(found.x, found.labels, 0, 10.0))
    assert "not installed" in page.without_cleanlab()
