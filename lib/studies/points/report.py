"""The headline of a study for the index page: its numbers in words, and its curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd

from influaug.files import sealed

from ..intervals import REACHED, mean_interval
from ..pages import looks
from ..pages.escaping import markdown_text
from ..pages.pictures import write_png
from ..pages.words import percent, signed
from ..storage import artifacts, provenance
from . import figures, presets
from .study import NOTEBOOKS
from .summary import CURVE, enough_points, paired_gain, with_intervals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .study import Study

REFERENCE_WORDS = {"none": "no augmentation", "full": "full augmentation"}
HEADLINE = ["baseline", "random_proportional", "deterministic_proportional"]


def title(study: Study, data: str, class_names: Sequence[str]) -> str:
    """Title of a study, such as 'MNIST (original), 3 against 8, translate'."""
    against = " against ".join(class_names) if len(class_names) == 2 else f"{len(class_names)} classes"
    retrained = ", network retrained" if study.featurizer == "retrained" else ""
    return f"{data}, {against}, {study.transformation_words}{retrained}"


def about(study: Study) -> str:
    """Title of a study and a note on its data, as Markdown, for the beginning of a page."""
    dataset = study.load_data()
    name = title(study, dataset.provenance["title"], study.split_of(dataset, 0).class_names)
    more = presets.in_words(study.preset, study.dataset)
    note = f"{dataset.provenance['note']} The {more}" if more else dataset.provenance["note"]
    return f"**{markdown_text(name)}.** {markdown_text(note)}"


def settings(study: Study) -> str:
    """The most important parameters of a study, in one line."""
    seeds = f"{study.replicates} replicates x {study.rounds} rounds"
    network = study.trained_network.stem if study.trained_network else study.network
    fed = "" if study.preprocessing == "right" else ", of uncentred pixels"
    return f"{network} features, {study.featurizer}{fed}; C = {study.C:g}; {seeds}"


def main_score(study: Study) -> str:
    """The score of the headline numbers: influence if the study has it, else its first score."""
    return "influence" if "influence" in study.scores else study.scores[0]


def headline_rows(study: Study, sweep: pd.DataFrame) -> list[dict[str, str]]:
    """Headline numbers for a study's section: list of {what, value}, with 95% intervals if there are several seeds."""
    rows = _references(sweep) | _gains(study, sweep) | _reached(study, sweep)
    return [{"what": what, "value": value} for what, value in rows.items()]


def headline(study: Study, sweep: pd.DataFrame) -> dict[str, str]:
    """Headline numbers for the index's table of studies: dict of text, in percent (the gain in percentage points).

    Keys are seeds, none, full, gain and enough. ``seeds`` counts replicates, or the rounds of a single one. The
    policy is fixed beforehand: random in proportion to the score. ``gain`` is its gain over random points at the budget
    nearest to 5%, and ``enough`` the smallest share of the points that is shown to come within 0.1 of full
    augmentation, or a word of `intervals.WORDS`.
    """
    policy, n = HEADLINE[1], sweep["budget"].max()
    cells = {"seeds": str(_seeds(sweep))}
    cells |= {name: percent(*mean_interval(_accuracy(sweep, name))) for name in REFERENCE_WORDS}
    gain, reached = _gain(study, sweep, policy), enough_points(sweep).get(_plain(study, policy))
    share = "" if reached is None else f"{100 * reached.budget / n:g}%" if reached.word == REACHED else reached.word
    return {**cells, "gain": "" if gain is None else signed(gain), "enough": share}


def _seeds(sweep):
    return int(with_intervals(sweep, "accuracy", ["policy"])["seeds"].max())


def _accuracy(sweep, policy):
    return sweep.loc[sweep["policy"] == policy, "accuracy"]


def _references(sweep):
    words = REFERENCE_WORDS.items()
    return {what: f"{percent(*mean_interval(_accuracy(sweep, policy)))} %" for policy, what in words}


