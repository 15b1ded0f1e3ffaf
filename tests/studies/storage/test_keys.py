"""Keys of results: what changes them and what does not, tried by mutation of the code and of the parameters."""

import re
import shutil
from pathlib import Path

import pytest

import canaries
from image_files import write_image
from influaug.errors import InputError
from studies import parameters
from studies.parameters import KINDS, NOTHING, kind_of
from studies.storage import keys
from studies.storage.fingerprints import LIB, Place, fingerprint, modules_below

STAGES = {stage.name: stage for stage in canaries.CANARIES}
FROM_FEATURES = {"scores", "sweep", "retrained sweep", "support vectors", "sets", "retrained sets"}
OWN = {"own data", "own data, transformations", "own data, retrained"}
CELLS = "cells of a factorial"
OF_HALVES = {"networks of halves", "features of a factorial"}
FEATURIZED = {"features", "shared features", "retrained set", "retrained sets", "retrained sweep"} | OWN | OF_HALVES
ANEW = {"networks trained anew", "networks trained anew on chosen copies"}
LEARNED = {"learned ranges", "learned networks"}
HEADLESS = {"features", "shared features", "networks trained anew"} | OF_HALVES
"""Stages of networks alone, without a logistic regression."""
# File, text there, what it becomes, and the stages that then give other numbers.
ARITHMETIC = [
    ("influaug/solver/logistic.py", "0.5", "0.25", set(STAGES) - HEADLESS),
    ("influaug/solver/heads.py", "1.0 / C", "2.0 / C", set(STAGES) - HEADLESS),
    (
        "influaug/influence/inverse.py",
        "damping * np.eye",
        "2 * damping * np.eye",
        {"scores", "sweep", "sets", "learned ranges"},
    ),
    ("influaug/influence/leave_one_out.py", "[:, 0] ** 2", "[:, 0] ** 4", {"scores", "sweep", "sets", CELLS}),
    ("influaug/networks/featurizer.py", "255", "254", FEATURIZED | LEARNED),
    ("influaug/backend/derivatives.py", "](function, [_t", "](lambda v: -function(v), [_t", {"learned networks"}),
    ("studies/learned/arms.py", "flips=comparison.flips", "flips=True", LEARNED),
    ("influaug/augnet/classifiers.py", "0.9", "0.8", LEARNED),
    ("studies/learned/guessed.py", '"rotation": 1.5', '"rotation": 1.6', LEARNED),
    (
        "influaug/selection/greedy_order.py",
        "argsort(-",
        "argsort(",
        {"sets", "own data", "retrained sets", "networks trained anew on chosen copies"},
    ),
    ("influaug/selection/draws.py", "1 - even", "even", {"networks trained anew"}),
    ("influaug/networks/repeated.py", "FORWARD = 1", "FORWARD = 2", ANEW),
    ("influaug/selection/point_policies.py", "return -s", "return s", {"sweep", "sets", CELLS}),
    ("studies/points/support_vectors.py", "FOLDS = 4", "FOLDS = 5", {"support vectors"}),
    ("influaug/data/transformation.py", "order=1", "order=0", {"features"} | OWN),
    ("influaug/data/trivial_augment.py", "1.8 * u", "1.7 * u", OWN),
    ("studies/own/retraining.py", "64, 1e-3", "64, 1e-2", {"own data, retrained"}),
]


@pytest.mark.parametrize("name", STAGES)
def test_the_code_of_a_stage_is_the_accepted_one(name):
    changed = f"Code below stage {name!r} was edited: run make canaries, which says whether its numbers are the same."
    assert STAGES[name].edits == {}, changed


