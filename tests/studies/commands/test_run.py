"""The batch runner: one notebook of one study, kept and rendered also when it fails, and answers in one sentence."""

import os
import re
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from influaug.errors import InputError
from studies.commands.run import MARK, main, run
from studies.points import study
from studies.storage import paths

pytestmark = pytest.mark.slow

PARAMETERS = "study: tiny\nn_train: 40\nbudgets: [2, 10, 40]\n"
SETUP = """from studies.points.study import Study

s = Study.from_namespace(globals())
import os
print("n_train", s.n_train, "C", s.C, "in", os.getcwd())"""


@pytest.fixture
def project(tmp_path, monkeypatch, outputs):
    """The working folder of a run: parameters in it, and a function that writes a notebook there."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(PARAMETERS)

    def write(name, *cells):
        parameters = new_code_cell('study = "digits-translate"\nC = 10', metadata={"tags": ["parameters"]})
        notebook = new_notebook(cells=[new_markdown_cell("# Tiny"), parameters, *map(new_code_cell, cells)])
        path = Path("notebooks", f"{name}.ipynb")
        path.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, path)
        return str(path)

    return write


def said(capfd):
    """The command's own lines on standard error, without their mark; kernels may add theirs as they shut down."""
    out, err = capfd.readouterr()
    assert out == ""
    return [line.removeprefix(MARK) for line in err.splitlines() if line.startswith(MARK)]


def links(page):
    """Text and address of the first navigation of a page."""
    return [(link.text, link["href"]) for link in BeautifulSoup(page.read_text("utf-8"), "html.parser").nav("a")]


def test_a_notebook_runs_with_the_studys_parameters_where_the_command_is_given(project, outputs, monkeypatch, capfd):
    monkeypatch.setenv("INFLUAUG_OUTPUTS", os.path.relpath(outputs))
    notebook = project("01_featurize", SETUP)
    before = Path(notebook).read_bytes()
    assert main([notebook, "tiny.yaml"]) == 0
    started, finished = said(capfd)
    assert started == "started tiny: 01_featurize" and re.fullmatch(r"finished tiny: 01_featurize; \d+ s", finished)
    (folder,) = (outputs / "variations").iterdir()
    (executed,), (page,) = ((folder / kind).iterdir() for kind in ("notebooks", "pages"))
    assert (executed.name, page.name) == ("01_featurize.ipynb", "01_featurize.html")
    printed = nbformat.read(executed, 4).cells[-1].outputs[0].text
    assert printed == f"n_train 40 C 10.0 in {Path.cwd()}\n"
    assert "tiny" in page.read_text("utf-8")
    assert Path(notebook).read_bytes() == before


PICTURE = """import numpy as np
from IPython.display import Image, display
from PIL import Image as Pillow
from io import BytesIO
rng = np.random.default_rng(0)
picture = rng.integers(0, 256, (64, 4), np.uint8)[rng.integers(0, 64, (80, 90))]
for channels in (3, 4):
    Pillow.fromarray(picture[..., :channels]).save(buffer := BytesIO(), "png")
    display(Image(buffer.getvalue()))"""


def test_pictures_are_kept_with_a_palette_unless_they_are_transparent(project, tmp_path):
    run(project("01_featurize", PICTURE), "tiny.yaml", tmp_path / "done.ipynb", tmp_path / "done.html")
    opaque, transparent = (
        Image.open(BytesIO(b64decode(output.data["image/png"])))
        for output in nbformat.read(tmp_path / "done.ipynb", 4).cells[-1].outputs
    )
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (64, 4), np.uint8)[rng.integers(0, 64, (80, 90))]
    assert opaque.mode == "P" and transparent.mode == "RGBA"
    np.testing.assert_array_equal(np.asarray(opaque.convert("RGB")), picture[..., :3])
    np.testing.assert_array_equal(np.asarray(transparent), picture)


@pytest.mark.parametrize("content", [b"no picture", b"\x89PNG\r\n\x1a\n", b""])
def test_a_picture_that_is_none_stays_as_the_notebook_left_it(project, tmp_path, content):
    shows = f"from IPython.display import display\ndisplay({{'image/png': {b64encode(content).decode()!r}}}, raw=True)"
    run(project("01_featurize", shows), "tiny.yaml", tmp_path / "done.ipynb", tmp_path / "done.html")
    (output,) = nbformat.read(tmp_path / "done.ipynb", 4).cells[-1].outputs
    assert b64decode(output.data["image/png"]) == content


