"""Networks retrained on chosen copies, to test whether choices made on frozen features also help a new network.

The copies are chosen on frozen features. Then a new network is trained on the originals and those copies, and a new
head is fitted to its features, as in `studies.points.retrained`.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from influaug.errors import InputError
from influaug.files import sealed

from ..points import retrained, stages
from ..storage import artifacts
from ..storage.keys import Stage
from . import picks
from .study import SetStudy

REFERENCE_SHARES = {"none": 0.0, "full": 1.0}


def retrained_table(study: SetStudy) -> pd.DataFrame:
    """Accuracies of retrained networks: no and full augmentation, and each policy of ``retrained`` at one share.

    Parameters
    ----------
    study : SetStudy
        Its ``retrained`` and ``retrained_share`` name the policies and their share.

    Returns
    -------
    DataFrame
        Columns replicate, policy, share, added, accuracy (on all test rows), accuracy_original. The result of each
        model is stored in ``replicates/``.

    Raises
    ------
    InputError
        The base study's network was trained beforehand, or the study has a rare class.
    """
    base = study.base()
    if base.trained_network is not None:
        raise InputError(
            f"The features of study {study.study} come from a network that was trained beforehand, so no network can "
            "be retrained; retrained must be empty."
        )
    dataset = base.load_data()
    jobs = [*REFERENCE_SHARES.items(), *((policy, study.retrained_share) for policy in study.retrained)]
    rows = []
    for r in tqdm(picks.replicates(study), "retrain", total=base.replicates):
        key = RETRAINED_SETS.key(study, features=stages.features_key(base, dataset, r.number))
        rows += [_kept(study, r, policy, share, key) for policy, share in jobs]
    return pd.DataFrame(rows)


def _kept(study, r, policy, share, key):
    path = study.folder / "replicates" / f"retrained-{r.number:02d}-{policy}-{share:g}.json"
    found = sealed.read_json(path)
    if found is None or found["key"] != key:
        row = {"replicate": r.number, "policy": policy, "share": share, **_trained(r, _chosen(r, policy, share))}
        found = artifacts.manifest(key, row=row)
        sealed.write_json(path, found)
    return found["row"]


def _chosen(r, policy, share):
    m = len(r.candidates.source)
    if policy in REFERENCE_SHARES:
        return np.arange(round(share * m))
    return picks.picked(r, policy, max(1, round(share * m)))


def _trained(r, copies):
    labels = np.append(r.features.labels[: r.features.n], r.candidates.labels[r.candidates.source[copies]])
    images = np.concatenate([r.sample.images, picks.images(r, copies)]) if len(copies) else r.sample.images
    trained = stages.new_featurizer(r.study.base(), r.number).fit(images, labels)
    network = stages.as_fed(r.study.base(), trained, r.sample.images)
    tested = retrained.head_tested(network, images, labels, r.sample, r.transformation, r.study.C)
    return {"added": len(copies), **tested}


RETRAINED_SETS = Stage("retrained sets", 1, ("choice",), (_chosen, _trained, SetStudy.settings))
