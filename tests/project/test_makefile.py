"""The commands of the Makefile, in a folder with stubs of uv, pip and Python: nothing is installed, run or fetched."""

import os
import re
import shutil
import subprocess

import pytest

from studies.storage import paths

STUB = """#!/bin/sh
printf "%s" "{name}" >> calls
for each in "$@"; do printf " <%s>" "$each" >> calls; done
echo >> calls
"""
PIP = STUB + "mkdir -p .uv/bin && cp good-uv .uv/bin/uv\n"
UV = STUB + '[ "$1" = sync ] && mkdir -p .venv/bin && cp good-python .venv/bin/python\necho uv 0.8.0\n'
SYNC = "uv <sync> <--quiet> <--locked> <--compile-bytecode> <--extra> <studies> <--extra> <cpu>"


@pytest.fixture
def folder(tmp_path):
    """A project in which `make` finds stubs, each of which notes in a file how it was called."""
    shutil.copy(paths.PROJECT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "uv.lock", "params/tiny.yaml", "params/own/a b.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1, 1))
    for name, text in (("good-uv", UV), ("good-python", STUB + "echo 1\n"), ("pip", PIP)):
        program(tmp_path / name, text.replace("{name}", name.removeprefix("good-")))
    return tmp_path


@pytest.fixture
def ready(folder):
    """The same, with everything installed."""
    installed(folder)
    (folder / "calls").unlink()
    return folder


def installed(folder):
    """Install, as of a time long ago."""
    assert make(folder, "setup").returncode == 0
    os.utime(folder / ".venv" / ".ready-cpu", (2, 2))


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def make(folder, *arguments):
    command = ["make", "--no-print-directory", "PYTHON=./pip", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def calls(folder):
    """How the stubs were called, but for looks at whether they work."""
    noted = (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []
    return [line for line in noted if line not in ("uv <--version>", "python <-c> <print(1)>")]


def test_an_environment_is_installed_once_and_again_when_its_lock_changes(folder):
    installed(folder)
    assert calls(folder) == [
        "pip <-m> <pip> <install> <--quiet> <--disable-pip-version-check> <--target> <.uv> <uv>=0.8,<1>",
        SYNC,
    ]
    assert make(folder, "setup").returncode == 0 and len(calls(folder)) == 2
    os.utime(folder / "uv.lock")
    assert make(folder, "setup").returncode == 0 and calls(folder)[2:] == [SYNC]


def test_another_extra_is_installed_and_one_that_is_none_is_refused(ready):
    assert make(ready, "setup", "EXTRA=gpu").returncode == 0 and calls(ready) == [SYNC.replace("cpu", "gpu")]
    for wrong in ("cpu;touch broken", "", "cpu gpu", "$(shell touch broken)"):
        made = make(ready, "setup", f"EXTRA={wrong}")
        assert made.returncode == 2 and "EXTRA must be cpu, gpu or jax" in made.stderr
    assert not (ready / "broken").exists()


@pytest.mark.parametrize("content", ["", "\x7fELF cut off", "#!/nowhere/python\n"])
def test_a_damaged_uv_is_fetched_again(ready, content):
    program(ready / ".uv" / "bin" / "uv", content)
    made = make(ready, "run")
    assert made.returncode == 0, made.stderr
    assert [line.split()[0] for line in calls(ready)] == ["pip", "python"]


@pytest.mark.parametrize("content", [None, ""])
def test_an_environment_whose_python_is_gone_is_made_again(ready, content):
    if content is None:
        (ready / ".venv" / "bin" / "python").unlink()
        (ready / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
    else:
        program(ready / ".venv" / "bin" / "python", content)
    (ready / ".venv" / "left").touch()
    assert make(ready, "run").returncode == 0
    assert [line.split()[0] for line in calls(ready)] == ["uv", "python"] and not (ready / ".venv" / "left").exists()


def test_an_installation_that_was_killed_is_begun_anew_and_one_that_failed_keeps_what_there_was(ready):
    uv, whole = ready / ".uv" / "bin" / "uv", (ready / "good-uv").read_text()
    for ending, kept in (("exit 2", True), ("kill -9 $$", False)):
        (ready / ".venv" / "left").touch()
        os.utime(ready / "uv.lock")
        program(uv, f'#!/bin/sh\n[ "$1" = sync ] || exec echo uv 0.8.0\n{ending}\n')
        made = make(ready, "run")
        assert made.returncode == 2 and calls(ready) == []
        assert "remove .uv and .venv and run make again" in made.stderr
        assert (ready / ".venv" / "left").exists()
        program(uv, whole)
        assert make(ready, "run").returncode == 0 and (ready / ".venv" / "left").exists() == kept
        (ready / "calls").unlink()
        os.utime(ready / ".venv" / ".ready-cpu", (2, 2))


def test_an_environment_that_another_make_is_installing_is_left_to_it(ready):
    (ready / ".uv" / ".syncing").write_text(str(os.getpid()))
    (ready / ".venv" / "bin" / "python").unlink()
    (ready / ".venv" / "left").touch()
    make(ready, "setup")
    assert (ready / ".venv" / "left").exists()


def test_a_uv_that_cannot_be_fetched_ends_in_a_sentence(folder):
    program(folder / "pip", "#!/bin/sh\necho no network >&2\nexit 1\n")
    made = make(folder, "run")
    assert made.returncode == 2 and made.stderr.startswith("no network\nuv could not be installed: ")
    assert "remove .uv and .venv and run make again" in made.stderr


ODD = [
    "x; touch broken",
    'x"; touch broken; "',
    "$(shell touch broken)",
    "$$(touch broken)",
    "`touch broken`",
    "'; touch broken; '",
    "x y",
    "../tiny x",
]


@pytest.mark.parametrize("odd", ODD)
def test_names_are_no_commands(ready, odd):
    for target in ("study", "sets", "retrained", "featurizer", "learned", "factorial"):
        made = make(ready, target, f"NAME={odd}")
        assert made.returncode == 2 and re.search("with one of:|; there are:", made.stdout)
    made = make(ready, "own", f"PARAMS={odd}")
    assert made.returncode == 2 and "Which one?" in made.stdout
    assert calls(ready) == [] and not (ready / "broken").exists()
    make(ready, "verify", f"NAME={odd}")
    make(ready, "run", f"CORES={odd}")
    verified, ran = calls(ready)
    assert verified == f"python <-m> <studies> <verify> <--> <{odd}>"
    assert ran.startswith(f"python <-u> <-m> <studies> <batch> <--cores> <{odd}> <digits-translate>")
    assert not (ready / "broken").exists()


def test_names_reach_the_commands(ready):
    assert make(ready, "study", "NAME=tiny", "CORES=2").returncode == 0
    assert make(ready, "own", "PARAMS=params/own/a b.yaml").returncode == 0
    assert make(ready, "verify").returncode == 0
    study, own, _, verify = calls(ready)
    assert study == "python <-u> <-m> <studies> <batch> <--cores> <2> <--> <tiny>"
    assert own.endswith("<studies> <own> <--> <params/own/a b.yaml>")
    assert verify.endswith("<studies> <verify> <--> <mnist-translate>")


def test_files_of_odd_names_are_no_commands(ready):
    for name in ("a;touch broken", "b'`touch broken`", "c$(touch broken)"):
        (ready / "params" / f"{name}.yaml").touch()
    assert make(ready, "study", "NAME=none").returncode == 2
    assert make(ready, "studies").returncode == 0
    (ran,) = calls(ready)
    assert "<a;touch>" in ran and "<tiny>" in ran and not (ready / "broken").exists()
