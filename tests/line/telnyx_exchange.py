"""A server with Telnyx's routes and a desk that only listens; what Telnyx would send it, signed as Telnyx signs.

Everything runs on one loop without sockets, so that time may be virtual.
"""

import asyncio
import base64
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from client_caller.errors import CarrierFailed
from client_caller.line.telnyx import telnyx_router
from client_caller.settings import ServerSettings, Settings
from line.exchange import ListeningDesk
from line.memory_socket import MemorySocket

PUBLIC = "https://voice.example.com"
MEDIA = "wss://voice.example.com/telnyx/media/"
CALL = "v3:MdI91X4lWFEs7IgbBEOT9M4AigoY08M0WWZFISt1Yw2axZ_IiE4pqg"
LEG = "v3:9X2vxPDFY2RHSJ1EdMS0RHRksMTg7ldNxdjWbVr9zBjbGjGsSe-aiQ"
STREAM = "32DE0DEA-53CB-4B21-89A4-9E1819C043BC"
THEIRS, OURS = "+15550100003", "+15550100002"
NOW = 1_790_000_000
KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes_raw()).decode()


class Commands:
    """Telnyx's Call Control: keeps what it is told. `failing` actions come to nothing, `gone` calls are over."""

    def __init__(self) -> None:
        self.given: list[tuple[str, str, dict[str, Any]]] = []
        self.failing: set[str] = set()
        self.gone: set[str] = set()

    async def command(self, call_id: str, action: str, **fields: object) -> bool:
        self.given.append((call_id, action, fields))
        await asyncio.sleep(0.01)
        if action in self.failing:
            raise CarrierFailed(f"{action} came to nothing", 90000)
        return call_id not in self.gone

    @property
    def actions(self) -> list[str]:
        return [action for _, action, _ in self.given]

    @property
    def url(self) -> str:
        """Where the latest stream is to be opened."""
        return [str(fields["stream_url"]) for _, _, fields in self.given if "stream_url" in fields][-1]


class Exchange:
    """The far end of the routes: what Telnyx tells and opens."""

    def __init__(self, app: FastAPI, desk: ListeningDesk, commands: Commands) -> None:
        self.desk = desk
        self.commands = commands
        self._app = app
        self._numbers = itertools.count(1)
        self._http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=PUBLIC)
        self.sockets: list[asyncio.Task[None]] = []

    async def post(
        self, body: bytes, at: int = NOW, key: Ed25519PrivateKey = KEY, signed: bytes | None = None
    ) -> httpx2.Response:
        signature = key.sign(f"{at}|".encode() + (body if signed is None else signed))
        headers = {
            "telnyx-timestamp": str(at),
            "telnyx-signature-ed25519": base64.b64encode(signature).decode(),
            "content-type": "application/json",
        }
        return await self._http.post("/telnyx/voice", content=body, headers=headers)

    async def tell(self, kind: str, call: str = CALL, **payload: Any) -> httpx2.Response:
        """One webhook, with an id of its own unless it is given one."""
        return await self.post(webhook(kind, call, event_id=f"e-{next(self._numbers)}", **payload))

    async def ring(self, call: str = CALL) -> None:
        """A call comes in."""
        await self.tell("call.initiated", call, direction="incoming", **{"from": THEIRS, "to": OURS})

    def open(self, url: str | None = None) -> MemorySocket:
        """Open a media socket, where it was last asked for unless told otherwise."""
        socket = MemorySocket(path=(url or self.commands.url).removeprefix("wss://voice.example.com"))
        self.sockets.append(asyncio.create_task(socket.opened_to(self._app)))
        return socket

    async def stream(self, url: str | None = None, call: str = CALL, stream: str = STREAM) -> MemorySocket:
        """Open one and begin."""
        socket = self.open(url)
        socket.text(connected())
        socket.text(start(call, stream))
        await asyncio.sleep(0.001)
        return socket


def webhook(
    kind: str, call: str = CALL, event_id: str = "e-0", at: str = "00:00", state: str = "", **payload: Any
) -> bytes:
    body = {"call_control_id": call, "connection_id": "7", **payload}
    if state:
        body["client_state"] = base64.b64encode(state.encode()).decode()
    when = f"2026-11-26T09:{at}.000000Z"
    data = {"record_type": "event", "event_type": kind, "id": event_id, "occurred_at": when, "payload": body}
    return json.dumps({"data": data, "meta": {"attempt": 1}}).encode()


def connected() -> str:
    return json.dumps({"event": "connected", "version": "1.0.0"})


def start(call: str = CALL, stream: str = STREAM, **form: Any) -> str:
    media_format = {"encoding": "PCMU", "sample_rate": 8000, "channels": 1} | form
    body = {
        "user_id": "3E6F995F-85F7-4705-9741-53B116D28237",
        "call_control_id": call,
        "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d",
        "media_format": media_format,
    }
    return json.dumps({"event": "start", "sequence_number": "1", "start": body, "stream_id": stream})


def media(
    mulaw: bytes = b"\xff" * 160, chunk: int | str = "1", stream: str = STREAM, ms: int | str | None = None
) -> str:
    at = (int(chunk) - 1) * 20 if ms is None else ms
    payload = base64.b64encode(mulaw).decode()
    body = {"track": "inbound", "chunk": chunk, "timestamp": at if isinstance(ms, int) else str(at), "payload": payload}
    return json.dumps({"event": "media", "sequence_number": "4", "media": body, "stream_id": stream})


def mark(name: str, stream: str = STREAM) -> str:
    return json.dumps({"event": "mark", "stream_id": stream, "sequence_number": "5", "mark": {"name": name}})


def dtmf(digit: str, stream: str = STREAM) -> str:
    when = "2025-06-05T08:54:19.698408Z"
    return json.dumps({"event": "dtmf", "stream_id": stream, "occurred_at": when, "dtmf": {"digit": digit}})


def stop(call: str = CALL, stream: str = STREAM) -> str:
    body = {"user_id": "3E6F995F-85F7-4705-9741-53B116D28237", "call_control_id": call}
    return json.dumps({"event": "stop", "sequence_number": "5", "stop": body, "stream_id": stream})


def settings(public: str = PUBLIC, key: str = PUBLIC_KEY, **limits: Any) -> Settings:
    return Settings(_env_file=None, public_url=public, server=ServerSettings(**limits), TELNYX_PUBLIC_KEY=key)


@asynccontextmanager
async def exchange(desk: ListeningDesk | None = None, **limits: Any) -> AsyncIterator[Exchange]:
    desk, commands, app = desk or ListeningDesk(), Commands(), FastAPI()
    app.include_router(telnyx_router(settings(**limits), desk, commands, lambda: float(NOW)))
    yield (there := Exchange(app, desk, commands))
    await there._http.aclose()
    for socket in there.sockets:
        socket.cancel()
    await asyncio.gather(*there.sockets, return_exceptions=True)