def _gains(study, sweep):
    budget, n = _twentieth(sweep), sweep["budget"].max()
    found = {policy: gain for policy in HEADLINE[1:] if (gain := _gain(study, sweep, policy)) is not None}
    return {
        f"{_words(study, policy)}: gain over random points at {budget} of {n}": f"{signed(gain)} percentage points"
        for policy, gain in found.items()
    }


def _gain(study, sweep, policy):
    """Gain of a policy over random points at the budget nearest to 5%; None if the sweep lacks one of the two."""
    if (budget := _twentieth(sweep)) is None:
        return None
    gains, key = paired_gain(sweep, [*CURVE, "budget"]), (*_plain(study, policy), budget)
    return gains.loc[key] if key in gains.index else None


def _twentieth(sweep):
    budgets, n = sweep.loc[sweep["policy"] == "baseline", "budget"], sweep["budget"].max()
    return min(budgets, key=lambda b: abs(b - 0.05 * n), default=None)


def _reached(study, sweep):
    reached = enough_points(sweep)
    found = {p: reached[key] for p in HEADLINE if (key := _plain(study, p)) in reached.index}
    return {
        f"{_words(study, policy)}: shown to be within 0.1 of full from": (
            f"{enough.budget:.0f} points" if enough.word == REACHED else enough.word
        )
        for policy, enough in found.items()
    }


def _plain(study, policy):
    return main_score(study), policy, False, False


def _words(study, policy):
    name = looks.LOOK[policy].label
    return name if policy == "baseline" else f"{main_score(study)}, {name}"


def caption(study: Study, sweep: pd.DataFrame) -> str:
    """Caption of the headline figure, with its number of seeds and the meaning of lines and bands: Markdown."""
    return markdown_text(_caption(study, sweep))


def _caption(study, sweep):
    seeds = _seeds(sweep)
    own = "sample" if study.trained_network else "sample and network"
    unit = f"replicates, each with its own {own}" if study.replicates > 1 else "rounds of one replicate"
    n, tested = sweep["budget"].max(), "original and transformed test images"
    data = study.load_data().provenance["title"]
    return (
        f"{data}: test accuracy on {tested} against the number of augmented points out of {n}; scores by "
        f"{main_score(study)}. Lines: mean over {seeds} {unit}; bands: 95% intervals. Dotted: no augmentation; "
        "dashed: all points augmented."
    )


def publish(study: Study, sweep: pd.DataFrame) -> dict[str, Any]:
    """Write ``summary.json``, ``study.json`` and ``curve.png`` into the study's folder; returns the summary."""
    dataset = study.load_data()
    files = [*study.feature_files, "sweep.parquet"]
    made = [manifest for file in files if (manifest := artifacts.read_manifest(study.folder / file))]
    name = title(study, dataset.provenance["title"], study.split_of(dataset, 0).class_names)
    alt = f"Accuracy against augmented points for {name}: " + "; ".join(
        f"{row['what']} {row['value']}" for row in headline_rows(study, sweep)
    )
    newest = max(made, key=lambda manifest: manifest["made"])
    summary = {
        "study": study.study,
        "title": name,
        "data": {"title": dataset.provenance["title"], "note": dataset.provenance["note"]},
        "ran": newest["made"],
        "version": provenance.in_words(newest),
        "device": newest.get("device", ""),
        "seconds": round(sum(manifest["seconds"] for manifest in made), 1),
        "settings": settings(study),
        "figure": {"file": "curve.png", "alt": alt, "caption": _caption(study, sweep)},
        "headline": headline(study, sweep),
        "rows": headline_rows(study, sweep),
        "notebooks": [{"name": stem, "title": words} for stem, words in NOTEBOOKS.items()],
    }
    _write_curve(study, sweep)
    sealed.write_json(study.folder / "study.json", study.model_dump(), seal=False)
    sealed.write_json(study.folder / "summary.json", summary)
    return summary


def _write_curve(study, sweep):
    with plt.style.context(looks.STYLE):
        fig, ax = plt.subplots(figsize=(7.2, 3.8))
        looks.outside_legend(figures.policy_curves(ax, sweep, main_score(study), HEADLINE))
        write_png(fig, study.folder / "curve.png")
        plt.close(fig)
