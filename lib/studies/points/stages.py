"""The stages of a study: functions that compute results from a `Study` and store them.

Each function returns the stored result if everything that it depends on is unchanged, and otherwise computes and
writes it. So a notebook that is opened alone computes missing upstream results, and in the batch it finds them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from hashlib import sha256
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from influaug.errors import InputError
from influaug.files import sealed, writing
from influaug.selection.scores import ScoreOptions, compute
from influaug.solver import engines, heads, logistic
from influaug.solver.heads import Head

from ..pages.escaping import markdown_text
from ..storage import artifacts, paths
from ..storage.keys import Stage
from . import retrained
from . import support_vectors as vsv
from .feature_set import FeatureSet, row_weights
from .study import Study
from .sweep import sweep_points

if TYPE_CHECKING:
    from collections.abc import Iterable

    from influaug.data.datasets import Dataset, Split
    from influaug.data.transformations import Transformation
    from influaug.networks.featurizer import KerasFeaturizer

BLOCK = 500


@dataclass(frozen=True)
class Features:
    """Features of one replicate, and the data needed to show its points.

    Attributes
    ----------
    set : FeatureSet
    indices : int array [n]
        Indices of the sampled points in the data set's training part.
    accuracy : float
        Accuracy of the network's own head on the test originals. For a network trained beforehand it is the accuracy
        recorded in its file, on the data of its training, or NaN.
    history : dict of str to array [epochs]
        The network's training curves.
    """

    set: FeatureSet
    indices: np.ndarray
    accuracy: float
    history: dict


def _about(study, key, dataset, started, **more):
    seconds = round(perf_counter() - started, 2)
    return artifacts.manifest(key, parameters=study.model_dump(), data=dataset.provenance, seconds=seconds, **more)


def _stored_table(study, dataset, name, key, compute):
    path = study.folder / name
    table = artifacts.read_table(path, key)
    if table is None:
        # Refuse an engine that the environment asks for and this machine lacks before any network is trained.
        engines.engine_of()
        started = perf_counter()
        table = compute()
        artifacts.write_table(path, _about(study, key, dataset, started), table)
    return table


def new_featurizer(study: Study, replicate: int) -> KerasFeaturizer:
    """The study's trained network, or an unfitted featurizer with its training parameters and the replicate's seed."""
    # Imported here because Keras takes many seconds to import, and stages that find their features do not need it.
    from influaug.networks.featurizer import KerasFeaturizer

    if study.trained_network:
        return KerasFeaturizer.load(study.trained_network)
    seed = study.seed_of(replicate, "network")
    return KerasFeaturizer(study.network, study.epochs, study.batch_size, study.learning_rate, seed)


def as_fed(study: Study, network: KerasFeaturizer, images: np.ndarray) -> KerasFeaturizer:
    """A fitted featurizer whose network is fed as the study's ``preprocessing`` says.

    Parameters
    ----------
    study : Study
    network : influaug.networks.featurizer.KerasFeaturizer
    images : uint8 [n, height, width, channels]
        Their mean is the mean image: the data set's training part, or the sample that the network was trained on.
    """
    if study.preprocessing == "right":
        return network
    # It comes with Keras.
    from influaug.networks.uncentred import mean_image, uncentred_featurizer

    return uncentred_featurizer(network, mean_image(images))


def features(study: Study) -> list[Features]:
    """Features of every replicate: list of `Features`; ``features.json`` marks them as complete.

    Each replicate's network is trained on its own sample of originals and stored (``features/replicate-NN.keras``)
    beside its features (``replicate-NN.npz``). A network trained beforehand computes the features of all points that
    any replicate samples in one pass (``features/shared.npz``).
    """
    dataset = study.load_data()
    if study.trained_network:
        found = _shared_features(study, dataset)
    else:
        found = [_own_features(study, dataset, r) for r in tqdm(range(study.replicates), "featurize", leave=False)]
    keys = [features_key(study, dataset, r) for r in range(study.replicates)]
    path, content = study.folder / "features.json", {"keys": keys, "data": dataset.provenance}
    if sealed.read_json(path) != content:
        sealed.write_json(path, content)
    return found


def features_key(study: Study, dataset: Dataset, replicate: int) -> str:
    """Key of one replicate's features: data, sample, transformation, network and its training."""
    shared = study.trained_network is not None
    purposes = ("sample",) if shared else ("sample", "network")
    return (SHARED_FEATURES if shared else FEATURES).key(
        study,
        data=dataset.provenance["sha256"],
        seeds=[study.seed_of(replicate, purpose) for purpose in purposes],
        network=sha256(study.trained_network.read_bytes()).hexdigest() if shared else None,  # type: ignore[union-attr]
    )


def upstream(study: Study, dataset: Dataset, purpose: str | None = None) -> dict[str, list]:
    """Keys of every replicate's features and, given a purpose, its seeds: the part of a key for upstream results."""
    replicates = range(study.replicates)
    keys = {"upstream": [features_key(study, dataset, r) for r in replicates]}
    return keys if purpose is None else {**keys, "seeds": [study.seed_of(r, purpose) for r in replicates]}


