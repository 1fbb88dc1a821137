"""The parts of the media path, each alone, for so many frames.

In:   a number of frames of 20 ms.     Out: nothing; what it took is measured around it.
Rule: each runs the code that serves calls, and nothing else that would be noticed.
"""

import asyncio
import json
import tempfile
from base64 import b64encode
from collections.abc import MutableMapping
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import uvicorn
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from client_caller.audio.frame import FRAME_S, FRAME_SAMPLES
from client_caller.audio.mulaw import decode
from client_caller.hearing.listener import Listener
from client_caller.hearing.silero import SileroModel
from client_caller.line.codec import Started
from client_caller.line.media_line import MediaLine
from client_caller.line.protocol import Play
from client_caller.line.twilio_messages import TwilioCodec
from client_caller.records.recording import Recording
from client_caller.settings import HearingSettings, ServerSettings
from client_caller.sturdy import sturdy_activity
from wire_frames import numbered

STREAM: Final = "MZ" + "5" * 32
CALL: Final = "CA" + "5" * 32
_SPEAKS: Final = 0.5
_WINDOWS: Final = 0.02 / 0.032
"""Windows of the model in a frame."""

_HANDSHAKE: Final = (
    b"GET /media HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def media(number: int, *, loud: bool) -> str:
    """A message as Twilio sends it. number: of the frame in its stream, from 0."""
    payload = b64encode(numbered(number, loud=loud)).decode()
    return json.dumps(
        {
            "event": "media",
            "sequenceNumber": str(number + 2),
            "media": {
                "track": "inbound",
                "chunk": str(number + 1),
                "timestamp": str(20 * number),
                "payload": payload,
            },
            "streamSid": STREAM,
        }
    )


_SOUND: Final = [numbered(n, loud=n % 300 < 50) for n in range(1_500)]
_TEXTS: Final = [media(n, loud=n % 300 < 50) for n in range(4_000)]


async def messages_read(frames: int) -> None:
    """JSON to a message, by the codec."""
    codec = TwilioCodec()
    for text in islice(_TEXTS, frames):
        codec.parse(text)


async def messages_written(frames: int) -> None:
    """Half as many messages as frames, for the agent speaks in stretches of 40 ms."""
    codec, command = TwilioCodec(), Play(_SOUND[0] + _SOUND[1])
    for _ in range(frames // 2):
        codec.encode(STREAM, command)


async def the_line(frames: int) -> None:
    """From the socket's message to the sound, limits and allowance included."""
    texts = iter(_TEXTS[:frames])

    async def receive() -> MutableMapping[str, Any]:
        if (text := next(texts, None)) is None:
            return {"type": "websocket.disconnect"}
        await asyncio.sleep(0)
        return {"type": "websocket.receive", "text": text}

    async def send(message: MutableMapping[str, Any]) -> None:
        return None

    socket = WebSocket({"type": "websocket"}, receive, send)
    socket.client_state = socket.client_state.CONNECTED
    # No time passes here, so that all frames come at once.
    limits = ServerSettings(messages_per_s=1_000_000)
    line = MediaLine(socket, TwilioCodec(), Started(STREAM, CALL, ""), limits)
    line.over = True
    heard = [sound async for sound in line.receive()]
    assert len(heard) == frames


async def recording(frames: int) -> None:
    """Both sides, on a disk. The agent speaks for half of the time."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Recording(Path(folder) / "call.wav")
        kept.start(0.0)
        for n in range(frames):
            at = n * FRAME_S
            kept.caller(at, _SOUND[n % len(_SOUND)])
            if n % 400 < 400 * _SPEAKS and n % 2 == 0:
                kept.agent(at + 0.28, _SOUND[0] + _SOUND[1])
            kept.advance(at)
        kept.close(frames * FRAME_S)


class _Nobody:
    async def probability(self, window: object) -> float:
        return 0.05

    def reset(self) -> None:
        return


async def hearing(frames: int) -> None:
    """All of it but the model. The agent speaks for half of the time."""
    listener = Listener(_Nobody(), HearingSettings())
    for n in range(frames):
        now = n * FRAME_S
        if n % 400 < 400 * _SPEAKS and n % 2 == 0:
            listener.agent_plays(_SOUND[0] + _SOUND[1], now + 0.28)
        await listener.feed(_SOUND[n % len(_SOUND)], now, now + FRAME_S)


async def around_the_model(frames: int) -> None:
    """What makes an activity model one that can be relied on."""
    activity, window = sturdy_activity(_Nobody)(), decode(_SOUND[0] + _SOUND[1])[:256]
    for _ in range(round(frames * _WINDOWS)):
        await activity.probability(window)


async def model_alone(model: SileroModel, frames: int) -> None:
    """The windows of one call after the other."""
    call, window = model.for_call(), decode(_SOUND[0] + _SOUND[1])[:256]
    for _ in range(round(frames * _WINDOWS)):
        await call.probability(window)


async def model_together(model: SileroModel, frames: int) -> None:
    """The windows of sixteen calls, which come at one moment."""
    calls, window = [model.for_call() for _ in range(16)], decode(_SOUND[0] + _SOUND[1])[:256]
    for _ in range(round(frames * _WINDOWS / 16)):
        await asyncio.gather(*(call.probability(window) for call in calls))


class _Transport:
    """The near end of a connection without a network."""

    def __init__(self) -> None:
        self.write = self.pause_reading = self.resume_reading = self.close = self._nothing

    def _nothing(self, *data: bytes) -> None:
        return

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default


async def _opened(app: Any) -> WebSocketsSansIOProtocol:
    config = uvicorn.Config(app, ws="websockets-sansio", ws_per_message_deflate=False, log_config=None)
    config.load()
    protocol = WebSocketsSansIOProtocol(config, ServerState(), {})
    protocol.connection_made(cast(asyncio.Transport, _Transport()))
    protocol.data_received(_HANDSHAKE)
    await asyncio.sleep(0.1)
    return protocol


def _masked(text: str) -> bytes:
    data, mask = text.encode(), b"\x11\x22\x33\x44"
    body = bytes(byte ^ mask[n % 4] for n, byte in enumerate(data))
    return b"\x81" + bytes([0x80 | 126]) + len(data).to_bytes(2, "big") + mask + body


_FRAMES: Final = [_masked(text) for text in _TEXTS[:50]]


async def socket_in(frames: int) -> None:
    """From the bytes of a WebSocket frame to the application's message."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    protocol = await _opened(app)
    for n in range(frames):
        protocol.data_received(_FRAMES[n % len(_FRAMES)])
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.sleep(0.1)


async def socket_out(frames: int) -> None:
    """The other way, half as many."""
    text = TwilioCodec().encode(STREAM, Play(bytes(2 * FRAME_SAMPLES)))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        socket = WebSocket(scope, receive, send)
        socket.client_state = socket.application_state = socket.client_state.CONNECTED
        for _ in range(frames // 2):
            await socket.send_text(text)

    (await _opened(app)).connection_lost(None)
    await asyncio.sleep(0.1)
