"""Comparisons: validated parameters, resumable arms, paired differences."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

import canaries
from influaug.backend import keras
from influaug.errors import InputError
from influaug.files import sealed
from studies.learned import arms, guessed
from studies.learned import results as comparison
from studies.learned.ablations import ABLATIONS
from studies.learned.parameters import ARMS, Comparison, learned_for, start_of
from studies.learned.results import main, result, results, summary, trajectory
from studies.learned.rivals import RIVALS, VARIANTS
from studies.storage import keys, paths, provenance

pytestmark = pytest.mark.slow

QUICK = {
    "n_train": 60,
    "steps": 5,
    "fold_steps": 4,
    "folds": 2,
    "learning_steps": 2,
    "pretraining_steps": 1,
    "network_steps": 2,
}
PLAIN = [arm for arm in ARMS if arm not in (*ABLATIONS, *RIVALS)]
SEEDS = {
    "sample": 2044266242,
    "classifier": 1790637272,
    "augmentation": 504456060,
    "permutation": 2011874460,
    "ranges": 191692056,
    "image-ranges": 440481839,
    "pretrained": 488514470,
    "network": 128582404,
    "as_published": 229099039,
    "draws": 925652693,
    "learned": 253865117,
    "augerino": 707646595,
}
FILES = sorted((paths.PARAMS / "learned").glob("*.yaml"))


@pytest.fixture
def quick():
    return Comparison(**QUICK, arms=PLAIN)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_params_file_is_valid_named_and_explained(path):
    chosen, text = Comparison.read(path), path.read_text("utf-8")
    assert chosen.comparison == path.stem and text.startswith("# ")
    assert chosen.folder == paths.outputs() / "learned" / path.stem
    explained = {line.split(":")[0] for line in text.splitlines() if line[:1] not in ("", "#", " ") and "  # " in line}
    assert explained == set(yaml.safe_load(text))


def test_the_defaults_are_the_small_embedded_case():
    assert Comparison.read(paths.PARAMS / "learned" / "digits-100.yaml") == Comparison()


@pytest.fixture(scope="module")
def canary(tmp_path_factory):
    """What is to be done about the learned stages (nothing), and the outputs folder in which their canaries ran."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("canary")
        patch.setenv("INFLUAUG_OUTPUTS", str(folder))
        compute = partial(canaries.computed_in, folder)
        return {stage.name: canaries.complaint(stage, compute) for stage in canaries.LEARNED_STAGES}, folder


@pytest.mark.parametrize("stage", canaries.LEARNED_STAGES, ids=lambda stage: stage.name)
def test_a_stage_computes_what_its_version_computed(canary, stage):
    assert canary[0][stage.name] is None


def test_every_arm_runs_once_and_is_read_again(canary, monkeypatch):
    quick = canaries.LEARNED
    monkeypatch.setenv("INFLUAUG_OUTPUTS", str(canary[1]))
    first = {arm: result(quick, 0, arm) for arm in PLAIN}
    assert all(0 <= found["error"] <= 100 and found["loss"] > 0 and found["arm"] == arm for arm, found in first.items())
    monkeypatch.setattr(arms, "train_classifier", None)
    again = {arm: result(quick, 0, arm) for arm in PLAIN}
    assert again == first
    for form, steps in (("ranges", 2), ("image-ranges", 2), ("network", 2), ("as_published", 2), ("pretrained", 0)):
        rows, seconds = trajectory(quick, 0, form)
        assert len(rows) == steps and seconds > 0


def test_arms_share_the_images_and_the_classifiers_seed_but_replicates_do_not(quick):
    points = [quick.split(replicate) for replicate in (0, 0, 1)]
    np.testing.assert_array_equal(points[0].indices, points[1].indices)
    assert not np.array_equal(points[0].indices, points[2].indices)
    seeds = {quick.seed_of(replicate, purpose) for replicate in (0, 1) for purpose in Comparison.purposes}
    assert len(seeds) == 2 * len(Comparison.purposes)


def test_seeds_stay_those_of_the_committed_comparisons():
    assert {purpose: Comparison().seed_of(0, purpose) for purpose in Comparison.purposes} == SEEDS


