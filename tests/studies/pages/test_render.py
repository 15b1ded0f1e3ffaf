"""Rendered pages: what they show, what they must never ask for, and what happens with bad input."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import hostile as snippets
from influaug.errors import InputError
from rendering import render
from studies.pages.render import TEMPLATES, main, render_index, render_notebook
from studies.pages.sanitizer import clean

OWN_SCRIPT = (TEMPLATES / "table.js").read_text("utf-8")
THEORY = r"""# Scores of $n$ points

The loss $\ell_i = -\log p_i$ follows [the features](01_featurize.ipynb) and leads to [the bands](03_sweep.ipynb#bands);
see [elsewhere](https://example.org/a.ipynb).

$$\hat\theta = \arg\min_\theta \sum_{i=1}^{n} \frac{1}{2C} \|W\|^2, \qquad \text{a < b}$$

\begin{align}
H &= x_i x_i^\top \\
y &\in \{-1, +1\}
\end{align}

| policy | probability |
|---|---|
| random | $p_i \propto s_i$ |

![a badge](https://example.org/badge.svg)
"""
FIGURE = """%matplotlib inline
import matplotlib.pyplot as plt
import pandas as pd
from tqdm import tqdm
for _ in tqdm(range(2), desc='outer'):
    for _ in tqdm(range(2), desc='inner', leave=False):
        pass
plt.plot([1, 2])
plt.show()"""
LIVE = """import warnings
from IPython.display import HTML, Javascript, Math, display
warnings.warn('it did not converge')
display(HTML('<script src="https://example.org/x.js"></script><b>kept</b><iframe src="//example.org"></iframe>'))
display(Javascript('alert(1)'))
display(Math(r'\\frac{a}{b}'))"""
LINKS = (("All studies", "../../index.html"), ("Score", "score.html"))


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """One notebook with everything a notebook of ours has, really executed; its last cell fails."""
    notebook = new_notebook(
        cells=[
            new_markdown_cell(THEORY),
            new_code_cell("budget = 1", metadata={"tags": ["parameters"]}),
            new_code_cell("budget = 2", metadata={"tags": ["injected-parameters"]}),
            new_code_cell(FIGURE),
            new_markdown_cell("The line goes *up* with $s_i$ in [the sweep](03_sweep.ipynb). It is short."),
            new_code_cell("pd.DataFrame({'accuracy': [95.3]}, index=['none'])", metadata={"tags": ["hide-input"]}),
            new_code_cell(LIVE),
            new_code_cell("{}['missing']", metadata={"tags": ["raises-exception"]}),
        ],
        metadata={"papermill": {"parameters": {"study": "mnist <translate>"}}},
    )
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    path = tmp_path_factory.mktemp("executed") / "score.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture(scope="module")
def page(executed):
    """The rendered page's text."""
    target = executed.parent / "pages" / "score.html"
    render_notebook(executed, target, links=LINKS)
    assert list(target.parent.iterdir()) == [target]
    return target.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def soup(page):
    """The page, parsed."""
    return BeautifulSoup(page, "html.parser")


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


def test_page_asks_no_other_host(page, soup):
    assert Requests(page).found == []
    policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert "http" not in policy
    assert soup.find("a", string="a badge")["href"] == "https://example.org/badge.svg"
    assert "kept" in soup.main.text


def test_what_outputs_would_run_is_taken_out(hostile):
    text = hostile.read_text("utf-8")
    soup = BeautifulSoup(text, "html.parser")
    assert [found for found in Requests(text).found if isinstance(found, tuple)] == []  # styles are the policy's matter
    assert len(soup.find_all(id="here")) >= 3
    assert soup.select("script, iframe, form, base, noscript") == []
    assert [tag for tag in soup.find_all("meta") if tag.parent is not soup.head] == []
    names = {name for tag in soup.find_all() for name in tag.attrs}
    assert not [name for name in names if name.startswith("on")]
    assert not [tag for tag in soup.find_all(href=True) if "script" in tag["href"].lower()]


SNIPPETS = snippets.armed()
TELLING = ["comment-empty", "svg-style-title", "css-end", "open-comment", "open-title", "closing", "deep", "plaintext"]


@pytest.mark.parametrize(
    "name", [*TELLING, *(pytest.param(name, marks=pytest.mark.slow) for name in SNIPPETS if name not in TELLING)]
)
def test_no_part_of_a_notebook_gets_out_of_its_place(tmp_path, name):
    text = snippets.page(SNIPPETS[name], tmp_path / "page").read_text("utf-8")
    soup = BeautifulSoup(text, "html.parser")
    before, main, after = re.split(r"<main>\n|\n</main>", text)  # the page's own, and no others
    assert clean(main) == main
    assert [tag.name for tag in soup.body.find_all(True, recursive=False)] == ["header", "main", "footer"]
    frame = BeautifulSoup(before + after, "html.parser")
    assert {tag.name for tag in frame.body.find_all(True)} <= {"header", "footer", "nav", "p", "a", "span", "strong"}
    assert [tag["http-equiv"] for tag in soup.select("meta[http-equiv]")] == [
        "Content-Security-Policy",
        "x-dns-prefetch-control",
    ]
    assert [tag["href"] for tag in soup.find_all("link")] == ["data:,"]
    assert snippets.SITE not in "".join(style.get_text() for style in soup.find_all("style"))
    assert soup.select_one("main #end").get_text() == "the end"
    assert soup.select_one("main .text_cell:last-child #end")


def test_pictures_beside_the_notebook_are_embedded_and_what_lies_elsewhere_is_not(tmp_path):
    (tmp_path / "book").mkdir()
    picture = b"\x89PNG\r\n\x1a\n"
    for path in ("book/a.png", "secret.png", "book/notes.txt"):
        (tmp_path / path).write_bytes(picture)
    (tmp_path / "book" / "link.png").symlink_to(tmp_path / "secret.png")
    os.mkfifo(tmp_path / "book" / "pipe.png")
    names = ["a.png", "../secret.png", str(tmp_path / "secret.png"), "link.png", "pipe.png", "notes.txt", "."]
    soup = render(tmp_path / "book", *[new_markdown_cell(f"![]({name}) <img src='{name}'>") for name in names])
    embedded = {image["src"] for image in soup.find_all("img") if image["src"].startswith("data:")}
    assert embedded == {f"data:image/png;base64,{base64.b64encode(picture).decode()}"}
    assert len(soup.find_all("img")) == 2
    assert [link["href"] for link in soup.select("a:not(.anchor-link)")] == [name for name in names[1:] for _ in "12"]


def test_a_notebook_that_cannot_be_rendered_is_named(tmp_path):
    cell = new_markdown_cell("![](attachment:none.png)")
    with pytest.raises(InputError, match=r"a\.ipynb is not a readable Jupyter notebook \(InvalidNotebook\)\.$"):
        render(tmp_path, cell)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ipynb"]


def test_a_formula_of_endless_depth_stays_its_source(tmp_path):
    soup = render(tmp_path, new_markdown_cell("$" + "{" * 3000 + "x" + "}" * 3000 + "$"))
    assert soup.main.code["class"] == ["tex"]


def test_formulas_are_mathml(soup):
    assert [formula["display"] for formula in soup.h1.find_all("math")] == ["inline"]
    blocks = soup.select(".formula > math[display=block]")
    assert len(blocks) == 2
    assert blocks[0].find("mfrac").get_text("|") == "1|2|C"
    assert "arg\u2009min" in [limit.contents[0].text for limit in blocks[0].find_all("munder")]
    assert blocks[0].find("mtext").text.replace("\xa0", " ") == "a < b"
    assert [len(row.find_all("mtd")) for row in blocks[1].find_all("mtr")] == [2, 2]
    assert [sign["form"] for sign in blocks[1].find_all("mo", string="−")] == ["prefix"]
    assert soup.select_one(".output_latex mfrac").get_text("|") == "a|b"
    assert soup.select("code.tex") == []
    assert "$" not in soup.main.text


def allowed_scripts(page):
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    return re.findall(r"script-src (.*?)(?:;|$)", policy)


def test_the_script_of_sortable_tables_is_allowed_by_its_hash_and_nothing_else_is(tmp_path):
    table = "<table class='sortable'><thead><tr><th>n</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>"
    evil = new_output("display_data", data={"text/html": f"{table}<script>alert(1)</script>"})
    page = render(tmp_path, new_code_cell("t", outputs=[evil]))
    digest = base64.b64encode(hashlib.sha256(OWN_SCRIPT.encode()).digest()).decode()
    assert [script.string for script in page.find_all("script")] == [OWN_SCRIPT]
    assert allowed_scripts(page) == [f"'sha256-{digest}'"]


def test_a_page_without_sortable_tables_has_no_script(tmp_path):
    page = render(tmp_path, new_markdown_cell("| a |\n|---|\n| 1 |"))
    assert page.table is not None and not page.find_all("script") and not allowed_scripts(page)


def test_figure_is_embedded_whole_with_its_description(executed, soup):
    (image,) = soup.main.find_all("img")
    head, data = image["src"].split(",")
    cell = nbformat.read(executed, as_version=4).cells[3]
    (png,) = [output.data["image/png"] for output in cell.outputs if "image/png" in output.get("data", {})]
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == base64.b64decode(png)
    assert image["alt"] == "The line goes up with s_i in the sweep."


@pytest.mark.parametrize(
    ("output", "cell", "after", "alt"),
    [
        ({"alt": 'its "own"'}, {"alt": "the cell's"}, "What follows.", 'its "own"'),
        ({}, {"alt": "the cell's"}, "What follows.", "the cell's"),
        ({}, {}, "An e.g. 3.5 line. More.\n\nAgain.", "An e.g. 3.5 line."),
        ({}, {}, "## Next section\n\nAbout it.", "A figure of the notebook “a”"),
    ],
)
@pytest.mark.parametrize("mime", ["image/png", "image/svg+xml"])
def test_alternative_text(tmp_path, output, cell, after, alt, mime):
    shown = new_output("display_data", {mime: "<svg/>" if "svg" in mime else "AAAA"}, metadata={mime: output})
    soup = render(tmp_path, new_code_cell("1", outputs=[shown], metadata=cell), new_markdown_cell(after))
    assert [image["alt"] for image in soup.find_all("img")] == [alt]


def test_links_lead_to_pages(soup):
    hrefs = {link["href"] for link in soup.main.select("p > a")}
    assert {"01_featurize.html", "03_sweep.html#bands", "03_sweep.html", "https://example.org/a.ipynb"} <= hrefs
    assert not [href for href in hrefs if href.endswith(".ipynb") and not href.startswith("https:")]


def test_header_says_where_one_is(soup):
    assert soup.title.text == "Scores of n points · mnist <translate>"
    assert soup.header.p.text == "mnist <translate> Scores of n points"
    assert [(link.text, link["href"]) for link in soup.header.find_all("a")] == list(LINKS)
    assert [link.text for link in soup.header.select("[aria-current=page]")] == ["Score"]


def test_code_is_shown_folded_or_hidden_by_its_tags(soup):
    folded = {fold.summary.text: fold.pre.text.strip() for fold in soup.find_all("details")}
    assert folded == {"Default parameters": "budget = 1", "Parameters of this run": "budget = 2"}
    code = [cell.text for cell in soup.select(".input_area") if not cell.find_parent("details")]
    assert any("plt.plot" in text for text in code)
    assert not any("DataFrame" in text for text in code)


def test_outputs_a_reader_needs_and_no_others(soup):
    assert soup.select_one("table.dataframe td").text == "95.3"
    assert "KeyError" in soup.select_one(".output_error").text
    (message,) = soup.select(".output_stderr")  # the other cell left nothing but progress bars
    assert "it did not converge" in message.text
    assert "Javascript object" not in soup.main.text
    assert soup.select_one(".scroll > table math")


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    tex=st.text(alphabet="abx12\\{}^_&<>\"'%~!| \n", min_size=1, max_size=30) | st.sampled_from([r"\bogus x", "x_{"])
)
def test_any_formula_gives_a_page(tmp_path_factory, tex):
    soup = render(tmp_path_factory.mktemp("tex"), new_markdown_cell(f"before ${tex}$ after"))
    assert not soup.main.find_all(lambda tag: tag.name in ("script", "img", "a") and "anchor-link" not in str(tag))
    assert soup.main.text.split()[0] == "before"


def test_formula_that_cannot_be_set_stands_as_its_source(tmp_path):
    soup = render(tmp_path, new_markdown_cell(r"So $\bogus <img src=x>$ and $x_{$ and $\text{<img src=x>}$."))
    assert [code.text for code in soup.select("code.tex")] == [r"\bogus <img src=x>", "x_{"]
    assert soup.find("img") is None
    assert soup.find("mtext").text.replace("\xa0", " ") == "<img src=x>"


@pytest.mark.parametrize(
    "text", [None, "", "{}", "[]", '{"cells": 3, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}']
)
def test_unreadable_notebook_writes_nothing(tmp_path, text):
    source, target = tmp_path / "a.ipynb", tmp_path / "pages" / "a.html"
    if text is not None:
        source.write_text(text)
    with pytest.raises(InputError, match=r"a\.ipynb is not a readable Jupyter notebook"):
        render_notebook(source, target)
    assert not target.parent.exists()


def test_pictures_of_the_text_are_embedded_and_its_html_kept(tmp_path):
    (tmp_path / "local.png").write_bytes(b"picture")
    text = '<span class="x">one ![a plot](local.png) two <img src="local.png" alt="again"></span>'
    (span,) = render(tmp_path, new_markdown_cell(text)).select("span.x")
    assert span.text.split() == ["one", "two"]
    assert [(image["alt"], image["src"]) for image in span.find_all("img")] == [
        ("a plot", "data:image/png;base64,cGljdHVyZQ=="),
        ("again", "data:image/png;base64,cGljdHVyZQ=="),
    ]


def test_streams_are_joined_and_overwritten_lines_dropped(tmp_path):
    outputs = [new_output("stream", name="stdout", text=text) for text in ("10 points\r", "20 points\n", "done\n")]
    (stream,) = render(tmp_path, new_code_cell("1", outputs=outputs)).select(".output_stdout")
    assert stream.text.split("\n") == ["", "20 points", "done", "", ""]


def test_page_is_replaced_not_overwritten(tmp_path):
    (tmp_path / "index.html").write_text("before")
    (tmp_path / "being read").hardlink_to(tmp_path / "index.html")
    index(tmp_path)
    assert (tmp_path / "being read").read_text() == "before"


def test_failed_write_leaves_no_trace(executed, tmp_path):
    (tmp_path / "a.html" / "in the way").mkdir(parents=True)
    with pytest.raises(InputError, match=r"a\.html cannot be written"):
        render_notebook(executed, tmp_path / "a.html")
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


def luminance(colour):
    """Relative luminance of #rrggbb, by WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("dark", [False, True])
def test_contrast_of_text_is_at_least_4_5(dark):
    light_rules, dark_rules = (
        (TEMPLATES / "style.css").read_text(encoding="utf-8").split("prefers-color-scheme: dark", 1)
    )
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", light_rules))
    if dark:
        changed = dict(re.findall(r"--([\w-]+): (#\w{6});", dark_rules))
        assert changed.keys() == colours.keys()
        colours = changed
    grounds = [luminance(colours.pop(name)) for name in ("paper", "wash", "alarm-wash")]
    colours.pop("rule")  # lines, never text
    for name, colour in colours.items():
        for ground in grounds:
            low, high = sorted((luminance(colour), ground))
            assert (high + 0.05) / (low + 0.05) >= 4.5, name


def summary(study="mnist-translate", **changes):
    """A summary as the batch writes it."""
    return {
        "study": study,
        "title": "MNIST, 3 against 8, translate",
        "data": {"title": "MNIST (original)", "note": "1000 training points."},
        "ran": "2026-11-21T12:00:00+02:00",
        "seconds": 61.2,
        "version": "commit 1a2b3c4",
        "device": "A processor, 2 cores",
        "headline": {"none": "95.30 ± 1.40", "full": "98.00 ± 0.20", "gain": "+0.86 ± 0.24", "enough": "50%"},
        "settings": "LeNet features, frozen",
        "figure": {"file": "curve #1.png", "alt": "Influence is above random.", "caption": "Accuracy against budget."},
        "rows": [{"what": "no augmentation", "value": "95.3 ± 1.4"}],
        "notebooks": [{"name": "01_featurize", "title": "Featurize & <see>"}],
    } | changes


def lay_out(outputs, study="mnist-translate", about=None):
    """A study's folder with everything the index links to."""
    folder = outputs / study
    for part in ("pages", "notebooks"):
        (folder / part).mkdir(parents=True)
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Two & more")]), folder / "notebooks" / "02_score.ipynb")
    nbformat.write(new_notebook(), folder / "notebooks" / "01_featurize.ipynb")
    for source in (folder / "notebooks").iterdir():
        render_notebook(source, folder / "pages" / f"{source.stem}.html")
    for name in ("curve #1.png", "sweep.parquet", "sweep.csv", "study.json"):
        (folder / name).write_bytes(b"")
    (folder / "summary.json").write_text(json.dumps(summary(study) if about is None else about), encoding="utf-8")
    return folder


def index(outputs):
    """Render the index and parse it."""
    path = render_index(outputs)
    assert path == outputs / "index.html"
    text = path.read_text(encoding="utf-8")
    assert Requests(text).found == []
    return BeautifulSoup(text, "html.parser")


def listed(part, label):
    """The links of one labelled list, as text -> address."""
    return {link.text: link["href"] for link in part.find("dt", string=label).find_next("dd").find_all("a")}


def test_index_shows_a_study(tmp_path):
    lay_out(tmp_path)
    section = index(tmp_path).find("section", id="mnist-translate")
    assert section.h2.text == "MNIST, 3 against 8, translate"
    facts = " ".join(fact.text for fact in section.select(".facts"))
    assert "MNIST (original). 1000 training points." in facts
    assert "21 November 2026, 10:00 UTC, in 61 s" in facts
    assert section.img["alt"] == "Influence is above random."
    assert section.figcaption.text == "Accuracy against budget."
    assert [cell.text for cell in section.table.find_all(["th", "td"])] == ["no augmentation", "95.3 ± 1.4"]
    assert listed(section, "Pages") == {
        "Featurize & <see>": "mnist-translate/pages/01_featurize.html",
        "Two & more": "mnist-translate/pages/02_score.html",
    }
    assert listed(section, "Executed notebooks").keys() == {"Featurize & <see>", "Two & more"}
    assert listed(section, "Files").keys() == {"table (Parquet)", "table (CSV)", "parameters (JSON)"}


def test_index_links_to_what_is_there(tmp_path):
    lay_out(tmp_path, "a study #1 50%")
    lay_out(tmp_path, "b")
    soup = index(tmp_path)
    for address in [tag.get("href") or tag.get("src") for tag in soup.body.find_all(["a", "img"])]:
        parts = urlsplit(address)
        assert (tmp_path / unquote(parts.path)).exists(), address
        assert not parts.fragment or soup.find(id=unquote(parts.fragment)), address


def test_index_lists_pages_across_studies_first(tmp_path):
    lay_out(tmp_path)
    nbformat.write(new_notebook(cells=[new_markdown_cell("# The story")]), tmp_path / "index.ipynb")
    render_notebook(tmp_path / "index.ipynb", tmp_path / "pages" / "00_index.html")
    soup = index(tmp_path)
    assert soup.main.find("a").text == "The story"
    assert listed(soup, "Across studies") == {"The story": "pages/00_index.html"}
    assert len(soup.find_all("section")) == 1


def test_index_lists_the_pages_of_what_is_no_study(tmp_path):
    lay_out(tmp_path)
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A toy")]), tmp_path / "toy.ipynb")
    for kind, name in (("toy", "moons"), ("learned", "mnist"), ("featurizers", "resnet")):
        render_notebook(tmp_path / "toy.ipynb", tmp_path / kind / name / "pages" / "10_toy.html")
    soup = index(tmp_path)
    places = {"moons": "toy", "mnist": "learned", "resnet": "featurizers"}
    assert listed(soup, "A toy") == {name: f"{kind}/{name}/pages/10_toy.html" for name, kind in places.items()}
    assert len(soup.find_all("section")) == 1 and "incomplete" not in soup.text


def test_the_index_begins_with_a_row_a_study_and_its_headline(tmp_path):
    lay_out(tmp_path, "a"), lay_out(tmp_path, "b")
    (tmp_path / "b" / "summary.json").unlink()
    rows = [[cell.text.strip() for cell in row.find_all(["th", "td"])] for row in index(tmp_path).tbody.find_all("tr")]
    title = "MNIST, 3 against 8, translate"
    cells = ["95.30 ± 1.40", "98.00 ± 0.20", "+0.86 ± 0.24", "50%", "2026-11-21", "commit 1a2b3c4"]
    assert rows == [[title, *cells], ["b (incomplete)", *[""] * 6]]


def test_study_without_summary_is_listed_as_incomplete(tmp_path):
    (lay_out(tmp_path, "a") / "summary.json").unlink()
    lay_out(tmp_path, "b")
    for name in (".snakemake", "variations/b-1234", "pages", "notebooks"):
        (tmp_path / name).mkdir(parents=True)
    for half_done in ("pages/.c.123.html", "notebooks/.running.c.ipynb"):
        (tmp_path / "a" / half_done).write_text("")
    complete, incomplete = index(tmp_path).find_all("section")
    assert complete.select(".notice") == []
    assert (incomplete["id"], incomplete.img) == ("a", None)
    assert incomplete.select_one(".notice").text.startswith("Incomplete")
    notebooks = listed(incomplete, "Executed notebooks")
    assert list(notebooks.values()) == ["a/notebooks/01_featurize.ipynb", "a/notebooks/02_score.ipynb"]
    assert len(listed(incomplete, "Pages")) == 2


def test_missing_figure_is_named(tmp_path):
    (lay_out(tmp_path) / "curve #1.png").unlink()
    section = index(tmp_path).section
    assert section.img is None
    assert "curve #1.png is missing" in section.select_one(".notice").text


def test_index_of_nothing_says_so(tmp_path):
    assert "No study has been run yet" in index(tmp_path).main.text


@pytest.mark.parametrize(
    "about",
    [
        "{",
        "[]",
        '{"study": NaN}',
        "[" * 100_000,
        *(json.dumps({key: value for key, value in summary().items() if key != name}) for name in summary()),
        *(json.dumps(summary(**{name: [{}]})) for name in summary()),
        json.dumps(summary(ran="2026-11-21T10:00:00")),
        json.dumps(summary(ran="0001-01-01T00:00:00+05:00")),
        json.dumps(summary(ran="2026-13-21T10:00:00Z")),
        json.dumps(summary(seconds=-1)),
        json.dumps(summary(figure={"file": "../a.png", "alt": "x", "caption": ""})),
        json.dumps(summary(figure={"file": "a.png", "alt": "", "caption": ""})),
    ],
)
def test_malformed_summary_is_named_and_the_index_kept(tmp_path, about):
    (tmp_path / "index.html").write_text("before")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "summary.json").write_text(about)
    with pytest.raises(InputError, match=r"a/summary\.json is not a study's summary: .*\.$"):
        render_index(tmp_path)
    assert (tmp_path / "index.html").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "index.html"]


