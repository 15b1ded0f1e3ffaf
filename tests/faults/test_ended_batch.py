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
    faulty.notebook(folder, "01_featurize", faulty.SETUP + STUBBORN)
    return folder


def start(folder, *studies):
    """Start a batch of studies; return when the stubborn kernel runs."""
    process = faulty.start(folder, *faulty.BATCH[:-1], *studies)
    while not ((folder / "kernel").exists() and (folder / "kernel").read_text()):
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


def test_a_batch_ends_with_its_stubborn_kernel_when_it_is_asked_to_and_when_its_reader_goes_away(folder):
    process = start(folder, "other")
    os.kill(process.pid, signal.SIGTERM)
    status, said = faulty.finished(process)
    assert status == 128 + signal.SIGTERM and "started  other: 01_featurize" in said
    assert said.endswith("The batch was ended by SIGTERM; the same command goes on where it was.\n")
    assert left(folder) == []
    (folder / "kernel").unlink()
    # As its first line is read and the pipe closed, the next one that it says ends it.
    process = faulty.start(folder, *faulty.BATCH[:-1], "other", "tiny")
    assert "started" in process.stdout.readline()
    process.stdout.close()
    assert process.wait() == 128 + signal.SIGPIPE and left(folder) == []


def test_the_next_batch_ends_what_one_that_was_killed_alone_left_and_goes_on(folder):
    killed = start(folder, "other")
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    kernel = (folder / "kernel").read_text()
    assert any("snakemake" in " ".join(command) for command in left(folder))
    (folder / "kernel").unlink()
    process = start(folder, "other")
    assert (folder / "kernel").read_text() != kernel
    os.kill(process.pid, signal.SIGINT)
    status, said = faulty.finished(process)
    assert status == 128 + signal.SIGINT and left(folder) == []
    assert said.startswith(f"Ended what an earlier batch (process {killed.pid}) had left running when it was killed.")
