r"""A person's own data: what to augment, and how much of it is enough, by cross-validation on the training part.

In each fold the network is trained on the fold's training points alone; the head is tested on the held-out points and
all their copies. Differences from full augmentation are paired by fold. Folds share training points, so the half width
of an interval over J of them is that of Nadeau & Bengio (2003, *Inference for the generalization error*),

.. math:: t_{J-1} \, s \, \sqrt{\frac 1J + \frac 1{J-1}},

with s the standard deviation over folds and 1 / (J - 1) the ratio of held-out to training points. Wide intervals reach
far: with few points or folds, a small budget may be called enough because nothing was shown against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from pydantic import ValidationError, field_validator
from scipy.stats import t as student
from sklearn.model_selection import StratifiedKFold
from tqdm.auto import tqdm

from influaug.data.datasets import Classes, Split, split
from influaug.data.lazy_copies import ChosenCopies
from influaug.data.transformations import Transformation, expand
from influaug.errors import InputError
from influaug.files import writing
from influaug.selection.copies import copies_by_point
from influaug.selection.policies import SetOptions, policy_of
from influaug.selection.selector import AugmentationSelector

from ..copies import sweep as set_sweep
from ..intervals import mean_interval
from ..pages import looks
from ..pages.escaping import title_and_note
from ..parameters import NOTHING, Experiment, Number, name_parameter, parameter
from ..points.feature_set import FeatureSet
from ..points.study import EVEN_AND_ODD, Study
from ..storage import artifacts
from ..storage.keys import Stage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from influaug._types import PathLike
    from influaug.networks.featurizer import KerasFeaturizer

ALL_POINTS = 0
"""Replicate, for seeds, of everything that is done on all training points; fold j is replicate j + 1."""
BESIDE = "random_copies"
"""The policy that the chosen one is shown beside."""
CHOSEN, OTHERS = "#009E73", "#999999"


class OwnData(Experiment):
    """Parameters of the page on your own data; the defaults are the small embedded case. See params/own/."""

    kind: ClassVar[str] = "own"
    purposes: ClassVar[tuple[str, ...]] = ("sample", "folds", "network", "policies")

    own: str = name_parameter("digits", "page on your own data")
    data: str = parameter("digits", "an .npz, a folder of images, or digits, mnist, cifar10, small-norb", "curve")
    data_folder: str | None = parameter(None, "where data files lie; else INFLUAUG_DATA, else a cache folder", NOTHING)
    classes: Classes | None = parameter(EVEN_AND_ODD, "what becomes label 0, 1, ...; null for all classes", "curve")
    n_train: int | None = parameter(600, "training points, stratified; null for all", "curve", ge=2)
    transformation: str = parameter("translate", "translate, rotate or crop: how copies are made", "curve")
    magnitudes: list[Number] | None = parameter(None, "pixels or degrees; null for the paper's appendix B", "curve")
    network: str = parameter("lenet", "lenet, released-cnn, resnet20, resnet56, or a trained network (.keras)", "curve")
    epochs: int = parameter(45, "epochs that the network trains, in every fold", "curve", ge=1)
    policy: str = parameter("greedy_influence", "what chooses; see influaug.selection.policies", "curve")
    shares: list[Number] = parameter([0.01, 0.03, 0.05, 0.1, 0.25], "of all copies, rising", "curve", min_length=1)
    C: Number = parameter(10.0, "inverse regularisation strength of the logistic regression", "curve", gt=0)
    folds: int = parameter(5, "of the cross-validation on the training points", "curve", ge=3)
    seed: int = parameter(0, "all randomness comes from here", "curve", ge=0)

    @field_validator("transformation", "magnitudes", "network")
    @classmethod
    def _as_in_a_study(cls, value, info):
        given = {"transformation": info.data.get("transformation", "translate"), info.field_name: value}
        try:
            Study(**given)
        except ValidationError as error:
            raise ValueError(error.errors()[0]["msg"].removeprefix("Value error, ")) from None
        return value

    @field_validator("policy")
    @classmethod
    def _known(cls, name):
        policy_of(name)
        return name

    @field_validator("shares")
    @classmethod
    def _rising(cls, shares):
        if shares != sorted(set(shares)) or not 0 < shares[0] <= shares[-1] < 1:
            raise ValueError("must rise, above 0 and below 1")
        return shares

    @property
    def dataset(self) -> str:
        """The data set's name or path."""
        return self.data

    def points(self) -> Split:
        """The training points and the test images: `data.Split`."""
        return split(
            self.load_data(),
            self.classes,
            self.n_train,
            "stratified",
            self.seed_of(ALL_POINTS, "sample"),
        )

    def augmentation(self) -> Transformation:
        """The `transformations.Transformation`."""
        return self._study().augmentation()

    def featurizer(self, replicate: int) -> KerasFeaturizer:
        """An unfitted featurizer with the seed of a replicate (see `ALL_POINTS`), or the trained network."""
        # Keras takes many seconds to import, and a page that finds its table on disk needs it only at the end.
        from influaug.networks.featurizer import KerasFeaturizer

        trained = self._study().trained_network
        if trained:
            return KerasFeaturizer.load(trained)
        return KerasFeaturizer(self.network, self.epochs, seed=self.seed_of(replicate, "network"))

    def data_key(self) -> str:
        """Key of everything that the cross-validation depends on."""
        trained = self._study().trained_network
        return CURVE.key(
            self,
            data=self.load_data().provenance["sha256"],
            network=sha256(trained.read_bytes()).hexdigest() if trained else None,
        )

    def _study(self):
        given = ("data_folder", "transformation", "magnitudes", "network", "epochs", "C", "seed")
        return Study(dataset=self.data, **{name: getattr(self, name) for name in given})


