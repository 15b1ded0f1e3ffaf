"""The selector on features of every form, texts and tables: what is chosen, delivered, and sliced by scikit-learn."""

import warnings

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from influaug import AugmentationSelector, copies_by_point
from influaug.errors import InputError
from influaug.selection.copies import CopiesByPoint
from influaug.selection.rows import digests
from own_data import (
    FORMS,
    D,
    Lengths,
    N,
    features,
    moved,
    of_table,
    of_text,
    older,
    sampled,
    shaken,
    shortened,
    table,
    texts,
    turned,
)

FOLDS = KFold(3, shuffle=True, random_state=0)
BUDGET = 0.2


def numbers(rows):
    return np.asarray(rows.toarray() if sparse.issparse(rows) else rows, dtype=float)


def selector(**options):
    return AugmentationSelector(budget=BUDGET, **{"verbose": False, **options})


def on_disk(path, array):
    np.save(path, array)
    return np.load(path, mmap_mode="r")


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("of_copies", ["array", "lists", "ragged", "memory map", "half", "hdf5"])
def test_features_in_every_form_choose_the_same_copies_and_come_back_in_their_form(form, of_copies, tmp_path):
    X, y, C = features()
    if of_copies == "half":
        C = C.astype("f2")
    plain = selector().fit(X, y, copies=C.astype(float))
    made = {"array": C, "half": C, "lists": C.tolist(), "ragged": list(C), "memory map": on_disk(tmp_path / "c.npy", C)}
    if of_copies == "hdf5":
        made["hdf5"] = h5py.File(tmp_path / "c.h5", "w").create_dataset("c", data=C)
    given, copies = FORMS[form](X), made[of_copies]
    ours = selector().fit(given, y, copies=copies)
    if form != "float32":
        np.testing.assert_array_equal(ours.ranking_, plain.ranking_)
    X_plus, y_plus, weights, source = ours.augment(given, y, copies=copies)
    assert type(X_plus) is type(given) or isinstance(given, sparse.csc_array)
    chosen = ours.indices()
    expected = C[chosen.source, chosen.which]
    np.testing.assert_allclose(numbers(X_plus), np.vstack([X, expected]), rtol=1e-6)
    np.testing.assert_array_equal(expected, C.reshape(-1, D)[chosen.places])
    np.testing.assert_array_equal(y_plus, y[source])
    np.testing.assert_array_equal(source, np.append(np.arange(N), chosen.source))
    assert np.all(weights == 1) and np.all(chosen.weights == 1)
    if form == "frame":
        assert list(X_plus.columns) == list(given.columns) and X_plus.index.is_unique


@pytest.mark.parametrize("kind", ["array", "memory map", "frame", "sparse", "list", "hdf5", "function"])
def test_copies_with_a_source_choose_and_search_as_those_by_point(kind, tmp_path):
    X, y, C = features()
    rng = np.random.default_rng(1)
    kept = rng.permutation(N * 3)[:100]
    flat, source = C.reshape(-1, D)[kept], np.repeat(np.arange(N), 3)[kept]
    asked = []

    def some(places):
        asked.append(len(places))
        return flat[places]

    forms = {
        "array": flat,
        "memory map": on_disk(tmp_path / "c.npy", flat),
        "frame": pd.DataFrame(flat, index=[0] * 100),
        "sparse": sparse.coo_matrix(flat),
        "list": flat.tolist(),
        "hdf5": h5py.File(tmp_path / "c.h5", "w").create_dataset("c", data=flat),
        "function": some,
    }
    by_point = copies_by_point(forms[kind], source, N)
    assert isinstance(by_point, CopiesByPoint) == (kind not in ("array", "list"))
    entries = [flat[source == point] for point in range(N)]
    for point in (0, 7, N - 1):
        np.testing.assert_allclose(numbers(by_point[point]), entries[point])
    ours, theirs = (clone(selector()).fit(X, y, copies=copies) for copies in (by_point, entries))
    np.testing.assert_array_equal(ours.ranking_, theirs.ranking_)
    np.testing.assert_array_equal(ours.augment(X, y, copies=by_point)[0], theirs.augment(X, y, copies=entries)[0])
    search = GridSearchCV(selector(), {"budget": [0.1, 0.3]}, cv=FOLDS, error_score="raise")
    search.fit(X, y, copies=by_point)
    for at, budget in enumerate((0.1, 0.3)):
        for fold, (train, test) in enumerate(FOLDS.split(X)):
            one = selector().set_params(budget=budget).fit(X[train], y[train], copies=[entries[i] for i in train])
            assert search.cv_results_[f"split{fold}_test_score"][at] == one.score(X[test], y[test])
    assert kind != "function" or max(asked) <= 100


