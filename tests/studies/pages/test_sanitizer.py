"""What is left of markup that runs, loads, sends or leads elsewhere: nothing of it; and of what notebooks show: all."""

from html.parser import HTMLParser

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

import hostile
from studies.pages import sanitizer
from studies.pages.mathml import mathml
from studies.pages.render import render_notebook
from studies.pages.sanitizer import clean, style_rules
from studies.storage import paths

ARMED = hostile.armed()
ELEMENTS = {*sanitizer.TEXT.split(), *sanitizer.MATHML.split()}
READ_OTHERWISE = "iframe noembed noframes noscript plaintext script select style svg template textarea title xmp"
"""Elements whose content is no markup to some parsers, or other markup."""
LOADING = "audio base embed form frame image input link meta object picture portal source track video"
HARMLESS = {"class", "id", "title", "alt", "open", "display", "style", "border", "scope", "width", "height"}
CHUNKS = [
    *ARMED.values(),
    *(text[: len(text) // 2] for text in ARMED.values()),
    "<p>",
    "</p>",
    "<td>",
    "</math>",
    "-->",
]


class Tags(HTMLParser):
    """All tags and attributes; where nothing but plain tags and text is left, any parser finds the same."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.strange = set(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def strange_part(self, text):
        self.strange.append(text)

    handle_comment = handle_decl = handle_pi = unknown_decl = strange_part


def harm(text):
    """What is not allowed in cleaned markup; empty if all is well."""
    found = Tags(text)
    bad = sorted(found.tags - ELEMENTS) + found.strange
    for name, value in found.attributes:
        link = name == "href" and not value.strip().lower().startswith(
            ("javascript", "data", "vbscript", "blob", "file")
        )
        picture = name == "src" and value.startswith("data:image/")
        style = name == "style" and not set("\\@") & set(value) and "url" not in value
        bad += [] if link or picture or style or name in HARMLESS - {"style"} else [(name, value)]
    return bad


def test_no_element_is_allowed_that_loads_or_that_parsers_read_in_different_ways():
    assert not ELEMENTS & {*READ_OTHERWISE.split(), *LOADING.split(), "annotation-xml", "malignmark", "mglyph"}


@pytest.mark.parametrize("name", ARMED)
def test_nothing_harmful_is_left(name):
    left = clean(ARMED[name])
    assert harm(left) == []
    assert clean(left) == left


@settings(deadline=None)
@given(st.lists(st.sampled_from(CHUNKS) | st.text(max_size=9), min_size=2, max_size=6))
def test_nothing_harmful_is_left_of_any_mixture(parts):
    left = clean("".join(parts))
    assert harm(left) == []
    assert harm(clean(left)) == []


@pytest.mark.parametrize("name", ARMED)
def test_no_rule_of_a_style_sheet_asks(name):
    rules = "\n".join(style_rules(ARMED[name]) + style_rules(f"p {{ color: {ARMED[name]} }}"))
    assert not [word for word in ("url", "http", "@", "<", "image-set", "var(") if word in rules]


def test_text_between_what_is_dropped_stays():
    assert clean("a<!-- b -->c<blink>d</blink>e<script>f</script>g<style>h</style>i") == "acdegi"


@pytest.mark.parametrize(
    "address",
    ["https://a.org/b?c:d", "http://a.org", "//a.org", "mailto:a@b.org", "a b.html#c", "#a:b", "../a/b:c", ""],
)
def test_links_that_a_reader_may_follow_stay(address):
    assert BeautifulSoup(clean(f'<a href="{address}">x</a>'), "html.parser").a["href"] == address


@pytest.mark.parametrize(
    "address", ["javascript:x", " \x01java\nscript:x", "data:text/html,x", "file:///a", "c:\\a", "x:"]
)
def test_links_to_anything_else_are_no_links(address):
    assert clean(f'<a href="{address}">x</a>') == "<a>x</a>"


def test_pictures_stay_if_they_are_in_the_page():
    assert clean('<img src="data:image/png;base64,AA+/=" alt="a">') == '<img src="data:image/png;base64,AA+/=" alt="a">'
    for address in ("data:text/html;base64,AA", "data:image/png,<svg>", "a.png", "/a.png", "data:image/x;base64,AA"):
        assert clean(f"<img src='{address}' alt='a'>") == '<img alt="a">'


@pytest.mark.parametrize(
    ("css", "rules"),
    [
        ("#T_a b:hover{color:red;x:y}", ["#T_a b:hover { color: red; }"]),
        ("a, b > c { width : 10% !important }", ["a, b > c { width: 10% !important; }"]),
        ("td{background:linear-gradient(90deg, #d65f5f 10%, transparent 10%)}/* c */", None),
        ("tr:nth-child(odd) td { padding: 1px 2em }", ["tr:nth-child(odd) td { padding: 1px 2em; }"]),
        ("@import 'a'; @media all { a { color: red } } p { color: red; background: url(a) }", ["p { color: red; }"]),
        ("p { background: url('a'); } q { color: image(a) } ", []),
        ("p { color: \\3c /style\\3e } a[x='</style>'] { color: red }", []),
        ("p { background: \\75 rl(a) } p { \\63 olor: red", ["p { color: red; }"]),
    ],
)
def test_rules_that_set_plain_values_stay(css, rules):
    found = style_rules(css)
    assert found == rules if rules is not None else "linear-gradient(90deg, #d65f5f 10%, transparent 10%)" in found[0]


def test_lone_halves_of_characters_do_no_harm():
    assert clean("a\udc80<b>c</b>") == "a?<b>c</b>"


def test_a_table_of_pandas_keeps_its_look(tmp_path):
    table = pd.DataFrame({"a": [1.5], "<b>": ["c"]})
    bars = table.style.bar(subset="a").set_properties(**{"text-align": "left"}).set_caption("d")
    styles = BeautifulSoup(bars.to_html(), "html.parser").style.get_text()
    rules = " ".join(style_rules(styles))
    assert "linear-gradient" in rules and "text-align: left" in rules
    assert set(BeautifulSoup(styles, "html.parser").get_text().split()) - set(rules.split()) <= {"}", "height:"}


@pytest.mark.parametrize(
    "tex", [r"\hat\theta = \arg\min_\theta \sum_{i=1}^n \frac{1}{2C} \|W\|^2", r"\sqrt[3]{x} \in \{a\}"]
)
def test_formulas_stay_as_they_are(tex):
    formula = mathml(tex, "block")
    assert BeautifulSoup(clean(formula), "html.parser") == BeautifulSoup(formula, "html.parser")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["08_claims", "00_index"])
def test_a_page_that_is_committed_shows_the_same_when_it_is_rendered_again(name, tmp_path):
    notebook, committed = (
        paths.PROJECT / "outputs" / f"{kind}/{name}.{end}" for kind, end in (("notebooks", "ipynb"), ("pages", "html"))
    )
    render_notebook(notebook, tmp_path / "a.html")
    shown = [BeautifulSoup(path.read_text("utf-8"), "html.parser").main for path in (committed, tmp_path / "a.html")]
    for main in shown:
        for style in main.find_all("style"):
            style.decompose()
        for link in main.find_all("a", href=True):
            link["href"] = link["href"].rpartition("/")[2]
    parts = [[(tag.name, sorted(tag.attrs.items())) for tag in main.find_all(True)] for main in shown]
    assert parts[0] == parts[1]
    assert shown[0].get_text().split() == shown[1].get_text().split()
