"""Files written whole or not at all, and never served when damaged or when what they depend on has changed."""

import errno
import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from influaug.errors import InputError
from influaug.files import sealed, writing
from studies.storage import artifacts

ARRAYS = {"train": np.arange(12.0).reshape(3, 4), "labels": np.array([1, 0, 1]), "n": np.int64(3)}
TABLE = pd.DataFrame({"score": ["loss", ""] * 20, "accuracy": np.linspace(0, 1, 40), "update": [True, False] * 20})
JSON = {"accuracy": 0.5, "names": ["a", "b"]}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def write(path, wanted="k"):
    """Write an artifact of the kind that the suffix names; return a function that reads it."""
    if path.suffix == ".npz":
        sealed.write_arrays(path, artifacts.manifest(wanted), **ARRAYS)
        return lambda key=wanted: sealed.read_arrays(path, key)
    if path.suffix == ".parquet":
        artifacts.write_table(path, artifacts.manifest(wanted), TABLE)
        return lambda key=wanted: artifacts.read_table(path, key)
    sealed.write_json(path, JSON)
    return lambda: sealed.read_json(path)


def same(content):
    if isinstance(content, pd.DataFrame):
        return content.equals(TABLE)
    if "train" in content:
        return content.keys() == ARRAYS.keys() and all(np.array_equal(content[name], ARRAYS[name]) for name in ARRAYS)
    return content == JSON


@pytest.fixture(params=["a.npz", "a.parquet", "a.json"])
def path(request, tmp_path):
    return tmp_path / "made" / request.param


def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with writing.replacing(path) as temporary:
        temporary.write_text("old")
        assert temporary.parent == path.parent and temporary.suffix == ".txt" and not path.exists()
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), writing.replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise error
        assert [(p.name, p.read_text()) for p in path.parent.iterdir()] == [("a.txt", "old")]
    with pytest.raises(RuntimeError), writing.replacing(tmp_path / "none") as temporary:
        raise RuntimeError("before anything is written")
    assert not (tmp_path / "none").exists()


def left_by(process, path):
    """The temporary file of a path that a process would have left."""
    return path.with_name(f".{path.stem}.{socket.gethostname()}.{process}{path.suffix}")


def test_what_a_dead_process_left_vanishes_and_what_a_living_or_distant_one_writes_stays(tmp_path):
    path = tmp_path / "a.json"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead = [left_by(ended.pid, path), left_by(f"{ended.pid}.0123456789abcdef", path)]
    others = [left_by(os.getppid(), path), tmp_path / f".a.elsewhere.{ended.pid}.json", tmp_path / ".a.json"]
    others += [left_by(f"{os.getpid()}.0123456789abcdef", path), left_by(ended.pid, tmp_path / "b.json")]
    others += [left_by(ended.pid, tmp_path / "a.npz"), left_by("x", path)]
    for left in (*dead, *others):
        left.touch()
    sealed.write_json(path, JSON)
    assert not any(left.exists() for left in dead) and all(left.exists() for left in others)


def test_a_temporary_folder_goes_when_it_is_an_hour_old(tmp_path):
    old, new, other = (tmp_path / name for name in (".a.keras-old", ".a.keras-new", ".b.keras-old"))
    for folder in (old, new, other):
        folder.mkdir()
    for folder in (old, other):
        os.utime(folder, (0, 0))
    writing.clear_folders(tmp_path / "a.keras")
    assert not old.exists() and new.exists() and other.exists()