class Paired(AugmentationSelector):
    """Fails where a copy is not of the point that it is given for: its last feature is that of its point."""

    def _choose(self, chooser, budget, points, copies, rng):
        made = np.asarray(copies.features(np.arange(len(copies.source))), dtype=float)
        np.testing.assert_allclose(made[:, -1], points.features[copies.source, -1], rtol=1e-6)
        super()._choose(chooser, budget, points, copies, rng)


def numbered():
    """Features whose last column is the point's own number."""
    X, y, C = features()
    X[:, -1] = np.arange(N) / N
    C[:, :, -1] = X[:, None, -1]
    return X, y, C


@pytest.mark.parametrize("kind", ["memory map", "ragged", "even", "frames", "lazy", "function", "transformation"])
def test_folds_give_every_point_its_own_copies(kind, tmp_path):
    X, y, C = numbered()
    flat, source = C.reshape(-1, D)[::-1], np.repeat(np.arange(N), 3)[::-1]
    forms = {
        "memory map": on_disk(tmp_path / "c.npy", C),
        "ragged": [own[: i % 3] for i, own in enumerate(C)],
        "even": C,
        "frames": copies_by_point(pd.DataFrame(flat), source, N),
        "lazy": copies_by_point(on_disk(tmp_path / "f.npy", flat), source, N),
        "function": copies_by_point(lambda places: flat[places], source, N),
    }
    params = {"copies": forms[kind]} if kind in forms else {"transformation": lambda rows: rows * [2, 1, 1, 1, 1]}
    for X_ in (X, on_disk(tmp_path / "x.npy", X)):
        scores = cross_val_score(Paired(verbose=False), X_, y, cv=FOLDS, params=params, error_score="raise")
        assert np.all(np.isfinite(scores))
    if kind in forms:
        turned_ = forms[kind][::-1] if kind != "frames" else copies_by_point(pd.DataFrame(flat), N - 1 - source, N)
        with pytest.raises(AssertionError), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Paired(verbose=False).fit(X, y, copies=turned_)


FORMS_OF_TEXT = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "objects": lambda rows: np.array(rows, dtype=object),
    "series": lambda rows: pd.Series(rows, index=[7] * len(rows), name="text"),
}


@pytest.mark.parametrize("form", FORMS_OF_TEXT)
@pytest.mark.parametrize("change", [shortened, turned, sampled, [shortened, turned, sampled]])
def test_texts_are_changed_by_functions_and_come_back_as_they_came(form, change):
    rows, y = texts()
    X = FORMS_OF_TEXT[form](rows)
    ours = selector(featurizer=of_text()).fit(X, y, transformation=change)
    k = 4 if isinstance(change, list) else 2 if change is turned else 1
    assert ours.n_candidates_ == k * N == ours.n_generated_
    X_plus, y_plus, _, source = ours.augment(X, y, change)
    assert type(X_plus) is type(X) and list(X_plus)[:N] == rows and len(X_plus) == N + len(ours.support_)
    for text, point, label in zip(list(X_plus)[N:], source[N:], y_plus[N:], strict=True):
        assert text.split()[0] == f"id{point}" and label == y[point] and text != rows[point]
    if change is not sampled:
        functions = change if isinstance(change, list) else [change]
        if len(functions) == 1:
            made = functions[0](rows)
            for text, point, which in zip(list(X_plus)[N:], ours.source_, ours.which_, strict=True):
                assert text == (made[point][which] if change is turned else made[point])
    assert ours.score(X, y) > 0.9


