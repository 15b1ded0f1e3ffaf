"""What a person brings: X as images, as numbers, or as rows that only a featurizer understands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, validate_data

from ..data.image_form import ImageForm
from ..errors import InputError
from ..solver.estimator import check_labels
from . import points as given
from .rows import is_frame, n_axes, n_rows

if TYPE_CHECKING:
    from typing import Any


class Intake:
    """Methods of `AugmentationSelector` that look at X, y and copies."""

    if TYPE_CHECKING:
        featurizer: Any
        image_form_: ImageForm | None
        n_features_in_: int

    def _points(self, X, y):
        """X as the featurizer takes it, X as copies are made of it, and the labels' numbers; their kinds are kept."""
        given.check_length("X", X, "y", y)
        check_labels(y)
        self.image_form_ = None
        self._raw = False
        if n_axes(X) in (3, 4):
            rows, y = self._images(X), column_or_1d(y)
            own = rows
        elif self._is_raw(X):
            self._raw = True
            rows, y = validate_data(self, X, skip_check_array=True), column_or_1d(y, warn=True)
            own = rows
        else:
            rows, y = self._numbers(X, y)
            # A function of rows gets frames as frames.
            own = X if is_frame(X) else rows
        self.classes_, labels = given.encoded(y)
        check_classification_targets(y)
        self.n_points_ = len(labels)
        return rows, own, labels

    def _images(self, X):
        if self.featurizer is None:
            raise InputError(
                f"X is images {list(np.shape(X))}; they need a featurizer, such as featurizer='lenet', or give "
                "features [n, d] instead."
            )
        self.image_form_ = ImageForm.of(X)
        rows = self.image_form_.standard(X)
        self.image_shape_ = rows.shape[1:]
        return rows

    def _is_raw(self, X):
        """Whether the featurizer gets X as it is: texts, objects, frames, and tables with text among the numbers."""
        if self.featurizer is not None and is_frame(X):
            return True
        axes, kind = n_axes(X), getattr(getattr(X, "dtype", None), "kind", None)
        if self.featurizer is not None and axes == 2:
            return kind in ("O", "U", "S")
        if axes != 1 or sparse.issparse(X) or not n_rows(X):
            return False
        first = X.iloc[0] if hasattr(X, "iloc") else X[0]
        if isinstance(first, int | float | np.number):  # scikit-learn refuses them in its own words
            return False
        if self.featurizer is None and isinstance(first, str | bytes):
            raise InputError(
                f"X is {n_rows(X)} texts; they need a featurizer, such as make_pipeline(TfidfVectorizer(), "
                "TruncatedSVD(100)), or give features [n, d] instead."
            )
        return self.featurizer is not None

    def _numbers(self, X, y):
        options = {"accept_sparse": "csr", "dtype": list(given.NUMBERS), "ensure_all_finite": False}
        rows, y = validate_data(self, X, y, **options)
        given.finite(rows, "X")
        return rows, y

    def _rows(self, X, what, numbers=None):
        """X, or copies with these numbers, as the featurizer takes them: checked, in the form of `fit`."""
        if self.image_form_ is not None:
            images = self.image_form_.like(X).standard(X)
            if images.shape[1:] != self.image_shape_:
                raise InputError(
                    f"{what} has images {list(images.shape[1:])}, but those of fit are {list(self.image_shape_)}."
                )
            return images
        if self._raw:
            return validate_data(self, X, reset=False, skip_check_array=True)
        options = {"accept_sparse": "csr", "dtype": list(given.NUMBERS), "ensure_all_finite": False}
        if what == "X":
            return given.finite(validate_data(self, X, reset=False, **options), what)
        X = check_array(X, input_name=what, **options)
        if X.shape[1] != self.n_features_in_:
            raise InputError(f"copies have {X.shape[1]} features, but the points {self.n_features_in_}.")
        return given.finite(X, what, "; where points have fewer copies, give a list of n arrays [k_i, d]", numbers)
