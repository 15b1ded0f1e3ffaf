"""What the verdict on a person's own data chooses, what that gains on the test points, and the file that is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from influaug.data.lazy_copies import ChosenCopies
from influaug.files import writing
from influaug.selection.selector import AugmentationSelector
from influaug.solver.estimator import LogisticHead

from ..intervals import mean_interval
from .material import Images
from .parameters import ALL_POINTS

if TYPE_CHECKING:
    from influaug._types import PathLike
    from influaug.data.datasets import Split

    from .material import Featurized, Material, Standardised
    from .parameters import OwnData
    from .verdicts import Verdict

ALL = "one_shot"
"""The policy that ranks the copies where no budget is to be chosen from: all of them are taken, or none."""


@dataclass(frozen=True)
class Chosen:
    """What was chosen of all training points: some copies, all or none.

    Attributes
    ----------
    own : OwnData
    material : Material
    verdict : Verdict
    features : Featurized or Standardised
        Of all points, by a network that was trained on all of them.
    selector : AugmentationSelector
        Fitted.
    ranked : AugmentationSelector
        With a score for each point, or each copy, as the first model sees it.
    """

    own: OwnData
    material: Material
    verdict: Verdict
    features: Featurized | Standardised
    selector: AugmentationSelector
    ranked: AugmentationSelector

    @property
    def points(self) -> Split:
        """The training points and the test points."""
        return self.material.points

    @property
    def nothing(self) -> bool:
        """Whether no copy was chosen."""
        return not len(self.selector.source_)

    @property
    def of(self) -> str:
        """Whether points or copies were chosen among, in a word."""
        return "points" if self.selector.of_points_ else "copies"

    @property
    def given(self) -> dict[str, Any]:
        """What `AugmentationSelector.fit` is given to find the copies: a transformation, or their features."""
        name = self.own.chosen
        if isinstance(self.material, Images):
            return {"transformation": self.material.transformations[name]}
        return {"copies": self.material.copies[name]}

    def images(self, places: np.ndarray) -> np.ndarray:
        """Images of points, or of copies, by number; there are none of features."""
        if self.selector.of_points_:
            return self.points.images[places]
        return self._copies(*divmod(places, self.selector.n_copies_))

    def augmented(self) -> dict[str, np.ndarray]:
        """The training points and then the chosen copies, as the arrays of a file.

        Images are ``x_train``, ``y_train``, ``x_test``, ``y_test``, as `data.load` reads them, and features ``X``,
        ``y``; with both come ``weights`` [n + m] and ``source`` [n + m], the point that a row is or was made of.
        """
        points, source = self.points, self.selector.source_
        made = self._copies(source, self.selector.which_)
        x = np.concatenate([points.images, made]) if len(source) else points.images
        names, rows = np.array(points.class_names), np.append(np.arange(len(points.labels)), source)
        y, y_test = names[points.labels[rows]], names[points.labels_test]
        about = {"weights": np.ones(len(rows)), "source": rows}
        if self.material.are_images:
            return {"x_train": x, "y_train": y, **about, "x_test": points.images_test, "y_test": y_test}
        return {"X": x, "y": y, **about}

    def _copies(self, source, which):
        (given,) = self.given.values()
        if self.material.are_images:
            return ChosenCopies(self.points.images, given).of(source, which)
        return given[source, which]


def chosen(own: OwnData, material: Material, verdict: Verdict) -> Chosen:
    """Choose among all training points what the verdict advises.

    Parameters
    ----------
    own : OwnData
    material : Material
    verdict : Verdict
        Its share is of the copies, or of the points for a policy of points; with 0 and 1, where there is nothing to
        choose, copies are ranked by `ALL`.

    Returns
    -------
    Chosen
    """
    points, share = material.points, float(verdict.share)
    features = material.featurized(ALL_POINTS, np.arange(len(points.labels)))
    seed, copies = own.seed_of(ALL_POINTS, "policies"), features.copies(own.chosen)

    def fitted(policy, budget):
        selector = AugmentationSelector(policy, budget, C=own.C, random_state=seed)
        return selector.fit(features.points, points.labels, copies=copies)

    selector = fitted(own.policy if 0 < share < 1 else ALL, share)
    ranked = selector if selector.of_points_ else fitted(ALL, 1.0)
    return Chosen(own, material, verdict, features, selector, ranked)


@dataclass(frozen=True)
class OnTest:
    """Accuracies on the test points, as they are, with 95% intervals over these.

    Attributes
    ----------
    n : int
        Test points.
    chosen, none, difference : tuple of float
        Mean and half width: with the chosen copies, without any, and the paired difference.
    """

    n: int
    chosen: tuple[float, float]
    none: tuple[float, float]
    difference: tuple[float, float]


def on_test(found: Chosen) -> OnTest | None:
    """What was chosen, on the test points; None where there are none."""
    points = found.points
    if not len(points.labels_test):
        return None
    x = found.material.test_features(found.features.network)
    alone = LogisticHead(C=found.own.C).fit(found.features.points, points.labels)
    heads = found.selector.head_, found.selector.head_ if found.nothing else alone
    hits, without = ((head.predict(x) == points.labels_test).astype(float) for head in heads)
    return OnTest(len(hits), mean_interval(hits), mean_interval(without), mean_interval(hits - without))


def write(path: PathLike, found: Chosen) -> bool:
    """Write the augmented training set to an .npz, whole or not at all, if one is advised.

    If none is advised, a file that an earlier run left is removed: it would pass for advice.

    Returns
    -------
    bool
        Whether there is a file.
    """
    if not found.verdict.advises_copies:
        Path(path).unlink(missing_ok=True)
        return False
    with writing.replacing(path) as temporary:
        np.savez_compressed(temporary, **found.augmented())  # type: ignore[arg-type]
    return True
