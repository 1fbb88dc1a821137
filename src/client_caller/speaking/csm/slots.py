"""Which slot of the cache is whose, and which rows are in it.

In:   the rows that a call's slot should hold.     Out: a slot, and how many of them are in it already.
Rule: slots are a cache. A call keeps its slot for as long as nobody needs it more, and loses nothing but time with it.
"""

from typing import Final

import numpy as np

from client_caller.speaking.csm.context import begins_alike
from client_caller.speaking.csm.protocol import FrameModel, Rows

_WORTH_COPYING: Final = 8
"""Rows. Fewer are read as quickly as they are copied."""


class Slot:
    """One sequence of the cache. filled: rows that are in it;  wanted: rows that should be."""

    def __init__(self, index: int, positions: int, codebooks: int) -> None:
        self.index = index
        self.owner: str | None = None
        self.used = 0  # when it was last taken, in takings
        self.filled = 0
        self._rows = np.zeros((positions, 1 + codebooks), np.int32)
        self._wanted = 0

    @property
    def wanted(self) -> Rows:
        """The rows that it should hold, the last of which goes in with the next frame."""
        return self._rows[: self._wanted]

    @property
    def unread(self) -> int:
        """Rows to be read before the next frame can be made."""
        return max(0, self._wanted - 1 - self.filled)

    def want(self, rows: Rows) -> None:
        """It should hold these. What is in it stays as far as both begin alike, but for the last row."""
        self.filled = min(self.filled, max(0, len(rows) - 1), begins_alike(self._rows[: self.filled], rows))
        self._rows[: len(rows)] = rows
        self._wanted = len(rows)

    def frame(self, row: Rows) -> None:
        """The last row has gone in, and `row` (1, 1 + codebooks) came of it."""
        self.filled = self._wanted
        self._rows[self._wanted] = row
        self._wanted += 1

    def held(self) -> Rows:
        """The rows that are in it."""
        return self._rows[: self.filled]


class Slots:
    """All slots of a model."""

    def __init__(self, model: FrameModel) -> None:
        self._model = model
        self._all = [Slot(index, model.positions, model.codebooks) for index in range(model.slots)]
        self._takings = 0

    def take(self, call: str, busy: frozenset[str]) -> Slot | None:
        """A slot for the call: its own, if it still has one; None while all speak. busy: the calls that do."""
        slot = next((slot for slot in self._all if slot.owner == call), None) or self._free(busy)
        if slot:
            slot.owner = call
            self._takings += 1
            slot.used = self._takings
        return slot

    def want(self, slot: Slot, rows: Rows) -> None:
        """It should hold these. What another slot holds of their beginning, a voice prompt for one, is copied."""
        slot.want(rows)
        alike = {other.index: begins_alike(other.held(), rows[:-1]) for other in self._all if other is not slot}
        source = max(alike, key=alike.__getitem__, default=None)
        if source is not None and alike[source] >= slot.filled + _WORTH_COPYING:
            self._model.copy(source, slot.index, alike[source])
            slot.filled = alike[source]

    def leave(self, call: str) -> None:
        """The call is over. The rows stay: another may begin with the same voice."""
        for slot in self._all:
            if slot.owner == call:
                slot.owner = None

    @property
    def owned(self) -> int:
        """How many have an owner."""
        return sum(slot.owner is not None for slot in self._all)

    def _free(self, busy: frozenset[str]) -> Slot | None:
        """Nobody's, or that of the call that has been silent for longest."""
        free = [slot for slot in self._all if slot.owner is None or slot.owner not in busy]
        return min(free, key=lambda slot: (slot.owner is not None, slot.used), default=None)
