"""Tables and pictures of a comparison's page, from `studies.learned.results`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.colors import hsv_to_rgb

from influaug.augnet.chain import copies_of
from influaug.augnet.network import AugmentationNetwork
from influaug.augnet.pretraining import diversity
from influaug.backend import keras

from ..intervals import FEWEST
from ..pages.escaping import markdown_text, title_and_note
from ..points.published import lee_costs, lee_errors
from .ablations import ABLATIONS
from .arms import DRAWS, augmentation_of, family_of, trained_classifier
from .guessed import ranges_by_hand
from .parameters import LEARNED
from .results import UNRECORDED, file_for, learned_file, replicates_of, seconds_of_learning, summary, trajectory

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from matplotlib.axes import Axes

    from influaug.augnet.models import TransformationModel
    from influaug.augnet.series import Series

    from .parameters import Comparison

    PUBLISHED: dict[Any, str]

COLOURS = {"better": "#009E73", "open": "#777777", "worse": "#D55E00"}
COMPARED = {"error": ("test error (points)", 2), "error_draws": (f"with {DRAWS} draws", 2), "loss": ("loss (nats)", 3)}
"""Measures in which arms are compared: title of the column, and digits."""
TOO_FEW = "too few"
"""What is said of fewer than `FEWEST` pairs."""
PUBLISHED = {"none": "none", "heuristic": "heuristic", "network": "proposed", "control": "baseline"}
PUBLISHED |= {"cutout": "cutout", "autoaugment": "autoaugment"}
"""Published row to show beside an arm."""
IN_WORDS = {"ratner_mf": "Ratner et al. (2017), mean field", "ratner_lstm": "Ratner et al. (2017), LSTM"}
"""What the table says for a published row that no arm stands beside."""


def about(comparison: Comparison) -> str:
    """Title, sizes and note of a page's data, as Markdown."""
    points, data = comparison.split(0), comparison.load_data()
    title, note = title_and_note(data.provenance)
    planned = " planned; the tables say how many are finished" if comparison.only_finished else ""
    return (
        f"**{title}, {len(points.images)} labelled images, {len(points.images_test):,} for test, "
        f"{comparison.replicates} replicates{planned}.** {note}"
    )


def _published(comparison):
    """Errors that the paper has for the same problem."""
    n_all = len(comparison.load_data().labels_train)
    return lee_errors(comparison.dataset, comparison.classes, comparison.n_train, n_all, comparison.classifier)


