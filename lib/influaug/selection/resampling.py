"""Imbalanced-learn's convention: a sampler has `fit_resample`, and its pipelines use it while they are fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils._metadata_requests import RequestMethod

from ..errors import InputError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike


class Resampling:
    """The method of `AugmentationSelector` that makes it a sampler."""

    if TYPE_CHECKING:
        transformation: Any
        fit: Any
        augment: Any
        _chooser: Any

    # Scikit-learn makes such methods for those that it knows; this one is imbalanced-learn's.
    set_fit_resample_request = RequestMethod("fit_resample", ["copies", "sample_weight", "transformation"])

    def fit_resample(
        self,
        X: Any,
        y: ArrayLike,
        transformation: Any = None,
        copies: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> tuple[Any, Any]:
        """Choose, and return the points with the chosen copies, as the samplers of imbalanced-learn do.

        Their pipelines call it while they are fitted, and pass X on as it is when they predict. What makes copies is
        best given to the constructor, ``AugmentationSelector(transformation=...)``: pipelines of imbalanced-learn hand
        `copies` on to a sampler only with scikit-learn's routing of metadata, after
        ``selector.set_fit_request(copies=True).set_fit_resample_request(copies=True)``.

        Parameters
        ----------
        X, y, transformation, copies, sample_weight
            As in `fit`.

        Returns
        -------
        X_plus, y_plus : as X [n + m, ...], as y [n + m]
            As `augment` gives them. `sample_indices_` holds the point that each is or was made of.

        Raises
        ------
        InputError
            See `fit`; or neither a transformation nor copies were given, or the policy gives weights.
        """
        if transformation is None and copies is None and self.transformation is None:
            raise InputError(
                "fit_resample needs copies to choose from: give AugmentationSelector a transformation, or fit_resample "
                "copies, which pipelines of imbalanced-learn hand on only with "
                "sklearn.set_config(enable_metadata_routing=True), set_fit_request(copies=True) and "
                "set_fit_resample_request(copies=True)."
            )
        chooser = self._chooser()
        if chooser.policy.weighs:
            raise InputError(
                f"The policy {chooser.name} gives copies weights, which fit_resample cannot return; use augment, or a "
                "policy without weights."
            )
        self.fit(X, y, transformation=transformation, copies=copies, sample_weight=sample_weight)
        X_plus, _, _, source = self.augment(X, y, transformation, copies)
        self.sample_indices_ = source
        y_plus = _safe_indexing(y, source)
        return X_plus, y_plus.reset_index(drop=True) if hasattr(y_plus, "reset_index") else np.asarray(y_plus)
