"""The cache: keys and values of every slot's rows, in place for as long as the engine runs.

In:   keys and values of new rows, and where they go.     Out: those of the rows that they see.
Rule: no memory is asked for and nothing is ever cleared. A row sees the rows up to its own position, so a slot is cut
      back, and given to another call, by counting from a lower position on.
"""

import torch
from torch import Tensor

from client_caller.speaking.csm.config import LlamaConfig


class SlotCache:
    """Keys and values, each (layers, slots + 1, kv_heads, positions, head_width).

    The last slot, `scratch`, is for the rows that fill up a batch.
    """

    def __init__(self, config: LlamaConfig, slots: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (config.layers, slots + 1, config.kv_heads, config.positions, config.head_width)
        self.scratch = slots
        self._keys = torch.zeros(shape, dtype=dtype, device=device)  # not empty: what is masked must be finite, too
        self._values = torch.zeros_like(self._keys)
        self._order = torch.arange(config.positions, device=device)

    def window(self, slots: Tensor, positions: Tensor, length: int) -> "Window":
        """Where rows go, slots: (B,), positions: (B, n), both int64, and how much of their slots they see at most."""
        return Window(self._keys, self._values, slots, positions, length)

    def mask(self, positions: Tensor, length: int) -> Tensor:
        """What rows at `positions`, (B, n), see of the first `length`: (B, 1, n, length), 0 or -inf."""
        unseen = self._order[:length] > positions[:, None, :, None]
        return torch.zeros_like(unseen, dtype=self._keys.dtype).masked_fill_(unseen, -torch.inf)

    def copy(self, source: int, target: int, count: int) -> None:
        """Give slot `target` the first `count` rows of slot `source`."""
        for held in (self._keys, self._values):
            held[:, target, :, :count] = held[:, source, :, :count]


class Window:
    """The part of a cache that a batch of rows writes to and sees: the `Past` of the backbone's layers."""

    def __init__(self, keys: Tensor, values: Tensor, slots: Tensor, positions: Tensor, length: int) -> None:
        self._keys, self._values = keys, values
        self._slots, self._positions, self._length = slots, positions, length

    def add(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """As of a Past."""
        return self._put(self._keys[layer], keys), self._put(self._values[layer], values)

    def _put(self, held: Tensor, new: Tensor) -> Tensor:
        held[self._slots[:, None], :, self._positions] = new
        return held[:, :, : self._length].index_select(0, self._slots)
