"""The page on a person's own data: folds that leak nothing, intervals as published, and a file that can be read."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from influaug import AugmentationSelector
from influaug.data.datasets import load
from influaug.data.transformations import expand
from influaug.errors import InputError
from studies.own import results as own_data
from studies.own.results import OwnData
from studies.storage import paths

pytestmark = pytest.mark.slow

SMALL = {"n_train": 60, "epochs": 2, "folds": 3, "shares": [0.05, 0.2], "own": "small", "policy": "influence"}


@pytest.fixture(scope="module")
def own():
    return OwnData(**SMALL)


def test_the_committed_parameters_are_the_defaults_and_name_every_one():
    path = paths.PARAMS / "own" / "digits.yaml"
    assert OwnData.read(path) == OwnData()
    keys = [line.split(":")[0] for line in path.read_text().splitlines() if line and line[0] != "#"]
    assert keys == list(OwnData.model_fields)
    assert all("  # " in line for line in path.read_text().splitlines() if line and line[0] != "#")
    assert OwnData().folder == paths.outputs() / "own" / "digits"
    assert OwnData(seed=1).folder.parent == paths.outputs() / "variations"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"shares": [0.1, 0.05]}, "shares: must rise"),
        ({"shares": [0.5, 1]}, "below 1"),
        ({"policy": "greedy"}, "greedy_influence"),
        ({"network": "alexnet"}, "network: must be lenet"),
        ({"transformation": "rotate", "magnitudes": [0]}, "magnitudes: rotate takes"),
        ({"magnitudes": [1, 2]}, "one number of pixels"),
        ({"folds": 2}, "folds"),
        ({"colour": 1}, "Unknown parameter colour"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(wrong, right):
    with pytest.raises(InputError, match=right):
        OwnData.of(wrong)


def test_too_few_points_for_the_folds_are_refused():
    with pytest.raises(InputError, match="take fewer folds"):
        own_data.cross_validated(OwnData(**{**SMALL, "n_train": 4}))


def test_a_fold_is_trained_and_tested_as_described(own, monkeypatch):
    seen = []

    class Network:
        """Pixels as features; remembers what it was fitted to."""

        def fit(self, images, labels):
            seen.append({image.tobytes() for image in images})
            return self

        def transform(self, images):
            return images[:, ::3, ::3].reshape(len(images), -1) / 255.0

    monkeypatch.setattr(OwnData, "featurizer", lambda self, fold: Network())
    table, points = own_data.cross_validated(own), own.points()
    assert len(seen) == 3 and sum(map(len, seen)) == 2 * len(set.union(*seen))
    for fold, trained in enumerate(seen):
        train = np.array([image.tobytes() in trained for image in points.images])
        copies = [expand(points.images[part], points.labels[part], own.augmentation()) for part in (train, ~train)]
        x = Network().transform(np.concatenate([points.images[train], copies[0].images]))
        y = np.append(points.labels[train], copies[0].labels)
        x_test = Network().transform(np.concatenate([points.images[~train], copies[1].images]))
        y_test = np.append(points.labels[~train], copies[1].labels)
        for policy, rows in (("none", train.sum()), ("full", len(y))):
            model = LogisticRegression(C=10.0, tol=1e-8, max_iter=10_000).fit(x[:rows], y[:rows])
            ours = table[(table["fold"] == fold) & (table["policy"] == policy)]["accuracy"].item()
            assert ours == pytest.approx(model.score(x_test, y_test), abs=1.5 / len(y_test))
    monkeypatch.setattr(OwnData, "featurizer", None)
    pd.testing.assert_frame_equal(own_data.cross_validated(own), table)


def made_up(gaps, full=0.9):
    """A table of three folds with these differences from full augmentation, by share."""
    rows = [
        {"fold": fold, "policy": policy, "share": share, "added": 100 * share, "touched": 50 * share, "accuracy": a}
        for share, (policy, gap) in {**gaps, 1.0: ("full", (0, 0, 0))}.items()
        for fold, a in enumerate(full + 0.05 * np.arange(3) + np.array(gap))
    ]
    return pd.DataFrame(rows)


def test_intervals_are_paired_and_corrected_and_the_smallest_that_reaches_is_enough():
    gaps = {
        0.0: ("none", (-0.2, -0.21, -0.2)),
        0.1: ("p", (-0.05, -0.06, -0.04)),
        0.2: ("p", (-0.01, 0.01, -0.02)),
        0.5: ("p", (0.01, 0.01, 0.01)),
    }
    found = own_data.budgets(made_up(gaps), "p")
    for share, (_, gap) in gaps.items():
        half = stats.t.ppf(0.975, 2) * np.std(gap, ddof=1) * np.sqrt(1 / 3 + 20 / 40)
        assert found.loc[share, "difference_half_width"] == pytest.approx(half)
        assert found.loc[share, "reaches"] == (np.mean(gap) + half >= 0)
    assert own_data.enough(found) == 0.2
    assert own_data.enough(own_data.budgets(made_up({0.0: ("none", (0.0, 0.1, 0.1))}), "p")) == 0
    assert own_data.enough(own_data.budgets(made_up({0.1: ("p", (-0.1, -0.1, -0.1))}), "p")) == 1
    assert [own_data.verdict(own_data.budgets(made_up(g), "p"))[:14] for g in (gaps, {0.1: gaps[0.1]})] == [
        "**20.0% of the",
        "**None of thes",
    ]
    assert list(own_data.shown(found)["reaches it"]) == ["no", "no", "yes", "yes", "yes"]


@pytest.mark.parametrize("policy", ["influence", "greedy_influence"])
def test_the_choice_is_the_front_doors_and_the_file_can_be_read(own, policy, tmp_path):
    own = own.model_copy(update={"policy": policy})
    found = own_data.chosen(own, 0.1)
    points, seed = found.points, own.seed_of("policies")
    selector = AugmentationSelector(policy, 0.1, featurizer=found.network, random_state=seed)
    selector.fit(points.images, points.labels, transformation=found.transformation)
    np.testing.assert_array_equal(selector.support_, found.selector.support_)
    augmented = selector.augment(points.images, points.labels, found.transformation)
    own_data.write(tmp_path / "new" / "augmented.npz", augmented, points)
    again = load(str(tmp_path / "new" / "augmented.npz"))
    np.testing.assert_array_equal(again.images_train, augmented[0])
    assert [again.class_names[k] for k in again.labels_train] == [points.class_names[k] for k in augmented[1]]
    np.testing.assert_array_equal(again.images_test, points.images_test)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["augmented.npz"]
    _, axes = plt.subplots(6, 1)
    own_data.histogram(axes[0], found)
    own_data.faces(axes[1:4], found)
    own_data.counts(axes[4:], found)
    drawn = sum(patch.get_width() for patch in axes[4].patches)
    assert drawn == len(selector.source_) and own_data.counted(found).count(f"{len(selector.source_):,} of") == 1
    plt.close("all")


def test_accuracy_on_the_test_images_counts_their_copies(own):
    found = own_data.chosen(own, 0.1)
    mean, half = own_data.accuracy_on_test(own, found)
    points = found.points
    k, n = len(found.transformation), len(points.labels_test)
    all_images = np.concatenate([points.images_test[None], found.transformation(points.images_test)])
    hits = [
        found.selector.head_.predict(found.network.transform(images)) == points.labels_test for images in all_images
    ]
    shares = np.mean(hits, axis=0)
    assert np.shape(hits) == (k + 1, n) and mean == pytest.approx(shares.mean())
    assert half == pytest.approx(stats.t.ppf(0.975, n - 1) * stats.sem(shares))
    assert f"{100 * mean:.2f}" in own_data.tested(own, found)
