"""Files of random images, as readers of data sets take them."""

import numpy as np
from PIL import Image


def pictures(n, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), dtype=np.uint8)


def write_npz(path, **changes):
    arrays = {
        "x_train": pictures(6, 5, 4),
        "y_train": np.array([0, 1, 2, 0, 1, 2]),
        "x_test": pictures(3, 5, 4, seed=1),
        "y_test": np.array([2, 1, 0]),
    } | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def write_image(path, size=(4, 5), mode="L", seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    pixels = pictures(1, *shape, seed=seed)[0]
    Image.fromarray(pixels).convert(mode).save(path)
    return pixels
