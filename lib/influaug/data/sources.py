"""Where the data sets come from, and how their files are read.

``locate`` finds the files of a data set, downloading what is missing from its official source; the reader it names
turns them into raw arrays, which `influaug.data.datasets` checks and recognises.
"""

import gzip
import hashlib
import math
import struct
import tarfile
import time
import urllib.request
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path, PurePath, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from tqdm.auto import tqdm

from ..errors import InputError
from ..files.limits import check_arrays, check_size
from ..files.writing import reason
from .pictures import PictureForm, locate_pictures
from .raw import Raw, Source

SCHEMES = ("https",)
MOST_DOWNLOADED = 2**29
"""Bytes; the largest of the official files, uncompressed, has 448 million."""
KEYS = ("x_train", "y_train", "x_test", "y_test")
LONGEST_NAME = 200
"""Characters of an unknown data set's name in a message."""
CIFAR10_ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR10_RECORD = 1 + 3 * 32 * 32
CIFAR100_ARCHIVE = "cifar-100-binary.tar.gz"
CIFAR100_PARTS = {"train": 50_000, "test": 10_000}
CIFAR100_RECORD = 2 + 3 * 32 * 32
LONGEST_SILENCE = 3600
"""Seconds; a download that hears nothing for half a minute gives up."""
CIFAR10_BYTES = 200_000_000
"""Of the archive uncompressed, at most; the original has 184.4 million."""
TAR_BLOCK = 512
CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
NORB_FILES = (
    "smallnorb-5x46789x9x18x6x2x96x96-training-dat.mat",
    "smallnorb-5x46789x9x18x6x2x96x96-training-cat.mat",
    "smallnorb-5x01235x9x18x6x2x96x96-testing-dat.mat",
    "smallnorb-5x01235x9x18x6x2x96x96-testing-cat.mat",
)
NORB_FORMAT = {"dat": (0x1E3D4C55, "u1"), "cat": (0x1E3D4C54, "<i4")}
NORB_AXES = {"dat": 4, "cat": 1}
NORB_CLASSES = ("animal", "human", "plane", "truck", "car")
# md5 of the uncompressed originals, in the order of NORB_FILES.
NORB_ORIGINAL = [
    "8138a0902307b32dfa0025a36dfa45ec",
    "fd5120d3f770ad57ebe620eb61a0b633",
    "e9920b7f7b2869a8f1a12e945b2c166c",
    "fd5120d3f770ad57ebe620eb61a0b633",
]
TENSORFLOW = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"
TORONTO = "https://www.cs.toronto.edu/~kriz"
NEW_YORK = "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small"
# File name -> official address, and algorithm and value of the checksum.
SOURCES = {
    name: (f"{site}/{name}", algorithm, checksum)
    for site, name, algorithm, checksum in (
        (TENSORFLOW, "mnist.npz", "sha256", "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"),
        (TORONTO, CIFAR10_ARCHIVE, "md5", "c32a1d4ab5d03f1284b67883e8d87530"),
        (TORONTO, CIFAR100_ARCHIVE, "md5", "03b5dce01913d631647c71ecec9e9cb8"),
        (NEW_YORK, f"{NORB_FILES[0]}.gz", "md5", "66054832f9accfe74a0f4c36a75bc0a2"),
        (NEW_YORK, f"{NORB_FILES[1]}.gz", "md5", "23c8b86101fbf0904a000b43d3ed2fd9"),
        (NEW_YORK, f"{NORB_FILES[2]}.gz", "md5", "e4ad715691ed5a3a5f138751a4ceb071"),
        (NEW_YORK, f"{NORB_FILES[3]}.gz", "md5", "5aa791cd7e6016cf957ce9bdb93b8603"),
    )
}
# The files of each named data set, each as the names it goes by, the one to use first; one of them is in SOURCES.
FILES = {
    "digits": (),
    "mnist": (("mnist.npz",),),
    "cifar10": ((CIFAR10_ARCHIVE, "cifar10.npz"),),
    "cifar100": ((CIFAR100_ARCHIVE,),),
    "small-norb": tuple((name, f"{name}.gz") for name in NORB_FILES),
}

