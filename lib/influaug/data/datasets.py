"""Image data sets, named or the user's own, as arrays whose origin is known.

``load`` reads a data set from the data folder, downloading it from its official source where it is missing, and
recognises it by the content of its arrays, so that results say 'MNIST (original)' or 'MNIST (unverified copy)'.
``split`` selects classes and a seeded training sample from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from ..errors import InputError
from .pictures import PictureForm
from .pixels import grey_values, scale_of
from .raw import draw
from .sources import KNOWN, locate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._types import PathLike


Classes = list[int | str | list[int | str]]
"""Which classes become label 0, 1, ...; a list in it merges classes."""
# A file changed this short a time ago might change again without another time of change: file systems count in steps.
RECENT_NS = 2_000_000_000


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with labels, in a training and a test part; `load` returns the arrays read-only.

    Attributes
    ----------
    name : str
        The name it was asked for by, or the file or folder name of the user's own.
    images_train, images_test : ndarray of uint8, shape (n, height, width, channels)
        Grey values or colours, 0 to 255; 1 or 3 channels.
    labels_train, labels_test : ndarray of int64, shape (n,)
        Index into `class_names`; every class has images in both parts.
    class_names : tuple of str
        In the order of the labels.
    provenance : dict
        Ready for JSON: `title` ('MNIST (original)'), `note` (one sentence), `sha256` (over `content_hash` of the
        arrays and the class names) and `source` (names of the files read, without their folders); where files were
        left out, `skipped` (a line for each, up to a thousand).
    """

    name: str
    images_train: NDArray[np.uint8]
    labels_train: NDArray[np.int64]
    images_test: NDArray[np.uint8]
    labels_test: NDArray[np.int64]
    class_names: tuple[str, ...]
    provenance: dict


@dataclass(frozen=True, eq=False)
class Split:
    """A training sample and the test images of the classes of one classification problem.

    Attributes
    ----------
    images, images_test : ndarray of uint8, shape (n, height, width, channels)
        In the order of the data set.
    labels, labels_test : ndarray of int64, shape (n,)
        Label k is the k-th of the classes or groups asked for.
    class_names : tuple of str
        Name of each label, such as '3', or '0+2+4' for a group.
    provenance : dict
        That of the data set.
    indices : ndarray of int64, shape (n,)
        Position of each of `images` in the training part of the data set, ascending.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    images_test: NDArray[np.uint8]
    labels_test: NDArray[np.int64]
    class_names: tuple[str, ...]
    provenance: dict
    indices: NDArray[np.int64]


def data_folder(folder: PathLike | None = None) -> Path:
    """Folder of the data files: `folder`, else the environment variable INFLUAUG_DATA, else the user's cache."""
    chosen = folder or os.environ.get("INFLUAUG_DATA")
    try:
        return Path(chosen).expanduser() if chosen else user_cache_path("influaug", appauthor=False)
    except (TypeError, RuntimeError) as error:
        raise InputError(f"The data folder must be a path, not {chosen!r} ({error}).") from None


