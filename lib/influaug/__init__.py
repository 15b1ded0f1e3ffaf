"""influaug: choose which training points to augment, and how, by their influence."""

from __future__ import annotations

import os

# TensorFlow reads this once, when it is first imported: 3 leaves only fatal errors of its C++ side.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
__all__ = ["AugmentationSelector", "__version__"]


def __getattr__(name: str) -> object:
    # Imported when it is asked for: scikit-learn takes seconds.
    if name == "AugmentationSelector":
        from .selection.selector import AugmentationSelector

        return AugmentationSelector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
