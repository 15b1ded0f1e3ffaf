"""Whether what is installed is what was locked, and free of known weaknesses: ``influaug audit UV EXTRA``.

Three things are looked at on this machine: that the lock is of these requirements, that its packages are installed, and
that every installed file still has the hash that its wheel's RECORD gives. The locked versions are then compared with
the advisories of the OSV database, which needs a network.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ..storage import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from influaug._types import PathLike

GOOD, BAD, UNKNOWN = 0, 1, 3
"""Exit statuses; unknown: the advisories could not be had, and nothing else was wrong."""
KEPT = {
    "h5py": (
        ("CVE-2025-2153", "CVE-2025-2308"),
        "its wheels of the locked version bring HDF5 1.14.6 along, in which a made-up file can overwrite memory "
        "(mended in HDF5 2.0, that is h5py 3.16, which the locked TensorFlow does not take); HDF5 reads only weights "
        "of .keras files here, so open none from people you do not trust",
    ),
    "opencv-python-headless": (
        ("CVE-2025-53644",),
        "a made-up JPEG can overwrite memory as OpenCV decodes it (mended in 4.12, which takes an older NumPy "
        "alone); images are decoded by Pillow here and never by OpenCV",
    ),
}
"""Known weaknesses of what the wheels of locked packages bring along, and why these are kept."""
MENDED = {"h5py": (3, 16), "opencv-python-headless": (4, 12)}
"""The first versions without them."""
FOUND = 1
"""The status of `uv audit` when a locked version has an advisory; others than 0 and this say that it could not tell."""


def altered(distributions: Iterable[metadata.Distribution] | None = None) -> list[tuple[str, str]]:
    """Installed files that are missing or have another content than their RECORD says.

    Parameters
    ----------
    distributions : iterable of importlib.metadata.Distribution, optional
        Default: all that this Python finds.

    Returns
    -------
    list of (str, str)
        Name of the distribution and of the file, in order.
    """
    found = metadata.distributions() if distributions is None else distributions
    return sorted(
        (each.metadata["Name"], str(file)) for each in found for file in each.files or [] if file.hash and not _is(file)
    )


def kept(version: Callable[[str], str] = metadata.version) -> list[str]:
    """Known weaknesses of what installed packages bring along, and why they are kept; a sentence each.

    Parameters
    ----------
    version : function (str) -> str
        The installed version of a package.
    """
    return [
        f"{name} {version(name)} has {', '.join(advisories)}: {why}."
        for name, (advisories, why) in KEPT.items()
        if tuple(int(part) for part in version(name).split(".")[:2]) < MENDED[name]
    ]


def _is(file):
    """Whether an installed file has the hash that is recorded of it."""
    path = Path(file.locate())
    if not path.is_file():
        return False
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, file.hash.mode).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


def audit(uv: PathLike, extra: str, say: Callable[[str], object]) -> int:
    """Look at everything, and say what was found.

    Parameters
    ----------
    uv : path
        The program.
    extra : str
        The optional dependencies that are installed: 'cpu' or 'gpu'.
    say : function (str)
        Gets a sentence for each thing that was looked at.

    Returns
    -------
    int
        `GOOD`, `BAD` or `UNKNOWN`.
    """
    good = _passes(say, "uv.lock is of these requirements", uv, "lock", "--check")
    good &= _passes(say, "What is installed is what is locked", uv, "sync", "--check", "--locked", "--extra", extra)
    wrong = altered()
    for name, file in wrong:
        say(f"{file} of {name} is not what was installed: remove .venv and run make setup.")
    say("Every installed file has its recorded hash." if not wrong else f"{len(wrong)} installed files were altered.")
    for sentence in kept():
        say(sentence)
    status = _advisories(uv, say)
    return BAD if not good or wrong else status


def _run(*command):
    """Exit status, and what was said in the order it was said."""
    words = list(map(str, command))
    done = subprocess.run(words, cwd=paths.PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.strip()


def _passes(say, what, *command):
    status, said = _run(*command)
    say(f"{what}." if not status else f"This does not hold: {what[0].lower()}{what[1:]}.\n{said}")
    return not status


def _advisories(uv, say):
    status, said = _run(uv, "audit", "--locked", "--preview-features", "audit-command")
    if status == 0:
        say("No locked version has a known weakness.")
        return GOOD
    if status == FOUND:
        say(f"Some locked versions have known weaknesses.\n{said}")
        return BAD
    say(
        f"The advisories could not be had, so whether locked versions have known weaknesses is unknown ({_last(said)})."
    )
    return UNKNOWN


def _last(said):
    return said.splitlines()[-1].strip().removeprefix("cause: ").rstrip(".") if said else "uv says nothing"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="influaug audit", description=__doc__.splitlines()[0])
    parser.add_argument("uv", help="the program uv")
    parser.add_argument("extra", nargs="?", default="cpu", help="cpu or gpu: what was installed")
    given = parser.parse_args(arguments)
    return audit(given.uv, given.extra, lambda text: sys.stderr.write(f"{text}\n"))
