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
    """One call's connection to its carrier.

    The call outlives it: a line that breaks may be followed by another of the same call.
    """

    @property
    def call_id(self) -> str:
        """The carrier's name for the call, unique and safe in a file name."""

    @property
    def has_marks(self) -> bool:
        """Whether marks come back. Without them only the clock tells what was played, as if the carrier never erred."""

    def receive(self) -> AsyncIterator[Inbound]:
        """Everything the carrier sends, until the call is over. Raises LineLost when the stream breaks."""

    async def send(self, command: Outbound) -> None:
        """Hand one command to the carrier. Raises LineLost when it cannot be delivered in time."""

    async def hang_up(self) -> None:
        """End the call. Safe to repeat."""

    def break_off(self) -> None:
        """Give up the line, and not the call: who reads or sends gets LineLost, and the carrier asks for another."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """What the carrier's own voice says for us, and whom it rings up then.

    busy: there is no room;  wait: the line is asked for again in a moment;  dropped: a call cannot be gone on with;
    transfer_to: a number in E.164 form, or None.
    """

    busy: str
    wait: str
    dropped: str
    transfer_to: str | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """What is kept of a call that this process has not held.

    over: whether it was ended on purpose;  lost_s_ago: how long ago it lost a stream, for each, in seconds.
    """

    over: bool
    lost_s_ago: tuple[float, ...] = ()


class Desk(Protocol):
    """Where lines are answered."""

    @property
    def phrases(self) -> Phrases:
        """What a caller hears who cannot be helped."""

    @property
    def ask_again_s(self) -> int:
        """Seconds after which a line may be asked for, while models are loaded or calls are handed over; 0: now."""

    def has_room(self) -> bool:
        """Whether one more call can be held now. A call that is resumed needs no room: it had it already."""

    def past(self, call_id: str) -> Past | None:
        """What is kept of a call; None when nothing is."""

    async def answer(self, line: Line) -> None:
        """Hold one call to its end: until the line ends, or `line.hang_up()`. To return earlier is to have failed."""
