"""A WebSocket with no network under it: for an application, or for a line alone, on any event loop."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from itertools import chain
from typing import Any

from starlette.websockets import WebSocket

Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class MemorySocket:
    """The far end. It sends `texts`, each when the near end asks for one, and then what it is told to.

    sent: texts that the near end sent;  code: that with which it closed, None while it has not.
    """

    def __init__(self, texts: Iterable[str | bytes] = (), path: str = "/") -> None:
        self.sent: list[str] = []
        self.code: int | None = None
        self._first = chain([{"type": "websocket.connect"}], map(_received, texts))
        self._waiting: deque[MutableMapping[str, Any]] = deque()
        self._something = asyncio.Event()
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "client": ("192.0.2.1", 4711),
            "server": ("voice.example.com", 443),
            "scheme": "wss",
            "subprotocols": [],
        }

    def text(self, text: str) -> None:
        """Send a text."""
        self._put(_received(text))

    def close(self) -> None:
        """Be gone."""
        self._put({"type": "websocket.disconnect", "code": 1006})

    def _put(self, message: MutableMapping[str, Any]) -> None:
        self._waiting.append(message)
        self._something.set()

    async def _receive(self) -> MutableMapping[str, Any]:
        if (first := next(self._first, None)) is not None:
            return first
        while not self._waiting:
            self._something.clear()
            await self._something.wait()
        return self._waiting.popleft()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "websocket.send":
            self.sent.append(message["text"])
        elif message["type"] == "websocket.close":
            self.code = message.get("code", 1000)

    async def opened_to(self, app: Asgi) -> None:
        """Be served by an application, to the end."""
        await app(self.scope, self._receive, self._send)

    async def accepted(self) -> WebSocket:
        """The near end, accepted."""
        socket = WebSocket(self.scope, self._receive, self._send)
        await socket.accept()
        return socket


def _received(content: str | bytes) -> MutableMapping[str, Any]:
    return {"type": "websocket.receive", "text" if isinstance(content, str) else "bytes": content}
