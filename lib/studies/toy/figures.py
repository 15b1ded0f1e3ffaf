"""Figures of the toy experiment. As in `studies.points.figures`, every plot takes Axes and returns them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..intervals import mean_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from .experiment import Run
    from .networks import Classifier, Points

CLASSES = ("#0072B2", "#D55E00")
LOOK = {
    "none": ("#000000", "none"),
    "none, twice": ("#777777", "none, points twice"),
    "as_published": ("#D55E00", "as published"),
    "refreshed": ("#0072B2", "refreshed"),
    "beside": ("#009E73", "refreshed, beside"),
}


def extent(found: Iterable[Run], margin: float = 0.3) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of both axes that hold all training and validation points and copies: ((x0, x1), (y0, y1))."""
    sets = [points.x for each in found for points in (each.points.train, each.points.validation)]
    sets += [learned.points.x for each in found for learned in each.learned.values()]
    low, high = np.vstack(sets).min(axis=0) - margin, np.vstack(sets).max(axis=0) + margin
    return tuple(zip(low.tolist(), high.tolist(), strict=True))  # type: ignore[return-value]


def plane(
    ax: Axes, classifier: Classifier, points: Points, limits: tuple[tuple[float, float], tuple[float, float]]
) -> Axes:
    """Points by class over the contours of the predicted probability of class 1."""
    x, y = np.meshgrid(*(np.linspace(*pair, 80) for pair in limits))
    p = classifier.probability(np.column_stack([x.ravel(), y.ravel()])).reshape(x.shape)
    ax.contourf(x, y, p, levels=np.linspace(0, 1, 11), cmap="RdBu_r", vmin=0, vmax=1, alpha=0.45)
    ax.contour(x, y, p, levels=[0.5], colors="0.25", linewidths=0.9)
    for label, (colour, marker) in enumerate(zip(CLASSES, "os", strict=True)):
        ax.scatter(*points.x[points.labels == label].T, s=9, marker=marker, color=colour, linewidths=0)  # type: ignore[misc]
    ax.set(xlim=limits[0], ylim=limits[1], aspect="equal")
    ax.grid(False)
    return ax


def four_columns(
    axes: Sequence[Axes], each: Run, mode: str, limits: tuple[tuple[float, float], tuple[float, float]]
) -> Sequence[Axes]:
    """A row of the submission's figure 3: training and validation points, without augmentation and with it."""
    before, after = each.classifiers["none"], each.classifiers[mode]
    train, validation, points = each.points.train, each.points.validation, each.learned[mode].points
    for ax, (classifier, shown, title) in zip(
        axes,
        [
            (before, train, "training"),
            (before, validation, f"validation, {before.accuracy(validation):.0%} right"),
            (after, points, "augmented"),
            (after, validation, f"validation, {after.accuracy(validation):.0%} right"),
        ],
        strict=True,
    ):
        plane(ax, classifier, shown, limits).set_title(title, fontsize=9, fontweight="normal")
    axes[0].set_ylabel(f"{each.scenario}\n{LOOK[mode][1]}", fontsize=9)
    return axes


def losses(ax: Axes, found: Sequence[Run], mode: str) -> Axes:
    """Validation loss against E's steps, as the first S predicts it and as found by refits: means and 95% bands."""
    for name, colour, style in (("predicted", "#D55E00", "--"), ("found", "#0072B2", "-")):
        values = np.array([getattr(each.learned[mode], name) for each in found])
        _band(ax, values, color=colour, linestyle=style, label=name)
    ax.set(xlabel="step", title=f"{found[0].scenario}, {LOOK[mode][1]}")
    return ax


def mean_translations(ax: Axes, found: Sequence[Run], modes: Iterable[str]) -> Axes:
    """Path of the mean translation in each mode, a line a replicate, with its end."""
    for mode in modes:
        colour, label = LOOK[mode]
        for each in found:
            path = each.learned[mode].mean
            ax.plot(*path.T, color=colour, linewidth=0.7, alpha=0.6, label=label if each is found[0] else None)
            ax.plot(*path[-1], "o", color=colour)
    ax.set(xlabel="mean translation along x", ylabel="along y", title=found[0].scenario)
    return ax


def gains(ax: Axes, means: pd.DataFrame) -> Axes:
    """Gain of every learned arm, a mean and 95% interval for the last layer refitted and for F trained anew.

    Parameters
    ----------
    means : DataFrame
        Of `studies.toy.tables.summary`.
    """
    rows = means[[arm not in ("none", "none, twice") for _, arm in means.index]].iloc[::-1]
    y = np.arange(len(rows))
    for name, marker, colour, shift in (("head", "s", "#777777", 0.12), ("accuracy", "o", "#0072B2", -0.12)):
        label = {"head": "last layer refitted", "accuracy": "trained anew"}[name]
        mean, half = rows[f"{name} gain"][["mean", "half_width"]].to_numpy().T
        ax.errorbar(mean, y + shift, xerr=half, fmt=marker, color=colour, label=label)
    ax.set_yticks(y, [f"{scenario}, {LOOK[arm][1]}" for scenario, arm in rows.index])
    ax.axvline(0, color="0.35", linestyle="--", linewidth=1.2)
    ax.set_xlabel("gain in test accuracy (percentage points)")
    return ax


def _band(ax, values, **look):
    mean, half = np.array([mean_interval(column) for column in values.T]).T
    (line,) = ax.plot(mean, **look)
    ax.fill_between(np.arange(len(mean)), mean - half, mean + half, color=line.get_color(), alpha=0.15, linewidth=0)
