"""Operations against Pillow, colorsys and scipy, and their derivatives against finite differences."""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage

from influaug.augnet import operations
from influaug.augnet.random_operations import RandomOperations
from influaug.augnet.ranges import Family, GlobalRanges
from influaug.backend import keras
from influaug.backend.derivatives import gradient

pytestmark = pytest.mark.slow

SHAPE = (12, 10, 3)
NAMES = operations.operations_for(3)


def images(n=2, shape=SHAPE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape)).astype("float32")


def after(x, name, strength, u=1.0, gate=1.0, places=(0.0, 0.0)):
    """Images after one operation alone, by the library."""
    n, at = len(x), NAMES.index(name)
    hot = np.eye(len(NAMES), dtype="float32")[[at]].repeat(n, 0)
    strengths, us = np.full((1, len(NAMES)), strength, "float32"), np.full((n, len(NAMES)), u, "float32")
    where = np.tile(np.array(places, "float32"), (n, 1))
    return keras.ops.convert_to_numpy(operations.changed(x, NAMES, gate * hot, strengths, us, where))


@pytest.mark.parametrize(
    ("name", "enhance"), [("brightness", "Brightness"), ("contrast", "Contrast"), ("saturation", "Color")]
)
@pytest.mark.parametrize("amount", [-0.4, 0.3])
def test_enhancements_are_pillows(name, enhance, amount):
    x = images(1)
    expected = getattr(ImageEnhance, enhance)(Image.fromarray(x[0].astype("uint8"))).enhance(1 + amount)
    # Pillow rounds the mean and every pixel to whole grey levels.
    np.testing.assert_allclose(after(x, name, abs(amount), np.sign(amount))[0], np.asarray(expected), atol=1.5)


def test_solarising_and_posterising_are_pillows():
    x = images(1)
    picture = Image.fromarray(x[0].astype("uint8"))
    np.testing.assert_array_equal(after(x, "solarise", 0.5)[0], np.asarray(ImageOps.solarize(picture, 128)))
    np.testing.assert_array_equal(after(x, "posterise", 0.5)[0], np.asarray(ImageOps.posterize(picture, 6)))


def test_a_turn_of_hue_goes_round_and_keeps_luminance():
    x = 60 + images() / 3
    np.testing.assert_allclose(after(x, "hue", 1.0), x, atol=0.05)
    third = after(np.full((1, *SHAPE), [150.0, 100, 100], "float32"), "hue", 1 / 3)[0, 0, 0]
    turned = colorsys.rgb_to_yiq(*(third / 255))
    assert turned[0] == pytest.approx(colorsys.rgb_to_yiq(150 / 255, 100 / 255, 100 / 255)[0], abs=2e-3)
    assert colorsys.rgb_to_hsv(*third)[0] == pytest.approx(2 / 3, abs=0.05)  # red becomes blue


@settings(deadline=None, max_examples=20)
@given(side=st.floats(0.5, 6), down=st.floats(-0.9, 0.9), right=st.floats(-0.9, 0.9))
def test_the_erased_square_has_the_area_of_its_side(side, down, right):
    one = np.ones((1, 40, 30, 1), "float32")
    covered = keras.ops.convert_to_numpy(
        operations.square(one, np.full((1, 1, 1, 1), side, "float32"), np.array([[down, right]], "float32"))
    )[0, ..., 0]
    middle = np.array([down + 1, right + 1]) * [20, 15] - 0.5
    inside = np.all((middle > side / 2 + 1) & (middle < np.array([38, 28]) - side / 2))
    assert covered.max() <= 1 and covered.min() >= 0
    if inside:
        # A side between whole pixels is a ramp over its two outermost pixels: as long up to half a pixel.
        assert np.sqrt(covered.sum()) == pytest.approx(side, abs=0.51)
        np.testing.assert_allclose(ndimage.center_of_mass(covered), middle, atol=0.5)


def test_a_whole_square_on_whole_pixels_is_black():
    x = 1 + images(1, (9, 9, 3))
    found = after(x, "erase", 3.0)[0]
    assert (found[3:6, 3:6] == 0).all() and (found[:3] == x[0, :3].clip(0, 255)).all()


