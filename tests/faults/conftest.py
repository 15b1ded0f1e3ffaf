"""One project in which a batch has run undisturbed, for all tests of this folder."""

from time import perf_counter
from types import SimpleNamespace

import faulty
import pytest


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A project whose one study, tiny, is done: its folder, the folder of its outputs, and the seconds that it took."""
    folder, started = faulty.project(tmp_path_factory.mktemp("undisturbed"), "tiny"), perf_counter()
    status, said = faulty.finished(faulty.start(folder, *faulty.BATCH))
    assert status == 0, said
    return SimpleNamespace(folder=folder, outputs=folder / "outputs", seconds=perf_counter() - started)
