"""At which commits the results of a run were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from influaug.files import sealed

from ..storage import artifacts, provenance

if TYPE_CHECKING:
    from pathlib import Path

UNRECORDED = "no commit recorded"


def origin(folder: Path) -> str:
    """Commits that the manifests in a run's folder record, in the order in which results were made, in words.

    Parameters
    ----------
    folder : Path
        Of the run; its tables, and the results of its replicates in folders of their own.

    Returns
    -------
    str
        'commit 1a2b3c4', 'commits 1a2b3c4, 5d6e7f8 and changes', or `UNRECORDED`; where only some results have none,
        that is said too.

    Raises
    ------
    InputError
        A file is damaged.
    """
    made = sorted(_manifests(folder), key=lambda manifest: manifest["made"])
    named = [provenance.in_words(manifest).removeprefix("commit ") for manifest in made]
    commits = list(dict.fromkeys(filter(None, named)))
    if not commits:
        return UNRECORDED
    text = ("commit " if len(commits) == 1 else "commits ") + ", ".join(commits)
    return text if all(named) else f"{text}; for some results {UNRECORDED}"


def _manifests(folder):
    tables = [artifacts.read_manifest(path) for path in sorted(folder.glob("[!.]*.parquet"))]
    results = [sealed.read_json(path) for path in sorted(folder.glob("[!.]*/[!.]*.json"))]
    return [found for found in (*tables, *results) if isinstance(found, dict) and "made" in found]
