"""The table of a factorial: its cells by other code, what passes the networks, what is served and what goes on."""

import numpy as np
import pytest
from pandas.testing import assert_frame_equal
from sklearn.linear_model import LogisticRegression

from influaug.data.transformations import translate
from influaug.errors import InputError
from influaug.networks.featurizer import KerasFeaturizer
from influaug.networks.uncentred import uncentred_featurizer
from studies.factorial import features, networks, results
from studies.factorial.parameters import Factorial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A tiny factorial of images that are hard to tell apart, computed in a folder of its own."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("factorial")
    labels = np.arange(160) % 2
    images = rng.integers(0, 200, (160, 14, 14)) + 12 * labels[:, None, None]
    images = images.astype(np.uint8)
    np.savez(folder / "own.npz", x_train=images[:100], y_train=labels[:100], x_test=images[100:], y_test=labels[100:])
    tiny = {"n_train": 20, "epochs": 2, "batch_size": 10, "replicates": 2, "rounds": 2, "share": 0.2}
    return Factorial(factorial="tiny", dataset=str(folder / "own.npz"), classes=None, **tiny)


@pytest.fixture(scope="module")
def made(study, tmp_path_factory):
    """Its table, the rows that passed a network while it was made, and the folder of all outputs."""
    passed, outputs = [], str(tmp_path_factory.mktemp("outputs"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INFLUAUG_OUTPUTS", outputs)
        transform = KerasFeaturizer.transform

        def counted(featurizer, images):
            passed.append(len(images))
            return transform(featurizer, images)

        patch.setattr(KerasFeaturizer, "transform", counted)
        return results.results(study), sum(passed), outputs


@pytest.fixture
def computed(study, made, monkeypatch):
    """Table, rows and the factorial's folder, which is that of this test too."""
    monkeypatch.setenv("INFLUAUG_OUTPUTS", made[2])
    return made[0], made[1], study.folder


def test_every_cell_is_there_and_every_image_passes_once_for_each_network_and_preprocessing(study, computed):
    table, passed, _ = computed
    problem = results.checked(study, study.load_data())
    assert passed == features.passes(problem) == 2 * 2 * len(problem.images) * 9
    assert f"{passed:,} images and copies to featurize" in results.cost(study)
    assert "200 images to train two networks on" in results.cost(study)
    cells = table.drop_duplicates(list(results.CELL))
    assert len(cells) == 2 * 2 * 2 * 2 * 2 * 2 and len(table) == 5 * len(cells)
    assert f"{len(cells)} cells of 8 fits each" in results.cost(study)
    assert set(table["policy"]) == {"none", "full", "random", "influence", "loss"}
    assert table["accuracy"].between(0, 1).all() and not table.isna().any(axis=None)


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize(("network", "preprocessing"), [(0, "right"), (1, "uncentred")])
def test_a_cell_is_what_scikit_learn_makes_of_the_networks_features(study, computed, half, network, preprocessing):
    table, _, folder = computed
    problem = results.checked(study, study.load_data())
    sample, directions = problem.samples[1][half], "diagonal"
    featurizer = KerasFeaturizer.load(folder / f"network-{network}" / f"network-{network}.keras")
    if preprocessing == "uncentred":
        own = problem.dataset.images_train[problem.halves[network]]
        featurizer = uncentred_featurizer(featurizer, own.astype(float).mean(axis=0))
    moved = translate(2, directions)

    def rows(images, labels):
        together = [images, *moved(images)]
        return featurizer.transform(np.concatenate(together)), np.tile(labels, len(together))

    x, y = rows(sample.images, sample.labels)
    x_test, y_test = rows(sample.images_test, sample.labels_test)
    cell = table.query("replicate == 1 and half == @half and network == @network and moves == @directions and C == 1")
    cell = cell[cell["preprocessing"] == preprocessing].set_index("policy")
    for policy, used in (("none", np.arange(len(y)) < 20), ("full", np.ones(len(y), bool))):
        model = LogisticRegression(C=1, tol=1e-10, max_iter=10_000).fit(x[used], y[used])
        tested = model.predict(x_test) == y_test
        # One row of 300 may lie on the boundary.
        assert cell.loc[policy, "accuracy"] == pytest.approx(tested.mean(), abs=1.01 / len(y_test))
        assert cell.loc[policy, "accuracy_original"] == pytest.approx(tested[:60].mean(), abs=1.01 / 60)


def test_networks_learn_from_their_own_half_alone(study, computed, monkeypatch):
    _, _, folder = computed
    problem = results.checked(study, study.load_data())
    for network in (0, 1):
        record = networks.record_of(problem, network)
        assert record["n_train"] == len(problem.halves[network]) == 50
        assert record["key"] == networks.network_key(study, problem.dataset, network)
    given = []
    monkeypatch.setattr("influaug.networks.training.train", lambda _, images, *rest: given.append(images) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        networks.train_half(problem, 1, folder / "other" / "other.keras", "key")
    assert np.array_equal(given[0], problem.dataset.images_train[problem.halves[1]])


def test_a_table_is_served_without_networks_and_features(study, computed, monkeypatch):
    table, _, _ = computed
    for name in ("record_of", "part", "file_hash"):
        monkeypatch.setattr(results, name, None)
    assert_frame_equal(results.results(study), table)
    words = results.networks_in_words(study)
    assert list(words["training images"]) == ["50", "50"] and len(words) == 2


def test_an_interrupted_run_goes_on_and_gives_the_same_table(study, computed, monkeypatch):
    table, _, folder = computed
    (folder / "factorial.parquet").unlink()
    for name in ("network-1-right-translate-diagonal-01", "network-0-uncentred-translate-cardinal-00"):
        (folder / "replicates" / f"{name}.parquet").unlink()
    (folder / "features" / "network-1-right-translate-diagonal.npz").unlink()
    again, featurized = [], features.featurized
    monkeypatch.setattr(features, "featurized", lambda *args: again.append(args[-1]) or featurized(*args))
    monkeypatch.setattr("influaug.networks.training.train", None)
    assert_frame_equal(results.results(study), table)
    assert again == ["network-1-right-translate-diagonal"]


def test_parts_of_another_training_are_not_mixed_in(study, computed, monkeypatch):
    """Where a network was trained anew and is another, all of its parts are made anew."""
    table, _, _ = computed
    problem, copies = results.checked(study, study.load_data()), study.copies()[0]
    again = []
    monkeypatch.setattr(results, "_split", lambda problem, r, rows, about: again.append(r) or table.iloc[:5])
    monkeypatch.setattr(results.artifacts, "write_table", lambda *_: None)
    results.cells(problem, 0, "right", copies)
    assert again == []
    monkeypatch.setattr(results, "file_hash", lambda path: "another")
    results.cells(problem, 0, "right", copies)
    assert again == [0, 1]


def test_keys_depend_on_what_decides_and_on_nothing_else(study):
    data = study.load_data()
    same = study.model_copy(update={"factorial": "other", "data_folder": "/elsewhere"})
    assert results.table_key(same, data) == results.table_key(study, data)
    for changes in ({"C": [10.0, 2.0]}, {"epochs": 3}, {"n_train": 18}, {"seed": 1}, {"replicates": 1}):
        assert results.table_key(study.model_copy(update=changes), data) != results.table_key(study, data), changes
    assert networks.network_key(study.model_copy(update={"C": [10.0, 2.0], "n_train": 18}), data, 0) == (
        networks.network_key(study, data, 0)
    )
    assert networks.network_key(study, data, 0) != networks.network_key(study, data, 1)


def test_samples_that_a_half_does_not_have_are_refused_before_anything_is_trained(study, monkeypatch):
    monkeypatch.setattr(results, "record_of", lambda *_: pytest.fail("trained"))
    with pytest.raises(InputError, match="n_train must be from 2 to the 50"):
        results.results(study.model_copy(update={"n_train": 51}))


def test_the_command_says_what_it_takes_and_what_is_wrong(study, computed, tmp_path, capsys):
    file = tmp_path / "tiny.yaml"
    file.write_text(study.model_copy(update={"n_train": 51}).model_dump_json())
    assert results.main([str(file)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("n_train must be") and said.count("\n") == 1
    file.write_text(study.model_dump_json())
    assert results.main([str(file)]) == 0
