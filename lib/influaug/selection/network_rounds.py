"""Choice in rounds for `AugmentationSelector`: which networks and policies can, and the choice itself."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .points import is_network
from .rounds import ImagePool, Rounds, choose_in_rounds

if TYPE_CHECKING:
    from typing import Any

    from ..networks.featurizer import KerasFeaturizer
    from .policies import Chooser


def as_rounds(rounds: Any, chooser: Chooser, featurizer: Any) -> Rounds | None:
    """The parameter ``rounds`` of the selector as `Rounds`, or None; refused where it cannot be done.

    Parameters
    ----------
    rounds : Rounds, int or None
        A number is that of rounds whose network is trained anew.
    chooser : policies.Chooser
    featurizer : str, keras.Model or KerasFeaturizer
        Anything else has no network to train.

    Raises
    ------
    InputError
        Rounds that are none, a policy that does not look at all copies, or no network.
    """
    if rounds is None:
        return None
    if isinstance(rounds, Integral) and not isinstance(rounds, bool):
        rounds = Rounds(int(rounds))
    if not isinstance(rounds, Rounds):
        raise InputError(
            f"rounds is {rounds!r}; it must be None, a number of rounds, or influaug.selection.rounds.Rounds."
        )
    policy = chooser.policy
    if policy.unit != "copy" or policy.generates != "all":
        raise InputError(
            f"The policy {chooser.name} does not look at the features of all copies, so rounds would not change what "
            "it chooses; take a policy that does, such as 'greedy_influence', or rounds=None."
        )
    if policy.weighs:
        raise InputError(
            f"The policy {chooser.name} gives weights that hold for one set of features only, and rounds make several; "
            "take a policy without weights, such as 'greedy_influence', or rounds=None."
        )
    if not (isinstance(featurizer, str) or is_network(featurizer) or _wraps_network(featurizer)):
        raise InputError(
            "rounds train a network: featurizer must be the name of one, a Keras network or a KerasFeaturizer."
        )
    return rounds


def choose_with_network(
    rounds: Rounds, featurizer: Any, pool: ImagePool, budget: int, chooser: Chooser, rng: np.random.Generator
) -> tuple[KerasFeaturizer, np.ndarray]:
    """Choose copies in rounds of a network.

    Parameters
    ----------
    rounds : Rounds
    featurizer : str, keras.Model or KerasFeaturizer
        As `as_rounds` takes it. A network that was given is left as it is; its weights are those of the first round.
    pool : ImagePool
    budget : int
    chooser : policies.Chooser
    rng : numpy.random.Generator
        Gives the seeds of a network by name, of the orders, and of policies that draw.

    Returns
    -------
    influaug.networks.featurizer.KerasFeaturizer
        Around the network of the last round.
    int array [budget]
        The chosen copies, by place in the pool, in the order of the rounds.
    """
    from ..networks.featurizer import KerasFeaturizer  # with Keras, which takes many seconds to import
    from ..networks.repeated import RepeatedTraining

    seeds = rng.integers(2**31, size=2).tolist()
    network, layer = _network(featurizer, pool, seeds[0])
    training = RepeatedTraining(network, rounds.learning_rate, layer)
    about = f"{chooser.name} {chooser.balanced} {chooser.options}"

    def choose(candidates, number, rng):
        return chooser.copies(candidates, number, rng).order

    chosen = choose_in_rounds(training, pool, budget, rounds, choose, np.random.SeedSequence(seeds[1]), about)
    return KerasFeaturizer(training.model, layer=layer).fit(pool.images), chosen


def _network(featurizer, pool, seed):
    """The network of a featurizer, untrained if it is given by name, and the name of the layer of its features."""
    from ..networks.featurizer import NETWORKS

    layer = "features"
    if _wraps_network(featurizer):
        layer, featurizer = featurizer.layer, getattr(featurizer, "model_", featurizer.network)
    if isinstance(featurizer, str):
        featurizer = NETWORKS[featurizer](pool.images.shape[1:], int(pool.labels.max()) + 1, seed)
    return featurizer, layer


def _wraps_network(featurizer):
    return type(featurizer).__name__ == "KerasFeaturizer"
