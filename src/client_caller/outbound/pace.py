"""The pace of a campaign: how fast calls are placed, when to pause, and who is next.

In:   instants, how many calls are open, how they ended; contacts that are due.
Out:  whether and when the next may be placed; which contacts to dial, postpone or be done with.
Rule: no clock, no task, no call. The same contacts at the same instant give the same plan.

A carrier queues what is placed too fast, for up to a day, so that a telephone might ring at night: we must never be
faster than it. Source: twilio.com/en-us/blog/high-volume-voice-considerations.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from client_caller.outbound.judge import Allowed, Consent, Never, Request, Standing, Wait, judge
from client_caller.outbound.law import Law
from client_caller.outbound.retries import REFUSED

_FAILURES_IN_A_ROW: Final = 5
_FIRST_PAUSE_S: Final = 60.0
_LONGEST_PAUSE_S: Final = 3_600.0


class Breaker:
    """Stops a campaign whose calls all fail: after five in a row for a minute, and twice as long each time it goes on.

    After a pause one failure is enough for the next; a telephone that rings sets it all back, answered or not.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = _FIRST_PAUSE_S
        self._until = 0.0
        self.why = ""
        """Why there is or was a pause, for people; empty if there was none since a call went through."""

    def paused_until(self, now: float) -> float:
        """When the pause is over, in the loop's seconds; `now` when there is none."""
        return max(now, self._until)

    def heard(self, outcome: str, now: float) -> None:
        """A call has ended so, as in retries.py. What we canceled ourselves tells nothing."""
        if outcome == "canceled":
            return
        if outcome != "failed" and not outcome.startswith(REFUSED):
            self._failures, self._pause_s, self._until, self.why = 0, _FIRST_PAUSE_S, 0.0, ""
            return
        self._failures += 1
        if self._failures >= _FAILURES_IN_A_ROW and now >= self._until:
            self._until = now + self._pause_s
            self.why = (
                f"{self._failures} calls in a row failed, the last one: {outcome}. Paused for {self._pause_s:g} s."
            )
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)


class Pacer:
    """When the next call may be placed.

    calls_per_s: as the carrier allows, evenly spaced, with nothing saved up;  calls_at_once: ringing or running.
    Instants are the loop's seconds.
    """

    def __init__(self, calls_per_s: float, calls_at_once: int) -> None:
        self._spacing_s = 1.0 / calls_per_s
        self._calls_at_once = calls_at_once
        self._next_at = 0.0
        self.breaker = Breaker()

    def may_dial(self, now: float, open_calls: int) -> bool:
        """Whether a call may be placed now; if it is, say so with `dialled`."""
        next_at = self.next_at(now, open_calls)
        return next_at is not None and next_at <= now

    def next_at(self, now: float, open_calls: int) -> float | None:
        """The first instant from now on at which a call may be placed; None: not before another one ends."""
        if open_calls >= self._calls_at_once:
            return None
        return max(self.breaker.paused_until(now), self._next_at)

    def dialled(self, now: float) -> None:
        """A call was asked for, whatever became of it."""
        self._next_at = now + self._spacing_s


@dataclass(frozen=True, slots=True)
class Due:
    """A contact whose turn has come. contact: its id in the ledger;  due_at: since when."""

    contact: str
    request: Request
    standing: Standing
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Dial:
    """Call this contact now, by this consent."""

    contact: str
    number: str
    consent: Consent


@dataclass(frozen=True, slots=True)
class Postponed:
    """Ask about this contact again at that instant, UTC. why: for people."""

    contact: str
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """Never call this contact. why: for people."""

    contact: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with contacts that are due. Who is in none of the three stays due: there was no room."""

    dial: tuple[Dial, ...]
    postpone: tuple[Postponed, ...]
    done: tuple[Done, ...]


def plan(due: Iterable[Due], law: Law, now: datetime, room: int) -> Plan:
    """What to do now with the contacts that are due: the longest due first, no number twice.

    now: with a time zone;  room: calls that may be placed. Contacts are judged until it is used up. A contact that is
    not due yet is left alone. Judge once more, with what is known by then, right before each call.
    """
    dial: list[Dial] = []
    postpone: list[Postponed] = []
    done: list[Done] = []
    placed: set[str] = set()
    for contact in sorted(due, key=lambda one: (one.due_at, one.contact)):
        if len(dial) >= room or contact.due_at > now:
            break
        number, standing = contact.request.number, contact.standing
        if number in placed:
            standing = replace(standing, placed_at=(*standing.placed_at, now))
        match judge(contact.request, standing, law, now):
            case Allowed(consent):
                dial.append(Dial(contact.contact, number, consent))
                placed.add(number)
            case Wait(until, why):
                postpone.append(Postponed(contact.contact, until, why))
            case Never(why):
                done.append(Done(contact.contact, why))
    return Plan(tuple(dial), tuple(postpone), tuple(done))
