"""Keras without graphs, for tests that train many networks for a few steps each.

Such tests mostly trace graphs: without, the canaries of learned augmentation take a quarter of the time. Their numbers
are the same but for rounding. The library's own tests, and the notebooks, train as users do.
"""

from contextlib import contextmanager

from influaug.backend import keras


@contextmanager
def untraced():
    """Within, TensorFlow runs every step eagerly; other backends run as ever. May be nested."""
    if keras.config.backend() != "tensorflow":
        yield
        return
    import tensorflow

    before = tensorflow.config.functions_run_eagerly()
    tensorflow.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tensorflow.config.run_functions_eagerly(before)
