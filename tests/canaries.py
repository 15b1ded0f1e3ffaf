"""Canaries: what every stage computes in a tiny case, kept with the stage's version in canaries.json.

A test compares. When code below a stage has been edited, ``make canaries`` (this file as a script) computes the tiny
cases again: where they give the same numbers the version still speaks for the code, and its fingerprint is accepted;
where they do not, the version must be raised first, so that results of the old code are not served as the new one's.
"""

import json
import os
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np

from eagerly import untraced
from influaug.selection.point_policies import POINT_POLICIES
from influaug.selection.policies import RIVALS, names
from influaug.selection.scores import SCORES
from problems import problem
from studies.copies import retrained as set_retrained
from studies.copies import study as set_study
from studies.copies.study import SetStudy
from studies.dear import problems as dear_problems
from studies.dear import results as dear_copies
from studies.dear.parameters import DearCopies
from studies.factorial import features as factorial_features
from studies.factorial import networks as factorial_networks
from studies.factorial import results as factorial_results
from studies.factorial.parameters import Factorial
from studies.factorial.problem import Problem
from studies.labels import results as label_study
from studies.learned import results as comparison
from studies.learned.parameters import ARMS, OF_NETWORKS, Comparison
from studies.learned.rivals import LEARNED_OPERATIONS
from studies.learned.rivals import RIVALS as RIVALS_OF_LEARNING
from studies.own import cross_validation, material
from studies.own.parameters import OwnData
from studies.points import retrained, stages
from studies.points import support_vectors as vsv
from studies.points.feature_set import FeatureSet
from studies.points.study import Study
from studies.retrained_sets import results as anew
from studies.retrained_sets.parameters import IN_ROUNDS, WHOLE, RetrainedSets
from studies.storage import keys, paths

KEPT = Path(__file__).with_name("canaries.json")
EXACT, TRAINED = 1e-7, 2e-2
"""Relative tolerances: of what NumPy computes, and of what networks compute, which differs with the processor."""
DIGITS = {"n_train": 40, "epochs": 2, "batch_size": 16, "budgets": [4, 20], "rounds": 2, "replicates": 1}
QUICK = {"n_train": 60, "steps": 3, "fold_steps": 2, "folds": 2, "learning_steps": 2, "pretraining_steps": 1}
QUICK |= {"network_steps": 2, "replicates": 2}
LEARNED = Comparison(comparison="canary", **QUICK)


def made_up(n_classes=2, n=40, k=3, d=6):
    """A feature set: points and test points of a noisy linear model, their copies a little beside them."""
    rng = np.random.default_rng(n_classes)
    x, y = problem(seed=n_classes, n=2 * n, d=d, n_classes=n_classes)
    copies = np.repeat(x, k, axis=0) + 0.5 * rng.normal(size=(2 * n * k, d))
    labels = np.append(y[:n], np.repeat(y[:n], k)), np.append(y[n:], np.repeat(y[n:], k))
    train, test = np.vstack([x[:n], copies[: n * k]]), np.vstack([x[n:], copies[n * k :]])
    return FeatureSet(train, labels[0], n, test, labels[1], n)


def numbers(table, *columns):
    """Columns of a table as lists."""
    return {name: table[name].astype(float).tolist() for name in columns}


def features(folder):
    found = {}
    # Batch normalisation leaves the biases before it no gradient but rounding, which Adam makes whole steps of: after
    # one step of resnet20 processors differ by a thousandth, after six by a tenth.
    one_step = {"epochs": 1, "batch_size": DIGITS["n_train"]}
    for transformation, network, more in (
        ("translate", "lenet", {}),
        ("rotate", "released-cnn", {}),
        ("crop", "resnet20", one_step),
    ):
        chosen = DIGITS | more
        study = Study(study=f"canary-{network}", transformation=transformation, network=network, **chosen)
        (one,) = stages.features(study)
        found[network] = [*one.set.train.mean(axis=0)[:8].tolist(), float(np.abs(one.set.test).mean()), one.set.k]
    return found


def shared_features(folder):
    study = Study(study="canary", **DIGITS)
    stages.features(study)
    network = study.folder / "features" / "replicate-00.keras"
    (one,) = stages.features(Study(study="canary-shared", **(DIGITS | {"network": str(network), "replicates": 1})))
    return {"train": one.set.train.mean(axis=0)[:8].tolist(), "indices": one.indices.tolist()}


