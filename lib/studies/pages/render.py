"""Rendering of executed notebooks as HTML that loads nothing from other hosts.

Formulas become MathML, pictures become data URIs, and all content of a notebook passes `studies.pages.sanitizer`. A
content security policy in every page makes the browser refuse requests to other hosts and all scripts except this
package's own, which sorts and filters tables of the class ``sortable``. This module computes no results; pages show
the outputs stored in the notebooks.
"""

from __future__ import annotations

import base64
import hashlib
import mimetypes
import re
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import jinja2
import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from traitlets.config import Config

from influaug.errors import InputError
from influaug.files.writing import replacing

from .mathml import mathml
from .pictures import as_webp
from .sanitizer import PICTURE, clean, style_rules

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from influaug._types import PathLike

TEMPLATES = Path(__file__).parent / "templates"
PICTURES = ("image/svg+xml", "image/png", "image/jpeg")
SHOWN = ["text/html", "text/markdown", *PICTURES, "text/latex", "text/plain"]
LIVE = ("application/javascript", "application/vnd.jupyter.widget-view+json")
BOOK = re.compile(r"^(?!\w+:|//)(.*)\.ipynb(#.*)?$")
"""A link to another notebook."""
PROGRESS = re.compile(r"^.*\d+%\|.*\[.*\][ \t]*\n?|\x1b\[A", re.MULTILINE)  # tqdm's bars, and its moves between them
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
CODE = re.compile(r'<div class="highlight[^"]*"><pre>.*?</pre>', re.DOTALL)
TOKEN = re.compile(r'<span class="(\w+)">([^<]*)</span>')
CELL = re.compile(r"<td[ >].*?</td>", re.DOTALL)
COLOURED = re.compile(r"^\.highlight :is\((.*?)\)", re.MULTILINE)
"""A rule of the style sheet for tokens of code, with their classes."""
SHORTER = {
    r'(?<=<div class="cell) border-box-sizing (?:text|code)_cell rendered((?: celltag_[\w-]+)*)" id="[^"]*"': r'\1"',
    r'(?<=<div class="text_cell_render) border-box-sizing rendered_html(?=")': "",
    r'(?<=<div class="highlight) hl-ipython3(?=")': "",
    r'(?<=<div class="output_)(html|markdown) rendered_html output_subarea(?: output_execute_result)?(?=")': (
        r"\1 output_subarea"
    ),
}
"""nbconvert's names of parts that no rule of the style sheet speaks of, and what stays of them."""


class _Renderer(IPythonRenderer):
    """nbconvert's markdown renderer, with formulas as MathML."""

    def inline_math(self, body: str) -> str:
        return mathml(body, "inline")

    def block_math(self, body: str) -> str:
        return f'<span class="formula">{mathml(body, "block")}</span>'

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")

    def _src_to_base64(self, src):
        """Data URI of a picture in the notebook's folder; None for other files, and those that symlinks lead to."""
        path, home = Path(self.path, src), Path(self.path).resolve()
        kind = (mimetypes.guess_type(path.name)[0] or "").partition("/")[0]
        inside = kind == "image" and path.is_file() and path.resolve().is_relative_to(home)
        return super()._src_to_base64(src) if inside else None

    def _html_embed_images(self, html):  # the parent parses, and so closes, every tag that stands alone
        return super()._html_embed_images(html) if "<img" in html else html


class _Exporter(HTMLExporter):
    """nbconvert's HTML exporter of a notebook's cells, with this package's template, renderer and sanitiser.

    `rules` collects the style rules of the outputs; `sortable` is True if an output is a sortable table.
    """

    def __init__(self, places: dict[str, str]) -> None:
        config = Config()
        config.CoalesceStreamsPreprocessor.enabled = True
        config.TagRemovePreprocessor.remove_input_tags = {"hide-input"}
        config.NbConvertBase.display_data_priority = SHOWN
        super().__init__(
            config,
            template_name="notebook",
            extra_template_basedirs=[str(TEMPLATES)],
            extra_template_paths=[str(TEMPLATES)],
            exclude_input_prompt=True,
            exclude_output_prompt=True,
            filters={
                "without_progress": lambda text: PROGRESS.sub("", text).strip(),
                "fragment": lambda markup: self._fragment(BeautifulSoup(markup, "html.parser")),
            },
        )
        self._places, self.rules, self.sortable = places, {}, False

    @jinja2.pass_context
    def markdown2html(self, context: jinja2.runtime.Context, source: str) -> str:
        path = context["resources"].get("metadata", {}).get("path", "")
        cell = context.get("cell", {})
        renderer = _Renderer(escape=False, attachments=cell.get("attachments", {}), embed_images=True, path=path)
        soup = BeautifulSoup(MarkdownWithMath(renderer=renderer).render(source), "html.parser")
        for table in soup.find_all("table", recursive=False) if cell.get("cell_type") == "markdown" else []:
            table.wrap(soup.new_tag("div", attrs={"class": "scroll"}))
        return self._fragment(soup)

    def _fragment(self, soup):
        """Clean one part of the page separately, so that its unbalanced tags do not change other parts.

        This parser may miss elements that a browser would see, so the sanitiser runs last, on the parser's output.
        """
        for style in soup.find_all("style"):
            self.rules |= dict.fromkeys(style_rules(style.get_text()))
        for image in soup.find_all("img", src=lambda address: not PICTURE.match(address or "")):
            link = soup.new_tag("a", href=image.get("src", ""))
            link.string = image.get("alt") or shorten(image.get("src", ""), 100)
            image.replace_with(link)
        for link in soup.find_all("a", href=BOOK):
            target, anchor = BOOK.match(link["href"]).groups()  # type: ignore[union-attr]
            link["href"] = f"{self._places.get(target, target)}.html{anchor or ''}"
        self.sortable |= bool(soup.select("table.sortable"))
        return clean(str(soup))


