"""Stages of a study: what is written is what is loaded, and nothing stale is ever served."""

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from influaug.data.datasets import load, split
from influaug.errors import InputError
from influaug.files import sealed
from influaug.networks.featurizer import KerasFeaturizer
from influaug.networks.uncentred import uncentred_featurizer
from influaug.selection.scores import ScoreOptions, compute
from influaug.solver import heads, logistic
from influaug.solver.heads import Head
from studies.points import stages
from studies.points import support_vectors as vsv
from studies.points.study import Study
from studies.points.sweep import sweep_points
from studies.storage import artifacts

pytestmark = pytest.mark.slow

TINY = {
    "study": "tiny",
    "classes": None,
    "n_train": 30,
    "epochs": 1,
    "rounds": 2,
    "replicates": 1,
    "budgets": [2, 10, 30],
}
TINY |= {"refinements": ["plain"], "policies": ["baseline", "random_proportional"]}
TABLES = {"scores": stages.scores, "sweep": stages.sweep, "vsv": stages.virtual_support_vectors}


class Projection:
    """A stand-in for the network that takes no time: a fixed random projection of the pixels, seeded."""

    fitted = 0

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def fit(self, images, labels):
        Projection.fitted += 1
        self.directions = self.rng.normal(size=(images[0].size, 8)) + labels.mean()
        self.history_ = {"loss": [0.5], "accuracy": [0.75]}
        return self

    def transform(self, images):
        return (images.reshape(len(images), -1) / 255 @ self.directions / 10).astype(np.float32)

    def score(self, images, labels):
        return 0.75

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a network")


def own_data(path, brightness=4):
    """A data set of the user's own: 100 images of two classes that are hard to tell apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(100) % 2
    images = rng.integers(0, 200, (100, 16, 16)).astype(np.uint8) + (labels * brightness)[:, None, None].astype(
        np.uint8
    )
    np.savez(path, x_train=images[:40], y_train=labels[:40], x_test=images[40:], y_test=labels[40:])
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return own_data(tmp_path_factory.mktemp("data") / "own.npz")


@pytest.fixture
def tiny(data):
    """Make a small study with some parameters changed, in the folder of the unchanged one."""
    return lambda **changes: in_folder({"dataset": data, **TINY, **changes})


def in_folder(parameters):
    study = Study.of(parameters)
    kind = type("Tiny", (type(study),), {"folder": property(lambda s: folder())})
    object.__setattr__(study, "__class__", kind)
    return study


def folder():
    return Path(os.environ["INFLUAUG_OUTPUTS"]) / "tiny"


def project(patch):
    """Put projections in the place of networks, and leave the support vectors' C alone."""
    patch.setattr(Projection, "fitted", 0)
    patch.setattr(stages, "new_featurizer", lambda s, r: Projection(s.seed_of(r, "network") + s.epochs))
    patch.setattr(vsv, "GRID", (1.0,))


@pytest.fixture
def projected(monkeypatch):
    """Studies whose networks are projections; counts how many were fitted."""
    project(monkeypatch)
    return Projection


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """The folder of a small study with all its artifacts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFLUAUG_OUTPUTS", str(tmp_path_factory.mktemp("outputs")))
        project(patch)
        everything(in_folder({"dataset": data, **TINY}))
        return folder()


@pytest.fixture
def before(projected, finished, outputs):
    """A finished study, to go on from; when each of its artifacts was written."""
    shutil.copytree(finished, outputs / "tiny")
    return times()


def times():
    """When each artifact was written."""
    return {path.relative_to(folder()).as_posix(): path.stat().st_mtime_ns for path in folder().rglob("*.*")}


def equal(a, b):
    """Whether two replicates' features are the same, to the last bit."""
    arrays = ("train", "labels", "test", "test_labels")
    same_set = all(np.array_equal(getattr(a.set, name), getattr(b.set, name)) for name in arrays)
    same_set &= (a.set.n, a.set.n_test) == (b.set.n, b.set.n_test)
    same_history = a.history.keys() == b.history.keys() and all(
        np.array_equal(a.history[k], b.history[k]) for k in a.history
    )
    return same_set and same_history and np.array_equal(a.indices, b.indices) and a.accuracy == b.accuracy


