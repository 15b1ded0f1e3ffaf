"""Stamps: of which content the files are that a notebook made."""

import os
import time

import pytest

from influaug.errors import InputError
from studies.commands import stamps


@pytest.fixture
def made(tmp_path):
    """A stamp of two files."""
    files = [tmp_path / "a.parquet", tmp_path / "b.json"]
    for path in files:
        path.write_text(path.name)
    stamps.write(tmp_path / ".made" / "01", files)
    return tmp_path / ".made" / "01", files


def test_a_stamp_of_files_that_stayed_the_same_is_kept(made):
    stamp, files = made
    before = stamp.read_text()
    stamps.drop_outdated(stamp, files)
    assert stamp.read_text() == before and all(path.name in before for path in files)


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text("other")])
def test_a_stamp_of_a_file_that_is_missing_or_changed_is_removed_and_the_files_are_not(made, change):
    stamp, files = made
    change(files[1])
    left = [path for path in files if path.exists()]
    stamps.drop_outdated(stamp, files)
    assert not stamp.exists() and all(path.exists() for path in left)
    stamps.drop_outdated(stamp, files)


def test_the_stamp_changes_with_the_files(made):
    stamp, files = made
    before = stamp.read_text()
    files[0].write_text("other")
    stamps.write(stamp, files)
    assert stamp.read_text() != before
    stamps.drop_outdated(stamp, files)
    assert stamp.exists()


def test_what_was_not_made_is_named(tmp_path):
    with pytest.raises(InputError, match=r"without .*none\.json, which it must write"):
        stamps.write(tmp_path / "stamp", [tmp_path / "none.json"])
    assert not (tmp_path / "stamp").exists()


@pytest.mark.parametrize("damaged", [b"", b"\xff\xfe\x00", b"half of wha", b"\x80" * 1000])
def test_a_damaged_stamp_is_removed_and_the_files_are_not(made, damaged):
    stamp, files = made
    stamp.write_bytes(damaged)
    stamps.drop_outdated(stamp, files)
    assert not stamp.exists() and all(path.exists() for path in files)


def test_a_stamp_that_cannot_be_read_is_removed(made):
    """Links that lead to themselves cannot be, whoever asks."""
    stamp, files = made
    stamp.unlink()
    stamp.symlink_to(stamp)
    stamps.drop_outdated(stamp, files)
    assert not stamp.is_symlink()
    stamp.mkdir()
    stamps.drop_outdated(stamp, files)
    assert not stamp.exists()


def test_a_stamp_that_is_a_folder_with_something_in_it_is_named(made):
    stamp, files = made
    stamp.unlink()
    stamp.mkdir()
    (stamp / "mine").touch()
    with pytest.raises(InputError, match=f"^{stamp} must be a file of the batch"):
        stamps.drop_outdated(stamp, files)
    assert (stamp / "mine").exists()


def test_a_stamp_of_a_time_in_the_future_is_removed(made):
    stamp, files = made
    os.utime(stamp, (time.time() + 1000,) * 2)
    assert stamps.in_future(stamp) and not stamps.in_future(files[0])
    stamps.drop_outdated(stamp, files)
    assert not stamp.exists()


def test_a_stamp_of_no_files_holds(tmp_path):
    stamps.write(tmp_path / "stamp", [])
    stamps.drop_outdated(tmp_path / "stamp", [])
    assert (tmp_path / "stamp").exists()
