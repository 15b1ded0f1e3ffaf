"""The project's frame: environment, notebooks and commands are what a stranger relies on."""

import ast
import re
import subprocess
import tomllib
from importlib import metadata
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement

from influaug import __version__
from studies.copies.study import SetStudy
from studies.dear.parameters import DearCopies
from studies.factorial.parameters import Factorial
from studies.featurizers.recipe import Recipe
from studies.front.index import OTHERS
from studies.front.origins import origin
from studies.labels.parameters import LabelStudy
from studies.learned.parameters import Comparison
from studies.own.parameters import OwnData
from studies.points.study import Study
from studies.retrained_sets.parameters import RetrainedSets
from studies.storage import paths
from studies.toy.parameters import Toy

PYPROJECT = tomllib.loads((paths.PROJECT / "pyproject.toml").read_text("utf-8"))
LOCK = (paths.PROJECT / "uv.lock").read_text("utf-8")
MAKEFILE = (paths.PROJECT / "Makefile").read_text("utf-8")
NOTEBOOKS = {path.stem: nbformat.read(path, 4) for path in sorted(paths.NOTEBOOKS.glob("*.ipynb"))}
KINDS = {"09": (Recipe, "r"), "10": (Toy, "t"), "11": (Comparison, "c"), "12": (Comparison, "c")}
KINDS |= {
    "13": (SetStudy, "s"),
    "14": (SetStudy, "s"),
    "15": (OwnData, "o"),
    "16": (LabelStudy, "s"),
    "17": (RetrainedSets, "s"),
    "19": (DearCopies, "s"),
    "20": (Factorial, "s"),
}
"""Parameters of the notebooks that are not of studies, and the name that each gives them."""
VARIED = {"12_transformation_models": {"comparison", "arms"}, "14_why_greedy": {"wrong_labels"}}
"""Parameters that a notebook gives other defaults than its model."""
every_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
in_a_checkout = pytest.mark.skipif(not (paths.PROJECT / ".git").exists(), reason="this is no git checkout")


def git(*arguments):
    return subprocess.run(["git", *arguments], cwd=paths.PROJECT, capture_output=True, text=True)


def code_cells(name):
    return [cell for cell in NOTEBOOKS[name].cells if cell.cell_type == "code"]


def parameters_cell(name):
    (cell,) = (cell for cell in NOTEBOOKS[name].cells if "parameters" in cell.metadata.get("tags", []))
    return cell.source


def assigned(source):
    targets = [t for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign) for t in node.targets]
    return {target.id for target in targets if isinstance(target, ast.Name)}


def public_functions(tree):
    """Name, node and number of leading parameters that are no caller's, of functions and methods of public names."""
    for owner in [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]:
        for node in owner.body:
            if isinstance(node, ast.FunctionDef) and (node.name.endswith("__") or not node.name.startswith("_")):
                static = any(ast.unparse(each) == "staticmethod" for each in node.decorator_list)
                yield getattr(owner, "name", ""), node, int(owner is not tree and not static)


def unhinted(tree):
    """What lacks a type hint in the signatures of `public_functions`, by name."""
    for owner, function, own in public_functions(tree):
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args][own:] + arguments.kwonlyargs
        named += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
        lacking = [each.arg for each in named if each.annotation is None]
        lacking += ["what it returns"] if function.returns is None else []
        yield from (f"{owner}.{function.name}: {each}".removeprefix(".") for each in lacking)


def test_the_lock_names_the_public_index_alone():
    addresses = re.findall(r'https?://[^"\s]+', LOCK)
    hosts = {(urlsplit(address).scheme, urlsplit(address).netloc) for address in addresses}
    assert hosts == {("https", "pypi.org"), ("https", "files.pythonhosted.org")}
    kinds = {kind for package in tomllib.loads(LOCK)["package"] for kind in package["source"]}
    assert kinds == {"registry", "editable"}


def test_the_lock_is_of_these_requirements():
    (own,) = (package for package in tomllib.loads(LOCK)["package"] if package["name"] == "influaug")
    assert own["source"] == {"editable": "."}
    locked = {entry["name"]: entry.get("specifier") for entry in own["metadata"]["requires-dist"]}
    for requirement in map(Requirement, PYPROJECT["project"]["dependencies"]):
        assert set(locked[requirement.name].split(",")) == set(str(requirement.specifier).split(","))


