"""The line: the open two-way audio connection of one call.

In:   `Inbound` messages from the carrier, in order.
Out:  `Outbound` commands to it, in order.
Rule: whoever implements `Line` speaks one carrier's dialect; nothing behind it knows which.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from client_caller.conversation.actions import SendKeys, Transfer


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


Errand = SendKeys | Transfer
"""What a media stream cannot do: the carrier takes the call away from it, does it, and may bring the call back."""


@dataclass(frozen=True, slots=True)
class Parties:
    """Who is on the line.

    theirs, ours: numbers in E.164 form, or whatever the carrier says; empty when it does not;
    order: the id of the order by which we placed the call; empty for a call that came in.
    """

    theirs: str = ""
    ours: str = ""
    order: str = ""


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

    @property
    def parties(self) -> Parties:
        """Who is on it."""

    @property
    def back_from(self) -> str:
        """How the errand ended that the call has come back from; empty when it was on none.

        "keys" when they were sent; of a transfer "busy", "no-answer", "declined" or "failed".
        """

    def receive(self) -> AsyncIterator[Inbound]:
        """Everything the carrier sends, until the call is over. Raises LineLost when the stream breaks or is left."""

    async def send(self, command: Outbound) -> None:
        """Hand one command to the carrier. Raises LineLost when it cannot be delivered in time."""

    async def leave(self, errand: Errand) -> None:
        """Have the carrier run an errand. It ends this stream; the call may come back on another.

        Raises LineError when the carrier will not; then the stream goes on.
        """

    async def hang_up(self) -> None:
        """End the call. Safe to repeat."""

    def break_off(self) -> None:
        """Give up the line, and not the call: who reads or sends gets LineLost, and the carrier asks for another."""


WhenFull = Literal["hang up", "queue", "call back", "forward"]
"""What becomes of a caller for whom there is no room, after a sentence."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """What the carrier's own voice says for us, and what it does then.

    busy: there is no room;  wait: the line is asked for again in a moment;  dropped: a call cannot be gone on with;
    transfer_to: a number in E.164 form, or None;  when_full: what follows `busy`;  queued: said now and then to who
    waits in the queue.
    """

    busy: str
    wait: str
    dropped: str
    transfer_to: str | None = None
    when_full: WhenFull = "hang up"
    queued: str = "Please hold the line."


@dataclass(frozen=True, slots=True)
class Past:
    """What is kept of a call that this process has not held.

    over: whether it was ended on purpose;  lost_s_ago: how long ago it lost a stream, for each, in seconds.
    """

    over: bool
    lost_s_ago: tuple[float, ...] = ()


CallState = Literal["queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"]

OVER: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""States after which nobody is on the line. Source: twilio.com/docs/voice/api/call-resource."""

WhoAnswered = Literal["human", "machine", "machine done", "fax", "unknown"]
"""What a carrier's detection says of who has answered. "machine": a greeting plays;  "machine done": it is over, with a
beep or without, and a message may be left now."""


@dataclass(frozen=True, slots=True)
class StateReached:
    """A call has reached a state that is later than all it was in before.

    duration_s: how long it was answered, once it is over;  why: the carrier's own code of a failure, empty if none.
    """

    call_id: str
    parties: Parties
    state: CallState
    duration_s: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class AnswererFound:
    """The carrier has found out who answered a call that we placed."""

    call_id: str
    who: WhoAnswered


@dataclass(frozen=True, slots=True)
class CallBackWanted:
    """A caller for whom there was no room was promised to be called back."""

    call_id: str
    parties: Parties


@dataclass(frozen=True, slots=True)
class RecordingKept:
    """The carrier has kept a recording of its own."""

    call_id: str
    recording_id: str
    duration_s: int | None = None


News = StateReached | AnswererFound | CallBackWanted | RecordingKept
"""What a carrier's callbacks tell: each once, and states in order, however often and in whatever order they came."""


class Desk(Protocol):
    """Where lines are answered."""

    @property
    def phrases(self) -> Phrases:
        """What a caller hears who cannot be helped."""

    @property
    def ask_again_s(self) -> int:
        """Seconds after which a line may be asked for, while models are loaded or calls are handed over; 0: now."""

    def has_room(self, promised: int = 0) -> bool:
        """Whether one more call can be held now, beside those running and those `promised` that are still to come.

        A call that is resumed needs no room: it had it already.
        """

    def past(self, call_id: str) -> Past | None:
        """What is kept of a call; None when nothing is."""

    def hear_of(self, news: News) -> None:
        """Take note of what a carrier tells; returns at once, and never raises."""

    async def answer(self, line: Line) -> None:
        """Hold one call to its end: until the line ends, or `line.hang_up()`. To return earlier is to have failed."""
