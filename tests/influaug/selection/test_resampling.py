"""The selector as a sampler, in the pipelines of imbalanced-learn itself."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from imblearn.pipeline import make_pipeline
from imblearn.under_sampling import RandomUnderSampler
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.preprocessing import StandardScaler

from influaug import AugmentationSelector
from influaug.errors import InputError
from own_data import FORMS, N, features, moved, of_table, of_text, older, table, texts, turned

FOLDS = KFold(3, shuffle=True, random_state=0)


def wider(rows):
    return rows * 1.2


def sampler(**options):
    return AugmentationSelector(budget=0.2, verbose=False, **{"transformation": wider, **options})


@pytest.mark.parametrize("form", FORMS)
def test_it_returns_the_points_and_the_chosen_copies_in_their_types(form):
    X, y, _ = features()
    given, labels = FORMS[form](X), pd.Series(np.array(["b", "a"])[y], name="class", index=np.arange(N) // 3)
    ours = sampler()
    X_plus, y_plus = ours.fit_resample(given, labels)
    expected, expected_y, _, source = clone(ours).fit(given, labels).augment(given, labels)
    to_array = lambda rows: np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)  # noqa: E731
    np.testing.assert_array_equal(to_array(X_plus), to_array(expected))
    np.testing.assert_array_equal(ours.sample_indices_, source)
    assert list(y_plus) == list(expected_y) and y_plus.name == "class" and y_plus.index.is_unique
    assert len(source) == N + 12


def by_hand(selector, model, X, y, test):
    """A fold without a pipeline: the sampler, and then the model."""
    X_plus, y_plus, _, _ = selector.fit(X, y).augment(X, y)
    return clone(model).fit(X_plus, y_plus).score(*test)


def test_a_pipeline_resamples_in_fit_and_not_when_it_predicts():
    X, y, _ = features()
    model = LogisticRegression()
    chain = make_pipeline(sampler(), model)
    search = GridSearchCV(chain, {"augmentationselector__budget": [0.1, 0.3]}, cv=FOLDS, error_score="raise")
    search.fit(X, y)
    for at, budget in enumerate((0.1, 0.3)):
        for fold, (train, test) in enumerate(FOLDS.split(X)):
            own = by_hand(sampler().set_params(budget=budget), model, X[train], y[train], (X[test], y[test]))
            assert search.cv_results_[f"split{fold}_test_score"][at] == own
    assert len(search.best_estimator_.predict(X)) == N


def test_steps_before_it_are_seen_by_points_and_copies_alike():
    X, y, _ = features()
    chain = make_pipeline(StandardScaler(), RandomUnderSampler(random_state=0), sampler(), LogisticRegression())
    assert np.all(cross_val_score(chain, X, y, cv=FOLDS, error_score="raise") > 0.4)
    last = make_pipeline(StandardScaler(), sampler()).fit(X, y)
    assert last.score(X, y) == sampler().fit(StandardScaler().fit_transform(X), y).score(
        StandardScaler().fit_transform(X), y
    )


def test_texts_and_tables_stand_in_pipelines():
    rows, y = texts()
    of_words = make_pipeline(
        sampler(featurizer=of_text(), transformation=turned), TfidfVectorizer(), LogisticRegression()
    )
    assert np.all(cross_val_score(of_words, rows, y, cv=FOLDS, error_score="raise") > 0.8)
    X, y = table()
    of_rows = make_pipeline(
        sampler(featurizer=of_table(), transformation=[older, moved]), of_table(), LogisticRegression()
    )
    labels = pd.Series(y, index=X.index)
    assert np.all(cross_val_score(of_rows, X, labels, cv=FOLDS, error_score="raise") > 0.4)


@pytest.mark.parametrize("policy", ["greedy_influence", "influence"])
def test_copies_that_do_not_reach_the_sampler_are_missed(policy):
    X, y, C = features()
    chain = make_pipeline(sampler(policy=policy, transformation=None), LogisticRegression())
    with pytest.raises(InputError, match=r"fit_resample needs copies .* set_fit_resample_request\(copies=True\)"):
        chain.fit(X, y, augmentationselector__copies=C)


def test_copies_reach_the_sampler_by_the_routing_of_metadata():
    X, y, C = features()
    with sklearn.config_context(enable_metadata_routing=True):
        ours = sampler(transformation=None).set_fit_request(copies=True).set_fit_resample_request(copies=True)
        chain = make_pipeline(ours, LogisticRegression())
        scores = cross_val_score(chain, X, y, cv=FOLDS, params={"copies": C}, error_score="raise")
    for score, (train, test) in zip(scores, FOLDS.split(X), strict=True):
        X_plus, y_plus = sampler(transformation=None).fit_resample(X[train], y[train], copies=C[train])
        assert score == LogisticRegression().fit(X_plus, y_plus).score(X[test], y[test])


def test_policies_that_give_weights_are_refused_as_samplers():
    with pytest.raises(InputError, match="match_full_weighted gives copies weights, which fit_resample cannot return"):
        sampler(policy="match_full_weighted").fit_resample(*features()[:2])
