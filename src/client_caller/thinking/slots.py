"""Which slot of the embedded server should make a reply: the one that has read most of its prompt already.

In:   the messages of each request.     Out: a slot number.
Rule: chosen here and not by the server, because the server passes over a slot that is busy for another moment with a
      reply just cancelled, and then reads the whole conversation anew: a second of silence, not a few milliseconds.
"""

from collections.abc import Sequence

from client_caller.thinking.protocol import Message


class Slots:
    """Remembers what each of `count` slots has read last."""

    def __init__(self, count: int) -> None:
        self._read: dict[int, tuple[Message, ...]] = dict.fromkeys(range(count), ())  # least recently used first

    def choose(self, messages: Sequence[Message]) -> int:
        """The slot that shares the longest beginning with `messages`; of equals the one unused for longest."""
        slot = max(self._read, key=lambda number: _shared(self._read[number], messages))
        del self._read[slot]
        self._read[slot] = tuple(messages)
        return slot


def _shared(read: Sequence[Message], messages: Sequence[Message]) -> int:
    """How many messages both begin with."""
    count = 0
    for one, other in zip(read, messages, strict=False):
        if one != other:
            break
        count += 1
    return count
