"""Networks trained anew: from reset weights, for equal numbers of steps, the user's own network among them."""

import keras
import numpy as np
import pytest

from influaug.errors import InputError
from studies.own import cross_validation, material, retraining, split
from studies.own.parameters import OwnData

pytestmark = pytest.mark.slow

SMALL = {"own": "small", "n_train": 60, "epochs": 2, "folds": 3, "repeats": 2, "shares": [0.2], "policy": "influence"}
SMALL |= {"transformations": ["crop"], "retrained_epochs": 3}


def network(n_classes=2, side=28, activation=None):
    layers = keras.layers
    scale = layers.Normalization(axis=None)
    scale.adapt(np.arange(256.0))
    inner = keras.Sequential([layers.Input((side, side, 1)), layers.Conv2D(4, 5, 3, activation="relu")])
    last = layers.Dense(n_classes, activation=activation)
    model = keras.Sequential([layers.Input((side, side, 1)), scale, inner, layers.Flatten(), layers.Dropout(0.2), last])
    return model


def weights(model):
    return [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]


def test_weights_are_drawn_anew_by_the_seed_and_what_was_adapted_stays():
    model = network()
    same, again, other = (retraining.reset(model, seed) for seed in (1, 1, 2))
    kernels = [[w for w in weights(each) if w.ndim > 1] for each in (model, same, again, other)]
    assert len(kernels[0]) == 2
    for old, one, two, three in zip(*kernels, strict=True):
        np.testing.assert_array_equal(one, two)
        assert (one != three).mean() > 0.9 and (one != old).mean() > 0.9
        assert one.std() == pytest.approx(old.std(), rel=0.5)
    images = np.random.default_rng(0).integers(0, 255, (3, 28, 28, 1)).astype(np.uint8)
    scaled = [keras.ops.convert_to_numpy(each.layers[0](images)) for each in (model, same)]
    np.testing.assert_array_equal(*scaled)
    assert abs(scaled[0].mean()) < 0.5
    before = weights(model)
    assert model(images).shape == same(images).shape
    assert all(np.array_equal(a, b) for a, b in zip(before, weights(model), strict=True))


@pytest.mark.parametrize("judge", ["lenet", "own.keras", "probabilities.keras"])
def test_every_arm_takes_as_many_steps_and_learns(judge, tmp_path, monkeypatch):
    if judge.endswith(".keras"):
        network(activation="softmax" if judge.startswith("p") else None).save(tmp_path / judge)
        judge = str(tmp_path / judge)
    own = OwnData(**SMALL, retrained=judge)
    brought = material.of(own)
    steps = []
    take = keras.Model.train_on_batch
    monkeypatch.setattr(
        keras.Model, "train_on_batch", lambda self, *batch: steps.append(len(batch[0])) or take(self, *batch)
    )
    of = retraining.Judge.of(own, brought)
    part = next(split.parts(own, brought.points.labels))
    rows = {}
    for arm in split.retrained_arms(own):
        steps.clear()
        chosen = np.arange(5) if arm == own.policy else None
        rows[arm] = of.trained(arm, part, chosen)
        assert steps == [64] * 3 and rows[arm]["steps"] == 3
    added = {arm: row["added"] for arm, row in rows.items()}
    m = 4 * len(part.train)
    assert added == {
        "none": 0,
        "crop": 6 * m / 4,
        "translate": m,
        "influence": 5,
        "random_copies": m / 10,
        "trivial_augment on the fly": 0,
    }
    again = of.trained("none", part, None)
    assert {**again, "seconds": 0} == {**rows["none"], "seconds": 0}
    long = retraining.Judge.of(own.model_copy(update={"retrained_epochs": 60}), brought)
    assert long.trained("none", part, None)["accuracy"] > 0.65


def test_the_table_has_every_arm_of_every_part_and_is_kept():
    own = OwnData(**{**SMALL, "repeats": 1, "retrained_epochs": 1}, retrained="lenet")
    brought = material.of(own)
    found = cross_validation.cross_validated(own, brought).retrained
    assert found.groupby("part")["arm"].apply(list).tolist() == [split.retrained_arms(own)] * 3
    again = cross_validation.kept(own, brought).retrained
    assert again["accuracy"].tolist() == found["accuracy"].tolist()
    assert cross_validation.kept(own.model_copy(update={"retrained_epochs": 2}), brought) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n_classes": 3}, r"gives \(3,\); for 2 classes"),
        ({"side": 20}, r"takes images of shape \(20, 20, 1\)"),
        (None, "There is no network"),
        (b"hello", "own.keras"),
    ],
)
def test_networks_that_do_not_fit_are_refused_before_anything_is_trained(given, said, tmp_path, monkeypatch):
    path = tmp_path / "own.keras"
    if isinstance(given, bytes):
        path.write_bytes(given)
    elif given:
        network(**given).save(path)
    own = OwnData(**SMALL, retrained=str(path))
    brought = material.of(own)
    monkeypatch.setattr(OwnData, "featurizer", None)
    with pytest.raises(InputError, match=said):
        cross_validation.cross_validated(own, brought)
