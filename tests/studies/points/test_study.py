"""Parameters: what is right, what is refused in one sentence, where results go, and where randomness comes from."""

import itertools

import numpy as np
import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from influaug.errors import InputError
from influaug.networks.featurizer import NETWORKS
from influaug.selection.scores import ScoreOptions
from studies.points import study
from studies.points.study import Study
from studies.points.sweep import scaled_budgets
from studies.storage import paths

SETUP = "from studies.points.study import Study\n\ns = Study.from_namespace(globals())"
TINY = {"n_train": 40, "epochs": 1, "rounds": 2, "replicates": 1, "budgets": [2, 10, 40]}
FILES = sorted(paths.PARAMS.glob("*.yaml"))


def sentence(parameters):
    """What is said of wrong parameters: one sentence."""
    with pytest.raises(InputError) as error:
        Study.of(parameters)
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and ".;" not in text, text
    return text


def file_of(tmp_path, text, name="own.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_defaults_are_the_small_embedded_case():
    assert Study.read(paths.PARAMS / "digits-translate.yaml") == Study()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_params_file_is_valid_named_and_explained(path):
    chosen = Study.read(path)
    assert chosen.study == path.stem
    assert chosen.augmentation()
    text = path.read_text("utf-8")
    assert text.startswith("# ")
    written = yaml.safe_load(text)
    explained = {line.split(":")[0] for line in text.splitlines() if line[:1] not in ("", "#", " ") and "  # " in line}
    assert explained == set(written)


def test_there_are_the_bundled_and_the_papers_studies():
    names = {path.stem for path in FILES}
    data_sets, transformations = ("digits", "mnist", "cifar10", "small-norb"), ("translate", "rotate", "crop")
    assert names >= {f"{data}-{how}" for data in data_sets for how in transformations}


def test_the_networks_are_the_featurizers_without_the_large_ones():
    large = {"shake-shake-26-2x96d", "pyramidnet-272-shakedrop", "imagenet-resnet50", "imagenet-resnet200"}
    assert set(study.NETWORKS) == set(NETWORKS) - large


def test_a_trained_network_is_named_by_its_path_from_here_or_from_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Study().trained_network is None
    assert Study(replicates=2).feature_files == ["features/replicate-00.npz", "features/replicate-01.npz"]
    with pytest.raises(InputError, match=r"There is no trained network net\.keras; notebooks/09_train_featurizer"):
        _ = Study(network="net.keras").trained_network
    (tmp_path / "net.keras").touch()
    found = Study(network="net.keras", replicates=2)
    assert found.trained_network.resolve() == tmp_path / "net.keras"
    assert found.feature_files == ["features/shared.npz"]
    monkeypatch.setattr(paths, "PROJECT", tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    assert Study(network="net.keras").trained_network == tmp_path / "net.keras"


def test_networks_that_are_none_are_refused():
    assert "must be lenet, released-cnn" in sentence({"network": "vgg"})
    assert "retrained takes the name of a network" in sentence({"network": "a.keras", "featurizer": "retrained"})


def test_every_parameter_is_described():
    assert all(field.description for field in Study.model_fields.values())


def test_an_unknown_parameter_is_answered_with_the_known_ones():
    text = sentence({"sead": 1, 2: 3})
    assert "sead" in text and "2" in text
    assert all(name in text for name in Study.model_fields)


@pytest.mark.parametrize(
    ("parameters", "right"),
    [
        ({"n_train": "1000"}, "integer"),
        ({"n_train": 1.5}, "integer"),
        ({"n_train": True}, "integer"),
        ({"n_train": 1}, "greater"),
        ({"C": 0}, "greater than 0"),
        ({"C": -1.5}, "greater than 0"),
        ({"C": "10"}, "number"),
        ({"C": True}, "number"),
        ({"C": float("inf")}, "finite"),
        ({"damping": float("nan")}, "finite"),
        ({"damping": -1}, "greater than or equal to 0"),
        ({"learning_rate": 0}, "greater than 0"),
        ({"seed": -1}, "greater"),
        ({"rounds": 0}, "greater"),
        ({"replicates": 0}, "greater"),
        ({"epochs": None}, "integer"),
        ({"update_every": 0}, "greater"),
        ({"n_train": 50, "budgets": [10, 51]}, "50 training points"),
        ({"budgets": [2, 1001]}, "1000 training points"),
        ({"budgets": [10, 5]}, "rise"),
        ({"budgets": [5, 5]}, "rise"),
        ({"budgets": [0, 5]}, "rise"),
        ({"budgets": []}, "rise"),
        ({"policies": ["greedy"]}, "baseline, random_proportional"),
        ({"policies": []}, "at least 1"),
        ({"scores": ["gain"]}, "loss, influence, margin"),
        ({"scores": ["loss", "loss"]}, "once"),
        ({"refinements": ["none"]}, "plain, update, downweight, both"),
        ({"transformation": "swirl"}, "must be one of translate, rotate, crop"),
        ({"directions": "up"}, "'cardinal' or 'diagonal'"),
        ({"network": "vgg"}, "must be lenet, released-cnn"),
        ({"featurizer": "fixed"}, "'frozen' or 'retrained'"),
        ({"sample": "random"}, "'stratified' or 'first'"),
        ({"hessian": "full"}, "'objective' or 'loss'"),
        ({"margin": "hard"}, "'hardest' or 'easiest'"),
        ({"magnitudes": []}, "one number of pixels"),
        ({"magnitudes": [1, 2]}, "one number of pixels"),
        ({"magnitudes": [1.5]}, "whole numbers of pixels"),
        ({"magnitudes": [0]}, "at least 1"),
        ({"transformation": "crop", "magnitudes": [0]}, "at least 1"),
        ({"transformation": "rotate", "magnitudes": [360]}, "multiple of 360"),
        ({"transformation": "rotate", "magnitudes": ["10"]}, "number"),
        ({"transformation": "compose"}, "or be made of these"),
        ({"transformation": {"compose": "blur"}}, "compose takes a list of transformations"),
        ({"transformation": [{"rotate": ["10"]}]}, "finite angles"),
        ({"transformation": []}, "is empty"),
        ({"transformation": "zoom", "magnitudes": [1]}, "from 0.1 to 10, not 1"),
        ({"transformation": "flip_up_down", "magnitudes": [1]}, "takes no parameters"),
        ({"transformation": ["zoom"], "magnitudes": [2]}, "must be null"),
        ({"classes": "3, 8"}, "list"),
        ({"classes": [1.5, 2]}, "integer"),
        ({"dataset": 3}, "string"),
        ({"study": "a/b"}, "pattern"),
        ({"study": "../up"}, "pattern"),
        ({"study": ""}, "pattern"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_says_what_is_right(parameters, right):
    text = sentence(parameters)
    assert list(parameters)[-1] in text and right in text


@pytest.mark.parametrize(
    ("parameters", "right"),
    [
        ({"dataset": "nosuch"}, "give digits, mnist, cifar10, cifar100, small-norb"),
        ({"classes": [3, 12]}, "no class 12"),
        ({"classes": [3]}, "at least two"),
        ({"classes": [[3, 8], 8]}, "each class once"),
        ({"n_train": 1001, "classes": [3, 8]}, "n_train"),
        ({"n_train": None, "budgets": [2000]}, "training points"),
    ],
)
def test_what_only_the_data_can_tell_is_one_sentence_too(parameters, right):
    with pytest.raises(InputError) as error:
        Study.of(parameters).split(0)
    assert right in str(error.value) and "\n" not in str(error.value)


def test_a_study_is_not_changed():
    with pytest.raises(ValueError, match="frozen"):
        Study().seed = 3


def test_whole_numbers_are_numbers():
    chosen = Study.of({"C": 10, "learning_rate": 1, "magnitudes": [3]})
    assert chosen == Study.of({"C": 10.0, "learning_rate": 1.0, "magnitudes": [3.0]})
    assert isinstance(chosen.C, float)


@pytest.mark.parametrize(
    "text",
    [
        "a: [1",
        "a: b: c",
        "\x00",
        "- C\n- 10",
        "C",
        "",
        b"study: \xff",
        "!!python/object/apply:os.system ['touch {made}']",
        "study: !!python/object/new:pathlib.Path ['{made}']",
    ],
)
def test_what_is_not_yaml_of_parameters_is_refused_and_never_run(tmp_path, text):
    made = tmp_path / "made"
    path = file_of(tmp_path, text.format(made=made) if isinstance(text, str) else text)
    with pytest.raises(InputError) as error:
        Study.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert not made.exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("study: !!python/object/apply:os.system ['touch canary']", "could not determine a constructor"),
        ("study: !!python/name:os.system", "could not determine a constructor"),
        ("a: &a [x, x]\nclasses: [*a, *a]", "aliases"),
        ("classes: &a [*a]", "aliases"),
        ("classes: " + "[" * 99_000, "recursion"),
        ("classes:\n" + "- " * 45_000, "recursion"),
        ("n_train: " + "9" * 5000, "5000 digits"),
        ("seed: 0x" + "f" * 5000, "more than 63 bits"),
        ("study: 2020-13-45", "month"),
        ("seed: !!int ''", "string index"),
        ("seed: !!timestamp x", "groupdict"),
    ],
)
def test_malicious_yaml_is_one_sentence_and_runs_nothing(tmp_path, monkeypatch, text, reason):
    monkeypatch.chdir(tmp_path)
    path = file_of(tmp_path, text)
    with pytest.raises(InputError, match=f"own.yaml is not a YAML file: .*{reason}") as error:
        Study.read(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    assert [file.name for file in tmp_path.iterdir()] == ["own.yaml"] and path.read_text() == text


def test_a_file_of_parameters_without_end_is_not_even_read(tmp_path):
    path = file_of(tmp_path, "classes: " + "[" * 10_000_000)
    with pytest.raises(InputError, match=r"larger than the 100000 bytes that a file of parameters may have\.$"):
        Study.read(path)


def test_what_a_file_says_at_length_is_repeated_in_part_and_on_one_line(tmp_path):
    assert len(sentence({"study": "é" * 50_000})) < 500
    assert len(sentence({"x" * 50_000: 1})) < 1000
    assert "a b" in sentence({"a\nb": 1})


@pytest.mark.parametrize("cell", ["n_train = 1\0", "n_train = " + "[" * 5000, "n_train = " + "-" * 5000 + "1"])
def test_a_cell_that_python_cannot_read_holds_no_parameters(cell):
    assert Study.from_namespace({"In": ["", cell], "n_train": 40, "study": "digits-translate"}) is not None


def test_the_place_of_an_error_in_a_file_is_named(tmp_path):
    with pytest.raises(InputError, match="line 2"):
        Study.read(file_of(tmp_path, "C: 10\nn_train: 10: 20\n"))


@pytest.mark.parametrize("name", ["nosuch.yaml", ""])
def test_a_missing_file_is_answered_with_the_studies_there_are(tmp_path, name):
    with pytest.raises(InputError, match="digits-crop, digits-rotate, digits-ten-translate, digits-translate"):
        Study.read(tmp_path / name)


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """Run cells one after another, as a notebook does; return the study that the set-up cell makes."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))

    def run(*sources):
        for source in sources:
            shell.run_cell(source, store_history=True).raise_error()
        return shell.user_ns.get("s")

    yield run
    shell.restore_sys_module_state()


def test_a_parameters_cell_makes_the_study(cells):
    assert cells('study = "own"  # name\nn_train = 40\nC = 1\nclasses = [3, 8]\nmagnitudes = None', SETUP) == Study(
        study="own", n_train=40, C=1.0, classes=[3, 8]
    )


def test_no_parameters_make_the_defaults():
    assert Study.from_namespace({}) == Study()
    assert Study.from_namespace({"In": [""], "study": "own", "rounds": 3, "other": 1}) == Study(study="own", rounds=3)


def test_papermills_cell_is_over_the_notebooks_own(cells):
    chosen = cells('study = "a"\nn_train = 40\nC = 1', '# Parameters\nstudy = "b"\nC = 2.0\nepochs = 3', SETUP)
    assert chosen == Study(study="b", n_train=40, C=2.0, epochs=3)


def test_variables_of_other_cells_are_no_parameters(cells):
    other = 'sample = len("abc")\nn = 3'
    assert cells('study = "own"', other, "import os\nseed = 3", "for rounds in range(2):\n    C = 3", SETUP) == Study(
        study="own"
    )


def test_parameters_may_be_computed_and_annotated_beside_the_studys_name(cells):
    assert cells('study: str = "own"\nn_train = 4 * 10\nC: float = 10 / 4', SETUP) == Study(
        study="own", n_train=40, C=2.5
    )


@pytest.mark.parametrize("cell", ["sead = 1", 'study = "own"\nsead = 1', 'study = "own"\nsead = 2 * 3'])
def test_a_misspelt_parameter_is_refused_until_it_is_corrected(cells, cell):
    for _ in range(2):
        with pytest.raises(InputError, match="sead"):
            cells('study = "own"', cell, SETUP)
    with pytest.raises(InputError, match="sead"):
        cells(SETUP)
    assert cells('study = "own"\nseed = 1', SETUP) == Study(study="own", seed=1)


def test_notebooks_show_the_sentence_alone():
    assert InputError("C is wrong.")._render_traceback_() == ["InputError: C is wrong."]


def test_the_folder_is_the_studys_own_for_the_published_parameters_only(outputs):
    published = Study.read(paths.PARAMS / "mnist-crop.yaml")
    assert published.folder == outputs / "mnist-crop"
    assert Study().folder == outputs / "digits-translate"
    variations = [
        published.model_copy(update={"seed": 1}),
        published.model_copy(update={"C": 1.0}),
        Study(study="mnist-crop"),
        Study(study="own"),
        Study(study="own", seed=1),
    ]
    folders = [variation.folder for variation in variations]
    assert len(set(folders)) == len(folders)
    for variation, folder in zip(variations, folders, strict=True):
        assert folder.parent == outputs / "variations"
        assert folder.name.rpartition("-")[0] == variation.study
        assert folder == Study(**variation.model_dump()).folder


def test_seeds_differ_by_seed_replicate_and_purpose_and_are_always_the_same():
    where = list(itertools.product((0, 1), (0, 1, 2), Study.purposes))
    drawn = [
        (Study(seed=seed).seed_of(r, what), *Study(seed=seed).seed_sequence(r, what).generate_state(4))
        for seed, r, what in where
    ]
    assert len({row[0] for row in drawn}) == len({row[1:] for row in drawn}) == len(where)
    assert drawn == [
        (Study(seed=seed).seed_of(r, what), *Study(seed=seed).seed_sequence(r, what).generate_state(4))
        for seed, r, what in where
    ]
    one = np.random.SeedSequence(0, spawn_key=(1, Study.purposes.index("network")))
    assert Study().seed_of(1, "network") == one.generate_state(1)[0]


def test_the_sample_is_the_replicates():
    first, second = (Study(**TINY).split(r) for r in (0, 1))
    assert len(first.labels) == 40 and first.class_names == ("0+2+4+6+8", "1+3+5+7+9")
    assert not np.array_equal(first.indices, second.indices)
    assert np.array_equal(first.indices, Study(**TINY).split(0).indices)
    assert np.array_equal(Study(**TINY, sample="first").split(1).indices, np.arange(40))


def test_the_sweep_gets_what_the_study_says():
    chosen = Study(**TINY, C=2.0, hessian="loss", damping=0.5, margin="easiest", scores=["loss"], update_every=3)
    settings = chosen.sweep_settings(40)
    assert settings.options == ScoreOptions(2.0, "loss", 0.5, "easiest")
    assert (settings.scores, settings.budgets, settings.rounds, settings.update_every) == (("loss",), (2, 10, 40), 2, 3)
    assert settings.policies == tuple(chosen.policies) and settings.refinements == tuple(chosen.refinements)
    assert Study().sweep_settings(500).budgets == scaled_budgets(500)


@pytest.mark.parametrize(
    ("parameters", "labels"),
    [
        ({}, ["left 2 px", "right 2 px", "up 2 px", "down 2 px"]),
        ({"dataset": "cifar10"}, ["left 3 px", "right 3 px", "up 3 px", "down 3 px"]),
        ({"dataset": "own.npz"}, ["left 2 px", "right 2 px", "up 2 px", "down 2 px"]),
        ({"magnitudes": [3], "directions": "diagonal"}, ["right down 3 px", "left down 3 px"]),
        ({"transformation": "crop", "magnitudes": [1, 3]}, ["crop 1 px", "crop 3 px"]),
        ({"transformation": "rotate", "magnitudes": [5, -2.5]}, ["rotate +5.0 deg", "rotate -2.5 deg"]),
        ({"transformation": "shear"}, ["shear x -15.0 deg", "shear x +15.0 deg"]),
        ({"transformation": "blur", "magnitudes": [1, 2]}, ["blur 1 px", "blur 2 px"]),
        ({"dataset": "cifar10", "transformation": ["zoom", "translate"]}, ["zoom x0.8", "zoom x1.25", "left 3 px"]),
        ({"transformation": {"compose": ["flip_up_down", {"crop": [1]}]}}, ["flip up-down, then crop 1 px"]),
    ],
)
def test_the_augmentation_is_the_papers_or_the_studys_own(parameters, labels):
    assert list(Study.of(parameters).augmentation().labels)[: len(labels)] == labels
