"""The engines of the batched solver: which one computes, and the limits of steps that they share.

``numpy`` is `influaug.solver.logistic` itself, on the processor; ``keras`` is `influaug.solver.accelerated`, on the device
of Keras's backend.
"""

from __future__ import annotations

import os
import sys

from ..errors import InputError

REFRESH = (4, 9, 15, 25, 40)
"""Steps at which the models that are still open get the inverse of their present mean Hessian."""


MOST_STEPS = 60


MOST_PRODUCTS = 1000


ENGINES = ("numpy", "keras")


ENGINE_VARIABLE = "INFLUAUG_ENGINE"


def engine_of(engine: str | None = None, gains: bool = True) -> str:
    """The engine that is taken: what is asked for, else what the environment's INFLUAUG_ENGINE says, else a default.

    The default is ``keras`` where Keras has been imported already and its default device is a GPU with float64, else
    ``numpy``; Keras is imported for nothing but an engine ``keras`` that was asked for, here or by the variable.

    Parameters
    ----------
    engine : {'numpy', 'keras'}, optional
    gains : bool
        Whether there is enough work for a GPU to save time; the default is ``numpy`` if not.

    Raises
    ------
    InputError
        An unknown engine, here or in the variable, or ``keras`` where Keras's device has no float64: a model could not
        be certified there.
    """
    check_engine(engine)
    asked = engine or _engine_of_environment()
    if asked == "keras":
        from ..backend import check_double_precision

        check_double_precision()
    return asked or ("keras" if gains and _gpu_in_use() else "numpy")


def check_engine(engine: str | None, what: str = "engine") -> None:
    """Refuse what is neither None nor one of `ENGINES`."""
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
