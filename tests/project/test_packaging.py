"""What installing the method brings along, and the one command."""

import subprocess
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from studies import __main__ as command

METHOD = {"numpy", "scipy", "scikit-learn", "threadpoolctl", "tqdm"}
NOTEBOOKS = {"jupyterlab", "papermill", "snakemake", "matplotlib", "nbconvert", "pydantic", "ipywidgets", "imaug"}


def required(extra=""):
    """Names that the wheel's metadata asks for without extras, or with one."""
    asked = map(Requirement, metadata.requires("influaug"))
    return {each.name for each in asked if each.marker is None or each.marker.evaluate({"extra": extra})}


def test_the_method_alone_brings_in_nothing_of_notebooks():
    assert required() == METHOD


def test_the_extras_bring_in_the_rest():
    assert required("studies") | required("images") >= NOTEBOOKS
    assert {"keras", "h5py"} <= required("networks") and "imaug" in required("images")
    assert any(name.startswith("tensorflow") for name in required("cpu")) and "jax" in required("jax")


def test_there_is_one_command_with_a_word_for_each_thing():
    (script,) = [e for e in metadata.distribution("influaug").entry_points if e.group == "console_scripts"]
    assert script.name == "influaug" and script.load() is command.main


@pytest.mark.parametrize("name", command.COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: influaug {name}")


def test_an_unknown_command_says_what_is_known(capsys):
    assert command.main(["ru"]) == command.main([]) == 2
    assert "run one notebook" in capsys.readouterr().err
    assert command.main(["help"]) == 0 and "run one notebook" in capsys.readouterr().out


def test_a_command_says_what_to_install_where_the_method_alone_is(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "papermill", None)
    monkeypatch.delitem(sys.modules, "studies.commands.run", raising=False)
    assert command.main(["run"]) == 1
    said = "influaug run needs papermill, which is not installed: install influaug[studies].\n"
    assert capsys.readouterr().err == said


def test_the_command_starts_without_keras():
    code = "import sys; from studies.__main__ import main; main(['help']); sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