@pytest.fixture
def lib(tmp_path):
    """A copy of the code, to be edited."""
    shutil.copytree(LIB, tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__", "templates"))
    return tmp_path / "lib"


def edit(lib, file, old, new):
    path = lib / file
    text = path.read_text()
    assert old in text, f"{file} has no {old!r} to be changed"
    path.write_text(text.replace(old, new))


def changed(lib):
    """Names of the stages whose code is not the accepted one any more."""
    return {name for name, stage in STAGES.items() if not stage.fingerprint(lib).covers(stage.fingerprint())}


@pytest.mark.parametrize(("file", "old", "new", "stages"), ARITHMETIC, ids=[row[0] for row in ARITHMETIC])
def test_other_arithmetic_gives_other_keys(lib, file, old, new, stages):
    edit(lib, file, old, new)
    assert stages <= changed(lib)


def test_edited_code_is_in_the_key_until_it_is_accepted(lib, monkeypatch):
    stage = keys.Stage("sweep", 1, ("head",), STAGES["sweep"].code)
    edit(lib, "influaug/solver/heads.py", "1.0 / C", "2.0 / C")
    study = kind_of({"study": "a"})()
    before = stage.key(study)
    edited = keys.Stage("sweep", 1, ("head",), STAGES["sweep"].code)
    found = stage.fingerprint(lib)
    monkeypatch.setattr(keys.Stage, "fingerprint", lambda self: found)
    assert edited.key(study) != before
    monkeypatch.setattr(keys, "_accepted", lambda path: {"sweep": (1, found)})
    assert keys.Stage("sweep", 1, ("head",), STAGES["sweep"].code).key(study) == before
    assert keys.Stage("sweep", 2, ("head",), STAGES["sweep"].code).key(study) != before


def test_words_about_code_are_in_no_key(lib):
    for path in lib.rglob("*.py"):
        text = re.sub(r'(:\n +)"""', r'\1"""More words. ', path.read_text())
        path.write_text("# A comment.\n" + text.replace("-> np.ndarray", "-> object"))
    edit(lib, "studies/points/sweep.py", "must rise from at least 1", "must be right")
    assert changed(lib) == set()


def test_code_can_be_renamed(lib):
    for path in lib.rglob("*.py"):
        text = re.sub(r"\brow_weights\b", "weights_of_rows", path.read_text())
        path.write_text(re.sub(r"\bin_turn\b", "taking_turns", text))
    edit(lib, "influaug/selection/point_policies.py", "noise", "gumbel_noise")
    assert changed(lib) == set()


ADDITIONS = [
    (
        "influaug/selection/point_policies.py",
        "POINT_POLICIES = {\n",
        '"squared": by_any_score("squared", lambda s: 2 * _log(s), True),',
    ),
    ("influaug/selection/scores.py", "SCORES = {\n", '"doubt": margin,'),
    ("influaug/data/transformations.py", "BUILDERS = {\n", '"mirror": rotate,'),
    ("influaug/data/sources.py", "READERS = {\n", '"small-digits": None,'),
    (
        "influaug/selection/policies.py",
        "POLICIES = {\n",
        '"first": Policy("first copies", "copy", "chosen", rules.random_copies),',
    ),
]


@pytest.mark.parametrize(("file", "registry", "entry"), ADDITIONS, ids=[row[0] for row in ADDITIONS])
def test_entries_can_be_added_to_registries(lib, file, registry, entry):
    edit(lib, file, registry, f"{registry}    {entry}\n")
    assert changed(lib) == set()


def test_every_parameter_says_what_it_decides_and_some_stage_depends_on_it():
    for name in KINDS:
        decisions = kind_of({name: "a"}).decisions()
        known = {part for stage in STAGES.values() for part in stage.decided_by} | {NOTHING, "network"}
        assert set(decisions.values()) <= known, name


class Before(parameters.Experiment):
    kind = "kept"
    kept: str = parameters.name_parameter("a", "case")
    C: float = parameters.parameter(1.0, "a number", "part")


class After(Before):
    depth: int | None = parameters.parameter(None, "another", "part", later=True)
    names: list[str] = parameters.parameter(["a"], "some", "part", later=True)


def test_a_later_parameter_changes_nothing_while_it_has_its_default():
    for before, after in ((Before(), After()), (Before(C=2.0), After(C=2.0, depth=None, names=["a"]))):
        assert after.deciding("part") == before.deciding("part") == {"C": before.C}
        assert after.model_dump() == before.model_dump() and after.model_dump_json() == before.model_dump_json()
        assert after.folder == before.folder
    assert After.decisions() == Before.decisions() | {"depth": "part", "names": "part"}


@pytest.mark.parametrize("changes", [{"depth": 3}, {"depth": 0}, {"names": []}])
def test_a_later_parameter_counts_once_it_has_another_value(changes):
    found = After(**changes)
    assert found.deciding("part") == {"C": 1.0} | changes
    assert found.model_dump() == Before().model_dump() | changes and After(**found.model_dump()) == found
    assert found.folder != After().folder


@pytest.mark.parametrize("kind", ["study", "own", "comparison", "recipe"])
def test_how_pictures_are_read_is_a_later_parameter_of_every_kind_with_data(kind):
    model = kind_of({kind: "a"})
    assert not {"image_size", "channels", "skip_bad"} & set(model().model_dump())
    changes = {"image_size": [8, 6], "channels": 1, "skip_bad": True}
    assert set(changes) <= set(model(**changes).model_dump())
    for wrong in ({"image_size": 0}, {"image_size": [1, 2, 3]}, {"channels": 2}):
        (name,) = wrong
        with pytest.raises(InputError, match=f"^Parameter {name}: .*must be"):
            model.of(wrong)


@pytest.mark.parametrize("kind", ["study", "own", "comparison", "recipe"])
def test_parameters_reach_the_reader_of_pictures(kind, tmp_path):
    model = kind_of({kind: "a"})
    for i in range(8):
        write_image(tmp_path / "ab"[i % 2] / f"{i}.png", size=(4 + i, 9), mode=("L", "RGB")[i // 2 % 2], seed=i)
    (tmp_path / "a" / "notes.txt").write_text("hello")
    given = {"data" if kind == "own" else "dataset": str(tmp_path)}
    data = model(**given, image_size=[8, 6], channels=3, skip_bad=True).load_data()
    assert data.images_train.shape == (6, 8, 6, 3) and data.provenance["skipped"]
    with pytest.raises(InputError, match=r"cannot be used: .*; image_size resizes .*, channels makes .*, skip_bad"):
        model(**given).load_data()


def test_a_parameter_that_does_not_say_what_it_decides_is_refused():
    class Silent(parameters.Experiment):
        kind = "silent"
        silent: str = parameters.name_parameter("a", "silence")
        C: float = 1.0

    with pytest.raises(TypeError, match=r"Silent\.C"):
        Silent.decisions()


PACKAGE = {
    "__init__": "",
    "top": "from .middle import f\nfrom . import absolute, __doc__\n\n\ndef g():\n    return f(1)\n",
    "middle": "from .bottom import f\n",
    "bottom": "def f(x):\n    from .top import g\n\n    return x if x else g()\n",
    "absolute": "import json, package.by_name\nfrom package.from_name import x\nfrom package import sibling\n",
    "by_name": "",
    "from_name": "x = 1\n",
    "sibling": "",
    "other": "y = 1\n",
}


@pytest.fixture
def package(tmp_path):
    """A folder with a package whose functions call each other in a circle."""
    (tmp_path / "package").mkdir()
    for name, text in PACKAGE.items():
        (tmp_path / "package" / f"{name}.py").write_text(text)
    return tmp_path


def test_imports_are_followed(package):
    def found(*modules):
        return {path.stem for path in modules_below(*(f"package.{module}" for module in modules), lib=package)}

    assert found("top") == set(PACKAGE) - {"other"}
    assert found("absolute") == {"__init__", "absolute", "by_name", "from_name", "sibling"}
    assert found("other", "from_name") == {"other", "from_name"}


def test_a_circle_of_functions_has_a_fingerprint(package, tmp_path_factory):
    first = fingerprint([Place("package.top", "g")], package)
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(package / "package", other / "package")
    assert fingerprint([Place("package.top", "g")], other) == first
    bottom = other / "package" / "bottom.py"
    bottom.write_text(bottom.read_text().replace("x if x", "-x if x"))
    third = Path(shutil.copytree(other, tmp_path_factory.mktemp("third") / "lib"))
    assert fingerprint([Place("package.top", "g")], third) != first


def test_code_can_be_moved(package, tmp_path_factory):
    first = fingerprint([Place("package.top", "g")], package)
    moved = tmp_path_factory.mktemp("moved")
    (moved / "another").mkdir()
    (moved / "another" / "__init__.py").write_text("")
    text = "def start():\n    return inner(1)\n\n\ndef inner(y):\n    return y if y else start()\n"
    (moved / "another" / "all_in_one.py").write_text(text.replace("start", "g"))
    assert fingerprint([Place("another.all_in_one", "g")], moved) == first