def load(
    dataset: str | PathLike,
    folder: PathLike | None = None,
    image_size: int | Sequence[int] | None = None,
    channels: int | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Read a data set; a named one that is missing in the data folder is downloaded there and verified.

    The last two data sets read are kept, and served again as long as none of their files has changed.

    Parameters
    ----------
    dataset : str
        'digits', 'mnist', 'cifar10', 'cifar100' (its 100 fine labels), 'small-norb'; or the path of an .npz file with
        x_train, y_train, x_test, y_test (grey or colour images, 0 to 255 or float 0 to 1; labels integers or strings);
        or that of a folder of images, root/train/CLASS/* and root/test/CLASS/*, or root/CLASS/* (a quarter of each
        class is then held out, seed 0).
        Folders in a class's folder are read too; pictures are turned as their EXIF orientation says; hidden files and
        what systems leave behind (Thumbs.db) are passed over.
    folder : path-like, optional
        See `data_folder`; used for the named data sets only.
    image_size : int or (height, width), optional
        Pixels to which the pictures of a folder are stretched; None: all must be of one size.
    channels : {1, 3}, optional
        Grey or colour, to which the pictures of a folder are converted, 16 bits from 0 to 65535, transparent parts on
        white; None: all must be 8-bit grey, or all RGB.
    skip_bad : bool
        Leave out files of a folder that are damaged, no pictures or unlike most others, up to half of them, and say so
        in the provenance; False: refuse the folder.

    Returns
    -------
    Dataset
        Its arrays are read-only.

    Raises
    ------
    InputError
        Unknown name, failed download, or a file that is not what it should be.
    """
    source = locate(dataset, data_folder(folder), PictureForm.of(image_size, channels, skip_bad))  # type: ignore[arg-type]
    stamps = _stamps(source.paths)
    found = _kept(source, stamps) if stamps is not None else _read(source)
    return replace(found, provenance=dict(found.provenance))


def split(
    dataset: Dataset,
    classes: Classes | None = None,
    n_train: int | None = None,
    sample: str = "stratified",
    seed: int = 0,
) -> Split:
    """Select classes, merge and order them, and draw a training sample.

    Parameters
    ----------
    dataset : Dataset
    classes : list, optional
        Its k-th item becomes label k: a class, or a list of classes to merge. A class is given by its name or its
        number (the number that is its name where all names are whole numbers, otherwise its position). None: all.
    n_train : int, optional
        Size of the training sample; None for all.
    sample : {'stratified', 'first'}
        'stratified' draws at random, each label in proportion to within one point (largest remainders); 'first' takes
        the first `n_train` points in file order.
    seed : int
        Of the stratified sample.

    Returns
    -------
    Split
        With all test images of those classes.

    Raises
    ------
    InputError
        Unknown or repeated class, fewer than two labels, a sample larger than there are points or in which a label
        is missing.
    """
    groups = _groups(classes, dataset.class_names)
    names = tuple("+".join(dataset.class_names[c] for c in group) for group in groups)
    relabel = np.full(len(dataset.class_names), -1)
    for label, group in enumerate(groups):
        relabel[group] = label
    labels, labels_test = relabel[dataset.labels_train], relabel[dataset.labels_test]
    pool, test = np.flatnonzero(labels >= 0), np.flatnonzero(labels_test >= 0)
    indices = pool[_sample(labels[pool], n_train, sample, seed)]
    missing = [name for label, name in enumerate(names) if label not in labels[indices]]
    if missing:
        raise InputError(f"No point of {missing[0]!r} among the {len(indices)} for training: a larger n_train has one.")
    return Split(
        images=dataset.images_train[indices],
        labels=labels[indices],
        images_test=dataset.images_test[test],
        labels_test=labels_test[test],
        class_names=names,
        provenance=dict(dataset.provenance),
        indices=indices,
    )


def content_hash(*arrays: np.ndarray) -> str:
    """Sha256, as hexadecimal digits, over type, shape and bytes (C order) of each array in turn."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array))  # type: ignore[arg-type]
    return digest.hexdigest()


def _stamps(paths):
    """What changes when one of the files does; None where that is not certain to show, or a file is not readable."""
    recent, stamps = time.time_ns() - RECENT_NS, []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            return None
        if stat.st_mtime_ns > recent:
            return None
        stamps.append((path.resolve(), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return tuple(stamps)


def _read(source):
    return _dataset(source.name, source.reader(source.name, source.paths))


@lru_cache(maxsize=2)
def _kept(source, stamps):
    """What `_read` gives, kept for as long as the stamps of the files are the same."""
    return _read(source)


def _groups(classes, names):
    """Turn the user's selection into lists of positions in `names`, one a label."""
    if classes is None:
        classes = names
    if not isinstance(classes, list | tuple):
        raise InputError(f"classes must be a list such as [8, 3] or [[0, 2], [1, 3]], not {classes!r}.")
    groups = [[_find(c, names) for c in (item if isinstance(item, list | tuple) else [item])] for item in classes]
    if len(groups) < 2 or not all(groups):
        raise InputError(f"classes must name at least two classes or groups of classes, none empty, not {classes!r}.")
    chosen = [c for group in groups for c in group]
    repeated = [names[c] for c in chosen if chosen.count(c) > 1]
    if repeated:
        raise InputError(f"classes must name each class once, but {classes!r} names {repeated[0]!r} again.")
    return groups


def _find(item: int | str, names: Sequence[str]) -> int:
    """Position of a class given by name or number."""
    name = item
    if isinstance(item, Integral) and not isinstance(item, bool):
        numbered = all(name.removeprefix("-").isdecimal() for name in names)
        name = str(item) if numbered else dict(enumerate(names)).get(item)
    if name not in names:
        raise InputError(f"There is no class {item!r}: there are {', '.join(names)}.")
    return names.index(name)


def _sample(labels: np.ndarray, n: int | None, method: str, seed: int) -> np.ndarray:
    """Ascending positions of a sample of n of `labels` (0, 1, ...); see `split`."""
    if method not in ("stratified", "first"):
        raise InputError(f"sample must be 'stratified' or 'first', not {method!r}.")
    n = len(labels) if n is None else n
    if isinstance(n, bool) or not isinstance(n, Integral) or not 2 <= n <= len(labels):
        raise InputError(f"n_train must be from 2 to the {len(labels)} training points of the classes, not {n!r}.")
    if method == "first":
        return np.arange(n)
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise InputError(f"seed must be a whole number, 0 or more, not {seed!r}.")
    return draw(labels, _quotas(np.bincount(labels), n), seed)


def _quotas(counts, n):
    """Split n in proportion to `counts`: rounded down, and what is left over to the largest remainders."""
    quotas, remainders = np.divmod(counts * n, counts.sum())
    quotas[np.argsort(-remainders, kind="stable")[: n - quotas.sum()]] += 1
    return quotas


def _dataset(name, raw):
    """Check what was read, bring it to its standard form and recognise it."""
    x_train, y_train, x_test, y_test = raw.arrays
    for part, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if x.ndim == 0 or y.ndim == 0 or not 0 < len(x) == len(y):
            raise InputError(f"{raw.source}: x_{part} {x.shape} and y_{part} {y.shape} must be of one length above 0.")
    images_train, images_test = _images(x_train, x_test, raw.source)
    labels_train, labels_test, class_names = _labels(y_train, y_test, raw)
    arrays = (images_train, labels_train, images_test, labels_test)
    for array in arrays:
        array.setflags(write=False)
    content = content_hash(*arrays)
    title, note = KNOWN.get(content, (raw.title, raw.note))
    sha256 = hashlib.sha256(json.dumps([content, class_names]).encode()).hexdigest()
    provenance: dict[str, Any] = {"title": title, "note": note, "sha256": sha256, "source": raw.source}
    if raw.skipped:
        provenance["skipped"] = list(raw.skipped)
    return Dataset(name, *arrays, class_names, provenance)


def _images(train, test, source):
    """Both parts as uint8 [n, height, width, channels], with one scale for both."""
    train, test = (x[..., np.newaxis] if x.ndim == 3 else x for x in (train, test))
    size = train.shape[1:]
    if len(size) != 3 or size != test.shape[1:] or size[2] not in (1, 3) or 0 in size:
        found = f"{train.shape} and {test.shape}"
        raise InputError(f"{source}: images must be [n, height, width(, 1 or 3)], of one size, not {found}.")
    if train.dtype != test.dtype or train.dtype.kind not in "uif":
        raise InputError(f"{source}: images must be numbers of one type, not {train.dtype} and {test.dtype}.")
    try:
        scale = scale_of(train, test)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return tuple(np.ascontiguousarray(grey_values(x, scale)) for x in (train, test))


def _labels(train, test, raw):
    """Both parts as indices into the class names, which come third: the reader's, or else the labels found."""
    train, test = (y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y for y in (train, test))
    if train.ndim != 1 or test.ndim != 1 or train.dtype.kind + test.dtype.kind not in ("ii", "iu", "ui", "uu", "UU"):
        found = f"{train.dtype}, {test.dtype}"
        raise InputError(f"{raw.source}: labels must be [n], all integers or all strings, not {found}.")
    if train.dtype.kind != "U":
        train, test = train.astype(np.int64), test.astype(np.int64)
    found, codes = np.unique(np.concatenate([train, test]), return_inverse=True)
    names = tuple(map(str, found.tolist()))
    if raw.names:
        if found[0] < 0 or found[-1] >= len(raw.names):
            raise InputError(f"{raw.source}: labels must be 0 to {len(raw.names) - 1}, not {found[0]} to {found[-1]}.")
        names, codes = raw.names[: found[-1] + 1], found[codes]
    train, test = np.split(codes.astype(np.int64, copy=False), [len(train)])
    for part, labels in (("training", train), ("test", test)):
        empty = [name for k, name in enumerate(names) if k not in labels]
        if empty:
            raise InputError(f"{raw.source}: class {empty[0]!r} has no {part} image, where every class needs one.")
    return train, test, names
