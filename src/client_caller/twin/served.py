"""An ASGI application on a port of this machine, as the REST API of a twin for a server in another process.

In:   the application.     Out: its address.
Rule: it is stopped, and its connections closed, when the block ends.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import uvicorn
from starlette.types import ASGIApp


@asynccontextmanager
async def served(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve it, in this loop; gives the address, as "http://127.0.0.1:8080". port: 0 for any that is free."""
    with socket.create_server((host, port)) as listener:
        config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[assignment,method-assign]  # for who holds the loop
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
