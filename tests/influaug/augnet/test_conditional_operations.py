"""Strengths of each class and of each image: their copies, their derivatives, what they start from, and refusals."""

import numpy as np
import pytest

from influaug.augnet.conditional_operations import ClassOperations, ImageOperations
from influaug.augnet.learned_operations import LearnedOperations
from influaug.augnet.models import Design
from influaug.augnet.ranges import Family, GlobalRanges
from influaug.backend import keras
from influaug.backend.derivatives import gradient
from influaug.errors import InputError

pytestmark = pytest.mark.slow

SHAPE, COLOUR = (12, 12, 1), (12, 12, 3)
FAMILY = Family(base_shift=0, bands=(2,), start=0.5)
DESIGN = Design(tau=8, width=4)
LABELS = np.array([0, 2, 1, 2])


def array(tensor):
    return keras.ops.convert_to_numpy(tensor)


def smooth(shape=SHAPE, n=4):
    rows, columns = np.indices(shape[:2]) / 12
    x = np.stack([80 + 60 * np.sin(2 * rows + k) * np.cos(2 * columns) for k in range(n)])[..., None]
    return np.repeat(x, shape[2], axis=-1).astype("float32")


def learned(shape=SHAPE, seed=0):
    """What was learned for all images: random weights."""
    layer, rng = LearnedOperations(shape, FAMILY), np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    return layer


def by_class(shape=SHAPE, **options):
    return ClassOperations(shape, FAMILY, n_classes=3, **options)


@pytest.mark.parametrize("shape", [SHAPE, COLOUR])
def test_both_begin_as_what_was_learned_for_all_images(shape):
    start, x = learned(shape), smooth(shape)
    uniforms = array(start.draw(4, seed=1))
    classes, images = by_class(shape), ImageOperations(shape, FAMILY, design=DESIGN)
    for layer in (classes, images):
        layer.begin_with(start)
    expected = array(start(x, uniforms))
    np.testing.assert_allclose(array(classes(x, uniforms, labels=LABELS)), expected, atol=1e-2)
    relative = array(images.relative_to(images.logits(x)))
    apart = np.log(relative / array(start.relative()))
    assert 0 < apart.std() < 0.02 and np.abs(apart).max() < 0.05
    assert classes.total() == pytest.approx(start.total())
    assert classes.ranges() == pytest.approx(start.ranges(), rel=1e-5)


def test_without_a_start_all_strengths_are_their_references():
    plain = LearnedOperations(SHAPE, FAMILY).ranges()
    assert by_class().ranges() == pytest.approx(plain)
    predicted = ImageOperations(SHAPE, FAMILY, design=DESIGN).logits(smooth())
    np.testing.assert_allclose(array(predicted.gates), np.log(0.2 / 0.8), atol=0.05)


def test_an_image_is_changed_as_its_class_is():
    layer, x = by_class(), smooth()
    weights = [np.random.default_rng(3).normal(0, 0.5, w.shape) for w in layer.get_weights()]
    layer.set_weights(weights)
    uniforms = array(layer.draw(4, seed=2))
    found = array(layer(x, uniforms, labels=LABELS))
    for k, label in enumerate(LABELS):
        alone = LearnedOperations(SHAPE, FAMILY)
        alone.set_weights([w[label] for w in weights])
        np.testing.assert_allclose(found[k], array(alone(x[k : k + 1], uniforms[k : k + 1]))[0], atol=1e-2)
    named = layer.named(layer.logits())
    assert named["turn"].shape == (3,) and np.ptp(named["turn"]) > 0
    assert layer.ranges()["turn"] == pytest.approx(named["turn"].mean(), rel=1e-5)


