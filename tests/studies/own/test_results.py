"""The page on a person's own data: folds that leak nothing, intervals as published, and a file that can be read."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from scipy import stats
from sklearn.linear_model import LogisticRegression

from influaug import AugmentationSelector
from influaug.data.datasets import load
from influaug.data.transformations import expand
from influaug.errors import InputError
from studies.commands.run import main
from studies.own import page as own_page
from studies.own import results as own_data
from studies.own.parameters import ALL_POINTS, OwnData
from studies.storage import paths

pytestmark = pytest.mark.slow

SMALL = {"n_train": 60, "epochs": 2, "folds": 3, "shares": [0.05, 0.2], "own": "small", "policy": "influence"}


@pytest.fixture(scope="module")
def own():
    return OwnData(**SMALL)


def test_the_committed_parameters_are_the_defaults_and_name_every_one():
    path = paths.PARAMS / "own" / "digits.yaml"
    assert OwnData.read(path) == OwnData()
    keys = [line.split(":")[0] for line in path.read_text().splitlines() if line and line[0] != "#"]
    assert keys == list(OwnData.model_fields)
    assert all("  # " in line for line in path.read_text().splitlines() if line and line[0] != "#")
    assert OwnData().folder == paths.outputs() / "own" / "digits"
    assert OwnData(seed=1).folder.parent == paths.outputs() / "variations"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"shares": [0.1, 0.05]}, "shares: must rise"),
        ({"shares": [0.5, 1]}, "below 1"),
        ({"policy": "greedy"}, "greedy_influence"),
        ({"network": "alexnet"}, "network: must be lenet"),
        ({"transformation": "rotate", "magnitudes": [0]}, "magnitudes: rotate takes"),
        ({"magnitudes": [1, 2]}, "one number of pixels"),
        ({"folds": 2}, "folds"),
        ({"colour": 1}, "Unknown parameter colour"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(wrong, right):
    with pytest.raises(InputError, match=right):
        OwnData.of(wrong)


def test_too_few_points_for_the_folds_are_refused():
    with pytest.raises(InputError, match="take fewer folds"):
        own_data.cross_validated(OwnData(**{**SMALL, "n_train": 4}))


def test_a_fold_is_trained_and_tested_as_described(own, monkeypatch):
    seen = []

    class Network:
        """Pixels as features; remembers what it was fitted to."""

        def fit(self, images, labels):
            seen.append({image.tobytes() for image in images})
            return self

        def transform(self, images):
            return images[:, ::3, ::3].reshape(len(images), -1) / 255.0

    monkeypatch.setattr(OwnData, "featurizer", lambda self, fold: Network())
    table, points = own_data.cross_validated(own), own.points()
    assert len(seen) == 3 and sum(map(len, seen)) == 2 * len(set.union(*seen))
    for fold, trained in enumerate(seen):
        train = np.array([image.tobytes() in trained for image in points.images])
        copies = [expand(points.images[part], points.labels[part], own.augmentation()) for part in (train, ~train)]
        x = Network().transform(np.concatenate([points.images[train], copies[0].images]))
        y = np.append(points.labels[train], copies[0].labels)
        x_test = Network().transform(np.concatenate([points.images[~train], copies[1].images]))
        y_test = np.append(points.labels[~train], copies[1].labels)
        for policy, rows in (("none", train.sum()), ("full", len(y))):
            model = LogisticRegression(C=10.0, tol=1e-8, max_iter=10_000).fit(x[:rows], y[:rows])
            ours = table[(table["fold"] == fold) & (table["policy"] == policy)]["accuracy"].item()
            assert ours == pytest.approx(model.score(x_test, y_test), abs=1.5 / len(y_test))
    monkeypatch.setattr(OwnData, "featurizer", None)
    pd.testing.assert_frame_equal(own_data.cross_validated(own), table)


HALF = stats.t.ppf(0.975, 2) * np.sqrt(1 / 3 + 20 / 40)
"""Half width of an interval over three folds, as a multiple of their standard deviation."""
N = 900


def made_up(gaps, full=0.9):
    """A table of three folds with these differences from full augmentation, by share."""
    rows = [
        {"fold": fold, "policy": policy, "share": share, "added": 100 * share, "touched": 50 * share, "accuracy": a}
        for share, (policy, gap) in {**gaps, 1.0: ("full", (0, 0, 0))}.items()
        for fold, a in enumerate(full + 0.05 * np.arange(3) + np.array(gap))
    ]
    return pd.DataFrame(rows)


def found_of(*gaps, margin=0.01, n=N):
    """`budgets` of no copies and of 10%, 20%, ... with these differences from full augmentation, a triple each."""
    shares = [round(0.1 * place, 1) for place in range(len(gaps))]
    table = {share: ("p" if share else "none", gap) for share, gap in zip(shares, gaps, strict=True)}
    return own_data.budgets(made_up(table), "p", margin, n)


FAR = (-0.2, -0.21, -0.2)
NEAR = (-0.002, -0.001, -0.002)
WIDE = (-0.03, 0.02, 0.0)


def test_intervals_are_paired_and_corrected():
    gaps = [FAR, WIDE, NEAR]
    found = found_of(*gaps)
    for row, gap in zip(found.itertuples(), gaps, strict=False):
        assert row.difference == pytest.approx(np.mean(gap))
        assert row.difference_half_width == pytest.approx(max(HALF * np.std(gap, ddof=1), 3 / N))
        gain = np.subtract(gap, FAR)
        assert (row.gain, row.gain_half_width) == pytest.approx(
            (np.mean(gain), max(HALF * np.std(gain, ddof=1), 3 / N)) if row.Index else (0, 0)
        )
    assert found.loc[1.0, ["difference", "difference_half_width", "enough"]].tolist() == [0, 0, "yes"]
    assert found["enough"].tolist() == ["no", "cannot tell", "yes", "yes"] and own_data.enough(found) == 0.2
    assert own_page.shown(found)["enough"].tolist() == found["enough"].tolist()


@pytest.mark.parametrize(("n", "outcome"), [(200, "cannot tell"), (400, "yes")])
def test_folds_that_agree_are_not_certain_where_few_points_were_held_out(n, outcome):
    found = found_of((0, 0, 0), n=n)
    assert found.loc[0, "difference_half_width"] == 3 / n and found.loc[0, "enough"] == outcome


@pytest.mark.parametrize(
    ("difference", "half", "outcome"),
    [
        (0.0, 0.01, "yes"),
        (0.05, 0.02, "yes"),
        (0.0, 0.0101, "cannot tell"),
        (0.0, 0.5, "cannot tell"),
        (-0.01, 0.0, "yes"),
        (-0.02, 0.01, "cannot tell"),
        (-0.02, 0.0099, "no"),
        (-0.5, 0.1, "no"),
    ],
)
def test_a_budget_is_enough_only_where_its_whole_interval_lies_above_the_margin(difference, half, outcome):
    assert own_data.judged(difference, half, 0.01) == outcome


@pytest.mark.parametrize(
    ("gaps", "budget", "said", "unsaid"),
    [
        ([FAR, FAR, NEAR], 0.2, ["20% of the copies are enough", "20 copies of 10 points"], ["cannot", "harms"]),
        ([FAR, WIDE, NEAR], 0.2, ["20% of the copies are enough", "Whether less is enough", "(10%)"], ["harms"]),
        ([NEAR, FAR], 0, ["No augmentation is needed", "Nothing was chosen", "harms", "10% (-20"], ["Yet"]),
        ([NEAR, (0.05, 0.05, 0.06)], 0, ["No augmentation is needed", "Yet accuracy is higher", "10% (+5.5"], ["harm"]),
        ([(0.1, 0.11, 0.1)], 0, ["No augmentation is needed", "harms", "100% (-10"], ["Yet"]),
        ([FAR, FAR], 1, ["None of these shares is enough", "All copies are taken"], ["cannot", "harms"]),
        ([FAR, WIDE], 1, ["These points cannot tell", "All copies are taken", "900 training"], ["are enough", "None"]),
        ([WIDE, FAR], 1, ["These points cannot tell", "tell that 0% is"], ["No augmentation", "Nothing"]),
    ],
)
def test_the_verdict_says_what_the_intervals_carry(gaps, budget, said, unsaid):
    found = found_of(*gaps)
    verdict = own_page.verdict(found, OwnData(folds=3), N)
    assert own_data.enough(found) == budget
    assert all(words in verdict for words in said) and not any(words in verdict for words in unsaid), verdict


def test_where_points_cannot_tell_it_is_said_how_many_would():
    wide = (-0.03, 0.02, 0.001)
    row = found_of(FAR, wide).loc[0.1]
    points = own_data.points_to_tell(row, 0.01, N)
    half = HALF * np.std(wide, ddof=1) * np.sqrt(N / points)
    assert np.mean(wide) - half == pytest.approx(-0.01)
    assert own_data.folds_to_tell(row, 0.01, 3) is None
    verdict = own_page.verdict(found_of(FAR, wide), OwnData(folds=3), N)
    assert f"{own_page._rounded_up(points):,} points would tell that 10% is enough; more folds" in verdict
    assert own_page._rounded_up(points) >= points > 0.9 * own_page._rounded_up(points)
    below = found_of(FAR, (-0.03, -0.02, -0.001))
    assert "would tell that 10% is not enough" in own_page.verdict(below, OwnData(folds=3), N)
    at_the_margin = pd.Series({"difference": -0.01, "difference_half_width": 0.02})
    assert own_data.points_to_tell(at_the_margin, 0.01, N) == np.inf


def test_more_folds_tell_by_students_t_alone():
    """Folds that are made of independent points: the half width that is foretold is the one that is found."""
    rng = np.random.default_rng(0)
    folds = [rng.normal(size=(4000, J, 240 // J)).mean(axis=2) for J in (3, 12)]
    spread = [np.sqrt(np.var(means, axis=1, ddof=1).mean()) for means in folds]
    ratio = (stats.t.ppf(0.975, 11) * np.sqrt(1 / 12 + 1 / 11) * spread[1]) / (HALF * spread[0])
    row = pd.Series({"difference": -0.01 + ratio * 0.02, "difference_half_width": 0.02})
    assert own_data.folds_to_tell(row, 0.01, 3) == pytest.approx(12, abs=1)
    row = pd.Series({"difference": 0.0, "difference_half_width": 0.0101})
    assert own_data.folds_to_tell(row, 0.01, 3) == 4


@pytest.mark.parametrize("policy", ["influence", "greedy_influence"])
def test_the_choice_is_the_front_doors_and_the_file_can_be_read(own, policy, tmp_path):
    own = own.model_copy(update={"policy": policy})
    found = own_data.chosen(own, 0.1)
    points, seed = found.points, own.seed_of(ALL_POINTS, "policies")
    selector = AugmentationSelector(policy, 0.1, featurizer=found.network, random_state=seed)
    selector.fit(points.images, points.labels, transformation=found.transformation)
    np.testing.assert_array_equal(selector.support_, found.selector.support_)
    augmented = selector.augment(points.images, points.labels, found.transformation)
    own_data.write(tmp_path / "new" / "augmented.npz", augmented, points)
    again = load(str(tmp_path / "new" / "augmented.npz"))
    np.testing.assert_array_equal(again.images_train, augmented[0])
    assert [again.class_names[k] for k in again.labels_train] == [points.class_names[k] for k in augmented[1]]
    np.testing.assert_array_equal(again.images_test, points.images_test)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["augmented.npz"]
    _, axes = plt.subplots(6, 1)
    own_page.histogram(axes[0], found)
    own_page.faces(axes[1:4], found)
    own_page.counts(axes[4:], found)
    drawn = sum(patch.get_width() for patch in axes[4].patches)
    assert drawn == len(selector.source_) and own_page.counted(found).count(f"{len(selector.source_):,} of") == 1
    plt.close("all")


def test_accuracy_on_the_test_images_counts_their_copies(own):
    found = own_data.chosen(own, 0.1)
    mean, half = own_data.accuracy_on_test(own, found)
    points = found.points
    k, n = len(found.transformation), len(points.labels_test)
    all_images = np.concatenate([points.images_test[None], found.transformation(points.images_test)])
    hits = [
        found.selector.head_.predict(found.network.transform(images)) == points.labels_test for images in all_images
    ]
    shares = np.mean(hits, axis=0)
    assert np.shape(hits) == (k + 1, n) and mean == pytest.approx(shares.mean())
    assert half == pytest.approx(stats.t.ppf(0.975, n - 1) * stats.sem(shares))
    assert f"{100 * mean:.2f}" in own_page.tested(own, found)


@pytest.mark.parametrize(("share", "copies"), [(0, 0), (1, 240)])
@pytest.mark.parametrize("policy", ["influence", "pool_influence", "k_dpp"])
def test_all_copies_or_none_are_taken_whatever_the_policy(own, share, copies, policy):
    found = own_data.chosen(own.model_copy(update={"policy": policy}), share)
    assert found.nothing == (share == 0) and len(found.selector.source_) == copies
    x = found.network.transform(found.points.images)
    if share == 0:
        peer = LogisticRegression(C=own.C, tol=1e-8, max_iter=10_000).fit(x, found.points.labels)
        np.testing.assert_allclose(found.selector.head_.predict_proba(x), peer.predict_proba(x), atol=1e-3)
        assert "Nothing was chosen" in own_page.counted(found)
        assert "without any copy" in own_page.tested(own, found)
    else:
        assert "60 of 60 points are augmented, with 240 of 240" in own_page.counted(found)


def test_results_go_where_the_readme_says_wherever_the_parameters_lie(tmp_path):
    path = tmp_path / "elsewhere.yaml"
    path.write_text("own: mine\nn_train: 60\n")
    assert OwnData.read(path).folder == paths.outputs() / "own" / "mine"
    path.write_text("own: digits\nn_train: 60\n")
    assert OwnData.read(path).folder.parent == paths.outputs() / "variations"


@pytest.mark.parametrize(
    ("margin", "verdict", "counted", "copies", "pictures"),
    [
        (0.9, "No augmentation is needed", "Nothing was chosen", 0, 2),
        (0.0001, "These points cannot tell", "with 240 of 240 copies", 240, 5),
    ],
)
def test_the_page_the_numbers_and_the_file_agree(
    tmp_path, capfd, monkeypatch, margin, verdict, counted, copies, pictures
):
    monkeypatch.delenv("MPLBACKEND")  # a kernel that inherits it shows no figure
    parameters = tmp_path / "mine.yaml"
    parameters.write_text(f"own: mine\nn_train: 60\nepochs: 1\nfolds: 3\nshares: [0.1]\nmargin: {margin}\n")
    assert main([str(paths.NOTEBOOKS / "15_your_own_data.ipynb"), str(parameters)]) == 0
    folder = paths.outputs() / "own" / "mine"
    page, made = folder / "pages" / "15_your_own_data.html", folder / "augmented.npz"
    assert capfd.readouterr().err.rstrip().splitlines()[-2:] == [f"  {page}", f"  {made}"]
    html = BeautifulSoup(page.read_text("utf-8"), "html.parser")
    text = " ".join(html.main.get_text().split())
    assert verdict in text and counted in text and len(html.main("img")) == pictures
    assert f"{made}: the 60 points" in text
    again = load(str(made))
    assert len(again.labels_train) == 60 + copies
