"""influaug: choose which training points to augment, and how, by their influence.

The rooms, each of which imports only from those above it:

* `files`: files that are written whole or not at all; limits and checks of files from outside.
* `backend`: Keras, found quietly; derivatives on every backend.
* `data`: image sets and their readers, transformations, other libraries' augmenters.
* `networks`: architectures, the featurizer, training that resumes.
* `solver`: the objective of linear heads, the batched solver, a scikit-learn estimator.
* `influence`: self-influence, influence on validation points, inverse products, Hessians.
* `selection`: scores, the registry of policies of points and of copies, greedy selection, the selector.
* `augnet`: learned augmentation (Lee et al., 2020).

What is named here is imported when it is asked for: networks need Keras, which takes seconds.
"""

from __future__ import annotations

import os
from importlib import import_module

# TensorFlow reads this once, when it is first imported: 3 leaves only fatal errors of its C++ side.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"

_PUBLIC = {
    "AugmentationNetwork": ".augnet.network",
    "AugmentationSelector": ".selection.selector",
    "InputError": ".errors",
    "copies_by_point": ".selection.copies",
    "label_issues": ".selection.label_issues",
    "LogisticHead": ".solver.estimator",
    "transformations": ".data.transformations",
}
"""Modules of the public names; `transformations` is a module itself."""

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_PUBLIC[name], __name__)
    return getattr(module, name, module)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])
