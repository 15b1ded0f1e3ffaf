"""The findings of the front page: their numbers are those of the tables, and what is not there is left out."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from factorials import made_up
from influaug.files import sealed
from studies.factorial.parameters import Factorial
from studies.front import findings, picture
from studies.intervals import FEWEST, Gap
from studies.storage import artifacts

N = 6


def sets_table(outputs, name, policies, seed=0):
    """Write a table of sets with made-up accuracies; returns it in percent, replicates by (policy, share)."""
    rng, rows = np.random.default_rng(seed), []
    for replicate in range(N):
        for policy in (*policies, "none", "full"):
            for share in {"none": [0.0], "full": [1.0]}.get(policy, [0.01, 0.05, 0.1]):
                about = {"replicate": replicate, "policy": policy, "share": share, "added": 100 * share}
                rows.append(about | {"wrong": rng.uniform(), "accuracy": rng.uniform(0.9, 1)})
    table = pd.DataFrame(rows)
    artifacts.write_table(outputs / "sets" / name / "sets.parquet", artifacts.manifest("k"), table)
    return 100 * table.pivot(index="replicate", columns=["policy", "share"], values="accuracy")


def retrained(outputs, n=N, study="mnist-translate", arms=findings.RETRAINED):
    rng, accuracies = np.random.default_rng(1), {}
    for arm, share in (*arms, ("all", None)):
        accuracies[arm] = rng.uniform(98, 99, n)
        for replicate, accuracy in enumerate(accuracies[arm]):
            name = arm if share is None else f"{arm}-{share:g}"
            path = outputs / "retrained_sets" / study / f"replicate-{replicate:02d}" / f"{name}.json"
            sealed.write_json(path, {"accuracy": accuracy, "passes": 4.0 if arm == "all" else 1.0})
    return accuracies


POLICIES = ("greedy_influence", "influence", "gradmatch", "craig", "badge", "worst_copy")


def words(differences):
    """What a finding says of paired differences, by SciPy."""
    low, high = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    return f"{np.mean(differences):+.2f} ± {(high - low) / 2:.2f}"


def test_without_results_there_is_nothing_to_say(tmp_path):
    assert findings.findings(tmp_path) == [] and picture.draw(tmp_path) is None


def test_numbers_of_sets_are_paired_by_replicate(tmp_path):
    policies = (*POLICIES, "random_copies")
    found = sets_table(tmp_path, "mnist-translate-rivals", policies)
    [finding] = findings.findings(tmp_path)
    for policy in ("greedy_influence", "influence"):
        assert words(found[policy, 0.05] - found["full", 1.0]) in finding.text
    for policy in POLICIES[2:]:
        assert words(found["greedy_influence", 0.01] - found[policy, 0.01]) in finding.text
    assert f"{N} replicates" in finding.data


def test_what_was_found_is_confirmed_on_pairs_that_chose_nothing(tmp_path):
    sets_table(tmp_path, "mnist-translate-rivals", POLICIES)
    assert "chose nothing" not in findings.frozen(tmp_path).data
    found = sets_table(tmp_path, "mnist-79-translate-rivals", POLICIES, seed=4)
    less = words(found["greedy_influence", 0.05] - found["full", 1.0])
    craig, worst = (words(found["greedy_influence", 0.01] - found[each, 0.01]) for each in ("craig", "worst_copy"))
    assert findings.frozen(tmp_path).data.endswith(f"are {less}, {craig} and {worst} (7 against 9)")


def test_colour_stands_beside_grey_digits(tmp_path):
    retrained(tmp_path)
    arms = (("rounds", 0.1), ("random_copies", 0.1), ("on_the_fly", None))
    found = retrained(tmp_path, study="cifar10-mixed", arms=(*arms, ("all_small_batch", None)))
    text = findings.retrained(tmp_path).text.partition(" In colour")[2]
    for arm, _ in arms:
        assert words(found[arm] - found["all"]) in text
    assert f"three rounds less all copies {words(found['rounds'] - found['all_small_batch'])}." in text
    gain = stats.ttest_1samp(found["rounds"] - found["random_copies"], 0).confidence_interval(0.95)
    assert ("is not shown to help" in text) == (gain[0] <= 0)


def test_networks_of_ten_digits_stand_beside_those_of_two(tmp_path):
    retrained(tmp_path)
    assert "With ten digits" not in findings.retrained(tmp_path).text
    found = retrained(tmp_path, study="mnist-ten-translate", arms=(("rounds", 0.05), ("on_the_fly", None)))
    text = findings.retrained(tmp_path).text.partition(" With ten digits")[2]
    for arm in ("rounds", "on_the_fly"):
        assert words(found[arm] - found["all"]) in text


def test_the_other_studies_of_sets_are_read_too(tmp_path):
    many = sets_table(tmp_path, "mnist-ten-translate", ("greedy_influence", "influence"))
    wrong = sets_table(tmp_path, "mnist-translate-wrong", ("greedy_influence", "influence"), seed=2)
    of_many, of_wrong = findings.findings(tmp_path)
    assert words(many["greedy_influence", 0.1] - many["full", 1.0]) in of_many.text
    assert words(wrong["influence", 0.05] - wrong["full", 1.0]) in of_wrong.text


def test_numbers_of_networks_trained_anew(tmp_path):
    found = retrained(tmp_path)
    [finding] = findings.findings(tmp_path)
    for arm in ("rounds", "greedy_influence", "on_the_fly"):
        assert words(found[arm] - found["all"]) in finding.text
    assert "(which takes 4 times the image passes of copies on the fly, and choosing in rounds 1 times)" in finding.text
    assert finding.href == "retrained_sets/mnist-translate/pages/17_retrained_sets.html"


def test_few_replicates_say_nothing(tmp_path):
    retrained(tmp_path, n=FEWEST - 1)
    assert findings.findings(tmp_path) == []


@pytest.mark.parametrize("gain", [0.0, 1.0])
def test_a_family_is_called_learned_only_where_that_is_shown(tmp_path, gain):
    rng = np.random.default_rng(5)
    errors = {arm: rng.uniform(2, 3, N) for arm in ("hand", "learned", "learned-untrained")}
    for arm, more in (("learned-permuted", gain), ("strength", 1.0)):
        errors[arm] = errors["learned"] + more + 0.1 * np.linspace(-1, 1, N)
    for arm, values in errors.items():
        for replicate, error in enumerate(values):
            folder = tmp_path / "learned" / "mnist-1pct-rivals" / f"replicate-{replicate:02d}"
            rows = [{"round": k, "kept": k == (replicate > 3)} for k in range(2)]
            sealed.write_json(folder / f"{arm}.json", {"arm": arm, "error": error, "machine": "a"})
            sealed.write_json(folder / "learned-learned.json", {"seconds": 1.0, "trajectory": rows})
    text = findings.learned(tmp_path).text
    assert words(errors["learned"] - errors["hand"]) in text
    less = words(errors["learned"] - errors["learned-untrained"])
    strength = words(errors["learned"] - errors["strength"])
    said = f"is not shown: the end less the start is {less}, less one strength {strength}, and in 4 of {N} replicates"
    assert (said in text) == (gain == 0)


def test_the_arms_on_cifar_stand_beside_those_on_mnist(tmp_path):
    rng, errors = np.random.default_rng(8), {}
    for name, arms in (("mnist", ("hand", "recipe")), ("cifar10", ("control", "recipe", "randaugment"))):
        for arm in arms:
            errors[name, arm] = rng.uniform(2, 3, N)
            for replicate, error in enumerate(errors[name, arm]):
                path = tmp_path / "learned" / f"{name}-1pct-rivals" / f"replicate-{replicate:02d}" / f"{arm}.json"
                sealed.write_json(path, {"arm": arm, "error": error, "machine": "a"})
    text = findings.learned(tmp_path).text.partition(" On 500 images")[2]
    for arm in ("recipe", "randaugment"):
        assert words(errors["cifar10", arm] - errors["cifar10", "control"]) in text
    assert f"{N} replicates" in text and "learned" not in text and "test loss" not in text
    losses = {arm: rng.uniform(1, 2, N) for arm in ("learned", "learned-untrained")}
    for arm, each in losses.items():
        for replicate, loss in enumerate(each):
            path = tmp_path / "learned" / "cifar10-1pct-rivals" / f"replicate-{replicate:02d}" / f"{arm}.json"
            sealed.write_json(path, {"arm": arm, "error": 2.0, "loss": loss, "machine": "a"})
    text = findings.learned(tmp_path).text
    assert f"test loss what is learned is {words(losses['learned'] - losses['learned-untrained'])} nats" in text


def test_arms_are_paired_within_a_machine(tmp_path):
    rng, errors = np.random.default_rng(3), {}
    for arm in ("hand", "recipe"):
        errors[arm] = rng.uniform(2, 3, 8)
        for replicate, error in enumerate(errors[arm]):
            path = tmp_path / "learned" / "mnist-1pct-rivals" / f"replicate-{replicate:02d}" / f"{arm}.json"
            machine = "b" if arm == "recipe" and replicate == 7 else "a"
            sealed.write_json(path, {"arm": arm, "error": error, "machine": machine})
    [finding] = findings.findings(tmp_path)
    assert words((errors["recipe"] - errors["hand"])[:7]) in finding.text
    assert f"({words((errors['recipe'] - errors['hand'])[2:7])} without the two replicates whose" in finding.text


def test_the_released_code_stands_beside_the_papers_setting(tmp_path):
    study = Factorial(dataset="cifar10", classes=["automobile", "airplane"], transformations=["translate", "rotate"])
    gains = {"C": 0.3, "moves": 0.9, "preprocessing": 0.7}
    table = made_up(study, lambda row, rng: 0.2 + sum(gain * row[name] for name, gain in gains.items()))
    about = artifacts.manifest("k", parameters=study.model_dump(exclude={"data_folder"}))
    artifacts.write_table(tmp_path / "factorial" / "cifar10" / "factorial.parquet", about, table)
    [finding] = findings.findings(tmp_path)
    assert "CIFAR-10 (JPEG) +0.20 ± 0.00 and +2.10 ± 0.00, published +1.0, the change +0.70 ± 0.00 by a" in finding.text
    assert "+0.90 ± 0.00 by diagonal moves, +0.30 ± 0.00 by C." in finding.text and "6 splits" in finding.data
    assert "NORB" not in finding.text


def test_a_rounded_zero_has_no_minus():
    assert str(Gap(-0.001, 0.08, 16)) == "+0.00 ± 0.08"


def test_the_picture_says_what_it_shows(tmp_path):
    policies = (*POLICIES, "random_copies")
    sets_table(tmp_path, "mnist-translate-rivals", policies)
    accuracies = retrained(tmp_path)
    found = picture.draw(tmp_path)
    assert (tmp_path / found["file"]).read_bytes().startswith(b"\x89PNG")
    assert f"over {N} replicates" in found["caption"]
    assert words(accuracies["rounds"] - accuracies["all"]) in found["alt"]


@pytest.mark.parametrize("missing", ["sets", "retrained"])
def test_the_picture_needs_both_halves(tmp_path, missing):
    if missing == "sets":
        retrained(tmp_path)
    else:
        sets_table(tmp_path, "mnist-translate-rivals", POLICIES)
    assert picture.draw(tmp_path) is None
