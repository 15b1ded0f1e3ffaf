"""Under nbval every notebook starts with an empty outputs folder of its own, as if no other had ever run.

Those that show the one embedded study would each compute its features for a minute or more. They share a folder: the
first of them, 00, starts with an empty one as before, the others take what is there, as under `make run`. A notebook
that is tested by itself is always alone.
"""

import os
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = {"00_index", "01_featurize", "02_score", "03_policy_sweep", "04_refinements", "05_vsv", "06_figures"}
TOGETHER |= {"08_claims", "13_set_policies", "14_why_greedy", "19_dear_copies"}


def folder_of(stem):
    """Name of the outputs folder of a notebook."""
    return "together" if stem in TOGETHER else stem


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Point the notebook's kernel, which nbval starts during set-up, at its folder."""
    folder = item.config._tmp_path_factory.getbasetemp() / "outputs" / folder_of(item.path.stem)
    os.environ["INFLUAUG_OUTPUTS"] = str(folder)


class ByFolder(LoadFileScheduling):
    """Gives a file to one worker, as `--dist loadfile` does, and the notebooks that share a folder to the same one."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return folder_of(Path(file).stem) if file.endswith(".ipynb") else file


def pytest_xdist_make_scheduler(config, log):
    """Take `ByFolder` where tests are to be distributed by file."""
    return ByFolder(config, log) if config.getvalue("dist") == "loadfile" else None
