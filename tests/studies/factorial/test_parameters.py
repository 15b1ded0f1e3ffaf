"""Parameters of a factorial: the committed files, and what is refused."""

import pytest

from influaug.errors import InputError
from studies.factorial.parameters import Copies, Factorial
from studies.parameters import kind_of
from studies.storage import paths

LATER = {"image_size", "channels", "skip_bad", "data_folder"}


@pytest.mark.parametrize("name", ["digits", "cifar10", "small-norb"])
def test_the_committed_parameters_name_every_one(name):
    path = paths.PARAMS / "factorial" / f"{name}.yaml"
    lines = [line for line in path.read_text().splitlines() if line and line[0] not in "# "]
    assert [line.split(":")[0] for line in lines] == [key for key in Factorial.model_fields if key not in LATER]
    assert all("  # " in line for line in lines)
    assert Factorial.read(path).folder == paths.outputs() / "factorial" / name
    assert kind_of({"factorial": "a"}) is Factorial


def test_the_defaults_are_the_embedded_case_and_the_full_cases_are_the_papers():
    assert Factorial.read(paths.PARAMS / "factorial" / "digits.yaml") == Factorial()
    for name, classes in (("cifar10", ["airplane", "automobile"]), ("small-norb", ["animal", "human"])):
        chosen = Factorial.read(paths.PARAMS / "factorial" / f"{name}.yaml")
        assert (chosen.classes, chosen.n_train, chosen.C, chosen.replicates) == (classes, 1000, [10, 1], 16)
        assert (chosen.network, chosen.depth, chosen.epochs) == ("resnet", 20, 10)
        assert chosen.transformations == ["translate", "rotate", "crop"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"C": [1]}, "C: must be two different positive numbers, the paper's and the released code's"),
        ({"C": [1, 1]}, "two different"),
        ({"C": [10, 0]}, "positive"),
        ({"transformations": ["translate", "translate"]}, "each once"),
        ({"transformations": ["shear"]}, "translate"),
        ({"share": 1}, "less than 1"),
        ({"network": "vgg"}, "lenet"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(wrong, said):
    with pytest.raises(InputError, match=said):
        Factorial.of(wrong)


def test_translations_go_both_ways_and_other_transformations_have_no_moves():
    chosen = Factorial(dataset="cifar10", transformations=["translate", "crop"])
    assert chosen.copies() == [("translate", "cardinal"), ("translate", "diagonal"), ("crop", "")]
    labels = [chosen.augmentation(copies).labels for copies in chosen.copies()]
    assert labels[0][0] == "left 3 px" and labels[1][0] == "right down 3 px" and labels[2] == ("crop 2 px",)
    assert [str(copies) for copies in chosen.copies()] == ["translate-cardinal", "translate-diagonal", "crop"]


def test_networks_differ_in_their_seed_alone():
    one, other = (Factorial().training(network) for network in (0, 1))
    assert one.seed != other.seed and (one.epochs, one.peak_rate) == (other.epochs, other.peak_rate) == (8, 0.01)


def test_a_cell_draws_the_share_of_the_points():
    settings = Factorial(n_train=1000).sweep_settings(1.0)
    assert (settings.budgets, settings.options.C, settings.rounds) == ((50,), 1.0, 3)
    assert Factorial(n_train=2).sweep_settings(1.0).budgets == (1,) and Copies("crop", "").moves == ""
