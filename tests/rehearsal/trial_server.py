"""A real server on a free port of this machine, with a desk whose timing is known to the millisecond."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import uvicorn
from fastapi import FastAPI

from client_caller.audio.frame import LINE_HZ, Samples
from client_caller.audio.levels import at_level, level_dbfs
from client_caller.audio.mulaw import decode, encode
from client_caller.line.protocol import CallerAudio, Clear, Desk, Line, Mark, MarkReturned, News, Past, Phrases, Play
from client_caller.line.twilio import twilio_router
from client_caller.settings import ServerSettings, Settings

ACCOUNT, TOKEN = "AC" + "0" * 32, "a token"
QUIET_FRAMES = 10
"""After so many quiet frames, 200 ms, the desk answers."""


def tone(seconds: float) -> Samples:
    at = np.arange(round(seconds * LINE_HZ)) / LINE_HZ
    return at_level(np.sin(2 * np.pi * 1_000 * at).astype(np.float32), -23.0)


class PunctualDesk:
    """Greets, falls silent at the first loud frame, and answers 200 ms after the last one."""

    phrases = Phrases("All lines are taken.", "A moment.", "Something is broken here.")
    ask_again_s = 0

    def __init__(self) -> None:
        self.marks: list[str] = []
        self.media_s: list[float] = []

    def has_room(self, promised: int = 0) -> bool:
        return True

    def hear_of(self, news: News) -> None:
        pass

    def past(self, call_id: str) -> Past | None:
        return None

    async def answer(self, line: Line) -> None:
        await line.send(Play(encode(tone(0.2))))
        await line.send(Mark("greeted"))
        spoke, quiet, answers = False, 0, iter((1.5, 0.2))
        async for message in line.receive():
            match message:
                case CallerAudio(mulaw=mulaw, media_s=media_s):
                    self.media_s.append(media_s)
                    loud = level_dbfs(decode(mulaw)) > -40.0
                case MarkReturned(name=name):
                    self.marks.append(name)
                    continue
            quiet = 0 if loud else quiet + 1
            if loud and not spoke:
                spoke = True
                await line.send(Clear())
            if spoke and quiet == QUIET_FRAMES:
                spoke = False
                await line.send(Play(encode(tone(next(answers)))))


@asynccontextmanager
async def serving(desk: Desk, **limits: float) -> AsyncIterator[str]:
    """The address of the voice webhook, while the server runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(
            _env_file=None,
            public_url=address,
            server=ServerSettings(**limits),
            TWILIO_ACCOUNT_SID=ACCOUNT,
            TWILIO_AUTH_TOKEN=TOKEN,
        )
        app = FastAPI()
        app.include_router(twilio_router(settings, desk))
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, ws_max_size=65_536, ws_per_message_deflate=False, lifespan="off")
        )
        running = asyncio.create_task(server.serve([listener]))
        try:
            yield f"{address}/twilio/voice"
        finally:
            server.should_exit = True
            await running
