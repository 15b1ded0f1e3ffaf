"""What a page says that a comparison taught, against intervals by SciPy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from influaug.augnet.conditional_operations import ClassOperations, ImageOperations
from influaug.augnet.learned_operations import LearnedOperations
from influaug.augnet.ranges import Family
from influaug.backend import keras
from studies.intervals import Gap
from studies.learned import family_page, learnt
from studies.learned import page as shown
from studies.learned.parameters import Comparison

pytestmark = pytest.mark.slow

GAPS = np.array([-0.3, -0.1, -0.2, -0.25, -0.15, -0.2])


def table(draws=0.0, **errors):
    """A table of results: arm -> errors by replicate; with draws all are lower by so much, give or take."""
    rows = [(r, arm, e, e - draws - 0.02 * r, "here") for arm, values in errors.items() for r, e in enumerate(values)]
    return pd.DataFrame(rows, columns=["replicate", "arm", "error", "error_draws", "machine"])


def half(gaps):
    return stats.sem(gaps) * stats.t.ppf(0.975, len(gaps) - 1)


def test_every_claim_has_its_interval_and_its_pairs():
    said = learnt.said(table(recipe=2 + GAPS, hand=np.full(6, 2.0), trivial=2 + GAPS + [0.1, -0.1] * 3))
    assert f"*recipe* less *hand*: -0.20 ± {half(GAPS):.2f} (n = 6), better" in said
    assert "*recipe* less *trivial*: +0.00 ± 0.11 (n = 6), open" in said
    gain = Gap(-0.02 * np.arange(6).mean(), half(0.02 * np.arange(6)), 6)
    assert f"*hand* with draws at test time, less without: {gain} (n = 6), better" in said
    assert "learned" not in said


def test_fewer_than_five_pairs_are_no_verdict():
    said = learnt.said(table(recipe=2 + GAPS[:4], hand=np.full(4, 2.0)))
    assert "(n = 4), too few for a verdict" in said and "better" not in said


def test_that_ranges_have_the_right_groups_is_not_said_of_a_tie():
    ranges = {"ranges": 2 + GAPS, "permuted": 2 + GAPS + [0.1, -0.1] * 3}
    assert "which group has which range is not shown to matter" in learnt.said(table(**ranges))
    assert "is shown to matter" in learnt.said(table(ranges=2 + GAPS, permuted=np.full(6, 2.0)))


def test_classes_and_images_are_compared_with_what_they_went_on_from():
    found = table(**{"learned": np.full(6, 2.0), "learned-per-class": 2 - GAPS, "learned-per-image": 2 + GAPS})
    said = learnt.said(found)
    assert "*learned-per-class* less *learned*: +0.20" in said and "worse" in said
    assert "*learned-per-image* less *learned*: -0.20" in said
    assert "That anything was *learned* is not shown." in said


def test_the_papers_network_is_compared_with_the_base_augmentation_and_with_what_was_published():
    said = learnt.said(table(control=np.full(6, 2.0), network=2 + GAPS + [0.1, -0.1] * 3, as_published=2 - GAPS))
    assert "*as_published* less *control*: +0.20" in said and said.count("worse") == 1
    assert "*network* less *control*" in said and "*network* less *as_published*: -0.40" in said


def test_numbers_that_are_set_in_other_ways_are_compared():
    said = learnt.said(table(augerino=2 - GAPS, hand=np.full(6, 2.0), control=2 - GAPS + [0.1, -0.1] * 3))
    assert "*augerino* less *hand*: +0.20" in said and "*augerino* less *control*: +0.00" in said
    found = table(**{"strength": 2 + GAPS, "learned-untrained": np.full(6, 2.0)})
    assert "*strength* less *learned-untrained*: -0.20" in learnt.said(found)


def test_where_starts_led_to_is_compared(monkeypatch):
    runs = {"learned": [1.0, 1.4, 1.5], "learned-weak": [0.5, 0.9, 1.45], "learned-strong": [2.0, 1.8, 1.52]}
    frames = {form: pd.DataFrame({"total": totals, "kept": [False, True, False]}) for form, totals in runs.items()}
    monkeypatch.setattr(learnt, "trajectory", lambda c, replicate, form: (frames[form], 1.0))
    monkeypatch.setattr(learnt, "replicates_of", lambda c, form: [0] if form != "learned" else [0, 1])
    ended = {"learned": 1.35, "learned-weak": 0.9, "learned-strong": 1.8}
    monkeypatch.setattr(learnt, "kept_strength", lambda c, replicate, form: ended[form])
    found = learnt.ends(Comparison(arms=list(runs)))
    (row,) = found.to_dict("records")
    assert row["led to"] == "1.50, 1.45, 1.52" and row["ended with"] == "1.35, 0.90, 1.80"
    assert row["starts"] == "1, 0.5, 2" and row["starts: largest / smallest"] == "4.0"
    assert row["led to: largest / smallest"] == "1.0" and row["ended with: largest / smallest"] == "2.0"
    assert row["in one place (within 10%)"] == "yes"
    frames["learned-strong"].loc[2, "total"] = 1.7
    assert learnt.ends(Comparison(arms=list(runs)))["in one place (within 10%)"].tolist() == ["no"]
    assert len(learnt.ends(Comparison(arms=["learned"]))) == 0


def test_where_learning_ended_where_it_began_is_counted(monkeypatch):
    def run(c, replicate, form):
        return pd.DataFrame({"round": [0, 0, 1], "kept": [replicate == 0, replicate == 0, replicate > 0]}), 1.0

    monkeypatch.setattr(learnt, "trajectory", run)
    monkeypatch.setattr(learnt, "replicates_of", lambda c, form: list(range(6)))
    found = table(**{"learned": np.full(6, 2.0), "learned-untrained": 2 + GAPS})
    said = learnt.moved(Comparison(), found)
    gap = Gap(-GAPS[1:].mean(), half(GAPS[1:]), 5)
    assert "In 1 of 6 replicates" in said and f"*learned* less *learned-untrained*: {gap} (n = 5)" in said
    monkeypatch.setattr(learnt, "replicates_of", lambda c, form: [0])
    assert learnt.moved(Comparison(), found).endswith("nothing to exchange.")
    monkeypatch.setattr(learnt, "replicates_of", lambda c, form: list(range(1, 6)))
    said = learnt.moved(Comparison(), found[found["replicate"] > 0])
    alone = learnt.moved(Comparison(), found[(found["replicate"] > 0) & (found["arm"] == "learned")])
    assert alone == "In all replicates learning lowered the cross-fitted loss."
    monkeypatch.setattr(learnt, "replicates_of", lambda c, form: [])
    assert learnt.moved(Comparison(), found) == ""
    assert said.startswith("In all replicates learning lowered the cross-fitted loss. In test error, *learned* less")


def test_strengths_of_classes_and_images_are_in_units_of_what_they_began_with(monkeypatch):
    family, shape = Family(base_shift=0), Comparison().split(0).images.shape[1:]
    before, classes = LearnedOperations(shape, family).scaled(2.0), ClassOperations(shape, family, n_classes=10)
    classes.begin_with(before)
    classes.log_total.assign(np.log(2.0 * np.linspace(0.5, 1.4, 10))[:, None])
    images = ImageOperations(shape, family)
    images.begin_with(before)
    layers = {"learned": before, "learned-per-class": classes, "learned-per-image": images}
    monkeypatch.setattr(learnt, "learned_file", lambda c, replicate, form: form)
    monkeypatch.setattr(learnt, "replicates_of", lambda c, form: [0])
    monkeypatch.setattr(learnt.AugmentationNetwork, "load", lambda form: Fitted(layers[form]))
    found = learnt.strengths_apart(Comparison(arms=list(layers)))
    assert found["total strength"].tolist()[:10] == [f"{ratio:.2f}" for ratio in np.linspace(0.5, 1.4, 10)]
    low, high = map(float, found.loc["learned-per-image", "total strength"].split(" to "))
    assert 0.95 < low < high < 1.05


class Fitted:
    def __init__(self, layer):
        self.layer_ = layer


def test_whether_a_promise_came_true_is_read_from_the_trajectory_round_by_round():
    first = [
        {"round": 0, "influence": -0.1, "validation_loss": 0.5},
        {"round": 0, "influence": -9, "validation_loss": 0.7},
    ]
    then = [{"round": 1, "influence": 2, "validation_loss": 0.3}, {"round": 1, "influence": 1, "validation_loss": 0.2}]
    said = shown.came_true({"as_published": first, "network": first + then})
    went = "the objective went from -0.10 to -9.00, the validation loss from 0.5000 to 0.7000 nats: it did not fall"
    assert f"*as_published*: {went}.\n" in said
    assert f"*network*: {went}; then, with classifiers trained anew, the objective went from 2.00 to 1.00" in said
    assert said.endswith("from 0.3000 to 0.2000 nats: it fell.")
    assert "a last layer that was not refitted" in shown.came_true({"as_published": [first[0], {**first[0]}]})


def test_ranges_of_classes_and_images_have_their_place_on_the_curve(monkeypatch):
    comparison = Comparison()
    shape, family = comparison.split(0).images.shape[1:], Family(base_shift=0, start=0.5)
    found = table(**{"learned-per-class": [2.0], "trivial": [2.0]})
    for layer in (ClassOperations(shape, family, n_classes=10), ImageOperations(shape, family)):
        monkeypatch.setattr(family_page, "augmentation_of", lambda *_, layer=layer: layer)
        monkeypatch.setattr(family_page, "file_for", lambda *_: None)
        at = family_page.range_of(comparison, found, "learned-per-class") * max(shape[:2]) / 28
        assert at == pytest.approx(0.5, rel=0.1)
    monkeypatch.setattr(family_page, "augmentation_of", lambda *_: keras.layers.Identity())
    assert family_page.range_of(comparison, found, "trivial") == 0