def test_keys_of_other_arms_know_nothing_of_ablations_and_pretraining(quick, monkeypatch):
    monkeypatch.setattr(keys, "key", lambda **depends_on: depends_on)
    points = quick.split(0)
    found = {arm: comparison.arm_key(quick, 0, arm, points) for arm in ARMS}
    assert all("changes" not in found[arm] for arm in PLAIN)
    assert "pretraining_steps" not in found["ranges"]["parameters"]
    assert found["ranges"]["stage"] != found["network"]["stage"] == found["tau-32"]["stage"]
    assert {found[arm]["stage"] for arm in RIVALS} == {"learned rivals"}
    assert found["tau-32"]["changes"] == ABLATIONS["tau-32"].changes and "meaning" not in found["tau-32"]["changes"]
    assert found["tau-32"]["parameters"] == found["network"]["parameters"]


def test_what_depends_on_other_parameters_is_not_served(quick):
    first = result(quick, 0, "none")
    other = result(quick.model_copy(update={"steps": 6}), 0, "none")
    assert other["key"] != first["key"]
    assert result(quick.model_copy(update={"replicates": 5}), 0, "none")["key"] == first["key"]


def test_permuted_ranges_are_the_learned_ones_in_another_order(quick):
    shape = (8, 8, 1)
    learned, permuted = (
        arms.augmentation_of(quick, 0, arm, shape, comparison.file_for(quick, 0, arm)) for arm in ("ranges", "permuted")
    )
    mine, others = (sorted(layer.ranges().values()) for layer in (learned, permuted))
    np.testing.assert_allclose(mine, others, rtol=1e-4)
    assert list(learned.ranges().values()) != pytest.approx(list(permuted.ranges().values()))


def test_the_heuristic_composes_keras_transformations_and_flips_if_the_base_does():
    plain = guessed.heuristic((8, 8, 1), arms.family_of(Comparison()), 0)
    flipped = guessed.heuristic((8, 8, 1), arms.family_of(Comparison(flips=True)), 0)
    assert len(flipped.layers) == len(plain.layers) + 1
    images = np.random.default_rng(0).uniform(0, 255, (6, 8, 8, 1)).astype("float32")
    copies = keras.ops.convert_to_numpy(plain(images, training=True))
    assert copies.shape == images.shape and np.abs(copies - images).mean() > 5


def test_the_table_has_a_row_an_arm_and_replicate(quick):
    chosen = quick.model_copy(update={"arms": ["none", "control"]})
    table = results(chosen)
    assert list(table.columns) == ["replicate", *comparison.COLUMNS] and table.notna().all(axis=None)
    assert set(table["machine"]) == {provenance.machine()}
    assert len(table) == 4 and sealed.read_json(chosen.folder / "replicate-01" / "control.json")


def test_strengths_of_classes_and_images_are_learned_on_from_those_of_all(quick, fits):
    for form, kind in VARIANTS.items():
        assert start_of(form) == "learned" and learned_for(form) == form
        arms.learn_form(quick, 0, form, quick.split(0), "path", "learned.keras")
        options, start = fits.pop()
        assert options["form"] == kind and start.path == "learned.keras"
        assert options["seed"] == quick.seed_of(0, "learned") and options["learning"].keep_best


@pytest.fixture
def fits(monkeypatch):
    """What augmentation networks are fitted with, none of which is learned."""
    found = []

    class Recorded:
        def __init__(self, path=None, **options):
            self.options, self.path, self.layer_, self.trajectory_ = options, path, self, []

        def fit(self, *given):
            found.append((self.options, given[4]))
            return self

        def save(self, path):
            pass

        load = classmethod(lambda cls, path: cls(path))

    monkeypatch.setattr(arms, "AugmentationNetwork", Recorded)
    return found


