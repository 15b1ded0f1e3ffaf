import functools
import gzip
import hashlib
import http.server
import io
import os
import socket
import struct
import tarfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from image_files import pictures, write_image, write_npz
from influaug.data import sources
from influaug.data.datasets import load
from influaug.data.raw import draw
from influaug.errors import InputError

NORB_FILES = {
    ("train", "dat"): "smallnorb-5x46789x9x18x6x2x96x96-training-dat.mat",
    ("train", "cat"): "smallnorb-5x46789x9x18x6x2x96x96-training-cat.mat",
    ("test", "dat"): "smallnorb-5x01235x9x18x6x2x96x96-testing-dat.mat",
    ("test", "cat"): "smallnorb-5x01235x9x18x6x2x96x96-testing-cat.mat",
}
CIFAR10_MEMBERS = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]


def norb_bytes(array):
    magic = {1: 0x1E3D4C55, 4: 0x1E3D4C54}[array.itemsize]
    slots = (*array.shape, 1, 1)[: max(array.ndim, 3)]
    return struct.pack(f"<{2 + len(slots)}I", magic, array.ndim, *slots) + array.tobytes()


def write_norb(folder, compressed, n=6, categories=3):
    arrays = {}
    for seed, (part, kind) in enumerate(NORB_FILES):
        array = pictures(n, 2, 96, 96, seed=seed) if kind == "dat" else (np.arange(n) % categories).astype("<i4")
        name, content = NORB_FILES[part, kind], norb_bytes(array)
        (folder / (f"{name}.gz" if compressed else name)).write_bytes(gzip.compress(content) if compressed else content)
        arrays[part, kind] = array
    return arrays


