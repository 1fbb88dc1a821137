"""A server with Twilio's routes and a desk that only listens; what Twilio would send it, signed as Twilio signs.

`exchange` runs in real time, through a test client; a `Wire` on the loop of the test, which may be a virtual one.
"""

import asyncio
import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketTestSession
from twilio.request_validator import RequestValidator

from client_caller.errors import CarrierFailed, LineLost
from client_caller.line.control import DialOrder, PlacedCall
from client_caller.line.protocol import Inbound, Line, News, Past, Phrases
from client_caller.line.twilio import twilio_router
from client_caller.settings import ServerSettings, Settings

PUBLIC = "https://voice.example.com"
TOKEN = "an auth token"
ACCOUNT = "AC" + "0" * 32
CALL = "CA" + "1" * 32
STREAM = "MZ" + "2" * 32


class ListeningDesk:
    """Answers every line, keeps what comes, and hangs up once it has heard `words` messages."""

    phrases = Phrases("All lines are taken.", "A moment.", "Something is broken here.")
    ask_again_s = 0

    def __init__(self, words: int | None = None, places: int = 1_000) -> None:
        self.room = True
        self.places = places
        self.lines: list[Line] = []  # open now
        self.pasts: dict[str, Past] = {}
        self.words = words
        self.answered: list[str] = []
        self.received: list[Inbound] = []
        self.losses: list[str] = []
        self.news: list[News] = []

    def has_room(self, promised: int = 0) -> bool:
        return self.room and len(self.lines) + promised < self.places

    def hear_of(self, news: News) -> None:
        self.news.append(news)

    def past(self, call_id: str) -> Past | None:
        return self.pasts.get(call_id)

    async def answer(self, line: Line) -> None:
        self.answered.append(line.call_id)
        self.lines.append(line)
        try:
            async for message in line.receive():
                self.received.append(message)
                if len(self.received) == self.words:
                    await line.hang_up()
        except LineLost as lost:
            self.losses.append(str(lost))
        finally:
            self.lines.remove(line)


class Exchange:
    """The far end of the routes: what Twilio asks and opens."""

    def __init__(self, client: TestClient, desk: ListeningDesk) -> None:
        self.client = client
        self.desk = desk

    def post(self, path: str, signed_by: str = TOKEN, retry: str = "", **fields: str) -> Any:
        form = {"AccountSid": ACCOUNT, "CallSid": CALL, "CallStatus": "in-progress"} | fields
        headers = {"X-Twilio-Signature": sign(PUBLIC + path, form, signed_by)}
        if retry:
            headers["i-twilio-idempotency-token"] = retry
        return self.client.post(path, data=form, headers=headers)

    def token(self, path: str = "/twilio/voice", **fields: str) -> str:
        return media_token(self.post(path, **fields).text)

    def socket(self, token: str, signed_by: str = TOKEN, slash: str = "") -> WebSocketTestSession:
        url = f"wss://voice.example.com/twilio/media/{token}{slash}"
        return self.client.websocket_connect(
            f"/twilio/media/{token}", headers={"X-Twilio-Signature": sign(url, {}, signed_by)}
        )


@contextmanager
def exchange(desk: ListeningDesk | None = None, account: str = ACCOUNT, **limits: Any) -> Iterator[Exchange]:
    desk = desk or ListeningDesk()
    app = FastAPI()
    app.include_router(twilio_router(settings(account, **limits), desk))
    with TestClient(app) as client:
        yield Exchange(client, desk)


@dataclass
class Reply:
    """What a webhook was answered, and how long that took. told_s: seconds."""

    status: int
    text: str
    told_s: float


