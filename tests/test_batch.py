import fcntl
import subprocess
import sys

import pytest

from influaug import paths
from influaug.batch import Progress, batch, main

SAID = """\
Building DAG of jobs...
Job stats:
total                  3

influaug: started a: 01_featurize
I0000 chatter of a kernel
influaug: finished a: 01_featurize; 9 s
1 of 3 steps (33%) done
influaug: started a: 02_score
influaug: failed a: 02_score; C must be a positive number, not 0.
"""


def test_progress_says_what_runs_and_how_much_is_left():
    progress = Progress()
    shown = [line for said in SAID.splitlines() if (line := progress.take(said)) is not None]
    assert shown == [
        "[  3 to go] started  a: 01_featurize",
        "[  2 to go] finished a: 01_featurize; 9 s",
        "[  2 to go] started  a: 02_score",
        "[  1 to go] failed   a: 02_score; C must be a positive number, not 0.",
    ]
    assert progress.failures == ["a: 02_score; C must be a positive number, not 0."]


def test_what_was_killed_counts_as_failed():
    progress = Progress()
    for line in SAID.splitlines()[:-1]:
        progress.take(line)
    (failed,) = progress.failed()
    assert failed.startswith("a: 02_score; it was killed before it could say why, perhaps for lack of memory")


@pytest.fixture
def held(outputs):
    """An outputs folder in which process 4321 runs a batch."""
    outputs.mkdir()
    with (outputs / ".batch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4321")
        lock.flush()
        yield outputs


def test_a_second_batch_is_refused_in_one_sentence(held, capfd):
    assert main(["digits-translate"]) == 1
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"Another batch (process 4321) is running in {held};")
    assert [path.name for path in held.iterdir()] == [".batch.lock"]


def test_an_interrupted_batch_ends_in_one_sentence(monkeypatch, capfd):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("influaug.batch.batch", interrupted)
    assert main(["digits-translate"]) == 130
    assert capfd.readouterr().err == "The batch was interrupted; the same command goes on where it was.\n"


def test_a_batch_that_cannot_start_says_where_to_look(outputs):
    shown = []
    assert batch(["no-such-study"], "1", shown.append) != 0
    assert str(outputs / "batch.log") in shown[0]
    assert "no-such-study" in (outputs / "batch.log").read_text()


def test_every_notebook_of_every_study_is_a_job_of_the_graph():
    studies = sorted(path.stem for path in paths.PARAMS.glob("*.yaml") if path.stem != "benchmark")
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--quiet", "rules", "--nolock"]
    command += ["--config", f"studies={' '.join(studies)}"]
    said = subprocess.run(command, cwd=paths.PROJECT, capture_output=True, text=True, check=True)
    stats = dict(line.split() for line in (said.stdout + said.stderr).splitlines() if len(line.split()) == 2)
    of_their_own = {"07_benchmark", "09_train_featurizer", "10_toy_influence"}
    of_their_own |= {"11_learned_augmentation", "12_transformation_models", "13_set_policies", "14_why_greedy"}
    of_their_own |= {"15_your_own_data"}
    for notebook in sorted({path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")} - of_their_own):
        overview = notebook in ("00_index", "06_figures", "08_claims")
        assert stats[notebook] == ("1" if overview else str(len(studies)))
