"""An engine that makes numbered frames as fast as it is let, the server around it, and a socket without a network."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import SecretStr

from client_caller.errors import ConfigError
from client_caller.listening import listening
from client_caller.speaking.csm.app import engine_app, web_server
from client_caller.speaking.csm.calls_ws import CallLimits
from client_caller.speaking.csm.protocol import FRAME_SAMPLES
from client_caller.speaking.csm.turns import CallerTurn, Made, Manner, Utterance
from client_caller.speaking.csm.worker import Worker

VOICES = ("anna", "ben")
NOTHING = np.zeros(0, np.float32)


def frame(number: int) -> np.ndarray:
    """The sound of an utterance's frame of this number."""
    return np.full(FRAME_SAMPLES, (number % 1_000) / 1_024, np.float32)


@dataclass
class Saying:
    utterance: Utterance
    made: int = 0


class FakeEngine:
    """Every utterance has `frames` frames; each step makes one for every call that speaks, while any are `allowed`.

    It is strict: a call that it does not know raises KeyError, as would an engine that is told nonsense.
    """

    def __init__(self, frames: int = 3, allowed: float = float("inf")) -> None:
        self.frames = frames
        self.allowed = allowed
        self.calls: dict[str, deque[Saying]] = {}
        self.manners: dict[str, tuple[str, Manner]] = {}
        self.log: list[tuple[Any, ...]] = []
        self.now = 0.0  # a clock, if it is asked for one
        self.cost_s: dict[str, float] = {}  # what things cost on that clock
        self.before_open: Callable[[], None] = lambda: None
        self.failure: BaseException | None = None  # of the next step
        self.refusal: Exception | None = None  # of what is asked next to be said or heard
        self._ended: list[Made] = []

    def _noted(self, what: str, *more: Any) -> None:
        self.log.append((what, *more))
        self.now += self.cost_s.get(what, 0.0)

    def open(self, call: str, voice: str, manner: Manner) -> None:
        if voice not in VOICES:
            raise ConfigError(f"there is no voice {voice!r}")
        self.before_open()
        self.calls[call] = deque()
        self.manners[call] = voice, manner
        self._noted("open", call)

    def hear(self, call: str, turn: CallerTurn) -> None:
        self._refuse()
        assert call in self.calls
        self._noted("hear", call, turn)

    def speak(self, call: str, utterance: Utterance) -> None:
        self._refuse()
        self.calls[call].append(Saying(utterance))
        self._noted("speak", call, utterance)

    def cancel(self, call: str, utterance: str) -> None:
        self._noted("cancel", call, utterance)
        queue = self.calls[call]
        for saying in [saying for saying in queue if saying.utterance.id == utterance]:
            queue.remove(saying)
            self._ended.append(Made(call, utterance, NOTHING, "cancelled"))

    def close(self, call: str) -> None:
        del self.calls[call]
        self._noted("close", call)

    def step(self, now: float) -> Sequence[Made]:
        self._noted("step")
        if self.failure is not None:
            raise self.failure
        made, self._ended = self._ended, []
        for call, queue in self.calls.items():
            if queue and self.allowed > 0:
                saying = queue[0]
                saying.made += 1
                is_last = saying.made == self.frames
                made.append(Made(call, saying.utterance.id, frame(saying.made), "finished" if is_last else None))
                if is_last:
                    queue.popleft()
        self.allowed -= 1
        return made

    def rest_s(self, now: float) -> float | None:
        if self.failure is not None or self._ended or (self.allowed > 0 and any(self.calls.values())):
            return 0.0
        return None

    def figures(self) -> dict[str, float]:
        return {"slots in use": float(len(self.calls))}

    def _refuse(self) -> None:
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            raise refusal


class Hold:
    """Something asked of the engine that lasts until it is let go."""

    def __init__(self) -> None:
        self._busy, self._go_on = threading.Event(), threading.Event()

    def __call__(self, *_: object) -> None:
        self._busy.set()
        self._go_on.wait()

    async def has_begun(self) -> None:
        await asyncio.to_thread(self._busy.wait)

    def let_go(self) -> None:
        self._go_on.set()


class Deaths:
    """Counts them."""

    def __init__(self) -> None:
        self.count = 0
        self.first = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self.first.set()


@asynccontextmanager
async def working(
    engine: FakeEngine,
    deaths: Callable[[], None] = lambda: None,
    now: Callable[[], float] | None = None,
    calls: int = 8,
) -> AsyncIterator[Worker]:
    """A worker that runs this engine. A test that hangs fails."""
    worker = Worker(lambda: engine, now or asyncio.get_running_loop().time, deaths, calls)
    async with asyncio.timeout(60):
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop()


@asynccontextmanager
async def served(
    engine: FakeEngine, key: str = "", limits: CallLimits | None = None, calls: int = 8
) -> AsyncIterator[tuple[str, Worker]]:
    """The address of a server with this engine, without its scheme, and the worker."""
    async with working(engine, calls=calls) as worker:
        server = web_server(engine_app(worker, lambda: VOICES, SecretStr(key), limits))
        with listening("127.0.0.1", 0) as listener:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                yield f"127.0.0.1:{listener.getsockname()[1]}", worker
            finally:
                server.should_exit = True
                await serving


async def until_free(worker: Worker) -> None:
    """Until the engine has no call any more."""
    while await worker.ask(lambda engine: len(engine.calls)):  # type: ignore[attr-defined]
        pass


class MemoryClient:
    """The far end of a WebSocket: sends `messages`, and is gone when they are used up and `stays` is false.

    takes: whether it takes what is sent to it.
    """

    def __init__(self, messages: Iterable[str | bytes], stays: bool = False, takes: bool = True) -> None:
        self.sent: list[str | bytes] = []
        self.code: int | None = None
        self._messages = iter(messages)
        self._connected = False
        self._stays = stays
        self._takes = takes
        self._closed = asyncio.Event()

    async def _receive(self) -> dict[str, Any]:
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        message = next(self._messages, None)
        if message is None:
            if self._stays:
                await self._closed.wait()
            return {"type": "websocket.disconnect", "code": 1006}
        return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

    async def _send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            if not self._takes:
                await asyncio.Event().wait()
            self.sent.append(message.get("text") or message.get("bytes"))
        elif message["type"] == "websocket.close":
            self.code = message.get("code", 1000)
            self._closed.set()

    async def calls(self, app: Any, path: str = "/v1/calls") -> None:
        """Be served, to the end."""
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "client": ("192.0.2.1", 4711),
            "server": ("engine.example.com", 80),
            "scheme": "ws",
            "subprotocols": [],
        }
        await app(scope, self._receive, self._send)
