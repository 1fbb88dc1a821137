"""Twilio Media Streams: its JSON messages and ours; the codec of Twilio's media socket.

In:   the text of one WebSocket message.     Out: one frozen message, or LineProtocolError; and the text of ours.
Rule: nothing here knows of sockets or calls, and no message text may raise anything but LineProtocolError.
      Their messages are read tolerantly (numbers as numbers or as digits, unknown events and fields let through),
      for Twilio's documentation and its traffic differ; what a field means to us is still checked.

Source: twilio.com/docs/voice/media-streams/websocket-messages.
"""

import binascii
import json
import re
from typing import Any, Final

from client_caller.audio.frame import LINE_HZ
from client_caller.errors import LineProtocolError
from client_caller.line.codec import (
    KEYS,
    Connected,
    Dtmf,
    MarkBack,
    Media,
    Message,
    Started,
    Stopped,
    Unknown,
    is_safe_id,
)
from client_caller.line.protocol import Mark, Outbound, Play

_DIGITS: Final = re.compile(r"[0-9]{1,15}")


class TwilioCodec:
    """Twilio's dialect."""

    def parse(self, text: str) -> Message:
        """Read one message. Raises LineProtocolError that names the field, and never repeats what the field held."""
        return parse(text)

    def encode(self, stream_id: str, command: Outbound) -> str:
        """One command, for the stream of this id, as `parse` gave it."""
        match command:
            case Play(mulaw=mulaw):
                return encode_media(stream_id, mulaw)
            case Mark(name=name):
                return encode_mark(stream_id, name)
            case _:
                return encode_clear(stream_id)


def parse(text: str) -> Message:
    """Read one message. Raises LineProtocolError that names the field, and never repeats what the field held."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise LineProtocolError("the message is not JSON") from wrong
    if not isinstance(message, dict):
        raise LineProtocolError("the message is not a JSON object")
    match _text(message, "event"):
        case "media":
            return _media(message)
        case "mark":
            return MarkBack(_id(message, "streamSid"), _text(_part(message, "mark"), "name"))
        case "dtmf":
            return Dtmf(_id(message, "streamSid"), _key(_part(message, "dtmf")))
        case "start":
            return _started(_part(message, "start"))
        case "stop":
            return Stopped(_id(message, "streamSid"))
        case "connected":
            return Connected()
        case _:
            return Unknown()


def encode_media(stream_id: str, mulaw: bytes) -> str:
    """Audio for the caller. stream_id: a safe id, as `parse` gives it."""
    payload = binascii.b2a_base64(mulaw, newline=False).decode()
    return f'{{"event":"media","streamSid":"{stream_id}","media":{{"payload":"{payload}"}}}}'


def encode_mark(stream_id: str, name: str) -> str:
    """A mark behind all audio sent so far."""
    return f'{{"event":"mark","streamSid":"{stream_id}","mark":{{"name":{json.dumps(name)}}}}}'


def encode_clear(stream_id: str) -> str:
    """Drop what has not been played; all outstanding marks come back."""
    return f'{{"event":"clear","streamSid":"{stream_id}"}}'


def _media(message: dict[str, Any]) -> Media:
    media = _part(message, "media")
    try:
        mulaw = binascii.a2b_base64(_text(media, "payload"), strict_mode=True)
    except ValueError as wrong:
        raise LineProtocolError("media.payload is not base64") from wrong
    return Media(_id(message, "streamSid"), mulaw, _number(media, "timestamp") / 1000)


def _started(start: dict[str, Any]) -> Started:
    form = _part(start, "mediaFormat")
    if _text(form, "encoding") != "audio/x-mulaw":
        raise LineProtocolError("mediaFormat.encoding is not audio/x-mulaw")
    if _number(form, "sampleRate") != LINE_HZ:
        raise LineProtocolError(f"mediaFormat.sampleRate is not {LINE_HZ}")
    if _number(form, "channels") != 1:
        raise LineProtocolError("mediaFormat.channels is not 1")
    return Started(_id(start, "streamSid"), _id(start, "callSid"), _id(start, "accountSid"))


def _key(dtmf: dict[str, Any]) -> str:
    key = _text(dtmf, "digit")
    if key not in KEYS:
        raise LineProtocolError("dtmf.digit is not a key of a telephone")
    return key


def _part(message: dict[str, Any], field: str) -> dict[str, Any]:
    part = message.get(field)
    if not isinstance(part, dict):
        raise LineProtocolError(f"{field} is missing or not an object")
    return part


def _text(part: dict[str, Any], field: str) -> str:
    text = part.get(field)
    if not isinstance(text, str):
        raise LineProtocolError(f"{field} is missing or not text")
    return text


def _id(part: dict[str, Any], field: str) -> str:
    name = _text(part, field)
    if not is_safe_id(name):
        raise LineProtocolError(f"{field} is not an id")
    return name


def _number(part: dict[str, Any], field: str) -> int:
    """A whole number of at most 15 digits: exact as a float, and no stream lasts longer in milliseconds."""
    number = part.get(field)
    if isinstance(number, bool) or not isinstance(number, int | str) or not _DIGITS.fullmatch(str(number)):
        raise LineProtocolError(f"{field} is missing or not a whole number")
    return int(number)