def test_everything_is_written_and_loaded_as_it_was_with_a_real_network(tiny, monkeypatch):
    study = tiny(magnitudes=[1])
    made = {name: table(study) for name, table in TABLES.items()}
    (features,) = stages.features(study)
    assert features.set.train.shape == (30 + 30 * 4, 84) and features.set.k == 4
    assert list(features.history) == ["loss", "accuracy"] and len(features.history["loss"]) == 1
    before = times()
    assert set(before) == {
        "features.json",
        "features/replicate-00.npz",
        "features/replicate-00.keras",
        "scores.parquet",
        "sweep.parquet",
        "vsv.parquet",
    }
    monkeypatch.setattr(stages, "new_featurizer", None)
    monkeypatch.setattr(stages, "sweep_points", None)
    for name, table in TABLES.items():
        assert_frame_equal(table(study), made[name])
    assert equal(stages.features(study)[0], features)
    assert times() == before
    network = KerasFeaturizer.load(folder() / "features" / "replicate-00.keras")
    sample = study.split(0)
    assert np.array_equal(network.transform(sample.images), features.set.train[:30])
    assert network.score(sample.images_test, sample.labels_test) == features.accuracy


def test_rows_are_originals_then_copies_point_by_point(tiny, projected, monkeypatch):
    monkeypatch.setattr(stages, "BLOCK", 7)
    study = tiny(transformation="rotate", magnitudes=[-20, 10, 35])
    (features,) = stages.features(study)
    sample, rotate = study.split(0), study.augmentation()
    network = stages.new_featurizer(study, 0).fit(sample.images, sample.labels)
    for rows, labels, images, own in (
        (features.set.train, features.set.labels, sample.images, sample.labels),
        (features.set.test, features.set.test_labels, sample.images_test, sample.labels_test),
    ):
        n = len(images)
        assert np.array_equal(rows[:n], network.transform(images)) and np.array_equal(labels[:n], own)
        copies = rotate(images)
        for point, turn in ((0, 0), (3, 2), (8, 1), (n - 1, 2)):
            row = n + 3 * point + turn
            assert rows[row] == pytest.approx(network.transform(copies[turn, point][None])[0], abs=1e-6)
            assert labels[row] == own[point]
        assert len(rows) == len(labels) == 4 * n
    assert np.array_equal(load(study.dataset).images_train[features.indices], sample.images)


def test_a_composition_is_a_study_of_its_own(tiny, projected):
    study = tiny(transformation={"compose": ["flip_left_right", {"rotate": [-10, 10]}]})
    table = stages.sweep(study)
    assert set(table["transformation"]) == {"flip_left_right, then rotate"}
    assert stages.features(study)[0].set.k == 2
    assert stages.sweep_key(study, study.load_data()) != stages.sweep_key(tiny(), study.load_data())


def test_a_transformation_that_the_images_do_not_allow_is_refused_before_a_network_is_trained(tiny, projected):
    with pytest.raises(InputError, match=r"hue changes colours .* these are grey"):
        stages.features(tiny(transformation={"compose": ["blur", "hue"]}))
    assert projected.fitted == 0


def trained_network(path, data, seed=0):
    """A network that was trained beforehand, on all the points of a data set."""
    points = split(load(data))
    KerasFeaturizer("lenet", epochs=1, seed=seed).fit(points.images, points.labels).save(path)
    return str(path)


def test_a_trained_network_featurizes_all_replicates_points_at_once(tiny, data, tmp_path):
    study = tiny(network=trained_network(tmp_path / "net.keras", data), replicates=3, n_train=20, budgets=[2, 20])
    found, network = stages.features(study), KerasFeaturizer.load(tmp_path / "net.keras")
    assert sorted(times()) == ["features.json", "features/shared.npz"]
    assert len({tuple(f.indices) for f in found}) == 3
    for r, features in enumerate(found):
        sample, f = study.split(r), features.set
        expected = stages.feature_set(network, sample, study.augmentation())
        assert np.array_equal(features.indices, sample.indices) and (f.n, f.n_test) == (20, 60)
        assert np.array_equal(f.labels, expected.labels) and np.array_equal(f.test_labels, expected.test_labels)
        np.testing.assert_allclose(f.train, expected.train, atol=1e-5)
        np.testing.assert_allclose(f.test, expected.test, atol=1e-5)
        assert np.isnan(features.accuracy) and len(features.history["loss"]) == 1


def test_features_of_a_trained_network_are_made_anew_when_the_file_is_another(tiny, data, tmp_path):
    path = tmp_path / "net.keras"
    study = tiny(network=trained_network(path, data))
    first, before = stages.features(study), times()
    again = stages.features(study)
    assert np.array_equal(again[0].set.train, first[0].set.train) and times() == before
    moved = path.rename(tmp_path / "moved.keras")
    stages.features(tiny(network=str(moved)))
    assert times() == before
    other = stages.features(tiny(network=trained_network(path, data, seed=1)))
    assert not np.array_equal(other[0].set.train, first[0].set.train)
    stages.features(tiny(network=str(path), epochs=7))
    assert times()["features/shared.npz"] > before["features/shared.npz"]


