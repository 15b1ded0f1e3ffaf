"""Keras, imported without its backend's start-up chatter.

TensorFlow writes that it uses oneDNN to the process's standard error before its log level (TF_CPP_MIN_LOG_LEVEL, set in
the package's ``__init__``) is in force. So the descriptor itself points elsewhere while Keras is imported; what Python
raises meanwhile is raised as ever.
"""

import os
import sys
from contextlib import contextmanager


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


with _standard_error_closed():
    import keras

__all__ = ["keras"]
