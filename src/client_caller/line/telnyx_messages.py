"""Telnyx Media Streaming: its JSON messages and ours; the codec of Telnyx's media socket.

In:   the text of one WebSocket message.     Out: one frozen message, or LineProtocolError; and the text of ours.
Rule: nothing here knows of sockets or calls, and no message text may raise anything but LineProtocolError.
      Their messages are read as tolerantly, and what a field means to us is checked as strictly, as those of Twilio.

Telnyx does not promise the order of its messages and numbers the chunks of sound instead. Chunks are put in order
here: the jitter buffer would take an early one for a gap, fill it, and drop the one that belongs there. What comes in
order is passed on at once; a chunk that is early waits for the one before it, and both leave as one.

Source: developers.telnyx.com/docs/voice/programmable-voice/media-streaming. No live account has proved it yet.
"""

import binascii
import json
from typing import Final

from client_caller.audio.frame import FRAME_S, LINE_HZ
from client_caller.errors import LineProtocolError
from client_caller.line.codec import Connected, Dtmf, MarkBack, Media, Message, Started, Stopped, Unknown
from client_caller.line.fields import Part, id_of, json_object, key_of, number_of, part_of, sound_of, text_of
from client_caller.line.protocol import Mark, Outbound, Play

_EARLY: Final = 3
"""Chunks that may wait for one before them; at 20 ms each no more than the jitter that a telephone call has anyway."""


class TelnyxCodec:
    """Telnyx's dialect, for one socket: it remembers which chunk of its stream comes next."""

    def __init__(self) -> None:
        self._chunks: _Chunks | None = None  # from the start on

    def parse(self, text: str) -> Message:
        """Read one message. Raises LineProtocolError that names the field, and never repeats what the field held.

        A chunk that is early is `Unknown` for now; the one before it brings its sound along.
        """
        message = json_object(text)
        match text_of(message, "event"):
            case "media":
                number, chunk = number_of(part_of(message, "media"), "chunk"), _media(message)
                return self._chunks.put(number, chunk) if self._chunks else chunk
            case "mark":
                return MarkBack(id_of(message, "stream_id"), text_of(part_of(message, "mark"), "name"))
            case "dtmf":
                return Dtmf(id_of(message, "stream_id"), key_of(part_of(message, "dtmf"), "digit"))
            case "start":
                started = _started(message)
                self._chunks = self._chunks or _Chunks(started.stream_id)
                return started
            case "stop":
                return Stopped(id_of(message, "stream_id"))
            case "connected":
                return Connected()
            case "error":
                raise LineProtocolError(f"Telnyx reports error {number_of(part_of(message, 'payload'), 'code')}")
            case _:
                return Unknown()

    def encode(self, stream_id: str, command: Outbound) -> str:
        """One command. A socket carries one stream, so Telnyx does not ask for its id."""
        match command:
            case Play(mulaw=mulaw):
                payload = binascii.b2a_base64(mulaw, newline=False).decode()
                return f'{{"event":"media","media":{{"payload":"{payload}"}}}}'
            case Mark(name=name):
                return f'{{"event":"mark","mark":{{"name":{json.dumps(name)}}}}}'
            case _:
                return '{"event":"clear"}'


class _Chunks:
    """The chunks of one stream in the order of their numbers, of which the first may be any."""

    def __init__(self, stream_id: str) -> None:
        self._stream_id = stream_id
        self._next: int | None = None
        self._early: dict[int, Media] = {}

    def put(self, number: int, chunk: Media) -> Media | Unknown:
        """What can be passed on now: a run that begins with the next chunk, or `Unknown` while that is awaited.

        One that comes too late to be put in order is passed on as it is: its time says what it is worth. So is one of
        another stream, which whoever reads this one refuses.
        """
        if chunk.stream_id != self._stream_id:
            return chunk
        if self._next is None:
            self._next = number
        if number < self._next:
            return chunk
        self._early[number] = chunk
        if self._next not in self._early and len(self._early) <= _EARLY:
            return Unknown()
        return self._run()

    def _run(self) -> Media:
        """The first chunks, as far as they follow on one another in number and in time."""
        number = min(self._early)
        first = self._early.pop(number)
        mulaw, number = bytearray(first.mulaw), number + 1
        while (following := self._early.get(number)) is not None:
            if abs(following.media_s - first.media_s - len(mulaw) / LINE_HZ) >= FRAME_S / 2:
                break
            mulaw += self._early.pop(number).mulaw
            number += 1
        self._next = number
        return Media(self._stream_id, bytes(mulaw), first.media_s)


def _media(message: Part) -> Media:
    media = part_of(message, "media")
    return Media(id_of(message, "stream_id"), sound_of(media, "payload"), number_of(media, "timestamp") / 1000)


def _started(message: Part) -> Started:
    start = part_of(message, "start")
    form = part_of(start, "media_format")
    if text_of(form, "encoding") != "PCMU":
        raise LineProtocolError("media_format.encoding is not PCMU")
    if number_of(form, "sample_rate") != LINE_HZ:
        raise LineProtocolError(f"media_format.sample_rate is not {LINE_HZ}")
    if number_of(form, "channels") != 1:
        raise LineProtocolError("media_format.channels is not 1")
    return Started(id_of(message, "stream_id"), id_of(start, "call_control_id"), id_of(start, "user_id"))
