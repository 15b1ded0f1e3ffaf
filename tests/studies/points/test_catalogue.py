import matplotlib.pyplot as plt
import numpy as np
import pytest

from influaug.data.transformations import BUILDERS, COMPOSITIONS, named
from studies.points.catalogue import copies_of_all, photograph, picture, tiles


@pytest.mark.parametrize("channels", [1, 3])
def test_the_picture_shows_a_copy_by_every_transformation_that_the_image_allows(channels):
    image = np.random.default_rng(0).integers(0, 256, (20, 22, channels), dtype=np.uint8)
    images, labels = copies_of_all(image)
    shown = {label: copy for label, copy in zip(labels, images, strict=True)}
    np.testing.assert_array_equal(images[0], image)
    for name in set(BUILDERS) - set(COMPOSITIONS):
        if channels == 1 and name in ("saturation", "hue"):
            assert not any(label.startswith(name) for label in labels)
            continue
        transformation = named(name)
        for which in (0, -1):
            np.testing.assert_array_equal(shown[transformation.labels[which]], transformation(image[None])[which, 0])
    _, ax = plt.subplots()
    drawn = tiles(ax, images, labels)
    assert len(drawn.images) == len(images) == len(drawn.texts) == len(set(labels))
    plt.close("all")


def test_changes_of_colours_alone():
    images, labels = copies_of_all(photograph(24), colours_only=True)
    assert len(images) == len(labels) == 5
    assert labels[0] == "the image" and all(label.startswith(("saturation", "hue")) for label in labels[1:])


def test_the_photograph_is_square_and_coloured():
    photo = photograph(32)
    assert photo.shape == (32, 32, 3) and photo.dtype == np.uint8
    assert np.ptp(photo.astype(int).mean(axis=(0, 1))) > 20


@pytest.mark.parametrize(("channels", "examples"), [(1, 2), (3, 1)])
def test_labels_do_not_overlap(channels, examples):
    figure = picture(np.zeros((32, 32, channels), np.uint8))
    figure.draw_without_rendering()
    assert len(figure.axes) == examples
    for ax in figure.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        for k, box in enumerate(boxes):
            assert box.count_overlaps(boxes[k + 1 :]) == 0, ax.texts[k].get_text()
    plt.close(figure)