def test_a_gate_of_zero_changes_nothing_and_half_a_gate_half_as_much():
    x = images()
    for name in NAMES[len(operations.GEOMETRIC) :]:
        np.testing.assert_array_equal(after(x, name, 0.4, gate=0.0), x)
    mirrored = after(x, "flip", 1.0)
    np.testing.assert_array_equal(mirrored, x[:, :, ::-1])
    np.testing.assert_allclose(after(x, "flip", 1.0, gate=0.5), (x + mirrored) / 2, atol=1e-3)


def test_displacements_of_operations_are_affine_maps():
    height, width = 12, 9
    fields = operations.fields(height, width)
    down, right = np.indices((height, width)) - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    maps = {
        "turn": (right, -down),
        "shear down": (right, 0 * right),
        "shear right": (0 * down, down),
        "zoom": (down, right),
    }
    for k, name in enumerate(operations.GEOMETRIC):
        if name in maps:
            np.testing.assert_allclose(fields[k], np.stack(maps[name], -1), atol=1e-6)
        else:
            np.testing.assert_array_equal(
                fields[k], np.broadcast_to([name == "move down", name == "move right"], fields[k].shape)
            )


def test_strengths_and_gates_have_the_derivatives_of_finite_differences():
    x, names = 80 + images(2) / 5, operations.operations_for(3)
    rng, k = np.random.default_rng(1), len(names)
    gates, us = rng.uniform(0.2, 0.8, (2, k)).astype("float32"), rng.uniform(-1, 1, (2, k)).astype("float32")
    places, weights = rng.uniform(-0.5, 0.5, (2, 2)).astype("float32"), rng.normal(size=x.shape).astype("float32")
    # Those that jump are left out: a step across a jump is no derivative.
    gates[:, [names.index(name) for name in operations.FIXED]] = 0
    start = operations.references(SHAPE, names)[None]

    def total(values):
        (s,) = values
        return keras.ops.sum(weights * operations.changed(x, names, gates, s, us, places)) / 100

    found = keras.ops.convert_to_numpy(gradient(total, [start])[0])[0]
    for at in [names.index(name) for name in ("contrast", "brightness", "erase", "saturation", "hue")]:
        step = 1e-2 * np.eye(k, dtype="float32")[[at]]
        numeric = (float(total([start + step])) - float(total([start - step]))) / 2e-2
        assert found[at] == pytest.approx(numeric, rel=0.05, abs=0.02)


class TestRandomOperations:
    family = Family(base_shift=1, start=0.7)

    def test_without_operations_it_is_warps_with_even_ranges(self):
        layer, plain = RandomOperations(SHAPE, self.family, 0, count=0), GlobalRanges(SHAPE, self.family, 0)
        np.testing.assert_allclose(layer(images(), seed=3), plain(images(), seed=3), atol=1e-4)

    def test_operations_are_drawn_evenly_with_the_identity(self):
        layer = RandomOperations(SHAPE, self.family, 0)
        gates = keras.ops.convert_to_numpy(layer._gates(layer.draw(20_000, seed=1)[:, layer.n_warp_uniforms :]))
        np.testing.assert_allclose(gates.mean(axis=0), 1 / (len(NAMES) + 1), atol=0.01)
        assert (gates.sum(axis=1) <= 1).all() and (gates.sum(axis=1) == 0).mean() == pytest.approx(1 / 15, abs=0.01)

    def test_warps_and_operations_are_made_in_one_interpolation(self):
        layer, x = RandomOperations(SHAPE, Family(base_shift=1, start=0.7), 0, count=1), images(1)
        uniforms = np.zeros((1, layer.n_uniforms), "float32")
        uniforms[0, 0], first = 0.9, layer.n_warp_uniforms
        # Which operation: 'move down', the first of fourteen; as far as its reference, 12 * 5 / 32 = 1.875 px.
        uniforms[0, first : first + 2] = [-0.99, 1]
        found = keras.ops.convert_to_numpy(layer(x, uniforms))[0]
        expected = ndimage.shift(x[0], (-2.875, 0, 0), order=1, mode="grid-constant")
        np.testing.assert_allclose(found, expected.clip(0, 255), atol=1e-2)

    def test_grey_images_have_no_operations_of_colour(self):
        grey = RandomOperations((12, 10, 1), self.family, 0)
        assert not set(grey.names) & set(operations.COLOUR)
        again = RandomOperations.from_config(grey.get_config())
        np.testing.assert_array_equal(again(images(2, (12, 10, 1)), seed=1), grey(images(2, (12, 10, 1)), seed=1))
        assert not grey.trainable_variables
