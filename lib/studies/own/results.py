r"""Results on a person's own data: cross-validated accuracy by budget, the budget that is enough, and what is chosen.

In each fold the network is trained on the fold's training points alone; the head is tested on the held-out points and
all their copies. Differences between budgets are paired by fold. Folds share training points, so the half width of an
interval over J of them is that of Nadeau & Bengio (2003, *Inference for the generalization error*),

.. math:: t_{J-1} \, s \, \sqrt{\frac 1J + \frac 1{J-1}},

with s the standard deviation over folds and 1 / (J - 1) the ratio of held-out to training points. Where few points are
held out all folds may show the same difference, and s is 0; so the half width of a difference is at least 3 / n, the
95% limit for what was seen in none of n points (the rule of three).

A budget is *enough* if its whole interval lies above minus the margin (it is not inferior to full augmentation), *not
enough* if its whole interval lies below, and otherwise these points cannot tell. Every interval is a 95% one by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.model_selection import StratifiedKFold
from tqdm.auto import tqdm

from influaug.data.lazy_copies import ChosenCopies
from influaug.data.transformations import expand
from influaug.errors import InputError
from influaug.files import writing
from influaug.selection.policies import SetOptions
from influaug.selection.selector import AugmentationSelector

from ..copies import sweep as set_sweep
from ..intervals import mean_interval
from ..points.feature_set import FeatureSet
from ..points.study import Study
from ..storage import artifacts
from ..storage.keys import Stage
from .parameters import ALL_POINTS, OwnData

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from influaug._types import PathLike
    from influaug.data.datasets import Split
    from influaug.data.transformations import Transformation

BESIDE = "random_copies"
"""The policy that the chosen one is shown beside."""
ALL = "one_shot"
"""The policy that ranks the copies where no budget is to be chosen from: all of them are taken, or none."""
ENOUGH, NOT_ENOUGH, CANNOT_TELL = "yes", "no", "cannot tell"
RULE_OF_THREE = 3
MOST_FOLDS = 20
"""Folds up to which it is tried whether more of them would tell."""


def cross_validated(own: OwnData) -> pd.DataFrame:
    """Accuracy on held-out points and their copies, by fold, policy and share; computed if it is missing.

    Returns
    -------
    DataFrame
        As `studies.copies.sweep.run`, with the column fold before. Kept in ``curve.parquet``.
    """
    wanted, path = data_key(own), own.folder / "curve.parquet"
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


def data_key(own: OwnData) -> str:
    """Key of everything that the cross-validation depends on."""
    trained = own.trained_network
    return CURVE.key(
        own,
        data=own.load_data().provenance["sha256"],
        network=sha256(trained.read_bytes()).hexdigest() if trained else None,
    )


def budgets(table: pd.DataFrame, policy: str, margin: float, n: int) -> pd.DataFrame:
    """Accuracy at each share of copies, over folds, and its differences from full and from no augmentation.

    Parameters
    ----------
    table : DataFrame
        Of `cross_validated`.
    policy : str
    margin : float
        Accuracy that fewer copies may cost, above 0.
    n : int
        Training points, each of which was held out once.

    Returns
    -------
    DataFrame
        By share, with no augmentation at 0 and full at 1: copies, points (means over folds), mean, half_width;
        difference (from full), gain (over none) and their half widths (95%, see above); and enough, one of `ENOUGH`,
        `NOT_ENOUGH` and `CANNOT_TELL`.
    """
    by_fold = table.set_index("fold")
    full, none = (by_fold.loc[by_fold["policy"] == name, "accuracy"] for name in ("full", "none"))
    rows = {}
    for share, part in by_fold[by_fold["policy"].isin([policy, "none", "full"])].groupby("share"):
        accuracy = part["accuracy"]
        mean, half = corrected_interval(accuracy)
        difference, difference_half = (0.0, 0.0) if share == 1 else paired_interval(accuracy - full, n)
        gain, gain_half = (0.0, 0.0) if share == 0 else paired_interval(accuracy - none, n)
        rows[share] = {
            "copies": part["added"].mean(),
            "points": part["touched"].mean(),
            "mean": mean,
            "half_width": half,
            "difference": difference,
            "difference_half_width": difference_half,
            "gain": gain,
            "gain_half_width": gain_half,
            "enough": judged(difference, difference_half, margin),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("share")


def corrected_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Mean over folds, and the half width of its interval with Nadeau & Bengio's correction; see above."""
    values = np.asarray(values, dtype=np.float64)
    return values.mean(), _widening(len(values), level) * values.std(ddof=1)


