import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from influaug.errors import InputError
from studies.copies import page as set_shown
from studies.copies import retrained as set_retrained
from studies.copies import summary as set_summary
from studies.points import stages
from studies.points.study import Study

pytestmark = pytest.mark.slow


def test_a_network_is_trained_on_the_originals_and_the_chosen_copies(r):
    s = r.study.model_copy(update={"retrained": ["influence"], "retrained_share": 0.05})
    found = set_retrained.table(s)
    assert list(found["policy"]) == ["none", "full", "influence"] * 2
    assert list(found["added"]) == [0, 320, 16] * 2
    copies = set_shown.picks(r, "influence", 16)
    made = [r.transformation(r.sample.images[[c // 4]])[c % 4, 0] for c in copies]
    images = np.concatenate([r.sample.images, made])
    labels = np.append(r.features.labels[:80], r.features.labels[:80][copies // 4])
    network = stages.new_featurizer(s.base(), 0).fit(images, labels)
    head = LogisticRegression(C=10, solver="newton-cholesky", tol=1e-8).fit(network.transform(images), labels)
    tests = np.concatenate([r.sample.images_test, *r.transformation(r.sample.images_test)])
    hits = head.predict(network.transform(tests)) == np.tile(r.sample.labels_test, 5)
    row = found.iloc[2]
    assert row["accuracy"] == pytest.approx(hits.mean(), abs=2 / len(hits))
    assert row["accuracy_original"] == pytest.approx(hits[: len(r.sample.labels_test)].mean(), abs=2 / len(hits))


def test_trained_networks_are_not_trained_again(r, monkeypatch):
    s = r.study.model_copy(update={"retrained": ["random_copies"], "retrained_share": 0.1})
    first = set_retrained.table(s)
    monkeypatch.setattr(stages, "new_featurizer", lambda *_: pytest.fail("trained again"))
    assert set_retrained.table(s).equals(first)


def test_differences_are_paired(r):
    s = r.study.model_copy(update={"retrained": ["influence", "random_copies"]})
    found = set_retrained.table(s)
    shown = set_summary.retrained(found)
    wide = found.pivot(index="replicate", columns="policy", values="accuracy")
    gap = 100 * (wide["random_copies"] - wide["influence"]).mean()
    assert shown.loc["random_copies", "less influence"].startswith(f"{gap:+.2f}")
    assert shown.loc["influence", "less influence"] == "" and shown.loc["none", "replicates"] == 2


def test_a_network_that_was_trained_beforehand_is_not_retrained(r, monkeypatch):
    monkeypatch.setattr(Study, "trained_network", "some.keras")
    with pytest.raises(InputError, match=r"trained beforehand.*retrained must be empty"):
        set_retrained.table(r.study.model_copy(update={"retrained": ["influence"]}))
