"""Keras, imported without its backend's start-up messages; its device, and functions that differ between backends.

TensorFlow reports its use of oneDNN on the process's standard error before its log level (TF_CPP_MIN_LOG_LEVEL, set in
the package's ``__init__``) takes effect. So file descriptor 2 points to the null device while Keras is imported.
Exceptions during the import are raised as usual.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMPUTING = ("tensorflow", "jax", "torch")
"""Backends on which `full_precision` works."""


@contextmanager
def _standard_error_closed():
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


PACKAGES = {
    "tensorflow": ("tensorflow", "tensorflow-cpu (or tensorflow, with a GPU)"),
    "jax": ("jax", "jax"),
    "torch": ("torch", "torch"),
    "openvino": ("openvino", "openvino"),
}
"""What each backend of Keras is imported as and installed as."""


@contextmanager
def _missing_named() -> Iterator[None]:
    """Say in one sentence what to install where Keras or its backend is missing, or cannot be imported."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "keras" and "keras" not in sys.modules:
            raise InputError(
                "Networks need Keras, which is not installed: install keras, and tensorflow, jax or torch."
            ) from None
        chosen = os.environ.get("KERAS_BACKEND") or _configured()
        module, package = PACKAGES.get(chosen, (chosen, chosen))
        if (error.name or "").partition(".")[0] != module:
            raise
        others = ", ".join(name for name in COMPUTING if name != chosen)
        raise InputError(
            f"Networks need Keras's backend {chosen}, which is not installed: install {package}, or let KERAS_BACKEND "
            f"name another one that is ({others})."
        ) from None
    except ValueError as error:
        if "backend" not in str(error).lower():
            raise
        raise InputError(
            f"KERAS_BACKEND must be one of {', '.join(COMPUTING)}; Keras says: {str(error).rstrip('.')}."
        ) from None


def _configured():
    """The backend that Keras takes by its file of settings, or by itself."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text()).get("backend", "tensorflow")
    except (OSError, ValueError, AttributeError):  # as Keras does
        return "tensorflow"


with _standard_error_closed(), _missing_named():
    import keras

__all__ = ["check_double_precision", "compiled", "full_precision", "has_double_precision", "has_gpu", "keras"]


def has_gpu() -> bool:
    """Whether Keras's backend computes on a GPU by default."""
    if keras.config.backend() == "tensorflow":
        import tensorflow

        # Creating a tensor would start TensorFlow; after that its threads and devices cannot be configured.
        if not tensorflow.config.get_visible_devices("GPU"):
            return False
    device = _device()
    return "gpu" in device or "cuda" in device


def has_double_precision() -> bool:
    """Whether Keras's device computes in float64; Apple's GPUs do not."""
    # float32 would round 1 + 2^-40 to 1.
    device, least = _device(), 2.0**-40
    if "mps" in device or "metal" in device or (sys.platform == "darwin" and "gpu" in device):
        return False
    with full_precision():
        row = keras.ops.convert_to_tensor([[1.0, least]], dtype="float64")
        product = keras.ops.convert_to_numpy(row @ keras.ops.ones((2, 1), dtype="float64"))
    return product.item() == 1.0 + least


def check_double_precision() -> None:
    """Raise an error unless Keras's backend and device compute in float64.

    Raises
    ------
    InputError
        Keras's backend is not in `COMPUTING`, or its device has no float64.
    """
    backend = keras.config.backend()
    if backend not in COMPUTING:
        raise InputError(f"The engine 'keras' needs one of Keras's backends {', '.join(COMPUTING)}, not {backend}.")
    if not has_double_precision():
        raise InputError(f"Keras's device {_device()} has no float64, which the engine 'keras' needs; use 'numpy'.")


def _device():
    return str(keras.ops.ones(1).device).lower()


@contextmanager
def full_precision() -> Iterator[None]:
    """Enable float64 and full float32 products, which GPUs compute with fewer bits by default."""
    backend = keras.config.backend()
    if backend == "jax":
        import jax
        from jax import experimental

        enable_x64 = jax.enable_x64 if hasattr(jax, "enable_x64") else experimental.enable_x64
        with enable_x64(True), jax.default_matmul_precision("highest"):
            yield
        return
    if backend == "tensorflow":
        from tensorflow.config import experimental

        before, change = experimental.tensor_float_32_execution_enabled(), experimental.enable_tensor_float_32_execution
        exact = False
    else:
        import torch

        before, change = torch.get_float32_matmul_precision(), torch.set_float32_matmul_precision
        exact = "highest"
    change(exact)
    try:
        yield
    finally:
        change(before)


def compiled(function: Callable) -> Callable:
    """Compile a function of tensors that is called often with the same shapes; PyTorch runs it as it is."""
    if keras.config.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.config.backend() == "tensorflow":
        import tensorflow

        return tensorflow.function(function, autograph=False, reduce_retracing=True)
    return function
