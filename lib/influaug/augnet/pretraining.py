"""Pretraining of the transformation models as the generator of a game against critics.

``ragan`` (Lee et al., 2020, section 4.3): a relativistic average GAN (Jolicoeur-Martineau, 2018) in which E and G learn
to make of images what the base augmentation makes of them; one critic sees images, another, a single layer, the
features of a classifier F.

``wgan-gp`` (the ICLR 2019 submission, section 4.3): a Wasserstein GAN with gradient penalty (Gulrajani et al., 2017) in
which G alone, fed with random tau, learns; one critic tells its copies from images, another its displacement fields
from those of random affine maps; and the inverses of the mean squares of what is changed keep it from the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..backend import keras
from ..backend.derivatives import input_gradient
from ..errors import InputError
from ..networks.featurizer import JIT
from ..networks.precision import check_finite
from .classifiers import batches
from .models import Design, check_number, check_whole_number, encoder, seeds_from
from .partial import Partial
from .ranges import LINEAR_GROUPS, Family, GlobalRanges

if TYPE_CHECKING:
    from typing import Any

    from .._types import Tensor
    from .models import TransformationModel
    from .series import Series

ops = keras.ops

GAMES = ("ragan", "wgan-gp")
ADAM = {"beta_1": 0.5, "beta_2": 0.9}
AFFINE = 1.5
"""Range, in pixels, of each linear group of the random affine maps that the flow critic takes for real."""
LEAST = 1e-6
"""Added to mean squares before they are inverted."""


@dataclass(frozen=True)
class Pretraining:
    """How a transformation model is pretrained.

    Attributes
    ----------
    game : {'ragan', 'wgan-gp'}
    steps : int
        Of the generator.
    batch_size : int
    rate : float
        Adam's step size.
    critic_steps : int
        For each step of the generator.
    gradient_penalty : float
        Weight in 'wgan-gp'.
    anti_identity : float
        Weight in 'wgan-gp' of the inverse mean squares; images from 0 to 1, displacements in half image sizes.
    """

    game: str = "ragan"
    steps: int = 600
    batch_size: int = 64
    rate: float = 2e-4
    critic_steps: int = 1
    gradient_penalty: float = 10.0
    anti_identity: float = 1e-3

    def __post_init__(self) -> None:
        if self.game not in GAMES:
            raise InputError(f"game is {self.game!r}; it must be one of {', '.join(GAMES)}.")
        for name in ("steps", "batch_size", "critic_steps"):
            check_whole_number(name, getattr(self, name), 1)
        check_number("rate", self.rate, strictly=True)
        for name in ("gradient_penalty", "anti_identity"):
            check_number(name, getattr(self, name), strictly=False)


class _Game(Partial):
    """What both sides of a game share: the transformation model, the base augmentation, F's body, and two critics."""

    def __init__(
        self,
        model: TransformationModel | Series,
        base: keras.layers.Layer,
        body: keras.Model | None,
        critics: list[keras.Model],
        settings: Pretraining,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.base, self.body, self.critics, self.settings = model, base, body, critics, settings
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.affine = GlobalRanges(model.image_shape, Family(base_shift=0, bands=()), seed)
        self.affine.assign(np.full(len(LINEAR_GROUPS), AFFINE))
        self.trains(*self.trained())

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Tensor = None, sample_weight: Any = None, training: bool = True
    ) -> Tensor:
        """The side's loss, which `call` gives."""
        return ops.mean(y_pred)

    def relativistic(self, images: Tensor, sign: int) -> Tensor:
        """RaGAN loss of both critics; sign is 1 for the critics' side and -1 for the generator's."""
        copies = self.model.transform(images, self.model.encode(images, drop=True))
        real, fake = (ops.stop_gradient(self.base(images)), copies)
        losses = []
        for critic, seen in zip(self.critics, (lambda x: x, lambda x: self.body(x, training=False)), strict=True):  # type: ignore[misc]
            r, f = critic(seen(real)), critic(seen(fake))
            losses.append(ops.softplus(-sign * (r - ops.mean(f))) + ops.softplus(sign * (f - ops.mean(r))))
        return ops.mean(losses[0]) + ops.mean(losses[1])

    def drawn(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Of random tau: copies from 0 to 1, and displacements in half image sizes."""
        shape = (ops.shape(images)[0], self.model.design.tau)
        tau = keras.random.normal(shape, seed=self.seed_generator)
        tau = keras.random.dropout(tau, self.model.design.dropout, seed=self.seed_generator)
        fields = self.model.fields(tau)
        copies = self.model.apply(images, fields) / self.model.design.white
        return copies, fields["displacement"] / self.half

    @property
    def half(self) -> float:
        """Half of the longer side, in pixels."""
        return max(self.model.image_shape[:2]) / 2

    def affine_flows(self, n: Tensor) -> Tensor:
        """Displacement fields of random affine maps, in half image sizes."""
        return self.affine.displacement(self.affine.sigma(), self.affine.draw(n)) / self.half


class _Critics(_Game):
    """The critics' side."""

    def trained(self) -> list[keras.Model]:
        return self.critics

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        if self.settings.game == "ragan":
            return self.relativistic(images, 1)
        copies, flows = map(ops.stop_gradient, self.drawn(images))
        pairs = [(images / self.model.design.white, copies), (self.affine_flows(ops.shape(images)[0]), flows)]
        losses = [self.wasserstein(critic, *pair) for critic, pair in zip(self.critics, pairs, strict=True)]
        return losses[0] + losses[1]

    def wasserstein(self, critic: keras.Model, real: Tensor, fake: Tensor) -> Tensor:
        """Wasserstein loss of a critic with its gradient penalty (Gulrajani et al., 2017, equation 3)."""
        share = keras.random.uniform((ops.shape(real)[0], 1, 1, 1), seed=self.seed_generator)
        slope = input_gradient(critic, ops.stop_gradient(real + share * (fake - real)))
        steepness = ops.sqrt(ops.sum(slope**2, axis=(1, 2, 3)) + 1e-12)
        penalty = self.settings.gradient_penalty * ops.mean((steepness - 1) ** 2)
        return ops.mean(critic(fake)) - ops.mean(critic(real)) + penalty


class _Generator(_Game):
    """The transformation model's side."""

    def trained(self) -> list[keras.Model]:
        return [self.model] if self.settings.game == "ragan" else [self.model.generator]

    def call(self, images: Tensor, training: bool | None = None) -> Tensor:
        if self.settings.game == "ragan":
            return self.relativistic(images, -1)
        copies, flows = self.drawn(images)
        changed = ops.mean((copies - images / self.model.design.white) ** 2), ops.mean(flows**2)
        away = sum(1 / (LEAST + square) for square in changed)
        judged = sum(ops.mean(critic(seen)) for critic, seen in zip(self.critics, (copies, flows), strict=True))
        return self.settings.anti_identity * away - judged


def pretrain(
    model: TransformationModel | Series,
    base: keras.layers.Layer,
    images: np.ndarray,
    classifier: keras.Model | None = None,
    settings: Pretraining | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Pretrain a transformation model in place, on images that need no labels.

    Parameters
    ----------
    model : models.TransformationModel
        With a spatial part.
    base : keras.layers.Layer
        The base augmentation; what it makes of the images is real in 'ragan'.
    images : array of uint8 [n, height, width, channels]
    classifier : keras.Model
        F, with a layer 'features'; 'ragan' alone needs it.
    settings : Pretraining
    seed : int

    Returns
    -------
    list of dict
        Of each step: step, critics, generator: their losses.
    """
    settings = settings or Pretraining()
    if settings.game == "ragan" and classifier is None:
        raise InputError("The game 'ragan' needs a classifier, whose features the second critic sees.")
    of_image, of_other, of_critics, of_generator, of_order = seeds_from(seed, 5)
    body = classifier and keras.Model(classifier.inputs[0], classifier.get_layer("features").output)
    shared = model, base, body, _critics(model, body, of_image, of_other), settings
    sides = _Critics(*shared, of_critics), _Generator(*shared, of_generator)
    for side in sides:
        side.compile(keras.optimizers.Adam(settings.rate, **ADAM), jit_compile=JIT)
    steps = settings.steps * (settings.critic_steps + 1)
    drawn = batches(len(images), steps, settings.batch_size, np.random.default_rng(of_order))
    trajectory = []
    for step in tqdm(range(settings.steps), "pretraining", leave=False):
        losses = [sides[0].train_on_batch(images[next(drawn)].astype("float32")) for _ in range(settings.critic_steps)]
        loss = sides[1].train_on_batch(images[next(drawn)].astype("float32"))
        check_finite(loss + sum(losses), f"of the game in step {step + 1}")
        trajectory.append({"step": step, "critics": float(np.mean(losses)), "generator": float(loss)})
    return trajectory


def diversity(layer: keras.layers.Layer, images: np.ndarray, draws: int = 20, seed: int = 0) -> float:
    """How much the copies of one image differ: standard deviation of the displacement over draws, in pixels.

    Parameters
    ----------
    layer : models.TransformationModel or a layer of `ranges`
        What it has learned counts, without the base augmentation.
    images : array [n, height, width, channels]
    draws : int
    seed : int

    Returns
    -------
    float
        Root mean square over images, pixels and both axes.
    """
    seeds, images = seeds_from(seed, draws), images.astype("float32")
    fields = [ops.convert_to_numpy(layer.learned_displacement(images, next(seeds))) for _ in range(draws)]
    return float(np.sqrt(np.mean(np.var(fields, axis=0))))


def _critics(model, body, of_image, of_other):
    """Two critics: of images, and of F's features or, without F, of displacement fields."""
    design, shape = Design(tau=1, normalise=False, width=model.design.width), model.image_shape
    if body is not None:
        return [encoder(shape, design, of_image), _dense(body.output.shape[1:], of_other)]
    unscaled = Design(tau=1, normalise=False, width=model.design.width, white=1.0)
    return [encoder(shape, unscaled, of_image), encoder((*shape[:2], 2), unscaled, of_other)]


def _dense(shape, seed):
    weights = keras.initializers.GlorotUniform(seed=seed)
    return keras.Sequential([keras.layers.Input(shape), keras.layers.Dense(1, kernel_initializer=weights)])
