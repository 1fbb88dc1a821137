"""`client-caller campaign`: phone all clients of a list, through the server that runs."""

from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Column, Table

from client_caller.cli.ask import Server, agent_named, server_of
from client_caller.errors import ConfigError

app = typer.Typer(help="Phone all clients of a list: start, watch, stop.", no_args_is_help=True)

_LOOK_EVERY_S: Final = 1.0

At = Annotated[str, typer.Option("--server", help="The server's address; default: that of the settings.")]


@app.command()
def run(
    context: typer.Context,
    contacts: Annotated[Path, typer.Argument(metavar="CSV", help="The list, with a column `number`.")],
    agent: Annotated[
        str, typer.Option(metavar="FILE", help="The agent file that speaks, one of the server's; default: who answers.")
    ] = "",
    name: Annotated[str, typer.Option(help="The campaign's name; default: that of the file.")] = "",
    region: Annotated[str, typer.Option(help="The country of numbers without a plus, e.g. US.")] = "",
    purpose: Annotated[str, typer.Option(help="informational or marketing; default: as the agent file says.")] = "",
    at_once: Annotated[int, typer.Option(min=0, help="Calls of this campaign at once; 0: as many as allowed.")] = 0,
    watch: Annotated[bool, typer.Option(help="Show the progress until all are done.")] = True,
    server: At = "",
) -> None:
    """Start a campaign, or go on with it. Ctrl-C ends the watching, and not the campaign."""
    wanted = {
        "name": name or contacts.name,
        "csv": _text_of(contacts),
        "region": region or None,
        "purpose": purpose or None,
        "max_at_once": at_once or None,
        **agent_named(agent),
    }
    asked = server_of(context, server)
    started = asked.ask("/api/campaigns", wanted)
    if watch:
        _watch(asked, started["campaign"])
    else:
        Console().print(_progress([started]))


@app.command("list")
def list_campaigns(context: typer.Context, server: At = "") -> None:
    """Show all campaigns and how far they are."""
    campaigns = server_of(context, server).ask("/api/campaigns")
    Console().print(
        _progress(campaigns) if campaigns else "There are no campaigns; `client-caller campaign run` starts one."
    )


@app.command()
def stop(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `campaign list` shows.")],
    server: At = "",
) -> None:
    """Place no further call; calls that run go on. `campaign run` with the same file goes on with it."""
    Console().print(_progress([server_of(context, server).ask(f"/api/campaigns/{quote(campaign, safe='')}/stop", {})]))


def _text_of(contacts: Path) -> str:
    """The text of the list. Raises ConfigError when it cannot be read."""
    try:
        return contacts.read_bytes().decode("utf-8-sig")
    except OSError as refusal:
        raise ConfigError(f"{contacts} cannot be read ({refusal.strerror}): give the path of a CSV file") from refusal
    except UnicodeDecodeError as wrong:
        raise ConfigError(f"{contacts} is not UTF-8 text: save it as UTF-8") from wrong


def _watch(asked: Server, campaign: str) -> None:
    """Show how far a campaign is, until it is done or stopped."""
    console, was_left = Console(), False
    with Live(console=console, auto_refresh=False) as live:
        try:
            for stands in asked.watch(f"/api/campaigns/{campaign}", _LOOK_EVERY_S):
                live.update(_progress([stands]), refresh=True)
                if stands["state"] != "running":
                    break
        except KeyboardInterrupt:
            was_left = True
    if not console.is_terminal:
        console.line()  # there, `Live` leaves its last line open
    if was_left:
        stop_it = f"client-caller campaign stop {campaign}"
        console.print(f"The campaign goes on; to stop it: {stop_it}", markup=False, soft_wrap=True)


def _progress(campaigns: list[dict[str, Any]]) -> Table:
    # The id must be whole on the narrowest terminal: it is what `stop` wants.
    table = Table(
        Column("campaign", min_width=16, overflow="fold"),
        Column("name", overflow="fold"),
        "state",
        "waiting",
        "calling",
        "done",
        "how they ended",
    )
    for each in campaigns:
        ended = ", ".join(f"{count} {outcome}" for outcome, count in sorted(each["outcomes"].items()))
        cells = (
            *(each[told] for told in ("campaign", "name", "state", "waiting", "calling", "done")),
            "; ".join(filter(None, (ended, each["paused"]))),
        )
        table.add_row(*(escape(str(cell)) for cell in cells))
    return table
