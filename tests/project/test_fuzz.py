"""Whatever is in a file, its reader gives a valid result or one sentence: valid files, changed at random, by thousands.

Random bytes get no further than a reader's first check; valid files of which a few bytes are flipped, cut, doubled or
exchanged reach the rest. The draws are the same in every run.
"""

import gzip
import io
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from datetime import timedelta

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

import malicious
from influaug.data.datasets import load
from influaug.data.sources import CIFAR10_ARCHIVE, CIFAR100_ARCHIVE, NORB_FILES
from influaug.errors import InputError
from influaug.files import sealed
from studies.commands import run
from studies.pages import render as pages
from studies.pages.mathml import mathml
from studies.points import published
from studies.points.study import Study
from studies.storage import artifacts, paths

EXAMPLES = {
    "parameters": 2500,
    "cells": 500,
    "archives": 800,
    "arrays": 1200,
    "norb": 1200,
    "cifar10": 600,
    "cifar100": 300,
    "pictures": 1200,
    "artifacts": 1200,
    "published": 500,
    "formulas": 600,
    "notebooks": 150,
    "networks": 60,
}
"""Inputs of each test; together 10,000 or more."""
pytestmark = [pytest.mark.fuzz, pytest.mark.filterwarnings("ignore")]


def inputs(test, /, **strategies):
    """A test of so many inputs, the same in every run, each of which may take seconds and no more."""
    chosen = settings(
        max_examples=EXAMPLES[test],
        derandomize=True,
        database=None,
        deadline=timedelta(seconds=20),
        suppress_health_check=list(HealthCheck),
    )
    return lambda function: chosen(given(**strategies)(function))


edits = st.lists(
    st.tuples(
        st.sampled_from(["set", "flip", "cut", "drop", "double", "swap", "number"]),
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1, exclude_max=True),
        st.integers(0, 2**32 - 1),
    ),
    max_size=4,
)
"""Changes to make to a file: what, two places as parts of its length, and a number."""


def changed(content, edits):
    """A file after some edits."""
    content = bytearray(content)
    for what, first, second, number in edits:
        i, j = sorted((int(first * len(content)), int(second * len(content))))
        length = number % 16 + 1
        if what == "set":
            content[i : i + 1] = bytes([number % 256])
        elif what == "flip":
            content[i : i + 1] = bytes(byte ^ 1 << number % 8 for byte in content[i : i + 1])
        elif what == "cut":
            del content[j:]
        elif what == "drop":
            del content[i : i + length]
        elif what == "double":
            content[j:j] = content[i : i + length] * (number % 3 + 1)
        elif what == "swap":
            content[i : i + length], content[j : j + length] = content[j : j + length], content[i : i + length]
        else:
            content[i : i + 4] = (number if number % 2 else 2**32 - 1 - number % 9).to_bytes(4, "little")
    return bytes(content)


@contextmanager
def one_sentence(*names):
    """What is raised within is an InputError of one sentence, with one of the names."""
    try:
        yield
    except InputError as error:
        said = str(error)
        assert len(said.splitlines()) == 1 and said.endswith("."), said
        assert not names or any(name in said for name in names), said


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def imported(folder):
    """Every kind of parameters, read once: what comes with some of them takes seconds to import."""
    for content in FILES:
        (folder / "a.yaml").write_bytes(content)
        run.parameters_of(folder / "a.yaml")
    return folder


@pytest.fixture(scope="module")
def featurizer():
    from influaug.networks.featurizer import KerasFeaturizer

    return KerasFeaturizer


def test_there_are_ten_thousand_inputs():
    assert sum(EXAMPLES.values()) >= 10_000


# Parameters.


def brief(path):
    """A YAML file without its comments."""
    lines = (line.partition("  #")[0].rstrip() for line in path.read_text("utf-8").splitlines())
    return "\n".join(line for line in lines if line and line[0] != "#").encode()


