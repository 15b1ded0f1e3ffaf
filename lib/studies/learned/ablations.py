"""Ablations: arms that differ from the arm 'network' in one part, to measure the effect of that part.

Everything else stays the same, including the seeds. An ablation of the learning starts from the weights of the arm
'pretrained', as 'network' does; an ablation of the design or the game is first pretrained itself, with the seed of
'pretrained'. On colour images 'network' has warps and colour changes in parallel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


@dataclass(frozen=True)
class Ablation:
    """One change of the arm 'network'.

    Attributes
    ----------
    meaning : str
        A line for a table of arms, short enough for a page to show it in full.
    design, learning, pretraining : dict
        Changed fields of `models.Design`, `learning.Learning` and `pretraining.Pretraining`.
    series : bool
        Whether the model is a `series.Series`.
    """

    meaning: str
    design: dict = field(default_factory=dict)
    learning: dict = field(default_factory=dict)
    pretraining: dict = field(default_factory=dict)
    series: bool = False

    @property
    def changes(self) -> dict[str, Any]:
        """All fields except the meaning, for JSON: a result depends on these."""
        return {name: value for name, value in vars(self).items() if name != "meaning"}

    @property
    def anew(self) -> bool:
        """Whether the ablation must be pretrained itself, because the weights of the arm 'pretrained' do not fit."""
        return bool(self.design or self.pretraining or self.series)

    @property
    def colours(self) -> bool:
        """Whether the ablation applies to colour images only."""
        return self.series or "parts" in self.design


ABLATIONS = {
    "tau-32": Ablation("tau has 32 components, not 128", design={"tau": 32}),
    "tau-64": Ablation("tau has 64 components", design={"tau": 64}),
    "tau-256": Ablation("tau has 256 components", design={"tau": 256}),
    "no-limit": Ablation("no bound on the displacement", design={"limit": None}),
    "no-grid": Ablation("a displacement a pixel, without control points", design={"grid": None}),
    "no-squash": Ablation("influence counts in full, however large it is", learning={"squash": None}),
    "no-hinge": Ablation("no price on copies that the classifier gets wrong", learning={"hinge": 0.0}),
    "no-refresh": Ablation("the last layer and S are kept within a round", learning={"refresh": False}),
    "no-folds": Ablation("one split into training and validation points", learning={"all_folds": False}),
    "no-base-draws": Ablation("the last layer is fitted to learned copies alone", learning={"base_draws": 0}),
    "wgan-gp": Ablation("pretrained as in the submission of 2019, G alone", pretraining={"game": "wgan-gp"}),
    "spatial": Ablation("warps alone (colour images)", design={"parts": "spatial"}),
    "appearance": Ablation("changes of colours alone (colour images)", design={"parts": "appearance"}),
    "series": Ablation("warps and then colours, a tau each (colour images)", series=True),
}
"""Ablations by the name of their arm."""
