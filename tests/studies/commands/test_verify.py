from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from influaug.errors import InputError
from studies.commands import verify
from studies.points import stages
from studies.points.study import Study
from studies.storage import artifacts, paths

pytestmark = pytest.mark.slow

TINY = """
study: tiny
n_train: 40
network: released-cnn
epochs: 1
policies: [baseline, deterministic_proportional]
scores: [loss]
refinements: [plain]
budgets: [10, 40]
rounds: 2
replicates: 2
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with the parameters of a tiny study, and its outputs."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "params").mkdir()
    (folder / "params" / "tiny.yaml").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "PARAMS", folder / "params")
        patch.setenv("INFLUAUG_OUTPUTS", str(folder / "outputs"))
        stages.sweep(Study.read(folder / "params" / "tiny.yaml"))
    return folder


@pytest.fixture
def project(made, monkeypatch):
    monkeypatch.setattr(paths, "PARAMS", made / "params")
    monkeypatch.setenv("INFLUAUG_OUTPUTS", str(made / "outputs"))
    return made


def table(project):
    return artifacts.read_table(project / "outputs" / "tiny" / "sweep.parquet")


def test_a_study_that_is_run_again_here_gives_the_identical_table(project, capsys):
    assert verify.main(["tiny"]) == 0
    n = len(table(project))
    said = capsys.readouterr().out
    assert (
        said.startswith(f"tiny is reproduced: {n} of {n} rows are identical") and "difference of a mean is 0 p" in said
    )
    assert artifacts.read_manifest(project / "outputs" / "tiny" / "sweep.parquet")["made"] in said


def test_a_table_of_other_numbers_is_not_reproduced(project, monkeypatch, capsys):
    path = project / "outputs" / "tiny" / "sweep.parquet"
    kept, manifest, whole = table(project), artifacts.read_manifest(path), path.read_bytes()
    monkeypatch.setattr(verify, "_run", lambda _, folder: (Path(folder) / path.name).write_bytes(whole))
    artifacts.write_table(path, manifest, kept.assign(accuracy=kept["accuracy"] + 0.9))
    assert verify.main(["tiny"]) == 1
    assert "tiny is NOT reproduced: 0 of" in capsys.readouterr().out
    path.write_bytes(whole)


@pytest.mark.parametrize(("shift", "within"), [(0.9, True), (1.1, False)])
def test_a_mean_may_differ_by_the_half_width_of_its_interval(project, shift, within):
    kept = table(project)
    half = verify.with_intervals(kept, "accuracy", verify.MEAN)["half_width"].rename("half")
    moved = kept.merge(half, left_on=verify.MEAN, right_index=True)
    found = verify.compare(kept, moved.assign(accuracy=moved["accuracy"] + shift * moved["half"].fillna(0)))
    assert found["reproduced"] == within and found["worst"] == pytest.approx(shift * half.max())


def test_the_order_of_rows_does_not_matter(project):
    kept = table(project)
    found = verify.compare(kept, kept.sample(frac=1, random_state=0))
    assert found["identical"] == found["rows"] == len(kept) and found["worst"] == 0


def test_tables_of_other_curves_are_not_compared(project):
    kept = table(project)
    with pytest.raises(InputError, match="the parameters of the study have changed"):
        verify.compare(kept, kept[kept["policy"] != "baseline"])


def test_a_single_replicate_of_one_round_must_be_identical():
    row = {"replicate": 0, "score": "", "policy": "none", "update": False, "downweight": False, "round": 0, "budget": 0}
    kept = pd.DataFrame([row | {"accuracy": 0.5}])
    assert verify.compare(kept, kept)["reproduced"]
    assert not verify.compare(kept, kept.assign(accuracy=np.nextafter(0.5, 1)))["reproduced"]


@pytest.mark.parametrize(("name", "message"), [("none", "none.yaml"), ("fresh", "make study NAME=fresh")])
def test_what_cannot_be_compared_is_said_in_a_sentence(project, capsys, name, message):
    (project / "params" / "fresh.yaml").write_text(TINY.replace("tiny", "fresh"))
    assert verify.main([name]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