def test_every_file_of_the_lock_has_a_hash():
    for package in tomllib.loads(LOCK)["package"]:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files or "editable" in package["source"], package["name"]
        for file in files:
            assert re.fullmatch("sha256:[0-9a-f]{64}", file["hash"]), file
            assert urlsplit(file["url"])[:2] == ("https", "files.pythonhosted.org"), file


PICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
LOADERS = (
    "torch.load joblib.load yaml.load yaml.unsafe_load yaml.full_load yaml.load_all numpy.loadtxt pandas.read_pickle"
)
RUNNERS = "eval exec compile __import__ os.system os.popen keras.config.enable_unsafe_deserialization"
UNSAFE = {*LOADERS.split(), *RUNNERS.split()}
UNPACKERS = {"extractall", "extract", "unpack_archive"}
UNSAFE_OPTIONS = {"allow_pickle": True, "safe_mode": False, "shell": True, "verify": False}
DEMANDED = {"load": ("np", "allow_pickle", False), "load_model": ("keras.saving", "safe_mode", True)}
"""What a call must say, by the last part of its name: of which module, and the option with its value."""


def sources():
    """Every piece of Python of the project: where it is, and its text."""
    files = (paths.PROJECT / "lib").rglob("*.py")
    yield from ((path.relative_to(paths.PROJECT).as_posix(), path.read_text("utf-8")) for path in files)
    yield from ((name, cell.source) for name in NOTEBOOKS for cell in code_cells(name))