def test_differences_are_paired():
    rng = np.random.default_rng(0)
    level, gap = rng.normal(5, 3, 8), rng.normal(1, 0.1, 8)
    arms = ("control", level), ("ranges", level - gap)
    rows = [(r, arm, e, "here") for arm, es in arms for r, e in enumerate(es)]
    table = pd.DataFrame(rows, columns=["replicate", "arm", "error", "machine"])
    found = summary(table)
    assert found.loc["ranges", "difference"] == pytest.approx(-gap.mean())
    low, high = stats.ttest_rel(level - gap, level).confidence_interval()
    assert found.loc["ranges", "difference_half_width"] == pytest.approx((high - low) / 2)
    assert found.loc["control", "mean"] == pytest.approx(level.mean()) and found.loc["control", "seeds"] == 8
    assert np.isnan(found.loc["control", "difference"])
    with pytest.raises(InputError, match="There is no arm 'hand'"):
        summary(table, "hand")


def test_pairs_are_formed_within_a_machine():
    rows = [(r, arm, 3.0 + r + (arm == "ranges"), "here") for r in range(4) for arm in ("control", "ranges")]
    rows += [(4, "control", 9.0, "here"), (4, "ranges", 1.0, "there"), (5, "control", 8.0, "there")]
    found = summary(pd.DataFrame(rows, columns=["replicate", "arm", "error", "machine"]))
    assert found.loc["ranges", ["difference", "difference_half_width", "pairs", "seeds"]].tolist() == [1, 0, 4, 5]
    assert found.loc["control", "mean"] == pytest.approx((3 + 4 + 5 + 6 + 9 + 8) / 6)


def test_results_without_draws_stay_readable(quick):
    chosen = quick.model_copy(update={"arms": ["none"], "replicates": 2, "only_finished": True})
    with pytest.raises(InputError, match="No result of digits-100 is finished"):
        results(chosen)
    result(chosen, 1, "none")
    path = chosen.folder / "replicate-01" / "none.json"
    old = {name: value for name, value in sealed.read_json(path).items() if name not in ("machine", "error_draws")}
    sealed.write_json(path, {name: value for name, value in old.items() if name not in ("seal", "loss_draws")})
    (row,) = results(chosen).to_dict("records")
    assert row["replicate"] == 1 and row["error"] == old["error"] and row["machine"] == comparison.UNRECORDED
    assert np.isnan(row["error_draws"]) and comparison.replicates_of(chosen, "ranges") == []


def test_what_was_learned_counts_with_its_file_and_its_record_alone(quick, outputs):
    chosen = quick.model_copy(update={"arms": ["none", "ranges"], "replicates": 2, "only_finished": True})
    folder = chosen.folder / "replicate-01"
    folder.mkdir(parents=True)
    (folder / "learned-ranges.json").write_text("{}", "utf-8")
    assert comparison.replicates_of(chosen, "ranges") == []
    assert comparison.has_layer(chosen, 1, "none") and not comparison.has_layer(chosen, 1, "permuted")
    (folder / "learned-ranges.keras").write_bytes(b"")
    assert comparison.replicates_of(chosen, "ranges") == [1]
    assert comparison.has_layer(chosen, 1, "permuted") and not comparison.has_layer(chosen, 0, "ranges")
    every = chosen.model_copy(update={"only_finished": False})
    assert comparison.replicates_of(every, "ranges") == [0, 1] and comparison.has_layer(every, 0, "ranges")


def test_the_time_that_learning_took_needs_its_record_alone(quick, outputs):
    chosen = quick.model_copy(update={"arms": ["ranges"], "replicates": 3, "only_finished": True})
    for replicate, seconds in ((0, 5.0), (2, 7.0)):
        sealed.write_json(chosen.folder / f"replicate-{replicate:02d}" / "learned-ranges.json", {"seconds": seconds})
    assert comparison.seconds_of_learning(chosen, "ranges") == [5.0, 7.0]
    assert comparison.replicates_of(chosen, "ranges") == []


def test_the_command_computes_replicates_and_says_what_is_wrong(tmp_path, capsys, outputs):
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"comparison": "own", **QUICK, "arms": ["none"]}))
    assert main([str(path), "1"]) == 0
    assert "replicate 1, none: error" in capsys.readouterr().err
    assert len(list(outputs.rglob("none.json"))) == 1
    path.write_text("comparison: own\narms: [best]\n")
    assert main([str(path)]) == 1
    assert "arms" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [{"replicates": 1}, {"arms": ["none", "none"]}, {"rate": 0}, {"folds": 1}])
def test_wrong_parameters_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Comparison.of(wrong)
