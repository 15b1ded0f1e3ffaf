"""The estimate of what greedy selection takes against what it takes."""

import tracemalloc
from time import thread_time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from influaug.selection import greedy
from influaug.selection.candidates import Candidates
from influaug.selection.cost import iterative_cost


def candidates(n, k, n_classes, d):
    rng = np.random.default_rng(0)
    labels, centres = np.arange(n) % n_classes, rng.normal(size=(n_classes, d))
    features = (centres[labels] + rng.normal(size=(n, d))).astype(np.float32)
    copies = (features[:, None] + 0.5 * rng.normal(size=(n, k, d))).reshape(n * k, d).astype(np.float32)
    return Candidates(features, labels, copies, np.repeat(np.arange(n), k))


@pytest.mark.parametrize(("n_classes", "d"), [(10, 60), (40, 90)])
def test_memory_and_time_are_as_estimated(n_classes, d):
    n, k, budget = 3000, 4, 600
    c = candidates(n, k, n_classes, d)
    # Threads that wait for a core that others use would be timed too. A wrong order of magnitude would be seen.
    with threadpool_limits(1):
        expected = iterative_cost(n, n * k, n_classes, d, budget)
        started = thread_time()
        greedy.select(c, budget=budget, solver="iterative", verbose=False)
        assert expected.seconds / 10 < thread_time() - started < 10 * expected.seconds
    tracemalloc.start()
    greedy.select(c, budget=budget, solver="iterative", verbose=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert expected.memory / 3 < peak < 1.5 * expected.memory


def test_more_of_anything_costs_more(monkeypatch):
    monkeypatch.setattr("influaug.selection.cost._seconds_of_a_row", lambda K, d: 1e-9 * K * d)
    base = (10_000, 40_000, 10, 100, 1000)
    least = iterative_cost(*base)
    for place in range(5):
        more = iterative_cost(*(size * (1 + (i == place)) for i, size in enumerate(base)))
        assert more.seconds > least.seconds and more.memory > least.memory
