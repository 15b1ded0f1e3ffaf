import subprocess
import sys

import pytest

from studies.storage import artifacts, paths, provenance


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A project of its own under git, with one commit, in place of this one."""
    monkeypatch.setattr(paths, "PROJECT", tmp_path.resolve())
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "code.py").write_text("x = 1\n")
    (tmp_path / "outputs").mkdir()
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "Begin")
    forget()
    yield tmp_path
    forget()


def git(folder, *arguments):
    name = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", "-C", folder, *name, *arguments], check=True, capture_output=True, text=True).stdout


def forget():
    provenance.commit.cache_clear()
    provenance.clean.cache_clear()


def test_a_manifest_names_the_commit_and_whether_the_code_is_as_committed(checkout):
    head = git(checkout, "rev-parse", "HEAD").strip()
    made = artifacts.manifest("k")
    assert (made["commit"], made["clean"]) == (head, True)
    assert provenance.in_words(made) == f"commit {head[:7]}"


def test_results_do_not_make_a_checkout_unclean_and_code_does(checkout):
    (checkout / "outputs" / "table.csv").write_text("1\n")
    assert provenance.clean() is True
    forget()
    (checkout / "lib" / "new.py").write_text("y = 2\n")
    assert provenance.clean() is False
    assert provenance.in_words(artifacts.manifest("k")).endswith(" and changes")


def test_the_commit_is_that_of_the_first_look(checkout):
    first = provenance.commit()
    git(checkout, "commit", "--quiet", "--allow-empty", "-m", "More")
    assert provenance.commit() == first


@pytest.mark.parametrize("where", ["no checkout", "inside another's checkout"])
def test_without_a_checkout_of_its_own_a_manifest_says_nothing_of_commits(checkout, monkeypatch, tmp_path, where):
    inside = tmp_path / "lib" if where != "no checkout" else tmp_path.parent / "installed"
    inside.mkdir(exist_ok=True)
    monkeypatch.setattr(paths, "PROJECT", inside.resolve())
    made = artifacts.manifest("k")
    assert (made["commit"], made["clean"], provenance.in_words(made)) == (None, None, "")


def test_without_git_a_manifest_says_nothing_of_commits(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance.commit() is None


def test_the_device_is_named_with_its_cores_and_what_keras_computes_on(monkeypatch):
    class Distribution:
        @staticmethod
        def list_devices():
            return ["cpu:0", "gpu:0"]

    class Keras:
        distribution = Distribution

    monkeypatch.setitem(sys.modules, "keras", Keras)
    assert provenance.device() == f"{provenance.processor()}, {provenance.cores()} cores, gpu:0"
    monkeypatch.delitem(sys.modules, "keras")
    assert provenance.device() == f"{provenance.processor()}, {provenance.cores()} cores"