@pytest.mark.parametrize(
    ("parameters", "right"),
    [("sead: 1\n", "sead"), ("n_train: many\n", "n_train"), ("C: 0\n", "C"), ("policies: [greedy]\n", "greedy")],
)
def test_wrong_parameters_end_it_before_anything_is_written(project, tmp_path, capfd, parameters, right):
    notebook = project("fine", "1")
    Path("tiny.yaml").write_text(parameters)
    before = sorted(tmp_path.rglob("*"))
    assert main([notebook, "tiny.yaml"]) == 1
    started, failed = said(capfd)
    assert started == "started tiny: fine" and failed.startswith("failed tiny: fine; ") and right in failed
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["nosuch.ipynb", "tiny.yaml", "."])
def test_what_is_no_notebook_is_answered_with_those_there_are(project, name):
    with pytest.raises(InputError, match=r"00_index\.ipynb"):
        run(name, "tiny.yaml")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("raise RuntimeError('boom.\\nAnd more.')", "RuntimeError: boom;"),
        ("from influaug.errors import InputError\nraise InputError('C is wrong.')", "InputError: C is wrong;"),
        ("import os\nos._exit(1)", "its kernel died, perhaps for lack of memory;"),
    ],
)
def test_a_failed_notebook_is_kept_and_rendered_and_said_in_a_line(project, outputs, capfd, cell, reason):
    notebook = project("02_score", "print('before')", cell, "print('after')")
    executed, page = outputs / "tiny" / "notebooks" / "kept.ipynb", outputs / "tiny" / "pages" / "kept.html"
    page.parent.mkdir(parents=True)
    page.write_text("of an earlier run that ended well")
    assert main([notebook, "tiny.yaml", "--executed", str(executed), "--page", str(page)]) == 1
    started, failed = said(capfd)
    assert started == "started tiny: 02_score" and failed.startswith("failed tiny: 02_score; ")
    assert failed.endswith(f"; {reason} see {executed}.")
    assert sorted(p.name for p in outputs.rglob("*.*")) == ["kept.html", "kept.ipynb"]
    text = page.read_text("utf-8")
    assert "<pre>before" in text and "<pre>after" not in text
    if "InputError" in cell:
        (error,) = (
            o for c in nbformat.read(executed, 4).cells for o in c.get("outputs", []) if o.output_type == "error"
        )
        assert error.traceback == ["InputError: C is wrong."]
        shown = BeautifulSoup(text, "html.parser").select_one(".output_error").get_text().strip()
        assert shown == "InputError: C is wrong."


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KeyboardInterrupt(), "it was interrupted;"),
        (RuntimeError("Kernel died before replying to kernel_info"), "its kernel did not start (Kernel died before"),
    ],
)
def test_what_ends_papermill_is_said_in_a_line_and_what_ran_is_kept(
    project, outputs, monkeypatch, capfd, error, reason
):
    def execute(source, running, **_):
        running.write_bytes(source.read_bytes())
        raise error

    monkeypatch.setattr("studies.commands.run.papermill.execute_notebook", lambda src, dst, **_: execute(src, dst))
    assert main([project("02_score", "1"), "tiny.yaml", "--executed", str(outputs / "kept.ipynb")]) == 1
    _, failed = said(capfd)
    assert failed.startswith(f"failed tiny: 02_score; {reason}") and failed.endswith(f"; see {outputs / 'kept.ipynb'}.")
    assert [path.name for path in outputs.glob("*.ipynb")] == ["kept.ipynb"]


def test_a_notebook_that_ended_well_without_its_files_has_failed(project, outputs, monkeypatch, capfd):
    monkeypatch.setattr(
        "studies.commands.run.papermill.execute_notebook", lambda src, dst, **_: dst.write_bytes(src.read_bytes())
    )
    command = [project("02_score", "1"), "tiny.yaml", "--stamp", str(outputs / "stamp"), "--makes"]
    assert main([*command, str(outputs / "scores.parquet")]) == 1
    assert "without" in said(capfd)[1] and not (outputs / "stamp").exists()
    assert main([*command, "tiny.yaml"]) == 0
    assert (outputs / "stamp").read_text().endswith("tiny.yaml\n")


