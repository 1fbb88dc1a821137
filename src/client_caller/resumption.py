"""Going on with a call whose stream, or whose process, was lost.

In:   the call's journal.     Out: the heart where the record left it, and the record and the recording, open again.
Rule: never costs a call. A journal that cannot be read, or that today's heart does not bear out, is left alone with a
      warning, and the caller is in a new conversation.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from client_caller.conversation.actions import Action, HangUp, Remember, Turn
from client_caller.conversation.events import LineLost
from client_caller.conversation.machine import Conversation
from client_caller.conversation.policy import Manner
from client_caller.conversation.transitions import Phase
from client_caller.errors import ClientCallerError, ConfigError
from client_caller.records.flight import FlightRecord
from client_caller.records.journal import Journal, find_journal
from client_caller.records.recording import Recording
from client_caller.records.replay import run_again

log = logging.getLogger("client_caller.house")

_LONGEST_GAP_S: Final = 3_600.0
"""A gap beyond this is not a gap but a clock that was set: no carrier keeps a call waiting for an hour."""

_STEPS: Final = 50
"""Steps taken in one go: about 5 ms, for other calls are waiting to send their next 20."""

_A_MOMENT_S: Final = 1e-3
"""A resumed call is never at its very beginning, which call time 0 would mean."""


_UNFIT: Final = (
    ClientCallerError,
    msgspec.MsgspecError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
)
"""What a journal may raise that is spoilt or of another version, and the heart that is run through it."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """A call to go on with.

    since: the call time of now, in seconds;  noted: what the ledger was told of it;  told: what its tools have told;
    ended: the reason for which it was just being hung up, if it was.
    """

    conversation: Conversation
    record: FlightRecord
    recording: Recording
    since: float
    noted: Sequence[str] = ()
    told: Sequence[Turn] = ()
    ended: str = ""


async def resume_call(records: Path, call_id: str, now: datetime, *, audio: bool) -> Resumption | None:
    """Open the unfinished call again whose record lies under `records`; None when there is none that will do."""
    try:
        journal = find_journal(records, call_id)
        if journal is None or journal.is_over or not journal.steps:
            return None
        since = max(journal.ends_at + gap_s(journal, now), _A_MOMENT_S)
        heart, unwritten = await _heart_of(journal)
        is_known = heart.phase is Phase.RESUMING  # that the line is gone: it was lost, or left for an errand
        lost = [] if is_known else heart.handle(LineLost(), journal.ends_at)
    except _UNFIT:
        log.warning("a call could not be resumed", extra={"call": call_id}, exc_info=True)
        return None
    record = FlightRecord.resume(journal.path)
    _write(record, journal.steps[-1].at, unwritten)
    if not is_known:
        record.event(journal.ends_at, LineLost())
        _write(record, journal.ends_at, lost)
    recording = Recording(journal.path.with_name("call.wav") if audio else None)
    if journal.may_record:
        recording.go_on(since)
    ended = next((action.reason for action in unwritten if isinstance(action, HangUp)), "")
    late = [action.turn for action in (*unwritten, *lost) if isinstance(action, Remember)]
    told = [turn for turn in (*journal.remembered, *late) if turn.speaker == "tool"]
    return Resumption(heart, record, recording, since, journal.noted, told, ended)


def gap_s(journal: Journal, now: datetime) -> float:
    """Seconds from the journal's last line to `now`, by the wall clock if that can be believed. Raises ValueError."""
    began = datetime.fromisoformat(journal.header.started)
    elapsed = (now - began.astimezone(UTC)).total_seconds() - journal.ends_at
    return elapsed if 0 < elapsed <= _LONGEST_GAP_S else 0.0


async def _heart_of(journal: Journal) -> tuple[Conversation, list[Action]]:
    """The heart at the end of the journal, and what it answered there that was not written down any more.

    Its manner is the one the call began with, whatever the agent file says by now. Raises what the heart raises.
    """
    heart = Conversation(msgspec.convert(journal.header.conversation, Manner))
    unwritten: list[Action] = []
    for first in range(0, len(journal.steps), _STEPS):
        outcome = run_again(heart, journal.steps[first : first + _STEPS])
        if unwritten or outcome.difference:
            raise ConfigError(f"{journal.path}: today's heart decides otherwise at step {first + outcome.steps + 1}")
        unwritten = outcome.missing
        await asyncio.sleep(0)
    return heart, unwritten


def _write(record: FlightRecord, at: float, actions: Sequence[Action]) -> None:
    for action in actions:
        record.action(at, action)
