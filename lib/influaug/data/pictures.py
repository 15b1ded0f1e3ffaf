"""Folders of pictures as people have them: of mixed sizes and modes, turned by EXIF, with strays and damaged files.

Every file is looked at before anything is refused, so that one message names all that cannot be used. A `PictureForm`
says what may be done about it: resize, convert, leave out.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from ..errors import InputError
from ..files.limits import MOST, check_size
from .raw import Raw, Source, draw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Of images; Pillow would hand others to other programs, such as EPS to Ghostscript."""
ANIMATED = ("PNG", "GIF", "WEBP")
PLAIN = ("L", "RGB")
"""Modes that need no conversion."""
CHANNELS = {1: "L", 3: "RGB"}
STRAYS = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin")
"""What systems leave in folders, beside hidden files, in lower case: passed over without a word."""
PARTS = ("train", "training", "test", "testing", "val", "valid", "validation", "dev")
"""Names of parts of data sets: folders of these names that hold folders are no classes."""
SHOWN, LONGEST, KEPT = 5, 60, 1000
"""Files that a message names, characters of each name, and lines of files left out that a data set keeps."""
DIMMEST = 2**14
"""The least maximum of all pictures of 16 bits, of 65535; lower ones were written for fewer bits, on another scale."""


@dataclass(frozen=True)
class PictureForm:
    """What pictures are made into.

    Attributes
    ----------
    size : tuple of int (height, width) or None
        Pictures are stretched to it (bilinear, averaging where they shrink); None: all must be of one size.
    channels : {1, 3} or None
        Grey or colour; None: all must be 8-bit grey, or all RGB.
    skip_bad : bool
        Leave out what cannot be used, in place of refusing the folder.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    skip_bad: bool = False

    @classmethod
    def of(cls, image_size: Any = None, channels: Any = None, skip_bad: Any = False) -> Self:
        """The form that parameters ask for; `image_size` is one number for both sides, or height and width.

        Raises
        ------
        InputError
            One of them is out of range.
        """
        sides = tuple(image_size) if isinstance(image_size, list | tuple) else (image_size, image_size)
        if image_size is not None and not (len(sides) == 2 and all(_is_whole(side) and side > 0 for side in sides)):
            raise InputError(
                f"image_size is {image_size!r}; it must be a whole number of pixels above 0, or height and width."
            )
        if channels is not None and not (_is_whole(channels) and channels in CHANNELS):
            raise InputError(f"channels is {channels!r}; it must be 1 (grey), 3 (colour) or None.")
        if not isinstance(skip_bad, bool):
            raise InputError(f"skip_bad is {skip_bad!r}; it must be True or False.")
        return cls(None if image_size is None else (int(sides[0]), int(sides[1])), channels, skip_bad)

    @property
    def in_words(self) -> str:
        """What is done to every picture, to follow 'images'; empty if nothing is."""
        words = [] if self.size is None else [f"resized to {self.size[0]} x {self.size[1]} pixels (height x width)"]
        words += [] if self.channels is None else [f"converted to {'grey' if self.channels == 1 else 'colour'}"]
        return ", ".join(["", *words])


def locate_pictures(root: Path, form: PictureForm) -> Source:
    """The pictures of a folder, root/train/CLASS/** and root/test/CLASS/**, or else root/CLASS/**.

    Hidden files and `STRAYS` are passed over; 'train' and 'test' may be written in capitals.

    Raises
    ------
    InputError
        The folder, or a class's, is empty, cannot be read or has links that lead out of it; or it has other parts.
    """
    folders = [folder for folder in _entries(root) if folder.is_dir()]
    parts = {folder.name.lower(): folder for folder in folders if folder.name.lower() in ("train", "test")}
    if len(parts) == 2:
        paths = (*_pictures(parts["train"]), *_pictures(parts["test"]))
        unread = tuple(folder.name for folder in folders if folder not in parts.values())
        return Source(root.resolve().name, _Reader(root, form, (parts["train"], parts["test"]), unread), paths)
    other = [f for f in folders if f.name.lower() in PARTS and any(each.is_dir() for each in _entries(f))]
    if other:
        names = ", ".join(folder.name for folder in other)
        raise InputError(f"{root} has {names}/ with folders in it, where train/CLASS/* and test/CLASS/* must be.")
    return Source(root.resolve().name, _Reader(root, form), _pictures(root))


def _entries(folder):
    """What is in a folder, by name, without hidden files and `STRAYS`."""
    try:
        return sorted(path for path in folder.iterdir() if _is_kept(path.name))
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}).") from None


def _is_kept(name):
    return not name.startswith(".") and name.lower() not in STRAYS


def _pictures(root):
    """All files in the class folders of `root` and in the folders in these, by class and path."""
    classes = [folder for folder in _entries(root) if folder.is_dir()]
    files = [sorted(_below(folder)) for folder in classes]
    if not all(files) or not files:
        empty = next((folder for folder, found in zip(classes, files, strict=True) if not found), root)
        raise InputError(f"{empty} is empty, where ROOT/CLASS/*, or ROOT/train/CLASS/* and ROOT/test/CLASS/* must be.")
    paths = tuple(path for found in files for path in found)
    for path in (*classes, *paths):
        if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
            raise InputError(f"{path} is a link that leads out of {root}: put what it leads to there.")
    return paths


def _below(folder):
    """Files at any depth; of links to folders, which might lead round in a circle, the links themselves."""
    for path in _entries(folder):
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)
        else:
            yield path


@dataclass(frozen=True)
class _Reader:
    """Reads pictures of `root`, or of its `parts` for training and testing."""

    root: Path
    form: PictureForm
    parts: tuple[Path, ...] = ()
    unread: tuple[str, ...] = ()

    def __call__(self, name: str, paths: tuple[Path, ...]) -> Raw:
        images, kept, left_out, more = _stacked(self.root, paths, self.form)
        labels = np.array([self._class(paths[k]) for k in kept])
        self._check_classes(paths, labels, left_out)
        if self.parts:
            test = np.flatnonzero([paths[k].is_relative_to(self.parts[1]) for k in kept])
            held_out = ""
        else:
            codes = np.unique(labels, return_inverse=True)[1]
            test = draw(codes, np.maximum(np.bincount(codes) // 4, 1), seed=0)
            held_out = ", a quarter of each class held out at random (seed 0)"
        train = np.setdiff1d(np.arange(len(kept)), test)
        note = f"The user's own images{self.form.in_words}{held_out}.{more}"
        note += f" Beside train and test, {', '.join(self.unread)} is not read." if self.unread else ""
        lines = list(left_out.values())
        skipped = (*lines[:KEPT], *_and_more(lines, KEPT))
        return Raw((images[train], labels[train], images[test], labels[test]), name, name, note, skipped=skipped)

    def _check_classes(self, paths: Sequence[Path], labels: np.ndarray, left_out: dict[int, str]) -> None:
        """Refuse a class of which nothing is left: it would vanish without a word."""
        for k, line in left_out.items():
            if self._class(paths[k]) not in labels:
                raise InputError(f"No file of class {self._class(paths[k])!r} in {self.root} can be used: {line}.")

    def _class(self, path: Path) -> str:
        root = next((part for part in self.parts if path.is_relative_to(part)), self.root)
        return path.relative_to(root).parts[0]


class _UnfitError(Exception):
    """Why a picture cannot be used, to follow its name, and what would help."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


def _stacked(root, paths, form):
    """Pictures, uint8 [n, height, width, channels]; their places in `paths`; lines on the others by place; a note."""
    bad: dict[int, _UnfitError] = {}
    made = _Maker(form)
    kinds = _each(paths, range(len(paths)), made.kind, bad, None)
    # A picture on its side has the same two sides; which is which shows when it is read.
    _leave_others({k: (mode, tuple(sorted(size))) for k, (mode, size) in kinds.items()}, kinds, root, paths, bad)
    fit = [k for k in kinds if k not in bad]
    _check_bytes(root, paths, [kinds[k] for k in fit], form)
    images = _each(paths, fit, made.image, bad, "reading images")
    shapes = {k: (kinds[k][0] if not form.channels else "", image.shape[1::-1]) for k, image in images.items()}
    _leave_others(shapes, shapes, root, paths, bad)
    _check_bad(root, paths, bad, form)
    kept = [k for k in images if k not in bad]
    made.check_depth(root)
    lines = {k: f"{_shown(root, paths[k])} {bad[k]}" for k in sorted(bad)}
    more = f" {len(bad)} of its {len(paths)} files were left out." if bad else ""
    return np.stack([images[k] for k in kept]), kept, lines, more + made.note


def _each(paths, places, read, bad, described):
    """What `read` makes of each picture, by place; those of which it makes nothing go to `bad`."""
    found = {}
    for k in tqdm(places, desc=described, delay=1, leave=False, disable=described is None):
        try:
            found[k] = _read(paths[k], read)
        except _UnfitError as unfit:
            bad[k] = unfit
    return found


def _read(path, read):
    try:
        if not path.is_file():  # a pipe would be waited for
            raise _UnfitError("is not an image, nor any file")
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                return read(image)
    except _UnfitError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _UnfitError(f"has more than the {Image.MAX_IMAGE_PIXELS} pixels that Pillow deems safe") from None
    except Exception as error:  # which type it is depends on which of the file's bytes are wrong
        raise _UnfitError(f"is not an image, or is damaged ({type(error).__name__})") from None


def check_picture(path: Path, form: PictureForm) -> None:
    """Look at a picture's header alone: refuse what is no picture of 8 bits that the form fits.

    Raises
    ------
    InputError
        With its name and what is wrong.
    """

    def look(image):
        if image.mode.startswith("I"):
            raise _UnfitError("has 16 bits, whose scale can be told from all pictures together alone")
        return _Maker(form).kind(image)

    try:
        _read(path, look)
    except _UnfitError as unfit:
        raise InputError(f"{path} {unfit}.") from None


def read_picture(path: Path, form: PictureForm) -> np.ndarray:
    """One picture of 8 bits in a form: array of uint8 [height, width, channels].

    Raises
    ------
    InputError
        It is damaged.
    """
    try:
        return _read(path, _Maker(form).image)
    except _UnfitError as unfit:
        raise InputError(f"{path} {unfit}.") from None


class _Maker:
    """Makes an array of a picture, and remembers what was done."""

    def __init__(self, form: PictureForm) -> None:
        self.form, self.deepest, self.transparent = form, [], 0

    def kind(self, image: Image.Image) -> tuple[str, tuple[int, int]]:
        """Mode and size, empty where the form makes them one, without decoding the picture."""
        if image.format in ANIMATED and getattr(image, "is_animated", False):
            raise _UnfitError("is an animation, where one picture is needed")
        if self.form.channels is None and image.mode not in PLAIN:
            width, height = image.size
            raise _UnfitError(f"is {image.mode} {width} x {height}, where mode L (grey) or RGB is needed", "channels")
        if (image.mode in ("F", "I") and image.format != "PPM") or image.mode in ("LAB", "HSV"):
            raise _UnfitError(f"is of mode {image.mode}, whose scale is unknown")
        try:
            check_size(Path(image.filename), image.width * image.height * len(image.mode))  # type: ignore[attr-defined]
        except InputError:
            raise _UnfitError("would unpack to more bytes than are taken from a file of its size") from None
        return ("" if self.form.channels else image.mode), ((0, 0) if self.form.size else image.size)

    def image(self, image: Image.Image) -> np.ndarray:
        """The picture upright, uint8 [height, width, channels]."""
        image = ImageOps.exif_transpose(image)
        if self.form.channels:
            image = self.eight_bits(image).convert(CHANNELS[self.form.channels])
        if self.form.size:
            image = image.resize(self.form.size[::-1], Image.Resampling.BILINEAR)
        return np.atleast_3d(np.asarray(image))

    def eight_bits(self, image: Image.Image) -> Image.Image:
        """A picture of any mode with 8 bits a channel, its transparent parts on white."""
        if image.mode.startswith("I"):  # Pillow's own conversion clips at 255
            values = np.asarray(image).astype(np.uint32)
            self.deepest.append(int(values.max()))
            return Image.fromarray(((values * 255 + 32767) // 65535).astype(np.uint8))
        if not image.has_transparency_data:
            return image
        image = image.convert("RGBA")
        self.transparent += image.getchannel("A").getextrema()[0] < 255  # type: ignore[operator]
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)

    def check_depth(self, root: Path) -> None:
        """Refuse pictures of 16 bits that were written for fewer, all of which would turn out nearly black."""
        if self.deepest and max(self.deepest) < DIMMEST:
            raise InputError(
                f"The pictures of 16 bits in {root} go up to {max(self.deepest)} of 65535 and would be nearly black; "
                "scale them to 0 to 65535, or to 8 bits."
            )

    @property
    def note(self) -> str:
        return f" Transparent parts of {self.transparent} of them are white." if self.transparent else ""


def _leave_others(alike, kinds, root, paths, bad):
    """Put pictures unlike the most frequent kind, the first of which comes first, into `bad`."""
    alike = {k: kind for k, kind in alike.items() if k not in bad}
    if len(set(alike.values())) < 2:
        return
    (usual, _), *_ = Counter(alike.values()).most_common(1)
    example = next(k for k, kind in alike.items() if kind == usual)
    for k, kind in alike.items():
        if kind != usual:
            remedy = " and ".join(
                word
                for word, mine, theirs in zip(("channels", "image_size"), kind, usual, strict=True)
                if mine != theirs
            )
            bad[k] = _UnfitError(f"is {_kind(kinds[k])}, unlike {_shown(root, paths[example])}", remedy)


def _kind(kind):
    mode, (width, height) = kind
    return f"{mode} {width} x {height}".strip() if width else mode


def _check_bytes(root, paths, kinds, form):
    if form.size:  # which the user chose
        check_size(root, len(kinds) * form.size[0] * form.size[1] * (form.channels or 3), MOST)
    else:
        packed = sum(path.stat().st_size for path in paths if path.is_file())
        check_size(root, sum(w * h * (form.channels or len(mode)) for mode, (w, h) in kinds), packed)


def _check_bad(root, paths, bad, form):
    """Refuse pictures that cannot be used, or that are too many to leave out."""
    if not bad or (form.skip_bad and 2 * len(bad) <= len(paths)):
        return
    lines = [f"{_shown(root, paths[k])} {bad[k]}" for k in sorted(bad)]
    listed = ", ".join([*lines[:SHOWN], *_and_more(lines, SHOWN)])
    remedies = {word for unfit in bad.values() for word in unfit.remedy.split(" and ") if word}
    help_ = [f"{name} {does}" for name, does in REMEDIES.items() if name in remedies]
    last = "they are too many to leave out" if form.skip_bad else "skip_bad leaves such files out"
    raise InputError(
        f"{len(bad)} of the {len(paths)} files in {root} cannot be used: {listed}; {', '.join([*help_, last])}."
    )


REMEDIES = {"image_size": "resizes pictures to one size", "channels": "makes all of them grey (1) or colour (3)"}
"""What the parameters of `PictureForm.of` do, in words."""


def _and_more(lines: Sequence[str], most: int) -> list[str]:
    return [f"and {len(lines) - most} more"] if len(lines) > most else []


def _shown(root, path):
    """A picture's path within its folder, for a sentence."""
    name = os.fspath(path.relative_to(root))
    line = " ".join("".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name).split())
    return line if len(line) <= LONGEST else f"…{line[-LONGEST:]}"


def _is_whole(value):
    return isinstance(value, Integral) and not isinstance(value, bool)
