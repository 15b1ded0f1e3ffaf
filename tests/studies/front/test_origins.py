"""The commits that a run's files record."""

import pandas as pd
import pytest

from influaug.errors import InputError
from influaug.files import sealed
from studies.front.origins import UNRECORDED, origin
from studies.storage import artifacts


def about(made, commit=None, clean=True):
    found = {"key": "k", "made": f"2026-11-{made}T00:00:00+00:00"}
    return found | ({"commit": commit * 10, "clean": clean} if commit else {})


def result(folder, name, *manifest):
    (folder / name).parent.mkdir(exist_ok=True)
    sealed.write_json(folder / name, about(*manifest))


def test_commits_stand_in_the_order_of_their_results_and_once(tmp_path):
    result(tmp_path, "replicate-00/b.json", 22, "bbbb")
    result(tmp_path, "replicate-01/a.json", 21, "aaaa", False)
    result(tmp_path, "replicate-01/c.json", 23, "bbbb")
    assert origin(tmp_path) == "commits aaaaaaa and changes, bbbbbbb"


def test_a_table_has_its_commit(tmp_path):
    artifacts.write_table(tmp_path / "sets.parquet", artifacts.manifest("k"), pd.DataFrame({"x": [1]}))
    written = artifacts.read_manifest(tmp_path / "sets.parquet")
    assert origin(tmp_path).startswith(f"commit {written['commit'][:7]}" if written["commit"] else UNRECORDED)


def test_what_is_missing_is_said(tmp_path):
    assert origin(tmp_path) == UNRECORDED
    result(tmp_path, "replicate-00/a.json", 20)
    assert origin(tmp_path) == UNRECORDED
    result(tmp_path, "replicate-00/b.json", 21, "cccc")
    assert origin(tmp_path) == f"commit ccccccc; for some results {UNRECORDED}"


def test_files_that_are_no_results_are_left_out(tmp_path):
    (tmp_path / "notes").mkdir()
    sealed.write_json(tmp_path / "notes" / "list.json", [1, 2], seal=False)
    sealed.write_json(tmp_path / "notes" / "plain.json", {"commit": "d" * 40}, seal=False)
    assert origin(tmp_path) == UNRECORDED


def test_a_damaged_result_is_named(tmp_path):
    result(tmp_path, "replicate-00/a.json", 20, "eeee")
    (tmp_path / "replicate-00" / "a.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match=r"a\.json"):
        origin(tmp_path)
