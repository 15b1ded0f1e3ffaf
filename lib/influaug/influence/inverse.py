r"""Products of an inverse Hessian with a vector: (H + damping I)^-1 g.

`factor` serves where H fits into memory (Cholesky), `conjugate_gradients` needs only products with H, and `lissa` serves
where even one product over all points is too expensive. Vectors are flat, float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, cholesky
from scipy.sparse.linalg import LinearOperator, cg

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable


def factor(H: np.ndarray, damping: float = 0.0) -> np.ndarray:
    """Lower Cholesky factor of H + damping I.

    Raises
    ------
    InputError
        The damped Hessian is not positive definite.
    """
    try:
        return cholesky(H + damping * np.eye(len(H)), lower=True)
    except LinAlgError as error:
        raise InputError(
            f"The Hessian is singular with damping = {damping:g}; use a larger damping or a smaller C."
        ) from error


def conjugate_gradients(
    product: Callable[[np.ndarray], np.ndarray],
    g: np.ndarray,
    damping: float = 0.0,
    tolerance: float = 1e-6,
    most_steps: int = 1000,
) -> np.ndarray:
    """Solve (H + damping I) S = g by conjugate gradients: S [p].

    Parameters
    ----------
    product : callable
        v [p] -> H v [p].
    g : array [p]
    damping : float
    tolerance : float
        Largest norm of the residual, as a share of g's; products in float32 reach about 1e-6.
    most_steps : int
        Each step takes one product.

    Raises
    ------
    InputError
        The damped Hessian has negative curvature, or the tolerance was not reached.
    """

    def damped(v):
        Hv = product(v) + damping * v
        if not v @ Hv > 0:
            raise InputError(f"The Hessian is not positive definite with damping = {damping:g}; use a larger damping.")
        return Hv

    g = np.asarray(g, dtype=np.float64)
    S, missed = cg(LinearOperator((len(g),) * 2, damped, dtype=g.dtype), g, rtol=tolerance, maxiter=most_steps)
    if missed:
        raise InputError(
            f"Conjugate gradients did not reach the tolerance {tolerance:g} in {most_steps} steps with "
            f"damping = {damping:g}; allow more steps, or use a larger tolerance or damping."
        )
    return S


@dataclass(frozen=True)
class Lissa:
    """Settings of `lissa`.

    Attributes
    ----------
    seed : int
    scale : float
        Must exceed the largest eigenvalue of the damped Hessian (``scipy.sparse.linalg.eigsh`` finds it from a few
        products), and that of most batches' Hessians.
    depth : int
        Steps in each repeat. The component of S along an eigenvector with eigenvalue a has converged once
        a * depth / scale is a few times 1.
    repeats : int
        Number of estimates that are averaged.
    tolerance : float
        Largest distance of S, the mean over the second half of the steps, from the mean over the second quarter, as a
        share of its norm.
    """

    seed: int
    scale: float
    depth: int = 1000
    repeats: int = 4
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        if not (0 < self.scale < np.inf and self.tolerance > 0):
            raise InputError(f"scale and tolerance must be positive, not {self.scale} and {self.tolerance}.")
        if self.depth < 2 or self.repeats < 1:
            raise InputError(f"depth must be 2 or more and repeats 1 or more, not {self.depth} and {self.repeats}.")


def lissa(
    sampled: Callable[[np.ndarray, np.random.Generator], np.ndarray], g: np.ndarray, damping: float, settings: Lissa
) -> np.ndarray:
    """Estimate (H + damping I)^-1 g stochastically: [p].

    S_j = g + (I - (H_j + damping I) / scale) S_{j-1}, with H_j the Hessian of a new batch of points in every step,
    tends to scale times the solution (Agarwal et al., 2016, as in Koh & Liang, 2017, section 3). They use the last S_j;
    this function uses the mean over the second half of the steps, which has far less noise from the draws (Polyak &
    Juditsky, 1992).

    Parameters
    ----------
    sampled : callable
        v [p], numpy.random.Generator -> H_j v [p], whose mean over draws is H v.
    g : array [p]
    damping : float
    settings : Lissa

    Raises
    ------
    InputError
        The recursion diverges, or has not converged after its last step.
    """
    g = np.asarray(g, dtype=np.float64)
    generators = map(np.random.default_rng, np.random.SeedSequence(settings.seed).spawn(settings.repeats))
    before, S = np.mean([_recursion(sampled, g, damping, settings, rng) for rng in generators], axis=0)
    moved, size = np.linalg.norm(S - before), np.linalg.norm(S)
    if moved > settings.tolerance * size:
        raise InputError(
            f"LiSSA has not settled: S still moves by {moved / size:.2g} of its norm after {settings.depth} steps; use "
            "more depth, more repeats, larger batches or a larger damping."
        )
    return S / settings.scale


def _recursion(sampled, g, damping, settings, rng):
    """Means of S_j over the second quarter and over the second half of the steps: [2, p]."""
    S, size, means = g, np.linalg.norm(g), np.zeros((2, len(g)))
    quarter, half, depth = settings.depth // 4, settings.depth // 2, settings.depth
    for step in range(1, depth + 1):
        S = g + S - (sampled(S, rng) + damping * S) / settings.scale
        # If no factor I - (H_j + damping I) / scale lengthens a vector, each step adds at most the norm of g.
        if not np.linalg.norm(S) <= (step + 1) * size * (1 + 1e-9):
            raise InputError(
                f"LiSSA diverges (step {step}) with scale = {settings.scale:g} and damping = {damping:g}; use a larger "
                "scale, above the largest eigenvalue, or a larger damping where eigenvalues are negative."
            )
        if step > quarter:
            means[int(step > half)] += S
    return means / [[half - quarter], [depth - half]]
