"""An attribute that is both a parameter named `score`, which is text, and scikit-learn's method of that name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sklearn.base import ClassifierMixin

if TYPE_CHECKING:
    from typing import Any, Self

    from numpy.typing import ArrayLike


class NameOfScore(str):
    """The parameter `score` of a classifier, which can be called as its method."""

    if TYPE_CHECKING:
        _estimator: ClassifierMixin

    def __new__(cls, name: str, estimator: ClassifierMixin) -> Self:
        """The name, with the classifier whose method it is."""
        made = super().__new__(cls, name)
        made._estimator = estimator
        return made

    def __call__(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy, as scikit-learn's method."""
        return ClassifierMixin.score(self._estimator, X, y, sample_weight)


class ScoreParameter:
    """The attribute: set as a parameter, read as a name, called as the method that scikit-learn's searches call."""

    def __get__(self, estimator: ClassifierMixin | None, owner: type | None = None) -> Any:
        """The name, which can be called."""
        given = ClassifierMixin.score if estimator is None else vars(estimator)["score"]
        return NameOfScore(given, estimator) if isinstance(given, str) else given

    def __set__(self, estimator: ClassifierMixin, value: str) -> None:
        """Keep the plain name."""
        vars(estimator)["score"] = str(value) if isinstance(value, NameOfScore) else value