def about(own: OwnData) -> str:
    """Which data a page has, in a sentence or two of Markdown."""
    points, (title, note) = own.points(), title_and_note(own.load_data().provenance)
    return (
        f"**{title}: {len(points.labels)} training points of {len(points.class_names)} classes, "
        f"{len(own.augmentation())} copies of each, {len(points.labels_test):,} test images.** {note}"
    )


def cross_validated(own: OwnData) -> pd.DataFrame:
    """Accuracy on held-out points and their copies, by fold, policy and share; computed if it is missing.

    Returns
    -------
    DataFrame
        As `set_sweep.run`, with the column fold before. Kept in ``curve.parquet``.
    """
    wanted, path = own.data_key(), own.folder / "curve.parquet"
    found = artifacts.read_table(path, wanted)
    if found is None:
        found = pd.concat(_folds(own, own.points()), ignore_index=True)
        made = artifacts.manifest(wanted, parameters=own.model_dump(), data=own.points().provenance)
        artifacts.write_table(path, made, found)
    return found


def _folds(own, points):
    fewest = np.bincount(points.labels).min()
    if fewest < own.folds:
        raise InputError(
            f"Every class needs a point in each of the {own.folds} folds, but one has {fewest}; take fewer folds (3 or "
            "more) or more training points."
        )
    settings = set_sweep.SetSweepSettings(
        tuple(dict.fromkeys([own.policy, BESIDE])), tuple(own.shares), SetOptions(C=own.C)
    )
    parts = StratifiedKFold(own.folds, shuffle=True, random_state=own.seed_of(ALL_POINTS, "folds"))
    parts = parts.split(np.zeros(len(points.labels)), points.labels)
    for fold, (train, held_out) in enumerate(tqdm(parts, "folds", total=own.folds, leave=False)):
        network = own.featurizer(fold + 1).fit(points.images[train], points.labels[train])
        x, y, _ = _features(own, network, points.images[train], points.labels[train])
        x_test, y_test, _ = _features(own, network, points.images[held_out], points.labels[held_out])
        features = FeatureSet(x, y, len(train), x_test, y_test, len(held_out))
        found = set_sweep.run(features, settings, own.seed_sequence(fold + 1, "policies"))
        found.insert(0, "fold", fold)
        yield found


def _features(own, network, images, labels):
    """Features and labels of points and then of their copies, and the points of the copies."""
    copies = expand(images, labels, own.augmentation())
    both = np.concatenate([network.transform(images), network.transform(copies.images)])
    return both, np.append(labels, copies.labels), copies.source


CURVE = Stage("own data", 1, ("curve",), (_folds, OwnData.featurizer, OwnData.seed_of, Study.augmentation))


