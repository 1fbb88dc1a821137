"""`client-caller gateways`: the gateways that share a ledger, as they last told of themselves."""

import asyncio
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from client_caller.fleet.gateways import Gateway


def gateways() -> None:
    """List the gateways that share this ledger: how full each is, how quick, and which of them places calls."""
    from client_caller.settings import load_settings

    settings = load_settings()
    found, office = asyncio.run(_look(settings.ledger.url.get_secret_value()))
    if not found:
        Console().print(
            "No gateway has told of itself in the last hour. They do when CLIENT_CALLER_FLEET__ADDRESS is set, in the "
            "ledger that CLIENT_CALLER_LEDGER__URL names.",
            soft_wrap=True,
        )
        return
    numbers = [Column(name, justify="right") for name in ("calls", "room", "answers within", "last heard of")]
    table = Table(Column("gateway", no_wrap=True), "state", *numbers, "address", "places calls")
    for each in found:
        is_gone = each.age_s >= settings.fleet.gone_after_s
        table.add_row(
            escape(each.name),
            "gone" if is_gone else each.state,
            str(each.running),
            str(each.room),
            "" if each.answer_p95_s is None else f"{each.answer_p95_s:.2f} s",
            f"{each.age_s:.0f} s ago",
            escape(each.address),
            "yes" if each.name == office else "",
        )
    Console().print(table)


async def _look(url: str) -> "tuple[list[Gateway], str]":
    """All gateways, and the name of the one that places calls."""
    from client_caller.fleet import registry
    from client_caller.fleet.fleet import OFFICE
    from client_caller.ledger.ledger import open_ledger

    def look(connection: "Connection") -> "tuple[list[Gateway], str]":
        return registry.known(connection), registry.on_duty(connection, OFFICE)

    ledger = open_ledger(url)
    try:
        return await ledger.read(look)
    finally:
        await ledger.close()