@pytest.mark.parametrize("kind", ["class", "image"])
def test_influence_reaches_every_weight(kind):
    """The derivative of a smooth function of copies, by every weight, against finite differences."""
    layer = by_class() if kind == "class" else ImageOperations(SHAPE, FAMILY, design=DESIGN)
    layer.begin_with(learned())
    x, uniforms, told = smooth(), None, {"labels": LABELS} if kind == "class" else {}
    uniforms, rows = array(layer.draw(4, seed=5)), (np.indices(SHAPE[:2])[0] / 12)[..., None].astype("float32")
    others, start = [v.value for v in layer.non_trainable_variables], [array(v) for v in layer.trainable_variables]

    def total(values):
        copies = layer.stateless_call(values, others, x, uniforms, **told)[0]
        return keras.ops.sum(copies * rows)

    slopes = gradient(total, start)
    rng = np.random.default_rng(0)
    for k, slope in enumerate(slopes):
        direction = rng.normal(size=start[k].shape)
        direction /= np.linalg.norm(direction)
        moved = [[*start[:k], (start[k] + h * direction).astype("float32"), *start[k + 1 :]] for h in (0.005, -0.005)]
        ends = [float(total(values)) for values in moved]
        found = float(np.sum(array(slope) * direction))
        assert found == pytest.approx((ends[0] - ends[1]) / 0.01, rel=0.1, abs=0.5)
        assert np.abs(array(slope)).max() > 1e-3
        if kind == "class":
            assert (np.abs(array(slope)).max(axis=1) > 1e-3).all()


def test_a_label_that_cannot_be_looked_at_and_is_none_gives_no_number():
    tensorflow = pytest.importorskip("tensorflow")
    if keras.config.backend() != "tensorflow":
        pytest.skip("TensorFlow's graphs")
    layer, x = by_class(), smooth()
    data = tensorflow.data.Dataset.from_tensor_slices((x, [0, 3, 1, -1])).batch(4)
    copies = next(iter(data.map(lambda x, y: layer(x, labels=y)))).numpy()
    assert np.isnan(copies).all(axis=(1, 2, 3)).tolist() == [False, True, False, True]
    assert np.isfinite(copies[[0, 2]]).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, r"labels are missing; .*dataset\.map\(lambda x, y: \(layer\(x, labels=y\), y\)\)"),
        ({"labels": [0, 1, 2, 3]}, r"labels are \[0 1 2 3\]; they must be numbers of classes, 0 to 2"),
        ({"labels": list("abcd")}, "labels are <U1; the layer takes numbers of classes"),
        ({"labels": [0]}, r"labels have shape \(1,\); 4 images need shape \(4,\)"),
        ({"labels": np.eye(4)}, r"labels have shape \(4, 4\)"),
    ],
)
def test_labels_that_are_none_are_refused_in_one_sentence(given, said):
    with pytest.raises(InputError, match=said):
        by_class()(smooth(), **given)


def test_it_cannot_be_the_first_layer_of_a_model_but_leaves_images_as_they_are_out_of_training():
    with pytest.raises(InputError, match="cannot be the first layer of a model"):
        keras.Sequential([keras.layers.Input(SHAPE), by_class()])
    np.testing.assert_array_equal(array(by_class()(smooth(), training=False)), smooth())


@pytest.mark.parametrize("make", [by_class, lambda: ImageOperations(SHAPE, FAMILY, design=DESIGN)])
def test_another_start_is_refused(make):
    with pytest.raises(InputError, match="start is <GlobalRanges"):
        make().begin_with(GlobalRanges(SHAPE, FAMILY))
    with pytest.raises(InputError, match=r"start has images of shape \(12, 12, 3\)"):
        make().begin_with(learned(COLOUR))
    with pytest.raises(InputError, match="start has the family"):
        make().begin_with(LearnedOperations(SHAPE))
    layer = make()
    layer.set_weights([w + 1 for w in layer.get_weights()])
    other = make()
    other.begin_with(layer)
    for mine, theirs in zip(layer.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_strengths_of_other_classes_are_no_start():
    with pytest.raises(InputError, match="start has 2 classes; it must have 3, as many as there are"):
        by_class().begin_with(ClassOperations(SHAPE, FAMILY, n_classes=2))
