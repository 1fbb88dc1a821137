"""The network between the carrier and the server: webhooks over HTTP, and the media socket.

In:   requests and upgrades, signed already.     Out: answers, and an open socket.
Rule: it knows of no calls. Over real sockets here, in memory in `asgi_network.py`.
"""

import socket as sockets
import struct
from collections.abc import Mapping
from typing import Final, Protocol

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

NORMAL: Final = 1000
LOST: Final = 1006
"""Close codes of RFC 6455 section 7.4.1: done; and gone without a word."""

_UNREAD_BYTES: Final = 131_072  # some five seconds of media that the far end has not read: more is dropped
_WRITE_BYTES: Final = 4 * _UNREAD_BYTES
_LINGER_NEVER: Final = struct.pack("ii", 1, 0)  # closing a socket with this sends RST, not FIN


class SocketRefused(Exception):
    """The upgrade was not answered with 101. status: what it was answered with, 0 for nothing."""

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


class SocketClosed(Exception):
    """The media socket is closed. code: of the close frame, 1006 if there was none;  broken: not a WebSocket's ways."""

    def __init__(self, code: int, broken: bool = False) -> None:
        super().__init__(f"closed with {code}")
        self.code = code
        self.broken = broken


class MediaSocket(Protocol):
    """One open media socket, the carrier's end."""

    async def send(self, text: str, *, may_drop: bool = False) -> bool:
        """Hand over a message; false when it was dropped, because the far end is seconds behind.

        Raises SocketClosed.
        """

    async def receive(self) -> str | bytes:
        """The next message of the far end. Raises SocketClosed."""

    async def close(self) -> None:
        """Say goodbye and close. Safe to repeat."""

    def freeze(self) -> None:
        """Take nothing more from the wire."""

    def abort(self) -> None:
        """Be gone without a word."""


class Network(Protocol):
    """What carries webhooks and media. http: for webhooks."""

    @property
    def http(self) -> httpx2.AsyncClient:
        """The client that webhooks are asked with."""

    async def open(self, url: str, headers: Mapping[str, str], within_s: float) -> MediaSocket:
        """Open a media socket. Raises SocketRefused, and TimeoutError when there is no answer in time."""

    async def aclose(self) -> None:
        """Let go of everything."""


class Internet:
    """Real sockets."""

    def __init__(self) -> None:
        self._http = httpx2.AsyncClient(trust_env=False, limits=httpx2.Limits(max_connections=None))

    @property
    def http(self) -> httpx2.AsyncClient:
        """A client with connections of its own."""
        return self._http

    async def open(self, url: str, headers: Mapping[str, str], within_s: float) -> MediaSocket:
        """Open a WebSocket without compression, as Twilio does."""
        try:
            socket = await connect(
                url,
                additional_headers=headers,
                compression=None,
                proxy=None,
                open_timeout=within_s,
                write_limit=_WRITE_BYTES,
            )
        except InvalidStatus as refused:
            raise SocketRefused(str(refused), refused.response.status_code) from refused
        except (InvalidHandshake, InvalidURI) as wrong:
            raise SocketRefused(str(wrong)) from wrong
        except TimeoutError:
            raise
        except OSError as wrong:
            raise SocketRefused(f"it cannot be opened: {wrong}") from wrong
        return _WebSocket(socket)

    async def aclose(self) -> None:
        """Close the connections of webhooks."""
        await self._http.aclose()


class _WebSocket:
    """A media socket over TCP."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def send(self, text: str, *, may_drop: bool = False) -> bool:
        if may_drop and self._socket.transport.get_write_buffer_size() > _UNREAD_BYTES:
            return False
        try:
            await self._socket.send(text)
        except ConnectionClosed as closed:
            raise _closed(closed) from closed
        return True

    async def receive(self) -> str | bytes:
        try:
            return await self._socket.recv()
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def close(self) -> None:
        await self._socket.close()

    def freeze(self) -> None:
        self._socket.transport.pause_reading()

    def abort(self) -> None:
        transport = self._socket.transport
        transport.get_extra_info("socket").setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, _LINGER_NEVER)
        transport.abort()


_PROTOCOL_ERRORS: Final = frozenset({1002, 1003, 1007, 1009})


def _closed(closed: ConnectionClosed) -> SocketClosed:
    """What we closed it with ourselves tells of a far end that breaks the protocol of WebSockets."""
    broken = closed.sent is not None and closed.sent.code in _PROTOCOL_ERRORS
    return SocketClosed(LOST if closed.rcvd is None else closed.rcvd.code, broken)
