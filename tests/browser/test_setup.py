"""The set-up script with stand-ins for the browser and the package manager: what it calls, and how it ends."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
SETUP = Path(__file__).with_name("setup.sh")


@pytest.fixture
def setup(tmp_path):
    """Function that runs the script where only the given commands are: their names and what they do."""

    def run(**commands):
        for name, does in commands.items():
            (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/calls\n{does}\n')
            (tmp_path / name).chmod(0o755)
        command = [shutil.which("sh"), str(SETUP)]
        ended = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True)
        calls = tmp_path / "calls"
        return ended, calls.read_text().splitlines() if calls.exists() else []

    return run


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_that_is_there_is_enough(setup, name):
    ended, calls = setup(**{name: "exit 0"})
    assert (ended.returncode, ended.stderr, calls) == (0, "", [])


@pytest.mark.parametrize(("user", "before"), [(0, ""), (1000, "sudo -n ")])
def test_a_missing_browser_is_installed(setup, user, before):
    ended, calls = setup(**{"id": f"echo {user}", "apt-get": "exit 0", "sudo": "exit 0"})
    assert ended.returncode == 0
    asked = ["apt-get update -qq", "apt-get install -y -qq --no-install-recommends chromium"]
    assert calls == ["id -u", *(before + line for line in asked)]


def test_a_browser_that_cannot_be_installed_ends_in_one_sentence(setup):
    ended, calls = setup(**{"id": "echo 0", "apt-get": "exit 100"})
    assert ended.returncode == 1 and calls == ["id -u", "apt-get update -qq"]
    (sentence,) = ended.stderr.splitlines()
    assert "chromium" in sentence and sentence.endswith("could not be installed.")
