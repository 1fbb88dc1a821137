"""What the ledger keeps, as plain facts, and what the entries of one call come to.

In:   entries of a call, in any order, each once or several times.
Out:  the call as it is kept: the same, whatever the order was.
Rule: facts only. Nothing here knows of databases, threads or the clock.

Every time is an instant with a time zone; one without is taken as UTC.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

Direction = Literal["inbound", "outbound"]
Purpose = Literal["informational", "marketing"]
ConsentKind = Literal["informational", "marketing", "call back", "recording"]
OrderState = Literal["made", "placed", "unsure", "over", "dropped"]
CampaignState = Literal["running", "stopped", "done"]
ContactState = Literal["waiting", "calling", "done"]

OVER: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""States after which nobody is on the line; none follows them. Source: twilio.com/docs/voice/api/call-resource."""

OPEN: Final = frozenset({"made", "placed", "unsure"})
"""States of an order whose call may still be placed or running."""

_PROGRESS: Final = ("queued", "ringing", "in-progress")


@dataclass(frozen=True, slots=True)
class CallBegan:
    """A call has come in, or one of ours was placed.

    theirs, ours: E.164 numbers, or what the carrier says;  record: the folder of its flight record, empty if none.
    """

    call_id: str
    at: datetime
    direction: Direction
    theirs: str
    ours: str
    agent: str
    order_id: str = ""
    record: str = ""


@dataclass(frozen=True, slots=True)
class CallReached:
    """The carrier tells a state. duration_s: answered, once it is over;  why: the carrier's code of a failure."""

    call_id: str
    at: datetime
    state: str
    duration_s: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class CallNoted:
    """Something that may have to be proved later, e.g. "who is calling was heard", "opted out"."""

    call_id: str
    at: datetime
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """Our own word for how a call went, e.g. "talked", "voicemail left", "transferred"."""

    call_id: str
    at: datetime
    outcome: str


