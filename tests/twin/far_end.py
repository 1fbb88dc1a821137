"""A server at the other end of the twin: documents by path, a media socket, and what it was asked."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request, Response, WebSocket
from starlette.websockets import WebSocketDisconnect
from twilio.request_validator import RequestValidator

from client_caller.twin.account import Twin
from client_caller.twin.asgi_network import Apps
from client_caller.twin.numbers import Number
from virtual import run

ACCOUNT, TOKEN = "AC" + "0" * 32, "an auth token"
PUBLIC = "https://voice.example.com"
OURS, THEIRS, COLLEAGUE = "+15550100002", "+15550100003", "+15550100004"
QUIET = b"\xff" * 160
Talk = Callable[["Stream"], Awaitable[None]]


class Stream:
    """The server's end of one media socket. messages: all that came but media; media: timestamps in ms."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.sid = ""
        self.start: dict[str, Any] = {}
        self.messages: list[dict[str, Any]] = []
        self.media: list[int] = []
        self.media_at: list[float] = []

    async def next(self) -> dict[str, Any]:
        """The next message; raises WebSocketDisconnect."""
        message: dict[str, Any] = json.loads(await self.socket.receive_text())
        if message["event"] == "media":
            self.media.append(int(message["media"]["timestamp"]))
            self.media_at.append(asyncio.get_running_loop().time())
        else:
            self.messages.append(message)
        if message["event"] == "start":
            self.sid, self.start = message["streamSid"], message["start"]
        return message

    async def after(self, frames: int) -> None:
        """Read until so many frames of media have come."""
        wanted = len(self.media) + frames
        while len(self.media) < wanted:
            await self.next()

    async def to_the_end(self) -> None:
        """Read until the carrier closes."""
        while True:
            await self.next()

    async def send(self, event: str, **content: Any) -> None:
        await self.socket.send_text(json.dumps({"event": event, "streamSid": self.sid, **content}))

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.messages if each["event"] == kind]


@dataclass
class Seen:
    path: str
    form: dict[str, str]
    token: str
    at: float


@dataclass
class FarEnd:
    """documents: for each path the document, or one after the other, or one made from the form."""

    documents: dict[str, Any] = field(default_factory=dict)
    talk: Talk | None = None
    seen: list[Seen] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)
    app: FastAPI = field(default_factory=FastAPI)

    def __post_init__(self) -> None:
        self.validator = RequestValidator(TOKEN)
        self.app.add_api_websocket_route("/media/{name}", self._media)
        self.app.add_api_route("/{path:path}", self._webhook, methods=["GET", "POST"])

    async def _webhook(self, request: Request) -> Response:
        url = PUBLIC + request.url.path + (f"?{request.url.query}" if request.url.query else "")
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        if not self.validator.validate(url, form, request.headers.get("x-twilio-signature", "")):
            self.forged.append(url)
        token = request.headers.get("i-twilio-idempotency-token", "")
        fields = form | dict(request.query_params)
        self.seen.append(Seen(request.url.path, fields, token, asyncio.get_running_loop().time()))
        answer = self.documents.get(request.url.path, "")
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer) and not isinstance(answer, Response):
            answer = answer(fields)
        if isinstance(answer, Awaitable):
            answer = await answer
        return Response(answer, media_type="text/xml") if isinstance(answer, str) else answer

    async def _media(self, socket: WebSocket) -> None:
        url = "wss" + PUBLIC.removeprefix("https") + socket.url.path
        if not self.validator.validate(url, {}, socket.headers.get("x-twilio-signature", "")):
            self.forged.append(url)
        await socket.accept()
        stream = Stream(socket)
        self.streams.append(stream)
        try:
            while not stream.sid:
                await stream.next()
            await (self.talk or Stream.to_the_end)(stream)
        except WebSocketDisconnect:
            return

    def forms(self, path: str) -> list[dict[str, str]]:
        return [each.form for each in self.seen if each.path == path]


def document(verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><Response>{verbs}</Response>'


STREAM = f'<Stream url="wss{PUBLIC.removeprefix("https")}/media/one"/>'


def held(end: FarEnd, scene: Callable[[Twin], Awaitable[Any]], number: Number | None = None, **options: Any) -> Any:
    """What a scene with a twin on the virtual clock comes to; nothing it sent may be forged."""
    number = number or Number(OURS, f"{PUBLIC}/voice", f"{PUBLIC}/status")

    async def main() -> Any:
        async with Twin(ACCOUNT, TOKEN, Apps(end.app), numbers=[number], **options) as twin:
            outcome = await scene(twin)
            await twin.quiet()
            return outcome

    outcome = run(main())
    assert end.forged == []
    return outcome
