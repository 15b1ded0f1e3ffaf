"""The rendered pages in Chromium: they open from disk, ask nobody for anything, and can be read."""

import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from studies.pages.mathml import mathml
from studies.pages.render import TEMPLATES
from studies.storage import paths

pytestmark = pytest.mark.browser
OUTPUTS = paths.PROJECT / "outputs"
INDEX = OUTPUTS / "index.html"
SCORES = OUTPUTS / "mnist-translate" / "pages" / "02_score.html"
NARROW = {"width": 390, "height": 844}
LINKS = "Array.from(document.links, link => link.href)"
UNSEEN_PICTURES = """async () => {
    const pictures = Array.from(document.images);
    await Promise.allSettled(pictures.map(picture => picture.decode()));
    return pictures.filter(picture => !picture.naturalWidth || !picture.clientWidth).map(picture => picture.alt);
}"""
UNDESCRIBED = "Array.from(document.images).filter(picture => !picture.alt.trim()).map(picture => picture.src)"
UNSEEN_FORMULAS = """Array.from(document.querySelectorAll("main math"))
    .filter(formula => { const box = formula.getBoundingClientRect(); return !box.width || !box.height; })
    .map(formula => formula.textContent)"""
TOO_WIDE = "Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - window.innerWidth"
USUAL = {"width": 1200, "height": 900}
CUT_TABLES = """() => {
    document.querySelectorAll("details").forEach(folded => folded.open = true);
    const scrolls = box => ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
    return Array.from(document.querySelectorAll("table")).filter(table => {
        let box = table;
        while (box && !scrolls(box)) box = box.parentElement;
        return box && box.scrollWidth > box.clientWidth + 1;
    }).map(table => table.innerText.slice(0, 60));
}"""
COLOURS = """element => {
    const backgrounds = [];
    for (let box = element; box; box = box.parentElement) backgrounds.push(getComputedStyle(box).backgroundColor);
    return [getComputedStyle(element).color, backgrounds.find(colour => !colour.endsWith(", 0)"))];
}"""
HEIGHTS = """formula => Array.from(formula.children, part => part.getBoundingClientRect())
    .map(box => box.top + box.height / 2)"""


def local(links):
    """Files that links lead to."""
    parts = [urlsplit(link) for link in links]
    return {Path(unquote(part.path)) for part in parts if part.scheme == "file"}


def committed():
    """Pages that are in the repository; none where this is no checkout."""
    listed = subprocess.run(["git", "ls-files", "outputs/*.html"], cwd=paths.PROJECT, capture_output=True, text=True)
    return {paths.PROJECT / line for line in listed.stdout.splitlines()}


def contrast(one, other):
    """Contrast ratio of two CSS colours, ``rgb(r, g, b)``, by WCAG 2.1."""

    def luminance(colour):
        shares = [int(part) / 255 for part in colour.removeprefix("rgb(").rstrip(")").split(",")]
        linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def reachable(page, start):
    """Open a page and, one after the other, all that its links lead to; yield each one's file while it is open."""
    waiting, seen = [start], {start}
    while waiting:
        file = waiting.pop()
        page.goto(file.as_uri())
        new = sorted(
            target for target in local(page.evaluate(LINKS)) - seen if target.suffix == ".html" and target.exists()
        )
        waiting += new
        seen |= set(new)
        yield file


def faults(page):
    """What is wrong with an open page, in words; nothing if it is well."""
    targets = local(page.evaluate(LINKS))
    found = [f"leads to {target}, which is not there" for target in sorted(targets) if not target.exists()]
    found += [f"does not show the figure {text!r}" for text in page.evaluate(UNSEEN_PICTURES)]
    found += ["has a figure without a description" for text in page.evaluate(UNDESCRIBED)]
    found += [f"does not show the formula {text!r}" for text in page.evaluate(UNSEEN_FORMULAS)]
    with_size = page.viewport_size
    page.set_viewport_size(NARROW)
    if (wide := page.evaluate(TOO_WIDE)) > 0:
        found.append(f"is {wide} pixels wider than a narrow window")
    page.set_viewport_size(USUAL)
    found += [f"cuts the table {text!r} in a usual window" for text in page.evaluate(CUT_TABLES)]
    page.set_viewport_size(with_size)
    return found


def test_every_page_that_the_index_leads_to_is_whole_and_asks_no_other_host(page, refused, complaints):
    found, files = [], []
    for file in reachable(page, INDEX):
        files.append(file)
        found += [f"{file.relative_to(OUTPUTS)} {fault}" for fault in faults(page)]
    assert found == []
    assert complaints == []
    assert refused == []
    assert committed() <= set(files)


def test_a_page_that_is_not_whole_is_told_from_one_that_is(page, tmp_path):
    file = tmp_path / "broken.html"
    dot = '<img alt=" " src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">'
    wide = '<p style="width: 500px; margin: 0">wide</p>'
    wide += '<div style="overflow-x: auto; width: 300px"><table><td style="min-width: 400px">cut</table></div>'
    links = '<a href="gone.html">gone</a> <a href="broken.html">here</a>'
    file.write_text(
        f'<body style="margin: 0"><main>{links} <img src="no.png" alt="curve">{dot} <math></math> {wide}</main>'
    )
    page.goto(file.as_uri())
    assert faults(page) == [
        f"leads to {tmp_path / 'gone.html'}, which is not there",
        "does not show the figure 'curve'",
        "has a figure without a description",
        "does not show the formula ''",
        "is 110 pixels wider than a narrow window",
        "cuts the table 'cut' in a usual window",
    ]


