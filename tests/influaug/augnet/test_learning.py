"""Learning by influence against finite differences of refits, the NumPy influence, and across backends."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
from sklearn.datasets import load_digits

from influaug.augnet.chain import AfterBase, base_augmentation
from influaug.augnet.classifiers import Schedule, all_cnn
from influaug.augnet.folds import Fold, splits
from influaug.augnet.learning import InfluenceTraining, Learning, influence_and_loss, learn
from influaug.augnet.models import Design, TransformationModel
from influaug.augnet.ranges import Family, GlobalRanges
from influaug.backend import keras
from influaug.backend.derivatives import gradient, of_variables
from influaug.errors import InputError
from influaug.influence.head_hessian import HeadHessian
from influaug.influence.validation import validation_influence
from influaug.solver import heads, logistic

pytestmark = pytest.mark.slow

DIGITS = load_digits()
IMAGES = (DIGITS.images[..., None] * 15.9).astype("uint8")[:150]
LABELS = DIGITS.target[:150]
SHAPE = (8, 8, 1)
FAMILY = Family(base_shift=1, bands=(2,), start=0.3)
QUICK = Learning(schedule=Schedule(30), rounds=1, steps=3, batch_size=30, averaged=2)


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def problem(K, n=40, d=5, seed=0):
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(n, d)).astype("float32"), rng.integers(0, max(K, 2), n)
    theta, S = rng.normal(size=(2, K, d + 1)).astype("float32")
    return features, labels, theta, S


@pytest.mark.parametrize("K", [1, 3, 10])
def test_influence_and_loss_are_those_of_the_linear_head(K):
    features, labels, theta, S = problem(K)
    influence, loss = influence_and_loss(*map(keras.ops.convert_to_tensor, (features, labels, theta, S)))
    x = heads.with_intercept(features)
    expected = -np.vecdot(heads.residuals(x, labels, theta.astype(float)), x @ S.T)
    np.testing.assert_allclose(array(influence), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(array(loss), heads.losses(x, labels, theta.astype(float)), rtol=1e-4, atol=1e-5)


class _Moved(keras.layers.Layer):
    """Adds the same numbers to every image."""

    def build(self, shape):
        self.move = self.add_weight(shape=shape[1:], initializer="zeros", name="move")

    def call(self, images, seed=None):
        return images + self.move


@pytest.mark.parametrize("K", [2, 4])
def test_with_a_fresh_head_the_gradient_is_that_of_the_refits_validation_loss(K):
    rng = np.random.default_rng(K)
    images, labels = rng.normal(size=(60, 2, 3, 1)).astype("float32"), np.arange(60) % K
    validation, penalty = (rng.normal(size=(30, 6)), np.arange(30) % K), 0.05
    C = 1 / (penalty * 60)

    def fitted(move):
        features = np.tanh(images.reshape(60, 6).astype(float) + move)
        theta = logistic.fit(features, labels, np.ones((1, 60)), C, tolerance=1e-14).theta[0]
        return features, theta

    def validation_loss(move):
        return heads.losses(heads.with_intercept(validation[0]), validation[1], fitted(move)[1]).mean()

    features, theta = fitted(np.zeros(6))
    H = HeadHessian(theta, heads.with_intercept(features), np.ones(60), C)
    S = validation_influence(H, heads.with_intercept(validation[0]), validation[1]).S
    body = keras.Sequential([keras.layers.Input((2, 3, 1)), keras.layers.Flatten(), keras.layers.Activation("tanh")])
    layer = _Moved()
    layer.build((None, 2, 3, 1))
    model = InfluenceTraining(layer, [body], Learning())
    x = {"images": images[None], "labels": labels[None].astype("int32"), "theta": theta[None], "S": S[None]}
    x = {
        name: keras.ops.convert_to_tensor(value, dtype="int32" if name == "labels" else "float32")
        for name, value in x.items()
    }
    x["scale"] = keras.ops.ones(1)
    objective = of_variables(lambda: model.compute_loss(y_pred=model(x)), [layer.move])
    (found,) = gradient(objective, [layer.move])
    steps = 5e-3 * np.eye(6)
    expected = [(validation_loss(step) - validation_loss(-step)) / 1e-2 for step in steps]
    np.testing.assert_allclose(array(found).ravel(), expected, rtol=5e-3, atol=2e-5)


def test_squash_and_hinge_change_the_objective_as_they_say():
    features, labels, theta, S = problem(3)
    body, layer = keras.Sequential([keras.layers.Input((5, 1, 1)), keras.layers.Flatten()]), _Moved()
    layer.build((None, 5, 1, 1))
    x = {"images": features.reshape(1, 40, 5, 1, 1), "labels": labels[None], "theta": theta[None], "S": S[None]}
    x = {**x, "scale": np.full(1, 2.0, "float32")}
    influence, loss = map(array, influence_and_loss(*map(keras.ops.convert_to_tensor, (features, labels, theta, S))))
    settings = Learning(squash=1.5, hinge=3.0, threshold=0.4)
    expected = 1.5 * np.tanh(influence / 2 / 1.5) + 3 * np.maximum(loss - 0.4, 0)
    np.testing.assert_allclose(array(InfluenceTraining(layer, [body], settings)(x)), expected, rtol=1e-4, atol=1e-4)
    plain = array(InfluenceTraining(layer, [body], Learning())(x))
    np.testing.assert_allclose(plain, influence / 2, rtol=1e-5, atol=1e-6)


def learnt(layer, settings=QUICK, seed=0):
    return learn(layer, base_augmentation(SHAPE, FAMILY), IMAGES, LABELS, "all-cnn", settings, seed)


def test_ranges_are_learned_and_averaged_and_the_seed_decides_them():
    layers = [GlobalRanges(SHAPE, FAMILY, seed=2) for _ in range(2)]
    trajectories = [learnt(layer) for layer in layers]
    assert [(row["round"], row["step"]) for row in trajectories[0]] == [(0, 0), (0, 1), (0, 2)]
    assert len(trajectories[0][0]["sigma"]) == 7 and trajectories[0][0]["validation_loss"] > 0
    sigma, cap = np.array([row["sigma"] for row in trajectories[0]]), FAMILY.cap
    logarithms = np.log(cap * np.arctanh(sigma / cap))[-2:].mean(axis=0)
    np.testing.assert_allclose(array(layers[0].log_sigma), logarithms, rtol=1e-4, atol=1e-5)
    assert not np.allclose(sigma[-1], FAMILY.start, rtol=1e-3)
    np.testing.assert_allclose(trajectories[0][-1]["sigma"], trajectories[1][-1]["sigma"], rtol=1e-4)


def test_the_encoder_alone_is_trained_where_it_is_asked_for():
    model = TransformationModel(SHAPE, Design(tau=8, depth=2, width=4), seed=1)
    layer = AfterBase(base_augmentation(SHAPE, FAMILY), model)
    before = {name: [w.copy() for w in getattr(model, name).get_weights()] for name in ("encoder", "generator")}
    learnt(layer, replace(QUICK, trained="encoder", squash=2.0, hinge=5.0, base_draws=1, rate=1e-2))
    moved = {
        name: any(
            not np.array_equal(a, b) for a, b in zip(before[name], getattr(model, name).get_weights(), strict=True)
        )
        for name in before
    }
    assert moved == {"encoder": True, "generator": False}
    with pytest.raises(InputError, match="this augmentation has none"):
        learnt(GlobalRanges(SHAPE, FAMILY), replace(QUICK, trained="encoder"))


def test_without_refresh_s_and_the_head_stay(monkeypatch):
    refits = []
    refit = Fold.refit
    monkeypatch.setattr(Fold, "refit", lambda self: (refits.append(self), refit(self)))
    settings = replace(QUICK, refresh=False, all_folds=False, folds=5)
    learnt(GlobalRanges(SHAPE, FAMILY), settings)
    assert len(refits) == 1
    learnt(GlobalRanges(SHAPE, FAMILY), replace(settings, refresh=True))
    assert len(refits) == 1 + settings.steps


def test_folds_hold_out_each_point_once_and_keep_the_classes():
    parts = splits(LABELS, 3, 0)
    assert sorted(np.concatenate([validation for _, validation in parts])) == list(range(len(LABELS)))
    for training, validation in parts:
        assert not set(training) & set(validation)
        counts = np.bincount(LABELS[validation]) - np.bincount(LABELS) / 3
        assert np.abs(counts).max() < 1
    with pytest.raises(InputError, match="folds is 30; every class needs as many points, but one has"):
        splits(LABELS, 30, 0)


def test_a_folds_head_minimises_over_its_present_copies():
    (training, validation), *_ = splits(LABELS, 3, 0)
    layer, model = GlobalRanges(SHAPE, FAMILY, seed=1), all_cnn(SHAPE, 10)
    fold = Fold(model, IMAGES, LABELS, training, validation, [base_augmentation(SHAPE, FAMILY), layer], 1e-2)

    def slope():
        x, labels = heads.with_intercept(np.concatenate(fold._draws)), np.tile(LABELS[training], 2)
        return np.abs(heads.gradient(x, labels, fold.theta, np.ones(len(x)), fold.C)).max()

    assert slope() < 1e-2
    before = [draw.copy() for draw in fold._draws]
    fold.renew()
    np.testing.assert_array_equal(fold._draws[0], before[1])
    assert not np.allclose(fold._draws[1], before[0])
    assert slope() > 1e-2
    fold.refit()
    assert slope() < 1e-2
    assert fold.influence().S.shape == fold.theta.shape
    assert fold.validation_loss() == pytest.approx(
        heads.losses(fold.x_validation, LABELS[validation], fold.theta).mean()
    )


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"folds": 1}, "folds is 1"),
        ({"penalty": 0.0}, "penalty is 0.0"),
        ({"base_draws": 4}, "base_draws is 4; it must be at most draws, 3"),
        ({"trained": "G"}, "trained is 'G'"),
        ({"squash": -1.0}, "squash is -1.0"),
    ],
)
def test_wrong_settings_are_refused(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        Learning(**wrong)


def one_step():
    """Objective of given copies, and the weights after one step of training, as JSON: the same on every backend."""
    rng = np.random.default_rng(0)
    model = TransformationModel(SHAPE, Design(tau=8, depth=2, width=4, dropout=0.0), seed=1)
    shapes = [w.shape for w in model.get_weights()]
    model.set_weights([rng.normal(0, 0.3, shape).astype("float32") for shape in shapes])
    body = keras.Sequential([keras.layers.Input(SHAPE), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()])
    _, labels, theta, S = problem(3, 12, 64)
    x = {
        "images": IMAGES[:12].astype("float32")[None],
        "labels": labels[None].astype("int32"),
        "theta": theta[None],
        "S": S[None],
        "scale": np.ones(1, "float32"),
    }
    training = InfluenceTraining(model, [body], Learning(hinge=1.0, squash=2.0))
    training.compile(keras.optimizers.SGD(1e-3))
    before = [float(v) for v in array(training(x))]
    training.train_on_batch(x)
    return {"objective": before, "weights": [float(w.sum()) for w in model.get_weights()]}


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="it compares TensorFlow with JAX")
def test_tensorflow_and_jax_take_the_same_step():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    said = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr[-2000:]
    theirs, mine = json.loads(said.stdout.splitlines()[-1]), one_step()
    np.testing.assert_allclose(mine["objective"], theirs["objective"], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mine["weights"], theirs["weights"], rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(one_step()))
