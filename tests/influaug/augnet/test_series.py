"""The transformation models in series: the same copies as one after the other, and all that one model offers."""

import numpy as np
import pytest

from influaug.augnet.chain import AfterBase, base_augmentation
from influaug.augnet.classifiers import all_cnn
from influaug.augnet.learning import InfluenceTraining, Learning, learn
from influaug.augnet.models import Design, TransformationModel, in_series
from influaug.augnet.network import AugmentationNetwork
from influaug.augnet.pretraining import Pretraining, diversity, pretrain
from influaug.augnet.ranges import Family
from influaug.augnet.series import Series, transformation_model
from influaug.backend import keras
from influaug.errors import InputError
from studies.learned.page import walk

pytestmark = pytest.mark.slow

SHAPE = (10, 8, 3)
SMALL = Design(tau=8, depth=2, width=4, last_scale=1.0, grid=3, limit=2.0)
FAMILY = Family(base_shift=1, bands=(2,))
RNG = np.random.default_rng(0)
LABELS = np.tile([0, 1], 20)
IMAGES = (RNG.uniform(0, 150, (40, *SHAPE)) + 100 * LABELS[:, None, None, None]).astype("uint8")


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def floats(n=3):
    return IMAGES[:n].astype("float32")


def test_it_is_one_model_after_the_other():
    model = Series(SHAPE, SMALL, seed=1)
    plain = in_series(SHAPE, SMALL, seed=1).layers
    tau = model.encode(floats(), drop=False)
    assert tau.shape == (3, 16)
    expected = floats()
    for part in plain:
        expected = part.transform(expected, part.encode(expected, drop=False))
    np.testing.assert_allclose(array(model.transform(floats(), tau)), array(expected), rtol=1e-5, atol=1e-3)
    assert set(model.fields(tau)) == {"displacement", "filter", "bias"}


def test_a_seed_decides_the_copies_and_other_draws_differ():
    model = Series(SHAPE, SMALL, seed=1)
    first, again, other, unseeded = (array(model(floats(), seed=seed)) for seed in (1, 1, 2, None))
    np.testing.assert_array_equal(first, again)
    assert abs(first - other).max() > 0.1 and abs(first - unseeded).max() > 0.1
    of_copy = model.encode(floats(), drop=True, seed=5)
    np.testing.assert_array_equal(
        array(model.learned_displacement(floats(), seed=5)), array(model.fields(of_copy)["displacement"])
    )
    assert diversity(model, IMAGES[:3], draws=4) > 0.01
    assert list(walk(model, IMAGES[0], steps=3)) == ["displacement", "warped", "appearance", "copies"]


def test_the_game_trains_both_models_together():
    model, base = Series(SHAPE, SMALL, seed=1), base_augmentation(SHAPE, FAMILY, 0)
    before = [part.get_weights() for part in (model.spatial, model.appearance)]
    rows = pretrain(model, base, IMAGES, all_cnn(SHAPE, 2, 0, 4), Pretraining(steps=2, batch_size=8))
    assert len(rows) == 2 and np.isfinite([row["generator"] for row in rows]).all()
    assert all(changed(part, old) for part, old in zip((model.spatial, model.appearance), before, strict=True))


def changed(model, before):
    """Whether weights of both E and G differ from what they were."""
    ends = [i for i, w in enumerate(model.weights) if w.dtype == "float32"]
    moved = [not np.array_equal(model.get_weights()[i], before[i]) for i in ends]
    return moved[0] and moved[-1]


def test_influence_trains_both_models():
    model, base = Series(SHAPE, SMALL, seed=1), base_augmentation(SHAPE, FAMILY, 0)
    before = [part.get_weights() for part in (model.spatial, model.appearance)]
    quick = Learning(folds=2, rounds=1, steps=2, batch_size=16, base_draws=1)
    rows = learn(AfterBase(base, model), base, IMAGES, LABELS, all_cnn(SHAPE, 2, 0, 4), quick)
    assert len(rows) == 2 and np.isfinite([row["influence"] for row in rows]).all()
    assert all(changed(part, old) for part, old in zip((model.spatial, model.appearance), before, strict=True))


def test_it_is_saved_and_loaded(tmp_path):
    quick = {"design": SMALL, "pretraining": Pretraining(steps=1, batch_size=8), "family": FAMILY}
    network = AugmentationNetwork("network", "pretrained", series=True, seed=1, **quick)
    network.fit(IMAGES, LABELS, all_cnn(SHAPE, 2, 0, 4)).save(tmp_path / "series.keras")
    loaded = AugmentationNetwork.load(tmp_path / "series.keras")
    assert isinstance(loaded.layer_.learned, Series)
    assert loaded.layer_.learned.design == network.layer_.learned.design
    copies, again = (each.augment(IMAGES[:10], seed=3).astype(int) for each in (network, loaded))
    np.testing.assert_allclose(copies, again, atol=1)


def test_the_kind_of_model_is_chosen():
    assert isinstance(transformation_model(SHAPE, SMALL, 0), TransformationModel)
    assert isinstance(transformation_model(SHAPE, SMALL, 0, series=True), Series)


def test_what_it_cannot_do_is_refused():
    with pytest.raises(InputError, match="grey images have no appearance model"):
        Series((10, 8, 1), SMALL)
    game = Pretraining(game="wgan-gp", steps=1)
    for options in ({"series": True}, {"design": Design(parts="appearance")}):
        with pytest.raises(InputError, match="The game 'wgan-gp' needs warps by one G"):
            AugmentationNetwork("network", pretraining=game, **options).fit(IMAGES, LABELS)
    learned = AfterBase(base_augmentation(SHAPE, FAMILY, 0), Series(SHAPE, SMALL))
    with pytest.raises(InputError, match="trained is 'encoder', but this augmentation has none"):
        InfluenceTraining(learned, [], Learning(trained="encoder"))