class Wire:
    """The far end of the routes on this loop: a webhook is answered when its response is out, whatever goes on then.

    Its streams may be silent for an hour, unless `limits` say otherwise.
    """

    def __init__(self, desk: Any, *, dials: Any = None, steers: Any = None, **limits: Any) -> None:
        self.desk = desk
        self.app = FastAPI()
        self.app.include_router(
            twilio_router(settings(**{"media_silence_s": 3_600.0} | limits), desk, dials=dials, steers=steers)
        )
        self._webhooks: set[asyncio.Task[None]] = set()
        self._sockets: set[asyncio.Task[None]] = set()

    def _run(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        asgi = {
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "root_path": "",
            "server": ("voice.example.com", 443),
        }
        running = self._webhooks if scope["type"] == "http" else self._sockets
        running.add(asyncio.create_task(self.app(asgi | scope, receive, send)))

    async def post(self, path: str, retry: str = "", signed_by: str = TOKEN, **fields: str) -> Reply:
        form = {"AccountSid": ACCOUNT, "CallSid": CALL, "CallStatus": "in-progress"} | fields
        headers = {"x-twilio-signature": sign(PUBLIC + path, form, signed_by)} | (
            {"i-twilio-idempotency-token": retry} if retry else {}
        )
        sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        bodies = [{"type": "http.request", "body": urlencode(form).encode(), "more_body": False}]

        async def receive() -> dict[str, Any]:
            return bodies.pop() if bodies else await asyncio.Event().wait() or {}

        target, _, query = path.partition("?")
        began = asyncio.get_running_loop().time()
        kind = {"type": "http", "method": "POST", "scheme": "https", "client": ("192.0.2.1", 1)}
        where = {"path": target, "raw_path": target.encode(), "query_string": query.encode()}
        self._run(kind | where | {"headers": _raw(headers)}, receive, sent.put)
        status = (await sent.get())["status"]
        text = (await sent.get()).get("body", b"").decode()
        return Reply(status, text, asyncio.get_running_loop().time() - began)

    async def token(self, path: str = "/twilio/voice", **fields: str) -> str:
        return media_token((await self.post(path, **fields)).text)

    async def stream(self, call: str = CALL, path: str = "/twilio/voice", **fields: str) -> "Socket":
        """A call comes in, or back, and its stream has started."""
        socket = self.socket(await self.token(path, CallSid=call, **fields))
        await socket.begin(call)
        await asyncio.sleep(0.01)
        return socket

    def socket(self, token: str, address: str = "192.0.2.1", slash: str = "", signed_by: str = TOKEN) -> "Socket":
        path = f"/twilio/media/{token}"
        url = f"wss://voice.example.com{path}{slash}"
        socket = Socket()
        scope = {"type": "websocket", "scheme": "wss", "client": (address, 1), "subprotocols": []}
        where = {"path": path, "raw_path": path.encode(), "query_string": b""}
        self._run(
            scope | where | {"headers": _raw({"x-twilio-signature": sign(url, {}, signed_by)})},
            socket.inbox.get,
            socket.outbox.put,
        )
        return socket

    async def settle_webhooks(self) -> None:
        """Wait until nothing goes on that webhooks began, and raise what it raised."""
        await asyncio.gather(*self._webhooks)

    async def settle(self) -> None:
        """The same, and until all sockets are closed."""
        await asyncio.gather(*self._webhooks, *self._sockets)


class Socket:
    """The carrier's end of a media socket."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})

    async def accepted(self) -> bool:
        return (await self.outbox.get())["type"] == "websocket.accept"

    async def begin(self, call: str = CALL) -> None:
        assert await self.accepted()
        self.begin_accepted(call)

    def begin_accepted(self, call: str = CALL) -> None:
        self.say(connected())
        self.say(start(call))

    def say(self, text: str) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "text": text})

    def cut(self) -> None:
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def closing_code(self) -> int:
        while (message := await self.outbox.get())["type"] != "websocket.close":
            pass
        self.cut()
        return int(message["code"])


class DialsInMemory:
    """Places calls nowhere. fails: what is raised instead."""

    def __init__(self, fails: CarrierFailed | None = None, takes_s: float = 0.0) -> None:
        self.orders: list[DialOrder] = []
        self._fails = fails
        self._takes_s = takes_s

    async def dial(self, order: DialOrder) -> str:
        self.orders.append(order)
        await asyncio.sleep(self._takes_s)
        if self._fails:
            raise self._fails
        return f"CA-colleague-{len(self.orders)}"

    async def placed(self, to: str, since: datetime) -> list[PlacedCall]:
        return []

    async def look_up(self, call_id: str) -> PlacedCall | None:
        return None


class SteersInMemory:
    """Leads calls nowhere, but keeps where they were to go. fails: how many of the next requests come to nothing."""

    def __init__(self, fails: int = 0) -> None:
        self.led: list[tuple[str, str]] = []
        self.ended: list[str] = []
        self.fails = fails

    def _fail(self) -> None:
        if self.fails:
            self.fails -= 1
            raise CarrierFailed("out of order")

    async def hang_up(self, call_id: str) -> None:
        self._fail()
        self.ended.append(call_id)

    async def lead_to(self, call_id: str, url: str) -> None:
        self._fail()
        self.led.append((call_id, url))

    async def record(self, call_id: str) -> None:
        self._fail()


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    form = {"host": "voice.example.com", "content-type": "application/x-www-form-urlencoded"}
    return [(name.encode(), value.encode()) for name, value in (form | headers).items()]


def settings(account: str = ACCOUNT, public: str = PUBLIC, tokens: str = TOKEN, **limits: Any) -> Settings:
    return Settings(
        _env_file=None,
        public_url=public,
        server=ServerSettings(**limits),
        TWILIO_ACCOUNT_SID=account,
        TWILIO_AUTH_TOKEN=tokens,
    )


def sign(url: str, form: dict[str, str], token: str = TOKEN) -> str:
    return RequestValidator(token).compute_signature(url, form)


def media_token(document: str) -> str:
    stream = ElementTree.fromstring(document).find("Connect/Stream")
    assert stream is not None, document
    return stream.attrib["url"].rpartition("/")[2]


def connected() -> str:
    return json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})


def start(call: str = CALL, account: str = ACCOUNT, **form: Any) -> str:
    media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1} | form
    body = {"accountSid": account, "streamSid": STREAM, "callSid": call, "mediaFormat": media_format}
    return json.dumps({"event": "start", "sequenceNumber": "1", "start": body, "streamSid": STREAM})


def media(mulaw: bytes = b"\xff" * 160, stream: str = STREAM, ms: int | str = "0") -> str:
    payload = base64.b64encode(mulaw).decode()
    return json.dumps({"event": "media", "streamSid": stream, "media": {"timestamp": ms, "payload": payload}})


def stop() -> str:
    return json.dumps({"event": "stop", "streamSid": STREAM, "stop": {"accountSid": ACCOUNT, "callSid": CALL}})
