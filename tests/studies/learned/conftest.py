"""Modules that train networks for a few steps do it without tracing them."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _untraced():
    from eagerly import untraced  # imports Keras: where slow tests are left out, nothing here runs

    with untraced():
        yield
