import cv2
import imgaug.augmenters as iaa
import imgaug.random
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from influaug.data.transformations import (
    APPENDIX_B,
    Transformation,
    appendix_b,
    crop,
    expand,
    from_augmenter,
    rotate,
    translate,
)
from influaug.errors import InputError


@st.composite
def batches(draw, smallest=7, square=False):
    """Random uint8 batches, grey or colour, of any height and width."""
    height, width = draw(st.integers(smallest, 24)), draw(st.integers(smallest, 24))
    shape = (draw(st.integers(1, 3)), height, height if square else width, draw(st.sampled_from([1, 3])))
    return draw(arrays(np.uint8, shape, elements=st.integers(0, 255)))


def shifted(images, x, y):
    """Witness: content moved x to the right and y down, pixels from outside taken from the nearest inside."""
    _, height, width, _ = images.shape
    rows = np.clip(np.arange(height) - y, 0, height - 1)
    columns = np.clip(np.arange(width) - x, 0, width - 1)
    return images[:, rows][:, :, columns]


def area_zoomed(image, height, width):
    """Witness: every output pixel is the mean of `image` over the rectangle it covers."""

    def weights(n_out, n_in):
        edges = np.arange(n_out + 1) * n_in / n_out
        overlap = np.minimum(edges[1:, None], np.arange(1, n_in + 1)) - np.maximum(edges[:-1, None], np.arange(n_in))
        return np.maximum(overlap, 0) * n_out / n_in

    return np.einsum("yi,xj,ijc->yxc", weights(height, image.shape[0]), weights(width, image.shape[1]), image)