def test_which_data_each_study_has(tiny, projected):
    stages.sweep(tiny())
    assert stages.data_of(["tiny"]).startswith("* **own.npz**: tiny. ")


def test_scores_are_those_before_and_after_full_augmentation(tiny, projected):
    study = tiny(scores=["loss", "influence", "margin"], C=2.0, replicates=2)
    table = stages.scores(study)
    options = ScoreOptions(2.0)
    for r, features in enumerate(stages.features(study)):
        f = features.set
        for column, rows in (("initial", f.n), ("final", len(f.train))):
            x, labels, weights = f.train[:rows], f.labels[:rows], np.ones(rows)
            theta = logistic.fit(x, labels, weights[None], 2.0).theta[0]
            for name in study.scores:
                expected = compute(name, Head(heads.with_intercept(x), labels, weights, theta), f.n, options)
                found = table[(table["replicate"] == r) & (table["score"] == name)]
                assert found[column].to_numpy() == pytest.approx(expected, rel=1e-4, abs=1e-6)
                assert found["index"].tolist() == features.indices.tolist()
                assert found["point"].tolist() == list(range(30))
                assert found["label"].tolist() == f.labels[:30].tolist()
    assert len(table) == 2 * 3 * 30


def test_the_sweep_is_every_replicates_sweep(tiny, projected):
    study = tiny(replicates=2)
    table = stages.sweep(study)
    assert [*table.columns[:4]] == ["study", "dataset", "transformation", "replicate"]
    assert set(table["study"]) == {"tiny"} and set(table["transformation"]) == {"translate"}
    for r, features in enumerate(stages.features(study)):
        expected = sweep_points(features.set, study.sweep_settings(30), study.seed_sequence(r, "policies"))
        found = table[table["replicate"] == r].drop(columns=["study", "dataset", "transformation", "replicate"])
        assert_frame_equal(found.reset_index(drop=True), expected)
    assert table["accuracy"].nunique() > 5
    needed = "study dataset transformation score policy update downweight round budget rows accuracy accuracy_original"
    assert set(needed.split()) <= set(table.columns)


def test_support_vectors_have_a_row_a_replicate(tiny, projected, monkeypatch):
    study = tiny(replicates=2, C=0.5)
    seeds, run = [], vsv.fit_with_support_vectors
    monkeypatch.setattr(
        vsv, "fit_with_support_vectors", lambda features, C, seed: seeds.append(seed) or run(features, C, seed)
    )
    table = stages.virtual_support_vectors(study)
    assert seeds == [study.seed_of(r, "vsv") for r in (0, 1)]
    assert table["replicate"].tolist() == [0, 1]
    for r, features in enumerate(stages.features(study)):
        expected = vsv.fit_with_support_vectors(features.set, 0.5, study.seed_of(r, "vsv"))
        assert table.iloc[[r]].drop(columns="replicate").to_dict("list") == expected.to_dict("list")


# parameter changed, and what then is made anew
FEATURES, SCORES, SWEEP, VSV = "features/replicate-00.npz", "scores.parquet", "sweep.parquet", "vsv.parquet"
ALL = {FEATURES, SCORES, SWEEP, VSV}
CHANGES = [
    ({"n_train": 35}, ALL),
    ({"seed": 1}, ALL),
    ({"magnitudes": [3]}, ALL),
    ({"epochs": 2}, ALL),
    ({"C": 1.0}, {SCORES, SWEEP, VSV}),
    ({"hessian": "loss", "damping": 0.1}, {SCORES, SWEEP}),
    ({"policies": ["baseline", "deterministic_proportional"]}, {SWEEP}),
    ({"budgets": [2, 30]}, {SWEEP}),
]
# another value of every parameter, by what depends on it
FEATURES_ON = {
    "dataset": "digits",
    "classes": [1, 0],
    "n_train": 35,
    "sample": "first",
    "transformation": "crop",
    "magnitudes": [3],
    "directions": "diagonal",
    "preprocessing": "uncentred",
    "network": "released-cnn",
    "epochs": 2,
    "batch_size": 16,
    "learning_rate": 0.01,
    "seed": 1,
    "image_size": 16,
    "channels": 3,
    "skip_bad": True,
}
SWEEP_ON = {
    "featurizer": "retrained",
    "C": 1,
    "hessian": "loss",
    "damping": 0.1,
    "margin": "easiest",
    "scores": ["influence"],
    "policies": ["baseline"],
    "refinements": ["plain", "update"],
    "budgets": [2, 30],
    "rounds": 1,
    "replicates": 2,
    "update_every": 5,
}
NOTHING_ON = {
    "largest": 500,
    "made_up": [[200.0, 4.0, 8.0, 0.1]],
    "patience": 3.0,
    "study": "another",
    "data_folder": "elsewhere",
}


