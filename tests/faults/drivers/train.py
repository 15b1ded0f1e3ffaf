"""Train a tiny network with a checkpoint after every step; say each that begins, and the weights' hash at the end."""

import sys

import numpy as np

from influaug.backend import keras
from influaug.data.datasets import content_hash
from influaug.networks import training

layers, write = keras.layers, training.write_arrays
model = keras.Sequential(
    [
        layers.Input((8, 8, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(4, 3, kernel_initializer=keras.initializers.HeNormal(seed=0)),
        layers.BatchNormalization(),
        layers.Flatten(name="features"),
        layers.Dense(2000, kernel_initializer=keras.initializers.HeNormal(seed=1)),
        layers.Dense(2, kernel_initializer=keras.initializers.HeNormal(seed=2)),
    ]
)


def announced(*arguments, **arrays):
    sys.stdout.write("saves\n")
    write(*arguments, **arrays)


training.write_arrays = announced
images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1)).astype(np.uint8)
settings = training.Settings(epochs=2, batch_size=10, peak_rate=0.01, augmentation="shifts+flips")
training.train(model, images, np.arange(60) % 2, settings, sys.argv[1], save_every=1)
sys.stdout.write(content_hash(*model.get_weights()) + "\n")
