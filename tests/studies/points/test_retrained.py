import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from influaug.data.datasets import Split
from influaug.data.transformations import expand, translate
from studies.points import retrained
from studies.points.feature_set import FeatureSet
from studies.points.sweep import SweepSettings

pytestmark = pytest.mark.slow

TRANSLATE = translate(1)


class PixelFeaturizer(BaseEstimator):
    """A network stand-in whose features depend on what it was trained on: pixels less the training mean."""

    trained = 0

    def fit(self, images, labels):
        type(self).trained += 1
        self.mean_ = images.mean(axis=0)
        return self

    def transform(self, images):
        return ((images - self.mean_) / 255).reshape(len(images), -1)


@pytest.fixture
def problem(tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 4, 4, 1), dtype=np.uint8)
    labels = (images[:, 1, 1, 0].astype(int) + images[:, 2, 2, 0] > 255).astype(int)
    sample = Split(images[:30], labels[:30], images[30:], labels[30:], ("dark", "light"), {}, np.arange(30))
    network = PixelFeaturizer().fit(sample.images, sample.labels)
    copies, copies_test = (expand(sample.images, sample.labels, TRANSLATE), expand(images[30:], labels[30:], TRANSLATE))
    initial = FeatureSet(
        np.vstack([network.transform(sample.images), network.transform(copies.images)]),
        np.append(sample.labels, copies.labels),
        30,
        np.vstack([network.transform(sample.images_test), network.transform(copies_test.images)]),
        np.append(sample.labels_test, copies_test.labels),
        20,
    )
    PixelFeaturizer.trained = 0
    return retrained.Problem(sample, TRANSLATE, initial, PixelFeaturizer, tmp_path)


SETTINGS = SweepSettings(
    scores=("loss",), policies=("baseline", "deterministic_proportional"), budgets=(5, 30), rounds=2
)


def run(problem, key="a"):
    return retrained.run(problem, SETTINGS, np.random.SeedSequence(0), key)


def test_every_row_is_a_network_trained_and_a_head_fitted_on_originals_and_chosen_copies(problem):
    table = run(problem)
    row = table[table["policy"] == "deterministic_proportional"].iloc[0]
    head = LogisticRegression(C=10, tol=1e-10, max_iter=10_000).fit(problem.initial.train[:30], problem.sample.labels)
    p = head.predict_proba(problem.initial.train[:30])[np.arange(30), problem.sample.labels]
    points = np.sort(np.argsort(p)[:5])
    copies = expand(problem.sample.images[points], problem.sample.labels[points], TRANSLATE)
    images = np.concatenate([problem.sample.images, copies.images])
    labels = np.append(problem.sample.labels, copies.labels)
    network = PixelFeaturizer().fit(images, labels)
    head.fit(network.transform(images), labels)
    moved = expand(problem.sample.images_test, problem.sample.labels_test, TRANSLATE)
    test = network.transform(np.concatenate([problem.sample.images_test, moved.images]))
    assert row["rows"] == len(images)
    assert row["accuracy"] == pytest.approx(head.score(test, np.append(problem.sample.labels_test, moved.labels)))
    assert row["accuracy_original"] == pytest.approx(head.score(test[:20], problem.sample.labels_test))


def test_an_interrupted_run_goes_on_and_equal_sets_are_trained_once(problem):
    first = run(problem)
    distinct = 1 + 1 + 3
    assert PixelFeaturizer.trained == distinct == len(list(problem.folder.glob("*.json")))
    next(problem.folder.glob("*.json")).unlink()
    assert run(problem).equals(first)
    assert PixelFeaturizer.trained == distinct + 1


def test_results_of_another_key_are_not_used(problem):
    run(problem)
    before = PixelFeaturizer.trained
    run(problem, key="b")
    assert PixelFeaturizer.trained == 2 * before
