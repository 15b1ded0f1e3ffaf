"""Networks trained anew on chosen copies, to see whether a choice that was made on frozen features survives.

The copies are chosen on frozen features; then a fresh network is trained on the originals and those copies, and its
features get a head of their own, as in `influaug.retrained`.
"""

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from . import artifacts, heads, logistic, set_shown, stages
from .data import load

REFERENCES = {"none": 0.0, "full": 1.0}


def table(study):
    """Accuracies of retrained networks: none and full augmentation, and each policy of ``retrained`` at one share.

    Parameters
    ----------
    study : set_study.SetStudy
        With ``retrained`` and ``retrained_share``; its base study must train networks of its own.

    Returns
    -------
    DataFrame
        Columns replicate, policy, share, added, accuracy (all test rows), accuracy_original. Kept model by model in
        ``replicates/``.
    """
    base = study.base()
    dataset = load(base.dataset, base.data_folder)
    jobs = [*REFERENCES.items(), *((policy, study.retrained_share) for policy in study.retrained)]
    rows = []
    for r in tqdm(set_shown.replicates(study), "retrain", total=base.replicates):
        key = artifacts.key(
            parameters=study.model_dump(include={"C", "wrong_labels", "pool", "clusters", "refit_every", "seed"}),
            features=stages.features_key(base, dataset, r.number),
            code=artifacts.code_key("influaug.set_sweep", functions=(_chosen, _trained)),
        )
        rows += [_kept(study, r, policy, share, key) for policy, share in jobs]
    return pd.DataFrame(rows)


def _kept(study, r, policy, share, key):
    path = study.folder / "replicates" / f"retrained-{r.number:02d}-{policy}-{share:g}.json"
    found = artifacts.read_json(path)
    if found is None or found["key"] != key:
        about = {"replicate": r.number, "policy": policy, "share": share}
        artifacts.write_json(path, {"key": key, "row": {**about, **_trained(r, _chosen(r, policy, share))}})
        found = artifacts.read_json(path)
    return found["row"]


def _chosen(r, policy, share):
    m = len(r.candidates.source)
    if policy in REFERENCES:
        return np.arange(round(share * m))
    return set_shown.picks(r, policy, max(1, round(share * m)))


def _trained(r, copies):
    """Train a network on the originals and some copies, and test it on the test images and all their copies."""
    labels = np.append(r.features.labels[: r.features.n], r.candidates.labels[r.candidates.source[copies]])
    images = np.concatenate([r.sample.images, set_shown.images(r, copies)]) if len(copies) else r.sample.images
    network = stages.new_featurizer(r.study.base(), r.number).fit(images, labels)
    theta = logistic.fit(network.transform(images), labels, np.ones((1, len(labels))), r.study.C).theta
    tests = [r.sample.images_test, *r.transformation(r.sample.images_test)]
    hits = [_hits(network, theta, test, r.sample.labels_test) for test in tests]
    return {"added": len(copies), "accuracy": float(np.mean(hits)), "accuracy_original": float(np.mean(hits[0]))}


def _hits(network, theta, images, labels):
    return heads.predict(heads.with_intercept(network.transform(images)), theta)[0] == labels
