"""The front door: an augmentation that learns from a person's own images what to do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from tqdm.auto import tqdm

from ..backend import keras
from ..data.image_form import ImageForm
from ..errors import InputError
from ..files.networks import network_path
from ..networks.checks import as_array, check_seed
from ..networks.featurizer import without_tracing_warnings
from ..networks.precision import check_plain_settings
from .as_published import PARTS, learn_as_published
from .at_test import probabilities, small_warps
from .by_training_loss import learn_by_training_loss
from .chain import AfterBase, base_augmentation, copies_of, needs_labels
from .class_labels import encoded_labels, labels_of, numbers_of
from .classifiers import CLASSIFIERS, new_classifier, train_classifier
from .conditional_operations import ClassOperations, ImageOperations
from .folds import splits
from .given_networks import check_predicts, check_rescales, check_scale, check_trained
from .learned_operations import LearnedOperations
from .learning import DEFAULTS, Learning, best_strength, learn, trained_part
from .models import Design, TransformationModel, check_number, seeds_from
from .pretraining import Pretraining, pretrain
from .random_operations import RandomOperations, guessed
from .ranges import Family, GlobalRanges, ImageRanges
from .saved import read, write
from .series import Series, take_over, transformation_model

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from .._types import PathLike

OF_OPERATIONS = ("operations", "class-operations", "image-operations")
FORMS = (*OF_OPERATIONS, "ranges", "image-ranges", "network", "recipe")
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
BEYOND = (0.1,), (3.0, 4.0, 6.0, 8.0)
"""What it tries where the weakest or the strongest of them is the best; at 8 all operations are as strong as can be."""
REWARD, SHARE = 0.01, 0.5
"""lambda of Augerino, and the part of the copies that E and G transform, unless they are given."""
BATCH, SHOWN = 500, 20
"""Images of which copies are made at once; with so many batches progress is shown."""
SAFE = Design(grid=4, limit=3.0)
"""E and G with 4 x 4 control points, and displacements below 3 px."""

_LAYERS: dict[str, Any] = {
    "operations": LearnedOperations,
    "class-operations": ClassOperations,
    "image-operations": ImageOperations,
    "ranges": GlobalRanges,
    "image-ranges": ImageRanges,
    "recipe": RandomOperations,
}


STARTS = {
    "operations": (LearnedOperations,),
    "class-operations": (LearnedOperations, ClassOperations),
    "image-operations": (LearnedOperations, ImageOperations),
    "network": (TransformationModel, Series),
}
"""What each form can go on from."""


class AugmentationNetwork(BaseEstimator):
    """An augmentation learned by influence on the validation loss (Lee et al., 2020), as a Keras layer.

    Parameters
    ----------
    form : {'operations', 'class-operations', 'image-operations', 'ranges', 'image-ranges', 'network', 'recipe'}
        What is learned: strengths and probabilities of warps and operations (shifts, erasing, contrast, colours, see
        `learned_operations`), for all images together, for each class, or for each image by an encoder; the ranges of
        random shifts, rotations, scalings, shears and elastic waves, for all images together or for each image; the
        papers' E and G, pretrained as the generator of a GAN; or nothing: 'recipe' was guessed, see
        `random_operations.recipe`. In the table of mnist-1pct-rivals in notebook 11 the default makes .30 +- .12 points
        fewer errors than ranges guessed by hand, but .31 +- .11 as learning starts, where it also ends in 13 of 20
        replicates; 'recipe' makes .18 +- .09 fewer than it on those that did not choose its numbers. Strengths of each
        class or image change its errors by -.03 +- .20 and +.02 +- .21 (five replicates). With 500 images of
        CIFAR-10 (five replicates) the default makes 1.3 +- 1.3 fewer than 'recipe', and RandAugment 2.4 +- 1.3 fewer
        than the default.
    mode : {'refreshed', 'as_published', 'pretrained', 'strength', 'training_loss'}
        'as_published', 'pretrained' and 'training_loss' are kept to be compared with. Of the form 'network':
        'as_published', S is computed once, from one split, and nothing bounds the warps, as the papers word it;
        'pretrained' has no influence training at all. Of 'operations': 'strength' chooses one strength for all by
        cross-fitted loss, of `FACTORS` and `BEYOND`, which made .10 +- .08 points fewer errors than 'refreshed' on
        MNIST (20 replicates).
        Of 'ranges': 'training_loss' is Augerino, see `by_training_loss`.
    family : ranges.Family
        Base augmentation of every form, and the distribution of all but 'network' (default: `ranges.Family()`, scaled
        from images of 28 pixels a side to these, and for operations without base shift).
    design : models.Design
        Of E and G (default: 'refreshed' has 4 x 4 control points and displacements below 3 px, 'as_published' neither).
    learning : learning.Learning
        Default: see `learning.DEFAULTS`.
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
        augments in `fit`, and in `predict` and `evaluate` images pass as they are; a model that is called as a function
        augments unless told ``training=False``, as with Keras's own random layers), or for
        ``dataset.map(lambda x, y: (network.layer_(x), y))``. That of 'class-operations' must be told the classes, as
        numbers from 0 in the order of `classes_`: ``dataset.map(lambda x, y: (network.layer_(x, labels=y), y))``.
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

    Strengths of each class, from those of all images:

    >>> first = AugmentationNetwork("operations").fit(images, labels)
    >>> by_class = AugmentationNetwork("class-operations").fit(images, labels, start=first.layer_)
    >>> copies = by_class.augment(images, labels)
    """

    def __init__(
        self,
        form: str = "operations",
        mode: str = "refreshed",
        family: Family | None = None,
        design: Design | None = None,
        learning: Learning | None = None,
        pretraining: Pretraining | None = None,
        reward: float = REWARD,
        share: float = SHARE,
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
        start: keras.layers.Layer | None = None,
    ) -> Self:
        """Learn the augmentation.

        Parameters
        ----------
        images : array [n, height, width] or [n, height, width, channels]
            Whole numbers from 0 to 255, or floats from 0 to 255 or from 0 to 1.
        labels : array [n]
            Of any type that can be put in order, such as text.
        classifier : str or keras.Model
            See `learning.learn`. A trained network is given images from 0 to 255, and refused if it was trained on 0 to
            1.
        unlabelled : array [m, height, width, channels], optional
            Images, as the others, to pretrain the form 'network' with (default: `images`).
        start : keras.layers.Layer, optional
            What to go on from; it is not changed. For the form 'network' a pretrained `models.TransformationModel` or
            `series.Series` of the same design; for the three of operations a `learned_operations.LearnedOperations` of
            the same family, such as `layer_` of another network, or a layer of the form itself.

        Returns
        -------
        AugmentationNetwork
            Itself.
        """
        check_plain_settings()
        learning, design = self._settings()
        self._check_given(classifier, start)
        form = ImageForm.of(as_array("images", images))
        images = form.standard(images)
        classes, labels = encoded_labels(labels, len(images))
        pool = images if unlabelled is None else _standard(form, unlabelled)
        self._check_fits(classifier, pool, images, labels, learning)
        of_base, of_layer, of_chain, of_pretraining, of_learning = seeds_from(self.seed, 5)
        shape, family = images.shape[1:], self._family(images.shape[1:])
        base, game = base_augmentation(shape, family, of_base), []
        if self.form == "network":
            learned = transformation_model(shape, design, of_layer, self.series)
            trained_part(learned, learning.trained)  # refused here if it has no such part
            if start is not None:
                take_over(learned, start)
            elif self.pretraining is not None:
                given = images, labels, classifier, base, learning, of_pretraining
                F = self._pretraining_classifier(*given) if self.pretraining.game == "ragan" else None
                game = pretrain(learned, base, pool, F, self.pretraining, of_pretraining)
            layer, kept = (AfterBase(base, learned, share, of_chain) for share in (1.0, self.share))
        else:
            more = {"n_classes": len(classes)} if self.form == "class-operations" else {}
            layer = kept = _LAYERS[self.form](shape, family, of_layer, **more)
            trained_part(layer, learning.trained)  # as above
            if start is not None:
                layer.begin_with(start)
        trajectory = self._trained()(layer, base, images, labels, classifier, learning, of_learning)
        # All at the end: what was fitted before stands as it was if this is refused or interrupted.
        self.image_form_: ImageForm | None = form
        self.classes_, self.layer_, self.base_ = classes, kept, base
        self.trajectory_, self.game_ = trajectory, game
        return self

    def augment(self, images: np.ndarray, labels: np.ndarray | None = None, seed: int = 0) -> np.ndarray:
        """One copy of each image.

        Parameters
        ----------
        images : array [n, height, width] or [n, height, width, channels]
            Of the scale of those that it was fitted to.
        labels : array [n], optional
            As in `fit`; the form 'class-operations' needs them, the others do not look at them.
        seed : int
            The same seed gives the same copies.

        Returns
        -------
        array of the images' shape
            Of their type and scale; whole numbers are rounded and kept from 0 to 255, or to the most that the type has.
        """
        check_is_fitted(self, "layer_")
        images, scale = self._on_255(images)
        told = self._told(labels, len(images))
        starts = range(0, len(images), BATCH)
        seeds = zip(starts, seeds_from(seed, len(starts)), strict=True)
        parts = []
        for start, each in tqdm(list(seeds), "copies", leave=False, disable=len(starts) < SHOWN):
            part = slice(start, start + BATCH)
            made = copies_of(self.layer_, _levels(images[part], scale), told[part], seed=each)
            parts.append(keras.ops.convert_to_numpy(made))
        copies = np.concatenate([np.empty((0, *self.layer_.image_shape), "float32"), *parts]).reshape(images.shape)
        if np.issubdtype(images.dtype, np.integer):
            copies = np.clip(np.rint(copies), 0, min(255, np.iinfo(images.dtype).max))  # int8 ends at 127
        return (copies / scale).astype(images.dtype)

    def predict_proba(self, model: keras.Model, images: np.ndarray, draws: int = 0, seed: int = 0) -> np.ndarray:
        """Probabilities by a trained classifier, averaged over small warps of each image if draws are asked for.

        Parameters
        ----------
        model : keras.Model
            Images, 0 to 255, whatever scale those given here have -> logits or softmax [n, K].
        images : array [n, height, width] or [n, height, width, channels]
            Of the scale of those that it was fitted to.
        draws : int
            Copies of each image at test time, which count as much together as the image; 0 is no augmentation. On
            MNIST eight lowered the error of classifiers trained with ranges guessed by hand by .29 +- .05 points, with
            the recipe by .10 +- .03, with learned operations by .10 +- .04, and with shifts alone by .04 +- .04
            (mnist-1pct-rivals in notebook 11, 20 replicates). The warps are small, `at_test.SIGMA`, not those learned.
        seed : int

        Returns
        -------
        array of float64 [n, K]
            Columns as `classes_`, for a model that was trained with these numbers of classes.

        Raises
        ------
        InputError
            A model of other images or classes; one with a single output for two classes, or with sigmoids; for images
            from 0 to 1 one without a layer that rescales.
        """
        check_is_fitted(self, "layer_")
        if not isinstance(model, keras.Model):
            raise InputError(f"model is {model!r}; it must be a keras.Model that takes images and gives logits.")
        images, scale = self._on_255(images)
        check_predicts(model, self.layer_.image_shape, None if self.classes_ is None else len(self.classes_))
        if scale > 1:
            check_rescales(model)
        levels = _levels(images, scale).reshape(-1, *self.layer_.image_shape)
        if not len(levels):
            return np.empty((0, model.output_shape[1]))
        return probabilities(model, levels, draws, small_warps(levels.shape[1:], self.base_.family.bands), seed)

    def _told(self, labels, n):
        """Numbers of the classes of n images; zeros for a form that does not look at them."""
        if labels is None and not needs_labels(self.layer_):
            return np.zeros(n, np.int32)
        if labels is None:
            raise InputError("labels are missing; the form 'class-operations' needs that of each image.")
        labels = labels_of(labels, n)
        return numbers_of(labels, self.classes_) if needs_labels(self.layer_) else np.zeros(n, np.int32)

    def _family(self, shape):
        """The family that was given, or the default in images of this shape."""
        if self.form == "recipe":
            return guessed(shape, self.family)
        base_shift = 0 if self.form in OF_OPERATIONS else Family.base_shift
        return self.family or Family(base_shift).scaled(shape)

    def _trained(self) -> Callable[..., list[dict[str, Any]]]:
        """The function that trains a layer in place, by form and mode."""
        if self.form == "recipe":
            return lambda *_: []
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

    def _form(self, images):
        """How images came, which have the scale of those that it was fitted to."""
        return self.image_form_.like(images) if self.image_form_ else ImageForm.of(images)

    def _by_strength(self, layer, base, images, labels, classifier, settings, seed):
        losses = best_strength(layer.scaled, FACTORS, images, labels, classifier, settings, seed, BEYOND)
        best = min(losses, key=losses.__getitem__)
        layer.set_weights(layer.scaled(best).get_weights())
        return [{"factor": f, "crossfitted_loss": each, "kept": f == best} for f, each in losses.items()]

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
        write(path, self.layer_, about)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """What `save` wrote: a fitted AugmentationNetwork, ready to augment.

        Raises
        ------
        InputError
            The file is no augmentation that was saved here, or Keras's safe mode refuses it.
        """
        return read(network_path(path), cls._around)

    @classmethod
    def _around(cls, layer, about):
        """A fitted augmentation around its layer."""
        _check_description(layer, about)
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
        if self.form != "network" and self.share != SHARE:
            raise InputError(f"share is {self.share!r}; it is of the form 'network' alone.")
        if self.mode != "training_loss" and self.reward != REWARD:
            raise InputError(f"reward is {self.reward!r}; it is of the mode 'training_loss' alone.")
        named = isinstance(classifier, str) and classifier in CLASSIFIERS
        if not named and self.mode in ("training_loss", "strength"):
            raise InputError(
                f"classifier is {classifier!r}; in the mode {self.mode!r} it must be one of {', '.join(CLASSIFIERS)}."
            )
        if not named and not isinstance(classifier, keras.Model):
            raise InputError(
                f"classifier is {classifier!r}; it must be a keras.Model or one of {', '.join(CLASSIFIERS)}."
            )
        wanted = STARTS.get(self.form, ())
        if start is not None and not isinstance(start, wanted):
            names = " or ".join(kind.__name__ for kind in wanted) or "None"
            raise InputError(f"start is {start!r}; for the form {self.form!r} it must be {names}.")

    def _check_fits(self, classifier, pool, images, labels, learning):
        """Refuse unfit networks, unlabelled images and folds, before anything is trained."""
        if isinstance(classifier, keras.Model):
            check_trained(classifier, images.shape[1:])
            check_scale(classifier, images, labels)
        elif self.pretraining is not None:
            new_classifier(classifier, images.shape[1:], int(labels.max()) + 1, 0)
        if pool.shape[1:] != images.shape[1:]:
            raise InputError(f"unlabelled images have shape {pool.shape}; they must be [m, *{images.shape[1:]}].")
        if self.form != "recipe" and self.mode in ("refreshed", "strength", "as_published"):
            splits(labels, PARTS if self.mode == "as_published" else learning.folds, 0)

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
        learning = self.learning or DEFAULTS.get(self.form, Learning())
        if self.form not in MODES[self.mode]:
            raise InputError(f"mode {self.mode!r} is of the form {MODES[self.mode][0]!r} alone.")
        for name in ("design", "pretraining", "series"):
            if self.form != "network" and getattr(self, name):
                raise InputError(f"{name} is {getattr(self, name)!r}; it is of the form 'network' alone.")
        if self.form == "recipe" and self.learning is not None:
            raise InputError("learning is given, but the form 'recipe' learns nothing.")
        design = self.design or (Design() if self.mode == "as_published" else SAFE)
        if (self.series or design.parts == "appearance") and getattr(self.pretraining, "game", None) == "wgan-gp":
            raise InputError("The game 'wgan-gp' needs warps by one G; in series, or for colours alone, it is 'ragan'.")
        return learning, design

    @staticmethod
    def _pretraining_classifier(images, labels, classifier, base, learning, seed):
        if isinstance(classifier, keras.Model):
            return classifier
        return train_classifier(classifier, images, labels, base, learning.schedule, seed)


def _standard(form, images):
    """More images, of the scale of those that a form is of: uint8 [n, height, width, channels]."""
    images = as_array("unlabelled", images)
    return form.like(images).standard(images)


def _check_description(layer, about):
    """Refuse a saved description that is not of its layer."""
    form, mode, classes, images = (about.get(name) for name in ("form", "mode", "classes", "images"))
    kind = AfterBase if form == "network" else _LAYERS.get(form)
    fits = kind is not None and type(layer) is kind and form in MODES.get(mode, ())
    if classes is not None:
        fits = fits and isinstance(classes, list) and len(set(classes)) == len(classes) >= 2
        fits = fits and len(classes) == getattr(layer, "n_classes", len(classes))
    if images is not None:
        fits = fits and np.dtype(images["dtype"]).kind in "uif"
        fits = fits and all(isinstance(images[name], bool) for name in ("unit", "grey"))
    if not fits:
        raise InputError("the description in the file is not of the layer in it; AugmentationNetwork.save writes both.")


def _levels(images, scale):
    """Images as float32 [n, height, width, channels] from 0 to 255."""
    images = images[..., None] if images.ndim == 3 else images
    return images.astype("float32") * scale
