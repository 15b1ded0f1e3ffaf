"""Saved networks: this package's own pass, and what makes them more than layers and weights is refused."""

import keras
import numpy as np
import pytest

import malicious
from influaug.errors import InputError
from influaug.files.networks import check_network
from influaug.networks.featurizer import KerasFeaturizer, lenet
from studies.storage import paths

OUTPUTS = paths.PROJECT / "outputs"


@pytest.mark.parametrize("path", sorted(OUTPUTS.glob("featurizers/*/*.keras")), ids=lambda path: path.stem)
def test_the_committed_featurizers_pass(path):
    check_network(path)


def test_layers_that_are_registered_pass(tmp_path):
    import influaug.augnet.ranges  # noqa: F401

    check_network(next(OUTPUTS.glob("learned/*/*/learned-ranges.keras")))


def test_a_network_that_is_written_again_as_it_is_passes(tmp_path):
    check_network(*malicious.network(tmp_path))


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (malicious.a_function_of_the_operating_system, "asks for 'os.function'"),
        (malicious.a_vocabulary_from_a_file, r"asks for 'keras\.layers\.StringLookup'"),
        (malicious.weights_of_another_file, "weights that lie in another place"),
        (malicious.weights_put_together_from_other_files, "weights that lie in another place"),
        (malicious.weights_that_lead_round_in_a_circle, "weights that lie in another place"),
        (malicious.weights_of_terabytes, "would unpack to 4000"),
        (malicious.a_layer_of_gigabytes, r"describes a network of 10\d{8} weights, but holds 571746\.$"),
        (malicious.a_resizing_to_gigabytes, "has a layer that makes [0-9]+ numbers of one image, where at most"),
        (malicious.an_upsampling_to_gigabytes, "has a layer that makes"),
        (malicious.a_padding_to_gigabytes, "describes a layer with padding 30000, where at most 1024 is taken"),
        (malicious.a_picture_of_gigabytes_asked_for, "has a layer that makes"),
        (malicious.a_network_of_networks_of_networks, "more than 100 parts one within another"),
        (malicious.a_hundred_thousand_layers, "more than 5000 layers"),
        (malicious.a_table_of_sounds_of_gigabytes, r"asks for 'keras\.layers\.MelSpectrogram'"),
        (malicious.a_network_in_it_compiled_with_code, r"asks for 'os\.system'"),
        (malicious.a_network_compiled_with_code_in_place_of_a_layer, r"asks for 'keras\.optimizers\.Adam'"),
        (malicious.a_network_with_assets, "holds 'canary'; a saved network holds metadata"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, attack, said):
    with pytest.raises(InputError, match=said):
        check_network(*attack(tmp_path))


SGD = keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.1, 100), momentum=0.9)
METRICS = [keras.metrics.SparseTopKCategoricalAccuracy(2), keras.metrics.SparseCategoricalAccuracy()]
COMPILED = {
    "by name": ("adam", "sparse_categorical_crossentropy", ["accuracy"]),
    "by object": (SGD, keras.losses.SparseCategoricalCrossentropy(from_logits=True), METRICS),
    "scaled": (
        keras.optimizers.LossScaleOptimizer(keras.optimizers.AdamW()),
        keras.losses.SparseCategoricalCrossentropy(),
        None,
    ),
}


def images(n=6):
    return np.random.default_rng(0).integers(0, 256, (n, 28, 28, 1), dtype=np.uint8)


def check_same(path, model):
    """The featurizer of a file gives what the network gives that was saved to it."""
    probe = keras.Model(model.inputs, model.get_layer("features").output)
    np.testing.assert_allclose(
        KerasFeaturizer.load(path).transform(images()), probe.predict(images(), verbose=0), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("how", COMPILED)
@pytest.mark.parametrize("trained", [False, True])
def test_compiled_networks_are_loaded(tmp_path, how, trained):
    model, (optimizer, loss, metrics) = lenet((28, 28, 1), 3), COMPILED[how]
    optimizer = optimizer if isinstance(optimizer, str) else type(optimizer).from_config(optimizer.get_config())
    model.compile(optimizer, loss, metrics=metrics)
    if trained:
        model.fit(images(), np.arange(6) % 3, verbose=0)
    model.save(tmp_path / "a.keras")
    check_same(tmp_path / "a.keras", model)
    model.save(tmp_path / "b.keras", include_optimizer=False)
    check_same(tmp_path / "b.keras", model)


def test_checkpoints_are_loaded(tmp_path):
    model = lenet((28, 28, 1), 3)
    model.compile("rmsprop", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
    keep = keras.callbacks.ModelCheckpoint(tmp_path / "a.keras")
    model.fit(images(), np.arange(6) % 3, verbose=0, callbacks=[keep])
    check_same(tmp_path / "a.keras", model)


def test_a_network_around_a_compiled_one_is_loaded(tmp_path):
    inner = keras.Sequential([keras.layers.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(5)])
    inner.compile("adam", keras.losses.MeanSquaredError(), metrics=["mae"])
    features = keras.layers.Dense(4, name="features")
    model = keras.Sequential([keras.layers.Input((28, 28, 1)), inner, features, keras.layers.Dense(3)])
    model.compile(keras.optimizers.Nadam(), "sparse_categorical_crossentropy")
    model.save(tmp_path / "a.keras")
    check_same(tmp_path / "a.keras", model)


def test_a_refused_description_leaves_nothing_to_be_built_later(tmp_path):
    """Keras gives values to what was made without them at the end of the next scope."""
    with pytest.raises(InputError, match="describes a network of"):
        check_network(*malicious.a_layer_of_gigabytes(tmp_path))
    with keras.StatelessScope():
        small = keras.layers.Dense(2)
        small.build((None, 3))
    assert small.kernel.shape == (3, 2) and np.isfinite(keras.ops.convert_to_numpy(small.kernel)).all()
    assert not keras.src.backend.common.global_state.get_global_attribute("uninitialized_variables")
