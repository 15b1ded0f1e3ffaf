"""The front door: fitting, augmenting, saving, and use inside Keras and tf.data."""

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

import malicious
from influaug.augnet import as_published
from influaug.augnet import network as network_module
from influaug.augnet.classifiers import Schedule, all_cnn, train_classifier
from influaug.augnet.folds import Fold
from influaug.augnet.learned_operations import LearnedOperations
from influaug.augnet.learning import Learning
from influaug.augnet.models import Design, TransformationModel
from influaug.augnet.network import AugmentationNetwork
from influaug.augnet.pretraining import Pretraining
from influaug.augnet.ranges import Family
from influaug.augnet.series import Series
from influaug.backend import keras
from influaug.errors import InputError

pytestmark = pytest.mark.slow

DIGITS = load_digits()
IMAGES = (DIGITS.images[..., None] * 15.9).astype("uint8")[:120]
LABELS = DIGITS.target[:120]
FAMILY = Family(base_shift=1, bands=(2,), start=0.4)
QUICK = Learning(schedule=Schedule(20), rounds=1, steps=2, batch_size=30)
SMALL = Design(tau=8, depth=2, width=4, grid=3, limit=1.5)
GAME = Pretraining(steps=2, batch_size=16)


def fitted(form="ranges", mode="refreshed", seed=0):
    options = {"design": SMALL, "pretraining": GAME} if form == "network" else {}
    options |= {} if form == "recipe" else {"learning": QUICK}
    network = AugmentationNetwork(form, mode, family=FAMILY, seed=seed, **options)
    return network.fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def ranges():
    return fitted()


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("operations", "refreshed"),
        ("operations", "strength"),
        ("class-operations", "refreshed"),
        ("image-operations", "refreshed"),
        ("ranges", "training_loss"),
        ("image-ranges", "refreshed"),
        ("network", "refreshed"),
        ("network", "as_published"),
        ("network", "pretrained"),
        ("recipe", "refreshed"),
    ],
)
def test_every_form_learns_augments_and_is_saved(tmp_path, form, mode, monkeypatch):
    monkeypatch.setattr(network_module, "FACTORS", (0.5, 2.0))
    monkeypatch.setattr(network_module, "BEYOND", ((0.25,), (4.0,)))  # one of the two is the best, and at an end
    network = fitted(form, mode)
    expected = {"pretrained": 0, "strength": 3, "training_loss": QUICK.schedule.steps}
    assert len(network.trajectory_) == (0 if form == "recipe" else expected.get(mode, 2))
    copies = network.augment(IMAGES[:10], LABELS[:10], seed=3)
    assert copies.dtype == np.uint8 and copies.shape == IMAGES[:10].shape
    network.save(tmp_path / "network.keras")
    loaded = AugmentationNetwork.load(tmp_path / "network.keras")
    assert (loaded.form, loaded.mode, loaded.trajectory_) == (form, mode, network.trajectory_)
    np.testing.assert_allclose(loaded.augment(IMAGES[:10], LABELS[:10], seed=3).astype(int), copies.astype(int), atol=1)
    base = loaded.base_(IMAGES[:2].astype("float32"), seed=1)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(base), network.base_(IMAGES[:2], seed=1), atol=1e-4)


def test_as_published_the_classifier_sees_base_augmented_images_alone_and_nothing_is_refitted(monkeypatch):
    seen, refits, refit = [], [], Fold.refit
    train = as_published.train_classifier
    monkeypatch.setattr(as_published, "train_classifier", lambda *given: seen.append(given) or train(*given))
    monkeypatch.setattr(Fold, "refit", lambda fold: refits.append(fold) or refit(fold))
    network = fitted("network", "as_published")
    ((_, images, _, augmentation, *_),) = seen
    assert len(images) == 96 and augmentation is network.base_ and len(refits) == 1


