"""What is known of calls, from one request of Twilio's to the next.

In:   requests; what is kept of calls that another process held.     Out: one `Call` each.
Rule: no call is remembered that was never asked about, and of those only so many.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from client_caller.conversation.actions import Transfer
from client_caller.line.media_line import MediaLine
from client_caller.line.protocol import Desk, Errand, Parties
from client_caller.line.twilio_requests import Asked

CALLS_KNOWN: Final = 1_000
"""Calls that are remembered; the oldest that is over is forgotten first, then the oldest without a stream."""


@dataclass(slots=True)
class Handover:
    """A transfer in which a colleague is told first what the call is about.

    id: names it in addresses, and the conference in which both meet;  colleague: the carrier's id of the call to them,
    once it is known;  ended: how, empty while it is open: "accepted", "gone" if the caller did not wait, or what the
    call comes back from.
    """

    id: str
    order: Transfer
    colleague: str = ""
    ended: str = ""

    def settle(self, ending: str) -> bool:
        """End it so, unless it has ended; whether that was news."""
        is_news = not self.ended
        self.ended = self.ended or ending
        return is_news


@dataclass(slots=True)
class Call:
    """What is known of one call.

    public: the address at which Twilio reached us about it;  over: whether nobody is there any more, or it was ended on
    purpose;  held: whether it has had a stream, here or elsewhere;  resumed_at: loop times at which it was given
    another;  line: the live one;  idle: set while there is none;  errand: what it is away for, until it is back;
    back_from: how that ended, until a stream was told;  rank: of the latest state that was passed on;  told: what else
    was.
    """

    id: str
    public: str = ""
    parties: Parties = field(default_factory=Parties)
    over: bool = False
    held: bool = False
    resumed_at: deque[float] = field(default_factory=deque)
    line: MediaLine | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    errand: Errand | None = None
    handover: Handover | None = None
    back_from: str = ""
    rank: int = -1
    told: set[str] = field(default_factory=set)

    def has_ended(self) -> bool:
        """Whether nothing is to be done for it any more."""
        return self.over or (self.line is not None and self.line.over)

    def tell_once(self, what: str) -> bool:
        """Whether this is the first time; from now on it is not."""
        is_news = what not in self.told
        self.told.add(what)
        return is_news


class Calls:
    """All calls known. within_s: how long a lost stream counts."""

    def __init__(self, desk: Desk, within_s: float) -> None:
        self._desk = desk
        self._within_s = within_s
        self._known: dict[str, Call] = {}

    def of(self, call_id: str) -> Call:
        """What is known of this call."""
        if call_id not in self._known and len(self._known) >= CALLS_KNOWN:
            over = (known for known, call in self._known.items() if call.over)
            idle = (known for known, call in self._known.items() if call.line is None)
            forgotten = next(over, None) or next(idle, None)
            if forgotten is not None:
                del self._known[forgotten]
        return self._known.setdefault(call_id, Call(call_id))

    def meet(self, asked: Asked) -> Call:
        """What is known of the call that is asked about, and who is on it."""
        call = self.of(asked.call_id)
        call.public = asked.public
        call.parties = _parties(asked, call.parties)
        return call

    def recall(self, call: Call) -> None:
        """Learn what is kept of a call, if it was another process that held it."""
        past = None if call.held else self._desk.past(call.id)
        if past is None:
            return
        now = asyncio.get_running_loop().time()
        call.held, call.over = True, call.over or past.over
        call.resumed_at.extend(now - ago for ago in past.lost_s_ago)

    def count_stream(self, call: Call) -> int:
        """Count one more fresh stream for it; how many it was given of late, this one with them."""
        now = asyncio.get_running_loop().time()
        call.resumed_at.append(now)
        while call.resumed_at[0] < now - self._within_s:
            call.resumed_at.popleft()
        return len(call.resumed_at)


def _parties(asked: Asked, known: Parties) -> Parties:
    """Who is on the line: of a call that we placed, the one called. Not every request says so again.

    Source: twilio.com/docs/voice/twiml, Direction.
    """
    caller, called = asked.form.get("From", ""), asked.form.get("To", "")
    order = asked.id or known.order
    was_placed = order or asked.form.get("Direction", "").startswith("outbound")
    theirs, ours = (called, caller) if was_placed else (caller, called)
    return Parties(theirs or known.theirs, ours or known.ours, order)
