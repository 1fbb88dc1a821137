"""Whole calls in one process, with nothing under them but memory, on virtual time.

In:   how many, and for how long; the voice activity model.     Out: microseconds of processor time a frame of a call.
Rule: house, call, line, hearing, playout, records are those that serve. The carrier here hands frames in at their time
      and returns marks; its part is a few microseconds a frame, and is in the figure.
"""

import asyncio
import json
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

from starlette.websockets import WebSocket

from client_caller.audio.frame import FRAME_S
from client_caller.hearing.silero import SileroModel
from client_caller.house import House
from client_caller.line.codec import Started
from client_caller.line.media_line import MediaLine
from client_caller.line.protocol import Parties
from client_caller.line.twilio_messages import TwilioCodec
from client_caller.settings import ServerSettings, load_settings
from client_caller.speaking.playout import CHUNK_S
from media_path_parts import STREAM, media
from virtual import run
from wire_caller import Schedule
from wire_server import AGENT, engines

_TALKS: Final = AGENT.model_copy(update={"greeting": "We are open Monday to Friday from nine to five. " * 3})
"""Silero takes numbered frames for the noise that they are, so that nobody would be answered: the agent talks of its
own accord."""

_TALK_S: Final = 6.0

_LEAD_S: Final = 0.3
"""What the carrier holds when a mark reaches it, about."""


class _Carrier:
    """The far end of one stream: frames by the clock, marks once they are played."""

    def __init__(self, texts: list[str], first_s: float) -> None:
        self._texts = iter(texts)
        self._first_s = first_s
        self._came: asyncio.Queue[str | None] = asyncio.Queue(1_000)
        self.sounds = 0  # messages with sound of the agent
        self.was_heard_out = False

    def begin(self) -> None:
        """Send the first frame at its time, and each when it is due."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self._first_s
        loop.call_at(self._due, self._next)

    def _next(self) -> None:
        text = next(self._texts, None)
        self._came.put_nowait(text)
        if text is not None:
            self._due += FRAME_S
            asyncio.get_running_loop().call_at(self._due, self._next)

    async def receive(self) -> MutableMapping[str, Any]:
        """What comes from the carrier, as ASGI has it; at the end the stop."""
        text = await self._came.get()
        self.was_heard_out = text is None
        return {"type": "websocket.receive", "text": text or json.dumps({"event": "stop", "streamSid": STREAM})}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """What goes to it."""
        self.sounds += message["type"] == "websocket.send" and message["text"].startswith('{"event":"media"')
        if message["type"] == "websocket.send" and message["text"].startswith('{"event":"mark"'):
            asyncio.get_running_loop().call_later(_LEAD_S, self._came.put_nowait, message["text"])


async def _hold(house: House, carrier: _Carrier, number: int) -> None:
    socket = WebSocket({"type": "websocket"}, carrier.receive, carrier.send)
    socket.client_state = socket.application_state = socket.client_state.CONNECTED
    started = Started(STREAM, f"CA{number:032d}", "")
    line = MediaLine(socket, TwilioCodec(), started, ServerSettings(), Parties("+15550100001", "+15550100002"))
    carrier.begin()
    await house.answer(line)


def whole(model: SileroModel, calls: int, seconds: float, folder: Path) -> float:
    """Microseconds a frame, of so many calls at once of this length."""
    settings = load_settings()
    records = settings.records.model_copy(update={"folder": folder})
    server = settings.server.model_copy(update={"calls_at_once": calls})
    house = House(settings.model_copy(update={"records": records, "server": server}), _TALKS, engines(model))
    frames, schedule = round(seconds / FRAME_S), Schedule()
    texts = [media(n, loud=schedule.speaks(n)) for n in range(frames)]

    async def hold_all() -> None:
        carriers = [_Carrier(texts, n * FRAME_S / calls) for n in range(calls)]
        await asyncio.gather(*(_hold(house, carrier, n) for n, carrier in enumerate(carriers)))
        # A call that failed would cost little.
        assert all(carrier.was_heard_out and carrier.sounds >= _TALK_S / CHUNK_S for carrier in carriers)

    began = time.process_time()
    run(hold_all())
    return 1e6 * (time.process_time() - began) / (calls * frames)
