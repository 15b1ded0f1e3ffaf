import numpy as np
import pytest

from influaug.data.transformations import APPENDIX_B, rotate, translate
from studies import parameters
from studies.retrained_sets.parameters import RetrainedSets, flip_shift_rotate
from studies.storage import paths

FILES = sorted((paths.PARAMS / "retrained_sets").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_files_are_studies_of_this_kind_and_have_folders_of_their_own(path):
    study = parameters.read(path)
    assert isinstance(study, RetrainedSets) and study.name == path.stem
    assert study.folder == paths.outputs() / "retrained_sets" / path.stem


def test_arms_without_a_budget_come_first_and_once():
    study = RetrainedSets(arms=["rounds", "none", "random_copies"], shares=[0.1, 0.05])
    assert study.jobs() == [
        ("none", None),
        ("rounds", 0.1),
        ("random_copies", 0.1),
        ("rounds", 0.05),
        ("random_copies", 0.05),
    ]


def test_rounds_are_the_study_s():
    study = RetrainedSets(updates=7, warm_updates=3, rounds=2, warm_rounds=4, batch_size=9, learning_rate=0.1)
    anew, warm = study.in_rounds("rounds"), study.in_rounds("warm_rounds")
    assert (anew.n, anew.anew, anew.updates, warm.n, warm.anew, warm.updates) == (2, True, 7, 4, False, 3)
    assert (anew.batch_size, warm.learning_rate) == (9, 0.1)


def test_photographs_have_seven_copies():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    copies = flip_shift_rotate()(images)
    assert len(copies) == 7
    np.testing.assert_array_equal(copies[0], images[:, :, ::-1])
    np.testing.assert_array_equal(copies[1:5], translate(3)(images))
    np.testing.assert_array_equal(copies[5:], rotate([-10.0, 10.0])(images))


def test_magnitudes_are_those_of_the_data_set():
    for dataset, of in APPENDIX_B.items():
        shifted = RetrainedSets(dataset=dataset).augmentation()
        assert shifted.labels[0] == f"left {of['translate']['pixels']} px"
