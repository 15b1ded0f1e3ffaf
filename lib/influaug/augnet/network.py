"""The front door: an augmentation that learns from a person's own images what to do to them."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from ..backend import keras
from ..data.image_form import ImageForm
from ..errors import InputError
from ..files.networks import check_network, network_path
from ..files.writing import replacing
from ..networks.checks import as_array, check_seed
from ..networks.featurizer import without_tracing_warnings
from ..selection.points import check_labels, encoded
from .as_published import learn_as_published
from .at_test import probabilities, small_warps
from .by_training_loss import learn_by_training_loss
from .chain import AfterBase, base_augmentation
from .classifiers import CLASSIFIERS, train_classifier
from .learned_operations import LearnedOperations
from .learning import DEFAULTS, Learning, best_strength, learn
from .models import Design, check_number, seeds_from
from .pretraining import Pretraining, pretrain
from .ranges import Family, GlobalRanges, ImageRanges
from .series import transformation_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from .._types import PathLike

FORMS = ("operations", "ranges", "image-ranges", "network")
MODES = {
    "refreshed": FORMS,
    "as_published": ("network",),
    "pretrained": ("network",),
    "strength": ("operations",),
    "training_loss": ("ranges",),
}
"""The forms that each mode is of."""
FACTORS = (0.25, 0.5, 1.0, 1.5, 2.0)
"""Strengths of the mode 'strength', in units of those at first."""
BATCH, SHOWN = 500, 20
"""Images of which copies are made at once; with so many batches progress is shown."""
_ABOUT = "influaug-augmentation.json"
SAFE = Design(grid=4, limit=3.0)
"""E and G with 4 x 4 control points, and displacements below 3 px."""

_LAYERS = {"operations": LearnedOperations, "ranges": GlobalRanges, "image-ranges": ImageRanges}


class AugmentationNetwork(BaseEstimator):
    """An augmentation learned by influence on the validation loss (Lee et al., 2020), as a Keras layer.

    Parameters
    ----------
    form : {'operations', 'ranges', 'image-ranges', 'network'}
        What is learned: strengths and probabilities of warps and operations (shifts, erasing, contrast, colours, see
        `learned_operations`); the ranges of random shifts, rotations, scalings, shears and elastic waves, for all
        images together or for each image by an encoder; or the papers' E and G, pretrained as the generator of a GAN.
    mode : {'refreshed', 'as_published', 'pretrained', 'strength', 'training_loss'}
        All but the first are kept to be compared with. Of the form 'network': 'as_published', S is computed once, from
        one split, and nothing bounds the warps, as the papers word it; 'pretrained' has no influence training at all.
        Of 'operations': 'strength' chooses one strength for all by cross-fitted loss, of `FACTORS`. Of 'ranges':
        'training_loss' is Augerino, see `by_training_loss`.
    family : ranges.Family
        Base augmentation of every form, and the distribution of the first two.
    design : models.Design
        Of E and G (default: 'refreshed' has 4 x 4 control points and displacements below 3 px, 'as_published' neither).
    learning : learning.Learning
        Default: what served each form best in the experiments.
    pretraining : pretraining.Pretraining or None
        Of the form 'network'; None leaves it out.
    reward : float
        lambda of the mode 'training_loss'.
    share : float
        Part of the copies that are transformed by E and G; the others are base-augmented alone.
    series : bool
        Whether warps and colours have an E, a G and a tau each, one after the other; only for colour images.
    seed : int

    Attributes
    ----------
    layer_ : keras.layers.Layer
        Images, 0 to 255, [n, height, width, channels] -> copies, floating-point. For a Keras model's first layer (it
        augments in `fit`, and in `predict` and `evaluate` images pass as they are), or for
        ``dataset.map(lambda x, y: (network.layer_(x), y))``.
    base_ : keras.layers.Layer
        The base augmentation alone.
    classes_ : array [K]
        Labels in order: the columns of what a classifier predicts. None if it was loaded from an older file.
    trajectory_ : list of dict
        Of the learning, see `learning.learn`; in the mode 'strength' factor, crossfitted_loss and kept of each.
    game_ : list of dict
        Of the pretraining, see `pretraining.pretrain`; empty without one.

    Examples
    --------
    >>> network = AugmentationNetwork().fit(images, labels, "all-cnn")
    >>> copies = network.augment(images)
    >>> p = network.predict_proba(classifier, images, draws=8)
    """

    def __init__(
        self,
        form: str = "ranges",
        mode: str = "refreshed",
        family: Family | None = None,
        design: Design | None = None,
        learning: Learning | None = None,
        pretraining: Pretraining | None = None,
        reward: float = 0.01,
        share: float = 0.5,
        series: bool = False,
        seed: int = 0,
    ) -> None:
        self.form = form
        self.mode = mode
        self.family = family
        self.design = design
        self.learning = learning
        self.pretraining = pretraining
        self.reward = reward
        self.share = share
        self.series = series
        self.seed = seed

    @without_tracing_warnings()
    def fit(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        classifier: str | keras.Model = "all-cnn",
        unlabelled: np.ndarray | None = None,
        start: keras.Model | None = None,
    ) -> Self:
        """Learn the augmentation.

        Parameters
        ----------
        images : array [n, height, width] or [n, height, width, channels]
            Whole numbers from 0 to 255, or floats from 0 to 255 or from 0 to 1.
        labels : array [n]
            Of any type that can be put in order, such as text.
        classifier : str or keras.Model
            See `learning.learn`.
        unlabelled : array [m, height, width, channels], optional
            Images, as the others, to pretrain the form 'network' with (default: `images`).
        start : models.TransformationModel or series.Series, optional
            A pretrained one to go on from, of the same design; it is not changed. For the form 'operations' a
            `learned_operations.LearnedOperations`.

        Returns
        -------
        AugmentationNetwork
            Itself.
        """
        learning, design = self._settings()
        self._check_given(classifier, start)
        self.image_form_: ImageForm | None = ImageForm.of(as_array("images", images))
        images = self.image_form_.standard(images)
        self.classes_, labels = _encoded(labels, len(images))
        of_base, of_layer, of_chain, of_pretraining, of_learning = seeds_from(self.seed, 5)
        shape, own = images.shape[1:], self.form == "operations"
        family = self.family or Family(base_shift=0 if own else Family.base_shift)
        base, self.game_ = base_augmentation(shape, family, of_base), []
        if self.form == "network":
            learned = transformation_model(shape, design, of_layer, self.series)
            if start is not None:
                learned.set_weights(start.get_weights())
            elif self.pretraining is not None:
                pool = images if unlabelled is None else self._standard(unlabelled)
                given = images, labels, classifier, base, learning, of_pretraining
                F = self._pretraining_classifier(*given) if self.pretraining.game == "ragan" else None
                self.game_ = pretrain(learned, base, pool, F, self.pretraining, of_pretraining)
            layer, self.layer_ = (AfterBase(base, learned, share, of_chain) for share in (1.0, self.share))
        else:
            layer = _LAYERS[self.form](shape, family, of_layer)
            self.layer_ = layer
            if own and start is not None:
                layer.set_weights(start.get_weights())
        self.trajectory_ = self._trained()(layer, base, images, labels, classifier, learning, of_learning)
        self.base_ = base
        return self

    def augment(self, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """One copy of each image.

        Parameters
        ----------
        images : array [n, height, width] or [n, height, width, channels]
            Of the scale of those that it was fitted to.
        seed : int
            The same seed gives the same copies.

        Returns
        -------
        array of the images' shape
            Of their type and scale; whole numbers are rounded and kept from 0 to 255.
        """
        check_is_fitted(self, "layer_")
        images, scale = self._on_255(images)
        starts = range(0, len(images), BATCH)
        seeds = zip(starts, seeds_from(seed, len(starts)), strict=True)
        parts = [
            keras.ops.convert_to_numpy(self.layer_(_levels(images[start : start + BATCH], scale), seed=each))
            for start, each in tqdm(list(seeds), "copies", leave=False, disable=len(starts) < SHOWN)
        ]
        copies = np.concatenate([np.empty((0, *self.layer_.image_shape), "float32"), *parts]).reshape(images.shape)
        if np.issubdtype(images.dtype, np.integer):
            copies = np.clip(np.rint(copies), 0, 255)
        return (copies / scale).astype(images.dtype)

    def predict_proba(self, model: keras.Model, images: np.ndarray, draws: int = 0, seed: int = 0) -> np.ndarray:
        """Probabilities by a trained classifier, averaged over small warps of each image if draws are asked for.

        Parameters
        ----------
        model : keras.Model
            Images, 0 to 255 -> logits or probabilities [n, K].
        images : array [n, height, width] or [n, height, width, channels]
            Of the scale of those that it was fitted to.
        draws : int
            Copies of each image at test time, which count as much together as the image; 0 is no augmentation. On
            MNIST eight lowered the error of classifiers trained with warps, by .23 +- .09 points for ranges guessed by
            hand; trained with shifts alone by .04 +- .05, which is open (six replicates). The warps are small,
            `at_test.SIGMA`, not those learned.
        seed : int

        Returns
        -------
        array of float64 [n, K]
            Columns as `classes_`, for a model that was trained with these numbers of classes.
        """
        check_is_fitted(self, "layer_")
        if not isinstance(model, keras.Model):
            raise InputError(f"model is {model!r}; it must be a keras.Model that takes images and gives logits.")
        images, scale = self._on_255(images)
        levels = _levels(images, scale).reshape(-1, *self.layer_.image_shape)
        return probabilities(model, levels, draws, small_warps(levels.shape[1:], self.base_.family.bands), seed)

    def _trained(self) -> Callable[..., list[dict[str, Any]]]:
        """The function that trains a layer in place, by mode."""
        if self.mode == "as_published":
            return learn_as_published
        others = {"pretrained": lambda *_: [], "strength": self._by_strength, "training_loss": self._by_training_loss}
        return others.get(self.mode, learn)

    def _on_255(self, images):
        """Images, checked, and what they must be multiplied with to be from 0 to 255."""
        images, shape = as_array("images", images), self.layer_.image_shape
        if images.dtype.kind not in "uif" or images.shape[1:] not in (shape, *([shape[:2]] if shape[2] == 1 else [])):
            raise InputError(f"images are {images.dtype} of shape {images.shape}; they must be [n, *{shape}].")
        if not len(images):
            return images, 1
        return images, 255 if self._form(images).unit else 1

    def _standard(self, images):
        images = as_array("images", images)
        return self._form(images).standard(images)

    def _form(self, images):
        """How images came, which have the scale of those that it was fitted to."""
        return self.image_form_.like(images) if self.image_form_ else ImageForm.of(images)

    def _by_strength(self, layer, base, images, labels, classifier, settings, seed):
        losses = best_strength(layer.scaled, FACTORS, images, labels, classifier, settings, seed)
        best = int(np.argmin(losses))
        layer.set_weights(layer.scaled(FACTORS[best]).get_weights())
        rows = zip(FACTORS, losses, strict=True)
        return [{"factor": f, "crossfitted_loss": each, "kept": k == best} for k, (f, each) in enumerate(rows)]

    def _by_training_loss(self, layer, base, images, labels, classifier, settings, seed):
        return learn_by_training_loss(layer, images, labels, classifier, settings.schedule, self.reward, seed)

    def save(self, path: PathLike) -> None:
        """Write the layer to a `.keras` file, whole or not at all; Keras opens it too, as a model."""
        check_is_fitted(self, "layer_")
        path = network_path(path)
        if path.suffix != ".keras":
            raise InputError(f"an augmentation is saved to a file that ends with .keras, not to {path.name!r}.")
        about: dict[str, Any] = {
            "form": self.form,
            "mode": self.mode,
            "trajectory": self.trajectory_,
            "game": self.game_,
        }
        form = self.image_form_
        if form is not None:
            about["images"] = {"dtype": form.dtype.str, "unit": form.unit, "grey": form.grey}
            about["classes"] = self.classes_.tolist()
        with replacing(path) as temporary:
            keras.Sequential([keras.layers.Input(self.layer_.image_shape), self.layer_]).save(temporary)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(_ABOUT, json.dumps(about), zipfile.ZIP_DEFLATED)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """What `save` wrote: a fitted AugmentationNetwork, ready to augment.

        Raises
        ------
        InputError
            The file is no augmentation that was saved here, or Keras's safe mode refuses it.
        """
        path = network_path(path)
        if not zipfile.is_zipfile(path):
            raise InputError(f"{path} is not a saved augmentation; it must be a .keras file.")
        try:
            check_network(path)
            with zipfile.ZipFile(path) as archive:
                if _ABOUT not in archive.namelist():
                    raise InputError(f"{path} holds no augmentation; AugmentationNetwork.save writes one.")
                about = json.loads(archive.read(_ABOUT))
            model = keras.saving.load_model(path, compile=False, safe_mode=True)
            return cls._around(model.layers[-1], about)
        except InputError:
            raise
        except Exception as error:  # which type it is depends on which of the file's bytes are wrong
            raise InputError(f"{path} holds no augmentation that Keras can load in its safe mode.") from error

    @classmethod
    def _around(cls, layer, about):
        """A fitted augmentation around its layer."""
        network = cls(about["form"], about["mode"])
        network.layer_, network.trajectory_, network.game_ = layer, about["trajectory"], about["game"]
        form, classes = about.get("images"), about.get("classes")
        network.image_form_ = form and ImageForm(np.dtype(form["dtype"]), form["unit"], form["grey"])
        network.classes_ = classes and np.array(classes)
        network.base_ = getattr(layer, "base", None) or base_augmentation(layer.image_shape, layer.family)
        return network

    def _check_given(self, classifier, start):
        """Refuse values of other types than those documented, before anything is trained."""
        check_seed(self.seed)
        check_number("share", self.share, strictly=False)
        if self.share > 1:
            raise InputError(f"share is {self.share!r}; it must be a part from 0 to 1.")
        check_number("reward", self.reward, strictly=False)
        named = isinstance(classifier, str) and classifier in CLASSIFIERS
        if not named and self.mode == "training_loss":
            raise InputError(
                f"classifier is {classifier!r}; by training loss it must be one of {', '.join(CLASSIFIERS)}."
            )
        if not named and not isinstance(classifier, keras.Model):
            raise InputError(
                f"classifier is {classifier!r}; it must be a keras.Model or one of {', '.join(CLASSIFIERS)}."
            )
        if start is not None and not hasattr(start, "get_weights"):
            raise InputError(f"start is {start!r}; it must be a transformation model or None.")

    def _check_types(self):
        types = {"family": Family, "design": Design, "learning": Learning, "pretraining": Pretraining}
        for name, wanted in types.items():
            value = getattr(self, name)
            if value is not None and not isinstance(value, wanted):
                raise InputError(f"{name} is {value!r}; it must be a {wanted.__name__} or None.")
        if not isinstance(self.series, bool):
            raise InputError(f"series is {self.series!r}; it must be True or False.")

    def _settings(self):
        """The learning and the design that form and mode ask for."""
        if not isinstance(self.form, str) or self.form not in FORMS:
            raise InputError(f"form is {self.form!r}; it must be one of {', '.join(FORMS)}.")
        if not isinstance(self.mode, str) or self.mode not in MODES:
            raise InputError(f"mode is {self.mode!r}; it must be one of {', '.join(MODES)}.")
        self._check_types()
        learning = self.learning or DEFAULTS[self.form]
        if self.form not in MODES[self.mode]:
            raise InputError(f"mode {self.mode!r} is of the form {MODES[self.mode][0]!r} alone.")
        design = self.design or (Design() if self.mode == "as_published" else SAFE)
        if (self.series or design.parts == "appearance") and getattr(self.pretraining, "game", None) == "wgan-gp":
            raise InputError("The game 'wgan-gp' needs warps by one G; in series, or for colours alone, it is 'ragan'.")
        return learning, design

    @staticmethod
    def _pretraining_classifier(images, labels, classifier, base, learning, seed):
        if isinstance(classifier, keras.Model):
            return classifier
        return train_classifier(classifier, images, labels, base, learning.schedule, seed)


def _encoded(labels, n):
    """The classes, and the number of the class of each of n images."""
    labels = as_array("labels", labels)
    if labels.shape != (n,):
        raise InputError(f"labels have shape {labels.shape}; {n} images need shape ({n},).")
    check_labels(labels)
    classes, numbers = encoded(labels)
    return classes, numbers.astype(np.int32)


def _levels(images, scale):
    """Images as float32 [n, height, width, channels] from 0 to 255."""
    images = images[..., None] if images.ndim == 3 else images
    return images.astype("float32") * scale
