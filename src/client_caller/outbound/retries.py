"""Retries: whether, and when, somebody is called again.

In:   how an attempt ended, how many there were, the instant, the law.
Out:  the instant of the next attempt, or None when there shall be none.
Rule: whoever talked, was put through, was the wrong person or wants no calls is not called again. The instant is only
      when to ask the judge next.
"""

from datetime import datetime, timedelta
from typing import Final

from client_caller.errors import LocalProtocolError
from client_caller.outbound.law import Law, Retries

REFUSED: Final = "refused: "
"""How an outcome begins when the carrier did not take the call; its code follows."""

_FINAL: Final = frozenset({"talked", "transferred", "opted out", "wrong number"})
_WAITS: Final = {
    "busy": "busy",
    "no-answer": "no_answer",
    "machine, no message": "machine",
    "voicemail left": "voicemail_left",
    "failed": "failed",
    "canceled": "canceled",
    "line lost": "line_lost",
}
"""Outcomes after which there may be another attempt, and which field of `Retries` tells after how long."""

OUTCOMES: Final = _FINAL | _WAITS.keys()
"""All ways an attempt may end, but for refusals."""


def next_attempt(outcome: str, attempts: int, now: datetime, law: Law) -> datetime | None:
    """When to try again, always later than `now`; None for never.

    outcome: of the last attempt, one of OUTCOMES or REFUSED and a code;  attempts: made so far, with that one.
    Raises LocalProtocolError for an outcome that does not exist.
    """
    if outcome not in OUTCOMES and not outcome.startswith(REFUSED):
        raise LocalProtocolError(f"no attempt ends as {outcome!r}")
    if attempts < 1:
        raise LocalProtocolError("an attempt ended before the first")
    waits_h = _waits_h(outcome, law.retries)
    return now + timedelta(hours=waits_h[attempts - 1]) if attempts <= len(waits_h) else None


def _waits_h(outcome: str, retries: Retries) -> tuple[float, ...]:
    if outcome.startswith(REFUSED):
        return retries.not_now if outcome.removeprefix(REFUSED) in retries.not_now_codes else ()
    waits_h: tuple[float, ...] = getattr(retries, _WAITS[outcome]) if outcome in _WAITS else ()
    return waits_h
