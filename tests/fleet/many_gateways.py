"""Gateways in one process, for tests: real doors, a real database, and houses that only note what they were asked."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from starlette.types import Receive, Scope, Send

from client_caller.fleet.fleet import Fleet
from client_caller.fleet.front import Front
from client_caller.fleet.gateways import State
from client_caller.ledger.ledger import Ledger, open_ledger
from client_caller.settings import FleetSettings

KEY = "shared by all"


@dataclass
class House:
    """How a house stands."""

    state: State = "open"
    running: int = 0
    room: int = 8


@dataclass(frozen=True)
class About:
    """What a request is about: told by the test itself, in headers."""

    call_id: str
    order: str
    kind: str


def whose(target: str, headers: Mapping[str, str], body: bytes) -> About | None:
    if "x-call" not in headers:
        return None
    return About(headers["x-call"], headers.get("x-order", ""), headers.get("x-kind", "first"))


def is_operator(scope: Scope) -> bool:
    return (b"authorization", b"Bearer key") in scope["headers"]


@dataclass
class Journals:
    """What was done with journals."""

    flushed: list[str | None] = field(default_factory=list)
    brought: list[str] = field(default_factory=list)

    async def flush(self, call_id: str | None = None, within_s: float = 1.0) -> bool:
        self.flushed.append(call_id)
        return True

    async def bring(self, call_id: str) -> None:
        self.brought.append(call_id)


class Many:
    """Some gateways and the network between them. dead: those that do not answer."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.dead: set[str] = set()
        self.gateways: dict[str, One] = {}

    async def beat(self) -> None:
        """Have each tell how it stands, and then each know it of all others."""
        for _ in range(2):
            for name, gateway in self.gateways.items():
                if name not in self.dead:
                    await gateway.fleet.beat()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.host in self.dead:
            raise httpx2.ConnectError("nobody there")
        return await self.gateways[request.url.host].transport.handle_async_request(request)

    def open(self, ledger: Ledger, name: str) -> "One":
        self.gateways[name] = one = One(self, ledger, name)
        self._stack.push_async_callback(one.front.close)
        return one


class _Between(httpx2.AsyncBaseTransport):
    def __init__(self, many: Many) -> None:
        self._many = many

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._many.handle_async_request(request)


class One:
    """One gateway. asked: paths that its own application answered."""

    def __init__(self, many: Many, ledger: Ledger, name: str) -> None:
        self.name = name
        self.house = House()
        self.journals = Journals()
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.orders_awaited = 0
        settings = FleetSettings(name=name, address=f"http://{name}", key=KEY)  # type: ignore[arg-type]
        self.fleet = Fleet(settings, ledger, self.house)
        self.front = Front(
            self._app, self.fleet, self.journals, KEY, whose, self._order_known, is_operator, _Between(many)
        )
        self.transport = httpx2.ASGITransport(self.front)

    async def post(self, call: str = "", path: str = "/twilio/voice", body: bytes = b"", **headers: str) -> str:
        """What a request of the carrier's at this gateway is answered with."""
        about = {"x-call": call} if call else {}
        async with httpx2.AsyncClient(transport=self.transport, base_url="https://public.example") as client:
            sent = {**about, **{name.replace("_", "-"): value for name, value in headers.items()}}
            answer = await client.post(path, content=body, headers=sent)
        return answer.text

    async def _order_known(self) -> None:
        self.orders_awaited += 1

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.asked.append(scope["path"])
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/xml")]})
        await send({"type": "http.response.body", "body": f"{self.name} answers".encode()})


def play(url: str, folder: Path, scene: Any, names: tuple[str, ...] = ("north", "south")) -> None:
    """Run a scene, given all gateways and then each by itself, open and known to the others."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            many = Many(stack)
            ledger = open_ledger(url, folder / "spill.jsonl")
            stack.push_async_callback(ledger.close)
            ones = [many.open(ledger, name) for name in names]
            await many.beat()
            await scene(many, *ones)

    asyncio.run(main())
