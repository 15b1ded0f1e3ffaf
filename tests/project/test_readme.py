"""The README's lines for a person's own data, as they stand there."""

import re
import textwrap

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import own_data
from influaug import AugmentationSelector
from studies.storage import paths

SECTION = re.search(r"^## Your own data\n(.*?)^## ", (paths.PROJECT / "README.md").read_text("utf-8"), re.M | re.S)[1]
PIECES = dict(re.findall(r"\*\*(\w+)\*\*,.*?\n\n((?:    [^\n]*\n)+)", SECTION, re.DOTALL))

OF_SKLEARN = {
    one.__name__: one
    for one in (make_column_transformer, make_pipeline, OneHotEncoder, StandardScaler, TfidfVectorizer, TruncatedSVD)
}


def brought(kind):
    """What a person has, by the names of the README."""
    if kind == "Embeddings":
        X, y, copies = own_data.features()
        kept = np.random.default_rng(0).permutation(180)[:150]
        return {"X": X, "y": y, "embedded_copies": copies.reshape(180, -1)[kept], "source": kept // 3}
    if kind == "Text":
        rows, y = own_data.texts(120)
        return {"texts": rows, "labels": y, "paraphrases": own_data.turned, **OF_SKLEARN}
    if kind == "Tables":
        frame, y = own_data.table()
        frame = frame[["age", "city"]].fillna({"city": "none"})
        return {"frame": frame, "target": pd.Series(y), "older": own_data.older, "moved": swapped, **OF_SKLEARN}
    rng = np.random.default_rng(0)
    images, labels = rng.random((40, 12, 12)), np.arange(40) % 2
    return {"images": images, "labels": labels} | ({"network": network()} if kind == "Networks" else {})


def network():
    from influaug.backend import keras

    flat = keras.layers.Flatten()
    hidden = keras.layers.Dense(8, activation="relu", name="features")
    model = keras.Sequential([keras.layers.Input((12, 12, 1)), flat, hidden, keras.layers.Dense(2)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def swapped(frame):
    return frame.assign(city=frame["city"].replace({"Bonn": "Köln"}))


def test_every_kind_of_data_has_its_lines():
    assert set(PIECES) == {"Embeddings", "Text", "Tables", "Images", "Networks"}


@pytest.mark.parametrize(
    "kind",
    ["Embeddings", "Text", "Tables", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("Images", "Networks"))],
)
def test_the_lines_for_a_persons_own_data_run(kind):
    names = {"AugmentationSelector": AugmentationSelector, **brought(kind)}
    exec(textwrap.dedent(PIECES[kind]), names)  # noqa: S102
    n, chosen = names["selector"].n_points_, len(names["selector"].support_)
    if kind == "Embeddings":
        points, which, places, weights = (names[name] for name in ("points", "which", "places", "weights"))
        assert len(points) == len(which) == len(weights) == chosen == round(0.05 * 150)
        own = [names["copies"][point][k] for point, k in zip(points, which, strict=True)]
        order = np.argsort(names["source"], kind="stable")
        np.testing.assert_array_equal(own, names["embedded_copies"][order][places])
    else:
        made = names[{"Text": "texts_plus", "Tables": "frame_plus"}.get(kind, "images_plus")]
        labels = names["target_plus" if kind == "Tables" else "labels_plus"]
        assert len(made) == len(labels) == n + chosen > n
