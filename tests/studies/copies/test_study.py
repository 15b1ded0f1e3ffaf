import numpy as np
import pandas as pd
import pytest
import yaml

from feature_sets import feature_set
from influaug.errors import InputError
from studies.copies import study as set_study
from studies.copies.study import SetStudy, problem, table
from studies.points import stages
from studies.storage import paths

pytestmark = pytest.mark.slow

FILES = sorted((paths.PARAMS / "sets").glob("*.yaml"))
BASE = {"study": "small", "n_train": 60, "epochs": 1, "replicates": 2}
SMALL = {"sets": "small", "study": "small", "policies": ["influence", "greedy_influence"], "shares": [0.05, 0.25]}


@pytest.fixture
def params(tmp_path, monkeypatch):
    folder = tmp_path / "params"
    (folder / "sets").mkdir(parents=True)
    (folder / "small.yaml").write_text(yaml.safe_dump(BASE))
    (folder / "sets" / "small.yaml").write_text(yaml.safe_dump(SMALL))
    monkeypatch.setattr(paths, "PARAMS", folder)
    return folder


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_is_valid_named_and_explained(path):
    study = SetStudy.read(path)
    assert study.sets == path.stem
    assert study.folder == paths.outputs() / "sets" / path.stem
    study.settings().budgets(study.base().n_train * len(study.base().augmentation()))
    for name in yaml.safe_load(path.read_text()):
        line = next(line for line in path.read_text().splitlines() if line.startswith(f"{name}:"))
        assert "#" in line


def test_a_table_is_kept_replicate_by_replicate(params, monkeypatch):
    study = SetStudy.read(params / "sets" / "small.yaml")
    first = table(study)
    assert set(first["replicate"]) == {0, 1} and len(first) == 2 * (2 + 4)
    monkeypatch.setattr(set_study, "_computed", lambda *_: pytest.fail("computed again"))
    monkeypatch.setattr(stages, "features", lambda *_: pytest.fail("featurized again"))
    keys = {}
    monkeypatch.setattr(set_study, "replicate_key", lambda *given: keys[given[3]])
    for replicate in range(2):
        path = study.folder / "replicates" / f"replicate-{replicate:02d}.parquet"
        keys[replicate] = set_study.artifacts.read_manifest(path)["key"]
    pd.testing.assert_frame_equal(table(study), first)
    (study.folder / "sets.parquet").unlink()
    pd.testing.assert_frame_equal(table(study), first)


def test_other_parameters_give_other_tables(params):
    study = SetStudy.read(params / "sets" / "small.yaml")
    first, other = table(study), table(study.model_copy(update={"C": 0.1}))
    assert not np.allclose(first["accuracy"], other["accuracy"])
    noisy = table(study.model_copy(update={"wrong_labels": 0.1}))
    assert noisy["wrong"].notna().any() and first["wrong"].isna().all()


def test_problems_have_the_errors_and_the_imbalance_that_are_asked_for():
    f = feature_set(n_classes=3)
    assert problem(SetStudy(), f, 0) == (f, None)
    noisy, wrong = problem(SetStudy(wrong_labels=0.1), f, 0)
    again, _ = problem(SetStudy(wrong_labels=0.1), f, 0)
    other, _ = problem(SetStudy(wrong_labels=0.1), f, 1)
    assert wrong.sum() == 4
    np.testing.assert_array_equal(noisy.labels, again.labels)
    assert not np.array_equal(noisy.labels, other.labels)
    rare, _ = problem(SetStudy(rare_class=2), f, 0)
    assert np.bincount(rare.labels[: rare.n])[2] == max(1, round(0.1 * np.bincount(f.labels[:40])[2]))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"policies": ["luck"]}, "unknown policy of copies 'luck'"),
        ({"policies": ["influence", "influence"]}, "each policy once"),
        ({"wrong_labels": 1}, "less than 1"),
        ({"kernel": "quadratic"}, "kernel: must be one of linear, cosine, gaussian"),
        ({"policy": "influence"}, "Unknown parameter policy"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(parameters, message):
    with pytest.raises(InputError, match=message):
        SetStudy.of(parameters)


def test_the_command_computes_a_study_and_names_what_is_wrong(params, capsys):
    assert set_study.main([str(params / "sets" / "small.yaml")]) == 0
    assert (paths.outputs() / "sets" / "small" / "sets.parquet").exists()
    assert set_study.main([str(params / "sets" / "none.yaml")]) == 1
    assert "There is no study" in capsys.readouterr().err
