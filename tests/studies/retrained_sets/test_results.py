import numpy as np
import pytest

from influaug.errors import InputError
from influaug.networks.repeated import batched, shuffled
from influaug.selection import policies
from influaug.selection.greedy import Candidates
from influaug.selection.rules import SetOptions
from studies.retrained_sets import results
from studies.retrained_sets.arms import Replicate, chosen, whole
from studies.retrained_sets.parameters import IN_ROUNDS, WHOLE, RetrainedSets

QUICK = {"n_train": 40, "updates": 5, "warm_updates": 2, "batch_size": 16, "batch_of_all": 32, "replicates": 2}
pytestmark = pytest.mark.slow


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("INFLUAUG_OUTPUTS", str(tmp_path))
    return RetrainedSets(retrained_sets="quick", arms=["none", "random_copies", "greedy_influence"], every=1, **QUICK)


def test_a_policy_s_arm_is_a_training_on_its_choice(study):
    """Against the steps written out: features of the network of 'none', the choice, a training anew."""
    r = Replicate(study, 1)
    found = chosen(r, "greedy_influence", 0.05)
    images, labels = r.rows
    training = r.training()

    def train(rows):
        training.renew(r.network)
        order = batched((rows[epoch] for epoch in shuffled(len(rows), r.rng("order"))), 5, 16)
        training.train((images[batch], labels[batch]) for batch in order)

    train(np.arange(40))
    features = training.features(images)
    candidates = Candidates(features[:40], labels[:40], features[40:], np.repeat(np.arange(40), 4))
    copies = policies.choose("greedy_influence", candidates, [8], SetOptions(), r.rng("policy"))[0]
    train(np.append(np.arange(40), 40 + copies))
    sample = study.split(1)
    tests = [sample.images_test, *study.augmentation()(sample.images_test)]
    hits = [training.model.predict_on_batch(each).argmax(axis=1) == sample.labels_test for each in tests]
    assert found["accuracy"] == pytest.approx(100 * np.mean(hits), abs=1e-9)
    assert found["accuracy_original"] == pytest.approx(100 * np.mean(hits[0]), abs=1e-9)
    assert found["added"] == 8 and found["updates"] == 5
    assert found["passes"] == pytest.approx(2 * 5 * 16 + 200 / 3)


def test_every_arm_starts_from_the_replicate_s_weights_and_makes_as_many_updates(study):
    r = Replicate(study, 0)
    made = {arm: whole(r, arm) for arm in WHOLE} | {arm: chosen(r, arm, 0.1) for arm in IN_ROUNDS}
    assert {arm for arm, found in made.items() if found["updates"] != 5} == {"on_the_fly_longer"}
    assert made["all"]["passes"] == 5 * 32 and made["all_small_batch"]["passes"] == made["on_the_fly"]["passes"] == 80
    # Two epochs of 40 rows are scored before each: 200 rows forward, twice.
    assert made["choice_in_training"]["passes"] == pytest.approx(80 + 2 * 200 / 3)
    assert made["on_the_fly_longer"]["passes"] == pytest.approx(made["choice_in_training"]["passes"], abs=8)
    assert made["rounds"]["passes"] == pytest.approx(4 * 80 + 3 * 200 / 3)
    assert made["warm_rounds"]["passes"] == pytest.approx(80 + 5 * 2 * 16 + 5 * 200 / 3)
    assert [made[arm]["added"] for arm in ("none", "all", "rounds")] == [0, 160, 16]


def test_on_the_fly_takes_one_version_of_each_point_in_an_epoch(study):
    from studies.retrained_sets import arms

    r = Replicate(study, 0)
    epochs = arms._EPOCHS["on_the_fly"](r, None)
    rows = np.array([next(epochs) for _ in range(200)])
    source = np.append(np.arange(40), r.pool.source)
    assert all(sorted(source[epoch]) == [*range(40)] for epoch in rows)
    assert np.mean(rows < 40) == pytest.approx(1 / 5, abs=0.02)


def test_results_are_stored_and_kept_apart(study, monkeypatch):
    found = results.results(study)
    assert list(found["arm"]) == ["none", "random_copies", "greedy_influence"] * 2
    monkeypatch.setattr(results, "whole", lambda *_: pytest.fail("computed again"))
    monkeypatch.setattr(results, "chosen", lambda *_: pytest.fail("computed again"))
    assert results.results(study).equals(found)
    other = study.model_copy(update={"C": 1.0})
    monkeypatch.setattr(RetrainedSets, "folder", study.folder)
    assert results.stored(other, 0, "greedy_influence", 0.05) is None
    assert results.stored(other, 0, "none", None) is not None
    assert results.stored(study, 0, "random_copies", 0.1) is None


def test_a_page_that_trains_nothing_shows_what_there_is(study):
    shown = study.model_copy(update={"train": False})
    with pytest.raises(InputError, match="no results yet"):
        results.results(shown)


def test_differences_are_paired_and_few_replicates_get_no_verdict(study):
    found = results.results(study)
    wide = found.pivot(index="replicate", columns="arm", values="accuracy")
    gap = results.difference(found, ("greedy_influence", 0.05), ("none", None))
    assert gap["mean"] == pytest.approx((wide["greedy_influence"] - wide["none"]).mean()) and gap["replicates"] == 2
    assert results.verdict(gap) == "too few replicates"
    assert results.verdict({"mean": 1.0, "half_width": 0.5, "replicates": 5}) == "more"
    assert results.verdict({"mean": -0.4, "half_width": 0.5, "replicates": 5}) == "open"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"arms": ["best"]}, "unknown policy"),
        ({"arms": ["none", "none"]}, "each arm once"),
        ({"shares": [0.0]}, "above 0"),
    ],
)
def test_wrong_parameters_are_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        RetrainedSets.of({"retrained_sets": "wrong", **wrong})
