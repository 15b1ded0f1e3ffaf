"""Tests write their outputs to a temporary folder, and never show a window."""

import os

import pytest

os.environ["MPLBACKEND"] = "agg"


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
