"""The randomness of other people's functions: found, seeded while they run, and put back as it was.

Most draw from a generator that outlives the call: those of `random`, NumPy and PyTorch, or one that a function, an
object or a Keras layer holds. Its state tells whether a call has drawn, and can be set before it and restored after it.
"""

from __future__ import annotations

import inspect
import random
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from sys import modules
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

TAKEN = ("rng", "random_state", "seed")
"""Parameters by which a function takes its randomness: a NumPy generator, and two that are whole numbers."""
MOST = 2000
"""Objects that are searched for generators."""


class Randomness:
    """All generators that calls of something may draw from.

    Parameters
    ----------
    given : object
        It, and what it refers to, is searched; the global generators are always among them.
    """

    def __init__(self, given: Any) -> None:
        self._found = list(_generators_in(given))

    def states(self) -> list:
        """The state of each generator, to be compared and restored."""
        return [_state(generator) for generator in self._all()]

    def restore(self, states: list) -> None:
        """Set the generators to what `states` gave."""
        for generator, state in zip(self._all(), states, strict=False):
            _set_state(generator, state)

    def drawn_since(self, states: list) -> bool:
        """Whether any generator has moved on."""
        now = self.states()
        return len(now) != len(states) or any(_frozen(a) != _frozen(b) for a, b in zip(now, states, strict=True))

    @contextmanager
    def seeded(self, seed: int) -> Iterator[None]:
        """Seed every generator, and put all back as they were."""
        generators = self._all()
        before = [_state(generator) for generator in generators]
        seeds = np.random.SeedSequence(seed).generate_state(len(generators)) >> 1
        try:
            for generator, own in zip(generators, seeds, strict=True):
                _seed(generator, int(own))
            yield
        finally:
            for generator, state in zip(generators, before, strict=True):
                _set_state(generator, state)

    def _all(self):
        return [*_global_generators(), *self._found]


def parameter_of(given: Callable) -> str | None:
    """The parameter of `TAKEN` by which a function takes its randomness, if it has one that is not bound yet."""
    try:
        parameters = list(inspect.signature(given).parameters.values())[1:]
    except (TypeError, ValueError):  # functions of C say nothing of their parameters
        return None
    named = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    bound = given.keywords if isinstance(given, partial) else {}
    return next((name for name in TAKEN if name in named and name not in bound), None)


def argument(name: str, seed: int) -> np.random.Generator | int:
    """What a parameter of `TAKEN` gets for a seed."""
    return np.random.default_rng(seed) if name == "rng" else seed


def _global_generators():
    # The generators behind `random.random`, `np.random.rand` and `torch.rand`.
    found = [random.seed.__self__, np.random.mtrand._rand]  # type: ignore[attr-defined]
    of_torch = getattr(modules.get("torch"), "default_generator", None)
    return found if of_torch is None else [*found, of_torch]


def _is_of_torch(value):
    kind = getattr(modules.get("torch"), "Generator", None)
    return isinstance(kind, type) and isinstance(value, kind)


def _is_seed_of_keras(value):
    return "keras" in modules and isinstance(value, modules["keras"].random.SeedGenerator)


def _is_generator(value):
    kinds = (np.random.Generator, np.random.RandomState, np.random.BitGenerator, random.Random)
    return isinstance(value, kinds) or _is_of_torch(value) or _is_seed_of_keras(value)


def _generators_in(given):
    """Generators that `given` refers to, itself included: each once, in the order in which they are met."""
    queue, seen = [given], {id(generator) for generator in _global_generators()}
    kept = []  # an id is another object's as soon as the object is gone
    while queue and len(seen) < MOST:
        value = queue.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        kept.append(value)
        if _is_generator(value):
            yield value
        else:
            queue.extend(_within(value))


def _within(value):
    """What a function, a container or an object refers to."""
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType | BuiltinFunctionType):
        return [value.__self__, getattr(value, "__func__", None)]
    if isinstance(value, FunctionType):
        return _within_function(value)
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if isinstance(value, type | ModuleType | str | bytes | int | float | np.ndarray | None):
        return []
    own = [vars(value)] if hasattr(value, "__dict__") else []
    return [*own, type(value).__call__] if callable(value) else own


def _within_function(function):
    held = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(), vars(function)]
    for cell in function.__closure__ or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # a name that has no value yet
            continue
    known = function.__globals__
    return [*held, *(known[name] for name in _names(function.__code__) if name in known)]


def _names(code):
    inner = (name for const in code.co_consts if isinstance(const, CodeType) for name in _names(const))
    return [*code.co_names, *inner]


def _state(generator):
    if isinstance(generator, np.random.Generator):
        return deepcopy(generator.bit_generator.state)
    if isinstance(generator, np.random.BitGenerator):
        return deepcopy(generator.state)
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    if isinstance(generator, random.Random):
        return generator.getstate()
    if _is_seed_of_keras(generator):
        return modules["keras"].ops.convert_to_numpy(generator.state).copy()
    return generator.get_state()


def _set_state(generator, state):
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, np.random.BitGenerator):
        generator.state = state
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    elif _is_seed_of_keras(generator):
        generator.state.assign(state)
    else:
        generator.set_state(state)


def _seed(generator, seed):
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = type(generator.bit_generator)(seed).state
    elif isinstance(generator, np.random.BitGenerator):
        generator.state = type(generator)(seed).state
    elif _is_seed_of_keras(generator):
        generator.state.assign(np.array([seed, 0], dtype=str(generator.state.dtype)))
    elif hasattr(generator, "manual_seed"):
        generator.manual_seed(seed)
    else:
        generator.seed(seed)


def _frozen(state):
    """A state as something that compares as a whole."""
    if isinstance(state, dict):
        return {key: _frozen(value) for key, value in state.items()}
    if isinstance(state, tuple | list):
        return tuple(map(_frozen, state))
    return np.asarray(state).tobytes() if hasattr(state, "__array__") else state