def _own_features(study, dataset, replicate):
    path = study.folder / study.feature_files[replicate]
    key, compute = features_key(study, dataset, replicate), partial(_featurize, study, dataset, replicate)
    return _stored_features(study, dataset, path, key, compute)


def _shared_features(study, dataset):
    writing.check_whole(study.trained_network)
    path = study.folder / study.feature_files[0]
    key = sealed.key(**upstream(study, dataset))
    shared = _stored_features(study, dataset, path, key, partial(_featurize_shared, study, dataset))
    samples = [study.split_of(dataset, r).indices for r in range(study.replicates)]
    return [_of_points(shared, np.searchsorted(shared.indices, indices)) for indices in samples]


def _of_points(shared, points):
    """Features of a replicate's training points, taken from the shared ones."""
    f = shared.set
    rows = np.append(points, f.n + (f.k * points[:, None] + np.arange(f.k)).ravel())
    return replace(
        shared,
        set=replace(f, train=f.train[rows], labels=f.labels[rows], n=len(points)),
        indices=shared.indices[points],
    )


def _stored_features(study, dataset, path, key, compute):
    arrays = sealed.read_arrays(path, key)
    if arrays is None:
        started = perf_counter()
        writing.clear_folders(path.with_suffix(".keras"))
        with writing.writing(path):
            arrays = compute(path)
        sealed.write_arrays(path, _about(study, key, dataset, started), **arrays)
    history = {name.removeprefix("history_"): arrays[name] for name in arrays if name.startswith("history_")}
    n, n_test = int(arrays["n"]), int(arrays["n_test"])
    parts = (arrays["train"], arrays["labels"], n, arrays["test"], arrays["test_labels"], n_test)
    return Features(FeatureSet(*parts), arrays["indices"], float(arrays["accuracy"]), history)


def _featurize(study, dataset, replicate, path):
    sample = study.split_of(dataset, replicate)
    study.augmentation().check(sample.images)
    network = new_featurizer(study, replicate).fit(sample.images, sample.labels)
    network.save(path.with_suffix(".keras"))
    accuracy = network.score(sample.images_test, sample.labels_test)
    return _arrays(study, as_fed(study, network, sample.images), sample, accuracy)


def _featurize_shared(study, dataset, path):
    """Compute and write the features of all points that any replicate samples."""
    del path
    # All replicates use the same network, so a point in several samples needs to pass through it only once.
    samples = [study.split_of(dataset, r) for r in range(study.replicates)]
    indices, first = np.unique(np.concatenate([s.indices for s in samples]), return_index=True)
    labels = np.concatenate([s.labels for s in samples])[first]
    points = replace(samples[0], images=dataset.images_train[indices], labels=labels, indices=indices)
    # It comes with Keras.
    from influaug.networks.compact import read_record

    record = read_record(study.trained_network) or {}
    network = as_fed(study, new_featurizer(study, 0), dataset.images_train)
    return _arrays(study, network, points, record.get("test_accuracy", np.nan))


def _arrays(study, network, sample, accuracy):
    found = feature_set(network, sample, study.augmentation())
    return {
        **{field.name: getattr(found, field.name) for field in fields(found)},
        "indices": sample.indices,
        "accuracy": accuracy,
        **{f"history_{name}": np.asarray(values) for name, values in network.history_.items()},
    }


def feature_set(network: KerasFeaturizer, sample: Split, transformation: Transformation) -> FeatureSet:
    """Features of a sample's training and test images and of all their copies."""
    k = len(transformation)
    return FeatureSet(
        originals_and_copies(network, sample.images, transformation),
        np.append(sample.labels, np.repeat(sample.labels, k)),
        len(sample.labels),
        originals_and_copies(network, sample.images_test, transformation),
        np.append(sample.labels_test, np.repeat(sample.labels_test, k)),
        len(sample.labels_test),
    )


def originals_and_copies(network: KerasFeaturizer, images: np.ndarray, transformation: Transformation) -> np.ndarray:
    """Features of the images, then of all their copies, point by point: [n + n k, d].

    Copies are made and featurized for one block of points at a time, so that memory never holds all copies.
    """
    blocks = []
    for start in range(0, len(images), BLOCK):
        copies = transformation(images[start : start + BLOCK])
        blocks.append(network.transform(np.swapaxes(copies, 0, 1).reshape(-1, *images.shape[1:])))
    return np.vstack([network.transform(images), *blocks])


_SAMPLED = (originals_and_copies, feature_set, Study.split_of, Study.augmentation)
FEATURES = Stage("features", 1, ("sample", "copies", "network", "preprocessing"), (_featurize, _arrays, *_SAMPLED))
SHARED_FEATURES = Stage(
    "shared features", 1, ("sample", "copies", "preprocessing"), (_featurize_shared, _arrays, _of_points, *_SAMPLED)
)


def scores(study: Study) -> pd.DataFrame:
    """Every score of every point, before and after full augmentation.

    Returns
    -------
    DataFrame
        Columns replicate, point (index in the replicate's sample), index (in the data set), label, score, initial
        (under the model of the originals), final (under the model of originals and all copies).
        Written to ``scores.parquet``.
    """
    dataset = study.load_data()
    key = SCORES.key(study, **upstream(study, dataset))

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


