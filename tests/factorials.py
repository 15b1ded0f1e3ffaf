"""Made-up tables of factorials, for tests."""

from itertools import product

import numpy as np
import pandas as pd

from studies.factorial.parameters import PREPROCESSING

FACTORS = ("C", "moves", "preprocessing", "seen")
LEVELS = {"": 0, "cardinal": 0, "diagonal": 1}


def made_up(study, response, n=6, noise=0.0, lead=0.0, seed=0):
    """A table as `studies.factorial.results.results` makes it.

    `response` is the gain of full augmentation in points, as a function of a cell's levels and of a random generator;
    `lead` is that of influence over random points.
    """
    rng, rows = np.random.default_rng(seed), []
    cells = product(range(n), (0, 1), (0, 1), study.copies(), PREPROCESSING, study.C)
    for replicate, half, network, copies, preprocessing, C in cells:
        levels = {"C": study.C.index(C), "moves": LEVELS[copies.moves], "seen": float(half == network)}
        levels["preprocessing"] = PREPROCESSING.index(preprocessing)
        none = rng.uniform(0.8, 0.9)
        random = none + 0.01
        accuracy = {
            "none": none,
            "full": none + (response(levels, rng) + noise * rng.normal()) / 100,
            "random": random,
            "influence": random + (lead + noise * rng.normal()) / 100,
            "loss": random,
        }
        about = {"replicate": replicate, "half": half, "network": network, "transformation": copies.transformation}
        about |= {"moves": copies.moves, "preprocessing": preprocessing, "C": C}
        rows += [{**about, "policy": policy, "accuracy": value} for policy, value in accuracy.items()]
    return pd.DataFrame(rows).assign(accuracy_original=0.9)