def unsafe(text):
    """What in a piece of Python would load pickles or run what a file says."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from {module.partition(".")[0] for module in modules} & PICKLERS
        if isinstance(node, ast.Call):
            name, options = ast.unparse(node.func), {k.arg: getattr(k.value, "value", None) for k in node.keywords}
            last = name.rpartition(".")[2]
            if name in UNSAFE or last in UNPACKERS:
                yield name
            yield from (f"{name}({key})" for key in UNSAFE_OPTIONS if options.get(key) is UNSAFE_OPTIONS[key])
            module, option, value = DEMANDED.get(last, ("", "", None))
            if name == f"{module}.{last}" and options.get(option) is not value:
                yield f"{name} without {option}"


def test_nothing_is_unpickled_and_nothing_that_a_file_says_is_run():
    assert [(where, what) for where, text in sources() for what in unsafe(text)] == []
    text = (paths.PROJECT / "Snakefile").read_text("utf-8")
    assert not re.search(r"\b(pickle|eval|exec|unsafe_load|os\.system)\b", text)


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib\njoblib.load('a')",
        "yaml.load(text)",
        "eval('1')",
        "np.load('a')",
        "np.load('a', allow_pickle=True)",
        "keras.saving.load_model('a')",
        "subprocess.run('ls', shell=True)",
        "archive.extractall('.')",
    ],
)
def test_what_would_be_unsafe_is_seen(text):
    assert list(unsafe(text))


def test_every_requirement_has_both_bounds():
    extras = PYPROJECT["project"]["optional-dependencies"].values()
    groups = PYPROJECT["dependency-groups"].values()
    asked = [*PYPROJECT["project"]["dependencies"], *(r for part in [*extras, *groups] for r in part)]
    for text in (text for text in asked if not text.startswith("influaug[")):
        operators = {specifier.operator for specifier in Requirement(text).specifier}
        assert ">=" in operators and "<" in operators, text


def test_conda_installs_this_project_and_repeats_no_version():
    environment = yaml.safe_load((paths.PROJECT / "environment.yml").read_text("utf-8"))
    *conda, last = environment["dependencies"]
    (installed,) = last["pip"]
    path, extras = re.fullmatch(r"-e (\S+)\[([\w,]+)\]", installed).groups()
    assert (paths.PROJECT / path / "pyproject.toml").is_file()
    assert set(extras.split(",")) <= set(PYPROJECT["project"]["optional-dependencies"])
    assert "pip" in conda
    bounded = {Requirement(text).name for text in PYPROJECT["project"]["dependencies"]}
    names = [re.match(r"[\w.-]+", entry)[0] for entry in conda]
    assert not bounded & set(names)
    assert [entry for entry in conda if re.search("[=<>]", entry) and not entry.startswith("python=")] == []
    (python,) = (entry.partition("=")[2] for entry in conda if entry.startswith("python="))
    assert Requirement(f"python{PYPROJECT['project']['requires-python']}").specifier.contains(f"{python}.0")


def test_the_version_is_one():
    assert __version__ == PYPROJECT["project"]["version"] == metadata.version("influaug")


def test_opencv_is_the_headless_build_alone():
    builds = {dist.name.lower() for dist in metadata.distributions() if dist.name.lower().startswith("opencv")}
    assert builds == {"opencv-python-headless"}
    (locked,) = (p for p in tomllib.loads(LOCK)["package"] if p["name"] == "opencv-python-headless")
    assert locked["version"]


@in_a_checkout
def test_git_ignores_no_source():
    made = {"__pycache__", ".ipynb_checkpoints", ".hypothesis", ".pytest_cache"}
    folders = [paths.PROJECT / part for part in ("lib", "tests", "notebooks", "params")]
    sources = [path for folder in folders for path in folder.rglob("*.*") if not made & set(path.parts)]
    new = ["lib/influaug/new.py", "params/new.yaml", "notebooks/07_new.ipynb", "uv.lock"]
    new += [
        f"outputs/mnist-crop/{name}" for name in ("sweep.parquet", "vsv.parquet", "pages/02_score.html", "curve.png")
    ]
    ignored = git("check-ignore", "--no-index", *new, *(str(p.relative_to(paths.PROJECT)) for p in sources))
    assert ignored.stdout == "" and ignored.returncode == 1
    made = [".venv/bin/python", "outputs/variations/x/sweep.parquet", "outputs/mnist-crop/features/replicate-00.npz"]
    assert git("check-ignore", "--no-index", *made).stdout.split() == made


@in_a_checkout
def test_committed_outputs_are_small_and_hold_no_large_arrays():
    files = [paths.PROJECT / line for line in git("ls-files", "outputs").stdout.splitlines()]
    there = [path for path in files if path.exists()]
    assert sum(path.stat().st_size for path in there) < 30e6
    assert {path.suffix for path in there} <= {".html", ".ipynb", ".parquet", ".json", ".png", ".csv", ".keras", ""}
    assert sum(path.stat().st_size for path in there if path.suffix == ".keras") < 10e6


@in_a_checkout
def test_committed_outputs_name_no_place_on_a_machine():
    found = git(
        "grep", "-lE", r"site-packages|/home/|/Users/|\.running\.|\.\./\.\./[a-z]+/[a-z]+/outputs", "--", "outputs/*"
    )
    assert (found.stdout, found.returncode) == ("", 1)


@in_a_checkout
def test_links_between_pages_lead_somewhere():
    pages = [paths.PROJECT / line for line in git("ls-files", "outputs/*.html").stdout.splitlines()]
    links = [
        (page, unquote(urlsplit(link).path))
        for page in pages
        for link in re.findall(r'<a [^>]*href="([^"#][^"]*)"', page.read_text("utf-8"))
        if not urlsplit(link).scheme
    ]
    assert links
    assert [f"{page} leads to {link}" for page, link in links if not (page.parent / link).exists()] == []


def test_make_help_lists_every_command():
    listed = subprocess.run(["make", "--no-print-directory", "help"], cwd=paths.PROJECT, capture_output=True, text=True)
    lines = [line.split(None, 2) for line in listed.stdout.splitlines()]
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split()
    assert {words[1] for words in lines} == set(phony)
    assert all(words[0] == "make" and words[2] for words in lines)
    assert {"run", "test", "lab", "study", "studies"} <= set(phony)


def test_every_command_of_the_makefile_is_declared():
    targets = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
    assert set(targets) == set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[1].split())


@every_notebook
def test_a_notebook_is_for_the_default_kernel_and_has_not_been_run(name):
    notebook = NOTEBOOKS[name]
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info.name == "python"
    assert "papermill" not in notebook.metadata and "widgets" not in notebook.metadata
    for cell in code_cells(name):
        assert cell.outputs == [] and cell.execution_count is None


@every_notebook
def test_a_notebook_reads_as_a_page(name):
    first = NOTEBOOKS[name].cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    prose = "\n".join(cell.source for cell in NOTEBOOKS[name].cells if cell.cell_type == "markdown")
    headings = re.findall("^# ", prose, re.MULTILINE)
    assert len(headings) == 1
    assert max(len(cell.source.splitlines()) for cell in code_cells(name)) <= 15
    for cell in code_cells(name):
        ast.parse(cell.source)
        if "plt.subplots" in cell.source:
            assert cell.metadata.get("alt"), cell.source


@every_notebook
def test_a_notebooks_parameters_are_the_defaults(name):
    source = parameters_cell(name)
    given = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(source).body}
    model, _ = KINDS.get(name[:2], (Study, "s"))
    assert next(iter(model.model_fields)) == next(iter(given)) and len(given) >= 3
    same = set(given) - VARIED.get(name, set())
    assert {key: model(**given).model_dump()[key] for key in same} == {key: model().model_dump()[key] for key in same}
    assert all("  # " in line for line in source.splitlines())


@every_notebook
def test_a_notebook_asks_for_its_study_right_after_its_parameters(name):
    cells = [cell.source for cell in code_cells(name)]
    assert cells[0] == parameters_cell(name)
    model, called = KINDS.get(name[:2], (Study, "s"))
    asks = f"{called} = {model.__name__}.from_namespace(globals())"
    assert cells[1].startswith(f"from {model.__module__} import {model.__name__}\n\n{asks}\n")
    assert all(not {next(iter(model.model_fields)), "study"} & assigned(source) for source in cells[1:])


@every_notebook
def test_a_notebook_depends_on_no_machine_and_no_network(name):
    for cell in NOTEBOOKS[name].cells:
        if cell.cell_type == "code":
            texts = [n.value for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Constant)]
            for text in (text for text in texts if isinstance(text, str)):
                assert not re.match(r"(/|~|[A-Za-z]:\\|file:)", text), text
                assert not re.search(r"https?:", text), text
            assert not re.search(r"\b(requests|urllib|urlopen|wget|curl)\b|^[!%]", cell.source, re.MULTILINE)
        else:
            assert not re.search(r"!\[[^]]*\]\(\s*https?:|<(img|script|iframe|link)\b", cell.source)
        assert not re.search(r"/home/|/Users/|[A-Z]:\\", cell.source)


@every_notebook
def test_links_between_notebooks_lead_somewhere(name):
    text = "\n".join(cell.source for cell in NOTEBOOKS[name].cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)#]+\.ipynb)", text)
    assert all((paths.NOTEBOOKS / link).is_file() for link in links)
    assert set(links) or name == "06_figures"


def test_the_index_leads_to_every_notebook():
    text = "\n".join(cell.source for cell in NOTEBOOKS["00_index"].cells)
    assert set(re.findall(r"\]\((\w+)\.ipynb\)", text)) == set(NOTEBOOKS) - {"00_index"}


def test_a_missing_hint_is_named():
    source = """