def scored(folder):
    study = Study(study="canary", scores=list(SCORES), **DIGITS)
    tables = [stages._scores(study, 0, stages.Features(made_up(c), np.arange(40), 0.0, {})) for c in (2, 3)]
    return {f"{c}": numbers(table, "initial", "final") for c, table in zip((2, 3), tables, strict=True)}


def swept(folder):
    chosen = DIGITS | {"scores": list(SCORES), "policies": list(POINT_POLICIES), "update_every": 3}
    study = Study(study="canary", **chosen)
    return {f"{c}": numbers(stages._swept(study, 0, made_up(c)), "accuracy", "accuracy_original") for c in (2, 3)}


def retrained_sweep(folder):
    study = Study(
        study="canary", featurizer="retrained", refinements=["plain"], **(DIGITS | {"rounds": 1, "epochs": 1})
    )
    sample = study.split(0)
    table = stages._retrained_sweep(study, sample, made_up(), 0, "canary")
    return numbers(table, "budget", "rows")


def retrained_set(folder):
    study = Study(study="canary", **DIGITS)
    sample, transformation = study.split(0), study.augmentation()
    network = stages.new_featurizer(study, 0)
    return retrained.train_and_test(network, sample.images, sample.labels, sample, transformation, study.C)


def support_vectors(folder):
    return {
        f"{c}": numbers(vsv.fit_with_support_vectors(made_up(c), 10.0, 0), "accuracy", "budget", "svm_C")
        for c in (2, 3)
    }


def sets(folder):
    # A k-DPP that draws more points than there are features draws from the null space of its kernel, whose basis
    # differs with the processor; with as many features as points there is none. The order of policies decides their
    # seeds, so the others keep their places.
    drawn = ["k_dpp", "k_dpp_influence"]
    own = [name for name in names() if name not in RIVALS]
    kinds = {"": (own, 6), "rivals ": (list(RIVALS), 6), "drawn ": (drawn, 40)}
    chosen = {"shares": [0.05, 0.2], "wrong_labels": 0.05, "clusters": 8, "refit_every": 8}
    found = {}
    for c, more in ((2, {}), (3, {"rare_class": 1, "rare_share": 0.5})):
        for kind, (policies, d) in kinds.items():
            study = SetStudy(sets="canary", policies=policies, **chosen, **more)
            table = set_study._computed(study, made_up(c, d=d), 0)
            if kind != "drawn ":
                table = table[~table["policy"].isin(drawn)]
            found[f"{kind}{c}"] = numbers(
                table, "added", "touched", "generated", "wrong", "accuracy", "accuracy_original"
            )
    return found


def retrained_sets(folder):
    params = folder / "params"
    params.mkdir()
    (params / "canary.yaml").write_text(json.dumps({"study": "canary", **DIGITS}))
    kept, paths.PARAMS = paths.PARAMS, params
    try:
        study = SetStudy(sets="canary", study="canary", retrained=["greedy_influence"], retrained_share=0.1)
        return numbers(set_retrained.retrained_table(study), "added", "accuracy", "accuracy_original")
    finally:
        paths.PARAMS = kept


def anew_in(arms):
    quick = {"n_train": 40, "updates": 4, "warm_updates": 2, "batch_size": 16, "every": 1, "replicates": 1}
    return numbers(anew.results(RetrainedSets(retrained_sets="canary", arms=arms, **quick)), *anew.MEASURED[:-1])


def anew_whole(folder):
    return anew_in(list(WHOLE))


def anew_chosen(folder):
    return anew_in(["random_copies", "influence", "greedy_influence", *IN_ROUNDS])


def own_tables(**more):
    chosen = OwnData(own="canary", n_train=60, epochs=2, folds=3, repeats=1, shares=[0.1], **more)
    return cross_validation.tables(chosen, material.of(chosen))


def own_transformations(folder):
    return numbers(own_tables(transformations=["rotate"]).transformations, "added", "accuracy", "on_copies")


def own_shares(folder):
    return numbers(own_tables(transformations=[]).shares, "added", "accuracy", "accuracy_original")


def own_retrained(folder):
    table = own_tables(transformations=[], retrained="lenet", retrained_epochs=2).retrained
    return numbers(table, "added", "steps", "accuracy", "on_copies")