@pytest.mark.parametrize("given", ["copies", "transformation", "constructor"])
def test_searches_on_texts_are_fits_to_the_folds_by_hand(given):
    rows, y = texts()
    copies = [made[: i % 3] for i, made in enumerate(turned(rows))]
    one = selector(featurizer=of_text(), **({"transformation": turned} if given == "constructor" else {}))
    params = {"copies": {"copies": copies}, "transformation": {"transformation": turned}, "constructor": {}}[given]
    scores = cross_val_score(one, rows, y, cv=FOLDS, params=params, error_score="raise")
    for score, (train, test) in zip(scores, FOLDS.split(rows), strict=True):
        own = {"copies": [copies[i] for i in train]} if given == "copies" else params
        by_hand = clone(one).fit([rows[i] for i in train], y[train], **own)
        assert score == by_hand.score([rows[i] for i in test], y[test])
        assert by_hand.n_candidates_ == (sum(map(len, own["copies"])) if given == "copies" else 2 * len(train))
    predicted = cross_val_predict(one, rows, y, cv=FOLDS, params=params)
    assert np.mean(predicted == y) == pytest.approx(np.mean(scores))


def test_a_search_compares_transformations():
    rows, y = texts()
    grid = {"transformation": [shortened, [shortened, turned]], "budget": [0.1, 5]}
    search = GridSearchCV(selector(featurizer=of_text()), grid, cv=FOLDS, error_score="raise").fit(rows, y)
    assert search.best_estimator_.transformation in grid["transformation"]
    with pytest.raises(InputError, match="has a transformation, and was given another; give one of the two"):
        selector(featurizer=of_text(), transformation=turned).fit(rows, y, transformation=shortened)


def test_copies_of_texts_by_point_in_any_order():
    rows, y = texts()
    made = turned(rows)
    flat, source = [copy for own in made for copy in own[::-1]], np.repeat(np.arange(N), 2)
    order = np.argsort(source % 7, kind="stable")
    by_point = copies_by_point([flat[i] for i in order], source[order], N)
    ours = selector(featurizer=Lengths()).fit(rows, y, copies=by_point)
    theirs = selector(featurizer=Lengths()).fit(rows, y, copies=[own[::-1] for own in made])
    np.testing.assert_array_equal(ours.ranking_, theirs.ranking_)
    assert ours.augment(rows, y, copies=by_point)[0] == theirs.augment(rows, y, copies=[own[::-1] for own in made])[0]


@pytest.mark.parametrize("change", [older, moved, shaken, [older, moved]])
def test_tables_are_changed_by_functions_of_frames(change):
    X, y = table()
    before = X.copy()
    ours = selector(featurizer=of_table()).fit(X, y, transformation=change)
    X_plus, _, _, source = ours.augment(X, y, change)
    pd.testing.assert_frame_equal(X, before)
    pd.testing.assert_frame_equal(X_plus[:N], before.reset_index(drop=True))
    assert X_plus.dtypes.equals(X.dtypes) and X_plus.index.is_unique
    same = X_plus.iloc[N:][["income", "visits", "member"]].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, X.iloc[source[N:]][["income", "visits", "member"]].reset_index(drop=True))
    scores = cross_val_score(ours, X, y, cv=FOLDS, params={"transformation": change}, error_score="raise")
    for score, (train, test) in zip(scores, FOLDS.split(X), strict=True):
        by_hand = clone(ours).fit(X.iloc[train], y[train], transformation=change)
        assert score == by_hand.score(X.iloc[test], y[test])


