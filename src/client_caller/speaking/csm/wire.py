"""What goes over the WebSocket of a call, `/v1/calls`: its messages, read and written; both ends use this.

In:   the text of a message.     Out: one frozen message, or MessageError; and the text of ours.
Rule: nothing here knows of sockets, of the engine or of torch. No text raises anything but MessageError, which names
      the field and never repeats what the field held. Unknown fields are let through, so that either end may be newer.

    -> {"type": "open", "voice": "anna"}                              <- {"type": "ready", "hz": 24000, "frame_s": 0.08}
    -> {"type": "heard", "id": "c1", "text": "Hello?", "audio": "base64 of mu-law at 8 kHz"}
    -> {"type": "speak", "id": "r2", "text": "Yes?", "turns": [{"id": "r1", "seconds": 1.2, "text": "Good mor"}, "c1"]}
                                              <- {"type": "begun", "id": "r2"}, and its sound in binary messages
    -> {"type": "cancel", "id": "r2"}         <- {"type": "ended", "id": "r2", "why": "cancelled"}

A binary message is sound of the utterance that has begun last, signed 16 bits, little-endian, mono, at `hz`. One that
is cancelled before it has begun ends without that. `turns` says what the caller has said and heard before: a turn of
the caller's by the id it was heard with, one of ours by that of its utterance, and how much of it the caller heard.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final, Literal, cast

import msgspec
import numpy as np
from msgspec import Meta

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.speaking.csm.protocol import FRAME_S, HZ, RANKS
from client_caller.speaking.csm.turns import Manner, OwnTurn

TEXT_CHARS: Final = 4_096
"""The longest text, about five minutes of speech. Source: the limit of `input` in OpenAI's POST /audio/speech."""

TURN_S: Final = 60.0
"""The longest turn of the caller's that is heard at once."""

TURNS: Final = 64
"""Turns that an utterance may follow on. 2048 positions hold less than three minutes of sound."""

MESSAGE_BYTES: Final = 1 << 20
"""The largest message. The longest turn has 640,000 bytes in base64; the rest is for texts."""

WARMEST: Final = 2.0
"""The highest temperature."""

NO_VOICE: Final = "there is none of this name that can be used; GET /v1/audio/voices lists those there are"
"""Why it cannot be used is the operator's business, and in the log."""

_DEFAULT: Final = Manner()

_ID: Final = r"^[A-Za-z0-9_.:-]{1,64}\Z"

Id = Annotated[str, Meta(pattern=_ID)]
Text = Annotated[str, Meta(max_length=TEXT_CHARS)]


@dataclass(frozen=True, slots=True)
class Open:
    """The first message: in whose voice this call is spoken, and how; see `Manner`."""

    voice: Annotated[str, Meta(min_length=1, max_length=100)]
    temperature: Annotated[float, Meta(ge=0, le=WARMEST)] = _DEFAULT.temperature
    top_k: Annotated[int, Meta(ge=1, le=RANKS)] = _DEFAULT.top_k
    seed: Annotated[int, Meta(ge=0, le=2**53 - 1)] = _DEFAULT.seed  # what every JSON reader keeps exactly


@dataclass(frozen=True, slots=True)
class Heard:
    """What the caller has said. audio: mu-law at 8 kHz."""

    id: Id
    text: Text
    audio: Annotated[bytes, Meta(min_length=1, max_length=round(TURN_S * LINE_HZ))]


@dataclass(frozen=True, slots=True)
class Speak:
    """Say this, behind what is being said. turns: before it, the oldest first; a caller's turn by its id."""

    id: Id
    text: Text
    turns: Annotated[tuple[OwnTurn | Id, ...], Meta(max_length=TURNS)] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for what the types do not say."""
        if not self.text.strip():
            raise ValueError("text is blank")
        for turn in self.turns:
            if isinstance(turn, OwnTurn):
                _check_own(turn)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Do not say this one any further; it and nothing else."""

    id: Id


