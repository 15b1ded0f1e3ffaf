"""Networks that people bring: of every kind, on every scale, refused in a sentence before anything is trained."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from influaug import AugmentationNetwork
from influaug.augnet.at_test import probabilities
from influaug.augnet.given_networks import check_scale
from influaug.backend import keras
from influaug.errors import InputError

pytestmark = pytest.mark.slow

DIGITS = load_digits()
IMAGES = np.rint(DIGITS.images * (255 / 16)).astype("uint8")[:120, ..., None]
LABELS = DIGITS.target[:120]
layers = keras.layers


@pytest.fixture(scope="module")
def of_unit_images():
    """A linear classifier of images from 0 to 1, fitted by scikit-learn."""
    linear = LogisticRegression(max_iter=300, C=10).fit(IMAGES.reshape(120, -1) / 255, LABELS)
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(name="features"), layers.Dense(10, name="logits")])
    model.set_weights([linear.coef_.T, linear.intercept_])
    return model


@pytest.fixture(scope="module")
def network():
    return AugmentationNetwork("recipe").fit(IMAGES / 255, LABELS)


def behind_a_scale(model):
    return keras.Sequential([keras.Input((8, 8, 1)), layers.Rescaling(1 / 255), *model.layers])


def test_a_classifier_of_images_from_0_to_1_is_refused_until_it_rescales(of_unit_images, network):
    check_scale(behind_a_scale(of_unit_images), IMAGES, LABELS)
    with pytest.raises(InputError, match=r"loss of 0\.\d+ on the images from 0 to 1, and \d+\.?\d* from 0 to 255"):
        AugmentationNetwork().fit(IMAGES / 255, LABELS, of_unit_images)
    with pytest.raises(InputError, match=r"has no layer that rescales them; put keras\.layers\.Rescaling"):
        network.predict_proba(of_unit_images, IMAGES / 255)
    found = network.predict_proba(behind_a_scale(of_unit_images), IMAGES / 255)
    expected = softmax(of_unit_images.predict_on_batch(IMAGES / 255).astype(float), axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_an_untrained_classifier_is_not_taken_for_one_of_another_scale():
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(name="features"), layers.Dense(10)])
    check_scale(model, IMAGES, LABELS)


@pytest.mark.parametrize("policy", ["float16", "mixed_bfloat16"])
def test_a_softmax_of_half_precision_stays_one(policy):
    head = layers.Dense(10, "softmax", dtype=policy)
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Rescaling(1 / 255), layers.Flatten(), head])
    model.set_weights([8 * value for value in model.get_weights()])
    own = keras.ops.convert_to_numpy(keras.ops.cast(model.predict_on_batch(IMAGES), "float32")).astype(float)
    found = probabilities(model, IMAGES)
    np.testing.assert_allclose(found, own, atol=0.01)
    np.testing.assert_allclose(found.sum(axis=1), 1)


class Subclassed(keras.Model):
    def call(self, images):
        return images[:, 0, :, 0]


def outputs(made):
    images = keras.Input((8, 8, 1))
    flat = layers.Flatten()(images)
    return keras.Model(images, made(flat))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Subclassed, "model has 0 inputs that are known; it must be a Sequential or functional model that is built"),
        (lambda: keras.Sequential([layers.Flatten(), layers.Dense(10)]), "model has 0 inputs that are known"),
        (lambda: outputs(lambda x: [layers.Dense(10)(x), layers.Dense(2)(x)]), "model gives several outputs"),
        (lambda: outputs(lambda x: {"logits": layers.Dense(10)(x)}), "in a list or dict; it must give one array"),
        (lambda: outputs(layers.Dense(10, "sigmoid")), "model ends with a sigmoid for each class"),
        (lambda: outputs(lambda x: keras.Sequential([layers.Dense(10, "sigmoid")])(x)), "model ends with a sigmoid"),
    ],
)
def test_models_that_give_no_probabilities_are_refused(network, model, said):
    with pytest.raises(InputError, match=said):
        network.predict_proba(model(), IMAGES / 255)


@pytest.mark.parametrize("model", [Subclassed, lambda: keras.Sequential([layers.Flatten(name="features")])])
def test_classifiers_whose_layers_are_not_known_are_refused(model):
    with pytest.raises(InputError, match="classifier has 0 inputs that are known"):
        AugmentationNetwork().fit(IMAGES, LABELS, model())


def test_probabilities_that_are_no_numbers_are_refused(of_unit_images):
    broken = keras.models.clone_model(of_unit_images)
    broken.set_weights([np.full_like(value, np.nan) for value in of_unit_images.get_weights()])
    with pytest.raises(InputError, match="model gives NaN for some of the images"):
        probabilities(broken, IMAGES)


def test_draws_and_seed_are_looked_at_before_the_images(network):
    model = outputs(lambda x: layers.Dense(10)(layers.Rescaling(1 / 255)(x)))
    model.predict_on_batch = lambda *_: pytest.fail("the images were looked at")
    for draws, seed, said in ((-1, 0, "draws is -1"), (0, -1, "seed is -1"), (2, "a", "seed is 'a'")):
        with pytest.raises(InputError, match=said):
            network.predict_proba(model, IMAGES / 255, draws, seed)


@pytest.fixture
def restored():
    policy, order = keras.config.dtype_policy(), keras.config.image_data_format()
    yield
    keras.config.set_dtype_policy(policy)
    keras.config.set_image_data_format(order)


def test_settings_of_keras_under_which_nothing_is_learned_are_refused(restored):
    keras.config.set_dtype_policy("mixed_bfloat16")
    with pytest.raises(
        InputError, match="dtype policy is 'mixed_bfloat16', and augmentations are learned in 'float32'"
    ):
        AugmentationNetwork("recipe").fit(IMAGES, LABELS)
    keras.config.set_dtype_policy("float32")
    keras.config.set_image_data_format("channels_first")
    with pytest.raises(InputError, match="image_data_format is 'channels_first'"):
        AugmentationNetwork("recipe").fit(IMAGES, LABELS)