CHOICES = ("digits-crop", "mnist-translate", "sets/digits-translate", "toy/half-circles", "own/digits")
CHOICES += ("learned/digits-100", "featurizers/digits-resnet11")
FILES = [brief(paths.PARAMS / f"{name}.yaml") for name in CHOICES]
SNIPPETS = [
    "!!int ''",
    "&a [*a]",
    "!!python/name:os.system x",
    "0x" + "f" * 99,
    "2020-99-99",
    "[[[[",
    "? {a: b}",
    "%",
    "\0",
]


@inputs(
    "parameters",
    file=st.sampled_from(FILES),
    edits=edits,
    more=st.none() | st.sampled_from(SNIPPETS),
    at=st.floats(0, 1),
)
def test_parameters(imported, file, edits, more, at):
    lines = changed(file, edits).split(b"\n")
    if more is not None:
        lines[int(at * (len(lines) - 1))] += f" {more}".encode()
    (imported / "a.yaml").write_bytes(b"\n".join(lines))
    with one_sentence():
        found = run.parameters_of(imported / "a.yaml")
        assert type(found)(**found.model_dump()) == found and found.folder


CELLS = [
    b"study = 'a'\nn_train = 100\nclasses = [[0, 2], [1, 3]]",
    b"C: float = 1.0\nseed = -3",
    b"x = f(1)\ny = {**{}}",
]


@inputs(
    "cells",
    cell=st.sampled_from(CELLS),
    edits=edits,
    values=st.dictionaries(st.sampled_from(["study", "C", "n_train"]), st.none() | st.integers() | st.text()),
)
def test_cells_of_parameters(cell, edits, values):
    with one_sentence():
        Study.from_namespace(values | {"In": ["", changed(cell, edits).decode("utf-8", "replace")]})


# Data.


def stored(members):
    """A zip archive of members, uncompressed, with right checksums."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def check_data(found):
    assert found.images_train.dtype == np.uint8 and found.images_train.ndim == 4
    assert len(found.labels_train) == len(found.images_train) and len(found.class_names) > 0


@inputs("archives", edits=edits)
def test_archives_of_arrays(folder, edits):
    (folder / "a.npz").write_bytes(changed(stored(malicious.plain()), edits))
    with one_sentence("a.npz"):
        check_data(load(folder / "a.npz"))


@inputs("arrays", edits=edits, name=st.sampled_from(sorted(malicious.plain())))
def test_arrays(folder, edits, name):
    members = malicious.plain()
    (folder / "a.npz").write_bytes(stored(members | {name: changed(members[name], edits)}))
    with one_sentence("a.npz"):
        check_data(load(folder / "a.npz"))


@pytest.fixture(scope="module")
def norb(folder):
    """Valid files of small NORB, in a folder of their own, and their contents."""
    images = np.arange(2 * 2 * 5 * 5, dtype=np.uint8).reshape(2, 2, 5, 5).tobytes()
    heads = {"dat": (0x1E3D4C55, 4, 2, 2, 5, 5), "cat": (0x1E3D4C54, 1, 2, 1, 1)}
    bodies = {"dat": images, "cat": np.array([0, 1], "<i4").tobytes()}
    (folder / "norb").mkdir()
    contents = {}
    for name in NORB_FILES:
        kind = name[-7:-4]
        contents[name] = np.array(heads[kind], "<i4").tobytes() + bodies[kind]
        (folder / "norb" / name).write_bytes(contents[name])
    return folder / "norb", contents


@inputs("norb", edits=edits, name=st.sampled_from(NORB_FILES), packed=st.sampled_from(["", "before", "after"]))
def test_small_norb(norb, edits, name, packed):
    folder, contents = norb
    content = gzip.compress(contents[name], 1) if packed == "before" else contents[name]
    content = changed(content, edits)
    path = folder / (f"{name}.gz" if packed else name)
    (folder / name).unlink()
    path.write_bytes(gzip.compress(content, 1) if packed == "after" else content)
    try:
        with one_sentence("smallnorb"):
            check_data(load("small-norb", folder))
    finally:
        path.unlink()
        (folder / name).write_bytes(contents[name])


def cifar10():
    """A valid archive of two images a file, uncompressed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for part in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{part}.bin")
            member.size = 2 * 3073
            archive.addfile(member, io.BytesIO(b"\0" + bytes(3072) + b"\1" + bytes(3072)))
    return buffer.getvalue()


