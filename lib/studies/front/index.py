"""The front page, ``index.html`` of the outputs folder: what was found, the way to every page, and the studies.

It computes no results: findings and the picture are made from tables that are there, and what is missing is left out.
"""

from __future__ import annotations

import argparse
import html
import json
import re
import sys
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import jsonschema

from influaug.errors import InputError
from influaug.files.sealed import without_seal

from ..pages.render import TEMPLATES, framed, write_page
from ..storage import paths
from .findings import findings
from .journey import JOURNEY, folder_of
from .origins import UNRECORDED, origin
from .picture import draw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from influaug._types import PathLike

FILES = {"sweep.parquet": "table (Parquet)", "sweep.csv": "table (CSV)", "study.json": "parameters (JSON)"}
ACROSS = ("pages", "notebooks", "variations")
OTHERS = ("sets", "retrained_sets", "learned", "toy", "own", "labels", "dear", "factorial", "featurizers")
"""Output folders of experiments other than studies; each experiment has a folder in one of them."""
FIRST = ("mnist", "cifar10", "small-norb")
"""How the names of the studies that are shown first begin."""
TITLE = re.compile(r"(.+?)(?:[;.](?:\s|$)|$)")
"""The first sentence of a comment, up to a semicolon."""


def _summary(path):
    """A study's summary.json, checked against its schema; None if the file does not exist."""
    if not path.exists():
        return None
    try:
        summary = without_seal(json.loads(path.read_text(encoding="utf-8")))
        jsonschema.validate(summary, json.loads((TEMPLATES / "summary.schema.json").read_text(encoding="utf-8")))
        summary["ran"] = datetime.fromisoformat(summary["ran"]).astimezone(UTC)
    except jsonschema.ValidationError as error:
        wrong = f"at {error.json_path}, {shorten(error.message, 200)}"
        raise InputError(f"{path} is not a study's summary: {wrong}.") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is not a study's summary: {error}.") from error
    return summary


def _page_title(path):
    """Title that `render_notebook` gave a page, without the study's name."""
    with path.open(encoding="utf-8", errors="replace") as page:
        found = re.search(r"<title>(.*?)(?: · .*)?</title>", page.read(2000))
    return html.unescape(found[1]) if found else path.stem


def _contents(folder, prefix, titles=None):
    """Pages, executed notebooks and files in a folder: lists of text and address relative to the outputs folder."""
    titles = {page.stem: _page_title(page) for page in folder.glob("pages/[!.]*.html")} | (titles or {})

    def listed(pattern):
        return [
            {"text": titles.get(path.stem, path.stem), "href": prefix + path.relative_to(folder).as_posix()}
            for path in sorted(folder.glob(pattern))
        ]

    files = [{"text": text, "href": prefix + name} for name, text in FILES.items() if (folder / name).exists()]
    return {"pages": listed("pages/[!.]*.html"), "notebooks": listed("notebooks/[!.]*.ipynb"), "files": files}


def _study(folder):
    """Data of one study for the index."""
    summary = _summary(folder / "summary.json")
    study = {"name": folder.name, "summary": summary}
    if summary is None:
        return study | _contents(folder, f"{folder.name}/")
    seconds, figure = summary["seconds"], summary["figure"]["file"]
    study["took"] = f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    study["figure"] = f"{folder.name}/{figure}" if figure in [path.name for path in folder.iterdir()] else None
    return study | _contents(folder, f"{folder.name}/", {book["name"]: book["title"] for book in summary["notebooks"]})


def _others(outputs):
    """Pages of experiments other than studies, by the page's title: lists of the run's title, address and origin."""
    found = {}
    for kind in OTHERS:
        for page in sorted(
            (outputs / kind).glob("[!.]*/pages/[!.]*.html"), key=lambda page: _rank(page.parents[1].name)
        ):
            run = page.parents[1]
            item = {
                "text": run_title(kind, run.name),
                "href": page.relative_to(outputs).as_posix(),
                "origin": origin(run),
            }
            found.setdefault(_page_title(page), []).append(item)
    return found


def run_title(kind: str, name: str) -> str:
    """Title of a run: the first sentence of the comment at the head of its YAML file; its name if there is none."""
    path = paths.PARAMS / kind / f"{name}.yaml"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return name
    comment = [line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    found = TITLE.match(" ".join(comment))
    return found[1] if found else name


def _rank(name):
    """Place of a run in lists: by `FIRST`, then by name."""
    return next((place for place, first in enumerate(FIRST) if name.startswith(first)), len(FIRST)), name


def _journey(outputs):
    """Parts of `JOURNEY` with the pages that are there: lists of title, address and question."""
    found = {}
    for part, books in JOURNEY.items():
        pages = {outputs / folder_of(book) / f"{book}.html": question for book, question in books.items()}
        found[part] = [
            {"text": _page_title(page), "href": page.relative_to(outputs).as_posix(), "question": question}
            for page, question in pages.items()
            if page.exists()
        ]
    return {part: pages for part, pages in found.items() if pages}


def render_index(outputs: PathLike) -> Path:
    """Write ``index.html`` and its picture into the outputs folder, from the files there.

    Every subfolder is a study, except hidden ones, ``variations``, ``pages`` and ``notebooks`` (which hold overviews
    across studies), and `OTHERS`, whose pages are listed. A study shows its ``summary.json`` (schema:
    ``templates/summary.schema.json``) with its headline figure, and links to its pages, executed notebooks, tables and
    parameters. A study without a summary is listed as incomplete.

    Parameters
    ----------
    outputs : path
        The folder that holds one folder for each study.

    Returns
    -------
    pathlib.Path
        The index page.

    Raises
    ------
    InputError
        The folder does not exist, a summary violates the schema, or a result is damaged; nothing is written then.
    """
    outputs = Path(outputs)
    if not outputs.is_dir():
        raise InputError(f"There is no outputs folder {outputs}: run a study first.")
    folders = sorted(path for path in outputs.iterdir() if path.is_dir() and path.name[0] not in "._")
    studies = [_study(folder) for folder in folders if folder.name not in (*ACROSS, *OTHERS)]
    studies.sort(key=lambda study: (study["summary"] is None, _rank(study["name"])))
    journey, shared = _journey(outputs), _contents(outputs, "")
    shown = {page["href"] for part in journey.values() for page in part}
    shared["pages"] = [page for page in shared["pages"] if page["href"] not in shown]
    page = framed(
        "studies.html.j2",
        sortable=len(studies) > 1,
        title="Which training points are worth augmenting, and how?",
        picture=draw(outputs),
        findings=findings(outputs),
        journey=journey,
        shared=shared,
        others=_others(outputs),
        unrecorded=UNRECORDED,
        studies=studies,
    )
    write_page(outputs / "index.html", page)
    return outputs / "index.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the index for the command line ``influaug index OUTPUTS``, and return the exit status."""
    parser = argparse.ArgumentParser(prog="influaug index", description="Write the index page of the studies.")
    parser.add_argument("outputs", help="the folder that holds one folder for each study")
    try:
        render_index(parser.parse_args(arguments).outputs)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0
