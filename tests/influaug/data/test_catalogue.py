"""Transformations by name: each against NumPy, SciPy, Pillow or colorsys, and what they refuse."""

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageEnhance
from scipy import ndimage

from influaug.data.adapters import as_transformation
from influaug.data.appearance import blur, brightness, contrast, hue, saturation
from influaug.data.erasing import erase
from influaug.data.repeatable import check_repeatable
from influaug.data.transformations import (
    BUILDERS,
    COMPOSITIONS,
    compose,
    crop,
    from_augmenter,
    named,
    rotate,
    translate,
    union,
    words,
)
from influaug.data.warps import flip_left_right, flip_up_down, shear, zoom
from influaug.errors import InputError

SINGLE = [name for name in BUILDERS if name not in COMPOSITIONS]
COLOURED = ("saturation", "hue")


@st.composite
def batches(draw, channels=(1, 3)):
    """Random uint8 batches of any height and width."""
    height, width = draw(st.integers(15, 24)), draw(st.integers(15, 24))
    shape = (draw(st.integers(1, 3)), height, width, draw(st.sampled_from(channels)))
    return draw(arrays(np.uint8, shape, elements=st.integers(0, 255)))


def noise(channels=3, height=24, width=31, n=3):
    return np.random.default_rng(channels).integers(0, 256, (n, height, width, channels), dtype=np.uint8)


def smooth(channels=3, height=28, width=28, n=3):
    """A photograph-like batch: blurred noise over the whole grey range."""
    rng = np.random.default_rng(0)
    blurred = ndimage.gaussian_filter(rng.normal(size=(n, height, width, channels)), (0, 3, 3, 0))
    return np.interp(blurred, (blurred.min(), blurred.max()), (0, 255)).astype(np.uint8)


def moved(image, matrix):
    """Witness: SciPy's bilinear map of output (row, column) to input about the centre, the edge repeated."""
    matrix, centre = np.asarray(matrix, float), (np.array(image.shape[:2]) - 1) / 2
    return np.stack(
        [
            ndimage.affine_transform(channel.astype(float), matrix, centre - matrix @ centre, order=1, mode="nearest")
            for channel in np.moveaxis(image, 2, 0)
        ],
        axis=2,
    )


@given(images=batches())
@settings(max_examples=25, deadline=None)
def test_flips_are_numpys(images):
    np.testing.assert_array_equal(flip_left_right()(images), [images[:, :, ::-1]])
    np.testing.assert_array_equal(flip_up_down()(images), [images[:, ::-1]])


@pytest.mark.parametrize(("height", "width"), [(28, 28), (20, 33)])
@pytest.mark.parametrize("angle", [-30.0, -7.5, 15.0, 45.0])
def test_shear_agrees_with_scipy(height, width, angle):
    slope = np.tan(np.radians(angle))
    images = smooth(height=height, width=width)
    for axis, matrix in (("x", [[1, 0], [slope, 1]]), ("y", [[1, slope], [0, 1]])):
        for image, made in zip(images, shear([angle], axis)(images)[0], strict=True):
            # OpenCV rounds positions to 1/32 pixel; neighbours differ by at most about 40 grey levels here.
            assert np.abs(made - moved(image, matrix)).max() < 2


def test_a_shear_of_45_degrees_moves_each_row_by_its_distance_from_the_centre():
    image = noise(1, 9, 9, 1)
    (made,) = shear([45])(image)
    for row in range(9):
        columns = np.clip(np.arange(9) + (row - 4), 0, 8)
        np.testing.assert_array_equal(made[0, row], image[0, row, columns])


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0, 3.3])
@pytest.mark.parametrize(("height", "width"), [(28, 28), (20, 33)])
def test_zoom_agrees_with_scipy(factor, height, width):
    images = smooth(height=height, width=width)
    for image, made in zip(images, zoom([factor])(images)[0], strict=True):
        assert np.abs(made - moved(image, np.eye(2) / factor)).max() < 2


@given(images=batches(), factor=st.floats(0.05, 10).filter(lambda f: f != 1))
@settings(max_examples=30, deadline=None)
def test_brightness_multiplies(images, factor):
    want = np.clip(np.rint(images.astype(np.float32) * np.float32(factor)), 0, 255)
    np.testing.assert_array_equal(brightness([factor])(images)[0], want)


@pytest.mark.parametrize(
    ("build", "enhance", "factors"),
    [
        (brightness, ImageEnhance.Brightness, [0.3, 0.9, 1.4]),
        (contrast, ImageEnhance.Contrast, [0.3, 0.9, 1.4]),
        (saturation, ImageEnhance.Color, [0.0, 0.5, 1.5]),
    ],
)
def test_blends_are_pillows(build, enhance, factors):
    images = smooth()
    for factor, made in zip(factors, build(factors)(images), strict=True):
        want = [np.asarray(enhance(Image.fromarray(image)).enhance(factor)) for image in images]
        # Pillow cuts off fractions, and rounds the grey that it blends with.
        assert np.abs(made.astype(int) - want).max() <= 2


