"""Keras without graphs, for tests that train many networks for a few steps each.

To trace a network's graph takes as long as a hundred of these steps, so that the tests would mostly trace. The numbers
are the same but for rounding. The library's own tests, and the notebooks, train as users do.
"""

from contextlib import contextmanager

from influaug.backend import keras


@contextmanager
def untraced():
    """Within, TensorFlow runs every step eagerly; other backends run as ever."""
    if keras.config.backend() != "tensorflow":
        yield
        return
    import tensorflow

    tensorflow.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tensorflow.config.run_functions_eagerly(False)
