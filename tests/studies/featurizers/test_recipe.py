"""Recipes: what is right, when a network is trained anew, and what its file says."""

import numpy as np
import pytest

from influaug.data.datasets import load, split
from influaug.data.transformations import crop, translate
from influaug.errors import InputError
from influaug.networks import compact, training
from influaug.networks.featurizer import KerasFeaturizer
from studies.featurizers import recipe
from studies.featurizers.recipe import Recipe
from studies.storage import paths

pytestmark = pytest.mark.slow

FILES = sorted((paths.PARAMS / "featurizers").glob("*.yaml"))
PUBLISHED = paths.PROJECT / "outputs" / "featurizers"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data set of the user's own: dark and bright noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(48) % 2
    images = (rng.integers(0, 100, (48, 16, 16)) + 100 * labels[:, None, None]).astype(np.uint8)
    path = tmp_path_factory.mktemp("data") / "own.npz"
    np.savez(path, x_train=images[:32], y_train=labels[:32], x_test=images[32:], y_test=labels[32:])
    return str(path)


@pytest.fixture
def small(data):
    return Recipe(recipe="small", dataset=data, epochs=2, batch_size=8, peak_rate=0.02)


def test_the_defaults_are_the_small_embedded_case():
    assert Recipe.read(paths.PARAMS / "featurizers" / "digits-resnet11.yaml") == Recipe()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_recipe_is_valid_and_has_a_folder_of_its_name(path, outputs):
    chosen = Recipe.read(path)
    assert chosen.recipe == path.stem and chosen.settings().epochs == chosen.epochs
    assert chosen.file == outputs / "featurizers" / path.stem / f"{path.stem}.keras"
    assert chosen.model_copy(update={"seed": 7}).folder.parent == outputs / "variations"


def test_an_unknown_parameter_is_refused():
    with pytest.raises(InputError, match="Unknown parameter epoch; known are recipe, dataset"):
        Recipe.of({"epoch": 3})


def test_a_network_is_trained_once_and_says_how(small, monkeypatch):
    featurizer, record = recipe.trained(small)
    points = split(load(small.dataset))
    assert record["test_accuracy"] == featurizer.score(points.images_test, points.labels_test)
    assert record["recipe"] == small.model_dump(exclude={"data_folder"}) and record["network"] == "resnet11"
    assert (record["n_train"], record["n_test"], record["classes"]) == (32, 16, ["0", "1"])
    assert record["data"]["title"] == "own.npz" and len(featurizer.history_["loss"]) == 2
    assert recipe.in_words(featurizer, record)["features"] == 256
    monkeypatch.setattr(training, "train", None)
    again, same = recipe.trained(small)
    assert same == record
    np.testing.assert_array_equal(again.transform(points.images), featurizer.transform(points.images))


def test_other_data_or_another_recipe_under_the_same_name_trains_anew(small, data, tmp_path, monkeypatch):
    monkeypatch.setattr(Recipe, "folder", property(lambda r: tmp_path / "trained"))
    recipe.trained(small)
    (small.folder / "checkpoint.npz").unlink()
    _, record = recipe.trained(small.model_copy(update={"seed": 1}))
    assert record["recipe"]["seed"] == 1
    (small.folder / "checkpoint.npz").unlink()
    arrays = dict(np.load(data))
    np.savez(tmp_path / "own.npz", **(arrays | {"x_train": 255 - arrays["x_train"]}))
    changed = small.model_copy(update={"dataset": str(tmp_path / "own.npz")})
    _, other = recipe.trained(changed)
    assert other["data"]["sha256"] != record["data"]["sha256"]


def test_accuracies_are_of_the_originals_and_the_mean_of_the_copies(small):
    featurizer, _ = recipe.trained(small)
    points = small.split()
    table = recipe.accuracies_under(featurizer, points.images_test, points.labels_test, [translate(1), crop([1, 2])])
    copies = crop([1, 2])(points.images_test)
    expected = 50 * sum(featurizer.score(images, points.labels_test) for images in copies)
    assert table.loc["crop"].tolist() == pytest.approx([table.loc["translate", "originals (%)"], expected])


@pytest.mark.parametrize("name", ["cifar10-resnet20", "small-norb-resnet20", "small-norb-resnet20-augmented"])
def test_the_committed_featurizers_are_of_their_recipes(name):
    path = PUBLISHED / name / f"{name}.keras"
    record = compact.read_record(path)
    chosen = Recipe.read(paths.PARAMS / "featurizers" / f"{name}.yaml")
    assert record["recipe"] == chosen.model_dump(exclude={"data_folder"})
    assert record["test_accuracy"] >= (0.85 if "flips" in chosen.augmentation else 0.8)
    assert len(record["data"]["sha256"]) == 64
    featurizer = KerasFeaturizer.load(path)
    assert len(featurizer.history_["loss"]) == chosen.epochs
    side, channels = featurizer.model_.input_shape[2:]
    assert featurizer.transform(np.zeros((1, side, side, channels), np.uint8)).shape == (1, 256)
