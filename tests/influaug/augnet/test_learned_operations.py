"""The learned family: strengths and probabilities, their derivatives, and learning that keeps the best round."""

import numpy as np
import pytest
from scipy import stats

from influaug.augnet import learning
from influaug.augnet.by_training_loss import learn_by_training_loss
from influaug.augnet.classifiers import Schedule, all_cnn
from influaug.augnet.learned_operations import LearnedOperations
from influaug.augnet.learning import Learning, best_strength, learn
from influaug.augnet.operations import ALIKE, FIXED, references
from influaug.augnet.ranges import Family, GlobalRanges
from influaug.backend import keras
from influaug.backend.derivatives import gradient
from influaug.errors import InputError

pytestmark = pytest.mark.slow

SHAPE, COLOUR = (12, 12, 1), (12, 12, 3)
FAMILY = Family(base_shift=0, bands=(2,), start=0.5)
QUICK = Learning(schedule=Schedule(3), folds=2, rounds=2, steps=2, batch_size=20, averaged=1, keep_best=True)


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def images(n=6, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape)).astype("float32")


def test_at_first_every_strength_is_its_reference():
    layer = LearnedOperations(COLOUR, FAMILY)
    ranges = layer.ranges()
    assert [ranges[group] for group in layer.groups] == pytest.approx([0.5] * 7, rel=1e-5)
    np.testing.assert_allclose(array(layer.strengths())[0], references(COLOUR, layer.names), rtol=1e-5)
    np.testing.assert_allclose(layer.probabilities(), 0.2, rtol=1e-5)
    assert layer.total() == 1 and ranges["p(hue)"] == pytest.approx(0.2)


def test_total_and_shares_are_apart():
    layer = LearnedOperations(SHAPE, FAMILY)
    layer.shares.assign(np.linspace(-1, 1, layer.shares.shape[0]))
    layer.log_total.assign([np.log(1.7)])
    relative = array(layer.relative())
    assert np.sqrt(np.mean(relative**2)) == pytest.approx(1.7, rel=1e-5) and np.ptp(relative) > 1
    weak = layer.scaled(0.5)
    np.testing.assert_allclose(array(weak.relative()), relative / 2, rtol=1e-5)
    np.testing.assert_array_equal(array(layer.relative()), relative)


def test_strengths_stay_in_the_range_of_the_space_and_fixed_ones_are_fixed():
    layer = LearnedOperations(COLOUR, FAMILY).scaled(1000)
    found = dict(zip(layer.names, array(layer.strengths())[0], strict=True))
    assert found["turn"] == pytest.approx(2 * ALIKE["turn"]) and found["contrast"] == pytest.approx(0.9)
    assert all(found[name] == pytest.approx(ALIKE[name]) for name in FIXED)
    assert max(layer.ranges()[group] for group in layer.groups) == pytest.approx(FAMILY.cap)


def test_gates_are_above_one_half_as_often_as_the_probability_says():
    layer = LearnedOperations(SHAPE, FAMILY, probability=0.3)
    z = array(layer.gate(layer.draw(20_000, seed=1)[:, -len(layer.names) - 2 : -2]))
    assert ((z > 0.5).mean(axis=0) - 0.3 == pytest.approx(0, abs=0.02)) and ((z < 0.05) | (z > 0.95)).mean() > 0.5
    v = np.array([0.1, 0.5, 0.9])
    expected = stats.logistic.cdf((np.log(0.3 / 0.7) + stats.logistic.ppf(v)) / 0.25)
    np.testing.assert_allclose(array(layer.gate((2 * v - 1)[:, None].astype("float32")))[:, 0], expected, rtol=1e-4)


def test_the_opposite_of_a_copy_has_its_gates_and_place_and_opposite_strengths():
    layer = LearnedOperations(SHAPE, FAMILY)
    first, second = np.split(array(layer.draw(8, seed=2, paired=True)), 2)
    warps, k = layer.n_warp_uniforms, len(layer.names)
    np.testing.assert_array_equal(first[:, :3], second[:, :3])
    np.testing.assert_array_equal(first[:, 3 : warps + k], -second[:, 3 : warps + k])
    np.testing.assert_array_equal(first[:, warps + k :], second[:, warps + k :])


