"""Models of which only a part is trained, while `fit` and `train_on_batch` only read the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..backend import keras

if TYPE_CHECKING:
    from typing import Any


class Partial(keras.Model):
    """A keras.Model that trains the variables of some of its parts.

    Which variables are trained is a matter of this model alone: the parts' own `trainable` flags stay as they are, so
    that two models with the same parts can be trained in turn, each its own half. Keras's trainers ask for the four
    lists below on every backend.
    """

    def __init__(self, **kwargs: Any) -> None:
        # TensorFlow takes no name that begins with an underscore.
        super().__init__(**{"name": type(self).__name__.strip("_").lower(), **kwargs})
        self._trained = frozenset()

    def trains(self, *parts: keras.layers.Layer) -> None:
        """Say which layers or models are trained."""
        self._trained = frozenset(id(variable) for part in parts for variable in part.trainable_variables)

    @property
    def trainable_variables(self) -> list[keras.Variable]:
        """Those of the trained parts: list of keras.Variable."""
        return [variable for variable in self.variables if id(variable) in self._trained]

    @property
    def non_trainable_variables(self) -> list[keras.Variable]:
        """All others, such as weights that are only read and the states of random generators."""
        return [variable for variable in self.variables if id(variable) not in self._trained]

    @property
    def trainable_weights(self) -> list[keras.Variable]:
        """As `trainable_variables`."""
        return [variable for variable in self.weights if id(variable) in self._trained]

    @property
    def non_trainable_weights(self) -> list[keras.Variable]:
        """As `non_trainable_variables`, without the states of random generators."""
        return [variable for variable in self.weights if id(variable) not in self._trained]
