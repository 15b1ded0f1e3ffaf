"""Tables of the toy experiment: accuracies, losses and mean translations of its runs, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from influaug.files import sealed

from ..intervals import FEWEST, mean_interval
from ..storage import artifacts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .experiment import Run
    from .parameters import Toy


def table(found: Iterable[Run]) -> pd.DataFrame:
    """All runs' results.

    Returns
    -------
    DataFrame
        A row a run and arm: scenario, replicate, arm, head and accuracy (of the test points, with the last layer
        refitted and with F trained anew), loss (of the test points, F trained anew), dx and dy (the mean translation).
    """
    rows = []
    for each in found:
        for arm, classifier in each.classifiers.items():
            by = each.learned[arm].mean[-1] if arm in each.learned else (0.0, 0.0)
            test, head = each.points.test, each.heads[arm]
            measured = head.accuracy(test), classifier.accuracy(test), classifier.loss(test)
            rows.append((each.scenario, each.replicate, arm, *measured, *by))
    return pd.DataFrame(rows, columns=["scenario", "replicate", "arm", "head", "accuracy", "loss", "dx", "dy"])


def write(toy: Toy, results: pd.DataFrame) -> None:
    """Write the table of `table` to ``toy.parquet`` in the run's folder, with the commit that made it."""
    about = artifacts.manifest(sealed.key(**toy.model_dump()), parameters=toy.model_dump())
    artifacts.write_table(toy.folder / "toy.parquet", about, results)


def summary(results: pd.DataFrame) -> pd.DataFrame:
    """Means over replicates with 95% intervals, and paired gains over F without augmentation.

    Parameters
    ----------
    results : DataFrame
        Of `table`.

    Returns
    -------
    DataFrame
        A row a scenario and arm; for each of head, accuracy, head gain and accuracy gain (in percentage points), loss,
        dx and dy the columns (name, "mean") and (name, "half_width"). Gains are over ``none``; of ``beside``, over
        ``none, twice``.
    """
    rows = {}
    for scenario, arm in results[["scenario", "arm"]].drop_duplicates().itertuples(index=False):
        than = "none, twice" if arm == "beside" else "none"
        mine, other = (_by_replicate(results, scenario, name) for name in (arm, than))
        gains = (mine - other)[["head", "accuracy"]].add_suffix(" gain")
        values = mine.join(gains)
        rows[scenario, arm] = {
            (name, part): value
            for name in values
            for part, value in zip(("mean", "half_width"), mean_interval(values[name]), strict=True)
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _by_replicate(results, scenario, arm):
    """One row a replicate; head and accuracy in percent."""
    chosen = results[(results["scenario"] == scenario) & (results["arm"] == arm)].set_index("replicate")
    return chosen[["head", "accuracy", "loss", "dx", "dy"]] * [100, 100, 1, 1, 1]


def shown(means: pd.DataFrame) -> pd.DataFrame:
    """What `summary` returned as text, mean ± half width, for a page."""
    names = list(dict.fromkeys(name for name, _ in means))  # type: ignore[has-type, misc]
    digits = {name: 1 if "head" in name or "accuracy" in name else 2 for name in names}
    text = {
        name: [
            f"{m:.{digits[name]}f} ± {h:.{digits[name]}f}" for m, h in means[name][["mean", "half_width"]].to_numpy()
        ]
        for name in names
    }
    return pd.DataFrame(text, index=means.index)


def said(means: pd.DataFrame, seeds: int) -> str:
    """What the gains in accuracy of F trained anew say, from a table of `summary`: a Markdown list.

    A gain is 'open' where its interval contains zero, and none is judged from fewer than `FEWEST` seeds.
    """
    lines = []
    for index, row in zip(means.index, means.to_dict("records"), strict=True):
        scenario, arm = index
        mean, half = row["accuracy gain", "mean"], row["accuracy gain", "half_width"]
        if arm.startswith("none"):
            continue
        word = "too few seeds for a verdict" if seeds < FEWEST else "open" if abs(mean) <= half else None
        than = "each point twice" if arm == "beside" else "the points alone"
        lines.append(
            f"* *{scenario}, {arm}*: {mean:+.1f} ± {half:.1f} points of accuracy over {than} (n = {seeds}), "
            f"{word or ('better' if mean > 0 else 'worse')}; mean translation {row['dx', 'mean']:+.2f} across and "
            f"{row['dy', 'mean']:+.2f} up."
        )
    return "\n".join(lines)


def at_mistakes(each: Run) -> tuple[float, ...]:
    """Mean of -I_up,loss of points put where the validation points lie, by F without augmentation.

    Returns
    -------
    tuple of float
        Over validation points that F gets wrong, and over the others (NaN for none): the higher, the more such a point
        would help.
    """
    F, validation = each.classifiers["none"], each.points.validation
    helps = -F.influence(each.points.train, validation).up_loss(F.features(validation.x), validation.labels)
    wrong = (F.probability(validation.x) > 0.5) != validation.labels
    return tuple(float(helps[chosen].mean()) if chosen.any() else np.nan for chosen in (wrong, ~wrong))