def paired_interval(differences: ArrayLike, n: int) -> tuple[float, float]:
    """As `corrected_interval`, with a half width of at least 3 / n for n held-out points; see above."""
    mean, half = corrected_interval(differences)
    return mean, max(half, RULE_OF_THREE / n)


def _widening(folds, level=0.95):
    """Half width of an interval over folds, as a multiple of their standard deviation."""
    return student.ppf(0.5 + level / 2, folds - 1) * np.sqrt(1 / folds + 1 / (folds - 1))


def judged(difference: float, half_width: float, margin: float) -> str:
    """Whether a budget is enough, by the interval of its difference from full augmentation; see above."""
    if difference - half_width >= -margin:
        return ENOUGH
    return NOT_ENOUGH if difference + half_width < -margin else CANNOT_TELL


def enough(found: pd.DataFrame) -> float:
    """The smallest share of `budgets` that is enough; 1, all copies, if no smaller one is shown to be."""
    return float(found.index[found["enough"] == ENOUGH].min())


def points_to_tell(row: pd.Series, margin: float, n: int) -> float:
    """Training points at which a budget's interval would leave the margin, if its difference stayed as it is.

    Parameters
    ----------
    row : Series
        Of `budgets`, over ``n`` points; half widths shrink with the square root of the number of points.
    margin : float
    n : int

    Returns
    -------
    float
        Infinite where the difference is the margin itself.
    """
    distance = abs(row["difference"] + margin)
    return n * (row["difference_half_width"] / distance) ** 2 if distance else np.inf


def folds_to_tell(row: pd.Series, margin: float, folds: int) -> int | None:
    """As `points_to_tell`, by more folds of the same points; None if not even `MOST_FOLDS` would tell.

    The spread over folds grows as they get smaller, with the square root of their number; so more folds help by
    Student's t alone.
    """
    distance, half = abs(row["difference"] + margin), row["difference_half_width"]
    for more in range(folds + 1, MOST_FOLDS + 1):
        if half * _widening(more) / _widening(folds) * np.sqrt(more / folds) <= distance:
            return more
    return None


@dataclass(frozen=True)
class Chosen:
    """What was chosen of all training points: some copies, all or none.

    Attributes
    ----------
    points : data.Split
    transformation : transformations.Transformation
    network : influaug.networks.featurizer.KerasFeaturizer
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
    def nothing(self) -> bool:
        """Whether no copy was chosen."""
        return not len(self.selector.source_)

    @property
    def of(self) -> str:
        """Whether points or copies were chosen among, in a word."""
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
        Of the copies, or of the points for a policy of points; with 0 and 1, where there is nothing to choose, copies
        are ranked by `ALL`.

    Returns
    -------
    Chosen
    """
    points = own.points()
    network = own.featurizer(ALL_POINTS).fit(points.images, points.labels)
    x, _, source = _features(own, network, points.images, points.labels)
    n, seed = len(points.labels), own.seed_of(ALL_POINTS, "policies")
    given = {"copies": x[n:], "source": source}

    def fitted(policy, budget):
        selector = AugmentationSelector(policy, budget, C=own.C, random_state=seed)
        return selector.fit(x[:n], points.labels, **given)

    selector = fitted(own.policy if 0 < share < 1 else ALL, float(share))
    ranked = selector if selector.of_points_ else fitted(ALL, 1.0)
    return Chosen(points, own.augmentation(), network, selector, ranked)


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
