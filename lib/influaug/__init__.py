"""influaug: choose which training points to augment, and how, by their influence."""

import os

# TensorFlow reads this once, when it is first imported: 3 leaves only fatal errors of its C++ side.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

__version__ = "0.1.0"
