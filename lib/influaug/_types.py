"""Names of types for hints; shapes, units and meaning are in the docstrings."""

import os
from collections.abc import Callable
from typing import Any

PathLike = str | os.PathLike[str]
Shape = tuple[int, int, int]
"""Of an image: height, width, channels."""
Tensor = Any
"""Of Keras's backend, whichever that is, or an array in its place."""
TensorShape = tuple[int | None, ...]
Function = Callable[[list[Tensor]], Tensor]
"""What is differentiated: of tensors, to a tensor."""
