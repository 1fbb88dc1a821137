"""The line: the open two-way audio connection of one call.

In:   `Inbound` messages from the carrier, in order.
Out:  `Outbound` commands to it, in order.
Rule: whoever implements `Line` speaks one carrier's dialect; nothing behind it knows which.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class CallerAudio:
    """Sound from the caller.

    mulaw: G.711 mu-law bytes at 8 kHz, any length;  media_s: stream time of the first byte, seconds from its start.
    """

    mulaw: bytes
    media_s: float


@dataclass(frozen=True, slots=True)
class MarkReturned:
    """A mark came back: all audio sent before it was played, or dropped by a clear."""

    name: str


@dataclass(frozen=True, slots=True)
class KeyTone:
    """The caller pressed a key."""

    key: str


Inbound = CallerAudio | MarkReturned | KeyTone


@dataclass(frozen=True, slots=True)
class Play:
    """Queue audio behind what the carrier already has. mulaw: G.711 mu-law bytes at 8 kHz."""

    mulaw: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """Ask for `MarkReturned(name)` when all audio queued so far has been played."""

    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Drop all queued audio; outstanding marks come back at once."""


Outbound = Play | Mark | Clear


class Line(Protocol):
    """One call's connection to its carrier."""

    @property
    def call_id(self) -> str:
        """The carrier's name for the call, unique and safe in a file name."""

    def receive(self) -> AsyncIterator[Inbound]:
        """Everything the carrier sends, until the call is over. Raises LineLost when the stream breaks."""

    async def send(self, command: Outbound) -> None:
        """Hand one command to the carrier. Raises LineLost when it cannot be delivered in time."""

    async def hang_up(self) -> None:
        """End the call. Safe to repeat."""


class Desk(Protocol):
    """Where lines are answered."""

    @property
    def busy_sentence(self) -> str:
        """What a caller hears when there is no room."""

    def has_room(self) -> bool:
        """Whether one more call can be held now."""

    async def answer(self, line: Line) -> None:
        """Hold one call to its end: until the line ends, or `line.hang_up()`. To return earlier is to have failed."""
