"""Controls for a notebook that is open in JupyterLab: every new choice fits and draws the curve again.

An executed notebook and its page show the figure of the first choice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np

from ..pages import looks
from . import feature_set, figures, sweep
from .summary import with_intervals

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Choice:
    """One setting of the controls.

    Attributes
    ----------
    score, policy : str
        Keys of `scores.SCORES` and `point_policies.POINT_POLICIES`.
    budget : int
        Number of augmented points that the figure marks.
    C : float
        Inverse regularisation strength of the logistic regression.
    """

    score: str
    policy: str
    budget: int
    C: float


class Explorer:
    """Accuracy against augmented points on one feature set, for any choice.

    Parameters
    ----------
    features : feature_set.FeatureSet
    settings : sweep.SweepSettings
        The scores and policies to choose from, and the budgets and rounds of every curve.
    seed : numpy.random.SeedSequence
        Seed of `sweep_points`; the same for every choice, so that choices are paired.
    """

    def __init__(
        self, features: feature_set.FeatureSet, settings: sweep.SweepSettings, seed: np.random.SeedSequence
    ) -> None:
        self.features, self.settings, self.seed = features, settings, seed
        self.policies = [policy for policy in settings.policies if policy != "baseline"] or ["baseline"]
        budget = min(settings.budgets, key=lambda b: abs(b - features.n / 20))
        self.first = Choice(settings.scores[-1], self.policies[0], budget, settings.options.C)

    def table(self, choice: Choice) -> pd.DataFrame:
        """Table of `sweep_points` with the chosen policy and random points."""
        chosen = replace(
            self.settings,
            scores=(choice.score,),
            policies=tuple(dict.fromkeys(["baseline", choice.policy])),
            refinements=("plain",),
            budgets=tuple(sorted({*self.settings.budgets, choice.budget})),
            options=replace(self.settings.options, C=choice.C),
        )
        fresh = np.random.SeedSequence(self.seed.entropy, spawn_key=self.seed.spawn_key)
        return sweep.run(self.features, chosen, fresh).assign(replicate=0)

    def figure(self, choice: Choice | None = None) -> Figure:
        """The curves of a choice (default: the first one), with its budget marked."""
        choice = choice or self.first
        table = self.table(choice)
        fig, ax = plt.subplots(figsize=(7.2, 3.8))
        figures.policy_curves(ax, table, choice.score, dict.fromkeys(["baseline", choice.policy]))
        ax.axvline(choice.budget, color="0.6", linewidth=1)
        at = with_intervals(table[table["budget"] == choice.budget], "accuracy", ["policy"])["mean"]
        ax.set_title(
            f"{choice.budget} points by {choice.score}: {100 * at[choice.policy]:.2f}%, "
            f"random points {100 * at['baseline']:.2f}% (C = {choice.C:g})"
        )
        looks.outside_legend(ax)
        plt.close(fig)
        return fig

    def controls(self, show: Callable[[Figure], object]) -> widgets.VBox:
        """Controls that show the figure of every new choice.

        Parameters
        ----------
        show : callable
            Called with the figure.

        Returns
        -------
        ipywidgets.VBox
        """
        policies = [(looks.LOOK[policy].label, policy) for policy in self.policies]
        later = {"continuous_update": False}
        parts = {
            "score": widgets.Dropdown(options=self.settings.scores, value=self.first.score, description="score"),
            "policy": widgets.Dropdown(options=policies, value=self.first.policy, description="policy"),
            "budget": widgets.IntSlider(self.first.budget, 1, self.features.n, description="points", **later),
            "C": widgets.FloatLogSlider(self.first.C, min=-4, max=4, step=0.5, description="C", **later),
        }

        def chosen(_):
            show(self.figure(Choice(**{name: part.value for name, part in parts.items()})))

        for part in parts.values():
            part.observe(chosen, names="value")
        return widgets.VBox(list(parts.values()))
