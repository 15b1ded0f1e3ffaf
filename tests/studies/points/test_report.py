"""The headline of a study: numbers in words, a summary that the index page accepts, a curve."""

import json

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from influaug.files import sealed
from studies.front.index import render_index
from studies.intervals import mean_interval
from studies.pages.render import TEMPLATES
from studies.points import report
from studies.points.study import Study
from studies.points.summary import paired_gain
from studies.storage import artifacts
from sweep_tables import sweep_table

SCHEMA = json.loads((TEMPLATES / "summary.schema.json").read_text("utf-8"))


@pytest.mark.parametrize(
    ("pair", "digits", "text"),
    [
        ((0.97914, 0.00123), 2, "97.91 ± 0.12"),
        ((0.97914, np.nan), 2, "97.91"),
        ((1, 0), 2, "100.00 ± 0.00"),
        ((-0.0046, 0.012), 1, "-0.5 ± 1.2"),
    ],
)
def test_shares_are_percent_with_their_interval_if_there_is_one(pair, digits, text):
    assert report.percent(*pair, digits=digits) == text


@settings(deadline=None)
@given(st.floats(-1, 1), st.floats(0, 1))
def test_percent_is_the_number_it_shows(mean, half_width):
    shown = [float(part) for part in report.percent(mean, half_width).split(" ± ")]
    assert shown == pytest.approx([100 * mean, 100 * half_width], abs=0.00501)


@pytest.mark.parametrize(
    ("parameters", "class_names", "words"),
    [
        ({}, ("3", "8"), "MNIST (original), 3 against 8, translate"),
        ({"transformation": "crop"}, tuple("0123456789"), "MNIST (original), 10 classes, crop"),
        ({"featurizer": "retrained"}, ("0", "1"), "MNIST (original), 0 against 1, translate, network retrained"),
    ],
)
def test_a_title_says_data_classes_and_transformation(parameters, class_names, words):
    assert report.title(Study(**parameters), "MNIST (original)", class_names) == words


def test_a_page_says_what_it_is_about():
    text = report.about(Study())
    assert (
        text.startswith("**digits (scikit-learn), 0+2+4+6+8 against 1+3+5+7+9, translate.** ")
        and "8 x 8 pixels" in text
    )


def test_the_main_score_is_influence_if_there_is_one():
    assert report.main_score(Study(scores=["loss", "influence"])) == "influence"
    assert report.main_score(Study(scores=["margin", "loss"])) == "margin"


def test_headline_rows_are_the_summarys_numbers():
    study, sweep = Study(scores=["loss"]), sweep_table(replicates=5)
    sweep.loc[(sweep["policy"] == "baseline") & (sweep["budget"] >= 50), "accuracy"] = 0.9
    sweep.loc[(sweep["policy"] == "deterministic_proportional"), "accuracy"] = 0.8
    rows = {row["what"]: row["value"] for row in report.headline_rows(study, sweep)}
    none = sweep.loc[sweep["policy"] == "none", "accuracy"]
    gains = paired_gain(sweep, ["policy", "downweight", "budget"])
    gain = gains.loc[("random_proportional", False, 10)]
    assert rows["no augmentation"] == report.percent(*mean_interval(none)) + " %"
    assert rows["full augmentation"] == "90.00 ± 0.00 %"
    assert rows["random points: shown to be within 0.1 of full from"] == "50 points"
    assert rows["loss, random, proportional: gain over random points at 10 of 100"] == (
        report.signed(gain) + " percentage points"
    )
    assert rows["loss, highest score first: shown to be within 0.1 of full from"] == "not enough"
    assert len(rows) == 7


def test_the_table_of_studies_says_how_many_seeds_stand_behind_a_number():
    assert report.headline(Study(), sweep_table(replicates=3))["seeds"] == "3"
    assert report.headline(Study(replicates=1), sweep_table(1, rounds=4))["seeds"] == "4"


def test_a_study_without_random_points_has_no_gains_over_them():
    sweep = sweep_table()
    rows = report.headline_rows(Study(scores=["loss"]), sweep[sweep["policy"] != "baseline"])
    assert [row["what"] for row in rows if "gain" in row["what"]] == []
    assert len(rows) == 4


def test_a_caption_says_what_the_seeds_are():
    several = report.caption(Study(replicates=3), sweep_table(replicates=3))
    assert "mean over 3 replicates" in several and "out of 100" in several and "scores by influence" in several
    assert "mean over 4 rounds of one replicate" in report.caption(Study(replicates=1), sweep_table(1, rounds=4))


@pytest.fixture
def published(monkeypatch, outputs):
    """A study with hand-made artifacts, and its sweep; `publish` has not run yet."""
    study = Study(scores=["loss"], replicates=2, n_train=100, budgets=[10, 50, 100])
    sweep = sweep_table(replicates=2)
    artifacts.write_table(study.folder / "sweep.parquet", artifacts.manifest("k", seconds=1.25), sweep)
    for r, seconds in ((0, 2.0), (1, 3.0), (7, 1000.0)):
        path = study.folder / "features" / f"replicate-{r:02d}.npz"
        sealed.write_arrays(path, artifacts.manifest("k", seconds=seconds), train=np.zeros(2))
    (study.folder / "features" / ".replicate-00.123.npz").write_bytes(b"left by a run that was killed")
    return study, sweep


def test_what_is_published_is_what_the_index_page_reads(published, outputs):
    study, sweep = published
    summary = report.publish(study, sweep)
    stored = sealed.read_json(study.folder / "summary.json")
    assert stored == summary
    jsonschema.validate(stored, SCHEMA)
    assert stored["study"] == "digits-translate" and "digits" in stored["title"]
    assert stored["seconds"] == 6.2
    assert stored["rows"] == report.headline_rows(study, sweep)
    assert all(row["value"] in stored["figure"]["alt"] for row in stored["rows"])
    assert stored["figure"]["caption"] == report.caption(study, sweep)
    assert {book["name"] for book in stored["notebooks"]} == set(report.NOTEBOOKS)
    assert Study(**json.loads((study.folder / "study.json").read_text("utf-8"))) == study
    with Image.open(study.folder / stored["figure"]["file"]) as curve:
        assert curve.format == "PNG" and min(curve.size) > 300
    assert [path.name for path in study.folder.iterdir() if path.name.startswith(".")] == []
    study.folder.rename(outputs / study.study)
    page = render_index(outputs).read_text("utf-8")
    assert stored["title"] in page and stored["rows"][0]["value"] in page


def test_a_study_whose_features_are_gone_is_published_all_the_same(published):
    study, sweep = published
    for path in study.folder.glob("features/*"):
        path.unlink()
    assert report.publish(study, sweep)["seconds"] == 1.2


def test_a_study_with_one_seed_has_numbers_without_intervals(outputs):
    study, sweep = Study(scores=["loss"], replicates=1, rounds=1), sweep_table(replicates=1, rounds=1)
    artifacts.write_table(study.folder / "sweep.parquet", artifacts.manifest("k", seconds=1.25), sweep)
    summary = report.publish(study, sweep)
    jsonschema.validate(summary, SCHEMA)
    assert summary["rows"][0]["value"] == "50.00 %"
    assert not any("nan" in row["value"] or "±" in row["value"] for row in summary["rows"])
