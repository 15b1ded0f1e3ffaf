"""The stages of a study: what each computes from a `Study`, and where it is kept.

Each function returns what is on disk if everything it depends on is unchanged, and computes and writes it otherwise; so
a notebook opened alone computes what it lacks from upstream, and in the batch it finds it.
"""

from dataclasses import dataclass, fields
from functools import cache, partial
from time import perf_counter

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from . import artifacts, heads, logistic, paths, retrained, vsv
from .data import load
from .errors import InputError
from .scores import Head, ScoreOptions, compute
from .study import Study
from .sweep import FeatureSet, row_weights
from .sweep import run as run_sweep

SAMPLE = ("dataset", "classes", "n_train", "sample", "seed")
TRANSFORMATION = ("transformation", "magnitudes", "directions")
NETWORK = ("network", "epochs", "batch_size", "learning_rate")
SCORING = ("C", "hessian", "damping", "margin", "scores")
SWEEPING = ("featurizer", "policies", "refinements", "budgets", "rounds", "update_every")
BLOCK = 500


@dataclass(frozen=True)
class Features:
    """One replicate's features and what is needed to show its points.

    Attributes
    ----------
    set : FeatureSet
    indices : int array [n]
        The sampled points' places in the data set's training part.
    accuracy : float
        Accuracy of the network's own head on the test originals.
    history : dict of str to array [epochs]
        The network's training curves.
    """

    set: FeatureSet
    indices: np.ndarray
    accuracy: float
    history: dict


@cache
def _code(*modules, functions=()):
    """Key of code, once a session: what runs is what was imported, whatever the files have become since."""
    return artifacts.code_key(*(f"influaug.{module}" for module in modules), functions=functions)


def _depends(study, modules, functions, names, **more):
    chosen = {name: getattr(study, name) for name in names}
    return artifacts.key(parameters=chosen, code=_code(*modules, functions=functions), **more)


def _about(study, key, dataset, started, **more):
    seconds = round(perf_counter() - started, 2)
    return artifacts.manifest(key, parameters=study.model_dump(), data=dataset.provenance, seconds=seconds, **more)


def _stored_table(study, dataset, name, key, compute):
    path = study.folder / name
    table = artifacts.read_table(path, key)
    if table is None:
        started = perf_counter()
        table = compute()
        artifacts.write_table(path, _about(study, key, dataset, started), table)
    return table


def new_featurizer(study, replicate):
    """An unfitted featurizer with the study's training parameters and the replicate's seed."""
    # Keras takes many seconds to import, and a stage that finds its features on disk does not need it.
    from .featurizers import KerasFeaturizer

    seed = study.seed_of(replicate, "network")
    return KerasFeaturizer(study.network, study.epochs, study.batch_size, study.learning_rate, seed)


def features(study):
    """Features of every replicate: list of `Features`, from ``features/replicate-NN.npz``.

    Each replicate's network is trained on its own sample of originals and kept beside the features
    (``replicate-NN.keras``); ``features.json`` says that all are there.
    """
    dataset = load(study.dataset, study.data_folder)
    found = [_replicate_features(study, dataset, r) for r in tqdm(range(study.replicates), "featurize", leave=False)]
    keys = [features_key(study, dataset, r) for r in range(study.replicates)]
    path, content = study.folder / "features.json", {"keys": keys, "data": dataset.provenance}
    if artifacts.read_json(path) != content:
        artifacts.write_json(path, content)
    return found


def features_key(study, dataset, replicate):
    """Key of one replicate's features: data, sample, transformation, network and its training, and code."""
    names = SAMPLE + TRANSFORMATION + NETWORK
    modules = ("data", "transformations", "featurizers")
    seeds = [study.seed_of(replicate, purpose) for purpose in ("sample", "network")]
    return _depends(study, modules, FEATURIZED_BY, names, data=dataset.provenance["sha256"], seeds=seeds)


def _upstream(study, dataset, purpose=None):
    """What depends on every replicate's features, and on its seed for a purpose, depends on."""
    replicates = range(study.replicates)
    keys = {"upstream": [features_key(study, dataset, r) for r in replicates]}
    return keys if purpose is None else {**keys, "seeds": [study.seed_of(r, purpose) for r in replicates]}


def _replicate_features(study, dataset, replicate):
    path = study.folder / "features" / f"replicate-{replicate:02d}.npz"
    key = features_key(study, dataset, replicate)
    arrays = artifacts.read_arrays(path, key)
    if arrays is None:
        started = perf_counter()
        arrays = _featurize(study, dataset, replicate, path.with_suffix(".keras"))
        artifacts.write_arrays(path, _about(study, key, dataset, started, replicate=replicate), **arrays)
    history = {name.removeprefix("history_"): arrays[name] for name in arrays if name.startswith("history_")}
    n, n_test = int(arrays["n"]), int(arrays["n_test"])
    parts = (arrays["train"], arrays["labels"], n, arrays["test"], arrays["test_labels"], n_test)
    return Features(FeatureSet(*parts), arrays["indices"], float(arrays["accuracy"]), history)


def _featurize(study, dataset, replicate, network_path):
    sample, transformation = study.split_of(dataset, replicate), study.augmentation()
    network = new_featurizer(study, replicate).fit(sample.images, sample.labels)
    network.save(network_path)
    found = feature_set(network, sample, transformation)
    return {
        **{field.name: getattr(found, field.name) for field in fields(found)},
        "indices": sample.indices,
        "accuracy": network.score(sample.images_test, sample.labels_test),
        **{f"history_{name}": np.asarray(values) for name, values in network.history_.items()},
    }