def test_the_seed_decides_the_copies(ranges):
    first, again, other = (ranges.augment(IMAGES, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first != other) > 0.1
    assert len(ranges.augment(IMAGES[:0])) == 0
    floating = ranges.augment(IMAGES.astype("float64"), seed=1)
    assert floating.dtype == np.float64 and np.abs(floating - first).max() <= 0.5 + 1e-3


def test_it_is_a_layer_of_a_model_and_a_function_for_tf_data(ranges):
    model = keras.Sequential([keras.layers.Input((8, 8, 1)), ranges.layer_, keras.layers.Flatten()])
    np.testing.assert_array_equal(model.predict(IMAGES[:5], verbose=0), IMAGES[:5].reshape(5, 64))
    assert not np.allclose(model(IMAGES[:5], training=True), IMAGES[:5].reshape(5, 64))
    tensorflow = pytest.importorskip("tensorflow")
    if keras.config.backend() == "tensorflow":
        pairs = tensorflow.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(32)
        copies, labels = next(iter(pairs.map(lambda x, y: (ranges.layer_(x), y))))
        assert copies.shape == (32, 8, 8, 1) and np.array_equal(labels, LABELS[:32])
        assert not np.allclose(copies, IMAGES[:32])


def test_images_and_labels_are_taken_as_people_have_them(ranges, tmp_path):
    words = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[LABELS]
    given = IMAGES[..., 0].astype("float64") / 255
    network = AugmentationNetwork(family=FAMILY, learning=QUICK).fit(given, words)
    assert network.classes_.tolist() == sorted(set(words))
    copies = network.augment(given[:6], seed=1)
    assert copies.shape == (6, 8, 8) and copies.dtype == np.float64 and copies.max() <= 1
    np.testing.assert_allclose(copies, network.layer_(IMAGES[:6], seed=_first(1))[..., 0] / 255, atol=1e-5)
    network.save(tmp_path / "network.keras")
    loaded = AugmentationNetwork.load(tmp_path / "network.keras")
    assert loaded.classes_.tolist() == network.classes_.tolist() and loaded.image_form_ == network.image_form_
    np.testing.assert_allclose(loaded.augment(given[:6], seed=1), copies, atol=1e-5)
    with pytest.raises(InputError, match=r"were floats from 0 to 1 before, but now go up to 254"):
        loaded.augment(given * 255)


def _first(seed):
    return next(network_module.seeds_from(seed, 1))


def test_a_classifier_predicts_without_augmentation_unless_draws_are_asked_for(ranges):
    classifier = all_cnn((8, 8, 1), 10, 0, 4)
    plain = keras.ops.convert_to_numpy(keras.ops.softmax(classifier(IMAGES[:7].astype("float32"), training=False)))
    np.testing.assert_allclose(ranges.predict_proba(classifier, IMAGES[:7]), plain, atol=1e-5)
    drawn = ranges.predict_proba(classifier, IMAGES[:7], draws=8)
    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    assert np.abs(drawn - plain).max() > 1e-4
    with_softmax = keras.Sequential([classifier, keras.layers.Softmax()])
    np.testing.assert_allclose(ranges.predict_proba(with_softmax, IMAGES[:7], draws=8), drawn, atol=1e-5)
    with pytest.raises(InputError, match="model is 'all-cnn'; it must be a keras"):
        ranges.predict_proba("all-cnn", IMAGES[:7])


def test_a_trained_classifier_is_taken_as_it_is():
    classifier = all_cnn((8, 8, 1), 10, 0, 4)
    before = [w.copy() for w in classifier.get_weights()]
    network = AugmentationNetwork(family=FAMILY, learning=QUICK).fit(IMAGES, LABELS, classifier)
    assert all(np.array_equal(a, b) for a, b in zip(before, classifier.get_weights(), strict=True))
    assert len(network.trajectory_) == 2


def test_the_game_of_the_submission_needs_no_classifier(monkeypatch):
    game = Pretraining("wgan-gp", steps=2, batch_size=16)
    network = AugmentationNetwork("network", "pretrained", family=FAMILY, design=SMALL, pretraining=game)
    monkeypatch.setattr(network_module, "train_classifier", lambda *_: pytest.fail("a classifier was trained"))
    network.fit(IMAGES, LABELS)
    assert len(network.game_) == 2 and np.isfinite([row["generator"] for row in network.game_]).all()


def test_a_pretrained_model_can_be_the_start():
    first = fitted("network", "pretrained", seed=1)
    start = first.layer_.learned
    again = AugmentationNetwork("network", "pretrained", family=FAMILY, design=SMALL, seed=2)
    again.fit(IMAGES, LABELS, start=start)
    for mine, theirs in zip(again.layer_.learned.get_weights(), start.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_start_of_another_kind_or_design_is_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(network_module, "pretrain", lambda *_: pytest.fail("something was trained"))
    monkeypatch.setattr(network_module, "learn", lambda *_: pytest.fail("something was trained"))
    network, colour = AugmentationNetwork("network", family=FAMILY, design=SMALL), np.repeat(IMAGES, 3, axis=-1)
    free = TransformationModel(IMAGES.shape[1:], replace(SMALL, limit=None))
    with pytest.raises(
        InputError, match=r"start is a TransformationModel with design .*limit=None.*; it must be a Tran"
    ):
        network.fit(IMAGES, LABELS, start=free)
    larger = TransformationModel((16, 16, 1), SMALL)
    with pytest.raises(
        InputError, match=r"with image_shape \(16, 16, 1\); it must be a TransformationModel with \(8, 8, 1\)"
    ):
        network.fit(IMAGES, LABELS, start=larger)
    with pytest.raises(InputError, match=r"start is a Series .*; it must be a TransformationModel with \(8, 8, 3\)"):
        network.fit(colour, LABELS, start=Series((8, 8, 3), SMALL))


@pytest.mark.parametrize(
    ("options", "classifier", "said"),
    [
        ({"learning": replace(QUICK, folds=99)}, "all-cnn", "folds is 99; every class needs as many points"),
        ({"learning": replace(QUICK, trained="encoder"), "series": True}, "all-cnn", "trained is 'encoder', but this"),
        ({}, "resnet20", "16 pixels"),
    ],
)
def test_what_learning_will_refuse_is_refused_before_the_game(monkeypatch, options, classifier, said):
    for name in ("pretrain", "train_classifier", "learn"):
        monkeypatch.setattr(network_module, name, lambda *_: pytest.fail("something was trained"))
    images = np.repeat(IMAGES, 3, axis=-1)
    network = AugmentationNetwork("network", family=FAMILY, design=SMALL, pretraining=GAME, **options)
    with pytest.raises(InputError, match=said):
        network.fit(images, LABELS, classifier)
    assert not hasattr(network, "layer_") and not hasattr(network, "classes_")


def test_copies_end_where_a_small_type_does():
    bright = np.full((40, 8, 8), 120, np.int8)
    copies = AugmentationNetwork("recipe").fit(bright, np.arange(40) % 2).augment(bright)
    assert copies.dtype == np.int8 and copies.min() >= 0 and copies.max() == 127


@pytest.mark.parametrize(
    ("label", "said"), [(float("nan"), "y has no label for the point 3"), (None, "no label"), (7, "types int, str")]
)
def test_a_list_of_texts_with_something_else_among_them_is_refused(label, said):
    words = [label if k == 3 else "ab"[k % 2] for k in range(len(IMAGES))]
    with pytest.raises(InputError, match=said):
        AugmentationNetwork("recipe").fit(IMAGES, words)


def test_settings_that_another_form_or_mode_uses_are_refused():
    with pytest.raises(InputError, match=r"share is 0\.1; it is of the form 'network' alone"):
        AugmentationNetwork(share=0.1).fit(IMAGES, LABELS)
    with pytest.raises(InputError, match=r"reward is 0\.5; it is of the mode 'training_loss' alone"):
        AugmentationNetwork("ranges", reward=0.5).fit(IMAGES, LABELS)


def test_a_refused_fit_leaves_what_was_fitted_before(by_class):
    before = by_class.augment(IMAGES[:5] / 255, WORDS[:5], seed=1)
    other = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Flatten(name="features"), keras.layers.Dense(3)])
    with pytest.raises(InputError):
        by_class.fit(IMAGES, LABELS % 2, other)
    np.testing.assert_array_equal(by_class.augment(IMAGES[:5] / 255, WORDS[:5], seed=1), before)
    assert by_class.classes_.tolist() == sorted(set(WORDS))


