"""The front page: what was found, the way to every page, and the studies."""

import json
import subprocess
import sys
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_markdown_cell, new_notebook

from influaug.errors import InputError
from rendering import Requests
from studies.front import index as front
from studies.front.index import main, render_index, run_title
from studies.front.journey import JOURNEY, folder_of
from studies.pages.render import render_notebook
from studies.storage import paths


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
        "headline": {
            "seeds": "16",
            "none": "95.30 ± 1.40",
            "full": "98.00 ± 0.20",
            "gain": "+0.86 ± 0.24",
            "enough": "50%",
        },
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
    section = index(tmp_path).select_one("section.study:has(#mnist-translate)")
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
    for name in ("00_index", "99_other"):
        render_notebook(tmp_path / "index.ipynb", tmp_path / "pages" / f"{name}.html")
    soup = index(tmp_path)
    assert soup.main.find("a").text == "The story"
    assert soup.select_one(".journey a")["href"] == "pages/00_index.html"
    assert listed(soup, "Across studies") == {"The story": "pages/99_other.html"}
    assert len(soup.select("section.study")) == 1


def test_index_lists_the_pages_of_what_is_no_study(tmp_path):
    lay_out(tmp_path)
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A toy")]), tmp_path / "toy.ipynb")
    for kind, name in (("toy", "moons"), ("learned", "mnist"), ("featurizers", "resnet")):
        render_notebook(tmp_path / "toy.ipynb", tmp_path / kind / name / "pages" / "10_toy.html")
    soup = index(tmp_path)
    places = {"moons": "toy", "mnist": "learned", "resnet": "featurizers"}
    links = next(part for part in soup.select(".runs") if "A toy" in part.summary.text).find_all("a")
    found = {link.text: link["href"] for link in links}
    assert found == {name: f"{kind}/{name}/pages/10_toy.html" for name, kind in places.items()}
    assert len(soup.select("section.study")) == 1 and "incomplete" not in soup.text


def test_the_index_begins_with_a_row_a_study_and_its_headline(tmp_path):
    lay_out(tmp_path, "a"), lay_out(tmp_path, "b")
    (tmp_path / "b" / "summary.json").unlink()
    rows = [[cell.text.strip() for cell in row.find_all(["th", "td"])] for row in index(tmp_path).tbody.find_all("tr")]
    title = "MNIST, 3 against 8, translate"
    cells = ["16", "95.30 ± 1.40", "98.00 ± 0.20", "+0.86 ± 0.24", "50%", "2026-11-21", "commit 1a2b3c4"]
    assert rows == [[title, *cells], ["b (incomplete)", *[""] * 7]]


def test_study_without_summary_is_listed_as_incomplete(tmp_path):
    (lay_out(tmp_path, "a") / "summary.json").unlink()
    lay_out(tmp_path, "b")
    for name in (".snakemake", "variations/b-1234", "pages", "notebooks"):
        (tmp_path / name).mkdir(parents=True)
    for half_done in ("pages/.c.123.html", "notebooks/.running.c.ipynb"):
        (tmp_path / "a" / half_done).write_text("")
    complete, incomplete = index(tmp_path).select("section.study")
    assert complete.select(".notice") == []
    assert (incomplete.div["id"], incomplete.img) == ("a", None)
    assert incomplete.select_one(".notice").text.startswith("Incomplete")
    notebooks = listed(incomplete, "Executed notebooks")
    assert list(notebooks.values()) == ["a/notebooks/01_featurize.ipynb", "a/notebooks/02_score.ipynb"]
    assert len(listed(incomplete, "Pages")) == 2


def test_missing_figure_is_named(tmp_path):
    (lay_out(tmp_path) / "curve #1.png").unlink()
    section = index(tmp_path).select_one("section.study")
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


def test_the_index_is_replaced_not_overwritten(tmp_path):
    (tmp_path / "index.html").write_text("before")
    (tmp_path / "being read").hardlink_to(tmp_path / "index.html")
    index(tmp_path)
    assert (tmp_path / "being read").read_text() == "before"


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
    section = index(outputs).select_one("section.study")
    shown = [section.h2, section.select(".facts")[2], section.figcaption, section.th, section.td]
    assert [part.text for part in shown] == [text] * 5
    assert section.img["alt"] == text
    assert section.table["aria-label"] == f"Headline numbers of {text}"


def test_the_journey_has_every_notebook_once_and_says_of_it_what_the_readme_says():
    books = [(book, question) for part in JOURNEY.values() for book, question in part.items()]
    assert sorted(book for book, _ in books) == sorted(path.stem for path in paths.NOTEBOOKS.glob("*.ipynb"))
    readme = (paths.PROJECT / "README.md").read_text("utf-8")
    for book, question in books:
        assert f"| [{book}](notebooks/{book}.ipynb) | {question} |" in readme


def test_a_run_without_a_commit_is_explained(tmp_path):
    lay_out(tmp_path)
    lay_out(tmp_path, "mnist-crop", summary("mnist-crop"))
    assert "older than the record" not in index(tmp_path).find("nav", {"aria-label": "Studies"}).text
    (tmp_path / "mnist-crop" / "summary.json").write_text(json.dumps(summary("mnist-crop", version="")), "utf-8")
    assert "older than the record" in index(tmp_path).find("nav", {"aria-label": "Studies"}).text


def test_the_committed_journey_is_whole():
    parts = front._journey(paths.PROJECT / "outputs")
    assert sum(map(len, parts.values())) == sum(map(len, JOURNEY.values()))


def test_pages_of_the_journey_are_linked_where_they_are(tmp_path):
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Sets of copies")]), tmp_path / "a.ipynb")
    render_notebook(tmp_path / "a.ipynb", tmp_path / folder_of("13_set_policies") / "13_set_policies.html")
    link = index(tmp_path).select_one(".journey a")
    assert (link.text, link["href"]) == ("Sets of copies", "sets/mnist-translate/pages/13_set_policies.html")


def test_a_run_is_called_by_the_first_sentence_of_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PARAMS", tmp_path)
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "a.yaml").write_text("# MNIST, C = 1.5, in two\n# lines: few; notebook 13. More.\n\n# no\n")
    (tmp_path / "sets" / "b.yaml").write_text("sets: b\n")
    assert run_title("sets", "a") == "MNIST, C = 1.5, in two lines: few"
    assert run_title("sets", "b") == "b" and run_title("sets", "c") == "c"


def test_mnist_comes_first(tmp_path):
    for name in ("cifar10-crop", "digits", "mnist-rotate"):
        lay_out(tmp_path, name)
    found = [part.div["id"] for part in index(tmp_path).select("section.study")]
    assert found == ["mnist-rotate", "cifar10-crop", "digits"]


@pytest.mark.slow
def test_the_front_page_loads_no_tensorflow():
    code = "import sys, studies.front.index; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
