"""The settings of tables 2 and 3 of Lee et al. (2020): they run, for a few steps on a few images, arm by arm."""

import numpy as np
import pandas as pd
import pytest
import yaml

from image_files import pictures, write_image, write_npz
from influaug.networks.featurizer import NETWORKS
from studies.learned import arms
from studies.learned.parameters import Comparison
from studies.learned.results import result
from studies.storage import paths

pytestmark = pytest.mark.slow

FILES = sorted((paths.PARAMS / "learned").glob("lee-*.yaml"))
FEW = {"steps": 2, "fold_steps": 2, "folds": 2, "pretraining_steps": 1, "network_steps": 1, "batch_size": 4}
LEARNING = ("lee-table2-cifar100-wrn", "lee-table3-imagenet-resnet50")
"""Settings of which the learned arm runs too; in the others it differs by sizes alone, and takes a minute each."""
MODELS = {
    "wrn": "Wide-ResNet-28-10",
    "shake-shake": "Shake-Shake (26 2x96d)",
    "pyramidnet": "PyramidNet+ShakeDrop",
    "resnet50": "ResNet-50",
    "resnet200": "ResNet-200",
}


def tiny_data(folder, given):
    """A few random images in the form of a setting's data set: where they are, and how they are read."""
    if given["dataset"] == "imagenet":
        for k in range(16):
            write_image(folder / ("train", "test")[k > 11] / f"n0{k % 2}" / f"{k}.png", (20, 30), "RGB", seed=k)
        return {"dataset": str(folder), "image_size": 32, "base_shift": 2}
    labels = np.arange(24) % 4
    images = pictures(24, 32, 32, 3)
    path = write_npz(folder / "few.npz", x_train=images, y_train=labels, x_test=images[:8], y_test=labels[:8])
    return {"dataset": str(path), "n_train": 16}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_arms_of_a_setting_run_for_a_few_steps(path, tmp_path):
    given = yaml.safe_load(path.read_text("utf-8"))
    setting = Comparison(**{**given, **FEW, **tiny_data(tmp_path, given), "classifier": "all-cnn"})
    learning = path.stem in LEARNING
    for arm in setting.arms if learning else set(setting.arms) - {"network"}:
        found = result(setting, 0, arm)
        assert 0 <= found["error"] <= 100 and np.isfinite(found["loss"])


def test_a_setting_runs_with_its_own_network(tmp_path):
    given = yaml.safe_load((paths.PARAMS / "learned" / "lee-table2-cifar10-wrn.yaml").read_text("utf-8"))
    setting = Comparison(**{**given, **FEW, **tiny_data(tmp_path, given)})
    found = result(setting, 0, "autoaugment")
    assert setting.classifier == "wrn-28-10" and np.isfinite(found["loss"])


def test_classifiers_are_trained_as_in_the_code_that_the_paper_follows():
    rates = {
        "wrn": 0.1,
        "shake-shake": 0.01,
        "pyramidnet": 0.05,
        "resnet50": 1.6 * 64 / 4096,
        "resnet200": 1.6 * 64 / 4096,
    }
    for path in FILES:
        setting = Comparison.read(path)
        assert setting.optimizer == "sgd" and setting.rate == rates["-".join(path.stem.split("-")[3:])], path.stem
        for steps in (setting.steps, setting.fold_steps):
            assert arms.schedule_of(setting, steps).optimizer == "sgd"
        assert arms._options(setting, "network")["learning"].schedule.optimizer == "sgd"


def test_the_settings_are_the_papers_rows_and_say_that_they_were_not_run():
    published = pd.read_csv(paths.PARAMS / "published" / "lee_2020_tables.csv")
    rows = published[published["table"].isin(["2", "3"])]
    expected = {(row.dataset, row.model) for row in rows.itertuples()}
    found = set()
    for path in FILES:
        text, (_, _, data, *net) = path.read_text("utf-8"), path.stem.split("-")
        model = MODELS["-".join(net)]
        found.add((data, model))
        chosen = rows[(rows["dataset"] == data) & (rows["model"] == model)]
        values = chosen[~chosen["metric"].str.startswith("top-5")]["value"]
        assert all(f"{value:.1f}" in text for value in values) and "NOT RUN HERE" in text and "Deviations" in text
        assert yaml.safe_load(text)["classifier"] in (*NETWORKS, "wrn-28-10")
    assert found == expected and len(FILES) == 8
