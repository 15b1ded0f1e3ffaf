"""Names and colours of the arms of a study of networks trained anew, in figures and tables."""

from __future__ import annotations

import numpy as np

CHOSEN_ONCE, ROUNDS, STREAM, REFERENCE, OTHER = "#E69F00", "#D55E00", "#0072B2", "#000000", "#777777"
COLOURS = {
    "greedy_influence": CHOSEN_ONCE,
    "rounds": ROUNDS,
    "warm_rounds": "#CC79A7",
    "on_the_fly": STREAM,
    "on_the_fly_longer": STREAM,
    "choice_in_training": "#56B4E9",
    "influence": "#009E73",
    "badge": "#8C6D31",
    "none": REFERENCE,
    "all": REFERENCE,
    "all_small_batch": REFERENCE,
}
NAMES = {
    "none": "no copies",
    "all": "all copies, large batch",
    "all_small_batch": "all copies, same batch",
    "on_the_fly": "on the fly",
    "on_the_fly_longer": "on the fly, equal passes",
    "choice_in_training": "choice in training",
    "random_copies": "random copies",
    "influence": "the paper's influence",
    "greedy_influence": "greedy influence, once",
    "badge": "BADGE, once",
    "rounds": "greedy in rounds, anew",
    "warm_rounds": "greedy in rounds, warm",
}


def name(arm: str, share: float | None = None) -> str:
    """Name of an arm for a figure or table, with its share."""
    text = NAMES.get(arm, arm)
    return text if share is None or np.isnan(share) else f"{text}, {100 * share:.3g}%"
