"""Tickets: who may open a media socket, and for whom room is kept.

In:   the call a webhook was signed for, and later the token of a socket that claims to carry it.
Out:  a token that works once, for that call, for a while; and how many calls room is promised to.
Rule: no clock (`now` is an argument) and no randomness of its own (`draw` makes tokens).

A carrier's signature has no date in it and can be replayed; a ticket cannot.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Ticket:
    call_id: str
    expires_at: float


class Tickets:
    """Unused tickets, at most one a call.

    life_s: seconds a ticket lasts;  limit: tickets held, beyond which the oldest is given up;
    draw: makes a token nobody can guess.
    """

    def __init__(self, life_s: float, limit: int, draw: Callable[[], str]) -> None:
        self._life_s = life_s
        self._limit = limit
        self._draw = draw
        self._unused: dict[str, _Ticket] = {}  # by token; all live equally long, so the oldest expires first

    def unused(self, call_id: str, now: float) -> str | None:
        """The token this call was given and has not used, so that a repeated webhook is answered as the first was."""
        self._expire(now)
        return next((token for token, ticket in self._unused.items() if ticket.call_id == call_id), None)

    def issue(self, call_id: str, now: float) -> str:
        """A token for this call: its unused one if there is one."""
        token = self.unused(call_id, now)
        if token is None:
            if len(self._unused) == self._limit:
                del self._unused[next(iter(self._unused))]
            token = self._draw()
            self._unused[token] = _Ticket(call_id, now + self._life_s)
        return token

    def redeem(self, token: str, now: float) -> str | None:
        """The call this token is for, once; None when it was used, has expired or never was."""
        self._expire(now)
        ticket = self._unused.pop(token, None)
        return ticket.call_id if ticket else None

    def cancel(self, call_id: str) -> None:
        """Let nobody in for this call with the ticket it has, if it has one."""
        self._unused = {token: ticket for token, ticket in self._unused.items() if ticket.call_id != call_id}

    def _expire(self, now: float) -> None:
        for token, ticket in list(self._unused.items()):
            if ticket.expires_at > now:
                break
            del self._unused[token]


class Promises:
    """Room promised to calls that do not stream yet, or not just now; each promise for a while."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def make(self, call_id: str, until: float) -> None:
        """Keep room for this call until then, or longer if that was promised before."""
        self._until[call_id] = max(until, self._until.get(call_id, until))

    def drop(self, call_id: str) -> None:
        """Keep none for it any more: it streams, or is over."""
        self._until.pop(call_id, None)

    def hold(self, call_id: str, now: float) -> bool:
        """Whether room is kept for this call."""
        return self._until.get(call_id, now) > now

    def to_others(self, call_id: str, now: float) -> int:
        """For how many other calls room is kept."""
        self._until = {promised: until for promised, until in self._until.items() if until > now}
        return len(self._until) - (call_id in self._until)
