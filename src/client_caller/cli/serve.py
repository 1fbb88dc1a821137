"""`client-caller serve`: answer the telephone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from client_caller.cli.preflight import Profile

if TYPE_CHECKING:
    from client_caller.settings import Settings


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; default: CLIENT_CALLER_SERVER__HOST.")] = "",
    port: Annotated[int, typer.Option(help="Port to listen on, 0 for a free one.", min=-1, max=65535)] = -1,
    agent: Annotated[Path | None, typer.Option(help="The agent file that answers.")] = None,
    insecure: Annotated[bool, typer.Option(help="Believe unsigned requests; on loopback only.")] = False,
    supervise: Annotated[bool, typer.Option(help="Start the serving process again whenever it dies.")] = True,
    tunnel: Annotated[bool, typer.Option(help="Be reached through cloudflared or ngrok, if installed.")] = False,
    public_url: Annotated[
        str, typer.Option(help="The https address at which the carrier reaches us; default: CLIENT_CALLER_PUBLIC_URL.")
    ] = "",
    profile: Profile = "",
    listen_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Answer calls until stopped. Pulls the model files it lacks."""
    from client_caller.logs import set_up_logging

    read = partial(_settings, profile, host, port, agent)
    settings = read(public_url)
    server = settings.server
    _check(tunnel, insecure, public_url)
    if not supervise or listen_fd is not None:
        with _tunnel(server.port, wanted=tunnel) as url:
            _serve(partial(read, url or public_url), profile, insecure, listen_fd)
        return
    from client_caller.listening import listening
    from client_caller.supervisor import supervise as keep_serving

    set_up_logging(settings.log)
    command = [sys.executable, "-m", "client_caller", "serve", *(["--host", host] if host else [])]
    command += ["--port", str(port)] if port >= 0 else []
    command += ["--agent", str(agent)] if agent else []  # what no option says the process reads, and reads anew
    command += [*(["--insecure"] if insecure else []), *(["--profile", profile] if profile else [])]
    with (
        listening(server.host, server.port) as listener,
        _tunnel(listener.getsockname()[1], wanted=tunnel) as url,
    ):
        reached_at = url or public_url
        command += ["--public-url", reached_at] if reached_at else []
        raise typer.Exit(keep_serving(command, listener))


def _settings(profile: str, host: str, port: int, agent: Path | None, public_url: str) -> "Settings":
    """The settings as the options change them. Raises ConfigError."""
    from client_caller.settings import load_settings

    settings = load_settings(profile)
    server = settings.server.model_copy(
        update={"host": host or settings.server.host, "port": settings.server.port if port < 0 else port}
    )
    changes = {"server": server, "agent": agent or settings.agent, "public_url": public_url or settings.public_url}
    return settings.model_copy(update=changes)


def _check(tunnel: bool, insecure: bool, public_url: str) -> None:
    """Raises ConfigError for options that cannot both be meant."""
    from client_caller.errors import ConfigError

    if tunnel and insecure:
        raise ConfigError("--tunnel lets everybody in, and --insecure believes everybody: leave one of them out")
    if tunnel and public_url:
        raise ConfigError("--tunnel brings an address, and --public-url names one: leave one of them out")


@contextmanager
def _tunnel(port: int, *, wanted: bool) -> Iterator[str]:
    """The public address of a tunnel while the block lasts; empty when none is wanted."""
    if not wanted:
        yield ""
        return
    from rich.console import Console

    from client_caller.tunnel import open_tunnel

    with open_tunnel(port) as url:
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"Reached at {url}. To have a number's calls come here: "
            f"CLIENT_CALLER_PUBLIC_URL={url} client-caller numbers point NUMBER"
        )
        yield url


def _serve(read: "Callable[[], Settings]", profile: str, insecure: bool, listen_fd: int | None) -> None:
    from client_caller.heap import keep_heap_small

    keep_heap_small()  # before what is imported next starts threads
    from rich.console import Console

    from client_caller.app import pull_models
    from client_caller.cli.progress import watching
    from client_caller.logs import set_up_logging
    from client_caller.reloading import Source
    from client_caller.server import run_server
    from client_caller.settings import settings_files

    settings = read()
    with watching(Console(stderr=True)) as progress:
        pull_models(settings, progress)
    set_up_logging(settings.log)
    source = Source(read, partial(settings_files, profile))
    run_server(settings, insecure=insecure, listen_fd=listen_fd, source=source)
