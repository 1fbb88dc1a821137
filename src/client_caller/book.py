"""What the ledger is told of one call, as it goes.

In:   what the heart finds worth keeping; how the call ended.     Out: entries for the ledger.
Rule: the wall clock is read here and not in the call, whose time is its own.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from client_caller.conversation.actions import Noted
from client_caller.ledger.entries import CallBegan, CallEnded, CallNoted, Direction, Entry, Forbidden
from client_caller.line.protocol import Parties

Keep = Callable[[Entry], None]

_OUTCOMES: Final = {
    "a message was left": "voicemail left",
    "a machine, and no message": "machine, no message",
    "a mailbox that takes no message": "machine, no message",
    "a fax": "machine, no message",
    "a menu": "machine, no message",
    "nobody spoke": "no-answer",
    "opted out": "opted out",
    "transferred": "transferred",
    "line lost": "line lost",
}
"""Our word for how a call went, by the reason for which it ended; after any other, somebody was talked with."""

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")
"""A number that can be put on a list; a withheld one cannot, and is not called either."""

TRANSFERRED: Final = "transferred"
LOST: Final = "line lost"


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class CallBook:
    """Keeps one call. noted: what was noted of it before, on a line that it had earlier."""

    def __init__(
        self,
        keep: Keep,
        call_id: str,
        parties: Parties,
        noted: Iterable[str] = (),
        now: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._keep = keep
        self.call_id = call_id
        self._parties = parties
        self._noted = set(noted)
        self._now = now

    @property
    def their_number(self) -> str:
        """The other side's, in E.164 form; empty when it is withheld."""
        return self._parties.theirs if _E164.fullmatch(self._parties.theirs) else ""

    def keep_left(self, what: str, text: str) -> None:
        """Keep what the caller has left, as JSON text."""
        self._keep(CallNoted(self.call_id, self._now(), what, text))

    def begin(self, agent: str, record: str) -> None:
        """The call is answered. record: the folder of its flight record."""
        direction: Direction = "outbound" if self._parties.order else "inbound"
        theirs, ours, order = self._parties.theirs, self._parties.ours, self._parties.order
        self._keep(CallBegan(self.call_id, self._now(), direction, theirs, ours, agent, order, record))

    def note(self, what: Noted) -> None:
        """Something that may have to be proved later."""
        self._noted.add(what)
        self._keep(CallNoted(self.call_id, self._now(), what))
        if what == "opted out" and self.their_number:
            self._keep(Forbidden(self.their_number, self._now(), "caller said so", self.call_id))

    def end(self, reason: str) -> str:
        """The call is over for us. Gives our word for how it went; reason: empty when the caller hung up."""
        outcome = _OUTCOMES.get(reason, "talked")
        if outcome == "talked" and self._parties.order and "a human answered" not in self._noted:
            outcome = "machine, no message" if "a machine answered" in self._noted else "no-answer"
        self._keep(CallEnded(self.call_id, self._now(), outcome))
        return outcome
