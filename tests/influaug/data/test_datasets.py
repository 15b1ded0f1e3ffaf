import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from image_files import pictures, write_image, write_npz
from influaug.data.datasets import Dataset, content_hash, data_folder, load, split
from influaug.data.sources import KNOWN
from influaug.errors import InputError


def dataset(labels, labels_test=None, names=None):
    labels = np.asarray(labels)
    labels_test = np.unique(labels) if labels_test is None else np.asarray(labels_test)
    names = names or tuple(map(str, range(labels.max() + 1)))
    images = np.arange(4 * len(labels)).astype(np.uint8).reshape(-1, 2, 2, 1)
    return Dataset("given", images, labels, images[: len(labels_test)], labels_test, names, {"title": "given"})


# The data folder and what is known of the data.


def test_data_folder_is_parameter_then_environment_then_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("INFLUAUG_DATA", str(tmp_path / "env"))
    assert data_folder(tmp_path) == tmp_path
    assert data_folder("~/x") == Path.home() / "x"
    assert data_folder() == tmp_path / "env"
    monkeypatch.setenv("INFLUAUG_DATA", "")
    assert data_folder().name == "influaug"


def array_hash(found):
    arrays = (found.images_train, found.labels_train, found.images_test, found.labels_test)
    return hashlib.sha256(b"".join(f"{a.dtype.str}{a.shape}".encode() + a.tobytes() for a in arrays)).hexdigest()