def sweep(study: Study) -> pd.DataFrame:
    """Tidy table of the study's policy sweep, written to ``sweep.parquet``.

    Columns study, dataset, transformation, replicate, score, policy, update, downweight, round, budget, rows, accuracy,
    accuracy_original; see `sweep_points` and, for ``featurizer: retrained``, `sweep_retrained`.
    """
    if study.featurizer == "retrained" and set(study.refinements) != {"plain"}:
        raise InputError("A study with featurizer: retrained takes refinements: [plain] only.")
    dataset = study.load_data()
    run = _retrained if study.featurizer == "retrained" else _frozen

    def compute_sweep():
        table = pd.concat(run(study, dataset), ignore_index=True)
        about = {"study": study.study, "dataset": study.dataset, "transformation": study.transformation_words}
        for place, (name, value) in enumerate(about.items()):
            table.insert(place, name, value)
        return table

    return _stored_table(study, dataset, "sweep.parquet", sweep_key(study, dataset), compute_sweep)


def sweep_key(study: Study, dataset: Dataset) -> str:
    """Key of the sweep: features of every replicate, scoring and sweeping parameters."""
    stage = RETRAINED_SWEEP if study.featurizer == "retrained" else SWEEP
    return stage.key(study, **upstream(study, dataset, "policies"))


def _frozen(study, dataset):
    del dataset
    for r, replicate in enumerate(tqdm(features(study), "sweep", leave=False)):
        yield _swept(study, r, replicate.set)


def _swept(study, replicate, features):
    table = sweep_points(features, study.sweep_settings(features.n), study.seed_sequence(replicate, "policies"))
    table.insert(0, "replicate", replicate)
    return table


def _retrained(study, dataset):
    for r, replicate in enumerate(features(study)):
        # The key is that of one set of points and leaves out the sweep's settings, so that sweeps share results.
        key = RETRAINED_SET.key(study, features=features_key(study, dataset, r))
        yield _retrained_sweep(study, study.split_of(dataset, r), replicate.set, r, key)


def _retrained_sweep(study, sample, features, replicate, key):
    network, fed = partial(new_featurizer, study, replicate), partial(as_fed, study, images=sample.images)
    problem = retrained.Problem(sample, study.augmentation(), features, network, study.folder / "retrained", fed)
    settings = study.sweep_settings(features.n)
    table = retrained.sweep_retrained(problem, settings, study.seed_sequence(replicate, "policies"), key)
    table.insert(0, "replicate", replicate)
    return table


_SETTINGS = (Study.sweep_settings, Study.seed_sequence)
SCORES = Stage("scores", 1, ("head", "scores"), (_scores,))
SWEEP = Stage("sweep", 1, ("head", "scores", "sweep"), (_swept, *_SETTINGS))
RETRAINED_SWEEP = Stage("retrained sweep", 1, ("head", "scores", "sweep"), (_retrained_sweep, *_SETTINGS))
RETRAINED_SET = Stage(
    "retrained set", 1, ("head",), (new_featurizer, as_fed, retrained.train_and_test, Study.augmentation)
)


def virtual_support_vectors(study: Study) -> pd.DataFrame:
    """VSV baseline, one row for each replicate in the sweep's columns, written to ``vsv.parquet``."""
    dataset = study.load_data()
    key = SUPPORT_VECTORS.key(study, **upstream(study, dataset, "vsv"))

    def compute_vsv():
        rows = [
            vsv.fit_with_support_vectors(f.set, study.C, study.seed_of(r, "vsv")) for r, f in enumerate(features(study))
        ]
        return pd.concat(rows, ignore_index=True).assign(replicate=np.arange(len(rows)))

    return _stored_table(study, dataset, "vsv.parquet", key, compute_vsv)


SUPPORT_VECTORS = Stage("support vectors", 1, ("head",), (vsv.fit_with_support_vectors,))


def data_of(studies: Iterable[str]) -> str:
    """Data sets of the sweeps of some studies, as a Markdown list of titles, notes and studies."""
    of_data = {}
    for name in studies:
        data = _about_sweep(name)["data"]
        of_data.setdefault((data["title"], data["note"]), []).append(name)
    items = [map(markdown_text, (title, ", ".join(names), note)) for (title, note), names in of_data.items()]
    return "\n".join(f"* **{title}**: {names}. {note}" for title, names, note in items)


def studies_of(names: Iterable[str]) -> dict[str, Study]:
    """Parameters of sweeps that have been run, by name of their folder in outputs/."""
    return {name: Study.of(_about_sweep(name)["parameters"]) for name in names}


def _about_sweep(name):
    folder = next(f for f in (paths.outputs() / name, paths.outputs() / "variations" / name) if f.exists())
    return artifacts.read_manifest(folder / "sweep.parquet")


def sweeps_found() -> dict[str, pd.DataFrame]:
    """Sweep tables of all studies that have been run, by name of their folder in outputs/."""
    found = sorted(paths.outputs().glob("*/sweep.parquet"))
    return {path.parent.name: artifacts.read_table(path) for path in found}  # type: ignore[misc]
