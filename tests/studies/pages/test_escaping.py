"""Names of files, folders, classes and studies: a page shows them, whatever they are, and obeys none."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from influaug.data.datasets import load
from rendering import render
from studies.benchmark import page as benchmark_page
from studies.copies import page as set_shown
from studies.copies import summary as set_summary
from studies.copies.study import SetStudy
from studies.learned import page as shown
from studies.learned.results import Comparison
from studies.own import material
from studies.own import page as own_page
from studies.own.parameters import OwnData
from studies.pages import words
from studies.pages.escaping import markdown_text, styled
from studies.points import claims, report, stages
from studies.points.study import Study
from studies.storage import artifacts, paths
from sweep_tables import sweep_table

NAMES = [
    '<!--><meta http-equiv=refresh content="0;url=http://site.invalid">-->',
    "<img src=x onerror=alert(1)>",
    "](http://site.invalid) [a](http://site.invalid) ![b](x.png) [c]: http://site.invalid",
    "`a` ``b`` ```c```",
    "a|b|c | --- |",
    "two\nlines\r\n\n# and a heading\n\n    code",
    "**a** _b_ *c* ~~d~~ ==e== ^^f^^ ^g^",
    "$a$ $$b$$ \\(c\\) \\\\(d\\\\) \\[e\\] \\begin{align}f\\end{align}",
    "http://site.invalid www.site.invalid HTTPS://site.invalid a@site.invalid <http://site.invalid>",
    "# a",
    "- a",
    "+ a",
    "1. a",
    "12) a",
    ": a",
    "> a",
    "===",
    "&lt;b&gt; &#60; &amp;",
    "[ ] a [^1] [x] <br> \\",
    "\"onload='x' a=\"",
    "\u202etxt.exe\x00\x1b[31m\ud800",
]


def seen(name):
    """What a reader of a page sees of a name."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(name.split()))


