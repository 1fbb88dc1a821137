"""A server for commands to ask, without sockets: the API with the real office behind it, in a thread of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import typer
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr
from typer.testing import CliRunner

from client_caller.app import STATUSES
from client_caller.cli.ask import Server
from client_caller.settings import Settings
from client_caller.web.api import api_app
from outbound_calls import Operator

KEY = "the-servers-key"


class Desk:
    """A server, and what happens while a command pauses. script: one step a pause, after which nothing happens."""

    def __init__(self, client: TestClient, app: FastAPI) -> None:
        self.script: list[Callable[[Operator], object]] = []
        self.pauses: list[float] = []
        self._client = client
        self._app = app

    def do(self, step: Callable[[Operator], Any]) -> None:
        """Have something happen in the server."""
        assert self._client.portal
        self._client.portal.call(step, self._app.state.operator)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < 1_000, "it is never over"
        if self.script:
            self.do(self.script.pop(0))

    def carry(self, request: httpx2.Request) -> httpx2.Response:
        """The network between a command and the server."""
        told = self._client.request(request.method, str(request.url), headers=request.headers, content=request.content)
        return httpx2.Response(told.status_code, headers=told.headers, content=told.content)

    def reach(self, settings: Settings, url: str) -> Server:
        return Server(settings, url, httpx2.MockTransport(self.carry), self.pause)


@contextmanager
def served_office(folder: Path) -> Iterator[Desk]:
    """A server at work."""

    @asynccontextmanager
    async def work(app: FastAPI) -> AsyncIterator[None]:
        operator = Operator(folder)
        app.state.operator = operator
        app.mount("/api", api_app(operator.office, SecretStr(KEY), STATUSES))
        operator.start()
        yield
        await operator.stop()

    app = FastAPI(openapi_url=None, lifespan=work)
    with TestClient(app) as client:
        yield Desk(client, app)


def run(command: typer.Typer, reach: Any, *words: str, columns: int = 220) -> tuple[int, str]:
    """Exit code and output, on a wide terminal unless it is told otherwise."""
    result = CliRunner().invoke(command, list(words), obj=reach, env={"COLUMNS": str(columns)})
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def answering(handler: Callable[[httpx2.Request], httpx2.Response]) -> Any:
    """A server that answers like this."""
    return partial(Server, transport=httpx2.MockTransport(handler), pause=lambda seconds: None)
