"""`client-caller serve`: answer the telephone."""

from pathlib import Path
from typing import Annotated

import typer


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; default: CLIENT_CALLER_SERVER__HOST.")] = "",
    port: Annotated[int, typer.Option(help="Port to listen on, 0 for a free one.", min=-1, max=65535)] = -1,
    agent: Annotated[Path | None, typer.Option(help="The agent file that answers.")] = None,
    insecure: Annotated[bool, typer.Option(help="Believe unsigned requests; on loopback only.")] = False,
) -> None:
    """Answer calls until stopped. Pulls the model files it lacks."""
    from rich.console import Console

    from client_caller.app import pull_models
    from client_caller.cli.progress import watching
    from client_caller.logs import set_up_logging
    from client_caller.server import run_server
    from client_caller.settings import load_settings

    settings = load_settings()
    server = settings.server.model_copy(
        update={"host": host or settings.server.host, "port": settings.server.port if port < 0 else port}
    )
    settings = settings.model_copy(update={"server": server, "agent": agent or settings.agent})
    with watching(Console(stderr=True)) as progress:
        pull_models(settings, progress)
    set_up_logging()
    run_server(settings, insecure=insecure)