def _text_of(source, tag):
    """Plain text of a Markdown cell that begins with the given tag ("h1", "p"), with TeX as source; else ""."""
    renderer = IPythonRenderer(escape=False, exclude_anchor_links=True)
    first = BeautifulSoup(MarkdownWithMath(renderer=renderer).render(source), "html.parser").find(True)
    return " ".join(first.get_text().replace("$", "").split()) if first and first.name == tag else ""


def _describe(notebook, title):
    """Give every picture an alternative text: its own, its cell's, or the first sentence of the next Markdown cell."""
    following = ""
    for cell in reversed(notebook.cells):
        if cell.cell_type == "markdown":
            following = SENTENCE.split(_text_of(cell.source, "p"))[0]
        for output in cell.get("outputs", []):
            for mime in set(PICTURES) & set(output.get("data", {})):
                about = output.metadata.setdefault(mime, nbformat.NotebookNode())
                about.setdefault("alt", cell.metadata.get("alt") or following or f"A figure of the notebook “{title}”")


def framed(template: str, sortable: bool, **parts: Any) -> str:
    """Fill a template of this package; the page gets the script for tables only if it has a sortable one."""
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    environment.filters["compact"] = compact
    if sortable:
        code = (TEMPLATES / "table.js").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
        parts |= {"script": code, "digest": digest}
    return environment.get_template(template).render(**parts)


def compact(rules: str) -> str:
    """A style sheet of this package without comments and needless white space, a rule a line."""
    short = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", rules, flags=re.DOTALL))
    return re.sub(r" ?([{};,]) ?", r"\1", short).replace("}", "}\n").strip()


def leaner(markup: str) -> str:
    """Markup that is shorter, and tables that can be narrower, with the same text.

    Tokens of code that no rule of the style sheet colours lose their tags, and parts of the page the names in
    `SHORTER`, together an eighth of all pages. Cells of tables may break, but not between a mean and its interval.
    """
    rules = COLOURED.findall((TEMPLATES / "style.css").read_text(encoding="utf-8"))
    coloured = {name.strip(" .") for rule in rules for name in rule.split(",")}

    def plain(token):
        return token[0] if token[1] in coloured else token[2]

    for names, kept in SHORTER.items():
        markup = re.sub(names, kept, markup)
    markup = CODE.sub(lambda code: TOKEN.sub(plain, code[0]), markup)
    return CELL.sub(lambda cell: cell[0].replace(" ± ", "\xa0±\xa0"), markup)


def write_page(path: Path, text: str) -> None:
    """Write a page atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))


def render_notebook(
    path_ipynb: PathLike,
    path_html: PathLike,
    title: str | None = None,
    links: Iterable[tuple[str, str]] = (),
    places: dict[str, str] | None = None,
) -> None:
    """Render an executed notebook as one self-contained page, light and dark.

    Formulas are MathML, and pictures are data URIs with an alternative text. Links to ``NN_name.ipynb`` lead to
    ``NN_name.html``. Cells tagged ``parameters`` or ``injected-parameters`` are folded, and ``hide-input`` hides a
    cell's code. The header names the study in the parameter ``study`` that papermill recorded, if there is one.

    Parameters
    ----------
    path_ipynb : path
        The executed notebook. It may have failed; then the page shows the error.
    path_html : path
        The page to write; missing folders are created, and the page is written atomically.
    title : str, optional
        Title of the page (default: the notebook's first heading, or its file name if it has no heading).
    links : iterable of (str, str)
        Text and relative address of the header's links: the index and the sibling pages.
    places : dict, optional
        Places of notebooks' pages in other folders: relative addresses without ``.html``, by the name of the notebook
        without ``.ipynb``.

    Raises
    ------
    InputError
        There is no readable notebook at `path_ipynb`.
    """
    path_ipynb, path_html = Path(path_ipynb), Path(path_html)
    try:
        notebook = nbformat.read(path_ipynb, as_version=4)
        nbformat.validate(notebook)
        page = _rendered(notebook, path_ipynb, path_html.name, title, links, places or {})
    except Exception as error:  # nbformat and nbconvert raise a different type for each way of not being a notebook
        raise InputError(f"{path_ipynb} is not a readable Jupyter notebook ({type(error).__name__}).") from error
    write_page(path_html, page)


def _rendered(notebook, path_ipynb, name, title, links, places):
    """HTML page of a valid notebook."""
    headings = [_text_of(cell.source, "h1") for cell in notebook.cells if cell.cell_type == "markdown"]
    title = title or next(filter(None, headings), path_ipynb.stem)
    _describe(notebook, title)
    study = notebook.metadata.get("papermill", {}).get("parameters", {}).get("study")
    resources = {"live": LIVE, "metadata": {"path": str(path_ipynb.parent), "name": path_ipynb.stem}}
    exporter = _Exporter(places)
    cells = leaner(as_webp(clean(exporter.from_notebook_node(notebook, resources)[0])))
    page = {"title": title, "study": study, "links": list(links), "name": name, "rules": list(exporter.rules)}
    return framed("notebook.html.j2", exporter.sortable, cells=cells, **page)
