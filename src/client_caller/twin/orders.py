"""What was ordered for a call, by REST, by a number's settings or by `<Dial>`.

In:   nothing.     Out: frozen values.
Rule: plain values; seconds, not milliseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from client_caller.twin.places import Hook

Detects = Literal["Enable", "DetectMessageEnd"]


@dataclass(frozen=True, slots=True)
class Step:
    """Where a call goes on: a document, or the address to ask for one. kind: what for, as in `CarriedCall.asked`."""

    url: str = ""
    method: str = "POST"
    fields: Mapping[str, str] = field(default_factory=dict)
    twiml: str | None = None
    kind: str = "voice"
    fallback: Hook | None = None


@dataclass(frozen=True, slots=True)
class Detection:
    """Answering machine detection. waits: whether the first document waits for it.

    Defaults: twilio.com/docs/voice/answering-machine-detection.
    """

    mode: Detects = "Enable"
    waits: bool = False
    hook: Hook | None = None
    timeout_s: float = 30.0
    speech_s: float = 2.4
    speech_end_s: float = 1.2
    silence_s: float = 5.0


@dataclass(frozen=True, slots=True)
class RecordingOrder:
    """source, track: as the OpenAPI file has them."""

    source: str = "StartCallRecordingAPI"
    channels: int = 1
    track: str = "both"
    hook: Hook | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A call, before it is one.

    status: who is told how it fares, and of which events;  ring_s: how long it may ring;  limit_s: and last.
    Defaults: twilio.com/docs/voice/api/call-resource.
    """

    first: Step | None = None
    status: Hook | None = None
    ring_s: float = 60.0
    limit_s: float = 14_400.0
    send_digits: str = ""
    detection: Detection | None = None
    recording: RecordingOrder | None = None
