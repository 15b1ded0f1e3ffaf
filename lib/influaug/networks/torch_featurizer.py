"""A trained network of PyTorch as a featurizer: what one of its layers gives, by a forward hook."""

from __future__ import annotations

from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin

from ..data.tensors import channels_first
from ..errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

REPEATED = 2
"""Images that go through the network twice, to see whether it is deterministic."""


class TorchFeaturizer(TransformerMixin, BaseEstimator):
    """Features of images from a layer of a trained `torch.nn.Module`, as a scikit-learn transformer.

    The network runs in evaluation mode and without gradients, and is as before afterwards.

    Parameters
    ----------
    module : torch.nn.Module
        Trained; it takes a batch of tensors [n, channels, height, width].
    layer : str
        Name of the layer whose output is taken, as in ``module.named_modules()``; 'fc1', for example, or
        'layer4.1.relu'. Outputs with more than two axes are flattened.
    preprocess : callable, optional
        Makes the module's input of a uint8 tensor [n, channels, height, width] on the module's device, such as
        ``weights.transforms()`` of torchvision. By default float32 from 0 to 1.
    batch_size : int
        Images that go through the network at once.
    device : str or torch.device, optional
        Where it computes; the module is moved there, and stays. By default where its first parameter is.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        layer: str,
        preprocess: Callable[[torch.Tensor], torch.Tensor] | None = None,
        batch_size: int = 256,
        device: Any = None,
    ) -> None:
        self.module = module
        self.layer = layer
        self.preprocess = preprocess
        self.batch_size = batch_size
        self.device = device

    def __sklearn_is_fitted__(self) -> bool:
        """The network is trained already, so `fit` has nothing to do."""
        return True

    def fit(self, images: np.ndarray, labels: Any = None) -> Self:
        """Check the parameters; nothing is trained."""
        del images, labels
        self._check()
        return self

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Features of images.

        Parameters
        ----------
        images : array of uint8 [n, height, width, channels]

        Returns
        -------
        array of float32 [n, d]

        Raises
        ------
        InputError
            A parameter or the images are not what they should be, the layer is not called exactly once, or the network
            gives other features when it is asked again.
        """
        self._check()
        images = np.asarray(images)
        if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
            raise InputError(
                f"images are {images.dtype} of shape {images.shape}; they must be uint8 [n, height, width, channels]."
            )
        device = self._device()
        with evaluating(self.module.to(device)), torch.no_grad():
            parts = [
                self._features(channels_first(images[i : i + self.batch_size]).to(device))
                for i in range(0, len(images), self.batch_size)
            ]
            again = self._features(channels_first(images[:REPEATED]).to(device))
        # Other sizes of batches may change the last digits.
        if not np.allclose(again, parts[0][:REPEATED], rtol=1e-3, atol=1e-3 * np.abs(again).max(initial=0)):
            raise InputError(
                "The network gives other features each time that it is asked; it must draw nothing at random in "
                "evaluation mode, and each image's features must not depend on its batch."
            )
        return np.concatenate(parts)

    def _features(self, pixels):
        """Output of the layer for a batch of uint8 tensors."""
        found: list[Any] = []
        hook = self._layers()[self.layer].register_forward_hook(lambda _, __, output: found.append(output))
        try:
            self.module(pixels.float() / 255 if self.preprocess is None else self.preprocess(pixels))
        finally:
            hook.remove()
        if len(found) != 1 or not isinstance(found[0], torch.Tensor) or len(found[0]) != len(pixels):
            raise InputError(
                f"The layer {self.layer!r} was called {len(found)} times for a batch of {len(pixels)} images; it must "
                "be called once and give one tensor with a row for each image."
            )
        return found[0].flatten(1).float().cpu().numpy()

    def _layers(self):
        return dict(self.module.named_modules())

    def _device(self):
        first = next(self.module.parameters(), None)
        return self.device or (first.device if first is not None else "cpu")

    def _check(self):
        if not isinstance(self.module, torch.nn.Module):
            raise InputError(f"module is a {type(self.module).__name__}; it must be a torch.nn.Module.")
        if self.layer not in self._layers() or self.layer == "":
            known = ", ".join(list(self._layers())[1:11])
            raise InputError(f"layer is {self.layer!r}; it must be a layer of the module, such as {known}.")
        if isinstance(self.batch_size, bool) or not isinstance(self.batch_size, Integral) or self.batch_size < 1:
            raise InputError(f"batch_size is {self.batch_size!r}; it must be a whole number of at least 1.")


@contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards every part has the mode that it had."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