def test_closed_gates_leave_the_warps_alone():
    layer, plain = LearnedOperations(SHAPE, FAMILY), GlobalRanges(SHAPE, FAMILY)
    layer.gates.assign(np.full(len(layer.names), -100.0))
    uniforms = array(layer.draw(6, seed=3))
    found, expected = layer(images(), uniforms), plain(images(), uniforms[:, : plain.n_uniforms])
    np.testing.assert_allclose(array(found), array(expected), atol=1e-3)


@pytest.mark.parametrize("weight", ["log_total", "shares", "gates"])
def test_influence_reaches_every_weight(weight):
    """The derivative of a smooth function of copies, against finite differences on smooth images."""
    layer = LearnedOperations(SHAPE, FAMILY)
    rows, columns = np.indices(SHAPE[:2]) / 12
    x = np.stack([80 + 60 * np.sin(2 * rows + k) * np.cos(2 * columns) for k in range(4)])[..., None].astype("float32")
    uniforms, variable = array(layer.draw(4, seed=5)), getattr(layer, weight)
    start = array(variable).copy()

    def total(values):
        variable.assign(values)
        return float(np.sum(array(layer(x, uniforms)).astype(float) * rows[..., None]))

    def tensors(values):
        (value,), parts = values, {"log_total": 0, "shares": 1, "gates": 2}
        weights = [keras.ops.convert_to_tensor(w) for w in layer.get_weights()[:3]]
        weights[parts[weight]] = value
        return keras.ops.sum(stateless(layer, weights, x, uniforms) * rows[..., None].astype("float32"))

    direction = np.random.default_rng(0).normal(size=start.shape)
    found = float(np.sum(array(gradient(tensors, [start])[0]) * direction))
    numeric = (total(start + 1e-2 * direction) - total(start - 1e-2 * direction)) / 2e-2
    variable.assign(start)
    assert found == pytest.approx(numeric, rel=0.1) and abs(found) > 1


def stateless(layer, weights, x, uniforms):
    """Copies as a function of the layer's three weights."""
    trainable, others = layer.trainable_variables, [v.value for v in layer.non_trainable_variables]
    assert [v.name for v in trainable] == ["log_total", "shares", "gates"]
    return layer.stateless_call(weights, others, x, uniforms)[0]


def test_permuted_strengths_are_the_same_in_another_order():
    layer = LearnedOperations(SHAPE, FAMILY)
    rng = np.random.default_rng(0)
    layer.shares.assign(rng.normal(size=layer.shares.shape[0]))
    layer.gates.assign(rng.normal(size=len(layer.names)))
    other, groups = layer.permuted(np.random.default_rng(1)), len(layer.groups)
    for part in (slice(0, groups), slice(groups, None)):
        mine, theirs = array(layer.relative())[part], array(other.relative())[part]
        np.testing.assert_allclose(np.sort(mine), np.sort(theirs), rtol=1e-5)
        assert not np.allclose(mine, theirs)
    np.testing.assert_allclose(np.sort(layer.probabilities()), np.sort(other.probabilities()))
    assert other.total() == layer.total()


LABELS = np.arange(24) % 2
POINTS = (images(24, seed=3) / 2 + 100 * LABELS[:, None, None, None]).astype("uint8")


@pytest.fixture
def untrained(monkeypatch):
    """Classifiers as they are built: these tests look at what is done with them."""
    built = all_cnn(SHAPE, 2, 0, 4)
    monkeypatch.setattr(learning, "train_classifier", lambda *given: built)


