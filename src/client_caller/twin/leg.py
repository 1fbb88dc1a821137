"""One leg: a call between the account and one telephone, from its order to its end.

In:   what is ordered; what befalls it.     Out: its states, told to who asked for them, and its record.
Rule: it knows what state it is in, and who interrupts what it does. What it does stands in documents, elsewhere.

Source: twilio.com/docs/voice/api/call-resource: statuses, callbacks and their fields; sequence numbers count from 0.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final, TypeVar

from client_caller.twin.carried import CarriedCall, EndedBy, Noted, Reached
from client_caller.twin.detection import verdict
from client_caller.twin.faults import Faults
from client_caller.twin.handset import Handset
from client_caller.twin.network import Network
from client_caller.twin.orders import Order, RecordingOrder, Step
from client_caller.twin.people import QUIET, Person
from client_caller.twin.places import Hook, Room, WaitingLine
from client_caller.twin.recordings import Recording
from client_caller.twin.webhooks import Webhooks

Result = TypeVar("Result")

API_VERSION: Final = "2010-04-01"
API: Final = "https://api.twilio.com"
OVER: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})

_EVENT_OF: Final = {"queued": "", "initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}
_SIP: Final = {"completed": "200", "busy": "486", "no-answer": "487", "canceled": "487", "failed": "404"}


def new_sid(kind: str) -> str:
    """A fresh SID: two letters and 32 hexadecimal digits."""
    return kind + secrets.token_hex(16)


@dataclass(slots=True)
class Exchange:
    """What all calls of an account share.

    voice: the frame that the carrier's own voice and music sound like; None: they are not heard, and last as long;
    signs_slash: whether upgrades are signed over the address with a slash behind it;
    opened: loop time and wall time of one instant.
    """

    account_sid: str
    network: Network
    webhooks: Webhooks
    people: Callable[[str], Person]
    faults: Faults
    tasks: asyncio.TaskGroup
    opened: tuple[float, datetime]
    voice: bytes | None = None
    keeps_sound: bool = True
    signs_slash: bool = False
    legs: "dict[str, Leg]" = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    lines: dict[str, WaitingLine] = field(default_factory=dict)
    recordings: dict[str, Recording] = field(default_factory=dict)

    def clock(self, at: float) -> datetime:
        """The wall time of a loop time."""
        return self.opened[1] + timedelta(seconds=at - self.opened[0])

    def stamp(self, at: float) -> str:
        """The same, as RFC 2822 has it."""
        return format_datetime(self.clock(at))


@dataclass(frozen=True, slots=True)
class Ending:
    """How a leg was ended from outside."""

    state: str
    by: EndedBy


class Leg:
    """One call. answered_at, ended_at: loop times, None before;  over: set once it has ended and all was told;
    parked: whether nothing is to be done but to speak with another telephone, which sees to both.
    """

    def __init__(
        self,
        exchange: Exchange,
        person: Person,
        order: Order,
        to: str,
        from_: str,
        direction: str,
        parent_sid: str | None = None,
    ) -> None:
        self.exchange = exchange
        self.order = order
        self.record = CarriedCall(new_sid("CA"), to, from_, direction, parent_sid)
        self.handset = Handset(person, self.record, exchange.keeps_sound)
        self.created_at = asyncio.get_running_loop().time()
        self.started_at: float | None = None
        self.answered_at: float | None = None
        self.ended_at: float | None = None
        self.parked = False
        self.released = asyncio.Event()
        self.over = asyncio.Event()
        self._told = 0
        self._notices: set[asyncio.Task[None]] = set()
        self._turn: Step | Ending | None = None
        self._work: asyncio.Task[Any] | None = None
        self._limit: asyncio.TimerHandle | None = None
        self._detecting: asyncio.Task[None] | None = None
        exchange.legs[self.sid] = self

    @property
    def sid(self) -> str:
        """The call's SID."""
        return self.record.call_sid

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.ended_at is not None

    @property
    def status(self) -> str:
        """As the Call resource says it."""
        state = self.record.state
        return "queued" if state == "initiated" else state

    def form(self) -> dict[str, str]:
        """What every webhook of the call is told."""
        record = self.record
        form = {
            "AccountSid": self.exchange.account_sid,
            "ApiVersion": API_VERSION,
            "CallSid": self.sid,
            "CallStatus": self.status,
            "Called": record.to,
            "Caller": record.from_,
            "Direction": record.direction,
            "From": record.from_,
            "To": record.to,
        }
        if record.parent_sid:
            form["ParentCallSid"] = record.parent_sid
        if record.answered_by:
            form["AnsweredBy"] = record.answered_by
        return form

    def note(self, code: int, what: str, status: int = 0) -> None:
        """Have Twilio's debugger show this."""
        self.record.errors.append(Noted(code, what, asyncio.get_running_loop().time(), status))

    def tell(self, kind: str, hook: Hook, form: Mapping[str, str]) -> None:
        """Tell a webhook something, without waiting for it."""
        webhooks = self.exchange.webhooks
        notice = self.exchange.tasks.create_task(webhooks.tell(self.record, kind, hook.url, form, hook.method))
        self._notices.add(notice)
        notice.add_done_callback(self._notices.discard)

    def reach(self, state: str, **more: str) -> None:
        """Come into a state, and tell of it."""
        now = asyncio.get_running_loop().time()
        self.record.states.append(Reached(state, now))
        hook = self.order.status
        if hook is None or _EVENT_OF.get(state, "completed") not in hook.events:
            return
        told = {
            "CallStatus": state,
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._told),
            "Timestamp": self.exchange.stamp(now),
        }
        self._told += 1
        self.tell("status", hook, self.form() | told | more)

    def answer(self) -> None:
        """Somebody lifts, or the account does; from now on it counts. Nothing happens when that was so."""
        if self.answered_at is not None or self.is_over:
            return
        loop = asyncio.get_running_loop()
        self.answered_at = loop.time()
        self.reach("in-progress")
        self._limit = loop.call_later(self.order.limit_s, self.interrupt, Ending("completed", "time limit"))
        if self.order.recording is not None:
            self.record_from_now(self.order.recording)

    def detect(self) -> None:
        """Find out who has answered, while the call goes on."""
        self._detecting = self.exchange.tasks.create_task(self._detect())

    async def _detect(self) -> None:
        detection = self.order.detection
        if detection is None:
            return
        found, after_s = verdict(self.handset.person, detection)
        await asyncio.sleep(after_s)
        self.record.answered_by = found
        if detection.hook is not None:
            told = {"CallSid": self.sid, "AccountSid": self.exchange.account_sid, "AnsweredBy": found}
            self.tell("amd", detection.hook, told | {"MachineDetectionDuration": str(round(after_s * 1_000))})

    def finish(self, state: str, by: EndedBy = "") -> None:
        """Come to the end. Nothing happens when it has come."""
        if self.is_over:
            return
        now = asyncio.get_running_loop().time()
        self.ended_at = now
        self.record.hung_up_by = by
        for timer in (self._limit, self._detecting):
            if timer is not None:
                timer.cancel()
        duration_s = 0 if self.answered_at is None else round(now - self.answered_at)
        more = {
            "CallDuration": str(duration_s),
            "Duration": str(-(-duration_s // 60)),
            "SipResponseCode": _SIP[state],
        }
        for recording in self.running_recordings():
            self.stop_recording(recording)
            more |= self.recording_fields(recording)
        self.reach(state, **more)

    async def wind_up(self) -> None:
        """Wait until all is told, after the end."""
        while self._notices:
            await asyncio.wait(self._notices)
        self.over.set()

    async def hear(self, for_s: float, until: Callable[[], bool]) -> None:
        """Let time pass in which the carrier itself sounds. Raises PersonHungUp."""
        voice = self.exchange.voice
        if voice is not None:
            self.handset.begin(asyncio.get_running_loop().time())
        await self.handset.listen(for_s, QUIET if voice is None else voice, until)

    async def during(self, work: Coroutine[Any, Any, Result]) -> Result | Step | Ending:
        """The outcome of some work; or what it was interrupted by."""
        if self._turn is not None:
            work.close()
            return self._taken_turn(self._turn)
        self._work = asyncio.create_task(work)
        try:
            await asyncio.wait({self._work})
        except asyncio.CancelledError:
            self._work.cancel()
            await asyncio.wait({self._work})
            raise
        worked: asyncio.Task[Result] = self._work
        self._work = None
        if self._turn is not None:
            if not worked.cancelled():
                worked.exception()  # whatever came of it counts no more
            return self._taken_turn(self._turn)
        return worked.result()

    def _taken_turn(self, turn: Step | Ending) -> Step | Ending:
        self._turn = None
        return turn

    def interrupt(self, turn: Step | Ending) -> None:
        """Stop whatever is being done, and go on there, or end."""
        self._turn = turn
        if self._work is not None:
            self._work.cancel()

    def record_from_now(self, order: RecordingOrder) -> Recording:
        """Keep a recording from now on."""
        recording = Recording(new_sid("RE"), self.sid, order, asyncio.get_running_loop().time())
        self.exchange.recordings[recording.sid] = recording
        self.tell_of(recording, "in-progress")
        return recording

    def running_recordings(self) -> list[Recording]:
        """Those that may still grow."""
        return [each for each in self.exchange.recordings.values() if each.call_sid == self.sid and each.is_running]

    def stop_recording(self, recording: Recording) -> None:
        """End one, and tell of it."""
        recording.stop(asyncio.get_running_loop().time())
        self.tell_of(recording, "completed")

    def tell_of(self, recording: Recording, event: str) -> None:
        """Tell who asked to be told of this event of a recording."""
        hook = recording.order.hook
        if hook is None or event not in hook.events:
            return
        told = {
            "AccountSid": self.exchange.account_sid,
            "CallSid": self.sid,
            "RecordingStatus": recording.status,
            "RecordingChannels": str(recording.order.channels),
            "RecordingSource": recording.order.source,
            "RecordingTrack": recording.order.track,
            "RecordingStartTime": self.exchange.stamp(recording.started_at),
        }
        self.tell("recording", hook, told | self.recording_fields(recording))

    def recording_fields(self, recording: Recording) -> dict[str, str]:
        """What webhooks are told of a recording."""
        url = f"{API}/{API_VERSION}/Accounts/{self.exchange.account_sid}/Recordings/{recording.sid}"
        fields = {"RecordingSid": recording.sid, "RecordingUrl": url}
        if recording.duration_s is not None:
            fields["RecordingDuration"] = str(recording.duration_s)
        return fields
