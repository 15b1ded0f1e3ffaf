from itertools import combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln, logsumexp
from scipy.stats import chisquare

from influaug.errors import InputError
from influaug.selection.kdpp import KDPP, KERNELS, kernel, log_elementary, with_quality

ALARM = 1e-3
"""How often a test of samples fails a right sampler, were its seed drawn anew."""
DRAWS = 1000
SEEDS = st.integers(0, 10_000)
QUALITY = np.array([0.3, 1.0, 2.0, 0.7, 1.5, 0.9, 1.2])


def points(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def enumerated(L, k):
    """P of every subset of k points, by determinants."""
    volumes = {S: np.linalg.det(L[np.ix_(S, S)]) for S in combinations(range(len(L)), k)}
    total = sum(volumes.values())
    return {S: volume / total for S, volume in volumes.items()}


def pvalue(process, expected, k, seed):
    """Chi-square of how often each subset is drawn; subsets too rare for it are pooled."""
    rng = np.random.default_rng(seed)
    draws = [tuple(process.sample(k, rng).tolist()) for _ in range(DRAWS)]
    observed = np.array([draws.count(S) for S in expected])
    assert observed.sum() == DRAWS
    counts = np.array(list(expected.values())) * DRAWS
    rare = counts < 5
    if counts[rare].sum() < 5:
        rare[np.argmin(np.where(rare, np.inf, counts))] = True
    pools = [np.append(c[~rare], c[rare].sum()) for c in (observed, counts)]
    return chisquare(*pools).pvalue


PROCESSES = {
    "gaussian": lambda: (KDPP.from_kernel(L := kernel(points(6, 2), "gaussian")), L),
    "cosine": lambda: (KDPP.from_kernel(L := kernel(points(7, 4), "cosine")), L),
    "weighted": lambda: (KDPP.from_kernel(L := with_quality(kernel(points(7, 3), "gaussian"), QUALITY)), L),
    "features": lambda: (KDPP.from_features(x := points(6, 8)), x @ x.T),
    "dual": lambda: (KDPP.from_features(x := points(7, 4)), x @ x.T),
    "weighted dual": lambda: (
        KDPP.from_features(x := points(7, 4), quality=QUALITY),
        with_quality(x @ x.T, QUALITY),
    ),
}


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("name", PROCESSES)
def test_every_subset_is_drawn_with_its_probability(name, k):
    process, L = PROCESSES[name]()
    assert pvalue(process, enumerated(L, k), k, seed=k) > ALARM


@pytest.mark.parametrize("k", [2, 3])
def test_the_test_of_samples_tells_processes_apart(k):
    x = points(7, 4)
    process = KDPP.from_features(x)
    uniform = {S: 1 / comb(7, k) for S in combinations(range(7), k)}
    assert pvalue(process, uniform, k, seed=k) < 1e-9
    assert pvalue(process, enumerated(x @ x.T + 0.5 * np.eye(7), k), k, seed=k) < ALARM


@pytest.mark.parametrize("name", PROCESSES)
def test_probabilities_are_those_of_determinants(name):
    process, L = PROCESSES[name]()
    for k in range(process.rank + 1):
        expected = enumerated(L, k)
        logs = [process.log_probability(S[::-1]) for S in expected]
        np.testing.assert_allclose(np.exp(logs), list(expected.values()), rtol=1e-8, atol=1e-13)


@given(st.integers(2, 7), st.integers(1, 6), st.booleans(), SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_dual_is_the_primal(n, d, weighted, seed):
    rng = np.random.default_rng(seed)
    x, q = rng.normal(size=(n, d)), rng.uniform(0.1, 3, n) if weighted else np.ones(n)
    dual = KDPP.from_features(x, quality=q if weighted else None)
    primal = KDPP.from_kernel(with_quality(kernel(x, "linear"), q))
    assert dual.rank == primal.rank == min(n, d) and dual.vectors.shape == (n, dual.rank)
    np.testing.assert_allclose(dual.eigenvalues, primal.eigenvalues, rtol=1e-6)
    np.testing.assert_allclose(dual.vectors.T @ dual.vectors, np.eye(dual.rank), atol=1e-12)
    k = rng.integers(1, dual.rank + 1)
    for S in combinations(range(n), k):
        np.testing.assert_allclose(
            np.exp(dual.log_probability(S)), np.exp(primal.log_probability(S)), rtol=1e-5, atol=1e-10
        )


def test_the_dual_draws_what_the_primal_draws():
    x, q = points(60, 9), np.random.default_rng(1).uniform(0.5, 2, 60)
    dual, primal = KDPP.from_features(x, quality=q), KDPP.from_kernel(with_quality(x @ x.T, q))
    for seed in range(20):
        first, second = (process.sample(6, np.random.default_rng(seed)) for process in (dual, primal))
        np.testing.assert_array_equal(first, second)


def test_the_dual_is_orthonormal_where_eigenvalues_differ_by_orders_of_magnitude():
    x = points(40, 8) * np.logspace(0, -6, 8)
    process = KDPP.from_features(x)
    assert process.rank == 8
    np.testing.assert_allclose(process.vectors.T @ process.vectors, np.eye(8), atol=1e-13)
    assert len(set(process.sample(8, np.random.default_rng(0)))) == 8


@given(st.integers(1, 12), st.integers(1, 8), st.sampled_from(sorted(KERNELS)), SEEDS)
@settings(max_examples=50, deadline=None)
def test_samples_are_different_rising_indices_and_reproducible(n, d, name, seed):
    process = KDPP.from_kernel(kernel(points(n, d, seed), name))
    k = int(np.random.default_rng(seed).integers(0, process.rank + 1))
    sample = process.sample(k, np.random.default_rng(seed))
    assert sample.dtype == int and sample.shape == (k,) and np.all(np.diff(sample) > 0)
    assert np.all((sample >= 0) & (sample < n)) and process.log_probability(sample) > -np.inf
    np.testing.assert_array_equal(sample, process.sample(k, np.random.default_rng(seed)))


def test_sampling_leaves_the_process_as_it_was():
    process = KDPP.from_features(points(9, 4))
    before = process.vectors.copy()
    process.sample(4, np.random.default_rng(0))
    np.testing.assert_array_equal(process.vectors, before)


@pytest.mark.parametrize("process", ["primal", "dual"])
def test_duplicates_are_never_drawn_together(process):
    x = np.repeat(points(4, 4), 2, axis=0)
    process = KDPP.from_features(x) if process == "dual" else KDPP.from_kernel(kernel(x, "linear"))
    rng = np.random.default_rng(0)
    assert process.rank == 4
    for _ in range(300):
        assert sorted(process.sample(4, rng) // 2) == [0, 1, 2, 3]
    assert process.log_probability([0, 1]) == -np.inf and process.log_probability([0, 2]) > -np.inf


@pytest.mark.slow
def test_all_points_can_be_drawn_from_a_kernel_of_full_rank():
    process = KDPP.from_kernel(kernel(points(300, 5), "gaussian", bandwidth=0.5))
    assert process.rank == 300
    assert process.sample(300, np.random.default_rng(0)).tolist() == list(range(300))
    np.testing.assert_allclose(process.log_probability(range(300)), 0, atol=1e-6)


def test_an_identity_draws_uniformly():
    process = KDPP.from_kernel(np.eye(6))
    np.testing.assert_allclose(process.log_probability([1, 4, 5]), -np.log(comb(6, 3)))
    assert pvalue(process, {S: 1 / 20 for S in combinations(range(6), 3)}, 3, seed=0) > ALARM


def inclusion(process, k):
    """Probability of each point to be in a sample."""
    n = len(process.vectors)
    subsets = list(combinations(range(n), k))
    p = np.exp([process.log_probability(S) for S in subsets])
    return np.array([sum(p[j] for j, S in enumerate(subsets) if i in S) for i in range(n)])


@given(st.integers(0, 5), st.floats(1.1, 50), st.integers(1, 3), SEEDS)
@settings(max_examples=25, deadline=None)
def test_quality_raises_inclusion(i, factor, k, seed):
    x, q = points(6, 4, seed), np.ones(6)
    before = inclusion(KDPP.from_features(x, quality=q), k)
    q[i] = factor
    after = inclusion(KDPP.from_features(x, quality=q), k)
    np.testing.assert_allclose([before.sum(), after.sum()], k, rtol=1e-8)
    assert after[i] > before[i]


def test_points_of_quality_zero_are_never_drawn():
    process = KDPP.from_features(points(7, 4), quality=[1, 0, 1, 1, 0, 1, 1])
    rng = np.random.default_rng(0)
    assert not {1, 4} & {i for _ in range(200) for i in process.sample(3, rng).tolist()}
    assert process.log_probability([0, 1]) == -np.inf


def test_quality_of_many_orders_of_magnitude_keeps_probabilities():
    x, q = points(6, 6), np.logspace(0, -5, 6)
    process = KDPP.from_features(x, quality=q)
    assert process.rank == 6
    for S, p in enumerated(with_quality(x @ x.T, q), 3).items():
        np.testing.assert_allclose(process.log_probability(S), np.log(p), rtol=1e-3)


@given(st.lists(st.floats(1e-12, 1e12) | st.just(0.0), max_size=8))
@settings(max_examples=50, deadline=None)
def test_elementary_polynomials_are_sums_of_products(eigenvalues):
    n = len(eigenvalues)
    table = log_elementary(eigenvalues, n)
    assert table.shape == (n + 1, n + 1) and not np.isnan(table).any()
    for i in range(n + 1):
        for j in range(n + 1):
            total = sum(np.prod(S) for S in combinations(eigenvalues[:i], j))
            np.testing.assert_allclose(table[i, j], np.log(total) if total else -np.inf, rtol=1e-12, atol=1e-12)


def test_elementary_polynomials_of_a_thousand_neither_overflow_nor_underflow():
    rng = np.random.default_rng(0)
    logs = rng.uniform(-12, 12, 1000) * np.log(10)
    table = log_elementary(np.exp(logs), 1000)
    assert np.isfinite(table[-1]).all() and np.isneginf(table[np.triu_indices(1000, 1)]).all()
    np.testing.assert_allclose(table[-1, 1], logsumexp(logs))
    np.testing.assert_allclose(table[-1, 1000], logs.sum(), rtol=1e-10)
    np.testing.assert_allclose(table[-1, 999], logs.sum() + logsumexp(-logs), rtol=1e-10)
    with_zeros = log_elementary(rng.permutation(np.append(np.exp(logs[:600]), np.zeros(400))), 1000)
    assert np.isfinite(with_zeros[-1, :601]).all() and np.isneginf(with_zeros[-1, 601:]).all()
    np.testing.assert_allclose(with_zeros[-1, 600], logs[:600].sum(), rtol=1e-10)


@pytest.mark.parametrize("value", [1e-12, 1.0, 1e12])
def test_elementary_polynomials_of_equal_eigenvalues_are_binomial(value):
    j = np.arange(1001)
    binomial = gammaln(1001) - gammaln(j + 1) - gammaln(1001 - j)
    table = log_elementary(np.full(1000, value), 1000)
    np.testing.assert_allclose(table[-1], binomial + j * np.log(value), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_eigenvalues_must_be_finite_and_not_negative(bad):
    with pytest.raises(InputError, match="finite and at least 0"):
        log_elementary([1.0, bad], 1)


@given(st.integers(1, 9), st.integers(1, 5), SEEDS)
@settings(max_examples=30, deadline=None)
def test_kernels_have_their_formulas(n, d, seed):
    x = points(n, d, seed)
    norms = np.linalg.norm(x, axis=1)
    distances = np.linalg.norm(x[:, None] - x[None], axis=-1)
    np.testing.assert_allclose(kernel(x, "linear"), x @ x.T)
    np.testing.assert_allclose(kernel(x, "cosine"), x @ x.T / np.outer(norms, norms), atol=1e-12)
    np.testing.assert_allclose(kernel(x, "gaussian", bandwidth=2.5), np.exp(-(distances**2) / 12.5))
    if n > 1:
        h = np.median([distances[i, j] for i, j in combinations(range(n), 2)])
        np.testing.assert_allclose(kernel(x, "gaussian"), np.exp(-(distances**2) / (2 * h**2)))
    for name in KERNELS:
        np.testing.assert_array_equal(kernel(x, name), kernel(x, name).T)


def test_a_row_of_zeros_is_like_nothing():
    L = kernel([[0.0, 0.0], [3.0, 4.0], [4.0, -3.0]], "cosine")
    np.testing.assert_allclose(L, np.diag([0.0, 1.0, 1.0]), atol=1e-15)
    assert KDPP.from_kernel(L).sample(2, np.random.default_rng(0)).tolist() == [1, 2]


def test_unknown_kernel_lists_the_known():
    with pytest.raises(InputError, match="linear, cosine, gaussian"):
        kernel(points(3, 2), "rbf")


@pytest.mark.parametrize("bandwidth", [None, 0.0, -1.0, np.nan, np.inf])
def test_a_bandwidth_must_be_positive(bandwidth):
    with pytest.raises(InputError, match="bandwidth must be positive"):
        kernel(np.zeros((3, 2)), "gaussian", bandwidth)


@pytest.mark.parametrize("q", [[1.0, 1.0], [1.0, 1.0, -1.0], [1.0, np.nan, 1.0], [1.0, np.inf, 1.0], [[1.0] * 3]])
def test_quality_must_be_one_number_a_point(q):
    for weigh in (lambda: with_quality(np.eye(3), q), lambda: KDPP.from_features(points(3, 2), quality=q)):
        with pytest.raises(InputError, match=r"quality must be \[3\]"):
            weigh()


BAD_KERNELS = {
    "has NaN": np.array([[1.0, np.nan], [np.nan, 1.0]]),
    "infinite": np.array([[np.inf, 0.0], [0.0, 1.0]]),
    "symmetric": np.array([[1.0, 0.5], [0.4, 1.0]]),
    r"semidefinite; this one has the eigenvalue -1": np.array([[1.0, 2.0], [2.0, 1.0]]),
    r"must be \[n, n\], not \[2, 3\]": np.ones((2, 3)),
    r"must be \[n, n\], not \[3\]": np.ones(3),
    r"must be \[n, n\], not \[0, 0\]": np.ones((0, 0)),
}


@pytest.mark.parametrize("message", BAD_KERNELS)
def test_what_is_no_kernel_is_refused(message):
    with pytest.raises(InputError, match=message):
        KDPP.from_kernel(BAD_KERNELS[message])


def test_features_must_be_finite():
    with pytest.raises(InputError, match="points 1 are not"):
        KDPP.from_features([[1.0], [np.nan], [2.0]])
    with pytest.raises(InputError, match="points 1 are not"):
        kernel([[1.0], [np.nan], [2.0]], "linear")


@pytest.mark.parametrize("k", [-1, 5])
def test_no_more_points_than_the_rank(k):
    for process in (KDPP.from_features(points(9, 4)), KDPP.from_kernel(kernel(points(9, 4), "linear"))):
        with pytest.raises(InputError, match=rf"has rank 4, so that k must be 0 \.\. 4, not {k}\."):
            process.sample(k, np.random.default_rng(0))
    with pytest.raises(InputError, match="has rank 4"):
        process.log_probability(range(5))


@pytest.mark.parametrize("subset", [[0, 0], [-1, 2], [0, 9]])
def test_a_subset_is_of_different_points(subset):
    with pytest.raises(InputError, match=r"different indices of 0 \.\. 8"):
        KDPP.from_features(points(9, 4)).log_probability(subset)


@pytest.mark.parametrize("x", [np.zeros((5, 2)), np.zeros((2, 5))])
def test_a_kernel_of_zeros_draws_no_points(x):
    process = KDPP.from_features(x)
    assert process.rank == 0 and process.sample(0, np.random.default_rng(0)).shape == (0,)
    assert process.log_probability([]) == 0.0
    with pytest.raises(InputError, match="has rank 0"):
        process.sample(1, np.random.default_rng(0))
