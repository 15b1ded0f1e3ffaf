"""Two batches, or two runs, at once in one outputs folder."""

import shutil

import faulty
import pytest

pytestmark = pytest.mark.faults


def test_a_second_batch_is_refused_and_the_first_goes_on(undisturbed, tmp_path):
    folder = faulty.project(tmp_path / "project", "tiny")
    shutil.copytree(undisturbed.outputs / "tiny" / "features", folder / "outputs" / "tiny" / "features")
    first = faulty.start(folder, *faulty.BATCH)
    assert "started  tiny: 01_featurize" in first.stdout.readline()
    status, said = faulty.finished(faulty.start(folder, *faulty.BATCH))
    outputs = folder / "outputs"
    assert status == 1
    assert said == (
        f"Another batch (process {first.pid}) is running in {outputs}; wait until it has ended, or end it: "
        f"kill {first.pid}.\n"
    )
    assert "finished tiny: 01_featurize" in first.stdout.readline()
    faulty.kill(first)
    faulty.wait_until_free(outputs)


def test_two_runs_of_a_notebook_at_once_end_well_with_the_same_tables(undisturbed, tmp_path):
    folder = faulty.project(tmp_path / "project", "tiny")
    run = ("-m", "studies", "run", "notebooks/03_policy_sweep.ipynb", "params/tiny.yaml")
    both = [faulty.start(folder, *run) for _ in range(2)]
    for status, said in map(faulty.finished, both):
        assert status == 0 and "influaug: finished tiny: 03_policy_sweep" in said, said
    made, right = folder / "outputs" / "tiny", undisturbed.outputs / "tiny"
    tables = ("sweep.parquet",)
    assert faulty.differing(faulty.results(made, tables), faulty.results(right, tables)) == []
    assert sorted(path.name for path in (made / "notebooks").iterdir()) == ["03_policy_sweep.ipynb"]