def test_tables_of_copies_and_their_columns():
    X, y = table()
    copies = pd.concat([older(X), moved(X.copy())], ignore_index=True)
    source = np.tile(np.arange(N), 2)
    by_point = copies_by_point(copies, source, N)
    ours = selector(featurizer=of_table()).fit(X, y, copies=by_point)
    made = selector(featurizer=of_table()).fit(X, y, transformation=[older, moved])
    np.testing.assert_array_equal(ours.ranking_, made.ranking_)
    pd.testing.assert_frame_equal(ours.augment(X, y, copies=by_point)[0], made.augment(X, y, [older, moved])[0])
    wrong = copies_by_point(copies[copies.columns[::-1]], source, N)
    with pytest.raises(InputError, match="copies have the column 'member' where X has 'age'"):
        selector(featurizer=of_table()).fit(X, y, copies=wrong)
    with pytest.raises(ValueError, match="feature names should match"):
        ours.predict(X[X.columns[::-1]])


@pytest.mark.parametrize("kind", ["array", "frame", "sparse", "float32", "lists", "half", "flags", "whole"])
def test_features_are_changed_by_functions_in_their_form(kind):
    X, y, _ = features()
    X = {"half": lambda a: a.astype("f2"), "flags": lambda a: a > 0, "whole": lambda a: (9 * a).astype(int)}.get(
        kind, FORMS.get(kind)
    )(X)
    change = [lambda rows: rows * 1.5, lambda rows: rows * 0.5]
    ours = selector().fit(X, y, transformation=change)
    X_plus, _, _, source = ours.augment(X, y, change)
    assert type(X_plus) is type(X) and ours.n_candidates_ == 2 * N
    factor = np.array([1.5, 0.5])[ours.which_][:, None]
    expected = numbers(X)[source[N:]] * factor
    np.testing.assert_allclose(numbers(X_plus)[N:], expected, rtol=1e-3 if kind == "half" else 1e-6)
    if kind in ("half", "float32"):
        assert X_plus.dtype == X.dtype


def test_a_function_of_many_copies_of_features():
    X, y, _ = features()
    steps = np.array([-0.2, 0.1, 0.3])[:, None]
    ours = selector().fit(X, y, transformation=lambda rows: rows[:, None] + steps)
    given = selector().fit(X, y, copies=X[:, None] + steps)
    np.testing.assert_array_equal(ours.ranking_, given.ranking_)
    assert ours.n_copies_ == 3


WRONG_FUNCTIONS = {
    "fewer rows": (lambda rows: rows[1:], "returned 3 of a ndarray for 4 rows"),
    "nothing": (lambda rows: None, "returned None for 4 rows"),
    "fewer columns": (lambda rows: rows[:, 1:], r"returned float64 \[4, 4\] for 4 rows"),
    "text": (lambda rows: "a", "returned a str for 4 rows"),
    "an error": (
        lambda rows: rows.foo,
        "failed on a ndarray of 4 rows .*no attribute 'foo'.*; a function of rows takes",
    ),
    "not repeatable": (lambda rows: rows + np.random.default_rng().normal(), "makes another copy of a row each time"),
    "of all rows": (lambda rows: rows - rows.mean(axis=0), "depend on the other rows beside it"),
    "of their place": (lambda rows: rows + np.arange(len(rows))[:, None], "on its place"),
    "the same": (lambda rows: rows, "returned each of 60 rows as it was"),
    "NaN": (lambda rows: rows * np.nan, "copies must be finite numbers"),
    "a transformer": (StandardScaler(), "transformation is a StandardScaler; for X that is no images"),
    "a class": (StandardScaler, "is the class StandardScaler"),
    "a name": ("translate", r"X is features \[60, 5\], but such a transformation makes copies of images"),
    "no function": ([], "The list of transformations is empty"),
}


