"""A small network of PyTorch, trained on the embedded handwritten digits. `make torch` runs these tests."""

import numpy as np
import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        if "pytorch" in item.path.parts:
            item.add_marker("torch")


@pytest.fixture(scope="session")
def digits():
    """Training and test digits: images of uint8 [n, 8, 8], labels."""
    from sklearn.datasets import load_digits

    found = load_digits()
    images, labels = np.rint(found.images * (255 / 16)).astype(np.uint8), found.target
    order = np.random.default_rng(0).permutation(len(labels))
    return images[order[:600]], labels[order[:600]], images[order[600:]], labels[order[600:]]


@pytest.fixture(scope="session")
def trained(digits):
    """The network after 12 epochs on the training digits, in evaluation mode."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    from torch_networks import accuracy, network, train

    images, labels, test, test_labels = digits
    pairs = TensorDataset(torch.from_numpy(images[:, None]), torch.from_numpy(labels))
    module = train(network(), DataLoader(pairs, 32, shuffle=True), 12).eval()
    assert accuracy(module, test, test_labels) > 0.93
    return module
