"""A batch that is killed again and again, by SIGKILL at random moments, ends with the tables of an undisturbed one."""

import shutil
from subprocess import TimeoutExpired

import faulty
import numpy as np
import pytest

pytestmark = pytest.mark.faults
KILLS = 20
LONGEST = 1.5
"""Of the time until the first notebook of an undisturbed batch has ended, so that some do between the kills."""


def test_a_batch_killed_twenty_times_ends_with_the_tables_of_an_undisturbed_one(undisturbed, tmp_path):
    folder, rng = faulty.project(tmp_path / "project", "tiny"), np.random.default_rng(0)
    right, killed, said = faulty.results(undisturbed.outputs / "tiny"), 0, ""
    while killed < KILLS:
        process = faulty.start(folder, *faulty.BATCH)
        try:
            process.wait(undisturbed.first * rng.uniform(0.01, LONGEST))
            done_well(folder, process, right)
            shutil.rmtree(folder / "outputs")
        except TimeoutExpired:
            said += faulty.kill(process)
            killed += 1
            faulty.wait_until_free(folder / "outputs")
    assert "started" in said and "finished" in said
    done_well(folder, faulty.start(folder, *faulty.BATCH), right)
    status, said = faulty.finished(faulty.start(folder, *faulty.BATCH))
    assert status == 0 and "started" not in said


def done_well(folder, process, right):
    status, said = faulty.finished(process)
    assert status == 0, said
    assert faulty.differing(faulty.results(folder / "outputs" / "tiny"), right) == []
