"""JupyterLab as `make lab` starts it, in Chromium: notebooks open, lead to one another, run, and show what came out."""

import re
import sys
from ipaddress import ip_address
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import nbformat
import psutil
import pytest
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

import influaug
from studies.storage import paths

pytestmark = pytest.mark.browser
SCORES, SWEEP = "02_score.ipynb", "03_policy_sweep.ipynb"
SECONDS = 600
"""How long a notebook may take to run, on a busy machine too."""
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
FIGURE = f"{PANEL} .jp-RenderedImage img"
PROMPTS = f"{PANEL} .jp-CodeCell .jp-InputPrompt"
STDERR = f'{PANEL} .jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]'
"""Where JupyterLab shows errors, too."""
TRACEBACK = "Traceback (most recent call last)"
ENDED = r"""([prompts, outputs, traceback]) => {
    const texts = selector => Array.from(document.querySelectorAll(selector), element => element.textContent.trim());
    const failed = texts(outputs).some(text => text.includes(traceback));
    const counts = texts(prompts).filter(text => /^\[\d+\]:$/.test(text));
    return !texts(prompts).includes("[*]:") && counts.length > 0 && (failed || counts.length === texts(prompts).length);
}"""
CONNECTED = """async notebook => {
    const sessions = await (await fetch("/api/sessions")).json();
    return sessions.some(({path, kernel}) =>
        path === notebook && kernel.connections > 0 && kernel.execution_state === "idle");
}"""
WIDTHS = "pictures => pictures.map(picture => Math.min(picture.naturalWidth, picture.clientWidth))"
SIDES = """formulas => formulas.map(formula => formula.getBoundingClientRect())
    .map(box => Math.min(box.width, box.height))"""


@pytest.fixture
def index(lab, page):
    """The page that JupyterLab opens, with the index notebook rendered."""
    page.goto(lab.opened)
    heading(page, "Which training points are worth augmenting?")
    return page


def heading(page, text):
    """Wait until the notebook in front is the one with this heading."""
    page.locator(f"{PANEL} .jp-MarkdownOutput h1").filter(has_text=text).wait_for()


def choose(page, menu, entry):
    """Choose an entry of the menu bar."""
    page.get_by_role("menubar").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu").get_by_text(entry, exact=True).click()


def run_all(page, name):
    """Run the cells of the notebook in front, and wait until all have run or one has failed."""
    # JupyterLab forgets what is to be run before the notebook has its kernel.
    page.wait_for_function(CONNECTED, arg=name)
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    choose(page, "Run", "Run All Cells")
    try:
        page.wait_for_function(ENDED, arg=[PROMPTS, STDERR, TRACEBACK], timeout=1000 * SECONDS)
    except PlaywrightTimeoutError:
        pytest.fail(f"After {SECONDS} s the prompts were {page.locator(PROMPTS).all_inner_texts()}.")


def errors(page):
    """What the cells of the notebook in front show of errors."""
    return page.locator(STDERR).filter(has_text=TRACEBACK).all_inner_texts()


def saved(page, lab, name):
    """The notebook in front as JupyterLab saves it."""
    with page.expect_response(lambda response: response.request.method == "PUT" and name in response.url) as response:
        choose(page, "File", "Save Notebook")
    assert response.value.ok
    return nbformat.read(lab.folder / "notebooks" / name, 4)


def outputs_of(notebook, kind):
    """Outputs of a type, or with data of a MIME type."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output for output in outputs if kind == output.output_type or kind in output.get("data", {})]


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def formulas(notebook):
    """Formulas in a notebook's prose."""
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.findall(r"\$\$.+?\$\$|\$.+?\$", prose, re.DOTALL)