def labels(folder):
    study = label_study.LabelStudy(
        labels="canary", n_train=120, n_test=50, components=6, classes=[3, 8], policies=["influence"], replicates=2
    )
    found, chosen = label_study.tables(study)
    found = found[~found["method"].str.startswith("cleanlab")]
    return numbers(found, "auc", "average", "recall") | numbers(chosen, "left_out", "wrong", "accuracy")


def dear(folder):
    study = DearCopies(dear="canary", policies=["random_copies", "greedy_influence"], clicks=[5, 20], trees=5)
    found, rng = {}, np.random.default_rng(0)
    for c in (2, 3):
        f = made_up(c)
        x, labels = {"features": f.train, "pixels": f.train[:, :3]}, f.labels[f.n :]
        tests = {"features": f.test, "pixels": f.test[:, :3]}
        right = dear_problems.Problem(f, np.zeros(len(labels), bool), x, tests, f.test_labels)
        damaged, mislabelled, others = dear_problems.drawn(labels, 0.2, rng)
        images = rng.integers(0, 256, (len(damaged), 8, 9, 1))
        seen = dear_problems.scrambled(images, rng)[:, :6, 0, 0] / 64
        problem = dear_problems.with_spoilt(right, damaged, seen, mislabelled, others)
        found[f"{c}"] = numbers(dear_copies.measured(study, problem, 0), "clicks", "rows", *study.learners)
    return found


def factorial_problem():
    study = Factorial(factorial="canary", n_train=20, epochs=1, replicates=1)
    return Problem(study, study.load_data())


def networks_of_halves(folder):
    problem = factorial_problem()
    records = [factorial_networks.record_of(problem, network) for network in (0, 1)]
    means = [
        factorial_networks.featurizer_of(problem, network, fed).transform(problem.images[:9]).mean(axis=1).tolist()
        for network, fed in ((0, "right"), (1, "uncentred"))
    ]
    return {
        "first": [half[:9].tolist() for half in problem.halves],
        "n": [r["n_train"] for r in records],
        "means": means,
    }


def features_of_factorial(folder):
    problem = factorial_problem()
    factorial_networks.record_of(problem, 0)
    kinds = [None, *problem.study.copies()]
    fed = ("right", "uncentred", "right")
    parts = [factorial_features.part(problem, 0, each, kind) for each, kind in zip(fed, kinds, strict=True)]
    return {f"{i}": [*part.mean(axis=0)[:8].tolist(), len(part)] for i, part in enumerate(parts)}


def cells_of_factorial(folder):
    study = Factorial(factorial="canary", n_train=40, share=0.1)
    tables = [factorial_results.measure(study, made_up(c), C, 0) for c in (2, 3) for C in study.C]
    points = {"samples": [sample.indices[:9].tolist() for sample in factorial_problem().samples[0]]}
    return {f"{i}": numbers(table, "accuracy", "accuracy_original") for i, table in enumerate(tables)} | points


def arms(chosen):
    return {arm: [comparison.result(LEARNED, 0, arm)[name] for name in ("error", "loss")] for arm in chosen}


def learned_ranges(folder):
    return arms([arm for arm in ARMS if arm not in (*OF_NETWORKS, *RIVALS_OF_LEARNING, *LEARNED_OPERATIONS)])


def learned_rivals(folder):
    chosen = ["recipe", "trivial", "randaugment", "sigma-0.7", "learned", "learned-permuted", "strength", "augerino"]
    chosen += ["learned-per-class", "learned-per-image"]
    found = {arm: comparison.result(LEARNED, 0, arm) for arm in chosen}
    return {arm: [each[name] for name in comparison.MEASURES] for arm, each in found.items()}


def learned_networks(folder):
    return arms(["network", "as_published", "wgan-gp"])


