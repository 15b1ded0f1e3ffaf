"""Tables of a person's own data: parts that leak nothing, results that are kept, and rivals on the same test points."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from influaug.data.transformations import expand
from influaug.data.trivial_augment import trivial_augment
from influaug.errors import InputError
from studies.own import cross_validation, material, split
from studies.own.parameters import ALL_POINTS, OwnData
from studies.storage import paths

pytestmark = pytest.mark.slow

SMALL = {"own": "small", "n_train": 60, "epochs": 2, "folds": 3, "repeats": 2, "shares": [0.05, 0.2]}
SMALL |= {"policy": "influence", "transformations": ["translate", "crop"]}


class Pixels:
    """Pixels as features; remembers what it was fitted to."""

    seen: ClassVar[list] = []

    def fit(self, images, labels):
        Pixels.seen.append({image.tobytes() for image in images})
        return self

    def transform(self, images):
        return images[:, ::3, ::3].reshape(len(images), -1) / 255.0


@pytest.fixture
def own(monkeypatch):
    monkeypatch.setattr(OwnData, "featurizer", lambda self, replicate: Pixels())
    monkeypatch.setattr(material, "_check_network", lambda *_: None)
    Pixels.seen.clear()
    return OwnData(**SMALL)


def fitted(x, y):
    return LogisticRegression(C=10.0, tol=1e-8, max_iter=10_000).fit(x, y)


def test_the_committed_parameters_are_the_defaults_and_name_every_one():
    for name in ("digits", "mnist"):
        path = paths.PARAMS / "own" / f"{name}.yaml"
        lines = [line for line in path.read_text().splitlines() if line and line[0] != "#"]
        assert [line.split(":")[0] for line in lines] == list(OwnData.model_fields)
        assert all("  # " in line for line in lines)
        assert OwnData.read(path).folder == paths.outputs() / "own" / name
    assert OwnData.read(paths.PARAMS / "own" / "digits.yaml") == OwnData()
    assert OwnData(seed=1).folder.parent == paths.outputs() / "variations"


def test_results_go_where_the_readme_says_wherever_the_parameters_lie(tmp_path):
    path = tmp_path / "elsewhere.yaml"
    path.write_text("own: mine\nn_train: 60\n")
    assert OwnData.read(path).folder == paths.outputs() / "own" / "mine"
    path.write_text("own: digits\nn_train: 60\n")
    assert OwnData.read(path).folder.parent == paths.outputs() / "variations"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"shares": [0.1, 0.05]}, "shares: must rise"),
        ({"shares": [0.5, 1]}, "below 1"),
        ({"policy": "greedy"}, "greedy_influence"),
        ({"network": "alexnet"}, "network: must be lenet"),
        ({"folds": 2}, "folds"),
        ({"repeats": 0}, "repeats"),
        ({"judge": "me"}, "judge"),
        ({"transformations": ["rotate", "rotate"]}, "each once"),
        ({"transformations": ["all"]}, "for transformation alone"),
        ({"retrained": "alexnet"}, "retrained: must be all-cnn"),
        ({"colour": 1}, "Unknown parameter colour"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(wrong, right):
    with pytest.raises(InputError, match=right):
        OwnData.of(wrong)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ({"transformation": "rotate", "magnitudes": [0.0]}, "rotate takes"),
        ({"magnitudes": [1.0, 2.0]}, "one number of pixels"),
        ({"transformations": ["no-such"]}, "no-such"),
        ({"transformation": "no-such"}, "no-such"),
        ({"n_train": 4}, "Class '.*' has 2 training points.*fewer folds"),
        ({"shares": [0.001, 0.002]}, "rising numbers of copies"),
        ({"transformation": "translate", "magnitudes": [40.0]}, "at least 41 pixels"),
    ],
)
def test_what_does_not_fit_the_images_is_refused_before_a_network_is_trained(own, wrong, right):
    with pytest.raises(InputError, match=right):
        material.of(own.model_copy(update=wrong))
    assert Pixels.seen == []


def test_images_that_are_equal_or_too_small_are_refused(tmp_path):
    labels = np.arange(40) % 2
    for side, value, right in ((12, 7, "are equal"), (9, None, "at least 12 pixels")):
        images = np.random.default_rng(0).integers(0, 255, (40, side, side)).astype(np.uint8)
        images = images if value is None else np.full_like(images, value)
        np.savez(tmp_path / "x.npz", x_train=images, y_train=labels, x_test=images[:4], y_test=labels[:4])
        given = {"data": str(tmp_path / "x.npz"), "classes": None, "n_train": None, "transformations": []}
        with pytest.raises(InputError, match=right):
            material.of(OwnData(**given, magnitudes=[1.0]))


def test_a_part_is_trained_and_tested_as_described(own):
    brought = material.of(own)
    points = brought.points
    found = cross_validation.cross_validated(own, brought)
    of_all = list(split.parts(own, points.labels))
    assert len(of_all) == len(Pixels.seen) == 6
    for repeat in (of_all[:3], of_all[3:]):
        assert sorted(np.concatenate([part.held_out for part in repeat])) == list(range(60))
    assert not np.array_equal(of_all[0].held_out, of_all[3].held_out)
    trivial = trivial_augment(4, own.seed_of(ALL_POINTS, "trivial"))
    changes = {"translate": own.augmentation("translate"), "crop": own.augmentation("crop"), "trivial_augment": trivial}
    for part, trained in zip(of_all, Pixels.seen, strict=True):
        assert trained == {image.tobytes() for image in points.images[part.train]}
        x_test, y_test = Pixels().transform(points.images[part.held_out]), points.labels[part.held_out]
        of_part = found.transformations[found.transformations["part"] == part.number].set_index("arm")
        assert list(of_part.index) == ["none", *changes]
        images, labels = points.images[part.train], points.labels[part.train]
        none = fitted(Pixels().transform(images), labels)
        for arm, change in changes.items():
            copies = expand(images, labels, change)
            x = Pixels().transform(np.concatenate([images, copies.images]))
            model = fitted(x, np.append(labels, copies.labels))
            tested = expand(points.images[part.held_out], y_test, change)
            row = of_part.loc[arm]
            ours = row[["accuracy", "on_copies", "none_on_copies"]].tolist()
            on_copies = Pixels().transform(tested.images)
            theirs = [
                m.score(*xy)
                for m, xy in (
                    (model, (x_test, y_test)),
                    (model, (on_copies, tested.labels)),
                    (none, (on_copies, tested.labels)),
                )
            ]
            assert ours == pytest.approx(theirs, abs=1.5 / len(y_test)) and row["added"] == len(copies.labels)
        shares = found.shares[found.shares["part"] == part.number].set_index(["policy", "share"])
        assert shares.loc[("full", 1.0), "accuracy_original"] == of_part.loc["translate", "accuracy"]
        assert shares.loc[("none", 0.0), "accuracy_original"] == of_part.loc["none", "accuracy"]
        added = shares["added"].unstack("policy").loc[own.shares]
        assert (added["trivial_augment"] == added["random_copies"]).all()


def test_what_is_there_is_kept_and_more_repeats_or_another_choice_only_add(own, monkeypatch):
    brought = material.of(own)
    assert cross_validation.kept(own, brought) is None
    whole = cross_validation.cross_validated(own, brought)
    again = cross_validation.kept(own, brought)
    for one, other in zip(vars(whole).values(), vars(again).values(), strict=True):
        pd.testing.assert_frame_equal(one, other) if one is not None else None
    trained = len(Pixels.seen)
    more = own.model_copy(update={"repeats": 3, "own": "small"})
    assert cross_validation.kept(more, material.of(more)) is None
    longer = cross_validation.cross_validated(more, material.of(more))
    assert len(Pixels.seen) == trained + 3
    first = longer.shares[longer.shares["part"] < 6].reset_index(drop=True)
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), whole.shares.drop(columns="seconds"))
    other = own.model_copy(update={"transformation": "crop", "magnitudes": [1.0, 2.0, 3.0, 4.0]})
    made = []
    monkeypatch.setattr(
        cross_validation, "compared", lambda *given: made.append(given[-1]) or whole.transformations.head(1)
    )
    cross_validation.cross_validated(other, material.of(other))
    assert "translate" not in made and "crop" in made


def test_a_run_that_was_stopped_goes_on_where_it_was(own, monkeypatch):
    brought, by_share = material.of(own), cross_validation.by_share

    def stopping(own, material, part, features):
        if part.number == 2:
            raise KeyboardInterrupt
        return by_share(own, material, part, features)

    monkeypatch.setattr(cross_validation, "by_share", stopping)
    with pytest.raises(KeyboardInterrupt):
        cross_validation.cross_validated(own, brought)
    assert len(Pixels.seen) == 3
    monkeypatch.setattr(cross_validation, "by_share", by_share)
    cross_validation.cross_validated(own, brought)
    assert len(Pixels.seen) == 3 + 4  # the third again, for its shares


def test_features_are_standardised_by_the_training_points_of_each_part(tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = rng.normal(size=(60, 5)) * [1, 10, 100, 1, 1] + y[:, None]
    copies = x[:, None] + 0.1 * rng.normal(size=(60, 4, 5))
    np.savez(tmp_path / "f.npz", X=x, y=y, copies=copies, names=np.array(["a", "a", "b", "b"]))
    given = {"data": str(tmp_path / "f.npz"), "classes": None, "n_train": None, "transformations": [], "shares": [0.2]}
    own = OwnData(**given, transformation="all", folds=3, repeats=2, policy="influence")
    brought = material.of(own)
    found = cross_validation.cross_validated(own, brought)
    assert set(found.shares["policy"]) == {"none", "full", "influence", "random_copies"}
    for part in split.parts(own, y):
        scale = StandardScaler().fit(x[part.train])
        rows = np.vstack([x[part.train], copies[part.train][:, 2:].reshape(-1, 5)])
        model = fitted(scale.transform(rows), np.append(y[part.train], np.repeat(y[part.train], 2)))
        theirs = model.score(scale.transform(x[part.held_out]), y[part.held_out])
        ours = found.transformations.query(f"part == {part.number} and arm == 'b'")["accuracy"].item()
        assert ours == pytest.approx(theirs, abs=1.5 / 20)
