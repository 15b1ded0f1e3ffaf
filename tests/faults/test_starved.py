"""A full or read-only disk, and too little memory: a sentence for each, nothing half written, and the rest goes on."""

import json
import os
import re
import shutil
import subprocess
from textwrap import indent

import faulty
import pytest

pytestmark = pytest.mark.faults
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
COMMANDS = {
    "pages": "studies.front.index {outputs}",
    "batch": "studies.commands.batch --cores 1 tiny",
    "run": "studies.commands.run notebooks/02_score.ipynb params/tiny.yaml",
    "sets": "studies.copies.study params/sets/tiny.yaml",
    "comparison": "studies.learned.results params/learned/tiny.yaml 0",
}
SETS = "sets: tiny\nstudy: tiny\npolicies: [influence]\nshares: [0.1]\n"
COMPARISON = "comparison: tiny\nn_train: 40\nsteps: 2\narms: [none]\nclassifier: lenet\n"


@pytest.fixture
def starved(undisturbed, tmp_path):
    """Run commands on a small disk: how they ended, and what is half written."""
    if subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", str(tmp_path)], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here: that takes root, or user namespaces")
    folder = faulty.project(tmp_path / "project", "tiny")
    for kind, text in (("sets", SETS), ("learned", COMPARISON)):
        (folder / "params" / kind).mkdir()
        (folder / "params" / kind / "tiny.yaml").write_text(text)

    def run(kind, *names):
        disk = tmp_path / "disk"
        disk.mkdir()
        commands = [COMMANDS[name].format(outputs=disk) for name in names]
        command = [faulty.DRIVERS / "starve.py", kind, disk, undisturbed.outputs, *commands]
        status, said = faulty.finished(faulty.start(folder, *command, before=UNSHARE))
        assert status == 0 and "Traceback" not in said, said
        return json.loads(said.splitlines()[-1]) | {"names": names}

    return run


def sentences(found, reason):
    """Whether each command ended badly and said why in one line that names what cannot be written."""
    for name, one in zip(found["names"], found["ended"], strict=True):
        assert one["status"] == 1, (name, one)
        last = one["said"][-1]
        assert re.search(rf"cannot be written \({reason}\); make room there, or let INFLUAUG_OUTPUTS", last), (
            name,
            one,
        )
        started = [line for line in one["said"][:-1] if line != "influaug: started tiny: 02_score"]
        assert started == [], (name, one)
    assert found["half"] == []


def test_on_a_read_only_disk_every_command_ends_in_one_sentence(starved):
    sentences(starved("read-only", *COMMANDS), "Read-only file system")


def test_on_a_full_disk_every_command_ends_in_one_sentence(starved):
    sentences(starved("0", *COMMANDS), "No space left on device")


def test_a_batch_that_fills_the_disk_lists_what_failed_for_it(starved):
    found = starved("12288", "batch")
    (one,) = found["ended"]
    assert one["status"] == 1 and found["half"] == []
    assert re.search(r"^failed: tiny: 01_featurize; .* cannot be written \(No space left", one["said"][-1]), one


# What the system does to a process that has asked for too much, and what NumPy says where there is a limit.
KILLED = "import os\nimport signal\n\nos.kill(os.getpid(), signal.SIGKILL)"
LIMITED = """import resource

import numpy as np

resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33))
np.ones(1 << 34)"""


def test_too_little_memory_in_a_notebook_ends_that_one_alone_and_is_listed(undisturbed, tmp_path):
    """In one of two studies two notebooks fail, in two ways; they are kept, and what does not need them is made."""
    folder = faulty.project(tmp_path / "project", "tiny", "other")
    for name, calls in (("02_score", KILLED), ("05_vsv", LIMITED)):
        failing = f'if study == "tiny":\n{indent(calls, " " * 4)}\n{faulty.CALLS[name]}'
        faulty.notebook(folder, name, faulty.SETUP + failing)
    for study in ("tiny", "other"):
        shutil.copytree(undisturbed.outputs / "tiny" / "features", folder / "outputs" / study / "features")
    status, said = faulty.finished(faulty.start(folder, *faulty.BATCH, "other"))
    assert status != 0
    outputs = folder / "outputs"
    failed = [line for line in said.splitlines() if line.startswith("failed: ")]
    assert len(failed) == 2 and all(line in said.splitlines()[-2:] for line in failed), said
    for name, reason in (
        ("02_score", "its kernel died, perhaps for lack of memory"),
        ("05_vsv", "too little memory ("),
    ):
        (line,) = (line for line in failed if line.startswith(f"failed: tiny: {name}; {reason}"))
        (kept,) = re.findall(r"; see (\S+)\.$", line)
        assert (folder / kept).resolve() == outputs / "tiny" / "notebooks" / f"{name}.ipynb"
        assert (folder / kept).exists() and (outputs / "tiny" / "pages" / f"{name}.html").exists()
    assert {path.name for path in outputs.glob("tiny/*.parquet")} == {"sweep.parquet"}
    assert (outputs / "tiny" / "pages" / "04_refinements.html").exists()
    right = faulty.results(undisturbed.outputs / "tiny")
    assert set(faulty.differing(faulty.results(outputs / "other"), right)) <= {"sweep.parquet", "summary"}
    assert "finished other: 05_vsv" in said and "finished other: 04_refinements" in said
