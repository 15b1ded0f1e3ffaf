"""Saved networks: this package's own pass, and what makes them more than layers and weights is refused."""

import pytest

import malicious
from influaug.errors import InputError
from influaug.files.networks import check_network
from studies.storage import paths

OUTPUTS = paths.PROJECT / "outputs"


@pytest.mark.parametrize("path", sorted(OUTPUTS.glob("featurizers/*/*.keras")), ids=lambda path: path.stem)
def test_the_committed_featurizers_pass(path):
    check_network(path)


def test_layers_that_are_registered_pass(tmp_path):
    import influaug.augnet.ranges  # noqa: F401

    check_network(next(OUTPUTS.glob("learned/*/*/learned-ranges.keras")))


def test_a_network_that_is_written_again_as_it_is_passes(tmp_path):
    check_network(*malicious.network(tmp_path))


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (malicious.a_function_of_the_operating_system, "asks for 'os.function'"),
        (malicious.a_vocabulary_from_a_file, r"asks for 'keras\.layers\.StringLookup'"),
        (malicious.weights_of_another_file, "weights that lie in another place"),
        (malicious.weights_put_together_from_other_files, "weights that lie in another place"),
        (malicious.weights_that_lead_round_in_a_circle, "weights that lie in another place"),
        (malicious.weights_of_terabytes, "would unpack to 4000"),
        (malicious.a_network_with_assets, "holds 'canary'; a saved network holds metadata"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, attack, said):
    with pytest.raises(InputError, match=said):
        check_network(*attack(tmp_path))
