r"""Self influences by pyDVL's DirectInfluence: a script for an environment of its own, which has pyDVL and torch.

Run by `studies.benchmark.competitors.pydvl_influence` as ``python -P pydvl_influence.py in.npz out.npz``; it imports
nothing of this package. The input holds x [n, d + 1] with the constant column last, labels [n] in {0, 1},
theta [1, d + 1], weights [n] and C; the output scores [n], seconds of two ways to them, and the names and versions of
what computed them.

pyDVL takes the Hessian of the mean loss and adds ``regularization`` to its diagonal. With lambda = 1 / (C n) that is
H / n, but for the intercept, which `influaug.solver.heads` does not penalise: its column is multiplied by `STRETCH` and
its parameter divided, which changes no influence and leaves lambda / STRETCH^2 of the penalty. So pyDVL's
:math:`g^\top (H / n)^{-1} g` is n times the influence of `influaug.influence.leave_one_out`, and the scores are divided
by n. Weights go into the fit alone, as there.
"""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from pydvl.influence.torch import DirectInfluence
from pydvl.influence.torch.base import TorchBatch, TorchGradientProvider
from torch.nn.functional import logsigmoid
from torch.utils.data import DataLoader

STRETCH = 2.0**12
REPEATS = 10
PACKAGES = ("pydvl", "torch", "numpy")


def weighted_loss(eta: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean logistic loss of scores [n, 1] and targets [n, 2]: sign (-1 or 1) and weight."""
    return -(y[:, 1] * logsigmoid(y[:, 0] * eta[:, 0])).mean()


def self_influences(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, regularization: float) -> torch.Tensor:
    """Fit DirectInfluence, then pair each point's factor (H / n)^-1 g with its gradient g: [n].

    Its ``influences`` would form all n x n pairs; this asks for the n that are wanted, in one batch.
    """
    influence = DirectInfluence(model, weighted_loss, regularization=regularization)
    influence = influence.fit(DataLoader([(x, y)], batch_size=None))
    unweighted = torch.stack([y[:, 0], torch.ones_like(y[:, 1])], dim=1)
    factors = influence.influence_factors(x, unweighted)
    provider = TorchGradientProvider(model, weighted_loss, dict(model.named_parameters()))
    gradients = provider.flat_grads(TorchBatch(x, unweighted))
    return (factors * gradients).sum(dim=1)


def all_influences(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor, regularization: float) -> torch.Tensor:
    """The diagonal of all n x n influences, by the public call: [n]."""
    influence = DirectInfluence(model, weighted_loss, regularization=regularization)
    influence = influence.fit(DataLoader([(x, y)], batch_size=None))
    unweighted = torch.stack([y[:, 0], torch.ones_like(y[:, 1])], dim=1)
    return influence.influences(x, unweighted).diagonal()


def head(theta: np.ndarray) -> torch.nn.Module:
    """The fitted head as a torch model whose one parameter row is theta [1, d + 1]."""
    model = torch.nn.Linear(theta.shape[1], 1, bias=False, dtype=torch.float64)
    model.weight.data = theta
    return model


def run(source: Path, target: Path) -> None:
    """Read the problem, time the influences alone (process time, one thread, best of `REPEATS`), write the answer."""
    torch.set_num_threads(1)
    with np.load(source, allow_pickle=False) as problem:
        x, theta = torch.tensor(problem["x"]), torch.tensor(problem["theta"])
        y = torch.tensor(np.stack([2.0 * problem["labels"] - 1.0, problem["weights"]], axis=1))
        regularization = 1.0 / (float(problem["C"]) * len(x))
    x[:, -1] *= STRETCH
    theta[:, -1] /= STRETCH
    model = head(theta)
    influences, seconds = {}, {}
    for compute in (self_influences, all_influences):
        taken = []
        for _ in range(REPEATS):
            start = time.process_time()
            influences[compute] = compute(model, x, y, regularization)
            taken.append(time.process_time() - start)
        seconds[compute] = min(taken)
    part = target.with_suffix(".part")
    with part.open("wb") as file:
        versions = [version(name) for name in PACKAGES]
        np.savez(
            file,
            scores=influences[self_influences].detach().numpy() / len(x),
            seconds=[seconds[self_influences], seconds[all_influences]],
            packages=["python", *PACKAGES],
            versions=[sys.version.split()[0], *versions],
        )
    part.replace(target)


if __name__ == "__main__":
    run(*map(Path, sys.argv[1:]))