def test_provenance_is_json_able_and_holds_the_hash_of_arrays_and_class_names(tmp_path):
    found = load(write_npz(tmp_path / "mine.npz"))
    assert json.loads(json.dumps(found.provenance)) == found.provenance
    assert set(found.provenance) == {"title", "note", "sha256", "source"}
    text = f'["{array_hash(found)}", ["0", "1", "2"]]'
    assert found.provenance["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_provenance_tells_class_names_apart(tmp_path):
    names = [np.array(["a", "b", "c"]), np.array(["a", "b", "d"])]
    paths = [
        write_npz(tmp_path / f"{k}.npz", y_train=np.tile(labels, 2), y_test=labels) for k, labels in enumerate(names)
    ]
    one, other = map(load, paths)
    assert array_hash(one) == array_hash(other)
    assert one.provenance["sha256"] != other.provenance["sha256"]


def test_provenance_holds_no_folder(tmp_path):
    write_npz(tmp_path / "mnist.npz")
    write_npz(tmp_path / "mine.npz")
    for i in range(4):
        write_image(tmp_path / "pets" / "ab"[i % 2] / f"{i}.png")
    found = [load("digits"), load("mnist", tmp_path), load(tmp_path / "mine.npz"), load(tmp_path / "pets")]
    assert [one.provenance["source"] for one in found] == [
        "sklearn.datasets.load_digits",
        "mnist.npz",
        "mine.npz",
        "pets",
    ]
    assert not any(str(tmp_path) in text for one in found for text in (one.name, *one.provenance.values()))


def test_content_hash_tells_type_shape_and_bytes_apart_but_not_memory_order():
    a = np.arange(6, dtype=np.int64).reshape(2, 3)
    others = [a.astype(np.int32), a.reshape(3, 2), a + 1, a.astype(np.uint64)]
    assert len({content_hash(a), *map(content_hash, others)}) == 5
    assert content_hash(a) == content_hash(np.asfortranarray(a))


def test_mnist_copy_is_unverified_until_its_content_is_known(tmp_path, monkeypatch):
    write_npz(tmp_path / "mnist.npz")
    found = load("mnist", tmp_path)
    assert (found.name, found.provenance["title"]) == ("mnist", "MNIST (unverified copy)")
    monkeypatch.setitem(KNOWN, array_hash(found), ("known", "A copy."))
    (tmp_path / "mnist.npz").touch()
    assert load("mnist", tmp_path).provenance["title"] == "known"
    write_npz(tmp_path / "mnist.npz", x_test=pictures(3, 5, 4, seed=2))
    assert load("mnist", tmp_path).provenance["title"] == "MNIST (unverified copy)"


# Data sets read before.


def aged(path, seconds=100):
    """Set the time of the last change of a file back."""
    changed = path.stat().st_mtime_ns - seconds * 10**9
    os.utime(path, ns=(changed, changed))
    return path


def test_arrays_are_read_only(tmp_path):
    for found in (load("digits"), load(write_npz(tmp_path / "mine.npz"))):
        for array in (found.images_train, found.labels_train, found.images_test, found.labels_test):
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 0
    sample = split(found)
    assert sample.images.flags.writeable and sample.labels.flags.writeable


def test_unchanged_file_is_read_once(tmp_path):
    path = aged(write_npz(tmp_path / "mine.npz"))
    found = load(path)
    assert load(str(path)).images_train is found.images_train
    found.provenance["title"] = "changed by the caller"
    assert load(path).provenance["title"] == "mine.npz"


def test_file_of_the_same_relative_path_is_another_in_another_folder(tmp_path, monkeypatch):
    for k in range(2):
        (tmp_path / str(k)).mkdir()
        path = write_npz(tmp_path / str(k) / "mine.npz", x_train=pictures(6, 5, 4, seed=k))
        os.utime(path, (1, 1))
        monkeypatch.chdir(path.parent)
        np.testing.assert_array_equal(load("mine.npz").images_train[..., 0], pictures(6, 5, 4, seed=k))


def rewrite(path, images):
    write_npz(path, x_train=images)


def rewrite_at_the_same_time(path, images):
    before = path.stat()
    other = write_npz(path.with_name("other.npz"), x_train=images)
    os.utime(other, ns=(before.st_mtime_ns, before.st_mtime_ns))
    other.replace(path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def rewrite_at_another_time(path, images):
    rewrite(path, images)
    aged(path, 50)


@pytest.mark.parametrize("change", [rewrite, rewrite_at_the_same_time, rewrite_at_another_time])
def test_changed_file_is_read_again(tmp_path, change):
    path = aged(write_npz(tmp_path / "mine.npz"))
    before = load(path)
    images = pictures(6, 5, 4, seed=2)
    change(path, images)
    after = load(path)
    np.testing.assert_array_equal(after.images_train[..., 0], images)
    assert before.provenance["sha256"] != after.provenance["sha256"]


def test_file_changed_just_now_is_read_each_time(tmp_path):
    """Two changes within one step of the clock of the file system leave size and times the same."""
    path = aged(write_npz(tmp_path / "mine.npz"), -100)
    assert load(path).images_train is not load(path).images_train


def test_changed_folder_of_images_is_read_again(tmp_path):
    for i in range(4):
        write_image(tmp_path / "pets" / "ab"[i % 2] / f"{i}.png", seed=i)
        aged(tmp_path / "pets" / "ab"[i % 2] / f"{i}.png")
    first = load(tmp_path / "pets")
    assert load(tmp_path / "pets").images_train is first.images_train
    write_image(tmp_path / "pets/a/9.png", seed=9)
    aged(tmp_path / "pets/a/9.png")
    assert len(load(tmp_path / "pets").images_train) == len(first.images_train) + 1


# The user's own arrays.


def test_npz_of_grey_images_with_names_kept(tmp_path):
    path = write_npz(tmp_path / "mine.npz", y_train=np.array(list("cabcab")), y_test=np.array(["b", "a", "c"]))
    found = load(str(path))
    assert (found.name, found.provenance["title"], found.provenance["source"]) == ("mine.npz",) * 3
    assert found.class_names == ("a", "b", "c")
    assert found.labels_train.tolist() == [2, 0, 1, 2, 0, 1] and found.labels_test.tolist() == [1, 0, 2]
    np.testing.assert_array_equal(found.images_train[..., 0], pictures(6, 5, 4))


@pytest.mark.parametrize("shape", [(5, 4, 1), (5, 4, 3)])
def test_npz_keeps_channels(tmp_path, shape):
    images = pictures(6, *shape)
    found = load(write_npz(tmp_path / "mine.npz", x_train=images, x_test=images[:3]))
    np.testing.assert_array_equal(found.images_train, images)


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x / 255,
        lambda x: (x / 255).astype(np.float32),
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.int64),
        lambda x: x.astype(">u2"),
    ],
)
def test_npz_of_other_number_types_is_converted_without_loss(tmp_path, convert):
    x_train, x_test = pictures(6, 5, 4), pictures(3, 5, 4, seed=1)
    plain = load(write_npz(tmp_path / "plain.npz"))
    found = load(write_npz(tmp_path / "mine.npz", x_train=convert(x_train), x_test=convert(x_test)))
    np.testing.assert_array_equal(found.images_train, plain.images_train)
    assert found.provenance["sha256"] == plain.provenance["sha256"]


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.uint64, ">i4"])
def test_npz_labels_are_indices_into_the_values_in_rising_order(tmp_path, kind):
    path = write_npz(tmp_path / "mine.npz", y_train=np.array([10, 9, 8, 8, 9, 10], kind), y_test=np.array([9, 8, 10]))
    found = load(path)
    assert found.class_names == ("8", "9", "10")
    assert found.labels_train.tolist() == [2, 1, 0, 0, 1, 2]
    assert split(found, [10, 8]).class_names == ("10", "8")


