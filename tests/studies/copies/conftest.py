"""Fixtures of a small study of copies."""

import pytest
import yaml

from studies.copies import page as set_shown
from studies.copies.study import SetStudy
from studies.storage import paths

BASE = {"study": "small", "n_train": 80, "epochs": 2, "replicates": 2, "transformation": "translate"}
SMALL = {"sets": "small", "study": "small", "policies": ["influence"], "shares": [0.05], "wrong_labels": 0.1}


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A small study whose features are made once for all tests that ask for it."""
    folder = tmp_path_factory.mktemp("shown")
    (folder / "params" / "sets").mkdir(parents=True)
    (folder / "params" / "small.yaml").write_text(yaml.safe_dump(BASE))
    (folder / "params" / "sets" / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return folder


@pytest.fixture
def r(study, monkeypatch):
    monkeypatch.setattr(paths, "PARAMS", study / "params")
    monkeypatch.setenv("INFLUAUG_OUTPUTS", str(study / "outputs"))
    return next(set_shown.replicates(SetStudy.read(study / "params" / "sets" / "small.yaml")))