@dataclass(frozen=True, slots=True)
class CallSummed:
    """What a call came to, found in its words once it was over.

    outcome: in the agent file's words, e.g. "booked", empty if unknown;  fields: what the agent file asks for, a JSON
    object as text.
    """

    call_id: str
    at: datetime
    summary: str
    outcome: str
    fields: str = "{}"


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A number must not be called any more.

    source: "caller said so" (in words or by a key), "import" or "operator";  call_id: the call in which it came up,
    empty if none.
    """

    number: str
    at: datetime
    source: str
    call_id: str = ""


CallEntry = CallBegan | CallReached | CallNoted | CallEnded | CallSummed
Entry = CallEntry | Forbidden


@dataclass(frozen=True, slots=True)
class KeptCall:
    """A call as its entries have it.

    began_at: of the first entry, if the beginning was not told;  state: empty until the carrier told one;
    outcome, ended_at: the last word for how it went, or the state after which nobody was on the line;
    summary, result, fields: what it came to, as `CallSummed` says it; empty until that is known.
    """

    call_id: str
    began_at: datetime
    direction: str = ""
    theirs: str = ""
    ours: str = ""
    agent: str = ""
    order_id: str = ""
    record: str = ""
    state: str = ""
    duration_s: int | None = None
    why: str = ""
    outcome: str = ""
    ended_at: datetime | None = None
    notes: tuple[CallNoted, ...] = ()
    summary: str = ""
    result: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unsummed:
    """A call that has ended, and nothing says yet what it came to. record: the folder of its flight record."""

    call_id: str
    record: str
    agent: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Someone has agreed to be called, or recorded.

    text: what they agreed to, word for word;  evidence: where the proof lies;  revoked_at: None while it holds.
    """

    number: str
    kind: ConsentKind
    given_at: datetime
    source: str
    text: str
    evidence: str = ""
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How we stand with a number.

    forbidden_since: None while it may be called;  consents: newest first, those revoked among them;
    placed_at: when calls were placed to it, or may have been, newest first.
    """

    number: str
    forbidden_since: datetime | None
    consents: tuple[Consent, ...]
    placed_at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt to place one call, written down before the carrier is asked.

    vars: what the agent is told of whom it calls;  state: "made" until the carrier has answered, "placed" when it has
    a call for it, "unsure" when nobody can tell, "over" when that call is, "dropped" when there surely was none.
    """

    id: str
    to: str
    from_: str
    agent: str
    vars: Mapping[str, str]
    made_at: datetime
    campaign_id: str | None = None
    contact_id: str | None = None
    purpose: Purpose = "informational"
    placed_at: datetime | None = None
    call_id: str = ""
    state: OrderState = "made"
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Campaign:
    """Calls to be placed to many. digest: of the file it was made from;  max_at_once: None for as many as allowed."""

    id: str
    name: str
    agent: str
    purpose: Purpose
    digest: str
    made_at: datetime
    state: CampaignState = "running"
    max_at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """Someone a campaign is to reach.

    row: its place in the campaign's file, from 1;  zone: a time zone of the IANA, empty if unknown;
    region: the country or state of the address, "FR" or "US-FL", empty if unknown;  purpose: None: the campaign's;
    attempts: calls placed;  next_at: not to be called before, None for at once;  outcome: of the last attempt.
    """

    id: str
    campaign_id: str
    row: int
    number: str
    zone: str
    vars: Mapping[str, str]
    state: ContactState = "waiting"
    attempts: int = 0
    next_at: datetime | None = None
    outcome: str = ""
    region: str = ""
    purpose: Purpose | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is, in contacts. outcomes: how many of those done ended how."""

    waiting: int
    calling: int
    done: int
    outcomes: Mapping[str, int] = field(default_factory=dict)


def in_utc(at: datetime) -> datetime:
    """The same instant in UTC."""
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def settle(call_id: str, entries: Iterable[CallEntry]) -> KeptCall:
    """What the entries of one call come to, at least one. Their times decide, not the order in which they came.

    Of several beginnings, as when a call goes on in another process, each detail is that of the first to tell it. Of
    states the first after which nobody is on the line holds, whatever else is told; of outcomes, and of summaries, the
    last.
    """
    ordered = sorted(set(entries), key=_by_time)
    began = _of(CallBegan, ordered)
    reached = _reached(_of(CallReached, ordered))
    state = reached[0].state if reached else ""
    ended = _of(CallEnded, ordered)
    summed = last_summed(ordered)
    over_at = reached[0].at if state in OVER else None
    return KeptCall(
        call_id,
        began_at=began[0].at if began else ordered[0].at,
        direction=_first(entry.direction for entry in began),
        theirs=_first(entry.theirs for entry in began),
        ours=_first(entry.ours for entry in began),
        agent=_first(entry.agent for entry in began),
        order_id=_first(entry.order_id for entry in began),
        record=_first(entry.record for entry in began),
        state=state,
        duration_s=next((entry.duration_s for entry in reached if entry.duration_s is not None), None),
        why=_first(entry.why for entry in reached),
        outcome=ended[-1].outcome if ended else "",
        ended_at=ended[-1].at if ended else over_at,
        notes=tuple(_of(CallNoted, ordered)),
        summary=summed.summary if summed else "",
        result=summed.outcome if summed else "",
        fields=fields_of(summed.fields) if summed else {},
    )


def last_summed(entries: Iterable[CallEntry]) -> CallSummed | None:
    """The summary that holds: two processes may each have made one."""
    return max(_of(CallSummed, entries), key=_by_time, default=None)


def fields_of(text: str) -> dict[str, Any]:
    """The fields of a summary; none, if the text is no JSON object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def revoked(consent: Consent, revocations: Iterable[tuple[str, datetime]]) -> Consent:
    """The consent with the first of the revocations (kind, or empty for all; when) that came after it was given."""
    ends = [at for kind, at in revocations if kind in {"", consent.kind} and at >= consent.given_at]
    return Consent(
        consent.number,
        consent.kind,
        consent.given_at,
        consent.source,
        consent.text,
        consent.evidence,
        min(ends, default=None),
    )


def _by_time(entry: CallEntry) -> tuple[datetime, str, str]:
    """By instant; what happened in the same one has an order, too, though an arbitrary one."""
    return (entry.at, type(entry).__name__, repr(entry))


def _reached(told: Sequence[CallReached]) -> list[CallReached]:
    """What was told of the state that the call has reached, in order; carriers tell its details bit by bit."""
    over = next((entry for entry in told if entry.state in OVER), None)
    last = over or max(told, key=lambda entry: (entry.at, _rank(entry.state)), default=None)
    return [entry for entry in told if last and entry.state == last.state]


def _rank(state: str) -> int:
    return _PROGRESS.index(state) if state in _PROGRESS else -1


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")


_Kind = TypeVar("_Kind")


def _of(kind: type[_Kind], entries: Iterable[object]) -> list[_Kind]:
    return [entry for entry in entries if isinstance(entry, kind)]
