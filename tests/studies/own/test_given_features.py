"""Files of features: arrays and tables give the same, and what does not belong together is refused in a sentence."""

import numpy as np
import pandas as pd
import pytest

from influaug.errors import InputError
from studies.own import material
from studies.own.given_features import holds_features, read
from studies.own.parameters import OwnData


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    y = np.array(["süß sauer", "b c"])[rng.integers(2, size=20)]
    x = rng.normal(size=(20, 4)) + (y == "b c")[:, None]
    return {
        "X": x,
        "y": y,
        "copies": x[:, None] + 0.1 * rng.normal(size=(20, 3, 4)),
        "names": np.array(["u", "u", "v"]),
    }


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "features.npz", **arrays)
    return tmp_path / "features.npz"


def as_table(arrays):
    """The same as a table, its rows shuffled."""
    n, k, d = arrays["copies"].shape
    order = np.random.default_rng(1).permutation(n * (k + 1))
    place = np.argsort(order)
    source = [*[None] * n, *place[np.repeat(np.arange(n), k)]]
    table = pd.DataFrame(np.vstack([arrays["X"], arrays["copies"].reshape(n * k, d)]), columns=list("pqrs"))
    made = [*[""] * n, *np.tile(arrays["names"], n)]
    table.insert(0, "label", np.append(arrays["y"], np.repeat(arrays["y"], k)))
    table = table.assign(source=pd.array(source, dtype="Int64"), transformation=made)
    return table.iloc[order].reset_index(drop=True)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_gives_what_arrays_do(tmp_path, arrays, ending):
    given, path = read(saved(tmp_path, **arrays)), tmp_path / f"features.{ending}"
    table = as_table(arrays)
    table.to_csv(path, index=False) if ending == "csv" else table.to_parquet(path)
    again = read(path)
    assert holds_features(path) and again.names == given.names == ("u", "u", "v")
    assert again.dataset.class_names == given.dataset.class_names == ("b c", "süß sauer")
    match = np.abs(again.dataset.images_train[:, None] - given.dataset.images_train[None]).sum(axis=2).argmin(axis=1)
    assert sorted(match) == list(range(20))
    np.testing.assert_allclose(again.dataset.images_train, given.dataset.images_train[match])
    np.testing.assert_array_equal(again.dataset.labels_train, given.dataset.labels_train[match])
    close = np.sort(again.copies, axis=1) - np.sort(given.copies[match], axis=1)
    np.testing.assert_allclose(close, 0, atol=1e-12)


def test_arrays_are_read_as_they_are(tmp_path, arrays):
    path = saved(tmp_path, **arrays, X_test=arrays["X"][:5], y_test=arrays["y"][:5])
    given = read(path)
    np.testing.assert_array_equal(given.dataset.images_train, arrays["X"])
    np.testing.assert_array_equal(given.copies, arrays["copies"])
    assert [given.dataset.class_names[k] for k in given.dataset.labels_test] == arrays["y"][:5].tolist()
    assert not holds_features(tmp_path) and not holds_features(tmp_path / "none.npz") and holds_features("none.csv")
    np.savez(tmp_path / "images.npz", x_train=arrays["X"])
    assert not holds_features(tmp_path / "images.npz")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"copies": None}, "has no copies"),
        ({"copies": np.zeros((20, 3, 5))}, "copies have shape"),
        ({"copies": np.zeros((19, 3, 4))}, "copies have shape"),
        ({"copies": np.full((20, 3, 4), np.nan)}, "copies must hold finite numbers"),
        ({"X": np.zeros(20)}, "must be"),
        ({"y": np.zeros(20)}, "whole numbers or all text"),
        ({"y": np.zeros(20, int).astype(object)}, "plain arrays"),
        ({"names": np.array(["a"])}, "1 names for 3 copies"),
        ({"X_test": np.zeros((2, 4))}, "both X_test and y_test"),
        ({"X_test": np.zeros((2, 3)), "y_test": np.array(["b c"] * 2)}, "4 features and X_test 3"),
        ({"X_test": np.zeros((1, 4)), "y_test": np.array(["new"])}, "'new', which no training point has"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(tmp_path, arrays, changes, said):
    given = {name: value for name, value in {**arrays, **changes}.items() if value is not None}
    with pytest.raises(InputError, match=said) as refused:
        read(saved(tmp_path, **given))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="source"), "no column source"),
        (lambda t: t.assign(p="x"), "column p must"),
        (lambda t: t[["label", "source"]], "of features must"),
        (lambda t: t.assign(source=t["source"].fillna(99).replace(99, 99)), "no point's row number"),
        (lambda t: t.drop(index=t.index[t["source"].notna()][0]).reset_index(drop=True), "."),
    ],
)
def test_tables_that_do_not_belong_together_are_refused(tmp_path, arrays, change, said):
    change(as_table(arrays)).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=said):
        read(tmp_path / "t.csv")


def test_files_that_are_none_are_refused(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"hello")
    with pytest.raises(InputError, match="pandas can read"):
        read(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="There is no file"):
        read(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "copies by u, v, all, but none by 'translate'"),
        ({"transformations": [], "transformation": "w"}, "none by 'w'"),
        ({"transformations": [], "transformation": "u", "retrained": "lenet"}, "retrained needs images"),
        ({"classes": [0, 1], "transformations": [], "transformation": "x"}, "none by 'x'"),
        ({"classes": ["no", "b c"], "transformations": [], "transformation": "u"}, "no class 'no'.*null for all"),
        ({"n_train": 600, "transformations": [], "transformation": "u"}, "n_train must be.*null for all"),
    ],
)
def test_parameters_that_do_not_fit_the_features_are_refused(tmp_path, arrays, changes, said):
    given = {"classes": None, "n_train": None, "data": str(saved(tmp_path, **arrays)), "shares": [0.2], "folds": 3}
    with pytest.raises(InputError, match=said):
        material.of(OwnData.of({**given, **changes}))


def test_equal_features_are_refused(tmp_path, arrays):
    path = str(saved(tmp_path, **{**arrays, "X": np.ones((20, 4))}))
    with pytest.raises(InputError, match="equal features"):
        material.of(
            OwnData(
                data=path, classes=None, n_train=None, transformations=[], transformation="u", folds=3, shares=[0.2]
            )
        )
