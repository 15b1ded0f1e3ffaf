"""The additions that CONTRIBUTING.md shows, made to a copy of the library and used."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from studies.storage import paths

pytestmark = pytest.mark.slow

GUIDE = (paths.PROJECT / "CONTRIBUTING.md").read_text("utf-8")
RECIPES = dict(re.findall(r"^## (Add .*?)\n.*?^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL))
PIECE = re.compile(r"^# (lib/\S+), (in|before) (\w+)\n(.*?)(?=^# lib/|\Z)", re.MULTILINE | re.DOTALL)

SWEEP = """
import numpy as np
from influaug.selection.scores import ScoreOptions
from studies.points import figures
from studies.points.study import Study
from studies.points.feature_set import FeatureSet
from studies.points.sweep import sweep_points
s = Study(scores=[SCORES], policies=[POLICIES], refinements=["plain"], budgets=[2, 20], n_train=40, rounds=2)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(200, 3)), rng.integers(0, 2, 200)
f = FeatureSet(x[:80], np.append(y[:40], y[:40]), 40, x[80:], y[80:], 60)
t = sweep_points(f, s.sweep_settings(40), np.random.SeedSequence(0))
assert {*t["policy"]} >= {POLICIES} and {*t["score"]} >= {SCORES} and t["accuracy"].between(0, 1).all()
"""
USES = {
    "Add a policy": SWEEP.replace("SCORES", '"loss"').replace("POLICIES", '"random_squared"')
    + "assert figures.policy_curves(__import__('matplotlib.pyplot').pyplot.gca(), t.assign(replicate=0), 'loss', "
    "['random_squared']).lines[0].get_label() == 'random, squared'",
    "Add a score": SWEEP.replace("SCORES", '"doubt"').replace("POLICIES", '"random_proportional"'),
    "Add a policy of copies": """
import numpy as np
from influaug.selection.candidates import Candidates
from influaug.selection.policies import SetOptions, choose
from studies.points.feature_set import FeatureSet
rng = np.random.default_rng(0)
y = rng.integers(0, 2, 10)
labels = np.append(y, np.repeat(y, 3))
f = FeatureSet(rng.normal(size=(40, 2)), labels, 10, rng.normal(size=(40, 2)), labels, 10)
found = choose("first_copies", f.candidates, [12], SetOptions(), rng)[0]
assert list(found) == [*range(0, 30, 3), 1, 4]
""",
    "Add a transformation": """
import numpy as np
from studies.points.study import Study
images = Study(n_train=20, budgets=[2]).split(0).images
np.testing.assert_array_equal(Study(transformation="transpose").augmentation()(images)[0, 0], images[0].swapaxes(0, 1))
""",
    "Add a data set": """
from studies.points.study import Study
sample = Study(dataset="small-digits", n_train=40, budgets=[2]).split(0)
assert sample.images.shape == (40, 8, 8, 1) and sample.provenance["title"] == "digits (8 x 8)"
""",
}


def apply(piece, folder):
    """Make one addition to a copy of the library: lines in a dictionary, or a function before it."""
    file, where, name, code = piece
    path = folder / file
    text = path.read_text("utf-8")
    start = re.search(rf"^{name} = {{\n", text, re.MULTILINE)
    if where == "in":
        lines = "".join(f"    {line}\n" for line in code.splitlines())
        text = text[: start.end()] + lines + text[start.end() :]
    else:
        text = text[: start.start()] + f"{code}\n\n" + text[start.start() :]
    path.write_text(text, "utf-8")


def test_there_is_a_use_of_every_addition():
    assert set(USES) == set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_an_addition_is_short_and_works_as_it_stands(name, tmp_path):
    pieces = PIECE.findall(RECIPES[name])
    assert "".join(f"# {f}, {w} {n}\n{code}" for f, w, n, code in pieces) == RECIPES[name]
    assert sum(len(code.splitlines()) for *_, code in pieces) < 10
    shutil.copytree(paths.PROJECT / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    for piece in pieces:
        apply(piece, tmp_path)
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "lib")}
    ran = subprocess.run([sys.executable, "-c", USES[name]], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