def budgets(table: pd.DataFrame, policy: str) -> pd.DataFrame:
    """What each share of copies gives, over folds, and how far it is from full augmentation.

    Parameters
    ----------
    table : DataFrame
        Of `cross_validated`.
    policy : str

    Returns
    -------
    DataFrame
        By share, with no augmentation at 0 and full at 1: copies, points (means over folds), mean, half_width,
        difference, difference_half_width (95%, see above), and reaches: whether the interval of the difference does.
    """
    full = table[table["policy"] == "full"].set_index("fold")["accuracy"]
    rows = {}
    for share, part in table[table["policy"].isin([policy, "none", "full"])].groupby("share"):
        part = part.set_index("fold")
        (mean, half), (gap, gap_half) = (corrected_interval(v) for v in (part["accuracy"], part["accuracy"] - full))
        rows[share] = {
            "copies": part["added"].mean(),
            "points": part["touched"].mean(),
            "mean": mean,
            "half_width": half,
            "difference": gap,
            "difference_half_width": gap_half,
            "reaches": gap + gap_half >= 0,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("share")


def corrected_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Mean over folds, and the half width of its interval with Nadeau & Bengio's correction; see above."""
    values = np.asarray(values, dtype=np.float64)
    m = len(values)
    return values.mean(), student.ppf(0.5 + level / 2, m - 1) * values.std(ddof=1) * np.sqrt(1 / m + 1 / (m - 1))


def enough(found: pd.DataFrame) -> float:
    """The smallest share of `budgets` whose interval reaches full augmentation's accuracy."""
    return float(found.index[found["reaches"]].min())


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """`budgets` as text, in percent."""

    def text(mean, half):
        return [f"{100 * m:.2f} ± {100 * h:.2f}" for m, h in zip(found[mean], found[half], strict=True)]

    return pd.DataFrame(
        {
            "share of copies": [f"{share:.0%}" if share >= 0.01 else f"{share:.1%}" for share in found.index],
            "copies": found["copies"].round().astype(int).to_numpy(),
            "points": found["points"].round().astype(int).to_numpy(),
            "accuracy (%)": text("mean", "half_width"),
            "less full augmentation's": text("difference", "difference_half_width"),
            "reaches it": np.where(found["reaches"], "yes", "no"),
        }
    )


@dataclass(frozen=True)
class Chosen:
    """What was chosen of all training points.

    Attributes
    ----------
    points : data.Split
    transformation : transformations.Transformation
    network : featurizers.KerasFeaturizer
        Trained on all training points.
    selector : AugmentationSelector
        Fitted.
    ranked : AugmentationSelector
        With a score for each point, or each copy, as the first model sees it.
    """

    points: Split
    transformation: Transformation
    network: object
    selector: AugmentationSelector
    ranked: AugmentationSelector

    @property
    def of(self) -> str:
        """What is chosen, in a word."""
        return "points" if self.selector.of_points_ else "copies"

    def images(self, places: np.ndarray) -> np.ndarray:
        """Images of points, or of copies, by number."""
        if self.selector.of_points_:
            return self.points.images[places]
        return ChosenCopies(self.points.images, self.transformation).of(*divmod(places, len(self.transformation)))


def chosen(own: OwnData, share: float) -> Chosen:
    """Choose among all training points.

    Parameters
    ----------
    own : OwnData
    share : float
        Of the copies, or of the points for a policy of points.

    Returns
    -------
    Chosen
    """
    points = own.points()
    network = own.featurizer(ALL_POINTS).fit(points.images, points.labels)
    x, _, source = _features(own, network, points.images, points.labels)
    n, seed = len(points.labels), own.seed_of(ALL_POINTS, "policies")
    given = {"copies": copies_by_point(x[n:], source, n)}
    selector = AugmentationSelector(own.policy, share, C=own.C, random_state=seed).fit(x[:n], points.labels, **given)
    ranked = selector
    if not selector.of_points_:
        ranked = AugmentationSelector("one_shot", 1.0, C=own.C).fit(x[:n], points.labels, **given)
    return Chosen(points, own.augmentation(), network, selector, ranked)


def counted(found: Chosen) -> str:
    """What was chosen, in a sentence of Markdown."""
    selector, n = found.selector, found.selector.n_points_
    changes = f"{len(selector.source_):,} of {n * selector.n_copies_:,} copies"
    return f"**{len(selector.points_):,} of {n:,} points are augmented, with {changes}.**"


def verdict(found: pd.DataFrame) -> str:
    """Which budget is enough, in a sentence or two of Markdown."""
    row = found.loc[enough(found)]
    numbers = f"{100 * row['difference']:+.2f} ± {100 * row['difference_half_width']:.2f} percentage points"
    if row.name == 0:
        return f"**No augmentation is enough**: without any copy the difference from full is {numbers}."
    if row.name == 1:
        return "**None of these shares is enough**: each is less accurate than full augmentation."
    return (
        f"**{row.name:.1%} of the copies are enough**: {row['copies']:.0f} copies of {row['points']:.0f} points; the "
        f"difference from full augmentation is {numbers}."
    )


def tested(own: OwnData, found: Chosen) -> str:
    """The accuracy on the test images, in a sentence of Markdown."""
    mean, half = accuracy_on_test(own, found)
    return (
        f"**{100 * mean:.2f} ± {100 * half:.2f}%** of the {len(found.points.labels_test):,} test images and all their "
        f"copies are classified rightly after adding the {len(found.selector.source_):,} chosen copies (95% interval "
        "over test images)."
    )


def accuracy_on_test(own: OwnData, found: Chosen) -> tuple[float, float]:
    """Accuracy on test images and all their copies, with its 95% interval over test images: mean, half width."""
    points = found.points
    x, y, source = _features(own, found.network, points.images_test, points.labels_test)
    hits = found.selector.head_.predict(x) == y
    of_image = np.append(np.arange(len(points.labels_test)), source)
    return mean_interval(np.bincount(of_image, hits) / np.bincount(of_image))


def write(path: PathLike, augmented: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], points: Split) -> None:
    """Write an augmented training set and the test images to an .npz that `data.load` reads, whole or not at all.

    Parameters
    ----------
    path : path
    augmented : tuple
        Of `AugmentationSelector.augment`.
    points : data.Split
    """
    images, labels, weights, source = augmented
    names = np.array(points.class_names)
    arrays = {"x_train": images, "y_train": names[labels], "weights": weights, "source": source}
    with writing.replacing(path) as temporary:
        np.savez_compressed(temporary, **arrays, x_test=points.images_test, y_test=names[points.labels_test])


