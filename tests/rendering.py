"""Pages of notebooks that a test makes up."""

import re
from html.parser import HTMLParser

import nbformat
from bs4 import BeautifulSoup
from nbformat.v4 import new_notebook

from studies.pages.render import TEMPLATES, render_notebook

OWN_SCRIPT = (TEMPLATES / "table.js").read_text("utf-8")


def render(tmp_path, *cells):
    """Render a notebook of these cells and parse the page."""
    nbformat.write(new_notebook(cells=list(cells)), tmp_path / "a.ipynb")
    render_notebook(tmp_path / "a.ipynb", tmp_path / "a.html")
    return BeautifulSoup((tmp_path / "a.html").read_text(encoding="utf-8"), "html.parser")


class Requests(HTMLParser):
    """Collects what a browser would fetch by itself from elsewhere, and any script but that of sortable tables."""

    def __init__(self, text):
        super().__init__()
        self.found, self.inside = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        outward = [(tag, name, value) for name, value in attrs if re.match(r"\s*(https?:|//)", value or "")]
        self.found += [found for found in outward if found[:2] != ("a", "href")]
        self.found += (
            [(tag, attrs)] if tag in ("iframe", "object", "embed", "base") or (tag == "script" and attrs) else []
        )

    def handle_data(self, data):
        if self.inside == "style":
            self.found += re.findall(r"@import|url\(.*?\)", data)
        if self.inside == "script" and data.strip() and data != OWN_SCRIPT:
            self.found.append(("script", data))

    def handle_endtag(self, tag):
        self.inside = ""