def test_learning_ends_where_the_crossfitted_loss_was_lowest(monkeypatch, untrained):
    losses, seen = iter([0.5, 0.3, 0.4]), []
    monkeypatch.setattr(learning, "mean_loss", lambda fitted: (seen.append(fitted), next(losses))[1])
    layer = LearnedOperations(SHAPE, FAMILY)
    rows = learn(layer, None, POINTS, LABELS, "all-cnn", QUICK, seed=1)
    assert [row["crossfitted_loss"] for row in rows] == [0.5, 0.5, 0.3, 0.3, 0.4]
    assert [row["kept"] for row in rows] == [False, False, True, True, False]
    assert list(layer.ranges().values()) == pytest.approx(rows[1]["sigma"], rel=1e-4)
    assert "influence" not in rows[-1] and len(seen) == 3
    for one, other in zip(seen[0], seen[1], strict=True):
        np.testing.assert_array_equal(one.training, other.training)


def test_the_crossfitted_loss_is_that_of_points_the_classifier_was_not_trained_with():
    fitted = learning.CrossFitted(None, POINTS, LABELS, np.arange(12), np.arange(12, 24))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning, "error_and_loss", lambda model, x, y: (0, (x.shape, y.tolist())))
        assert fitted.loss == ((12, *SHAPE), LABELS[12:].tolist())


def test_one_strength_is_chosen_on_the_folds_of_learning(monkeypatch, untrained):
    seen, layers = [], []
    monkeypatch.setattr(learning, "mean_loss", lambda fitted: (seen.append(fitted), 1.0)[1])
    layer = LearnedOperations(SHAPE, FAMILY)

    def scaled(factor):
        layers.append(layer.scaled(factor))
        return layers[-1]

    best_strength(scaled, [0.5, 2.0], POINTS, LABELS, settings=QUICK, seed=1)
    assert [each.total() for each in layers] == pytest.approx([0.5, 2.0])
    learn(layer, None, POINTS, LABELS, "all-cnn", QUICK, seed=1)
    for one, other in zip(seen[0], seen[2], strict=True):
        np.testing.assert_array_equal(one.validation, other.validation)


@pytest.mark.parametrize(
    ("losses", "tried"),
    [
        ({0.5: 3, 1.0: 1, 2.0: 2}, [0.5, 1.0, 2.0]),
        ({0.5: 3, 1.0: 2, 2.0: 1, 3.0: 0.5, 4.0: 0.6, 6.0: 0.1}, [0.5, 1.0, 2.0, 3.0, 4.0]),
        ({0.5: 3, 1.0: 2, 2.0: 1, 3.0: 1}, [0.5, 1.0, 2.0, 3.0]),
        ({0.5: 1, 1.0: 2, 2.0: 3, 0.2: 0.5, 0.1: 0.4}, [0.1, 0.2, 0.5, 1.0, 2.0]),
        ({0.5: 9, 1.0: 8, 2.0: 7, 3.0: 6, 4.0: 5, 6.0: 4}, [0.5, 1.0, 2.0, 3.0, 4.0, 6.0]),
    ],
)
def test_a_grid_whose_best_is_at_its_end_goes_on(monkeypatch, losses, tried):
    monkeypatch.setattr(learning, "crossfitter", lambda *given: lambda factor, seeds: factor)
    monkeypatch.setattr(learning, "mean_loss", losses.__getitem__)
    beyond = ([0.2, 0.1], [3.0, 4.0, 6.0])
    found = best_strength(lambda factor: factor, [0.5, 1.0, 2.0], POINTS, LABELS, settings=QUICK, beyond=beyond)
    assert found == {factor: losses[factor] for factor in tried} and list(found) == tried


def test_without_a_reward_only_the_training_loss_moves_the_ranges_and_with_one_they_grow():
    found = {}
    for reward in (0.0, 5.0):
        layer = GlobalRanges(SHAPE, FAMILY)
        rows = learn_by_training_loss(layer, POINTS, LABELS, "all-cnn", Schedule(30, 16, 0.01), reward)
        found[reward] = sum(layer.ranges().values())
        assert len(rows) == 30 and rows[0]["sigma"] != rows[-1]["sigma"]
    assert found[5.0] > found[0.0] + 0.1 and found[5.0] > 7 * 0.5


@pytest.mark.parametrize("probability", [0, 1, -0.2, "x"])
def test_a_probability_that_is_none_is_refused(probability):
    with pytest.raises(InputError, match="probability is"):
        LearnedOperations(SHAPE, probability=probability)