def rewritten(path, target, **changes):
    """A saved augmentation with another description."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.startswith("influaug"):
                data = json.dumps(json.loads(data) | changes).encode()
            new.writestr(name, data)
    return target


@pytest.mark.parametrize(
    "changes",
    [
        {"form": "nonsense"},
        {"form": "operations"},
        {"mode": "strength"},
        {"classes": ["a", "a"]},
        {"classes": "abc"},
        {"classes": [0, 1, 2]},
        {"images": {"dtype": "O", "unit": False, "grey": True}},
        {"images": {"dtype": "<f4", "unit": 3, "grey": "x"}},
    ],
)
def test_a_file_whose_description_is_not_of_its_layer_is_refused(by_class, tmp_path, changes):
    by_class.save(tmp_path / "network.keras")
    AugmentationNetwork.load(rewritten(tmp_path / "network.keras", tmp_path / "same.keras"))
    with pytest.raises(InputError, match="description in the file is not of the layer"):
        AugmentationNetwork.load(rewritten(tmp_path / "network.keras", tmp_path / "other.keras", **changes))


WORDS = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[LABELS]


@pytest.fixture(scope="module")
def by_class():
    """Strengths of each class, that differ, of floats from 0 to 1 with text for labels."""
    network = AugmentationNetwork("class-operations", family=FAMILY, learning=QUICK).fit(IMAGES / 255, WORDS)
    rng = np.random.default_rng(0)
    network.layer_.set_weights([w + rng.normal(0, 0.5, w.shape) for w in network.layer_.get_weights()])
    return network


def test_labels_of_the_fitted_types_decide_the_copies(by_class, tmp_path):
    given = IMAGES[:20, ..., 0].astype("float32") / 255
    found = by_class.augment(given, WORDS[:20], seed=1)
    assert found.dtype == np.float32 and found.shape == given.shape and found.min() >= 0 and found.max() <= 1
    expected = by_class.layer_(IMAGES[:20], seed=_first(1), labels=np.searchsorted(by_class.classes_, WORDS[:20]))
    np.testing.assert_allclose(found * 255, keras.ops.convert_to_numpy(expected)[..., 0], atol=1e-2)
    assert not np.allclose(found, by_class.augment(given, WORDS[1:21], seed=1), atol=1e-2)
    by_class.save(tmp_path / "network.keras")
    loaded = AugmentationNetwork.load(tmp_path / "network.keras")
    np.testing.assert_allclose(loaded.augment(given, WORDS[:20].tolist(), seed=1), found, atol=1e-4)


def test_missing_and_unknown_labels_are_one_sentence(by_class, ranges):
    with pytest.raises(InputError, match="labels are missing; the form 'class-operations' needs that of each image"):
        by_class.augment(IMAGES[:3] / 255)
    for wrong in (["ten"] * 3, [3, 4, 5], [1.5, 2.5, 0.0], [None] * 3):
        with pytest.raises(InputError, match=r"labels have .*, which is none of the classes"):
            by_class.augment(IMAGES[:3] / 255, wrong)
    for network in (by_class, ranges):
        with pytest.raises(InputError, match=r"labels have shape \(\); 3 images need shape \(3,\)"):
            network.augment(IMAGES[:3] / 255, 7)


def test_classifiers_learn_from_copies_that_their_labels_decide(by_class):
    blank = LearnsNothing(8)
    by_label = train_classifier("all-cnn", IMAGES[:60], LABELS[:60], blank, Schedule(3))
    assert np.isfinite(by_label.get_weights()[0]).all() and set(blank.seen) == {"labels"}
    trained = train_classifier("all-cnn", IMAGES, LABELS, by_class.layer_, Schedule(3))
    assert np.isfinite(trained.predict(IMAGES[:5], verbose=0)).all()


class LearnsNothing(keras.layers.Layer):
    """Images as they are, and whether labels came with them."""

    needs_labels = True

    def __init__(self, n):
        super().__init__()
        self.seen = []

    def call(self, images, labels=None, training=None):
        self.seen.append("labels" if labels is not None else "none")
        return images


def test_what_was_learned_for_all_images_is_the_start_of_each_class_and_image():
    first = AugmentationNetwork("operations", family=FAMILY, learning=QUICK).fit(IMAGES, LABELS)
    rng = np.random.default_rng(0)
    first.layer_.set_weights([w + rng.normal(0, 0.5, w.shape) for w in first.layer_.get_weights()])
    still = replace(QUICK, rate=1e-9)
    for form in ("operations", "class-operations"):
        again = AugmentationNetwork(form, family=FAMILY, learning=still).fit(IMAGES, LABELS, start=first.layer_)
        assert again.layer_.ranges() == pytest.approx(first.layer_.ranges(), rel=1e-4)
    with pytest.raises(InputError, match="start has the family"):
        AugmentationNetwork("class-operations", learning=still).fit(IMAGES, LABELS, start=first.layer_)
    with pytest.raises(InputError, match="for the form 'image-operations' it must be LearnedOperations or ImageOper"):
        AugmentationNetwork("image-operations").fit(IMAGES, LABELS, start=ranges)
    for form in ("ranges", "recipe"):
        with pytest.raises(InputError, match=f"for the form '{form}' it must be None"):
            AugmentationNetwork(form).fit(IMAGES, LABELS, start=first.layer_)


@pytest.mark.parametrize("side", [8, 28, 224])
def test_the_default_family_is_scaled_to_the_images(side):
    images = np.random.default_rng(0).integers(0, 256, (6, side, side - 2, 3), np.uint8)
    pretrained = AugmentationNetwork("network", "pretrained", design=SMALL).fit(images, LABELS[:6])
    assert pretrained.base_.family == Family(round(2 * side / 28), start=0.5 * side / 28, cap=4 * side / 28)
    recipe = AugmentationNetwork("recipe", family=Family(flips=True, bands=(2,))).fit(images, LABELS[:6])
    assert recipe.layer_.family == Family(round(side / 28), True, (2,), start=0.7 * side / 28, cap=4 * side / 28)
    np.testing.assert_allclose(recipe.layer_.sigma(), 0.7 * side / 28, rtol=1e-5)


def test_the_default_learns_operations_without_a_base_shift():
    network = AugmentationNetwork(learning=QUICK).fit(IMAGES, LABELS)
    assert isinstance(network.layer_, LearnedOperations) and network.layer_.family.base_shift == 0


def test_scikit_learns_conventions():
    network = AugmentationNetwork("network", share=0.3, seed=4)
    assert clone(network).get_params() == network.get_params()
    with pytest.raises(NotFittedError):
        network.augment(IMAGES)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        (
            {"form": "affine"},
            "form is 'affine'; it must be one of operations, class-operations, ",
        ),
        ({"mode": "frozen"}, "mode is 'frozen'"),
        ({"mode": "as_published"}, "mode 'as_published' is of the form 'network' alone"),
        ({"form": "ranges", "mode": "strength"}, "mode 'strength' is of the form 'operations' alone"),
        ({"mode": "training_loss"}, "mode 'training_loss' is of the form 'ranges' alone"),
        ({"form": "ranges", "mode": "training_loss", "reward": -1.0}, "reward is -1.0"),
        ({"series": True}, "series is True; it is of the form 'network' alone"),
        ({"form": "recipe", "design": SMALL}, r"design is Design\(.*; it is of the form 'network' alone"),
        ({"form": "ranges", "pretraining": GAME}, r"pretraining is Pretraining\(.*; it is of the form 'network' alone"),
        ({"form": "recipe", "learning": QUICK}, "learning is given, but the form 'recipe' learns nothing"),
    ],
)
def test_wrong_parameters_are_refused(parameters, sentence):
    with pytest.raises(InputError, match=sentence):
        AugmentationNetwork(**parameters).fit(IMAGES, LABELS)


def test_what_is_no_augmentation_is_refused(tmp_path, ranges):
    with pytest.raises(InputError, match=r"images are uint8 of shape \(120, 7, 8, 1\)"):
        ranges.augment(IMAGES[:, :7])
    with pytest.raises(InputError, match=r"ends with \.keras, not to 'network\.h5'"):
        ranges.save(tmp_path / "network.h5")
    (tmp_path / "text.keras").write_text("no zip")
    with pytest.raises(InputError, match="is not a saved augmentation"):
        AugmentationNetwork.load(tmp_path / "text.keras")
    all_cnn((8, 8, 1), 3).save(tmp_path / "other.keras")
    with pytest.raises(InputError, match=r"holds no augmentation; AugmentationNetwork\.save writes one"):
        AugmentationNetwork.load(tmp_path / "other.keras")
    ranges.save(tmp_path / "damaged.keras")
    with zipfile.ZipFile(tmp_path / "damaged.keras") as whole, zipfile.ZipFile(tmp_path / "part.keras", "w") as part:
        for name in whole.namelist():
            part.writestr(name, b"" if name == "config.json" else whole.read(name))
    with pytest.raises(InputError, match="that Keras can load in its safe mode"):
        AugmentationNetwork.load(tmp_path / "part.keras")
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (malicious.a_description_of_gigabytes, "would unpack to"),
        (malicious.a_function_of_the_operating_system, "asks for 'os.function'"),
        (malicious.weights_of_another_file, "weights that lie in another place"),
    ],
)
def test_a_malicious_file_is_refused_in_one_sentence(tmp_path, attack, said):
    with pytest.raises(InputError, match=said):
        AugmentationNetwork.load(*attack(tmp_path))


def model_of(shape, *parts):
    return keras.Sequential([keras.layers.Input(shape), *parts])


def flat():
    return keras.layers.Flatten(name="features")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (((12, 12, 1), flat(), keras.layers.Dense(10)), r"takes images of shape \(12, 12, 1\); .* \(8, 8, 1\)"),
        (((8, 8, 3), flat(), keras.layers.Dense(10)), r"takes images of shape \(8, 8, 3\)"),
        (((8, 8, 1), keras.layers.Flatten(), keras.layers.Dense(10)), "has no layer 'features'"),
        (((8, 8, 1), keras.layers.Conv2D(2, 3, name="features"), keras.layers.Flatten()), "'features' gives"),
    ],
    ids=["side", "channels", "no features", "maps"],
)
def test_a_trained_network_that_does_not_fit_is_one_sentence_before_anything_is_trained(parts, said, monkeypatch):
    monkeypatch.setattr(network_module, "learn", lambda *_: pytest.fail("learning began"))
    with pytest.raises(InputError, match=said):
        AugmentationNetwork(family=FAMILY, learning=QUICK).fit(IMAGES, LABELS, model_of(*parts))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        (((12, 12, 1), flat(), keras.layers.Dense(10)), r"takes images of shape \(12, 12, 1\)"),
        (((8, 8, 1), flat(), keras.layers.Dense(1, activation="sigmoid")), r"model gives \(None, 1\); .* 10 classes"),
        (((8, 8, 1), flat(), keras.layers.Dense(7)), r"model gives \(None, 7\); .* with 10 classes"),
        (((8, 8, 1), keras.layers.Conv2D(10, 3)), r"model gives \(None, 6, 6, 10\)"),
    ],
    ids=["side", "one output", "classes", "maps"],
)
def test_a_model_whose_outputs_are_no_probabilities_of_the_classes_is_refused(ranges, parts, said):
    with pytest.raises(InputError, match=said):
        ranges.predict_proba(model_of(*parts), IMAGES[:3], draws=8)


def test_no_images_have_no_probabilities(ranges):
    assert ranges.predict_proba(all_cnn((8, 8, 1), 10, 0, 4), IMAGES[:0], draws=8).shape == (0, 10)


@pytest.mark.parametrize("given", [np.nan, np.inf, -200.0])
def test_grey_values_that_are_none_are_one_sentence(ranges, given):
    wrong = IMAGES.astype(float)
    wrong[0, 0, 0] = given
    for attempt in (lambda: AugmentationNetwork().fit(wrong, LABELS), lambda: ranges.augment(wrong)):
        with pytest.raises(InputError, match="grey values must be 0 to 255"):
            attempt()


@pytest.mark.parametrize("mode", ["strength", "training_loss"])
def test_a_trained_network_says_nothing_of_strengths(mode):
    form = network_module.MODES[mode][0]
    with pytest.raises(InputError, match=f"in the mode '{mode}' it must be one of all-cnn"):
        AugmentationNetwork(form, mode).fit(IMAGES, LABELS, all_cnn((8, 8, 1), 10, 0, 4))


def test_with_a_trained_network_learning_ends_with_the_last_round():
    keeping = replace(QUICK, keep_best=True)
    network = AugmentationNetwork("operations", family=FAMILY, learning=keeping)
    network.fit(IMAGES, LABELS, all_cnn((8, 8, 1), 10, 0, 4))
    assert all("kept" not in row for row in network.trajectory_) and network.layer_.total() != 1


PARITY = np.arange(12) % 2
NOISE = np.random.default_rng(0).integers(0, 256, (12, 12, 12, 1)).astype(np.uint8)


@pytest.mark.parametrize("name", ["form", "mode", "share", "series", "seed"])
@pytest.mark.parametrize("value", [None, -1, [], 7.5])
def test_parameters_of_the_wrong_kind_are_one_sentence(name, value):
    with pytest.raises(InputError, match=f"{name} is"):
        AugmentationNetwork(**{name: value}).fit(NOISE, PARITY)


@pytest.mark.parametrize("name", ["family", "design", "learning", "pretraining"])
@pytest.mark.parametrize("value", [3, "text", []])
def test_settings_of_another_type_are_one_sentence(name, value):
    with pytest.raises(InputError, match=f"{name} is"):
        AugmentationNetwork(**{name: value}).fit(NOISE, PARITY)


@pytest.mark.parametrize("wrong", [None, 3, "text", [[1], [1, 2]]])
def test_what_is_fitted_of_the_wrong_kind_is_one_sentence(wrong):
    for given in ((wrong, PARITY), (NOISE, wrong), (NOISE, PARITY, wrong)):
        with pytest.raises(InputError):
            AugmentationNetwork().fit(*given)


@pytest.mark.parametrize("path", [None, 3, "a" * 5000 + ".keras", "a\0b.keras", ["a.keras"]])
def test_paths_that_are_none_are_one_sentence(path):
    with pytest.raises(InputError):
        AugmentationNetwork.load(path)
