"""Tests write their outputs to a temporary folder, and never show a window."""

import os

import pytest

os.environ["MPLBACKEND"] = "agg"


def pytest_ignore_collect(collection_path, config):
    """Where slow tests are left out, do not even import modules of nothing else: many import Keras, for seconds."""
    if "not slow" in config.option.markexpr and collection_path.name.startswith("test_"):
        return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text("utf-8") or None
    return None


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    folder = tmp_path / "outputs"
    monkeypatch.setenv("INFLUAUG_OUTPUTS", str(folder))
    return folder


@pytest.fixture
def hostile(tmp_path):
    """The page of a notebook of which every output, and a text, does what it can."""
    from hostile import page_of_all_outputs

    return page_of_all_outputs(tmp_path)