def test_array_content_that_is_known_is_recognised_under_any_name(tmp_path, monkeypatch):
    path = write_npz(tmp_path / "mine.npz")
    monkeypatch.setitem(KNOWN, array_hash(load(path)), ("MNIST (original)", "."))
    path.touch()
    assert load(path).provenance["title"] == "MNIST (original)"


NAN = np.full((6, 5, 4), np.nan)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_train": np.arange(5)}, "must be of one length"),
        ({"x_test": pictures(0, 5, 4), "y_test": np.array([], int)}, "must be of one length above 0"),
        ({"x_train": np.uint8(3)}, "must be of one length"),
        ({"y_train": np.array([0, 1, 3, 0, 1, 3])}, "class '2' has no training image"),
        ({"y_test": np.array([0, 1, 1])}, "class '2' has no test image"),
        ({"y_train": np.array([0, 1, 2, 0, 1, 2.0])}, "all integers or all strings"),
        ({"y_test": np.array(["0", "1", "2"])}, "all integers or all strings"),
        ({"y_train": np.zeros((6, 2), int)}, "all integers or all strings"),
        ({"x_train": pictures(6, 5, 5)}, "of one size"),
        ({"x_train": pictures(6, 5)}, "of one size"),
        ({"x_train": pictures(6, 5, 4, 2), "x_test": pictures(3, 5, 4, 2)}, "of one size"),
        ({"x_train": pictures(6, 0, 4), "x_test": pictures(3, 0, 4)}, "of one size"),
        ({"x_train": NAN, "x_test": NAN[:3]}, "without NaN"),
        ({"x_train": np.full((6, 5, 4), 256), "x_test": np.full((3, 5, 4), 0)}, "must be 0 to 255"),
        ({"x_train": pictures(6, 5, 4) - 100.0, "x_test": pictures(3, 5, 4) * 1.0}, "must be 0 to 255"),
        ({"x_train": pictures(6, 5, 4) / 255 - 0.5, "x_test": pictures(3, 5, 4) / 255 - 0.5}, "a mean subtracted"),
        ({"x_train": pictures(6, 5, 4) / 16, "x_test": pictures(3, 5, 4) / 16}, "must be 0 to 255"),
        ({"x_train": pictures(6, 5, 4) / 100, "x_test": pictures(3, 5, 4) / 100}, "rescale them"),
        ({"x_train": np.full((6, 5, 4), np.inf), "x_test": np.full((3, 5, 4), np.inf)}, "must be 0 to 255"),
        ({"x_train": pictures(6, 5, 4) / 255, "x_test": pictures(3, 5, 4) * 1.0}, "0.0 to 1.0 in all parts"),
        ({"x_train": pictures(6, 5, 4) / 255}, "numbers of one type"),
        ({"x_train": pictures(6, 5, 4) > 9, "x_test": pictures(3, 5, 4) > 9}, "numbers of one type"),
    ],
)
def test_npz_that_is_wrong(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load(write_npz(tmp_path / "mine.npz", **changes))


def resized(images, scale, resampling):
    return np.stack(
        [np.asarray(Image.fromarray((i * scale).astype(np.float32)).resize((13, 17), resampling)) for i in images]
    )


def smooth(n, seed=0):
    """Bright squares on black, whose edges resizing overshoots."""
    rng, images = np.random.default_rng(seed), np.zeros((n, 28, 28))
    for image in images:
        top, left = rng.integers(2, 10, 2)
        image[top : top + 14, left : left + 14] = 255
    return images


@pytest.mark.parametrize("scale", [1 / 255, 1.0])
@pytest.mark.parametrize("resampling", [Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR])
def test_what_resizing_adds_beyond_the_scale_is_clipped(tmp_path, scale, resampling):
    x_train, x_test = (resized(smooth(n, n), scale, resampling) for n in (6, 3))
    assert x_train.max() > scale * 255 or resampling == Image.Resampling.BILINEAR
    found = load(write_npz(tmp_path / "mine.npz", x_train=x_train, x_test=x_test))
    np.testing.assert_array_equal(found.images_train[..., 0], np.clip(np.rint(x_train / scale), 0, 255))
    np.testing.assert_array_equal(found.images_test[..., 0], np.clip(np.rint(x_test / scale), 0, 255))


@pytest.mark.parametrize("above", [np.nextafter(np.float32(1), np.float32(2)), np.float32(1.0005)])
def test_white_a_hair_above_one_is_white(tmp_path, above):
    x_train, x_test = (np.full((n, 5, 4), above, np.float32) for n in (6, 3))
    x_train[0] = 0.5
    found = load(write_npz(tmp_path / "mine.npz", x_train=x_train, x_test=x_test))
    assert np.unique(found.images_train).tolist() == [128, 255] and np.unique(found.images_test).tolist() == [255]


# Splits.


def test_order_of_the_classes_is_the_order_of_the_labels():
    digits = load("digits")
    ordered, reversed_ = split(digits, [3, 8]), split(digits, [8, 3])
    assert (ordered.class_names, reversed_.class_names) == (("3", "8"), ("8", "3"))
    np.testing.assert_array_equal(ordered.indices, reversed_.indices)
    np.testing.assert_array_equal(ordered.labels, 1 - reversed_.labels)
    np.testing.assert_array_equal(ordered.labels_test, 1 - reversed_.labels_test)
    np.testing.assert_array_equal(reversed_.labels == 0, digits.labels_train[reversed_.indices] == 8)
    np.testing.assert_array_equal(reversed_.images, digits.images_train[reversed_.indices])
    in_test = np.isin(digits.labels_test, [3, 8])
    np.testing.assert_array_equal(reversed_.images_test, digits.images_test[in_test])
    np.testing.assert_array_equal(reversed_.labels_test == 0, digits.labels_test[in_test] == 8)


def test_groups_are_merged():
    digits = load("digits")
    found = split(digits, [[1, 3, 5, 7, 9], (0, 2, "4", 6, 8)])
    assert found.class_names == ("1+3+5+7+9", "0+2+4+6+8")
    np.testing.assert_array_equal(found.labels, (digits.labels_train + 1) % 2)
    assert found.provenance == digits.provenance


def test_no_classes_means_all_in_order():
    given_ = dataset([2, 0, 1, 1])
    found = split(given_)
    assert found.class_names == given_.class_names
    np.testing.assert_array_equal(found.labels, given_.labels_train)
    np.testing.assert_array_equal(found.indices, np.arange(4))


@pytest.mark.parametrize(
    ("names", "classes", "expected"),
    [
        (("ant", "bee", "cow"), [2, 0], ("cow", "ant")),
        (("ant", "bee", "cow"), ["cow", 1], ("cow", "bee")),
        (("1", "2", "3"), [3, 1], ("3", "1")),
        (("-1", "0", "1"), [1, -1], ("1", "-1")),
        (("1", "2", "3"), [np.int64(2), "3"], ("2", "3")),
        (("1", "2", "b"), [0, 2], ("1", "b")),
    ],
)
def test_classes_go_by_name_or_number(names, classes, expected):
    found = split(dataset([0, 1, 2], names=names), classes)
    assert found.class_names == expected
    assert [names[i] for i in found.indices[np.argsort(found.labels)]] == list(expected)


@pytest.mark.parametrize(
    ("names", "classes", "message"),
    [
        (("1", "2", "3"), [0, 1], "no class 0: there are 1, 2, 3"),
        (("ant", "bee", "cow"), ["dog", "ant"], "no class 'dog': there are ant, bee, cow"),
        (("ant", "bee", "cow"), [0, 3], "no class 3"),
        (("ant", "bee", "cow"), [0, -1], "no class -1"),
        (("ant", "bee", "cow"), [0, True], "no class True"),
        (("ant", "bee", "cow"), [0, 1.0], "no class 1.0"),
        (("ant", "bee", "cow"), [[0, 1], ["ant", 2]], "names 'ant' again"),
        (("ant", "bee", "cow"), [0, 0], "names 'ant' again"),
        (("ant", "bee", "cow"), [0], "at least two"),
        (("ant", "bee", "cow"), [], "at least two"),
        (("ant", "bee", "cow"), [0, []], "none empty"),
        (("1", "2", "3"), "12", "must be a list"),
        (("1", "2", "3"), 1, "must be a list"),
    ],
)
def test_classes_that_are_wrong(names, classes, message):
    with pytest.raises(InputError, match=message):
        split(dataset([0, 1, 2], names=names), classes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_train": 7}, "from 2 to the 6 training points"),
        ({"n_train": 5, "classes": [0, 1]}, "from 2 to the 4 training points"),
        ({"n_train": 1}, "from 2 to"),
        ({"n_train": 2.0}, "from 2 to"),
        ({"n_train": 2}, "No point of '2' among the 2"),
        ({"n_train": 4, "sample": "first"}, "No point of '2' among the 4"),
        ({"sample": "random"}, "'stratified' or 'first', not 'random'"),
        ({"seed": -1}, "seed must be"),
        ({"seed": None}, "seed must be"),
    ],
)
def test_samples_that_are_wrong(options, message):
    with pytest.raises(InputError, match=message):
        split(dataset([0, 1, 0, 1, 2, 2]), **options)


