"""One serving process: the address, the engines, the web server, in the order in which they must come and go.

Out:  calls answered until the process is told to stop. Models are up before the port answers, so that whoever can
      connect can be helped.
"""

import asyncio
import socket
from typing import Final

import uvicorn

from client_caller.agent import load_agent
from client_caller.app import check_carrier, running_engines, web_app
from client_caller.errors import ConfigError
from client_caller.settings import Settings

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_MESSAGE_BYTES: Final = 65_536
"""The largest media message. Twilio's are about 300 bytes; the default of 16 MiB would be an invitation."""

_GRACE_S: Final = 10
"""Seconds that running calls get to settle their records when the process is told to stop. Their streams end at once;
Twilio then asks for the next step, which whoever serves then answers."""


def run_server(settings: Settings, *, insecure: bool = False) -> None:
    """Serve until a signal stops it. Model files must be there.

    insecure: believe unsigned requests; refused unless both ends of the address are on this machine.
    Raises ConfigError, ModelUnavailable, EngineError.
    """
    host = settings.server.host
    if insecure and host not in _LOOPBACK:
        raise ConfigError(f"--insecure listens on loopback only, not on {host}: leave it out, or use --host 127.0.0.1")
    agent = load_agent(settings.agent)
    with _listening(host, settings.server.port) as listener:
        if not settings.public_url and host in _LOOPBACK:
            here = f"http://{host}:{listener.getsockname()[1]}"
            settings = settings.model_copy(update={"public_url": here})
        check_carrier(settings, insecure=insecure)

        async def serve() -> None:
            async with running_engines(settings, agent) as engines:
                config = uvicorn.Config(
                    web_app(settings, agent, engines, insecure=insecure),
                    ws="websockets-sansio",
                    ws_max_size=_MESSAGE_BYTES,
                    ws_per_message_deflate=False,  # base64 of mu-law hardly shrinks; it would only cost time
                    access_log=False,
                    log_config=None,
                    timeout_graceful_shutdown=_GRACE_S,
                )
                print(f"{agent.name} of {agent.company} answers calls at {settings.public_url}", flush=True)
                await uvicorn.Server(config).serve(sockets=[listener])

        asyncio.run(serve())


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as refused:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host} port {port} ({refused.strerror}): choose another with --host and --port"
        ) from refused
    return listener
