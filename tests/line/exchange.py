"""A server with Twilio's routes and a desk that only listens; what Twilio would send it, signed as Twilio signs."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketTestSession
from twilio.request_validator import RequestValidator

from client_caller.errors import LineLost
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

    def __init__(self, words: int | None = None) -> None:
        self.room = True
        self.pasts: dict[str, Past] = {}
        self.words = words
        self.answered: list[str] = []
        self.received: list[Inbound] = []
        self.losses: list[str] = []
        self.news: list[News] = []

    def has_room(self, promised: int = 0) -> bool:
        return self.room

    def hear_of(self, news: News) -> None:
        self.news.append(news)

    def past(self, call_id: str) -> Past | None:
        return self.pasts.get(call_id)

    async def answer(self, line: Line) -> None:
        self.answered.append(line.call_id)
        try:
            async for message in line.receive():
                self.received.append(message)
                if len(self.received) == self.words:
                    await line.hang_up()
        except LineLost as lost:
            self.losses.append(str(lost))


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
