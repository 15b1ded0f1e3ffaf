"""Pages of notebooks that a test makes up."""

import nbformat
from bs4 import BeautifulSoup
from nbformat.v4 import new_notebook

from studies.pages.render import render_notebook


def render(tmp_path, *cells):
    """Render a notebook of these cells and parse the page."""
    nbformat.write(new_notebook(cells=list(cells)), tmp_path / "a.ipynb")
    render_notebook(tmp_path / "a.ipynb", tmp_path / "a.html")
    return BeautifulSoup((tmp_path / "a.html").read_text(encoding="utf-8"), "html.parser")
