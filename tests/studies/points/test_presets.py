"""The preset of the released code: what it sets, what contradicts it, and what gives way in a notebook."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from influaug.errors import InputError
from influaug.influence.inverse import factor
from influaug.solver import heads, logistic
from problems import problem
from studies.points import presets, report
from studies.points.study import Study

SET = {
    "C": 1.0,
    "hessian": "loss",
    "damping": 1e-10,
    "directions": "diagonal",
    "preprocessing": "uncentred",
    "sample": "first",
    "margin": "easiest",
}
OF_MNIST = {"network": "released-cnn", "featurizer": "retrained", "refinements": ["plain"]}


def cell(**assigned):
    """A notebook's globals after a parameters cell."""
    source = "\n".join(f"{name} = {value!r}" for name, value in assigned.items())
    return {"In": ["", source], **assigned}


@pytest.mark.parametrize(("dataset", "more"), [("cifar10", {}), ("digits", {}), ("mnist", OF_MNIST)])
def test_the_preset_sets_what_the_released_code_did(dataset, more):
    chosen, expected = Study.of({"dataset": dataset, "preset": "released"}), SET | more
    assert {name: getattr(chosen, name) for name in expected} == expected
    changed = {name for name in Study.model_fields if getattr(chosen, name) != getattr(Study(), name)}
    assert changed == {*expected, "preset"} | {name for name in ("dataset",) if dataset != "digits"}
    assert chosen.augmentation().labels[0].startswith("right down")
    assert chosen == Study(dataset=dataset, preset="released") == Study.of(chosen.model_dump())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"C": 10}, "preset: released sets C to 1, not 10: leave out C, or the preset."),
        ({"C": 10.0}, "preset: released sets C to 1, not 10: leave out C, or the preset."),
        ({"sample": "stratified"}, "preset: released sets sample to first, not stratified"),
        ({"preprocessing": "right"}, "preset: released sets preprocessing to uncentred, not right"),
        ({"dataset": "mnist", "network": "lenet"}, "preset: released sets network to released-cnn, not lenet"),
        ({"dataset": "mnist", "refinements": ["both"]}, r"sets refinements to \[plain\], not \[both\]"),
    ],
)
def test_a_key_that_contradicts_the_preset_is_refused_even_if_it_is_a_default(given, said, tmp_path):
    file = tmp_path / "own.yaml"
    file.write_text(json.dumps({"study": "own", "preset": "released", **given}))
    for refused in (lambda: Study.read(file), lambda: Study.of({"preset": "released", **given})):
        with pytest.raises(InputError, match=said) as error:
            refused()
        assert "\n" not in str(error.value)
    with pytest.raises(ValidationError, match=said):
        Study(preset="released", **given)


def test_a_key_that_says_the_same_or_has_nothing_to_do_with_it_is_taken():
    chosen = Study.of({"preset": "released", "C": 1, "rounds": 3, "network": "released-cnn"})
    assert (chosen.C, chosen.rounds, chosen.network, chosen.featurizer) == (1.0, 3, "released-cnn", "frozen")


@pytest.mark.parametrize("wrong", ["paper", 3, ["released"], True])
def test_a_preset_that_is_none_is_refused(wrong):
    with pytest.raises(InputError, match=r"^Parameter preset: input should be 'released'"):
        Study.of({"preset": wrong, "C": 10})


def test_a_wrong_type_is_not_hidden_by_the_preset():
    with pytest.raises(InputError, match="Parameter C"):
        Study.of({"preset": "released", "C": True})


def test_defaults_of_a_notebooks_cell_give_way_and_other_values_do_not():
    own = cell(study="own", C=10, sample="stratified", rounds=3, preset="released")
    assert Study.from_namespace(own) == Study(study="own", rounds=3, preset="released")
    with pytest.raises(InputError, match="sets C to 1, not 3"):
        Study.from_namespace(cell(study="own", C=3, preset="released"))
    assert Study.from_namespace(cell(study="own", C=10, sample="stratified")) == Study(study="own")
    with pytest.raises(InputError, match="sead"):
        Study.from_namespace(cell(study="own", sead=3, preset="released"))


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_papermills_cell_gives_the_study_of_the_file(dataset):
    asked = Study.of({"study": "own", "dataset": dataset, "preset": "released", "seed": 3})
    injected = json.loads(json.dumps(asked.model_dump()))  # what the batch passes
    first = {"study": "digits-translate", "dataset": "digits", "C": 10, "network": "lenet", "seed": 0}
    sources = ["\n".join(f"{name} = {value!r}" for name, value in each.items()) for each in (first, injected)]
    assert Study.from_namespace({"In": ["", *sources], **first, **injected}) == asked


def test_without_a_preset_nothing_is_written_down_or_keyed_anew():
    assert not {"preset", "preprocessing"} & set(Study().model_dump())
    assert "preprocessing" not in Study().deciding("preprocessing", "sample")
    assert Study(preset="released").deciding("preprocessing") == {"preprocessing": "uncentred"}


def test_the_page_shows_what_was_set():
    chosen = Study(preset="released")
    assert "The preset released sets C: 1, hessian: loss" in report.about(chosen).replace("\\", "")
    assert "preprocessing: uncentred" in report.about(chosen).replace("\\", "")
    assert "preset" not in report.about(Study()) and presets.in_words(None, "mnist") == ""
    assert "of uncentred pixels; C = 1;" in report.settings(chosen)


def test_the_presets_hessian_can_be_factored_for_features_that_are_dead_or_more_than_points():
    x, y = problem(seed=0, n=60, d=90)
    x[:, :20] = 0.0
    options = Study(preset="released").sweep_settings(60).options
    theta = logistic.fit(x, y, np.ones((1, 60)), options.C).theta[0]
    H = heads.hessian(heads.with_intercept(x), theta, np.ones(60), np.inf)
    assert factor(H, options.damping).shape == (91, 91)
