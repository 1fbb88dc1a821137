"""The network in memory: requests and media sockets go straight into ASGI applications.

In:   an application, or one for each origin.     Out: a `Network` without sockets and threads.
Rule: it takes no time of its own, so that on a clock that jumps whole calls pass in milliseconds.

Time limits hold as over a wire: who does not answer in time goes on all the same, and is not heard. What an
application raises is kept in `crashes`; the carrier sees what it would see over a wire, a 500 or a lost socket.
Applications are not started up: who needs their lifespan runs it.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx2
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from client_caller.twin.asgi_socket import AppSocket, ClientGone
from client_caller.twin.network import MediaSocket, SocketRefused

_ANYWHERE: Final = "*"
_GOODBYE_S: Final = 10.0
_SECURE: Final = {"ws": "http", "wss": "https"}


class AppTransport:
    """A transport of httpx2 into ASGI applications, with time limits. find: who answers at an address; None: nobody."""

    def __init__(self, find: Callable[[str], ASGIApp | None]) -> None:
        self._find = find
        self._going_on: set[asyncio.Task[httpx2.Response]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The application's answer. Raises httpx2.ConnectError and httpx2.ReadTimeout."""
        app = self._find(str(request.url))
        if app is None:
            raise httpx2.ConnectError("nobody listens there", request=request)
        within_s = request.extensions.get("timeout", {}).get("read")
        transport = httpx2.ASGITransport(app=_until_answered(app), raise_app_exceptions=False)
        answering = asyncio.create_task(transport.handle_async_request(request))
        self._going_on.add(answering)
        answering.add_done_callback(self._going_on.discard)
        try:
            async with asyncio.timeout(within_s):
                return await asyncio.shield(answering)
        except TimeoutError as late:
            raise httpx2.ReadTimeout(f"no answer within {within_s} s", request=request) from late

    async def __aenter__(self) -> "AppTransport":
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def aclose(self) -> None:
        """Give what goes on, unheard, a while to end."""
        await _wound_up(self._going_on)


def _until_answered(app: ASGIApp) -> ASGIApp:
    """The same application; what it goes on with when its answer is out is not waited for, as over a wire."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(_: object = None) -> None:
            if not answered.done():
                answered.set_result(None)

        async def noticed(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                settle()

        running = asyncio.ensure_future(app(scope, receive, noticed))
        running.add_done_callback(settle)
        try:
            await answered
        except asyncio.CancelledError:
            running.cancel()
            raise
        if running.done():
            running.result()

    return answer


async def _wound_up(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait for tasks for a while, then cancel them."""
    if tasks:
        _, slow = await asyncio.wait(tasks, timeout=_GOODBYE_S)
        for task in slow:
            task.cancel()


def transport_to(app: ASGIApp) -> httpx2.AsyncBaseTransport:
    """For `httpx2.AsyncClient(transport=…)`: every request goes straight into this application."""
    return cast(httpx2.AsyncBaseTransport, AppTransport(lambda url: app))


class Apps:
    """A network on which these applications answer.

    apps: one for every address, or one for each origin, as "https://voice.example.com". They may be changed at any
    time; an origin that is not among them cannot be reached. http: a client whose requests go into them;
    crashes: what they raised.
    """

    def __init__(self, apps: ASGIApp | Mapping[str, ASGIApp]) -> None:
        self.apps: dict[str, ASGIApp] = dict(apps) if isinstance(apps, Mapping) else {_ANYWHERE: apps}
        self.crashes: list[BaseException] = []
        self._running: set[asyncio.Task[None]] = set()
        transport = cast(httpx2.AsyncBaseTransport, AppTransport(self._at))
        self._http = httpx2.AsyncClient(transport=transport, trust_env=False)

    @property
    def http(self) -> httpx2.AsyncClient:
        """A client whose requests go into the applications."""
        return self._http

    async def open(self, url: str, headers: Mapping[str, str], within_s: float) -> MediaSocket:
        """Open a WebSocket into the application at this address."""
        app = self._at(url)
        if app is None:
            raise SocketRefused("it cannot be opened: nobody listens there")
        socket = AppSocket(app, url, headers)
        self._running.add(socket.task)
        socket.task.add_done_callback(self._running.discard)
        async with asyncio.timeout(within_s):
            await socket.open()
        return socket

    def kill(self) -> None:
        """End all media sockets at once, as when the process of the applications is killed. Take it out of `apps`, too,
        unless another is there."""
        for task in self._running:
            task.cancel()

    async def aclose(self) -> None:
        """Give the applications that still serve a socket a while to end."""
        await self._http.aclose()
        await _wound_up(self._running)

    def _at(self, url: str) -> ASGIApp | None:
        parts = urlsplit(url)
        origin = f"{_SECURE.get(parts.scheme, parts.scheme)}://{parts.netloc}"
        app = self.apps.get(origin) or self.apps.get(_ANYWHERE)
        if app is None:
            return None
        return self._noted(app)

    def _noted(self, app: ASGIApp) -> ASGIApp:
        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            with _Noting(self.crashes):
                await app(scope, receive, send)

        return noted


class _Noting:
    """Keeps what is raised inside, and lets it pass."""

    def __init__(self, crashes: list[BaseException]) -> None:
        self._crashes = crashes

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: type[BaseException] | None, crash: BaseException | None, _: TracebackType | None) -> None:
        if crash is not None and not isinstance(crash, asyncio.CancelledError | ClientGone):
            self._crashes.append(crash)
