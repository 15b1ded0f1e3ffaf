"""Other ways to the self influences of a logistic head, against which `influaug.influence.leave_one_out` is timed.

Both take what `influaug.solver.heads` takes and answer in the same units: g' H^-1 g >= 0 with the Hessian H of the
weighted, regularised objective and the gradient g of the point's own unweighted loss. Two classes only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import autograd
import autograd.numpy as anp
import numpy as np
from autograd.misc import flatten
from scipy.linalg import inv

from influaug.errors import InputError

from ..storage import paths

if TYPE_CHECKING:
    from influaug._types import PathLike

PYDVL = ("pydvl[influence]==0.10.0", "torch==2.8.0")
PYDVL_PYTHON = "3.11"
PYDVL_DATE = "2025-09-01"
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def autograd_influence(
    x: np.ndarray, labels: np.ndarray, theta: np.ndarray, weights: np.ndarray, C: float
) -> np.ndarray:
    """Self influence of each point by automatic differentiation, one gradient call a point: [n].

    This is how the released code of Kuchnik & Smith (2019) scores points, operation by operation: the logistic loss
    through tanh and a logarithm, with an L2 term in every call; the Hessian of the summed loss by ``autograd.hessian``
    (reverse over reverse, one pass a parameter); its explicit inverse; and a loop that builds ``autograd.grad`` and
    calls it for one point after the other. Three things differ, so that the values are those of
    `influaug.influence.leave_one_out.self_influence`: the Hessian has the weights and the L2 term of the objective that
    was minimised, the L2 term of a single point is zero, and the sign is dropped. Its intermediate copies of features
    and parameters are left out.

    Parameters
    ----------
    x : array [n, d + 1]
        Features with the constant column last.
    labels : int array [n]
        0 or 1.
    theta : array [1, d + 1]
        The fitted head.
    weights : array [n]
        Weights of the points in the fit.
    C : float
        Inverse regularisation strength of the fit.

    Raises
    ------
    InputError
        The head has more than two classes.

    Notes
    -----
    As in the released code, 1 - p is formed by subtraction: a point that is misclassified by a score of s has a
    relative error of about 1e-16 exp(s), and no finite value from s = 37 on.
    """
    _two_classes(theta)
    flat = theta.ravel()
    inverse = inv(autograd.hessian(_objective)(flat, x, labels, weights, 0.5 / C))
    influences = np.empty(len(x))
    for i in range(len(x)):
        g = autograd.grad(_loss)(flat, x[i : i + 1], labels[i], 0.0)
        influences[i] = g.dot(inverse).dot(g)
    return influences


def _loss(theta, x, labels, alpha):
    return _l2(theta, alpha) - anp.sum(_log_likelihood(theta, x, labels))


def _objective(theta, x, labels, weights, alpha):
    return _l2(theta, alpha) - anp.sum(weights * _log_likelihood(theta, x, labels))


def _log_likelihood(theta, x, labels):
    p = 0.5 * (anp.tanh(anp.dot(x, theta) / 2.0) + 1.0)
    return anp.log(p * labels + (1.0 - p) * (1.0 - labels))


def _l2(theta, alpha):
    flat, _ = flatten(theta[:-1])
    return alpha * anp.dot(flat, flat)


def pydvl_influence(
    x: np.ndarray, labels: np.ndarray, theta: np.ndarray, weights: np.ndarray, C: float
) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Self influence of each point by pyDVL's DirectInfluence, in a process and an environment of its own.

    uv makes the environment (`PYDVL`, as of `PYDVL_DATE`) from its cache, which `fetch_pydvl` fills.
    `studies.benchmark.pydvl_influence` says what is computed.

    Parameters
    ----------
    x, labels, theta, weights, C
        As in `autograd_influence`.

    Returns
    -------
    scores : array [n]
    seconds : array [2]
        Process time of the influences alone, one thread, best of ten in the same process: of the n wanted ones from
        its factors and gradients, and of its public call, which gives all n x n.
    versions : dict
        Versions of python, pydvl, torch and numpy there.

    Raises
    ------
    InputError
        The head has more than two classes, uv is not installed, or it cannot make the environment.
    """
    _two_classes(theta)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npz"), Path(folder, "out.npz")
        np.savez(source, x=x, labels=labels, theta=theta, weights=weights, C=C)
        _run([*pydvl_command(), str(source), str(target)])
        return read_answer(target)


def pydvl_command(offline: bool = True) -> list[str]:
    """The uv command that runs the script `studies.benchmark.pydvl_influence`, without the script's two arguments.

    Offline it takes what uv's cache holds; see `fetch_pydvl`.
    """
    uv = shutil.which("uv") or shutil.which(paths.PROJECT / ".uv" / "bin" / "uv")
    if uv is None:
        raise InputError("uv was not found, which makes pyDVL's environment: `make setup` puts it into .uv/bin.")
    options = [
        *["--offline"] * offline,
        "--isolated",
        "--no-project",
        "--quiet",
        "--exclude-newer",
        PYDVL_DATE,
        "--python",
        PYDVL_PYTHON,
    ]
    packages = [part for package in PYDVL for part in ("--with", package)]
    return [uv, "run", *options, *packages, "python", "-P", str(Path(__file__).with_name("pydvl_influence.py"))]


def fetch_pydvl() -> None:
    """Fill uv's cache with pyDVL's environment: gigabytes, as PyTorch's wheels for Linux bring CUDA's."""
    *command, _, _ = pydvl_command(offline=False)
    _run([*command, "-c", "import pydvl, torch"])


def _run(command):
    done = subprocess.run(command, env=os.environ | ONE_THREAD, capture_output=True, text=True)
    if done.returncode and "Traceback" in done.stderr:
        raise RuntimeError(f"pyDVL's script failed:\n{done.stderr}")
    if done.returncode:
        reason = " ".join(done.stderr.split()).rstrip(".")
        raise InputError(
            f"uv could not make pyDVL's environment, for which `make bench` fetches the packages: {reason}."
        )


def read_answer(path: PathLike) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Scores [n], seconds and versions that the script wrote."""
    with np.load(path, allow_pickle=False) as answer:
        versions = dict(zip(answer["packages"].tolist(), answer["versions"].tolist(), strict=True))
        return answer["scores"], answer["seconds"], versions


def _two_classes(theta):
    if len(theta) != 1:
        raise InputError(f"The head has {len(theta)} rows of parameters; this needs one, a head of two classes.")
