"""Dear copies: what is spoilt, that checks throw it away, learners against scikit-learn, and the page's words."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from influaug.errors import InputError
from problems import problem as made
from studies.dear import learners, page, problems, results
from studies.dear.parameters import LEARNERS, DearCopies
from studies.points.feature_set import FeatureSet
from studies.storage import paths


@pytest.fixture(scope="module")
def right():
    rng = np.random.default_rng(1)
    x, y = made(seed=1, n=80, d=5, n_classes=3)
    copies = np.repeat(x, 2, axis=0) + 0.3 * rng.normal(size=(160, 5))
    train, test = np.vstack([x[:40], copies[:80]]), np.vstack([x[40:], copies[80:]])
    labels = [np.append(part, np.repeat(part, 2)) for part in (y[:40], y[40:])]
    f = FeatureSet(train, labels[0], 40, test, labels[1], 40)
    return problems.Problem(
        f,
        np.zeros(80, bool),
        {"features": train, "pixels": train},
        dict.fromkeys(("features", "pixels"), test),
        labels[1],
    )


@pytest.fixture(scope="module")
def study():
    return DearCopies(dear="small", policies=["random_copies", "greedy_influence"], clicks=[5, 20], trees=3)


def spoilt(right, share=0.2):
    damaged, mislabelled, others = problems.drawn(right.features.labels[40:], share, np.random.default_rng(2))
    return problems.with_spoilt(right, damaged, np.full((len(damaged), 5), 9.0), mislabelled, others)


@pytest.mark.parametrize("name", ["digits", "mnist-translate"])
def test_the_committed_parameters_name_every_one(name):
    path = paths.PARAMS / "dear" / f"{name}.yaml"
    lines = [line for line in path.read_text().splitlines() if line and line[0] not in "# "]
    assert [line.split(":")[0] for line in lines] == list(DearCopies.model_fields)
    assert DearCopies.read(path).folder == paths.outputs() / "dear" / name
    assert DearCopies.read(paths.PARAMS / "dear" / "digits.yaml") == DearCopies()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"clicks": [20, 10]}, "clicks: must rise from at least 1"),
        ({"spoilt": [0.1, 0.1]}, "spoilt: must be shares from 0 to below 1, each once"),
        ({"policies": ["greedy"]}, "greedy_influence"),
        ({"policies": ["badge", "badge"]}, "each policy once"),
        ({"learners": ["forest"]}, "probe"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(wrong, said):
    with pytest.raises(InputError, match=said):
        DearCopies.of(wrong)


def test_more_clicks_or_replicates_than_there_are_are_refused_before_features_are_made(monkeypatch):
    monkeypatch.setattr(results.stages, "features", lambda _: pytest.fail("features were made"))
    m = len(DearCopies().base().split(0).labels) * len(DearCopies().base().augmentation())
    with pytest.raises(InputError, match=f"at most the {m} copies"):
        results.results(DearCopies(dear="many", clicks=[m + 1]))
    with pytest.raises(InputError, match="replicates must be at most"):
        results.results(DearCopies(dear="many", replicates=1000))


@given(st.integers(20, 200), st.floats(0, 0.9), st.integers(2, 5))
def test_as_many_copies_are_spoilt_as_asked_and_others_are_of_other_classes(m, share, n_classes):
    labels = np.arange(m) % n_classes
    damaged, mislabelled, others = problems.drawn(labels, share, np.random.default_rng(m))
    both = np.append(damaged, mislabelled)
    assert len(set(both)) == len(both) == round(share * m)
    assert 0 <= len(damaged) - len(mislabelled) <= 1
    assert np.all(labels[others] != labels[mislabelled])


def test_a_scrambled_image_has_the_same_blocks_in_other_places():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, 9, 13, 3)).astype(np.uint8)
    found = problems.scrambled(images, rng)
    assert found.dtype == images.dtype and not np.array_equal(found, images)
    np.testing.assert_array_equal(found[:, 8:], images[:, 8:])
    np.testing.assert_array_equal(found[:, :, 12:], images[:, :, 12:])

    def blocks(image):
        return sorted(image[i : i + 2, j : j + 3].tobytes() for i in range(0, 8, 2) for j in range(0, 12, 3))

    assert [blocks(image) for image in found] == [blocks(image) for image in images]


def test_policies_see_spoilt_copies_and_learners_do_not(right, study):
    bad = spoilt(right)
    n, labels = bad.features.n, bad.features.labels
    changed = np.any(bad.features.train != right.features.train, axis=1)
    np.testing.assert_array_equal(changed, np.append(np.zeros(n, bool), bad.spoilt))
    np.testing.assert_array_equal(labels, right.features.labels)
    poisoned = {name: np.where(changed[:, None], np.nan, x) for name, x in right.inputs.items()}
    found = results.measured(study, problems.replace(bad, inputs=poisoned), 0)
    assert found[["probe", "svm", "trees", "svm_pixels"]].notna().all(axis=None)
    by = {
        (policy, clicks): copies
        for policy, clicks, copies, _ in results.chosen(study, bad, study.seed_sequence(0, "policies"))
    }
    for row in found.itertuples():
        copies = by[row.policy, row.clicks]
        assert len(copies) == row.clicks and row.rows == np.sum(~bad.spoilt[copies])
    assert found.set_index("policy").loc["all", "rows"] == 64 and found["wasted"].iloc[-1] == pytest.approx(0.2)


def test_without_spoilt_copies_clicks_are_rows(right, study):
    found = results.measured(study, right, 0)
    np.testing.assert_array_equal(found["clicks"], found["rows"])


def test_policies_draw_the_same_whoever_else_is_compared(right, study):
    alone = study.model_copy(update={"policies": ["random_copies"]})
    tables = [results.measured(each, right, 0).query("policy == 'random_copies'") for each in (study, alone)]
    pd.testing.assert_frame_equal(*(table.drop(columns="seconds").reset_index(drop=True) for table in tables))


def test_learners_are_those_of_scikit_learn(right, study):
    assert tuple(learners.LEARNERS) == LEARNERS
    f, copies = right.features, np.arange(0, 80, 3)
    rows = np.append(np.arange(40), 40 + copies)
    found = results.learned(study, right, copies, 0)
    for name, model in (
        ("probe", LogisticRegression(C=study.C, tol=1e-10, max_iter=10_000)),
        ("svm", SVC(C=study.C)),
    ):
        assert found[name] == model.fit(f.train[rows], f.labels[rows]).score(f.test, f.test_labels)
    assert found["trees"] > 0.5


def table(n=6, gain=0.02, noise=0.001):
    rng, rows = np.random.default_rng(0), []
    for replicate in range(n):
        level = rng.normal(0.9, 0.02)
        for share in (0.0, 0.1):
            for policy, clicks, more in (
                ("none", 0, -0.1),
                ("random_copies", 10, 0),
                ("random_copies", 20, 0.01),
                ("influence", 10, gain),
                ("influence", 20, 2 * gain),
                ("greedy_influence", 10, gain),
                ("greedy_influence", 20, gain),
                ("all", 80, 0.1),
            ):
                wasted = np.nan if policy == "none" else share
                about = {"replicate": replicate, "spoilt": share, "policy": policy, "clicks": clicks, "wasted": wasted}
                rows.append({**about, "probe": level + more + rng.normal(0, noise)})
    return pd.DataFrame(rows)


def test_differences_are_paired_and_words_follow_from_their_intervals():
    found = table()
    mean, half, n = page.gap(found, "random_copies", "probe", 0.1, 20)
    rows = found[(found["spoilt"] == 0.1) & (found["clicks"] == 20)].pivot(index="replicate", columns="policy")["probe"]
    low, high = ttest_rel(rows["greedy_influence"], rows["random_copies"]).confidence_interval()
    np.testing.assert_allclose([mean - half, mean + half], [100 * low, 100 * high])
    assert n == 6
    said = page.answers(found, ["probe"])
    assert "| random copies | linear probe | ahead at all | ahead at all |" in said
    assert "| the paper's influence | linear probe | cannot tell at 10; behind at 20 |" in said
    assert "margin" not in said
    assert "| influence (paper) | 0 / 2 / 2 |" in page.counted(found, ["probe"])


def test_few_replicates_conclude_nothing():
    found = table(n=4)
    assert "ahead" not in page.answers(found, ["probe"]) and "too few" in page.answers(found, ["probe"])
    assert "too few" in page.counted(found, ["probe"])


def test_tables_and_figures_show_every_policy():
    found = table()
    shown = page.accuracies(found, ["probe"], 20)
    assert shown.shape == (10, 1) and ("10% spoilt", "greedy influence") in shown.index
    assert list(page.wasted(found).columns) == [("10% spoilt", "10 clicks"), ("10% spoilt", "20 clicks")]
    assert page.differences(found, ["probe"]).shape == (2, 4)
    fig, ax = plt.subplots()
    (shown,) = page.curves([ax], found, ["probe"], 0.1)
    assert len(shown.get_lines()) == 5
    plt.close(fig)
