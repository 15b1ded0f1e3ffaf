import numpy as np
from sklearn.svm import SVC

from feature_sets import feature_set
from studies.points.support_vectors import GRID, run, support_vectors


def test_support_vectors_are_the_points_of_non_zero_hinge_loss_or_on_the_margin():
    f = feature_set(n=80)
    chosen, C = support_vectors(f.train[:80], f.labels[:80], seed=0)
    svm = SVC(kernel="linear", C=C).fit(f.train[:80], f.labels[:80])
    margins = np.where(f.labels[:80] == 1, 1, -1) * svm.decision_function(f.train[:80])
    assert C in GRID
    assert set(np.flatnonzero(margins < 1 - 1e-3)) <= set(chosen) <= set(np.flatnonzero(margins < 1 + 1e-2))


def test_the_row_counts_the_copies_of_the_support_vectors_only():
    f = feature_set(n=80)
    row = run(f, C=10.0, seed=0).iloc[0]
    chosen, C = support_vectors(f.train[:80], f.labels[:80], seed=0)
    assert (row["budget"], row["rows"], row["svm_C"]) == (len(chosen), 80 + f.k * len(chosen), C)
    assert 0.5 < row["accuracy"] <= 1