CIFAR10 = cifar10()


@inputs("cifar10", edits=edits, heads=edits, packed=st.booleans())
def test_cifar10(folder, edits, heads, packed):
    content = changed(CIFAR10[:512], heads) + changed(CIFAR10[512:], edits) if heads else CIFAR10
    whole = gzip.compress(content, 1) if heads else changed(gzip.compress(content, 1), edits)
    (folder / CIFAR10_ARCHIVE).write_bytes(whole)
    with one_sentence(CIFAR10_ARCHIVE):
        check_data(load("cifar10", folder))


def cifar100():
    """A valid archive, uncompressed: every fine class in both parts."""
    records = b"".join(bytes([k % 20, k]) + bytes(3072) for k in range(100))
    names = "".join(f"fine_{k}\n" for k in range(100)).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in (("fine_label_names.txt", names), ("train.bin", records), ("test.bin", records)):
            member = tarfile.TarInfo(f"cifar-100-binary/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


CIFAR100 = cifar100()


@inputs("cifar100", edits=edits, heads=edits, packed=st.booleans())
def test_cifar100(folder, edits, heads, packed):
    content = changed(CIFAR100[:3072], heads) + changed(CIFAR100[3072:], edits) if heads else CIFAR100
    whole = gzip.compress(content, 1) if heads else changed(gzip.compress(content, 1), edits)
    (folder / CIFAR100_ARCHIVE).write_bytes(whole)
    with one_sentence(CIFAR100_ARCHIVE):
        check_data(load("cifar100", folder))


def drawn(kind):
    buffer = io.BytesIO()
    Image.fromarray(np.arange(20, dtype=np.uint8).reshape(5, 4)).save(buffer, kind)
    return buffer.getvalue()


DRAWN = {kind: drawn(kind) for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF")}


def with_checksums(content):
    """A PNG with right checksums, whatever is in its chunks."""
    done, at = content[:8], 8
    while at + 12 <= len(content):
        length = min(int.from_bytes(content[at : at + 4], "big"), len(content) - at - 12)
        body = content[at + 4 : at + 8 + length]
        done += length.to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + length
    return done + content[at:]


@inputs("pictures", kind=st.sampled_from(["PNG", *DRAWN]), edits=edits, mended=st.booleans())
def test_pictures(folder, kind, edits, mended):
    root = folder / kind
    if not root.exists():
        for label in ("ant", "bee"):
            (root / label).mkdir(parents=True)
            for i in range(2):
                (root / label / f"{i}.png").write_bytes(DRAWN[kind])
    content = changed(DRAWN[kind], edits)
    (root / "ant" / "0.png").write_bytes(with_checksums(content) if mended and kind == "PNG" else content)
    with one_sentence("0.png", "1.png", "ant"):
        check_data(load(root))


# Artifacts, and what the paper says.

TABLE = pd.DataFrame({"policy": ["none", "full"] * 3, "budget": range(6), "accuracy": np.linspace(0, 1, 6)})


@pytest.fixture(scope="module")
def written(folder):
    """Valid artifacts: a reader and the content of each kind."""
    about = artifacts.manifest("k")
    sealed.write_arrays(folder / "b.npz", about, x=np.arange(6.0), n=np.int64(3))
    artifacts.write_table(folder / "b.parquet", about, TABLE)
    sealed.write_json(folder / "b.json", {"accuracy": [0.5, 1.0], "name": "a"})
    readers = {
        "b.npz": lambda path: sealed.read_arrays(path, "k"),
        "b.parquet": artifacts.read_table,
        "b.json": sealed.read_json,
    }
    return {name: (read, (folder / name).read_bytes()) for name, read in readers.items()}


@inputs("artifacts", name=st.sampled_from(["b.npz", "b.parquet", "b.json"]), edits=edits)
def test_artifacts(folder, written, name, edits):
    read, content = written[name]
    (folder / name).write_bytes(changed(content, edits))
    with one_sentence(name):
        found = read(folder / name)
        if name != "b.json" and found is not None:
            assert found.equals(TABLE) if name == "b.parquet" else found["x"].tolist() == [0, 1, 2, 3, 4, 5]
    if name != "b.json":
        with one_sentence(name):
            artifacts.read_manifest(folder / name)


READERS = {
    "kuchnik_smith_2019_auc.csv": published.auc_table,
    "kuchnik_smith_2019_table1.csv": published.table_1,
    "lee_2020_tables.csv": published.lee_tables,
}


@inputs("published", name=st.sampled_from(sorted(READERS)), edits=edits)
def test_published_numbers(folder, name, edits):
    lines = (paths.PUBLISHED / name).read_bytes().splitlines(keepends=True)[:9]
    (folder / name).write_bytes(changed(b"".join(lines), edits))
    with pytest.MonkeyPatch.context() as patch, one_sentence(name):
        patch.setattr(paths, "PUBLISHED", folder)
        assert isinstance(READERS[name](), pd.DataFrame)


# Pages.

TEX = r"\frac{a}{b} \sum_{i=1}^n \begin{align} x &= y \\ z \end{align} \hat\theta \left( \right. \mathbb{1} \arg"
PIECES = [
    *TEX.split(),
    "{",
    "}",
    "^",
    "_",
    "&",
    "\\",
    "\\\\",
    "$",
    "<script>",
    "\0",
    "é",
    "\\begin{",
    "\\text{",
    "%",
    "#",
]


@inputs("formulas", pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12))
def test_formulas(pieces):
    for display in ("inline", "block"):
        found = mathml("".join(pieces), display)
        assert found.startswith(("<math", "<code")) and "<script>" not in found


def notebook():
    outputs = [new_output("stream", text="a 3%|x| [0]\n"), new_output("display_data", {"text/html": "<b>a</b>"})]
    outputs += [new_output("error", ename="E", evalue="e", traceback=["\x1b[31mE"])]
    texts = ["# A $x_1$ title\n\n![](a.png)\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "<div>[a](b.ipynb)</div>"]
    cells = [*map(new_markdown_cell, texts), new_code_cell("x = 1", outputs=outputs, metadata={"tags": ["parameters"]})]
    return nbformat.writes(new_notebook(cells=cells, metadata={"papermill": {"parameters": {"study": "a"}}})).encode()


NOTEBOOK = notebook()


@inputs("notebooks", edits=edits)
def test_notebooks(folder, edits):
    (folder / "a.ipynb").write_bytes(changed(NOTEBOOK, edits))
    with one_sentence("a.ipynb"):
        pages.render_notebook(folder / "a.ipynb", folder / "a.html")
        assert "Content-Security-Policy" in (folder / "a.html").read_text("utf-8")


# Networks.


def saved():
    with zipfile.ZipFile(malicious.NETWORK) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@inputs("networks", edits=edits, name=st.sampled_from(["config.json", "metadata.json", "influaug.json", "whole"]))
def test_networks(folder, featurizer, edits, name):
    members = saved()
    whole = stored(members | ({name: changed(members[name], edits)} if name in members else {}))
    (folder / "a.keras").write_bytes(whole if name in members else changed(whole, edits))
    with one_sentence("a.keras"):
        found = featurizer.load(folder / "a.keras")
        assert found.model_.output_shape[0] is None