@pytest.fixture
def smooth():
    """A photograph-like batch [4, 28, 28, 3]: blurred noise over the whole grey range."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(4, 28, 28, 3)), (0, 3, 3, 0))
    return np.interp(noise, (noise.min(), noise.max()), (0, 255)).astype(np.uint8)


@given(images=batches(), pixels=st.integers(1, 6))
@settings(deadline=None)
def test_cardinal_translations_are_shifts_with_repeated_edge(images, pixels):
    transformation = translate(pixels)
    steps = {"left": (-pixels, 0), "right": (pixels, 0), "up": (0, -pixels), "down": (0, pixels)}
    assert transformation.labels == tuple(f"{way} {pixels} px" for way in steps)
    np.testing.assert_array_equal(transformation(images), [shifted(images, *step) for step in steps.values()])


@given(images=batches(), pixels=st.integers(1, 6))
@settings(deadline=None)
def test_diagonal_translations_are_shifts_along_both_axes(images, pixels):
    m = pixels
    steps = {"right down": (m, m), "left down": (-m, m), "right up": (m, -m), "left up": (-m, -m)}
    transformation = translate(pixels, "diagonal")
    assert transformation.labels == tuple(f"{way} {pixels} px" for way in steps)
    np.testing.assert_array_equal(transformation(images), [shifted(images, *step) for step in steps.values()])


@given(images=batches(square=True))
@settings(max_examples=20, deadline=None)
def test_right_angles_rotate_exactly_and_clockwise(images):
    quarter, half, back = rotate([90, 180, -90])(images)
    np.testing.assert_array_equal(quarter, np.rot90(images, -1, axes=(1, 2)))
    np.testing.assert_array_equal(half, np.rot90(images, 2, axes=(1, 2)))
    np.testing.assert_array_equal(back, np.rot90(images, 1, axes=(1, 2)))


@given(images=batches())
@settings(max_examples=20, deadline=None)
def test_rotation_tends_to_the_identity(images):
    np.testing.assert_array_equal(rotate([1e-6])(images)[0], images)


@pytest.mark.parametrize("angle", [-30.0, -5.0, 2.5, 12.857])
def test_rotation_agrees_with_scipy(smooth, angle):
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    matrix = np.array([[cos, -sin], [sin, cos]])  # output (row, column) -> input, clockwise
    centre = np.array([13.5, 13.5])
    rotated = rotate([angle])(smooth)[0]
    for image, result in zip(smooth, rotated, strict=True):
        for c in range(3):
            want = ndimage.affine_transform(
                image[..., c].astype(float), matrix, centre - matrix @ centre, order=1, mode="nearest"
            )
            # OpenCV rounds positions to 1/32 pixel; neighbours differ by at most about 30 grey levels here.
            assert np.abs(result[..., c] - want).max() < 2


@pytest.mark.parametrize(("side", "widths"), [(28, [1, 2, 3, 4, 5, 6]), (32, [2]), (96, [2])])
def test_crop_is_the_inner_part_zoomed_back(side, widths):
    (image,) = images = np.random.default_rng(0).integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    for width, (result,) in zip(widths, crop(widths)(images), strict=True):
        want = area_zoomed(image[width:-width, width:-width], side, side)
        assert np.abs(result - want).max() <= 1  # OpenCV calculates in fixed point


@given(images=batches(smallest=9), width=st.integers(1, 4))
@settings(max_examples=50, deadline=None)
def test_crop_is_slicing_and_resizing_at_any_size(images, width):
    (cropped,) = crop([width])(images)
    size = images.shape[2], images.shape[1]
    for image, result in zip(images, cropped, strict=True):
        want = cv2.resize(image[width:-width, width:-width], size, interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(result, want.reshape(result.shape))


def test_every_channel_is_treated_alike(smooth):
    for transformation in (translate(3), rotate([-7.0, 11.0]), crop([2, 5])):
        copies = transformation(smooth)
        for c in range(3):
            np.testing.assert_array_equal(copies[..., c : c + 1], transformation(smooth[..., c : c + 1]))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("n", [0, 1, 4])
def test_shape_and_dtype_are_kept(n, channels):
    images = np.zeros((n, 14, 17, channels), np.uint8)
    for transformation in (translate(2), rotate([5]), crop([1, 2]), from_augmenter(iaa.Add((1, 9)), 3, seed=0)):
        copies = transformation(images)
        assert copies.shape == (len(transformation), n, 14, 17, channels)
        assert copies.dtype == np.uint8


def test_the_input_is_left_alone(smooth):
    before = smooth.copy()
    for transformation in (translate(2), rotate([30]), crop([3]), from_augmenter(iaa.Add((1, 9)), 2, seed=0)):
        transformation(smooth)
    np.testing.assert_array_equal(smooth, before)


@pytest.mark.parametrize(
    ("dataset", "pixels", "angles", "crops"),
    [
        ("mnist", 2, [a * 30 / 7 for a in (-7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7)], [1, 2, 3, 4, 5, 6]),
        ("digits", 2, [a * 30 / 7 for a in (-7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7)], [1, 2, 3, 4, 5, 6]),
        ("cifar10", 3, [-5, -2.5, 2.5, 5], [2]),
        ("small-norb", 6, [-5, -2.5, 2.5, 5], [2]),
    ],
)
def test_appendix_b(dataset, pixels, angles, crops, smooth):
    assert APPENDIX_B[dataset]["translate"] == {"pixels": pixels}
    np.testing.assert_allclose(APPENDIX_B[dataset]["rotate"]["degrees"], angles, rtol=1e-14)
    assert APPENDIX_B[dataset]["crop"] == {"pixels": crops}
    for name, same in (("translate", translate(pixels)), ("rotate", rotate(angles)), ("crop", crop(crops))):
        transformation = appendix_b(name, dataset)
        assert (transformation.name, transformation.labels) == (name, same.labels)
        np.testing.assert_array_equal(transformation(smooth), same(smooth))


def test_appendix_b_is_plain_data():
    assert yaml.safe_load(yaml.safe_dump(APPENDIX_B)) == APPENDIX_B


def test_labels_name_the_parameters():
    assert rotate([30, -2.5]).labels == ("rotate +30.0 deg", "rotate -2.5 deg")
    assert crop([3]).labels == ("crop 3 px",)
    assert from_augmenter(iaa.Add(1), 2, seed=0, name="noise").labels == ("noise draw 1", "noise draw 2")


@given(labels=st.lists(st.integers(0, 9), max_size=8), k=st.integers(1, 5))
@settings(deadline=None)
def test_expand_keeps_label_source_and_which(labels, k):
    n = len(labels)
    images = np.full((n, 2, 2, 1), 10, np.uint8) * np.arange(n, dtype=np.uint8)[:, None, None, None]
    adders = tuple(lambda batch, j=j: batch + np.uint8(j) for j in range(k))
    copies = expand(images, labels, Transformation("add", tuple(f"add {j}" for j in range(k)), adders))
    assert copies.images.shape == (n * k, 2, 2, 1)
    assert copies.source.tolist() == [i for i in range(n) for _ in range(k)]
    assert copies.which.tolist() == [j for _ in range(n) for j in range(k)]
    assert copies.labels.tolist() == [labels[i] for i in copies.source]
    assert copies.images[:, 0, 0, 0].tolist() == [10 * i + j for i in range(n) for j in range(k)]


def test_expand_is_the_transformation(smooth):
    transformation = appendix_b("rotate", "mnist")
    copies = expand(smooth, [0, 1, 1, 0], transformation)
    np.testing.assert_array_equal(copies.images, transformation(smooth)[copies.which, copies.source])
    np.testing.assert_array_equal(copies.images, expand(smooth, [0, 1, 1, 0], transformation).images)


@pytest.fixture
def noisy():
    return iaa.Sequential([iaa.Affine(rotate=(-20, 20), mode="edge"), iaa.AdditiveGaussianNoise(scale=20)])


@given(order=st.permutations(range(4)), seed=st.integers(0, 2**40))
@settings(max_examples=20, deadline=None)
def test_generic_hook_does_not_depend_on_batch_or_order(order, seed):
    images = np.random.default_rng(1).integers(0, 256, (4, 9, 9, 1), dtype=np.uint8)
    augmenter = iaa.AdditiveGaussianNoise(scale=20)
    copies = from_augmenter(augmenter, 2, seed)(images)
    again = from_augmenter(augmenter, 2, seed)
    np.testing.assert_array_equal(again(images[order]), copies[:, order])
    np.testing.assert_array_equal(again(images[2:3]), copies[:, 2:3])


def test_generic_hook_draws_anew_for_every_point_copy_and_seed(smooth, noisy):
    first, second = from_augmenter(noisy, 2, seed=0)(smooth)
    other = from_augmenter(noisy, 2, seed=1)(smooth)[0]
    assert all(np.any(a != b) for pair in ((first, second), (first, other)) for a, b in zip(*pair, strict=True))
    (added,) = from_augmenter(iaa.Add((0, 100)), 1, seed=0)(
        np.arange(60, dtype=np.uint8).repeat(4).reshape(60, 2, 2, 1)
    )
    amounts = added[:, 0, 0, 0].astype(int) - np.arange(60)
    assert amounts.min() >= 0
    assert amounts.max() <= 100
    assert len(set(amounts)) > 25


def test_generic_hook_leaves_the_augmenter_and_the_global_states_alone(smooth, noisy):
    noisy.seed_(5)
    want = noisy.augment_images(smooth)
    noisy.seed_(5)
    numpy_state, imgaug_state = np.random.get_state()[1].copy(), repr(imgaug.random.get_global_rng().state)  # noqa: NPY002
    from_augmenter(noisy, 2, seed=0)(smooth)
    rotate([3.0])(smooth), crop([1])(smooth)
    np.testing.assert_array_equal(noisy.augment_images(smooth), want)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert repr(imgaug.random.get_global_rng().state) == imgaug_state


def test_deterministic_augmenters_are_reseeded_too(smooth, noisy):
    first, second = from_augmenter(noisy.to_deterministic(), 2, seed=0)(smooth)
    assert np.any(first != second)


OK = np.zeros((2, 14, 14, 1), np.uint8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: translate(0), "at least 1"),
        (lambda: translate(1.5), "whole numbers"),
        (lambda: translate(True), "whole numbers"),
        (lambda: translate(2, "all"), "'cardinal', 'diagonal'"),
        (lambda: rotate([]), "empty"),
        (lambda: rotate(5.0), "sequence"),
        (lambda: rotate("30"), "sequence"),
        (lambda: rotate([5, 0]), "multiple of 360"),
        (lambda: rotate([-360.0]), "multiple of 360"),
        (lambda: rotate([np.nan]), "finite"),
        (lambda: rotate(["5"]), "finite angles"),
        (lambda: crop([]), "empty"),
        (lambda: crop(2), "sequence"),
        (lambda: crop([1, 0]), "at least 1"),
        (lambda: from_augmenter("noise", 1, 0), "imgaug augmenter"),
        (lambda: from_augmenter(iaa.Add(1), 0, 0), "n_copies"),
        (lambda: from_augmenter(iaa.Add(1), 1, -1), "seed"),
        (lambda: appendix_b("translate", "svhn"), "small-norb"),
        (lambda: appendix_b("swirl", "mnist"), "translate, rotate, crop"),
        (lambda: Transformation("none", (), ()), "one or more"),
        (lambda: Transformation("two", ("a",), (iaa.Add(1), iaa.Add(2))), "2 augmenters and 1 labels"),
        (lambda: translate(2)(OK[0]), r"uint8 \[n, height, width, channels\]"),
        (lambda: translate(2)(OK[..., 0]), r"uint8 \[n, height, width, channels\]"),
        (lambda: translate(2)(OK / 255), "float64"),
        (lambda: translate(2)(OK[:, :0]), r"uint8 \[n, height, width, channels\]"),
        (lambda: translate(14)(OK), "at least 15 pixels"),
        (lambda: crop([7, 1])(OK), "at least 15 pixels"),
        (lambda: expand(OK, [0], translate(1)), r"shape \(2,\)"),
        (lambda: expand(OK, [[0, 1]], translate(1)), r"shape \(2,\)"),
        (lambda: from_augmenter(iaa.Crop(px=1, keep_size=False), 1, 0)(OK), "must keep both"),
        (lambda: Transformation("half", ("half",), (lambda x: x / 2,))(OK), "half turned"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence(make, message):
    with pytest.raises(InputError, match=message) as error:
        make()
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_the_smallest_images_that_fit():
    assert translate(13)(OK).shape == (4, *OK.shape)
    assert crop([6])(OK).shape == (1, *OK.shape)