def test_what_cannot_be_written_is_named_and_an_empty_memory_is_not_called_a_full_disk(tmp_path):
    full = r"a\.npz cannot be written \(No space left on device\); make room there"
    with pytest.raises(InputError, match=full), writing.replacing(tmp_path / "a.npz"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(OSError, match="memory"), writing.replacing(tmp_path / "a.npz"):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        sealed.write_json(tmp_path / "file" / "a.json", JSON)


def test_a_changed_digit_in_json_is_found_and_a_file_without_a_seal_is_read(tmp_path):
    path = tmp_path / "a.json"
    sealed.write_json(path, {"accuracy": 0.5, "key": "k"})
    path.write_text(path.read_text().replace("0.5", "0.7"))
    assert refused(path, lambda: sealed.read_json(path))
    for content in ({"accuracy": 0.5}, {}, [1, 2], {"seal": []}):
        sealed.write_json(path, content, seal=False)
        if "seal" in content:
            assert refused(path, lambda: sealed.read_json(path))
        else:
            assert sealed.read_json(path) == content


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), json_values))
def test_what_is_sealed_is_what_is_unsealed(content):
    with_seal = sealed.with_seal({name: value for name, value in content.items() if name != "seal"})
    assert sealed.without_seal(with_seal) == {name: value for name, value in content.items() if name != "seal"}
    assert sealed.with_seal(sealed.without_seal(with_seal)) == with_seal


@given(json_values)
def test_json_on_fewer_lines_is_the_same_json(content):
    text = sealed._text(content)
    assert json.dumps(json.loads(text)) == json.dumps(content)


def test_lists_of_numbers_and_words_are_on_one_line(tmp_path):
    sealed.write_json(tmp_path / "x.json", {"a": [1, 2.5, None], "b": [[" x  y", "["], []]}, seal=False)
    expected = '{\n  "a": [1, 2.5, null],\n  "b": [\n    [\n      " x  y",\n      "["\n    ],\n    []\n  ]\n}\n'
    assert (tmp_path / "x.json").read_text() == expected


def test_each_row_of_a_list_is_a_line(tmp_path):
    rows = [{"step": 0, "ranges": [0.5, 1.0]}, {"step": 1, "in": {"a": 1}}]
    sealed.write_json(tmp_path / "x.json", {"rows": rows, "one": {"a": 1}}, seal=False)
    expected = (
        '{\n  "rows": [\n    {"step": 0, "ranges": [0.5, 1.0]},\n    {\n      "step": 1,\n      "in": {\n'
        '        "a": 1\n      }\n    }\n  ],\n  "one": {\n    "a": 1\n  }\n}\n'
    )
    assert (tmp_path / "x.json").read_text() == expected


def test_what_is_written_is_read(path):
    read = write(path)
    assert same(read())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_failed_write_leaves_the_old_artifact(path):
    read = write(path)
    with pytest.raises(TypeError):
        if path.suffix == ".npz":
            sealed.write_arrays(path, {"made": object}, train=np.zeros(3))
        elif path.suffix == ".parquet":
            artifacts.write_table(path, {"made": object}, TABLE[:3])
        else:
            sealed.write_json(path, [object])
    assert same(read())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["a.npz", "a.parquet"])
def test_another_key_or_no_file_is_none(tmp_path, name):
    read = write(tmp_path / name)
    assert read("other") is None
    (tmp_path / name).unlink()
    assert read() is None
    assert artifacts.read_manifest(tmp_path / name) is None


def test_no_json_is_none(tmp_path):
    assert sealed.read_json(tmp_path / "a.json") is None


@pytest.mark.parametrize("name", ["a.npz", "a.parquet"])
def test_the_manifest_tells_where_an_artifact_comes_from(tmp_path, name):
    about = artifacts.manifest("k", parameters={"C": 10.0, "budgets": (1, np.int64(2))}, seconds=1.5)
    if name == "a.npz":
        sealed.write_arrays(tmp_path / name, about, **ARRAYS)
    else:
        artifacts.write_table(tmp_path / name, about, TABLE)
        assert "manifest" not in TABLE.attrs
        assert "manifest" not in artifacts.read_table(tmp_path / name).attrs
    read = artifacts.read_manifest(tmp_path / name)
    assert read["key"] == "k" and read["parameters"] == {"C": 10.0, "budgets": [1, 2]} and read["seconds"] == 1.5
    assert read["versions"]["numpy"] == np.__version__
    assert pd.Timestamp(read["made"]).tzinfo is not None


