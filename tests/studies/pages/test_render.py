"""Rendered pages: what they show, what they must never ask for, and what happens with bad input."""

import base64
import hashlib
import os
import re
import subprocess
import sys
from io import BytesIO

import nbformat
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

import hostile as snippets
from influaug.errors import InputError
from rendering import OWN_SCRIPT, Requests, render
from studies.pages.render import TEMPLATES, render_notebook
from studies.pages.sanitizer import clean

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
    assert soup.select_one("main .cell:last-child #end")


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
    assert head == "data:image/webp;base64"
    shown, whole = (Image.open(BytesIO(base64.b64decode(encoded))).convert("RGBA") for encoded in (data, png))
    assert shown.tobytes() == whole.tobytes()
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


def test_code_keeps_its_text_and_only_the_tags_that_have_a_colour(tmp_path):
    source = 'def f(x: int) -> str:\n    # a < b\n    return f"{x + 1.5}" if x not in [None] else "<&>"'
    stranger = new_output("display_data", data={"text/html": '<span class="n">n</span>'})
    soup = render(tmp_path, new_code_cell(source, outputs=[stranger]))
    code = soup.select_one(".highlight pre")
    assert code.get_text().strip() == source
    classes = {tag["class"][0] for tag in code.select("span[class]")}
    assert {"k", "nf", "c1", "ow", "mf"} <= classes and not classes & {"n", "p", "o", "w", "nb"}
    assert soup.select_one(".output span.n") is not None


def test_a_mean_and_its_interval_stay_on_one_line(tmp_path):
    table = new_output(
        "display_data", data={"text/html": "<table><tr><td>95.3 ± 0.2</td><td>no need</td></tr></table>"}
    )
    soup = render(tmp_path, new_code_cell('f"{mean} ± {half}"', outputs=[table]))
    assert [cell.text for cell in soup.select("td")] == ["95.3\xa0±\xa00.2", "no need"]
    assert soup.select_one(".highlight pre").text.strip() == 'f"{mean} ± {half}"'


def test_parts_have_only_names_that_the_style_sheet_or_a_reader_of_the_page_uses(soup):
    styled = set(re.findall(r"[.]([a-z_][\w-]*)", (TEMPLATES / "style.css").read_text("utf-8")))
    parts = soup.select("main > .cell, main > .cell .text_cell_render, main > .cell .highlight, main .output_subarea")
    names = {name for part in parts for name in part["class"] if not name.startswith("celltag_")}
    assert names - styled <= {"cell", "output_html", "output_text", "output_stdout", "output_latex"}
    assert len(parts) > 10 and not soup.select("[id^=cell-id]")


def test_the_style_sheet_of_a_page_has_the_rules_of_the_file(soup):
    short, rules = soup.head.find("style").get_text(), (TEMPLATES / "style.css").read_text("utf-8")

    def parts(text):  # white space counts where it is between words: "main > a" is not "main>a", "p a" not "pa"
        return re.sub(r"([{};,])", r" \1 ", re.sub(r"/[*].*?[*]/", "", text, flags=re.DOTALL)).split()

    assert parts(short) == parts(rules) and len(short) < 0.9 * len(rules)


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


@pytest.mark.slow
def test_pages_load_no_tensorflow():
    code = "import sys, studies.pages.render; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
