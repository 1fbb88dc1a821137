"""Twilio Media Streams: its JSON messages and ours; the codec of Twilio's media socket.

In:   the text of one WebSocket message.     Out: one frozen message, or LineProtocolError; and the text of ours.
Rule: nothing here knows of sockets or calls, and no message text may raise anything but LineProtocolError.
      Their messages are read tolerantly (numbers as numbers or as digits, unknown events and fields let through),
      for Twilio's documentation and its traffic differ; what a field means to us is still checked.

Source: twilio.com/docs/voice/media-streams/websocket-messages.
"""

import binascii
import json

from client_caller.audio.frame import LINE_HZ
from client_caller.errors import LineProtocolError
from client_caller.line.codec import Connected, Dtmf, MarkBack, Media, Message, Started, Stopped, Unknown
from client_caller.line.fields import Part, id_of, json_object, key_of, number_of, part_of, sound_of, text_of
from client_caller.line.protocol import Mark, Outbound, Play


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
    message = json_object(text)
    match text_of(message, "event"):
        case "media":
            return _media(message)
        case "mark":
            return MarkBack(id_of(message, "streamSid"), text_of(part_of(message, "mark"), "name"))
        case "dtmf":
            return Dtmf(id_of(message, "streamSid"), key_of(part_of(message, "dtmf"), "digit"))
        case "start":
            return _started(part_of(message, "start"))
        case "stop":
            return Stopped(id_of(message, "streamSid"))
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


def _media(message: Part) -> Media:
    media = part_of(message, "media")
    return Media(id_of(message, "streamSid"), sound_of(media, "payload"), number_of(media, "timestamp") / 1000)


def _started(start: Part) -> Started:
    form = part_of(start, "mediaFormat")
    if text_of(form, "encoding") != "audio/x-mulaw":
        raise LineProtocolError("mediaFormat.encoding is not audio/x-mulaw")
    if number_of(form, "sampleRate") != LINE_HZ:
        raise LineProtocolError(f"mediaFormat.sampleRate is not {LINE_HZ}")
    if number_of(form, "channels") != 1:
        raise LineProtocolError("mediaFormat.channels is not 1")
    return Started(id_of(start, "streamSid"), id_of(start, "callSid"), id_of(start, "accountSid"))
