"""One project in which a batch has run undisturbed, for all tests of this folder."""

from time import perf_counter
from types import SimpleNamespace

import faulty
import pytest


def pytest_collection_modifyitems(items):
    """The test that takes as long as all others comes first, so that two processes share the work."""
    items.sort(key=lambda item: item.path.stem != "test_killed_batch")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A project whose one study, tiny, is done: its folder, its outputs, the seconds until a first notebook ended."""
    folder, started = faulty.project(tmp_path_factory.mktemp("undisturbed"), "tiny"), perf_counter()
    process, said, first = faulty.start(folder, *faulty.BATCH), "", None
    for line in process.stdout:
        said += line
        if first is None and "finished" in line:
            first = perf_counter() - started
    assert process.wait() == 0 and first is not None, said
    return SimpleNamespace(folder=folder, outputs=folder / "outputs", first=first)
