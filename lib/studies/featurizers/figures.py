"""Figures of a featurizer's training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from matplotlib.axes import Axes


def training_curves(axes: Sequence[Axes], history: dict[str, Any]) -> Sequence[Axes]:
    """Mean loss, training accuracy and learning rate by epoch: three Axes."""
    epochs = np.arange(1, len(history["loss"]) + 1)
    curves = {"loss": "loss (nats)", "accuracy": "accuracy (%)", "learning_rate": "learning rate, end of the epoch"}
    for ax, (name, label) in zip(axes, curves.items(), strict=True):
        ax.plot(epochs, np.multiply(100 if name == "accuracy" else 1, history[name]), label="training")
        ax.set(xlabel="epoch", ylabel=label)
    if "held_out_accuracy" in history:
        axes[1].plot(epochs, np.multiply(100, history["held_out_accuracy"]), label="held out")
        axes[1].legend()
    return axes
