"""The whole catalogue of transformations in one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from influaug.data.transformations import BUILDERS, COMPOSITIONS, named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COMPOSED = {"compose": ["flip_left_right", {"rotate": [-20, 20]}, "erase"]}
SHOWN = 2
"""Copies of each transformation that are shown: the first and the last."""
COLUMNS, ACROSS, DOWN = 8, 1.15, 1.75
"""Tiles in a row, and the distances of their left and upper edges in widths and heights of an image."""
WIDTH = 7.2
"""Width of the picture in inches."""


def photograph(side: int = 64) -> np.ndarray:
    """A photograph of a flower that comes with scikit-learn: array of uint8 [side, side, 3]."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    photo = load_sample_image("flower.jpg")
    margin = (photo.shape[1] - photo.shape[0]) // 2
    return np.array(Image.fromarray(photo[:, margin:-margin]).resize((side, side)))


def copies_of_all(image: np.ndarray, colours_only: bool = False) -> tuple[np.ndarray, list[str]]:
    """The image and its first and last copy by every transformation that it allows, with their labels.

    Parameters
    ----------
    image : array of uint8 [height, width, channels]
    colours_only : bool
        Only by transformations that change colours.
    """
    images, labels = [image], ["the image"]
    for spec in (*(name for name in BUILDERS if name not in COMPOSITIONS), COMPOSED):
        transformation = named(spec)
        if (transformation.colour and image.shape[2] != 3) or (colours_only and not transformation.colour):
            continue
        copies = transformation(image[np.newaxis])[:, 0]
        for which in sorted({0, len(copies) - 1})[:SHOWN]:
            images.append(copies[which])
            labels.append(transformation.labels[which].replace(", then ", ",\n"))
    return np.stack(images), labels


def picture(image: np.ndarray) -> Figure:
    """Draw `tiles` of an image [height, width, channels]; if it is grey, a photograph's colours below."""
    import matplotlib.pyplot as plt

    grids = [copies_of_all(image)]
    grids += [copies_of_all(photograph(), colours_only=True)] if image.shape[2] != 3 else []
    heights = [_rows(copies) * DOWN * copies.shape[1] / (COLUMNS * ACROSS * copies.shape[2]) for copies, _ in grids]
    fig, axes = plt.subplots(
        len(grids), 1, figsize=(WIDTH, WIDTH * sum(heights)), squeeze=False, height_ratios=heights, layout="constrained"
    )
    for ax, grid in zip(axes[:, 0], grids, strict=True):
        tiles(ax, *grid)
    return fig


def tiles(ax: Axes, images: np.ndarray, labels: list[str]) -> Axes:
    """Draw images [n, height, width, channels] in rows, each with its label below it."""
    height, width = images.shape[1:3]
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        row, column = divmod(place, COLUMNS)
        left, top = ACROSS * width * column, DOWN * height * row
        ax.imshow(image.squeeze(), vmin=0, vmax=255, extent=(left, left + width, top + height, top))
        ax.text(left + width / 2, top + 1.06 * height, label, fontsize=5, ha="center", va="top")
    ax.set(xlim=(-1, ACROSS * width * COLUMNS), ylim=(DOWN * height * _rows(images), -1), aspect="equal")
    ax.set_axis_off()
    return ax


def _rows(images):
    return -(-len(images) // COLUMNS)
