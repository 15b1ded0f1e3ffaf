"""What a file may unpack to: much from any file, more from a large one, and never everything."""

import numpy as np
import pytest

from influaug.errors import InputError
from influaug.files import limits


@pytest.mark.parametrize(
    ("unpacked", "packed"),
    [(0, 0), (limits.FREE, 1), (10**9, 10**7), (limits.MOST, 2**40)],
)
def test_sizes_up_to_the_limit_are_taken(tmp_path, unpacked, packed):
    limits.check_size(tmp_path, unpacked, packed)
    with pytest.raises(InputError, match=f"would unpack to {10**20} bytes, where at most"):
        limits.check_size(tmp_path, 10**20, packed)


@pytest.mark.parametrize(("unpacked", "packed"), [(limits.FREE + 1, 1), (10**9 + 1, 10**7), (limits.MOST + 1, 2**40)])
def test_sizes_above_the_limit_are_refused(tmp_path, unpacked, packed):
    with pytest.raises(InputError, match="would unpack to"):
        limits.check_size(tmp_path, unpacked, packed)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_plain_arrays_of_every_kind_pass(tmp_path, save):
    arrays = {"a": np.zeros((3, 4)), "b": np.array("text"), "c": np.array([]), "d": np.ones((2, 2), order="F")}
    save(tmp_path / "a.npz", **arrays, e=np.array(["x", "yy"]), f=np.int64(3), g=np.zeros(0, "U0"))
    limits.check_arrays(tmp_path / "a.npz")
