"""The door of a gateway: what concerns a call that another gateway holds is passed on to that one.

In:   HTTP requests about calls.     Out: the answer of the gateway that holds the call, be it this one or another.
Rule: media never passes here, and nothing is held back: a request that cannot be passed on is answered here, or by the
      gateway that goes on with the call. What is passed on is passed on once.

A new call goes to the gateway that is filled least, whose own address its media stream is then opened at. When the one
that holds a call is gone, or leaves, the call goes to another, which finds in the database what the call wrote down.
"""

import asyncio
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import httpx2
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from client_caller.fleet.fleet import Fleet
from client_caller.fleet.gateways import Gateway

log = logging.getLogger("client_caller.fleet")

KEY: Final = "x-client-caller-fleet"
"""Header of a request that another gateway has passed on: the key that all share."""

MOVED: Final = "x-client-caller-moved"
"""Header of one that is about a call which that gateway holds from now on."""

_API: Final = "/api/"
_LONGEST: Final = {"/twilio/": 65_536, _API: 8 * 1024 * 1024}
"""Bytes of a body that is read, by how its path begins. What is longer the application refuses by itself."""

_WITHIN_S: Final = httpx2.Timeout(4.0, connect=0.7)
"""Twilio waits for 15 s, and three gateways may be tried."""

_TRIES: Final = 3
_OFFICE_WITHIN_S: Final = 5.0
_FLUSH_S: Final = 0.5
_AT_ONCE: Final = 100
_OF_A_CALL: Final = re.compile(r"/api/calls/([A-Za-z0-9_:-]{1,128})/(?:transfer|keys|hang-up)")

_NOT_PASSED_ON: Final = frozenset(
    {"host", "connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", KEY, MOVED}
)

_PASSED_BACK: Final = (b"content-type", b"retry-after")


class About(Protocol):
    """What a request is about; see line/twilio_whose.py."""

    @property
    def call_id(self) -> str: ...
    @property
    def order(self) -> str: ...
    @property
    def kind(self) -> str: ...


Whose = Callable[[str, Mapping[str, str], bytes], About | None]
"""Finds what a request is about, given its target, headers and body; None: nothing that is passed on."""