@pytest.fixture
def rendered(project, outputs, monkeypatch):
    """Pretend to execute a notebook; the links of the page that is made of it."""
    monkeypatch.setattr(
        "studies.commands.run.papermill.execute_notebook", lambda src, dst, **_: dst.write_bytes(src.read_bytes())
    )

    def render(name, page):
        run(project(name, "1"), "tiny.yaml", outputs / "executed.ipynb", page and outputs / page)
        (made,) = outputs.rglob("*.html")
        return made, links(made)

    return render


STAGES = [(title, f"{stem}.html") for stem, title in study.NOTEBOOKS.items()]


@pytest.mark.parametrize(
    ("name", "page", "index", "stages"),
    [
        ("02_score", "tiny/pages/02_score.html", "../../index.html", STAGES),
        ("02_score", None, "../../../index.html", STAGES),
        ("06_figures", "pages/06_figures.html", "../index.html", []),
        ("own", "tiny/pages/own.html", "../../index.html", []),
    ],
)
def test_pages_lead_to_the_index_and_to_the_studys_other_stages(rendered, outputs, name, page, index, stages):
    made, found = rendered(name, page)
    assert found == [("All studies", index), *stages]
    assert (made.parent / found[0][1]).resolve() == outputs / "index.html"


def test_the_stages_have_the_notebooks_names():
    assert {path.stem for path in paths.NOTEBOOKS.glob("*.ipynb")} == {
        *study.NOTEBOOKS,
        "00_index",
        "06_figures",
        "07_benchmark",
        "08_claims",
        "09_train_featurizer",
        "10_toy_influence",
        "11_learned_augmentation",
        "12_transformation_models",
        "13_set_policies",
        "14_why_greedy",
        "15_your_own_data",
        "16_doubtful_labels",
        "17_retrained_sets",
        "18_selection_at_size",
        "19_dear_copies",
        "20_released_code",
    }


@pytest.mark.parametrize(
    ("stem", "page", "scores", "tables"),
    [
        ("01_featurize", "tiny/pages/01_featurize.html", "02_score.html#top", "../../pages/06_figures.html"),
        ("00_index", "pages/00_index.html", "../tiny/pages/02_score.html#top", "06_figures.html"),
    ],
)
def test_links_between_notebooks_lead_to_their_pages(project, outputs, monkeypatch, stem, page, scores, tables):
    monkeypatch.setattr("studies.storage.paths.PARAMS", Path.cwd())
    source = "[scores](02_score.ipynb#top), [tables](06_figures.ipynb), [toy](10_toy_influence.ipynb)"
    notebook = project(stem)
    nbformat.write(new_notebook(cells=[new_markdown_cell(source)]), notebook)
    assert main([notebook, "tiny.yaml", "--page", str(outputs / page)]) == 0
    links = BeautifulSoup((outputs / page).read_text("utf-8"), "html.parser").main("a", href=True)
    toy = os.path.relpath(outputs / "toy" / "half-circles" / "pages" / "10_toy_influence.html", (outputs / page).parent)
    assert {link.text: link["href"] for link in links} == {"scores": scores, "tables": tables, "toy": toy}


def test_pages_of_what_is_no_study_lead_to_their_own_run(project, outputs, monkeypatch):
    monkeypatch.setattr("studies.storage.paths.PARAMS", Path.cwd())
    source = "[networks](12_transformation_models.ipynb), [toy](10_toy_influence.ipynb), [index](00_index.ipynb), "
    source += "[sweep](03_policy_sweep.ipynb)"
    notebook = project("11_learned_augmentation")
    nbformat.write(new_notebook(cells=[new_markdown_cell(source)]), notebook)
    Path("learned").mkdir()
    Path("learned/own.yaml").write_text("comparison: own\n")
    assert main([notebook, "learned/own.yaml"]) == 0
    page = outputs / "learned" / "own" / "pages" / "11_learned_augmentation.html"
    links = BeautifulSoup(page.read_text("utf-8"), "html.parser").main("a", href=True)
    assert {link.text: link["href"] for link in links} == {
        "networks": "12_transformation_models.html",
        "toy": "../../../toy/half-circles/pages/10_toy_influence.html",
        "index": "../../../pages/00_index.html",
        "sweep": "../../../mnist-translate/pages/03_policy_sweep.html",
    }