def write_cifar10(folder, per_file=10, members=CIFAR10_MEMBERS, cut=0):
    """Write an archive with every class in every file, in an order of members unlike the loader's; its images."""
    images, labels = pictures(per_file * len(members), 32, 32, 3), np.arange(per_file * len(members)) % 10
    with tarfile.open(folder / "cifar-10-binary.tar.gz", "w:gz", compresslevel=1) as archive:
        for i in reversed(range(len(members))):
            rows = range(i * per_file, (i + 1) * per_file)
            records = [bytes([labels[r]]) + b"".join(images[r, :, :, c].tobytes() for c in range(3)) for r in rows]
            content = b"".join(records)[: None if not cut else -cut]
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{members[i]}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return images, labels


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Serve a folder on the loopback; ``offer`` puts a file there and makes it an official source."""
    root = tmp_path / "served"
    root.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=root)
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    monkeypatch.setattr(sources, "SCHEMES", ("http",))

    def offer(name, content, checksum=None):
        (root / name).write_bytes(content)
        url = f"http://127.0.0.1:{server.server_port}/{name}"
        monkeypatch.setitem(sources.SOURCES, name, (url, "md5", checksum or hashlib.md5(content).hexdigest()))
        return url

    yield offer
    server.shutdown()
    server.server_close()


# The named data sets.


def test_digits_are_in_file_order_and_look_like_the_originals():
    digits, witness = load("digits"), load_digits()
    assert digits.images_train.shape == (1000, 28, 28, 1)
    assert digits.images_test.shape == (797, 28, 28, 1)
    assert digits.images_train.dtype == np.uint8 and digits.labels_train.dtype == np.int64
    np.testing.assert_array_equal(np.concatenate([digits.labels_train, digits.labels_test]), witness.target)
    images = np.concatenate([digits.images_train, digits.images_test])[..., 0]
    coarse = np.stack([np.asarray(Image.fromarray(i).resize((8, 8), Image.Resampling.BOX)) for i in images])
    assert np.corrcoef(coarse.ravel(), witness.images.ravel())[0, 1] > 0.98
    assert images.min() == 0 and images.max() == 255
    assert digits.class_names == tuple("0123456789")
    assert digits.provenance["title"] == "digits (scikit-learn)"


def test_cifar10_npz_takes_column_labels_and_names_the_classes(tmp_path):
    labels = np.arange(10, dtype=np.uint8)[:, None]
    images = pictures(10, 32, 32, 3)
    write_npz(tmp_path / "cifar10.npz", x_train=images, y_train=labels, x_test=images, y_test=labels[::-1])
    found = load("cifar10", tmp_path)
    assert found.class_names[:3] == ("airplane", "automobile", "bird") and found.class_names[9] == "truck"
    np.testing.assert_array_equal(found.labels_test, np.arange(10)[::-1])
    np.testing.assert_array_equal(found.images_train, images)
    assert found.provenance["title"] == "CIFAR-10 (unverified copy)"


def test_cifar10_archive_is_preferred_and_original_once_its_checksum_is(tmp_path, monkeypatch):
    images, labels = write_cifar10(tmp_path)
    write_npz(tmp_path / "cifar10.npz")
    found = load("cifar10", tmp_path)
    np.testing.assert_array_equal(np.concatenate([found.images_train, found.images_test]), images)
    np.testing.assert_array_equal(np.concatenate([found.labels_train, found.labels_test]), labels)
    assert len(found.labels_test) == 10
    assert found.provenance["title"] == "CIFAR-10 (unverified copy)"
    checksum = hashlib.md5((tmp_path / "cifar-10-binary.tar.gz").read_bytes()).hexdigest()
    monkeypatch.setitem(sources.SOURCES, "cifar-10-binary.tar.gz", ("unused", "md5", checksum))
    (tmp_path / "cifar-10-binary.tar.gz").touch()
    assert load("cifar10", tmp_path).provenance["title"] == "CIFAR-10 (original)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": CIFAR10_MEMBERS[:-1]}, "lacks cifar-10-batches-bin/test_batch.bin"),
        ({"cut": 1}, "must be a file of up to 10000 records"),
    ],
)
def test_cifar10_archive_that_is_not_whole(tmp_path, options, message):
    write_cifar10(tmp_path, **options)
    with pytest.raises(InputError, match=message):
        load("cifar10", tmp_path)


def test_cifar10_archive_that_is_damaged(tmp_path):
    write_cifar10(tmp_path)
    path = tmp_path / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cifar-10-binary.tar.gz is not the CIFAR-10 binary archive, or is damaged"):
        load("cifar10", tmp_path)


def write_cifar100(folder, n=(200, 100), names=100, leave_out=(), cut=0):
    """Write an archive in the form of the official one, every fine class in both parts; images and both labels."""
    images = pictures(sum(n), 32, 32, 3)
    fine, coarse = np.arange(sum(n)) % 100, np.arange(sum(n)) % 20
    label_names = "".join(f"fine_{k}\n" for k in range(names))
    contents = {"fine_label_names.txt": label_names.encode(), "coarse_label_names.txt": b"fish\n", "train.bin": b""}
    for part, rows in (("train", range(n[0])), ("test", range(n[0], sum(n)))):
        records = [bytes([coarse[r], fine[r]]) + images[r].transpose(2, 0, 1).tobytes() for r in rows]
        contents[f"{part}.bin"] = b"".join(records)[: None if not cut else -cut]
    with tarfile.open(folder / "cifar-100-binary.tar.gz", "w:gz", compresslevel=1) as archive:
        for name, content in contents.items():
            if name not in leave_out:
                member = tarfile.TarInfo(f"cifar-100-binary/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return images, fine


def test_cifar100_has_its_fine_labels_and_is_original_once_its_checksum_is(tmp_path, monkeypatch):
    images, fine = write_cifar100(tmp_path)
    found = load("cifar100", tmp_path)
    assert found.images_train.shape == (200, 32, 32, 3) and len(found.labels_test) == 100
    np.testing.assert_array_equal(np.concatenate([found.images_train, found.images_test]), images)
    np.testing.assert_array_equal(np.concatenate([found.labels_train, found.labels_test]), fine)
    assert found.class_names[7] == "fine_7" and len(found.class_names) == 100
    assert found.provenance["title"] == "CIFAR-100 (unverified copy)"
    checksum = hashlib.md5((tmp_path / "cifar-100-binary.tar.gz").read_bytes()).hexdigest()
    monkeypatch.setitem(sources.SOURCES, "cifar-100-binary.tar.gz", ("unused", "md5", checksum))
    (tmp_path / "cifar-100-binary.tar.gz").touch()
    assert load("cifar100", tmp_path).provenance["title"] == "CIFAR-100 (original)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"leave_out": ["test.bin"]}, "lacks test in cifar-100-binary"),
        ({"leave_out": ["fine_label_names.txt"]}, "lacks fine_label_names in cifar-100-binary"),
        ({"cut": 1}, "train.bin must be a file of up to 50000 records of 3074 bytes"),
        ({"names": 99}, "fine_label_names.txt must have 100 different names, not 99"),
    ],
)
def test_cifar100_archive_that_is_not_whole(tmp_path, options, message):
    write_cifar100(tmp_path, **options)
    with pytest.raises(InputError, match=message):
        load("cifar100", tmp_path)


def test_cifar100_archive_that_is_damaged_or_unpacks_to_too_much(tmp_path, monkeypatch):
    write_cifar100(tmp_path)
    path = tmp_path / "cifar-100-binary.tar.gz"
    monkeypatch.setattr(sources, "CIFAR10_BYTES", 100_000)
    with pytest.raises(InputError, match="must unpack to at most 100000 bytes"):
        load("cifar100", tmp_path)
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"tar.gz is not the CIFAR-100 binary archive, or is damaged"):
        load("cifar100", tmp_path)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("n", "categories"), [(4, 2), (15, 5), (7, 7)])
def test_small_norb_gives_the_first_camera(tmp_path, compressed, n, categories):
    arrays = write_norb(tmp_path, compressed, n, categories)
    found = load("small-norb", tmp_path)
    for part, images, labels in (
        ("train", found.images_train, found.labels_train),
        ("test", found.images_test, found.labels_test),
    ):
        np.testing.assert_array_equal(images, arrays[part, "dat"][:, 0, :, :, None])
        np.testing.assert_array_equal(labels, arrays[part, "cat"])
    assert found.class_names == ("animal", "human", "plane", "truck", "car", "5", "6")[:categories]
    assert found.provenance["title"] == "small NORB (unverified copy)"


def test_small_norb_original_is_recognised_compressed_or_not(tmp_path, monkeypatch):
    arrays = write_norb(tmp_path, compressed=True)
    checksums = [hashlib.md5(norb_bytes(array)).hexdigest() for array in arrays.values()]
    monkeypatch.setattr(sources, "NORB_ORIGINAL", checksums)
    assert load("small-norb", tmp_path).provenance["title"] == "small NORB (original)"
    name = NORB_FILES["test", "dat"]
    (tmp_path / name).write_bytes(norb_bytes(arrays["test", "dat"]))
    (tmp_path / f"{name}.gz").unlink()
    found = load("small-norb", tmp_path)
    assert found.provenance["title"] == "small NORB (original)"
    assert name in found.provenance["source"] and f"{name}.gz" not in found.provenance["source"]


def test_small_norb_checksums_fit_the_documented_categories():
    """The categories of all 24300 examples run 0 1 2 3 4 0 1 2 3 4 ... in either part."""
    content = norb_bytes(np.tile(np.arange(5, dtype="<i4"), 4860))
    assert [hashlib.md5(content).hexdigest()] * 2 == sources.NORB_ORIGINAL[1::2]


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c + b"\0", lambda c: c[:10], lambda c: b"\0" + c[1:]])
@pytest.mark.parametrize("kind", ["dat", "cat"])
def test_small_norb_that_is_damaged(tmp_path, kind, damage):
    write_norb(tmp_path, compressed=False)
    path = tmp_path / NORB_FILES["train", kind]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=f"{path.name} is not a small NORB {kind} file"):
        load("small-norb", tmp_path)


def test_small_norb_with_more_images_than_categories(tmp_path):
    write_norb(tmp_path, compressed=False)
    (tmp_path / NORB_FILES["train", "cat"]).write_bytes(norb_bytes(np.array([0, 1], dtype="<i4")))
    with pytest.raises(InputError, match="must be of one length"):
        load("small-norb", tmp_path)


# Downloads.


def test_missing_file_is_downloaded_verified_and_then_left_alone(tmp_path, served, capfd):
    content = write_npz(tmp_path / "source.npz").read_bytes()
    served("mnist.npz", content)
    folder = tmp_path / "new" / "folder"
    assert load("mnist", folder).labels_train.tolist() == [0, 1, 2, 0, 1, 2]
    assert "mnist.npz: 100%" in capfd.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["mnist.npz"]
    assert (folder / "mnist.npz").read_bytes() == content
    served("mnist.npz", b"something else")
    load("mnist", folder)
    assert (folder / "mnist.npz").read_bytes() == content


def test_what_a_killed_download_left_goes_and_one_that_is_still_going_stays(tmp_path, served):
    served("mnist.npz", write_npz(tmp_path / "source.npz").read_bytes())
    folder = tmp_path / "data"
    folder.mkdir()
    for name, age in (("mnist.npz.old.part", 2 * sources.LONGEST_SILENCE), ("mnist.npz.new.part", 1)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    load("mnist", folder)
    assert {path.name for path in folder.iterdir()} == {"mnist.npz", "mnist.npz.new.part"}


def test_all_of_small_norb_is_downloaded(tmp_path, served):
    source, folder = tmp_path / "source", tmp_path / "folder"
    source.mkdir()
    arrays = write_norb(source, compressed=True)
    for path in source.iterdir():
        served(path.name, path.read_bytes())
    np.testing.assert_array_equal(load("small-norb", folder).labels_test, arrays["test", "cat"])
    assert {path.name for path in folder.iterdir()} == {f"{name}.gz" for name in NORB_FILES.values()}


def test_wrong_checksum_ends_at_once_and_leaves_nothing(tmp_path, served):
    url = served("mnist.npz", b"not what it should be", checksum="0" * 32)
    found = hashlib.md5(b"not what it should be").hexdigest()
    with pytest.raises(InputError, match=f"{url} sent has md5 {found}, not {'0' * 32}"):
        load("mnist", tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("mnist", "mnist.npz"),
        ("cifar10", "cifar-10-binary.tar.gz"),
        ("cifar100", "cifar-100-binary.tar.gz"),
        ("small-norb", NORB_FILES["train", "dat"] + ".gz"),
    ],
)
def test_without_network_one_sentence_names_folder_file_and_address(tmp_path, monkeypatch, name, first):
    monkeypatch.setattr(sources, "SCHEMES", ("http",))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/{first}"
    monkeypatch.setitem(sources.SOURCES, first, (url, "md5", "0" * 32))
    with pytest.raises(InputError) as caught:
        load(name, tmp_path / "folder")
    assert str(caught.value).startswith(f"{first} is not in {tmp_path / 'folder'} and cannot be had from {url} (")
    assert list((tmp_path / "folder").iterdir()) == []


def test_only_https_is_taken(tmp_path, monkeypatch):
    for url in ("http://127.0.0.1:9/mnist.npz", f"file://{__file__}", "ftp://127.0.0.1:9/mnist.npz"):
        monkeypatch.setitem(sources.SOURCES, "mnist.npz", (url, "md5", "0" * 32))
        with pytest.raises(InputError, match=f"cannot be had from {url} .only https is taken, not {url}"):
            load("mnist", tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("https://127.0.0.1:9/x", "only http is taken, not https"),
        ("ftp://127.0.0.1:9/x", "only http is taken, not ftp"),
        (f"file://{__file__}", "not allowed"),
        ("http://[x", "Invalid"),
    ],
)
def test_a_source_that_leads_on_by_another_scheme_is_not_followed(tmp_path, served, monkeypatch, place, said):
    served("mnist.npz", b"")

    def lead_on(handler):
        handler.send_response(302)
        handler.send_header("Location", place)
        handler.end_headers()

    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "do_GET", lead_on)
    with pytest.raises(
        InputError, match=rf"mnist\.npz is not in .* and cannot be had from .*{said}.*: put it there\.$"
    ):
        load("mnist", tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_source_that_sends_without_end_is_cut_off(tmp_path, served, monkeypatch):
    served("mnist.npz", bytes(3 << 20))
    monkeypatch.setattr(sources, "MOST_DOWNLOADED", 2 << 20)
    with pytest.raises(InputError, match="it sends more than 2097152 bytes"):
        load("mnist", tmp_path / "folder")
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_length_that_is_no_number_does_not_matter(tmp_path, served, monkeypatch):
    content = write_npz(tmp_path / "source.npz").read_bytes()
    served("mnist.npz", content)

    def send(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "many")
        handler.end_headers()
        handler.wfile.write(content)

    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "do_GET", send)
    assert len(load("mnist", tmp_path / "folder").labels_train) == 6


def test_file_that_the_source_has_not(tmp_path, served, monkeypatch):
    url = served("mnist.npz", b"") + "x"
    monkeypatch.setitem(sources.SOURCES, "mnist.npz", (url, "md5", "0" * 32))
    with pytest.raises(InputError, match=f"cannot be had from {url} .*404"):
        load("mnist", tmp_path / "folder")


def test_data_folder_that_is_a_file_is_one_sentence_too(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"mnist.npz is not in .*file"):
        load("mnist", tmp_path / "file")


def test_sources_are_the_official_addresses():
    archives = {"mnist.npz", "cifar-10-binary.tar.gz", "cifar-100-binary.tar.gz"}
    assert set(sources.SOURCES) == {*archives, *(f"{n}.gz" for n in NORB_FILES.values())}
    for name, (url, algorithm, checksum) in sources.SOURCES.items():
        assert url.startswith("https://") and url.endswith(f"/{name}")
        assert len(bytes.fromhex(checksum)) == hashlib.new(algorithm).digest_size


# The user's own arrays.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, "lacks y_test"),
        ({"x_train": None, "y_train": None}, "lacks x_train, y_train"),
        ({"y_train": np.array([0, 1, 2, 0, 1, "2"], dtype=object)}, "pickled objects are refused"),
    ],
)
def test_npz_without_plain_arrays(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        load(write_npz(tmp_path / "mine.npz", **changes))


def test_files_that_are_no_npz(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").touch()
    whole = write_npz(tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.save(tmp_path / "array.npy", np.arange(3))
    (tmp_path / "array.npy").rename(tmp_path / "array.npz")
    for name in ("text.npz", "empty.npz", "cut.npz", "array.npz"):
        with pytest.raises(InputError, match=f"{name} is not an .npz file"):
            load(tmp_path / name)


@pytest.mark.parametrize("name", ["nothing", "nothing.npz", "MNIST"])
def test_unknown_data_set_names_the_known_ones(name, tmp_path):
    with pytest.raises(InputError, match=f"'.*{name}': give digits, mnist, cifar10, cifar100, small-norb, or"):
        load(str(tmp_path / name))


# The user's own folder.


def test_folder_with_parts_keeps_them(tmp_path):
    pixels = {}
    for i, name in enumerate(
        ["train/dog/b.png", "train/dog/a.png", "train/ant/z.bmp", "test/dog/1.png", "test/ant/2.png"]
    ):
        pixels[name] = write_image(tmp_path / "pets" / name, seed=i)
    (tmp_path / "pets/train/dog/.hidden").write_text("")
    (tmp_path / "pets/notes.txt").write_text("")
    found = load(tmp_path / "pets")
    assert (found.name, found.class_names, found.provenance["title"]) == ("pets", ("ant", "dog"), "pets")
    assert found.labels_train.tolist() == [0, 1, 1] and found.labels_test.tolist() == [0, 1]
    witness = [pixels[f"train/{name}"] for name in ("ant/z.bmp", "dog/a.png", "dog/b.png")]
    np.testing.assert_array_equal(found.images_train[..., 0], witness)


def test_draw_takes_the_quota_of_each_label_and_the_seed_decides_which():
    labels = np.tile([0, 1, 2], 50)
    drawn = [draw(labels, np.array([3, 0, 50]), seed) for seed in (0, 0, 1)]
    assert np.bincount(labels[drawn[0]]).tolist() == [3, 0, 50] and (np.diff(drawn[0]) > 0).all()
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert drawn[0].tolist() != drawn[2].tolist()


def test_folder_without_parts_holds_out_a_quarter_of_each_class(tmp_path):
    written = [write_image(tmp_path / "ant" / f"{i}.png", mode="RGB", seed=i) for i in range(8)]
    written += [write_image(tmp_path / "train" / f"{i}.png", mode="RGB", seed=8 + i) for i in range(5)]
    found = load(tmp_path)
    assert found.class_names == ("ant", "train")
    assert np.bincount(found.labels_train).tolist() == [6, 4] and np.bincount(found.labels_test).tolist() == [2, 1]
    both = np.concatenate([found.images_train, found.images_test])
    assert sorted(i.tobytes() for i in both) == sorted(i.tobytes() for i in written)
    assert load(tmp_path).provenance == found.provenance
    assert "held out at random (seed 0)" in found.provenance["note"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: write_image(f / "ant/9.png", size=(5, 4)), "9.png is L 5 x 4, unlike .*0.png"),
        (lambda f: write_image(f / "ant/9.png", mode="RGB"), "9.png is RGB 4 x 5, unlike .*0.png"),
        (lambda f: write_image(f / "ant/0.png", mode="1"), "0.png is 1 4 x 5, where mode L"),
        (lambda f: (f / "ant/9.png").write_text("hello"), "9.png is not an image"),
        (lambda f: (f / "ant/9.png").write_bytes((f / "ant/0.png").read_bytes()[:50]), "9.png is not an image"),
        (lambda f: os.mkfifo(f / "ant/pipe.png"), "pipe.png is not an image"),
        (lambda f: (f / "ant/again").symlink_to(f / "bee"), "ant/again is not an image"),
        (lambda f: (f / "cow").mkdir(), "cow is empty"),
        (lambda f: write_image(f / "cow/0.png"), "class 'cow' has no training image"),
    ],
)
def test_folder_that_is_wrong(tmp_path, change, message):
    for i in range(4):
        write_image(tmp_path / "ant" / f"{i}.png")
        write_image(tmp_path / "bee" / f"{i}.png")
    change(tmp_path)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


# Folders as people have them.

ALL = ({}, {"image_size": 6}, {"channels": 1}, {"channels": 3}, {"image_size": (7, 9), "channels": 3})


def two_classes(root, n=4, **options):
    for i in range(n):
        write_image(root / "ant" / f"{i}.png", seed=i, **options)
        write_image(root / "bee" / f"{i}.png", seed=n + i, **options)
    return root


def read(root, **form):
    """All pictures of a folder, training and test, without their channel axis where they are grey."""
    found = load(root, **form)
    return np.concatenate([found.images_train, found.images_test]).squeeze()


UPRIGHT = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
STORED = {  # how a camera that was held so stores the picture, by EXIF's value
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT, 1),
    7: UPRIGHT[::-1, ::-1].T,
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("kind", ["png", "tiff", "webp", "jpg"])
@pytest.mark.parametrize("orientation", STORED)
def test_pictures_are_turned_as_exif_says(tmp_path, kind, orientation):
    """Blocks of 16 pixels, which JPEG keeps apart."""
    for i, label in enumerate(("ant", "ant", "bee", "bee")):
        (tmp_path / label).mkdir(exist_ok=True)
        image = Image.fromarray(np.kron(STORED[orientation], np.ones((16, 16), np.uint8))).convert("RGB")
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(tmp_path / label / f"{i}.{kind}", exif=exif, **({"lossless": True} if kind == "webp" else {}))
    for image in read(tmp_path, channels=1):
        np.testing.assert_allclose(image[8::16, 8::16], UPRIGHT, atol=2 if kind == "jpg" else 0)


def test_a_picture_on_its_side_is_unlike_the_others(tmp_path):
    two_classes(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pictures(1, 5, 4)[0]).save(tmp_path / "ant/0.png", exif=exif)
    with pytest.raises(InputError, match=r"1 of the 8 files .* ant/0\.png is L 5 x 4, unlike ant/1\.png; image_size"):
        load(tmp_path)
    assert load(tmp_path, skip_bad=True).provenance["skipped"] == ["ant/0.png is L 5 x 4, unlike ant/1.png"]


@pytest.mark.parametrize("form", ALL)
def test_what_systems_leave_behind_is_passed_over(tmp_path, form):
    two_classes(tmp_path / "clean")
    two_classes(tmp_path / "used")
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini", "._0.png", "ehthumbs.db", "Icon\r", "THUMBS.DB"):
        (tmp_path / "used" / "ant" / name).write_text("no picture")
        (tmp_path / "used" / name).write_text("no picture")
    for name in ("__MACOSX", ".git", "@eaDir"):
        write_image(tmp_path / "used" / name / "0.png")
        write_image(tmp_path / "used/bee" / name / "0.png")
    clean, used = (load(tmp_path / name, **form) for name in ("clean", "used"))
    assert used.provenance["sha256"] == clean.provenance["sha256"] and "skipped" not in used.provenance


def test_suffixes_and_parts_may_be_in_capitals(tmp_path):
    for part in ("train", "test"):
        two_classes(tmp_path / "small" / part)
        for i in range(8):
            write_image(tmp_path / "large" / part.title() / ("ant", "bee")[i // 4] / f"{i % 4}.PNG", seed=i)
    small, large = (load(tmp_path / name) for name in ("small", "large"))
    assert small.provenance["sha256"] == large.provenance["sha256"] and len(large.labels_test) == 8
    write_npz(tmp_path / "mine.npz").rename(tmp_path / "mine.NPZ")
    assert len(load(tmp_path / "mine.NPZ").labels_train) == 6


def test_folders_in_a_class_are_of_the_class(tmp_path):
    two_classes(tmp_path)
    write_image(tmp_path / "ant/monday/early/0.png", seed=9)
    found = load(tmp_path)
    assert found.class_names == ("ant", "bee") and len(found.labels_train) + len(found.labels_test) == 9


@pytest.mark.parametrize("names", [("train", "val"), ("Training", "testing"), ("dev",)])
def test_parts_of_other_names_are_not_taken_for_classes(tmp_path, names):
    for name in names:
        two_classes(tmp_path / name)
    with pytest.raises(InputError, match=f"has {', '.join(sorted(names))}/ with folders in it, where train/CLASS/"):
        load(tmp_path)


def test_a_third_part_is_named_as_not_read(tmp_path):
    for part in ("train", "test", "val"):
        two_classes(tmp_path / part)
    assert load(tmp_path).provenance["note"].endswith("Beside train and test, val is not read.")


def grey(pixels):
    """Luminance of ITU-R 601-2."""
    return np.rint(pixels @ [0.299, 0.587, 0.114])


RGB = pictures(1, 5, 4, 3)[0]
CODES = pictures(1, 5, 4)[0]
MODES = {
    "grey": (Image.fromarray(CODES), np.stack([CODES] * 3, axis=-1)),
    "colour": (Image.fromarray(RGB), RGB),
    "palette": (Image.fromarray(RGB // 64 * 64).quantize(256), RGB // 64 * 64),
    "bilevel": (Image.fromarray(CODES > 99), np.stack([255 * (CODES > 99)] * 3, axis=-1)),
    "16 bits": (Image.fromarray(CODES.astype(np.uint16) * 257), np.stack([CODES] * 3, axis=-1)),
    "opaque": (Image.fromarray(np.dstack([RGB, np.full((5, 4), 255, np.uint8)])), RGB),
    "transparent": (Image.fromarray(np.dstack([RGB, np.zeros((5, 4), np.uint8)])), np.full((5, 4, 3), 255)),
    "grey and alpha": (Image.fromarray(np.dstack([CODES, np.full((5, 4), 255, np.uint8)])), np.stack([CODES] * 3, -1)),
}


@pytest.mark.parametrize("mode", MODES)
def test_modes_are_converted_to_grey_and_to_colour(tmp_path, mode):
    image, colours = MODES[mode]
    two_classes(tmp_path, size=(4, 5))
    image.save(tmp_path / "ant/9.png")
    for name in "0123":  # the one left for training
        write_image(tmp_path / f"ant/{name}.png", seed=1)
    in_colour, in_grey = (load(tmp_path, channels=channels) for channels in (3, 1))
    assert in_colour.images_train.shape[3] == 3 and in_grey.images_train.shape[3] == 1
    both = np.concatenate([in_colour.images_train, in_colour.images_test])
    assert any(np.array_equal(each, colours) for each in both)
    both = np.concatenate([in_grey.images_train, in_grey.images_test])[..., 0]
    assert any(np.abs(each - grey(colours)).max() <= 1 for each in both)


def test_cmyk_pictures_become_colours(tmp_path):
    for label in ("ant", "bee"):
        for i in range(2):
            (tmp_path / label).mkdir(exist_ok=True)
            Image.new("RGB", (8, 8), (250, 10, 40)).convert("CMYK").save(tmp_path / label / f"{i}.jpg", quality=95)
    assert np.abs(read(tmp_path, channels=3).astype(int) - [250, 10, 40]).max() < 6
    with pytest.raises(
        InputError, match=r"4 of the 4 files .*ant/0.jpg is CMYK 8 x 8, where mode L .*; channels makes"
    ):
        load(tmp_path)


def test_sixteen_bits_that_hold_fewer_are_refused(tmp_path):
    """Twelve bits, as scientific cameras have them, would all be below 16 of 255."""
    for i in range(4):
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        Image.fromarray((pictures(1, 5, 4)[0].astype(np.uint16)) * 16).save(tmp_path / "ab"[i % 2] / f"{i}.png")
    with pytest.raises(InputError, match=r"16 bits in .* go up to \d+ of 65535 and would be nearly black"):
        load(tmp_path, channels=1)


def test_transparent_parts_are_counted(tmp_path):
    two_classes(tmp_path)
    MODES["transparent"][0].save(tmp_path / "ant/0.png")
    note = load(tmp_path, channels=3).provenance["note"]
    assert "converted to colour" in note and note.endswith("Transparent parts of 1 of them are white.")


def test_pictures_are_resized(tmp_path):
    """Squares of one colour keep it, and the place of what is in them."""
    for i in range(4):
        size = (20 + 4 * i, 40 - 4 * i)
        picture = np.zeros(size, np.uint8)
        picture[: size[0] // 2] = 200
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "ab"[i % 2] / f"{i}.png")
    found = read(tmp_path, image_size=(8, 6))
    assert found.shape == (4, 8, 6)
    assert (found[:, :3] == 200).all() and (found[:, 5:] == 0).all()
    assert read(tmp_path, image_size=7).shape == (4, 7, 7)
    with pytest.raises(InputError, match=r"3 of the 4 files .* is L 36 x 24, unlike .*; image_size resizes"):
        load(tmp_path)


def test_all_bad_files_are_named_at_once_up_to_a_few(tmp_path):
    two_classes(tmp_path, n=20)
    for i in range(9):
        (tmp_path / f"ant/bad-{i}.png").write_text("hello")
    with pytest.raises(InputError) as caught:
        load(tmp_path)
    said = str(caught.value)
    assert said.startswith(f"9 of the 49 files in {tmp_path} cannot be used: ant/bad-0.png is not an image")
    assert "bad-4.png" in said and "bad-5.png" not in said and "and 4 more; skip_bad leaves such files out." in said


def test_what_is_bad_is_skipped_and_listed_and_the_rest_is_as_without_it(tmp_path):
    two_classes(tmp_path / "clean", n=6)
    two_classes(tmp_path / "used", n=6)
    whole = (tmp_path / "used/ant/0.png").read_bytes()
    (tmp_path / "used/ant/bad.png").write_bytes(whole[:60])
    (tmp_path / "used/bee/notes.txt").write_text("hello")
    write_image(tmp_path / "used/bee/large.png", size=(40, 50))
    clean, used = load(tmp_path / "clean"), load(tmp_path / "used", skip_bad=True)
    np.testing.assert_array_equal(used.images_train, clean.images_train)
    np.testing.assert_array_equal(used.images_test, clean.images_test)
    assert used.provenance["sha256"] == clean.provenance["sha256"]
    assert used.provenance["note"].endswith("3 of its 15 files were left out.")
    said = used.provenance["skipped"]
    assert [line.split()[0] for line in said] == ["ant/bad.png", "bee/large.png", "bee/notes.txt"]
    assert said[1] == "bee/large.png is L 40 x 50, unlike ant/0.png"


def test_too_many_bad_files_and_lost_classes_are_refused(tmp_path):
    two_classes(tmp_path)
    (tmp_path / "cow").mkdir()
    (tmp_path / "cow/0.png").write_text("hello")
    with pytest.raises(InputError, match=r"No file of class 'cow' in .* can be used: cow/0.png is not an image"):
        load(tmp_path, skip_bad=True)
    for i in range(12):
        (tmp_path / f"ant/{i}.txt").write_text("hello")
    with pytest.raises(InputError, match=r"13 of the 21 files .*they are too many to leave out"):
        load(tmp_path, skip_bad=True)


def test_a_folder_is_read_anew_for_another_form_and_kept_for_the_same(tmp_path):
    for path in (two_classes(tmp_path)).rglob("*.png"):
        os.utime(path, (1, 1))
    first = load(tmp_path, image_size=6)
    assert load(tmp_path, image_size=(6, 6)).images_train is first.images_train
    assert load(tmp_path, image_size=7).images_train.shape[1:3] == (7, 7)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"image_size": 0}, "image_size is 0; it must be"),
        ({"image_size": (3, 4, 5)}, "image_size is"),
        ({"image_size": 2.5}, "image_size is"),
        ({"image_size": True}, "image_size is"),
        ({"image_size": (None, 4)}, "image_size is"),
        ({"channels": 2}, "channels is 2; it must be 1"),
        ({"channels": "grey"}, "channels is 'grey'"),
        ({"channels": [1]}, "channels is"),
        ({"skip_bad": "yes"}, "skip_bad is 'yes'"),
        ({"image_size": 10**6}, "would unpack to"),
    ],
)
def test_forms_that_are_wrong(tmp_path, form, message):
    with pytest.raises(InputError, match=message):
        load(two_classes(tmp_path), **form)


@pytest.mark.parametrize("form", [{"image_size": 6}, {"channels": 1}, {"skip_bad": True}])
def test_arrays_take_no_form(tmp_path, form):
    for given in ("digits", write_npz(tmp_path / "mine.npz")):
        with pytest.raises(InputError, match=r"are for folders of pictures, but .* has its images in arrays"):
            load(given, **form)


@pytest.mark.parametrize(
    "name", [None, 3, b"digits", ["digits"], "a" * 5000, "a\0b", "~nobody-of-this-name/x", "", np.pi]
)
def test_names_that_are_no_path_are_one_sentence(tmp_path, name):
    with pytest.raises(InputError, match=r"^No data set .*: give digits, mnist") as caught:
        load(name)
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


@pytest.mark.parametrize("folder", [3, b"x", "a" * 5000, "a\0b", "~nobody-of-this-name/x"])
def test_data_folders_that_are_no_path_are_one_sentence(folder):
    with pytest.raises(InputError):
        load("mnist", folder)


def test_folder_without_classes(tmp_path):
    write_image(tmp_path / "0.png")
    with pytest.raises(InputError, match="is empty, where ROOT/CLASS"):
        load(tmp_path)


@pytest.mark.parametrize("limit", [15, 5])
def test_decompression_bomb(tmp_path, monkeypatch, limit):
    """Twenty pixels are above Pillow's limit of 15, where it warns, and above twice 5, where it raises."""
    write_image(tmp_path / "ant/0.png")
    write_image(tmp_path / "ant/1.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(InputError, match=f"png has more than the {limit} pixels"):
        load(tmp_path)


# The real files, where they are.


@pytest.mark.parametrize(
    ("name", "file", "titles"),
    [
        ("mnist", "mnist.npz", ["MNIST (original)"]),
        ("cifar10", "cifar*10*", ["CIFAR-10 (original)", "CIFAR-10 (JPEG)"]),
        ("small-norb", "smallnorb-*-dat.mat*", ["small NORB (original)", "small NORB (rendered)"]),
    ],
)
def test_real_files_are_recognised(name, file, titles):
    folder = os.environ.get("INFLUAUG_DATA")
    if not folder or not list(Path(folder).glob(file)):
        pytest.skip(f"INFLUAUG_DATA names no folder with {file}")
    assert load(name).provenance["title"] in titles


def test_real_mnist_is_that_of_the_original_files():
    """Written back into the format of the four original files, it has their published md5."""
    folder = os.environ.get("INFLUAUG_DATA")
    if not folder or not (Path(folder) / "mnist.npz").exists():
        pytest.skip("INFLUAUG_DATA names no folder with mnist.npz")
    mnist = load("mnist")
    digests = []
    for array in (mnist.images_train[..., 0], mnist.labels_train, mnist.images_test[..., 0], mnist.labels_test):
        header = struct.pack(f">{1 + array.ndim}i", 0x800 + array.ndim, *array.shape)
        digests.append(hashlib.md5(header + array.astype(np.uint8).tobytes()).hexdigest())
    assert digests == [
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ]