class Journals(Protocol):
    """The copies of what calls wrote down."""

    async def flush(self, call_id: str | None = None, within_s: float = ...) -> bool: ...

    async def bring(self, call_id: str) -> None:
        """Put into this gateway's folder of records what another has written of a call."""


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def is_of(self, key: str) -> bool:
        """Whether another gateway has passed it on."""
        given = next((value for name, value in self.headers if name == KEY), "")
        return bool(key) and hmac.compare_digest(given.encode(), key.encode())

    @property
    def is_moved(self) -> bool:
        return any(name == MOVED for name, _ in self.headers)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Front:
    """An ASGI application around the one that answers calls.

    key: what gateways show each other;  whose: finds the call of a request;  order_known: waits until an order of ours
    is known here;  is_operator: whether a request has the operator's key: of others no part of a body is read;
    transport: what carries requests, None for the network.
    """

    def __init__(
        self,
        app: ASGIApp,
        fleet: Fleet,
        journals: Journals,
        key: str,
        whose: Whose,
        order_known: Callable[[], Awaitable[None]],
        is_operator: Callable[[Scope], bool],
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._app = app
        self._fleet = fleet
        self._journals = journals
        self._key = key
        self._whose = whose
        self._order_known = order_known
        self._is_operator = is_operator
        limits = httpx2.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE)
        self._client = httpx2.AsyncClient(timeout=_WITHIN_S, limits=limits, transport=transport, trust_env=False)

    async def close(self) -> None:
        """Close idle connections to other gateways."""
        await self._client.aclose()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or have it answered."""
        path = _path_of(scope)
        longest = next((size for start, size in _LONGEST.items() if path.startswith(start)), 0)
        if scope["type"] != "http" or scope["method"] != "POST" or not longest:
            await self._app(scope, receive, send)
            return
        if path.startswith(_API) and not self._is_operator(scope):
            await self._app(scope, receive, send)
            return
        read, body, is_whole = await _read(receive, longest)

        async def again() -> Message:
            return read.pop(0) if read else await receive()

        answer: _Answer | None = None
        if is_whole:
            answer = await self._elsewhere(_request_of(scope, body))
        if answer is None:
            await self._app(scope, again, send)
        else:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
            await send({"type": "http.response.body", "body": answer.body})

    async def _elsewhere(self, request: _Request) -> _Answer | None:
        """What another gateway answers; None when it is this one that must."""
        path = request.target.partition("?")[0]
        if path.startswith(_API):
            return None if request.is_of(self._key) else await self._of_the_operator(request, path)
        about = self._whose(request.target, dict(request.headers), request.body)
        if about is None:
            return None
        if request.is_of(self._key):
            return await self._passed_on(request, about)
        return await self._of_a_call(request, about)

    async def _passed_on(self, request: _Request, about: About) -> _Answer | None:
        """A request that another gateway thinks is for this one."""
        if self._fleet.state in ("loading", "leaving"):
            await self._journals.flush(about.call_id, _FLUSH_S)
            return _Answer(503, [], b"")
        if request.is_moved:
            await self._take_up(about)
        return None

    async def _of_the_operator(self, request: _Request, path: str) -> _Answer | None:
        """What is asked about a running call goes to who holds it, all else to who places calls."""
        found = _OF_A_CALL.fullmatch(path)
        name = await self._fleet.holder(found[1]) if found else await self._fleet.office()
        gateway = self._fleet.gateway(name)
        return await self._ask(gateway, request) if gateway else None

    async def _of_a_call(self, request: _Request, about: About) -> _Answer | None:
        """A request of the carrier's: to the gateway that holds the call, to the next one if that is gone."""
        fleet, moved = self._fleet, False
        # Who is to go on with a call must know for sure who held it last: what is remembered may be of two moves ago.
        lately = fleet.held_lately(about.call_id) if about.kind == "news" else ""
        name = lately or await fleet.holder(about.call_id) or await self._first(about)
        tried: list[str] = []
        while name not in ("", *tried) and len(tried) < _TRIES:
            gateway = fleet.gateway(name)
            if gateway and (answer := await self._ask(gateway, request, moved=moved)):
                return answer
            if name == fleet.name and (fleet.state in ("open", "retiring") or fleet.choose() == name):
                if moved:
                    await self._take_up(about)
                return None
            if about.kind == "news":  # nobody waits for a document: it is kept here
                return None
            if name == fleet.name:
                await self._journals.flush(about.call_id, _FLUSH_S)
            tried.append(name)
            name, moved = await fleet.move(about.call_id, name, await self._next(about, tried)), True
        return None

    async def _first(self, about: About) -> str:
        """Have somebody hold a call that nobody holds; empty when this request is none that begins one."""
        if about.order:
            return await self._fleet.claim(about.call_id, await self._next(about, ()))
        return await self._fleet.claim(about.call_id, self._fleet.choose()) if about.kind == "first" else ""

    async def _next(self, about: About, tried: list[str] | tuple[()]) -> str:
        """Who holds a call from now on: one that we placed, who places calls, for there its order is known."""
        office = await self._fleet.office(_OFFICE_WITHIN_S) if about.order else ""
        return office if office and office not in tried else self._fleet.choose(tried)

    async def _take_up(self, about: About) -> None:
        """This gateway goes on with a call that another held."""
        await self._journals.bring(about.call_id)
        if about.order:
            await self._order_known()

    async def _ask(self, gateway: Gateway, request: _Request, *, moved: bool = False) -> _Answer | None:
        """What a gateway answers; None when it cannot, or takes none now."""
        headers = [(name, value) for name, value in request.headers if name not in _NOT_PASSED_ON]
        headers += [(KEY, self._key), *([(MOVED, "1")] if moved else [])]
        try:
            answer = await self._client.request(
                request.method, gateway.address + request.target, content=request.body, headers=headers
            )
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as wrong:
            log.warning("a gateway does not answer", extra={"gateway": gateway.name, "why": type(wrong).__name__})
            return None
        if answer.status_code == httpx2.codes.SERVICE_UNAVAILABLE:
            return None
        kept = [
            (name, value) for name, value in answer.headers.raw if name.lower() in (b"content-type", b"retry-after")
        ]
        return _Answer(answer.status_code, [*kept, (b"content-length", b"%d" % len(answer.content))], answer.content)


async def _read(receive: Receive, longest: int) -> tuple[list[Message], bytes, bool]:
    """The messages of a body, the body, and whether it is whole: neither too long nor broken off."""
    read, body = list[Message](), bytearray()
    while True:
        message = await receive()
        read.append(message)
        if message["type"] != "http.request":
            return read, bytes(body), False
        body += message.get("body", b"")
        if len(body) > longest:
            return read, bytes(body), False
        if not message.get("more_body", False):
            return read, bytes(body), True


def _path_of(scope: Scope) -> str:
    return str(scope.get("path", ""))


def _request_of(scope: Scope, body: bytes) -> _Request:
    query = scope["query_string"].decode("latin-1")
    headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    path = _path_of(scope)
    return _Request(scope["method"], f"{path}?{query}" if query else path, headers, body)


async def when(event: asyncio.Event, within_s: float) -> None:
    """Wait for something, and not for long."""
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        log.warning("what is known of our own calls is slow to be read", extra={"waited_s": within_s})
