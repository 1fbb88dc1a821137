"""One serving process: the address, the engines, the web server, in the order in which they must come and go.

Out:  calls answered until the process is told to stop. The socket listens first and is answered at once, so that nobody
      is refused; who calls while models are loaded is told to ask again in a second, as often as it takes.

SIGTERM and SIGINT retire the house: no new call is taken, running calls end in peace, and those that still run after a
while are handed over to whoever answers next. A second signal hands over at once. SIGHUP has the
configuration read anew.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from types import FrameType
from typing import Final
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from client_caller.agent import Agent, load_agent
from client_caller.app import carrier_of, check_carrier, furnished, metered, staffed, summing_up, web_app, working
from client_caller.errors import ConfigError
from client_caller.fleet.fleet import Fleet
from client_caller.heap import keep_giving_back, settle
from client_caller.house import House
from client_caller.joining import check_fleet, joined
from client_caller.keys import metrics_key
from client_caller.ledger.ledger import open_ledger
from client_caller.listening import inherited, listening
from client_caller.metering import Meter
from client_caller.reloading import Reloader, Source
from client_caller.serving_loop import run_serving
from client_caller.settings import Settings
from client_caller.sighup import on_sighup
from client_caller.toolkit import Toolkit
from client_caller.web.metrics import metrics_router

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_MESSAGE_BYTES: Final = 65_536
"""The largest media message. Twilio's are about 300 bytes; the default of 16 MiB would be an invitation."""

_GRACE_S: Final = 5
"""Seconds that answers in progress get when no call is left."""

_STANDARD_INPUT: Final = 0


def run_server(
    settings: Settings,
    *,
    insecure: bool = False,
    listen_fd: int | None = None,
    source: Source | None = None,
) -> None:
    """Serve until a signal stops it. Model files must be there.

    insecure: believe unsigned requests; refused unless both ends of the address are on this machine, and so is the
    public one.
    listen_fd: the socket of a supervisor, whose end is noticed by that of standard input;
    source: where the settings come from, to be read anew at SIGHUP; None: they stay as they are.
    Raises ConfigError, ModelUnavailable, EngineError.
    """
    host = settings.server.host
    if insecure and host not in _LOOPBACK:
        raise ConfigError(f"--insecure listens on loopback only, not on {host}: leave it out, or use --host 127.0.0.1")
    agent = load_agent(settings.agent)
    with listening(host, settings.server.port) if listen_fd is None else inherited(listen_fd) as listener:
        if not settings.public_url and host in _LOOPBACK:
            here = f"http://{host}:{listener.getsockname()[1]}"
            settings = settings.model_copy(update={"public_url": here})
            source = source and source.reached_at(here)
        if insecure and urlsplit(settings.public_url).hostname not in _LOOPBACK:
            raise ConfigError(
                f"--insecure would believe whoever knows {settings.public_url}: leave it out, or leave "
                "CLIENT_CALLER_PUBLIC_URL empty and open no tunnel"
            )
        check_fleet(settings)
        check_carrier(settings, insecure=insecure)
        lifeline = None if listen_fd is None else _STANDARD_INPUT
        run_serving(_serve(settings, agent, listener, lifeline, source, insecure=insecure))


async def _serve(
    settings: Settings,
    agent: Agent,
    listener: socket.socket,
    lifeline: int | None,
    source: Source | None,
    *,
    insecure: bool,
) -> None:
    async with AsyncExitStack() as stack:
        ledger = open_ledger(settings.ledger.url.get_secret_value())
        stack.push_async_callback(ledger.close)
        toolkit = Toolkit(settings.tool_secrets, settings.thinking)
        stack.push_async_callback(toolkit.close)
        meter = Meter()
        house = House(settings, agent, keep=meter.keeping(ledger.note), toolkit=toolkit)
        carrier = carrier_of(settings)
        if carrier:
            stack.push_async_callback(carrier.close)
        fleet = Fleet(settings.fleet, ledger, house, lambda: meter.predicted_p95_s) if settings.fleet.address else None
        on_duty = fleet.is_office if fleet else (lambda: True)
        office = await stack.enter_async_context(staffed(house, ledger, carrier, on_duty))
        await stack.enter_async_context(metered(meter, house, ledger))
        await stack.enter_async_context(working(keep_giving_back(), "memory"))
        if settings.traces.endpoint:
            from client_caller.tracing import traced

            await stack.enter_async_context(traced(house))
        app = web_app(house, office, carrier, insecure=insecure)
        app.include_router(metrics_router(meter.exposition, settings.server.metrics, metrics_key(settings)))
        front: ASGIApp = app
        if fleet:
            check = check_carrier(settings, insecure=insecure)
            front = await stack.enter_async_context(joined(app, fleet, ledger, house, office, check))
        server = _web_server(settings, front)
        if source:
            reloader = Reloader(house, toolkit, source)
            await stack.enter_async_context(working(reloader.run(), "reloading"))
            on_sighup(reloader.ask, partial(house.retire, partial(_stop, server)))

        def announce() -> None:
            settle()
            print(f"{agent.name} of {agent.company} answers calls at {settings.public_url}", flush=True)

        await stack.enter_async_context(furnished(house, announce, partial(_stop, server)))
        await stack.enter_async_context(summing_up(house, ledger))  # ends before the model that it asks does
        await _answer(server, house, listener, lifeline)


async def answer_calls(
    house: House, listener: socket.socket, lifeline: int | None = None, app: ASGIApp | None = None
) -> None:
    """Answer what comes to `listener` until a signal has retired the house and its last call is over.

    lifeline: a descriptor at whose end calls are handed over at once, for nobody is left to start another process;
    app: what requests go to, None: the house's own application.
    Raises ConfigError when a setting that the carrier needs is missing.
    """
    await _answer(_web_server(house.settings, app or web_app(house)), house, listener, lifeline)


def _web_server(settings: Settings, app: ASGIApp) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        forwarded_allow_ips=settings.server.trusted_proxies,
        ws="websockets-sansio",
        ws_max_size=_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # base64 of mu-law hardly shrinks; it would only cost time
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_GRACE_S,
    )
    return uvicorn.Server(config)


async def _answer(server: uvicorn.Server, house: House, listener: socket.socket, lifeline: int | None) -> None:
    loop, stop = asyncio.get_running_loop(), partial(_stop, server)

    def signalled(sig: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(house.retire, stop)

    # Uvicorn's own would stop at once, and then raise the signal again.
    server.handle_exit = signalled  # type: ignore[method-assign]
    if lifeline is not None:
        loop.add_reader(lifeline, _abandoned, lifeline, house, stop)
    await server.serve(sockets=[listener])


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True


def _abandoned(lifeline: int, house: House, stop: Callable[[], None]) -> None:
    """The supervisor is gone: hand over at once, as at the second signal."""
    asyncio.get_running_loop().remove_reader(lifeline)
    house.retire(stop)
    house.retire(stop)