def test_missing_outputs_folder_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no outputs folder"):
        render_index(tmp_path / "outputs")


def test_command_line(tmp_path, capsys):
    assert main([str(tmp_path)]) == 0
    assert (tmp_path / "index.html").exists()
    assert main([str(tmp_path / "none")]) == 1
    assert capsys.readouterr().err == f"There is no outputs folder {tmp_path / 'none'}: run a study first.\n"


# What an HTML parser gives back unchanged: no control characters, no line ends to normalise.
words = st.text(st.characters(exclude_categories=("C", "Z")) | st.sampled_from("<>&\"' {}%"), min_size=1, max_size=20)


@settings(max_examples=30, deadline=None)
@given(text=words)
def test_whatever_a_summary_says_is_text(tmp_path_factory, text):
    outputs = tmp_path_factory.mktemp("outputs")
    figure = {"file": "curve.png", "alt": text, "caption": text}
    about = summary(title=text, settings=text, figure=figure, rows=[{"what": text, "value": text}])
    (outputs / "a").mkdir()
    (outputs / "a" / "curve.png").write_bytes(b"")
    (outputs / "a" / "summary.json").write_text(json.dumps(about))
    section = index(outputs).section
    shown = [section.h2, section.select(".facts")[2], section.figcaption, section.th, section.td]
    assert [part.text for part in shown] == [text] * 5
    assert section.img["alt"] == text
    assert section.table["aria-label"] == f"Headline numbers of {text}"


@pytest.mark.slow
def test_pages_load_no_tensorflow():
    code = "import sys, studies.pages.render; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
