"""AutoAugment's policy and Cutout: the table, single operations written out in NumPy, and shares of draws."""

from collections import Counter

import numpy as np
import pytest

from influaug.data import auto_augment
from influaug.data.auto_augment import CIFAR10_POLICY, FILL, auto_augmented, auto_augmented_and_cut_out, cut_out
from influaug.errors import InputError

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)
GREY = IMAGE[..., :1]


def by(monkeypatch, *operations, image=IMAGE, seed=0):
    """A draw by a policy of one sub-policy."""
    monkeypatch.setattr(auto_augment, "CIFAR10_POLICY", (operations,))
    return auto_augmented(image, np.random.default_rng(seed))


def test_the_policy_is_the_papers_table():
    assert len(CIFAR10_POLICY) == 25 and {len(pair) for pair in CIFAR10_POLICY} == {2}
    steps = [step for pair in CIFAR10_POLICY for step in pair]
    assert {name for name, _, _ in steps} == set(auto_augment.OPERATIONS)
    counted = Counter(name for name, _, _ in steps)
    assert counted["Equalize"] == 9 and counted["AutoContrast"] == 7 and counted["Posterize"] == 1
    # Sums over the table in the authors' code; the places weigh in, so that no exchange passes.
    assert sum(round(10 * probability) for _, probability, _ in steps) == 265
    assert sum(level for _, _, level in steps) == 267
    assert sum(place * (round(10 * p) + 10 * level) for place, (_, p, level) in enumerate(steps)) == 69301


def shifted(image, down, right):
    padded = np.full((image.shape[0] + 40, image.shape[1] + 40, 3), FILL["RGB"], np.uint8)
    padded[20:-20, 20:-20] = image
    return padded[20 - down : 20 - down + image.shape[0], 20 - right : 20 - right + image.shape[1]]


def test_operations_without_a_sign_are_what_their_names_say(monkeypatch):
    np.testing.assert_array_equal(by(monkeypatch, ("Invert", 1, 0)), 255 - IMAGE)
    found = by(monkeypatch, ("Solarize", 1, 5))
    np.testing.assert_array_equal(found, np.where(IMAGE < 128, IMAGE, 255 - IMAGE))
    np.testing.assert_array_equal(by(monkeypatch, ("Posterize", 1, 7)), IMAGE & 0b11000000)
    brighter = np.clip(IMAGE * (0.1 + 1.8 * 0.7), 0, 255)
    assert np.abs(by(monkeypatch, ("Brightness", 1, 7)) - brighter).max() <= 1
    grey = by(monkeypatch, ("Color", 1, 0)).astype(float)  # a tenth of the colour is left
    luma = IMAGE @ [0.299, 0.587, 0.114]
    assert np.abs(grey - (0.1 * IMAGE + 0.9 * luma[..., None])).max() <= 2
    stretched = by(monkeypatch, ("AutoContrast", 1, 0), image=(IMAGE // 4 + 60).astype(np.uint8))
    assert stretched.min() == 0 and stretched.max() == 255


@pytest.mark.parametrize(("name", "level"), [("TranslateX", 9), ("TranslateY", 3)])
def test_shifts_go_either_way_and_bring_in_the_mean(monkeypatch, name, level):
    moved = {by(monkeypatch, (name, 1, level), seed=seed).tobytes() for seed in range(20)}
    down, right = (0, level) if name == "TranslateX" else (level, 0)
    assert moved == {shifted(IMAGE, down, right).tobytes(), shifted(IMAGE, -down, -right).tobytes()}


def test_shifts_are_parts_of_the_side(monkeypatch):
    large = np.kron(IMAGE, np.ones((2, 2, 1), np.uint8))
    found = by(monkeypatch, ("TranslateX", 1, 4), image=large)
    assert any(np.array_equal(found, shifted(large, 0, way * 8)) for way in (1, -1))


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.9])
def test_operations_are_applied_as_often_as_they_say(monkeypatch, probability):
    monkeypatch.setattr(auto_augment, "CIFAR10_POLICY", ((("Invert", probability, 0),),))
    rng, image = np.random.default_rng(0), np.zeros((4, 4, 3), np.uint8)
    share = np.mean([auto_augmented(image, rng).any() for _ in range(2000)])
    assert share == pytest.approx(probability, abs=0.03)


def test_each_sub_policy_is_drawn_as_often_as_the_others(monkeypatch):
    drawn = Counter()
    counting = {name: lambda p, level, sign: drawn.update([level]) or p for name in ("Invert",)}
    monkeypatch.setattr(auto_augment, "OPERATIONS", counting)
    monkeypatch.setattr(auto_augment, "CIFAR10_POLICY", tuple((("Invert", 1, k),) for k in range(25)))
    rng = np.random.default_rng(0)
    for _ in range(5000):
        auto_augmented(GREY, rng)
    assert len(drawn) == 25 and min(drawn.values()) > 140 and max(drawn.values()) < 260


@pytest.mark.parametrize("image", [IMAGE, GREY, IMAGE[:20, :17]], ids=["colour", "grey", "oblong"])
def test_draws_keep_shape_and_type_and_follow_the_generator(image):
    before = image.copy()
    for seed in range(60):
        made, again = (auto_augmented_and_cut_out(image, np.random.default_rng(seed)) for _ in range(2))
        assert made.shape == image.shape and made.dtype == np.uint8
        np.testing.assert_array_equal(made, again)
    np.testing.assert_array_equal(image, before)


def test_cutout_covers_a_square_about_every_pixel():
    rng, covers = np.random.default_rng(0), np.zeros((32, 32))
    image = np.zeros((32, 32, 3), np.uint8)
    for _ in range(4000):
        covered = cut_out(image, rng).any(axis=2)
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        assert covered.sum() == len(rows) * len(columns) and 8 <= len(rows) <= 16 and 8 <= len(columns) <= 16
        covers += covered
    # A pixel is covered if the centre is within 16 rows and columns, of 32; fewer centres reach the corners.
    assert covers[16, 16] / 4000 == pytest.approx(1 / 4, abs=0.03)
    assert covers[0, 0] / 4000 == pytest.approx((9 / 32) ** 2, abs=0.03)
    assert (cut_out(image, rng).reshape(-1, 3).max(axis=0) == FILL["RGB"]).all()


def test_other_channels_are_refused():
    with pytest.raises(InputError, match="AutoAugment takes images with 1 or 3 channels, not 2"):
        auto_augmented(IMAGE[..., :2], RNG)
