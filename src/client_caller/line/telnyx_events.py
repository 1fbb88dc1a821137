"""Telnyx's webhooks: what they tell of a call.

In:   the body of one webhook.     Out: one frozen `Event`, or LineProtocolError; and what its words mean in ours.
Rule: nothing here knows of requests or of other events. Numbers and ids are believed only in the form we can use.

Source: developers.telnyx.com/docs/voice/programmable-voice/voice-api-webhooks and .../answering-machine-detection.
"""

import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from client_caller.line.codec import is_safe_id
from client_caller.line.fields import Part, json_object, part_of, text_of
from client_caller.line.protocol import CallState, Parties, WhoAnswered

_TRANSFER: Final = "transfer "
"""Begins the state of a leg that was dialled for a transfer; the call's id follows. No order's id has a space in it."""

_OVER: Final[dict[str, CallState]] = {
    "normal_clearing": "no-answer",
    "no_answer": "no-answer",
    "timeout": "no-answer",
    "originator_cancel": "canceled",
    "user_busy": "busy",
    "call_rejected": "busy",
}
"""How a call ended that was never answered; by anything else it failed."""

_UNTAKEN: Final = {
    "no_answer": "no-answer",
    "timeout": "no-answer",
    "user_busy": "busy",
    "call_rejected": "declined",
}
"""How a transfer ended that nobody took; by anything else it failed."""

_TAKEN: Final = frozenset({"normal_clearing", "time_limit", "originator_cancel"})
"""How a transfer ends that was taken, or that the caller did not wait for: nobody is left to come back."""

_WHO: Final[dict[str, WhoAnswered]] = {
    "human": "human",
    "human_residence": "human",
    "human_business": "human",
    "machine": "machine",
    "fax_detected": "fax",
}

DETECTED: Final = frozenset({"call.machine.detection.ended", "call.machine.premium.detection.ended"})
GREETED: Final = frozenset({"call.machine.greeting.ended", "call.machine.premium.greeting.ended"})


@dataclass(frozen=True, slots=True)
class Event:
    """One webhook.

    id: of the event, the same when it is told again;  kind: "call.answered" and the like;  call_id: the
    call_control_id;  at: when it happened, None if that cannot be read;  is_incoming: None when it is not told;
    state: what we gave the leg to remember, "" if nothing;  stream_url: of the stream that this is about, "" if none.
    """

    id: str
    kind: str
    call_id: str
    at: datetime | None
    is_incoming: bool | None
    theirs: str
    ours: str
    state: str
    cause: str
    result: str
    stream_url: str

    @property
    def order(self) -> str:
        """The id of the order by which we placed the call, "" if we did not."""
        return self.state if is_safe_id(self.state) else ""

    @property
    def transferred_call(self) -> str:
        """The call for whose transfer this leg was dialled, "" if it was not."""
        call_id = self.state.removeprefix(_TRANSFER)
        return call_id if self.state.startswith(_TRANSFER) and is_safe_id(call_id) else ""

    @property
    def parties(self) -> Parties:
        """Who is on the line."""
        return Parties(self.theirs, self.ours, self.order)


def read_event(body: bytes) -> Event:
    """Read one webhook. Raises LineProtocolError that names the field."""
    data = part_of(json_object(body), "data")
    payload = part_of(data, "payload")
    state = decoded_state(_optional(payload, "client_state"))
    direction = _optional(payload, "direction")
    is_incoming = {"incoming": True, "outgoing": False}.get(direction)
    caller, called = _optional(payload, "from"), _optional(payload, "to")
    we_called = is_incoming is False or (is_incoming is None and is_safe_id(state))
    call_id = _optional(payload, "call_control_id")
    stream = payload.get("stream_params")
    return Event(
        id=text_of(data, "id"),
        kind=text_of(data, "event_type"),
        call_id=call_id if is_safe_id(call_id) else "",
        at=moment(_optional(data, "occurred_at")),
        is_incoming=is_incoming,
        theirs=called if we_called else caller,
        ours=caller if we_called else called,
        state=state,
        cause=_optional(payload, "hangup_cause"),
        result=_optional(payload, "result"),
        stream_url=_optional(payload, "stream_url")
        or _optional(stream if isinstance(stream, dict) else {}, "stream_url"),
    )


def over_state(cause: str, *, answered: bool) -> CallState:
    """The state of a call that has ended."""
    return "completed" if answered or cause == "time_limit" else _OVER.get(cause, "failed")


def untaken(cause: str) -> str:
    """Why nobody took a transfer: "busy", "no-answer", "declined" or "failed"; "" when somebody did."""
    return "" if cause in _TAKEN else _UNTAKEN.get(cause, "failed")


def who_answered(event: Event) -> WhoAnswered | None:
    """What the detection has found; None when the event is about something else."""
    if event.kind in GREETED:
        return "machine done"
    return _WHO.get(event.result, "unknown") if event.kind in DETECTED else None


def encoded_state(text: str) -> str:
    """A leg's state as Telnyx wants it: base64."""
    return binascii.b2a_base64(text.encode(), newline=False).decode()


def transfer_state(call_id: str) -> str:
    """The state of a leg that is dialled for the transfer of this call."""
    return encoded_state(_TRANSFER + call_id)


def decoded_state(text: str) -> str:
    """What was encoded; "" when it was not by us."""
    try:
        return binascii.a2b_base64(text, strict_mode=True).decode()
    except ValueError:
        return ""


def moment(text: str) -> datetime | None:
    """A date and time of ISO 8601 with its time zone; None when it is not one."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    return when if when.tzinfo else None


def _optional(part: Part, field: str) -> str:
    text = part.get(field)
    return text if isinstance(text, str) else ""