@given(images=batches(), factor=st.floats(0.05, 0.95))
@settings(max_examples=30, deadline=None)
def test_contrast_keeps_the_mean_grey(images, factor):
    made = contrast([factor])(images)[0].astype(float)
    luma = np.array([1.0]) if images.shape[3] == 1 else np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose((made @ luma).mean(axis=(1, 2)), (images @ luma).mean(axis=(1, 2)), atol=0.51)


def test_contrast_is_of_each_image_alone():
    images = np.concatenate([smooth(n=1) // 4, 255 - smooth(n=1) // 4])
    np.testing.assert_array_equal(contrast([0.5])(images)[0, 1], contrast([0.5])(images[1:])[0, 0])


@given(images=batches(channels=(3,)), degrees=st.floats(-180, 180).filter(lambda d: d != 0))
@settings(max_examples=15, deadline=None)
def test_hue_is_colorsys(images, degrees):
    (made,) = hue([degrees])(images)
    for pixel, found in zip(images.reshape(-1, 3)[:100], made.reshape(-1, 3), strict=False):
        h, s, v = colorsys.rgb_to_hsv(*(pixel / 255))
        want = 255 * np.array(colorsys.hsv_to_rgb((h + degrees / 360) % 1, s, v))
        assert np.abs(found - want).max() <= 0.51


def test_a_third_of_the_wheel_exchanges_channels():
    images = noise()
    np.testing.assert_array_equal(hue([120])(images)[0], images[..., [2, 0, 1]])


@pytest.mark.parametrize("sigma", [0.3, 0.7, 1.0, 2.5])
@pytest.mark.parametrize("channels", [1, 3])
def test_blur_is_a_convolution_with_a_gaussian(sigma, channels):
    images = noise(channels)
    reach = int(4 * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(images.astype(float), ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    for axis in (1, 2):
        padded = np.apply_along_axis(np.convolve, axis, padded, kernel, mode="valid")
    assert np.abs(blur([sigma])(images)[0] - padded).max() <= 0.51


@given(images=batches(), share=st.floats(0.02, 0.9), seed=st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_erase_covers_one_square_and_nothing_else(images, share, seed):
    side = max(1, round(share * min(images.shape[1:3])))
    made = erase([share], fill=77, seed=seed)(np.full_like(images, 9) + (images % 8))[0]
    for image in made:
        covered = (image == 77).all(axis=2)
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        assert covered.sum() == side**2 == len(rows) * len(columns)
        assert np.ptp(rows) == np.ptp(columns) == side - 1


def test_erased_places_are_uniform_and_each_images_own():
    images = noise(1, 6, 5, 4000)
    made = erase([0.5], fill=0, seed=3)(images // 2 + 1)[0]  # 2 of 5 pixels: 5 x 4 places
    places = np.array([np.argwhere(image[..., 0] == 0)[0] for image in made])
    _, counts = np.unique(places, axis=0, return_counts=True)
    assert len(counts) == 20
    assert ((counts - 200) ** 2 / 200).sum() < 45.3  # chi squared with 19 degrees of freedom, p = .0006


def test_erase_fills_with_the_images_mean_and_draws_a_place_for_every_copy():
    images = noise()
    made = erase([0.2, 0.4], places=3, seed=1)(images)
    assert len({copy.tobytes() for copy in made}) == 6
    for image, copy in zip(images, made[0], strict=True):
        new = copy[(copy != image).any(axis=2)]
        np.testing.assert_array_equal(new, np.broadcast_to(np.rint(image.mean(axis=(0, 1))), new.shape))
    assert not np.array_equal(made, erase([0.2, 0.4], places=3, seed=2)(images))


SPECS = [
    *SINGLE,
    {"compose": ["flip_left_right", {"rotate": [-10, 10]}, "erase"]},
    {"union": ["flip_up_down", {"compose": ["shear", "blur"]}]},
    ["zoom", {"translate": 2, "brightness": [0.5]}],
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_every_transformation_is_repeatable_and_changes_images_alone(spec):
    transformation = named(spec)
    images = noise(3)
    before = images.copy()
    check_repeatable(transformation, images)
    copies = transformation(images)
    np.testing.assert_array_equal(images, before)
    assert copies.shape == (len(transformation), *images.shape) and copies.dtype == np.uint8
    assert len(set(transformation.labels)) == len(transformation)
    np.testing.assert_array_equal(named(spec)(images[[2, 0]]), copies[:, [2, 0]])
    assert transformation(images[:0]).shape == (len(transformation), 0, *images.shape[1:])


@pytest.mark.parametrize("name", [name for name in SINGLE if name != "erase"])
def test_a_uniform_image_stays_uniform(name):
    for grey in (0, 100, 255):
        made = named(name)(np.full((1, 16, 19, 3), grey, np.uint8))
        assert (made == made[:, :, :1, :1]).all()


@pytest.mark.parametrize("name", SINGLE)
def test_grey_images_are_treated_as_the_channels_of_colour_images_or_refused(name):
    grey = noise(1)
    if name in COLOURED:
        with pytest.raises(InputError, match=f"{name} changes colours and needs images of three channels .* are grey"):
            named(name)(grey)
    elif name != "erase":  # whose place depends on the content
        same = named(name)(np.repeat(grey, 3, axis=3))
        np.testing.assert_array_equal(named(name)(grey), same[..., :1])


@given(images=batches())
@settings(max_examples=20, deadline=None)
def test_compositions_are_products_and_sums(images):
    first, second = rotate([-20, 5]), translate(1)
    both = compose([first, second])
    assert len(both) == 8 and both.name == "rotate, then translate"
    for place, (copy, label) in enumerate(zip(both(images), both.labels, strict=True)):
        a, b = divmod(place, 4)
        assert label == f"{first.labels[a]}, then {second.labels[b]}"
        np.testing.assert_array_equal(copy, second(first(images)[a])[b])
    beside = union([first, second, flip_left_right()])
    assert beside.labels == first.labels + second.labels + ("flip left-right",)
    np.testing.assert_array_equal(
        beside(images), np.concatenate([first(images), second(images), flip_left_right()(images)])
    )


def test_compositions_need_what_their_parts_need():
    assert compose(["hue", {"crop": [3]}]).colour and union([{"crop": [3]}, "blur"]).smallest_side == 7
    with pytest.raises(InputError, match="changes colours"):
        union(["blur", "hue"])(noise(1))
    with pytest.raises(InputError, match="at least 15 pixels"):
        compose([{"crop": [7]}, "blur"])(noise(1, 14, 20))


def test_other_libraries_take_part_in_compositions_with_seeds_of_their_own():
    import imgaug.augmenters as iaa

    random = iaa.AdditiveGaussianNoise(scale=20)
    made = as_transformation({"compose": ["flip_left_right", random]}, n_copies=2, seed=5)
    seed = int(np.random.SeedSequence(5).generate_state(2)[1])
    images = noise(1)
    np.testing.assert_array_equal(made(images), from_augmenter(random, 2, seed)(images[:, :, ::-1]))
    assert made.labels[1] == "flip left-right, then AdditiveGaussianNoise draw 2"


def test_words_name_the_parts():
    assert words({"compose": [{"rotate": [5]}, ["zoom", "hue"]]}) == "rotate, then zoom + hue"
    assert words({"union": {"parts": ["blur", "erase"]}}) == "blur + erase" == words(["blur", {"erase": None}])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shear([0]), "from -60 to 60, not 0"),
        (lambda: shear([61]), "from -60 to 60"),
        (lambda: shear([np.nan]), "shear takes degrees"),
        (lambda: shear([5], "z"), "'x' or 'y'"),
        (lambda: shear(5), "must be a sequence"),
        (lambda: shear([5, 5]), "each once"),
        (lambda: zoom([1]), "not 1"),
        (lambda: zoom([0]), "from 0.1 to 10"),
        (lambda: zoom(["2"]), "zoom takes factors"),
        (lambda: brightness([1.0]), "not 1"),
        (lambda: brightness([-1]), "from 0.05 to 10"),
        (lambda: contrast([0]), "from 0.05 to 10"),
        (lambda: contrast([np.inf]), "from 0.05 to 10"),
        (lambda: saturation([-0.1]), "from 0 to 10"),
        (lambda: hue([0]), "from -180 to 180, not 0"),
        (lambda: hue([True]), "hue takes degrees"),
        (lambda: blur([0.1]), "from 0.3 to 20"),
        (lambda: blur([]), "is empty"),
        (lambda: erase([1.0]), "from 0.02 to 0.9"),
        (lambda: erase(places=0), "places is 0; erase takes a whole number from 1 to 100"),
        (lambda: erase(fill=256), "fill is 256; .* or 'mean'"),
        (lambda: erase(fill="black"), "fill is 'black'"),
        (lambda: erase(seed=-1), "seed is -1"),
        (lambda: saturation([0.5])(noise(4)), "these have 4 channels"),
        (lambda: contrast([0.5])(noise(4)), "have 4 channels"),
        (lambda: erase()(noise(1, 1, 9)), "at least 2 pixels"),
        (lambda: compose([]), "is empty"),
        (lambda: compose("blur"), "compose takes a list of transformations"),
        (lambda: named({"compose": {"blur": [1]}}), "compose takes parts"),
        (lambda: named("compose"), "compose takes parts"),
        (lambda: named({"flip_left_right": [1]}), "takes no parameters"),
        (lambda: named({"shear": {"degree": [1]}}), "takes degrees, axis"),
        (lambda: named(5), "must be a name"),
        (lambda: named([["swirl"]]), "by name it must be one of"),
        (lambda: named({"compose": ["rotate"] * 4}), "make 38,416 copies .* at most 10,000"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(make, message):
    with pytest.raises(InputError, match=message) as error:
        make()
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_nests_without_end_are_refused():
    spec = "blur"
    for _ in range(40):
        spec = {"compose": [spec]}
    with pytest.raises(InputError, match="at most 10 deep"):
        named(spec)


def test_crops_are_there_by_name_too():
    np.testing.assert_array_equal(named({"crop": [2, 3]})(noise()), crop([2, 3])(noise()))
