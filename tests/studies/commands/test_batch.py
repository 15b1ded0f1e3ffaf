import fcntl
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from studies.commands import processes
from studies.commands.batch import Progress, batch, main
from studies.storage import paths

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


def test_errors_of_snakemake_are_shown_where_no_notebook_failed():
    progress = Progress()
    for line in (
        "Building DAG of jobs...",
        "WorkflowError in rule a:",
        "Output b is older.",
        '  File "c", line 1',
        "",
        "Shutting down.",
    ):
        progress.take(f"{line}\n")
    assert progress.failed() == ["WorkflowError in rule a:", "Output b is older."]
    progress.take("influaug: failed a: 02_score; C must be a positive number, not 0.\n")
    assert progress.failed() == ["a: 02_score; C must be a positive number, not 0."]


@pytest.fixture
def held(outputs):
    """An outputs folder in which this process holds the lock: a function that says what its file says of the batch."""
    outputs.mkdir()
    with (outputs / ".batch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def say(record):
            lock.write(record)
            lock.flush()
            return outputs

        yield say


@pytest.mark.parametrize("machine", ["", " elsewhere 0123456789abcdef"])
def test_a_second_batch_is_refused_in_one_sentence(held, machine, capfd):
    folder = held(f"4321{machine}")
    assert main(["digits-translate"]) == 1
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1
    where = f"process 4321{machine and ' on elsewhere'}"
    assert err.startswith(f"Another batch ({where}) is running in {folder};")
    assert [path.name for path in folder.iterdir()] == [".batch.lock"]


def test_the_process_that_holds_the_lock_is_named_if_the_file_says_nothing_true(outputs, capfd):
    outputs.mkdir()
    with (outputs / ".batch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("no number")
        lock.flush()
        holder = subprocess.Popen(["sleep", "60"], pass_fds=[lock.fileno()])
    try:
        assert main(["digits-translate"]) == 1
        assert capfd.readouterr().err.endswith(f"or end it: kill {holder.pid}.\n")
    finally:
        holder.kill()
        holder.wait()


SNAKEMAKE = """
import os
import signal
import subprocess
import sys
import time

code = "import signal, time\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\nprint(0, flush=True)\\ntime.sleep(60)"
kernel = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
kernel.stdout.readline()
with open(os.environ["INFLUAUG_OUTPUTS"] + "/pids", "w") as file:
    file.write(f"{os.getpid()} {kernel.pid}")
print("influaug: started a: 01_featurize", flush=True)
if os.environ["SENT"] != "none":
    os.kill(os.getppid(), int(os.environ["SENT"]))
time.sleep(60)
"""


@pytest.fixture
def fake(tmp_path, monkeypatch, outputs):
    """In place of Snakemake what starts a kernel that ignores SIGTERM, and sends the batch a signal: which one."""
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake" / "snakemake.py").write_text(SNAKEMAKE)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'fake'}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(processes, "PATIENCE", 0.3)

    def send(number):
        monkeypatch.setenv("SENT", str(number))

    send("none")
    return send


def ended(outputs):
    """Whether what the fake started has ended, and nobody holds the lock."""
    with (outputs / ".batch.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return not any(map(alive, (outputs / "pids").read_text().split()))


def alive(process):
    # Who has ended stays a zombie until its parent, which may be the first process of a container, looks.
    try:
        return psutil.Process(int(process)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_that_a_batch_started_in_a_sentence(fake, number, outputs, capfd):
    fake(int(number))
    # Tests that run in the background of a shell have been started to ignore interrupts.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        assert main(["digits-translate"]) == 128 + number
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
    sentence = f"The batch was ended by {number.name}; the same command goes on where it was.\n"
    assert capfd.readouterr().err == sentence and (outputs / "batch.log").read_text().endswith(sentence)
    assert ended(outputs)


def test_a_signal_that_the_batch_was_started_to_ignore_does_not_end_it(fake, tmp_path):
    fake(int(signal.SIGHUP))
    script = tmp_path / "fake" / "snakemake.py"
    script.write_text(SNAKEMAKE.replace("time.sleep(60)\n", "kernel.kill()\n"))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["digits-translate"]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_reader_that_goes_away_ends_a_batch(fake, monkeypatch, outputs, capfd):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(["digits-translate"]) == 128 + signal.SIGPIPE
    assert "could not be written any more (Broken pipe); the same command goes on" in capfd.readouterr().err
    assert ended(outputs)


def test_what_a_killed_batch_left_is_ended_by_the_next_one(fake, outputs, capfd):
    outputs.mkdir()
    dead = subprocess.Popen(["true"])
    dead.wait()
    record = f"{dead.pid} {socket.gethostname()} 0123456789abcdef"
    with (outputs / ".batch.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(record)
        lock.flush()
        environment = os.environ | {processes.MARK: record}
        left = subprocess.Popen(["sleep", "60"], pass_fds=[lock.fileno()], env=environment)
        other = subprocess.Popen(["sleep", "60"], env=environment | {processes.MARK: f"{record}0"})
    try:
        fake(int(signal.SIGTERM))
        assert main(["digits-translate"]) == 128 + signal.SIGTERM
        said = capfd.readouterr().out.splitlines()
        assert said[0] == f"Ended what an earlier batch (process {dead.pid}) had left running when it was killed."
        assert ended(outputs) and not alive(left.pid) and other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_what_would_stop_snakemake_is_refused_in_a_sentence(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr(paths, "PARAMS", tmp_path)
    for name in ("tiny", "late", "wrong"):
        (tmp_path / f"{name}.yaml").write_text("C: 0" if name == "wrong" else f"study: {name}")
    os.utime(tmp_path / "late.yaml", (time.time() + 1000,) * 2)
    cases = {
        ("x; touch y",): "No study is called 'x; touch y'",
        ("../tiny",): "No study is called",
        ("none",): "There is no study",
        ("tiny", "wrong"): f"{tmp_path / 'wrong.yaml'}: Parameter C: input should be greater than 0",
        ("tiny", "late"): f"{tmp_path / 'late.yaml'} was last changed in the future",
        ("tiny", "--cores", "2; touch y"): "cores must be a whole number",
    }
    for arguments, said in cases.items():
        assert main(arguments) == 1
        out, err = capfd.readouterr()
        assert out == "" and err.count("\n") == 1 and said in err, err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["late.yaml", "tiny.yaml", "wrong.yaml"]


def test_a_folder_that_cannot_be_printed_is_refused(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("INFLUAUG_OUTPUTS", str(tmp_path / "a\nb"))
    assert main(["digits-translate"]) == 1
    assert capfd.readouterr().err.startswith("INFLUAUG_OUTPUTS must name a folder without unprintable characters")
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_does_not_end_well_says_where_to_look_and_what_snakemake_said(fake, tmp_path, outputs):
    said = "import sys\nprint('WorkflowError:\\nIt is full.\\n\\nComplete log: x')\nsys.exit(3)\n"
    (tmp_path / "fake" / "snakemake.py").write_text(said)
    shown = []
    assert batch(["digits-translate"], "1", shown.append) == 3
    assert str(outputs / "batch.log") in shown[0] and shown[1:] == ["failed: WorkflowError:", "failed: It is full."]
    assert "It is full." in (outputs / "batch.log").read_text()


NOTED = """#!{python}
import argparse, json, pathlib, sys

with open("calls", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
parser = argparse.ArgumentParser()
for name in ("-m", "--stamp", "--page", "--executed"):
    parser.add_argument(name)
parser.add_argument("--makes", nargs="*")
parser.add_argument("given", nargs="*")
given = parser.parse_args()
for path in filter(None, (given.stamp, given.page)):
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).touch()
"""
ODD = "-a b'c\"d$HOME;touch broken;$(touch broken)`touch broken`&(*"


@pytest.mark.slow
@pytest.mark.parametrize("outside", [True, False])
def test_every_path_in_a_shell_line_is_quoted(tmp_path, outside):
    """Snakemake runs a program that notes how it was called in place of Python; all in folders of odd names."""
    project, programs = tmp_path / f"project {ODD}", tmp_path / "programs"
    shutil.copytree(paths.PROJECT / "lib", project / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(paths.PROJECT / "Snakefile", project)
    for file in ("params/tiny.yaml", *(f"notebooks/{path.name}" for path in paths.NOTEBOOKS.glob("*.ipynb"))):
        (project / file).parent.mkdir(exist_ok=True)
        (project / file).write_text("study: tiny")
    programs.mkdir()
    (programs / "python").write_text(NOTED.replace("{python}", sys.executable))
    (programs / "python").chmod(0o755)
    outputs = (tmp_path if outside else project) / f"{ODD} {{e}} {{{{f}}"
    (outputs / "tiny").mkdir(parents=True)
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(project / "lib")}
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nolock", "--config", "studies=tiny"]
    environment = os.environ | environment | {"INFLUAUG_OUTPUTS": str(outputs)}
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    calls = [json.loads(line) for line in (outputs / "calls").read_text().splitlines()]
    assert calls[-1] == ["-m", "studies", "index", "."]
    for call in calls[:-1]:
        assert call[:3] == ["-m", "studies", "run"] and call[4] == str(project / "params" / "tiny.yaml")
        written = [word for option, word in itertools.pairwise(call) if option in ("--executed", "--page", "--stamp")]
        assert len(written) == 3 and all(outputs in (outputs / word).resolve().parents for word in written), call
    assert len(calls) == 9 and not [*tmp_path.rglob("broken")]


@pytest.mark.slow
def test_every_notebook_of_every_study_is_a_job_of_the_graph():
    studies = sorted(
        path.stem for path in paths.PARAMS.glob("*.yaml") if path.stem not in ("benchmark", "selection-at-size")
    )
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--forceall", "--quiet", "rules", "--nolock"]
    command += ["--config", f"studies={' '.join(studies)}"]
    said = subprocess.run(command, cwd=paths.PROJECT, capture_output=True, text=True, check=True)
    stats = dict(line.split() for line in (said.stdout + said.stderr).splitlines() if len(line.split()) == 2)
    of_their_own = {"07_benchmark", "09_train_featurizer", "10_toy_influence"}
    of_their_own |= {"11_learned_augmentation", "12_transformation_models", "13_set_policies", "14_why_greedy"}
    of_their_own |= {"15_your_own_data", "16_doubtful_labels", "17_retrained_sets"}
    of_their_own |= {"18_selection_at_size", "19_dear_copies", "20_released_code"}
    for notebook in sorted({path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")} - of_their_own):
        overview = notebook in ("00_index", "06_figures", "08_claims")
        assert stats[notebook] == ("1" if overview else str(len(studies)))