ORIGINAL = "The images and labels are exactly those of the official source."
UNVERIFIED = "The content is of no copy known to this library, so results need not compare with published ones."
# Hash of a copy's arrays (`data.content_hash`) -> its title and a sentence on it.
KNOWN = {
    "1ab36173c5442eefac1052e16cd4f6fadab376babf2649f6ff42f84b978b3824": ("MNIST (original)", ORIGINAL),
    "6e2afb5d25b07ff4c09a1f3624932dccf3d93111493c3bb3d03c2dfc6bb4289c": (
        "CIFAR-10 (JPEG)",
        "CIFAR-10 decoded from JPEG of quality 75: the original parts and labels, but lossy pixels and another order.",
    ),
    "9733d3960d0cd60a9ae48cbb65977ec89b596023dfe602ec64b2aec11a078245": (
        "small NORB (rendered)",
        "A computer-rendered stand-in of two categories: results say nothing about results on the real small NORB.",
    ),
}
DIGITS = (
    "The test set of the UCI optical digits, 8 x 8 pixels resized to 28 x 28; the first 1000 in file order are for "
    "training, and as the file is grouped by writer all but the first 29 test images are by writers unseen in training."
)


def locate(dataset: str, folder: Path, form: PictureForm | None = None) -> Source:
    """Find the files of a data set, named or given by its path (see `influaug.data.datasets.load`).

    What a named one lacks in `folder` is downloaded there and verified. Raises InputError where the name is unknown,
    the download fails or a folder has no images, and for a `form` of what is no folder of pictures.
    """
    form = form or PictureForm()
    try:
        if dataset == "":  # the path of the present folder
            raise ValueError("it is empty")
        path = Path(dataset).expanduser()
        is_folder, is_arrays = path.is_dir(), path.is_file() and path.suffix.lower() == ".npz"
    except (OSError, RuntimeError, TypeError, ValueError) as error:  # no path, one without a home, or a too long one
        raise InputError(f"{_unknown(dataset)} ({reason(error)}).") from None
    if str(dataset) not in READERS and is_folder:
        return locate_pictures(path, form)
    if str(dataset) not in READERS and not is_arrays:
        raise InputError(f"{_unknown(dataset)}.")
    if form != PictureForm():
        raise InputError(
            f"image_size, channels and skip_bad are for folders of pictures, but {_shown(dataset)} has its images in "
            "arrays, which are taken as they are."
        )
    if is_arrays and str(dataset) not in READERS:
        return Source(path.name, _read_npz, (path,))
    return Source(str(dataset), READERS[str(dataset)], tuple(_find(names, folder) for names in FILES[str(dataset)]))


def _unknown(dataset):
    known = ", ".join(READERS)
    return f"No data set {_shown(dataset)}: give {known}, or the path of an .npz file or a folder of images"


def _shown(dataset):
    """What was given for a data set, its end left out where it is long."""
    text = repr(str(dataset) if isinstance(dataset, PurePath) else dataset)
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"


