"""The cache: keys and values of every slot's rows, in place for as long as the engine runs.

In:   new rows, and where they go.     Out: their queries, and the keys and values that they see.
Rule: no memory is asked for and nothing is ever cleared. A row sees the rows up to its own position, so a slot is cut
      back, and given to another call, by counting from a lower position on.
"""

import torch
from torch import Tensor, gather
from torch.nn import functional as F

from client_caller.speaking.csm.config import LlamaConfig
from client_caller.speaking.csm.layers import for_groups, rotations


class SlotCache:
    """Keys and values: (layers, slots + 1, kv_heads, 2, positions, head_width).

    The last slot, `scratch`, is for the rows that fill up a batch.
    """

    def __init__(self, config: LlamaConfig, slots: int, dtype: torch.dtype, device: torch.device) -> None:
        shape = (config.layers, slots + 1, config.kv_heads, 2, config.positions, config.head_width)
        self.scratch = slots
        self._config = config
        self._held = torch.zeros(shape, dtype=dtype, device=device)  # not empty: what is masked must be finite, too
        self._turns = rotations(config).to(device, dtype)
        self._still = torch.eye(config.head_width, dtype=dtype, device=device)  # how values are turned
        self._order = torch.arange(config.positions, device=device)
        self._lines = torch.arange((slots + 1) * config.kv_heads * 2, device=device).view(slots + 1, -1)

    def window(self, slots: Tensor, positions: Tensor, length: int) -> "Window":
        """The `Past` of rows that go to `positions`, (B, n), of `slots`, (B,), both int64, and see `length` at most.

        Of as many rows as there are slots, the first must be for slot 0 or scratch, the second for slot 1 or scratch,
        and so on: they see the slots where they lie. For fewer, what they see is copied.
        """
        sets = self._config.heads // self._config.kv_heads + 2
        turns = self._turns[positions].unsqueeze(2).expand(-1, -1, sets - 1, -1, -1)
        still = self._still.expand(*positions.shape, 1, -1, -1)
        lines = None if len(slots) == self.scratch else self._lines.index_select(0, slots).view(-1, 1)
        return Window(self._held, slots, positions, torch.cat((turns, still), dim=2), lines, length)

    def mask(self, positions: Tensor, length: int) -> Tensor:
        """What rows at `positions`, (B, n), see of the first `length`: as of `layers.attend`."""
        unseen = self._order[:length] > positions[:, None, :, None]
        return for_groups(
            torch.zeros_like(unseen, dtype=self._held.dtype).masked_fill_(unseen, -torch.inf), self._config
        )

    def copy(self, source: int, target: int, count: int) -> None:
        """Give slot `target` the first `count` rows of slot `source`."""
        self._held[:, target, :, :, :count] = self._held[:, source, :, :, :count]


class Window:
    """The part of a cache that a batch of rows writes to and sees: the `Past` of the backbone's layers.

    turns: (B, n, sets, head_width, head_width), by which heads are turned;  lines: (lines, 1), those of the slots'
    lines that are seen, a line being the keys, or the values, of a head; None: of each row its own slot.

    Lines, since torch copies what it gathers 16 bytes at a time if the rows of a matrix are what is gathered, and by
    the number otherwise. Source: aten/src/ATen/native/cuda/IndexKernelUtils.h, `fast_gather_kernel_eligible`.
    """

    def __init__(
        self, held: Tensor, slots: Tensor, positions: Tensor, turns: Tensor, lines: Tensor | None, length: int
    ) -> None:
        self._held, self._slots, self._positions = held, slots, positions
        self._turns, self._lines, self._length = turns, lines, length

    def meet(self, layer: int, rows: Tensor, projection: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As of a Past."""
        held, sets = self._held[layer], self._turns.shape[:3]
        _, kv_heads, _, positions, width = held.shape
        heads = F.linear(rows, projection).view(-1, kv_heads, width).bmm(self._turns.flatten(0, 2))
        heads = heads.view(*sets, kv_heads, width)
        held[self._slots[:, None], :, :, self._positions] = heads[:, :, -2:].transpose(2, 3)
        if self._lines is None:
            seen = held[:-1, :, :, : self._length]
        else:
            lines = held.view(-1, positions * width)[:, : self._length * width]
            seen = gather(lines, 0, self._lines.expand(-1, lines.shape[1])).view(-1, kv_heads, 2, self._length, width)
        return heads[:, :, :-2], seen[:, :, 0], seen[:, :, 1]