def bare(a, *, b: int = 0, **more): ...
def hinted(a: int, *rest: int) -> int: ...
def _own(a): ...
class Any:
    def __init__(self, a) -> None: ...
    def method(self): ...
    @staticmethod
    def free(a) -> int: ...
"""
    assert list(unhinted(ast.parse(source))) == [
        "bare: a",
        "bare: more",
        "bare: what it returns",
        "Any.__init__: a",
        "Any.method: what it returns",
        "Any.free: a",
    ]


def test_every_public_function_has_type_hints():
    modules = sorted((paths.PROJECT / "lib").rglob("*.py"))
    found = {path: list(unhinted(ast.parse(path.read_text("utf-8")))) for path in modules}
    assert len(modules) > 50 and {path: lacking for path, lacking in found.items() if lacking} == {}


def test_make_lint_checks_the_hints():
    (lint,) = re.findall(r"^lint:.*## (.*)\n((?:\t.*\n?)+)", MAKEFILE, re.MULTILINE)
    assert lint[0] == "ruff and mypy" and "$(BIN)/mypy\n" in lint[1]


REWRITTEN = {"fa6735e"}
"""Commits that were written anew before they came into the history; the README says so."""


def test_results_are_of_commits_in_the_history():
    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("no history here")
    outputs = paths.PROJECT / "outputs"
    told = [origin(path.parent) for kind in OTHERS for path in outputs.glob(f"{kind}/[!.]*/pages")]
    told += [path.read_text("utf-8") for path in outputs.glob("*/summary.json")]
    named = set(re.findall(r"(?<=commit )[0-9a-f]{7}|(?<=, )[0-9a-f]{7}\b|(?<=commits )[0-9a-f]{7}", " ".join(told)))
    strange = {commit for commit in named if git("merge-base", "--is-ancestor", commit, "HEAD").returncode}
    assert len(named) > 5 and strange <= REWRITTEN
    readme = (paths.PROJECT / "README.md").read_text("utf-8")
    assert all(commit in readme for commit in strange)