@contextmanager
def _reading(path, what):
    """Turn whatever a damaged or foreign file makes its reader raise into one sentence."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise OSError
        yield
    except InputError:
        raise
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise InputError(f"{path} is not {what}, or is damaged ({type(error).__name__}).") from None


def _arrays(path):
    """The four arrays of an .npz file."""
    with _reading(path, "an .npz file of plain arrays (pickled objects are refused)"), path.open("rb") as file:
        check_arrays(path)
        archive = np.load(file, allow_pickle=False)
        missing = [key for key in KEYS if key not in archive]
        if missing:
            raise InputError(f"{path} lacks {', '.join(missing)}: it must hold {', '.join(KEYS)}.")
        return tuple(archive[key] for key in KEYS)


def _read_npz(name, paths):
    return Raw(_arrays(paths[0]), name, name, "The user's own arrays.")


def _read_digits(_, __):
    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    images = np.stack([np.asarray(Image.fromarray(g).resize((28, 28), Image.Resampling.BICUBIC)) for g in grey])
    arrays = (images[:1000], digits.target[:1000], images[1000:], digits.target[1000:])
    return Raw(arrays, "sklearn.datasets.load_digits", "digits (scikit-learn)", DIGITS)


def _read_mnist(_, paths):
    return Raw(_arrays(paths[0]), paths[0].name, "MNIST (unverified copy)", UNVERIFIED)


def _read_cifar10(_, paths):
    path, title, note = paths[0], "CIFAR-10 (unverified copy)", UNVERIFIED
    if path.suffix == ".npz":
        return Raw(_arrays(path), path.name, title, note, CIFAR10_CLASSES)
    *train, test = _records(path)
    arrays = []
    for records in (np.concatenate(train), test):
        arrays += [records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 0]]
    with path.open("rb") as file:
        if hashlib.file_digest(file, "md5").hexdigest() == SOURCES[CIFAR10_ARCHIVE][2]:
            title, note = "CIFAR-10 (original)", ORIGINAL
    return Raw(tuple(arrays), path.name, title, note, CIFAR10_CLASSES)


def _records(path):
    """Records of the five training files and the test file: uint8 [n, 3073], a label, then red, green and blue."""
    wanted = [f"cifar-10-batches-bin/{part}.bin" for part in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")]
    records = {}
    with _reading(path, "the CIFAR-10 binary archive"), gzip.open(path) as archive:
        for member, content in _members(path, archive):
            if member.name in wanted:
                plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
                if not plain or member.size % CIFAR10_RECORD or member.size > 10_000 * CIFAR10_RECORD:
                    raise InputError(f"{path}: {member.name} must be a file of up to 10000 records of 3073 bytes.")
                records[member.name] = np.frombuffer(content, np.uint8).reshape(-1, CIFAR10_RECORD)
    missing = [name for name in wanted if name not in records]
    if missing:
        raise InputError(f"{path} lacks {', '.join(missing)}.")
    return [records[name] for name in wanted]


def _read_cifar100(_, paths):
    path, title, note = paths[0], "CIFAR-100 (unverified copy)", UNVERIFIED
    (train, test), names = _fine_records(path)
    arrays = []
    for records in (train, test):
        arrays += [records[:, 2:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), records[:, 1]]
    with path.open("rb") as file:
        if hashlib.file_digest(file, "md5").hexdigest() == SOURCES[CIFAR100_ARCHIVE][2]:
            title, note = "CIFAR-100 (original)", ORIGINAL
    return Raw(tuple(arrays), path.name, title, f"{note} Labels are the 100 fine ones.", names)


def _fine_records(path):
    """Records of both parts, uint8 [n, 3074]: coarse and fine label, red, green, blue; and names of the fine labels."""
    folder, found = "cifar-100-binary", {}
    with _reading(path, "the CIFAR-100 binary archive"), gzip.open(path) as archive:
        for member, content in _members(path, archive):
            part = PurePosixPath(member.name)
            if str(part.parent) == folder and part.name in ("train.bin", "test.bin", "fine_label_names.txt"):
                if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
                    raise InputError(f"{path}: {member.name} must be a plain file.")
                found[part.stem] = content
        missing = [name for name in (*CIFAR100_PARTS, "fine_label_names") if name not in found]
        if missing:
            raise InputError(f"{path} lacks {', '.join(missing)} in {folder}.")
        names = tuple(found["fine_label_names"].decode("ascii").split())
    for part, most in CIFAR100_PARTS.items():
        if len(found[part]) % CIFAR100_RECORD or len(found[part]) > most * CIFAR100_RECORD:
            raise InputError(f"{path}: {part}.bin must be a file of up to {most} records of {CIFAR100_RECORD} bytes.")
    if len(set(names)) != 100 or len(names) != 100:
        raise InputError(f"{path}: fine_label_names.txt must have 100 different names, not {len(set(names))}.")
    return [np.frombuffer(found[part], np.uint8).reshape(-1, CIFAR100_RECORD) for part in CIFAR100_PARTS], names


def _members(path, archive):
    """Header and content of each member of a tar archive, one after the other: nothing is sought, linked or written."""
    taken = 0
    while any(header := archive.read(TAR_BLOCK)):
        member = tarfile.TarInfo.frombuf(header, "ascii", "surrogateescape")
        blocks = -(-member.size // TAR_BLOCK)
        taken += TAR_BLOCK * (1 + blocks)
        if member.size < 0 or taken > CIFAR10_BYTES:
            raise InputError(f"{path} must unpack to at most {CIFAR10_BYTES} bytes.")
        content = archive.read(TAR_BLOCK * blocks)[: member.size]
        if len(content) < member.size:
            raise EOFError
        yield member, content


def _read_small_norb(_, paths):
    arrays, digests = zip(*map(_read_norb_file, paths, ("dat", "cat") * 2), strict=True)
    classes = NORB_CLASSES + tuple(map(str, range(len(NORB_CLASSES), len(np.unique(arrays[1])))))
    verified = list(digests) == NORB_ORIGINAL
    title, note = ("small NORB (original)", ORIGINAL) if verified else ("small NORB (unverified copy)", UNVERIFIED)
    return Raw(arrays, ", ".join(path.name for path in paths), title, note, classes)


def _read_norb_file(path, kind):
    """Images of the first camera (dat) or categories (cat) of a small NORB file, and md5 of the uncompressed file."""
    magic, dtype = NORB_FORMAT[kind]
    with _reading(path, f"a small NORB {kind} file"), (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
        ndim = NORB_AXES[kind]
        start = 8 + 4 * max(ndim, 3)
        head = file.read(start)
        shape = struct.unpack_from(f"<{ndim}i", head, 8)
        if struct.unpack_from("<2i", head) != (magic, ndim) or min(shape) < 1 or (kind == "dat" and shape[1] != 2):
            raise ValueError
        size = math.prod(shape) * np.dtype(dtype).itemsize
        check_size(path, size)
        content = file.read(size + 1)
        values = np.frombuffer(content, dtype).reshape(shape)
    digest = hashlib.md5(head)
    digest.update(content)
    return values[:, 0].copy() if kind == "dat" else values, digest.hexdigest()


READERS = {
    "digits": _read_digits,
    "mnist": _read_mnist,
    "cifar10": _read_cifar10,
    "cifar100": _read_cifar100,
    "small-norb": _read_small_norb,
}


def _find(names, folder):
    """Path of the first of the files that is in the folder; of the official one, downloaded, where none is."""
    try:
        present = [folder / name for name in names if (folder / name).exists()]
    except (OSError, ValueError) as error:
        raise InputError(f"The data folder {_shown(folder)} cannot be read ({reason(error)}).") from None
    return present[0] if present else _fetch(next(name for name in names if name in SOURCES), folder)


def _fetch(name, folder):
    """Path of a file in the data folder, downloaded from its official source."""
    path, (url, algorithm, checksum) = folder / name, SOURCES[name]
    part = folder / f"{name}.{uuid4().hex}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder, name)
        found = _download(url, algorithm, part)
        if found != checksum:
            raise InputError(
                f"{name} was not put into {folder}: what {url} sent has {algorithm} {found}, not {checksum}."
            )
        part.replace(path)
    except InputError:
        raise
    except (OSError, HTTPException, ValueError) as error:
        raise InputError(f"{name} is not in {folder} and cannot be had from {url} ({error}): put it there.") from None
    finally:
        if part.exists():
            part.unlink()
    return path


def _clear(folder, name):
    """Remove what killed downloads have left: no other is silent for that long."""
    for left in folder.glob(f"{name}.*.part"):
        if time.time() - left.stat().st_mtime > LONGEST_SILENCE:
            left.unlink(missing_ok=True)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Goes where the source leads on to, but by `SCHEMES` alone."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url):
    if urlsplit(url).scheme not in SCHEMES:
        raise OSError(f"only {' and '.join(SCHEMES)} is taken, not {url}")


def _download(url, algorithm, path):
    """Write what the address sends to a file; its checksum."""
    _check_scheme(url)
    digest, taken = hashlib.new(algorithm), 0
    opener = urllib.request.build_opener(_Redirects)
    with opener.open(url, timeout=30) as answer, path.open("xb") as file:
        stated = answer.headers.get("Content-Length", "")
        total = int(stated) if stated.isdecimal() and len(stated) < 20 else None
        with tqdm(total=total, desc=url.rpartition("/")[2], unit="B", unit_scale=True) as bar:
            while chunk := answer.read(1 << 20):
                taken += len(chunk)
                if taken > MOST_DOWNLOADED:
                    raise OSError(f"it sends more than {MOST_DOWNLOADED} bytes")
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
    return digest.hexdigest()