@dataclass(frozen=True, slots=True)
class Ready:
    """The answer to Open. hz: of the sound to come;  frame_s: seconds of sound that are made at a time."""

    hz: int = HZ
    frame_s: float = FRAME_S


@dataclass(frozen=True, slots=True)
class Begun:
    """The sound that follows is that of this utterance."""

    id: str


@dataclass(frozen=True, slots=True)
class Ended:
    """Of this utterance there is no more. why: as the engine says it; "cancelled" is what was asked for."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Something was not done. id: of the turn or utterance, empty if it is about none.

    code: "overloaded": later may work;  "bad_request": never will;  "engine": the engine is broken, and the call over.
    """

    code: Literal["overloaded", "bad_request", "engine"]
    message: str
    id: str = ""


Request = Open | Heard | Speak | Cancel
Answer = Ready | Begun | Ended | Failed

_REQUESTS: Final[Mapping[str, type[Request]]] = {"open": Open, "heard": Heard, "speak": Speak, "cancel": Cancel}
_ANSWERS: Final[Mapping[str, type[Answer]]] = {"ready": Ready, "begun": Begun, "ended": Ended, "failed": Failed}
_NAMES: Final[Mapping[type[Any], str]] = {kind: name for name, kind in (*_REQUESTS.items(), *_ANSWERS.items())}


class MessageError(ValueError):
    """A message cannot be understood. id: of what it was about, empty when that could not be read either."""

    def __init__(self, what: str, id: str = "") -> None:
        super().__init__(what)
        self.id = id


def read_request(text: str) -> Request:
    """What the client asks. Raises MessageError."""
    return cast(Request, _read(text, _REQUESTS))


def read_answer(text: str) -> Answer:
    """What the server tells. Raises MessageError."""
    return cast(Answer, _read(text, _ANSWERS))


def encode(message: Request | Answer) -> str:
    """A message as text."""
    told = {field.name: getattr(message, field.name) for field in fields(message)}
    return msgspec.json.encode({"type": _NAMES[type(message)], **told}).decode()


def pcm_of(sound: Samples) -> bytes:
    """Sound as a binary message carries it, clipped to [-1, 1]; two bytes a sample."""
    pcm: bytes = np.clip(np.rint(sound * np.float32(32_768)), -32_768, 32_767).astype("<i2").tobytes()
    return pcm


def sound_of(pcm: bytes) -> Samples:
    """The sound of a binary message. Raises MessageError when half a sample is missing."""
    if len(pcm) % 2:
        raise MessageError("a binary message has an odd number of bytes")
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)


@dataclass(frozen=True, slots=True)
class _Head:
    """What every message has, or may have."""

    type: str
    id: Any = None

    @property
    def about(self) -> str:
        """The id, if it is one."""
        return self.id if isinstance(self.id, str) and re.match(_ID, self.id) else ""


def _read(text: str, kinds: Mapping[str, type[Any]]) -> object:
    try:
        data = text.encode()
        head = msgspec.json.decode(data, type=_Head)
    except UnicodeEncodeError as wrong:
        raise MessageError("the message is no UTF-8") from wrong
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise MessageError(_explained(wrong)) from wrong
    kind = kinds.get(head.type)
    if kind is None:
        raise MessageError(f"type is none of {', '.join(kinds)}", head.about)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise MessageError(_explained(wrong), head.about) from wrong


def _explained(wrong: Exception) -> str:
    """In the decoder's words, which tell the place and never the value: "… - at `$.turns[0].seconds`"."""
    return "the message is nested too deeply" if isinstance(wrong, RecursionError) else str(wrong)


def _check_own(turn: OwnTurn) -> None:
    if not 1 <= len(turn.id) <= 64:
        raise ValueError("turns: an id has 1 to 64 characters")
    if len(turn.text) > TEXT_CHARS:
        raise ValueError(f"turns: a text has at most {TEXT_CHARS} characters")
    if turn.seconds is not None and not (turn.seconds >= 0 and math.isfinite(turn.seconds)):
        raise ValueError("turns: seconds must not be negative")
