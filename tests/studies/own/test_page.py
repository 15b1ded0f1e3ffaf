"""The page on your own data: sentences that say what the intervals carry, and a file that is what the page says."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from scipy import stats
from sklearn.linear_model import LogisticRegression

from influaug import AugmentationSelector
from influaug.data.datasets import load
from own_tables import DESIGN, FAR, NEAR, WIDE, around, found_of
from studies.commands.own import main
from studies.own import figures, material, page, results, verdicts
from studies.own.parameters import OwnData
from studies.own.verdicts import ALL, CANNOT_TELL, ENOUGH, NONE, Design, Verdict
from studies.storage import paths

pytestmark = pytest.mark.slow

SMALL = {"n_train": 60, "epochs": 2, "folds": 3, "shares": [0.05, 0.2], "own": "small", "policy": "influence"}


@pytest.mark.parametrize(
    ("gaps", "said", "unsaid"),
    [
        ([FAR, FAR, NEAR], ["Enough: 20% of the copies", "20 copies of 10 points"], ["cannot", "harms"]),
        ([FAR, WIDE, NEAR], ["Enough: 20%", "Whether less is enough (10%)"], ["harms"]),
        ([NEAR, FAR], ["No augmentation is needed", "not shown to help"], ["harms", "Enough"]),
        ([around(0.1)], ["Augmentation harms"], ["needed", "Enough"]),
        ([NEAR, around(0.05)], ["Enough: 10%", "these do gain"], ["harms"]),
        ([FAR, FAR], ["Not enough: none of these shares", "All copies are taken"], ["cannot", "Enough:"]),
        (
            [FAR, WIDE],
            ["cannot tell whether fewer are enough", "would tell with a chance of 80%"],
            ["harms", "Not enough"],
        ),
        (
            [WIDE, NEAR],
            ["cannot tell whether augmentation helps", "10% of the copies are as good"],
            ["Enough:", "taken"],
        ),
    ],
)
def test_the_verdict_says_what_the_intervals_carry(gaps, said, unsaid):
    found = found_of(*gaps)
    text = page.verdict(found, verdicts.verdict(found, DESIGN), OwnData(), DESIGN)
    assert all(words in text for words in said) and not any(words in text for words in unsaid), text
    assert "The margin is 1 percentage point." in text
    fig, ax = plt.subplots()
    figures.differences(ax, found, verdicts.verdict(found, DESIGN), 0.01)
    plt.close(fig)


def test_the_first_sentences_say_which_transformations_help_and_where():
    columns = ["copies", "mean", "gain", "gain_half_width", "on_copies", "on_copies_half_width", "helps"]
    rows = {
        "shift": [4.0, 0.9, 0.05, 0.02, 0.1, 0.02, verdicts.YES],
        "turn": [4.0, 0.9, 0.01, 0.02, 0.2, 0.02, CANNOT_TELL],
        "blur": [4.0, 0.9, -0.05, 0.02, 0.01, 0.02, verdicts.NO],
    }
    gains = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    text = page.which_help(gains, DESIGN)
    assert "**Helps: shift (+5.00 ± 2.00 points).**" in text and "**Harms: blur (-5.00 ± 2.00 points).**" in text
    assert "Of turn these points cannot tell." in text and "chance of 80% of turn, if its gain is +1.00" in text
    assert "changed in the same way, helps: turn (+20.00 ± 2.00 points), shift (+10.00" in text
    assert "fewer than the 5" in page.which_help(gains, Design(4, 1, 900))
    assert page.shown_transformations(gains)["helps"].tolist() == ["yes", "cannot tell", "no, it harms"]
    figures.gains(plt.figure().subplots(), gains)
    plt.close("all")


def test_too_few_parts_are_said_to_be_too_few():
    found = found_of(FAR, NEAR).assign(enough=CANNOT_TELL)
    text = page.verdict(found, Verdict(CANNOT_TELL, 0.0), OwnData(folds=3, repeats=1), Design(3, 1, 900))
    assert "3 parts are fewer than the 5" in text and "No copies are advised" in text


@pytest.fixture(scope="module")
def own():
    return OwnData(**SMALL)


@pytest.fixture(scope="module")
def brought(own):
    return material.of(own)


@pytest.mark.parametrize("policy", ["influence", "greedy_influence"])
def test_the_choice_is_the_front_doors_and_the_file_can_be_read(own, policy, tmp_path):
    own = own.model_copy(update={"policy": policy})
    found = results.chosen(own, material.of(own), Verdict(ENOUGH, 0.1))
    points, change = found.points, found.given["transformation"]
    selector = AugmentationSelector(
        policy, 0.1, featurizer=found.features.network, random_state=found.selector.random_state
    )
    selector.fit(points.images, points.labels, **found.given)
    np.testing.assert_array_equal(selector.support_, found.selector.support_)
    augmented = selector.augment(points.images, points.labels, change)
    path = tmp_path / "new" / "augmented.npz"
    assert results.write(path, found)
    again = load(str(path))
    np.testing.assert_array_equal(again.images_train, augmented[0])
    assert [again.class_names[k] for k in again.labels_train] == [points.class_names[k] for k in augmented[1]]
    np.testing.assert_array_equal(again.images_test, points.images_test)
    with np.load(path) as arrays:
        np.testing.assert_array_equal(arrays["source"], augmented[3])
    _, axes = plt.subplots(6, 1)
    figures.histogram(axes[0], found)
    figures.faces(axes[1:4], found)
    figures.counts(axes[4:], found)
    drawn = sum(patch.get_width() for patch in axes[4].patches)
    assert drawn == len(selector.source_) and page.counted(found).count(f"{len(selector.source_):,} of") == 1
    plt.close("all")


@pytest.mark.parametrize("kind", [NONE, CANNOT_TELL])
def test_where_no_copies_are_advised_none_are_written_and_an_earlier_file_goes(own, brought, kind, tmp_path):
    found = results.chosen(own, brought, Verdict(kind, 0.0))
    path = tmp_path / "augmented.npz"
    path.write_bytes(b"of an earlier run")
    assert not results.write(path, found) and not path.exists()
    assert found.nothing and "Nothing was chosen" in page.counted(found)
    assert "No file was written" in page.written(path, found, False)


@pytest.mark.parametrize("policy", ["influence", "pool_influence", "k_dpp"])
def test_all_copies_are_taken_whatever_the_policy(own, policy):
    own = own.model_copy(update={"policy": policy})
    found = results.chosen(own, material.of(own), Verdict(ALL, 1.0))
    assert "60 of 60 points are augmented, with 240 of 240" in page.counted(found)


def test_the_test_points_are_judged_with_and_without_copies(own, brought):
    found = results.chosen(own, brought, Verdict(ALL, 1.0))
    seen, points = results.on_test(found), found.points
    x_test, x = found.features.network.transform(points.images_test), found.features.points
    copies = found.features.copies("translate").reshape(-1, x.shape[1])
    rows, labels = np.vstack([x, copies]), np.append(points.labels, np.repeat(points.labels, 4))
    with_copies = LogisticRegression(C=own.C, tol=1e-8, max_iter=10_000).fit(rows, labels)
    without = LogisticRegression(C=own.C, tol=1e-8, max_iter=10_000).fit(x, points.labels)
    hits, alone = (model.predict(x_test) == points.labels_test for model in (with_copies, without))
    n = len(hits)
    assert seen.n == n and seen.chosen[0] == pytest.approx(hits.mean(), abs=2 / n)
    assert seen.none[0] == pytest.approx(alone.mean(), abs=2 / n)
    spread = stats.t.ppf(0.975, n - 1) * stats.sem(hits.astype(float) - alone)
    assert seen.difference == pytest.approx((hits.mean() - alone.mean(), spread), abs=3 / n)
    assert f"{100 * seen.difference[0]:+.2f}" in page.tested(found, seen)
    nothing = results.chosen(own, brought, Verdict(NONE, 0.0))
    assert results.on_test(nothing).chosen == pytest.approx(seen.none) and "without any copy" in page.tested(
        nothing, results.on_test(nothing)
    )


@pytest.mark.parametrize(
    ("more", "said", "copies"),
    [
        ("margin: 0.9\n", "No augmentation is needed", 0),
        ("folds: 3\nrepeats: 1\n", "3 parts are fewer than the 5", 0),
    ],
)
def test_the_page_the_numbers_and_the_file_agree(tmp_path, capfd, monkeypatch, more, said, copies):
    monkeypatch.delenv("MPLBACKEND")  # a kernel that inherits it shows no figure
    parameters = tmp_path / "mine.yaml"
    parameters.write_text(f"own: mine\nn_train: 60\nepochs: 1\nshares: [0.1]\ntransformations: [crop]\n{more}")
    assert main([str(parameters)]) == 0
    folder = paths.outputs() / "own" / "mine"
    made, there = folder / "augmented.npz", folder / "pages" / "15_your_own_data.html"
    lines = capfd.readouterr().err.rstrip().splitlines()
    assert lines[-1] == f"  {there}" and any("will take about" in line for line in lines)
    text = " ".join(BeautifulSoup(there.read_text("utf-8"), "html.parser").main.get_text().split())
    assert said in text and "No file was written" in text and not made.exists() and not copies


def test_features_get_a_page_and_a_file_too(tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND")
    rng = np.random.default_rng(0)
    y = np.array(["süß", "b c"])[np.arange(80) % 2]
    x = np.where(rng.random((80, 1)) < 0.5, 3.0, 0.0) * [1, 0, 0, 0] + rng.normal(size=(80, 4)) * [0.1, 1, 1, 1]
    x[:, 1] += 1.2 * (y == "b c")
    copies = np.stack([x, x, x], axis=1)
    copies[..., 2:] = rng.normal(size=(80, 3, 2))
    np.savez(tmp_path / "f.npz", X=x, y=y, copies=copies)
    parameters = tmp_path / "f.yaml"
    parameters.write_text(
        f"own: features\ndata: {tmp_path / 'f.npz'}\nclasses: null\nn_train: null\ntransformations: []\n"
        "transformation: all\nshares: [0.2, 0.5]\nmargin: 0.5\nrepeats: 1\n"
    )
    assert main([str(parameters)]) == 0
    html = (paths.outputs() / "own" / "features" / "pages" / "15_your_own_data.html").read_text("utf-8")
    text = " ".join(BeautifulSoup(html, "html.parser").main.get_text().split())
    assert "There are no test points" in text and "No augmentation is needed" in text
    own = OwnData.read(parameters)
    found = results.chosen(own, material.of(own), Verdict(ENOUGH, 0.2))
    assert results.write(tmp_path / "new.npz", found)
    with np.load(tmp_path / "new.npz") as arrays:
        source = arrays["source"][80:]
        np.testing.assert_array_equal(arrays["X"][:80], x)
        np.testing.assert_array_equal(arrays["X"][80:], copies[source, found.selector.which_])
        assert (arrays["y"] == y[arrays["source"]]).all() and len(source) == 48
