"""A person's own data of several kinds, in which a copy that comes to another point is noticed."""

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

N, D = 60, 5
COLUMNS = ["age", "income", "visits", "city", "member"]
WORDS = [["goal", "match", "team", "win", "score"], ["vote", "law", "party", "court", "bill"]]


def features(seed=0, n=N, d=D, k=3):
    """Points of two classes and k copies of each."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, d)) + 0.7 * y[:, None]
    return X, y, X[:, None] + 0.3 * rng.normal(size=(n, k, d))


def texts(n=N):
    """Sentences of two subjects."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    return [" ".join([f"id{i}", *rng.choice(WORDS[c] + ["the", "a", "of"], 8)]) for i, c in enumerate(y)], y


def table(n=N):
    """A frame with text, flags and missing values, whose index has duplicates."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n) + 8 * y,
            "income": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(10, 1, n)),
            "visits": rng.integers(0, 9, n),
            "city": rng.choice(["Bonn", "Köln", None], n, p=[0.5, 0.4, 0.1]),
            "member": y == (rng.random(n) < 0.7),
        },
        index=np.arange(n) // 2,
    )
    return frame, y


def of_text():
    return make_pipeline(TfidfVectorizer(), TruncatedSVD(6, random_state=0))


def of_table():
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_column_transformer((numbers, COLUMNS[:3]), (OneHotEncoder(handle_unknown="ignore"), COLUMNS[3:]))


def shortened(rows):
    """Every text without every fourth word."""
    return [" ".join(word for at, word in enumerate(text.split()) if at % 4 or not at) for text in rows]


def turned(rows):
    """Two copies of every text."""
    return [[" ".join(text.split()[:1] + text.split()[:0:-1]) + " the", text + " of the"] for text in rows]


def sampled(rows, rng):
    """Some words of every text, at random."""
    return [" ".join([text.split()[0], *rng.permutation(text.split()[1:])[:5]]) for text in rows]


def older(frame):
    return frame.assign(age=frame["age"] + 3)


def moved(frame):
    """In place, which must not reach the frame that was given."""
    frame["city"] = frame["city"].map({"Bonn": "Köln", "Köln": "Bonn"})
    return frame


def shaken(frame):
    """At random, by NumPy's own generator."""
    return frame.assign(age=frame["age"] + np.random.normal(size=len(frame)))  # noqa: NPY002


class Lengths(TransformerMixin, BaseEstimator):
    """Stands for a model that embeds text: it has fit and transform, and is no scikit-learn vectorizer."""

    def fit(self, X, y=None):
        assert type(X) is list
        self.fitted_ = True
        return self

    def transform(self, X):
        assert type(X) is list and all(type(text) is str for text in X)
        return np.array([[text.count(letter) for letter in "aeioumtw"] for text in X], dtype=np.float32)


FORMS = {
    "array": np.asarray,
    "float32": lambda X: X.astype("f4"),
    "Fortran order": np.asfortranarray,
    "lists": lambda X: X.tolist(),
    "frame": lambda X: pd.DataFrame(X, columns=[f"e{i}" for i in range(X.shape[1])], index=np.zeros(len(X), int)),
    "sparse": sparse.csr_matrix,
    "sparse array, columns": sparse.csc_array,
}
"""Features [n, d] as people have them."""