CANARIES = {
    stages.FEATURES: (features, TRAINED),
    stages.SHARED_FEATURES: (shared_features, TRAINED),
    stages.SCORES: (scored, EXACT),
    stages.SWEEP: (swept, EXACT),
    stages.RETRAINED_SWEEP: (retrained_sweep, TRAINED),
    stages.RETRAINED_SET: (retrained_set, TRAINED),
    stages.SUPPORT_VECTORS: (support_vectors, EXACT),
    set_study.SETS: (sets, EXACT),
    set_retrained.RETRAINED_SETS: (retrained_sets, TRAINED),
    anew.RETRAINED_WHOLE: (anew_whole, TRAINED),
    anew.RETRAINED_CHOSEN: (anew_chosen, TRAINED),
    label_study.LABELS: (labels, EXACT),
    dear_copies.DEAR: (dear, EXACT),
    factorial_networks.NETWORKS_OF_HALVES: (networks_of_halves, TRAINED),
    factorial_features.FACTORIAL_FEATURES: (features_of_factorial, TRAINED),
    factorial_results.CELLS: (cells_of_factorial, EXACT),
    cross_validation.STAGES["transformations"]: (own_transformations, TRAINED),
    cross_validation.STAGES["shares"]: (own_shares, TRAINED),
    cross_validation.STAGES["retrained"]: (own_retrained, TRAINED),
    comparison.ARMS_WITHOUT_NETWORKS: (learned_ranges, TRAINED),
    comparison.NETWORK_ARMS: (learned_networks, TRAINED),
    comparison.RIVAL_ARMS: (learned_rivals, TRAINED),
}
"""Of every stage: its tiny case, and the tolerance."""
LEARNED_STAGES = (comparison.ARMS_WITHOUT_NETWORKS, comparison.NETWORK_ARMS, comparison.RIVAL_ARMS)


def computed(stage):
    """What a stage computes in its tiny case, in a folder of its own."""
    kept = os.environ.get("INFLUAUG_OUTPUTS")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["INFLUAUG_OUTPUTS"] = folder
        try:
            return computed_in(Path(folder), stage)
        finally:
            os.environ.pop("INFLUAUG_OUTPUTS")
            if kept is not None:
                os.environ["INFLUAUG_OUTPUTS"] = kept


def computed_in(folder, stage):
    """What a stage computes in its tiny case in the outputs folder that was set, its numbers as JSON has them."""
    with untraced() if stage in LEARNED_STAGES else nullcontext():
        return json.loads(json.dumps(CANARIES[stage][0](folder)))


def complaint(stage, compute=computed):
    """What is to be done about a stage that computes other numbers than its version did, or None."""
    kept = json.loads(KEPT.read_text())[stage.name]
    if kept["version"] != stage.version:
        return f"The version of stage {stage.name!r} was raised: run make canaries."
    wrong = difference(kept["numbers"], compute(stage), CANARIES[stage][1])
    return wrong and f"Stage {stage.name!r} gives other numbers ({wrong}): raise its version, then run make canaries."


def difference(kept, found, tolerance, where=""):
    """Where two results differ first, in words; None if they do not."""
    if isinstance(kept, dict):
        # Cases of entries that were added to a registry are new, and those kept before are compared.
        if not kept.keys() <= found.keys():
            return f"{where}has {', '.join(found)}, not {', '.join(kept)}"
        places = (difference(kept[name], found[name], tolerance, f"{where}{name}.") for name in kept)
        return next(filter(None, places), None)
    a, b = np.asarray(kept, dtype=float), np.asarray(found, dtype=float)
    if a.shape != b.shape:
        return f"{where[:-1]} has {b.size} numbers, not {a.size}"
    wrong = np.flatnonzero(~np.isclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True).ravel())
    return f"{where[:-1]} is {b.ravel()[wrong[0]]}, not {a.ravel()[wrong[0]]}" if len(wrong) else None


def main(names):
    """Compute canaries, keep them and accept the code's fingerprints, or say which versions to raise.

    Without names, of all stages whose code is not the accepted one or whose version was raised.
    """
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    accepted = json.loads(keys.ACCEPTED.read_text()) if keys.ACCEPTED.exists() else {}
    wrong = []
    for stage in CANARIES:
        if stage.name in names or (not names and (stage.edits or stage.name not in kept)):
            now, same = computed(stage), kept.get(stage.name, {}).get("version") == stage.version
            found = difference(kept[stage.name]["numbers"], now, CANARIES[stage][1]) if same else None
            sys.stderr.write(f"{stage.name}: {'other numbers' if found else 'the same' if same else 'a new version'}\n")
            if found:
                wrong.append(f"Stage {stage.name!r} gives other numbers ({found}): raise its version, {stage.version}.")
                continue
            numbers = {**now, **kept[stage.name]["numbers"]} if same else now
            kept[stage.name] = {"version": stage.version, "numbers": numbers}
            accepted[stage.name] = {"version": stage.version, **asdict(stage.fingerprint())}
    for path, content in ((KEPT, kept), (keys.ACCEPTED, accepted)):
        names = [stage.name for stage in CANARIES if stage.name in content]
        path.write_text(json.dumps({name: content[name] for name in names}, indent=1) + "\n")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main(sys.argv[1:])
