"""The audit: what was altered is named, and advisories that could not be had are never taken for none."""

import base64
import hashlib
from importlib import metadata

import pytest

from studies.commands import audit as audit_module
from studies.commands.audit import BAD, GOOD, UNKNOWN, altered, audit, kept


@pytest.fixture
def installed(tmp_path):
    """A distribution of two files with its RECORD, as an installer leaves it."""
    about = tmp_path / "site" / "small-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Name: small\nVersion: 1.0\n")
    lines = []
    for name in ("small.py", "more.py"):
        (about.parent / name).write_bytes(b"x = 1\n")
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},6\n")
    (about / "RECORD").write_text("".join([*lines, "small-1.0.dist-info/RECORD,,\nsmall.pyc,,\n"]))
    return about.parent


def found(installed):
    return altered(metadata.distributions(path=[str(installed)]))


def test_files_as_they_were_installed_are_not_named(installed):
    assert found(installed) == []


def test_a_changed_and_a_missing_file_are_named(installed):
    (installed / "small.py").write_bytes(b"x = 2\n")
    (installed / "more.py").unlink()
    assert found(installed) == [("small", "more.py"), ("small", "small.py")]


def program(tmp_path, **statuses):
    """A program that answers the commands of uv with these statuses."""
    path = tmp_path / "uv"
    cases = "".join(f"{command}) echo 'of {command}'; exit {status};;\n" for command, status in statuses.items())
    path.write_text(f'#!/bin/sh\ncase "$1" in\n{cases}esac\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("statuses", "status", "said"),
    [
        ({"lock": 0, "sync": 0, "audit": 0}, GOOD, "No locked version has a known weakness."),
        ({"lock": 0, "sync": 0, "audit": 1}, BAD, "Some locked versions have known weaknesses.\nof audit"),
        ({"lock": 0, "sync": 0, "audit": 2}, UNKNOWN, "is unknown (of audit)."),
        ({"lock": 1, "sync": 0, "audit": 0}, BAD, "This does not hold: uv.lock is of these requirements.\nof lock"),
        ({"lock": 0, "sync": 1, "audit": 2}, BAD, "This does not hold: what is installed is what is locked."),
    ],
)
def test_what_was_found_decides_the_status_and_is_said(tmp_path, monkeypatch, statuses, status, said):
    monkeypatch.setattr("studies.commands.audit.altered", list)
    sentences = []
    assert audit(program(tmp_path, **statuses), "cpu", sentences.append) == status
    assert said in "\n".join(sentences)


def test_an_altered_file_is_bad_whatever_the_advisories_say(tmp_path, monkeypatch):
    monkeypatch.setattr("studies.commands.audit.altered", lambda: [("small", "more.py")])
    sentences = []
    assert audit(program(tmp_path, lock=0, sync=0, audit=0), "cpu", sentences.append) == BAD
    assert any(sentence.startswith("more.py of small is not what was installed") for sentence in sentences)


def test_weaknesses_of_what_wheels_bring_along_are_said_until_they_are_mended():
    hdf5, opencv = kept({"h5py": "3.14.0", "opencv-python-headless": "4.11.0.86"}.get)
    assert hdf5.startswith("h5py 3.14.0 has CVE-2025-2153, CVE-2025-2308: ") and hdf5.endswith("do not trust.")
    assert opencv.startswith("opencv-python-headless 4.11.0.86 has CVE-2025-53644: ") and "Pillow" in opencv
    for mended in ({"h5py": "3.16.0", "opencv-python-headless": "4.12.0"}, dict.fromkeys(audit_module.KEPT, "5.0")):
        assert kept(mended.get) == []