def parts(tmp_path, text):
    """Text and elements of the page of a Markdown cell."""
    cell = render(tmp_path, new_markdown_cell(text)).select_one(".text_cell_render")
    return cell.get_text().strip(), [tag.name for tag in cell.find_all(True)]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is(tmp_path, name):
    safe = markdown_text(name)
    assert parts(tmp_path, f"of {safe}: one") == (f"of {seen(name)}: one", ["p"])
    assert parts(tmp_path, f"{safe}, first") == (f"{seen(name)}, first", ["p"])
    assert parts(tmp_path, f"* **of {safe} .** two") == (f"of {seen(name)} . two", ["ul", "li", "strong"])
    rows = ["div", "table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert parts(tmp_path, f"| a | b |\n|---|---|\n| {safe} | c |")[1] == rows


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name_in_html_too(name):
    soup = BeautifulSoup(f'<p title="{markdown_text(name)}">{markdown_text(name)}</p>', "html.parser")
    assert (soup.p["title"], soup.get_text()) == (seen(name), seen(name))
    assert len(soup.find_all(True)) == 1


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab1.-+#*_`~^=$|[]()<>!&\\\"':/@ \n\t{}") | st.characters(), min_size=1, max_size=25))
def test_any_name_is_shown_as_it_is(tmp_path_factory, name):
    expected = f"of {seen(name)}.".replace("  ", " ")
    text, elements = parts(tmp_path_factory.mktemp("name"), f"of {markdown_text(name)}.")
    assert (text.replace("  ", " "), elements) == (expected, ["p"])


def test_what_the_project_says_of_its_own_data_is_as_before():
    for sentence in ("MNIST (original)", "digits (scikit-learn)", "The user's own arrays.", "0+2+4 against 1+3, 5%"):
        assert markdown_text(sentence) == sentence


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    """The path of an .npz whose name, and the names of whose classes, are markup."""
    path = (
        tmp_path_factory.mktemp("data")
        / '<!--><meta http-equiv=refresh content="0;url=x">--> `a|b` ](x) $c$ <img src=x>.npz'
    )
    rng = np.random.default_rng(0)
    labels = np.array([NAMES[0], NAMES[1]] * 20)
    images = rng.integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(path, x_train=images, y_train=labels, x_test=images[:10], y_test=labels[:10])
    return path


def study_of(path):
    return Study(dataset=str(path), classes=None, n_train=20)


def about_set_shown(path):
    study = SimpleNamespace(base=lambda: study_of(path), C=1.0)
    sets = {"candidates": SimpleNamespace(source=np.zeros(4)), "features": SimpleNamespace(n=20)}
    sample, transformation = study_of(path).split(0), study_of(path).augmentation()
    return set_shown.about(SimpleNamespace(study=study, sample=sample, transformation=transformation, **sets))


def about_sets(path, monkeypatch):
    monkeypatch.setattr(SetStudy, "base", lambda _: study_of(path))
    return set_summary.about(SetStudy())


def about_sweeps(path, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "outputs", lambda: tmp_path / "outputs")
    name = "<img src=x> *a* `b`"
    about = artifacts.manifest("key", data=load(str(path)).provenance)
    artifacts.write_table(tmp_path / "outputs" / name / "sweep.parquet", about, pd.DataFrame({"a": [1]}))
    return stages.data_of([name])


def measured():
    return pd.DataFrame({"fitted": [1], "models": [2], "accuracy_difference": [0.0]})


def test_no_name_of_a_persons_own_data_becomes_markup(tmp_path, monkeypatch, nasty):
    study, own = study_of(nasty), OwnData(data=str(nasty), classes=None, n_train=20)
    texts = [
        report.about(study),
        f"*{report.caption(study, sweep_table())}*",
        own_page.about(own, material.of(own)),
        shown.about(Comparison(dataset=str(nasty), n_train=20)),
        benchmark_page.caption(study, measured()),
        about_set_shown(nasty),
        about_sets(nasty, monkeypatch),
        about_sweeps(nasty, monkeypatch, tmp_path),
    ]
    for text in texts:
        found, elements = parts(tmp_path, text)
        assert nasty.name in found
        assert set(elements) <= {"p", "strong", "em", "ul", "li"}
    assert f"{NAMES[0]} against {NAMES[1]}" in parts(tmp_path, texts[0])[0]
    assert f"{NAMES[0]} against {NAMES[1]}" in parts(tmp_path, texts[5])[0]
    assert "<img src=x> *a* `b`." in parts(tmp_path, texts[-1])[0]


def test_the_summary_says_the_name_itself(nasty):
    assert report.title(study_of(nasty), nasty.name, ("a", "b")).startswith(nasty.name)


def shown_table(tmp_path, styler):
    output = new_output("display_data", {"text/html": styler.to_html()})
    return render(tmp_path, new_code_cell("t", outputs=[output])).select_one("main table")


@pytest.mark.parametrize("name", [NAMES[0], NAMES[1], NAMES[17]])
def test_tables_show_names_as_they_are(tmp_path, name):
    frame = pd.DataFrame({name: [name, None], "number": [1.25, np.nan]}, index=[name, "b"])
    table = shown_table(tmp_path, styled(frame, {"number": "{:.1f}"}))
    cells = [cell.get_text() for cell in table.find_all(["th", "td"])]
    assert cells[1:] == [name, "number", name, name, "1.2", "b", "", ""]
    found = pd.DataFrame(
        {"study": [name], "score": ["loss"], "claim": [claims.CLAIMS[0].name], "verdict": ["holds"]}
    ).assign(mean=1.0, half_width=0.1)
    assert table.find("img") is None
    claimed = shown_table(tmp_path, claims.shown(found, "loss"))
    assert name in [cell.get_text() for cell in claimed.find_all("th")] and claimed.find("img") is None
    sorted_table = shown_table(tmp_path, words.sortable(pd.DataFrame({"study": [name], "x": [0.5]}), {"x": "{:.2f}"}))
    assert [cell.get_text() for cell in sorted_table.find_all("td")] == [name, "0.50"]
