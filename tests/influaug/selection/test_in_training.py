import keras
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from influaug.data.transformations import expand, translate
from influaug.errors import InputError
from influaug.selection.draws import PoolSampler, drawn_by
from influaug.selection.in_training import BatchesInTraining

N = 24


def network():
    weights = keras.initializers.GlorotUniform(seed=1)
    return keras.Sequential(
        [
            keras.layers.Input((6, 6, 1)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(5, activation="relu", kernel_initializer=weights, name="features"),
            keras.layers.Dense(2, kernel_initializer=weights),
        ]
    )


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    labels = np.arange(N) % 2
    images = (rng.integers(0, 128, (N, 6, 6, 1)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    return images, labels


def pool(images, labels):
    copies = expand(images, labels, translate(1))
    return np.concatenate([images, copies.images]), np.append(labels, copies.labels)


def compiled(model):
    model.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


class Recorder(keras.callbacks.Callback):
    """Weights at the beginning of every epoch, and the rows and probabilities that it drew."""

    def __init__(self, batches):
        super().__init__()
        self.batches, self.weights, self.epochs, self.q = batches, [], [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.batches.sampler.epoch)
        self.q.append(self.batches.sampler.probabilities)


def errors(weights, images, labels):
    model = network()
    model.set_weights(weights)
    return 1 - softmax(model.predict_on_batch(images), axis=1)[np.arange(len(labels)), labels]


def test_fit_draws_by_the_error_of_the_network_at_that_time(data):
    model = compiled(network())
    batches = BatchesInTraining(model, *data, translate(1), batch_size=7, every=2, seed=3)
    seen = Recorder(batches)
    first = batches.sampler.probabilities
    model.fit(batches, epochs=4, verbose=0, callbacks=[seen])
    images, labels = pool(*data)
    # Scored before the epochs 0 and 2.
    np.testing.assert_allclose(first, drawn_by(errors(seen.weights[0], images, labels), 5 * N), rtol=1e-4)
    assert np.array_equal(seen.q[0], first) and np.array_equal(seen.q[1], first)
    np.testing.assert_allclose(seen.q[2], drawn_by(errors(seen.weights[2], images, labels), 5 * N), rtol=1e-4)
    assert not np.allclose(seen.q[2], first, rtol=1e-3) and np.array_equal(seen.q[3], seen.q[2])
    assert seen.epochs == [1, 2, 3, 4]


def test_batches_are_the_drawn_originals_and_copies(data):
    batches = BatchesInTraining(network(), *data, translate(1), batch_size=7, size=20)
    images, labels = pool(*data)
    assert [len(batches[i][1]) for i in range(len(batches))] == [7, 7, 6]
    np.testing.assert_array_equal(np.concatenate([batches[i][0] for i in range(3)]), images[batches.rows])
    np.testing.assert_array_equal(np.concatenate([batches[i][1] for i in range(3)]), labels[batches.rows])
    again = PoolSampler(5 * N, 20, lambda: errors(network().get_weights(), images, labels))
    assert list(again) == batches.rows.tolist()


def test_tf_data_gives_the_same_epochs(data):
    pytest.importorskip("tensorflow")
    one, other = network(), network()
    batches = BatchesInTraining(one, *data, translate(1), batch_size=7, every=1)
    compiled(one).fit(batches, epochs=3, verbose=0, shuffle=False)
    through = BatchesInTraining(other, *data, translate(1), batch_size=7, every=1)
    compiled(other)
    dataset = through.dataset().prefetch(3)
    for _ in range(3):
        for x, y in dataset:
            other.train_on_batch(x.numpy(), y.numpy())
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_influence_is_leave_one_out_influence_on_the_pool(data):
    model = network()
    batches = BatchesInTraining(model, *data, translate(1), by="influence", C=1.0)
    images, labels = pool(*data)
    x = keras.Model(model.inputs[0], model.get_layer("features").output).predict_on_batch(images)
    fit = LogisticRegression(C=1.0, tol=1e-10, solver="newton-cholesky").fit(x, labels)
    p = fit.predict_proba(x)[:, 1]
    design = np.column_stack([x, np.ones(len(x))]).astype(float)
    H = (design * (p * (1 - p))[:, None]).T @ design + np.diag([1.0] * 5 + [0.0])
    influence = (p - labels) ** 2 * np.einsum("ij,ij->i", design @ np.linalg.pinv(H), design)
    np.testing.assert_allclose(batches.sampler.probabilities, drawn_by(influence, 5 * N), rtol=1e-3)


def test_floats_come_as_they_were_given(data):
    images, labels = data
    batches = BatchesInTraining(network(), images[..., 0].astype(np.float32) / 255, labels, translate(1), size=110)
    x, _ = batches[0]
    assert x.dtype == np.float32 and x.shape == (110, 6, 6) and 0.4 < x.max() <= 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"network": "lenet"}, "must be a Keras model"),
        ({"by": "loss"}, "one of error, influence"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"labels": np.zeros(N, int)}, "K at least 2"),
        ({"size": 121}, "at most the 120 rows"),
        ({"transformation": "no such"}, "no such"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(data, wrong, said):
    given = {"network": network(), "images": data[0], "labels": data[1], "transformation": translate(1)} | wrong
    with pytest.raises(InputError, match=said):
        BatchesInTraining(**given)


def test_torch_takes_the_sampler(data):
    torch = pytest.importorskip("torch")
    images, labels = pool(*data)
    rows = torch.utils.data.TensorDataset(torch.from_numpy(images), torch.from_numpy(labels))
    loader = torch.utils.data.DataLoader(rows, 8, sampler=PoolSampler(5 * N, N, lambda: np.ones(5 * N)))
    assert sum(len(y) for _, y in loader) == N
