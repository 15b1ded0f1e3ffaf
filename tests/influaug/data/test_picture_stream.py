"""Streams of pictures: what they read is what the data set in memory has, and memory holds a few batches."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from image_files import write_image
from influaug.data.datasets import load
from influaug.data.picture_stream import AHEAD, PictureStream, open_pictures
from influaug.data.pictures import PictureForm
from influaug.errors import InputError

SIZES = [(40, 30), (17, 51), (64, 64)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of three sizes, grey and colour, two classes, 24 for training and 6 for test."""
    root = tmp_path_factory.mktemp("pictures")
    for k in range(30):
        part = "train" if k < 24 else "test"
        mode = ("RGB", "L")[k % 5 == 0]
        write_image(root / part / f"class {k % 2}" / f"{k:02}.png", SIZES[k % 3], mode, seed=k)
    return root


def test_a_stream_has_what_the_data_set_has(folder):
    train, test = open_pictures(folder, 32)
    whole = load(folder, image_size=32, channels=3)
    assert train.shape == whole.images_train.shape and train.dtype == np.uint8 and train.ndim == 4
    assert train.class_names == whole.class_names == ("class 0", "class 1")
    np.testing.assert_array_equal(train[:], whole.images_train)
    np.testing.assert_array_equal(test[:], whole.images_test)
    np.testing.assert_array_equal(train.labels, whole.labels_train)
    np.testing.assert_array_equal(test.labels, whole.labels_test)
    for places in (slice(3, 9), np.array([5, 5, 0]), np.arange(24) % 7 == 2, slice(0, 0), -1):
        np.testing.assert_array_equal(train[places], whole.images_train[places])


def test_batches_come_in_the_order_that_is_asked_for(folder):
    train, _ = open_pictures(folder, (20, 24), channels=1)
    places = [np.array([3, 1]), np.array([0]), np.array([23, 22, 3]), np.array([7]), np.array([1, 2])]
    found = list(train.batches(iter(places)))
    assert len(found) == 5
    for (images, labels), each in zip(found, places, strict=True):
        np.testing.assert_array_equal(images, train[each])
        np.testing.assert_array_equal(labels, train.labels[each])


def test_memory_holds_a_few_batches_of_224_pixels(folder):
    train, _ = open_pictures(folder)
    places = [np.arange(8)] * 60  # 480 pictures: 72 MB
    batch = 8 * 224 * 224 * 3
    tracemalloc.start()
    try:
        total = sum(images.nbytes for images, _ in train.batches(iter(places)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total == 60 * batch
    assert peak < (AHEAD + 4) * batch, peak / batch  # those waiting, the one in use, and one that is being stacked


def test_no_more_batches_are_asked_for_than_are_used_soon(folder):
    train, _ = open_pictures(folder, 16)
    asked = []
    made = train.batches(asked.append(k) or np.array([k]) for k in range(20))
    next(made)
    assert len(asked) == AHEAD + 1
    made.close()


def test_it_is_no_array_as_a_whole(folder):
    train, _ = open_pictures(folder, 16)
    with pytest.raises(InputError, match="24 pictures of this stream stay on disk"):
        np.asarray(train)


def test_strays_are_named_before_and_damage_when_it_is_read(folder, tmp_path):
    for part in ("train", "test"):
        for k in range(2):
            write_image(tmp_path / part / f"class {k}" / "a.png", seed=k)
    stray = tmp_path / "train" / "class 0" / "notes.txt"
    stray.write_text("no picture")
    with pytest.raises(InputError, match=r"notes\.txt is not an image, or is damaged"):
        open_pictures(tmp_path, 16)
    stray.unlink()
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "train" / "class 0" / "deep.png")
    with pytest.raises(InputError, match=r"deep\.png has 16 bits"):
        open_pictures(tmp_path, 16)
    (tmp_path / "train" / "class 0" / "deep.png").unlink()
    whole = tmp_path / "train" / "class 1" / "a.png"
    write_image(whole, (200, 200), "RGB")
    whole.write_bytes(whole.read_bytes()[:3000])
    train, _ = open_pictures(tmp_path, 16)
    with pytest.raises(InputError, match=r"class 1/a\.png is not an image, or is damaged"):
        list(train.batches([np.array([0]), np.array([1])]))


def test_folders_that_do_not_fit_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        open_pictures(tmp_path / "nothing")
    for k in range(2):
        write_image(tmp_path / f"class {k}" / "a.png")
    with pytest.raises(InputError, match=r"must have its pictures in train/CLASS"):
        open_pictures(tmp_path, 16)
    with pytest.raises(InputError, match="channels is 2"):
        open_pictures(folder, 16, channels=2)
    with pytest.raises(InputError, match="needs an image_size and channels"):
        PictureStream([], [], ("a", "b"), PictureForm())
    for part, names in (("train", "ab"), ("test", "ac")):
        for name in names:
            write_image(tmp_path / "other" / part / name / "x.png")
    with pytest.raises(InputError, match="the same classes, two or more"):
        open_pictures(tmp_path / "other", 16)