def test_what_a_page_asks_of_another_host_is_refused_and_counted(page, tmp_path, refused):
    file = tmp_path / "asks.html"
    file.write_text('<img src="https://example.org/a.png"><script src="http://example.org/b.js"></script>')
    page.goto(file.as_uri())
    assert sorted(refused) == ["http://example.org/b.js", "https://example.org/a.png"]
    refused.clear()


def test_what_chromium_asks_past_the_pages_is_refused_and_counted(chromium, refused):
    with chromium.new_context() as context:
        assert context.new_page().goto("http://example.org/").status == 403
    assert refused[0] == "GET http://example.org/"
    assert {urlsplit(asked.split()[1]).netloc for asked in refused} == {"example.org"}
    refused.clear()


def test_a_page_lets_no_strange_script_run_and_says_so(page, tmp_path, complaints):
    file = tmp_path / "scores.html"
    strange = "<script>document.title = 'changed'</script></main>"
    file.write_text(SCORES.read_text("utf-8").replace("</main>", strange), "utf-8")
    page.goto(file.as_uri())
    assert page.title().startswith("Scores")
    assert len(complaints) == 1 and "Content Security Policy" in complaints[0]


def test_the_index_shows_every_studys_headline_figure(page, screenshot):
    page.goto(INDEX.as_uri())
    assert page.evaluate(UNSEEN_PICTURES) == []
    studies = [folder.name for folder in OUTPUTS.iterdir() if (folder / "summary.json").exists()]
    shown = page.locator("section.study figure img")
    assert shown.count() == len(studies) > 0
    screenshot(page, "index", full_page=True)


def test_a_reader_comes_from_the_index_to_a_study_and_back(page, screenshot):
    page.goto(INDEX.as_uri())
    name = SCORES.parents[1].name
    study = page.locator(f"#{name}")
    assert not study.is_visible()
    page.locator(f'a[href="#{name}"]').click()
    study.get_by_role("link", name="Scores").first.click()
    page.wait_for_url(SCORES.as_uri())
    assert page.get_by_role("heading", level=1).inner_text().startswith("Scores")
    screenshot(page, "study", full_page=True)
    page.get_by_role("link", name="All studies").first.click()
    page.wait_for_url(INDEX.as_uri())


def test_formulas_are_set_by_the_browser(page):
    page.goto(SCORES.as_uri())
    assert page.locator("main math").count() > 0 and page.locator("code.tex").count() == 0
    base, below, above = page.locator("math[display=block] msubsup").first.evaluate(HEIGHTS)
    assert above < base < below


def test_bars_around_an_expression_are_drawn_of_one_height(page, tmp_path):
    file, style = tmp_path / "bars.html", (TEMPLATES / "style.css").read_text("utf-8")
    formula = mathml(r"\lvert \frac{1}{2} \rvert = 1", "block")
    file.write_text(f'<!doctype html><meta charset="utf-8"><style>{style}</style>{formula}', "utf-8")
    page.goto(file.as_uri())
    left, right = (bar.bounding_box() for bar in page.locator("mo").filter(has_text="|").all())
    assert left["height"] == right["height"] > 0


@pytest.mark.parametrize("file", [INDEX, SCORES], ids=["index", "study"])
def test_light_and_dark_pages_differ_and_both_can_be_read(page, screenshot, file):
    seen = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(file.as_uri())
        seen[scheme] = {place: page.locator(place).first.evaluate(COLOURS) for place in ("body", "main p", "main a")}
        screenshot(page, f"{file.stem}-{scheme}")
    assert min(contrast(*colours) for places in seen.values() for colours in places.values()) >= 4.5
    (ink, paper), (dark_ink, dark_paper) = seen["light"]["body"], seen["dark"]["body"]
    assert contrast(paper, dark_paper) > 10 and contrast(ink, dark_ink) > 4.5


def test_a_narrow_window_shows_a_page_whole(page, screenshot):
    page.set_viewport_size(NARROW)
    for file in (INDEX, SCORES):
        page.goto(file.as_uri())
        assert page.evaluate(TOO_WIDE) <= 0
        screenshot(page, f"{file.stem}-narrow")


def column(table, number):
    """Text of a column's cells in the rows that are shown, from the top."""
    return [row.locator("th, td").nth(number).inner_text() for row in table.locator("tbody tr:visible").all()]


def test_the_table_of_published_numbers_is_sorted_and_filtered_without_a_server(page, complaints, screenshot):
    page.goto((OUTPUTS / "pages" / "06_figures.html").as_uri())
    table, place = page.locator("table.sortable"), page.locator(".filter")
    heads = table.locator("thead th").all_inner_texts()
    ours, study = heads.index("ours"), heads.index("study")
    everything = column(table, study)
    table.get_by_role("button", name="ours").click()
    rising = [float(text.split()[0]) for text in column(table, ours)]
    assert rising == sorted(rising) and rising[0] < rising[-1]
    table.get_by_role("button", name="ours").click()
    assert [float(text.split()[0]) for text in column(table, ours)] == rising[::-1]
    place.get_by_role("searchbox").fill("mnist-rotate influence")
    shown = column(table, study)
    assert 0 < len(shown) < len(everything) and set(shown) == {"mnist-rotate"}
    assert place.inner_text().endswith(f"{len(shown)} of {len(everything)}")
    screenshot(page, "published")
    place.get_by_role("searchbox").fill("")
    assert sorted(column(table, study)) == sorted(everything)
    assert complaints == []
