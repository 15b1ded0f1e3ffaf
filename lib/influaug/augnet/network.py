"""The front door: an augmentation that learns from a person's own images what to do to them."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from ..backend import keras
from ..errors import InputError
from ..files.networks import check_network, network_path
from ..files.writing import replacing
from ..networks.checks import as_array, check_seed, checked_images, checked_labels
from ..networks.featurizer import without_tracing_warnings
from .as_published import learn_as_published
from .chain import AfterBase, base_augmentation
from .classifiers import CLASSIFIERS, train_classifier
from .learning import DEFAULTS, Learning, learn
from .models import Design, check_number, seeds_from
from .pretraining import Pretraining, pretrain
from .ranges import Family, GlobalRanges, ImageRanges
from .series import transformation_model

if TYPE_CHECKING:
    from typing import Self

    from .._types import PathLike

FORMS = ("ranges", "image-ranges", "network")
MODES = ("refreshed", "as_published", "pretrained")
BATCH = 500
_ABOUT = "influaug-augmentation.json"
SAFE = Design(grid=4, limit=3.0)
"""E and G with 4 x 4 control points, and displacements below 3 px."""


class AugmentationNetwork(BaseEstimator):
    """An augmentation learned by influence on the validation loss (Lee et al., 2020), as a Keras layer.

    Parameters
    ----------
    form : {'ranges', 'image-ranges', 'network'}
        What is learned: the ranges of random shifts, rotations, scalings, shears and elastic waves, for all images
        together or for each image by an encoder; or the papers' E and G, pretrained as the generator of a GAN.
    mode : {'refreshed', 'as_published', 'pretrained'}
        The latter two are of the form 'network', and kept to be compared with. 'as_published', S is computed once, from
        one split, and nothing bounds the warps, as the papers word it; 'pretrained' has no influence training at all.
    family : ranges.Family
        Base augmentation of every form, and the distribution of the first two.
    design : models.Design
        Of E and G (default: 'refreshed' has 4 x 4 control points and displacements below 3 px, 'as_published' neither).
    learning : learning.Learning
        Default: what served each form best in the experiments.
    pretraining : pretraining.Pretraining or None
        Of the form 'network'; None leaves it out.
    share : float
        Part of the copies that are transformed by E and G; the others are base-augmented alone.
    series : bool
        Whether warps and colours have an E, a G and a tau each, one after the other; only for colour images.
    seed : int

    Attributes
    ----------
    layer_ : keras.layers.Layer
        Images, 0 to 255, [n, height, width, channels] -> copies, floating-point. For a Keras model's first layer (it
        augments whenever it is called), or for ``dataset.map(lambda x, y: (network.layer_(x), y))``.
    base_ : keras.layers.Layer
        The base augmentation alone.
    trajectory_ : list of dict
        Of the learning, see `learning.learn`.
    game_ : list of dict
        Of the pretraining, see `pretraining.pretrain`; empty without one.

    Examples
    --------
    >>> network = AugmentationNetwork().fit(images, labels, "all-cnn")
    >>> copies = network.augment(images)
    """

    def __init__(
        self,
        form: str = "ranges",
        mode: str = "refreshed",
        family: Family | None = None,
        design: Design | None = None,
        learning: Learning | None = None,
        pretraining: Pretraining | None = None,
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
        images : array of uint8 [n, height, width, channels]
        labels : array of int [n]
            Every class 0..K-1 present.
        classifier : str or keras.Model
            See `learning.learn`.
        unlabelled : array of uint8 [m, height, width, channels], optional
            Images to pretrain the form 'network' with (default: `images`).
        start : models.TransformationModel or series.Series, optional
            A pretrained one to go on from, of the same design; it is not changed.

        Returns
        -------
        AugmentationNetwork
            Itself.
        """
        learning, design = self._settings()
        self._check_given(classifier, start)
        images = checked_images(images)
        labels = checked_labels(labels, len(images))
        of_base, of_layer, of_chain, of_pretraining, of_learning = seeds_from(self.seed, 5)
        family, shape = self.family or Family(), images.shape[1:]
        base, self.game_ = base_augmentation(shape, family, of_base), []
        if self.form == "network":
            learned = transformation_model(shape, design, of_layer, self.series)
            if start is not None:
                learned.set_weights(start.get_weights())
            elif self.pretraining is not None:
                pool = images if unlabelled is None else checked_images(unlabelled)
                given = images, labels, classifier, base, learning, of_pretraining
                F = self._pretraining_classifier(*given) if self.pretraining.game == "ragan" else None
                self.game_ = pretrain(learned, base, pool, F, self.pretraining, of_pretraining)
            layer, self.layer_ = (AfterBase(base, learned, share, of_chain) for share in (1.0, self.share))
        else:
            layer = {"ranges": GlobalRanges, "image-ranges": ImageRanges}[self.form](shape, family, of_layer)
            self.layer_ = layer
        train = {"refreshed": learn, "as_published": learn_as_published, "pretrained": lambda *_: []}[self.mode]
        self.trajectory_ = train(layer, base, images, labels, classifier, learning, of_learning)
        self.base_ = base
        return self

    def augment(self, images: np.ndarray, seed: int = 0) -> np.ndarray:
        """One copy of each image.

        Parameters
        ----------
        images : array [n, height, width, channels]
            From 0 to 255.
        seed : int
            The same seed gives the same copies.

        Returns
        -------
        array [n, height, width, channels]
            Of the images' type; whole numbers are rounded and kept from 0 to 255.
        """
        check_is_fitted(self, "layer_")
        images = as_array("images", images)
        if images.dtype.kind not in "uif" or images.ndim != 4 or images.shape[1:] != self.layer_.image_shape:
            raise InputError(
                f"images are {images.dtype} of shape {images.shape}; they must be [n, *{self.layer_.image_shape}]."
            )
        starts = range(0, len(images), BATCH)
        parts = [
            keras.ops.convert_to_numpy(self.layer_(images[start : start + BATCH].astype("float32"), seed=each))
            for start, each in zip(starts, seeds_from(seed, len(starts)), strict=True)
        ]
        copies = np.concatenate([np.empty((0, *images.shape[1:]), "float32"), *parts])
        if np.issubdtype(images.dtype, np.integer):
            copies = np.clip(np.rint(copies), 0, 255)
        return copies.astype(images.dtype)

    def save(self, path: PathLike) -> None:
        """Write the layer to a `.keras` file, whole or not at all; Keras opens it too, as a model."""
        check_is_fitted(self, "layer_")
        path = network_path(path)
        if path.suffix != ".keras":
            raise InputError(f"an augmentation is saved to a file that ends with .keras, not to {path.name!r}.")
        about = json.dumps({"form": self.form, "mode": self.mode, "trajectory": self.trajectory_, "game": self.game_})
        with replacing(path) as temporary:
            keras.Sequential([keras.layers.Input(self.layer_.image_shape), self.layer_]).save(temporary)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(_ABOUT, about)

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
        network.base_ = getattr(layer, "base", None) or base_augmentation(layer.image_shape, layer.family)
        return network

    def _check_given(self, classifier, start):
        """Refuse values of other types than those documented, before anything is trained."""
        check_seed(self.seed)
        check_number("share", self.share, strictly=False)
        if self.share > 1:
            raise InputError(f"share is {self.share!r}; it must be a part from 0 to 1.")
        named = isinstance(classifier, str) and classifier in CLASSIFIERS
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
        if self.mode != "refreshed" and self.form != "network":
            raise InputError(f"mode {self.mode!r} is of the form 'network' alone.")
        design = self.design or (Design() if self.mode == "as_published" else SAFE)
        if (self.series or design.parts == "appearance") and getattr(self.pretraining, "game", None) == "wgan-gp":
            raise InputError("The game 'wgan-gp' needs warps by one G; in series, or for colours alone, it is 'ragan'.")
        return learning, design

    @staticmethod
    def _pretraining_classifier(images, labels, classifier, base, learning, seed):
        if isinstance(classifier, keras.Model):
            return classifier
        return train_classifier(classifier, images, labels, base, learning.schedule, seed)
