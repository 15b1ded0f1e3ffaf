"""A batch that is ended, by a signal or as its reader goes away, or killed by itself: nothing of it stays alive."""

import os
import signal
import time

import faulty
import psutil
import pytest

pytestmark = pytest.mark.faults
# One study fails at once, which the batch says; the kernel of the other can be killed alone.
STUBBORN = """
import os, signal, time

assert study == "other", "as it is to be"
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open("kernel", "w") as file:
    file.write(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def folder(tmp_path):
    """A project in which a batch never ends."""
    folder = faulty.project(tmp_path / "project", "tiny", "other")
    faulty.notebook(folder, "01_featurize", STUBBORN)
    return folder


def start(folder):
    """Start a batch of one study; return when its stubborn kernel runs."""
    process = faulty.start(folder, *faulty.BATCH[:-1], "other")
    while not ((folder / "outputs" / "kernel").exists() and (folder / "outputs" / "kernel").read_text()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return process


def left(folder):
    """Processes of the project's batches that are alive."""
    found = []
    for process in psutil.process_iter():
        try:
            own = process.environ().get("INFLUAUG_OUTPUTS") == str(folder / "outputs")
            found += [process.cmdline()] if own and process.status() != psutil.STATUS_ZOMBIE else []
        except psutil.Error:
            continue
    return found


def test_a_batch_that_is_asked_to_end_ends_with_its_stubborn_kernel(folder):
    process = start(folder)
    os.kill(process.pid, signal.SIGTERM)
    status, said = faulty.finished(process)
    assert status == 128 + signal.SIGTERM and "started  other: 01_featurize" in said
    assert said.endswith("The batch was ended by SIGTERM; the same command goes on where it was.\n")
    assert left(folder) == []


def test_the_next_batch_ends_what_a_killed_one_left_and_ends_as_its_own_reader_goes_away(folder):
    killed = start(folder)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert any("snakemake" in " ".join(command) for command in left(folder))
    process, ended = faulty.start(folder, *faulty.BATCH, "other"), f"Ended what an earlier batch (process {killed.pid})"
    assert process.stdout.readline() == f"{ended} had left running when it was killed.\n"
    assert "started" in process.stdout.readline()
    # The next line that it says, of the study that fails, finds no reader.
    process.stdout.close()
    assert process.wait() == 128 + signal.SIGPIPE and left(folder) == []