def error_table(
    means: pd.DataFrame, comparison: Comparison, digits: int = 2, draws: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Table of text with means and half widths of the arms, beside published errors where they exist.

    Parameters
    ----------
    means : DataFrame
        Table from `studies.learned.results.summary`.
    comparison : parameters.Comparison
    digits : int
        Digits after the decimal point; two for errors in percent, more for losses.
    draws : DataFrame, optional
        The same summary with draws at test time, for a column of its own; empty where no draws were made.
    """
    rows = {
        arm: {
            "mean" if digits > 2 else "test error (%)": _interval(row["mean"], row["half_width"], digits),
            "difference from the control": _interval(row["difference"], row["difference_half_width"], digits),
            **_with_draws(draws, arm),
            "replicates": _numbers(row),
        }
        for arm, row in means.iterrows()
    }
    made = pd.DataFrame.from_dict(rows, orient="index")
    errors = dict(_published(comparison).by_method) if digits == 2 else {}
    if errors:
        beside = {arm: errors.pop(PUBLISHED[arm]) for arm in rows if PUBLISHED.get(arm) in errors}
        alone = {f"(paper: {IN_WORDS.get(method, method)})": value for method, value in errors.items()}
        made = made.reindex([*rows, *alone]).fillna("")
        made["published (%)"] = [f"{value:.1f}" if value else "" for value in map((beside | alone).get, made.index)]
    return made


def _with_draws(draws, arm):
    """Cells of an arm's errors with draws at test time, or none where no arm has any."""
    if draws is None or draws["mean"].isna().all():
        return {}
    row = draws.loc[arm]
    return {f"{DRAWS} draws at test time": _interval(row["mean"], row["half_width"])}


def _numbers(row):
    """Replicates and, where they are fewer, those that can be paired."""
    fewer = 0 < row.get("pairs", row["seeds"]) < row["seeds"]
    return f"{row['seeds']:.0f}" + (f" ({row['pairs']:.0f} pairs)" if fewer else "")


def machines(found: pd.DataFrame) -> str:
    """On which machines a table from `studies.learned.results` was made, as Markdown."""
    names = found.groupby("machine", sort=False).size()
    if list(names.index) == [UNRECORDED]:
        return "*On which machine the results were made was not recorded.*"
    if len(names) == 1:
        return f"*All results are of one machine ({_machine(names.index[0])}).*"
    listed = "; ".join(f"{count} on {_machine(name)}" for name, count in names.items())
    return (
        f"*Results are of {len(names)} machines: {listed}. The same seeds give other weights on another machine, so "
        "differences are formed within a machine.*"
    )


def _machine(name):
    """A machine's record, with the numbers of the processor's family, model and stepping in words, as Markdown."""
    start, _, last = str(name).rpartition(", ")
    numbers = last.split()
    if len(numbers) == 3 and all(number.isdecimal() for number in numbers):
        of = ("family", "model", "stepping")
        name = f"{start}, {', '.join(f'{word} {number}' for word, number in zip(of, numbers, strict=True))}"
    return markdown_text(str(name))


def caption(comparison: Comparison, means: pd.DataFrame) -> str:
    """Caption of the table of errors, as Markdown."""
    least, most = int(means["seeds"].min()), int(means["seeds"].max())
    have = f"{most}" if least == most else f"{least} to {most}"
    apart = (
        ""
        if least == most
        else " Arms with fewer replicates saw fewer of the samples, so compare arms by paired differences."
    )
    errors = _published(comparison)
    published = (
        f" Published: Lee et al. (2020), table {errors.table}, {markdown_text(errors.network)}; their labelled images "
        "and schedule are not public."
    )
    return (
        f"*Test errors in percent, means over {have} replicates with 95% intervals; differences "
        f"are paired.{apart} Classifier {markdown_text(comparison.classifier)}, {comparison.steps} steps of "
        f"{comparison.batch_size} images.{published if errors.by_method else ''}*"
    )


def differences(ax: Axes, means: pd.DataFrame, against: str) -> Axes:
    """Paired difference of each arm with its 95% interval; filled markers where the interval excludes zero.

    A line separates the ablations of the arm 'network' below it.
    """
    rows = means.drop(index=against).iloc[::-1]
    for y, (mean, half, n) in enumerate(rows[["difference", "difference_half_width", "pairs"]].to_numpy()):
        if not n:
            continue
        verdict = "open" if _verdict(mean, half, n) == TOO_FEW else _verdict(mean, half, n)
        half = np.nan_to_num(half)
        face = "white" if verdict == "open" else COLOURS[verdict]
        ax.errorbar(mean, y, xerr=half, fmt="o", color=COLOURS[verdict], markerfacecolor=face, markersize=6)
    ax.axvline(0, color="0.35", linestyle="--", linewidth=1.2)
    below = sum(arm in ABLATIONS for arm in rows.index)
    if 0 < below < len(rows):
        ax.axhline(below - 0.5, color="0.6", linewidth=0.8)
    ax.set_yticks(range(len(rows)), rows.index)
    ax.set(xlabel=f"difference in test error from {against} (percentage points)", ylim=(-0.6, len(rows) - 0.4))
    return ax


def ranges(axes: Sequence[Axes], comparison: Comparison, form: str = "ranges") -> Sequence[Axes]:
    """Ranges of each group by step (mean over replicates), and the learned ranges beside those guessed by hand."""
    runs = [trajectory(comparison, replicate, form)[0] for replicate in replicates_of(comparison, form)]
    sigma = np.array([run["sigma"].tolist() for run in runs])
    layer = augmentation_of(comparison, 0, form, comparison.split(0).images.shape[1:], file_for(comparison, 0, form))
    groups, x = layer.groups, np.arange(1, sigma.shape[1] + 1)
    for g, group in enumerate(groups):
        axes[0].plot(x, sigma[:, :, g].mean(axis=0), label=group, linestyle=("-", "--")[g > 5], color=f"C{g}")
    for end in np.flatnonzero(np.diff(runs[0]["round"])):
        axes[0].axvline(end + 1.5, color="0.6", linestyle="--", linewidth=0.8)
    axes[0].set(xlabel="step", ylabel="range (px)", ylim=(0, None))
    axes[0].legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _outcomes(axes[1], comparison, form, groups)
    return axes


def _outcomes(ax, comparison, form, groups):
    shape = comparison.split(0).images.shape[1:]
    hand = ranges_by_hand(shape, family_of(comparison), "hand", 0).ranges()
    for replicate in replicates_of(comparison, form):
        learned = augmentation_of(comparison, replicate, form, shape, file_for(comparison, replicate, form)).ranges()
        ax.plot([learned[g] for g in groups], range(len(groups)), "o", color="#0072B2", alpha=0.6, markersize=4)
    ax.plot([hand[g] for g in groups], range(len(groups)), "x", color="#D55E00", markersize=7)
    ax.set_yticks(range(len(groups)), groups)
    ax.invert_yaxis()
    ax.set(xlabel="range (px)", xlim=(0, None))


def copies(
    comparison: Comparison, replicate: int, arm: str, images: np.ndarray, labels: np.ndarray | None = None
) -> np.ndarray:
    """One copy of each image, which has a label for arms that differ by class, by an arm's augmentation: uint8."""
    layer = augmentation_of(comparison, replicate, arm, images.shape[1:], file_for(comparison, replicate, arm))
    options = {"training": True} if arm == "heuristic" else {"seed": 0}
    return _as_pixels(copies_of(layer, images.astype("float32"), labels, **options))


def costs(comparison: Comparison, found: pd.DataFrame) -> pd.DataFrame:
    """Mean seconds, over replicates, of learning each form and of training a classifier; the papers' GPU hours."""
    rows = {}
    for form in [arm for arm in LEARNED if arm in comparison.arms]:
        spent = seconds_of_learning(comparison, form)
        if spent:
            rows[f"learning: {form}"] = f"{np.mean(spent):.0f} s"
    plain = found[~found["arm"].isin([*LEARNED, "permuted", "learned-permuted"])]
    if len(plain):
        rows["training a classifier, an arm that learns nothing"] = f"{plain['seconds'].mean():.0f} s"
    for (dataset, method), hours in lee_costs().items():
        rows[f"published, {method}, {dataset}"] = f"{hours:,.0f} GPU hours"
    return pd.DataFrame.from_dict(rows, orient="index", columns=["time"])


def loaded(comparison: Comparison, replicate: int, form: str) -> AugmentationNetwork:
    """Load the `AugmentationNetwork` of a form, and learn it first if it is missing."""
    return AugmentationNetwork.load(learned_file(comparison, replicate, form))


def warps(comparison: Comparison, replicate: int, forms: Iterable[str], images: np.ndarray) -> pd.DataFrame:
    """Strength and diversity of the learned warps of some forms, in pixels: one row for each form."""
    rows = {}
    for form in forms:
        model = loaded(comparison, replicate, form).layer_.learned
        fields = model.learned_displacement(images.astype("float32"), 0)
        lengths = np.linalg.norm(keras.ops.convert_to_numpy(fields), axis=-1)
        rows[form] = {
            "diversity (px)": diversity(model, images),
            "mean length (px)": float(lengths.mean()),
            "longest (px)": float(lengths.max()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").round(2)


def walk(
    model: TransformationModel | Series, image: np.ndarray, steps: int = 10, seed: int = 0
) -> dict[str, np.ndarray]:
    """Copies of an image along a line from one draw of tau to another (Lee et al., 2020, figure 4).

    Returns
    -------
    dict of str to array [steps, height, width, channels]
        'displacement' as colours, and 'warped'; models that also change colours add 'appearance' (the change only) and
        'copies'.
    """
    images = np.repeat(image[None].astype("float32"), steps, axis=0)
    ends = [keras.ops.convert_to_numpy(model.encode(images[:1], drop=True, seed=seed + k)) for k in (0, 1)]
    share = np.linspace(0, 1, steps)[:, None]
    fields = model.fields(((1 - share) * ends[0] + share * ends[1]).astype("float32"))
    found, spatial = {}, {name: field for name, field in fields.items() if name == "displacement"}
    if spatial:
        found["displacement"] = _as_colours(keras.ops.convert_to_numpy(spatial["displacement"]))
        found["warped"] = _as_pixels(model.apply(images, spatial))
    if "filter" in fields:
        colours = {name: fields[name] for name in ("filter", "bias")}
        found["appearance"] = _as_pixels(127 + model.apply(images, colours) - images)
        found["copies"] = _as_pixels(model.apply(images, fields))
    return found


def _as_colours(displacement):
    """Displacements as colours, direction as hue and length (relative to the longest) as saturation: [n, h, w, 3]."""
    down, right = np.moveaxis(displacement, -1, 0)
    length = np.hypot(down, right)
    hue = (np.arctan2(down, right) / (2 * np.pi)) % 1
    hsv = np.stack([hue, length / max(length.max(), 1e-9), np.ones_like(hue)], axis=-1)
    return (255 * hsv_to_rgb(hsv)).astype(np.uint8)


def _as_pixels(images):
    return np.clip(np.rint(keras.ops.convert_to_numpy(images)), 0, 255).astype(np.uint8)


def corrected(
    comparison: Comparison, replicate: int, arm: str, against: str = "control"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Test images that the classifier of `against` gets wrong and that of `arm` right (Lee et al., 2020, figure 5).

    Returns
    -------
    images : array of uint8 [m, height, width, channels]
    labels, before : int array [m]
        The true classes, and the wrong predictions of the first classifier.
    lost : int
        Number of test images that only the first classifier gets right.
    """
    points, classes = comparison.split(replicate), []
    for name in (against, arm):
        model = trained_classifier(comparison, replicate, name, points, file_for(comparison, replicate, name))
        classes.append(np.argmax(model.predict(points.images_test, batch_size=500, verbose=0), axis=1))
    right = [found == points.labels_test for found in classes]
    gained = right[1] & ~right[0]
    return points.images_test[gained], points.labels_test[gained], classes[0][gained], int((right[0] & ~right[1]).sum())


def game(ax: Axes, trajectory: list[dict[str, Any]], window: int = 20) -> Axes:
    """Running means of the losses of both players of a pretraining."""
    table = pd.DataFrame(trajectory).rolling(min(window, len(trajectory)), min_periods=1).mean()
    for side, colour in (("critics", "#0072B2"), ("generator", "#D55E00")):
        ax.plot(np.arange(1, len(table) + 1), table[side], color=colour, label=side)
    ax.set(xlabel="step of the generator", ylabel="loss (nats)")
    ax.legend()
    return ax


def promise(axes: Sequence[Axes], trajectory: list[dict[str, Any]], label: str) -> Sequence[Axes]:
    """Objective and validation loss of an influence training by step: two Axes."""
    table = pd.DataFrame(trajectory)
    x = np.arange(1, len(table) + 1)
    axes[0].plot(x, table["influence"], label=label)
    axes[1].plot(x, table["validation_loss"], label=label)
    axes[0].set(xlabel="step", ylabel="objective")
    axes[1].set(xlabel="step", ylabel="validation loss (nats)")
    return axes


def came_true(trajectories: dict[str, list[dict[str, Any]]]) -> str:
    """How objective and validation loss went in each round of an influence training of each form, as Markdown."""
    lines = []
    for form, rows in trajectories.items():
        found = pd.DataFrame(rows).dropna(subset=["influence", "validation_loss"])
        rounds = [part for _, part in found.groupby("round")] if "round" in found else [found]
        lines.append(f"* *{form}*: {'; then, with classifiers trained anew, '.join(map(_went, rounds))}.")
    return "In this replicate, from the first step to the last of each round:\n\n" + "\n".join(lines)


def _went(steps):
    """How objective and validation loss went in one round, in words."""
    (promised, at_last), (first, last) = (
        (steps[name].iloc[0], steps[name].iloc[-1]) for name in ("influence", "validation_loss")
    )
    fell = "fell" if last < first else "did not fall" if last > first else "is of a last layer that was not refitted"
    return (
        f"the objective went from {promised:.2f} to {at_last:.2f}, "
        f"the validation loss from {first:.4f} to {last:.4f} nats: it {fell}"
    )


def sides(arm: str, labels: np.ndarray, before: np.ndarray, lost: int) -> str:
    """Caption of the row of the first ten `corrected` test images, as Markdown."""
    names = [f"{label} for {taken}" for label, taken in zip(labels[:10], before[:10], strict=True)]
    return (
        f"*{len(labels)} test images are right with {arm} and wrong with the control, {lost} the other way round. "
        f"Shown: {', '.join(names)} (the class, for what the control's classifier took it).*"
    )


def against_others(found: pd.DataFrame, arm: str = "ranges") -> pd.DataFrame:
    """Paired differences of one arm from every other arm, with 95% intervals and verdicts: DataFrame of text.

    Of test errors in percentage points, without and with draws at test time, and of test losses in nats; a column for
    each that any pair has.
    """
    others = [name for name in dict.fromkeys(found["arm"]) if name != arm]
    rows = {other: {} for other in others}
    for measure, (title, digits) in COMPARED.items():
        for other in others if measure in found else ():
            row = summary(found, other, measure).loc[arm]
            mean, half, n = row["difference"], row["difference_half_width"], row["pairs"]
            if n:
                rows[other] |= {title: f"{_interval(mean, half, digits)}, {_verdict(mean, half, n)}"}
            if measure == "error":
                rows[other]["pairs"] = f"{n:.0f}"
    made = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    return made.rename_axis(f"{arm}, less")


def ablations(found: pd.DataFrame) -> pd.DataFrame:
    """Table of text with the change of each ablation and, if 'network' is an arm, the paired difference from it.

    Parameters
    ----------
    found : DataFrame
        Table from `studies.learned.results.results`.

    Returns
    -------
    DataFrame
        One row for each ablation that was compared, in the order of `ABLATIONS`; differences are of test errors.
    """
    arms = [arm for arm in ABLATIONS if arm in set(found["arm"])]
    rows = {arm: {"what is changed": ABLATIONS[arm].meaning} for arm in arms}
    if "network" in set(found["arm"]):
        differences = summary(found, "network")[["difference", "difference_half_width", "pairs"]]
        for arm in arms:
            mean, half, n = differences.loc[arm]
            rows[arm] |= {"difference from network": _interval(mean, half), "": _verdict(mean, half, n)}
    return pd.DataFrame.from_dict(rows, orient="index")


def _interval(mean, half, digits=2):
    if np.isnan(mean):
        return ""
    return f"{mean:.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def _verdict(mean, half, n):
    """What an interval says; of a few pairs it says nothing."""
    if n < FEWEST:
        return TOO_FEW
    return "open" if abs(mean) <= half else ("better" if mean < 0 else "worse")