def test_keys_are_of_every_parameter_that_can_change_a_result(tiny, data):
    def keys(**changes):
        study, dataset = tiny(**changes), load(data)
        return stages.features_key(study, dataset, 0), stages.sweep_key(study, dataset)

    features, sweep = keys()
    # A preset is in keys by the values that it gives other parameters.
    assert {*FEATURES_ON, *SWEEP_ON, *NOTHING_ON, "preset"} == set(Study.model_fields)
    for name, value in (FEATURES_ON | SWEEP_ON | NOTHING_ON).items():
        found = keys(**{name: value})
        assert (found[0] != features, found[1] != sweep) == (name in FEATURES_ON, name not in NOTHING_ON), name
    assert features != stages.features_key(tiny(), load(data), 1)


def everything(study):
    (features,) = stages.features(study)
    return {FEATURES: features, **{f"{name}.parquet": table(study) for name, table in TABLES.items()}}


@pytest.mark.parametrize(("changes", "anew"), CHANGES, ids=["-".join(changes) for changes, _ in CHANGES])
def test_a_change_makes_anew_what_depends_on_it_and_nothing_else(before, tiny, outputs, monkeypatch, changes, anew):
    found = everything(tiny(**changes))
    after = times()
    assert {name for name in ALL if after[name] != before[name]} == anew
    monkeypatch.setenv("INFLUAUG_OUTPUTS", str(outputs / "fresh"))
    fresh = everything(tiny(**changes))
    assert equal(found[FEATURES], fresh[FEATURES])
    for name in (SCORES, SWEEP, VSV):
        assert_frame_equal(found[name], fresh[name])


def test_without_a_change_nothing_is_made_anew(before, tiny, projected):
    everything(tiny(data_folder="elsewhere"))
    assert times() == before and projected.fitted == 0


def test_a_change_of_the_users_data_makes_everything_anew(tiny, projected, tmp_path):
    study = tiny(dataset=own_data(tmp_path / "own.npz"))
    first, before = everything(study), times()
    own_data(tmp_path / "own.npz")
    assert everything(study)[SWEEP].equals(first[SWEEP]) and times() == before
    own_data(tmp_path / "own.npz", brightness=8)
    second = everything(study)
    assert all(times()[name] != before[name] for name in ALL)
    assert not equal(first[FEATURES], second[FEATURES])


def test_an_interrupted_study_goes_on_where_it_was(tiny, projected, monkeypatch):
    study = tiny(replicates=3)
    with monkeypatch.context() as patch:
        patch.setattr(stages, "new_featurizer", lambda s, r: 1 / 0 if r == 2 else Projection(r))
        with pytest.raises(ZeroDivisionError):
            stages.sweep(study)
    before = times()
    assert {FEATURES, "features/replicate-01.npz"} <= set(before) and "features.json" not in before
    assert projected.fitted == 2
    stages.sweep(study)
    assert projected.fitted == 3
    after = times()
    assert all(after[name] == before[name] for name in before) and "features.json" in after


def test_more_replicates_keep_the_ones_there_are(tiny, projected):
    stages.features(tiny(replicates=1))
    before = times()
    both = stages.features(tiny(replicates=2))
    assert projected.fitted == 2 and times()[FEATURES] == before[FEATURES]
    assert not np.array_equal(both[0].indices, both[1].indices)


def test_a_damaged_artifact_is_named_and_kept(before, tiny):
    path = folder() / "sweep.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"sweep\.parquet is damaged"):
        stages.sweep(tiny())
    assert path.exists()


def test_the_marker_of_features_says_which_they_are(before, tiny, data):
    marker = sealed.read_json(folder() / "features.json")
    assert marker["keys"] == [artifacts.read_manifest(folder() / FEATURES)["key"]]
    assert marker["data"]["sha256"] == load(data).provenance["sha256"]
    stages.features(tiny(seed=1))
    assert sealed.read_json(folder() / "features.json")["keys"] != marker["keys"]


