"""Ablations: each changes what it says of the arm 'network', and nothing else."""

from dataclasses import asdict
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from influaug.augnet.network import SAFE, AugmentationNetwork
from influaug.augnet.series import Series
from influaug.errors import InputError
from studies.learned import arms
from studies.learned import results as comparison
from studies.learned.ablations import ABLATIONS, Ablation
from studies.learned.parameters import Comparison, start_of
from studies.learned.results import learned_file, result, trajectory

pytestmark = pytest.mark.slow

QUICK = {
    "n_train": 60,
    "steps": 2,
    "fold_steps": 2,
    "folds": 2,
    "rounds": 1,
    "unlabelled": 40,
    "pretraining_steps": 1,
    "network_steps": 1,
}
EXPECTED = {
    "tau-32": {("design", "tau"): 32},
    "tau-64": {("design", "tau"): 64},
    "tau-256": {("design", "tau"): 256},
    "no-limit": {("design", "limit"): None},
    "no-grid": {("design", "grid"): None},
    "no-squash": {("learning", "squash"): None},
    "no-hinge": {("learning", "hinge"): 0.0},
    "no-refresh": {("learning", "refresh"): False},
    "no-folds": {("learning", "all_folds"): False},
    "no-base-draws": {("learning", "base_draws"): 0},
    "wgan-gp": {("pretraining", "game"): "wgan-gp"},
    "spatial": {("design", "parts"): "spatial"},
    "appearance": {("design", "parts"): "appearance"},
    "series": {("series", ""): True},
}
OF_COLOURS = ("spatial", "appearance", "series")


@pytest.fixture
def grey():
    return Comparison(**QUICK)


@pytest.fixture
def colour(tmp_path):
    """Sixteen-pixel colour images of two classes, one of them brighter."""
    rng, labels = np.random.default_rng(0), np.tile([0, 1], 40)
    images = (rng.uniform(0, 150, (80, 16, 16, 3)) + 100 * labels[:, None, None, None]).astype("uint8")
    path = tmp_path / "colour.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])
    return Comparison(**QUICK, dataset=str(path), flips=True)


def settings(options):
    """Every setting of an `AugmentationNetwork` by its part and name."""
    network = AugmentationNetwork(**options)
    parts = {"learning": network.learning, "pretraining": network.pretraining, "design": network.design or SAFE}
    found = {(part, name): value for part, whole in parts.items() for name, value in asdict(whole).items()}
    return {**found, ("series", ""): network.series, ("mode", ""): network.mode, ("share", ""): network.share}


@pytest.mark.parametrize("arm", ABLATIONS)
def test_an_ablation_changes_exactly_what_it_says(arm, grey):
    plain, changed = (settings(arms._options(grey, form)) for form in ("network", arm))
    assert {name: value for name, value in changed.items() if plain[name] != value} == EXPECTED[arm]
    assert ABLATIONS[arm].colours == (arm in OF_COLOURS)
    assert 0 < len(ABLATIONS[arm].meaning) <= pd.get_option("display.max_colwidth")
    assert ABLATIONS[arm].anew == (not ABLATIONS[arm].learning)


def test_the_change_is_part_of_the_key(grey, monkeypatch):
    points = grey.split(0)
    first = comparison.arm_key(grey, 0, "no-hinge", points)
    assert comparison.arm_key(grey, 0, "no-hinge", points) == first
    monkeypatch.setitem(ABLATIONS, "no-hinge", Ablation("less hinge", learning={"hinge": 1.0}))
    assert comparison.arm_key(grey, 0, "no-hinge", points) != first


class Recorded:
    """In place of `AugmentationNetwork`: what it was fitted with, and the file that it would have been loaded from."""

    fits: ClassVar = []

    def __init__(self, path=None, **options):
        self.options, self.layer_, self.trajectory_ = options, SimpleNamespace(learned=path or self), []

    def fit(self, *given):
        self.fits.append((self.options, given[4] if len(given) > 4 else None))
        return self

    def save(self, path):
        pass

    @classmethod
    def load(cls, path):
        return cls(path)


@pytest.fixture
def fits(monkeypatch):
    monkeypatch.setattr(Recorded, "fits", [])
    monkeypatch.setattr(arms, "AugmentationNetwork", Recorded)
    return Recorded.fits


@pytest.mark.parametrize("arm", ["network", *(arm for arm in ABLATIONS if ABLATIONS[arm].learning)])
def test_an_ablation_of_the_learning_starts_where_network_starts(arm, grey, fits):
    assert start_of(arm) == "pretrained"
    arms.learn_form(grey, 0, arm, grey.split(0), "path", "pretrained.keras")
    ((options, start),) = fits
    assert start == "pretrained.keras"
    assert options["seed"] == grey.seed_of(0, "network") and options["mode"] == "refreshed"


@pytest.mark.parametrize("arm", ["tau-32", "no-grid", "wgan-gp"])
def test_any_other_ablation_is_pretrained_itself_with_the_same_seeds(arm, grey, fits):
    assert start_of(arm) is None
    arms.learn_form(grey, 0, arm, grey.split(0), "path")
    (first, none), (second, start) = fits
    assert none is None and start.options is first
    assert first["mode"] == "pretrained" and second["mode"] == "refreshed"
    assert [options["seed"] for options in (first, second)] == [grey.seed_of(0, f) for f in ("pretrained", "network")]
    rest = [{name: value for name, value in o.items() if name not in ("mode", "seed")} for o in (first, second)]
    assert rest[0] == rest[1]


def test_in_series_an_arm_runs_on_colour_images(colour):
    assert 0 <= result(colour, 0, "series")["error"] <= 100
    rows, _ = trajectory(colour, 0, "series")
    assert len(rows) == 1 and np.isfinite(rows["influence"]).all()
    learned = AugmentationNetwork.load(learned_file(colour, 0, "series")).layer_.learned
    assert isinstance(learned, Series) and learned.design.parts == "both"


@pytest.mark.parametrize("arm", OF_COLOURS)
def test_those_of_colours_are_refused_for_grey_images(arm, grey):
    with pytest.raises(InputError, match=f"The arm '{arm}' needs colour images, and those of digits are grey"):
        result(grey, 0, arm)