def feature_set(network, sample, transformation):
    """Features of a sample's training and test images and of all their copies: `sweep.FeatureSet`."""
    k = len(transformation)
    return FeatureSet(
        originals_and_copies(network, sample.images, transformation),
        np.append(sample.labels, np.repeat(sample.labels, k)),
        len(sample.labels),
        originals_and_copies(network, sample.images_test, transformation),
        np.append(sample.labels_test, np.repeat(sample.labels_test, k)),
        len(sample.labels_test),
    )


def originals_and_copies(network, images, transformation):
    """Features of the images, then of all their copies, point by point: [n + n k, d].

    Copies are made and featurized a block of points at a time, so that all copies of a set never stand in memory.
    """
    blocks = []
    for start in range(0, len(images), BLOCK):
        copies = transformation(images[start : start + BLOCK])
        blocks.append(network.transform(np.swapaxes(copies, 0, 1).reshape(-1, *images.shape[1:])))
    return np.vstack([network.transform(images), *blocks])


FEATURIZED_BY = (new_featurizer, _featurize, feature_set, originals_and_copies, Study.split_of, Study.augmentation)
"""Functions outside the modules named in `features_key` whose code decides features."""


def scores(study):
    """Every score of every point, before and after full augmentation.

    Returns
    -------
    DataFrame
        Columns replicate, point (its place in the replicate's sample), index (in the data set), label, score,
        initial (under the model of the originals), final (under the model of originals and all copies).
        Written to ``scores.parquet``.
    """
    dataset = load(study.dataset, study.data_folder)
    key = _depends(study, ["scores", "sweep"], (_scores,), SCORING, **_upstream(study, dataset))

    def compute_scores():
        return pd.concat([_scores(study, r, f) for r, f in enumerate(features(study))], ignore_index=True)

    return _stored_table(study, dataset, "scores.parquet", key, compute_scores)


def _scores(study, replicate, replicate_features):
    options = ScoreOptions(study.C, study.hessian, study.damping, study.margin)
    f = replicate_features.set
    selected = np.array([np.zeros(f.n, bool), np.ones(f.n, bool)])
    weights = row_weights(selected, np.zeros(2, bool), f.k)
    x, theta = heads.with_intercept(f.train), logistic.fit(f.train, f.labels, weights, study.C).theta
    fitted = [Head(x[w > 0], f.labels[w > 0], w[w > 0], t) for w, t in zip(weights, theta, strict=True)]
    points = {"replicate": replicate, "point": np.arange(f.n), "index": replicate_features.indices}
    return pd.concat(
        pd.DataFrame(
            {
                **points,
                "label": f.labels[: f.n],
                "score": name,
                "initial": compute(name, fitted[0], f.n, options),
                "final": compute(name, fitted[1], f.n, options),
            }
        )
        for name in study.scores
    )


def sweep(study):
    """The study's policy sweep: tidy table, written to ``sweep.parquet``.

    Columns study, dataset, transformation, replicate, score, policy, update, downweight, round, budget, rows, accuracy,
    accuracy_original; see `sweep.run` and, for ``featurizer: retrained``, `retrained.run`.
    """
    if study.featurizer == "retrained" and set(study.refinements) != {"plain"}:
        raise InputError("A study with featurizer: retrained takes refinements: [plain] only.")
    dataset = load(study.dataset, study.data_folder)
    run = _retrained if study.featurizer == "retrained" else _frozen

    def compute_sweep():
        table = pd.concat(run(study, dataset), ignore_index=True)
        for place, name in enumerate(("study", "dataset", "transformation")):
            table.insert(place, name, getattr(study, name))
        return table

    return _stored_table(study, dataset, "sweep.parquet", sweep_key(study, dataset), compute_sweep)


def sweep_key(study, dataset):
    """Key of the sweep: features of every replicate, scoring and sweeping parameters, and code."""
    module, function = ("retrained", _retrained) if study.featurizer == "retrained" else ("sweep", _frozen)
    functions = (function, Study.sweep_settings)
    return _depends(study, [module], functions, SCORING + SWEEPING, **_upstream(study, dataset, "policies"))


def _frozen(study, dataset):
    del dataset
    for r, replicate in enumerate(tqdm(features(study), "sweep", leave=False)):
        settings = study.sweep_settings(replicate.set.n)
        table = run_sweep(replicate.set, settings, study.seed_sequence(r, "policies"))
        table.insert(0, "replicate", r)
        yield table


def _retrained(study, dataset):
    for r, replicate in enumerate(features(study)):
        sample = study.split_of(dataset, r)
        network = partial(new_featurizer, study, r)
        problem = retrained.Problem(sample, study.augmentation(), replicate.set, network, study.folder / "retrained")
        settings = study.sweep_settings(replicate.set.n)
        code = _code("retrained", functions=(_retrained,))
        key = artifacts.key(features=features_key(study, dataset, r), C=study.C, code=code)
        table = retrained.run(problem, settings, study.seed_sequence(r, "policies"), key)
        table.insert(0, "replicate", r)
        yield table


def virtual_support_vectors(study):
    """The VSV baseline of every replicate: a row each, in the sweep's columns, written to ``vsv.parquet``."""
    dataset = load(study.dataset, study.data_folder)
    key = _depends(study, ["vsv"], (), ("C",), **_upstream(study, dataset, "vsv"))

    def compute_vsv():
        rows = [vsv.run(f.set, study.C, study.seed_of(r, "vsv")) for r, f in enumerate(features(study))]
        return pd.concat(rows, ignore_index=True).assign(replicate=np.arange(len(rows)))

    return _stored_table(study, dataset, "vsv.parquet", key, compute_vsv)


def sweeps_found():
    """Sweep tables of all studies that have been run, by name of their folder in outputs/."""
    found = sorted(paths.outputs().glob("*/sweep.parquet"))
    return {path.parent.name: artifacts.read_table(path) for path in found}
