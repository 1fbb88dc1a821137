"""What the media sockets of carriers have in common, whatever their dialect.

In:   the text of one WebSocket message.     Out: one frozen message; and the text of ours.
Rule: a codec knows of neither sockets nor calls, and no text may make `parse` raise anything but LineProtocolError.
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol

from client_caller.line.protocol import Outbound

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_:-]{1,128}")

KEYS: Final = frozenset("0123456789*#ABCD")
"""The keys of a telephone. Source: ITU-T Q.23."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The socket is open; `Started` follows."""


@dataclass(frozen=True, slots=True)
class Started:
    """The stream begins. All three names are safe in a file name and in JSON."""

    stream_id: str
    call_id: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Media:
    """Sound from the caller. mulaw: any number of bytes;  media_s: seconds from the stream's start."""

    stream_id: str
    mulaw: bytes
    media_s: float


@dataclass(frozen=True, slots=True)
class Dtmf:
    """The caller pressed a key: one of 0-9, *, #, A-D."""

    stream_id: str
    key: str


@dataclass(frozen=True, slots=True)
class MarkBack:
    """A mark was passed, or dropped by a clear."""

    stream_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The carrier has ended the stream: the call is over or was sent elsewhere."""

    stream_id: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """An event of a later protocol; to be ignored."""


Message = Connected | Started | Media | Dtmf | MarkBack | Stopped | Unknown


class Codec(Protocol):
    """One carrier's dialect of the media socket."""

    def parse(self, text: str) -> Message:
        """Read one message. Raises LineProtocolError that names the field, and never repeats what the field held."""

    def encode(self, stream_id: str, command: Outbound) -> str:
        """One command, for the stream of this id, as `parse` gave it."""


def is_safe_id(text: str) -> bool:
    """Whether a carrier's id can stand in a file name and in JSON as it is: 1-128 of A-Z a-z 0-9 _ : -."""
    return _SAFE_ID.fullmatch(text) is not None
