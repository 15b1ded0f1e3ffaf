"""Tables as a sweep makes them, with random accuracies or with flat curves at known heights."""

import numpy as np
import pandas as pd

from studies.points.summary import CURVE


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


HEIGHTS = {
    ("baseline", False, False): 0.80,
    ("random_proportional", False, False): 0.85,
    ("random_inverse_proportional", False, False): 0.75,
    ("random_proportional", True, False): 0.851,
    ("random_proportional", False, True): 0.83,
}


def flat_sweep(replicates=5, rounds=2, noise=0.001, seed=0, budgets=(10, 20, 200)):
    """A sweep of flat curves at known heights, of which every replicate has its own level, plus noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for r in range(replicates):
        level = 0.1 * rng.random()
        rows.append((r, "", "none", False, False, 0, 0, level + 0.8))
        rows.append((r, "", "full", False, False, 0, 200, level + 0.8495))
        for score in ("loss", "influence"):
            for (policy, update, downweight), height in HEIGHTS.items():
                for i in range(rounds):
                    for budget in budgets:
                        accuracy = level + height + noise * rng.normal()
                        rows.append((r, score, policy, update, downweight, i, budget, accuracy))
    return pd.DataFrame(rows, columns=["replicate", *CURVE, "round", "budget", "accuracy"])
