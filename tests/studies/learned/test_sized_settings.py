"""The comparisons with rivals at a tiny size: every arm runs, on colour images too, and says what it is made of."""

import numpy as np
import pytest
import yaml

from image_files import write_npz
from influaug.augnet.operations import COLOUR
from studies.learned import arms
from studies.learned.parameters import Comparison
from studies.learned.results import file_for, finished, result
from studies.storage import paths

pytestmark = pytest.mark.slow

TINY = {"n_train": 24, "steps": 2, "fold_steps": 2, "folds": 2, "rounds": 1, "learning_steps": 1, "batch_size": 8}
DECIDING = {"control", "hand", "recipe", "trivial", "randaugment", "learned", "learned-untrained", "learned-permuted"}
SIZED = ("mnist-1pct-rivals", "mnist-10pct", "cifar10-1pct-rivals", "cifar10-10pct", "mnist-1pct-ablations")


def given(name):
    return yaml.safe_load((paths.PARAMS / "learned" / f"{name}.yaml").read_text("utf-8"))


@pytest.fixture
def colour(tmp_path):
    """Sixteen-pixel colour images of three classes, of other brightnesses."""
    rng, labels = np.random.default_rng(0), np.arange(36) % 3
    images = (rng.uniform(0, 150, (36, 16, 16, 3)) + 50 * labels[:, None, None, None]).astype("uint8")
    return write_npz(tmp_path / "few.npz", x_train=images, y_train=labels, x_test=images[:9], y_test=labels[:9])


def tiny(name, colour, **more):
    return Comparison(**(given(name) | TINY | {"dataset": str(colour)} | more))


def test_every_arm_runs_on_colour_images(colour, outputs):
    c = tiny("cifar10-1pct-rivals", colour)
    assert c.classifier == "all-cnn"
    for arm in c.arms:
        found = result(c, 0, arm)
        assert 0 <= found["error"] <= 100 and np.isfinite(found["loss_draws"]), arm
        assert finished(c, 0, arm)["key"] == found["key"]
    layer = arms.augmentation_of(c, 0, "learned", (16, 16, 3), file_for(c, 0, "learned"))
    assert set(COLOUR) <= set(layer.names) and layer.family.base_shift == 0 and not layer.family.flips


def test_the_residual_network_of_the_larger_comparison_learns(colour, outputs):
    c = tiny("cifar10-10pct", colour)
    assert c.classifier == "wrn-10-1" and set(c.arms) <= DECIDING
    assert np.isfinite(result(c, 0, "recipe")["loss_draws"])


@pytest.mark.parametrize("name", SIZED)
def test_the_page_of_a_long_comparison_shows_what_is_finished(name):
    c = Comparison.of(given(name))
    assert c.only_finished and c.replicates in (3, 5, 20)
    if "learned" in c.arms and c.replicates >= 5:
        assert set(c.arms) >= DECIDING | {"strength"}
