"""One call's media stream, as a Line, whatever the carrier's dialect.

In:   an accepted WebSocket.     Out: `Inbound` messages; and `Outbound` commands onto it.
Rule: nothing here knows of webhooks or of other calls. One bad message is counted and dropped; it does not end a call.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from client_caller.errors import LineError, LineLost, LineProtocolError
from client_caller.line import codec as wire
from client_caller.line.codec import Codec
from client_caller.line.patience import Patience
from client_caller.line.protocol import CallerAudio, Errand, Inbound, KeyTone, MarkReturned, Outbound, Parties
from client_caller.settings import ServerSettings

log = logging.getLogger("client_caller.line")

MESSAGE_CHARS: Final = 65_536
"""Longest message read; 20 ms of audio takes about 300. The server's own limit should be the same."""

_STRANGERS: Final = Parties()

_BEFORE_START: Final = 10
"""Messages among which the start must be. It is the second that carriers send."""

_BAD_MESSAGES: Final = 50
"""Refused messages after which a stream is given up: one second of nothing but nonsense."""

_AT_LEAST_S: Final = 1.0
"""Seconds of messages that may come at once, however short the silence is after which a stream is dead."""

NORMAL: Final = 1000
POLICY: Final = 1008
FAILED: Final = 1011
TRY_AGAIN: Final = 1012
"""Close codes of RFC 6455 section 7.4.1 and of IANA's registry: done; we will not have this; we could not go on; this
server restarts. After the last two the call is to be resumed."""


_Received = MutableMapping[str, Any]
"""A message as ASGI hands it on."""


async def read_start(socket: WebSocket, codec: Codec, within_s: float) -> wire.Started:
    """The `start` of a fresh socket. Raises LineLost when none comes in time, LineProtocolError at anything else."""
    try:
        async with asyncio.timeout(within_s):
            for _ in range(_BEFORE_START):
                message = _understood(await _receive(socket), codec)
                if isinstance(message, wire.Started):
                    return message
                if not isinstance(message, wire.Connected | wire.Unknown):
                    raise LineProtocolError("a message came before start")
    except TimeoutError as late:
        raise LineLost(f"no start within {within_s} s") from late
    raise LineProtocolError(f"{_BEFORE_START} messages came before start")


async def _receive(socket: WebSocket) -> _Received:
    """What comes next. Raises LineLost when the socket is closed."""
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise LineLost("the carrier closed the stream")
    return received


def _understood(received: _Received, codec: Codec) -> wire.Message:
    """The message that came. Raises LineProtocolError when it is malformed."""
    text = received.get("text")
    if text is None:
        raise LineProtocolError("the message is not text")
    if len(text) > MESSAGE_CHARS:
        raise LineProtocolError(f"the message is longer than {MESSAGE_CHARS} characters")
    return codec.parse(text)


