"""How the parts of the model get their tensors: each asks for its own by the published name and shape."""

from collections.abc import Callable

from torch import Tensor

Take = Callable[[str, tuple[int, ...]], Tensor]
"""The tensor of this name and shape, on the model's device and in its number format. Raises WeightsError."""
