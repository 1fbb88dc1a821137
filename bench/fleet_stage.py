"""Several gateways on this machine, each a process with fakes for engines, that share one database; and what stands
before them.

In:   a folder and a database.     Out: gateways to be started, killed and drained; a network whose webhooks reach any.
Rule: gateways know of each other only what the database and their webhooks tell. The carrier knows one public address,
      behind which every request goes to the next gateway in turn, whoever holds the call; media goes where it is told.
"""

import asyncio
import itertools
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx2

from client_caller.errors import ConfigError
from client_caller.rehearsal.stage import ACCOUNT_SID, serving_process
from client_caller.settings import environment_with
from wire_caller import Tapped
from wire_stage import SERVER

PUBLIC: Final = "https://phone.example"

_UP_WITHIN_S: Final = 120.0
_KNOWN_AFTER_S: Final = 1.5
"""Seconds after which all gateways have heard of a new one: they tell each other once a second."""


class Gateways:
    """The processes. drain_s: how long a gateway that is told to stop waits for its calls to end."""

    def __init__(self, folder: Path, database: str, calls_at_once: int, drain_s: float = 0.0) -> None:
        self.auth_token = secrets.token_hex(16)
        self.folder = folder
        self._key = secrets.token_hex(16)
        self._database = database
        self._calls_at_once = calls_at_once
        self._drain_s = drain_s
        self._ports: dict[str, int] = {}
        self._running: dict[str, asyncio.subprocess.Process] = {}

    @property
    def addresses(self) -> list[str]:
        """Of those that run."""
        return [self._address(name) for name in self._running]

    def records(self, name: str) -> Path:
        """Where a gateway leaves its records: its own disk, so to speak."""
        return self.folder / name / "calls"

    async def start(self, name: str) -> None:
        """Start a gateway, or start it anew at its old address. Raises ConfigError when it does not come up."""
        self._ports.setdefault(name, _free_port())
        here = self.folder / name
        here.mkdir(parents=True, exist_ok=True)
        address = self._address(name)
        environment = environment_with(
            {
                "TWILIO_AUTH_TOKEN": self.auth_token,
                "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
                "CLIENT_CALLER_PUBLIC_URL": PUBLIC,
                "CLIENT_CALLER_SERVER__DRAIN_S": str(self._drain_s),
                "CLIENT_CALLER_SERVER__CALLS_AT_ONCE": str(self._calls_at_once),
                "CLIENT_CALLER_RECORDS__FOLDER": str(here / "calls"),
                "CLIENT_CALLER_LEDGER__URL": self._database,
                "CLIENT_CALLER_FLEET__NAME": name,
                "CLIENT_CALLER_FLEET__ADDRESS": address,
                "CLIENT_CALLER_FLEET__STREAM_URL": address,
                "CLIENT_CALLER_FLEET__KEY": self._key,
            }
        )
        with (here / "server.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, str(SERVER), "--port", str(self._ports[name])),
                env=environment,
                cwd=here,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert process.stdout is not None
        async with asyncio.timeout(_UP_WITHIN_S):
            if b" answers calls at " not in await process.stdout.readline():
                raise ConfigError(f"gateway {name} did not come up: see {here / 'server.log'}")
        self._running[name] = process
        await asyncio.sleep(_KNOWN_AFTER_S)

    async def kill(self, name: str) -> None:
        """Have it be gone, supervisor and all, as when a machine loses its power."""
        serving = await serving_process(self._address(name))
        process = self._running.pop(name)
        for each in (serving, process.pid):
            os.kill(each, signal.SIGKILL)
        await process.wait()

    async def drain(self, name: str) -> None:
        """Tell it to stop, and wait until it has."""
        process = self._running[name]
        process.terminate()
        await process.wait()
        del self._running[name]

    async def stop(self) -> None:
        """Stop all."""
        for name in list(self._running):
            await self.drain(name)

    def kill_all(self) -> None:
        """Whatever happens, leave no process behind."""
        for process in self._running.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def _address(self, name: str) -> str:
        return f"http://127.0.0.1:{self._ports[name]}"


@asynccontextmanager
async def fleet_of(
    names: list[str], folder: Path, database: str, calls_at_once: int, drain_s: float = 0.0
) -> AsyncIterator[Gateways]:
    """Gateways that run while the block does."""
    gateways = Gateways(folder, database, calls_at_once, drain_s)
    try:
        for name in names:
            await gateways.start(name)
        yield gateways
        await gateways.stop()
    finally:
        gateways.kill_all()


class Balanced(Tapped):
    """Real sockets, and a balancer for webhooks: each goes to the next gateway, past those that do not answer."""

    def __init__(self, gateways: Gateways) -> None:
        super().__init__()
        self._balancer = httpx2.AsyncClient(transport=_InTurn(gateways))

    @property
    def http(self) -> httpx2.AsyncClient:
        """The client that webhooks are asked with."""
        return self._balancer

    async def aclose(self) -> None:
        """Let go of everything."""
        await self._balancer.aclose()
        await super().aclose()


class _InTurn(httpx2.AsyncBaseTransport):
    def __init__(self, gateways: Gateways) -> None:
        self._gateways = gateways
        self._turn = itertools.count()
        self._wire = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        first, refused = next(self._turn), None
        addresses = self._gateways.addresses
        for number in range(len(addresses)):
            address = httpx2.URL(addresses[(first + number) % len(addresses)])
            request.url = request.url.copy_with(scheme=address.scheme, host=address.host, port=address.port)
            try:
                return await self._wire.handle_async_request(request)
            except httpx2.ConnectError as wrong:
                refused = wrong
        raise refused or httpx2.ConnectError("no gateway runs")

    async def aclose(self) -> None:
        await self._wire.aclose()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
