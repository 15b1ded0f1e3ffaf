import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from influaug.errors import InputError
from influaug.selection.greedy import select
from studies.copies import figures as set_figures
from studies.copies import page as set_shown

pytestmark = pytest.mark.slow


def test_picked_images_are_the_copies_of_their_points(r):
    copies = np.array([7, 0, 7, 319])
    found = set_shown.images(r, copies)
    for image, copy in zip(found, copies, strict=True):
        point, which = divmod(copy, 4)
        np.testing.assert_array_equal(image, r.transformation(r.sample.images[[point]])[which, 0])


def test_picks_are_counted_by_the_change_that_made_them(r):
    counts = set_shown.by_change(r, ["one_shot", "greedy_influence"], 10)
    assert list(counts.index) == list(r.transformation.labels) and (counts.sum() == 10).all()
    picked = set_shown.picks(r, "greedy_influence", 10)
    assert counts.iloc[0]["greedy_influence"] == np.sum(picked % 4 == 0)


def test_the_real_reduction_is_scikit_learns(r):
    found = set_shown.promised_and_real(r, [1, 8], one_shot=True)
    f, losses = r.features, []
    order = set_shown.picks(r, "one_shot", 8)
    for copies in (order[:0], order[:1], order):
        rows = np.append(np.arange(f.n), f.n + copies)
        model = LogisticRegression(C=10, solver="newton-cholesky", tol=1e-8).fit(f.train[rows], f.labels[rows])
        losses.append(log_loss(f.labels, model.predict_proba(f.train)))
    np.testing.assert_allclose(found["real"], losses[0] - np.array(losses[1:]), rtol=1e-3)
    assert found["promised"].is_monotonic_increasing


def test_likeness_is_the_mean_cosine(r):
    same = set_shown.likeness(r, np.array([3, 3, 3]))
    assert same == pytest.approx(1)
    assert -0.5 <= set_shown.likeness(r, np.array([0, 50, 100])) < 1
    found = set_shown.redundancy(r.study, ["one_shot", "greedy_influence"], 12)
    means = found.groupby("policy")["likeness"].mean()
    assert means["one_shot"] > means["greedy_influence"]
    shown = set_shown.redundancy_table(found)
    assert list(shown["replicates"]) == [2, 2]


def test_wrong_labels_are_counted_among_the_picks(r):
    assert r.wrong.sum() == 8
    shares = set_shown.wrong_picks(r, ["influence", "greedy_influence"], [4, 40])
    picked = set_shown.picks(r, "influence", 40)
    assert shares.loc[40, "influence"] == np.mean(r.wrong[picked // 4])
    scores = set_shown.first_scores(r)
    assert len(scores) == 320 and scores["wrong"].sum() == 32


def test_every_figure_draws_what_it_is_given(r):
    fig, axes = plt.subplots(1, 4)
    set_figures.grouped_bars(axes[0], set_shown.by_change(r, ["one_shot", "greedy_influence"], 10), "copies")
    assert sum(bar.get_height() for bar in axes[0].patches) == 20
    found = set_shown.promised_and_real(r, set_shown.sizes(r), one_shot=False)
    set_figures.promised_and_real(axes[1], found)
    np.testing.assert_array_equal(axes[1].lines[0].get_ydata(), found["promised"])
    set_figures.signed_histogram(axes[2], set_shown.first_scores(r))
    assert sum(bar.get_height() for bar in axes[2].patches) == pytest.approx(200)
    set_figures.wrong_picks(axes[3], set_shown.wrong_picks(r, ["influence"], [4, 40]), 0.1)
    assert axes[3].lines[1].get_ydata()[0] == pytest.approx(10)
    plt.close(fig)


def test_scoring_again_is_compared_at_each_share(r):
    found = set_shown.rescoring(r.study, (1, None), [0.01, 0.05])
    assert len(found) == 2 * 2 * 2 and set(found["policy"]) == {"1", "a sixteenth of what is added"}
    first = found[(found["replicate"] == 0) & (found["share"] == 0.05)].set_index("policy")["accuracy"]
    assert first["1"] == first.iloc[1]  # of 16 picks, batches of a sixteenth are of one
    f, copies = r.features, select(r.candidates, budget=16).order
    rows = np.append(np.arange(f.n), f.n + copies)
    model = LogisticRegression(C=10, solver="newton-cholesky", tol=1e-8).fit(f.train[rows], f.labels[rows])
    assert first["1"] == pytest.approx(model.score(f.test, f.test_labels), abs=0.5 / len(f.test))


def test_clusters_are_swept_over_the_released_codes_numbers(r):
    found = set_shown.cluster_sweep(r.study)
    assert list(found["k"]) == [1, 4, 8, 20, 40, 60, 80]
    one = r.features.train[:80].astype(float)
    assert found["inertia"].iloc[0] == pytest.approx(((one - one.mean(axis=0)) ** 2).sum(), rel=1e-4)
    fig, axes = plt.subplots(1, 2)
    set_figures.cluster_sweep(axes, found)
    np.testing.assert_array_equal(axes[0].lines[0].get_ydata(), found["inertia"])
    plt.close(fig)


def test_a_study_with_a_rare_class_has_no_pictures(r):
    with pytest.raises(InputError, match="rare_class must be null"):
        next(set_shown.replicates(r.study.model_copy(update={"rare_class": 1})))
