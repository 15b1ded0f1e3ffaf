"""What the fault tests share: a project of a tiny study in a folder of its own, processes to be killed, damage."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from nbformat.v4 import new_code_cell, new_notebook

from influaug.errors import InputError
from influaug.files import sealed
from studies.storage import paths

DRIVERS = Path(__file__).parent / "drivers"
STUDY = """\
study: {name}
n_train: 30
epochs: 1
replicates: 2
rounds: 2
budgets: [2, 10, 30]
policies: [baseline, random_proportional, deterministic_proportional]
"""
# Each notebook with its calls of the library alone, as figures take time; 03 makes all that a study publishes.
CALLS = {
    "01_featurize": "stages.features(s)",
    "02_score": "stages.scores(s)",
    "03_policy_sweep": "from studies.points import report\nreport.publish(s, stages.sweep(s))",
    "04_refinements": "stages.sweep(s)",
    "05_vsv": "stages.virtual_support_vectors(s)",
    "06_figures": "stages.sweeps_found()",
    "08_claims": "stages.data_of(stages.sweeps_found())",
    "00_index": "stages.sweep(s)",
}
SETUP = (
    "from studies.points import stages\nfrom studies.points.study import Study\n\ns = Study.from_namespace(globals())\n"
)
BATCH = ("-m", "studies", "batch", "--cores", "2", "tiny")
TABLES = ("sweep.parquet", "scores.parquet", "vsv.parquet")


def project(folder, *studies):
    """Copy the library and the Snakefile into a folder, beside tiny studies and notebooks of calls alone."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(paths.PROJECT / "lib", folder / "lib", ignore=ignore)
    shutil.copytree(paths.PUBLISHED, folder / "params" / "published")
    shutil.copy(paths.PROJECT / "Snakefile", folder)
    (folder / "notebooks").mkdir()
    for name, calls in CALLS.items():
        notebook(folder, name, SETUP + calls)
    for name in studies:
        (folder / "params" / f"{name}.yaml").write_text(STUDY.format(name=name))
    return folder


def notebook(folder, name, source):
    """Write a notebook of a parameters cell and one cell more into a project."""
    parameters = new_code_cell('study = "digits-translate"', metadata={"tags": ["parameters"]})
    nbformat.write(new_notebook(cells=[parameters, new_code_cell(source)]), folder / "notebooks" / f"{name}.ipynb")


def start(folder, *arguments, before=()):
    """Start Python in a project, as the leader of a process group of its own; its output is read line by line."""
    environment = os.environ | {"PYTHONPATH": str(folder / "lib"), "INFLUAUG_OUTPUTS": str(folder / "outputs")}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    command = [*before, sys.executable, "-u", *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True, **streams)


def finished(process):
    """Wait for a process: its exit status, and what it said."""
    said, _ = process.communicate()
    return process.returncode, said


def kill(process):
    """Kill a process and all of its group, as a power cut or a batch system does; what it had said until then."""
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()[0]


def wait_until_free(outputs):
    """Return as soon as no process holds the lock of an outputs folder."""
    outputs.mkdir(exist_ok=True)
    with (outputs / ".batch.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def results(folder, tables=TABLES):
    """What a study has in its folder, of all but times: tables, arrays of features, and the summary."""
    found = {name: pd.read_parquet(folder / name) for name in tables}
    for path in sorted((folder / "features").glob("*.npz")):
        with np.load(path) as file:
            found |= {f"{path.name} {name}": file[name] for name in file.files if name != "manifest"}
    summary = sealed.read_json(folder / "summary.json")
    return found | {"summary": {name: value for name, value in summary.items() if name not in ("ran", "seconds")}}


def differing(one, other):
    """Names of the results that are not exactly the same."""
    return [
        name for name in sorted({*one, *other}) if name not in one or name not in other or not same(one, other, name)
    ]


def same(one, other, name):
    if isinstance(one[name], pd.DataFrame):
        return one[name].equals(other[name]) and (one[name].dtypes == other[name].dtypes).all()
    if isinstance(one[name], np.ndarray):
        return one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name])
    return one[name] == other[name]


def truncated(content, rng):
    """A file's content cut off: at the ends, and at random places."""
    lengths = {0, 1, len(content) // 2, len(content) - 2, *rng.integers(0, len(content), 3).tolist()}
    return [content[:length] for length in sorted(lengths)]


def flipped(content, rng, times, end=None):
    """A file's content with one bit at a random place, before the given end of places, the other way."""
    for place, bit in zip(rng.integers(0, end or len(content), times), rng.integers(0, 8, times), strict=True):
        yield content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]


def outcome(path, damaged, read, right):
    """'refused' if reading a damaged file names it, 'read' if it gives what is right; the file stays as it is."""
    path.write_bytes(damaged)
    try:
        assert right(read()), "what is wrong was read"
        said = "read"
    except InputError as error:
        assert path.name in str(error) and "\n" not in str(error)
        said = "refused"
    assert path.read_bytes() == damaged
    return said