def test_a_notebook_reached_from_the_index_runs_whole_and_shows_figures_and_formulas(index, lab, refused, screenshot):
    page, published = index, nbformat.read(paths.NOTEBOOKS / SCORES, 4)
    screenshot(page, "lab-index")
    page.locator(PANEL).get_by_role("link", name="Scores", exact=True).click()
    heading(page, "Scores: which points promise most")
    run_all(page, SCORES)
    screenshot(page, "lab-scores-end")
    page.set_viewport_size({"width": 1280, "height": 4000})
    page.locator(f"{PANEL} h1").first.scroll_into_view_if_needed()
    screenshot(page, "lab-scores")
    executed = saved(page, lab, SCORES)

    assert errors(page) == [] == outputs_of(executed, "error")
    cells = [cell for cell in executed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert sources(executed) == sources(published)

    widths = page.locator(f"{PANEL} .jp-RenderedImage img").evaluate_all(WIDTHS)
    assert len(widths) == len(outputs_of(executed, "image/png")) == sum("plt.subplots" in cell.source for cell in cells)
    assert min(widths) > 300
    sides = page.locator(f"{PANEL} mjx-container").evaluate_all(SIDES)
    assert len(sides) == len(formulas(published)) > 0 and min(sides) > 4
    assert page.locator(f"{PANEL} :is(mjx-merror, [data-mjx-error])").count() == 0
    assert list((lab.folder / "outputs" / "digits-translate").glob("scores.parquet"))
    assert refused == []


def test_a_cell_that_fails_is_told_and_the_kernel_is_the_projects_python(lab, page):
    cells = ["import sys, influaug; print(sys.prefix, influaug.__file__, sep='\\n')", "1 / 0", "print('not reached')"]
    code = [nbformat.v4.new_code_cell(source) for source in cells]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Fails"), *code])
    notebook.metadata.kernelspec = nbformat.read(paths.NOTEBOOKS / SCORES, 4).metadata.kernelspec
    nbformat.write(notebook, lab.folder / "notebooks" / "fails.ipynb")
    page.goto(f"{lab.server['url']}lab/tree/fails.ipynb?token={lab.server['token']}")
    heading(page, "Fails")
    run_all(page, "fails.ipynb")
    executed = saved(page, lab, "fails.ipynb")
    assert ["ZeroDivisionError" in text for text in errors(page)] == [True]
    assert [output.ename for output in outputs_of(executed, "error")] == ["ZeroDivisionError"]
    assert executed.cells[-1].execution_count is None
    (printed,) = outputs_of(executed, "stream")
    assert printed.text.splitlines() == [sys.prefix, influaug.__file__]


def explorer():
    """The cells that make and show the controls of the sweep's notebook, for a study that takes seconds."""
    (cell,) = (cell.source for cell in nbformat.read(paths.NOTEBOOKS / SWEEP, 4).cells if "Explorer" in cell.source)
    imports = "from studies.pages import looks\nfrom studies.points import controls as live, stages"
    imports += "\nfrom studies.points.study import Study"
    small = "n = 40\ns = Study(n_train=n, budgets=[2, 10, n], epochs=1, replicates=1)"
    return [f"{imports}\nlooks.use_style()", small, cell]


def figure(page, other_than=""):
    """The picture in the notebook in front, as soon as there is one and it is another than one before."""
    shown = "([selector, before]) => Array.from(document.querySelectorAll(selector)).some(one => one.src !== before)"
    page.wait_for_function(shown, arg=[FIGURE, other_than])
    return page.locator(FIGURE).get_attribute("src")


def test_the_sweeps_controls_redraw_its_figure(lab, page, screenshot):
    code = [nbformat.v4.new_code_cell(source) for source in explorer()]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# Live"), *code])
    notebook.metadata.kernelspec = nbformat.read(paths.NOTEBOOKS / SWEEP, 4).metadata.kernelspec
    nbformat.write(notebook, lab.folder / "notebooks" / "live.ipynb")
    page.goto(f"{lab.server['url']}lab/tree/live.ipynb?token={lab.server['token']}")
    heading(page, "Live")
    run_all(page, "live.ipynb")
    score = page.locator(f"{PANEL} .widget-dropdown select").first
    first = figure(page)
    score.select_option("loss")
    by_loss = figure(page, other_than=first)
    screenshot(page, "lab-live")
    score.select_option("influence")
    assert figure(page, other_than=by_loss) == first
    assert errors(page) == []


def test_jupyterlab_and_its_kernels_listen_on_loopback_alone(lab):
    server = psutil.Process(lab.process.pid)
    sockets = [socket for one in (server, *server.children(recursive=True)) for socket in one.net_connections()]
    listening = {socket.laddr for socket in sockets if socket.status == psutil.CONN_LISTEN}
    assert lab.server["port"] in {address.port for address in listening}
    assert [address for address in listening if not ip_address(address.ip).is_loopback] == []


@pytest.mark.parametrize("token", [None, "wrong"])
def test_without_its_token_jupyterlab_lets_nobody_in(lab, token):
    assert len(lab.server["token"]) >= 32
    assert asked(lab, "api/contents", token=lab.server["token"]).status == 200
    assert asked(lab, "api/contents", token=token).status == 403
    assert asked(lab, "api/kernels", token=token, data=b"{}").status == 403
    assert urlsplit(asked(lab, "lab", token=token).url).path == "/login"


def asked(lab, path, token, data=None):
    """What JupyterLab answers, after redirects."""
    headers = {"Authorization": f"token {token}"} if token else {}
    try:
        return build_opener(ProxyHandler({})).open(Request(lab.server["url"] + path, data, headers), timeout=30)
    except HTTPError as answer:
        return answer