def test_first_takes_the_first_points_of_the_classes_in_file_order():
    given_ = dataset([0, 1, 2, 0, 2, 1, 1])
    found = split(given_, [2, 1], n_train=3, sample="first", seed=5)
    assert found.indices.tolist() == [1, 2, 4]
    assert found.labels.tolist() == [1, 0, 0]


labellings = st.lists(st.integers(0, 3), min_size=12, max_size=80).map(lambda extra: np.array([0, 1, 2, 3, *extra]))


@settings(deadline=None)
@given(
    labels=labellings, fraction=st.floats(0.3, 1), seed=st.integers(0, 2**64), classes=st.permutations([0, 1, [2, 3]])
)
def test_stratified_sample_is_proportional_reproducible_and_without_repeats(labels, fraction, seed, classes):
    given_ = dataset(labels)
    n = max(3, round(fraction * len(labels)))
    try:
        found = split(given_, classes, n, seed=seed)
    except InputError:
        shares = [np.isin(labels, c).mean() * n for c in classes]
        assert min(shares) < 1
        return
    assert len(found.indices) == n == len(set(found.indices.tolist()))
    assert (np.diff(found.indices) > 0).all()
    for label, group in enumerate(classes):
        assert abs((found.labels == label).sum() - np.isin(labels, group).mean() * n) < 1
        np.testing.assert_array_equal(found.labels == label, np.isin(labels[found.indices], group))
    np.testing.assert_array_equal(found.images, given_.images_train[found.indices])
    np.testing.assert_array_equal(split(given_, classes, n, seed=seed).indices, found.indices)


def test_every_point_is_as_likely_as_any_other_of_its_label():
    given_ = dataset([0] * 10 + [1] * 30)
    drawn = [split(given_, n_train=8, seed=seed).indices for seed in range(1000)]
    counts = np.bincount(np.concatenate(drawn), minlength=40)
    assert counts[:10].sum() == 2000 and counts[10:].sum() == 6000
    # Five standard deviations of a binomial count with 1000 draws of probability 1/5.
    assert np.abs(counts - 200).max() < 5 * np.sqrt(1000 * 0.2 * 0.8)