@pytest.mark.parametrize("case", WRONG_FUNCTIONS)
def test_functions_that_cannot_be_used_are_refused(case):
    function, right = WRONG_FUNCTIONS[case]
    X, y, _ = features()
    with pytest.raises(InputError, match=right):
        selector().fit(X, y, transformation=function)


@pytest.mark.parametrize(
    ("options", "change", "right"),
    [
        (
            {"featurizer": Lengths()},
            lambda rows: [[text] * (i + 1) for i, text in enumerate(rows)],
            "from 1 to 4 copies",
        ),
        ({"featurizer": Lengths()}, lambda rows: [1 for _ in rows], "a int among the copies of texts"),
        ({"featurizer": Lengths()}, lambda text: text.upper(), "failed on a list of 4 rows"),
        ({}, shortened, "X is 60 texts; they need a featurizer, such as make_pipeline"),
    ],
)
def test_functions_of_texts_that_cannot_be_used_are_refused(options, change, right):
    with pytest.raises(InputError, match=right):
        selector(**options).fit(*texts(), transformation=change)


def test_functions_of_frames_must_keep_their_columns():
    X, y = table()
    for change in (lambda t: t.drop(columns="age"), lambda t: t[t.columns[::-1]]):
        with pytest.raises(InputError, match="must have the columns of X in their order"):
            selector(featurizer=of_table()).fit(X, y, transformation=change)


def test_what_is_delivered_is_what_was_scored_or_is_refused():
    rows, y = texts()
    ours = selector(featurizer=of_text()).fit(rows, y, transformation=shortened)
    with pytest.raises(InputError, match="another copy of the point"):
        ours.augment(rows, y, lambda given: [text + " more" for text in given])
    with pytest.raises(InputError, match=r"X\[0\] is not the row 0 of fit"):
        ours.augment(rows[::-1], y, shortened)
    with pytest.raises(InputError, match="augment needs the transformation, or the copies"):
        ours.augment(rows, y)
    with pytest.raises(InputError, match="makes 2 copies of a point, but that of fit made 1"):
        ours.augment(rows, y, turned)
    with pytest.raises(InputError, match="59 rows of X, but the points of fit were 60"):
        ours.augment(rows[1:], y[1:], shortened)
    with pytest.raises(InputError, match="as many of each point as there were in fit"):
        ours.augment(rows, y, copies=turned(rows))


