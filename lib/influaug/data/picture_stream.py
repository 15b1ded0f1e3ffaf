"""Folders of pictures larger than memory: they stay on disk, and are read, resized and converted batch by batch."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..errors import InputError
from .pictures import PictureForm, check_picture, locate_pictures, read_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, NoReturn

    from numpy.typing import ArrayLike

    from .._types import PathLike

READERS = 4
"""Threads that decode the pictures of a batch."""
AHEAD = 2
"""Batches that are read while the one before them is used; with it they are all that is in memory."""


class PictureStream:
    """Pictures on disk in the place of an array uint8 [n, height, width, channels].

    ``stream[places]`` reads some of them: a slice, whole numbers or a mask; ``len`` and ``shape`` are an array's. It is
    never made an array as a whole, which NumPy's functions would do without a word: that is refused.

    Parameters
    ----------
    paths : sequence of Path
    labels : array of int [n]
    class_names : tuple of str
    form : pictures.PictureForm
        With `size` and `channels`.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, paths: Sequence[Path], labels: ArrayLike, class_names: Sequence[str], form: PictureForm) -> None:
        if form.size is None or form.channels is None:
            raise InputError("A stream of pictures needs an image_size and channels (1 or 3), which it makes them all.")
        self.paths, self.labels, self.form = tuple(paths), np.asarray(labels, np.int64), form
        self.class_names = tuple(class_names)
        self.shape = (len(self.paths), *form.size, form.channels)

    def __len__(self) -> int:
        """Pictures."""
        return len(self.paths)

    def __getitem__(self, places: Any) -> np.ndarray:
        """Some pictures: array of uint8 [m, height, width, channels], or one of three axes for one number."""
        chosen = np.arange(len(self))[places]
        if chosen.ndim == 0:
            return read_picture(self.paths[chosen], self.form)
        with ThreadPoolExecutor(READERS) as pool:
            found = list(pool.map(partial(read_picture, form=self.form), (self.paths[k] for k in chosen)))
        return np.stack(found) if found else np.empty((0, *self.shape[1:]), np.uint8)

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        """Refused."""
        raise InputError(
            f"The {len(self)} pictures of this stream stay on disk and are no array as a whole: read some of them, as "
            "stream[places] or by stream.batches."
        )

    def batches(self, places: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pictures and labels of each array of places in turn, read by a thread up to `AHEAD` batches early.

        Parameters
        ----------
        places : iterable of int array [m]

        Yields
        ------
        tuple of array of uint8 [m, height, width, channels], array of int [m]
        """
        with ThreadPoolExecutor(1) as pool:
            waiting: deque = deque()
            try:
                for each in places:
                    waiting.append((pool.submit(self.__getitem__, each), self.labels[each]))
                    if len(waiting) > AHEAD:
                        pictures, labels = waiting.popleft()
                        yield pictures.result(), labels
                while waiting:
                    pictures, labels = waiting.popleft()
                    yield pictures.result(), labels
            finally:
                pool.shutdown(cancel_futures=True)


def open_pictures(
    folder: PathLike, image_size: int | Sequence[int] = 224, channels: int = 3
) -> tuple[PictureStream, PictureStream]:
    """The training and the test pictures of a folder, root/train/CLASS/* and root/test/CLASS/*, as streams.

    The header of every file is looked at first, so that a stray file is named before anything is trained; a picture
    whose header is whole but whose content is damaged is named when it is read.

    Parameters
    ----------
    folder : path
        Pictures of any size, grey or colour, of 8 bits; links, hidden files and strays as in `datasets.load`.
    image_size : int or (height, width)
        Pixels that they are stretched to (bilinear, averaging where they shrink).
    channels : {1, 3}
        Grey or colour, which they are converted to.

    Returns
    -------
    tuple of PictureStream
        Training and test part; label k is the k-th class by name.

    Raises
    ------
    InputError
        No such folder, one without both parts or with other classes in the test part, or a file that is no picture.
    """
    root, form = Path(folder), PictureForm.of(image_size, channels)
    if not root.is_dir():
        raise InputError(f"{root} is no folder; give one with train/CLASS/* and test/CLASS/*.")
    parts: dict[str, list[Path]] = {"train": [], "test": []}
    for path in locate_pictures(root, form).paths:
        parts.get(path.relative_to(root).parts[0].lower(), []).append(path)
    if not all(parts.values()):
        raise InputError(f"{root} must have its pictures in train/CLASS/* and test/CLASS/*, to be read as a stream.")
    names = {part: [path.relative_to(root).parts[1] for path in paths] for part, paths in parts.items()}
    classes = sorted(set(names["train"]))
    if len(classes) < 2 or sorted(set(names["test"])) != classes:
        raise InputError(f"{root} must have the same classes, two or more, in train/ and test/.")
    for path in tqdm([*parts["train"], *parts["test"]], desc="looking at pictures", delay=1, leave=False):
        check_picture(path, form)
    train, test = (
        PictureStream(paths, np.searchsorted(classes, names[part]), classes, form) for part, paths in parts.items()
    )
    return train, test
