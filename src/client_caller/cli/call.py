"""`client-caller call`: phone one client, through the server that runs."""

from typing import Annotated, Final

import typer
from rich.console import Console

from client_caller.cli.ask import Server, agent_named, server_of
from client_caller.errors import ConfigError

_LOOK_EVERY_S: Final = 0.5
_OVER: Final = frozenset({"over", "dropped"})


def call(
    context: typer.Context,
    to: Annotated[str, typer.Argument(metavar="NUMBER", help="Whom to call, in international form: +4930…")],
    agent: Annotated[
        str, typer.Option(metavar="FILE", help="The agent file that speaks, one of the server's; default: who answers.")
    ] = "",
    var: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of the agent's texts; may be repeated.")
    ] = None,
    consent: Annotated[
        str, typer.Option(help='Where and how the callee agreed to be called, e.g. "form of 1 May".')
    ] = "",
    server: Annotated[str, typer.Option(help="The server's address; default: that of the settings.")] = "",
    wait: Annotated[bool, typer.Option(help="Wait until the call is over.")] = True,
) -> None:
    """Phone one client, and say how it went. Ctrl-C ends the waiting, and not the call."""
    wanted = {"to": to, "vars": variables(var or []), "consent": consent, **agent_named(agent)}
    asked, console = server_of(context, server), Console(highlight=False, soft_wrap=True)
    order = asked.ask("/api/calls", wanted)["order"]
    console.print(f"The call is ordered: {order}", markup=False)
    if not wait:
        return
    try:
        _follow(asked, order, console)
    except KeyboardInterrupt:
        console.print("The call goes on.")


def _follow(asked: Server, order: str, console: Console) -> None:
    """Tell what becomes of an order, until it is over."""
    told = ""
    for stands in asked.watch(f"/api/orders/{order}", _LOOK_EVERY_S):
        state = stands["outcome"] if stands["state"] in _OVER else stands["state"]
        if state != told:
            told = state
            console.print(told, markup=False)
        if stands["state"] in _OVER:
            return


def variables(given: list[str]) -> dict[str, str]:
    """NAME=VALUE, each. Raises ConfigError for what is not of that form, or given twice."""
    found: dict[str, str] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise ConfigError(f"--var must be NAME=VALUE, as in --var name=Ada (it is {pair!r})")
        if name.strip() in found:
            raise ConfigError(f"--var {name.strip()} is given twice: leave one of them out")
        found[name.strip()] = value
    return found