class _Allowance:
    """How many messages may still come: so many a second, and at once as many as were held up while nothing moved.

    per_s: messages a second;  stall_s: the longest time in which they may have been held up, in seconds.
    """

    def __init__(self, per_s: float, stall_s: float, now: float) -> None:
        self._per_s = per_s
        self._most = self._left = per_s * stall_s
        self._counted_at = now

    def has_one(self, now: float) -> bool:
        """Take one message off; false when there is none left."""
        self._left = min(self._most, self._left + (now - self._counted_at) * self._per_s)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class MediaLine:
    """A Line over one media stream; `start` has been read.

    parties: who is on it;  back_from: how the errand ended that the call has come back from, empty if there was none;
    take_away: has the carrier run an errand, or raises LineError;
    over: whether the call was ended on purpose, by the caller or by us; false when the stream merely broke.
    is_open: whether the stream still carries anything.
    """

    def __init__(
        self,
        socket: WebSocket,
        codec: Codec,
        started: wire.Started,
        limits: ServerSettings,
        parties: Parties = _STRANGERS,
        back_from: str = "",
        take_away: Callable[[Errand], Awaitable[None]] | None = None,
    ) -> None:
        self._socket = socket
        self._codec = codec
        self._call_id = started.call_id
        self._stream_id = started.stream_id
        self._take_away = take_away
        self._is_away = False
        self.parties = parties
        self.back_from = back_from
        self._limits = limits
        self._refused = 0
        self._reading, self._sending = Patience(), Patience()
        self.is_open = True
        self.over = False
        self._is_left = False  # the far end takes nothing any more

    @property
    def call_id(self) -> str:
        """The carrier's id of the call."""
        return self._call_id

    @property
    def has_marks(self) -> bool:
        """Both carriers return every mark."""
        return True

    async def receive(self) -> AsyncIterator[Inbound]:
        """Everything the carrier sends, until `stop` or `hang_up`.

        Raises LineLost when the stream ends in any other way, when no media comes for too long, when messages come
        faster than anybody speaks, or after fifty malformed ones.
        """
        silent_at = self._reading.now + self._limits.media_silence_s
        allowance = self._allowance(self._reading.now)
        while self.is_open:
            try:
                message = await self._next(silent_at, allowance)
            except TimeoutError as late:
                if not self.is_open:
                    break
                self.is_open = False
                raise LineLost(f"no media for {self._limits.media_silence_s} s") from late
            except LineLost:
                self.is_open = False
                if self.over:
                    return
                raise
            except LineProtocolError as wrong:
                self._refuse(wrong)
                continue
            match message:
                case wire.Media(mulaw=mulaw, media_s=media_s):
                    silent_at = self._reading.now + self._limits.media_silence_s
                    yield CallerAudio(mulaw, media_s)
                case wire.MarkBack(name=name):
                    yield MarkReturned(name)
                case wire.Dtmf(key=key):
                    yield KeyTone(key)
                case wire.Stopped():
                    self.over = not self._is_away  # an errand ends the stream, and not the call
                    self.is_open = False
        if not self.over:
            raise LineLost("the stream was given up")

    async def send(self, command: Outbound) -> None:
        """Send one command. Raises LineLost when the stream is over or does not take it in time.

        What a far end does not get that has gone is dropped: how it went is yet to be read, for a caller's hang-up may
        stand behind what was said last.
        """
        if not self.is_open:
            raise LineLost("the stream is over")
        if self._is_left:
            return
        try:
            taken = self._socket.send_text(self._codec.encode(self._stream_id, command))
            await self._sending.wait(taken, self._sending.now + self._limits.send_within_s)
        except TimeoutError as late:
            self.is_open = False
            raise LineLost(f"a message was not taken within {self._limits.send_within_s} s") from late
        except WebSocketDisconnect:
            self._is_left = True

    async def leave(self, errand: Errand) -> None:
        """Have the carrier run an errand, which ends this stream. Raises LineError if it will not."""
        if self._take_away is None:
            raise LineProtocolError("this carrier runs no errands")
        self._is_away = True
        try:
            await self._take_away(errand)
        except LineError:
            self._is_away = False
            raise
        await self.close(NORMAL)

    async def hang_up(self) -> None:
        """End the call: what the carrier asks next is answered with a hang-up."""
        self.over = True
        await self.close(NORMAL)

    def break_off(self) -> None:
        """Give the stream up, which alone does not end the call; whoever holds the socket closes it."""
        self.is_open = False
        self._reading.give_up()  # a far end that is gone does not answer a close

    async def close(self, code: int) -> None:
        """Close the stream, which alone does not end the call. Safe to repeat."""
        self.break_off()
        await close_socket(self._socket, code, self._limits.send_within_s)

    def _allowance(self, now: float) -> _Allowance:
        """A stall that the stream survives is followed by all that was held up in it."""
        return _Allowance(self._limits.messages_per_s, max(_AT_LEAST_S, self._limits.media_silence_s), now)

    async def _next(self, until: float, allowance: _Allowance) -> wire.Message:
        """The next message of this stream. Raises TimeoutError at `until`, or once the line is closed."""
        received = await self._reading.wait(_receive(self._socket), until)
        if not allowance.has_one(self._reading.now):
            raise LineLost(f"more than {self._limits.messages_per_s} messages a second")
        message = _understood(received, self._codec)
        if isinstance(message, wire.Started):
            raise LineProtocolError("start came twice")
        if not isinstance(message, wire.Connected | wire.Unknown) and message.stream_id != self._stream_id:
            raise LineProtocolError("the stream's id is not that of this stream")
        return message

    def _refuse(self, wrong: LineProtocolError) -> None:
        """Count a bad message, log the first, and give the stream up at the fiftieth."""
        self._refused += 1
        if self._refused == 1:
            log.warning("a media message was refused", extra={"call": self._call_id, "why": str(wrong)})
        if self._refused == _BAD_MESSAGES:
            self.is_open = False
            raise LineLost(f"{_BAD_MESSAGES} messages were malformed") from wrong


async def close_socket(socket: WebSocket, code: int, within_s: float) -> None:
    """Close a socket, accepted or not, if it is not closed yet; one whose far end is gone counts as closed."""
    with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(within_s):
            await socket.close(code)
