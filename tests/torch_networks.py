"""A small network of PyTorch for digits of 8 x 8 pixels, its training and its accuracy."""

import torch


def network(seed=0):
    torch.manual_seed(seed)
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(16 * 36, 24),
        nn.ReLU(),
        nn.Linear(24, 10),
    )


def train(module, loader, epochs):
    optimizer = torch.optim.Adam(module.parameters(), 2e-3)
    module.train()
    for _ in range(epochs):
        for images, targets in loader:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(images.float() / 255), targets).backward()
            optimizer.step()
    return module


def accuracy(module, images, labels):
    module.eval()
    with torch.no_grad():
        pixels = torch.from_numpy(images[:, None]).float() / 255
        return float((module(pixels).argmax(1).numpy() == labels).mean())
