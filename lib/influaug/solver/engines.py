"""The engines of the batched solver: how one is selected, and the limits on steps that they share.

``numpy`` is `influaug.solver.logistic` itself, on the CPU; ``keras`` is `influaug.solver.accelerated`, on the device of
Keras's backend.
"""

from __future__ import annotations

import os
import sys

from ..errors import InputError

REFRESH = (4, 9, 15, 25, 40)
"""Steps at which H0 becomes the inverse mean Hessian of the models that have not converged yet."""
MOST_STEPS = 60
"""Most steps of a descent in one precision."""
MOST_PRODUCTS = 1000
"""Most products with the Hessian in one conjugate gradient solve."""
ENGINES = ("numpy", "keras")
ENGINE_VARIABLE = "INFLUAUG_ENGINE"
"""Environment variable that names the engine where the caller does not."""


def engine_of(engine: str | None = None, gains: bool = True) -> str:
    """Select the engine: the one asked for, else the value of the environment variable INFLUAUG_ENGINE, else a default.

    The default is ``keras`` if Keras has been imported already and its default device is a GPU with float64, else
    ``numpy``. Keras is imported only if the engine ``keras`` is asked for, here or by the variable.

    Parameters
    ----------
    engine : {'numpy', 'keras'}, optional
    gains : bool
        Whether there is enough work for a GPU to save time; the default is ``numpy`` if not.

    Raises
    ------
    InputError
        The engine is unknown, here or in the variable; or it is ``keras`` and Keras's device has no float64, without
        which no model can be certified.
    """
    check_engine(engine)
    asked = engine or _engine_of_environment()
    if asked == "keras":
        from ..backend import check_double_precision

        check_double_precision()
    return asked or ("keras" if gains and _gpu_in_use() else "numpy")


def check_engine(engine: str | None, what: str = "engine") -> None:
    """Raise an `InputError` unless the engine is None or one of `ENGINES`."""
    if engine is not None and engine not in ENGINES:
        raise InputError(f"{what} is {engine!r}; it must be one of {', '.join(ENGINES)}, or left out.")


def _engine_of_environment():
    engine = os.environ.get(ENGINE_VARIABLE) or None
    check_engine(engine, f"The environment variable {ENGINE_VARIABLE}")
    return engine


def _gpu_in_use():
    """Whether Keras has been imported and computes on a GPU that has float64."""
    if "keras" not in sys.modules:
        return False
    from ..backend import has_double_precision, has_gpu

    return has_gpu() and has_double_precision()
