"""What Twilio tells unasked: how calls fare, who answered them, what was recorded, which streams failed.

In:   callbacks, late, twice and in any order.     Out: `News` for the desk, each once and states in order.
Rule: nothing is answered but that it was heard.

Source: twilio.com/docs/voice/api/call-resource (status callbacks), .../voice/answering-machine-detection,
.../voice/api/recording, .../voice/twiml/stream. Callbacks are numbered, but the order of a call's states is fixed, and
says all that the numbers say.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from client_caller.line.codec import is_safe_id
from client_caller.line.protocol import (
    OVER,
    AnswererFound,
    CallState,
    Desk,
    RecordingKept,
    StateReached,
    WhoAnswered,
)
from client_caller.line.twilio_calls import Call
from client_caller.line.twilio_requests import Answer, Asked

log = logging.getLogger("client_caller.line")

_STATES: Final[dict[str, tuple[int, CallState]]] = {
    "queued": (0, "queued"),
    "initiated": (0, "queued"),
    "ringing": (1, "ringing"),
    "in-progress": (2, "in-progress"),
    "completed": (3, "completed"),
    "busy": (3, "busy"),
    "failed": (3, "failed"),
    "no-answer": (3, "no-answer"),
    "canceled": (3, "canceled"),
}
"""Values of CallStatus: when in a call they come, and what they are to us. The first of the last ones stays."""

_ANSWERERS: Final[dict[str, WhoAnswered]] = {
    "human": "human",
    "fax": "fax",
    "machine_start": "machine",
    "machine_end_beep": "machine done",
    "machine_end_silence": "machine done",
    "machine_end_other": "machine done",
}

_FAILURES: Final = OVER - {"completed"}


class Callbacks:
    """Passes on what is news. end: lets go of a call that is over; gives what is left to be done then, if anything."""

    def __init__(self, desk: Desk, end: Callable[[Call], Callable[[], Awaitable[None]] | None]) -> None:
        self._desk = desk
        self._end = end

    def status(self, asked: Asked, call: Call) -> Answer:
        """A call has reached a state."""
        rank, state = _STATES.get(asked.form.get("CallStatus", ""), (-1, "queued"))
        if rank <= call.rank:
            return Answer()
        call.rank = rank
        is_over = state in OVER
        duration_s = asked.number("CallDuration") if is_over else None
        self._desk.hear_of(StateReached(call.id, call.parties, state, duration_s, _why(asked, state)))
        return Answer(then=self._end(call) if is_over else None)

    def machine(self, asked: Asked, call: Call) -> Answer:
        """It is found out who has answered a call of ours."""
        who = _ANSWERERS.get(asked.form.get("AnsweredBy", ""), "unknown")
        if call.tell_once(f"answered by {who}"):
            self._desk.hear_of(AnswererFound(call.id, who))
        return Answer()

    def recording(self, asked: Asked, call: Call) -> Answer:
        """A recording of Twilio's own is kept, or has begun, or came to nothing."""
        recording_id = asked.form.get("RecordingSid", "")
        is_kept = asked.form.get("RecordingStatus", "completed") == "completed" and is_safe_id(recording_id)
        if is_kept and call.tell_once(f"recorded {recording_id}"):
            self._desk.hear_of(RecordingKept(call.id, recording_id, asked.number("RecordingDuration")))
        return Answer()

    def stream(self, asked: Asked) -> Answer:
        """A stream has started, stopped or failed; what became of it, its socket tells as well."""
        event = asked.form.get("StreamEvent", "")
        facts = {"call": asked.call_id, "event": event, "why": asked.form.get("StreamError", "")}
        log.log(logging.WARNING if event == "stream-error" else logging.DEBUG, "a stream is reported on", extra=facts)
        return Answer()


def _why(asked: Asked, state: CallState) -> str:
    """The code of a failure: Twilio's, or that of the network behind it."""
    codes = (asked.number("ErrorCode"), asked.number("SipResponseCode")) if state in _FAILURES else ()
    return next((str(code) for code in codes if code), "")
