"""Stamps: of which content the files are that a notebook made."""

import pytest

from influaug import stamps
from influaug.errors import InputError


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
