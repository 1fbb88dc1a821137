"""What is known of Telnyx's calls, out of webhooks that come in any order and more than once.

In:   events.     Out: one `KnownCall` a call; and to the desk each state once, in order.
Rule: sends no command and opens no stream. What another process knew is asked of the desk.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from client_caller.line.media_line import MediaLine
from client_caller.line.protocol import OVER, CallState, Desk, Parties, StateReached
from client_caller.line.telnyx_events import Event, over_state
from client_caller.settings import ServerSettings

_CALLS: Final = 1_000
"""Calls that are remembered; the oldest without a stream is forgotten."""

_EVENTS: Final = 10_000
"""Events that are remembered, so that none counts twice."""

_RANKS: Final[dict[CallState, int]] = {"queued": 0, "ringing": 1, "in-progress": 2}
"""Which state comes after which; those after which nobody is on the line come last, and there is but one of them."""

Away = Literal["", "keys", "transfer"]
"""On which errand a call is."""


@dataclass(slots=True)
class KnownCall:
    """One call.

    token: the ticket of its latest stream, "" before the first;  promised_until: loop time until which that stream may
    still come;  held: whether it has had one, here or elsewhere;  resumed_at: loop times at which it was given another;
    away: on which errand it is;  keys_s: how long that of the keys takes;  back_from: how its last errand ended;
    is_starting: a stream is being started;  parting_to: who is rung up once the caller has been told goodbye, "" for
    nobody, None while there is no goodbye.
    """

    id: str
    parties: Parties = field(default_factory=Parties)
    state: CallState | None = None
    answered_at: datetime | None = None
    over: bool = False
    token: str = ""
    promised_until: float = 0.0
    held: bool = False
    resumed_at: deque[float] = field(default_factory=deque)
    line: MediaLine | None = None
    away: Away = ""
    keys_s: float = 0.0
    back_from: str = ""
    is_starting: bool = False
    parting_to: str | None = None


class Calls:
    """All calls that this process knows of."""

    def __init__(self, limits: ServerSettings, desk: Desk) -> None:
        self._limits = limits
        self._desk = desk
        self._calls: dict[str, KnownCall] = {}
        self._told: dict[str, None] = {}  # ids of events, in the order in which they came

    def of(self, call_id: str) -> KnownCall:
        """What is known of a call, if only its id."""
        if call_id not in self._calls and len(self._calls) >= _CALLS:
            oldest = next((known for known, call in self._calls.items() if call.line is None), None)
            if oldest is not None:
                del self._calls[oldest]
        return self._calls.setdefault(call_id, KnownCall(call_id))

    def is_new(self, event: Event) -> bool:
        """Whether an event is told for the first time."""
        if event.id in self._told:
            return False
        if len(self._told) >= _EVENTS:
            del self._told[next(iter(self._told))]
        self._told[event.id] = None
        return True

    def note(self, call: KnownCall, event: Event) -> None:
        """Take from an event what it tells of the call's state, and tell the desk if that is news."""
        if event.theirs and not call.parties.theirs:
            call.parties = event.parties
        match event.kind:
            case "call.initiated":
                self._reach(call, "ringing")
            case "call.answered":
                call.answered_at = event.at
                self._reach(call, "in-progress")
            case "call.hangup":
                answered = call.held or _RANKS.get(call.state or "queued", 0) == _RANKS["in-progress"]
                call.over = True
                self._reach(call, over_state(event.cause, answered=answered), event)

    def _reach(self, call: KnownCall, state: CallState, end: Event | None = None) -> None:
        last = len(_RANKS)
        if call.state is not None and _RANKS.get(state, last) <= _RANKS.get(call.state, last):
            return
        call.state = state
        duration_s = None
        if end and end.at and call.answered_at:
            duration_s = max(0, round((end.at - call.answered_at).total_seconds()))
        why = end.cause if end and state in OVER - {"completed"} else ""
        self._desk.hear_of(StateReached(call.id, call.parties, state, duration_s, why))

    def recall(self, call: KnownCall) -> None:
        """Learn what is kept of a call that another process held before this one."""
        past = None if call.held else self._desk.past(call.id)
        if past is None:
            return
        now = asyncio.get_running_loop().time()
        call.held, call.over = True, call.over or past.over
        call.resumed_at.extend(now - ago for ago in past.lost_s_ago)

    def promise(self, call: KnownCall) -> None:
        """Keep room for the first stream of a call for as long as its ticket lasts."""
        call.promised_until = asyncio.get_running_loop().time() + self._limits.token_life_s

    def have_room_for(self, call: KnownCall) -> bool:
        """Whether a call may have a stream: it had one, or there is room beside all that are promised theirs."""
        if call.held:
            return True
        now = asyncio.get_running_loop().time()
        others = [other for other in self._calls.values() if other is not call and not other.held and not other.over]
        return self._desk.has_room(sum(other.promised_until > now for other in others))

    def may_start_again(self, call: KnownCall) -> bool:
        """Count one more stream that makes up for a lost one; false when there were too many of late."""
        now = asyncio.get_running_loop().time()
        while call.resumed_at and call.resumed_at[0] < now - self._limits.resume_window_s:
            call.resumed_at.popleft()
        call.resumed_at.append(now)
        return len(call.resumed_at) <= self._limits.resume_attempts
