"""Tests write their outputs to a temporary folder, and never show a window."""

import os

import pytest

os.environ["MPLBACKEND"] = "agg"


@pytest.fixture(autouse=True)
def outputs(tmp_path, monkeypatch):
    folder = tmp_path / "outputs"
    monkeypatch.setenv("INFLUAUG_OUTPUTS", str(folder))
    return folder
