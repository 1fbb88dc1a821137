"""`client-caller campaign`: phone all clients of a list, through the server that runs."""

from pathlib import Path
from time import sleep
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from client_caller.cli.ask import Server
from client_caller.errors import ConfigError

app = typer.Typer(help="Phone all clients of a list: start, watch, stop.", no_args_is_help=True)

_LOOK_EVERY_S: Final = 1.0

At = Annotated[str, typer.Option("--server", help="The server's address; default: that of the settings.")]


@app.command()
def run(
    contacts: Annotated[Path, typer.Argument(metavar="CSV", help="The list, with a column `number`.")],
    agent: Annotated[Path | None, typer.Option(help="The agent file that speaks; default: who answers.")] = None,
    name: Annotated[str, typer.Option(help="The campaign's name; default: that of the file.")] = "",
    region: Annotated[str, typer.Option(help="The country of numbers without a plus, e.g. US.")] = "",
    purpose: Annotated[str, typer.Option(help="informational or marketing; default: as the agent file says.")] = "",
    at_once: Annotated[int, typer.Option(min=0, help="Calls of this campaign at once; 0: as many as allowed.")] = 0,
    watch: Annotated[bool, typer.Option(help="Show the progress until all are done.")] = True,
    server: At = "",
) -> None:
    """Start a campaign, or go on with it. Ctrl-C ends the watching, and not the campaign."""
    try:
        text = contacts.read_text(encoding="utf-8-sig")
    except OSError as refusal:
        raise ConfigError(f"{contacts} cannot be read ({refusal.strerror}): give the path of a CSV file") from refusal
    except UnicodeDecodeError as wrong:
        raise ConfigError(f"{contacts} is not UTF-8 text: save it as UTF-8") from wrong
    wanted = {
        "name": name or contacts.name,
        "csv": text,
        "agent": agent.stem if agent else "",
        "region": region or None,
        "purpose": purpose or None,
        "max_at_once": at_once or None,
    }
    asked = _server(server)
    started = asked.ask("/api/campaigns", wanted)
    if watch:
        _watch(asked, started["campaign"])
    else:
        Console().print(_progress([started]))


@app.command("list")
def list_campaigns(server: At = "") -> None:
    """Show all campaigns and how far they are."""
    Console().print(_progress(_server(server).ask("/api/campaigns")))


@app.command()
def stop(campaign: Annotated[str, typer.Argument(help="Its id, as `campaign list` shows.")], server: At = "") -> None:
    """Place no further call; calls that run go on. `campaign run` with the same file goes on with it."""
    Console().print(_progress([_server(server).ask(f"/api/campaigns/{campaign}/stop", {})]))


def _server(url: str) -> Server:
    from client_caller.settings import load_settings

    return Server(load_settings(), url)


def _watch(asked: Server, campaign: str) -> None:
    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                stands = asked.ask(f"/api/campaigns/{campaign}")
                live.update(_progress([stands]), refresh=True)
                if stands["state"] != "running":
                    return
                sleep(_LOOK_EVERY_S)
        except KeyboardInterrupt:
            console.print(f"The campaign goes on; to stop it: client-caller campaign stop {campaign}")


def _progress(campaigns: list[dict[str, Any]]) -> Table:
    table = Table("campaign", "name", "state", "waiting", "calling", "done", "how they ended")
    for each in campaigns:
        ended = ", ".join(f"{count} {outcome}" for outcome, count in sorted(each["outcomes"].items()))
        table.add_row(
            each["campaign"],
            each["name"],
            each["state"],
            *(str(each[count]) for count in ("waiting", "calling", "done")),
            "; ".join(filter(None, (ended, each["paused"]))),
        )
    return table
