"""Files that mean harm are refused in one sentence: nothing of them runs, fills the memory, or leaves a trace."""

import hashlib
import json
import os
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

import malicious
from confined import answers
from influaug.errors import InputError
from influaug.files import sealed
from studies.storage import artifacts

ENOUGH = 500_000_000
"""Bytes that refusing any of the files may take; what they claim is gigabytes."""


def state(folder):
    """Names and contents of what is in a folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refused(function, attacks, folder):
    """What a reader answered to each attack, all in one child; and whether the files are as they were."""
    calls = [attack(folder / attack.__name__) for attack in attacks if not (folder / attack.__name__).mkdir()]
    before, home = state(folder), Path.cwd()
    os.chdir(folder)
    try:
        found = dict(zip((attack.__name__ for attack in attacks), answers(function, calls), strict=True))
    finally:
        os.chdir(home)
    return found, state(folder) == before


def check(answer):
    assert answer["kind"] == "InputError", answer
    assert "\n" not in answer["message"] and answer["message"].endswith(".") and len(answer["message"]) < 1000
    assert answer["seconds"] < 30 and answer["bytes"] < ENOUGH, answer


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return refused("influaug.data.datasets:load", malicious.DATA, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return refused(
        "influaug.networks.featurizer:KerasFeaturizer.load", malicious.NETWORKS, tmp_path_factory.mktemp("networks")
    )


@pytest.mark.fuzz
@pytest.mark.parametrize("attack", [attack.__name__ for attack in malicious.DATA])
def test_malicious_data_are_refused_in_one_sentence(data, attack):
    check(data[0][attack])


@pytest.mark.fuzz
def test_malicious_data_are_left_as_they_were_and_leave_nothing(data):
    assert data[1]


@pytest.mark.fuzz
@pytest.mark.parametrize("attack", [attack.__name__ for attack in malicious.NETWORKS])
def test_malicious_networks_are_refused_in_one_sentence(networks, attack):
    check(networks[0][attack])


@pytest.mark.fuzz
def test_malicious_networks_are_left_as_they_were_and_leave_nothing(networks):
    assert networks[1]


# Artifacts.


def artifact_of(path, **arrays):
    """Artifacts as `artifacts` writes them, of any arrays."""
    sealed.write_arrays(path, artifacts.manifest("k"), **arrays)
    return path


def test_an_artifact_that_unpacks_to_gigabytes_is_damaged(tmp_path):
    (path,) = malicious.an_archive_of_gigabytes(tmp_path)
    for read in (lambda: sealed.read_arrays(path, "k"), lambda: artifacts.read_manifest(path)):
        with pytest.raises(InputError, match=r"is damaged \(.*would unpack to 3221226176 bytes.*made again\.$"):
            read()


def test_an_artifact_with_pickled_objects_is_damaged_and_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (path,) = malicious.pickled_labels(tmp_path)
    with pytest.raises(InputError, match="is damaged"):
        sealed.read_arrays(path, "k")
    assert not (tmp_path / malicious.CANARY).exists()


def table(path, manifest='{"key": "k", "content": "c"}', **metadata):
    """A Parquet file of one column with metadata of its own."""
    column = pa.field("a", pa.binary(), metadata={"ARROW:extension:name": "arrow.py_extension_type", **metadata})
    schema = pa.schema([column]).with_metadata({"PANDAS_ATTRS": json.dumps({"manifest": manifest})})
    parquet.write_table(pa.table([pa.array([b"x"])], schema=schema), path)
    return path


@pytest.mark.parametrize("manifest", ["no JSON", "[]", "{}", '"text"', "1", "[" * 100_000, '{"key": [{}]}', {"key": 1}])
def test_a_table_with_a_manifest_that_is_none_is_damaged(tmp_path, manifest):
    path = table(tmp_path / "a.parquet", manifest)
    with pytest.raises(InputError, match="is damaged"):
        artifacts.read_table(path)


def test_a_table_of_a_pickled_type_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    harm = malicious.pickle.dumps(malicious.Harm())
    path = table(tmp_path / "a.parquet", **{"ARROW:extension:metadata": harm})
    with pytest.raises(InputError, match="is damaged"):
        artifacts.read_table(path, "k")
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]


def test_a_table_of_one_value_a_hundred_million_times_is_damaged(tmp_path):
    part = pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0] * 10**7, pa.int8()), ["x"])})
    with parquet.ParquetWriter(tmp_path / "a.parquet", part.schema) as file:
        for _ in range(10):
            file.write_table(part)
    assert (tmp_path / "a.parquet").stat().st_size < 500_000
    with pytest.raises(InputError, match=r"would unpack to 800000000 bytes"):
        artifacts.read_table(tmp_path / "a.parquet")


def test_tables_and_arrays_of_one_value_are_read(tmp_path):
    frame = pd.DataFrame({"a": [0.0] * 100_000})
    artifacts.write_table(tmp_path / "a.parquet", artifacts.manifest("k"), frame)
    assert len(artifacts.read_table(tmp_path / "a.parquet", "k")) == 100_000
