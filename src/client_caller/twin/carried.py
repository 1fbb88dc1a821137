"""What a call left behind, as the carrier saw it.

In:   what happens on a call.     Out: one `CarriedCall` each, which tests and reports read.
Rule: it only remembers. All instants are loop times.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CallStatus = Literal["queued", "ringing", "in-progress", "completed", "busy", "failed", "no-answer", "canceled"]
"""What the Call resource may say of a call. Source: twilio_api_v2010.json, call_enum_status."""

AnsweredBy = Literal[
    "human", "machine_start", "machine_end_beep", "machine_end_silence", "machine_end_other", "fax", "unknown"
]
"""The verdicts of answering machine detection. Source: twilio.com/docs/voice/answering-machine-detection."""

EndedBy = Literal["", "person", "document", "request", "time limit", "fault"]
"""Who ended a call: the one at the telephone, the server's documents, a REST request, TimeLimit, or a webhook that
failed. Empty while it goes on, and when nobody answered."""


@dataclass(frozen=True, slots=True)
class Noted:
    """An entry of Twilio's debugger. status: what the server answered with, 0 where it did not answer."""

    code: int
    what: str
    at: float
    status: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """A webhook that was asked, once for each try. kind: what for;  status: of the answer, 0 if there was none."""

    kind: str
    url: str
    form: Mapping[str, str]
    at: float
    status: int


@dataclass(frozen=True, slots=True)
class Reached:
    """A state of the call, or "initiated", which only callbacks tell."""

    state: str
    at: float


@dataclass(slots=True)
class CarriedCall:
    """One leg of a call.

    sent, played: mu-law at 8 kHz of the person and of what the person heard, equally long; 0xFF where nothing was
    played; both empty when the twin keeps no sound;
    announcements: what the carrier's own voice was told to say;  keys_heard: the keys that were sent to the person;
    dialled: numbers and rooms the call was connected to;  began_at: loop time of the first sample of either channel;
    streams: media sockets opened;  answered_by: the verdict of the detection, None if there was none;
    errors: what Twilio's debugger would show;  violations: messages that Twilio would reject, in words;
    lateness_s: the most by which a frame left late.
    """

    call_sid: str
    to: str = ""
    from_: str = ""
    direction: str = "inbound"
    parent_sid: str | None = None
    sent: bytearray = field(default_factory=bytearray)
    played: bytearray = field(default_factory=bytearray)
    announcements: list[str] = field(default_factory=list)
    keys_heard: str = ""
    dialled: list[str] = field(default_factory=list)
    began_at: float | None = None
    streams: int = 0
    states: list[Reached] = field(default_factory=list)
    answered_by: AnsweredBy | None = None
    webhooks: list[Asked] = field(default_factory=list)
    errors: list[Noted] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    lateness_s: float = 0.0
    hung_up_by: EndedBy = ""

    @property
    def hung_up_by_caller(self) -> bool:
        """Whether the one at the telephone, not the server, ended it."""
        return self.hung_up_by == "person"

    @property
    def state(self) -> str:
        """The state reached last."""
        return self.states[-1].state if self.states else "queued"

    @property
    def codes(self) -> list[int]:
        """The codes of `errors`, in order."""
        return [each.code for each in self.errors]

    def asked(self, kind: str) -> list[Asked]:
        """The webhooks asked for one purpose: voice, action, status, amd, recording, stream, conference, wait, number
        or fallback."""
        return [each for each in self.webhooks if each.kind == kind]
