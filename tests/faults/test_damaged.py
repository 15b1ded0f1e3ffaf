"""Cut off anywhere or with a bit the other way, a file is named and kept, or else it gives what it gave before."""

import shutil
import zipfile

import faulty
import numpy as np
import pytest

from influaug.backend import keras
from influaug.data.datasets import load
from influaug.errors import InputError
from influaug.files import sealed
from influaug.networks import compact, training
from influaug.networks.featurizer import KerasFeaturizer
from studies.featurizers import recipe
from studies.front import index as pages
from studies.learned import arms
from studies.learned import results as comparison
from studies.points import stages, study
from studies.storage import artifacts

pytestmark = pytest.mark.faults
FLIPS = 60


def refused(path, read, right, times=FLIPS, least=0.5, end=None):
    """Whether every truncation is refused and, of the flips, at least this part; the rest give what is right."""
    content, rng = path.read_bytes(), np.random.default_rng(3)
    assert right(read())
    cut = {faulty.outcome(path, damaged, read, right) for damaged in faulty.truncated(content, rng)}
    flipped = [faulty.outcome(path, damaged, read, right) for damaged in faulty.flipped(content, rng, times, end)]
    path.write_bytes(content)
    return cut == {"refused"} and flipped.count("refused") >= least * times


def equal(one, other):
    return one.keys() == other.keys() and all(faulty.same(one, other, name) for name in one)


@pytest.fixture
def made(undisturbed, tmp_path):
    """A copy of the folder of a study that is done."""
    return shutil.copytree(undisturbed.outputs / "tiny", tmp_path / "tiny")


@pytest.mark.parametrize("name", faulty.TABLES)
def test_a_table(made, name):
    path = made / name
    key, right = artifacts.read_manifest(path)["key"], artifacts.read_table(path)
    # Of a parquet file, padding and statistics are many bytes that nobody reads.
    assert refused(path, lambda: artifacts.read_table(path, key), lambda found: found.equals(right), least=0.2)
    assert refused(path, lambda: artifacts.read_table(path), lambda found: found.equals(right), least=0.2)


def test_an_array_of_features(made):
    path = made / "features" / "replicate-00.npz"
    key = artifacts.read_manifest(path)["key"]
    right = sealed.read_arrays(path, key)
    assert refused(path, lambda: sealed.read_arrays(path, key), lambda found: equal(found, right), least=0.9)


@pytest.mark.parametrize("name", ["features.json", "summary.json"])
def test_json(made, name):
    path = made / name
    right = sealed.read_json(path)
    assert refused(path, lambda: sealed.read_json(path), lambda found: found == right, least=0.9)


def test_the_index_names_a_summary_with_another_digit(made):
    path = made / "summary.json"
    seconds = str(sealed.read_json(path)["seconds"])
    path.write_text(path.read_text().replace(seconds, f"9{seconds}"))
    with pytest.raises(InputError, match=r"tiny/summary\.json is not a study's summary"):
        pages.render_index(made.parent)


def test_a_batch_names_a_damaged_table_and_keeps_it(undisturbed):
    """Though nothing else has changed since it ended well."""
    path = undisturbed.outputs / "tiny" / "sweep.parquet"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-100])
        status, said = faulty.finished(faulty.start(undisturbed.folder, *faulty.BATCH))
        assert path.read_bytes() == whole[:-100]
    finally:
        path.write_bytes(whole)
    assert status != 0
    assert "failed: tiny: 03_policy_sweep; InputError: " in said and f"{path.name} is damaged" in said


@pytest.fixture
def data_file(tmp_path):
    """A data file and where, in it, the directory of the archive begins."""
    path, rng = tmp_path / "mine.npz", np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (40, 8, 8)).astype(np.uint8), np.arange(40) % 2
    np.savez(path, x_train=images, y_train=labels, x_test=images[::-1], y_test=labels)
    with zipfile.ZipFile(path) as archive:
        return path, archive.start_dir


def test_a_data_file(data_file):
    path, directory = data_file
    right = load(str(path)).provenance["sha256"]
    same = {"right": lambda found: found.provenance["sha256"] == right, "end": directory}
    assert refused(path, lambda: load(str(path)), **same, least=0.8)


def test_a_data_file_whose_directory_has_an_unknown_compression(data_file):
    path, directory = data_file
    content = bytearray(path.read_bytes())
    content[directory + 11] ^= 2
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"mine\.npz"):
        load(str(path))


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8), np.arange(40) % 2


def network():
    layers = keras.layers
    start = [keras.initializers.HeNormal(seed=seed) for seed in (0, 1)]
    inner = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(5, kernel_initializer=start[0], name="features")]
    return keras.Sequential([layers.Input((8, 8, 1)), *inner, layers.Dense(2, kernel_initializer=start[1])])


def test_a_checkpoint(points, tmp_path):
    settings, path = training.Settings(epochs=1, batch_size=20, peak_rate=0.01), tmp_path / "checkpoint.npz"
    right = training.train(network(), *points, settings, tmp_path)

    def trained():
        return training.train(network(), *points, settings, tmp_path)

    assert refused(path, trained, lambda found: found == right, times=30, least=0.9)


def test_a_trained_featurizer(points, tmp_path, monkeypatch):
    """As a study's network, and as a recipe's file."""
    path, data = tmp_path / "a.keras", tmp_path / "mine.npz"
    compact.save_featurizer(network(), path, points[0], {}, {"test_accuracy": 0.5})
    np.savez(data, x_train=points[0], y_train=points[1], x_test=points[0], y_test=points[1])
    chosen = study.Study(dataset=str(data), classes=None, n_train=20, network=str(path), replicates=1, study="mine")
    right = stages.features(chosen)[0].set.train

    def features():
        shutil.rmtree(chosen.folder, ignore_errors=True)
        return stages.features(chosen)[0].set.train

    assert refused(path, features, lambda found: np.array_equal(found, right), times=30)
    monkeypatch.setattr(recipe.Recipe, "file", path)
    monkeypatch.setattr(recipe, "_train", lambda *_: pytest.fail("trained over a damaged file"))
    own = recipe.Recipe(recipe="mine", dataset=str(data))
    about = {"recipe": recipe._shown(own), "data": own.split().provenance, "kernels": "float16"}
    monkeypatch.setattr(compact, "read_record", recorded(compact.read_record, about))
    features = KerasFeaturizer.load(path).transform(points[0])
    read = recipe.trained
    assert refused(path, lambda: read(own)[0], lambda f: np.array_equal(f.transform(points[0]), features), times=30)


def recorded(read, about):
    """The reader of a network's record, which adds what a recipe's would have."""
    return lambda path: read(path) | about


def test_a_result_of_a_comparison(tmp_path, monkeypatch):
    monkeypatch.setattr(arms, "accuracy_of", lambda *_: (2.5, 0.125))
    chosen = comparison.Comparison(arms=["none"], n_train=40)
    right = comparison.result(chosen, 0, "none")
    (path,) = chosen.folder.rglob("none.json")
    monkeypatch.setattr(arms, "accuracy_of", lambda *_: pytest.fail("computed over a damaged file"))
    assert refused(path, lambda: comparison.result(chosen, 0, "none"), lambda found: found == right, least=0.9)
    sealed.write_json(path, right, seal=False)
    assert comparison.result(chosen, 0, "none") == right