def test_a_retrained_study_refuses_refinements_before_it_starts(tiny, outputs):
    with pytest.raises(InputError, match=r"refinements: \[plain\]"):
        stages.sweep(tiny(featurizer="retrained", refinements=["plain", "update"]))
    assert not outputs.exists()


def test_a_retrained_study_trains_once_for_every_set_of_points(tiny, projected, monkeypatch):
    study = tiny(featurizer="retrained", budgets=[2, 30], policies=["baseline"], rounds=2)
    table = stages.sweep(study)
    sizes = table.groupby("policy")["budget"].agg(list).to_dict()
    assert sizes == {"none": [0], "full": [30], "baseline": [2, 30, 2, 30] * 2}
    files = list((folder() / "retrained").glob("*.json"))
    assert len(files) == 4 and projected.fitted == 1 + 4
    (folder() / "sweep.parquet").unlink()
    files[0].unlink()
    assert_frame_equal(stages.sweep(study), table)
    assert projected.fitted == 1 + 4 + 1
    stages.sweep(tiny(featurizer="retrained", budgets=[2, 30], policies=["baseline"], rounds=2, C=1.0))
    assert projected.fitted == 1 + 4 + 1 + 4


def test_sweeps_are_found_by_the_name_of_their_folder(tiny, projected, outputs):
    assert stages.sweeps_found() == {}
    made = stages.sweep(tiny())
    artifacts.write_table(outputs / "variations" / "tiny-1" / "sweep.parquet", artifacts.manifest("k"), made)
    artifacts.write_table(outputs / "own" / "sweep.parquet", artifacts.manifest("k"), made[:5])
    found = stages.sweeps_found()
    assert list(found) == ["own", "tiny"]
    assert_frame_equal(found["tiny"], made)
    assert isinstance(found["own"], pd.DataFrame) and len(found["own"]) == 5


@pytest.mark.parametrize("stage", [stages.scores, stages.sweep, stages.virtual_support_vectors])
def test_an_unknown_engine_is_refused_before_a_network_is_trained(stage, monkeypatch, outputs):
    monkeypatch.setenv("INFLUAUG_ENGINE", "gpu")
    monkeypatch.setattr(stages, "features", lambda *_: pytest.fail("features were computed"))
    with pytest.raises(InputError, match="INFLUAUG_ENGINE is 'gpu'"):
        stage(Study())
    assert not outputs.exists()


def test_uncentred_features_are_those_of_the_same_network_fed_with_the_mean_image(tiny, outputs):
    """Own networks subtract the sample's mean image; the stored network is the right one."""
    (right,) = stages.features(tiny())
    right_key = stages.features_key(tiny(), tiny().load_data(), 0)
    study = tiny(preprocessing="uncentred")
    (found,) = stages.features(study)
    sample = study.split(0)
    network = KerasFeaturizer.load(folder() / "features" / "replicate-00.keras")
    expected = uncentred_featurizer(network, sample.images.astype(float).mean(axis=0)).transform(sample.images)
    np.testing.assert_allclose(found.set.train[:30], expected, atol=1e-5)
    np.testing.assert_allclose(right.set.train[:30], network.transform(sample.images), atol=1e-5)
    assert not np.allclose(found.set.train[:30], right.set.train[:30], atol=1e-2)
    assert found.accuracy == right.accuracy and np.array_equal(found.set.labels, right.set.labels)
    assert stages.features_key(study, study.load_data(), 0) != right_key


def test_a_trained_network_is_fed_with_the_mean_of_the_whole_training_part(tiny, data, tmp_path):
    study = tiny(network=trained_network(tmp_path / "net.keras", data), preprocessing="uncentred")
    (found,) = stages.features(study)
    network, sample = KerasFeaturizer.load(tmp_path / "net.keras"), study.split(0)
    mean = load(data).images_train.astype(float).mean(axis=0)
    expected = stages.feature_set(uncentred_featurizer(network, mean), sample, study.augmentation())
    np.testing.assert_allclose(found.set.train, expected.train, atol=1e-5)
    np.testing.assert_allclose(found.set.test, expected.test, atol=1e-5)


def test_networks_trained_anew_are_fed_uncentred_images_too(tiny, monkeypatch):
    fed = []
    monkeypatch.setattr(stages, "as_fed", lambda study, network, images: fed.append(images) or network)
    study = tiny(featurizer="retrained", refinements=["plain"], preprocessing="uncentred", budgets=[2], rounds=1)
    table = stages.sweep(study)
    sample = study.split(0)
    assert len(fed) >= 1 + len(table["budget"].unique()) and all(np.array_equal(each, sample.images) for each in fed)
