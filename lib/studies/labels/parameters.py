"""Parameters of the page on doubtful labels, and the points with known wrong labels that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import field_validator
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

from influaug.data.datasets import Classes, split
from influaug.data.transformations import expand
from influaug.selection.copies import copies_by_point
from influaug.selection.policies import policy_of

from ..parameters import NOTHING, Experiment, Number, Sides, name_parameter, parameter
from ..points.study import Study

if TYPE_CHECKING:
    from influaug.data.transformations import Transformation

KINDS = ("uniform", "one_way")


class LabelStudy(Experiment):
    """Parameters of the page on doubtful labels; the defaults are the small embedded case. See params/labels/."""

    kind: ClassVar[str] = "labels"
    purposes: ClassVar[tuple[str, ...]] = ("sample", "network", "noise", "folds", "policies")

    labels: str = name_parameter("digits", "study of labels")
    dataset: str = parameter(
        "digits", "an .npz, a folder of images, or digits, mnist, cifar10, cifar100, small-norb", "points"
    )
    data_folder: str | None = parameter(None, "where data files lie; else INFLUAUG_DATA, else a cache folder", NOTHING)
    image_size: Sides | None = parameter(None, "a folder's pictures are resized to it; null: not", "points", later=True)
    channels: int | None = parameter(None, "1 (grey) or 3: what a folder's become; null: as is", "points", later=True)
    skip_bad: bool = parameter(False, "leave out files of a folder that cannot be used", "points", later=True)
    classes: Classes | None = parameter(None, "what becomes label 0, 1, ...; null for all classes", "points")
    n_train: int = parameter(600, "points that get wrong labels, stratified", "points", ge=20)
    n_test: int = parameter(1000, "most test images", "points", ge=10)
    features: Literal["pixels", "network"] = parameter(
        "pixels", "principal components of the pixels, or a network trained on as many other images", "points"
    )
    components: int = parameter(20, "principal components", "points", ge=1)
    network: str = parameter("lenet", "lenet, released-cnn, resnet20, resnet56", "points")
    epochs: int = parameter(45, "epochs that the network trains", "points", ge=1)
    transformation: str = parameter("translate", "translate, rotate or crop: how copies are made", "points")
    noises: list[Literal[KINDS]] = parameter(list(KINDS), "uniform, one_way", "table", min_length=1)  # type: ignore[valid-type]
    shares: list[Number] = parameter([0.1], "of the points, that get a wrong label", "table", min_length=1)
    policies: list[str] = parameter(
        ["loss", "influence", "greedy_influence"], "policies of copies, with the guard and without it", "table"
    )
    budget: Number = parameter(0.05, "share of the copies, or of the points, that they choose", "table", gt=0, lt=1)
    C: Number = parameter(10.0, "inverse regularisation strength of the policies and of the head", "table", gt=0)
    replicates: int = parameter(3, "repetitions of everything with a sample of their own", NOTHING, ge=2)
    seed: int = parameter(0, "all randomness comes from here", "points", ge=0)

    @field_validator("shares")
    @classmethod
    def _between(cls, shares):
        if not all(0 < share <= 0.25 for share in shares) or len(set(shares)) < len(shares):
            raise ValueError("must be above 0 and at most 0.25, each once")
        return shares

    @field_validator("policies")
    @classmethod
    def _known(cls, names):
        for name in names:
            policy_of(name)
        return names

    def augmentation(self) -> Transformation:
        """The transformation that makes the copies."""
        return Study(dataset=self.dataset, transformation=self.transformation).augmentation()

    def points(self, replicate: int) -> Points:
        """The points of a replicate, with their right labels."""
        return points(self, replicate)


@dataclass(frozen=True)
class Points:
    """Points of a replicate with their right labels, their copies, and a test set.

    Attributes
    ----------
    images : array of uint8 [n, height, width, channels]
    labels : int array [n]
        The right ones.
    names : tuple of str
        Of the classes.
    x : array [n, d]
        Features.
    copies : array [n, k, d]
    x_test : array [t, d]
        Of test images and all their copies.
    y_test : int array [t]
    """

    images: np.ndarray
    labels: np.ndarray
    names: tuple[str, ...]
    x: np.ndarray
    copies: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def points(s: LabelStudy, replicate: int) -> Points:
    """The points of a replicate: see `LabelStudy.points`."""
    seed = s.seed_of(replicate, "sample")
    with_others = s.features == "network"
    sample = split(s.load_data(), s.classes, s.n_train * (2 if with_others else 1), "stratified", seed)
    mine, others = np.arange(len(sample.labels)), None
    if with_others:
        mine, others = train_test_split(mine, train_size=s.n_train, stratify=sample.labels, random_state=seed)
    images, labels = sample.images[mine], sample.labels[mine]
    featurize = _by_network(s, replicate, sample, others) if with_others else _by_pixels(s, images)
    made = expand(images, labels, s.augmentation())
    test = np.random.default_rng(seed).permutation(len(sample.labels_test))[: s.n_test]
    images_test, labels_test = sample.images_test[test], sample.labels_test[test]
    made_test = expand(images_test, labels_test, s.augmentation())
    return Points(
        images,
        labels,
        sample.class_names,
        featurize(images),
        copies_by_point(featurize(made.images), made.source, len(labels)),
        featurize(np.concatenate([images_test, made_test.images])),
        np.append(labels_test, made_test.labels),
    )


def _by_pixels(s, images):
    def flat(pictures):
        return pictures.reshape(len(pictures), -1) / 255.0

    found = PCA(min(s.components, *flat(images).shape), random_state=0).fit(flat(images))
    return lambda pictures: found.transform(flat(pictures))


def _by_network(s, replicate, sample, others):
    """A network that was trained on other images of the data set, with their right labels."""
    # Keras takes many seconds to import, and a page that finds its tables on disk needs it only for its pictures.
    from influaug.networks.featurizer import KerasFeaturizer

    network = KerasFeaturizer(s.network, s.epochs, seed=s.seed_of(replicate, "network"))
    return network.fit(sample.images[others], sample.labels[others]).transform


def wrong_labels(
    labels: np.ndarray, kind: str, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Give a share of the points a wrong label: the labels [n], and which are wrong, bool [n].

    Parameters
    ----------
    labels : int array [n]
        0 .. n_classes - 1.
    kind : {'uniform', 'one_way'}
        Any points, with any other label alike; or points of the classes 0, 2, 4, ..., each with the label of the next
        class, so that no mistake goes the other way.
    share : float
        Of all points. At most half of the points of the classes 0, 2, 4, ... get the label of the next.
    rng : numpy.random.Generator
    """
    n, n_classes = len(labels), int(labels.max()) + 1
    pool = np.arange(n) if kind == "uniform" else np.flatnonzero((labels % 2 == 0) & (labels + 1 < n_classes))
    most = n if kind == "uniform" else len(pool) // 2
    wrong = np.isin(np.arange(n), rng.choice(pool, min(round(share * n), most), replace=False))
    step = rng.integers(1, n_classes, n) if kind == "uniform" else 1
    return np.where(wrong, (labels + step) % n_classes, labels), wrong