def test_embeddings_choose_and_what_they_are_of_is_delivered():
    rows, y = texts()
    made = turned(rows)
    embed = Lengths().fit(rows).transform
    chosen = selector().fit(embed(rows), y, copies=np.stack([embed(own) for own in made]))
    X_plus, _, _, source = chosen.augment(rows, y, copies=made)
    assert X_plus[N:] == [made[point][which] for point, which in zip(source[N:], chosen.which_, strict=True)]
    assert X_plus == chosen.augment(rows, y, turned)[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_indices_of_points_and_of_copies(weighted):
    X, y, C = features()
    weights = np.random.default_rng(0).integers(1, 4, N).astype(float) if weighted else np.ones(N)
    more = {"sample_weight": weights} if weighted else {}
    alone = AugmentationSelector("influence", 6).fit(X, y, **more)
    with pytest.raises(InputError, match=r"as in indices\(n_copies=4\)"):
        alone.indices()
    with_copies = AugmentationSelector("influence", 6).fit(X, y, copies=C, **more)
    for ours, theirs in zip(alone.indices(3), with_copies.indices(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(with_copies.indices().weights, weights[with_copies.indices().source])
    ragged = [own[: i % 4] for i, own in enumerate(C)]
    chosen = selector(verbose=False).fit(X, y, copies=ragged, **more).indices()
    np.testing.assert_array_equal(
        np.concatenate(ragged)[chosen.places],
        [ragged[point][which] for point, which in zip(chosen.source, chosen.which, strict=True)],
    )
    with pytest.raises(InputError, match="n_copies is 2, but the points of fit had up to 3"):
        with_copies.indices(2)


@pytest.mark.parametrize("case", ["n = 2", "many classes", "flags", "empty entries", "constant columns", "objects"])
def test_unusual_features_work(case):
    X, y, C = features()
    if case == "n = 2":
        X, y, C = X[:2], y[:2], C[:2]
    if case == "many classes":
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(120, 3)).astype("f4"), np.arange(120) % 40
        C = X[:, None] + np.float32(0.1)
    if case == "flags":
        X, C = X > 0, C > 0
    if case == "empty entries":
        C = [own if i == 5 else [] for i, own in enumerate(C)]
    if case == "constant columns":
        X[:, 1:], C[:, :, 1:] = 3.0, 3.0
    if case == "objects":
        X, C = X.astype(object), C.astype(object)
    ours = AugmentationSelector(budget=2, random_state=0, verbose=False).fit(X, y, copies=C)
    X_plus, y_plus, _, _ = ours.augment(X, y, copies=C)
    assert len(X_plus) == len(y_plus) == len(X) + 2 and len(ours.predict(X[:3])) == min(3, len(X))
    assert case != "empty entries" or set(ours.source_) == {5}


def test_copies_of_another_number_of_points_are_refused():
    X, y, C = features()
    rows, labels = texts()
    for X_, y_, copies, options in (
        (X, y, C[1:], {}),
        (X, y, copies_by_point(pd.DataFrame(C[1:].reshape(-1, D)), np.repeat(np.arange(N - 1), 3), N - 1), {}),
        (rows, labels, turned(rows)[1:], {"featurizer": Lengths()}),
    ):
        with pytest.raises(InputError, match="59 entries of copies for 60 points"):
            selector(**options).fit(X_, y_, copies=copies)
    with pytest.raises(InputError, match=r"copies\[0\] is a str"):
        selector(featurizer=Lengths()).fit(rows, labels, copies=rows)
    with pytest.raises(InputError, match=r"copies\[0\] holds a int, but X is texts"):
        selector(featurizer=Lengths()).fit(rows, labels, copies=[[1]] * N)
    with pytest.raises(InputError, match="function of copies gave 1 for"):
        selector().fit(X, y, copies=copies_by_point(lambda places: X[:1], np.arange(N), N))


def test_the_chosen_set_trains_the_persons_own_model():
    rows, y = texts()
    ours = selector(featurizer=of_text(), transformation=turned).fit(rows, y)
    X_plus, y_plus, _, _ = ours.augment(rows, y)
    features_ = of_text().fit(X_plus)
    assert LogisticRegression().fit(features_.transform(X_plus), y_plus).score(features_.transform(rows), y) > 0.9


def test_digests_are_of_the_content_alone():
    X, _, _ = features()
    thin = sparse.csr_matrix(np.where(X > 0, X, 0))
    stored = thin.copy()
    stored.data = stored.data.copy()
    np.testing.assert_array_equal(digests(thin), digests(sparse.csr_matrix(thin.toarray())))
    np.testing.assert_array_equal(digests(thin[::-1]), digests(thin)[::-1])
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    np.testing.assert_array_equal(digests(frame), digests(frame.astype({"a": float})))
    assert len(set(digests(frame))) == len(set(digests(["a", "b"]))) == 2


def test_a_featurizer_that_only_knows_arrays_is_told_the_columns_of_frames():
    X, y, C = features()
    frame = FORMS["frame"](X)
    ours = selector(featurizer=StandardScaler()).fit(frame, y, copies=C)
    theirs = selector(featurizer=StandardScaler()).fit(X, y, copies=C)
    np.testing.assert_array_equal(ours.ranking_, theirs.ranking_)
    assert list(ours.featurizer_.feature_names_in_) == list(frame.columns) == list(ours.feature_names_in_)
    assert selector(featurizer=FunctionTransformer(np.asarray)).fit(frame, y, copies=C).n_copies_ == 3
