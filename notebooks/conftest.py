"""Under nbval every notebook starts with an empty outputs folder of its own, as if no other had ever run."""

import os

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Point the notebook's kernel, which nbval starts during set-up, at its own folder."""
    folder = item.config._tmp_path_factory.getbasetemp() / "outputs" / item.path.stem
    os.environ["INFLUAUG_OUTPUTS"] = str(folder)
