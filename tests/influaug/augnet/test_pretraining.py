"""Pretraining of transformation models: the games' losses in NumPy, what is trained, and diversity."""

import numpy as np
import pytest
from scipy.special import log_expit
from sklearn.datasets import load_digits

from influaug.augnet.chain import base_augmentation
from influaug.augnet.classifiers import all_cnn
from influaug.augnet.models import Design, TransformationModel
from influaug.augnet.pretraining import Pretraining, _Critics, _critics, _Generator, diversity, pretrain
from influaug.augnet.ranges import Family, GlobalRanges
from influaug.backend import keras
from influaug.errors import InputError

pytestmark = pytest.mark.slow

IMAGES = (load_digits().images[..., None] * 15.9).astype("uint8")[:80]
SHAPE = (8, 8, 1)
SMALL = Design(tau=8, depth=2, width=4)
STILL = Design(tau=8, depth=2, width=4, dropout=0.0)


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def softplus(x):
    return -log_expit(-x)


def test_the_relativistic_losses_are_those_of_the_paper():
    # Jolicoeur-Martineau (2018), table 1, RaSGAN.
    model, F = TransformationModel(SHAPE, STILL, seed=1), all_cnn(SHAPE, 10, 0, 2)
    base = base_augmentation(SHAPE, Family(base_shift=0))
    body = keras.Model(F.inputs[0], F.get_layer("features").output)
    critics = _critics(model, body, 1, 2)
    shared = model, base, body, critics, Pretraining()
    images = IMAGES.astype("float32")
    copies = array(model.transform(images, model.encode(images, drop=False)))
    of_critics, of_generator = 0.0, 0.0
    for critic, real, fake in ((critics[0], images, copies), (critics[1], array(body(images)), array(body(copies)))):
        r, f = array(critic(real)).astype(float), array(critic(fake)).astype(float)
        of_critics += np.mean(softplus(-(r - f.mean()))) + np.mean(softplus(f - r.mean()))
        of_generator += np.mean(softplus(-(f - r.mean()))) + np.mean(softplus(r - f.mean()))
    assert float(_Critics(*shared, 0)(images)) == pytest.approx(of_critics, rel=1e-4)
    assert float(_Generator(*shared, 0)(images)) == pytest.approx(of_generator, rel=1e-4)


def test_the_gradient_penalty_is_of_a_slope_of_one():
    model = TransformationModel(SHAPE, SMALL, seed=1)
    side = _Critics(model, base_augmentation(SHAPE), None, _critics(model, None, 1, 2), Pretraining("wgan-gp"), 0)
    slope = np.random.default_rng(0).normal(size=SHAPE).astype("float32")

    def linear(x):
        return keras.ops.sum(x * slope, axis=(1, 2, 3))[:, None]

    real, fake = np.random.default_rng(1).normal(size=(2, 20, *SHAPE)).astype("float32")
    expected = np.mean(np.sum(fake * slope, (1, 2, 3))) - np.mean(np.sum(real * slope, (1, 2, 3)))
    expected += 10 * (np.linalg.norm(slope) - 1) ** 2
    assert float(side.wasserstein(linear, real, fake)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("game", ["ragan", "wgan-gp"])
def test_each_side_trains_its_own_and_e_learns_in_one_game_alone(game):
    model, F = TransformationModel(SHAPE, SMALL, seed=1), all_cnn(SHAPE, 10, 0, 2)
    parts = {"encoder": model.encoder, "generator": model.generator, "F": F}
    before = {name: [w.copy() for w in part.get_weights()] for name, part in parts.items()}
    settings = Pretraining(game, steps=3, batch_size=16, critic_steps=2)
    trajectory = pretrain(model, base_augmentation(SHAPE), IMAGES, F if game == "ragan" else None, settings)
    assert [row["step"] for row in trajectory] == [0, 1, 2]
    assert all(np.isfinite([row["critics"], row["generator"]]).all() for row in trajectory)
    moved = {
        name: any(not np.array_equal(a, b) for a, b in zip(before[name], part.get_weights(), strict=True))
        for name, part in parts.items()
    }
    assert moved == {"encoder": game == "ragan", "generator": True, "F": False}


def test_critics_learn_to_tell_copies_from_images():
    model = TransformationModel(SHAPE, SMALL, seed=1)
    black = base_augmentation(SHAPE)
    settings = Pretraining("wgan-gp", rate=5e-3)
    side = _Critics(model, black, None, _critics(model, None, 1, 2), settings, 0)
    side.compile(keras.optimizers.Adam(settings.rate))
    losses = [float(side.train_on_batch(IMAGES.astype("float32"))) for _ in range(25)]
    assert losses[-1] < losses[0] and losses[-1] < 0.5 * np.mean(losses[:3])


def test_the_inverse_squares_keep_g_from_the_identity():
    still = TransformationModel(SHAPE, Design(tau=8, depth=2, width=4, last_scale=1e-3), seed=1)
    moving = TransformationModel(SHAPE, Design(tau=8, depth=2, width=4, last_scale=0.5), seed=1)
    losses = []
    for model in (still, moving):
        settings = Pretraining("wgan-gp", anti_identity=1.0)
        side = _Generator(model, base_augmentation(SHAPE), None, _critics(model, None, 1, 2), settings, 0)
        losses.append(float(side(IMAGES.astype("float32"))))
    assert losses[0] > 100 * losses[1]


def test_diversity_is_the_ranges_that_were_set():
    layer = GlobalRanges(SHAPE, Family(base_shift=2))
    layer.assign([0.6, 0.6, *[0.0] * 8])
    assert diversity(layer, IMAGES[:40], 60) == pytest.approx(0.6, rel=0.05)
    assert diversity(TransformationModel(SHAPE, STILL), IMAGES[:5]) > 0
    no_noise = TransformationModel(SHAPE, Design(tau=8, depth=2, width=4, last_scale=0.0))
    assert diversity(no_noise, IMAGES[:5]) == 0


@pytest.mark.parametrize(("wrong", "sentence"), [({"game": "gan"}, "game is 'gan'"), ({"steps": 0}, "steps is 0")])
def test_wrong_settings_are_refused(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        Pretraining(**wrong)


def test_ragan_needs_a_classifier():
    with pytest.raises(InputError, match="'ragan' needs a classifier"):
        pretrain(TransformationModel(SHAPE, SMALL), base_augmentation(SHAPE), IMAGES)