def test_a_table_of_any_key_is_read_where_none_is_wanted(tmp_path):
    write(tmp_path / "a.parquet", "whatever")
    assert_frame_equal(artifacts.read_table(tmp_path / "a.parquet"), TABLE)


def test_numpy_values_are_json(tmp_path):
    sealed.write_json(tmp_path / "a.json", {"n": np.int64(3), "share": np.float32(0.5), "budgets": np.arange(2)})
    assert sealed.read_json(tmp_path / "a.json") == {"n": 3, "share": 0.5, "budgets": [0, 1]}


def refused(path, read):
    damaged = path.read_bytes()
    with pytest.raises(InputError) as error:
        read()
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert path.read_bytes() == damaged
    return True


def test_truncated_files_are_refused_by_name_and_kept(path):
    read = write(path)
    whole = path.read_bytes()
    for length in (0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 2):
        path.write_bytes(whole[:length])
        assert refused(path, read)


def test_files_with_a_wrong_byte_are_refused_or_harmless(path):
    """Every place in turn (a sample for the longer formats): an error that names the file, or the right content."""
    read = write(path)
    whole = path.read_bytes()
    outcomes = []
    for place in range(0, len(whole), 1 if path.suffix == ".json" else 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x80]) + whole[place + 1 :])
        try:
            content = read()
            assert content is None or same(content), place
            outcomes.append("read")
        except InputError:
            outcomes.append("refused")
            assert refused(path, read)
    assert outcomes.count("refused") > len(outcomes) / 2


@pytest.mark.parametrize("name", ["a.npz", "a.parquet"])
def test_damaged_files_have_no_manifest_either(tmp_path, name):
    path = tmp_path / name
    write(path)
    path.write_bytes(b"not " + path.read_bytes()[4:-8])
    assert refused(path, lambda: artifacts.read_manifest(path))


def test_a_changed_value_in_a_table_is_found(tmp_path):
    """Parquet itself keeps no checksum."""
    path = tmp_path / "a.parquet"
    artifacts.write_table(path, artifacts.manifest("k"), TABLE)
    table = pd.read_parquet(path)
    table.loc[3, "accuracy"] = 0.9
    table.to_parquet(path)
    assert refused(path, lambda: artifacts.read_table(path, "k"))


def changed(value):
    """The same JSON value with its first leaf changed."""
    if isinstance(value, dict) and value:
        first, *rest = value
        return {first: changed(value[first]), **{name: value[name] for name in rest}}
    if isinstance(value, list) and value:
        return [changed(value[0]), *value[1:]]
    return "changed" if value != "changed" else None


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(json_values, json_values)
def test_the_key_is_of_content_at_any_depth(first, second):
    key = sealed.key(first=first, second={"inner": [second]})
    assert key == sealed.key(second={"inner": [second]}, first=first)
    assert key != sealed.key(first=changed(first), second={"inner": [second]})
    assert key != sealed.key(first=first, second={"inner": [changed(second)]})


def test_the_key_looks_at_no_order_of_names_but_at_that_of_lists():
    assert sealed.key(a={"x": 1, "y": 2}) == sealed.key(a={"y": 2, "x": 1})
    assert sealed.key(a=[1, 2]) != sealed.key(a=[2, 1])
    assert sealed.key(a=(1, 2)) == sealed.key(a=[1, 2])


def test_threads_that_write_one_artifact_at_once_all_succeed(path):
    path.parent.mkdir()
    barrier = Barrier(8)

    def write_at_once(_):
        barrier.wait()
        return same(write(path)())

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write_at_once, range(32)))
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_paths_of_two_blocks_at_once_differ_and_the_later_file_stays(tmp_path):
    path = tmp_path / "a.txt"
    with writing.replacing(path) as first:
        with writing.replacing(path) as second:
            first.write_text("first")
            second.write_text("second")
        assert first != second and path.read_text() == "second"
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]