def curves(ax: Axes, table: pd.DataFrame, own: OwnData) -> Axes:
    """Accuracy against the share of copies, of the policy and of random copies, with 95% bands."""
    for policy, colour, marker in ((own.policy, CHOSEN, "D"), (BESIDE, "#000000", "o")):
        found = budgets(table, policy).drop(index=[0.0, 1.0])
        x, mean, half = 100 * found.index, 100 * found["mean"], 100 * found["half_width"]
        ax.plot(x, mean, color=colour, marker=marker, label=policy.replace("_", " "))
        ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, linewidth=0)
    for share, style, label in ((0.0, ":", "no copies"), (1.0, "--", "all copies")):
        level = 100 * budgets(table, own.policy).loc[share, "mean"]  # type: ignore[index]
        ax.axhline(level, color="0.35", linestyle=style, linewidth=1.2, label=label)  # type: ignore[arg-type]
    ax.set(xscale="log", xlabel="added copies (% of all)", ylabel="held-out accuracy (%)")
    ax.set_xticks(100 * np.array(own.shares), [f"{100 * share:g}" for share in own.shares])
    ax.minorticks_off()
    return looks.outside_legend(ax)


def differences(ax: Axes, found: pd.DataFrame) -> Axes:
    """Each share's difference from full augmentation with its 95% interval; the smallest that reaches it is filled."""
    rows = found.drop(index=1.0)
    for place, (share, row) in enumerate(rows.iterrows()):
        face = CHOSEN if share == enough(found) else "white"
        values = {"y": 100 * row["difference"], "yerr": 100 * row["difference_half_width"]}
        ax.errorbar(place, **values, fmt="D", color=CHOSEN if row["reaches"] else "#D55E00", markerfacecolor=face)
    ax.axhline(0, color="0.35", linestyle="--", linewidth=1.2)
    ax.set_xticks(range(len(rows)), [f"{100 * share:g}" for share in rows.index])
    ax.set(xlabel="added copies (% of all)", ylabel="accuracy less full's (points)")
    return ax


def histogram(ax: Axes, found: Chosen) -> Axes:
    """Scores of all points, or all copies, as the first model sees them, and of those chosen."""
    scores, name = found.ranked.scores_, found.selector.score if found.of == "points" else "promised reduction (nats)"
    edges = np.histogram_bin_edges(scores, 60)
    ax.hist(scores, bins=edges, color=OTHERS, label=f"all {found.of}")  # type: ignore[arg-type]
    ax.hist(scores[found.selector.support_], bins=edges, color=CHOSEN, label=f"chosen {found.of}")  # type: ignore[arg-type]
    ax.set(yscale="log", xlabel=name, ylabel=found.of)
    ax.legend()
    return ax


def counts(axes: Sequence[Axes], found: Chosen) -> Sequence[Axes]:
    """How many were chosen of each change, and of each class: two Axes."""
    selector = found.selector
    labels = found.points.labels[selector.source_]
    names = found.transformation.labels, found.points.class_names
    for ax, picked, of in zip(axes, (selector.which_, labels), names, strict=True):
        ax.barh(of, np.bincount(picked, minlength=len(of)), color=CHOSEN)
        ax.invert_yaxis()
        ax.set(xlabel="chosen copies")
    return axes


def faces(axes: Sequence[Axes], found: Chosen, most: int = 12) -> Sequence[Axes]:
    """The first of the ranking, the points that they are of, and the last of all: three Axes."""
    first = found.selector.ranking_[:most]
    last = found.ranked.ranking_[::-1][:most]
    k = 1 if found.of == "points" else len(found.transformation)
    looks.image_row(axes[0], found.images(first), f"{found.of}, the first chosen")
    looks.image_row(axes[1], found.points.images[first // k], "the points of these")
    looks.image_row(axes[2], found.images(last), f"{found.of}, those that promise least")
    return axes
