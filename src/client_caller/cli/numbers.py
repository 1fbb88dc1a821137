"""`client-caller numbers`: the account's telephone numbers, and where the carrier asks when one is called."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

if TYPE_CHECKING:
    from client_caller.line.control import Numbers, OwnNumber
    from client_caller.settings import Settings

Answer = TypeVar("Answer")

app = typer.Typer(help="The account's telephone numbers: list them, point them here.", no_args_is_help=True)


@app.command("list")
def list_numbers() -> None:
    """Show the account's numbers and where each of them points."""
    from client_caller.settings import load_settings

    found = _ask(load_settings(), lambda control: control.numbers())
    if not found:
        Console().print("The account has no numbers; the Twilio console sells them.")
        return
    where = [Column(name, overflow="fold") for name in ("voice URL", "status URL")]
    table = Table(Column("number", no_wrap=True), "name", *where)
    for number in found:
        table.add_row(*map(escape, (number.number, number.name, _shown(number.voice_url), _shown(number.status_url))))
    Console().print(table)


@app.command()
def point(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="One of the account's numbers, e.g. +15550100002.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it may be changed.")] = False,
) -> None:
    """Have a number's calls come here: to CLIENT_CALLER_PUBLIC_URL. Shows what would change, and asks first."""
    from client_caller.settings import load_settings

    settings = load_settings()
    public = _public_url(settings)
    voice_url, status_url = f"{public}/twilio/voice", f"{public}/twilio/status"
    ours = _the_one(number, _ask(settings, lambda control: control.numbers()))
    console = Console(soft_wrap=True, highlight=False)
    if (ours.voice_url, ours.status_url) == (voice_url, status_url):
        console.print(f"{ours.number} points here already; nothing changes.", markup=False)
        return
    console.print(f"{ours.number} ({ours.name}):", markup=False)
    for what, old, new in (("voice", ours.voice_url, voice_url), ("status", ours.status_url, status_url)):
        change = "stays" if old == new else f"-> {new}"
        console.print(f"    {what + ' URL':<10} {_shown(old)} {change}", markup=False)
    if not yes and not typer.confirm("Change it?"):
        console.print("Nothing was changed.")
        raise typer.Exit(1)
    _ask(settings, lambda control: control.point(ours, voice_url, status_url))
    console.print(f"{ours.number} points here now.", markup=False)


def _ask(settings: "Settings", ask: "Callable[[Numbers], Awaitable[Answer]]") -> Answer:
    """What the carrier answers. Raises ConfigError when a credential is missing, CarrierFailed."""
    from client_caller.app import twilio_control

    async def main() -> Answer:
        control = twilio_control(settings)
        try:
            return await ask(control)
        finally:
            await control.close()

    return asyncio.run(main())


def _public_url(settings: "Settings") -> str:
    """Raises ConfigError unless the carrier can be sent there."""
    from client_caller.app import check_carrier
    from client_caller.errors import ConfigError

    if not settings.public_url:
        raise ConfigError("set CLIENT_CALLER_PUBLIC_URL to the https address at which Twilio is to reach this server")
    check_carrier(settings, insecure=False)
    return settings.public_url.rstrip("/")


def _the_one(wanted: str, numbers: "Sequence[OwnNumber]") -> "OwnNumber":
    """The number that was meant, however it is written. Raises ConfigError that lists those there are."""
    from client_caller.errors import ConfigError

    found = next((number for number in numbers if _digits(number.number) == _digits(wanted)), None)
    if found is None:
        those = ", ".join(number.number for number in numbers) or "none"
        raise ConfigError(f"{wanted} is not one of the account's numbers; they are: {those}")
    return found


def _digits(number: str) -> str:
    return "".join(filter(str.isdigit, number))


def _shown(url: str) -> str:
    return url or "(none)"
