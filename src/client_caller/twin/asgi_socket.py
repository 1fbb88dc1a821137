"""A WebSocket in memory: the client's end of one that an ASGI application serves.

In:   texts of the client.     Out: texts of the application.
Rule: both ways are bounded. What the application does not read is dropped or waited for; what the client does not read
      holds the application up, as TCP does.

Source: asgi.readthedocs.io/en/latest/specs/www.html, "WebSocket".
"""

import asyncio
from collections import deque
from collections.abc import Mapping, MutableMapping
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp

from client_caller.twin.network import LOST, NORMAL, SocketClosed, SocketRefused

_UNREAD: Final = 256  # messages: some five seconds of media
_FORBIDDEN: Final = 403


class ClientGone(OSError):
    """An application sends to a client that is gone; servers let that pass."""


class AppSocket:
    """One WebSocket into an application. task: the application."""

    def __init__(self, app: ASGIApp, url: str, headers: Mapping[str, str]) -> None:
        self._app = app
        self._scope = _scope(url, headers)
        self._to_app: deque[str] = deque()
        self._from_app: deque[str | bytes] = deque()
        self._app_waits: asyncio.Future[None] | None = None  # for a message, or the end
        self._client_waits: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None  # in what the client has not read
        self._answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked = False
        self._frozen = False
        self._code: int | None = None  # with which it was closed, by whomever
        self.task = asyncio.create_task(self._serve())
        self.task.add_done_callback(self._over)

    async def open(self) -> None:
        """Wait for the upgrade. Raises SocketRefused."""
        try:
            await self._answered
        except asyncio.CancelledError:
            self.abort()
            raise

    async def send(self, text: str, *, may_drop: bool = False) -> bool:
        """Hand over a message; false when it was dropped. Raises SocketClosed."""
        if self._code is not None:
            raise SocketClosed(self._code)
        if len(self._to_app) >= _UNREAD:
            if may_drop:
                return False
            if len(self._to_app) >= 4 * _UNREAD:
                self.abort()
                raise SocketClosed(LOST)
        self._to_app.append(text)
        if self._app_waits is not None:
            _wake(self._app_waits)
        return True

    async def receive(self) -> str | bytes:
        """The next message of the application. Raises SocketClosed once all are read."""
        while not self._from_app or self._frozen:
            if self._code is not None:
                raise SocketClosed(self._code)
            self._client_waits = asyncio.get_running_loop().create_future()
            await self._client_waits
        text = self._from_app.popleft()
        if self._room is not None:
            _wake(self._room)
        return text

    async def close(self) -> None:
        """Close; the application reads what is left, and ends in its own time."""
        self._end(NORMAL)

    def freeze(self) -> None:
        """Take nothing more."""
        self._frozen = True

    def abort(self) -> None:
        """Be gone; what was on its way is lost."""
        self._to_app.clear()
        self._end(LOST)

    def _end(self, code: int) -> None:
        if self._code is None:
            self._code = code
        for waiting in (self._app_waits, self._client_waits, self._room):
            if waiting is not None:
                _wake(waiting)

    async def _serve(self) -> None:
        await self._app(self._scope, self._to_application, self._of_application)

    def _over(self, task: asyncio.Task[None]) -> None:
        """The application has ended; what it raised is the network's to note."""
        self._end(LOST)
        if not self._answered.done():
            self._answered.set_exception(SocketRefused("the upgrade was not answered", 500))
        if not task.cancelled():
            task.exception()

    async def _to_application(self) -> dict[str, Any]:
        if not self._asked:
            self._asked = True
            return {"type": "websocket.connect"}
        while not self._to_app:
            if self._code is not None:
                return {"type": "websocket.disconnect", "code": self._code, "reason": ""}
            self._app_waits = asyncio.get_running_loop().create_future()
            await self._app_waits
        return {"type": "websocket.receive", "text": self._to_app.popleft()}

    async def _of_application(self, message: MutableMapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "websocket.send":
            await self._deliver(message)
        elif kind == "websocket.accept":
            if not self._answered.done():
                self._answered.set_result(None)
        elif self._answered.done():
            if kind == "websocket.close":
                self._end(message.get("code", NORMAL))
        elif kind in {"websocket.close", "websocket.http.response.start"}:
            status = message.get("status", _FORBIDDEN)
            self._code = LOST
            self._answered.set_exception(SocketRefused(f"server rejected WebSocket connection: HTTP {status}", status))

    async def _deliver(self, message: MutableMapping[str, Any]) -> None:
        while self._code is None and len(self._from_app) >= _UNREAD:
            self._room = asyncio.get_running_loop().create_future()
            await self._room
        if self._code is not None:
            raise ClientGone
        text = message.get("text")
        self._from_app.append(message["bytes"] if text is None else text)
        if self._client_waits is not None:
            _wake(self._client_waits)


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _scope(url: str, headers: Mapping[str, str]) -> dict[str, Any]:
    parts = urlsplit(url)
    sent = {"host": parts.netloc, "upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
    sent |= {name.lower(): value for name, value in headers.items()}
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": parts.scheme,
        "path": unquote(parts.path) or "/",
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": ("203.0.113.1", 40_000),
        "server": (parts.hostname, parts.port or 443),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
