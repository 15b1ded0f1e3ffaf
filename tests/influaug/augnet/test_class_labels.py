"""Labels as numbers of classes, and those that are refused."""

import datetime

import numpy as np
import pytest

from influaug.augnet.class_labels import encoded_labels, numbers_of
from influaug.errors import InputError


@pytest.mark.parametrize("labels", [["b", "a", "b"], [2.5, -1.0, 2.5], [True, False, True], np.array(["b", "a", "b"])])
def test_labels_of_any_type_are_numbered_in_order(labels):
    classes, numbers = encoded_labels(labels, 3)
    assert classes[numbers].tolist() == list(labels) and sorted(classes.tolist()) == classes.tolist()
    assert numbers_of(np.asarray(labels), classes).tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a", float("nan"), "b"], "no label for the point 1"),
        (["a", None, "b"], "no label for the point 1"),
        ([3, "3", 4], "types int, str"),
        ([b"a", b"b", b"a"], "labels are bytes; they must be text, numbers or booleans"),
        ([datetime.date(2020, 1, day) for day in (1, 2, 1)], "labels are date"),
        (["a", "b"], "3 images need shape"),
    ],
)
def test_labels_that_would_be_lost_are_refused(labels, said):
    with pytest.raises(InputError, match=said):
        encoded_labels(labels, 3)
