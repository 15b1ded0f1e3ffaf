"""Tables as a sweep makes them, with random accuracies."""

import numpy as np
import pandas as pd

from studies.points.summary import (
    CURVE,
)


def sweep_table(replicates=3, rounds=2, seed=0):
    """A sweep of two policies, plain and downweighted, with random accuracies."""
    rng = np.random.default_rng(seed)
    rows = []
    for r in range(replicates):
        rows.append((r, "", "none", False, False, 0, 0, 0.5 + 0.01 * r))
        rows.append((r, "", "full", False, False, 0, 100, 0.9))
        for policy, n_rounds in (
            ("baseline", rounds),
            ("random_proportional", rounds),
            ("deterministic_proportional", 1),
        ):
            for downweight in (False, True):
                for i in range(n_rounds):
                    for budget in (10, 50, 100):
                        rows.append((r, "loss", policy, False, downweight, i, budget, rng.uniform(0.6, 0.9)))
    return pd.DataFrame(rows, columns=["replicate", *CURVE, "round", "budget", "accuracy"])
