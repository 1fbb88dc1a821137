"""Which slot of the embedded server makes the replies of a call.

In:   the call of each request.     Out: a slot number.
Rule: chosen here and not by the server, because the server passes over a slot that is busy for another moment with a
      reply just cancelled, and then reads the whole conversation anew: a second of silence, not a few milliseconds.
"""

from typing import Final

ASIDE: Final = 1
"""Slots beyond those of calls, for what nobody waits for. In a call's own it would put out what is kept of a call."""


class Slots:
    """`count` slots; a call keeps its own until others have needed it more lately. aside: the one that is no call's."""

    def __init__(self, count: int) -> None:
        self.aside: Final = count
        self._users: dict[int, str] = dict.fromkeys(range(count), "")  # least recently used first

    def of(self, call_id: str) -> int:
        """The call's slot; a call without one gets the slot that has rested longest."""
        slot = next((number for number, user in self._users.items() if user == call_id), next(iter(self._users)))
        del self._users[slot]
        self._users[slot] = call_id
        return slot
