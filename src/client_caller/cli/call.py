"""`client-caller call`: phone one client, through the server that runs."""

from pathlib import Path
from time import sleep
from typing import Annotated, Final

import typer
from rich.console import Console

from client_caller.cli.ask import Server
from client_caller.errors import ConfigError

_LOOK_EVERY_S: Final = 0.5
_OVER: Final = frozenset({"over", "dropped"})


def call(
    to: Annotated[str, typer.Argument(metavar="NUMBER", help="Whom to call, in international form: +4930…")],
    agent: Annotated[Path | None, typer.Option(help="The agent file that speaks; default: who answers.")] = None,
    var: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of the agent's texts; may be repeated.")
    ] = None,
    consent: Annotated[
        str, typer.Option(help='Where and how the callee agreed to be called, e.g. "form of 1 May".')
    ] = "",
    server: Annotated[str, typer.Option(help="The server's address; default: that of the settings.")] = "",
    wait: Annotated[bool, typer.Option(help="Wait until the call is over.")] = True,
) -> None:
    """Phone one client, and say how it went."""
    from client_caller.settings import load_settings

    asked = Server(load_settings(), server)
    console = Console(highlight=False)
    wanted = {"to": to, "agent": agent.stem if agent else "", "vars": variables(var or []), "consent": consent}
    order = asked.ask("/api/calls", wanted)["order"]
    told = ""
    while wait:
        stands = asked.ask(f"/api/orders/{order}")
        if stands["state"] != told:
            told = stands["state"]
            console.print(f"[dim]{order}[/] {told if told not in _OVER else stands['outcome']}")
        if told in _OVER:
            return
        sleep(_LOOK_EVERY_S)
    console.print(f"The call is ordered: {order}")


def variables(given: list[str]) -> dict[str, str]:
    """NAME=VALUE, each. Raises ConfigError for what is not of that form."""
    pairs = [pair.partition("=") for pair in given]
    if wrong := [name for name, equals, _ in pairs if not equals or not name.strip()]:
        raise ConfigError(f"--var must be NAME=VALUE, as in --var name=Ada (it is {wrong[0]!r})")
    return {name.strip(): value for name, _, value in pairs}
