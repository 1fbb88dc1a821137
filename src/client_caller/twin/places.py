"""Where calls meet: conference rooms, and lines in which they wait.

In:   who enters, who leaves.     Out: who is there, and whether it has begun.
Rule: names of calls only; what the calls do meanwhile is told elsewhere.

Source: twilio.com/docs/voice/twiml/conference, .../voice/twiml/enqueue.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from client_caller.twin.handset import Handset

_A_CONVERSATION: Final = 2


@dataclass(frozen=True, slots=True)
class Hook:
    """An address that is told of things. events: of which, where it may choose."""

    url: str
    method: str = "POST"
    events: frozenset[str] = frozenset()


@dataclass(slots=True)
class Room:
    """A conference. members: calls in it, and whether each begins it by entering, and ends it by leaving;
    hook: who is told, as the first to enter said;  told: how often it was.
    """

    sid: str
    name: str
    hook: Hook | None = None
    members: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    has_begun: bool = False
    is_over: bool = False
    told: int = 0

    def enter(self, call_sid: str, begins: bool, ends: bool) -> bool:
        """A call comes in; whether the conference begins with it."""
        self.members[call_sid] = (begins, ends)
        may_begin = any(each for each, _ in self.members.values()) and len(self.members) >= _A_CONVERSATION
        begun_now = may_begin and not self.has_begun
        self.has_begun = self.has_begun or may_begin
        return begun_now

    def leave(self, call_sid: str) -> bool:
        """A call goes; whether the conference ends with it."""
        _, ends = self.members.pop(call_sid)
        over_now = not self.is_over and (ends or not self.members)
        self.is_over = self.is_over or over_now
        return over_now


@dataclass(slots=True)
class Waiter:
    """A call that waits. taken_by: the call that speaks with it now, empty while it waits;
    released: the conversation is over;  hung_up: the one who waited ended it;  gone: it was led elsewhere.
    """

    call_sid: str
    handset: Handset
    since: float
    taken_by: str = ""
    hung_up: bool = False
    gone: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class WaitingLine:
    """Calls that wait, the oldest first."""

    sid: str
    name: str
    waiting: deque[Waiter] = field(default_factory=deque)
