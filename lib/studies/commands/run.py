"""Run one notebook for a study or another experiment, with papermill: ``influaug run NOTEBOOK PARAMS.yaml``.

Parameters that are unknown or have a wrong type are refused before anything starts. The executed notebook and its page
are stored even if it fails. A failure ends with one sentence, the place to look, and a non-zero exit status.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from base64 import b64decode, b64encode
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from PIL import Image

from influaug.errors import InputError
from influaug.files.writing import replacing

from ..front.journey import MAIN, MAIN_STUDY
from ..pages import render as pages
from ..parameters import read as parameters_of
from ..points.study import NOTEBOOKS as STAGES
from ..storage import paths
from . import stamps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from influaug._types import PathLike

MARK = "influaug: "
"""Prefix of the lines that the command writes to standard error."""


class NotebookError(Exception):
    """A notebook ended with an error; the message gives the reason in one line and the place to look."""


def run(
    notebook: PathLike, parameters: PathLike, executed: PathLike | None = None, page: PathLike | None = None
) -> list[Path]:
    """Execute a notebook with an experiment's parameters, and render its page.

    Parameters
    ----------
    notebook : path
    parameters : path
        The YAML file of the study, recipe, toy, comparison or own data.
    executed : path, optional
        Path of the executed notebook (default: in ``notebooks/`` of the study's folder).
    page : path, optional
        Path of its HTML page (default: in ``pages/`` of the study's folder).

    Returns
    -------
    list of Path
        The page, and the files that the notebook made for a person to take away.

    Raises
    ------
    InputError
        The notebook is missing or parameters are wrong, and nothing has run; or the outputs folder cannot be written.
    NotebookError
        The notebook failed; `executed` and the page contain its outputs up to the error.
    """
    notebook = Path(notebook)
    if notebook.suffix != ".ipynb" or not notebook.is_file():
        known = ", ".join(sorted(p.name for p in paths.NOTEBOOKS.glob("*.ipynb")))
        raise InputError(f"There is no notebook {notebook}; those in notebooks/ are {known}.")
    chosen = parameters_of(parameters)
    executed = Path(executed or chosen.folder / "notebooks" / notebook.name)
    page = Path(page or chosen.folder / "pages" / f"{notebook.stem}.html")
    try:
        _execute(notebook, chosen, executed)
    except NotebookError:
        # If the page cannot be written either, the notebook's own error is still the one to report.
        with suppress(InputError):
            _render(notebook, chosen, executed, page)
        raise
    _render(notebook, chosen, executed, page)
    return [page, *(path for path in (chosen.folder / name for name in chosen.products) if path.exists())]


def _render(notebook, chosen, executed, page):
    pages.render_notebook(executed, page, links=_links(notebook, page), places=_places(chosen, page))


def _links(notebook, page):
    """Texts and addresses of the index and, for a stage of a study, of the pages of all stages in the same folder."""
    index = _from(page, paths.outputs() / "index.html")
    stages = STAGES if notebook.stem in STAGES else {}
    return [("All studies", index), *((title, f"{stem}.html") for stem, title in stages.items())]


def _places(chosen, page):
    """Address of each notebook's page relative to a page: in the same run, the `MAIN` one, or among the overviews."""
    folders = {path.stem: paths.outputs() / "pages" for path in paths.NOTEBOOKS.glob("*.ipynb")}
    main = dict.fromkeys(STAGES, MAIN_STUDY) | MAIN
    folders |= {stem: paths.outputs() / folder / "pages" for stem, folder in main.items()}
    kind = chosen.folder.parent.name
    own = [stem for stem, folder in MAIN.items() if folder.startswith(f"{kind}/")]
    here = chosen.folder / "pages"
    folders |= dict.fromkeys(STAGES, here) if not own else {}
    folders |= {stem: here for stem in own if _there(here, stem) or not _there(folders[stem], stem)}
    return {stem: _from(page, folder / stem) for stem, folder in folders.items()}


def _there(folder, stem):
    return (folder / f"{stem}.html").exists()


def _from(page, path):
    return Path(os.path.relpath(path, page.parent)).as_posix()


def _execute(notebook, chosen, executed):
    failure = None
    with replacing(executed) as running:
        try:
            papermill.execute_notebook(
                notebook,
                running,
                parameters=chosen.model_dump(),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                extra_arguments=["--log-level=CRITICAL"],
            )
        except (PapermillExecutionError, RuntimeError, KeyboardInterrupt) as error:
            failure = _reason(error)
        _tidy(running, executed.name)
    if failure:
        raise NotebookError(f"{failure}; see {paths.shown(executed)}.")


def _tidy(executed, name):
    """Reduce an executed notebook's pictures to 256 colours, a third of the bytes; remove the folder from its name."""
    notebook = nbformat.read(executed, nbformat.NO_CONVERT)
    notebook.metadata.get("papermill", {})["output_path"] = name
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = _smaller(output["data"]["image/png"])
    nbformat.write(notebook, executed)


def _smaller(encoded):
    """Reduce a PNG in base 64 to 256 colours; data that are not a picture stay unchanged."""
    try:
        return b64encode(_palette(b64decode(encoded))).decode()
    except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError):
        return encoded


def _palette(png):
    picture, small = Image.open(BytesIO(png)), BytesIO()
    if picture.convert("RGBA").getextrema()[3] != (255, 255):  # type: ignore[misc]
        return png
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "png", optimize=True)
    return min(png, small.getvalue(), key=len)


def _reason(error):
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    if isinstance(error, DeadKernelError):
        return "its kernel died, perhaps for lack of memory"
    if not isinstance(error, PapermillExecutionError):
        return f"its kernel did not start ({error}), perhaps for lack of memory"
    said = f"{error.ename}: {error.evalue}".splitlines()[0].rstrip(". :")
    return f"too little memory ({said})" if error.ename.endswith("MemoryError") else said


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(prog="influaug run", description=__doc__.splitlines()[0])
    parser.add_argument("notebook")
    parser.add_argument("parameters", help="a study's YAML file")
    parser.add_argument("--executed", help="where the executed notebook goes")
    parser.add_argument("--page", help="where its HTML page goes")
    parser.add_argument("--stamp", help="file that says that it ended well, with what")
    parser.add_argument("--makes", nargs="*", default=[], help="files that the stamp is of")
    given = parser.parse_args(arguments)
    # papermill warns of every parameter that a notebook's own cell leaves out, and repeats NotebookError's message.
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    name = f"{Path(given.parameters).stem}: {Path(given.notebook).stem}"
    sys.stderr.write(f"{MARK}started {name}\n")
    started = perf_counter()
    try:
        made = run(given.notebook, given.parameters, given.executed, given.page)
        if given.stamp:
            stamps.write(given.stamp, given.makes)
    except (InputError, NotebookError, OSError, MemoryError) as error:
        sys.stderr.write(f"{MARK}failed {name}; {str(error) or 'too little memory'}\n")
        return 1
    sys.stderr.write(f"{MARK}finished {name}; {perf_counter() - started:.0f} s\n")
    if not given.page:  # a batch says where its pages are
        sys.stderr.write("".join(f"  {paths.shown(path)}\n" for path in made))
    return 0
