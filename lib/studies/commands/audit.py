"""Check that the installed packages are the locked ones and free of known weaknesses: ``influaug audit UV EXTRA``.

Three checks run on this machine: the lock matches the requirements, its packages are installed, and every installed
file has the hash in its wheel's RECORD. Then the locked versions are compared with the advisories of the OSV database,
which needs a network.
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
"""Exit statuses; `UNKNOWN` means that the advisories were not available and all other checks passed."""
KEPT = {
    "h5py": (
        ("CVE-2025-2153", "CVE-2025-2308"),
        "its wheels of the locked version bring HDF5 1.14.6 along, in which a made-up file can overwrite memory "
        "(mended in HDF5 2.0, that is h5py 3.16, which the locked TensorFlow does not take); HDF5 reads only weights "
        "of .keras files here, so open none from people you do not trust",
    ),
    "opencv-python-headless": (
        ("CVE-2025-53644",),
        "a made-up JPEG can overwrite memory as OpenCV decodes it (mended in 4.12, which imaug takes with an older "
        "NumPy alone); images are decoded by Pillow here and never by OpenCV",
    ),
}
"""Known weaknesses of what the wheels of locked packages bring along, and why these are kept."""
MENDED = {"h5py": (3, 16), "opencv-python-headless": (4, 12)}
"""The first versions without them."""
FOUND = 1
"""Status of `uv audit` when a locked version has an advisory; statuses other than 0 and this mean that it failed."""


def altered(distributions: Iterable[metadata.Distribution] | None = None) -> list[tuple[str, str]]:
    """Find installed files that are missing or whose content differs from their RECORD.

    Parameters
    ----------
    distributions : iterable of importlib.metadata.Distribution, optional
        Distributions to check (default: all that this Python finds).

    Returns
    -------
    list of (str, str)
        Names of the distribution and the file, sorted.
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
    """Whether an installed file has its recorded hash."""
    path = Path(file.locate())
    if not path.is_file():
        return False
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, file.hash.mode).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value


def audit(uv: PathLike, extra: str, say: Callable[[str], object]) -> int:
    """Run all checks and report their outcomes.

    Parameters
    ----------
    uv : path
        The program uv.
    extra : str
        The optional dependencies that are installed: 'cpu' or 'gpu'.
    say : function (str)
        Called with a sentence for each check.

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
    """Exit status, and the output in the order in which it was written."""
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
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(prog="influaug audit", description=__doc__.splitlines()[0])
    parser.add_argument("uv", help="the program uv")
    parser.add_argument("extra", nargs="?", default="cpu", help="cpu or gpu: what was installed")
    given = parser.parse_args(arguments)
    return audit(given.uv, given.extra, lambda text: sys.stderr.write(f"{text}\n"))
